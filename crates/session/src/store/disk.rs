//! One torrent on the disk: where each file stands, and how its bytes are reached.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use toubkal_core::engine::{StoreError, StoreErrorKind, TorrentId};
use toubkal_wire::layout::{Block, Span};

use super::files::{TorrentFiles, part_name};
use super::handles::{EDGES, Handles};
use super::keep::Kept;
use super::lock::Lock;
use super::{Buffer, rw, together};
use crate::paths::{Folder, FolderId, Result, Stamp, kind_of, split};

/// Bytes of a file for which space is set aside at once, when the first of them is written.
const WINDOW: u64 = 32 * 1024 * 1024;
/// Files shorter than this are not worth it.
const WINDOW_MIN: u64 = 1024 * 1024;

/// A torrent in its folder. Threads share it: what each file is stands behind one lock, which is
/// held while files are opened and renamed, never while bytes are moved.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) torrent: TorrentId,
    pub(super) files: Arc<TorrentFiles>,
    pub(super) handles: Arc<Handles>,
    state: RwLock<State>,
    dirty: Mutex<Dirty>,
    pub(super) kept: Kept,
    /// Windows of files for which space is set aside.
    reserved: Mutex<HashSet<(u32, u64)>>,
    /// Pieces that were found right though their files were touched, and how these looked then.
    proven: Mutex<HashMap<u32, Looks>>,
}

/// How the complete files of a piece look.
type Looks = Vec<(u32, Stamp)>;

/// What is where. Nothing is known before the first `Open`, and after `Release`.
#[derive(Debug, Default)]
pub(super) struct State {
    /// One a file; empty while nothing is known.
    pub(super) places: Vec<Place>,
    pub(super) wanted: Arc<[bool]>,
    /// Wanted files that are not complete: while there are, nobody else may work here.
    pub(super) unfinished: usize,
    /// The download folder, once it was seen or made.
    pub(super) home: Option<FolderId>,
    /// The torrent's own folder, or its lone file, was there.
    pub(super) rooted: bool,
    /// The file of edges is there.
    pub(super) edges: bool,
    /// Pieces and unwanted complete files whose common bytes are in the file of edges.
    pub(super) edged: HashSet<(u32, u32)>,
    pub(super) lock: Option<Lock>,
    /// Files are only looked at: nothing is opened to be written to.
    pub(super) frozen: bool,
}

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Padding or a link: zeros, never stored.
    Virtual,
    /// Nowhere yet.
    Absent,
    /// In the file with the temporary name.
    Part,
    /// In the file with the final name, which looked like this when it was opened.
    Whole(Stamp),
    /// Nowhere; something else has the name.
    Other,
    /// Not wanted, and not there: what is needed of it is in the file of edges.
    Apart,
}

/// What is not on the disk for sure.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) files: BTreeSet<u32>,
    /// Folders with new names in them.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files of which a sync failed, and why: what they hold is not believed until the next
    /// `Open`.
    pub(super) lost: BTreeMap<u32, StoreErrorKind>,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Got {
    /// A file that did not have all of the bytes; zeros stand for them.
    pub(super) short: Option<u32>,
    /// A complete file that was written by somebody since it was opened.
    pub(super) touched: Option<u32>,
}

/// Where bytes of a span come from.
enum Source {
    Zeros,
    Nowhere,
    File { key: u32, offset: u64, stamp: Option<Stamp> },
}

impl State {
    /// Moves a file to another place.
    pub(super) fn set(&mut self, file: u32, place: Place) {
        let before = self.is_unfinished(file as usize);
        self.places[file as usize] = place;
        let now = self.is_unfinished(file as usize);
        self.unfinished = self.unfinished + usize::from(now) - usize::from(before);
    }

    pub(super) fn count_unfinished(&self) -> usize {
        (0..self.places.len()).filter(|&file| self.is_unfinished(file)).count()
    }

    fn is_unfinished(&self, file: usize) -> bool {
        self.wanted[file] && !matches!(self.places[file], Place::Whole(_) | Place::Virtual)
    }

    /// Whether some file has bytes that may be in the file of edges.
    pub(super) fn needs_edges(&self) -> bool {
        let mut pairs = self.places.iter().zip(self.wanted.iter());
        pairs.any(|(place, wanted)| !*wanted && !matches!(place, Place::Part | Place::Virtual))
    }
}

/// Whether a complete file looks different from when it was opened.
fn is_touched(file: &File, stamp: Option<Stamp>) -> bool {
    stamp.is_some() && file.metadata().ok().map(|now| Stamp::of(&now)) != stamp
}

