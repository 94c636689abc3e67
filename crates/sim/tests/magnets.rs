//! Swarms in which some know the info-hash alone, and get the metadata from others.

use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::engine::{Notice, PeerSource, Rates, Seeking, State};
use toubkal_sim::{Manners, Setup, World};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};

const MIB: u64 = 1024 * 1024;
const LONG: Duration = Duration::from_secs(3600);

fn world(seed: u64) -> World {
    let layout = Layout::new(4 * BLOCK_BYTES, [(MIB, false), (MIB / 2, false)]);
    let mut world = World::new(seed, layout.expect("a torrent"));
    world.set_watched();
    world
}

/// A magnet on a fast line that hears of nobody by itself.
fn magnet() -> Setup {
    let latency = Duration::from_millis(5);
    Setup { magnet: true, known: 0, up: 10_000_000, latency, ..Setup::default() }
}

fn seed() -> Setup {
    Setup { seed: true, magnet: false, ..magnet() }
}

fn false_one() -> Setup {
    Setup { manners: Manners::Forges, ..seed() }
}

/// When a host had the metadata.
fn found(world: &World, host: usize) -> Option<Duration> {
    let notices = world.report(host).notices;
    let found = notices.iter().find(|(_, notice)| matches!(notice, Notice::Metadata { .. }));
    found.map(|&(at, _)| at)
}

fn dead(count: u32) -> Vec<SocketAddr> {
    (0..count).map(|n| SocketAddr::from(([10, 99, (n >> 8) as u8, n as u8], 6881))).collect()
}

fn hears(world: &mut World, host: usize, of: &[usize], at: Duration) {
    let peers: Vec<SocketAddr> = of.iter().map(|&other| world.address(other)).collect();
    world.hears(host, PeerSource::User, &peers, at);
}

#[test]
fn a_swarm_of_magnets_and_one_seed_gets_everything() {
    for number in 0..5 {
        let mut world = world(number);
        world.add_tracker();
        world.host(seed());
        for _ in 0..12 {
            world.host(Setup { up: 500_000, ..magnet() });
        }
        assert!(world.run(LONG), "{:#?}", world.report(1).status);
    }
}

#[test]
fn one_peer_is_enough_and_nothing_waits() {
    let mut world = world(1);
    let (seed, magnet) = (world.host(seed()), world.host(magnet()));
    hears(&mut world, magnet, &[seed], Duration::from_millis(100));
    assert!(world.run(LONG));
    // A connection, handshakes, and one question for all blocks: four round trips of 20 ms.
    let found = found(&world, magnet).expect("it is found") - Duration::from_millis(100);
    assert!(found < Duration::from_millis(120), "{found:?}");
}

#[test]
fn among_two_hundred_dead_addresses_the_good_one_is_found_at_once() {
    let mut world = world(2);
    let (seed, magnet) = (world.host(seed()), world.host(magnet()));
    let mut peers = dead(200);
    peers.insert(77, world.address(seed));
    world.hears(magnet, PeerSource::Tracker, &peers, Duration::from_millis(100));
    assert!(world.run(LONG));
    let found = found(&world, magnet).expect("it is found") - Duration::from_millis(100);
    assert!(found < Duration::from_millis(150), "{found:?}");
}

#[test]
fn nine_in_ten_addresses_dead_do_not_hold_up_a_swarm() {
    let mut world = world(3);
    let seed = world.host(seed());
    let magnets: Vec<usize> = (0..9).map(|_| world.host(magnet())).collect();
    for &magnet in &magnets {
        let mut peers = dead(90);
        peers.extend(magnets.iter().chain([&seed]).map(|&other| world.address(other)));
        world.hears(magnet, PeerSource::Tracker, &peers, Duration::from_millis(50));
    }
    assert!(world.run(LONG));
    let last = magnets.iter().filter_map(|&magnet| found(&world, magnet)).max();
    assert!(last.expect("all found it") < Duration::from_secs(2), "{last:?}");
}

