//! Whole sessions on loopback: what is downloaded is what was seeded, whatever happens between.

mod common;

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{
    assert_same, loopback, options, seed, session, torrent, until, until_completed, write_files,
};
use toubkal_session::tracker::{ServerOptions, TrackerServer};
use toubkal_session::{
    Add, AddError, Notice, Options, Priority, Rates, Session, SessionEvent, StartError, State,
};

/// Files that share pieces, empty ones, and one that ends with a short block.
const LENGTHS: [usize; 7] = [1_000_000, 0, 3, 700_001, 16_384, 2_500_000, 1];
const PIECE: usize = 65_536;

fn patience() -> Duration {
    Duration::from_secs(10)
}

#[test]
fn a_torrent_of_many_files_goes_from_one_session_to_another() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "many", &LENGTHS);
    let metainfo = Arc::new(torrent("many", &LENGTHS, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let leeching = session();
    let peers = seeding.listening_on().to_vec();
    let got = leeching.add(metainfo, Add { peers, ..Add::to(to.path()) }).unwrap();
    until_completed(&leeching);
    assert_same(to.path(), "many", &LENGTHS);
    let status = got.status();
    assert_eq!((status.state, status.left), (State::Seeding, 0));
    assert!(got.have().is_full());
    assert_eq!((status.downloaded, status.wasted), (LENGTHS.iter().sum::<usize>() as u64, 0));
    leeching.shutdown(patience());
    seeding.shutdown(patience());
}

#[test]
fn it_goes_over_ipv6_too() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "six", &LENGTHS);
    let metainfo = Arc::new(torrent("six", &LENGTHS, PIECE, None));
    let six = Options { listen: vec![(Ipv6Addr::LOCALHOST, 0).into()], ..options() };
    let seeding = Session::start(six).unwrap();
    let _torrent = seeding.add(Arc::clone(&metainfo), Add::to(from.path())).unwrap();
    until_completed(&seeding);
    let leeching = Session::start(options()).unwrap();
    assert!(leeching.listening_on().is_empty());
    let peers = seeding.listening_on().to_vec();
    leeching.add(metainfo, Add { peers, ..Add::to(to.path()) }).unwrap();
    until_completed(&leeching);
    assert_same(to.path(), "six", &LENGTHS);
}

#[test]
fn a_seed_that_dies_half_way_is_replaced_by_another() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    write_files(from.path(), "two", &LENGTHS);
    let metainfo = Arc::new(torrent("two", &LENGTHS, PIECE, None));
    let (first, _one) = seed(&metainfo, from.path());
    let (second, _two) = seed(&metainfo, from.path());
    let leeching = session();
    let peers = [first.listening_on(), second.listening_on()].concat();
    let rates = Rates { down: Some(2_000_000), up: None };
    let got = leeching.add(metainfo, Add { peers, rates, ..Add::to(to.path()) }).unwrap();
    let mut pieces = 0;
    until(&leeching, "half of the pieces", |notice| {
        pieces += usize::from(matches!(notice, Notice::PieceDone { .. }));
        pieces == 20
    });
    drop(first);
    got.limit(Rates::default());
    until_completed(&leeching);
    assert_same(to.path(), "two", &LENGTHS);
}

