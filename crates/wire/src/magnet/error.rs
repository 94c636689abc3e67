//! What can be wrong with a magnet link.

use alloc::string::String;
use core::fmt;

/// Why a link names no torrent: what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What.
    pub fault: Fault,
    /// Where what is wrong begins, in bytes from the start of the link.
    pub at: usize,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin with `magnet:?`.
    NotMagnet,
    /// More than [`super::LINK_BYTES_MAX`].
    TooLong,
    /// Neither an info-hash nor the key of a publisher.
    NoHash,
    /// An info-hash of version 1 of so many characters.
    Length(usize),
    /// A character that stands in no info-hash.
    Character,
    /// An info-hash of version 2 that is not SHA-256 in 68 hexadecimal digits.
    Multihash,
    /// A public key that is not 64 hexadecimal digits.
    Key,
    /// A salt that is not hexadecimal digits, or too long.
    Salt,
    /// A second, different hash or key of the same kind.
    Second(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::NotMagnet => return f.write_str("it does not begin with magnet:?"),
            Fault::TooLong => return f.write_str("it is longer than 64 KiB"),
            Fault::NoHash => return f.write_str("there is no info-hash in it (xt=urn:btih:...)"),
            Fault::Length(found) => write!(
                f,
                "its info-hash has {found} characters instead of 40 (hexadecimal) or 32 (base32)"
            ),
            Fault::Character => f.write_str("its info-hash has a character that is no digit of it"),
            Fault::Multihash => {
                f.write_str("its version 2 info-hash is not 1220 and 64 hexadecimal digits")
            }
            Fault::Key => f.write_str("its public key (xs) is not 64 hexadecimal digits"),
            Fault::Salt => f.write_str("its salt (s) is not at most 128 hexadecimal digits"),
            Fault::Second(kind) => write!(f, "it has two different ones of {kind}"),
        }?;
        write!(f, ", at character {}", self.at + 1)
    }
}

impl core::error::Error for Error {}

/// What is not as it should be, and did not keep a link from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// A peer that is no `HOST:PORT`; left out.
    Peer(String),
    /// A part of `so` that is no number or range of numbers; left out.
    Selection(String),
    /// More of this parameter than are kept, or one that is too long.
    Cut(&'static str),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(text) => write!(f, "left out: x.pe={text} is no HOST:PORT"),
            Self::Selection(text) => write!(f, "left out: {text} in so is no range of files"),
            Self::Cut(name) => write!(f, "left out: more of {name} than anybody needs"),
        }
    }
}
