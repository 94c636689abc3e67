//! Torrent files: what is in them, checked (BEP 3, 5, 12, 19, 27, 47, 52).
//!
//! [`Metainfo::parse`] takes version 1, version 2 and hybrid torrents. What makes the content
//! unclear is an [`Error`]; what is merely not as it should be is an [`Oddity`] and loads. The
//! info-hashes are taken over the bytes of the `info` dictionary as they came.

mod error;
mod info;
mod outer;
#[cfg(test)]
mod tests;
mod tree;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::layout::{Layout, LayoutError};
use crate::merkle::{self, Hash};
use crate::path::Paths;

pub use error::{Error, Oddity};

/// Bytes in a torrent file: 64 MiB.
pub const METAINFO_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Files in a torrent, padding files and empty folders included.
pub const FILES_MAX: usize = 500_000;
/// Trackers that are kept; the rest is left out, with an oddity.
pub const TRACKERS_MAX: usize = 1_000;
/// Web seeds that are kept; the rest is left out, with an oddity.
pub const WEB_SEEDS_MAX: usize = 1_000;
/// DHT nodes that are kept; the rest is left out, with an oddity.
pub const NODES_MAX: usize = 100;
/// Bytes in the URL of a tracker or web seed; longer ones are left out, with an oddity.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// Bytes that are kept of a comment or of another text.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes in the smallest piece of version 2, and the unit of its hashes.
pub const PIECE_BYTES_MIN_V2: u32 = merkle::LEAF_BYTES;

/// A SHA-1 hash.
pub type Sha1Hash = [u8; 20];

/// A torrent file, parsed and checked.
///
/// * At least one of the info-hashes is there; each says that its version of the content is.
/// * With a version 1 info-hash, [`layout`](Self::layout) has as many pieces as
///   [`piece_hashes`](Self::piece_hashes).
/// * Paths are safe to create below any folder, and no two files share a place: see
///   [`crate::path`].
#[derive(Clone, Debug)]
pub struct Metainfo {
    /// The name of the file, or of the folder that holds the files: safe as a component.
    pub name: String,
    /// What the torrent calls itself: the same bytes, unless the name had to be changed.
    pub original_name: Box<[u8]>,
    /// SHA-1 of the `info` dictionary, for torrents of version 1 and hybrids.
    pub info_hash_v1: Option<Sha1Hash>,
    /// SHA-256 of the `info` dictionary, for torrents of version 2 and hybrids (BEP 52).
    pub info_hash_v2: Option<Hash>,
    /// Bytes in a piece: 1 to 256 MiB; in version 2 a power of two from 16 KiB.
    pub piece_length: u32,
    /// The hashes of the pieces in order; empty without version 1.
    pub piece_hashes: Box<[Sha1Hash]>,
    /// Tracker URLs in tiers (BEP 12), each once.
    pub trackers: Vec<Vec<String>>,
    /// URLs of servers that hold the content (BEP 19), each once.
    pub web_seeds: Vec<String>,
    /// DHT nodes, as host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// Peers come from the trackers alone (BEP 27).
    pub private: bool,
    /// A comment for people.
    pub comment: Option<String>,
    /// The program that made the torrent.
    pub created_by: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// The encoding of its texts, if it says so.
    pub encoding: Option<String>,
    /// What `source` in `info` says: trackers use it to tell their torrents from others.
    pub source: Option<String>,
    /// Where the `info` dictionary lies in the torrent file.
    pub info_span: Range<usize>,
    /// What is not as it should be, but did not keep the torrent from loading.
    pub oddities: Vec<Oddity>,
    /// Whether the content is one file, without a folder.
    single: bool,
    /// Bytes of all files together.
    total: u64,
    files: Files,
    tree: Option<Tree>,
}

/// The files, in columns: most torrents need only the first two.
#[derive(Clone, Debug)]
struct Files {
    paths: Paths,
    /// Length and flags.
    entries: Vec<Entry>,
    /// Where links lead, by the index of the file.
    links: Vec<(u32, Box<str>)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: u64,
    flags: Flags,
}

/// What `attr` says of a file (BEP 47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    pad: bool,
    executable: bool,
    hidden: bool,
    symlink: bool,
}

