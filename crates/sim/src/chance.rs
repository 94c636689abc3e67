//! The only source of chance of a world: a seed, or a script of bytes with a seed behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use toubkal_core::base::Rng;

/// Draws of one subject. Children are forked by name, so that one more draw in one of them does not
/// shift the others: an old seed keeps its meaning.
///
/// With a script (a fuzzer's bytes) all children draw from it in turn, as long as it lasts;
/// afterwards each goes on with its seed.
#[derive(Clone, Debug)]
pub struct Chance {
    rng: Rng,
    script: Option<Arc<Script>>,
}

#[derive(Debug)]
struct Script {
    bytes: Vec<u8>,
    at: AtomicUsize,
}

impl Chance {
    /// Everything from a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self { rng: Rng::from_number(seed), script: None }
    }

    /// First from a script, four bytes a draw, the lowest first; then from a seed.
    #[must_use]
    pub fn from_script(bytes: Vec<u8>, seed: u64) -> Self {
        let script = Script { bytes, at: AtomicUsize::new(0) };
        Self { rng: Rng::from_number(seed), script: Some(Arc::new(script)) }
    }

    /// Draws for another subject.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        Self { rng: self.rng.fork(name), script: self.script.clone() }
    }

    /// Draws for the `index`-th of many subjects of one name.
    #[must_use]
    pub fn fork_indexed(&self, name: &str, index: u64) -> Self {
        Self { rng: self.rng.fork_indexed(name, index), script: self.script.clone() }
    }

    /// The generator behind it, for machines that bring their own chance.
    #[must_use]
    pub fn rng(&self) -> &Rng {
        &self.rng
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        match self.script.as_ref().and_then(|script| script.next()) {
            Some(word) => u64::from(word) % bound.max(1),
            None => self.rng.below(bound),
        }
    }

    /// An index into something of this length, which must not be empty.
    pub fn index(&mut self, length: usize) -> usize {
        assert!(length > 0, "nothing to choose from");
        self.below(length as u64) as usize
    }

    /// True once in `times` draws on the average; never when `times` is 0.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// True so many times in a million.
    pub fn millionths(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(1_000_000) < u64::from(rate)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A number from `least` to `most`, both possible, small ones as likely as large ones: each
    /// doubling has the same share.
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let doublings = u64::from((most / least.max(1)).max(1).ilog2()) + 1;
        let low = least.max(1) << self.below(doublings);
        let high = (low * 2).min(most + 1).max(low + 1);
        (low + self.below(high - low)).clamp(least, most)
    }

    /// A time below `bound`, to the microsecond.
    pub fn wait(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(bound.as_micros() as u64 + 1))
    }

    /// Puts a slice in a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// So many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

impl Script {
    fn next(&self) -> Option<u32> {
        let at = self.at.fetch_add(4, Ordering::Relaxed);
        let word = self.bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_followed_by_all_children_and_then_the_seed_goes_on() {
        let script = [7u32, 8, 9].map(u32::to_le_bytes).concat();
        let mut one = Chance::from_script(script, 1);
        let mut two = one.fork("two");
        assert_eq!([one.below(100), two.below(100), one.below(100)], [7, 8, 9]);
        let mut seeded = Chance::from_seed(1).fork("two");
        assert_eq!(two.below(u64::MAX), seeded.below(u64::MAX));
    }

    #[test]
    fn a_spread_number_reaches_both_ends() {
        let mut chance = Chance::from_seed(2);
        let drawn: Vec<u64> = (0..5000).map(|_| chance.spread(3, 700)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&700)));
        assert!(drawn.iter().filter(|&&number| number < 50).count() > 1500);
        assert!((0..100).all(|_| chance.spread(5, 5) == 5));
    }
}
