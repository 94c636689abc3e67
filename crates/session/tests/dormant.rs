//! Sessions with torrents that are dormant: known at once, loaded when somebody asks.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::{assert_same, loopback, options, wait, write_files};
use toubkal_session::tracker::{ServerOptions, TrackerServer};
use toubkal_session::{
    Add, AddError, Metainfo, Notice, Options, Rates, Session, SessionEvent, State, Status, Torrent,
};

const LENGTHS: [usize; 4] = [300_000, 0, 3, 700_001];
const PIECE: usize = 65_536;

fn patience() -> Duration {
    Duration::from_secs(10)
}

fn start(state: Option<PathBuf>) -> Session {
    Session::start(Options { listen: vec![loopback()], state, ..options() }).unwrap()
}

fn state_of(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(".toubkal/state.db"))
}

fn parsed(name: &str) -> (Arc<Metainfo>, Arc<[u8]>) {
    common::parsed(name, &LENGTHS, PIECE)
}

/// A folder with whole torrents that a session has left in order.
fn left(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let session = start(state_of(dir.path()));
    for name in names {
        write_files(dir.path(), name, &LENGTHS);
        let (metainfo, bytes) = parsed(name);
        let add = Add { torrent: Some(bytes), ..Add::to(dir.path()) };
        let torrent = session.add(metainfo, add).unwrap();
        wait(&torrent, "the check", |status| status.state == State::Seeding);
    }
    session.shutdown(patience());
    dir
}

/// Whether a torrent's folder was looked at.
fn is_loaded(session: &Session, torrent: &Torrent) -> bool {
    let mut loaded = false;
    while let Some(event) = session.next_event(Duration::ZERO) {
        let SessionEvent::Notice(Notice::Checked { torrent: whose }) = event else { continue };
        loaded |= whose == torrent.id();
    }
    loaded
}

/// Fetches a torrent from a session, elsewhere.
fn fetch(from: &Session, name: &str) {
    let to = tempfile::tempdir().unwrap();
    let session = start(None);
    let peers = from.listening_on().to_vec();
    let torrent = session.add(parsed(name).0, Add { peers, ..Add::to(to.path()) }).unwrap();
    wait(&torrent, "the whole", |status| status.state == State::Seeding);
    assert_same(to.path(), name, &LENGTHS);
    session.shutdown(patience());
}

#[test]
fn whole_torrents_come_back_without_a_look_and_one_is_loaded_when_a_peer_comes() {
    let dir = left(&["one", "two"]);
    let session = start(state_of(dir.path()));
    let torrents = session.restore().unwrap();
    let names: Vec<String> =
        torrents.iter().map(|torrent| torrent.metainfo().unwrap().name.to_string()).collect();
    assert_eq!(names, ["one", "two"]);
    for torrent in &torrents {
        let status = torrent.status();
        let pieces = parsed("one").0.pieces();
        assert_eq!((status.state, status.have, status.left), (State::Seeding, pieces, 0));
        assert_eq!(status.wanted, LENGTHS.iter().sum::<usize>() as u64);
        assert!(torrent.have().is_full());
    }
    let all = session.torrents();
    let ids: Vec<_> = all.iter().map(|(torrent, status)| (torrent.id(), status.state)).collect();
    assert_eq!(ids, [0, 1].map(|at: usize| (torrents[at].id(), State::Seeding)));
    assert!(!is_loaded(&session, &torrents[0]), "nobody has asked");
    fetch(&session, "two");
    assert!(is_loaded(&session, &torrents[1]));
    let status = wait(&torrents[1], "what was given", |status| status.uploaded > 0);
    assert_eq!((status.remembered, status.checked), (status.pieces, 0), "not one byte was read");
    assert_eq!(torrents[0].status().uploaded, 0);
    let again = session.add(parsed("one").0, Add::to(dir.path()));
    assert!(matches!(again, Err(AddError::Duplicate)));
    torrents[0].remove();
    assert_eq!(session.torrents().len(), 1);
    session.shutdown(patience());
    let session = start(state_of(dir.path()));
    let back = session.restore().unwrap();
    assert_eq!(back.len(), 1, "what was removed stays away");
    assert!(back[0].status().totals.uploaded > 0, "{:?}", back[0].status());
}

