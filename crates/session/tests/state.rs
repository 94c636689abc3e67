//! Sessions that remember: what was held is believed, what was wanted is wanted still.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{assert_same, loopback, options, seed, until, until_completed, wait, write_files};
use toubkal_session::{
    Add, AddError, Metainfo, Notice, Options, Priority, Rates, Session, SessionEvent, State,
    Status, Torrent,
};

const LENGTHS: [usize; 7] = [1_000_000, 0, 3, 700_001, 16_384, 2_500_000, 1];
const PIECE: usize = 65_536;

fn patience() -> Duration {
    Duration::from_secs(10)
}

/// A session with this database.
fn remembering(state: &Path) -> Session {
    let state = Some(state.to_path_buf());
    Session::start(Options { listen: vec![loopback()], state, ..options() }).unwrap()
}

fn parsed(name: &str) -> (Arc<Metainfo>, Arc<[u8]>) {
    common::parsed(name, &LENGTHS, PIECE)
}

/// What was believed, and what was checked.
fn known(status: &Status) -> (u32, u32) {
    (status.remembered, status.checked)
}

fn name(torrent: &Torrent) -> String {
    torrent.metainfo().unwrap().name.clone()
}

#[test]
fn a_session_brings_back_its_torrents_and_believes_what_it_remembers() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = to.path().join("session/state.db");
    let session = remembering(&state);
    let mut seeds = Vec::new();
    let mut add = |name: &str, change: &dyn Fn(&mut Add)| {
        let (metainfo, bytes) = parsed(name);
        write_files(from.path(), name, &LENGTHS);
        let (seeding, _) = seed(&metainfo, from.path());
        let peers = seeding.listening_on().to_vec();
        seeds.push(seeding);
        let mut add = Add { peers, torrent: Some(bytes), ..Add::to(to.path().join(name)) };
        change(&mut add);
        session.add(metainfo, add).unwrap()
    };
    let whole = add("whole", &|_| {});
    let mut priorities = vec![Priority::Skip; LENGTHS.len()];
    priorities[3] = Priority::High;
    let part = add("part", &|add| add.priorities = Some(priorities.clone()));
    let paused = add("paused", &|add| add.rates.down = Some(500_000));
    for torrent in [&whole, &part] {
        wait(torrent, "completion", |status| status.state == State::Seeding);
    }
    wait(&paused, "a piece", |status| status.have > 0);
    paused.pause();
    let held = wait(&paused, "the pause", |status| status.state == State::Stopped(None)).have;
    let totals = whole.status().totals;
    assert_eq!(totals.downloaded, LENGTHS.iter().sum::<usize>() as u64);
    session.shutdown(patience());

    let session = remembering(&state);
    let back = session.restore().unwrap();
    let names: Vec<String> = back.iter().map(name).collect();
    assert_eq!(names, ["whole", "part", "paused"]);
    let status = wait(&back[0], "the whole one", |status| status.state == State::Seeding);
    assert_eq!(known(&status), (status.pieces, 0), "not one byte was read");
    assert_eq!((status.downloaded, status.totals), (0, totals));
    let status = wait(&back[1], "the part", |status| status.state == State::Seeding);
    assert_eq!(known(&status), (status.have, 0));
    assert!(status.have < status.pieces && status.left == 0, "the selection is as it was");
    let status = back[2].status();
    assert_eq!((status.state, status.have), (State::Stopped(None), held));
    back[2].resume();
    back[2].limit(Rates::default());
    back[2].add_peers(seeds[2].listening_on().to_vec());
    let status = wait(&back[2], "the rest", |status| status.state == State::Seeding);
    assert_eq!(status.remembered, held);
    assert_same(&to.path().join("paused"), "paused", &LENGTHS);
    assert!(session.restore().unwrap().is_empty(), "all are here");
    back[1].remove();
    session.shutdown(patience());

    let session = remembering(&state);
    let back = session.restore().unwrap();
    let names: Vec<String> = back.iter().map(name).collect();
    assert_eq!(names, ["whole", "paused"], "what was removed stays away");
    wait(&back[1], "the one that is paused no more", |status| status.state == State::Seeding);
    // Three were downloaded in all, one of them in part.
    assert!(session.totals().downloaded > 2 * totals.downloaded);
}

