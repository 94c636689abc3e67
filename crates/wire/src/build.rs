//! Torrent files made from a name, a list of files and their hashes.
//!
//! The caller reads and hashes the content; this lays the result out as canonical bencode. With
//! piece hashes the torrent is of version 1, with the hash trees of its files of version 2
//! (BEP 52), with both a hybrid.

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::bencode::Encoder;
use crate::layout::{Layout, LayoutError};
use crate::merkle::{FileHashes, Hash};
use crate::metainfo::{FILES_MAX, PIECE_BYTES_MIN_V2, Sha1Hash};
use crate::path::PATH_DEPTH_MAX;

/// The least piece length that [`piece_length_for`] chooses: 16 KiB.
pub const AUTO_PIECE_BYTES_MIN: u32 = 16 * 1024;
/// The greatest piece length that [`piece_length_for`] chooses: 16 MiB.
pub const AUTO_PIECE_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// The most pieces that [`piece_length_for`] aims at.
pub const AUTO_PIECES: u64 = 2_000;

/// A good piece length for so many bytes: the least power of two that makes at most
/// [`AUTO_PIECES`] pieces, from [`AUTO_PIECE_BYTES_MIN`] to [`AUTO_PIECE_BYTES_MAX`].
///
/// So most torrents have 1,000 to 2,000 pieces: few enough for a small torrent file and short
/// bitfields, enough for peers to have something to trade soon.
#[must_use]
pub fn piece_length_for(total: u64) -> u32 {
    let least = total.div_ceil(AUTO_PIECES).min(AUTO_PIECE_BYTES_MAX.into()) as u32;
    least.next_power_of_two().max(AUTO_PIECE_BYTES_MIN)
}

/// A torrent that is to be written.
#[derive(Clone, Debug, Default)]
pub struct NewTorrent {
    /// The name of the file, or of the folder that holds the files.
    pub name: String,
    /// The files in the order of the torrent. The one file of a torrent without a folder has an
    /// empty path.
    pub files: Vec<NewFile>,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// The hashes of the pieces over all files, padding included, for version 1.
    pub piece_hashes: Option<Vec<Sha1Hash>>,
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

/// A file of a [`NewTorrent`].
#[derive(Clone, Debug, Default)]
pub struct NewFile {
    /// The parts of its path inside the torrent's folder.
    pub path: Vec<String>,
    /// Bytes in the file.
    pub length: u64,
    /// Padding: zeros that are never on disk (BEP 47). Not in the tree of version 2.
    pub pad: bool,
    /// To be marked as executable.
    pub executable: bool,
    /// The file's hash tree, for version 2: all files have one, or none.
    pub hashes: Option<FileHashes>,
}

impl NewFile {
    /// Padding of so many bytes, named as BEP 47 recommends.
    #[must_use]
    pub fn padding(length: u64) -> Self {
        let path = vec![".pad".to_string(), length.to_string()];
        Self { path, length, pad: true, ..Self::default() }
    }
}

/// Why a torrent cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// There is no file.
    NoFiles,
    /// More files than [`FILES_MAX`].
    TooManyFiles,
    /// A name that is empty, `.` or `..`, or holds a `/` or a NUL; or a path that is too deep.
    Name(String),
    /// Sizes that make no torrent.
    Sizes(LayoutError),
    /// Neither piece hashes nor hash trees, or hash trees for a part of the files.
    Hashes,
    /// More or fewer piece hashes than pieces.
    PieceCount {
        /// Hashes that the content takes.
        needed: usize,
        /// Hashes that are there.
        found: usize,
    },
    /// In version 2 the piece length is a power of two from 16 KiB.
    PieceLengthV2,
    /// In version 2 files are sorted by the parts of their paths, and each is there once; this
    /// one is not behind the one before it.
    Order(String),
    /// In a hybrid every file starts with a piece, which takes padding; this one does not.
    Unaligned(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFiles => f.write_str("there are no files to make a torrent of"),
            Self::TooManyFiles => f.write_str("there are more than 500,000 files"),
            Self::Name(name) => {
                write!(f, "`{}` cannot be a name in a torrent", name.escape_debug())
            }
            Self::Sizes(error) => write!(f, "the sizes are out of range: {error}"),
            Self::Hashes => f.write_str("hashes are missing"),
            Self::PieceCount { needed, found } => {
                write!(f, "the content takes {needed} piece hashes, but there are {found}")
            }
            Self::PieceLengthV2 => {
                f.write_str("the piece length is not a power of two from 16 KiB up")
            }
            Self::Order(name) => write!(f, "`{}` is not in order", name.escape_debug()),
            Self::Unaligned(name) => {
                write!(f, "`{}` does not start with a piece", name.escape_debug())
            }
        }
    }
}

