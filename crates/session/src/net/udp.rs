//! The UDP sockets of a session: one a family, on the port where peers reach us.
//!
//! Everything that speaks in packets goes through here, so that nothing has a way around it.
//! Whose a packet is, its first byte tells ([`Receiver`]).

mod lan;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket as Raw, Type};
use toubkal_core::base::Time;
use toubkal_core::reach::Group;

use self::lan::Lan;

/// A longer packet is of nobody: it is cut, and then not what it says.
const PACKET_BYTES_MAX: usize = 4 * 1024;
/// What the system keeps for us until we take it.
const RECEIVE_BYTES: usize = 1024 * 1024;

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// A dictionary (BEP 5).
    Dht,
    /// The answer of a tracker (BEP 15).
    Tracker,
    /// A header of version 1 (BEP 29).
    Utp,
    /// Nobody's.
    Nobody,
}

impl Receiver {
    /// Looks at the first byte.
    pub(crate) fn of(packet: &[u8]) -> Self {
        match packet.first() {
            Some(b'd') => Self::Dht,
            Some(0x00) => Self::Tracker,
            Some(0x01 | 0x11 | 0x21 | 0x31 | 0x41) => Self::Utp,
            _ => Self::Nobody,
        }
    }
}

/// The sockets. Each is opened when something is first sent over its family: a session that has
/// nothing to say in packets has none.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Where the sockets of both families are to be.
    wanted: [SocketAddr; 2],
    sockets: [Option<Socket>; 2],
    /// Those of local discovery, if it is wanted.
    lan: Option<Lan>,
    registry: Registry,
    first: Token,
    scratch: Box<[u8]>,
    /// Which socket is read next.
    turn: usize,
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    v6: bool,
    token: Token,
    /// A packet may wait to be taken.
    ready: bool,
}

impl Udp {
    /// A socket of each family is to be where peers reach us, or on any port where they do not,
    /// or where another program has ours. Their tokens go up from `first`.
    ///
    /// # Errors
    /// When the system has nothing to watch them by.
    pub(crate) fn new(
        listening_on: &[SocketAddr],
        lan: bool,
        registry: &Registry,
        first: Token,
    ) -> io::Result<Self> {
        let any = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        let wanted = any.map(|any| {
            let mut ours = listening_on.iter().filter(|addr| addr.is_ipv4() == any.is_ipv4());
            match (ours.next(), ours.next()) {
                (Some(only), None) => *only,
                (Some(first), _) => SocketAddr::new(any, first.port()),
                (None, _) => SocketAddr::new(any, 0),
            }
        });
        Ok(Self {
            wanted,
            sockets: [None, None],
            lan: lan.then(|| Lan::new(listening_on, Token(first.0 + wanted.len()))),
            registry: registry.try_clone()?,
            first,
            scratch: vec![0; PACKET_BYTES_MAX].into(),
            turn: 0,
        })
    }

    /// The socket of a family, opened if there is none yet; `None` when the system has no such
    /// family.
    fn socket(&mut self, v6: bool) -> Option<&Socket> {
        let place = usize::from(v6);
        if self.sockets[place].is_none() {
            let wanted = self.wanted[place];
            let free = SocketAddr::new(wanted.ip(), 0);
            let socket = open(wanted).or_else(|_| open(free)).ok()?;
            let token = Token(self.first.0 + place);
            self.sockets[place] = Socket::watch(socket, v6, token, &self.registry);
        }
        self.sockets[place].as_ref()
    }

    /// Something may have come for a socket.
    pub(crate) fn note(&mut self, token: Token) {
        let local = self.lan.iter_mut().flat_map(Lan::sockets);
        let ours = self.sockets.iter_mut().flatten();
        for socket in ours.chain(local).filter(|socket| socket.token == token) {
            socket.ready = true;
        }
    }

    /// Whether a packet may wait to be taken.
    pub(crate) fn is_busy(&self) -> bool {
        self.sockets.iter().flatten().any(|socket| socket.ready)
            || self.lan.as_ref().is_some_and(Lan::is_busy)
    }

    /// The next packet, from the sockets in turn; `None` when there is none, or what came was
    /// none.
    pub(crate) fn receive(&mut self) -> Option<(SocketAddr, &[u8])> {
        for _ in 0..self.sockets.len() {
            self.turn = (self.turn + 1) % self.sockets.len();
            let socket = self.sockets[self.turn].as_mut();
            if let Some((from, length)) = socket.and_then(|s| s.receive(&mut self.scratch)) {
                return Some((from, &self.scratch[..length]));
            }
        }
        None
    }

    /// The next packet that somebody on the local network said to everybody.
    pub(crate) fn receive_lan(&mut self) -> Option<(SocketAddr, &[u8])> {
        let (from, length) = self.lan.as_mut()?.receive(&mut self.scratch)?;
        Some((from, &self.scratch[..length]))
    }