/// The half of version 2.
#[derive(Clone, Debug, Default)]
struct Tree {
    /// The root of every file; zeros for those without (empty ones, padding).
    roots: Vec<Hash>,
    /// Piece layers: the root, and which of `hashes`. Sorted by root.
    layers: Vec<(Hash, Range<u32>)>,
    hashes: Vec<Hash>,
}

/// A file of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'m> {
    /// Its path inside the torrent's folder, safe on every system, parts joined by `/`. The one
    /// file of a torrent without a folder has the torrent's name.
    pub path: &'m str,
    /// What the torrent calls it: the same bytes, unless the path had to be changed.
    pub original: &'m [u8],
    /// Bytes in the file.
    pub length: u64,
    /// Padding: zeros that fill up a piece, never on disk (BEP 47). Its path means nothing.
    pub pad: bool,
    /// To be marked as executable.
    pub executable: bool,
    /// To be marked as hidden.
    pub hidden: bool,
    /// A symbolic link: it has no content, and leads to `target`.
    pub symlink: bool,
    /// Where a link leads, as a path inside the torrent's folder like `path`; `None` also for
    /// links that would lead out of it, which nobody should make.
    pub target: Option<&'m str>,
    /// The root of its hash tree (BEP 52); `None` without version 2, and for empty files.
    pub root: Option<&'m Hash>,
}

impl<'m> File<'m> {
    /// The components of the path.
    pub fn components(self) -> impl Iterator<Item = &'m str> {
        self.path.split('/')
    }
}

impl Metainfo {
    /// Parses a torrent file.
    ///
    /// Takes at most four times the memory of the input, and 16 MB.
    ///
    /// # Errors
    /// See [`Error`]: each is a sentence.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        outer::parse(bytes)
    }

    /// The folder that holds the files; `None` if the content is one file without a folder.
    #[must_use]
    pub fn folder(&self) -> Option<&str> {
        (!self.single).then_some(&self.name)
    }

    /// The number of files, padding included.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files.entries.len()
    }

    /// The files in the order of the torrent, padding included.
    pub fn files(&self) -> impl ExactSizeIterator<Item = File<'_>> + DoubleEndedIterator {
        (0..self.file_count()).map(|index| self.file(index))
    }

    /// The file of this index.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn file(&self, index: usize) -> File<'_> {
        let Entry { length, flags } = self.files.entries[index];
        let root = self.tree.as_ref().map(|tree| &tree.roots[index]);
        let link = self.files.links.binary_search_by_key(&index, |link| link.0 as usize);
        File {
            path: self.files.paths.get(index),
            original: self.files.paths.original(index),
            length,
            pad: flags.pad,
            executable: flags.executable,
            hidden: flags.hidden,
            symlink: flags.symlink,
            target: link.ok().map(|at| &*self.files.links[at].1),
            root: root.filter(|root| **root != [0; 32]),
        }
    }

    /// The piece layer of a file (BEP 52): a hash for every piece of it. `None` without version
    /// 2, and for files of at most one piece, whose root says it all.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn layer(&self, index: usize) -> Option<&[Hash]> {
        let tree = self.tree.as_ref()?;
        if self.files.entries[index].length <= u64::from(self.piece_length) {
            return None;
        }
        tree.layer(&tree.roots[index])
    }

    /// Bytes of all files together, without padding.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of pieces.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        if self.info_hash_v1.is_some() {
            return self.piece_hashes.len() as u32;
        }
        // BEP 52: every file starts with a piece of its own.
        self.files.entries.iter().map(|file| self.pieces_of_length(file.length)).sum::<u64>() as u32
    }

    /// Pieces laid over the files, as version 1 does it: file `n` of the layout is
    /// [`file(n)`](Self::file). `None` if the torrent has no version 1.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.info_hash_v1?;
        let files = self.files.entries.iter().map(|file| (file.length, file.flags.pad));
        Some(Layout::new(self.piece_length, files).expect("the sizes were checked"))
    }

    fn pieces_of_length(&self, length: u64) -> u64 {
        length.div_ceil(u64::from(self.piece_length))
    }
}

impl Tree {
    fn layer(&self, root: &Hash) -> Option<&[Hash]> {
        let at = self.layers.binary_search_by(|(other, _)| other.cmp(root)).ok()?;
        let range = &self.layers[at].1;
        Some(&self.hashes[range.start as usize..range.end as usize])
    }
}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        Self::Sizes(error)
    }
}
