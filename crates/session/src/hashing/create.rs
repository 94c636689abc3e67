//! Torrents made of a file or a folder.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{io, mem};

use toubkal_wire::build::{BuildError, NewFile, NewTorrent, piece_length_for};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::metainfo::FILES_MAX;

use super::{Meter, Progress, Queue, on_threads};
use crate::paths::Stamp;
use crate::store::{Sum, ahead, read_at, together};

/// Files that are kept open, of all threads.
const OPEN_MAX: usize = 256;

/// What a new torrent says beside its content.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Bytes in a piece; `None` chooses by the size of the content.
    pub piece_length: Option<u32>,
    /// Tracker URLs in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// URLs of servers that hold the content (BEP 19).
    pub web_seeds: Vec<String>,
    /// Peers come from the trackers alone (BEP 27).
    pub private: bool,
    /// A comment for people.
    pub comment: Option<String>,
    /// The program that makes the torrent.
    pub created_by: Option<String>,
    /// When it is made, in seconds since 1970.
    pub created: Option<i64>,
    /// Makes the info-hash differ from that of the same content elsewhere.
    pub source: Option<String>,
}

/// A torrent that was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The torrent file.
    pub torrent: Vec<u8>,
    /// Bytes of content.
    pub total: u64,
    /// Number of files.
    pub files: usize,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// What lies in the folder and is not in the torrent.
    pub skipped: Vec<Skipped>,
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A symbolic link: what it leads to may be anywhere.
    Link(PathBuf),
    /// A pipe, a socket, a device.
    Special(PathBuf),
}

/// Why no torrent was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file or folder cannot be read.
    #[error("{path:?} cannot be read: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A file became another while it was read.
    #[error("{0:?} changed while it was read; try again when nobody writes to it")]
    Changed(PathBuf),
    /// A name is no Unicode text, which torrents take alone (BEP 3).
    #[error("the name of {0:?} is not valid UTF-8; rename it")]
    Name(PathBuf),
    /// The path is neither a file nor a folder.
    #[error("{0:?} is neither a file nor a folder")]
    Special(PathBuf),
    /// The content makes no torrent.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// A file of the new torrent.
struct Source {
    at: PathBuf,
    /// The parts of its path in the torrent.
    path: Vec<String>,
    stamp: Stamp,
}

