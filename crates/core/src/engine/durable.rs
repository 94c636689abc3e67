//! What is remembered of a torrent while the program is not there: records, and what they are
//! worth afterwards.
//!
//! A piece may be *told* to peers once it is verified. It may be *recorded* as synced only when a
//! sync that began after its last write is through. So a record never overtakes the data it speaks
//! of, and whatever ends the program, a piece that is recorded as synced is right on the disk.

use super::bounds::TOTALS_TIME;
use crate::base::{Bitset, Time};

/// Bytes of payload over the whole life of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of blocks that were received and asked for.
    pub downloaded: u64,
    /// Of blocks that were sent.
    pub uploaded: u64,
    /// Of blocks that were received in vain.
    pub wasted: u64,
}

/// What is to be remembered of a torrent. Each record replaces the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Pieces that are verified: right as long as the system keeps what it was given, which it
    /// does when a program dies, and does not when the power does.
    pub verified: Bitset,
    /// Pieces of which every byte is on the disk; all of them are `verified`.
    pub synced: Bitset,
    /// The torrent has stopped: nothing is written until the next record.
    pub rest: bool,
    /// Some of it is believed since a power cut, and was not proved yet.
    pub doubt: bool,
    /// What was transferred.
    pub totals: Totals,
}

impl Record {
    /// What the record is worth later. `same_boot`: the system has run without a break since the
    /// record was made, so that it has lost nothing of what it was given.
    #[must_use]
    pub fn recall(self, same_boot: bool) -> Memory {
        let Self { verified, synced, rest, doubt, totals } = self;
        let kept = rest || same_boot;
        let have = if kept { verified } else { synced.clone() };
        Memory { have, synced, doubt: doubt || !kept, totals }
    }
}

/// What is known of a torrent from an earlier life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Pieces that are right and need no check, if their files are as they were left.
    pub have: Bitset,
    /// Those of them that are on the disk.
    pub synced: Bitset,
    /// The power was lost since, and not every disk does what it says: some pieces are checked
    /// at the start, and each before it is given to a peer for the first time.
    pub doubt: bool,
    /// What was transferred.
    pub totals: Totals,
}

impl Memory {
    /// Whether it is of a torrent with so many pieces.
    pub(super) fn fits(&self, pieces: u32) -> bool {
        self.have.len() == pieces && self.synced.len() == pieces
    }
}

/// How far what a torrent holds has come: to the disk, and into its record. A leaf: it knows
/// what is to be done next, and does nothing itself.
///
/// `have` in the arguments are the verified pieces; between [`Durable::begin`] and a stop they
/// only ever become more.
#[derive(Debug)]
pub(super) struct Durable {
    synced: Bitset,
    /// What was verified when the sync began that runs now.
    syncing: Option<Bitset>,
    recording: bool,
    /// What was recorded last is no longer all there is to say.
    stale: bool,
    /// The totals of the last record, and when it was made.
    recorded: (Totals, Time),
}

/// What is to be done for the disk next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Sync,
    Record,
    /// Something is under way: look again later.
    Wait,
}

