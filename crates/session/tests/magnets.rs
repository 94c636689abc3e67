//! Torrents of which only a link is known, on loopback.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{assert_same, loopback, session, torrent_file, until, until_completed, write_files};
use toubkal_session::{
    Add, AddError, Choose, Magnet, Metainfo, Notice, Options, Priority, Session, SessionEvent,
    State,
};
use toubkal_wire::bencode::{Node, encode};
use toubkal_wire::extension::Numbers;
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::message::{self, Message};
use toubkal_wire::metadata::{self, Metadata};

const LENGTHS: [usize; 5] = [700_001, 0, 3, 100_000, 16_384];
const PIECE: usize = 65_536;

fn patience() -> Duration {
    Duration::from_secs(10)
}

fn file(name: &str) -> Arc<[u8]> {
    torrent_file(name, &LENGTHS, PIECE, None).into()
}

fn link(name: &str, peers: &[SocketAddr]) -> Magnet {
    let mut magnet = Magnet::of(&Metainfo::parse(&file(name)).unwrap());
    magnet.peers = peers.iter().map(|peer| peer_of(&peer.to_string())).collect();
    magnet
}

fn peer_of(text: &str) -> toubkal_wire::magnet::Peer {
    toubkal_wire::magnet::Peer::parse(text).unwrap()
}

/// A session that has the files, and the torrent file for who asks.
fn seed(name: &str, dir: &Path) -> Session {
    write_files(dir, name, &LENGTHS);
    let session = session();
    let torrent = file(name);
    let metainfo = Arc::new(Metainfo::parse(&torrent).unwrap());
    session.add(metainfo, Add { torrent: Some(torrent), ..Add::to(dir) }).unwrap();
    until_completed(&session);
    session
}

fn remembering(state: &Path) -> Session {
    let options = Options { listen: vec![loopback()], ..common::options() };
    Session::start(Options { state: Some(state.to_owned()), ..options }).unwrap()
}

/// Waits for news of a link.
fn news(session: &Session) -> SessionEvent {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match session.next_event(Duration::from_millis(100)) {
            Some(event @ (SessionEvent::Resolved { .. } | SessionEvent::Refused { .. })) => {
                return event;
            }
            _ => assert!(Instant::now() < end, "waited in vain for news of the link"),
        }
    }
}

#[test]
fn a_link_becomes_a_download_and_is_given_on() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let first = seed("magnet", dirs[0].path());
    let mut before = first.listening_on().to_vec();
    let mut sessions = vec![first];
    for dir in &dirs[1..] {
        let session = session();
        let torrent = session.add_magnet(&link("magnet", &before), Add::to(dir.path())).unwrap();
        let SessionEvent::Resolved { torrent: resolved } = news(&session) else { panic!() };
        assert_eq!(resolved, torrent.id());
        assert_eq!(torrent.metainfo().unwrap().name, "magnet");
        assert_eq!(torrent.file().unwrap(), file("magnet"));
        until_completed(&session);
        assert_same(dir.path(), "magnet", &LENGTHS);
        assert_eq!(torrent.status().wasted, 0);
        // The next one learns all from this one alone.
        before = session.listening_on().to_vec();
        sessions.push(session);
    }
}

