//! What of a torrent is good on the disk. Nothing is written, made or locked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Found, StoreErrorKind};
use toubkal_wire::metainfo::Metainfo;

use super::{Meter, Progress, Queue, on_threads};
use crate::store::{Inspection, TorrentFiles};

/// What lies on the disk of a torrent.
#[derive(Clone, Debug)]
pub struct Report {
    /// Pieces that are right.
    pub good: Bitset,
    /// One a file, in the order of the torrent.
    pub files: Vec<FileReport>,
}

/// How one file stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Where it lies or should lie, below the folder, under its final name.
    pub path: PathBuf,
    /// What is to be said of it.
    pub condition: Condition,
    /// It is there under its temporary name: a download that is not over.
    pub part: bool,
    /// Pieces that hold bytes of it.
    pub pieces: u32,
    /// Those of them that are right.
    pub good: u32,
}

/// How good a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every byte is right.
    Good,
    /// It is there, and some piece of it is not right.
    Bad,
    /// It is not there.
    Missing,
    /// A file of another length has its name; its bytes were not looked at.
    Length {
        /// Bytes that it has.
        found: u64,
    },
    /// A folder, a link, or something else that is no file has its name.
    NoFile,
    /// It could not be read.
    Unreadable(StoreErrorKind),
    /// Nothing is stored for it: padding, or a symbolic link (BEP 47).
    Virtual,
}

/// Why nothing could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The torrent is of version 2 alone (BEP 52).
    #[error("torrents of version 2 alone cannot be checked yet")]
    VersionTwo,
    /// The folder cannot be looked into.
    #[error("the folder cannot be read: {0}")]
    Folder(StoreErrorKind),
}

impl Report {
    /// Whether every byte of every file is right and has its final name.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.files.iter().all(|file| match file.condition {
            Condition::Good => !file.part,
            Condition::Virtual => true,
            _ => false,
        })
    }
}

/// Checks the torrent's files below `dir` on so many threads (at least 1).
///
/// Pieces that cannot be there (holes, missing files) are not read; they count as done.
///
/// # Errors
/// When there is nothing to check with, or no folder to look into: see [`VerifyError`]. What is
/// wrong with single files stands in the report.
pub fn verify(
    metainfo: &Metainfo,
    dir: &Path,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Report, VerifyError> {
    let files = Arc::new(TorrentFiles::of(metainfo, dir).ok_or(VerifyError::VersionTwo)?);
    let inspection = Inspection::new(&files).map_err(VerifyError::Folder)?;
    let layout = files.layout();
    let queue = Queue::new(layout, threads);
    let meter = Meter::new(layout.total(), progress);
    let work = || {
        let (mut good, mut broken) = (Vec::new(), Vec::new());
        let mut scratch = Vec::new();
        while let Some(share) = queue.take() {
            let count = |bytes| meter.add(bytes);
            inspection.check(share, &mut scratch, count, |piece, result| match result {
                Ok(true) => good.push(piece),
                Ok(false) => {}
                Err(error) => broken.push(error),
            });
        }
        (good, broken)
    };
    let mut good = Bitset::new(layout.pieces());
    let mut errors = vec![None; layout.files().len()];
    for (pieces, broken) in on_threads(threads, work) {
        pieces.into_iter().for_each(|piece| _ = good.set(piece));
        for error in broken {
            error.file.map(|file| errors[file as usize].get_or_insert(error.kind));
        }
    }
    let report = |index| report(&files, &inspection, index, &good, errors[index as usize]);
    let reports = (0..layout.files().len() as u32).map(report).collect();
    Ok(Report { files: reports, good })
}

fn report(
    files: &TorrentFiles,
    inspection: &Inspection,
    file: u32,
    good: &Bitset,
    error: Option<StoreErrorKind>,
) -> FileReport {
    let pieces = files.layout().pieces_of(file);
    let right = pieces.clone().filter(|&piece| good.has(piece)).count() as u32;
    let found = inspection.found(file);
    let condition = match (found, error) {
        (Found::Virtual, _) => Condition::Virtual,
        (_, Some(kind)) => Condition::Unreadable(kind),
        (Found::Absent, _) => Condition::Missing,
        (Found::Other, _) => {
            inspection.length(file).map_or(Condition::NoFile, |found| Condition::Length { found })
        }
        (Found::Part | Found::Whole, _) if right == pieces.len() as u32 => Condition::Good,
        (Found::Part | Found::Whole, _) => Condition::Bad,
    };
    FileReport {
        path: files.path(file).to_path_buf(),
        condition,
        part: found == Found::Part,
        pieces: pieces.len() as u32,
        good: right,
    }
}
