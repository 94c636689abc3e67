//! Local service discovery (BEP 14): who has which torrents, said to everybody on the network.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::percent;

/// Where it is said to everybody, over IPv4.
pub const GROUP_V4: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 192, 152, 143), PORT);
/// Where it is said to everybody, over IPv6.
pub const GROUP_V6: SocketAddrV6 =
    SocketAddrV6::new(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f), PORT, 0, 0);
/// The port of both groups.
pub const PORT: u16 = 6771;
/// Torrents in one packet, as it is sent: it has to fit into any.
pub const HASHES_SENT_MAX: usize = 20;
/// Torrents in one packet that are read.
pub const HASHES_MAX: usize = 64;
/// Bytes of a cookie that is read.
pub const COOKIE_BYTES_MAX: usize = 64;

const FIRST_LINE: &str = "BT-SEARCH * HTTP/1.1";

/// What one packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Where its sender takes connections; not 0.
    pub port: u16,
    /// What it has, or wants.
    pub info_hashes: Vec<[u8; 20]>,
    /// By this its sender knows its own packets, which come back.
    pub cookie: Option<String>,
}

impl Announce {
    /// The packet, for a group: at most [`HASHES_SENT_MAX`] torrents.
    #[must_use]
    pub fn encode(&self, group: SocketAddr) -> Vec<u8> {
        let mut text = String::with_capacity(128 + 52 * self.info_hashes.len());
        let port = self.port;
        write!(text, "{FIRST_LINE}\r\nHost: {group}\r\nPort: {port}\r\n").expect("it is a string");
        for hash in self.info_hashes.iter().take(HASHES_SENT_MAX) {
            text.push_str("Infohash: ");
            for byte in hash {
                write!(text, "{byte:02x}").expect("a string takes everything");
            }
            text.push_str("\r\n");
        }
        if let Some(cookie) = &self.cookie {
            write!(text, "cookie: {cookie}\r\n").expect("a string takes everything");
        }
        // BEP 14 ends it with two empty lines.
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    /// Reads a packet; `None` when it is none, or says of no torrent. What else is in it does
    /// not matter.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(packet).ok()?;
        let mut lines = text.lines();
        if !lines.next()?.trim_end().eq_ignore_ascii_case(FIRST_LINE) {
            return None;
        }
        let (mut port, mut cookie, mut info_hashes) = (None, None, Vec::new());
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("Port") {
                port = value.parse().ok().filter(|&port| port > 0);
            } else if name.eq_ignore_ascii_case("Infohash") {
                let hash = info_hash(value);
                info_hashes.extend(hash.filter(|_| info_hashes.len() < HASHES_MAX));
            } else if name.eq_ignore_ascii_case("cookie") && value.len() <= COOKIE_BYTES_MAX {
                cookie = Some(String::from(value));
            }
        }
        let port = port.filter(|_| !info_hashes.is_empty())?;
        Some(Self { port, info_hashes, cookie })
    }
}

fn info_hash(text: &str) -> Option<[u8; 20]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != 20 {
        return None;
    }
    let mut hash = [0; 20];
    for (byte, &[high, low]) in hash.iter_mut().zip(pairs) {
        *byte = percent::hex_digit(high)? << 4 | percent::hex_digit(low)?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec;

    #[test]
    fn a_packet_is_what_bep_14_shows() {
        let announce = Announce {
            port: 6881,
            info_hashes: vec![[0xab; 20], [1; 20]],
            cookie: Some("name".to_string()),
        };
        let expected = "BT-SEARCH * HTTP/1.1\r\nHost: [ff15::efc0:988f]:6771\r\nPort: 6881\r\n\
            Infohash: abababababababababababababababababababab\r\n\
            Infohash: 0101010101010101010101010101010101010101\r\n\
            cookie: name\r\n\r\n\r\n";
        let packet = announce.encode(GROUP_V6.into());
        assert_eq!(core::str::from_utf8(&packet), Ok(expected));
        assert_eq!(Announce::decode(&packet), Some(announce));
    }

    #[test]
    fn the_packets_of_others_are_read() {
        let hash = "ABABABABABABABABABABABABABABABABABABABAB";
        let start = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n";
        for (rest, good) in [
            (std::format!("Port: 1\r\nInfohash: {hash}\r\n\r\n\r\n"), true),
            (std::format!("PORT:1\ninfohash:{hash}\nX: y\n"), true),
            (std::format!("Infohash: zz\r\nInfohash: {hash}\r\nPort: 65535"), true),
            (std::format!("Port: 0\r\nInfohash: {hash}\r\n"), false),
            (std::format!("Port: 65536\r\nInfohash: {hash}\r\n"), false),
            (std::format!("Infohash: {hash}\r\n"), false),
            (std::format!("Port: 1\r\nInfohash: {hash}0\r\n"), false),
            ("Port: 1\r\n".to_string(), false),
        ] {
            let read = Announce::decode((start.to_string() + &rest).as_bytes());
            assert_eq!(read.is_some(), good, "{rest}");
            assert!(read.is_none_or(|read| read.info_hashes == [[0xab; 20]]));
        }
        assert_eq!(Announce::decode(b"M-SEARCH * HTTP/1.1\r\n\r\n"), None);
        assert_eq!(Announce::decode(&[0xff; 20]), None);
    }

    #[test]
    fn there_are_limits() {
        let info_hashes = vec![[7; 20]; 100];
        let cookie = Some("c".repeat(65));
        let packet = Announce { port: 1, info_hashes, cookie }.encode(GROUP_V4.into());
        assert!(packet.len() <= 1_300, "{}", packet.len());
        let read = Announce::decode(&packet).unwrap();
        assert_eq!((read.info_hashes.len(), read.cookie), (HASHES_SENT_MAX, None));
        let line = "Infohash: 0707070707070707070707070707070707070707\r\n".repeat(100);
        let packet = std::format!("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n{line}");
        assert_eq!(Announce::decode(packet.as_bytes()).unwrap().info_hashes.len(), HASHES_MAX);
    }

    proptest! {
        #[test]
        fn no_packet_does_harm(
            bytes: vec::Vec<u8>,
            text in "(Port|Infohash|cookie|:| |\r\n|0a){0,99}",
        ) {
            let _ = Announce::decode(&bytes);
            let _ = Announce::decode((FIRST_LINE.to_string() + "\r\n" + &text).as_bytes());
        }
    }
}
