//! Peer exchange (BEP 11).

use std::net::SocketAddr;

use toubkal_wire::bencode::{Mode, decode};
use toubkal_wire::compact;
use toubkal_wire::exchange::{EXCHANGED_MAX, Exchange};

use crate::memory;

pub(crate) fn exchange(input: &[u8]) {
    let (read, bytes) = memory::peak(|| Exchange::decode(input));
    assert!(bytes <= 16 * input.len() + 32 * 1024, "{bytes} bytes for {}", input.len());
    let Some(read) = read else { return };
    assert!(read.added.len() <= EXCHANGED_MAX && read.dropped.len() <= EXCHANGED_MAX);
    let added = read.added.iter().map(|&(peer, _)| peer);
    assert!(added.chain(read.dropped.iter().copied()).all(compact::usable));
    // IPv4 comes first, also where it came in the clothes of IPv6.
    let mut same = read.clone();
    same.added.sort_by_key(|(peer, _)| peer.is_ipv6());
    same.dropped.sort_by_key(SocketAddr::is_ipv6);
    let written = read.encode();
    decode(&written, Mode::Strict).expect("what is written is canonical");
    assert_eq!(Exchange::decode(&written), Some(same));
}