/// Makes a torrent of version 1 out of a file or a folder, on so many threads (at least 1).
///
/// The same content gives the same `info`, whatever the order of names in the folders: files
/// are sorted, part by part. Hidden and empty files are in it; links are not followed.
///
/// # Errors
/// See [`CreateError`]: each names the path. Nothing is left out because it could not be read.
pub fn create(
    path: &Path,
    options: &CreateOptions,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Created, CreateError> {
    let name = name_of(path)?;
    let mut skipped = Vec::new();
    let sources = gather(path, &mut skipped)?;
    let total = sources.iter().map(|source| source.stamp.length).sum();
    let piece_length = options.piece_length.unwrap_or_else(|| piece_length_for(total));
    let sizes = sources.iter().map(|source| (source.stamp.length, false));
    let layout = Layout::new(piece_length, sizes).map_err(BuildError::from)?;
    let hashes = hash(&sources, &layout, threads, progress)?;
    let files = sources.into_iter().map(|Source { path, stamp, .. }| NewFile {
        path,
        length: stamp.length,
        ..NewFile::default()
    });
    let torrent = NewTorrent {
        name,
        files: files.collect(),
        piece_length,
        piece_hashes: Some(hashes),
        trackers: options.trackers.clone(),
        web_seeds: options.web_seeds.clone(),
        private: options.private,
        comment: options.comment.clone(),
        created_by: options.created_by.clone(),
        created: options.created,
        source: options.source.clone(),
    };
    let files = torrent.files.len();
    Ok(Created { torrent: torrent.build()?, total, files, piece_length, skipped })
}

fn name_of(path: &Path) -> Result<String, CreateError> {
    let name = match path.file_name() {
        Some(name) => name.to_os_string(),
        // `.` and `..` have a name too.
        None => {
            let full = path.canonicalize().map_err(unreadable(path))?;
            full.file_name().ok_or_else(|| CreateError::Name(full.clone()))?.to_os_string()
        }
    };
    name.into_string().map_err(|_| CreateError::Name(path.to_path_buf()))
}

/// All files, sorted by the parts of their paths.
fn gather(path: &Path, skipped: &mut Vec<Skipped>) -> Result<Vec<Source>, CreateError> {
    // The path itself may be a link: it is the user who named it.
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    if metadata.is_file() {
        let stamp = Stamp::of(&metadata);
        return Ok(vec![Source { at: path.to_path_buf(), path: Vec::new(), stamp }]);
    }
    if !metadata.is_dir() {
        return Err(CreateError::Special(path.to_path_buf()));
    }
    let mut sources = Vec::new();
    // Folders to look into; no recursion, whatever the depth.
    let mut folders = vec![(path.to_path_buf(), Vec::new())];
    while let Some((folder, parts)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let at = entry.map_err(unreadable(&folder))?.path();
            let metadata = fs::symlink_metadata(&at).map_err(unreadable(&at))?;
            let mut path: Vec<String> = parts.clone();
            let name = at.file_name().and_then(|name| name.to_str());
            let Some(name) = name else { return Err(CreateError::Name(at)) };
            path.push(name.to_owned());
            if metadata.is_dir() {
                folders.push((at, path));
            } else if metadata.is_file() {
                sources.push(Source { at, path, stamp: Stamp::of(&metadata) });
            } else if metadata.is_symlink() {
                skipped.push(Skipped::Link(at));
            } else {
                skipped.push(Skipped::Special(at));
            }
            if sources.len() > FILES_MAX {
                return Err(BuildError::TooManyFiles.into());
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    skipped.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(sources)
}

impl Skipped {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Link(path) | Self::Special(path) => path,
        }
    }
}

fn hash(
    sources: &[Source],
    layout: &Layout,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Vec<[u8; 20]>, CreateError> {
    let queue = Queue::new(layout, threads);
    let meter = Meter::new(layout.total(), progress);
    let work = || {
        let mut reader = Reader::new(sources, layout, threads);
        let mut sums = Vec::new();
        while let Some(share) = queue.take() {
            reader
                .sums(share, |bytes| meter.add(bytes), &mut sums)
                .inspect_err(|_| queue.stop())?;
        }
        Ok::<_, CreateError>(sums)
    };
    let mut hashes = vec![[0; 20]; layout.pieces() as usize];
    for sums in on_threads(threads, work) {
        for (piece, sum) in sums? {
            hashes[piece as usize] = sum;
        }
    }
    // What was read first may have changed while the rest was.
    for source in sources {
        let metadata = fs::symlink_metadata(&source.at).map_err(unreadable(&source.at))?;
        if Stamp::of(&metadata) != source.stamp {
            return Err(CreateError::Changed(source.at.clone()));
        }
    }
    Ok(hashes)
}

/// Reads pieces, several at a time; the files that were read last stay open.
struct Reader<'a> {
    sources: &'a [Source],
    layout: &'a Layout,
    /// Those opened last at the end.
    open: VecDeque<(u32, File)>,
    open_max: usize,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(sources: &'a [Source], layout: &'a Layout, threads: usize) -> Self {
        // A lane may be in a file of its own, and about to come to the next.
        let open_max = (OPEN_MAX / threads.max(1)).clamp(2, 2 * together::lanes() as usize);
        Self { sources, layout, open: VecDeque::new(), open_max, buffer: Vec::new() }
    }

    /// Hashes pieces, and tells of bytes that are done.
    fn sums(
        &mut self,
        pieces: Range<u32>,
        count: impl FnMut(u64),
        sums: &mut Vec<(u32, [u8; 20])>,
    ) -> Result<(), CreateError> {
        let (layout, pieces) = (self.layout, pieces.collect::<Vec<u32>>());
        let mut buffer = mem::take(&mut self.buffer);
        let mut result = Ok(());
        let read = |block, bytes: &mut [u8]| self.read(block, bytes).map(|()| true);
        let end = |piece, end: Result<Option<Sum>, _>| match end {
            Ok(Some(sum)) => sums.push((piece, sum.finalize())),
            Ok(None) => unreachable!("what is missing is an error"),
            // The first is told.
            Err(error) if result.is_ok() => result = Err(error),
            Err(_) => {}
        };
        together::hash(layout, &Sum::sha1(), &pieces, &mut buffer, read, count, end);
        self.buffer = buffer;
        result
    }

    fn read(&mut self, block: Block, mut buffer: &mut [u8]) -> Result<(), CreateError> {
        let layout = self.layout;
        for span in layout.spans(block) {
            let (now, rest) = buffer.split_at_mut(span.length as usize);
            buffer = rest;
            let source = &self.sources[span.file as usize];
            let file = self.file(span.file).map_err(unreadable(&source.at))?;
            let rest = together::rest(layout, block, span);
            if rest > 0 {
                ahead(file, span.offset..span.offset + rest);
            }
            let count = read_at(file, now, span.offset).map_err(unreadable(&source.at))?;
            if count < now.len() {
                return Err(CreateError::Changed(source.at.clone()));
            }
        }
        Ok(())
    }

    fn file(&mut self, index: u32) -> io::Result<&File> {
        let place = match self.open.iter().position(|&(open, _)| open == index) {
            Some(place) => place,
            None => {
                if self.open.len() >= self.open_max {
                    self.open.pop_front();
                }
                self.open.push_back((index, File::open(&self.sources[index as usize].at)?));
                self.open.len() - 1
            }
        };
        Ok(&self.open[place].1)
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> CreateError + '_ {
    move |error| CreateError::Read { path: path.to_path_buf(), error }
}
