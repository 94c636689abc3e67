//! The `info` dictionary: what both versions share, and the file list of version 1.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::outer::{Oddities, text};
use super::{Entry, Error, FILES_MAX, Files, Flags, Metainfo, Oddity, PIECE_BYTES_MIN_V2, tree};
use crate::bencode::{Items, Kind, Strings, Value};
use crate::layout::{LayoutError, PIECE_BYTES_MAX, PIECES_MAX};
use crate::path::{self, PATH_BYTES_MAX, PATH_DEPTH_MAX, PathsBuilder};

/// Parses `info`; what the outer dictionary says is left empty.
pub(super) fn parse(
    info: Value<'_, '_>,
    layers: Option<Value<'_, '_>>,
    odd: &mut Oddities,
) -> Result<Metainfo, Error> {
    if info.kind() != Kind::Dict {
        return Err(Error::Wrong("info"));
    }
    let (v1, v2) = versions(info, odd)?;
    let piece_length = piece_length(info, v2)?;
    let name = name(info)?;
    let mut files = Listing::default();
    let mut single = false;
    if v1 {
        single = info.get(b"length").is_some();
        files = if single { one_file(info, name)? } else { file_list(info)? };
    }
    let tree = if v2 {
        let (tree, one) =
            tree::parse(info, layers, piece_length, name, v1.then_some(single), &mut files)?;
        single = one;
        Some(tree)
    } else {
        None
    };
    if files.entries.iter().all(|entry| entry.flags.pad) {
        return Err(Error::NoFiles);
    }
    let piece_hashes = if v1 { piece_hashes(info, piece_length, &files)? } else { Box::default() };
    let files = files.finish();
    let safe_name = path::clean(name);
    note_files(&files, name, &safe_name, odd);
    Ok(Metainfo {
        info_hash_v1: v1.then(|| Sha1::digest(info.raw()).into()),
        info_hash_v2: v2.then(|| Sha256::digest(info.raw()).into()),
        name: safe_name.into_owned(),
        original_name: name.into(),
        piece_length,
        piece_hashes,
        trackers: Vec::new(),
        web_seeds: Vec::new(),
        nodes: Vec::new(),
        // BEP 27: "private=1".
        private: info.get(b"private").and_then(Value::as_int).is_some_and(|private| private != 0),
        comment: None,
        created_by: None,
        created: None,
        encoding: None,
        source: text(info, "source", b"", odd),
        info_span: info.span(),
        oddities: Vec::new(),
        single,
        total: files.entries.iter().filter(|e| !e.flags.pad).map(|e| e.length).sum(),
        files,
        tree,
    })
}

/// Which versions it holds: 1, 2 or both.
fn versions(info: Value<'_, '_>, odd: &mut Oddities) -> Result<(bool, bool), Error> {
    let v1 = info.get(b"pieces").is_some();
    let Some(version) = info.get(b"meta version") else {
        // BEP 52: without a `meta version` it is version 1.
        return if v1 { Ok((true, false)) } else { Err(Error::Missing("pieces")) };
    };
    match version.as_int() {
        Some(2) => Ok((v1, true)),
        Some(1) if v1 => Ok((true, false)),
        Some(1) => Err(Error::Missing("pieces")),
        Some(other) if v1 => {
            odd.note(Oddity::Version(other));
            Ok((true, false))
        }
        Some(other) => Err(Error::Version(other)),
        None => Err(Error::Wrong("meta version")),
    }
}

fn piece_length(info: Value<'_, '_>, v2: bool) -> Result<u32, Error> {
    let value = info.get(b"piece length").ok_or(Error::Missing("piece length"))?;
    let length = value.as_int().ok_or(Error::Wrong("piece length"))?;
    let length = u32::try_from(length)
        .ok()
        .filter(|&length| length > 0 && length <= PIECE_BYTES_MAX)
        .ok_or(Error::Sizes(LayoutError::PieceLength))?;
    // BEP 52: "must be a power of two and at least 16KiB".
    if v2 && !(length.is_power_of_two() && length >= PIECE_BYTES_MIN_V2) {
        return Err(Error::PieceLengthV2);
    }
    Ok(length)
}

/// The name as the torrent spells it; `name.utf-8` wins, if it is what it says.
fn name<'i>(info: Value<'_, 'i>) -> Result<&'i [u8], Error> {
    if let Some(name) = info.get(b"name.utf-8").and_then(Value::as_str) {
        return Ok(name.as_bytes());
    }
    info.get(b"name").ok_or(Error::Missing("name"))?.as_bytes().ok_or(Error::Wrong("name"))
}

