//! Peer exchange (BEP 11, `ut_pex`): a peer tells with whom it is connected, and with whom no more.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::bencode::{self, Encoder, Mode, Value};
use crate::compact::{self, V4_BYTES, V6_BYTES};

/// The most peers that a message adds, and the most that it drops, of both families together
/// (BEP 11: "should not exceed 50 entries").
pub const EXCHANGED_MAX: usize = 50;
/// The longest message that is read, in bytes: several times what one may hold.
pub const EXCHANGE_BYTES_MAX: usize = 16 * 1024;

/// What is told of an added peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It likes encryption.
    pub const ENCRYPTS: Self = Self(0x01);
    /// It wants nothing any more.
    pub const SEED: Self = Self(0x02);
    /// It speaks uTP.
    pub const UTP: Self = Self(0x04);
    /// It can be reached through a peer of both (BEP 55).
    pub const HOLEPUNCH: Self = Self(0x08);
    /// The sender has connected to it, so it can be reached.
    pub const REACHED: Self = Self(0x10);

    /// Both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Peers that the sender has come to know.
    pub added: Vec<(SocketAddr, Flags)>,
    /// Peers that it is no longer connected with.
    pub dropped: Vec<SocketAddr>,
}

impl Exchange {
    /// Reads the payload of a message; of either list only the first [`EXCHANGED_MAX`] usable
    /// peers. `None`: it is not a dictionary, or too long.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        if payload.len() > EXCHANGE_BYTES_MAX {
            return None;
        }
        let tape = bencode::decode(payload, Mode::Tolerant).ok()?;
        let root = tape.root();
        if root.kind() != bencode::Kind::Dict {
            return None;
        }
        let bytes = |key: &[u8]| root.get(key).and_then(Value::as_bytes).unwrap_or_default();
        let mut read = Self::default();
        for (peers, flags, width) in
            [("added", "added.f", V4_BYTES), ("added6", "added6.f", V6_BYTES)]
        {
            let flags = bytes(flags.as_bytes());
            for (at, peer) in entries(bytes(peers.as_bytes()), width) {
                // BEP 11: the flags may be missing.
                let flags = Flags(flags.get(at).copied().unwrap_or_default());
                read.added.push((peer, flags));
            }
        }
        read.added.truncate(EXCHANGED_MAX);
        read.dropped.extend(entries(bytes(b"dropped"), V4_BYTES).map(|(_, peer)| peer));
        read.dropped.extend(entries(bytes(b"dropped6"), V6_BYTES).map(|(_, peer)| peer));
        read.dropped.truncate(EXCHANGED_MAX);
        Some(read)
    }

    /// The payload of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut dict = Encoder::new(&mut out);
        dict.dict();
        let of = |v6: bool| move |peer: &&SocketAddr| peer.is_ipv6() == v6;
        let added = |v6| self.added.iter().map(|(peer, _)| peer).filter(of(v6));
        let flags = |v6| self.added.iter().filter(move |(peer, _)| peer.is_ipv6() == v6);
        let flags = |v6| flags(v6).map(|(_, flags)| flags.0).collect::<Vec<u8>>();
        let dropped = |v6| self.dropped.iter().filter(of(v6));
        dict.key("added").bytes(list(added(false))).key("added.f").bytes(flags(false));
        dict.key("added6").bytes(list(added(true))).key("added6.f").bytes(flags(true));
        dict.key("dropped").bytes(list(dropped(false)));
        dict.key("dropped6").bytes(list(dropped(true)));
        dict.end();
        out
    }
}

fn list<'p>(peers: impl Iterator<Item = &'p SocketAddr>) -> Vec<u8> {
    let mut out = Vec::new();
    peers.for_each(|&peer| compact::encode(peer, &mut out));
    out
}

/// The usable peers of a compact list, each with its place, at most [`EXCHANGED_MAX`].
fn entries(bytes: &[u8], width: usize) -> impl Iterator<Item = (usize, SocketAddr)> + '_ {
    let read = move |(at, entry)| {
        let list = match width {
            V4_BYTES => compact::decode_v4(entry, 1),
            _ => compact::decode_v6(entry, 1),
        };
        list.peers.first().map(|&peer| (at, peer))
    };
    bytes.chunks_exact(width).enumerate().filter_map(read).take(EXCHANGED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_reads_back() {
        let message = Exchange {
            added: vec![
                (addr("192.0.2.1:6881"), Flags::SEED.with(Flags::REACHED)),
                (addr("192.0.2.2:80"), Flags::default()),
                (addr("[2001:db8::1]:6881"), Flags::UTP),
            ],
            dropped: vec![addr("198.51.100.1:1"), addr("[2001:db8::2]:9")],
        };
        let bytes = message.encode();
        assert!(bencode::decode(&bytes, Mode::Strict).is_ok());
        assert_eq!(Exchange::decode(&bytes), Some(message));
        assert_eq!(Exchange::decode(&Exchange::default().encode()), Some(Exchange::default()));
    }

    #[test]
    fn flags_stay_with_their_peers_when_others_are_left_out() {
        let bytes = b"d5:added12:\0\0\0\0\0\0\xc0\0\x02\x01\x1a\xe17:added.f2:\x04\x02e";
        let read = Exchange::decode(bytes).unwrap();
        assert_eq!(read.added, [(addr("192.0.2.1:6881"), Flags::SEED)]);
    }

    #[test]
    fn missing_flags_are_no_fault() {
        let read = Exchange::decode(b"d5:added7:\xc0\0\x02\x01\x1a\xe1\x09e").unwrap();
        assert_eq!(read.added, [(addr("192.0.2.1:6881"), Flags::default())]);
    }

    #[test]
    fn no_more_than_the_limit_is_taken() {
        let peers = |count: u32| (1..=count).map(|n| SocketAddr::new([9, 9, 9, n as u8].into(), 1));
        let added = peers(70).map(|peer| (peer, Flags::default())).collect();
        let message = Exchange { added, dropped: peers(70).collect() };
        let read = Exchange::decode(&message.encode()).unwrap();
        assert_eq!((read.added.len(), read.dropped.len()), (EXCHANGED_MAX, EXCHANGED_MAX));
        assert_eq!(Exchange::decode(&[b'd'; 20_000]), None);
        assert_eq!(Exchange::decode(b"i1e"), None);
    }
}
