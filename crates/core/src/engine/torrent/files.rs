//! What concerns the disk: looking, checking, writing, verifying, and giving files their names.

use alloc::sync::Arc;
use alloc::vec::Vec;

use toubkal_wire::layout::Layout;

use super::super::action::{Action, Notice, StoreError, StoreErrorKind};
use super::super::bounds::{CHECK_BYTES_MAX, CHECKS_MAX, FINISHES_MAX};
use super::super::event::{CloseReason, Done, Found, Misbehaved, Opened, Priority};
use super::super::partial::Origin;
use super::super::shared::{Cx, Task, same_machine};
use super::{Phase, Torrent, each};
use crate::base::Bitset;

/// How each file stands.
#[derive(Debug)]
pub(super) struct Files {
    states: Vec<File>,
    /// Files whose pieces are all there, and that wait for their names.
    ready: Vec<u32>,
    finishing: u32,
    /// Wanted files that have not got their names.
    unfinished: u32,
    /// Files that are wanted and must get their temporary name back first.
    reclaiming: u32,
}

#[derive(Clone, Copy, Debug)]
struct File {
    priority: Priority,
    /// Somebody reads it.
    read: bool,
    found: Found,
    /// Pieces of it that are not verified.
    missing: u32,
    done: bool,
    /// It was whole, and cannot be read any more, or others have written to it.
    lost: bool,
    /// We held a piece of it, and nobody else has written to it since.
    ours: bool,
}

/// A check of what lay on the disk.
#[derive(Debug)]
pub(super) struct Check {
    worth: Bitset,
    /// No piece before this one is still to be checked.
    cursor: u32,
    running: u32,
    pub(super) done: u32,
    pub(super) of: u32,
    /// The pieces are a sample of others, on which depends what is checked next.
    doubted: Option<Doubted>,
}

/// What is believed if a sample of it is right.
#[derive(Debug)]
struct Doubted {
    worth: Bitset,
    believed: Bitset,
    sample: Bitset,
    wrong: bool,
}

impl Files {
    pub(super) fn new(layout: &Layout, priorities: Vec<Priority>) -> Self {
        let state = |(index, priority): (usize, Priority)| {
            let file = layout.files()[index];
            let missing = layout.pieces_of(index as u32).len() as u32;
            let found = if file.pad { Found::Virtual } else { Found::Absent };
            let (read, done, lost, ours) = Default::default();
            File { priority, read, found, missing, done, lost, ours }
        };
        let states = priorities.into_iter().enumerate().map(state).collect();
        Self { states, ready: Vec::new(), finishing: 0, unfinished: 0, reclaiming: 0 }
    }

    /// Knows nothing of the disk any more.
    pub(super) fn forget(&mut self) {
        for file in &mut self.states {
            (file.done, file.lost) = (false, false);
        }
        (self.finishing, self.unfinished, self.reclaiming) = (0, 0, 0);
        self.ready.clear();
    }

    /// Whether a file that was complete is not there any more.
    pub(super) fn has_lost(&self) -> bool {
        self.states.iter().any(|file| file.lost)
    }

    /// One a file.
    pub(super) fn priorities(&self) -> Vec<Priority> {
        self.states.iter().map(|file| file.priority).collect()
    }

    /// One a file: whether its bytes are wanted.
    pub(super) fn wanted(&self) -> Arc<[bool]> {
        self.states.iter().map(|file| file.level() != Priority::Skip).collect()
    }

    /// Sets priorities; says whether the same files are wanted as before.
    pub(super) fn prioritise(&mut self, priorities: Vec<Priority>) -> bool {
        let set = |(file, priority): (&mut File, _)| file.changes(|file| file.priority = priority);
        let changed = self.states.iter_mut().zip(priorities).map(set);
        changed.fold(true, |same, changed| same & !changed)
    }

    /// A file is read; says whether the same are wanted as before.
    pub(super) fn read(&mut self, file: u32) -> bool {
        !self.states[file as usize].changes(|file| file.read = true)
    }

    /// Nothing is read any more; says whether the same are wanted as before.
    pub(super) fn read_none(&mut self) -> bool {
        let changed = self.states.iter_mut().map(|file| file.changes(|file| file.read = false));
        changed.fold(true, |same, changed| same & !changed)
    }

