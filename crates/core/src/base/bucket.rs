//! A token bucket: a rate with a bounded burst.

use core::time::Duration;

use super::Time;

/// Lets at most `rate` bytes a second through, and at most one burst at once.
///
/// In any window of `t` seconds it gives no more than `rate * t + burst` bytes, and one take
/// that is larger than the burst: such a one is let through when the bucket is full, and the
/// debt is waited for.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: u64,
    burst: u64,
    /// Bytes in hand times a billion, so that no fraction of a byte is lost.
    tokens: i128,
    filled: Time,
}

const NANO: i128 = 1_000_000_000;

impl Bucket {
    /// A full bucket of `rate` bytes a second (at least 1) and `burst` bytes.
    #[must_use]
    pub fn new(now: Time, rate: u64, burst: u64) -> Self {
        Self { rate: rate.max(1), burst, tokens: i128::from(burst) * NANO, filled: now }
    }

    /// Takes `bytes` out if they are there.
    pub fn take(&mut self, now: Time, bytes: u64) -> bool {
        self.fill(now);
        if self.tokens < i128::from(bytes.min(self.burst)) * NANO {
            return false;
        }
        self.tokens -= i128::from(bytes) * NANO;
        true
    }

    /// Puts bytes back that were taken and not used.
    pub fn give_back(&mut self, bytes: u64) {
        let full = i128::from(self.burst) * NANO;
        self.tokens = (self.tokens + i128::from(bytes) * NANO).min(full);
    }

    /// When `bytes`, at most one burst, will be there.
    #[must_use]
    pub fn ready_at(&self, bytes: u64) -> Time {
        let need = i128::from(bytes.min(self.burst)) * NANO;
        let missing = (need - self.tokens).max(0).unsigned_abs();
        let nanos = missing.div_ceil(u128::from(self.rate));
        self.filled.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    fn fill(&mut self, now: Time) {
        let nanos = i128::from(now.since(self.filled).as_nanos() as u64);
        let full = i128::from(self.burst) * NANO;
        self.tokens = (self.tokens + nanos * i128::from(self.rate)).min(full);
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

    #[test]
    fn a_take_above_the_burst_is_paid_for_afterwards() {
        let mut bucket = Bucket::new(Time::START, 1000, 500);
        assert!(bucket.take(Time::START, 2000));
        assert!(!bucket.take(Time::START.after(Duration::from_millis(1500)), 1));
        assert_eq!(bucket.ready_at(500), Time::START.after(Duration::from_secs(2)));
    }
}
