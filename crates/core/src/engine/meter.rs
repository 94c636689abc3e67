//! How much, and how fast: a count with a rate over the last few seconds.

/// Seconds that the rate looks back.
const WINDOW: usize = 5;

/// A count of bytes and its rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    total: u64,
    /// Bytes since the last tick.
    now: u64,
    /// Bytes in each of the last seconds, the newest first.
    past: [u64; WINDOW],
    seconds: usize,
}

impl Meter {
    /// A count that goes on where another ended.
    pub(super) fn after(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.total += bytes;
        self.now += bytes;
    }

    /// A second has gone by.
    pub(super) fn tick(&mut self) {
        self.past.rotate_right(1);
        self.past[0] = core::mem::take(&mut self.now);
        self.seconds = WINDOW.min(self.seconds + 1);
    }

    /// So many seconds have gone by, in which nothing came.
    pub(super) fn pass(&mut self, seconds: u64) {
        // One more than it looks back: what came since the last one.
        (0..seconds.min(WINDOW as u64 + 1)).for_each(|_| self.tick());
    }

    /// Bytes in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes a second over the last five, or as long as there was.
    pub(super) fn rate(&self) -> u64 {
        match self.seconds {
            0 => self.now,
            seconds => self.past.iter().sum::<u64>() / seconds as u64,
        }
    }

    /// Bytes in the best of the last five seconds.
    pub(super) fn best(&self) -> u64 {
        self.past.iter().copied().max().unwrap_or(0)
    }

    /// Bytes in the last whole second.
    pub(super) fn last(&self) -> u64 {
        self.past[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_last_seconds() {
        let mut meter = Meter::default();
        meter.add(100);
        assert_eq!(meter.rate(), 100);
        meter.tick();
        meter.add(300);
        meter.tick();
        assert_eq!((meter.rate(), meter.last(), meter.total()), (200, 300, 400));
        (0..5).for_each(|_| meter.tick());
        assert_eq!((meter.rate(), meter.total()), (0, 400));
    }
}
