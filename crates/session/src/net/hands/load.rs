//! How much each hand has to do: who comes goes to the one with least.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use toubkal_core::base::Time;

/// What a link counts for before it moves anything: as much as so many bytes in [`WINDOW`].
const LINK: u64 = 64 * 1024;
/// Bytes are counted for so long; those of the window before count half, and so on.
const WINDOW: Duration = Duration::from_millis(100);

/// The loads of all hands, as each of them tells.
#[derive(Clone, Debug)]
pub(crate) struct Loads(Arc<[AtomicU64]>);

impl Loads {
    pub(crate) fn new(hands: usize) -> Self {
        Self((0..hands).map(|_| AtomicU64::new(0)).collect())
    }

    /// That of one hand, to be told by it.
    pub(crate) fn of(&self, hand: usize) -> Load {
        Load { loads: self.clone(), hand, until: Time::START, rate: 0, moved: 0 }
    }

    /// The hand that has least to do; it counts as having one link more, until it tells anew.
    pub(crate) fn least(&self) -> usize {
        let loads = self.0.iter().map(|load| load.load(Relaxed)).enumerate();
        let least = loads.min_by_key(|&(_, load)| load).map_or(0, |(hand, _)| hand);
        self.0[least].fetch_add(LINK, Relaxed);
        least
    }
}

/// The load of one hand.
#[derive(Debug)]
pub(crate) struct Load {
    loads: Loads,
    hand: usize,
    /// The end of the window.
    until: Time,
    /// Bytes a window, lately.
    rate: u64,
    /// Bytes in this window.
    moved: u64,
}

impl Load {
    /// That of a hand that is the only one.
    pub(crate) fn alone() -> Self {
        Loads::new(1).of(0)
    }

    /// How many hands there are.
    pub(crate) fn hands(&self) -> usize {
        self.loads.0.len()
    }

    /// So many bytes of blocks came or went.
    pub(crate) fn moved(&mut self, bytes: u32) {
        self.moved += u64::from(bytes);
    }

    /// A link came: others see it at once.
    pub(crate) fn came(&self) {
        self.loads.0[self.hand].fetch_add(LINK, Relaxed);
    }

    /// Tells how much there is to do.
    pub(crate) fn tell(&mut self, now: Time, links: usize) {
        if now >= self.until {
            self.rate = (self.rate + self.moved) / 2;
            (self.until, self.moved) = (now.after(WINDOW), 0);
        }
        self.loads.0[self.hand].store(self.rate + links as u64 * LINK, Relaxed);
    }

    /// Whether another hand has clearly less to do: who knocks had better be let in there.
    pub(crate) fn is_high(&self) -> bool {
        let mine = self.loads.0[self.hand].load(Relaxed);
        self.loads.0.iter().any(|load| mine - mine / 5 > load.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Time {
        Time::START.after(Duration::from_millis(milliseconds))
    }

    #[test]
    fn dials_go_round_until_bytes_flow_and_then_to_who_moves_least() {
        let loads = Loads::new(3);
        let mut taken: Vec<usize> = (0..6).map(|_| loads.least()).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 1, 1, 2, 2]);
        for (hand, bytes) in [(0, 5_000_000), (1, 1000), (2, 9_000_000)] {
            let mut load = loads.of(hand);
            load.moved(bytes);
            load.tell(at(1), 2);
        }
        assert_eq!(loads.least(), 1);
    }

    #[test]
    fn who_has_more_to_do_lets_others_go_first_and_forgets_what_is_past() {
        let loads = Loads::new(2);
        let (mut one, mut two) = (loads.of(0), loads.of(1));
        assert!(!one.is_high() && !two.is_high());
        one.came();
        assert!(one.is_high() && !two.is_high());
        two.came();
        assert!(!one.is_high() && !two.is_high());
        one.moved(10_000_000);
        one.tell(at(1), 1);
        two.tell(at(1), 1);
        assert!(one.is_high() && !two.is_high());
        for window in 1..20 {
            one.tell(at(1 + 100 * window), 1);
        }
        assert!(!one.is_high());
        assert!(!Load::alone().is_high());
    }
}
