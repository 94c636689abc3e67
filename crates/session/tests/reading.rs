//! Files that are read while they come: what is read is what was seeded, and ends as it should.

mod common;

use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use common::{content, loopback, options, parsed, seed, session, torrent, wait, write_files};
use toubkal_session::{
    Add, Metainfo, Options, Priority, Rates, ReadError, Reader, Session, State, Torrent,
};

const MIB: usize = 1024 * 1024;
const PIECE: usize = 256 * 1024;

fn patience() -> Duration {
    Duration::from_secs(10)
}

/// A session that has not the torrent, and hears of one that has.
fn leech(metainfo: &Arc<Metainfo>, from: &Session, add: Add) -> (Session, Torrent) {
    let session = session();
    let peers = from.listening_on().to_vec();
    let torrent = session.add(Arc::clone(metainfo), Add { peers, ..add }).unwrap();
    (session, torrent)
}

fn reader(torrent: &Torrent, file: usize) -> Reader {
    let mut reader = torrent.reader(file).unwrap();
    reader.set_timeout(Some(common::PATIENCE));
    reader
}

/// Reads so many bytes from there on, and compares them.
fn compare(reader: &mut Reader, all: &[u8], at: usize, count: usize) {
    let mut bytes = vec![0; count];
    reader.seek(SeekFrom::Start(at as u64)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert!(bytes == all[at..at + count], "{count} bytes from {at} on are not what they were");
    assert_eq!(reader.position(), (at + count) as u64);
}

fn why(error: &std::io::Error) -> Option<ReadError> {
    error.get_ref()?.downcast_ref::<ReadError>().cloned()
}

#[test]
fn what_is_read_before_the_download_is_complete_is_what_was_seeded() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lengths = [100_000, 64 * MIB];
    write_files(from.path(), "film", &lengths);
    let metainfo = Arc::new(torrent("film", &lengths, PIECE, None));
    let (seeding, seed) = seed(&metainfo, from.path());
    seed.limit(Rates { down: None, up: Some(16_000_000) });
    let (leeching, got) = leech(&metainfo, &seeding, Add::to(to.path()));
    let all = content(1, lengths[1]);
    let mut one = reader(&got, 1);
    assert_eq!((one.len(), one.position()), (64 * MIB as u64, 0));
    let mut two = reader(&got, 1);
    compare(&mut one, &all, 0, 100_000);
    compare(&mut two, &all, 40 * MIB + 17, 3 * MIB);
    for at in [60 * MIB, 20 * MIB - 1, 64 * MIB - 5, 50 * MIB] {
        compare(&mut one, &all, at, MIB.min(64 * MIB - at));
    }
    compare(&mut two, &all, 30 * MIB, 2 * MIB);
    let status = got.status();
    assert!(status.left > 20 * MIB as u64, "{} bytes are left", status.left);
    // The end is the end.
    assert_eq!(one.seek(SeekFrom::End(-1)).unwrap(), 64 * MIB as u64 - 1);
    let mut rest = Vec::new();
    assert_eq!(one.read_to_end(&mut rest).unwrap(), 1);
    assert_eq!(one.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(one.seek(SeekFrom::Current(-i64::MAX)).unwrap_err().kind(), ErrorKind::InvalidInput);
    drop((one, two));
    seed.limit(Rates::default());
    wait(&got, "the whole", |status| status.state == State::Seeding);
    // And from files that have their names.
    let mut whole = reader(&got, 1);
    compare(&mut whole, &all, 0, 64 * MIB);
    wait_ready(&mut whole, 0, 64 * MIB as u64);
    leeching.shutdown(patience());
    seeding.shutdown(patience());
}

/// Goes there, and waits until so much is there.
fn wait_ready(reader: &mut Reader, at: u64, ready: u64) {
    reader.seek(SeekFrom::Start(at)).unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    reader.seek(SeekFrom::Start(at)).unwrap();
    assert_eq!(reader.ready(), ready);
}

#[test]
fn a_file_that_is_not_wanted_comes_when_it_is_read() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lengths = [3 * MIB, 700_001, 2 * MIB];
    write_files(from.path(), "some", &lengths);
    let metainfo = Arc::new(torrent("some", &lengths, PIECE, None));
    let (seeding, _seed) = seed(&metainfo, from.path());
    let priorities = Some(vec![Priority::Skip, Priority::Normal, Priority::Skip]);
    let (leeching, got) = leech(&metainfo, &seeding, Add { priorities, ..Add::to(to.path()) });
    wait(&got, "what is wanted", |status| status.state == State::Seeding);
    got.add_peers(seeding.listening_on().to_vec());
    let mut one = reader(&got, 0);
    compare(&mut one, &content(0, lengths[0]), 2 * MIB, MIB);
    drop(one);
    let last = wait(&got, "the end", |status| status.state == State::Seeding);
    assert!(last.have < last.pieces, "what nobody reads does not come");
    leeching.shutdown(patience());
    seeding.shutdown(patience());
}

