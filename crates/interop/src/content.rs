//! Folders of files with a torrent, and the comparison of what arrived with what was sent.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use crate::Peer;

/// Files, and the folder in which they lie.
pub struct Content {
    /// Shared with the same files in pieces of another length.
    folder: Rc<TempDir>,
    name: String,
    piece_length: usize,
    /// Paths from the top folder, in the order of the torrent; empty for a single file.
    files: Vec<(String, u64)>,
    private: bool,
    info: OnceCell<Vec<u8>>,
}

/// The files of a folder: sizes in bytes by path.
type Files = BTreeMap<PathBuf, u64>;

impl Content {
    /// One file. The bytes depend on the name and are never all zero.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    #[must_use]
    pub fn single(name: &str, size: u64) -> Content {
        Content::single_in(&std::env::temp_dir(), name, size)
    }

    /// One file, kept under a folder that is there already.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    #[must_use]
    pub fn single_in(folder: &Path, name: &str, size: u64) -> Content {
        let piece_length = if size < 100_000_000 { 256 * 1024 } else { 1024 * 1024 };
        Content::with(folder, name, piece_length, &[("", size)])
    }

    /// A folder whose files share pieces: nested folders, empty files first, in the middle and
    /// last, sizes just below and above a block, and names that are not ASCII.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    #[must_use]
    pub fn tree(name: &str) -> Content {
        let files = [
            ("0 empty first", 0),
            ("Jbel Toubkal ⵜⵓⴱⵇⴰⵍ/été à Imlil.jpg", 100_003),
            ("Jbel Toubkal ⵜⵓⴱⵇⴰⵍ/notes.txt", 1),
            ("a/b/c/d/deep.bin", 16_383),
            ("a/b/c/empty in the middle", 0),
            ("a/b/one block.bin", 16_384),
            ("a/more than a block.bin", 16_385),
            ("large.bin", 3_000_001),
            ("middle.bin", 65_536 * 3),
            ("雪/山.mkv", 1_234_567),
            ("~ empty last", 0),
        ];
        Content::with(&std::env::temp_dir(), name, 64 * 1024, &files)
    }

    /// A folder like that of [`Content::tree`], with some tens of megabytes.
    ///
    /// # Panics
    ///
    /// When the files cannot be written.
    #[must_use]
    pub fn large_tree(name: &str) -> Content {
        let files = [
            ("empty first", 0),
            ("one/1.bin", 9_999_999),
            ("one/2.bin", 12_345_678),
            ("two/1.bin", 1),
            ("two/2.bin", 17_000_001),
            ("two/empty last", 0),
        ];
        Content::with(&std::env::temp_dir(), name, 128 * 1024, &files)
    }

    /// The same as a private torrent (BEP 27).
    #[must_use]
    pub fn private(mut self) -> Content {
        self.private = true;
        self
    }

    /// The bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }

    fn with(folder: &Path, name: &str, piece_length: usize, files: &[(&str, u64)]) -> Content {
        let folder = tempfile::tempdir_in(folder).expect("the temporary folder is writable");
        let top = folder.path().join(name);
        for (path, size) in files {
            let path = if path.is_empty() { top.clone() } else { top.join(path) };
            fs::create_dir_all(path.parent().expect("a file lies in a folder"))
                .and_then(|()| write_noise(&path, *size))
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        }
        let files = files.iter().map(|&(path, size)| (path.to_owned(), size)).collect();
        let (folder, name) = (Rc::new(folder), name.to_owned());
        Content { folder, name, piece_length, files, private: false, info: OnceCell::new() }
    }

    /// One file of zeros that takes no space, in pieces of one length, of which `size` has so many.
    pub(crate) fn hollow(folder: &Path, name: &str, size: u64, piece_length: usize) -> Content {
        let content = Content::with(folder, name, piece_length, &[("", 0)]);
        let files = vec![(String::new(), size)];
        let file = File::options().write(true).open(content.folder().join(name));
        file.and_then(|file| file.set_len(size)).expect("the temporary folder is writable");
        let hash = Sha1::digest(vec![0; piece_length]);
        let pieces = hash.repeat((size / piece_length as u64) as usize);
        let content = Content { files, ..content };
        let info = OnceCell::from(content.info_with(&pieces));
        Content { info, ..content }
    }

