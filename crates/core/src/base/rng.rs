//! The only source of chance: a seeded generator with named children.

#[cfg(any(test, feature = "testing"))]
mod fed;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A cryptographic generator (ChaCha12), so that what it gives may go on the wire.
///
/// Children are forked by name: one more draw in one module does not shift the draws of the
/// others, so an old seed keeps its meaning.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: [u8; 32],
    stream: ChaCha12Rng,
    #[cfg(any(test, feature = "testing"))]
    fed: fed::Fed,
}

impl Rng {
    /// A generator from 32 bytes: of the system's entropy in the real world, of the seed of a
    /// simulated one.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            stream: ChaCha12Rng::from_seed(seed),
            #[cfg(any(test, feature = "testing"))]
            fed: fed::Fed::default(),
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// A generator for tests and simulations.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Self::new(seed)
    }

    /// An independent generator that depends on this one's seed and the name alone.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        let mut stream = ChaCha12Rng::from_seed(self.seed);
        stream.set_stream(fnv1a(name.as_bytes()));
        let mut seed = [0; 32];
        stream.fill_bytes(&mut seed);
        Self::new(seed)
    }

    /// An independent generator for the `index`-th of many things of one name.
    #[must_use]
    pub fn fork_indexed(&self, name: &str, index: u64) -> Self {
        let mut stream = ChaCha12Rng::from_seed(self.fork(name).seed);
        stream.set_stream(index);
        let mut seed = [0; 32];
        stream.fill_bytes(&mut seed);
        Self::new(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        #[cfg(any(test, feature = "testing"))]
        if let Some(number) = self.fed.number(8) {
            return number;
        }
        self.stream.next_u64()
    }

    /// A number below `bound`, each as likely as any other. 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        #[cfg(any(test, feature = "testing"))]
        if let Some(number) = self.fed.below(bound) {
            return number;
        }
        // Lemire's method: the high half of a product, and a draw again for the few values
        // that would make some numbers likelier.
        let mut product = u128::from(self.bits()) * u128::from(bound);
        if (product as u64) < bound {
            let least = bound.wrapping_neg() % bound;
            while (product as u64) < least {
                product = u128::from(self.bits()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// An index into something of this length, which must not be empty.
    pub fn index(&mut self, length: usize) -> usize {
        debug_assert!(length > 0, "nothing to choose from");
        self.below(length as u64) as usize
    }

    /// True once in `times` draws on the average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Fills a slice with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.fill_bytes(bytes);
        #[cfg(any(test, feature = "testing"))]
        self.fed.copy_to(bytes);
    }

    /// Puts a slice in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_depends_on_the_name_and_not_on_draws() {
        let mut one = Rng::from_number(1);
        let before = one.fork("choker").bits();
        one.bits();
        assert_eq!(one.fork("choker").bits(), before);
        assert_ne!(one.fork("picker").bits(), before);
        assert_ne!(Rng::from_number(2).fork("choker").bits(), before);
        assert_ne!(one.fork_indexed("peer", 0).bits(), one.fork_indexed("peer", 1).bits());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_every_value() {
        let mut rng = Rng::from_number(3);
        let mut seen = [0u32; 5];
        for _ in 0..5000 {
            seen[rng.index(5)] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }
}
