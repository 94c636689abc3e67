//! Torrent files for tests: some that have to load, however odd, and many that must not.
//!
//! Only there in tests and with the feature `testing`, for the tests of other crates.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use sha1::{Digest, Sha1};

use crate::bencode::{self, ErrorKind, Node, encode};
use crate::build::{NewFile, NewTorrent};
use crate::layout::LayoutError;
use crate::merkle::FileHasher;
use crate::metainfo::Error;
use crate::path::PathError;

/// A torrent file that loads.
#[derive(Clone, Debug)]
pub struct Good {
    /// What is special about it.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A file that is no torrent, or none that can be used.
#[derive(Clone, Debug)]
pub struct Bad {
    /// What is wrong with it.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
    /// What [`Metainfo::parse`](crate::metainfo::Metainfo::parse) says to it.
    pub error: Error,
}

type Dict = BTreeMap<Vec<u8>, Node>;

/// Bytes in a piece of all torrents here.
const PIECE: u32 = 16 * 1024;

/// Content that anyone can make again: its byte at `offset`.
#[must_use]
pub fn content(offset: u64) -> u8 {
    (offset % 251) as u8
}

/// Torrents as programs of all ages have written them.
#[must_use]
pub fn good_torrents() -> Vec<Good> {
    let good = |name, bytes| Good { name, bytes };
    let trailing = [encode(&plain(|_, _| {})), b"\r\n".to_vec()].concat();
    vec![
        good("one file", torrent(&[("", 100_000)], Version::One)),
        good("several files", torrent(&[("a/b.txt", 20_000), ("a/c", 0), ("d", 3)], Version::One)),
        good("version 2", torrent(&[("a/b", 70_000), ("a/c", 0), ("d", 16_384)], Version::Two)),
        good("version 2, one file", torrent(&[("", 70_000)], Version::Two)),
        good("a hybrid", torrent(&[("a", 70_000), ("b/c", 1), ("b/d", 40_000)], Version::Both)),
        good("a hybrid of one file", torrent(&[("", 70_000)], Version::Both)),
        good("nothing but empty files", torrent(&[("a", 0), ("b", 0)], Version::One)),
        good("trailing bytes", trailing),
        good("unsorted keys", unsorted()),
        good("names in another encoding", encode(&legacy())),
        good("links and attributes", encode(&attributes())),
        good("names from hell", encode(&nasty_names())),
        good("trackers, web seeds and nodes", encode(&surroundings())),
    ]
}

/// Inputs that must end in one clear sentence.
#[must_use]
pub fn bad_torrents() -> Vec<Bad> {
    let mut bad = bad_bytes();
    bad.extend(bad_fields());
    bad.extend(bad_files());
    bad.extend(bad_trees());
    bad
}

/// Bytes that are no torrent at all.
fn bad_bytes() -> Vec<Bad> {
    let bad = |name, bytes: &[u8], offset, kind| Bad {
        name,
        bytes: bytes.to_vec(),
        error: Error::Bencode(bencode::Error { offset, kind }),
    };
    let whole = encode(&plain(|_, _| {}));
    let cut = &whole[..whole.len() - 30];
    let page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>";
    vec![
        bad("an empty file", b"", 0, ErrorKind::End),
        bad("a web page", page, 0, ErrorKind::Unexpected),
        bad("a picture", b"\x89PNG\r\n\x1a\n", 0, ErrorKind::Unexpected),
        bad("an archive", b"\x1f\x8b\x08\0\0\0\0\0", 0, ErrorKind::Unexpected),
        bad("a text", b"hello, world", 0, ErrorKind::Unexpected),
        bad("zeros", &[0; 1024], 0, ErrorKind::Unexpected),
        bad("a torrent that was cut", cut, last_string(cut), ErrorKind::TooLong),
        bad("200,000 nested lists", &b"l".repeat(200_000), 100, ErrorKind::Depth),
        bad("200,000 nested dictionaries", &b"d1:a".repeat(200_000), 400, ErrorKind::Depth),
        bad("a string of 9 TB", b"d4:info9000000000000:abc", 7, ErrorKind::TooLong),
        bad("a length that overflows", b"d4:info99999999999999999999:e", 7, ErrorKind::Length),
        bad("a number without end", b"d4:infoi123", 11, ErrorKind::End),
        bad("a key that is no string", b"di1e4:infoe", 1, ErrorKind::Key),
        Bad { name: "a list", bytes: b"l4:infoe".to_vec(), error: Error::NotDictionary },
        Bad { name: "a number", bytes: b"i42e".to_vec(), error: Error::NotDictionary },
    ]
}

/// Where the piece hashes start, which are the last string of a torrent that was cut in them.
fn last_string(cut: &[u8]) -> usize {
    let key = b"6:pieces";
    let at = cut.windows(key.len()).position(|window| window == key);
    at.expect("the cut is behind the key") + key.len()
}

/// Fields that are missing, of the wrong kind or out of range.
fn bad_fields() -> Vec<Bad> {
    let bad = |name, node: &Node, error| Bad { name, bytes: encode(node), error };
    let without = |key: &'static str| plain(|_, info| drop(info.remove(key.as_bytes())));
    let with = |key: &str, value: Node| plain(|_, info| set(info, key, value));
    let twice = b"d4:infod6:lengthi0ee4:infod6:lengthi1eee".to_vec();
    let pieces = Error::Sizes(LayoutError::PieceLength);
    let wrong = Error::Wrong;
    vec![
        bad("no info", &plain(|outer, _| drop(outer.remove(&b"info"[..]))), Error::Missing("info")),
        bad("info that is a list", &Node::from([("info", Node::List(vec![]))]), wrong("info")),
        Bad { name: "two infos", bytes: twice, error: Error::Twice("info") },
        bad("no name", &without("name"), Error::Missing("name")),
        bad("a name that is a number", &with("name", 7.into()), wrong("name")),
        bad("no piece length", &without("piece length"), Error::Missing("piece length")),
        bad("a piece length of 0", &with("piece length", 0.into()), pieces.clone()),
        bad("a negative piece length", &with("piece length", (-16384).into()), pieces.clone()),
        bad("a piece length of 4 GiB", &with("piece length", (1 << 32).into()), pieces),
        bad("a piece length in words", &with("piece length", "many".into()), wrong("piece length")),
        bad("no pieces", &without("pieces"), Error::Missing("pieces")),
        bad("pieces that are a list", &with("pieces", Node::List(vec![])), wrong("pieces")),
        bad("half a piece hash", &with("pieces", vec![1; 70].into()), wrong("pieces")),
        bad(
            "too few pieces",
            &with("pieces", vec![1; 40].into()),
            Error::PieceCount { needed: 4, found: 2 },
        ),
        bad(
            "too many pieces",
            &with("pieces", vec![1; 4000].into()),
            Error::PieceCount { needed: 4, found: 200 },
        ),
        bad("a version to come", &version_to_come(), Error::Version(3)),
        bad("a version in words", &with("meta version", "two".into()), wrong("meta version")),
    ]
}

fn version_to_come() -> Node {
    plain(|_, info| {
        info.remove(&b"pieces"[..]);
        set(info, "meta version", 3.into());
    })
}

/// File lists that make no sense.
fn bad_files() -> Vec<Bad> {
    let bad = |name, files: Node, error| {
        let node = plain(|_, info| {
            info.remove(&b"length"[..]);
            set(info, "files", files);
        });
        Bad { name, bytes: encode(&node), error }
    };
    let with = |key: &str, value: Node| {
        let node = plain(|_, info| set(info, key, value));
        encode(&node)
    };
    let path = || Node::from(vec![Node::from("a")]);
    let one = |file: Node| Node::from(vec![file]);
    let sized = |length: i64| Node::from([("length", length.into()), ("path", path())]);
    let at = |path: Node| Node::from([("length", Node::from(1)), ("path", path)]);
    let padding = Node::from([("attr", "p".into()), ("length", 1.into()), ("path", path())]);
    let total = Error::Sizes(LayoutError::TotalLength);
    let many = Error::Sizes(LayoutError::TooManyPieces);
    let deep = Node::from(vec![Node::from("d"); 65]);
    let too_long = b"d4:infod6:lengthi9223372036854775808e4:name1:a12:piece lengthi1e6:pieces0:ee";
    let too_long = too_long.to_vec();
    let neither = plain(|_, info| drop(info.remove(&b"length"[..])));
    vec![
        Bad {
            name: "neither length nor files",
            bytes: encode(&neither),
            error: Error::Missing("files"),
        },
        Bad {
            name: "length and files",
            bytes: with("files", one(sized(1))),
            error: Error::LengthAndFiles,
        },
        Bad {
            name: "a negative length",
            bytes: with("length", (-1).into()),
            error: Error::Wrong("length"),
        },
        Bad { name: "a length of 2^63", bytes: too_long, error: Error::Wrong("length") },
        Bad { name: "an endless file", bytes: with("length", i64::MAX.into()), error: many },
        bad("nothing but padding", one(padding), Error::NoFiles),
        bad("no files", Node::List(vec![]), Error::NoFiles),
        bad("files that are a number", 3.into(), Error::Wrong("files")),
        bad("a file that is a number", one(3.into()), Error::Wrong("files")),
        bad("a file without length", one([("path", path())].into()), Error::Missing("length")),
        bad("a file of negative length", one(sized(-5)), Error::Wrong("length")),
        bad("lengths that overflow", vec![sized(i64::MAX), sized(i64::MAX)].into(), total),
        bad("a file without path", one([("length", 1.into())].into()), Error::Missing("path")),
        bad("a path that is a string", one(at("a/b".into())), Error::Wrong("path")),
        bad("a path without parts", one(at(Node::List(vec![]))), Error::Wrong("path")),
        bad("a path of numbers", one(at(vec![Node::Int(1)].into())), Error::Wrong("path")),
        bad("a path of 65 parts", one(at(deep)), Error::Path(PathError::Depth)),
    ]
}

/// Torrents of version 2 and hybrids whose halves or hashes do not fit.
fn bad_trees() -> Vec<Bad> {
    let a = || "a".to_string();
    vec![
        edit("a tree without version", Version::Two, Error::Missing("pieces"), &|outer| {
            child(outer, "info").remove(&b"meta version"[..]);
        }),
        edit("a version without tree", Version::Two, Error::Missing("file tree"), &|outer| {
            child(outer, "info").remove(&b"file tree"[..]);
        }),
        edit("an empty tree", Version::Two, Error::NoFiles, &|outer| {
            child(child(outer, "info"), "file tree").clear();
        }),
        edit("a tree of empty folders", Version::Two, Error::NoFiles, &|outer| {
            let tree = child(child(outer, "info"), "file tree");
            tree.clear();
            set(tree, "a", Node::from([("b", Node::from([])), ("c", Node::from([]))]));
        }),
        edit("a tree that is a file", Version::Two, Error::Wrong("file tree"), &|outer| {
            let tree = child(child(outer, "info"), "file tree");
            set(tree, "", Node::from([("length", 0.into())]));
        }),
        edit("a file that is a folder", Version::Two, Error::FileAndFolder(a()), &|outer| {
            let file = child(child(child(outer, "info"), "file tree"), "a");
            set(file, "b", Node::from([]));
        }),
        edit("a short root", Version::Two, Error::Wrong("pieces root"), &|outer| {
            let file = child(child(child(child(outer, "info"), "file tree"), "a"), "");
            set(file, "pieces root", "abc".into());
        }),
        edit("no root", Version::Two, Error::Missing("pieces root"), &|outer| {
            let file = child(child(child(child(outer, "info"), "file tree"), "a"), "");
            file.remove(&b"pieces root"[..]);
        }),
        edit("no piece layers", Version::Two, Error::NoLayer(a()), &|outer| {
            outer.remove(&b"piece layers"[..]);
        }),
        edit("a false piece layer", Version::Two, Error::BadLayer(a()), &|outer| {
            spoil(child(outer, "piece layers"), &|layer| layer[40] ^= 1);
        }),
        edit("a short piece layer", Version::Both, Error::BadLayer(a()), &|outer| {
            spoil(child(outer, "piece layers"), &|layer| layer.truncate(64));
        }),
        edit("odd pieces in version 2", Version::Two, Error::PieceLengthV2, &|outer| {
            set(child(outer, "info"), "piece length", 20_000.into());
        }),
        edit("a hybrid of two minds", Version::Both, Error::Hybrid("b/c".into()), &|outer| {
            let folder = child(child(child(outer, "info"), "file tree"), "b");
            set(child(child(folder, "c"), ""), "length", 2.into());
        }),
        edit("a hybrid out of step", Version::Both, Error::Hybrid("b/c".into()), &|outer| {
            let files = child(outer, "info").get_mut(&b"files"[..]);
            let Some(Node::List(files)) = files else { panic!("there are files") };
            files.remove(1);
        }),
        edit("a hybrid with one file more", Version::Both, Error::Hybrid("z".into()), &|outer| {
            let tree = child(child(outer, "info"), "file tree");
            set(tree, "z", Node::from([("", Node::from([("length", 0.into())]))]));
        }),
        edit("a hybrid with one file less", Version::Both, Error::Hybrid("b/d".into()), &|outer| {
            child(child(child(outer, "info"), "file tree"), "b").remove(&b"d"[..]);
        }),
    ]
}

/// A torrent of three files, changed.
fn edit(name: &'static str, version: Version, error: Error, edit: &dyn Fn(&mut Dict)) -> Bad {
    let bytes = torrent(&[("a", 70_000), ("b/c", 1), ("b/d", 40_000)], version);
    let tape = bencode::decode(&bytes, bencode::Mode::Strict).expect("it is canonical");
    let mut node = tape.root().to_node().expect("numbers are small");
    edit(dict(&mut node));
    Bad { name, bytes: encode(&node), error }
}

/// A torrent of one file, with room for changes: the outer dictionary, then `info`.
fn plain(edit: impl FnOnce(&mut Dict, &mut Dict)) -> Node {
    let mut info = Dict::new();
    set(&mut info, "length", 50_000.into());
    set(&mut info, "name", "Atlas".into());
    set(&mut info, "piece length", i64::from(PIECE).into());
    set(&mut info, "pieces", vec![1; 80].into());
    let mut outer = Dict::new();
    set(&mut outer, "announce", "http://tracker.example/announce".into());
    set(&mut outer, "info", Node::Int(0));
    edit(&mut outer, &mut info);
    if let Some(place) = outer.get_mut(&b"info"[..]) {
        *place = Node::Dict(info);
    }
    Node::Dict(outer)
}

fn set(dict: &mut Dict, key: &str, value: Node) {
    dict.insert(key.as_bytes().to_vec(), value);
}

fn dict(node: &mut Node) -> &mut Dict {
    match node {
        Node::Dict(entries) => entries,
        _ => panic!("it is a dictionary"),
    }
}

fn child<'d>(parent: &'d mut Dict, key: &str) -> &'d mut Dict {
    dict(parent.get_mut(key.as_bytes()).expect("the key is there"))
}

