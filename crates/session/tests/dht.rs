//! Sessions that find each other by the DHT alone, on loopback.

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{PATIENCE, assert_same, loopback, until, until_completed, write_files};
use toubkal_session::dht::{Id, Item, NewItem, Report, Wanted, Wish, public_key};
use toubkal_session::{Add, Metainfo, Notice, Options, Session};

const FILES: [usize; 2] = [100_000, 50_000];

/// A session that knows one node, or none.
fn session(knows: Option<&Session>, state: Option<&Path>) -> Session {
    let bootstrap = knows.map(|other| other.listening_on()[0].to_string());
    let options = Options {
        listen: vec![loopback()],
        lan: false,
        bootstrap: bootstrap.into_iter().collect(),
        state: state.map(|dir| dir.join("state.db")),
        ..Options::default()
    };
    Session::start(options).unwrap()
}

/// One that others begin with.
fn router() -> Session {
    let router = session(None, None);
    router.dht().unwrap().start();
    // It has a socket from now on.
    assert!(router.dht().unwrap().status().is_some());
    router
}

fn torrent(dir: &Path, private: bool) -> Arc<Metainfo> {
    write_files(dir, "goods", &FILES);
    let mut metainfo = common::torrent("goods", &FILES, 32 * 1024, None);
    metainfo.private = private;
    Arc::new(metainfo)
}

/// Reports until one is what is waited for.
fn answer<T>(session: &Session, wish: Wish, what: impl Fn(Report) -> Option<T>) -> T {
    let answers = session.dht().unwrap().ask(wish);
    let end = Instant::now() + PATIENCE;
    loop {
        let report = answers.next(Duration::from_millis(100));
        if let Some(found) = report.and_then(&what) {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain");
    }
}

#[test]
fn a_torrent_without_trackers_is_found_by_the_dht() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = torrent(dir.path(), false);
    let router = router();
    let seed = session(Some(&router), None);
    seed.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    until(&seed, "seeding", |notice| matches!(notice, Notice::Completed { .. }));
    let get = session(Some(&router), None);
    let out = tempfile::tempdir().unwrap();
    let torrent = get.add(metainfo, Add::to(out.path())).unwrap();
    assert!(torrent.search().is_none_or(|search| search.hops < 10));
    until_completed(&get);
    assert_same(out.path(), "goods", &FILES);
}

#[test]
fn the_nodes_that_a_torrent_names_are_enough_to_begin_with() {
    let dir = tempfile::tempdir().unwrap();
    let router = router();
    let mut metainfo = Arc::unwrap_or_clone(torrent(dir.path(), false));
    metainfo.nodes = vec![("127.0.0.1".to_owned(), router.listening_on()[0].port())];
    let one = session(None, None);
    one.add(Arc::new(metainfo), Add::to(dir.path())).unwrap();
    knows_somebody(&one);
}

#[test]
fn peers_tell_each_other_of_their_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = torrent(dir.path(), false);
    let (one, other) = (session(None, None), session(None, None));
    one.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    until(&one, "seeding", |notice| matches!(notice, Notice::Completed { .. }));
    let out = tempfile::tempdir().unwrap();
    let torrent = other.add(metainfo, Add::to(out.path())).unwrap();
    torrent.add_peers(one.listening_on().to_vec());
    until_completed(&other);
    knows_somebody(&one);
    knows_somebody(&other);
}

#[test]
fn a_private_torrent_says_nothing_to_the_dht() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = torrent(dir.path(), true);
    let router = router();
    let seed = session(Some(&router), None);
    let torrent = seed.add(metainfo, Add::to(dir.path())).unwrap();
    until(&seed, "seeding", |notice| matches!(notice, Notice::Completed { .. }));
    assert_eq!(torrent.search().map(|search| search.query), None);
    assert!(seed.dht().unwrap().status().is_none(), "there is not even a node");
    assert_eq!(router.dht().unwrap().status().unwrap().torrents, 0);
}

#[test]
fn what_a_node_knows_outlives_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let metainfo = torrent(dir.path(), false);
    let router = router();
    let first = session(Some(&router), Some(dir.path()));
    first.add(Arc::clone(&metainfo), Add::to(dir.path())).unwrap();
    knows_somebody(&first);
    let id = first.dht().unwrap().status().unwrap().homes[0].id;
    first.shutdown(Duration::from_secs(10));
    let second = session(None, Some(dir.path()));
    second.add(metainfo, Add::to(dir.path())).unwrap();
    knows_somebody(&second);
    assert_eq!(second.dht().unwrap().status().unwrap().homes[0].id, id);
}

#[test]
fn an_item_that_one_session_stores_is_read_by_another() {
    let router = router();
    let (one, other) = (session(Some(&router), None), session(Some(&router), None));
    let (secret, salt) = ([7; 32], b"salt".to_vec());
    for (seq, value) in [(1, b"5:first".to_vec()), (2, b"6:second".to_vec())] {
        let (salt, value) = (salt.clone(), value.clone());
        let item = NewItem::Mutable { secret, salt, seq: None, value, cas: None };
        let stored = answer(&one, Wish::Put(item), |report| match report {
            Report::Stored { nodes, item, .. } => Some((nodes > 0, item.seq())),
            _ => None,
        });
        assert_eq!(stored, (true, seq));
    }
    let wanted = Wanted::Mutable { key: public_key(&secret), salt };
    let got: Item = answer(&other, Wish::Get(wanted), |report| match report {
        Report::Got { item, .. } if item.seq() == 2 => Some(item),
        _ => None,
    });
    assert_eq!(got.value, b"6:second");
}

#[test]
fn a_node_answers_for_itself() {
    let router = router();
    let one = session(None, None);
    let to: SocketAddr = router.listening_on()[0];
    let id = answer(&one, Wish::Ping(to), |report| match report {
        Report::Pong { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(id, router.dht().unwrap().status().unwrap().homes[0].id);
    assert_ne!(id, Id([0; 20]));
    let off = Options { listen: vec![loopback()], dht: false, ..Options::default() };
    assert!(Session::start(off).unwrap().dht().is_none());
}

fn knows_somebody(session: &Session) {
    let end = Instant::now() + PATIENCE;
    while session.dht().unwrap().status().is_none_or(|status| status.homes[0].nodes == 0) {
        assert!(Instant::now() < end, "it knows nobody");
        let _ = session.next_event(Duration::from_millis(20));
    }
}
