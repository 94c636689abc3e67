//! A fixed number of bits, in the order of the wire: the highest bit of a byte is the first.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

/// A set of pieces. Words are kept so that bit 0 is the highest: the wire's order (BEP 3).
#[derive(Clone, PartialEq, Eq)]
pub struct Bitset {
    words: Box<[u64]>,
    length: u32,
    ones: u32,
}

impl Bitset {
    /// `length` bits, all clear.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { words: vec![0; length.div_ceil(64) as usize].into(), length, ones: 0 }
    }

    /// `length` bits, all set.
    #[must_use]
    pub fn full(length: u32) -> Self {
        let mut set =
            Self { words: vec![!0; length.div_ceil(64) as usize].into(), length, ones: length };
        if let (Some(last), rest @ 1..) = (set.words.last_mut(), length % 64) {
            *last = !0 << (64 - rest);
        }
        set
    }

    /// A bitfield as it came from a peer. `None` when it has not exactly `length` bits, the
    /// last byte filled with clear ones (BEP 3).
    #[must_use]
    pub fn from_wire(bytes: &[u8], length: u32) -> Option<Self> {
        if bytes.len() != length.div_ceil(8) as usize {
            return None;
        }
        let mut set = Self::new(length);
        for (word, chunk) in set.words.iter_mut().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_be_bytes(eight);
        }
        if let (Some(last), rest @ 1..) = (set.words.last(), length % 64)
            && *last << rest != 0
        {
            return None;
        }
        set.ones = set.words.iter().map(|word| word.count_ones()).sum();
        Some(set)
    }

    /// The bytes of a bitfield message.
    #[must_use]
    pub fn to_wire(&self) -> Arc<[u8]> {
        let bytes = self.words.iter().flat_map(|word| word.to_be_bytes());
        bytes.take(self.length.div_ceil(8) as usize).collect()
    }

    /// Number of bits.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Number of set bits.
    #[must_use]
    pub fn ones(&self) -> u32 {
        self.ones
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether every bit is set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ones == self.length
    }

    /// Whether this bit is set; false past the end.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        index < self.length && self.words[index as usize / 64] & mask(index) != 0
    }

    /// Sets a bit; says whether it was clear.
    ///
    /// # Panics
    /// Past the end.
    pub fn set(&mut self, index: u32) -> bool {
        assert!(index < self.length, "bit {index} of {}", self.length);
        let fresh = !self.has(index);
        self.words[index as usize / 64] |= mask(index);
        self.ones += u32::from(fresh);
        fresh
    }

    /// Clears a bit; says whether it was set.
    ///
    /// # Panics
    /// Past the end.
    pub fn clear(&mut self, index: u32) -> bool {
        assert!(index < self.length, "bit {index} of {}", self.length);
        let was = self.has(index);
        self.words[index as usize / 64] &= !mask(index);
        self.ones -= u32::from(was);
        was
    }

    /// The set bits in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| ones_of(at, word))
    }

    /// The bits that are set here and clear in `other`, in order.
    pub fn minus<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let pairs = self.words.iter().zip(&other.words);
        pairs.enumerate().flat_map(|(at, (&mine, &theirs))| ones_of(at, mine & !theirs))
    }

    /// The bits that are set in both, in order.
    pub fn both<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let pairs = self.words.iter().zip(&other.words);
        pairs.enumerate().flat_map(|(at, (&mine, &theirs))| ones_of(at, mine & theirs))
    }

    /// Whether some bit is set here and clear in `other`.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(mine, theirs)| mine & !theirs != 0)
    }
}

impl core::fmt::Debug for Bitset {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} bits", self.ones, self.length)
    }
}

fn mask(index: u32) -> u64 {
    1 << (63 - index % 64)
}

fn ones_of(at: usize, mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.leading_zeros();
        word &= !(1 << (63 - bit));
        Some(at as u32 * 64 + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_bitfield_reads_back() {
        let mut set = Bitset::new(70);
        for index in [0, 7, 8, 63, 64, 69] {
            assert!(set.set(index));
            assert!(!set.set(index));
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 7, 8, 63, 64, 69]);
        let wire = set.to_wire();
        assert_eq!(wire.len(), 9);
        assert_eq!(wire[..2], [0b1000_0001, 0b1000_0000]);
        assert_eq!(Bitset::from_wire(&wire, 70).as_ref(), Some(&set));
        assert!(set.clear(8) && !set.clear(8));
        assert_eq!(set.ones(), 5);
    }

    #[test]
    fn spare_bits_and_wrong_sizes_are_refused() {
        assert!(Bitset::from_wire(&[0xff, 0xfc], 14).is_some_and(|set| set.is_full()));
        assert_eq!(Bitset::from_wire(&[0xff, 0xfe], 14), None);
        assert_eq!(Bitset::from_wire(&[0xff], 14), None);
        assert_eq!(Bitset::from_wire(&[0xff; 3], 14), None);
        assert_eq!(Bitset::from_wire(&[1], 64), None);
        assert!(Bitset::from_wire(&[1; 8], 64).is_some());
        assert!(Bitset::from_wire(&[], 0).is_some_and(|set| set.is_full() && set.is_empty()));
    }

    #[test]
    fn full_has_every_bit_and_no_more() {
        for length in [0, 1, 63, 64, 65, 128] {
            let set = Bitset::full(length);
            assert_eq!(set.iter().count() as u32, length);
            assert_eq!(Bitset::from_wire(&set.to_wire(), length), Some(set));
        }
    }

    #[test]
    fn differences_are_seen() {
        let (mut a, b) = (Bitset::new(100), Bitset::full(100));
        assert!(b.exceeds(&a) && !a.exceeds(&b));
        a.set(99);
        assert!(a.both(&b).eq([99]));
        assert_eq!(b.minus(&a).count(), 99);
    }
}