#[test]
fn a_file_that_was_deleted_meanwhile_is_missed_when_the_torrent_is_loaded() {
    let dir = left(&["gone"]);
    fs::remove_file(dir.path().join("gone/folder 0/file 3")).unwrap();
    let session = start(state_of(dir.path()));
    let torrents = session.restore().unwrap();
    assert_eq!(torrents[0].status().state, State::Seeding, "nobody has looked");
    torrents[0].limit(Rates { down: None, up: Some(1 << 30) });
    let status = wait(&torrents[0], "the look", |status| status.state == State::Downloading);
    assert!(status.have < status.pieces);
}

#[test]
fn a_pause_of_a_dormant_torrent_lasts() {
    let dir = left(&["calm"]);
    let session = start(state_of(dir.path()));
    let torrents = session.restore().unwrap();
    torrents[0].pause();
    wait(&torrents[0], "the pause", |status| status.state == State::Stopped(None));
    session.shutdown(patience());
    let session = start(state_of(dir.path()));
    let torrents = session.restore().unwrap();
    assert_eq!(torrents[0].status().state, State::Stopped(None));
    torrents[0].resume();
    let status = wait(&torrents[0], "the start", |status| status.state == State::Seeding);
    assert_eq!(status.checked, 0);
}

#[cfg(unix)]
#[test]
fn a_dormant_torrent_locks_nothing_and_whoever_has_the_lock_when_it_is_loaded_is_told_of() {
    let dir = left(&["shared"]);
    let session = start(state_of(dir.path()));
    let torrents = session.restore().unwrap();
    // Somebody else works on it: a part that is missing keeps others out.
    fs::remove_file(dir.path().join("shared/folder 0/file 3")).unwrap();
    let other = start(None);
    let theirs = other.add(parsed("shared").0, Add::to(dir.path())).unwrap();
    wait(&theirs, "the other", |status| status.state == State::Downloading);
    torrents[0].add_peers(vec!["127.0.0.1:9".parse().unwrap()]);
    let busy = |status: &Status| {
        matches!(status.state, State::Stopped(Some(error))
        if error.kind == toubkal_session::StoreErrorKind::Busy)
    };
    wait(&torrents[0], "the error", busy);
}

#[test]
fn a_session_with_dormant_torrents_that_is_dropped_leaves_them_whole() {
    let dir = left(&["left"]);
    for _ in 0..3 {
        let session = start(state_of(dir.path()));
        let torrents = session.restore().unwrap();
        assert_eq!(torrents.len(), 1);
        fetch(&session, "left");
        wait(&torrents[0], "what was given", |status| status.uploaded > 0);
        // At once, as if it were killed.
        drop(session);
    }
}

#[test]
fn a_note_comes_back_with_its_torrent_and_may_change_while_that_sleeps() {
    let dir = left(&["noted", "plain"]);
    let state = state_of(dir.path());
    let note = |text: &str| Arc::<[u8]>::from(text.as_bytes());
    for (before, after) in [(None, "first"), (Some("first"), "second"), (Some("second"), "third")] {
        let session = start(state.clone());
        let torrents = session.restore().unwrap();
        let notes = session.notes().unwrap();
        let texts: Vec<_> = notes.iter().map(|it| (it.hash, &it.dir, &it.note[..])).collect();
        let (torrent, root) = (&torrents[0], dir.path().canonicalize().unwrap());
        let noted = before.map(|text: &str| (torrent.info_hash(), &root, text.as_bytes()));
        assert_eq!(texts, Vec::from_iter(noted));
        assert_eq!(torrent.dir(), root);
        assert_eq!(Some(torrent.info_hash()), parsed("noted").0.info_hash_v1);
        assert_eq!(torrent.set_note(note(after)), Ok(()));
        assert!(!is_loaded(&session, torrent), "a note wakes nobody");
        session.shutdown(patience());
    }
}

#[test]
fn a_torrent_that_sleeps_can_be_given_another_tracker() {
    let tracker = TrackerServer::start(loopback(), ServerOptions::default()).unwrap();
    let dir = left(&["moved"]);
    let session = start(state_of(dir.path()));
    let torrent = session.restore().unwrap().remove(0);
    torrent.set_trackers(vec![vec![tracker.url()]]);
    wait(&torrent, "the announce", |_| tracker.size().1 == 1);
    assert!(!is_loaded(&session, &torrent), "it sleeps on");
    session.shutdown(patience());
    // The first life may have said that it leaves, or not.
    let before = tracker.size().1;
    let session = start(state_of(dir.path()));
    let torrent = session.restore().unwrap().remove(0);
    wait(&torrent, "its new tracker is remembered", |_| tracker.size().1 > before);
    session.shutdown(patience());
}
