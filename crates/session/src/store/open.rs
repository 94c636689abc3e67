//! Looking at what lies in a torrent's folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Done, Found, Opened, StoreErrorKind};
use toubkal_wire::layout::Span;

use super::disk::{Disk, Place, Result2, State, fault};
use super::files::part_name;
use super::handles::EDGES;
use super::left::Sight;
use super::rw;
use crate::paths::{Entry, Folder, Result, Stamp, split};

/// Bytes copied at once out of the file of edges.
const COPY_BYTES: usize = 256 * 1024;

impl Disk {
    /// Looks at every file; brings bytes of files that are wanted now out of the file of edges.
    ///
    /// What is looked at for the second time and was there the first time must be there: a
    /// folder that went away with its drive is not taken for an empty one.
    pub(super) fn open(&self, wanted: &Arc<[bool]>) -> Result2<Done> {
        self.look_around(wanted, false)
    }

    /// As [`Disk::open`], to read only: nothing is locked, and nothing moves.
    pub(super) fn inspect(&self) -> Result2<Done> {
        // What is not wanted is left alone wherever it is.
        let wanted = vec![false; self.files.layout().files().len()];
        self.look_around(&wanted.into(), true)
    }

    fn look_around(&self, wanted: &Arc<[bool]>, frozen: bool) -> Result2<Done> {
        let state = &mut *self.change();
        self.handles.close_all(self.torrent);
        state.places.clear();
        state.edged.clear();
        self.dirty().lost.clear();
        let whole = |kind| toubkal_core::engine::StoreError { kind, file: None };
        let home = self.find_home(state).map_err(whole)?;
        let mut parts = BTreeMap::new();
        let (mut places, found) = match &home {
            Some(home) => self.survey(home, wanted, &mut parts)?,
            None => self.nothing(wanted),
        };
        for (place, wanted) in places.iter_mut().zip(wanted.iter()) {
            if *place == Place::Absent && !wanted {
                *place = Place::Apart;
            }
        }
        self.found_again(state, &places).map_err(whole)?;
        state.frozen = frozen;
        state.wanted = Arc::clone(wanted);
        state.places = places;
        state.unfinished = state.count_unfinished();
        state.edges = false;
        let mut edges = None;
        if let Some(home) = &home {
            if let Ok(Entry::File(stamp)) = home.look(self.files.edges()) {
                edges = Some(stamp);
            }
            state.edges = edges.is_some();
            if !frozen {
                self.note_leftovers(state);
                self.lock(state, home, state.unfinished > 0).map_err(whole)?;
            }
        }
        // Before anything is written.
        let mut changed = self.compare(&Sight { places: &state.places, parts: &parts, edges });
        let edges = self.settle_edges(state)?;
        self.note_twofold(state, edges.as_ref(), &mut changed);
        let worth = self.worth(state, edges.as_ref())?;
        self.seen(&worth, &changed);
        Ok(Done::Opened(Opened { files: found, worth, changed }.into()))
    }

    /// What an earlier life of the program wrote, or named, may not be on the disk yet: the first
    /// sync is for that too.
    fn note_leftovers(&self, state: &State) {
        let mut dirty = self.dirty();
        for (index, place) in state.places.iter().enumerate() {
            let file = index as u32;
            if !matches!(place, Place::Part | Place::Whole(_)) {
                continue;
            }
            // Under its final name it was synced before it got that.
            if *place == Place::Part {
                dirty.files.insert(file);
            }
            let folders = self.files.path(file).ancestors().skip(1);
            for folder in folders {
                if !dirty.folders.insert(folder.to_path_buf()) {
                    break;
                }
            }
        }
        if state.edges {
            dirty.files.insert(EDGES);
            dirty.folders.insert(Path::new("").to_path_buf());
        }
    }

    fn find_home(&self, state: &mut State) -> Result<Option<Folder>> {
        match Folder::open(self.files.dir()) {
            Ok(home) => {
                state.home = Some(home.id()?);
                Ok(Some(home))
            }
            // The first time it is simply not made yet.
            Err(StoreErrorKind::Missing) if state.home.is_none() => Ok(None),
            Err(kind) => Err(kind),
        }
    }

    /// Fails when there was something of the torrent, and now there is nothing.
    fn found_again(&self, state: &mut State, places: &[Place]) -> Result<()> {
        let something = places.iter().any(|place| matches!(place, Place::Part | Place::Whole(_)));
        if state.rooted && !something {
            let home = self.home(state)?;
            // The torrent's own folder, left empty, is no sign of a drive that is gone.
            home.below(self.files.root().ok_or(StoreErrorKind::Missing)?)?;
        }
        state.rooted |= something;
        if let (Some(root), Some(_)) = (self.files.root(), state.home) {
            state.rooted |= self.home(state)?.below(root).is_ok();
        }
        Ok(())
    }

