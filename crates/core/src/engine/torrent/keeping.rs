//! What is remembered: what is believed at the start, what is synced and recorded on the way, and
//! what is proved before it is given.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::super::action::{Action, Notice, StoreError};
use super::super::bounds::{CHECKS_MAX, SAMPLE, SYNC_TIME};
use super::super::durable::{Due, Memory, Record, Totals};
use super::super::shared::{Cx, Task};
use super::{Next, Phase, Torrent};
use crate::base::Bitset;

/// Pieces that are believed and were not checked since the power was lost.
#[derive(Debug)]
pub(super) struct Unproven {
    pieces: Bitset,
    /// Those of them that are being checked.
    proving: Bitset,
}

impl Unproven {
    pub(super) fn none(pieces: u32) -> Self {
        Self { pieces: Bitset::new(pieces), proving: Bitset::new(pieces) }
    }

    pub(super) fn is_none(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn has(&self, piece: u32) -> bool {
        self.pieces.has(piece)
    }
}

impl Torrent {
    /// The pieces that are remembered, are there, and were left alone by others.
    pub(super) fn believed(&self, worth: &Bitset, changed: &Bitset) -> Bitset {
        let mut believed = Bitset::new(self.layout.pieces());
        if let Some(memory) = self.fitting_memory() {
            let there = memory.have.both(worth).filter(|&piece| !changed.has(piece));
            there.for_each(|piece| _ = believed.set(piece));
        }
        believed
    }

    /// What is remembered, if it is of a torrent with as many pieces.
    fn fitting_memory(&self) -> Option<&Memory> {
        self.memory.as_ref().filter(|memory| memory.fits(self.layout.pieces()))
    }

    /// Until it is started, a torrent stands as it is remembered.
    pub(in super::super) fn recollect(&mut self) {
        if let Some(memory) = self.fitting_memory() {
            self.have = memory.have.clone();
            self.files.recount(&self.layout, &self.have);
        }
        self.recount();
    }

    /// Whether what is believed must show first that it is right.
    pub(super) fn doubts(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.doubt)
    }

    /// Some of the pieces that are believed, by chance.
    pub(super) fn sample(&mut self, believed: &Bitset) -> Bitset {
        let mut pieces: alloc::vec::Vec<u32> = believed.iter().collect();
        let mut sample = Bitset::new(believed.len());
        for taken in 0..pieces.len().min(SAMPLE) {
            let at = taken + self.rng.index(pieces.len() - taken);
            pieces.swap(taken, at);
            sample.set(pieces[taken]);
        }
        sample
    }

    /// Takes in what is believed; `sampled` of it was checked. From here on there is something
    /// to be recorded.
    pub(super) fn believe(&mut self, cx: &mut Cx<'_>, believed: &Bitset, sampled: &Bitset) {
        let totals = self.totals();
        let mut synced = Bitset::new(self.layout.pieces());
        if let Some(memory) = self.memory.take() {
            let kept = memory.synced.both(believed);
            kept.for_each(|piece| _ = synced.set(piece));
            if memory.doubt {
                let unproven = believed.minus(sampled);
                unproven.for_each(|piece| _ = self.unproven.pieces.set(piece));
                self.remembered = self.unproven.pieces.ones();
            } else {
                self.remembered = believed.ones();
            }
        }
        self.durable.begin(synced, totals, cx.now);
        self.known = true;
        believed.iter().for_each(|piece| self.take_in(piece));
        self.sync_soon(cx);
    }

    /// Something is verified that is not on the disk: in some seconds all such things go there
    /// together, those of other torrents too.
    pub(super) fn sync_soon(&self, cx: &mut Cx<'_>) {
        if self.known && self.have.ones() > self.durable.synced().ones() {
            let at = cx.now.after(SYNC_TIME);
            cx.shared.sync_at.get_or_insert(at);
        }
    }

    /// Syncs, or records, what is to be synced or recorded.
    pub(super) fn keep(&mut self, cx: &mut Cx<'_>) {
        if !self.is_kept() {
            return;
        }
        match self.durable.due(&self.have, self.totals(), cx.now) {
            Due::Sync => self.sync(cx),
            Due::Record => self.record(cx),
            Due::Wait => _ = cx.shared.sync_at.get_or_insert(cx.now.after(SYNC_TIME)),
            Due::Nothing => {}
        }
    }