    /// A piece is as much wanted as the most wanted file in it; padding wants nothing.
    pub(super) fn piece_priorities(&self, layout: &Layout) -> Vec<Priority> {
        let mut pieces = each(Priority::Skip, layout.pieces() as usize);
        for (index, file) in self.states.iter().enumerate() {
            if layout.files()[index].pad {
                continue;
            }
            for piece in layout.pieces_of(index as u32) {
                let priority = &mut pieces[piece as usize];
                *priority = (*priority).max(file.level());
            }
        }
        // What is lost is not fetched either: it may be of worth to those who wrote to it.
        let lost = self.states.iter().enumerate().filter(|(_, file)| file.lost);
        let lost = lost.flat_map(|(index, _)| layout.pieces_of(index as u32));
        lost.for_each(|piece| pieces[piece as usize] = Priority::Skip);
        pieces
    }

    /// Counts anew what is missing of each file.
    pub(super) fn recount(&mut self, layout: &Layout, have: &Bitset) {
        for (index, file) in self.states.iter_mut().enumerate() {
            let missing = layout.pieces_of(index as u32).filter(|&piece| !have.has(piece));
            file.missing = missing.count() as u32;
        }
    }

    /// What must hold at any time, once the folder was looked at; for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self, layout: &Layout, have: &Bitset) {
        for (index, file) in self.states.iter().enumerate() {
            let missing = layout.pieces_of(index as u32).filter(|&piece| !have.has(piece)).count();
            assert!(have.is_empty() || file.missing as usize == missing, "file {index}");
        }
    }
}

impl File {
    fn is_wanted(&self) -> bool {
        self.level() != Priority::Skip && self.found != Found::Virtual
    }

    /// How much it is wanted. What is read is wanted after all.
    fn level(&self) -> Priority {
        if self.read { self.priority.max(Priority::Low) } else { self.priority }
    }

    /// Changes it; says whether it is wanted now and was not, or the other way round.
    fn changes(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.level() == Priority::Skip;
        change(self);
        before != (self.level() == Priority::Skip)
    }
}

impl Torrent {
    /// The store finished a job of this torrent.
    pub(in super::super) fn done(
        &mut self,
        cx: &mut Cx<'_>,
        task: Task,
        result: Result<Done, StoreError>,
    ) {
        self.jobs -= 1;
        if let Phase::Stopping { .. } = self.phase {
            match task {
                Task::Sync => self.durable.sync_ended(result.is_ok()),
                Task::Record => self.recorded(cx, result.map(drop)),
                _ => {}
            }
            return self.settle(cx);
        }
        match (task, result) {
            (Task::Record, result) => self.recorded(cx, result.map(drop)),
            (Task::Sync, Ok(_)) => self.synced(cx),
            (Task::Sync, Err(StoreError { kind: StoreErrorKind::Crowded, .. })) => {
                self.unsynced(cx);
            }
            (Task::Prove { piece }, Ok(done)) => self.proved(cx, piece, done == Done::Good),
            (Task::Open, Ok(Done::Opened(opened))) => self.opened(cx, *opened),
            (Task::Check { piece }, Ok(Done::Good)) => self.checked(cx, piece, true),
            (Task::Check { piece }, Ok(Done::Bad(_))) => self.checked(cx, piece, false),
            (Task::Store { piece, index, .. }, Ok(Done::Stored)) => self.stored(cx, piece, index),
            (Task::Verify { piece }, Ok(Done::Good)) => self.piece_good(cx, piece),
            (Task::Verify { piece }, Ok(Done::Bad(digests))) => {
                self.piece_bad(cx, piece, digests);
            }
            (Task::Digest { piece }, Ok(Done::Digests(digests))) => {
                let culprits = self.blame.solve(piece, &digests);
                culprits.into_iter().for_each(|culprit| self.convict(cx, culprit));
            }
            (Task::Reclaim { file }, Ok(_)) => self.reclaimed(cx, file),
            (Task::Finish { file }, Ok(_)) => self.finished(cx, file),
            (_, Err(error)) => self.fail(cx, error),
            // An answer that does not fit its job: the store is broken.
            (_, Ok(_)) => self.fail(cx, StoreError { kind: StoreErrorKind::Changed, file: None }),
        }
    }

