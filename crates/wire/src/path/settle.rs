//! One file for each place, on every file system: finding names that clash, and changing them.
//!
//! Two names clash if some system takes them for the same: without regard to case, to the Unicode
//! normal form, or to invisible characters. A file clashes with another file, with a folder, and
//! with the `.part` name of another file. Folders keep their names, of files the first keeps its
//! name, and others get a number: `name (2).ext`. The same torrent always gives the same names.
//!
//! Names are compared by a hash of 63 bits. Should two different ones meet, by chance or by
//! design, then a file gets a number that it did not need: nothing worse.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use unicode_normalization::UnicodeNormalization;

use super::{
    COMPONENT_BYTES_MAX, Change, PART_SUFFIX, Paths, cut, is_trimmed, offset, split_extension,
};

/// Bytes of the longest ` (n)`.
const NUMBER_BYTES_MAX: usize = 13;

impl Paths {
    /// Gives files whose paths clash new names.
    pub(super) fn settle(&mut self) {
        if self.are_sorted() {
            return;
        }
        let claims = Claims::of(self);
        if claims.clash() {
            self.rename(&claims);
        }
    }

    /// Whether a glance shows that nothing clashes, as with most torrents: the paths are ASCII,
    /// none ends in `.part`, and each is behind the one before it whatever the case of letters.
    fn are_sorted(&self) -> bool {
        let mut last: &[u8] = b"";
        let mut files = (0..self.places.len()).filter(|&file| !self.places[file].pad);
        files.all(|file| {
            let path = self.get(file).as_bytes();
            let same = common(last, path);
            // With `/` before all else, a file stands right before a folder of its name.
            let rank = |byte: &u8| if *byte == b'/' { 0 } else { byte.to_ascii_lowercase() };
            let behind = match (last.get(same), path.get(same)) {
                (None, Some(next)) => last.is_empty() || *next != b'/',
                (Some(a), Some(b)) => rank(a) < rank(b),
                (_, None) => false,
            };
            let rest = &path[same..];
            // Folders before that are the same as those of the last path.
            let part = ends_in_part(path)
                || rest.contains(&b'/') && path.split(|byte| *byte == b'/').any(ends_in_part);
            last = path;
            behind && !part && rest.is_ascii()
        })
    }

    fn rename(&mut self, claims: &Claims) {
        let known = self.changes.len();
        let mut kept = BTreeSet::new();
        let mut names = Names { claims, given: BTreeSet::new(), next: BTreeMap::new() };
        let mut keys = Keys::default();
        for file in 0..self.places.len() {
            if self.places[file].pad {
                continue;
            }
            let path = self.get(file);
            // A file that shares its name with other files may keep it if it is the first.
            if !claims.give_way(&mut keys, path) && kept.insert(keys.of(path).hash()) {
                continue;
            }
            let path = names.find(self.get(file));
            if self.changes[..known].binary_search_by_key(&file, |c| c.file as usize).is_err() {
                // The name was safe, so it is the torrent's own.
                let start = offset(self.raw.len());
                self.raw.extend_from_slice(self.get(file).to_string().as_bytes());
                let end = offset(self.raw.len());
                self.changes.push(Change { file: offset(file), start, end });
            }
            self.places[file].start = offset(self.text.len());
            self.places[file].bytes = path.len() as u16;
            self.text.push_str(&path);
        }
        self.changes.sort_unstable_by_key(|change| change.file);
    }
}

/// Makes [`Key`]s.
#[derive(Default)]
struct Keys {
    folded: String,
}

impl Keys {
    fn of<'k>(&'k mut self, path: &'k str) -> Key<'k> {
        if path.is_ascii() {
            return Key(path);
        }
        // Upper case first, as it unites more: both sigmas, ß and SS.
        let folded = path.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        self.folded.clear();
        // HFS+ passes over joiners when it compares.
        self.folded.extend(folded.filter(|c| !matches!(c, '\u{200c}' | '\u{200d}')).nfd());
        Key(&self.folded)
    }

    /// The hash of the name that a file has until it is complete.
    fn part_hash(&mut self, path: &str) -> u64 {
        self.of(&[path, PART_SUFFIX].concat()).hash()
    }
}

/// The form of a path in which equal, but for the case of ASCII, means: the same place on some
/// file system.
#[derive(Clone, Copy)]
struct Key<'k>(&'k str);

impl Key<'_> {
    fn hash(self) -> u64 {
        hash(self.0.as_bytes()) & !FOLDER
    }

    /// For a name that ends in `.part`, the hash of the one whose temporary name it is.
    fn whole_hash(self) -> Option<u64> {
        let name = self.0.as_bytes();
        let end = name.len().checked_sub(PART_SUFFIX.len())?;
        ends_in_part(name).then(|| hash(&name[..end]) & !FOLDER)
    }
}

/// How many bytes two paths have in common at the front: eight at a time, as neighbours in a
/// list are much alike.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (mut words_a, mut words_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let words = words_a.by_ref().zip(words_b.by_ref()).take_while(|(a, b)| a == b).count();
    let rest = a[words * 8..].iter().zip(&b[words * 8..]);
    words * 8 + rest.take_while(|(a, b)| a == b).count()
}

fn ends_in_part(name: &[u8]) -> bool {
    let Some((_, suffix)) = name.split_last_chunk::<{ PART_SUFFIX.len() }>() else { return false };
    suffix.eq_ignore_ascii_case(PART_SUFFIX.as_bytes())
}

