//! A disk of one torrent, of which one half survives the power and the other half may.
//!
//! It does what the store of a session does, with the same names, places and promises. An
//! operation takes time: it is [begun](Disk::begin), and has its effect when it
//! [ends](Disk::end). What was written is seen at once and is on the disk after a sync that began
//! later; until then [a crash](Disk::crash) may leave any part of it.

mod book;
mod choose;
mod chores;
mod content;
mod crash;
mod faults;
mod names;
mod open;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Bitset, Rng, Time};
use toubkal_core::engine::{Done, Record, StoreError, StoreErrorKind};
use toubkal_wire::layout::{BLOCK_BYTES, Block};

use book::Book;
pub use choose::{Choose, Every, Moody};
pub(crate) use content::Content;
pub use content::{Body, Fidelity, Tag};
use content::{Cell, SECTOR_BYTES, Sum, blocks_from};
pub use crash::Crash;
pub use faults::DiskFaults;
use faults::Weather;
use names::{Entry, Name};
use open::Place;
use pages::{HOLE, Pages, Value, ZEROS};

/// Work for the disk.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open { wanted: Arc<[bool]> },
    Write { block: Block, body: Body, digest: bool },
    Verify { piece: u32, hashed: u32 },
    Digest { piece: u32 },
    Reclaim { file: u32 },
    Finish { file: u32 },
    Sync,
    Record(Arc<Record>),
    Read { block: Block },
    Release,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Job(Done),
    Read(Body),
}

/// Why an operation does not go on.
enum Halt {
    Error(StoreError),
    /// The power is gone.
    Out,
}

type Step<T> = Result<T, Halt>;

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    content: Arc<Content>,
    weather: Weather,
    /// The torrent's files; and the file of edges, which keeps bytes of unwanted files by the
    /// cells they would have there.
    main: Pages,
    edges: Pages,
    /// One a file; that of the file of edges is the last.
    entries: Vec<Entry>,
    book: Book,
    /// How often the power came.
    boot: u64,
    /// Files that somebody else changed: what is remembered of their pieces does not count.
    meddled: BTreeSet<u32>,
    /// Writes and changes of names so far.
    number: u64,
    /// Bodies that are neither right nor symbols: the value of a cell names them.
    bodies: Vec<Arc<[u8]>>,
    next_lie: Tag,
    /// Low-level operations so far, and at which the power goes.
    steps: u64,
    crash_at: Option<u64>,
    out: bool,
    lied: bool,
    /// What was being done then.
    cut: Option<Op>,
    session: Session,
}

/// What the program knows of the files while it runs.
#[derive(Clone, Debug, Default)]
struct Session {
    open: bool,
    wanted: Vec<bool>,
    places: Vec<Place>,
    /// Cells of unwanted complete files that are in the file of edges.
    edged: BTreeSet<(u32, u32)>,
    hot: BTreeMap<u32, (u32, Sum)>,
    /// Files that were written to and not synced since, and those of which a sync failed.
    dirty: BTreeSet<u32>,
    lost: BTreeMap<u32, StoreErrorKind>,
    /// New names that no sync of a folder has followed.
    renamed: bool,
    /// What the chore at work has to sync: files, up to which write.
    syncing: BTreeSet<u32>,
    mark: u64,
}

impl Disk {
    pub(crate) fn new(content: Arc<Content>, whole: bool, faults: DiskFaults, rng: Rng) -> Self {
        let entry = |length| match whole {
            true => Entry::new(Name::Whole, length),
            false => Entry::new(Name::None, 0),
        };
        let files = content.layout.files().iter();
        let mut entries: Vec<Entry> = files.map(|file| entry(file.length)).collect();
        entries.push(Entry::new(Name::None, 0));
        let mut disk = Self {
            weather: Weather::new(faults, rng),
            main: Pages::new(content.count(), if whole { 0 } else { HOLE }),
            edges: Pages::new(content.count(), HOLE),
            entries,
            book: Book::default(),
            boot: 0,
            meddled: BTreeSet::new(),
            number: 0,
            bodies: Vec::new(),
            next_lie: 1 << 31,
            steps: 0,
            crash_at: None,
            out: false,
            lied: false,
            cut: None,
            session: Session::default(),
            content,
        };
        disk.session.wanted = vec![true; disk.content.layout.files().len()];
        disk.session.places = disk.survey();
        disk
    }

    /// From here on the disk is like this.
    pub(crate) fn set_faults(&mut self, faults: DiskFaults) {
        self.weather = Weather::new(faults, self.weather.rng.clone());
    }