/// Changes all layers.
fn spoil(layers: &mut Dict, edit: &dyn Fn(&mut Vec<u8>)) {
    for layer in layers.values_mut() {
        let Node::Bytes(layer) = layer else { panic!("a layer is a string") };
        edit(layer);
    }
}

/// Which versions a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// BEP 3.
    One,
    /// BEP 52.
    Two,
    /// BEP 52, a hybrid.
    Both,
}

/// A torrent over files of [`content`], which runs on from file to file, padding apart. Paths are
/// sorted and have `/` between their parts; one file of an empty path has no folder.
#[must_use]
pub fn torrent(files: &[(&str, u64)], version: Version) -> Vec<u8> {
    let mut listed = Vec::new();
    let mut stream = Vec::new();
    let mut offset = 0;
    for &(path, length) in files {
        let bytes: Vec<u8> = (offset..offset + length).map(content).collect();
        offset += length;
        stream.extend_from_slice(&bytes);
        let path = path.split('/').filter(|part| !part.is_empty()).map(String::from).collect();
        let hashes = (version != Version::One).then(|| {
            let mut hasher = FileHasher::new(PIECE);
            hasher.update(&bytes);
            hasher.finish()
        });
        listed.push(NewFile { path, length, hashes, ..NewFile::default() });
        let over = length % u64::from(PIECE);
        if version == Version::Both && over > 0 {
            listed.push(NewFile::padding(u64::from(PIECE) - over));
            stream.resize(stream.len().next_multiple_of(PIECE as usize), 0);
        }
    }
    if listed.pop_if(|last| last.pad).is_some() {
        // Padding behind the last file would be hashed for nothing.
        let total: u64 = listed.iter().map(|file| file.length).sum();
        stream.truncate(total as usize);
    }
    let hashes = stream.chunks(PIECE as usize).map(|piece| Sha1::digest(piece).into()).collect();
    let torrent = NewTorrent {
        name: "Atlas".into(),
        files: listed,
        piece_length: PIECE,
        piece_hashes: (version != Version::Two).then_some(hashes),
        trackers: vec![vec!["http://tracker.example/announce".into()]],
        ..NewTorrent::default()
    };
    torrent.build().expect("the files are sorted and hashed")
}

