//! Torrents that are made: what the bytes choose is built, read again, spoilt, and read again.

use sha1::{Digest as _, Sha1};
use toubkal_core::base::Rng;
use toubkal_wire::bencode::{Mode, Node, decode, encode};
use toubkal_wire::build::{NewFile, NewTorrent};
use toubkal_wire::merkle::FileHasher;
use toubkal_wire::metainfo::Metainfo;

use super::metainfo::metainfo;

pub(crate) fn build(input: &[u8]) {
    let mut rng = Rng::from_bytes(input);
    let torrent = any_torrent(&mut rng);
    let Ok(bytes) = torrent.build() else { return };
    metainfo(&bytes);
    assert_same(&torrent, &bytes);
    let tape = decode(&bytes, Mode::Strict).expect("what is built is canonical");
    let mut node = tape.root().to_node().expect("its numbers fit");
    for _ in 0..rng.below(8) {
        if rng.is_spent() {
            break;
        }
        spoil(&mut rng, &mut node);
    }
    metainfo(&encode(&node));
}

fn assert_same(torrent: &NewTorrent, bytes: &[u8]) {
    let read = Metainfo::parse(bytes).expect("what is built can be read");
    assert_eq!(&*read.original_name, torrent.name.as_bytes());
    assert_eq!(read.piece_length, torrent.piece_length);
    assert_eq!(read.private, torrent.private);
    assert_eq!(read.info_hash_v1.is_some(), torrent.piece_hashes.is_some());
    let hashes = torrent.piece_hashes.as_deref().unwrap_or_default();
    assert_eq!(&*read.piece_hashes, hashes);
    // Version 2 alone knows no padding.
    let files = torrent.files.iter().filter(|file| torrent.piece_hashes.is_some() || !file.pad);
    let files: Vec<&NewFile> = files.collect();
    assert_eq!(read.file_count(), files.len());
    for (found, made) in read.files().zip(files) {
        assert_eq!((found.length, found.pad), (made.length, made.pad));
        assert_eq!(found.root, made.hashes.as_ref().and_then(|hashes| hashes.root.as_ref()));
        if !made.path.is_empty() && !made.pad {
            assert_eq!(found.original, made.path.join("/").as_bytes());
            assert_eq!(found.executable, made.executable);
        }
    }
}

fn any_torrent(rng: &mut Rng) -> NewTorrent {
    let piece = [16_384, 32_768, 20_000, 1, 1 << 20][rng.index(5)];
    let (one, two) = (rng.below(4) > 0, rng.one_in(2));
    let mut files: Vec<NewFile> = Vec::new();
    let count = rng.below(6);
    for _ in 0..count {
        let file = any_file(rng, piece, two);
        let over = file.length % u64::from(piece);
        files.push(file);
        if one && two && over > 0 && !rng.one_in(8) {
            files.push(NewFile::padding(u64::from(piece) - over));
        }
    }
    if rng.below(4) > 0 && two {
        let mut kept: Vec<NewFile> = files.into_iter().filter(|file| !file.pad).collect();
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        kept.dedup_by(|a, b| a.path == b.path);
        files = if one { padded(kept, piece) } else { kept };
    }
    if count == 0 {
        files.push(NewFile { path: Vec::new(), ..any_file(rng, piece, two) });
    }
    let total: u64 = files.iter().map(|file| file.length).sum();
    let pieces = total.div_ceil(u64::from(piece)).min(100_000) + u64::from(rng.one_in(16));
    let hashes = (0..pieces).map(|piece| Sha1::digest(piece.to_le_bytes()).into()).collect();
    let text = |rng: &mut Rng| rng.one_in(3).then(|| any_name(rng));
    NewTorrent {
        name: any_name(rng),
        files,
        piece_length: piece,
        piece_hashes: one.then_some(hashes),
        trackers: (0..rng.below(3))
            .map(|_| (0..rng.below(3)).map(|_| any_url(rng)).collect())
            .collect(),
        web_seeds: (0..rng.below(3)).map(|_| any_url(rng)).collect(),
        private: rng.one_in(2),
        comment: text(rng),
        created_by: text(rng),
        created: rng.one_in(2).then(|| rng.bits() as i64),
        source: text(rng),
    }
}