impl Durable {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            synced: Bitset::new(pieces),
            syncing: None,
            recording: false,
            stale: false,
            recorded: (Totals::default(), Time::START),
        }
    }

    /// A new life of the torrent begins with these pieces, all of them on the disk.
    pub(super) fn begin(&mut self, synced: Bitset, totals: Totals, now: Time) {
        *self = Self { recorded: (totals, now), ..Self::new(synced.len()) };
        self.synced = synced;
    }

    /// What is next. Only a piece that no sync covers asks for one; totals alone are recorded
    /// once a minute.
    pub(super) fn due(&self, have: &Bitset, totals: Totals, now: Time) -> Due {
        let counts = self.differs(totals) && self.is_late(now);
        let unsynced = have.ones() > self.synced.ones();
        match (self.syncing.is_some() || self.recording, unsynced) {
            (true, _) if unsynced || self.stale => Due::Wait,
            (true, _) => Due::Nothing,
            (false, true) => Due::Sync,
            (false, false) if self.stale || counts => Due::Record,
            (false, false) => Due::Nothing,
        }
    }

    /// Whether all that is held is on the disk and recorded.
    pub(super) fn is_settled(&self, have: &Bitset) -> bool {
        let under_way = self.syncing.is_some() || self.recording || self.stale;
        !under_way && have.ones() <= self.synced.ones()
    }

    /// Whether totals wait for the next record.
    pub(super) fn differs(&self, totals: Totals) -> bool {
        self.recorded.0 != totals
    }

    /// Whether the last record is so old that totals alone are worth a new one.
    pub(super) fn is_late(&self, now: Time) -> bool {
        now.since(self.recorded.1) >= TOTALS_TIME
    }

    /// A sync begins: it will speak for what is verified now, and for nothing later.
    pub(super) fn sync_begins(&mut self, have: &Bitset) {
        self.syncing = Some(have.clone());
    }

    pub(super) fn sync_ended(&mut self, good: bool) {
        if let (Some(synced), true) = (self.syncing.take(), good) {
            self.synced = synced;
            self.stale = true;
        }
    }

    /// The record to be made now, of a torrent that works.
    pub(super) fn record(&mut self, have: &Bitset, totals: Totals, now: Time) -> Record {
        self.recording = true;
        self.stale = false;
        self.recorded = (totals, now);
        let (verified, synced) = (have.clone(), self.synced.clone());
        Record { verified, synced, rest: false, doubt: false, totals }
    }

    /// The last record, of a torrent that has stopped. What no sync has brought to the disk is
    /// not held any more: after one that failed the system may have dropped it.
    pub(super) fn last_record(&mut self, totals: Totals, now: Time) -> Record {
        let have = self.synced.clone();
        Record { rest: true, ..self.record(&have, totals, now) }
    }

    pub(super) fn record_ended(&mut self, good: bool) {
        self.recording = false;
        self.stale |= !good;
    }

    pub(super) fn synced(&self) -> &Bitset {
        &self.synced
    }

    /// Nothing is known of what is held.
    pub(super) fn forget_all(&mut self) {
        self.synced = Bitset::new(self.synced.len());
    }

    /// These pieces turned out to be wrong, or are not known to be right any more.
    pub(super) fn forget(&mut self, pieces: &Bitset) {
        for set in [Some(&mut self.synced), self.syncing.as_mut()].into_iter().flatten() {
            pieces.iter().for_each(|piece| _ = set.clear(piece));
        }
        self.stale = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pieces: &[u32]) -> Bitset {
        let mut set = Bitset::new(8);
        pieces.iter().for_each(|&piece| _ = set.set(piece));
        set
    }

    fn due(durable: &Durable, have: &Bitset) -> Due {
        durable.due(have, Totals::default(), Time::START)
    }

    #[test]
    fn a_sync_speaks_for_what_was_verified_when_it_began() {
        let mut durable = Durable::new(8);
        assert_eq!(due(&durable, &set(&[])), Due::Nothing);
        assert_eq!(due(&durable, &set(&[1])), Due::Sync);
        durable.sync_begins(&set(&[1]));
        assert_eq!(due(&durable, &set(&[1, 2])), Due::Wait);
        durable.sync_ended(true);
        assert_eq!(durable.synced(), &set(&[1]));
        let record = durable.record(&set(&[1, 2]), Totals::default(), Time::START);
        assert_eq!((&record.verified, &record.synced), (&set(&[1, 2]), &set(&[1])));
        assert_eq!(due(&durable, &set(&[1, 2])), Due::Wait);
        durable.record_ended(true);
        assert_eq!(due(&durable, &set(&[1, 2])), Due::Sync);
    }

    #[test]
    fn what_a_failed_sync_was_to_cover_is_not_synced() {
        let mut durable = Durable::new(8);
        durable.sync_begins(&set(&[1]));
        durable.sync_ended(false);
        assert!(durable.synced().is_empty());
        assert_eq!(due(&durable, &set(&[1])), Due::Sync);
    }

    #[test]
    fn a_record_that_failed_is_made_again() {
        let mut durable = Durable::new(8);
        durable.sync_begins(&set(&[1]));
        durable.sync_ended(true);
        assert_eq!(due(&durable, &set(&[1])), Due::Record);
        let _ = durable.record(&set(&[1]), Totals::default(), Time::START);
        durable.record_ended(false);
        assert_eq!(due(&durable, &set(&[1])), Due::Record);
        let _ = durable.record(&set(&[1]), Totals::default(), Time::START);
        durable.record_ended(true);
        assert_eq!(due(&durable, &set(&[1])), Due::Nothing);
    }

    #[test]
    fn totals_alone_are_recorded_once_a_minute() {
        let durable = Durable::new(8);
        let totals = Totals { uploaded: 1, ..Totals::default() };
        let minute = Time::START.after(TOTALS_TIME);
        assert_eq!(durable.due(&set(&[]), totals, Time::START), Due::Nothing);
        assert_eq!(durable.due(&set(&[]), totals, minute), Due::Record);
        assert!(durable.differs(totals));
    }

    #[test]
    fn only_what_survives_the_end_is_recalled() {
        let (verified, synced) = (set(&[1, 2, 3]), set(&[1, 2]));
        let totals = Totals { downloaded: 3, ..Totals::default() };
        let record = |rest| {
            let (verified, synced) = (verified.clone(), synced.clone());
            Record { verified, synced, rest, doubt: false, totals }
        };
        let killed = record(false).recall(true);
        assert_eq!((&killed.have, &killed.synced, killed.doubt), (&verified, &synced, false));
        let cut = record(false).recall(false);
        assert_eq!((&cut.have, &cut.synced, cut.doubt), (&synced, &synced, true));
        let rested = record(true).recall(false);
        assert_eq!((&rested.have, rested.doubt, rested.totals), (&verified, false, totals));
    }

    #[test]
    fn what_is_lost_while_a_sync_runs_is_not_recorded_as_synced() {
        let mut durable = Durable::new(8);
        durable.begin(set(&[]), Totals::default(), Time::START);
        durable.sync_begins(&set(&[1, 2]));
        durable.forget(&set(&[2]));
        durable.sync_ended(true);
        let record = durable.record(&set(&[1]), Totals::default(), Time::START);
        assert_eq!(record.synced, set(&[1]));
    }
}
