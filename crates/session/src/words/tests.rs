//! What each reason says.

use super::*;
use crate::session::Private;
use toubkal_core::engine::StoreError;

fn explanation(why: Why) -> Explanation {
    let port = Port { listening: true, near: 0, far: 1 };
    let (evidence, trackers) = (Vec::new(), Vec::new());
    Explanation { why, evidence, file: None, trackers, port, nodes: None }
}

fn says(why: Why) -> String {
    sentence(&explanation(why))
}

#[test]
fn a_download_that_is_slow_says_why_in_a_sentence() {
    let next = Some(Duration::from_millis(39_500));
    let (own, all) = (Scope::Torrent, Scope::Session);
    let table = [
        (Why::NoPeers, "No peer is known."),
        (
            Why::Connecting { dialing: 3, known: 1200 },
            "Connecting to peers: 3 of 1,200 known are being tried.",
        ),
        (Why::Crowded { links: 200 }, "Other torrents use all of the 200 connections."),
        (
            Why::Unreachable { failed: 12, waiting: 12, next },
            "None of 12 known peers can be reached; the next is tried in 40 s.",
        ),
        (
            Why::Unreachable { failed: 1, waiting: 0, next: None },
            "The only known peer cannot be reached.",
        ),
        (
            Why::Unreachable { failed: 0, waiting: 2, next },
            "No peer is connected; the next is tried in 40 s.",
        ),
        (
            Why::Absent { pieces: 3, first: [8, 9, 1000], peers: 4 },
            "None of 4 peers has any of the 3 missing pieces (8, 9 and 1,000).",
        ),
        (
            Why::Absent { pieces: 1, first: [8, 0, 0], peers: 4 },
            "No peer has piece 8, the last that is missing.",
        ),
        (
            Why::Absent { pieces: 1500, first: [0, 1, 2], peers: 1 },
            "The only peer has none of the 1,500 missing pieces.",
        ),
        (Why::Choked { by: 12, peers: 12 }, "Choked by all 12 peers."),
        (Why::Choked { by: 1, peers: 1 }, "Choked by the only peer."),
        (
            Why::Choked { by: 3, peers: 12 },
            "Choked by all 3 of 12 peers that have what is missing.",
        ),
        (Why::Silent { unchoked: 1, of: 14 }, "1 of 14 peers lets us download, and sends nothing."),
        (
            Why::Peers { unchoked: 2, of: 14, rate: 40_000 },
            "Slow: 2 of 14 peers let us download, which makes 40 kB/s.",
        ),
        (
            Why::DownLimit { scope: all, rate: 500_000 },
            "The rate limit of 500 kB/s for all torrents binds.",
        ),
        (
            Why::DownLimit { scope: own, rate: 500_000 },
            "The torrent's own rate limit of 500 kB/s binds.",
        ),
        (
            Why::Disk { waiting: 16_800_000 },
            "The disk is slower than the peers: 16.8 MB wait to be written.",
        ),
        (Why::Memory { bytes: 25_165_824 }, "All memory for received blocks is in use: 25.2 MB."),
        (Why::FullSpeed { rate: 12_000_000, peers: 9 }, "At full speed: 9 peers give 12 MB/s."),
    ];
    for (why, sentence) in table {
        assert_eq!(says(why), sentence);
    }
}

#[test]
fn metadata_that_is_looked_for_says_of_whom_it_is_asked() {
    let why = |asked, blocks, of, liars| Why::Metadata { peers: 5, asked, blocks, of, liars };
    assert_eq!(says(why(0, 0, 0, 0)), "None of 5 peers has the file list.");
    let words = "Asking 3 of 5 peers for the file list: 2 of 3 blocks are there; 1 peer sent a \
                 false one.";
    assert_eq!(says(why(3, 2, 3, 1)), words);
}