/// As some old programs wrote them: `info` first, and keys in it in any order, one twice.
fn unsorted() -> Vec<u8> {
    let mut bytes =
        b"d4:infod12:piece lengthi16384e4:name5:Atlas6:lengthi03e4:name5:Other".to_vec();
    bytes.extend_from_slice(b"6:pieces20:");
    bytes.extend_from_slice(&[7; 20]);
    bytes.extend_from_slice(b"e8:announce06:http:/e");
    bytes
}

fn file(length: i64, path: &[&[u8]]) -> Dict {
    let mut file = Dict::new();
    set(&mut file, "length", length.into());
    set(&mut file, "path", path.iter().map(|&part| part.into()).collect::<Vec<Node>>().into());
    file
}

/// A folder of files that all together have the 50,000 bytes of [`plain`].
fn folder(mut files: Vec<Dict>) -> Node {
    files.push(file(50_000, &[b"content"]));
    plain(|_, info| {
        info.remove(&b"length"[..]);
        set(info, "files", files.into_iter().map(Node::Dict).collect::<Vec<_>>().into());
    })
}

fn legacy() -> Node {
    let mut with_utf8 = file(0, &[b"\xd6\xd0.txt"]);
    set(&mut with_utf8, "path.utf-8", vec![Node::from("中.txt")].into());
    let mut node = folder(vec![with_utf8, file(0, &[b"caf\xe9"])]);
    let outer = dict(&mut node);
    set(outer, "encoding", "GBK".into());
    let info = child(outer, "info");
    set(info, "name", b"\xc9\xbd"[..].into());
    set(info, "name.utf-8", "山".into());
    node
}

