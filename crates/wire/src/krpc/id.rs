//! Ids of nodes and torrents, their distance, and the ids that an address may have (BEP 42).

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// 160 bits: a node, a torrent, or an item.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub [u8; 20]);

/// A node and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its id.
    pub id: Id,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Id {
    /// An id that is there in full.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// How far `other` is: exclusive or, read as a number (Kademlia).
    #[must_use]
    pub fn distance(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|index| self.0[index] ^ other.0[index]))
    }

    /// How many bits both have in common from the front: 0 to 160.
    #[must_use]
    pub fn shared_bits(&self, other: &Self) -> u32 {
        let distance = self.distance(other).0;
        let zeros = distance.iter().take_while(|&&byte| byte == 0).count();
        zeros as u32 * 8 + distance.get(zeros).map_or(0, |byte| byte.leading_zeros())
    }

    /// An id that shares exactly `bits` bits with this one, and is `rest` after the next.
    #[must_use]
    pub fn neighbour(&self, bits: u32, rest: &Self) -> Self {
        let mut id = *rest;
        for index in 0..bits.min(160) {
            id.put_bit(index, self.bit(index));
        }
        if bits < 160 {
            id.put_bit(bits, !self.bit(bits));
        }
        id
    }

    /// The id that a node at `ip` may have, of those that are drawn with these bytes (BEP 42).
    #[must_use]
    pub fn for_address(ip: IpAddr, drawn: &[u8; 20]) -> Self {
        let hash = address_hash(ip, drawn[19]).to_be_bytes();
        let mut id = *drawn;
        id[0] = hash[0];
        id[1] = hash[1];
        // BEP 42: the first 21 bits follow from the address, the rest is free.
        id[2] = hash[2] & 0xf8 | drawn[2] & 7;
        Self(id)
    }

    /// Whether a node at `ip` may have this id (BEP 42). Local addresses may have any.
    #[must_use]
    pub fn fits(&self, ip: IpAddr) -> bool {
        is_local(ip) || Self::for_address(ip, &self.0) == *self
    }

    fn bit(&self, index: u32) -> bool {
        self.0[index as usize / 8] & (0x80 >> (index % 8)) != 0
    }

    fn put_bit(&mut self, index: u32, set: bool) {
        let mask = 0x80 >> (index % 8);
        let byte = &mut self.0[index as usize / 8];
        *byte = if set { *byte | mask } else { *byte & !mask };
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether an address is of a network of its own, where nobody else says what it is from outside:
/// such nodes are exempt from BEP 42.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

/// BEP 42: a checksum of the part of an address that who owns one network cannot choose, and of
/// three bits of chance.
fn address_hash(ip: IpAddr, chance: u8) -> u32 {
    const MASK_V4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
    const MASK_V6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
    let chance = (chance & 7) << 5;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mut bytes = ip.octets();
            bytes.iter_mut().zip(MASK_V4).for_each(|(byte, mask)| *byte &= mask);
            bytes[0] |= chance;
            crc32c(&bytes)
        }
        IpAddr::V6(ip) => {
            let ip = ip.octets();
            let mut bytes: [u8; 8] = core::array::from_fn(|index| ip[index] & MASK_V6[index]);
            bytes[0] |= chance;
            crc32c(&bytes)
        }
    }
}

/// CRC-32C (RFC 3720), bit by bit: it is made of eight bytes, rarely.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc: u32, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