/// Version 1, one file: BEP 3's `length`.
fn one_file(info: Value<'_, '_>, name: &[u8]) -> Result<Listing, Error> {
    if info.get(b"files").is_some() {
        return Err(Error::LengthAndFiles);
    }
    let mut files = Listing::default();
    let flags = Flags { pad: false, symlink: false, ..Flags::of(info.get(b"attr")) };
    files.entries.push(Entry { length: length(info.get(b"length"))?, flags });
    files.paths.push(core::iter::once(name), false)?;
    Ok(files)
}

/// Version 1, several files: BEP 3's `files`.
fn file_list(info: Value<'_, '_>) -> Result<Listing, Error> {
    let list = info.get(b"files").ok_or(Error::Missing("files"))?;
    if list.kind() != Kind::List {
        return Err(Error::Wrong("files"));
    }
    // A file takes six values or more: the room is right for most torrents, and never far off.
    let count = (list.size() / 6 + 1).min(FILES_MAX);
    let mut files = Listing {
        paths: PathsBuilder::with_capacity(count),
        entries: Vec::with_capacity(count),
        links: Vec::new(),
    };
    let mut items = list.items();
    while let Some(file) = ListedFile::next(&mut items)? {
        if files.entries.len() == FILES_MAX {
            return Err(Error::TooManyFiles);
        }
        files.push(file.path, file.entry, file.target)?;
    }
    Ok(files)
}

/// An item of the `files` of version 1.
pub(super) struct ListedFile<'t, 'i> {
    /// Its parts, one at least.
    pub(super) path: Strings<'t, 'i>,
    pub(super) entry: Entry,
    /// The `symlink path` (BEP 47).
    pub(super) target: Option<Value<'t, 'i>>,
}

impl<'t, 'i> ListedFile<'t, 'i> {
    /// The next item of the list; `None` at its end.
    #[inline]
    pub(super) fn next(items: &mut Items<'t, 'i>) -> Result<Option<Self>, Error> {
        let (mut bytes, mut path, mut utf8, mut attr, mut target) = (None, None, None, None, None);
        let read = items.next_dict(|entries| {
            for (key, value) in entries {
                let field = match key {
                    b"length" => &mut bytes,
                    b"path" => &mut path,
                    b"path.utf-8" => &mut utf8,
                    b"attr" => &mut attr,
                    b"symlink path" => &mut target,
                    _ => continue,
                };
                // Of equal keys the first counts.
                *field = field.or(Some(value));
            }
        });
        if read.is_none() {
            return if items.next().is_none() { Ok(None) } else { Err(Error::Wrong("files")) };
        }
        let flags = Flags::of(attr);
        let is_sure = |path: &Strings<'_, '_>| {
            path.len() > 0 && path.clone().all(|part| core::str::from_utf8(part).is_ok())
        };
        let path = match utf8.and_then(Value::strings).filter(is_sure) {
            Some(path) => path,
            None => path.ok_or(Error::Missing("path"))?.strings().ok_or(Error::Wrong("path"))?,
        };
        if path.len() == 0 {
            return Err(Error::Wrong("path"));
        }
        // BEP 47: a link has no content, whatever its length says.
        let length = if flags.symlink { 0 } else { length(bytes)? };
        Ok(Some(Self { path, entry: Entry { length, flags }, target }))
    }
}

/// A length in bytes.
#[inline]
pub(super) fn length(value: Option<Value<'_, '_>>) -> Result<u64, Error> {
    let length = value.ok_or(Error::Missing("length"))?.as_int();
    length.and_then(|length| u64::try_from(length).ok()).ok_or(Error::Wrong("length"))
}

impl Flags {
    /// BEP 47: a letter for each attribute; unknown ones are ignored.
    #[inline]
    pub(super) fn of(attr: Option<Value<'_, '_>>) -> Self {
        let letters = attr.and_then(Value::as_bytes).unwrap_or_default();
        Self {
            pad: letters.contains(&b'p'),
            executable: letters.contains(&b'x'),
            hidden: letters.contains(&b'h'),
            symlink: letters.contains(&b'l'),
        }
    }
}

/// The files as they are gathered.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) paths: PathsBuilder,
    pub(super) entries: Vec<Entry>,
    links: Vec<(u32, Box<str>)>,
}

