//! Questions that are open: who was asked what, and until when an answer may come.
//!
//! How long that is follows from the round trips that were measured: a node that is slower than
//! nearly all others is late, much slower, and it has failed. Its answer counts until then.

use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use core::time::Duration;

use crate::base::{Key, Rng, Time};

use super::search::Search;
use super::values::QueryId;

/// Questions that may be open at once.
pub(super) const OPEN_MAX: usize = 1024;

/// Before anybody has answered.
const FIRST: Duration = Duration::from_millis(400);
/// Nobody is late sooner, whatever was measured.
const LEAST: Duration = Duration::from_millis(40);
/// Everybody is late then.
const MOST: Duration = Duration::from_millis(1500);
/// A node has failed after four times what makes it late, within these.
const FAIL_LEAST: Duration = Duration::from_secs(2);
const FAIL_MOST: Duration = Duration::from_secs(5);

/// Why somebody was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// For the look-up of an order: which, and of which of our addresses.
    Look(Key<Search>, usize),
    /// To store what an order wants stored.
    Store(Key<Search>, usize),
    /// To see whether it is there.
    Upkeep,
    /// Because a person wants to know.
    Ping(QueryId),
    /// As above, which torrents it knows.
    Sample(QueryId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) home: u8,
    pub(super) to: SocketAddr,
    pub(super) why: Why,
    pub(super) sent: Time,
    late_at: Time,
    fails_at: Time,
    /// Whether its being late was told.
    pub(super) late: bool,
}

impl Asked {
    fn due(&self) -> Time {
        if self.late { self.fails_at } else { self.late_at }
    }
}

/// The open questions by their transactions.
#[derive(Debug, Default)]
pub(super) struct Open {
    asked: BTreeMap<u32, Asked>,
}

impl Open {
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// A question and its transaction, which nobody can guess.
    pub(super) fn put(
        &mut self,
        now: Time,
        (home, to): (u8, SocketAddr),
        why: Why,
        trip: &RoundTrip,
        rng: &mut Rng,
    ) -> [u8; 4] {
        let mut transaction = rng.bits() as u32;
        while self.asked.contains_key(&transaction) {
            transaction = transaction.wrapping_add(1);
        }
        let patience = trip.patience();
        let (late_at, fails_at) = (now.after(patience), now.after(trip.end()));
        let asked = Asked { home, to, why, sent: now, late_at, fails_at, late: false };
        self.asked.insert(transaction, asked);
        transaction.to_be_bytes()
    }

    /// The question to which an answer came, if it was asked and by whom.
    pub(super) fn take(&mut self, home: u8, from: SocketAddr, transaction: &[u8]) -> Option<Asked> {
        let transaction = u32::from_be_bytes(transaction.try_into().ok()?);
        let asked = self.asked.get(&transaction)?;
        if asked.to != from || asked.home != home {
            return None;
        }
        self.asked.remove(&transaction)
    }

    /// A question that is late (told once) or failed, if one is by now.
    pub(super) fn overdue(&mut self, now: Time) -> Option<(Asked, bool)> {
        let due = self.asked.iter_mut().find(|(_, asked)| asked.due() <= now)?;
        let (transaction, asked) = (*due.0, due.1);
        if !asked.late && now < asked.fails_at {
            asked.late = true;
            return Some((*asked, false));
        }
        self.asked.remove(&transaction).map(|asked| (asked, true))
    }

    /// Whether somebody was asked and has not answered yet.
    pub(super) fn waits_for(&self, to: SocketAddr) -> bool {
        self.asked.values().any(|asked| asked.to == to)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.asked.values().map(Asked::due).min()
    }
}

/// What a round trip takes, as RFC 6298 has it.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrip {
    smooth: Duration,
    deviation: Duration,
}

impl RoundTrip {
    pub(super) fn measured(&mut self, time: Duration) {
        if self.smooth.is_zero() {
            (self.smooth, self.deviation) = (time, time / 2);
            return;
        }
        self.deviation = (self.deviation * 3 + self.smooth.abs_diff(time)) / 4;
        self.smooth = (self.smooth * 7 + time) / 8;
    }

    pub(super) fn smooth(&self) -> Duration {
        self.smooth
    }

    /// After which a node is late.
    fn patience(&self) -> Duration {
        if self.smooth.is_zero() {
            return FIRST;
        }
        (self.smooth + self.deviation * 4).clamp(LEAST, MOST)
    }

    /// After which it has failed.
    fn end(&self) -> Duration {
        (self.patience() * 4).clamp(FAIL_LEAST, FAIL_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_what_was_measured() {
        let mut trip = RoundTrip::default();
        assert_eq!(trip.patience(), FIRST);
        (0..50).for_each(|_| trip.measured(Duration::from_millis(100)));
        assert!(trip.patience() < Duration::from_millis(120), "{trip:?}");
        (0..50).for_each(|_| trip.measured(Duration::from_micros(50)));
        assert_eq!(trip.patience(), LEAST);
        (0..50).for_each(|_| trip.measured(Duration::from_secs(9)));
        assert_eq!((trip.patience(), trip.end()), (MOST, FAIL_MOST));
    }

    #[test]
    fn only_who_was_asked_can_answer_and_only_once() {
        let (mut open, mut rng) = (Open::default(), Rng::from_number(1));
        let to = SocketAddr::from(([10, 0, 0, 1], 1));
        let other = SocketAddr::from(([10, 0, 0, 2], 1));
        let trip = RoundTrip::default();
        let transaction = open.put(Time::START, (0, to), Why::Upkeep, &trip, &mut rng);
        assert!(open.take(0, other, &transaction).is_none());
        assert!(open.take(1, to, &transaction).is_none());
        assert!(open.take(0, to, b"abcd").is_none());
        assert!(open.take(0, to, &transaction).is_some());
        assert!(open.take(0, to, &transaction).is_none());
    }

    #[test]
    fn a_question_is_late_once_and_then_fails() {
        let (mut open, mut rng) = (Open::default(), Rng::from_number(1));
        let to = SocketAddr::from(([10, 0, 0, 1], 1));
        open.put(Time::START, (0, to), Why::Upkeep, &RoundTrip::default(), &mut rng);
        let late = open.deadline().unwrap();
        assert_eq!(late, Time::START.after(FIRST));
        assert!(matches!(open.overdue(late), Some((_, false))));
        assert!(open.overdue(late).is_none());
        let end = open.deadline().unwrap();
        assert!(matches!(open.overdue(end), Some((_, true))));
        assert_eq!((open.len(), open.deadline()), (0, None));
    }
}
