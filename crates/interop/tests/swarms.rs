//! Toubkal among several programs at once, found through a tracker alone.
#![cfg(target_os = "linux")]

use toubkal_interop::{Client, Content, Network, Tracker};

/// Bytes a second that a slow client gives.
const LIMIT: u32 = 1_000_000;
/// Who gave less took no part.
const PART: u64 = 1_000_000;

#[test]
fn toubkal_finds_a_seed_through_opentracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Rtorrent, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Toubkal, &content).tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn a_leecher_finds_toubkal_through_opentracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Toubkal, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Aria2, &content).tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn others_find_each_other_through_toubkal_as_tracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = Tracker::toubkal(&net, &content);
    let _seed = net.start(Client::Libtorrent, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut aria2 = net.start(Client::Aria2, &content).tracker(&tracker).get();
    let mut rtorrent = net.start(Client::Rtorrent, &content).tracker(&tracker).get();
    aria2.complete();
    rtorrent.complete();
    content.assert_same(aria2);
    content.assert_same(rtorrent);
}

/// The seeds are slow, so that none can give everything before the others take part:
/// Transmission lets nobody in for its first ten seconds, and libtorrent sometimes lets nobody
/// have anything for its first fifteen.
#[test]
fn toubkal_gets_from_a_mixed_swarm_though_a_seed_is_killed_half_way() {
    let net = Network::new();
    let content = Content::large_tree("large tree");
    let mut tracker = net.tracker(&content);
    let seed = |client| net.start(client, &content).tracker(&tracker).up_limit(LIMIT).seed();
    let mut first = seed(Client::Libtorrent);
    let others = [seed(Client::Aria2), seed(Client::Transmission)];
    let leecher = net.start(Client::Libtorrent, &content).tracker(&tracker);
    let _leecher = leecher.up_limit(LIMIT).get_listening();
    tracker.until_seeds(3);
    let mut get = net.start(Client::Toubkal, &content).tracker(&tracker).get();
    get.has_written(content.size() / 2);
    get.until("the first seed takes part", || net.sent_by(&first) > PART);
    first.kill();
    get.complete();
    for peer in [&first, &others[0], &others[1]] {
        assert!(net.sent_by(peer) > PART, "{:?} took no part", peer.client());
    }
    content.assert_same(get);
}

#[test]
fn toubkal_alone_seeds_a_mixed_swarm() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Toubkal, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let clients = [Client::Libtorrent, Client::Transmission, Client::Aria2, Client::Rtorrent];
    let start = |client| net.start(client, &content).tracker(&tracker).get();
    let mut leechers = clients.map(start);
    for leecher in &mut leechers {
        leecher.complete();
    }
    for leecher in leechers {
        content.assert_same(leecher);
    }
}
