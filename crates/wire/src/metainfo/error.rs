//! Why a torrent file is refused, and what is odd about one that is taken.

use alloc::string::String;
use core::fmt;

use crate::bencode;
use crate::layout::LayoutError;
use crate::path::PathError;

/// Why bytes are no torrent that can be used. Every variant prints as one clause of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// More than [`METAINFO_BYTES_MAX`](super::METAINFO_BYTES_MAX).
    TooLarge,
    /// Not bencode, and where.
    Bencode(bencode::Error),
    /// Bencode, but not a dictionary.
    NotDictionary,
    /// A field is not there.
    Missing(&'static str),
    /// A field is there twice, and it matters which one counts.
    Twice(&'static str),
    /// A field is of the wrong kind, or out of range.
    Wrong(&'static str),
    /// `length` and `files` are both there.
    LengthAndFiles,
    /// There is no file in it.
    NoFiles,
    /// More than [`FILES_MAX`](super::FILES_MAX).
    TooManyFiles,
    /// Sizes that make no torrent.
    Sizes(LayoutError),
    /// A path that cannot be taken.
    Path(PathError),
    /// `piece length` is no power of two from 16 KiB (BEP 52).
    PieceLengthV2,
    /// There are more or fewer piece hashes than pieces.
    PieceCount {
        /// Hashes that the content takes.
        needed: u32,
        /// Hashes in the torrent.
        found: u32,
    },
    /// A `meta version` that is not known, and nothing of version 1.
    Version(i64),
    /// A name in the `file tree` is a file and a folder.
    FileAndFolder(String),
    /// A file of more than a piece without its `piece layers` (BEP 52).
    NoLayer(String),
    /// The `piece layers` of a file are not those of its root (BEP 52).
    BadLayer(String),
    /// The files of version 1 and of version 2 are not the same (BEP 52).
    Hybrid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the torrent file is larger than 64 MiB"),
            Self::Bencode(error) => write!(f, "this is not a torrent file: {error}"),
            Self::NotDictionary => {
                f.write_str("this is not a torrent file: it does not hold a dictionary")
            }
            Self::Missing(field) => write!(f, "the torrent has no `{field}`"),
            Self::Twice(field) => write!(f, "the torrent has `{field}` twice"),
            Self::Wrong(field) => {
                write!(f, "the torrent's `{field}` is of the wrong kind or out of range")
            }
            Self::LengthAndFiles => {
                f.write_str("the torrent claims to be one file and several files at once")
            }
            Self::NoFiles => f.write_str("the torrent has no files in it"),
            Self::TooManyFiles => f.write_str("the torrent has more than 500,000 files"),
            Self::Sizes(error) => write!(f, "the torrent's sizes are out of range: {error}"),
            Self::Path(error) => write!(f, "a file of the torrent has an impossible path: {error}"),
            Self::PieceLengthV2 => {
                f.write_str("the piece length is not a power of two from 16 KiB up")
            }
            Self::PieceCount { needed, found } => {
                write!(f, "the torrent takes {needed} piece hashes, but has {found}")
            }
            Self::Version(version) => {
                write!(f, "the torrent is of version {version}, but only 1 and 2 are known")
            }
            Self::FileAndFolder(name) => {
                write!(f, "`{}` is a file and a folder at once", Printable(name))
            }
            Self::NoLayer(name) => {
                write!(f, "the torrent lacks the piece hashes of `{}`", Printable(name))
            }
            Self::BadLayer(name) => {
                write!(f, "the piece hashes of `{}` do not match its root", Printable(name))
            }
            Self::Hybrid(name) => write!(
                f,
                "version 1 and version 2 of the torrent do not agree on the file `{}`",
                Printable(name)
            ),
        }
    }
}

impl core::error::Error for Error {}

impl From<bencode::Error> for Error {
    fn from(error: bencode::Error) -> Self {
        Self::Bencode(error)
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// What is not as it should be in a torrent that loads all the same. Each prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Not canonical bencode: the first deviation of this kind.
    Bencode(bencode::Error),
    /// The torrent's name was changed to be safe.
    Name {
        /// What the torrent says.
        from: String,
        /// What it is on disk.
        to: String,
    },
    /// Paths that were changed, to be safe or because they clashed.
    Paths {
        /// How many.
        count: usize,
        /// What the torrent calls the first of them.
        from: String,
        /// What that one is on disk.
        to: String,
    },
    /// Names that are not UTF-8.
    Encoding,
    /// No file has any content.
    Empty,
    /// There is no tracker.
    NoTracker,
    /// Symbolic links that lead nowhere, or out of the torrent's folder.
    Links {
        /// How many.
        count: usize,
        /// The path of the first of them.
        first: String,
    },
    /// A field that is not understood, and was left out.
    Ignored(&'static str),
    /// A list is too long, or holds something too long: the rest was left out.
    Cut(&'static str),
    /// The `meta version` is not known: only version 1 was looked at.
    Version(i64),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bencode(error) => write!(f, "Not canonical: {error}."),
            Self::Name { from, to } => {
                write!(f, "The name `{}` becomes `{}`.", Printable(from), Printable(to))
            }
            Self::Paths { count: 1, from, to } => {
                write!(f, "The file `{}` becomes `{}`.", Printable(from), Printable(to))
            }
            Self::Paths { count, from, to } => write!(
                f,
                "{count} files get other names; the first, `{}`, becomes `{}`.",
                Printable(from),
                Printable(to)
            ),
            Self::Encoding => f.write_str("Names are not UTF-8: they were read as Windows-1252."),
            Self::Empty => f.write_str("All files are empty: there is nothing to download."),
            Self::NoTracker => f.write_str("It names no tracker."),
            Self::Links { count: 1, first } => write!(
                f,
                "The symbolic link `{}` leads out of the torrent's folder or nowhere.",
                Printable(first)
            ),
            Self::Links { count, first } => write!(
                f,
                "{count} symbolic links lead out of the torrent's folder or nowhere, `{}` first.",
                Printable(first)
            ),
            Self::Ignored(field) => write!(f, "`{field}` is not understood and was left out."),
            Self::Cut(field) => write!(f, "`{field}` is too long and was cut."),
            Self::Version(version) => {
                write!(f, "Version {version} is not known: it was read as version 1.")
            }
        }
    }
}

/// Text from a stranger: nothing in it moves the cursor, turns the line or is endless.
struct Printable<'t>(&'t str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters that are shown.
        const CHARS_MAX: usize = 200;
        for (count, c) in self.0.chars().enumerate() {
            if count == CHARS_MAX {
                return f.write_str("…");
            }
            if crate::path::is_invisible(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}
