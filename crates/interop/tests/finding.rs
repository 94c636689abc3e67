//! Toubkal and others find each other: through trackers over UDP, and on the local network.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use toubkal_interop::{Client, Content, Network, Process, Tracker, toubkal};

#[test]
fn toubkal_finds_a_seed_through_opentracker_over_udp() {
    let net = Network::new();
    let content = Content::tree("tree");
    finds_through(&net, &content, net.tracker(&content), Client::Toubkal, Client::Libtorrent);
}

#[test]
fn a_leecher_finds_toubkal_through_opentracker_over_udp() {
    let net = Network::new();
    let content = Content::tree("tree");
    finds_through(&net, &content, net.tracker(&content), Client::Libtorrent, Client::Toubkal);
}

#[test]
fn toubkal_finds_a_seed_through_a_udp_tracker_over_ipv6_alone() {
    let net = Network::new();
    let content = Content::tree("tree");
    let tracker = Tracker::toubkal_v6(&net, &content);
    finds_through(&net, &content, tracker, Client::Toubkal, Client::Libtorrent);
}

#[test]
fn transmission_finds_a_seed_through_toubkal_as_udp_tracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let tracker = Tracker::toubkal(&net, &content);
    finds_through(&net, &content, tracker, Client::Transmission, Client::Libtorrent);
}

#[test]
fn aria2_finds_a_seed_through_toubkal_as_udp_tracker() {
    let net = Network::new();
    let content = Content::tree("tree");
    let tracker = Tracker::toubkal(&net, &content);
    finds_through(&net, &content, tracker, Client::Aria2, Client::Libtorrent);
}

#[test]
fn toubkal_finds_libtorrent_on_the_local_network() {
    finds(Client::Toubkal, Client::Libtorrent, false);
}

#[test]
fn libtorrent_finds_toubkal_on_the_local_network() {
    finds(Client::Libtorrent, Client::Toubkal, false);
}

#[test]
fn toubkal_finds_transmission_on_the_local_network() {
    finds(Client::Toubkal, Client::Transmission, false);
}

#[test]
fn transmission_finds_toubkal_on_the_local_network() {
    finds(Client::Transmission, Client::Toubkal, false);
}

#[test]
fn toubkal_finds_toubkal_on_the_local_network() {
    finds(Client::Toubkal, Client::Toubkal, false);
}

#[test]
fn toubkal_finds_libtorrent_on_the_local_network_over_ipv6_alone() {
    finds(Client::Toubkal, Client::Libtorrent, true);
}

/// The private one is added first: if it were announced, that would be heard first, or together.
#[test]
fn a_private_torrent_is_not_spoken_of_on_the_local_network() {
    let net = Network::new();
    let (host, other) = (net.host(), net.host());
    let folder = tempfile::tempdir().unwrap();
    let private = create(folder.path(), "private", &["--private"]);
    let public = create(folder.path(), "public", &[]);
    let IpAddr::V4(here) = other.v4() else { panic!("it is an IPv4 address") };
    let heard = other.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:6771").unwrap();
        socket.join_multicast_v4(&[239, 192, 152, 143].into(), &here).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    });
    let mut get = toubkal();
    get.current_dir(&folder).args(["get", "private.torrent", "public.torrent", "-o", "out"]);
    get.arg("--listen").arg(format!("{}:6881", host.v4()));
    let _get = Process::start(&host, get, &folder.path().join("log"));
    let mut said = String::new();
    let mut packet = [0; 2000];
    while !said.contains(&public) {
        let length = heard.recv(&mut packet).expect("the public torrent is announced");
        said.push_str(&String::from_utf8_lossy(&packet[..length]));
    }
    assert!(!said.contains(&private), "{said}");
}

/// Makes a torrent of one small file; its info-hash.
fn create(folder: &Path, name: &str, flags: &[&str]) -> String {
    std::fs::write(folder.join(name), name).unwrap();
    let torrent = format!("{name}.torrent");
    let mut create = toubkal();
    create.current_dir(folder).args(["create", name, "-o", &torrent, "--json"]).args(flags);
    let printed = create.output().unwrap().stdout;
    let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    printed["torrent"].as_str().expect("it is named by its hash").to_owned()
}

/// A leecher finds a seed through a tracker alone, which is asked over UDP alone.
fn finds_through(
    net: &Network,
    content: &Content,
    mut tracker: Tracker,
    leecher: Client,
    seed: Client,
) {
    let start = |client| {
        let peer = net.start(client, content).udp_tracker(&tracker);
        let peer = if tracker.is_v6() { peer.v6() } else { peer };
        // aria2 asks over UDP only when it takes part in the DHT.
        if client == Client::Aria2 { peer.option("--enable-dht=true") } else { peer }
    };
    let (_seed, leecher) = (start(seed).seed(), start(leecher));
    tracker.until_seeds(1);
    let mut get = leecher.get();
    get.complete();
    content.assert_same(get);
}

/// A leecher that comes later finds a seed of which nobody has told it.
fn finds(leecher: Client, seed: Client, v6: bool) {
    let net = Network::new();
    let content = Content::tree("tree");
    let start = |client| {
        let peer = net.start(client, &content).lan();
        if v6 { peer.v6() } else { peer }
    };
    let _seed = start(seed).seed();
    let mut get = start(leecher).get();
    get.complete();
    content.assert_same(get);
}
