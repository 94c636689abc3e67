//! A process that has no socket left stays alive, and works again when it has.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use common::{seed, write_files};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use toubkal_wire::handshake::{Greeting, HANDSHAKE_BYTES, Reserved};

const LENGTHS: [usize; 1] = [100_000];

/// Alone in its process, because the limit is of the process.
#[test]
fn a_session_outlives_a_want_of_sockets() {
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path(), "few", &LENGTHS);
    let metainfo = Arc::new(common::torrent("few", &LENGTHS, 16_384, None));
    let (seeding, torrent) = seed(&metainfo, dir.path());
    let addr = seeding.listening_on()[0];
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: before.maximum }).unwrap();

    let mut crowd = Vec::new();
    while let Ok(file) = File::open(dir.path()) {
        crowd.push(file);
        assert!(crowd.len() < 64, "the limit does not hold");
    }
    // One is left for us, none for the session.
    drop(crowd.pop());
    let mut peer = TcpStream::connect(addr).unwrap();
    // The session may have closed something meanwhile: that is taken, too.
    while let Ok(file) = File::open(dir.path()) {
        crowd.push(file);
        assert!(crowd.len() < 64, "the limit does not hold");
    }
    // Two answers: a whole round lies between, in which the session tried to accept.
    let _ = torrent.status();
    let _ = torrent.status();
    drop(crowd);
    assert_eq!(shake_hands(&mut peer, metainfo.info_hash_v1.unwrap()), metainfo.info_hash_v1);
    setrlimit(Resource::Nofile, before).unwrap();
}

fn shake_hands(peer: &mut TcpStream, info_hash: [u8; 20]) -> Option<[u8; 20]> {
    let greeting = Greeting { reserved: Reserved::OURS, info_hash };
    peer.write_all(&greeting.encode(b"-XX0000-bbbbbbbbbbbb")).unwrap();
    let mut answer = [0; HANDSHAKE_BYTES];
    peer.read_exact(&mut answer).unwrap();
    Greeting::decode(answer.first_chunk()?).map(|greeting| greeting.info_hash)
}
