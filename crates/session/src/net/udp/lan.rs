//! The sockets of local discovery: one for each interface and family, joined to the group there.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_addrs::{IfAddr, IfOperStatus, Interface};
use mio::net::UdpSocket;
use mio::{Registry, Token};
use socket2::{Domain, Protocol, Socket as Raw, Type};
use toubkal_core::base::Time;
use toubkal_core::reach::Group;
use toubkal_wire::lsd::{GROUP_V4, GROUP_V6, PORT};

use super::Socket;

/// Interfaces and families that are spoken over; more are left out.
const NETS_MAX: usize = 16;
/// How often it is looked which interfaces there are.
const REFRESH: Duration = Duration::from_secs(60);

/// The local networks.
#[derive(Debug)]
pub(crate) struct Lan {
    /// Where peers reach us: only there it makes sense to be found.
    listening_on: Vec<SocketAddr>,
    nets: Vec<Net>,
    next_token: usize,
    looked: Option<Time>,
    turn: usize,
}

/// One interface, in one family.
#[derive(Debug)]
struct Net {
    place: Place,
    socket: Socket,
}

/// What makes an interface another one, when it is looked again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    index: u32,
    /// The address of ours from which is spoken.
    own: IpAddr,
    /// Addresses and lengths of prefixes: who is on the same network.
    near: Vec<(IpAddr, u8)>,
}

impl Lan {
    /// No sockets yet. Their tokens go up from `first`.
    pub(super) fn new(listening_on: &[SocketAddr], first: Token) -> Self {
        let listening_on = listening_on.to_vec();
        Self { listening_on, nets: Vec::new(), next_token: first.0, looked: None, turn: 0 }
    }

    /// Looks which interfaces there are, if that was not done in the last minute.
    pub(crate) fn refresh(&mut self, now: Time, registry: &Registry) {
        if self.looked.is_some_and(|looked| now.since(looked) < REFRESH) {
            return;
        }
        self.looked = Some(now);
        let found = places(&if_addrs::get_if_addrs().unwrap_or_default(), &self.listening_on);
        self.nets.retain(|net| found.contains(&net.place));
        for place in found {
            let new = self.nets.iter().all(|net| net.place != place);
            if !new || self.nets.len() >= NETS_MAX {
                continue;
            }
            // Without it the others work on: an interface may have no multicast.
            let Ok(socket) = join(&place) else { continue };
            let token = Token(self.next_token);
            self.next_token += 1;
            if let Some(socket) = Socket::watch(socket, place.own.is_ipv6(), token, registry) {
                self.nets.push(Net { place, socket });
            }
        }
    }

    pub(super) fn sockets(&mut self) -> impl Iterator<Item = &mut Socket> {
        self.nets.iter_mut().map(|net| &mut net.socket)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.nets.iter().any(|net| net.socket.ready)
    }

    /// The next packet that came from one of the networks, from each in turn.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Option<(SocketAddr, usize)> {
        for _ in 0..self.nets.len() {
            self.turn = (self.turn + 1) % self.nets.len();
            let Net { place, socket } = &mut self.nets[self.turn];
            let heard = socket.receive(scratch);
            if let Some((from, _)) = heard
                && is_near(place, from.ip())
            {
                return heard;
            }
        }
        None
    }

    /// Says something on every network.
    pub(crate) fn send(&self, group: Group, packet: &[u8]) {
        let v6 = group == Group::V6;
        for net in self.nets.iter().filter(|net| net.socket.v6 == v6) {
            // Whoever is not reached now is so in five minutes.
            let _ = net.socket.socket.send_to(packet, group.address());
        }
    }
}

/// The interfaces on which it makes sense to be found: those that are up and no tunnel, where
/// peers reach us.
fn places(interfaces: &[Interface], listening_on: &[SocketAddr]) -> Vec<Place> {
    let mut places: BTreeMap<(u32, bool), Place> = BTreeMap::new();
    for interface in interfaces {
        let (ip, prefix) = match &interface.addr {
            IfAddr::V4(addr) => (IpAddr::from(addr.ip), addr.prefixlen),
            IfAddr::V6(addr) => (IpAddr::from(addr.ip), addr.prefixlen),
        };
        let up = matches!(interface.oper_status, IfOperStatus::Up | IfOperStatus::Unknown);
        let Some(index) = interface.index.filter(|_| up && !interface.is_p2p) else { continue };
        let reached = listening_on.iter().any(|addr| {
            addr.is_ipv4() == ip.is_ipv4() && (addr.ip().is_unspecified() || addr.ip() == ip)
        });
        if ip.is_loopback() {
            continue;
        }
        let place = places.entry((index, ip.is_ipv6()));
        if reached {
            place.or_insert(Place { index, own: ip, near: Vec::new() }).near.push((ip, prefix));
        } else {
            place.and_modify(|place| place.near.push((ip, prefix)));
        }
    }
    places.into_values().collect()
}