/// The lowest bit of a claim: set for a folder, clear for a file.
const FOLDER: u64 = 1;

/// All names that a torrent claims.
struct Claims {
    /// Hashes of files and folders, sorted; those of folders are there once.
    sorted: Vec<u64>,
    /// Names of files or folders that end in `.part`, by the hash of what stands before it.
    parts: Vec<u64>,
}

impl Claims {
    fn of(paths: &Paths) -> Self {
        let mut claims = Self { sorted: Vec::with_capacity(paths.len()), parts: Vec::new() };
        let mut keys = Keys::default();
        let (mut last, mut last_folder) = ("", "");
        for file in (0..paths.len()).filter(|&file| !paths.places[file].pad) {
            let path = paths.get(file);
            claims.add(keys.of(path), 0);
            // Most files lie beside the one before them.
            let beside = path.strip_prefix(last_folder).is_some_and(|name| !name.contains('/'));
            if !beside {
                for (slash, _) in path.match_indices('/') {
                    if !last.as_bytes().starts_with(&path.as_bytes()[..=slash]) {
                        claims.add(keys.of(&path[..slash]), FOLDER);
                    }
                    last_folder = &path[..=slash];
                }
            }
            last = path;
        }
        claims.sorted.sort_unstable();
        claims.sorted.dedup_by(|a, b| a == b && *a & FOLDER != 0);
        claims
    }

    fn add(&mut self, key: Key<'_>, folder: u64) {
        self.sorted.push(key.hash() | folder);
        self.parts.extend(key.whole_hash());
    }

    /// Whether any file clashes with anything.
    fn clash(&self) -> bool {
        self.sorted.windows(2).any(|pair| pair[0] | FOLDER == pair[1] | FOLDER)
            || self.parts.iter().any(|&whole| self.has(whole))
    }

    fn has(&self, claim: u64) -> bool {
        self.sorted.binary_search(&claim).is_ok()
    }

    /// Whether the file of this name has to give way to a folder, or is itself in the way of
    /// another file's temporary name.
    fn give_way(&self, keys: &mut Keys, path: &str) -> bool {
        let key = keys.of(path);
        self.has(key.hash() | FOLDER)
            || key.whole_hash().is_some_and(|whole| self.has(whole))
            || self.has(keys.part_hash(path) | FOLDER)
    }
}

/// Finds names that nothing claims.
struct Names<'c> {
    claims: &'c Claims,
    /// The hashes of names that were given already.
    given: BTreeSet<u64>,
    /// The number to try next, by the hash of the name without a number.
    next: BTreeMap<u64, u32>,
}

impl Names<'_> {
    /// A free path in the same folder. A number is tried once for each name, so all searches
    /// together take as many steps as there are files and folders.
    fn find(&mut self, path: &str) -> String {
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        let (stem, extension) = split_extension(name, COMPONENT_BYTES_MAX);
        let stem = cut(stem, COMPONENT_BYTES_MAX - NUMBER_BYTES_MAX - extension.len());
        let stem = stem.trim_end_matches(is_trimmed);
        let mut keys = Keys::default();
        let base = keys.of(&format!("{folder}{stem}{extension}")).hash();
        let number = self.next.entry(base).or_insert(2);
        loop {
            let path = format!("{folder}{stem} ({number}){extension}");
            *number += 1;
            let key = keys.of(&path);
            let (hash, whole) = (key.hash(), key.whole_hash());
            let taken = |hash| self.claims.has(hash) || self.given.contains(&hash);
            let busy = taken(hash)
                || whole.is_some_and(taken)
                || taken(keys.part_hash(&path))
                || self.claims.give_way(&mut keys, &path);
            if !busy {
                self.given.insert(hash);
                return path;
            }
        }
    }
}

/// Multiplies and folds, eight bytes at a time, without regard to the case of ASCII: fast, and
/// even enough for [`Claims`].
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        (product >> 64) as u64 ^ product as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let start = 0x243f_6a88_85a3_08d3 ^ bytes.len() as u64;
    let hash = words.iter().fold(start, |hash, word| mix(hash, lower(*word)));
    mix(mix(hash, lower(last)), FACTOR)
}

/// Eight bytes, ASCII letters among them in lower case.
fn lower(word: [u8; 8]) -> u64 {
    const EVERY: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(word);
    // In each byte's highest bit: whether its lower seven are `A` or more, and more than `Z`.
    let seven = word & (0x7f * EVERY);
    let from_a = seven + (0x80 - u64::from(b'A')) * EVERY;
    let beyond_z = seven + (0x7f - u64::from(b'Z')) * EVERY;
    let upper = from_a & !beyond_z & !word & (0x80 * EVERY);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::lower;

    #[test]
    fn only_ascii_letters_change_their_case() {
        for byte in 0..=255u8 {
            for place in 0..8 {
                let mut word = [0xff; 8];
                word[place] = byte;
                let mut want = word;
                want.make_ascii_lowercase();
                assert_eq!(lower(word), u64::from_le_bytes(want));
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_two_paths_have_in_common_is_found(
            front in "[a-c]{0,20}",
            a in "[a-c]{0,20}",
            b in "[a-c]{0,20}",
        ) {
            let path = |end: &str| [front.as_bytes(), end.as_bytes()].concat();
            let (a, b) = (path(&a), path(&b));
            let plain = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            proptest::prop_assert_eq!(super::common(&a, &b), plain);
        }
    }
}
