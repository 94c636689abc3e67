//! Compact peer lists: an address and a port in 6 bytes (BEP 23), or in 18 for IPv6 (BEP 7).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of one IPv4 peer.
pub const V4_BYTES: usize = 6;

/// Bytes of one IPv6 peer.
pub const V6_BYTES: usize = 18;

/// What a compact list held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compact {
    /// The addresses that a peer can have, in the order of the list.
    pub peers: Vec<SocketAddr>,
    /// Entries that no peer can have: see [`usable`].
    pub skipped: usize,
    /// The list ended inside an entry; the whole entries before it count.
    pub odd: bool,
}

/// Reads a list of IPv4 peers; of the usable ones only the first `max`.
#[must_use]
pub fn decode_v4(bytes: &[u8], max: usize) -> Compact {
    let (entries, rest) = bytes.as_chunks::<V4_BYTES>();
    let addresses = entries.iter().map(|&[a, b, c, d, high, low]| {
        let ip = Ipv4Addr::new(a, b, c, d);
        SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))
    });
    collect(addresses, max, !rest.is_empty())
}

/// Reads a list of IPv6 peers; of the usable ones only the first `max`. An IPv4 address in the
/// clothes of an IPv6 one comes out as IPv4.
#[must_use]
pub fn decode_v6(bytes: &[u8], max: usize) -> Compact {
    let (entries, rest) = bytes.as_chunks::<V6_BYTES>();
    let addresses = entries.iter().map(|entry| {
        let (ip, port) = entry.split_at(16);
        let ip: [u8; 16] = ip.try_into().expect("it was split at 16");
        SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), u16::from_be_bytes([port[0], port[1]]))
    });
    collect(addresses, max, !rest.is_empty())
}

/// Appends one peer in 6 or 18 bytes, as its address has it.
pub fn encode(peer: SocketAddr, out: &mut Vec<u8>) {
    match peer.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
    out.extend(peer.port().to_be_bytes());
}

/// Whether a peer can be there at all: not port 0, not the unspecified, the broadcast or a
/// multicast address, nor an IPv6 address of the link, which says nothing without its link.
#[must_use]
pub fn usable(peer: SocketAddr) -> bool {
    let good = match peer.ip() {
        // 0.0.0.0/8 is "this network" (RFC 1122), of which no peer sends.
        IpAddr::V4(ip) => ip.octets()[0] != 0 && !ip.is_broadcast() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    };
    good && peer.port() != 0
}

fn collect(entries: impl Iterator<Item = SocketAddr>, max: usize, odd: bool) -> Compact {
    let mut list = Compact { odd, ..Compact::default() };
    for peer in entries {
        if list.peers.len() == max {
            break;
        }
        if usable(peer) {
            list.peers.push(peer);
        } else {
            list.skipped += 1;
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn bad_entries_are_skipped_one_by_one() {
        let bytes = [
            &[127, 0, 0, 1, 0x1a, 0xe1][..],
            &[10, 0, 0, 1, 0, 0],
            &[0, 0, 0, 0, 0, 80],
            &[255, 255, 255, 255, 0, 80],
            &[224, 0, 0, 1, 0, 80],
            &[192, 0, 2, 7, 0, 80],
            &[1, 2, 3],
        ]
        .concat();
        let list = decode_v4(&bytes, 100);
        assert_eq!(list.peers, [addr("127.0.0.1:6881"), addr("192.0.2.7:80")]);
        assert_eq!((list.skipped, list.odd), (4, true));
    }

    #[test]
    fn an_ipv6_list_gives_ipv4_where_it_is_mapped() {
        let mut bytes = Vec::new();
        for peer in
            ["[2001:db8::1]:1", "[::ffff:192.0.2.1]:2", "[::]:3", "[fe80::1]:4", "[ff02::1]:5"]
        {
            encode(addr(peer), &mut bytes);
        }
        let list = decode_v6(&bytes, 100);
        assert_eq!(list.peers, [addr("[2001:db8::1]:1"), addr("192.0.2.1:2")]);
        assert_eq!((list.skipped, list.odd), (3, false));
    }

    #[test]
    fn no_more_than_the_limit_is_taken() {
        assert_eq!(decode_v4(&[9; 600], 7).peers.len(), 7);
        assert_eq!(decode_v6(&[9; 1800], 0).peers.len(), 0);
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(ip in any::<[u8; 4]>(), ip6 in any::<[u8; 16]>(), port: u16) {
            let (v4, v6) = (SocketAddr::new(ip.into(), port), SocketAddr::new(ip6.into(), port));
            let (mut four, mut six) = (Vec::new(), Vec::new());
            encode(v4, &mut four);
            encode(v6, &mut six);
            if usable(v4) {
                prop_assert_eq!(decode_v4(&four, 1).peers, [v4]);
            }
            let canonical = SocketAddr::new(v6.ip().to_canonical(), port);
            if usable(canonical) {
                let read = decode_v6(&six, 1).peers;
                prop_assert_eq!(read, [canonical], "{}", v6.to_string());
            }
        }
    }
}
