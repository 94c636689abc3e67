//! What a torrent was held up by in each of the last seconds.
//!
//! A block that may go on its way costs nothing here; one that may not sets a bit.

use super::limits::Way;
use super::why::Scope;

/// Seconds that are looked back.
const WINDOW: u32 = 10;
/// Bits of a second: one a holder.
const BITS: u32 = 5;
/// The first bit of each second.
const FIRST: u64 = ((1 << (WINDOW * BITS)) - 1) / ((1 << BITS) - 1);

/// What holds up what would else be asked for, or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The store has too much to do.
    Disk,
    /// A rate limit.
    Limit(Way, Scope),
}

impl Holder {
    fn bit(self) -> u64 {
        match self {
            Self::Disk => 1,
            Self::Limit(Way::Down, Scope::Torrent) => 1 << 1,
            Self::Limit(Way::Down, Scope::Session) => 1 << 2,
            Self::Limit(Way::Up, Scope::Torrent) => 1 << 3,
            Self::Limit(Way::Up, Scope::Session) => 1 << 4,
        }
    }
}

/// Who held a torrent up, second by second.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Since the last heartbeat,
    now: u64,
    /// and in each second before, the newest in the lowest bits.
    past: u64,
    seconds: u32,
}

impl Held {
    pub(super) fn note(&mut self, holder: Holder) {
        self.now |= holder.bit();
    }

    /// A second has gone by.
    pub(super) fn tick(&mut self) {
        self.past = self.past << BITS | core::mem::take(&mut self.now);
        self.seconds = (self.seconds + 1).min(WINDOW);
    }

    /// So many seconds have gone by, in which nothing was held up.
    pub(super) fn pass(&mut self, seconds: u64) {
        // One more than is looked back: what was since the last one.
        (0..seconds.min(u64::from(WINDOW) + 1)).for_each(|_| self.tick());
    }

    /// In how many of the last ten seconds it held something up.
    pub(super) fn seconds(&self, holder: Holder) -> u32 {
        (self.past & (FIRST * holder.bit())).count_ones()
    }

    /// Whether it did so at least half of the time.
    pub(super) fn binds(&self, holder: Holder) -> bool {
        2 * self.seconds(holder) >= self.seconds.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Holder = Holder::Limit(Way::Down, Scope::Torrent);

    #[test]
    fn who_holds_up_half_of_the_time_binds_and_is_forgotten_after_ten_seconds() {
        let mut held = Held::default();
        assert!(!held.binds(OURS), "nothing has happened yet");
        for second in 0..10 {
            if second % 2 == 0 {
                held.note(OURS);
                held.note(OURS);
            }
            held.tick();
        }
        assert_eq!((held.seconds(OURS), held.binds(OURS)), (5, true));
        assert_eq!((held.seconds(Holder::Disk), held.binds(Holder::Disk)), (0, false));
        held.tick();
        held.tick();
        assert_eq!((held.seconds(OURS), held.binds(OURS)), (4, false));
        held.note(OURS);
        held.pass(1 << 40);
        assert_eq!(held.seconds(OURS), 0);
    }
}