/// Whether an address is of the network of an interface.
fn is_near(place: &Place, ip: IpAddr) -> bool {
    place.near.iter().any(|&(own, prefix)| match (own, ip.to_canonical()) {
        (IpAddr::V4(own), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            (own.to_bits() ^ ip.to_bits()) & mask == 0
        }
        (IpAddr::V6(own), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            (own.to_bits() ^ ip.to_bits()) & mask == 0
        }
        _ => false,
    })
}

/// A socket that hears what is said on one interface, and speaks there.
fn join(place: &Place) -> io::Result<UdpSocket> {
    let any: IpAddr = match place.own {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let addr = SocketAddr::new(any, PORT);
    let socket = Raw::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // All clients of a machine share the port.
    socket.set_reuse_address(true)?;
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    socket.set_reuse_port(true)?;
    match place.own {
        IpAddr::V4(own) => {
            socket.bind(&addr.into())?;
            socket.join_multicast_v4(GROUP_V4.ip(), &own)?;
            socket.set_multicast_if_v4(&own)?;
            // Other clients of this machine are to hear us.
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(1)?;
            // What another socket has joined is not for this one.
            #[cfg(any(target_os = "android", target_os = "linux"))]
            socket.set_multicast_all_v4(false)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.bind(&addr.into())?;
            socket.join_multicast_v6(GROUP_V6.ip(), place.index)?;
            socket.set_multicast_if_v6(place.index)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(1)?;
            #[cfg(any(target_os = "android", target_os = "linux"))]
            socket.set_multicast_all_v6(false)?;
        }
    }
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, ip: &str, prefixlen: u8, up: bool) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => IfAddr::V4(if_addrs::Ifv4Addr {
                ip,
                netmask: Ipv4Addr::UNSPECIFIED,
                prefixlen,
                broadcast: None,
            }),
            IpAddr::V6(ip) => IfAddr::V6(if_addrs::Ifv6Addr {
                ip,
                netmask: Ipv6Addr::UNSPECIFIED,
                prefixlen,
                broadcast: None,
            }),
        };
        Interface {
            name: format!("eth{index}"),
            addr,
            index: Some(index),
            oper_status: if up { IfOperStatus::Up } else { IfOperStatus::Down },
            is_p2p: index == 9,
            #[cfg(windows)]
            adapter_name: String::new(),
        }
    }

    fn own(listening_on: &[&str]) -> Vec<String> {
        let interfaces = [
            interface(1, "127.0.0.1", 8, true),
            interface(1, "::1", 128, true),
            interface(2, "192.0.2.7", 24, true),
            interface(2, "192.0.2.8", 24, true),
            interface(2, "fe80::7", 64, true),
            interface(2, "2001:db8::7", 64, true),
            interface(3, "10.0.0.7", 8, false),
            interface(4, "10.0.0.8", 8, true),
            interface(9, "10.9.0.1", 32, true),
        ];
        let listening_on: Vec<_> = listening_on.iter().map(|text| text.parse().unwrap()).collect();
        let places = places(&interfaces, &listening_on);
        places.iter().map(|place| place.own.to_string()).collect()
    }

    #[test]
    fn it_is_spoken_where_peers_reach_us_and_never_over_loopback_or_a_tunnel() {
        let both = own(&["0.0.0.0:6881", "[::]:6881"]);
        assert_eq!(both, ["192.0.2.7", "fe80::7", "10.0.0.8"]);
        assert_eq!(own(&["192.0.2.8:6881"]), ["192.0.2.8"]);
        assert_eq!(own(&["127.0.0.1:6881", "[::1]:6881"]), [""; 0]);
        assert_eq!(own(&[]), [""; 0]);
    }

    #[test]
    fn who_is_on_another_network_is_not_heard() {
        let near = |prefix| vec![("192.0.2.7".parse().unwrap(), prefix)];
        for (prefix, ip, heard) in [
            (24, "192.0.2.200", true),
            (24, "192.0.3.1", false),
            (24, "::ffff:192.0.2.9", true),
            (0, "8.8.8.8", true),
            (32, "192.0.2.7", true),
            (32, "192.0.2.6", false),
            (24, "2001:db8::1", false),
        ] {
            let place = Place { index: 1, own: near(0)[0].0, near: near(prefix) };
            assert_eq!(is_near(&place, ip.parse().unwrap()), heard, "{ip}/{prefix}");
        }
        let near = vec![("2001:db8::7".parse().unwrap(), 64)];
        let place = Place { index: 1, own: near[0].0, near };
        assert!(is_near(&place, "2001:db8::ffff:1".parse().unwrap()));
        assert!(!is_near(&place, "2001:db8:1::1".parse().unwrap()));
    }
}
