//! How files were left: by which it is noticed that others have changed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Record, StoreErrorKind};

use super::disk::Place;
use super::files::TorrentFiles;
use super::handles::EDGES;
use crate::paths::Stamp;

/// A file as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Under its final name; otherwise under its temporary one.
    pub(crate) whole: bool,
    /// Its length and time of change.
    pub(crate) stamp: Stamp,
}

/// The files of a torrent as they were when it was recorded last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Nothing was written since: every file that is there has its mark.
    pub(crate) rest: bool,
    /// By file; that of edges is [`EDGES`]. Files that are being written to have none.
    pub(crate) marks: BTreeMap<u32, Mark>,
}

/// What is to be remembered of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// In place of all that is remembered; otherwise these files alone change.
    pub(crate) all: bool,
    /// By file; `None` where nothing is to be remembered.
    pub(crate) changes: Vec<(u32, Option<Mark>)>,
}

/// Who remembers how the files of one torrent were left, for the next life.
pub(crate) trait Ledger: std::fmt::Debug + Send + Sync {
    /// Something is about to be written: of what is recorded, these pieces count no more, and
    /// no part does as it was left. `None`: all pieces count. Returns when that would survive
    /// the end of the program, or cannot be had.
    fn stir(&self, suspect: Option<Bitset>);

    /// Files got their final names.
    fn named(&self, marks: Marks, then: Then);

    /// What is held, and how files are.
    fn record(&self, record: Arc<Record>, marks: Marks, then: Then);
}

/// What is to be done when something is remembered, or could not be. `false`: there is nothing
/// to remember it in yet, or all marks are wanted the next time.
pub(crate) type Then = Box<dyn FnOnce(Result<bool, StoreErrorKind>) + Send>;

/// What a look at the files found.
pub(super) struct Sight<'s> {
    pub(super) places: &'s [Place],
    /// Files under temporary names.
    pub(super) parts: &'s BTreeMap<u32, Stamp>,
    /// The file of edges.
    pub(super) edges: Option<Stamp>,
}

impl Left {
    /// Whether a file is as it was left. A part without a mark was being written to when the
    /// program was killed: nobody knows better. A whole file without a mark came from elsewhere.
    fn agrees(&self, file: u32, now: Mark) -> bool {
        self.marks.get(&file).map_or(!now.whole && !self.rest, |mark| *mark == now)
    }

    /// Pieces with bytes in files that are not as they were left.
    pub(super) fn changed(&self, files: &TorrentFiles, sight: &Sight<'_>) -> Bitset {
        let mut changed = Bitset::new(files.layout().pieces());
        for (index, place) in sight.places.iter().enumerate() {
            let file = index as u32;
            let now = match place {
                Place::Whole(stamp) => Some(Mark { whole: true, stamp: *stamp }),
                Place::Part => sight.parts.get(&file).map(|&stamp| Mark { whole: false, stamp }),
                _ => None,
            };
            if now.is_some_and(|now| !self.agrees(file, now)) {
                files.layout().pieces_of(file).for_each(|piece| _ = changed.set(piece));
            }
        }
        if let Some(stamp) = sight.edges
            && !self.agrees(EDGES, Mark { whole: false, stamp })
        {
            files.shared().iter().for_each(|&piece| _ = changed.set(piece));
        }
        changed
    }

    /// Something is about to be written: what was seen of parts says nothing any more.
    pub(super) fn stir(&mut self) {
        self.rest = false;
        self.marks.retain(|_, mark| mark.whole);
    }
}