    /// Looks now and then which local networks there are.
    pub(crate) fn refresh_lan(&mut self, now: Time) {
        if let Some(lan) = &mut self.lan {
            lan.refresh(now, &self.registry);
        }
    }

    /// Says something to everybody on all local networks.
    pub(crate) fn send_lan(&self, group: Group, packet: &[u8]) {
        if let Some(lan) = &self.lan {
            lan.send(group, packet);
        }
    }

    /// Sends a packet. One that the system has no room for is lost, as others are on their way.
    ///
    /// # Errors
    /// When there is no way there.
    pub(crate) fn send(&mut self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        let Some(socket) = self.socket(to.is_ipv6()) else {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        match socket.socket.send_to(packet, to) {
            Err(error) if is_no_way(error.kind()) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Socket {
    /// Has a socket watched; `None` when the system cannot.
    fn watch(mut socket: UdpSocket, v6: bool, token: Token, registry: &Registry) -> Option<Self> {
        registry.register(&mut socket, token, Interest::READABLE).ok()?;
        Some(Self { socket, v6, token, ready: true })
    }

    /// Takes one packet; `None` when there is none, or what came was none.
    fn receive(&mut self, scratch: &mut [u8]) -> Option<(SocketAddr, usize)> {
        if !self.ready {
            return None;
        }
        match self.socket.recv_from(scratch) {
            // What fills the buffer was longer.
            Ok((length, from)) if length < scratch.len() => Some((from, length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready = false;
                None
            }
            // What the system tells as an error is of a packet that we sent before; Windows does
            // so. The next may be good.
            _ => None,
        }
    }
}

/// Errors that another try at once would not mend.
fn is_no_way(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
    )
}

fn open(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Raw::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may give less.
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Plain;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const FIRST: Token = Token(40);

    #[test]
    fn packets_are_told_apart_by_their_first_byte() {
        for (packet, receiver) in [
            (&b"d1:ad2:id"[..], Receiver::Dht),
            (&[0, 0, 0, 1], Receiver::Tracker),
            (&[0x01], Receiver::Utp),
            (&[0x41, 0], Receiver::Utp),
            (&[0x51], Receiver::Nobody),
            (&[0x02], Receiver::Nobody),
            (&[], Receiver::Nobody),
        ] {
            assert_eq!(Receiver::of(packet), receiver, "{packet:?}");
        }
    }

    #[test]
    fn both_families_send_and_receive_on_the_port_of_the_session() {
        let mut poll = Poll::new().unwrap();
        let taken = Plain::bind("127.0.0.1:0").unwrap();
        let free = Plain::bind("[::1]:0").unwrap().local_addr().unwrap();
        // Another program has one of the two.
        let listen = [taken.local_addr().unwrap(), free];
        let mut udp = Udp::new(&listen, false, poll.registry(), FIRST).unwrap();
        assert!(udp.sockets.iter().all(Option::is_none), "nothing is opened that nobody needs");
        let addresses =
            [false, true].map(|v6| udp.socket(v6).unwrap().socket.local_addr().unwrap());
        assert_ne!(addresses[0].port(), listen[0].port());
        assert_eq!(addresses[1], free);
        for own in addresses {
            let other = Plain::bind(SocketAddr::new(own.ip(), 0)).unwrap();
            let at = other.local_addr().unwrap();
            udp.send(at, b"question").unwrap();
            let mut answer = [0; 20];
            let (length, from) = other.recv_from(&mut answer).unwrap();
            assert_eq!((&answer[..length], from), (&b"question"[..], own));
            assert!(udp.receive().is_none());
            other.send_to(&[b'x'; PACKET_BYTES_MAX + 1], own).unwrap();
            other.send_to(b"answer", own).unwrap();
            let mut events = Events::with_capacity(8);
            let mut heard = Vec::new();
            while heard.is_empty() {
                poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
                events.iter().for_each(|event| udp.note(event.token()));
                while udp.is_busy() {
                    heard.extend(udp.receive().map(|(from, bytes)| (from, bytes.to_vec())));
                }
            }
            assert_eq!(heard, [(at, b"answer".to_vec())], "what is too long is left out");
        }
    }

    #[test]
    fn what_has_no_way_is_told() {
        let poll = Poll::new().unwrap();
        let mut udp = Udp::new(&[], false, poll.registry(), FIRST).unwrap();
        // An address of documentation, from a socket that is on loopback.
        udp.wanted[0] = "127.0.0.1:0".parse().unwrap();
        assert!(udp.send("192.0.2.1:9".parse().unwrap(), b"x").is_err());
        assert!(udp.send("127.0.0.1:9".parse().unwrap(), b"x").is_ok());
    }
}
