//! The canonical priority of a connection (BEP 40): both ends, and nobody else, decide by the same
//! number whom to prefer, so that a swarm is evenly meshed and nobody can crowd others out.

use core::net::{IpAddr, SocketAddr};

/// The priority of a connection between two addresses; the higher, the better. It is the same for
/// both ends.
///
/// Between addresses of different families nothing is agreed: the number is still the same for
/// both ends.
#[must_use]
pub fn rank(one: SocketAddr, other: SocketAddr) -> u32 {
    match (one.ip().to_canonical(), other.ip().to_canonical()) {
        // BEP 40: from one address, ports decide.
        (ip, same) if ip == same => sorted(&one.port().to_be_bytes(), &other.port().to_be_bytes()),
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let (mut one, mut other) = (one.octets(), other.octets());
            mask(&mut one, &mut other, 2);
            sorted(&one, &other)
        }
        (one, other) => {
            let bytes = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let (mut one, mut other) = (bytes(one), bytes(other));
            mask(&mut one, &mut other, 6);
            sorted(&one, &other)
        }
    }
}

/// BEP 40: the first `whole` bytes count in full; where they are the same, one byte more, and so
/// on. Of the rest every other bit counts.
fn mask(one: &mut [u8], other: &mut [u8], whole: usize) {
    let shared = one.iter().zip(&*other).take_while(|(one, other)| one == other).count();
    let whole = if shared < whole { whole } else { shared + 1 };
    for bytes in [one, other] {
        bytes.iter_mut().skip(whole).for_each(|byte| *byte &= 0x55);
    }
}

fn sorted(one: &[u8], other: &[u8]) -> u32 {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    crc32c(first.iter().chain(second))
}

/// CRC-32C (Castagnoli), bit by bit: a few bytes for an address that is new.
fn crc32c<'b>(bytes: impl Iterator<Item = &'b u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(one: &str, other: &str) -> u32 {
        let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(rank(one, other), rank(other, one), "both ends agree");
        rank(one, other)
    }

    #[test]
    fn the_sum_is_that_of_castagnoli() {
        assert_eq!(crc32c(b"123456789".iter()), 0xe306_9283);
    }

    #[test]
    fn the_examples_of_bep_40_come_out() {
        assert_eq!(of("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(of("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn neighbours_are_told_apart_and_strangers_by_half_their_bits() {
        assert_eq!(of("123.213.32.10:1", "98.76.54.32:2"), of("123.213.32.10:1", "98.76.54.34:2"));
        assert_ne!(of("10.0.1.1:1", "10.0.2.1:1"), of("10.0.1.1:1", "10.0.10.1:1"));
        let ours = "[2001:db8:1::1]:1";
        assert_eq!(of(ours, "[2001:db8:2::1]:1"), of(ours, "[2001:db8:2::3]:1"));
        assert_ne!(of(ours, "[2001:db8:1::1:1]:1"), of(ours, "[2001:db8:1::2:1]:1"));
    }

    #[test]
    fn behind_one_address_ports_decide() {
        assert_ne!(of("10.0.0.1:1", "10.0.0.1:2"), of("10.0.0.1:1", "10.0.0.1:3"));
        assert_eq!(of("[::ffff:10.0.0.1]:1", "10.0.0.1:2"), of("10.0.0.1:1", "10.0.0.1:2"));
        of("10.0.0.1:1", "[2001:db8::1]:1");
    }
}
