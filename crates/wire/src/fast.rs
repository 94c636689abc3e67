//! The allowed fast set (BEP 6): pieces that a peer may have while it is choked.

use alloc::vec::Vec;
use core::net::IpAddr;

use sha1::{Digest, Sha1};

/// The pieces that a peer at `ip` is allowed, at most `count`, all different.
///
/// They follow from the address and the info-hash alone, so that coming back under another port
/// gives a peer nothing new. BEP 6 speaks of IPv4; for IPv6 the first 64 bits are taken.
#[must_use]
pub fn allowed(ip: IpAddr, info_hash: &[u8; 20], pieces: u32, count: u32) -> Vec<u32> {
    let mut seed = match ip.to_canonical() {
        // BEP 6: only the most significant three bytes of the address.
        IpAddr::V4(ip) => [&ip.octets()[..3], &[0]].concat(),
        IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
    };
    seed.extend_from_slice(info_hash);
    let wanted = count.min(pieces) as usize;
    let mut set: Vec<u32> = Vec::with_capacity(wanted);
    // Enough rounds for any torrent; a tiny one may end with fewer pieces than asked for.
    for _ in 0..64 {
        let digest = Sha1::digest(&seed);
        for word in digest.chunks_exact(4) {
            if set.len() == wanted {
                return set;
            }
            let piece = u32::from_be_bytes([word[0], word[1], word[2], word[3]]) % pieces;
            if !set.contains(&piece) {
                set.push(piece);
            }
        }
        seed = digest.to_vec();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_of_bep_6_come_out() {
        let ip = [80, 4, 4, 200].into();
        let seven = [1059, 431, 808, 1217, 287, 376, 1188];
        assert_eq!(allowed(ip, &[0xaa; 20], 1313, 7), seven);
        let nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(allowed(ip, &[0xaa; 20], 1313, 9), nine);
    }

    #[test]
    fn a_tiny_torrent_ends_the_search() {
        assert_eq!(allowed([1, 2, 3, 4].into(), &[0; 20], 0, 10), []);
        assert_eq!(allowed([1, 2, 3, 4].into(), &[0; 20], 1, 10), [0]);
        assert!(allowed("::1".parse().unwrap(), &[0; 20], 3, 10).len() <= 3);
    }
}