#[test]
fn a_torrent_that_is_added_again_in_its_folder_is_believed_and_elsewhere_is_not() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "again", &LENGTHS);
    write_files(to.path(), "again", &LENGTHS);
    let state = from.path().join(".toubkal/state.db");
    let metainfo = parsed("again").0;
    let add = |add: Add| {
        let session = remembering(&state);
        let torrent = session.add(Arc::clone(&metainfo), add).unwrap();
        let status = wait(&torrent, "the check", |status| status.state == State::Seeding);
        session.shutdown(patience());
        (status.remembered, status.checked)
    };
    let all = metainfo.pieces();
    assert_eq!(add(Add::to(from.path())), (0, all), "files from elsewhere");
    assert_eq!(add(Add::to(from.path())), (all, 0));
    assert_eq!(add(Add::to(to.path())), (0, all), "another folder");
    assert_eq!(add(Add::to(from.path())), (all, 0), "both are remembered");
    assert_eq!(add(Add { check: true, ..Add::to(from.path()) }), (0, all));
    // Moved with what remembers it.
    let moved = to.path().join("moved");
    fs::rename(from.path(), &moved).unwrap();
    let session = remembering(&moved.join(".toubkal/state.db"));
    let torrent = session.add(Arc::clone(&metainfo), Add::to(&moved)).unwrap();
    let status = wait(&torrent, "the check", |status| status.state == State::Seeding);
    assert_eq!(known(&status), (all, 0));
    fs::create_dir_all(from.path()).unwrap();
}

#[test]
fn a_file_that_was_changed_meanwhile_is_checked_and_mended() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "mend", &LENGTHS);
    write_files(to.path(), "mend", &LENGTHS);
    let state = to.path().join(".toubkal/state.db");
    let metainfo = parsed("mend").0;
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let add = || Add { peers: seeding.listening_on().to_vec(), ..Add::to(to.path()) };
    let session = remembering(&state);
    let torrent = session.add(Arc::clone(&metainfo), add()).unwrap();
    until_completed(&session);
    // In one life, too: the store compares with what it left.
    torrent.pause();
    wait(&torrent, "the pause", |status| status.state == State::Stopped(None));
    let path = to.path().join("mend/folder 2/file 5");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    torrent.resume();
    let status = wait(&torrent, "the rest", |status| status.state == State::Seeding);
    assert!(status.checked > 30 && status.remembered > 20, "{status:?}");
    assert_eq!(status.downloaded, PIECE as u64, "one piece was wrong");
    session.shutdown(patience());
    bytes[2_000_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let session = remembering(&state);
    let torrent = session.add(Arc::clone(&metainfo), add()).unwrap();
    let status = wait(&torrent, "the rest", |status| status.state == State::Seeding);
    assert!(status.checked > 30 && status.remembered > 20, "{status:?}");
    assert_same(to.path(), "mend", &LENGTHS);
}

#[test]
fn without_a_database_there_is_nothing_to_bring_back() {
    let session = common::session();
    assert!(session.restore().is_err());
    assert!(session.set_setting("key", Some("value")).is_err());
    assert_eq!(session.setting("key"), Ok(None));
}

#[test]
fn settings_stay() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.db");
    let session = remembering(&state);
    assert_eq!(session.setting("key"), Ok(None));
    assert_eq!(session.set_setting("key", Some("value")), Ok(()));
    assert_eq!(session.set_setting("other", Some("value")), Ok(()));
    session.shutdown(patience());
    let session = remembering(&state);
    assert_eq!(session.setting("key"), Ok(Some("value".to_owned())));
    assert_eq!(session.set_setting("key", None), Ok(()));
    assert_eq!(session.setting("key"), Ok(None));
    assert_eq!(session.setting("other"), Ok(Some("value".to_owned())));
}

