//! What the store remembers of a torrent's files from one look at them to the next, and what it
//! tells the ledger.
//!
//! Three things keep what is remembered from speaking for bytes that are not there:
//! * Before the first byte of a new life is written, what is recorded is cut down to what the
//!   look at the files has left of it.
//! * A file under its final name counts only as it was when it got the name, or was opened.
//! * After a rest, a file under its temporary name counts only as it was left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Record, StoreErrorKind};

use super::disk::{Disk, Place};
use super::files::part_name;
use super::handles::EDGES;
use super::left::{Ledger, Left, Mark, Marks, Sight};
use crate::paths::{Entry, Folder, Stamp, split};

/// What is remembered of one torrent's files.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Set before the first byte of this life is written.
    stirred: AtomicBool,
    memory: Mutex<Memory>,
    /// The ledger does not have what it should.
    resend: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Memory {
    ledger: Option<Arc<dyn Ledger>>,
    /// As the last record says; `None` when nobody knows.
    left: Option<Left>,
    /// Whole files that are not as `left` says, until the next record.
    fresh: BTreeMap<u32, Option<Mark>>,
    /// Pieces that were not as they were left at some look since the last record.
    suspect: Option<Bitset>,
}

impl Kept {
    pub(super) fn new(left: Option<Left>, ledger: Option<Arc<dyn Ledger>>) -> Self {
        let memory = Memory { ledger, left, ..Memory::default() };
        Self { memory: Mutex::new(memory), ..Self::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is about to be written. The first time, waits until what is recorded is cut
    /// down to what is still there. Without a ledger that can be written to, it is not: then a
    /// kill before the next record may cost more, but nothing that was recorded is given up.
    pub(super) fn stir(&self, pieces: u32) {
        if self.stirred.load(Ordering::Acquire) {
            return;
        }
        let memory = &mut *self.memory();
        if self.stirred.load(Ordering::Acquire) {
            return;
        }
        if let Some(left) = &mut memory.left {
            left.stir();
        }
        if let Some(ledger) = &memory.ledger {
            // Of what nobody knows, nothing counts.
            let all = || Bitset::full(pieces);
            let suspect = memory.suspect.clone();
            let suspect = if memory.left.is_some() { suspect } else { Some(all()) };
            ledger.stir(suspect);
        }
        self.stirred.store(true, Ordering::Release);
    }
}

impl Disk {
    /// Pieces with bytes in files that are not as they were left. They are remembered until the
    /// next record, which says what is there instead.
    pub(super) fn compare(&self, sight: &Sight<'_>) -> Bitset {
        let layout = self.files.layout();
        let memory = &mut *self.kept.memory();
        self.kept.stirred.store(false, Ordering::Release);
        memory.fresh.clear();
        let Some(left) = &memory.left else { return Bitset::full(layout.pieces()) };
        let mut changed = left.changed(&self.files, sight);
        memory.suspect.iter().flat_map(Bitset::iter).for_each(|piece| _ = changed.set(piece));
        let mut suspect = changed.clone();
        let mut whole = BTreeMap::new();
        for (index, place) in sight.places.iter().enumerate() {
            let file = index as u32;
            match place {
                Place::Whole(stamp) => {
                    whole.insert(file, Mark { whole: true, stamp: *stamp });
                }
                Place::Absent | Place::Apart => {
                    layout.pieces_of(file).for_each(|piece| _ = suspect.set(piece));
                }
                _ => {}
            }
        }
        let gone = left.marks.iter().filter(|(file, mark)| mark.whole && !whole.contains_key(file));
        memory.fresh.extend(gone.map(|(&file, _)| (file, None)));
        let new = whole.iter().filter(|(file, mark)| left.marks.get(file) != Some(mark));
        memory.fresh.extend(new.map(|(&file, &mark)| (file, Some(mark))));
        memory.suspect = Some(suspect);
        changed
    }

    /// Bytes of these pieces alone are there, and of them those have changed.
    pub(super) fn seen(&self, worth: &Bitset, changed: &Bitset) {
        if let Some(suspect) = &mut self.kept.memory().suspect {
            *suspect = Bitset::full(worth.len());
            worth.minus(changed).for_each(|piece| _ = suspect.clear(piece));
        }
    }

    /// Something is about to be written.
    pub(super) fn stir(&self) {
        self.kept.stir(self.files.layout().pieces());
    }

    /// A file got its final name, or lost it.
    pub(super) fn renamed(&self, file: u32, stamp: Option<Stamp>) {
        let mark = stamp.map(|stamp| Mark { whole: true, stamp });
        self.kept.memory().fresh.insert(file, mark);
    }

    /// Tells the ledger which of these files have their final names now: if the program is
    /// killed before the next record, they need not be read again.
    pub(super) fn tell_names(&self, files: &[u32]) {
        let memory = self.kept.memory();
        let Some(ledger) = &memory.ledger else { return };
        let named = |file: &u32| Some((*file, Some((*memory.fresh.get(file)?)?)));
        let changes: Vec<_> = files.iter().filter_map(named).collect();
        if !changes.is_empty() {
            let resend = Arc::clone(&self.kept.resend);
            let then = move |result| _ = resend.fetch_or(result != Ok(true), Ordering::AcqRel);
            ledger.named(Marks { all: false, changes }, Box::new(then));
        }
    }

    /// Remembers how files are now, and records it with what is held. `then` is called when that
    /// would survive the end of the program.
    pub(super) fn record(
        &self,
        record: &Arc<Record>,
        then: impl FnOnce(Result<(), StoreErrorKind>) + Send + 'static,
    ) {
        let parts = if record.rest { self.parts() } else { BTreeMap::new() };
        let memory = &mut *self.kept.memory();
        let (all, whole) = match &memory.left {
            Some(_) => (false, BTreeMap::new()),
            None => (true, self.whole()),
        };
        let left = memory.left.get_or_insert_default();
        left.stir();
        left.rest = record.rest;
        let mut changes = std::mem::take(&mut memory.fresh);
        changes.extend(whole.into_iter().chain(parts).map(|(file, mark)| (file, Some(mark))));
        for (&file, &mark) in &changes {
            match mark {
                Some(mark) => _ = left.marks.insert(file, mark),
                None => _ = left.marks.remove(&file),
            }
        }
        memory.suspect = None;
        let all = self.kept.resend.swap(false, Ordering::AcqRel) || all;
        if all {
            changes = left.marks.iter().map(|(&file, &mark)| (file, Some(mark))).collect();
        }
        let Some(ledger) = &memory.ledger else { return then(Ok(())) };
        let resend = Arc::clone(&self.kept.resend);
        let marks = Marks { all, changes: changes.into_iter().collect() };
        let then = move |result: Result<bool, _>| {
            resend.fetch_or(result != Ok(true), Ordering::AcqRel);
            then(result.map(drop));
        };
        ledger.record(Arc::clone(record), marks, Box::new(then));
    }

    /// Whole files as they were when they were looked at, or got their names.
    fn whole(&self) -> BTreeMap<u32, Mark> {
        let state = self.state();
        let places = state.places.iter().enumerate();
        let mark = |(index, place): (usize, &Place)| match place {
            Place::Whole(stamp) => Some((index as u32, Mark { whole: true, stamp: *stamp })),
            _ => None,
        };
        places.filter_map(mark).collect()
    }

    /// Files under temporary names as they are now. One that cannot be looked at has no mark,
    /// and will count as changed.
    fn parts(&self) -> BTreeMap<u32, Mark> {
        // Some systems tell the time of the last write only when the file is closed.
        self.handles.close_all(self.torrent);
        let state = self.state();
        let mut parts = BTreeMap::new();
        let Ok(home) = self.home(&state) else { return parts };
        let look = |folder: &Folder, name: &std::ffi::OsStr| match folder.look(name) {
            Ok(Entry::File(stamp)) => Some(Mark { whole: false, stamp }),
            _ => None,
        };
        for (index, _) in state.places.iter().enumerate().filter(|(_, it)| **it == Place::Part) {
            let (parent, name) = split(self.files.path(index as u32));
            let mark = home.below(parent).ok().and_then(|it| look(&it, &part_name(name)));
            parts.extend(mark.map(|mark| (index as u32, mark)));
        }
        if state.edges {
            parts.extend(look(&home, self.files.edges()).map(|mark| (EDGES, mark)));
        }
        parts
    }
}