    pub(crate) fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// Low-level operations so far: each write, each begin and end of a sync, each change of a
    /// name, each sync of names, each record counts one.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The power goes in the middle of this operation.
    pub(crate) fn crash_at(&mut self, step: Option<u64>) {
        self.crash_at = step;
    }

    /// The power is gone: nothing goes on before the [crash](Disk::crash).
    pub(crate) fn is_out(&self) -> bool {
        self.out
    }

    /// Whether it has ever said that something was synced which was not.
    pub(crate) fn has_lied(&self) -> bool {
        self.lied
    }

    /// Begins an operation; says how long it takes. `None` when the power goes.
    pub(crate) fn begin(&mut self, op: &Op) -> Option<Duration> {
        let size = |piece| self.content.layout.piece_size(piece);
        let mut sync = false;
        let bytes = match op {
            Op::Open { .. } | Op::Reclaim { .. } | Op::Record(_) => 0,
            Op::Write { block, .. } | Op::Read { block } => block.length,
            Op::Verify { piece, hashed } => size(*piece) - hashed,
            Op::Digest { piece } => size(*piece),
            Op::Finish { file } => {
                let near = self.neighbours(*file);
                sync = self.begin_sync(|key| near.contains(&key)).ok()?;
                0
            }
            Op::Sync => {
                sync = self.begin_sync(|_| true).ok()?;
                0
            }
            Op::Release => return Some(Duration::ZERO),
        };
        let bytes = if sync { self.unsynced() } else { u64::from(bytes) };
        Some(self.weather.takes(bytes, matches!(op, Op::Write { .. }), sync))
    }

