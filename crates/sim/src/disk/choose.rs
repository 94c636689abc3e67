//! Who decides what a crash leaves: chance, or every possibility in turn.

use toubkal_core::base::Rng;

/// Gives numbers below a bound.
pub trait Choose {
    /// A number below `bound`, which is at least 1.
    fn choose(&mut self, bound: u64) -> u64;
}

impl Choose for Rng {
    fn choose(&mut self, bound: u64) -> u64 {
        self.below(bound)
    }
}

/// Chance that is not always even-handed: one time in four nothing that could be kept is, and one
/// time in four everything is, as it first was.
#[derive(Clone, Debug)]
pub struct Moody {
    mood: u64,
    rng: Rng,
}

impl Moody {
    /// In a mood of its own.
    #[must_use]
    pub fn new(mut rng: Rng) -> Self {
        Self { mood: rng.below(4), rng }
    }
}

impl Choose for Moody {
    fn choose(&mut self, bound: u64) -> u64 {
        if self.mood < 2 { self.mood.min(bound - 1) } else { self.rng.below(bound) }
    }
}

/// Every way in which a thing with several decisions can go, one way after the other.
///
/// The thing is done once for each way; how many decisions there are may depend on those made
/// before.
#[derive(Clone, Debug, Default)]
pub struct Every {
    /// What is decided in this way, and of how many.
    digits: Vec<(u64, u64)>,
    at: usize,
}

impl Every {
    /// Goes on with the next way; false when that was the last.
    pub fn next_way(&mut self) -> bool {
        self.digits.truncate(self.at);
        self.at = 0;
        while let Some((digit, bound)) = self.digits.pop() {
            if digit + 1 < bound {
                self.digits.push((digit + 1, bound));
                return true;
            }
        }
        false
    }

    /// How many ways there would be, were every decision as wide as in this one.
    #[must_use]
    pub fn ways(&self) -> u64 {
        self.digits.iter().fold(1, |ways: u64, &(_, bound)| ways.saturating_mul(bound))
    }
}

impl Choose for Every {
    fn choose(&mut self, bound: u64) -> u64 {
        if self.at == self.digits.len() {
            self.digits.push((0, bound));
        }
        let (digit, of) = self.digits[self.at];
        assert_eq!(of, bound, "the same thing is done again");
        self.at += 1;
        digit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_comes_once() {
        let mut every = Every::default();
        let mut ways = Vec::new();
        loop {
            let first = every.choose(3);
            // Only one of the ways has a second decision.
            let second = if first == 1 { every.choose(2) } else { 9 };
            ways.push((first, second));
            if !every.next_way() {
                break;
            }
        }
        assert_eq!(ways, [(0, 9), (1, 0), (1, 1), (2, 9)]);
    }
}
