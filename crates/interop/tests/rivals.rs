//! The other programs among themselves: when one of these fails, the fault is not Toubkal's.
#![cfg(target_os = "linux")]

use toubkal_interop::{Client, Content, Network};

#[test]
fn libtorrent_gets_from_libtorrent() {
    gets_from(Client::Libtorrent);
}
#[test]
fn libtorrent_gets_from_transmission() {
    gets_from(Client::Transmission);
}
#[test]
fn libtorrent_gets_from_aria2() {
    gets_from(Client::Aria2);
}
#[test]
fn libtorrent_gets_from_rtorrent() {
    gets_from(Client::Rtorrent);
}
#[test]
fn libtorrent_gives_to_transmission() {
    gives_to(Client::Transmission);
}
#[test]
fn libtorrent_gives_to_aria2() {
    gives_to(Client::Aria2);
}
#[test]
fn libtorrent_gives_to_rtorrent() {
    gives_to(Client::Rtorrent);
}
#[test]
fn v6_libtorrent() { v6(Client::Libtorrent); }
#[test]
fn v6_transmission() { v6(Client::Transmission); }
#[test]
fn v6_aria2() { v6(Client::Aria2); }
#[test]
fn v6_rtorrent() { v6(Client::Rtorrent); }
#[test]
fn tracker_aria2() { tracker(Client::Aria2, Client::Libtorrent); }
#[test]
fn tracker_libtorrent() { tracker(Client::Libtorrent, Client::Aria2); }
#[test]
fn tracker_transmission() { tracker(Client::Transmission, Client::Libtorrent); }
#[test]
fn tracker_rtorrent() { tracker(Client::Rtorrent, Client::Libtorrent); }

fn tracker(client: Client, seed: Client) {
    let net = Network::new();
    let content = Content::single("file", 5_000_000);
    let mut tracker = net.tracker(&content);
    let seed = net.start(seed, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(client, &content).tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
    drop(seed);
}

fn v6(client: Client) {
    let net = Network::new();
    let content = Content::single("file", 5_000_000);
    let seed = net.start(client, &content).v6().seed();
    let mut get = net.start(Client::Libtorrent, &content).v6().peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

fn gets_from(client: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(client, &content).seed();
    let mut get = net.start(Client::Libtorrent, &content).peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

fn gives_to(client: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut get = net.start(client, &content).get_listening();
    let _seed = net.start(Client::Libtorrent, &content).peer(&get).seed();
    get.complete();
    content.assert_same(get);
}