    fn opened(&mut self, cx: &mut Cx<'_>, opened: Opened) {
        let Opened { files: found, worth, changed } = opened;
        for (file, found) in self.files.states.iter_mut().zip(found) {
            file.found = found;
        }
        let layout = &self.layout;
        for (index, file) in self.files.states.iter_mut().enumerate() {
            file.missing = layout.pieces_of(index as u32).len() as u32;
        }
        let in_the_way = |file: &File| file.is_wanted() && file.found == Found::Other;
        if let Some(index) = self.files.states.iter().position(in_the_way) {
            return self.fail(cx, exists(index));
        }
        self.note_ours(&changed);
        let believed = self.believed(&worth, &changed);
        if self.doubts() && !believed.is_empty() {
            let sample = self.sample(&believed);
            let doubted = Doubted { worth, believed, sample: sample.clone(), wrong: false };
            self.phase = Phase::Checking(Check::of(sample, Some(doubted)));
        } else {
            self.phase = Phase::Checking(Check::of(without(&worth, &believed), None));
            self.believe(cx, &believed, &believed);
        }
        self.check_more(cx);
    }

    /// Files that others may have changed are not ours any more, whatever they were; others are
    /// of which a piece is remembered, even if it is lost.
    fn note_ours(&mut self, changed: &Bitset) {
        let have = self.memory.as_ref().map(|memory| &memory.have);
        for (index, file) in self.files.states.iter_mut().enumerate() {
            let mut pieces = self.layout.pieces_of(index as u32);
            file.ours |= have.is_some_and(|have| pieces.clone().any(|piece| have.has(piece)));
            file.ours &= !pieces.any(|piece| changed.has(piece));
        }
    }

    /// The sample of what is believed was checked: it speaks for the rest, or nothing does.
    fn sampled(&mut self, cx: &mut Cx<'_>, doubted: Doubted) {
        let Doubted { worth, believed, sample, wrong } = doubted;
        if wrong {
            let checked = self.have.clone();
            self.phase = Phase::Checking(Check::of(without(&worth, &checked), None));
            self.believe(cx, &checked, &checked);
        } else {
            self.phase = Phase::Checking(Check::of(without(&worth, &believed), None));
            self.believe(cx, &believed, &sample);
        }
        self.check_more(cx);
    }

    /// Keeps as many checks running as may be.
    fn check_more(&mut self, cx: &mut Cx<'_>) {
        let Phase::Checking(check) = &mut self.phase else { return };
        let by_bytes = CHECK_BYTES_MAX / u64::from(self.layout.piece_length());
        let most = CHECKS_MAX.min(by_bytes.max(1) as u32);
        let mut begin = Vec::new();
        while check.running < most
            && let Some(piece) = check.next()
        {
            check.running += 1;
            begin.push(piece);
        }
        let over = check.running == 0;
        if over && let Some(doubted) = check.doubted.take() {
            return self.sampled(cx, doubted);
        }
        for piece in begin {
            let job = self.job(cx, Task::Check { piece });
            cx.push(Action::Verify { job, torrent: self.id, piece, hashed: 0 });
        }
        if over {
            self.reclaim(cx);
        }
    }

    fn checked(&mut self, cx: &mut Cx<'_>, piece: u32, good: bool) {
        let Phase::Checking(check) = &mut self.phase else { return };
        check.running -= 1;
        check.done += 1;
        self.checked += 1;
        if let Some(doubted) = &mut check.doubted {
            doubted.wrong |= !good;
        }
        if good {
            self.take_in(piece);
            self.sync_soon(cx);
        }
        self.check_more(cx);
    }

