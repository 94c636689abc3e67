//! Toubkal and one other program: each as seed and as leecher, over IPv4 and IPv6, whoever calls.
#![cfg(target_os = "linux")]

use toubkal_interop::{Client, Content, Network, Peer};

#[test]
fn toubkal_gets_from_libtorrent() {
    gets_from(Client::Libtorrent);
}

#[test]
fn toubkal_gets_from_transmission() {
    gets_from(Client::Transmission);
}

#[test]
fn toubkal_gets_from_aria2() {
    gets_from(Client::Aria2);
}

#[test]
fn toubkal_gets_from_rtorrent() {
    gets_from(Client::Rtorrent);
}

#[test]
fn toubkal_gets_from_toubkal() {
    gets_from(Client::Toubkal);
}

#[test]
fn libtorrent_gets_from_toubkal() {
    gives_to(Client::Libtorrent);
}

#[test]
fn transmission_gets_from_toubkal() {
    gives_to(Client::Transmission);
}

#[test]
fn aria2_gets_from_toubkal() {
    gives_to(Client::Aria2);
}

#[test]
fn rtorrent_gets_from_toubkal() {
    gives_to(Client::Rtorrent);
}

#[test]
fn toubkal_gets_a_single_file_that_does_not_end_on_a_block() {
    let net = Network::new();
    let content = Content::single("été.bin", 20_000_001);
    let seed = net.start(Client::Libtorrent, &content).seed();
    let mut get = net.start(Client::Toubkal, &content).peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn toubkal_gets_over_ipv6() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Aria2, &content).v6().seed();
    let mut get = net.start(Client::Toubkal, &content).v6().peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn toubkal_seeds_over_ipv6() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Toubkal, &content).v6().seed();
    let mut get = net.start(Client::Libtorrent, &content).v6().peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn a_seed_that_calls_a_listening_toubkal_is_used() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut get = net.start(Client::Toubkal, &content).get_listening();
    let _seed = net.start(Client::Libtorrent, &content).peer(&get).seed();
    get.complete();
    content.assert_same(get);
}

#[test]
fn a_leecher_that_calls_a_seeding_toubkal_is_served() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Toubkal, &content).seed();
    let mut get = net.start(Client::Libtorrent, &content).peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn an_interrupted_get_resumes() {
    stopped_half_way(|get| {
        get.process().interrupt();
        assert_eq!(get.ended().code(), Some(130));
    });
}

#[test]
fn a_killed_get_resumes() {
    stopped_half_way(Peer::kill);
}

/// Gets half, is stopped, and gets the rest, with what it has as it was.
fn stopped_half_way(stop: impl Fn(&mut Peer)) {
    let net = Network::new();
    let content = Content::single("file", 12_000_000);
    let slow = net.start(Client::Libtorrent, &content).up_limit(3_000_000).seed();
    let mut get = net.start(Client::Toubkal, &content).peer(&slow).get();
    get.has_written(6_000_000);
    stop(&mut get);
    let mut get = net.start(Client::Toubkal, &content).peer(&slow).after(get).get();
    get.complete();
    content.assert_same(get);
}

/// Toubkal calls a seed of another kind.
fn gets_from(client: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(client, &content).seed();
    let mut get = net.start(Client::Toubkal, &content).peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

/// Toubkal, a seed, calls a leecher of another kind.
fn gives_to(client: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut get = net.start(client, &content).get_listening();
    let _seed = net.start(Client::Toubkal, &content).peer(&get).seed();
    get.complete();
    content.assert_same(get);
}