    /// So many files of one size, which together have at most `size` bytes.
    pub(crate) fn equal_files(folder: &Path, name: &str, size: u64, count: u32) -> Content {
        let each = size / u64::from(count);
        let files: Vec<(String, u64)> =
            (0..count).map(|file| (format!("{file:04}.bin"), each)).collect();
        let files: Vec<(&str, u64)> = files.iter().map(|(path, size)| (&**path, *size)).collect();
        Content::with(folder, name, 256 * 1024, &files)
    }

    /// The same files in pieces of another length, which is another torrent.
    pub(crate) fn in_pieces(&self, piece_length: usize) -> Content {
        let (name, files) = (self.name.clone(), self.files.clone());
        let folder = Rc::clone(&self.folder);
        Content { folder, name, piece_length, files, private: false, info: OnceCell::new() }
    }

    /// Gives all files one time of change: a client that has only seeded them may have set it, and
    /// another that seeds them too would doubt what is in them.
    pub(crate) fn untouch(&self) {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (path, _) in &self.files {
            let path: PathBuf = self.folder().join(&self.name).join(path).components().collect();
            File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(then))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    /// What its torrent calls it: the name of the file or the folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in a piece.
    pub(crate) fn piece_length(&self) -> usize {
        self.piece_length
    }

    /// How many files it has.
    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The folder that holds the content under its name.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its magnet link, with trackers and peers.
    #[must_use]
    pub fn magnet(&self, trackers: &[String], peers: &[SocketAddr]) -> String {
        let mut link = format!("magnet:?xt=urn:btih:{}", self.info_hash());
        for url in trackers {
            link += "&tr=";
            link += &url.replace('%', "%25").replace('&', "%26").replace('?', "%3f");
        }
        peers.iter().for_each(|peer| link += &format!("&x.pe={peer}"));
        link
    }

    /// The info-hash in hex.
    #[must_use]
    pub fn info_hash(&self) -> String {
        Sha1::digest(self.info()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes a torrent of the content, with these trackers.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_torrent(&self, torrent: &Path, trackers: &[String]) {
        let mut text = vec![b'd'];
        if let Some(first) = trackers.first() {
            bytes(&mut text, b"announce");
            bytes(&mut text, first.as_bytes());
        }
        bytes(&mut text, b"info");
        text.extend(self.info());
        text.push(b'e');
        fs::write(torrent, text).unwrap_or_else(|e| panic!("{}: {e}", torrent.display()));
    }

    /// BEP 3: the info dictionary, whose pieces lie over the files in a row.
    pub(crate) fn info(&self) -> &[u8] {
        self.info.get_or_init(|| self.info_with(&self.pieces()))
    }

    fn info_with(&self, pieces: &[u8]) -> Vec<u8> {
        let mut info = vec![b'd'];
        let single = self.files[0].0.is_empty();
        if single {
            bytes(&mut info, b"length");
            number(&mut info, self.files[0].1);
        } else {
            bytes(&mut info, b"files");
            info.push(b'l');
            for (path, size) in &self.files {
                info.extend(b"d6:length");
                number(&mut info, *size);
                info.extend(b"4:pathl");
                path.split('/').for_each(|part| bytes(&mut info, part.as_bytes()));
                info.extend(b"ee");
            }
            info.push(b'e');
        }
        bytes(&mut info, b"name");
        bytes(&mut info, self.name.as_bytes());
        bytes(&mut info, b"piece length");
        number(&mut info, self.piece_length as u64);
        bytes(&mut info, b"pieces");
        bytes(&mut info, pieces);
        if self.private {
            info.extend(b"7:privatei1e");
        }
        info.push(b'e');
        info
    }

    /// The SHA-1 of every piece.
    fn pieces(&self) -> Vec<u8> {
        let (mut hashes, mut piece) = (Vec::new(), Vec::with_capacity(self.piece_length));
        for (path, _) in &self.files {
            let path: PathBuf = self.folder().join(&self.name).join(path).components().collect();
            self.hash_file(&path, &mut piece, &mut hashes)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        if !piece.is_empty() {
            hashes.extend_from_slice(&Sha1::digest(&piece));
        }
        hashes
    }

    /// Goes on with the piece that the file before has begun.
    fn hash_file(
        &self,
        path: &Path,
        piece: &mut Vec<u8>,
        hashes: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        loop {
            let room = self.piece_length - piece.len();
            if Read::by_ref(&mut file).take(room as u64).read_to_end(piece)? == 0 {
                return Ok(());
            }
            if piece.len() == self.piece_length {
                hashes.extend_from_slice(&Sha1::digest(&*piece));
                piece.clear();
            }
        }
    }

    /// Stops a peer and compares what it has on disk with this content: the same files, no
    /// other, each the same byte by byte.
    ///
    /// # Panics
    ///
    /// When there is a difference, which is named.
    pub fn assert_same(&self, mut peer: Peer) {
        // Some clients write their last blocks when they end.
        peer.stop();
        let same = self.same(&peer.folder(), !peer.client().makes_no_empty_files());
        same.unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// Compares what is in another folder with this content. An error names the difference.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn same(&self, folder: &Path, empty_files: bool) -> Result<(), String> {
        let (here, there) = (self.folder().join(&self.name), folder.join(&self.name));
        let (mut sent, mut arrived) = (files_of(&here), files_of(&there));
        if !empty_files {
            sent.retain(|_, size| *size > 0);
            arrived.retain(|_, size| *size > 0);
        }
        if arrived != sent {
            let there = there.display();
            return Err(format!("in {there} are {arrived:?}, in the torrent are {sent:?}"));
        }
        for path in sent.keys() {
            if let Some(at) = first_difference(&here.join(path), &there.join(path)) {
                return Err(format!("{} differs at byte {at}", path.display()));
            }
        }
        Ok(())
    }
}

/// Appends a bencoded string.
fn bytes(out: &mut Vec<u8>, string: &[u8]) {
    out.extend(format!("{}:", string.len()).as_bytes());
    out.extend(string);
}

/// Appends a bencoded number.
fn number(out: &mut Vec<u8>, number: u64) {
    out.extend(format!("i{number}e").as_bytes());
}

/// Writes bytes that look random and are the same in every run.
fn write_noise(path: &Path, size: u64) -> std::io::Result<()> {
    let mut state = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .rev()
        .take(8)
        .fold(0x9e37_79b9_7f4a_7c15, |state: u64, byte| state.rotate_left(8) ^ u64::from(*byte));
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = size;
    while left > 0 {
        state = xorshift(state);
        let bytes = state.to_le_bytes();
        let take = left.min(8) as usize;
        file.write_all(&bytes[..take])?;
        left -= take as u64;
    }
    file.flush()
}

/// The number after this one of xorshift64: every one but zero leads to all the others.
pub(crate) fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

/// The files under a path, which may be one file itself, without the folders.
fn files_of(top: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![top.to_path_buf()];
    while let Some(path) = open.pop() {
        let Ok(entries) = fs::read_dir(&path) else {
            let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let inside = path.strip_prefix(top).expect("it was found under the top");
            files.insert(inside.to_path_buf(), size);
            continue;
        };
        open.extend(entries.map(|entry| entry.expect("a folder of ours is readable").path()));
    }
    files
}

/// The offset of the first byte that differs, in two files of one size.
fn first_difference(one: &Path, other: &Path) -> Option<u64> {
    // The path of the only file of a single-file torrent is empty.
    let open = |path: &Path| {
        let path: PathBuf = path.components().collect();
        File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let (mut one, mut other) = (open(one), open(other));
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut at = 0;
    loop {
        let length = one.read(&mut left).expect("a file of ours is readable");
        other.read_exact(&mut right[..length]).expect("the files have one size");
        if left[..length] != right[..length] {
            let same = left.iter().zip(&right).take_while(|(left, right)| left == right);
            return Some(at + same.count() as u64);
        }
        if length == 0 {
            return None;
        }
        at += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, files_of, first_difference};
    use std::fs;

    #[test]
    fn a_difference_is_found_at_its_byte() {
        let content = Content::single("one", 1_000_000);
        let (one, other) = (content.folder().join("one"), content.folder().join("other"));
        let mut bytes = fs::read(&one).unwrap();
        fs::write(&other, &bytes).unwrap();
        assert_eq!(first_difference(&one, &other), None);
        bytes[700_001] ^= 1;
        fs::write(&other, &bytes).unwrap();
        assert_eq!(first_difference(&one, &other), Some(700_001));
    }

    #[test]
    fn every_file_of_a_tree_is_there_with_its_size() {
        let content = Content::tree("tree");
        let files = files_of(&content.folder().join("tree"));
        let listed = content.files.iter().map(|(path, size)| (path.into(), *size));
        assert_eq!(files, listed.collect());
    }
}