    pub(super) fn sync(&mut self, cx: &mut Cx<'_>) {
        self.durable.sync_begins(&self.have);
        let job = self.job(cx, Task::Sync);
        cx.push(Action::Sync { job, torrent: self.id });
    }

    fn record(&mut self, cx: &mut Cx<'_>) {
        let record = self.durable.record(&self.have, self.totals(), cx.now);
        self.push_record(cx, record);
    }

    /// The torrent has stopped, and the last sync is through.
    pub(super) fn record_rest(&mut self, cx: &mut Cx<'_>) {
        if self.next == Next::Check {
            // If the check is cut short, it is to be made again.
            self.durable.forget_all();
        }
        let record = self.durable.last_record(self.totals(), cx.now);
        self.memory = Some(self.push_record(cx, record).recall(true));
        self.known = false;
    }

    fn push_record(&mut self, cx: &mut Cx<'_>, mut record: Record) -> Record {
        record.doubt = !self.unproven.pieces.is_empty();
        let job = self.job(cx, Task::Record);
        let told = Arc::new(record.clone());
        cx.push(Action::Record { job, torrent: self.id, record: told });
        record
    }

    /// What was verified when the sync began is on the disk now: that is recorded.
    pub(super) fn synced(&mut self, cx: &mut Cx<'_>) {
        self.durable.sync_ended(true);
        // More may have been verified meanwhile; what is synced is recorded all the same.
        self.record(cx);
        self.sync_soon(cx);
    }

    /// The sync was not made, and nothing is lost: it is tried again.
    pub(super) fn unsynced(&mut self, cx: &mut Cx<'_>) {
        self.durable.sync_ended(false);
        self.sync_soon(cx);
    }

    /// The record is made, or could not be. Then it is made again with the next ones.
    pub(super) fn recorded(&mut self, cx: &mut Cx<'_>, result: Result<(), StoreError>) {
        self.durable.record_ended(result.is_ok());
        if let Err(error) = result {
            cx.notify(Notice::Unrecorded { torrent: self.id, error });
            cx.shared.sync_at.get_or_insert(cx.now.after(SYNC_TIME));
        }
    }

    /// Whether totals wait for a record, which the heartbeat makes.
    pub(super) fn has_news(&self) -> bool {
        self.is_kept() && self.durable.differs(self.totals())
    }

    /// Whether what is held is known, and recorded as it grows.
    pub(super) fn is_kept(&self) -> bool {
        self.known && matches!(self.phase, Phase::Checking(_) | Phase::Active)
    }

    /// The sum of all lives.
    pub(super) fn totals(&self) -> Totals {
        let before = self.before;
        Totals {
            downloaded: before.downloaded + self.down.total(),
            uploaded: before.uploaded + self.up.total(),
            wasted: before.wasted + self.wasted,
        }
    }

    /// Checks a piece that nobody has checked since the power was lost, before it is given.
    pub(super) fn prove(&mut self, cx: &mut Cx<'_>, piece: u32) {
        if self.unproven.proving.set(piece) {
            let job = self.job(cx, Task::Prove { piece });
            cx.push(Action::Verify { job, torrent: self.id, piece, hashed: 0 });
        }
    }

    /// Checks those of these pieces that nobody has checked since, some at a time; says whether
    /// there are any.
    pub(super) fn prove_all(&mut self, cx: &mut Cx<'_>, pieces: Range<u32>) -> bool {
        let mut unproven = false;
        for piece in pieces.filter(|&piece| self.unproven.has(piece)).collect::<Vec<_>>() {
            unproven = true;
            if self.unproven.proving.ones() >= CHECKS_MAX {
                break;
            }
            self.prove(cx, piece);
        }
        unproven
    }

    pub(super) fn proved(&mut self, cx: &mut Cx<'_>, piece: u32, good: bool) {
        self.unproven.proving.clear(piece);
        if good {
            self.unproven.pieces.clear(piece);
            self.prove_read(cx);
            self.tell_readers(cx);
            self.finish_files(cx);
            return self.serve_all(cx);
        }
        // The disk has lost what it said it had: nothing unproven is believed any more.
        cx.notify(Notice::PieceBad { torrent: self.id, piece });
        let lost = core::mem::replace(&mut self.unproven, Unproven::none(self.layout.pieces()));
        lost.pieces.iter().for_each(|piece| _ = self.have.clear(piece));
        self.durable.forget(&lost.pieces);
        self.files.recount(&self.layout, &self.have);
        self.recount();
        self.wind_down(cx, None);
        self.next = Next::Start;
    }
}