    fn nothing(&self, wanted: &[bool]) -> (Vec<Place>, Vec<Found>) {
        let files = 0..self.files.layout().files().len() as u32;
        files
            .map(|file| match (self.files.is_virtual(file), wanted[file as usize]) {
                (true, _) => (Place::Virtual, Found::Virtual),
                (false, true) => (Place::Absent, Found::Absent),
                // Its bytes go to the file of edges also when the folder is still to be made.
                (false, false) => (Place::Apart, Found::Absent),
            })
            .unzip()
    }

    /// Looks at each file; notes the stamps of those under temporary names.
    fn survey(
        &self,
        home: &Folder,
        wanted: &[bool],
        parts: &mut BTreeMap<u32, Stamp>,
    ) -> Result2<(Vec<Place>, Vec<Found>)> {
        let (mut places, mut found) = self.nothing(wanted);
        // Neighbours in a torrent mostly are neighbours in a folder.
        let mut last: Option<(&Path, Option<Folder>)> = None;
        for (index, place) in places.iter_mut().enumerate() {
            if *place == Place::Virtual {
                continue;
            }
            let file = index as u32;
            let (parent, name) = split(self.files.path(file));
            let looked = match &last {
                Some((path, folder)) if *path == parent => Ok(folder.as_ref()),
                _ => match home.below(parent) {
                    Ok(folder) => Ok(last.insert((parent, Some(folder))).1.as_ref()),
                    Err(StoreErrorKind::Missing) => Ok(last.insert((parent, None)).1.as_ref()),
                    Err(kind) => Err(kind),
                },
            };
            let looked = looked.and_then(|folder| match folder {
                Some(folder) => self.look(folder, name, file, parts),
                None => Ok(Place::Absent),
            });
            *place = match looked {
                Ok(place) => place,
                Err(kind) if wanted[index] => return Err(fault(file)(kind)),
                Err(_) => Place::Other,
            };
            found[index] = match *place {
                Place::Absent | Place::Apart => Found::Absent,
                Place::Part => Found::Part,
                Place::Whole(_) => Found::Whole,
                Place::Other => Found::Other,
                Place::Virtual => Found::Virtual,
            };
        }
        Ok((places, found))
    }

    fn look(
        &self,
        folder: &Folder,
        name: &OsStr,
        file: u32,
        parts: &mut BTreeMap<u32, Stamp>,
    ) -> Result<Place> {
        let part = part_name(name);
        match folder.look(name)? {
            Entry::Link => Err(StoreErrorKind::Unsafe),
            Entry::Folder | Entry::Other => Ok(Place::Other),
            Entry::File(stamp)
                if stamp.length != self.files.layout().files()[file as usize].length =>
            {
                Ok(Place::Other)
            }
            Entry::File(stamp) => Ok(Place::Whole(stamp)),
            Entry::Absent => match folder.look(&part)? {
                Entry::File(stamp) => {
                    parts.insert(file, stamp);
                    Ok(Place::Part)
                }
                Entry::Absent => Ok(Place::Absent),
                Entry::Link => Err(StoreErrorKind::Unsafe),
                Entry::Folder | Entry::Other => Err(StoreErrorKind::Exists),
            },
        }
    }

    /// Looks at the file of edges: what is wanted now leaves it, the rest is remembered.
    fn settle_edges(&self, state: &mut State) -> Result2<Option<Arc<File>>> {
        if !state.edges {
            return Ok(None);
        }
        let whole = |kind| toubkal_core::engine::StoreError { kind, file: None };
        let home = self.home(state).map_err(whole)?;
        if !state.frozen && !state.needs_edges() && state.unfinished == 0 {
            home.remove(self.files.edges()).map_err(whole)?;
            state.edges = false;
            return Ok(None);
        }
        let edges = home.open_file(self.files.edges(), !state.frozen).map_err(whole)?;
        let edges = Arc::new(edges);
        self.handles.keep(self.torrent, EDGES, &edges);
        for file in 0..state.places.len() as u32 {
            match state.places[file as usize] {
                Place::Absent | Place::Part if state.wanted[file as usize] => {
                    self.fetch_edges(state, &edges, file).map_err(fault(file))?;
                }
                Place::Whole(_) if !state.wanted[file as usize] => {
                    for (piece, _, _) in self.edges_of(&edges, file) {
                        state.edged.insert((piece, file));
                    }
                }
                _ => {}
            }
        }
        Ok(Some(edges))
    }

