//! Thousands of peers at once: everybody gets every byte, or is refused by the rule, and memory
//! stays within what docs/limits.md says.
#![cfg(unix)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/swarm.rs"]
mod swarm;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{loopback, options, torrent, until, write_files};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use swarm::{Goods, Swarm};
use toubkal_session::{Add, Notice, Options, Session};

const PIECE: usize = 32_768;
/// What a session may hold beside what it holds for each connection: blocks that are read ahead,
/// as much of them that is kept to be used again, the common buffer, queues.
const BASE_BYTES: usize = 20 * 1024 * 1024;
/// What it may hold for one connection: what the engine knows of the peer, a few requests, what
/// is left of a message. The peer's own side in this process is in it, too.
const LINK_BYTES: usize = 4 * 1024;

/// The limit of open files and the memory are of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn two_thousand_peers_of_one_torrent_all_get_every_byte_and_more_are_refused() {
    let _alone = alone(4_500);
    serve_crowd(1, 2_000, 100);
}

#[test]
fn five_thousand_peers_of_a_hundred_torrents_all_get_every_byte() {
    let _alone = alone(11_000);
    serve_crowd(100, 50, 0);
}

/// Seeds `torrents` to `peers` each, all connected at once; then `late` more come.
fn serve_crowd(torrents: usize, peers: usize, late: usize) {
    let dir = tempfile::tempdir().unwrap();
    let all = torrents * peers;
    let options = Options { listen: vec![loopback()], links_max: all as u32, ..options() };
    let session = Session::start(options).unwrap();
    let goods: Vec<Arc<Goods>> =
        (0..torrents).map(|number| seed(&session, dir.path(), number)).collect();
    let addr = session.listening_on()[0];
    let before = memory::live();
    memory::forget_peak();

    let mut swarm = Swarm::new();
    for number in 0..all {
        swarm.join(addr, &goods[number % torrents]);
        // More at once would wait for the system to try again, which takes seconds.
        if number % 500 == 499 {
            swarm.until("all to be let in", |swarm| swarm.met() + swarm.ended() > number);
        }
    }
    swarm.until("all have everything", |swarm| swarm.ended() == all);
    // Who was held up before it had said its handshake may have been refused; it comes again.
    let again = swarm.take_refused();
    assert!(again.len() < all / 20, "{} were refused, though there was room", again.len());
    again.iter().for_each(|goods| swarm.join(addr, goods));
    swarm.until("all have everything", |swarm| swarm.ended() == all);
    assert_eq!(swarm.complete(), all, "somebody was refused twice");
    assert_eq!(swarm.open(), all, "somebody lost its place");
    let used = memory::peak() - before;
    let limit = BASE_BYTES + all * LINK_BYTES;
    println!("{used} bytes at the peak");
    assert!(used <= limit, "{used} bytes were used at the peak, more than {limit}");

    for number in 0..late {
        swarm.join(addr, &goods[number % torrents]);
    }
    swarm.until("the late to be refused", |swarm| swarm.ended() == all + late);
    assert_eq!(swarm.take_refused().len(), late, "there was no room");
    assert_eq!(swarm.open(), all, "who was there stays");
    // One goes, and one more finds its place, once the session has seen that there is room.
    swarm.leave();
    swarm.join(addr, &goods[0]);
    swarm.until("the next to get in", |swarm| {
        for goods in swarm.take_refused() {
            swarm.join(addr, &goods);
        }
        swarm.complete() == all + 1
    });
}

fn seed(session: &Session, dir: &Path, number: usize) -> Arc<Goods> {
    let name = format!("crowd {number}");
    // Not a whole number of pieces, nor of blocks.
    let length = 2 * PIECE + 20_001 + number;
    write_files(dir, &name, &[length]);
    let metainfo = Arc::new(torrent(&name, &[length], PIECE, None));
    let info_hash = metainfo.info_hash_v1.unwrap();
    session.add(metainfo, Add::to(dir)).unwrap();
    until(session, "seeding", |notice| matches!(notice, Notice::Completed { at_once: true, .. }));
    Arc::new(Goods { info_hash, piece: PIECE, bytes: common::content(0, length) })
}

/// Nobody else runs, and this process may open so many files and sockets.
fn alone(files: u64) -> impl Drop {
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= files);
    assert!(
        enough(limit.maximum),
        "this test needs {files} open files, the system allows {:?}: `ulimit -Hn {files}`",
        limit.maximum
    );
    if !enough(limit.current) {
        let more = Rlimit { current: Some(files), maximum: limit.maximum };
        setrlimit(Resource::Nofile, more).unwrap();
    }
    guard
}

/// How long a crowd may take; it takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);
