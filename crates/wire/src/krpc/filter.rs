//! Bloom filters that count the peers of a torrent over many nodes (BEP 33).

use alloc::boxed::Box;
use core::fmt;
use core::net::IpAddr;

use sha1::{Digest, Sha1};

/// Addresses of which only the number can be told, roughly: 2,048 bits, two an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(Box<[u8; Filter::BYTES]>);

impl Default for Filter {
    fn default() -> Self {
        Self(Box::new([0; Self::BYTES]))
    }
}

impl Filter {
    /// Bytes of a filter.
    pub const BYTES: usize = 256;
    const BITS: usize = Self::BYTES * 8;

    /// A filter that is there in full.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; Self::BYTES]>::try_from(bytes).ok().map(|bytes| Self(Box::new(bytes)))
    }

    /// Its bytes, as they go over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Counts an address in; ports do not matter.
    pub fn insert(&mut self, ip: IpAddr) {
        let hash = match ip {
            IpAddr::V4(ip) => Sha1::digest(ip.octets()),
            IpAddr::V6(ip) => Sha1::digest(ip.octets()),
        };
        for pair in [[hash[0], hash[1]], [hash[2], hash[3]]] {
            let bit = usize::from(u16::from_le_bytes(pair)) % Self::BITS;
            self.0[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Counts in what another filter has.
    pub fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// About how many addresses were counted in: 0 to 6,000 can be told apart.
    #[must_use]
    pub fn estimate(&self) -> u32 {
        let set: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        // BEP 33: log(clear / m) / (2 * log(1 - 1 / m)). There is no logarithm without std: the
        // sum of 1 / (clear bits that are left) says the same, in thousandths, as each bit that
        // becomes set took m / clear draws on the average, two an address.
        let bits = Self::BITS as u64;
        let clear = bits - u64::from(set).min(bits - 1);
        let draws: u64 = (clear + 1..=bits).map(|left| bits * 1000 / left).sum();
        ((draws + 1000) / 2000) as u32
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {} addresses", self.estimate())
    }
}