fn attributes() -> Node {
    let with = |attr: &str, mut file: Dict| {
        set(&mut file, "attr", attr.into());
        file
    };
    let link = |path: &[&[u8]], target: &[&str]| {
        let mut link = with("l", file(0, path));
        let target = target.iter().map(|&part| part.into()).collect::<Vec<Node>>();
        set(&mut link, "symlink path", target.into());
        link
    };
    folder(vec![
        with("x", file(0, &[b"run.sh"])),
        with("hx", file(0, &[b".run"])),
        with("p", file(0, &[b".pad", b"0"])),
        with("p", file(0, &[b".pad", b"0"])),
        link(&[b"inside"], &["content"]),
        link(&[b"outside"], &["..", "..", "etc", "passwd"]),
        link(&[b"absolute"], &["/etc/passwd"]),
        with("l", file(0, &[b"nowhere"])),
    ])
}

fn nasty_names() -> Node {
    let long = "x".repeat(1000);
    let deep: Vec<&[u8]> = vec![b"directory"; 64];
    let names: [&[&[u8]]; 22] = [
        &[b"..", b"..", b"etc", b"passwd"],
        &[b"/etc/passwd"],
        &[b"C:\\Windows\\system32"],
        &[b"\\\\host\\share\\x"],
        &[b"CON"],
        &[b"NUL.txt"],
        &["COM¹".as_bytes()],
        &[b"trailing. . "],
        &[b"stream:ads"],
        &[b"\x1b]0;title\x07\x1b[2J"],
        &["invoice\u{202e}fdp.exe".as_bytes()],
        &[b"a\0b"],
        &[b"", b".", b""],
        &[b"<script>alert(1)</script>"],
        &[b"Case"],
        &[b"case"],
        &["é".as_bytes()],
        &["e\u{301}".as_bytes()],
        &[b"case", b"inside"],
        &[b"content.part"],
        &[long.as_bytes()],
        &deep,
    ];
    let mut node = folder(names.iter().map(|name| file(0, name)).collect());
    set(child(dict(&mut node), "info"), "name", "../\u{202e}..".into());
    node
}

fn surroundings() -> Node {
    let list = |texts: &[&str]| Node::from(texts.iter().map(|&t| t.into()).collect::<Vec<Node>>());
    plain(|outer, info| {
        let first = list(&["http://a.example/announce", "udp://b.example:80", "", "ftp://c"]);
        let again = list(&["http://a.example/announce"]);
        let tiers = vec![first, again, "http://d.example/announce".into(), 7.into()];
        set(outer, "announce-list", tiers.into());
        set(outer, "url-list", list(&["http://w.example/", "http://w.example/", "http://x/"]));
        let node = |host: &str, port: i64| Node::from(vec![Node::from(host), port.into()]);
        set(outer, "nodes", vec![node("router.example", 6881), node("bad", 70_000)].into());
        set(outer, "comment", "two\nlines".into());
        set(outer, "created by", 7.into());
        set(outer, "creation date", (-1).into());
        set(info, "private", 1.into());
        set(info, "source", "here".into());
    })
}
