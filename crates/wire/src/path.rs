//! File names from strangers, made safe on Linux, macOS and Windows alike.
//!
//! Every name is cleaned the same way on every system, so that a folder can be moved between
//! them. [`clean`] is the rule for one component; [`Paths`] holds the paths of a whole torrent
//! and sees to it that no two files claim the same place on any of these systems.
//!
//! The rule for a component:
//!
//! * Bytes that are not UTF-8 are read as Windows-1252.
//! * Separators, control characters (bidirectional ones too) and `< > : " | ? *` become `_`.
//! * Blanks and dots at the end are cut, as Windows does silently. If nothing is left (`..` is
//!   such a name), the name is `_`.
//! * Names of devices (`CON`, `nul.txt`, `COM¹`) get a `_` before them.
//! * What is longer than [`COMPONENT_BYTES_MAX`] is cut at a character, keeping the extension.

mod settle;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// Bytes in a component: the 255 that file systems allow, less the suffix `.part` that a file
/// carries until it is complete.
pub const COMPONENT_BYTES_MAX: usize = 250;

/// Bytes in a path inside the torrent's folder. With the folder's name and some room for the
/// place of download it stays under the 1,024 bytes of macOS, the least of the three systems.
pub const PATH_BYTES_MAX: usize = 700;

/// Components in a path inside the torrent's folder.
pub const PATH_DEPTH_MAX: usize = 64;

/// The longest ending that counts as an extension, dot included, when a name is cut.
const EXTENSION_BYTES_MAX: usize = 20;

/// The suffix of a file that is not complete yet.
pub const PART_SUFFIX: &str = ".part";

/// A name that is safe as one component of a path on every system: see the module's rule.
///
/// Never empty; names that are safe already come back as they are.
#[must_use]
pub fn clean(component: &[u8]) -> Cow<'_, str> {
    clean_to(component, COMPONENT_BYTES_MAX)
}

/// As [`clean`], within so many bytes, of which there are at least 8.
fn clean_to(component: &[u8], limit: usize) -> Cow<'_, str> {
    let text = decode_text(component);
    if is_safe(&text, limit) {
        return text;
    }
    let mut name: String = text.chars().map(|c| if is_forbidden(c) { '_' } else { c }).collect();
    trim_end(&mut name);
    if name.len() > limit {
        let (stem, extension) = split_extension(&name, limit / 2);
        // One byte less, for the mark before a device.
        name = [cut(stem, limit - extension.len() - 1), extension].concat();
        trim_end(&mut name);
    }
    if is_device(&name) {
        name.insert(0, '_');
        name.truncate(name.floor_char_boundary(limit));
    }
    Cow::Owned(name)
}

/// Text that ought to be UTF-8; bytes that are not are read as Windows-1252, so that none is lost.
#[must_use]
pub fn decode_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = core::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| windows_1252(byte)));
    }
    Cow::Owned(text)
}

fn windows_1252(byte: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => FROM_0X80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Whether a glance shows that a name is safe: ASCII, no device. Most names are so.
fn is_plain(component: &[u8], limit: usize) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = 0x20;
        while byte < 0x7f {
            plain[byte] = !is_forbidden(byte as u8 as char);
            byte += 1;
        }
        plain
    };
    let Some((first, last)) = component.first().zip(component.last()) else { return false };
    // The letters that the names of devices start with.
    let suspect = matches!(first | 0x20, b'a' | b'c' | b'l' | b'n' | b'p');
    component.len() <= limit
        && !matches!(last, b' ' | b'.')
        && component.iter().all(|&byte| PLAIN[usize::from(byte)])
        && !(suspect && core::str::from_utf8(component).is_ok_and(is_device))
}

fn is_safe(name: &str, limit: usize) -> bool {
    !name.is_empty()
        && name.len() <= limit
        && !name.chars().any(is_forbidden)
        && !name.ends_with(is_trimmed)
        && !is_device(name)
}

const fn is_forbidden(c: char) -> bool {
    matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*') || is_invisible(c)
}

/// Control characters, marks and overrides of direction, line separators, and invisible ones that
/// some file systems pass over when they compare. None of them belongs in a name or a message.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    match c {
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{206f}' | '\u{feff}' => true,
        // C0 and C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        _ => false,
    }
}

fn is_trimmed(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

fn trim_end(name: &mut String) {
    name.truncate(name.trim_end_matches(is_trimmed).len());
    if name.is_empty() {
        name.push('_');
    }
}

/// Whether Windows takes this name, whatever its extension, for a device.
fn is_device(name: &str) -> bool {
    const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else { return false };
    let mut number = number.chars();
    (port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt"))
        && number.next().is_some_and(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

/// The name before its extension, and the extension with its dot: empty if there is none, or if
/// it is longer than `limit` or [`EXTENSION_BYTES_MAX`].
fn split_extension(name: &str, limit: usize) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= limit.min(EXTENSION_BYTES_MAX) => {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

/// At most so many bytes of a text, cut between two characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Why a path cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// More than [`PATH_DEPTH_MAX`] components.
    Depth,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth => write!(f, "a path has more than {PATH_DEPTH_MAX} parts"),
        }
    }
}

impl core::error::Error for PathError {}

/// Where a path lies in the text of [`Paths`].
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: u32,
    bytes: u16,
    /// A padding file: it is never on disk, so its name does not matter.
    pad: bool,
}

impl Place {
    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + usize::from(self.bytes)
    }
}

