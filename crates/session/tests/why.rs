//! Why a torrent is no faster, as a program asks a session.

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{PATIENCE, seed, session, torrent, write_files};
use toubkal_session::words::{self, Remedy};
use toubkal_session::{Add, Explanation, Rates, Scope, StoreErrorKind, Torrent, TrackerState, Why};

const PIECE: usize = 1 << 16;

/// Asks until the answer is this one.
fn until(torrent: &Torrent, is_it: impl Fn(&Explanation) -> bool) -> Explanation {
    let end = Instant::now() + PATIENCE;
    loop {
        let explanation = torrent.why();
        if is_it(&explanation) {
            return explanation;
        }
        assert!(Instant::now() < end, "waited in vain: {explanation:?}");
        std::thread::yield_now();
    }
}

#[test]
fn who_knows_no_peer_hears_what_the_tracker_said() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = torrent("alone", &[PIECE], PIECE, Some("http://127.0.0.1:9/announce"));
    let session = session();
    let alone = session.add(Arc::new(metainfo), Add::to(dir.path())).unwrap();
    let failed = |state: &TrackerState| matches!(state, TrackerState::Failed { .. });
    let why = until(&alone, |it| {
        it.why == Why::NoPeers && it.trackers.iter().any(|tracker| failed(&tracker.state))
    });
    assert_eq!(words::sentence(&why), "No peer is known.");
    assert_eq!(why.remedy(), Some(Remedy::AddPeers));
    let details = words::details(&why);
    let said = |words: &str| details.iter().any(|detail| detail.starts_with(words));
    assert!(said("tracker 127.0.0.1:9: it refused the connection"), "{details:?}");
    assert!(said("nobody has connected to us yet"), "{details:?}");
    let all = session.whys();
    assert_eq!((all.len(), all[0].0.id(), all[0].1.why), (1, alone.id(), Why::NoPeers));
    assert_eq!(all[0].1.trackers[0].state, why.trackers[0].state, "it lacks peers");
}

#[test]
fn a_limit_is_named_at_the_one_who_has_it_and_who_called_is_counted() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lengths = [64 * PIECE];
    write_files(from.path(), "slow", &lengths);
    let metainfo = Arc::new(torrent("slow", &lengths, PIECE, None));
    let (seeding, whole) = seed(&metainfo, from.path());
    assert_eq!(whole.why().why, Why::Unwanted { peers: 0 });
    let leeching = session();
    let (peers, down) = (seeding.listening_on().to_vec(), Some(50_000));
    let rates = Rates { down, up: None };
    let slow = leeching.add(metainfo, Add { peers, rates, ..Add::to(to.path()) }).unwrap();
    let (scope, rate) = (Scope::Torrent, 50_000);
    let limited = |it: &Explanation| it.why == Why::DownLimit { scope, rate };
    let why = until(&slow, limited);
    assert_eq!(why.remedy(), Some(Remedy::RaiseLimit));
    assert!(limited(&leeching.whys()[0].1));
    let given = whole.why();
    assert!(matches!(given.why, Why::Seeding { .. }), "{given:?}");
    assert_eq!((given.port.listening, given.port.near, given.port.far), (true, 1, 0));
}

#[test]
fn a_file_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lengths = [PIECE, PIECE];
    write_files(dir.path(), "full", &lengths);
    std::fs::write(dir.path().join("full/folder 1/file 1"), vec![7; PIECE]).unwrap();
    let session = session();
    let metainfo = Arc::new(torrent("full", &lengths, PIECE, None));
    let full = session.add(metainfo, Add::to(dir.path())).unwrap();
    let why = until(&full, |it| matches!(it.why, Why::Failed { .. }));
    let Why::Failed { error, retry: None } = why.why else { panic!("{why:?}") };
    assert_eq!(
        (error.kind, why.file.as_deref()),
        (StoreErrorKind::Exists, Some("folder 1/file 1"))
    );
    assert_eq!(why.remedy(), Some(Remedy::ChooseFolder));
    let words = "Cannot go on with folder 1/file 1: something else has this name.";
    assert_eq!(words::sentence(&why), words);
    assert_eq!(session.whys()[0].1, why);
    full.remove();
    until(&full, |it| it.why == Why::Stopped);
}
