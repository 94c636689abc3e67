//! Hosts at the end of a road, on which packets take their time and some are lost.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use toubkal_interop::{Client, Content, Host, Network, Nodes, Road, Tally};

const DELAY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_road_loses_as_many_as_it_says_and_takes_the_rest_to_the_end() {
    let net = Network::new();
    let near = net.host();
    let far = net.far_host(Road { delay: DELAY, loss: 100, seed: 1 });
    let (from, to) = (socket(&near), socket(&far));
    let there = to.local_addr().unwrap();
    let before = far.tally();
    for number in 0..200_u8 {
        from.send_to(&[number], there).unwrap();
    }
    let begun = Instant::now();
    // What the system itself had to say may be among them.
    let Tally { carried, lost } = loop {
        let tally = since(&far, before);
        if tally.carried + tally.lost >= 200 {
            break tally;
        }
        assert!(begun.elapsed() < PATIENCE, "{tally:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    to.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let next = || {
        let mut packet = [0];
        to.recv(&mut packet).ok().map(|_| packet[0])
    };
    let come = std::iter::from_fn(next).collect::<BTreeSet<u8>>().len() as u64;
    assert!((160..=195).contains(&come), "{come} of 200 have come");
    assert!(come <= carried && 200 - come <= lost, "{come} have come, {carried} and {lost}");
}

#[test]
fn a_road_takes_its_time_both_ways() {
    let net = Network::new();
    let near = net.host();
    let far = net.far_host(Road { delay: DELAY, loss: 0, seed: 1 });
    let (ask, echo) = (socket(&near), socket(&far));
    let (before, begun) = (far.tally(), Instant::now());
    ask.send_to(b"?", echo.local_addr().unwrap()).unwrap();
    let (_, asker) = echo.recv_from(&mut [0]).unwrap();
    assert!(begun.elapsed() >= DELAY);
    echo.send_to(b"!", asker).unwrap();
    ask.recv(&mut [0]).unwrap();
    assert!(begun.elapsed() >= 2 * DELAY);
    let Tally { carried, lost } = since(&far, before);
    assert!(carried >= 2 && lost == 0, "{carried} and {lost}");
}

/// Two nodes in five are silent, and a packet in fifty is lost.
#[test]
fn a_link_leads_to_the_file_list_from_far_away_too() {
    let net = Network::new();
    let content = Content::tree("tree");
    let nodes = Nodes::start(&net, 6, 6);
    let silent = nodes.more(&net, 4, 4);
    let seed = net.start(Client::Libtorrent, &content).dht(nodes.router()).seed();
    nodes.until_found(&content.info_hash(), seed.address());
    silent.freeze();
    let road = Road { delay: DELAY, loss: 20, seed: 1 };
    let mut get = net.start(Client::Toubkal, &content).magnet().dht(nodes.router()).far(road).get();
    let log = get.log();
    let says = |words: &str| std::fs::read_to_string(&log).unwrap().contains(words);
    get.until("it has the file list", || says("\"metadata\""));
}

/// What became of the packets of a road since then.
fn since(far: &Host, before: Tally) -> Tally {
    let now = far.tally();
    Tally { carried: now.carried - before.carried, lost: now.lost - before.lost }
}

/// A socket on a host, which waits long enough for what must come.
fn socket(host: &Host) -> UdpSocket {
    let address = SocketAddr::new(host.v4(), 7000);
    let socket = host.run(move || UdpSocket::bind(address)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}
