//! A client over real sessions: what it is told is so, also in the next life.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_daemon::{
    AddError, Client, Edit, Goal, How, Move, Options, Phase, Queue, Refusal, Settings,
    SettingsEdit, View, What, Wish,
};
use toubkal_session::hashing::{self, CreateOptions};
use toubkal_session::{Session, Torrent};

const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: usize = 300_000;

fn loopback() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
}

/// A client with its database and its downloads in a folder.
fn start(dir: &Path) -> Client {
    start_with(dir, |_| {})
}

fn start_with(dir: &Path, change: impl FnOnce(&mut Options)) -> Client {
    std::fs::create_dir_all(dir.join("downloads")).unwrap();
    let mut options = Options::at(dir.join("state.db"), dir.join("downloads"));
    options.session.listen = vec![loopback()];
    (options.session.dht, options.session.lan) = (false, false);
    change(&mut options);
    Client::start(options).unwrap()
}

fn stop(client: Client) {
    client.shutdown(Duration::from_secs(10));
}

/// Writes a file, and makes its torrent.
fn torrent(dir: &Path, name: &str) -> Arc<[u8]> {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join(name);
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + name.len()) as u8).collect();
    std::fs::write(&path, bytes).unwrap();
    let options = CreateOptions { piece_length: Some(16_384), ..CreateOptions::default() };
    hashing::create(&path, &options, 1, &|_, _| ()).unwrap().torrent.into()
}

/// A session that seeds what is in a folder.
fn seed(dir: &Path, torrent: &Arc<[u8]>) -> (Session, Torrent) {
    let options = toubkal_session::Options {
        listen: vec![loopback()],
        dht: false,
        lan: false,
        ..toubkal_session::Options::default()
    };
    let session = Session::start(options).unwrap();
    let metainfo = toubkal_session::Metainfo::parse(torrent).unwrap();
    let torrent = session.add(Arc::new(metainfo), toubkal_session::Add::to(dir)).unwrap();
    (session, torrent)
}

fn wait(client: &Client, id: u64, what: &str, is: impl Fn(&View) -> bool) -> View {
    let start = Instant::now();
    loop {
        let view = client.view(id).expect("it is there");
        if is(&view) {
            return view;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}: {view:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn paused() -> How {
    How { wish: Some(Wish::Paused), ..How::default() }
}

#[test]
fn what_is_wanted_of_a_torrent_is_so_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let client = start(dir.path());
    let file = torrent(&dir.path().join("made"), "one.bin");
    let how = How {
        category: "films".into(),
        tags: vec!["new".into(), "hd".into()],
        name: Some("The one".into()),
        ..paused()
    };
    let id = client.add(What::File(Arc::clone(&file)), &how).unwrap();
    let link = "magnet:?xt=urn:btih:1111111111111111111111111111111111111111&dn=two";
    let other = client.add(What::Link(link.into()), &paused()).unwrap();
    let edit = Edit {
        ratio: Some(Goal::Own(1500)),
        idle: Some(Goal::None),
        down: Some(Some(5000)),
        remove_tags: vec!["hd".into()],
        add_tags: vec!["seen".into()],
        ..Edit::default()
    };
    client.edit(&[id], &edit).unwrap();
    client.edit(&[other], &Edit { queue: Some(Move::Top), ..Edit::default() }).unwrap();
    client.set_settings(SettingsEdit { up: Some(Some(77)), ..SettingsEdit::default() }).unwrap();
    let before = (client.view(id).unwrap(), client.view(other).unwrap());
    stop(client);
    let client = start(dir.path());
    let (one, two) = (client.view(id).unwrap(), client.view(other).unwrap());
    assert_eq!((&one, &two), (&before.0, &before.1));
    assert_eq!((&*one.name, &*one.category, one.size), ("The one", "films", SIZE as u64));
    assert_eq!(one.tags, ["new", "seen"]);
    assert_eq!((one.goals.ratio, one.down), (Goal::Own(1500), Some(5000)));
    assert_eq!((one.phase, one.place, two.place), (Phase::Paused, 1, 0));
    assert_eq!((&*two.name, two.size), ("two", 0));
    let settings = client.settings();
    assert_eq!(settings.up, Some(77));
    assert!(settings.categories.contains_key("films"));
    assert_eq!(settings.tags, ["hd", "new", "seen"]);
    stop(client);
}

#[test]
fn a_torrent_is_added_once_and_its_number_is_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let client = start(dir.path());
    let file = torrent(&dir.path().join("made"), "one.bin");
    let id = client.add(What::File(Arc::clone(&file)), &paused()).unwrap();
    let hash = client.view(id).unwrap().hash;
    let again = client.add(What::File(Arc::clone(&file)), &paused());
    assert_eq!(again, Err(AddError::Duplicate(id)));
    assert_eq!(client.add(What::Link(hash), &paused()), Err(AddError::Duplicate(id)));
    client.remove(&[id]).unwrap();
    assert_eq!(client.view(id), None);
    assert_eq!(client.remove(&[id]), Err(Refusal::Unknown(id)));
    stop(client);
    let client = start(dir.path());
    assert_eq!(client.views(), []);
    let next = client.add(What::File(file), &paused()).unwrap();
    assert!(next > id, "{next} after {id}");
    stop(client);
}

#[test]
fn what_is_no_torrent_or_makes_no_sense_is_refused_in_words_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let client = start(dir.path());
    let file = torrent(&dir.path().join("made"), "one.bin");
    for bad in ["", "hello", "magnet:?xt=urn:btih:12", "magnet:?dn=x"] {
        let refused = client.add(What::Link(bad.into()), &How::default());
        assert!(matches!(refused, Err(AddError::NoTorrent(_))), "{bad}: {refused:?}");
    }
    let bad = client.add(What::File(Arc::from(&b"d4:infoe"[..])), &How::default());
    assert!(matches!(bad, Err(AddError::NoTorrent(_))), "{bad:?}");
    let hows = [
        How { dir: Some("/etc".into()), ..paused() },
        How { dir: Some("relative".into()), ..paused() },
        How { dir: Some(dir.path().join("downloads/../..")), ..paused() },
        How { name: Some("a\nb".into()), ..paused() },
        How { tags: vec![String::new()], ..paused() },
        How { files: Some(vec![9]), ..paused() },
        How { files: Some(vec![1, 1]), ..paused() },
    ];
    for how in hows {
        let refused = client.add(What::File(Arc::clone(&file)), &how);
        assert!(matches!(refused, Err(AddError::Refused(_))), "{how:?}: {refused:?}");
    }
    assert_eq!(client.views(), []);
    let id = client.add(What::File(file), &paused()).unwrap();
    let before = client.view(id);
    let edit = Edit { name: Some("new".into()), files: [(7, 1)].into(), ..Edit::default() };
    assert!(matches!(client.edit(&[id], &edit), Err(Refusal::Value(_))));
    let edit = Edit { name: Some("new".into()), ..Edit::default() };
    assert_eq!(client.edit(&[id, 99], &edit), Err(Refusal::Unknown(99)));
    assert_eq!(client.view(id), before);
    stop(client);
}