    /// Ends an operation that was begun. `None` when the power goes before its end.
    pub(crate) fn end(&mut self, now: Time, op: Op) -> Option<Result<Outcome, StoreError>> {
        let result = match &op {
            Op::Open { wanted } => self.open(wanted).map(Outcome::Job),
            Op::Write { block, body, digest } => {
                self.store(now, *block, body, *digest).map(|()| Outcome::Job(Done::Stored))
            }
            Op::Verify { piece, hashed } => self.verify(*piece, *hashed).map(Outcome::Job),
            Op::Digest { piece } => {
                self.digests(*piece).map(|all| Outcome::Job(Done::Digests(all)))
            }
            Op::Reclaim { file } => self.reclaim(*file).map(|()| Outcome::Job(Done::Ready)),
            Op::Finish { file } => self.finish(*file).map(|()| Outcome::Job(Done::Ready)),
            Op::Sync => self.sync().map(|()| Outcome::Job(Done::Ready)),
            Op::Record(record) => self.record(record).map(|()| Outcome::Job(Done::Ready)),
            Op::Read { block } => self.serve(*block).map(Outcome::Read),
            Op::Release => {
                self.session.open = false;
                self.session.hot.clear();
                Ok(Outcome::Job(Done::Ready))
            }
        };
        match result {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Halt::Error(error)) => Some(Err(error)),
            Err(Halt::Out) => {
                self.cut = Some(op);
                None
            }
        }
    }

    /// One low-level operation; fails when the power goes.
    fn step(&mut self) -> Step<()> {
        self.steps += 1;
        self.out |= Some(self.steps) == self.crash_at;
        if self.out { Err(Halt::Out) } else { Ok(()) }
    }

    fn record(&mut self, record: &Arc<Record>) -> Step<()> {
        if let Some(kind) = self.weather.error(self.weather.faults.record_errors) {
            return Err(Halt::Error(StoreError { kind, file: None }));
        }
        self.step()?;
        self.book.commit(self.boot, Arc::clone(record));
        if self.weather.hits(self.weather.faults.checkpoints) {
            self.book.checkpoint();
        }
        Ok(())
    }

    fn store(&mut self, now: Time, block: Block, body: &Body, digest: bool) -> Step<()> {
        if digest {
            self.feed(block, body);
        }
        let written = self.try_store(now, block, body);
        if written.is_err() {
            // A hash of bytes that are not in the file would speak for them.
            self.session.hot.remove(&block.piece);
        }
        written
    }

    fn try_store(&mut self, now: Time, block: Block, body: &Body) -> Step<()> {
        let content = Arc::clone(&self.content);
        let index = content.layout.block_index(block).expect("only whole blocks are stored");
        let cells = content.of_block(block.piece, index);
        for cell in cells.clone() {
            self.aim(content.cell(cell).file, block.piece)?;
        }
        let fault = self.weather.write(now);
        for cell in cells.clone() {
            self.make(content.cell(cell).file, block.piece)?;
        }
        if !cells.is_empty() {
            self.step()?;
        }
        for cell in cells.clone() {
            // What fails may be half done.
            if fault.is_none() || self.weather.rng.one_in(2) {
                self.put(cell, block, body)?;
            }
        }
        match (fault, cells.last()) {
            (Some(kind), Some(last)) => Err(self::fault(content.cell(last).file, kind)),
            _ => Ok(()),
        }
    }

    /// Makes the file to which bytes of a file are written, if it is not there.
    fn make(&mut self, file: u32, piece: u32) -> Step<()> {
        match self.aim(file, piece)? {
            None => Ok(()),
            Some(false) => self.make_part(file),
            Some(true) => {
                let key = self.edges_key();
                match self.entries[key as usize].name.now() {
                    Name::None => self.rename(key, Name::Part),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Where bytes of a file that this piece holds are written to: `None` when they are not kept,
    /// true for the file of edges.
    fn aim(&self, file: u32, piece: u32) -> Step<Option<bool>> {
        let wanted = self.session.wanted[file as usize];
        if !self.session.open {
            return Err(fault(file, StoreErrorKind::Missing));
        }
        match self.session.places[file as usize] {
            Place::Virtual => Ok(None),
            Place::Absent | Place::Part => Ok(Some(false)),
            // What lies there complete is not written to; it has to be reclaimed first.
            Place::Whole | Place::Other if wanted => Err(fault(file, StoreErrorKind::Exists)),
            Place::Whole | Place::Other | Place::Apart => {
                Ok(self.content.is_shared(piece).then_some(true))
            }
        }
    }

    /// Writes what belongs in a cell.
    fn put(&mut self, cell: u32, block: Block, body: &Body) -> Step<()> {
        let place = self.content.cell(cell);
        let Some(edges) = self.aim(place.file, block.piece)? else { return Ok(()) };
        self.make(place.file, block.piece)?;
        let value = self.value(place, block, body);
        if !edges {
            self.put_main(cell, value);
            return Ok(());
        }
        if self.session.places[place.file as usize] == Place::Whole {
            self.session.edged.insert((block.piece, place.file));
        }
        self.put_edges(cell, value);
        Ok(())
    }

    fn put_main(&mut self, cell: u32, value: Value) {
        let Cell { file, offset, length, .. } = self.content.cell(cell);
        self.number += 1;
        self.main.write(cell, self.number, value);
        self.grow(file, offset + u64::from(length));
    }

    fn put_edges(&mut self, cell: u32, value: Value) {
        let key = self.edges_key();
        self.number += 1;
        self.edges.write(cell, self.number, value);
        let Cell { at, length, .. } = self.content.cell(cell);
        self.grow(key, at + u64::from(length));
    }

    fn grow(&mut self, key: u32, end: u64) {
        let size = &mut self.entries[key as usize].size;
        if size.now() < end {
            size.set(self.number, end);
        }
        self.session.dirty.insert(key);
    }

    /// The file of edges among the entries.
    fn edges_key(&self) -> u32 {
        self.content.layout.files().len() as u32
    }

    /// What a cell holds when a block with this body is written.
    fn value(&mut self, cell: Cell, block: Block, body: &Body) -> Value {
        match body {
            Body::Symbol(tag) => *tag,
            Body::Bytes(bytes) => {
                let piece = u64::from(block.piece) * u64::from(self.content.layout.piece_length());
                let from = (cell.at - piece - u64::from(block.begin)) as usize;
                let bytes = &bytes[from..from + cell.length as usize];
                self.value_of(cell, bytes)
            }
        }
    }

    fn value_of(&mut self, cell: Cell, bytes: &[u8]) -> Value {
        if bytes == self.content.right_cell(cell) {
            return 0;
        }
        self.bodies.push(bytes.into());
        self.bodies.len() as Value
    }

    /// Hashes a block as it comes.
    fn feed(&mut self, block: Block, body: &Body) {
        let hot = &mut self.session.hot;
        if block.begin == 0 {
            hot.insert(block.piece, (0, self.content.start()));
        }
        let Some((hashed, sum)) = hot.get_mut(&block.piece) else { return };
        if *hashed != block.begin {
            hot.remove(&block.piece);
            return;
        }
        *hashed += block.length;
        sum.update(body);
    }

    fn verify(&mut self, piece: u32, hashed: u32) -> Step<Done> {
        let hot = self.session.hot.remove(&piece);
        let hot = hot.filter(|&(bytes, _)| bytes == hashed && hashed > 0);
        let (from, mut sum) = hot.unwrap_or_else(|| (0, self.content.start()));
        let content = Arc::clone(&self.content);
        if from < content.layout.piece_size(piece) {
            self.readable(piece)?;
        }
        let mut whole = true;
        for block in blocks_from(&content.layout, piece, from) {
            let (body, there) = self.body(block);
            whole &= there;
            sum.update(&body);
        }
        // Zeros that stand for bytes which are nowhere must not pass for them.
        if whole && content.accepts(piece, sum) {
            return Ok(Done::Good);
        }
        self.digests(piece).map(Done::Bad)
    }

    fn digests(&mut self, piece: u32) -> Step<Vec<[u8; 20]>> {
        self.readable(piece)?;
        let blocks = blocks_from(&self.content.layout, piece, 0);
        Ok(blocks.map(|block| self.body(block).0.digest()).collect())
    }

    fn serve(&mut self, block: Block) -> Step<Body> {
        self.readable(block.piece)?;
        let (body, whole) = self.body(block);
        let file = self.content.layout.files_of(block.piece).start;
        if whole { Ok(body) } else { Err(fault(file, StoreErrorKind::Changed)) }
    }

    /// Fails when the bytes of a piece cannot be read now.
    fn readable(&mut self, piece: u32) -> Step<()> {
        let file = self.content.layout.files_of(piece).start;
        if !self.session.open {
            return Err(fault(file, StoreErrorKind::Missing));
        }
        let error = self.weather.error(self.weather.faults.read_errors);
        error.map_or(Ok(()), |kind| Err(fault(file, kind)))
    }

    /// A block as it lies on the disk, and whether all of it is there: zeros stand for the rest.
    fn body(&self, block: Block) -> (Body, bool) {
        let index = block.begin / BLOCK_BYTES;
        let whole = self.content.layout.block(block.piece, index);
        let cells = self.content.of_block(block.piece, index);
        let all = cells.clone().all(|cell| self.look(cell).is_some());
        let values = cells.map(|cell| (cell, self.look(cell).unwrap_or(ZEROS)));
        if self.content.is_symbolic() {
            return (Body::Symbol(sum_up(values.map(|(_, value)| value))), all);
        }
        let mut bytes = vec![0; whole.length as usize];
        let piece = u64::from(block.piece) * u64::from(self.content.layout.piece_length());
        for (cell, value) in values {
            let cell = self.content.cell(cell);
            let from = (cell.at - piece - u64::from(whole.begin)) as usize;
            let to = &mut bytes[from..from + cell.length as usize];
            to.copy_from_slice(&self.cell_bytes(cell, value));
        }
        // A peer may ask for a part of it.
        let from = (block.begin - whole.begin) as usize;
        let to = bytes.len().min(from + block.length as usize);
        (Body::Bytes(bytes[from..to].into()), all)
    }

    fn cell_bytes(&self, cell: Cell, value: Value) -> Vec<u8> {
        match value {
            0 => self.content.right_cell(cell),
            HOLE | ZEROS => vec![0; cell.length as usize],
            other => self.bodies[other as usize - 1].to_vec(),
        }
    }

    /// What a reader finds in a cell; `None` when its file does not reach that far, or is not
    /// there.
    fn look(&self, cell: u32) -> Option<Value> {
        let (pages, key, end) = self.source(cell)?;
        let there = end <= self.entries[key as usize].size.now();
        let value = if pages.read(cell) == HOLE { ZEROS } else { pages.read(cell) };
        there.then_some(value)
    }

    /// Whether every byte of a piece is right, as it is read now; padding always is.
    pub(crate) fn is_right(&self, piece: u32) -> bool {
        self.content.of_piece(piece).all(|cell| self.look(cell) == Some(0))
    }

    /// Whether every byte of a piece is right, whatever a power cut leaves of what was written.
    pub(crate) fn is_durable(&self, piece: u32) -> bool {
        self.content.of_piece(piece).all(|cell| {
            let Some((pages, key, end)) = self.source(cell) else { return false };
            let entry = &self.entries[key as usize];
            let there = entry.name.always(|name| name != Name::None);
            there && entry.size.always(|size| end <= size) && pages.is_safe(cell)
        })
    }

    /// The pieces for which one of these holds.
    pub(crate) fn pieces(&self, test: impl Fn(&Self, u32) -> bool) -> Bitset {
        let mut set = Bitset::new(self.content.layout.pieces());
        for piece in 0..set.len() {
            if test(self, piece) {
                set.set(piece);
            }
        }
        set
    }
}

/// What several cells are together: right when all are, the same lie, or a lie of its own.
fn sum_up(values: impl Iterator<Item = Value>) -> Tag {
    let mix = |mixed: Tag, value: Value| match mixed == value {
        true => mixed,
        false => (mixed ^ value.rotate_left(7)).wrapping_mul(0x9e37_79b1) | 1,
    };
    values.reduce(mix).unwrap_or(0)
}

fn fault(file: u32, kind: StoreErrorKind) -> Halt {
    Halt::Error(StoreError { kind, file: Some(file) })
}