    /// Files that lie under their final names without being right get their temporary names
    /// back, if they are files of this torrent at all.
    fn reclaim(&mut self, cx: &mut Cx<'_>) {
        let Phase::Checking(check) = &self.phase else { return };
        let mut reclaim = Vec::new();
        for (index, file) in self.files.states.iter().enumerate() {
            if !file.is_wanted() || file.found != Found::Whole || file.missing == 0 {
                continue;
            }
            let pieces = self.layout.pieces_of(index as u32);
            let good = pieces.clone().any(|piece| self.have.has(piece));
            // A piece that lies in an incomplete file too says nothing of this one: after a power
            // cut one may be whole, and the other not.
            let speaks = |&piece: &u32| {
                let others = self.layout.files_of(piece).filter(|&other| other != index as u32);
                let mut sharing = others.filter(|&o| self.layout.pieces_of(o).contains(&piece));
                sharing.all(|other| {
                    let found = self.files.states[other as usize].found;
                    matches!(found, Found::Whole | Found::Virtual)
                })
            };
            let fails = |&piece: &u32| check.worth.has(piece) && !self.have.has(piece);
            let wrong = pieces.clone().filter(fails).any(|piece| speaks(&piece));
            if wrong && !good && !file.ours && !self.adopt {
                // A stranger's file: it may be all that somebody has of something else.
                let error = exists(index);
                return self.fail(cx, error);
            }
            reclaim.push(index as u32);
        }
        self.files.reclaiming = reclaim.len() as u32;
        if reclaim.is_empty() {
            return self.begin(cx);
        }
        for file in reclaim {
            let job = self.job(cx, Task::Reclaim { file });
            cx.push(Action::Reclaim { job, torrent: self.id, file });
        }
    }

    fn reclaimed(&mut self, cx: &mut Cx<'_>, file: u32) {
        self.files.states[file as usize].found = Found::Part;
        self.files.reclaiming -= 1;
        if self.files.reclaiming == 0 {
            self.begin(cx);
        }
    }

    /// What is on the disk is known: see which files are done, and begin.
    fn begin(&mut self, cx: &mut Cx<'_>) {
        for (index, file) in self.files.states.iter_mut().enumerate() {
            if !file.is_wanted() {
                continue;
            }
            file.done = file.missing == 0 && file.found == Found::Whole;
            self.files.unfinished += u32::from(!file.done);
            if file.missing == 0 && !file.done {
                self.files.ready.push(index as u32);
            }
        }
        self.activate(cx);
    }

    /// A piece is verified: everything that counts pieces counts it.
    pub(super) fn take_in(&mut self, piece: u32) {
        if !self.have.set(piece) {
            return;
        }
        self.picker.take(piece);
        if self.is_wanted(piece) {
            self.missing -= 1;
            self.left -= self.piece_bytes(piece);
        }
        let files = self.layout.files_of(piece);
        for index in files {
            let file = &mut self.files.states[index as usize];
            if self.layout.pieces_of(index).contains(&piece) {
                file.missing -= 1;
                file.ours = true;
                // Before the torrent is active, `begin` looks at all files.
                if file.missing == 0 && file.is_wanted() && matches!(self.phase, Phase::Active) {
                    self.files.ready.push(index);
                }
            }
        }
    }

    fn stored(&mut self, cx: &mut Cx<'_>, piece: u32, index: u32) {
        let Some(partial) = self.partials.get_mut(piece) else { return };
        if partial.written(index) {
            self.verify(cx, piece);
        }
    }

    /// All blocks of a piece are written: is it right?
    pub(super) fn verify(&mut self, cx: &mut Cx<'_>, piece: u32) {
        let Some(partial) = self.partials.get(piece) else { return };
        let hashed = partial.hashed_bytes().min(self.layout.piece_size(piece));
        let job = self.job(cx, Task::Verify { piece });
        cx.push(Action::Verify { job, torrent: self.id, piece, hashed });
    }

    fn piece_good(&mut self, cx: &mut Cx<'_>, piece: u32) {
        self.partials.end(piece);
        if self.blame.asks_for(piece) {
            let job = self.job(cx, Task::Digest { piece });
            cx.push(Action::Digest { job, torrent: self.id, piece });
        }
        self.take_in(piece);
        self.sync_soon(cx);
        cx.notify(Notice::PieceDone { torrent: self.id, piece });
        if self.wishes.is_some() {
            self.tell_readers(cx);
        }
        self.tell_have(cx, piece);
        self.finish_files(cx);
        if self.missing == 0 && self.is_wanted(piece) {
            cx.notify(Notice::Verified { torrent: self.id });
            self.part_from_seeds(cx);
            self.tell_upload_only(cx);
        }
        self.note_completion(cx);
    }

    fn piece_bad(&mut self, cx: &mut Cx<'_>, piece: u32, digests: Vec<[u8; 20]>) {
        let Some(partial) = self.partials.end(piece) else { return };
        cx.notify(Notice::PieceBad { torrent: self.id, piece });
        self.wasted += u64::from(self.layout.piece_size(piece));
        if let Some(culprit) = self.blame.fail(piece, digests, partial.origins()) {
            self.convict(cx, culprit);
        }
        self.picker.release(piece);
        self.wake = true;
    }