#[test]
fn a_download_completes_and_then_waits_for_its_goal() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let file = torrent(&made, "one.bin");
    let (seeding, _torrent) = seed(&made, &file);
    let client = start(dir.path());
    let id = client.add(What::File(file), &How::default()).unwrap();
    client.add_peers(id, seeding.listening_on().to_vec());
    let view = wait(&client, id, "the end", |view| view.phase == Phase::Seeding);
    assert_eq!((view.left, view.downloaded), (0, SIZE as u64));
    assert!(view.done.is_some() && view.active.is_some(), "{view:?}");
    let there = std::fs::read(dir.path().join("downloads/one.bin")).unwrap();
    assert!(there == std::fs::read(made.join("one.bin")).unwrap());
    // Nothing was given yet, so a ratio of 0 is enough.
    client.edit(&[id], &Edit { ratio: Some(Goal::Own(0)), ..Edit::default() }).unwrap();
    let view = wait(&client, id, "its goal", |view| view.phase == Phase::Done);
    assert!(view.reached);
    client.edit(&[id], &Edit { wish: Some(Wish::Queued), ..Edit::default() }).unwrap();
    wait(&client, id, "somebody who wants it all the same", |view| view.phase == Phase::Seeding);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(client.view(id).unwrap().phase, Phase::Seeding, "told once");
    stop(client);
    let client = start(dir.path());
    let view = wait(&client, id, "the next life", |view| view.phase != Phase::Checking);
    assert_eq!((view.phase, view.reached), (Phase::Seeding, false));
    stop(client);
    seeding.shutdown(Duration::from_secs(5));
}

#[test]
fn those_that_wait_start_when_their_turn_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue { downloads: Some(1), ..Queue::default() };
    let settings = |options: &mut Options| {
        options.settings = Settings { queue, ..options.settings.clone() };
    };
    let client = start_with(dir.path(), settings);
    let add = |name: &str| {
        let file = torrent(&dir.path().join("made"), name);
        client.add(What::File(file), &How::default()).unwrap()
    };
    let ids = [add("a.bin"), add("bb.bin"), add("ccc.bin")];
    let phases = |ids: [u64; 3]| ids.map(|id| client.view(id).unwrap().phase);
    wait(&client, ids[0], "the first", |view| view.phase == Phase::Downloading);
    assert_eq!(phases(ids)[1..], [Phase::Queued; 2]);
    assert!(client.view(ids[2]).unwrap().why.contains("turn"), "{:?}", client.view(ids[2]));
    client.edit(&[ids[2]], &Edit { wish: Some(Wish::Forced), ..Edit::default() }).unwrap();
    wait(&client, ids[2], "the forced one", |view| view.phase == Phase::Downloading);
    client.edit(&[ids[0]], &Edit { wish: Some(Wish::Paused), ..Edit::default() }).unwrap();
    wait(&client, ids[1], "the next", |view| view.phase == Phase::Downloading);
    assert_eq!(client.view(ids[0]).unwrap().phase, Phase::Paused);
    let none = SettingsEdit { queue: Some(Queue::default()), ..SettingsEdit::default() };
    client.edit(&[ids[0]], &Edit { wish: Some(Wish::Queued), ..Edit::default() }).unwrap();
    wait(&client, ids[0], "the first again", |view| view.phase == Phase::Downloading);
    assert_eq!(client.view(ids[1]).unwrap().phase, Phase::Queued, "it stands behind");
    client.set_settings(none).unwrap();
    wait(&client, ids[1], "a queue without an end", |view| view.phase == Phase::Downloading);
    stop(client);
}

#[test]
fn who_waits_for_a_change_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let client = start(dir.path());
    let turns = client.turns();
    let cursor = client.changes(None).cursor;
    let file = torrent(&dir.path().join("made"), "one.bin");
    let id = client.add(What::File(file), &paused()).unwrap();
    assert!(turns.has_changed().unwrap());
    let since = toubkal_daemon::Cursor::parse(&cursor);
    let changes = client.changes(since);
    assert!(!changes.full);
    assert_eq!(changes.torrents.iter().map(|view| view.id).collect::<Vec<_>>(), [id]);
    client.remove(&[id]).unwrap();
    assert_eq!(client.changes(since).removed, [id]);
    stop(client);
    let client = start(dir.path());
    assert!(client.changes(since).full, "another life");
    stop(client);
}
