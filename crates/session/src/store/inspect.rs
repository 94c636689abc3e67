//! Looking at a torrent's files without touching them.

use std::ops::Range;
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Done, Found, StoreErrorKind, TorrentId};

use super::disk::{Disk, Result2};
use super::files::TorrentFiles;
use super::handles::Handles;
use super::keep::Kept;
use super::lane::check_all;
use crate::paths::{Entry, Folder, Result, split};

/// A torrent's files, open to read alone. Nothing is made, written, renamed or locked; bytes
/// that wanted pieces hold of unwanted files are found where they are kept.
pub(crate) struct Inspection {
    disk: Disk,
    found: Vec<Found>,
    worth: Bitset,
}

impl Inspection {
    pub(crate) fn new(files: &Arc<TorrentFiles>) -> Result<Self> {
        Folder::open(files.dir())?;
        let handles = Arc::new(Handles::new());
        let disk = Disk::new(TorrentId::new(0, 0), Arc::clone(files), handles, Kept::default());
        match disk.inspect().map_err(|error| error.kind)? {
            Done::Opened(opened) => Ok(Self { disk, found: opened.files, worth: opened.worth }),
            _ => Err(StoreErrorKind::Missing),
        }
    }

    /// What has the name of a file.
    pub(crate) fn found(&self, file: u32) -> Found {
        self.found[file as usize]
    }

    /// The length of what has the final name of a file, when that is a file.
    pub(crate) fn length(&self, file: u32) -> Option<u64> {
        let (parent, name) = split(self.disk.files.path(file));
        let folder =
            Folder::open(self.disk.files.dir()).and_then(|home| home.below(parent)).ok()?;
        match folder.look(name) {
            Ok(Entry::File(stamp)) => Some(stamp.length),
            _ => None,
        }
    }

    /// Tells of each of these pieces whether it is right. `count` is told of bytes that are done.
    pub(crate) fn check(
        &self,
        pieces: Range<u32>,
        buffer: &mut Vec<u8>,
        mut count: impl FnMut(u64),
        mut each: impl FnMut(u32, Result2<bool>),
    ) {
        let (there, nowhere): (Vec<u32>, Vec<u32>) =
            pieces.partition(|&piece| self.worth.has(piece));
        let layout = self.disk.files.layout();
        nowhere.iter().for_each(|&piece| count(layout.piece_size(piece).into()));
        check_all(&self.disk, &there, buffer, count, &mut each);
        nowhere.into_iter().for_each(|piece| each(piece, Ok(false)));
    }
}