/// Each file begins with a piece.
fn padded(files: Vec<NewFile>, piece: u32) -> Vec<NewFile> {
    let mut all = Vec::new();
    for file in files {
        let over = file.length % u64::from(piece);
        all.push(file);
        if over > 0 {
            all.push(NewFile::padding(u64::from(piece) - over));
        }
    }
    all
}

fn any_file(rng: &mut Rng, piece: u32, two: bool) -> NewFile {
    let length = [0, 1, 100, 16_384, 16_385, 70_000][rng.index(6)];
    let hashes = two.then(|| {
        // The builder refuses what is no piece of version 2; there is nothing to hash for it.
        let v2 = piece.is_power_of_two() && piece >= 16_384;
        let mut hasher = FileHasher::new(if v2 { piece } else { 16_384 });
        hasher.update(&vec![rng.below(256) as u8; length]);
        hasher.finish()
    });
    NewFile {
        path: (0..1 + rng.below(3)).map(|_| any_name(rng)).collect(),
        length: length as u64,
        pad: false,
        executable: rng.one_in(4),
        hashes,
    }
}

fn any_url(rng: &mut Rng) -> String {
    let scheme = ["http", "https", "udp", "ftp", ""][rng.index(5)];
    format!("{scheme}://{}.example/announce", any_name(rng))
}

/// Names that clash, and names that nobody wants.
fn any_name(rng: &mut Rng) -> String {
    let names = ["a", "A", "b", "é", "e\u{301}", "..", ".", "", "a.part", "con", "x/y", "\u{202e}"];
    match rng.index(names.len() + 4) {
        known if known < names.len() => names[known].to_owned(),
        _ => (0..rng.below(20)).map(|_| char::from(rng.below(256) as u8)).collect(),
    }
}

/// Changes one thing, somewhere inside.
fn spoil(rng: &mut Rng, node: &mut Node) {
    match node {
        Node::Dict(entries) if !entries.is_empty() => {
            let at = rng.index(entries.len());
            let key = entries.keys().nth(at).expect("it is below the count").clone();
            match rng.below(8) {
                0 => _ = entries.remove(&key),
                1 => _ = entries.insert(any_key(rng), Node::Int(rng.bits() as i64)),
                2 => {
                    let value = entries.remove(&key).expect("the key was just listed");
                    entries.insert(any_key(rng), value);
                }
                3 => *entries.get_mut(&key).expect("the key was just listed") = any_node(rng),
                _ => spoil(rng, entries.get_mut(&key).expect("the key was just listed")),
            }
        }
        Node::List(items) if !items.is_empty() => {
            let at = rng.index(items.len());
            match rng.below(6) {
                0 => _ = items.remove(at),
                1 => items.push(items[at].clone()),
                2 => items[at] = any_node(rng),
                _ => spoil(rng, &mut items[at]),
            }
        }
        Node::Bytes(bytes) if !bytes.is_empty() => {
            let at = rng.index(bytes.len());
            match rng.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, rng.below(256) as u8),
                _ => bytes[at] = rng.below(256) as u8,
            }
        }
        Node::Int(value) => *value = any_int(rng),
        other => *other = any_node(rng),
    }
}

fn any_node(rng: &mut Rng) -> Node {
    match rng.below(5) {
        0 => Node::Int(any_int(rng)),
        1 => Node::List(Vec::new()),
        2 => Node::Dict(Default::default()),
        3 => Node::List(vec![Node::from(&*any_name(rng)), Node::Int(any_int(rng))]),
        _ => Node::from(&*any_name(rng)),
    }
}

fn any_int(rng: &mut Rng) -> i64 {
    match rng.below(8) {
        0 => i64::MAX,
        1 => i64::MIN,
        2 => -1,
        3 => 1 << rng.below(63),
        4 => rng.bits() as i64,
        _ => rng.below(65_536) as i64,
    }
}

fn any_key(rng: &mut Rng) -> Vec<u8> {
    const KEYS: &[&str] = &[
        "",
        "announce",
        "announce-list",
        "attr",
        "comment",
        "encoding",
        "file tree",
        "files",
        "info",
        "length",
        "md5sum",
        "meta version",
        "name",
        "name.utf-8",
        "nodes",
        "path",
        "path.utf-8",
        "piece layers",
        "piece length",
        "pieces",
        "pieces root",
        "private",
        "publisher",
        "source",
        "symlink path",
        "url-list",
        "httpseeds",
        "creation date",
    ];
    KEYS[rng.index(KEYS.len())].as_bytes().to_vec()
}