#[test]
fn a_link_that_means_nothing_yet_comes_back_and_then_what_it_means() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = to.path().join("state.db");
    let session = remembering(&state);
    let torrent = session.add_magnet(&link("back", &[]), Add::to(to.path())).unwrap();
    assert!(matches!(torrent.status().state, State::Seeking(_)));
    assert!(torrent.metainfo().is_none());
    session.shutdown(patience());

    let seeding = seed("back", from.path());
    let session = remembering(&state);
    let [torrent] = &session.restore().unwrap()[..] else { panic!("it is one") };
    assert!(torrent.metainfo().is_none());
    torrent.add_peers(seeding.listening_on().to_vec());
    until_completed(&session);
    assert_same(to.path(), "back", &LENGTHS);
    session.shutdown(patience());

    let session = remembering(&state);
    let [torrent] = &session.restore().unwrap()[..] else { panic!("it is one") };
    assert_eq!(torrent.metainfo().unwrap().name, "back");
    assert_eq!(torrent.status().state, State::Seeding, "it is dormant");
    // What is given to others comes out of the database now.
    let other = common::session();
    other.fetch(&link("back", &[]), session.listening_on().to_vec()).unwrap();
    assert!(matches!(news(&other), SessionEvent::Resolved { .. }));
    until_completed(&session);
    assert_eq!(torrent.status().checked, 0, "all is remembered");
    session.shutdown(patience());

    let session = remembering(&state);
    let torrent = session.add_magnet(&link("back", &[]), Add::to(to.path())).unwrap();
    assert_eq!(torrent.metainfo().unwrap().name, "back", "nobody was asked");
}

#[test]
fn only_what_the_link_selects_is_wanted_unless_the_program_says_otherwise() {
    let (from, one, two) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seeding = seed("some", from.path());
    let mut magnet = link("some", seeding.listening_on());
    magnet.select_only = Magnet::parse(&format!("{magnet}&so=2,4,77")).unwrap().select_only;
    let session = session();
    session.add_magnet(&magnet, Add::to(one.path())).unwrap();
    until_completed(&session);
    let there = |dir: &Path, file: usize| {
        dir.join(format!("some/folder {}/file {file}", file % 3)).is_file()
    };
    let files = |dir: &Path| (0..LENGTHS.len()).filter(|&file| there(dir, file)).collect();
    let found: Vec<usize> = files(one.path());
    assert_eq!(found, [2, 4]);

    let session = common::session();
    let choose = Choose::new(|metainfo| {
        let mut wanted = vec![Priority::Skip; metainfo.file_count()];
        wanted[3] = Priority::High;
        Ok(Some(wanted))
    });
    session.add_magnet(&magnet, Add { choose: Some(choose), ..Add::to(two.path()) }).unwrap();
    until_completed(&session);
    let found: Vec<usize> = files(two.path());
    assert_eq!(found, [3]);
}

#[test]
fn what_the_program_refuses_is_gone() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seeding = seed("refused", from.path());
    let magnet = link("refused", seeding.listening_on());
    let session = session();
    let choose = Some(Choose::new(|_| Err("there is nothing in it for me".to_owned())));
    let torrent = session.add_magnet(&magnet, Add { choose, ..Add::to(to.path()) }).unwrap();
    let message = "there is nothing in it for me".to_owned();
    assert_eq!(news(&session), SessionEvent::Refused { torrent: torrent.id(), message });
    assert!(std::fs::read_dir(to.path()).unwrap().next().is_none());
    session.add_magnet(&magnet, Add::to(to.path())).unwrap();
    until_completed(&session);
}

#[test]
fn metadata_that_is_fetched_alone_leaves_nothing_behind() {
    let from = tempfile::tempdir().unwrap();
    let seeding = seed("alone", from.path());
    let session = session();
    let torrent = session.fetch(&link("alone", &[]), seeding.listening_on().to_vec()).unwrap();
    let id = torrent.id();
    assert_eq!(news(&session), SessionEvent::Resolved { torrent: id });
    assert_eq!(torrent.file().unwrap(), file("alone"));
    assert_eq!(torrent.metainfo().unwrap().file_count(), LENGTHS.len());
    // The same link may be fetched again.
    session.fetch(&link("alone", seeding.listening_on()), Vec::new()).unwrap();
    assert!(matches!(news(&session), SessionEvent::Resolved { .. }));
}