impl core::error::Error for BuildError {}

impl From<LayoutError> for BuildError {
    fn from(error: LayoutError) -> Self {
        Self::Sizes(error)
    }
}

impl NewTorrent {
    /// The torrent file, as canonical bencode.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(&self) -> Result<Vec<u8>, BuildError> {
        self.check()?;
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        out.dict();
        self.write_trackers(&mut out);
        write_text(&mut out, "comment", self.comment.as_deref());
        write_text(&mut out, "created by", self.created_by.as_deref());
        if let Some(created) = self.created {
            out.key("creation date").int(created);
        }
        out.key("info");
        self.write_info(&mut out);
        if self.has_tree() {
            self.write_layers(&mut out);
        }
        match &self.web_seeds[..] {
            [] => {}
            // BEP 19 names one URL first, and some know nothing else.
            [url] => write_text(&mut out, "url-list", Some(url)),
            urls => write_list(out.key("url-list"), urls),
        }
        out.end();
        Ok(bytes)
    }

    /// BEP 12: `announce` stays for those who do not know tiers.
    fn write_trackers(&self, out: &mut Encoder<'_>) {
        let Some(first) = self.trackers.iter().flatten().next() else { return };
        out.key("announce").bytes(first);
        if self.trackers.iter().flatten().nth(1).is_none() {
            return;
        }
        out.key("announce-list").list();
        for tier in self.trackers.iter().filter(|tier| !tier.is_empty()) {
            write_list(out, tier);
        }
        out.end();
    }

    fn write_info(&self, out: &mut Encoder<'_>) {
        let v1 = self.piece_hashes.as_deref();
        out.dict();
        if self.has_tree() {
            out.key("file tree");
            self.write_tree(out);
        }
        match self.single() {
            _ if v1.is_none() => {}
            Some(file) => write_length(out, file),
            None => self.write_files(out),
        }
        if self.has_tree() {
            out.key("meta version").int(2);
        }
        out.key("name").bytes(&self.name).key("piece length").int(self.piece_length.into());
        if let Some(hashes) = v1 {
            out.key("pieces").bytes(hashes.as_flattened());
        }
        if self.private {
            out.key("private").int(1);
        }
        write_text(out, "source", self.source.as_deref());
        out.end();
    }

    fn write_files(&self, out: &mut Encoder<'_>) {
        out.key("files").list();
        for file in &self.files {
            out.dict();
            write_attr(out, file);
            write_length(out, file);
            out.key("path");
            write_list(out, &file.path);
            out.end();
        }
        out.end();
    }

    /// BEP 52: folders are dictionaries; a file is one with a single, empty key.
    fn write_tree(&self, out: &mut Encoder<'_>) {
        let mut open: &[String] = &[];
        out.dict();
        for file in self.files.iter().filter(|file| !file.pad) {
            let path = self.path_of(file);
            let same = open.iter().zip(path).take_while(|(a, b)| a == b).count();
            for _ in same..open.len() {
                out.end();
            }
            for part in &path[same..] {
                out.key(part).dict();
            }
            open = path;
            out.key("").dict();
            write_attr(out, file);
            write_length(out, file);
            if let Some(root) = file.hashes.as_ref().and_then(|hashes| hashes.root) {
                out.key("pieces root").bytes(root);
            }
            out.end();
        }
        // And the tree itself.
        for _ in 0..=open.len() {
            out.end();
        }
    }

    fn write_layers(&self, out: &mut Encoder<'_>) {
        let layers: BTreeMap<Hash, &[Hash]> = self
            .files
            .iter()
            .filter_map(|file| file.hashes.as_ref())
            .filter(|hashes| !hashes.layer.is_empty())
            .filter_map(|hashes| Some((hashes.root?, &hashes.layer[..])))
            .collect();
        out.key("piece layers").dict();
        for (root, layer) in layers {
            out.key(root).bytes(layer.as_flattened());
        }
        out.end();
    }

    fn has_tree(&self) -> bool {
        self.files.iter().any(|file| file.hashes.is_some())
    }

    /// The file of a torrent without a folder.
    fn single(&self) -> Option<&NewFile> {
        self.files.first().filter(|file| file.path.is_empty())
    }

    fn path_of<'f>(&'f self, file: &'f NewFile) -> &'f [String] {
        if file.path.is_empty() { core::slice::from_ref(&self.name) } else { &file.path }
    }
}