    /// A peer sent a block that was wrong.
    fn convict(&mut self, cx: &mut Cx<'_>, culprit: Origin) {
        cx.ban(self.id, culprit.remote);
        self.roster.never(culprit.remote);
        for (&link, peer) in self.peers.iter() {
            if link == culprit.link || same_machine(peer.remote, culprit.remote) {
                cx.close(link, CloseReason::Misbehaved(Misbehaved::BadBlock));
            }
        }
    }

    /// Bytes that were verified cannot be read. While something is missing the whole folder is
    /// needed, and the torrent stops. A seed goes on with the other files, if there are others.
    pub(super) fn unreadable(&mut self, cx: &mut Cx<'_>, error: StoreError) {
        if error.kind == StoreErrorKind::Crowded {
            // It could not be looked at; that is nobody's fault, and passes.
            return;
        }
        let file = error.file.filter(|&file| (file as usize) < self.files.states.len());
        let (Some(file), 0) = (file, self.missing) else { return self.fail(cx, error) };
        let mut lost = Bitset::new(self.layout.pieces());
        let held = self.layout.pieces_of(file).filter(|&piece| self.have.has(piece));
        held.for_each(|piece| _ = lost.set(piece));
        if lost.is_empty() {
            // It is known already: more than one block was on its way.
            return;
        }
        if lost.ones() == self.have.ones() {
            return self.fail(cx, error);
        }
        for piece in lost.iter() {
            self.have.clear(piece);
            self.picker.prioritise(piece, Priority::Skip);
        }
        self.files.states[file as usize].lost = true;
        self.durable.forget(&lost);
        cx.shared.sync_at.get_or_insert(cx.now);
        self.files.recount(&self.layout, &self.have);
        self.recount();
        self.withdraw(cx, &lost);
        self.retract_readers(cx);
        self.tell_readers(cx);
        cx.notify(Notice::FileLost { torrent: self.id, file, error });
    }

    /// Gives files their names, as many at once as may be. What nobody has checked since the power
    /// was lost is proved first.
    pub(super) fn finish_files(&mut self, cx: &mut Cx<'_>) {
        let mut unproven = Vec::new();
        while self.files.finishing < FINISHES_MAX
            && let Some(file) = self.files.ready.pop()
        {
            if self.prove_all(cx, self.layout.pieces_of(file)) {
                unproven.push(file);
                continue;
            }
            self.files.finishing += 1;
            let job = self.job(cx, Task::Finish { file });
            cx.push(Action::Finish { job, torrent: self.id, file });
        }
        self.files.ready.append(&mut unproven);
    }

    fn finished(&mut self, cx: &mut Cx<'_>, file: u32) {
        self.files.finishing -= 1;
        self.files.unfinished -= 1;
        let state = &mut self.files.states[file as usize];
        (state.found, state.done) = (Found::Whole, true);
        cx.notify(Notice::FileDone { torrent: self.id, file });
        self.finish_files(cx);
        self.note_completion(cx);
    }

    /// Tells once when everything that is wanted is there, under its name.
    pub(super) fn note_completion(&mut self, cx: &mut Cx<'_>) {
        let over = self.is_active() && self.missing == 0 && self.files.unfinished == 0;
        if over && !self.completed {
            self.completed = true;
            self.keep(cx);
            cx.notify(Notice::Completed { torrent: self.id, at_once: !self.worked });
        }
    }
}

/// The pieces of the first set that are not in the second.
fn without(pieces: &Bitset, others: &Bitset) -> Bitset {
    let mut left = Bitset::new(pieces.len());
    pieces.minus(others).for_each(|piece| _ = left.set(piece));
    left
}

impl Check {
    fn of(worth: Bitset, doubted: Option<Doubted>) -> Self {
        let of = worth.ones();
        Self { worth, cursor: 0, running: 0, done: 0, of, doubted }
    }

    fn next(&mut self) -> Option<u32> {
        while self.cursor < self.worth.len() {
            let piece = self.cursor;
            self.cursor += 1;
            if self.worth.has(piece) {
                return Some(piece);
            }
        }
        None
    }
}

fn exists(index: usize) -> StoreError {
    StoreError { kind: StoreErrorKind::Exists, file: Some(index as u32) }
}