#[test]
fn a_seed_says_what_it_does() {
    let table = [
        (Why::Finishing, "Everything is there; files get their names."),
        (Why::Seeding { to: 3, rate: 1_000_000 }, "Seeding to 3 peers at 1 MB/s."),
        (Why::Unwanted { peers: 0 }, "Seeding; nobody wants anything."),
        (
            Why::UpLimit { scope: Scope::Torrent, rate: 9000 },
            "The torrent's own upload limit of 9 kB/s binds.",
        ),
        (Why::Slots { slots: 4, waiting: 1 }, "Seeding; 4 upload slots taken, 1 peer waits."),
        (Why::Dormant, "Seeding; at rest until somebody wants something."),
    ];
    for (why, sentence) in table {
        assert_eq!(says(why), sentence);
    }
}

#[test]
fn an_error_names_the_file_and_the_next_try() {
    let error = StoreError { kind: StoreErrorKind::Full, file: Some(1) };
    let mut full = explanation(Why::Failed { error, retry: Some(Duration::from_secs(30)) });
    full.file = Some("a/b.bin".into());
    let words =
        "Cannot go on with a/b.bin: no space is left on the disk. It is tried again in 30 s.";
    assert_eq!(sentence(&full), words);
    assert_eq!(full.remedy(), Some(Remedy::FreeSpace));
}

#[test]
fn whoever_lacks_peers_hears_what_trackers_said_and_that_the_port_may_be_closed() {
    let mut alone = explanation(Why::NoPeers);
    alone.evidence = [Evidence::Addresses { known: 0, dialing: 0, failed: 0, waiting: 0 }].into();
    let url = "https://u:p@t.example/passkey/announce".into();
    let state = TrackerState::Failed { reason: "not registered".into() };
    let (announce, warning) = (Private(String::new()), None);
    let (seeds, leeches, next) = (None, None, None);
    alone.trackers =
        [TrackerStatus { announce, url, tier: 0, state, warning, seeds, leeches, next }].into();
    alone.port = Port { listening: true, near: 1, far: 0 };
    alone.nodes = Some(0);
    assert_eq!(
        details(&alone),
        [
            "0 addresses known, 0 being tried, 0 failed, 0 left alone for now",
            "tracker t.example: not registered",
            "nobody outside this network has connected to us yet: the port may be closed",
            "0 nodes of the DHT known",
        ]
    );
    assert_eq!(alone.remedy(), Some(Remedy::AddPeers));
    // A limit is nobody else's fault.
    alone.why = Why::DownLimit { scope: Scope::Session, rate: 1 };
    assert_eq!(details(&alone).len(), 1);
}

#[test]
fn each_piece_of_evidence_has_words_and_figures_of_its_own() {
    let limit = Limit { scope: Scope::Session, rate: 500_000, seconds: 7 };
    let own = Limit { scope: Scope::Torrent, ..limit };
    let evidence = [
        Evidence::Peers { connected: 14, seeds: 2, useful: 9 },
        Evidence::Unchoked { by: 2, silent: 1 },
        Evidence::Down { rate: 40_000, session: 50_000, best: 9_000_000 },
        Evidence::Missing { pieces: 30, bytes: 480_000, absent: 3 },
        Evidence::DownLimit(limit),
        Evidence::DownLimit(own),
        Evidence::UpLimit(limit),
        Evidence::UpLimit(own),
        Evidence::Disk { waiting: 16 << 20, most: 16 << 20, seconds: 8 },
        Evidence::Addresses { known: 9, dialing: 1, failed: 4, waiting: 3 },
        Evidence::Wanting { peers: 6, unchoked: 4, slots: 4 },
        Evidence::Up { rate: 77_000 },
    ];
    let mut names = Vec::new();
    for evidence in &evidence {
        let words = self::evidence(evidence);
        assert!(!words.is_empty() && !words.ends_with('.'), "{words:?}");
        names.extend(figures(evidence).into_iter().map(|(name, _)| name));
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    assert_eq!(
        self::evidence(&evidence[4]),
        "a limit of 500 kB/s for all torrents, reached in 7 of the last 10 seconds"
    );
    assert_eq!(self::evidence(&evidence[1]), "2 peers let us download, 1 of them send nothing");
}

#[test]
fn a_host_is_shown_without_secrets() {
    assert_eq!(host_of("https://u:p@t.example:1/passkey/announce?x"), "t.example:1");
}