/// What a path was called before it was changed.
#[derive(Clone, Copy, Debug)]
struct Change {
    file: u32,
    /// Where the old name lies in the raw text of [`Paths`].
    start: u32,
    end: u32,
}

/// The paths of all files of a torrent, safe and distinct on every system.
///
/// All share one text, of at most 4 GiB: a path costs eight bytes beside its own. They are made
/// by a [`PathsBuilder`].
#[derive(Clone, Debug)]
pub struct Paths {
    text: String,
    places: Vec<Place>,
    /// What changed paths were called, in the order of the files.
    changes: Vec<Change>,
    /// The old names one behind the other, components joined by `/`.
    raw: Vec<u8>,
}

/// Takes the paths of a torrent one by one: see [`Paths`].
#[derive(Clone, Debug, Default)]
pub struct PathsBuilder {
    /// UTF-8, as every component is cleaned.
    text: Vec<u8>,
    places: Vec<Place>,
    changes: Vec<Change>,
    raw: Vec<u8>,
}

impl PathsBuilder {
    /// No paths yet, with room for so many.
    #[must_use]
    pub fn with_capacity(files: usize) -> Self {
        Self { places: Vec::with_capacity(files), ..Self::default() }
    }

    /// Adds the path of the next file, of which padding files (`pad`) never reach the disk.
    ///
    /// Components that are empty or `.` are left out.
    ///
    /// # Errors
    /// [`PathError::Depth`] for more than [`PATH_DEPTH_MAX`] components.
    pub fn push<'c>(
        &mut self,
        components: impl Iterator<Item = &'c [u8]> + Clone,
        pad: bool,
    ) -> Result<(), PathError> {
        let start = self.text.len();
        let mut depth = 0;
        let mut changed = false;
        for component in components.clone() {
            if component.is_empty() || component == b"." {
                changed = true;
                continue;
            }
            depth += 1;
            if depth > PATH_DEPTH_MAX {
                self.text.truncate(start);
                return Err(PathError::Depth);
            }
            changed |= self.push_component(start, component, COMPONENT_BYTES_MAX);
        }
        if depth == 0 {
            changed = true;
            self.text.push(b'_');
        }
        if self.text.len() - start > PATH_BYTES_MAX {
            changed = true;
            self.text.truncate(start);
            let limit = PATH_BYTES_MAX / depth - 1;
            for component in components.clone().filter(|c| !c.is_empty() && *c != b".") {
                self.push_component(start, component, limit);
            }
        }
        if changed && !pad {
            self.keep_raw(components);
        }
        let bytes = (self.text.len() - start) as u16;
        self.places.push(Place { start: offset(start), bytes, pad });
        Ok(())
    }

    /// The safe path of a file as it is so far, components joined by `/`.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn get(&self, file: usize) -> &str {
        let path = &self.text[self.places[file].range()];
        core::str::from_utf8(path).expect("cleaned components are UTF-8")
    }

    /// The paths; files that clash get new names, so that each has a place of its own.
    ///
    /// Takes O(n log n) for n files and folders, whatever their names.
    #[must_use]
    pub fn finish(self) -> Paths {
        let Self { text, places, changes, raw } = self;
        let text = String::from_utf8(text).expect("cleaned components are UTF-8");
        let mut paths = Paths { text, places, changes, raw };
        paths.settle();
        paths
    }

    /// Appends a component to the path that starts at `start`; whether it had to be changed.
    #[inline]
    fn push_component(&mut self, start: usize, component: &[u8], limit: usize) -> bool {
        if self.text.len() > start {
            self.text.push(b'/');
        }
        if is_plain(component, limit) {
            self.text.extend_from_slice(component);
            return false;
        }
        let name = clean_to(component, limit);
        self.text.extend_from_slice(name.as_bytes());
        name.as_bytes() != component
    }

    fn keep_raw<'c>(&mut self, components: impl Iterator<Item = &'c [u8]>) {
        let start = self.raw.len();
        for (index, component) in components.enumerate() {
            if index > 0 {
                self.raw.push(b'/');
            }
            self.raw.extend_from_slice(component);
        }
        let (start, end) = (offset(start), offset(self.raw.len()));
        self.changes.push(Change { file: offset(self.places.len()), start, end });
    }
}

impl Paths {
    /// The number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no paths.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The safe path of a file, components joined by `/`.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn get(&self, file: usize) -> &str {
        &self.text[self.places[file].range()]
    }

    /// What the torrent called a file, components joined by `/`: the same as [`get`](Self::get)
    /// in bytes, unless it was changed.
    ///
    /// # Panics
    /// If there is no such file.
    #[must_use]
    pub fn original(&self, file: usize) -> &[u8] {
        match self.changes.binary_search_by_key(&file, |change| change.file as usize) {
            Ok(at) => self.raw_of(self.changes[at]),
            Err(_) => self.get(file).as_bytes(),
        }
    }

    /// The files whose paths were changed, with what the torrent called them.
    pub fn changed(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        self.changes.iter().map(|&change| (change.file as usize, self.raw_of(change)))
    }

    fn raw_of(&self, change: Change) -> &[u8] {
        &self.raw[change.start as usize..change.end as usize]
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("all paths together stay under 4 GiB")
}
