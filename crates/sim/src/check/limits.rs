//! Over any window an engine takes no more than its rate and a burst.

use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_wire::layout::{BLOCK_BYTES, Block};

/// A bucket with a hole: what is in it was taken, and leaks away at the rate that is allowed. If it
/// never holds more than a burst, no window of any length holds more than its share and a burst.
#[derive(Debug)]
pub(super) struct Limit {
    host: usize,
    way: &'static str,
    rate: u64,
    /// Bytes in the bucket times a billion.
    level: u128,
    at: Time,
}

const NANO: u128 = 1_000_000_000;

impl Limit {
    pub(super) fn new(host: usize, way: &'static str, now: Time, rate: u64) -> Self {
        Self { host, way, rate, level: 0, at: now }
    }

    /// A block is let through. `stale`: bytes that may have been given back unseen.
    pub(super) fn take(&mut self, now: Time, block: Block, stale: impl FnOnce() -> u64) {
        self.leak(now);
        let bytes = u128::from(block.length) * NANO;
        self.level += bytes;
        // A block that is larger than the burst passes when nothing else is in the bucket.
        let burst = u128::from((self.rate / 4).max(u64::from(BLOCK_BYTES))) * NANO;
        // A byte more: what has leaked since is rounded down, here and there.
        let most = burst.max(bytes) + NANO;
        if self.level > most {
            let stale = u128::from(stale()) * NANO;
            assert!(
                self.level <= most + stale,
                "host {} takes {} bytes at once, {}, though the limit is {}",
                self.host,
                self.level / NANO,
                self.way,
                self.rate
            );
            self.level = most;
        }
    }

    pub(super) fn give_back(&mut self, now: Time, bytes: u64) {
        self.leak(now);
        self.level = self.level.saturating_sub(u128::from(bytes) * NANO);
    }

    fn leak(&mut self, now: Time) {
        let passed: Duration = now.since(self.at);
        self.at = now;
        self.level = self.level.saturating_sub(passed.as_nanos() * u128::from(self.rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Block = Block { piece: 0, begin: 0, length: BLOCK_BYTES };

    fn after(millis: u64) -> Time {
        Time::START.after(Duration::from_millis(millis))
    }

    #[test]
    fn the_rate_and_a_burst_pass() {
        let mut limit = Limit::new(0, "up", Time::START, 65_536);
        (0..40).for_each(|turn| limit.take(after(turn * 250), BLOCK, || 0));
    }

    #[test]
    #[should_panic(expected = "though the limit is 65536")]
    fn more_does_not() {
        let mut limit = Limit::new(0, "up", Time::START, 65_536);
        (0..40).for_each(|turn| limit.take(after(turn * 245), BLOCK, || 0));
    }
}
