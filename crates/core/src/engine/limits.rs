//! Rate limits: token buckets of one torrent and of all together. No limit costs nothing.

use super::event::Rates;
use super::why::Scope;
use crate::base::{Bucket, Time};
use toubkal_wire::layout::BLOCK_BYTES;

/// The bursts that a limit lets through: a quarter of a second, and one block at the least.
fn bucket(rate: Option<u64>, now: Time) -> Option<Bucket> {
    rate.map(|rate| Bucket::new(now, rate, (rate / 4).max(u64::from(BLOCK_BYTES))))
}

/// The buckets of a torrent, or of all.
#[derive(Debug, Default)]
pub(super) struct Limits {
    down: Option<Bucket>,
    up: Option<Bucket>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Down,
    Up,
}

impl Limits {
    pub(super) fn new(rates: Rates, now: Time) -> Self {
        Self { down: bucket(rates.down, now), up: bucket(rates.up, now) }
    }

    /// Whether there is a limit this way.
    pub(super) fn holds(&self, way: Way) -> bool {
        match way {
            Way::Down => self.down.is_some(),
            Way::Up => self.up.is_some(),
        }
    }

    /// Bytes a second that a limit lets through this way.
    pub(super) fn rate(&self, way: Way) -> Option<u64> {
        let bucket = match way {
            Way::Down => &self.down,
            Way::Up => &self.up,
        };
        bucket.as_ref().map(Bucket::rate)
    }

    fn way(&mut self, way: Way) -> Option<&mut Bucket> {
        match way {
            Way::Down => self.down.as_mut(),
            Way::Up => self.up.as_mut(),
        }
    }

    /// Puts back what was taken for a block that will not travel.
    pub(super) fn give_back(&mut self, way: Way, bytes: u32) {
        if let Some(bucket) = self.way(way) {
            bucket.give_back(u64::from(bytes));
        }
    }
}

/// Takes bytes from both buckets, or from neither.
///
/// # Errors
/// When they are not there: in whose, and the time at which it is worth asking again.
pub(super) fn take(
    now: Time,
    way: Way,
    bytes: u32,
    all: &mut Limits,
    own: &mut Limits,
) -> Result<(), (Scope, Time)> {
    let bytes = u64::from(bytes);
    if let Some(bucket) = all.way(way)
        && !bucket.take(now, bytes)
    {
        return Err((Scope::Session, bucket.ready_at(bytes)));
    }
    if let Some(bucket) = own.way(way)
        && !bucket.take(now, bytes)
    {
        let ready = bucket.ready_at(bytes);
        if let Some(bucket) = all.way(way) {
            bucket.give_back(bytes);
        }
        return Err((Scope::Torrent, ready));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn both_limits_hold_and_a_refusal_takes_nothing() {
        let now = Time::START;
        let rates = |down| Rates { down: Some(down), up: None };
        let mut all = Limits::new(rates(1_000_000), now);
        let mut own = Limits::new(rates(65_536), now);
        assert_eq!(take(now, Way::Down, 16_384, &mut all, &mut own), Ok(()));
        let (scope, ready) = take(now, Way::Down, 16_384, &mut all, &mut own).unwrap_err();
        assert_eq!(scope, Scope::Torrent);
        assert_eq!(ready, now.after(Duration::from_millis(250)));
        assert_eq!(take(ready, Way::Down, 16_384, &mut all, &mut own), Ok(()));
        assert_eq!(take(now, Way::Up, u32::MAX, &mut all, &mut own), Ok(()));
    }
}