    /// Bytes in the file of edges that have a place in their own file too: which of the two a
    /// record speaks of is not known, nor whether what is copied from one to the other is on the
    /// disk. What is remembered of their pieces does not count.
    fn note_twofold(&self, state: &State, edges: Option<&Arc<File>>, changed: &mut Bitset) {
        let Some(edges) = edges else { return };
        for (index, place) in state.places.iter().enumerate() {
            if matches!(place, Place::Absent | Place::Part | Place::Whole(_)) {
                for (piece, _, _) in self.edges_of(edges, index as u32) {
                    changed.set(piece);
                }
            }
        }
    }

    /// The spans of a file that the file of edges holds: piece, place there, span.
    fn edges_of(&self, edges: &File, file: u32) -> Vec<(u32, u64, Span)> {
        let pieces = self.files.shared_of(file);
        let spans = pieces.filter_map(|piece| {
            let block = self.files.whole(piece);
            let span = self.files.layout().spans(block).find(|span| span.file == file)?;
            let at = self.files.edge(block, span)?;
            rw::is_data(edges, at..at + u64::from(span.length)).then_some((piece, at, span))
        });
        spans.collect()
    }

    /// Copies what a file needs out of the file of edges, unless the file has it.
    fn fetch_edges(&self, state: &mut State, edges: &File, file: u32) -> Result<()> {
        let mut spans = self.edges_of(edges, file);
        if state.places[file as usize] == Place::Part {
            let part = self.open_part(state, file)?;
            // All looked at before the first is copied: two may share a page.
            spans.retain(|(_, _, span)| {
                !rw::is_data(&part, span.offset..span.offset + u64::from(span.length))
            });
        }
        if spans.is_empty() {
            return Ok(());
        }
        self.stir();
        let part = self.make_part(state, file)?;
        for (_, at, span) in spans {
            copy(edges, at, &part, span.offset, u64::from(span.length))?;
        }
        self.dirty().files.insert(file);
        Ok(())
    }

    fn open_part(&self, state: &State, file: u32) -> Result<File> {
        let (folder, name) = split(self.files.path(file));
        self.home(state)?.below(folder)?.open_file(&part_name(name), !state.frozen)
    }

    /// The pieces of which every byte may be there.
    fn worth(&self, state: &State, edges: Option<&Arc<File>>) -> Result2<Bitset> {
        let layout = self.files.layout();
        let mut tally = Tally::new(layout.pieces(), layout.piece_length());
        for (index, extent) in layout.files().iter().enumerate() {
            let all = 0..extent.length;
            let file = index as u32;
            match state.places[index] {
                _ if extent.length == 0 => {}
                Place::Virtual | Place::Whole(_) => tally.add(extent.offset, all),
                Place::Part => {
                    let part = self.open_part(state, file).map_err(fault(file))?;
                    for range in rw::data(&part, all) {
                        tally.add(extent.offset, range);
                    }
                }
                Place::Apart | Place::Other => {
                    let unwanted = !state.wanted[index];
                    for edges in edges.iter().filter(|_| unwanted) {
                        for (_, _, span) in self.edges_of(edges, file) {
                            tally.add(
                                extent.offset,
                                span.offset..span.offset + u64::from(span.length),
                            );
                        }
                    }
                }
                Place::Absent => {}
            }
        }
        let mut worth = Bitset::new(layout.pieces());
        for piece in 0..layout.pieces() {
            if tally.bytes[piece as usize] == layout.piece_size(piece) {
                worth.set(piece);
            }
        }
        Ok(worth)
    }
}

/// Counts the bytes of each piece that are there.
struct Tally {
    piece_length: u64,
    bytes: Vec<u32>,
}

impl Tally {
    fn new(pieces: u32, piece_length: u32) -> Self {
        Self { piece_length: piece_length.into(), bytes: vec![0; pieces as usize] }
    }

    /// A range of a file that begins at `offset` of the torrent.
    fn add(&mut self, offset: u64, range: Range<u64>) {
        let (mut at, end) = (offset + range.start, offset + range.end);
        while at < end {
            let piece = at / self.piece_length;
            let to = end.min((piece + 1) * self.piece_length);
            self.bytes[piece as usize] += (to - at) as u32;
            at = to;
        }
    }
}

fn copy(from: &File, mut at: u64, to: &File, mut offset: u64, mut length: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_BYTES.min(length as usize)];
    while length > 0 {
        let count = (buffer.len() as u64).min(length) as usize;
        let bytes = &mut buffer[..count];
        let read = rw::read_at(from, bytes, at).map_err(|error| crate::paths::kind_of(&error))?;
        if read < count {
            return Err(StoreErrorKind::Changed);
        }
        rw::write_at(to, &[bytes], offset).map_err(|error| crate::paths::kind_of(&error))?;
        (at, offset, length) = (at + count as u64, offset + count as u64, length - count as u64);
    }
    Ok(())
}
