//! Toubkal and others find each other: through trackers over UDP, and on the local network.
#![cfg(target_os = "linux")]

use toubkal_interop::{Client, Content, Network, Tracker};

#[test]
fn toubkal_finds_a_seed_through_opentracker_over_udp() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Libtorrent, &content).udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Toubkal, &content).udp_tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn a_leecher_finds_toubkal_through_opentracker_over_udp() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Toubkal, &content).udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Libtorrent, &content).udp_tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn toubkal_finds_a_seed_through_a_udp_tracker_over_ipv6_alone() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = Tracker::toubkal_v6(&net, &content);
    let _seed = net.start(Client::Libtorrent, &content).v6().udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Toubkal, &content).v6().udp_tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn others_find_each_other_through_toubkal_as_udp_tracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = Tracker::toubkal(&net, &content);
    let start = |client| net.start(client, &content).udp_tracker(&tracker);
    let _seed = start(Client::Libtorrent).seed();
    // aria2 asks over UDP only when it takes part in the DHT.
    let aria2 = start(Client::Aria2).option("--enable-dht=true");
    let transmission = start(Client::Transmission);
    tracker.until_seeds(1);
    for leecher in [aria2, transmission] {
        let mut leecher = leecher.get();
        leecher.complete();
        content.assert_same(leecher);
    }
}

#[test]
fn toubkal_finds_libtorrent_on_the_local_network() {
    finds(Client::Toubkal, Client::Libtorrent);
}

#[test]
fn libtorrent_finds_toubkal_on_the_local_network() {
    finds(Client::Libtorrent, Client::Toubkal);
}

#[test]
fn toubkal_finds_transmission_on_the_local_network() {
    finds(Client::Toubkal, Client::Transmission);
}

#[test]
fn transmission_finds_toubkal_on_the_local_network() {
    finds(Client::Transmission, Client::Toubkal);
}

#[test]
fn toubkal_finds_toubkal_on_the_local_network() {
    finds(Client::Toubkal, Client::Toubkal);
}

#[test]
fn toubkal_finds_libtorrent_on_the_local_network_over_ipv6_alone() {
    let net = Network::new();
    let content = Content::tree("tree");
    let _seed = net.start(Client::Libtorrent, &content).v6().lan().seed();
    let mut get = net.start(Client::Toubkal, &content).v6().lan().get();
    get.complete();
    content.assert_same(get);
}

/// A leecher that comes later finds a seed of which nobody has told it.
fn finds(leecher: Client, seed: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let _seed = net.start(seed, &content).lan().seed();
    let mut get = net.start(leecher, &content).lan().get();
    get.complete();
    content.assert_same(get);
}