#[test]
fn a_download_goes_on_where_it_was_left() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "resume", &LENGTHS);
    let metainfo = Arc::new(torrent("resume", &LENGTHS, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let add = || {
        let peers = seeding.listening_on().to_vec();
        let rates = Rates { down: Some(2_000_000), up: None };
        Add { peers, rates, ..Add::to(to.path()) }
    };
    let first = session();
    first.add(Arc::clone(&metainfo), add()).unwrap();
    let mut pieces = 0;
    until(&first, "half of the pieces", |notice| {
        pieces += usize::from(matches!(notice, Notice::PieceDone { .. }));
        pieces == 30
    });
    first.shutdown(patience());

    let second = session();
    let got = second.add(metainfo, Add { rates: Rates::default(), ..add() }).unwrap();
    until_completed(&second);
    assert_same(to.path(), "resume", &LENGTHS);
    let total: usize = LENGTHS.iter().sum();
    let downloaded = got.status().downloaded as usize;
    assert!(downloaded <= total - 29 * PIECE, "{downloaded} of {total} bytes came again");
}

#[test]
fn only_what_is_wanted_is_downloaded() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(from.path(), "part", &LENGTHS);
    let metainfo = Arc::new(torrent("part", &LENGTHS, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let leeching = session();
    let mut priorities = vec![Priority::Skip; LENGTHS.len()];
    let wrong = Add { priorities: Some(vec![Priority::High]), ..Add::to(to.path()) };
    let refused = leeching.add(Arc::clone(&metainfo), wrong).unwrap_err();
    assert!(matches!(refused, AddError::Priorities { given: 1, files: 7 }));
    priorities[3] = Priority::Normal;
    let peers = seeding.listening_on().to_vec();
    let add = Add { peers, priorities: Some(priorities), ..Add::to(to.path()) };
    leeching.add(metainfo, add).unwrap();
    until_completed(&leeching);
    let found = std::fs::read(to.path().join("part/folder 0/file 3")).unwrap();
    assert!(found == common::content(3, LENGTHS[3]));
    assert!(!to.path().join("part/folder 0/file 0").exists());
}

#[test]
fn a_seed_goes_on_without_a_file_that_another_program_cut_short() {
    let [from, one, two] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    write_files(from.path(), "cut", &LENGTHS);
    let metainfo = Arc::new(torrent("cut", &LENGTHS, PIECE, None));
    let (seeding, seed) = seed(&metainfo, from.path());
    let path = from.path().join("cut/folder 2/file 5");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    let peers = seeding.listening_on().to_vec();
    let (unlucky, lucky) = (session(), session());
    let add = Add { peers: peers.clone(), ..Add::to(one.path()) };
    unlucky.add(Arc::clone(&metainfo), add).unwrap();
    until(&seeding, "a lost file", |notice| matches!(notice, Notice::FileLost { file: 5, .. }));
    assert_eq!((seed.status().state, seed.status().left), (State::Seeding, 0));
    let mut priorities = vec![Priority::Skip; LENGTHS.len()];
    priorities[0] = Priority::Normal;
    let add = Add { peers, priorities: Some(priorities), ..Add::to(two.path()) };
    lucky.add(metainfo, add).unwrap();
    until_completed(&lucky);
    let found = std::fs::read(two.path().join("cut/folder 0/file 0")).unwrap();
    assert!(found == common::content(0, LENGTHS[0]));
    assert_eq!(path.metadata().unwrap().len(), 100, "what another program wrote is left alone");
}

#[test]
fn peers_find_each_other_through_a_tracker_and_say_good_bye() {
    find_each_other(TrackerServer::url);
}

#[test]
fn peers_find_each_other_through_a_udp_tracker_and_say_good_bye() {
    find_each_other(TrackerServer::udp_url);
}

#[test]
fn the_name_of_a_udp_tracker_is_looked_up() {
    find_each_other(|tracker| format!("udp://localhost:{}", tracker.address().port()));
}

fn find_each_other(url: impl Fn(&TrackerServer) -> String) {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tracker = TrackerServer::start(loopback(), ServerOptions::default()).unwrap();
    write_files(from.path(), "told", &LENGTHS);
    let metainfo = Arc::new(torrent("told", &LENGTHS, PIECE, Some(&url(&tracker))));
    let (seeding, seeded) = seed(&metainfo, from.path());
    wait_for("the seed to announce", || tracker.size() == (1, 1));
    wait_for("the answer", || seeded.trackers().iter().any(|tracker| tracker.next.is_some()));
    let leeching = session();
    leeching.add(metainfo, Add::to(to.path())).unwrap();
    until_completed(&leeching);
    assert_same(to.path(), "told", &LENGTHS);
    assert_eq!(tracker.size(), (1, 2));
    leeching.shutdown(patience());
    assert_eq!(tracker.size(), (1, 1));
    seeding.shutdown(patience());
    assert_eq!(tracker.size().1, 0);
}

#[test]
fn a_tracker_that_is_not_there_is_told_of() {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let gone = format!("http://{}/secret/announce", listener.local_addr().unwrap());
    drop(listener);
    is_told_of(&gone, "refused");
}

#[test]
fn a_udp_tracker_that_cannot_be_asked_is_told_of() {
    is_told_of("udp://192.0.2.1/secret", "no port");
    is_told_of("udp://0.0.0.0:6969/secret", "no address that can be asked");
}

#[test]
fn what_a_udp_tracker_says_is_told() {
    let tracker = std::net::UdpSocket::bind(loopback()).unwrap();
    let url = format!("udp://{}/secret", tracker.local_addr().unwrap());
    // BEP 15: an error, with the transaction of the question.
    let refuse = std::thread::spawn(move || {
        let mut packet = [0; 200];
        let (_, from) = tracker.recv_from(&mut packet).unwrap();
        let answer = [&[0, 0, 0, 3], &packet[12..16], b"come back tomorrow"].concat();
        tracker.send_to(&answer, from).unwrap();
    });
    is_told_of(&url, "come back tomorrow");
    refuse.join().unwrap();
}

fn is_told_of(tracker: &str, words: &str) {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Arc::new(torrent("gone", &LENGTHS, PIECE, Some(tracker)));
    let session = session();
    let added = session.add(metainfo, Add::to(dir.path())).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < end, "nothing was said of the tracker");
        match session.next_event(Duration::from_secs(1)) {
            Some(SessionEvent::Tracker { torrent, url, failed, message }) => {
                assert_eq!(torrent, added.id());
                assert!(failed && message.contains(words), "{message}");
                assert!(!url.contains("secret"), "{url}");
                break;
            }
            Some(SessionEvent::Crashed { message }) => panic!("{message}"),
            _ => {}
        }
    }
    // Trackers that do not answer do not keep anybody from leaving.
    let before = Instant::now();
    session.shutdown(Duration::from_secs(30));
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_port_in_use_is_said_to_be() {
    let first = session();
    let addr = first.listening_on()[0];
    match Session::start(Options { listen: vec![addr], ..options() }) {
        Err(StartError::PortInUse { addr: taken }) => assert_eq!(taken, addr),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_torrent_is_taken_once_and_again_after_it_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Arc::new(torrent("once", &LENGTHS, PIECE, None));
    let session = session();
    let first = session.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    let again = session.add(Arc::clone(&metainfo), Add::to(dir.path()));
    assert!(matches!(again, Err(AddError::Duplicate)));
    first.remove();
    let mut added = Err(AddError::Duplicate);
    wait_for("the torrent to be gone", || {
        added = session.add(Arc::clone(&metainfo), Add::to(dir.path()));
        added.is_ok()
    });
    assert_ne!(added.unwrap().id(), first.id());
    assert!(matches!(first.status().state, State::Stopped(None)));
}

#[test]
fn handles_outlive_their_session_in_peace() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = Arc::new(torrent("peace", &LENGTHS, PIECE, None));
    let session = session();
    let clone = session.clone();
    let added = session.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    session.shutdown(patience());
    assert!(matches!(added.status().state, State::Stopped(None)));
    assert!(added.peers().is_empty() && added.trackers().is_empty() && added.have().is_empty());
    added.pause();
    assert!(matches!(clone.add(metainfo, Add::to(dir.path())), Err(AddError::Ended)));
    // The second time, at once.
    clone.shutdown(Duration::from_secs(3600));
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}