impl Listing {
    pub(super) fn push<'i>(
        &mut self,
        path: impl Iterator<Item = &'i [u8]> + Clone,
        entry: Entry,
        target: Option<Value<'_, '_>>,
    ) -> Result<(), Error> {
        let flags = entry.flags;
        if flags.symlink
            && let Some(target) = target.and_then(link_target)
        {
            self.links.push((self.entries.len() as u32, target));
        }
        self.paths.push(path, flags.pad)?;
        self.entries.push(entry);
        Ok(())
    }

    fn finish(self) -> Files {
        Files { paths: self.paths.finish(), entries: self.entries, links: self.links }
    }
}

/// Where a link leads, if that is inside the torrent's folder (BEP 47). Nothing is cleaned here:
/// a link to a path that is not safe has no honest use.
fn link_target(path: Value<'_, '_>) -> Option<Box<str>> {
    let mut target = String::new();
    for (depth, part) in path.items().enumerate() {
        let part = part.as_str().filter(|part| path::clean(part.as_bytes()) == **part)?;
        if depth > 0 {
            target.push('/');
        }
        target.push_str(part);
        if depth == PATH_DEPTH_MAX || target.len() > PATH_BYTES_MAX {
            return None;
        }
    }
    (!target.is_empty()).then(|| target.into())
}

/// The piece hashes of version 1, as many as the files take.
fn piece_hashes(
    info: Value<'_, '_>,
    piece_length: u32,
    files: &Listing,
) -> Result<Box<[[u8; 20]]>, Error> {
    let needed = count_pieces(piece_length, files.entries.iter().map(|entry| entry.length))?;
    let pieces = info.get(b"pieces").and_then(Value::as_bytes).ok_or(Error::Wrong("pieces"))?;
    // BEP 3: "a string whose length is a multiple of 20".
    let (hashes, []) = pieces.as_chunks::<20>() else { return Err(Error::Wrong("pieces")) };
    if hashes.len() != needed as usize {
        return Err(Error::PieceCount { needed, found: hashes.len() as u32 });
    }
    Ok(hashes.into())
}

fn count_pieces(piece_length: u32, lengths: impl Iterator<Item = u64>) -> Result<u32, Error> {
    let total = total_length(lengths)?;
    let pieces = total.div_ceil(u64::from(piece_length));
    if pieces > u64::from(PIECES_MAX) {
        return Err(Error::Sizes(LayoutError::TooManyPieces));
    }
    Ok(pieces as u32)
}

/// The sum of lengths, which has to stay below 2^63.
pub(super) fn total_length(mut lengths: impl Iterator<Item = u64>) -> Result<u64, Error> {
    lengths
        .try_fold(0u64, u64::checked_add)
        .filter(|&total| total <= i64::MAX as u64)
        .ok_or(Error::Sizes(LayoutError::TotalLength))
}

/// Notes what is odd about names and content.
fn note_files(files: &Files, name: &[u8], safe_name: &str, odd: &mut Oddities) {
    let shown = |raw: &[u8]| path::decode_text(raw).into_owned();
    if name != safe_name.as_bytes() {
        odd.note(Oddity::Name { from: shown(name), to: safe_name.to_string() });
    }
    let mut changed = files.paths.changed();
    let count = changed.len();
    // The one file without a folder is named by the torrent: that is told already.
    let told = files.entries.len() == 1 && files.paths.get(0) == safe_name;
    if let Some((file, raw)) = changed.next().filter(|_| !told) {
        let to = files.paths.get(file).to_string();
        odd.note(Oddity::Paths { count, from: shown(raw), to });
    }
    let not_utf8 = |raw: &[u8]| core::str::from_utf8(raw).is_err();
    if not_utf8(name) || files.paths.changed().any(|(_, raw)| not_utf8(raw)) {
        odd.note(Oddity::Encoding);
    }
    let links = files.entries.iter().filter(|entry| entry.flags.symlink).count();
    if links > files.links.len() {
        let lost = |file: &usize| {
            files.entries[*file].flags.symlink
                && files.links.binary_search_by_key(file, |link| link.0 as usize).is_err()
        };
        let first = (0..files.entries.len()).find(lost).map(|file| files.paths.get(file));
        let first = first.unwrap_or_default().to_string();
        odd.note(Oddity::Links { count: links - files.links.len(), first });
    }
    if files.entries.iter().all(|entry| entry.length == 0) {
        odd.note(Oddity::Empty);
    }
}