fn write_text(out: &mut Encoder<'_>, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        out.key(key).bytes(text);
    }
}

fn write_list(out: &mut Encoder<'_>, texts: &[String]) {
    out.list();
    for text in texts {
        out.bytes(text);
    }
    out.end();
}

fn write_length(out: &mut Encoder<'_>, file: &NewFile) {
    out.key("length").int(i64::try_from(file.length).expect("the layout checked the sizes"));
}

/// BEP 47: a letter for each attribute.
fn write_attr(out: &mut Encoder<'_>, file: &NewFile) {
    let letter = match (file.pad, file.executable) {
        (true, _) => "p",
        (false, true) => "x",
        (false, false) => return,
    };
    out.key("attr").bytes(letter);
}

impl NewTorrent {
    fn check(&self) -> Result<(), BuildError> {
        if self.files.is_empty() {
            return Err(BuildError::NoFiles);
        }
        if self.files.len() > FILES_MAX {
            return Err(BuildError::TooManyFiles);
        }
        let names = self.files.iter().flat_map(|file| &file.path).chain([&self.name]);
        if let Some(name) = names.into_iter().find(|name| !is_name(name)) {
            return Err(BuildError::Name(name.clone()));
        }
        // A path may only be empty if its file is the only one.
        let odd = |file: &&NewFile| {
            file.path.len() > PATH_DEPTH_MAX || (file.path.is_empty() && self.files.len() > 1)
        };
        if let Some(file) = self.files.iter().find(odd) {
            return Err(BuildError::Name(file.path.join("/")));
        }
        let layout = Layout::new(self.piece_length, self.files.iter().map(|f| (f.length, f.pad)))?;
        let (v1, v2) = (self.piece_hashes.as_ref(), self.has_tree());
        if let Some(hashes) = v1
            && hashes.len() != layout.pieces() as usize
        {
            let (needed, found) = (layout.pieces() as usize, hashes.len());
            return Err(BuildError::PieceCount { needed, found });
        }
        match (v1, v2) {
            (None, false) => Err(BuildError::Hashes),
            (_, true) => self.check_tree(&layout),
            _ => Ok(()),
        }
    }

    fn check_tree(&self, layout: &Layout) -> Result<(), BuildError> {
        if !self.piece_length.is_power_of_two() || self.piece_length < PIECE_BYTES_MIN_V2 {
            return Err(BuildError::PieceLengthV2);
        }
        let hybrid = self.piece_hashes.is_some();
        let mut last: Option<&NewFile> = None;
        for (file, extent) in self.files.iter().zip(layout.files()).filter(|(file, _)| !file.pad) {
            let Some(hashes) = &file.hashes else { return Err(BuildError::Hashes) };
            let pieces = file.length.div_ceil(self.piece_length.into());
            let layer = if pieces > 1 { pieces } else { 0 };
            if hashes.root.is_some() != (file.length > 0) || hashes.layer.len() as u64 != layer {
                return Err(BuildError::Hashes);
            }
            // A file right behind a folder of its name, or the other way round, is no order either.
            let sorted =
                last.is_none_or(|last| last.path < file.path && !file.path.starts_with(&last.path));
            if !sorted {
                return Err(BuildError::Order(file.path.join("/")));
            }
            let aligned = extent.offset.is_multiple_of(self.piece_length.into());
            if hybrid && file.length > 0 && !aligned {
                return Err(BuildError::Unaligned(file.path.join("/")));
            }
            last = Some(file);
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}