#[test]
fn what_is_said_of_a_link_before_it_is_known_holds_afterwards() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seeding = seed("later", from.path());
    let session = session();
    let magnet = link("later", seeding.listening_on());
    let torrent = session.add_magnet(&magnet, Add { paused: true, ..Add::to(to.path()) }).unwrap();
    let down = Some(1_000_000);
    torrent.limit(toubkal_session::Rates { down, up: None });
    torrent.sequential(true);
    assert_eq!(torrent.status().state, State::Stopped(None));
    torrent.resume();
    let mut pieces = Vec::new();
    until(&session, "completion", |notice| {
        if let Notice::PieceDone { piece, .. } = notice {
            pieces.push(*piece);
        }
        matches!(notice, Notice::Completed { .. })
    });
    assert!(pieces.is_sorted(), "{pieces:?}");
    assert_same(to.path(), "later", &LENGTHS);
}

#[test]
fn a_link_without_a_hash_of_version_1_is_refused_in_words() {
    let session = session();
    let v2 = Magnet::parse(&format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32))).unwrap();
    let publisher = Magnet::parse(&format!("magnet:?xs=urn:btpk:{}", "ab".repeat(32))).unwrap();
    let add = |magnet| session.add_magnet(magnet, Add::to("nowhere"));
    assert!(matches!(add(&v2), Err(AddError::V2Only)));
    assert!(matches!(add(&publisher), Err(AddError::Publisher)));
    let once = link("once", &[]);
    add(&once).unwrap();
    assert!(matches!(add(&once), Err(AddError::Duplicate)));
}

/// A session that knows a torrent with so much metadata, and has nothing of it.
fn knowing(pieces: usize, dir: &Path) -> (Session, Magnet, Arc<[u8]>) {
    let hashes = (0..pieces * 5).flat_map(|word| (word as u32).to_be_bytes());
    let info = Node::from([
        ("length", Node::from((pieces * 16_384) as i64)),
        ("name", Node::from("large")),
        ("piece length", Node::from(16_384)),
        ("pieces", Node::from(hashes.collect::<Vec<u8>>())),
    ]);
    let torrent: Arc<[u8]> = encode(&Node::from([("info", info)])).into();
    let metainfo = Arc::new(Metainfo::parse(&torrent).unwrap());
    let (session, magnet) = (session(), Magnet::of(&metainfo));
    session.add(metainfo, Add { torrent: Some(torrent.clone()), ..Add::to(dir) }).unwrap();
    until(&session, "a look at the folder", |notice| matches!(notice, Notice::Checked { .. }));
    (session, magnet, torrent)
}

#[test]
fn metadata_of_four_megabytes_comes_from_one_peer() {
    let dir = tempfile::tempdir().unwrap();
    let (knows, magnet, torrent) = knowing(200_000, dir.path());
    let session = session();
    let found = session.fetch(&magnet, knows.listening_on().to_vec()).unwrap();
    assert!(matches!(news(&session), SessionEvent::Resolved { .. }));
    assert_eq!(found.file().unwrap(), torrent);
}

/// Twelve megabytes, which is more than may wait to be sent to anybody.
#[test]
fn who_asks_for_all_blocks_at_once_is_given_all_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (knows, magnet, torrent) = knowing(600_000, dir.path());
    let mut stream = TcpStream::connect(knows.listening_on()[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut hello = Greeting { reserved: Reserved::OURS, info_hash: magnet.v1.unwrap() }
        .encode(b"-XX0000-000000000000")
        .to_vec();
    let mut say = |number: u8, payload: &[u8]| {
        message::encode(&Message::Extended(number, payload.into()), &mut hello);
    };
    say(0, b"d1:md11:ut_metadatai7eee");
    let blocks = metadata::blocks(torrent.len() as u32 - 8);
    for block in 0..blocks {
        // So a session calls them, as every link says in its handshake.
        say(Numbers::OURS.metadata.unwrap(), &Metadata::Request(block).encode());
    }
    stream.write_all(&hello).unwrap();
    stream.read_exact(&mut [0; 68]).unwrap();
    let mut given = Vec::new();
    while given.len() < blocks as usize {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut message).unwrap();
        if let [20, 7, payload @ ..] = &message[..] {
            let Some(Metadata::Data { block, .. }) = Metadata::decode(payload) else {
                panic!("a block was refused")
            };
            given.push(block);
        }
    }
    assert!(given.into_iter().eq(0..blocks));
}
