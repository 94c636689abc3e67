//! How long a session takes to bring back many torrents.
//!
//! `cargo run --release -p toubkal-session --example restore_speed -- [TORRENTS]`
//!
//! They are paused, so that what is measured is the database and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_session::{Add, Metainfo, Options, Session};
use toubkal_wire::bencode::{Node, encode};

/// Pieces of each.
const PIECES: usize = 1000;

fn main() {
    let count = std::env::args().nth(1).map_or(10_000, |n| n.parse().expect("a number"));
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let start = || {
        let state = Some(dir.path().join("state.db"));
        Session::start(Options { state, dht: false, ..Options::default() }).expect("it starts")
    };
    let session = start();
    let began = Instant::now();
    for number in 0..count {
        let bytes = torrent(number);
        let metainfo = Arc::new(Metainfo::parse(&bytes).expect("a torrent"));
        let add = Add { paused: true, torrent: Some(bytes.into()), ..Add::to(dir.path()) };
        session.add(metainfo, add).expect("each once");
    }
    println!("added {count} torrents in {:.2?}", began.elapsed());
    session.shutdown(Duration::from_secs(60));
    let began = Instant::now();
    let session = start();
    let started = began.elapsed();
    let torrents = session.restore().expect("the database is there");
    let restored = began.elapsed();
    assert_eq!(torrents.len(), count);
    println!("started in {started:.2?}, all back after {restored:.2?}");
}

fn torrent(number: usize) -> Vec<u8> {
    let hashes: Vec<u8> = (0..PIECES * 20).map(|at| (at * 7 + number) as u8).collect();
    let info = Node::from([
        ("length", Node::from(PIECES as i64 * 65_536)),
        ("name", Node::from(format!("torrent {number}").as_str())),
        ("piece length", Node::from(65_536)),
        ("pieces", Node::from(hashes)),
    ]);
    encode(&Node::from([("info", info)]))
}