#[test]
fn five_that_give_false_metadata_are_found_out_and_the_good_one_is_believed() {
    let mut world = world(4);
    let magnet = world.host(magnet());
    let liars: Vec<usize> = (0..5).map(|_| world.host(false_one())).collect();
    let seed = world.host(seed());
    hears(&mut world, magnet, &liars, Duration::from_millis(100));
    hears(&mut world, magnet, &[seed], Duration::from_millis(2100));
    assert!(!world.run(Duration::from_millis(2099)));
    let state = world.report(magnet).status.expect("it is there").state;
    assert!(matches!(state, State::Seeking(Seeking { liars: 5, .. })), "{state:?}");
    assert!(world.run(LONG));
    let found = found(&world, magnet).expect("it is found") - Duration::from_millis(2100);
    assert!(found < Duration::from_millis(120), "{found:?}");
    let banned = |(_, notice): &(_, Notice)| match notice {
        Notice::Banned { remote, .. } => Some(remote.ip()),
        _ => None,
    };
    let mut banned: Vec<_> = world.report(magnet).notices.iter().filter_map(banned).collect();
    banned.sort();
    let liars: Vec<_> = liars.iter().map(|&liar| world.address(liar).ip()).collect();
    assert_eq!(banned, liars, "all of them, and nobody else");
}

#[test]
fn who_has_it_and_gives_none_of_it_holds_up_nobody() {
    let mut world = world(5);
    let magnet = world.host(magnet());
    let silent: Vec<usize> =
        (0..4).map(|_| world.host(Setup { manners: Manners::Withholds, ..seed() })).collect();
    let seed = world.host(seed());
    hears(&mut world, magnet, &silent, Duration::from_millis(100));
    hears(&mut world, magnet, &[seed], Duration::from_millis(1500));
    assert!(world.run(LONG));
    let found = found(&world, magnet).expect("it is found") - Duration::from_millis(1500);
    assert!(found < Duration::from_millis(120), "{found:?}");
}

#[test]
fn a_peer_that_does_not_give_it_tells_who_has_it() {
    let mut world = world(6);
    let (magnet, seed) = (world.host(magnet()), world.host(seed()));
    // It has a little, very slowly, and gives no metadata.
    let rates = Rates { down: Some(30_000), up: None };
    let manners = Manners::Withholds;
    let slow = Setup { rates, manners, magnet: false, ..self::magnet() };
    let hub = world.host(slow);
    hears(&mut world, hub, &[seed], Duration::from_millis(100));
    hears(&mut world, magnet, &[hub], Duration::from_millis(1000));
    assert!(world.run(LONG));
    // To the hub, and from there to the seed: nine round trips.
    let found = found(&world, magnet).expect("it is found") - Duration::from_millis(1000);
    assert!(found < Duration::from_millis(300), "{found:?}");
}

#[test]
fn a_torrent_that_turns_out_private_keeps_to_its_tracker() {
    let mut world = world(7);
    let (magnet, one, two) = (world.host(magnet()), world.host(seed()), world.host(seed()));
    world.run_until(Duration::from_millis(50));
    // For those who come to know it from now on.
    world.set_private();
    hears(&mut world, magnet, &[one], Duration::from_millis(100));
    let address = world.address(two);
    world.hears(magnet, PeerSource::Dht, &[address], Duration::from_millis(110));
    world.hears(magnet, PeerSource::Lan, &[address], Duration::from_secs(30));
    assert!(world.run(LONG));
    world.run_until(Duration::from_secs(60));
    let status = world.report(magnet).status.expect("it is there");
    assert_eq!((status.known, status.state), (1, State::Seeding), "{status:#?}");
}

#[test]
fn nobody_gives_the_metadata_of_a_private_torrent() {
    let mut world = world(9);
    world.set_private();
    let (magnet, seed) = (world.host(magnet()), world.host(seed()));
    hears(&mut world, magnet, &[seed], Duration::from_millis(100));
    assert!(!world.run(Duration::from_secs(60)));
    assert_eq!(found(&world, magnet), None);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let mut world = world(8);
        world.add_tracker();
        world.host(seed());
        (0..6).for_each(|_| _ = world.host(magnet()));
        world.host(false_one());
        world.run(Duration::from_secs(100));
        world.trace_hash()
    };
    assert_eq!(run(), run());
}
