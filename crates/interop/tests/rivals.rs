//! The other programs among themselves: when one of these fails, the fault is not Toubkal's.
#![cfg(target_os = "linux")]

use toubkal_interop::{Client, Content, Network};

#[test]
fn libtorrent_gets_from_rtorrent() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Rtorrent, &content).seed();
    let mut get = net.start(Client::Libtorrent, &content).peer(&seed).get();
    get.complete();
    content.assert_same(get);
}

#[test]
fn aria2_finds_libtorrent_through_opentracker() {
    let net = Network::new();
    let content = Content::single("file", 5_000_000);
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Libtorrent, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Aria2, &content).tracker(&tracker).get();
    get.complete();
    content.assert_same(get);
}
