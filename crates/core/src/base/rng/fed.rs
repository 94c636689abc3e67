//! Chance that a fuzzer writes: bytes in the place of the draws. Only with the feature `testing`.

use alloc::sync::Arc;

use super::Rng;

/// The bytes that are left. Without any, the generator draws as always.
#[derive(Clone, Debug, Default)]
pub(super) struct Fed {
    bytes: Option<Arc<[u8]>>,
    at: usize,
}

impl Rng {
    /// A generator whose draws are these bytes, as few of them a draw as its bound allows, so that
    /// a byte that is changed changes one decision. When they are used up it goes on with chance,
    /// the same each time. Forks are not fed: they are as those of `Rng::from_number(0)`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { fed: Fed { bytes: Some(bytes.into()), at: 0 }, ..Self::from_number(0) }
    }

    /// Whether it was made from bytes and has used them up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.fed.bytes.as_ref().is_some_and(|bytes| self.fed.at >= bytes.len())
    }
}

impl Fed {
    fn rest(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| &bytes[self.at..])
    }

    /// A number of so many bytes, the lowest first; fewer are left at the end.
    pub(super) fn number(&mut self, bytes: usize) -> Option<u64> {
        let rest = self.rest();
        let taken = &rest[..bytes.min(rest.len())];
        let number = taken.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let taken = taken.len();
        self.at += taken;
        (taken > 0).then_some(number)
    }

    pub(super) fn below(&mut self, bound: u64) -> Option<u64> {
        if bound <= 1 {
            return (!self.rest().is_empty()).then_some(0);
        }
        let bits = u64::BITS - (bound - 1).leading_zeros();
        Some(self.number(bits.div_ceil(8) as usize)? % bound)
    }

    pub(super) fn copy_to(&mut self, out: &mut [u8]) {
        let rest = self.rest();
        let taken = out.len().min(rest.len());
        out[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_take_as_few_bytes_as_they_need() {
        let mut rng = Rng::from_bytes(&[7, 1, 2, 250, 3]);
        assert_eq!(rng.below(1), 0);
        assert_eq!(rng.below(256), 7);
        assert_eq!(rng.below(65_536), 0x0201);
        assert_eq!(rng.index(100), 50);
        assert!(!rng.is_spent());
        assert_eq!(rng.bits(), 3);
        assert!(rng.is_spent());
        assert_eq!(rng.bits(), Rng::from_number(0).bits());
        assert_eq!(rng.fork("a").bits(), Rng::from_number(0).fork("a").bits());
    }
}