impl Disk {
    pub(super) fn new(
        torrent: TorrentId,
        files: Arc<TorrentFiles>,
        handles: Arc<Handles>,
        kept: Kept,
    ) -> Self {
        Self {
            torrent,
            files,
            handles,
            state: RwLock::default(),
            dirty: Mutex::default(),
            kept,
            reserved: Mutex::default(),
            proven: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes everything; until the next `Open` nothing is known.
    pub(super) fn close(&self) {
        let mut state = self.change();
        state.places.clear();
        state.lock = None;
        self.handles.close_all(self.torrent);
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.proven().clear();
    }

    /// Reads a part of a piece into a buffer of that length. What is nowhere is zeros.
    pub(super) fn read(&self, block: Block, buffer: &mut [u8]) -> Result2<Got> {
        self.read_by(block, buffer, false)
    }

    /// As [`read`](Self::read) for a hash of all of the piece: the system is told what follows,
    /// and nobody asks whether a file was touched.
    pub(super) fn read_to_check(&self, block: Block, buffer: &mut [u8]) -> Result2<Got> {
        self.read_by(block, buffer, true)
    }

    fn read_by(&self, block: Block, buffer: &mut [u8], check: bool) -> Result2<Got> {
        let mut got = Got::default();
        let (layout, mut rest) = (self.files.layout(), buffer);
        for span in layout.spans(block) {
            let (bytes, behind) = rest.split_at_mut(span.length as usize);
            rest = behind;
            let (key, offset, stamp) = match self.source(block, span).map_err(fault(span.file))? {
                Source::File { key, offset, stamp } => (key, offset, stamp),
                Source::Zeros => {
                    bytes.fill(0);
                    continue;
                }
                Source::Nowhere => {
                    bytes.fill(0);
                    got.short.get_or_insert(span.file);
                    continue;
                }
            };
            let file = self.handle(key).map_err(fault(span.file))?;
            let follow = if check { together::rest(layout, block, span) } else { 0 };
            if follow > 0 {
                rw::ahead(&file, offset..offset + follow);
            }
            let count = rw::read_at(&file, bytes, offset)
                .map_err(|error| StoreError { kind: kind_of(&error), file: Some(span.file) })?;
            if count < bytes.len() {
                bytes[count..].fill(0);
                got.short.get_or_insert(span.file);
            }
            if !check && is_touched(&file, stamp) {
                got.touched.get_or_insert(span.file);
            }
        }
        Ok(got)
    }

    /// As [`read`](Self::read), of neighbouring blocks of a piece with one call; each buffer is as
    /// long as its block. `None`: they lie in several places, and are to be read one by one.
    pub(super) fn read_run(&self, run: Block, buffers: &mut [Buffer]) -> Option<Result2<Got>> {
        let mut spans = self.files.layout().spans(run);
        let span = spans.next().filter(|span| span.length == run.length)?;
        let (key, offset, stamp) = match self.source(run, span) {
            Ok(Source::File { key, offset, stamp }) => (key, offset, stamp),
            Ok(_) => return None,
            Err(kind) => return Some(Err(fault(span.file)(kind))),
        };
        let mut read = || {
            let file = self.handle(key)?;
            let count = rw::read_all_at(&file, buffers, offset).map_err(|error| kind_of(&error))?;
            Ok(Got {
                short: (count < run.length as usize).then_some(span.file),
                touched: is_touched(&file, stamp).then_some(span.file),
            })
        };
        Some(read().map_err(fault(span.file)))
    }

    /// Whether a piece with touched files is right, by `check`; asked once for each way that the
    /// files look. Somebody may just have set their times.
    pub(super) fn is_still_right(
        &self,
        piece: u32,
        check: impl FnOnce() -> Result2<bool>,
    ) -> Result2<bool> {
        // As they look before the check: what is written meanwhile changes that.
        let looks = self.looks(piece)?;
        if self.proven().get(&piece) == Some(&looks) {
            return Ok(true);
        }
        let right = check()?;
        if right {
            self.proven().insert(piece, looks);
        }
        Ok(right)
    }

    fn proven(&self) -> MutexGuard<'_, HashMap<u32, Looks>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self, piece: u32) -> Result2<Looks> {
        let layout = self.files.layout();
        let whole = Block { piece, begin: 0, length: layout.piece_size(piece) };
        let mut looks = Looks::new();
        for span in layout.spans(whole) {
            let look = || {
                let Source::File { key, stamp: Some(_), .. } = self.source(whole, span)? else {
                    return Ok(None);
                };
                let now = self.handle(key)?.metadata().map_err(|error| kind_of(&error))?;
                Ok(Some((key, Stamp::of(&now))))
            };
            looks.extend(look().map_err(fault(span.file))?);
        }
        Ok(looks)
    }

    fn source(&self, block: Block, span: Span) -> Result<Source> {
        let state = self.state();
        let edge = || {
            let offset = self.files.edge(block, span).filter(|_| state.edges);
            offset.map_or(Source::Nowhere, |offset| Source::File {
                key: EDGES,
                offset,
                stamp: None,
            })
        };
        let here = |stamp| Source::File { key: span.file, offset: span.offset, stamp };
        Ok(match *state.places.get(span.file as usize).ok_or(StoreErrorKind::Missing)? {
            Place::Virtual => Source::Zeros,
            Place::Absent => Source::Nowhere,
            Place::Part => here(None),
            Place::Whole(_) if state.edged.contains(&(block.piece, span.file)) => edge(),
            Place::Whole(stamp) => here(Some(stamp)),
            Place::Apart => edge(),
            Place::Other if state.wanted[span.file as usize] => Source::Nowhere,
            Place::Other => edge(),
        })
    }

    /// Which file the bytes of a span are to be written to, and where in it; `None` for bytes
    /// that are not stored.
    pub(super) fn aim(&self, block: Block, span: Span) -> Result<Option<(u32, u64)>> {
        let state = self.state();
        let wanted = state.wanted.get(span.file as usize).copied().unwrap_or(true);
        let place = *state.places.get(span.file as usize).ok_or(StoreErrorKind::Missing)?;
        drop(state);
        match place {
            Place::Virtual => Ok(None),
            Place::Absent | Place::Part => Ok(Some((span.file, span.offset))),
            // What lies there complete is not written to (it has to be reclaimed first).
            Place::Whole(_) | Place::Other if wanted => Err(StoreErrorKind::Exists),
            Place::Whole(_) | Place::Other | Place::Apart => {
                let Some(offset) = self.files.edge(block, span) else { return Ok(None) };
                if matches!(place, Place::Whole(_)) {
                    self.change().edged.insert((block.piece, span.file));
                }
                Ok(Some((EDGES, offset)))
            }
        }
    }

    /// Writes slices one behind the other into a file, which is made if it is not there.
    pub(super) fn write(&self, key: u32, slices: &[&[u8]], offset: u64) -> Result<()> {
        self.stir();
        let file = match self.handle(key) {
            Err(StoreErrorKind::Missing) => self.create(key)?,
            found => found?,
        };
        if key != EDGES {
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            self.reserve(key, &file, offset, length as u64);
        }
        let written = rw::write_at(&file, slices, offset);
        // Only now: a sync that begins from here on has these bytes to bring to the disk.
        self.dirty().files.insert(key);
        written.map_err(|error| kind_of(&error))
    }

    /// Sets space aside around what is about to be written: on ext4 that halves the cost of the
    /// writes, and keeps the file in few extents.
    fn reserve(&self, key: u32, file: &File, offset: u64, length: u64) {
        let end = self.files.layout().files()[key as usize].length;
        if end < WINDOW_MIN {
            return;
        }
        for window in offset / WINDOW..=(offset + length - 1) / WINDOW {
            let fresh = {
                let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
                // After the first "cannot" there is an entry that no file has.
                !reserved.contains(&(EDGES, 0)) && reserved.insert((key, window))
            };
            // When the disk is full the write itself will say so, or still fit.
            if fresh && !rw::allocate(file, window * WINDOW..end.min((window + 1) * WINDOW)) {
                let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
                reserved.insert((EDGES, 0));
            }
        }
    }

    /// A file that is there, open: to read only when it is complete.
    pub(super) fn handle(&self, key: u32) -> Result<Arc<File>> {
        if let Some(file) = self.handles.find(self.torrent, key) {
            return Ok(file);
        }
        // Held until the file is among the handles, so that a release finds it there.
        let state = self.state();
        let file = Arc::new(self.patient(|| self.open_file(&state, key))?);
        self.handles.keep(self.torrent, key, &file);
        Ok(file)
    }

    /// Tries again when the process has too many files open, after closing some.
    pub(super) fn patient<T>(&self, mut open: impl FnMut() -> Result<T>) -> Result<T> {
        let mut result = open();
        for _ in 0..4 {
            match result {
                Err(StoreErrorKind::Crowded) => self.handles.relieve(),
                _ => break,
            }
            result = open();
        }
        result
    }

    fn open_file(&self, state: &State, key: u32) -> Result<File> {
        let home = self.home(state)?;
        if key == EDGES {
            return if state.edges {
                home.open_file(self.files.edges(), !state.frozen)
            } else {
                Err(StoreErrorKind::Missing)
            };
        }
        let (folder, name) = split(self.files.path(key));
        match state.places.get(key as usize) {
            Some(Place::Part) => home.below(folder)?.open_file(&part_name(name), !state.frozen),
            Some(Place::Whole(_)) => home.below(folder)?.open_file(name, false),
            _ => Err(StoreErrorKind::Missing),
        }
    }

    /// The download folder, if it is still the one that it was.
    pub(super) fn home(&self, state: &State) -> Result<Folder> {
        let folder = Folder::open(self.files.dir())?;
        if state.home == Some(folder.id()?) { Ok(folder) } else { Err(StoreErrorKind::Missing) }
    }

    /// Makes a file that was never there; one that was there and is gone stays gone.
    fn create(&self, key: u32) -> Result<Arc<File>> {
        let mut state = self.change();
        if let Some(file) = self.handles.find(self.torrent, key) {
            return Ok(file); // another thread was faster
        }
        let file = Arc::new(self.patient(|| match key {
            EDGES => self.make_edges(&mut state),
            _ => self.make_part(&mut state, key),
        })?);
        self.handles.keep(self.torrent, key, &file);
        Ok(file)
    }

    fn make_edges(&self, state: &mut State) -> Result<File> {
        if state.edges {
            return self.open_file(state, EDGES);
        }
        let home = self.claim(state)?;
        let file = home.create_file(self.files.edges())?;
        state.edges = true;
        self.dirty().folders.insert(PathBuf::new());
        Ok(file)
    }

    /// A file of the torrent under its temporary name, as long as it will be, all holes.
    pub(super) fn make_part(&self, state: &mut State, file: u32) -> Result<File> {
        match state.places.get(file as usize) {
            Some(Place::Absent) => {}
            _ => return self.open_file(state, file),
        }
        let home = self.claim(state)?;
        let (parent, name) = split(self.files.path(file));
        let folder = self.make_folder(&home, parent)?;
        let name = part_name(name);
        let made = folder.create_file(&name).map_err(|kind| match kind {
            // Somebody was faster: it may be one who works on it right now.
            StoreErrorKind::Exists => self.lock(state, &home, true).err().unwrap_or(kind),
            kind => kind,
        })?;
        let length = self.files.layout().files()[file as usize].length;
        if let Err(kind) = set_length(&made, length) {
            // What is empty is of no use to anybody.
            _ = folder.remove(&name);
            return Err(kind);
        }
        self.dirty().folders.insert(parent.to_path_buf());
        state.set(file, Place::Part);
        state.rooted = true;
        self.lock(state, &home, true)?;
        Ok(made)
    }

    /// A folder of the torrent, made if need be.
    pub(super) fn make_folder(&self, home: &Folder, path: &Path) -> Result<Folder> {
        if path.as_os_str().is_empty() {
            return home.below(path);
        }
        home.make_below(path, |made| {
            self.dirty().folders.insert(made.parent().unwrap_or(Path::new("")).to_path_buf());
        })
    }

    /// The download folder to write in: made if it was never there, and the torrent locked.
    pub(super) fn claim(&self, state: &mut State) -> Result<Folder> {
        let home = match state.home {
            Some(_) => self.home(state)?,
            None => {
                let home = Folder::make(self.files.dir())?;
                state.home = Some(home.id()?);
                home
            }
        };
        if let Some(root) = self.files.root() {
            if state.rooted {
                home.below(root)?;
            }
            self.make_folder(&home, root)?;
            state.rooted = true;
        }
        self.lock(state, &home, true)?;
        Ok(home)
    }

    /// Locks the torrent, if there is something to lock.
    pub(super) fn lock(&self, state: &mut State, home: &Folder, alone: bool) -> Result<()> {
        match &mut state.lock {
            Some(lock) => lock.set(home, &self.files, alone),
            none => {
                *none = Lock::take(home, &self.files, alone)?;
                Ok(())
            }
        }
    }
}

/// The result of a thing that was done to one of several files.
pub(super) type Result2<T> = std::result::Result<T, StoreError>;

/// Names the file with an error.
pub(super) fn fault(file: u32) -> impl Fn(StoreErrorKind) -> StoreError {
    move |kind| StoreError { kind, file: Some(file) }
}

fn set_length(file: &File, length: u64) -> Result<()> {
    if rw::is_fat(file) {
        // There it would write zeros; the file grows as it is written.
        return if length > u64::from(u32::MAX) { Err(StoreErrorKind::TooLarge) } else { Ok(()) };
    }
    file.set_len(length).map_err(|error| match error.kind() {
        // The system's word for a length above the file system's limit differs.
        std::io::ErrorKind::InvalidInput => StoreErrorKind::TooLarge,
        _ => kind_of(&error),
    })
}
