//! Torrents made of a file or a folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use toubkal_wire::build::{BuildError, NewFile, NewTorrent, piece_length_for};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::metainfo::FILES_MAX;

use super::{Meter, Progress, Queue, on_threads};
use crate::paths::Stamp;
use crate::store::read_at;

/// Bytes read at once.
const READ_BYTES: u32 = 1024 * 1024;

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
    let queue = Queue::new(layout.pieces(), layout.piece_length());
    let meter = Meter::new(layout.total(), progress);
    let work = || {
        let mut reader = Reader { sources, layout, open: None, buffer: Vec::new() };
        let mut sums = Vec::new();
        while let Some(share) = queue.take() {
            for piece in share {
                sums.push((piece, reader.sum(piece).inspect_err(|_| queue.stop())?));
                meter.add(layout.piece_size(piece).into());
            }
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

/// Reads pieces; the file that was read last stays open.
struct Reader<'a> {
    sources: &'a [Source],
    layout: &'a Layout,
    open: Option<(u32, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn sum(&mut self, piece: u32) -> Result<[u8; 20], CreateError> {
        let mut sum = Sha1::new();
        let size = self.layout.piece_size(piece);
        for begin in (0..size).step_by(READ_BYTES as usize) {
            let block = Block { piece, begin, length: READ_BYTES.min(size - begin) };
            for span in self.layout.spans(block) {
                self.read(span.file, span.offset, span.length as usize)?;
                sum.update(&self.buffer);
            }
        }
        Ok(sum.finalize().into())
    }

    fn read(&mut self, index: u32, offset: u64, length: usize) -> Result<(), CreateError> {
        let source = &self.sources[index as usize];
        let file = match self.open.take() {
            Some((open, file)) if open == index => file,
            _ => File::open(&source.at).map_err(unreadable(&source.at))?,
        };
        self.buffer.resize(length, 0);
        let count = read_at(&file, &mut self.buffer, offset).map_err(unreadable(&source.at))?;
        self.open = Some((index, file));
        if count < length { Err(CreateError::Changed(source.at.clone())) } else { Ok(()) }
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> CreateError + '_ {
    move |error| CreateError::Read { path: path.to_path_buf(), error }
}