#[test]
fn a_broken_database_is_told_of_and_what_is_there_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.db");
    fs::write(&state, b"no database").unwrap();
    write_files(dir.path(), "broken", &LENGTHS);
    let session = remembering(&state);
    match session.next_event(Duration::ZERO) {
        Some(SessionEvent::State { message }) => assert!(message.contains("broken-1"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert!(session.restore().unwrap().is_empty());
    let metainfo = parsed("broken").0;
    let torrent = session.add(metainfo, Add::to(dir.path())).unwrap();
    until_completed(&session);
    assert_eq!(known(&torrent.status()), (0, torrent.status().pieces));
}

#[test]
fn a_torrent_whose_file_was_not_kept_is_told_of_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state.db");
    write_files(dir.path(), "half", &LENGTHS);
    let session = remembering(&state);
    let (metainfo, bytes) = parsed("half");
    session.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    until_completed(&session);
    session.shutdown(patience());
    let session = remembering(&state);
    assert!(session.restore().unwrap().is_empty());
    match session.next_event(Duration::ZERO) {
        Some(SessionEvent::State { message }) => {
            assert!(message.contains("not restored: its torrent file was not kept"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // Whoever has the file may bring it.
    let add = Add { torrent: Some(bytes), ..Add::to(dir.path()) };
    let torrent = session.add(metainfo, add).unwrap();
    until_completed(&session);
    assert_eq!(torrent.status().checked, 0);
    session.shutdown(patience());
    assert_eq!(remembering(&state).restore().unwrap().len(), 1);
}

/// Both hold the database; each torrent is locked in its folder by one of them.
#[test]
fn two_sessions_share_a_database_and_of_the_same_torrent_one_waits() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = to.path().join(".toubkal/state.db");
    for name in ["one", "two"] {
        write_files(from.path(), name, &LENGTHS);
    }
    let (one, two) = (parsed("one").0, parsed("two").0);
    let (first_seed, _one) = seed(&one, from.path());
    let (second_seed, _two) = seed(&two, from.path());
    let (first, second) = (remembering(&state), remembering(&state));
    let slow = Rates { down: Some(300_000), up: None };
    let peers = first_seed.listening_on().to_vec();
    let add = Add { peers, rates: slow, ..Add::to(to.path()) };
    let slow_one = first.add(Arc::clone(&one), add.clone()).unwrap();
    wait(&slow_one, "a piece", |status| status.have > 0);
    let peers = second_seed.listening_on().to_vec();
    second.add(two, Add { peers, ..Add::to(to.path()) }).unwrap();
    until_completed(&second);
    let refused = second.add(one, add).unwrap();
    let status = wait(&refused, "the lock", |status| matches!(status.state, State::Stopped(_)));
    assert!(format!("{:?}", status.state).contains("Busy"), "{status:?}");
    slow_one.limit(Rates::default());
    until_completed(&first);
    first.shutdown(patience());
    second.shutdown(patience());
    for name in ["one", "two"] {
        let session = remembering(&state);
        let torrent = session.add(parsed(name).0, Add::to(to.path())).unwrap();
        let status = wait(&torrent, "the look", |status| status.state == State::Seeding);
        assert_eq!(known(&status), (status.pieces, 0), "{name}");
        session.shutdown(patience());
        assert_same(to.path(), name, &LENGTHS);
    }
}

#[test]
fn a_torrent_with_the_name_of_our_own_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in [".toubkal", ".Toubkal"] {
        let refused = common::session().add(parsed(name).0, Add::to(dir.path()));
        assert!(matches!(refused, Err(AddError::Reserved)), "{refused:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A full disk under the database alone: the folder of a database that cannot be made stands
/// for it here, the kinds of faults have tests of their own.
#[test]
fn a_download_goes_on_without_its_database() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "on", &LENGTHS);
    let metainfo = parsed("on").0;
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let session = remembering(&to.path().join("not/there/state.db"));
    let peers = seeding.listening_on().to_vec();
    session.add(metainfo, Add { peers, ..Add::to(to.path()) }).unwrap();
    let mut unrecorded = false;
    let mut completed = false;
    until(&session, "completion, and a word", |notice| {
        unrecorded |= matches!(notice, Notice::Unrecorded { .. });
        completed |= matches!(notice, Notice::Completed { .. });
        unrecorded && completed
    });
    assert_same(to.path(), "on", &LENGTHS);
}