#[test]
fn a_torrent_that_rests_is_woken_by_who_reads() {
    let dir = tempfile::tempdir().unwrap();
    let lengths = [300_000, 0, 3, 700_001];
    let state = Some(dir.path().join(".toubkal/state.db"));
    let start = || {
        let options = Options { listen: vec![loopback()], state: state.clone(), ..options() };
        Session::start(options).unwrap()
    };
    write_files(dir.path(), "rest", &lengths);
    let (metainfo, bytes) = parsed("rest", &lengths, 65_536);
    let first = start();
    let torrent = first.add(metainfo, Add { torrent: Some(bytes), ..Add::to(dir.path()) }).unwrap();
    wait(&torrent, "the check", |status| status.state == State::Seeding);
    first.shutdown(patience());
    let second = start();
    let torrents = second.restore().unwrap();
    let mut one = reader(&torrents[0], 3);
    compare(&mut one, &content(3, lengths[3]), 500_000, 200_001);
    assert_eq!(reader(&torrents[0], 1).read(&mut [0]).unwrap(), 0, "it is empty");
    assert_eq!(torrents[0].reader(4).unwrap_err(), ReadError::NoFile(4));
    second.shutdown(patience());
}

/// A torrent that nobody seeds.
fn alone() -> (Session, Torrent, tempfile::TempDir) {
    let to = tempfile::tempdir().unwrap();
    let lengths = [3 * MIB];
    let metainfo = Arc::new(torrent("alone", &lengths, PIECE, None));
    let session = session();
    let torrent = session.add(metainfo, Add::to(to.path())).unwrap();
    wait(&torrent, "the look", |status| status.state == State::Downloading);
    (session, torrent, to)
}

/// What a read ends with that waits while something is done.
fn end_of(mut reader: Reader, then: impl FnOnce()) -> ReadError {
    let waits = std::thread::spawn(move || reader.read(&mut [0; 10]).unwrap_err());
    then();
    why(&waits.join().unwrap()).unwrap()
}

#[test]
fn a_read_ends_when_nothing_more_will_come() {
    let (session, torrent, _dir) = alone();
    let mut waits = torrent.reader(0).unwrap();
    waits.set_timeout(Some(Duration::from_millis(1)));
    let error = waits.read(&mut [0; 10]).unwrap_err();
    assert_eq!((error.kind(), why(&error)), (ErrorKind::TimedOut, Some(ReadError::TimedOut)));
    assert_eq!(waits.ready(), 0);
    assert_eq!(end_of(reader(&torrent, 0), || torrent.pause()), ReadError::Stopped);
    wait(&torrent, "the stop", |status| matches!(status.state, State::Stopped(None)));
    assert_eq!(torrent.reader(0).unwrap_err(), ReadError::Stopped);
    torrent.resume();
    wait(&torrent, "the start", |status| status.state == State::Downloading);
    assert_eq!(why(&waits.read(&mut [0]).unwrap_err()), Some(ReadError::TimedOut), "it goes on");
    assert_eq!(end_of(reader(&torrent, 0), || torrent.remove()), ReadError::Removed);
    assert_eq!(torrent.reader(0).unwrap_err(), ReadError::Removed);
    drop(session);

    let (session, torrent, _dir) = alone();
    assert_eq!(end_of(reader(&torrent, 0), || session.shutdown(patience())), ReadError::Ended);
    assert_eq!(torrent.reader(0).unwrap_err(), ReadError::Ended);
}

#[test]
fn so_many_may_read_and_who_leaves_makes_room() {
    let (session, torrent, _dir) = alone();
    let mut readers: Vec<Reader> = (0..16).map(|_| torrent.reader(0).unwrap()).collect();
    assert_eq!(torrent.reader(0).unwrap_err(), ReadError::TooMany);
    readers.pop();
    let _room = torrent.reader(0).unwrap();
    session.shutdown(patience());
}

#[test]
fn what_was_changed_by_others_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let lengths = [2 * MIB, 2 * MIB];
    write_files(dir.path(), "changed", &lengths);
    let metainfo = Arc::new(torrent("changed", &lengths, PIECE, None));
    let (session, torrent) = seed(&metainfo, dir.path());
    let mut one = reader(&torrent, 0);
    compare(&mut one, &content(0, lengths[0]), 0, PIECE);
    let path = dir.path().join("changed/folder 0/file 0");
    std::fs::write(&path, vec![7; 2 * MIB]).unwrap();
    one.seek(SeekFrom::Start(MIB as u64)).unwrap();
    let error = one.read(&mut [0; 100]).unwrap_err();
    assert!(matches!(why(&error), Some(ReadError::Disk { .. })), "{error:?}");
    session.shutdown(patience());
}
