//! Torrents made on the spot, and sessions that are waited for.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};
use toubkal_session::{Add, Metainfo, Notice, Options, Session, SessionEvent, Status, Torrent};
use toubkal_wire::bencode::{Node, encode};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Files that are not alike: lengths and contents follow from their number.
pub fn write_files(dir: &Path, name: &str, lengths: &[usize]) {
    for (number, &length) in lengths.iter().enumerate() {
        let path = dir.join(name).join(format!("folder {}", number % 3));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(format!("file {number}")), content(number, length)).unwrap();
    }
}

pub fn content(number: usize, length: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The torrent of [`write_files`].
pub fn torrent(name: &str, lengths: &[usize], piece: usize, tracker: Option<&str>) -> Metainfo {
    Metainfo::parse(&torrent_file(name, lengths, piece, tracker)).unwrap()
}

/// The bytes of [`torrent`].
pub fn torrent_file(name: &str, lengths: &[usize], piece: usize, tracker: Option<&str>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut files = Vec::new();
    for (number, &length) in lengths.iter().enumerate() {
        all.extend(content(number, length));
        let path = [format!("folder {}", number % 3), format!("file {number}")];
        let path: Vec<Node> = path.iter().map(|part| Node::from(part.as_str())).collect();
        files.push(Node::from([("length", Node::from(length as i64)), ("path", path.into())]));
    }
    let hashes: Vec<u8> = all.chunks(piece).flat_map(Sha1::digest).collect();
    let info = Node::from([
        ("name", Node::from(name)),
        ("piece length", Node::from(piece as i64)),
        ("pieces", Node::from(hashes)),
        ("files", Node::from(files)),
    ]);
    match tracker {
        Some(url) => encode(&Node::from([("announce", Node::from(url)), ("info", info)])),
        None => encode(&Node::from([("info", info)])),
    }
}

/// A torrent, and the file of it.
pub fn parsed(name: &str, lengths: &[usize], piece: usize) -> (Arc<Metainfo>, Arc<[u8]>) {
    let bytes = torrent_file(name, lengths, piece, None);
    (Arc::new(Metainfo::parse(&bytes).unwrap()), bytes.into())
}

/// Checks every byte.
pub fn assert_same(dir: &Path, name: &str, lengths: &[usize]) {
    for (number, &length) in lengths.iter().enumerate() {
        let path = dir.join(name).join(format!("folder {}", number % 3));
        let found = std::fs::read(path.join(format!("file {number}"))).unwrap();
        assert!(found == content(number, length), "file {number} is not what it was");
    }
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Options as usual, with as many hands as the test program says by its name; nobody is asked who
/// is not of the test.
pub fn options() -> Options {
    let hands = match env!("CARGO_CRATE_NAME") {
        "two_hands" | "crowd_two_hands" => 2,
        "four_hands" => 4,
        _ => 1,
    };
    Options { hands, lan: false, dht: false, ..Options::default() }
}

/// A session that listens on loopback.
pub fn session() -> Session {
    Session::start(Options { listen: vec![loopback()], ..options() }).unwrap()
}

/// A session that seeds from `dir`.
pub fn seed(metainfo: &Arc<Metainfo>, dir: &Path) -> (Session, Torrent) {
    let session = session();
    let torrent = session.add(Arc::clone(metainfo), Add::to(dir)).unwrap();
    until(&session, "seeding", |notice| matches!(notice, Notice::Completed { at_once: true, .. }));
    (session, torrent)
}

/// Waits for news.
pub fn until(session: &Session, what: &str, mut is_it: impl FnMut(&Notice) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        match session.next_event(Duration::from_millis(100)) {
            Some(SessionEvent::Notice(notice)) if is_it(&notice) => return,
            Some(SessionEvent::Notice(Notice::Failed { error, .. })) => {
                panic!("{what}: the disk says {error:?}")
            }
            Some(SessionEvent::Crashed { message }) => panic!("{what}: {message}"),
            _ => assert!(Instant::now() < end, "waited in vain for: {what}"),
        }
    }
}

/// Waits until a torrent is as it should be.
pub fn wait(torrent: &Torrent, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = torrent.status();
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < end, "waited in vain for {what}: {status:?}");
        std::thread::yield_now();
    }
}

pub fn until_completed(session: &Session) {
    until(session, "completion", |notice| matches!(notice, Notice::Completed { .. }));
}
