//! A token bucket: a rate with a bounded burst.

use core::time::Duration;

use super::Time;

/// Lets at most `rate` bytes a second through, and at most one burst at once.
///
/// In any window of `t` seconds it gives no more than `rate * t + burst` bytes.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: u64,
    burst: u64,
    /// Bytes in hand times a billion, so that no fraction of a byte is lost.
    tokens: u128,
    filled: Time,
}

const NANO: u128 = 1_000_000_000;

impl Bucket {
    /// A full bucket of `rate` bytes a second (at least 1) and `burst` bytes.
    #[must_use]
    pub fn new(now: Time, rate: u64, burst: u64) -> Self {
        Self { rate: rate.max(1), burst, tokens: u128::from(burst) * NANO, filled: now }
    }

    /// Takes `bytes` out if they are there.
    pub fn take(&mut self, now: Time, bytes: u64) -> bool {
        self.fill(now);
        let need = u128::from(bytes) * NANO;
        if self.tokens < need {
            return false;
        }
        self.tokens -= need;
        true
    }

    /// Puts bytes back that were taken and not used.
    pub fn give_back(&mut self, bytes: u64) {
        let full = u128::from(self.burst) * NANO;
        self.tokens = (self.tokens + u128::from(bytes) * NANO).min(full);
    }

    /// When `bytes`, at most one burst, will be there.
    #[must_use]
    pub fn ready_at(&self, bytes: u64) -> Time {
        let need = u128::from(bytes.min(self.burst)) * NANO;
        let missing = need.saturating_sub(self.tokens);
        let nanos = missing.div_ceil(u128::from(self.rate));
        self.filled.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    fn fill(&mut self, now: Time) {
        let nanos = now.since(self.filled).as_nanos();
        let full = u128::from(self.burst) * NANO;
        self.tokens = (self.tokens + nanos * u128::from(self.rate)).min(full);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_gives_more_than_rate_and_burst() {
        let mut bucket = Bucket::new(Time::START, 1000, 500);
        let mut given = 0;
        for milli in 0..10_000u64 {
            let now = Time::START.after(Duration::from_millis(milli));
            while bucket.take(now, 100) {
                given += 100;
            }
            assert!(given <= milli + 500, "{given} bytes after {milli} ms");
        }
        assert!(given > 10_000);
    }

    #[test]
    fn it_says_when_bytes_will_be_there() {
        let mut bucket = Bucket::new(Time::START, 1000, 500);
        assert!(bucket.take(Time::START, 500));
        let ready = bucket.ready_at(100);
        assert_eq!(ready, Time::START.after(Duration::from_millis(100)));
        assert!(!bucket.take(Time::from_nanos(ready.as_nanos() - 1), 100));
        assert!(bucket.take(ready, 100));
        bucket.give_back(100);
        assert!(bucket.take(ready, 100));
    }
}
