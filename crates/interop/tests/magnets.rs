//! Magnet links with real programs: where metadata and peers come from, and who lies.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, SocketAddr};

use toubkal_interop::{Client, Content, Liar, Network, Start, Tracker, toubkal};

#[test]
fn toubkal_needs_no_more_than_one_peer_of_the_link() {
    toubkal_gets_from(Client::Libtorrent);
}

#[test]
fn toubkal_gets_a_link_from_transmission() {
    toubkal_gets_from(Client::Transmission);
}

#[test]
fn toubkal_gets_a_link_from_aria2() {
    toubkal_gets_from(Client::Aria2);
}

#[test]
fn toubkal_gets_a_link_from_rtorrent() {
    toubkal_gets_from(Client::Rtorrent);
}

#[test]
fn toubkal_gets_a_link_from_toubkal() {
    toubkal_gets_from(Client::Toubkal);
}

#[test]
fn libtorrent_gets_a_link_from_toubkal() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Toubkal, &content).seed();
    complete(&content, net.start(Client::Libtorrent, &content).peer(&seed));
}

#[test]
fn transmission_gets_a_link_from_toubkal() {
    through_a_tracker_from_toubkal(Client::Transmission);
}

#[test]
fn aria2_gets_a_link_from_toubkal() {
    through_a_tracker_from_toubkal(Client::Aria2);
}

#[test]
fn toubkal_finds_by_exchange_alone_what_a_peer_without_metadata_knows() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Libtorrent, &content).seed();
    let knows = net.start(Client::Libtorrent, &content).magnet().gossip().peer(&seed);
    let knows = knows.get_listening();
    complete(&content, net.start(Client::Toubkal, &content).peer(&knows));
}

#[test]
fn toubkal_gets_a_link_through_a_udp_tracker_over_ipv6_alone() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = Tracker::toubkal_v6(&net, &content);
    let _seed = net.start(Client::Libtorrent, &content).udp_tracker(&tracker).v6().seed();
    tracker.until_seeds(1);
    complete(&content, net.start(Client::Toubkal, &content).udp_tracker(&tracker).v6());
}

#[test]
fn toubkal_gets_a_link_through_opentracker_over_udp() {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Libtorrent, &content).udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    complete(&content, net.start(Client::Toubkal, &content).udp_tracker(&tracker));
}

#[test]
fn toubkal_gets_a_link_on_the_local_network_alone() {
    let net = Network::new();
    let content = Content::tree("tree");
    let _seed = net.start(Client::Libtorrent, &content).lan().seed();
    complete(&content, net.start(Client::Toubkal, &content).lan());
}

#[test]
fn liars_that_come_first_are_found_out() {
    let net = Network::new();
    let content = Content::tree("tree");
    let liars: Vec<Liar> = (0..5).map(|_| Liar::start(&net, &content)).collect();
    let mut get = net.start(Client::Toubkal, &content).magnet();
    for liar in &liars {
        get = get.peer_at(liar.address());
    }
    let mut get = get.get_listening();
    // All of them have lied before anybody comes who does not.
    let lied = |text: &str| text.lines().any(|line| line.contains("\"liars\":5"));
    let log = get.log();
    get.until("all liars are found out", || lied(&std::fs::read_to_string(&log).unwrap()));
    let _seed = net.start(Client::Libtorrent, &content).peer(&get).seed();
    get.complete();
    content.assert_same(get);
}

#[test]
fn one_good_address_among_200_dead_ones_is_enough() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Libtorrent, &content).seed();
    let mut get = net.start(Client::Toubkal, &content).magnet();
    for number in 30..230 {
        let IpAddr::V4(ip) = seed.address().ip() else { panic!("it is an IPv4 address") };
        let [a, b, c, _] = ip.octets();
        let dead = SocketAddr::new([a, b, c, number].into(), 6881);
        get = get.option("--peer").option(&dead.to_string());
    }
    let mut get = get.option("--peer").option(&seed.address().to_string()).get();
    get.complete();
    content.assert_same(get);
}

/// Of these programs rTorrent alone gives the metadata of a private torrent.
#[test]
fn a_private_torrent_behind_a_link_is_known_for_one() {
    let net = Network::new();
    let content = Content::tree("tree").private();
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Rtorrent, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    let mut get = net.start(Client::Toubkal, &content).magnet().tracker(&tracker).lan().get();
    get.complete();
    assert!(get.output().contains("\"private\":true"));
    content.assert_same(get);
}

#[test]
fn a_link_that_nobody_has_is_said_to_be_unknown_and_ends_in_its_time() {
    let net = Network::new();
    let content = Content::tree("tree");
    let tracker = net.tracker(&content);
    let get = net.start(Client::Toubkal, &content).magnet().tracker(&tracker).lan();
    let mut get = get.option("--timeout").option("12").get();
    let ended = get.ended();
    assert_eq!(ended.code(), Some(1));
    let output = get.output();
    let notice = "\"message\":\"".to_owned() + &content.info_hash();
    assert!(output.contains(&notice), "it was said after a while");
    assert!(output.contains("nobody gave its file list after 12 seconds"));
    assert!(output.contains("answered") && output.contains("nobody on the local network"));
}

#[test]
fn info_shows_what_a_link_means_and_takes_nothing_more() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Libtorrent, &content).seed();
    let folder = tempfile::tempdir().unwrap();
    let host = net.host();
    let mut info = toubkal();
    info.current_dir(&folder).arg("info").arg(content.magnet(&[], &[seed.address()]));
    info.args(["--no-lan", "--json", "--save", "saved.torrent"]);
    let output = host.run(move || info.output().unwrap());
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&content.info_hash()));
    let names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["saved.torrent"]);
}

/// Toubkal calls a seed of another kind, which the link names.
fn toubkal_gets_from(client: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(client, &content).seed();
    complete(&content, net.start(Client::Toubkal, &content).peer(&seed));
}

/// A leecher that takes no peers by a link finds Toubkal through a tracker.
fn through_a_tracker_from_toubkal(leecher: Client) {
    let net = Network::new();
    let content = Content::tree("tree");
    let mut tracker = net.tracker(&content);
    let _seed = net.start(Client::Toubkal, &content).tracker(&tracker).seed();
    tracker.until_seeds(1);
    complete(&content, net.start(leecher, &content).tracker(&tracker));
}

/// A leecher that has only a link gets all.
fn complete(content: &Content, leecher: Start<'_>) {
    let mut get = leecher.magnet().get();
    get.complete();
    content.assert_same(get);
}
