//! Files that are read while they come, in virtual time: what a player may count on.
//!
//! In every world here it is checked that what may be read is right on the disk.

use std::time::Duration;

use toubkal_core::engine::{Policy, Priority, Rates, State};
use toubkal_sim::{Manners, Pace, Reading, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;
const MIB: u64 = 1024 * 1024;

/// One file in pieces of 256 KiB.
fn layout(length: u64) -> Layout {
    Layout::new(16 * BLOCK as u32, [(length, false)]).unwrap()
}

fn seed(up: u64) -> Setup {
    Setup { seed: true, up, ..Setup::default() }
}

/// Its line in holds up nothing.
fn leecher() -> Setup {
    Setup { down: 100_000_000, ..Setup::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A player that takes so many bytes a second, and begins when there are three seconds of them.
fn player(rate: u64) -> Pace {
    Pace { rate, ahead: 3 * rate }
}

/// A world of seeds with such lines, and one host without anything.
fn among(number: u64, length: u64, seeds: &[Setup]) -> (World, usize) {
    let mut world = World::new(number, layout(length));
    world.set_watched();
    seeds.iter().for_each(|setup| _ = world.host(setup.clone()));
    let host = world.host(leecher());
    (world, host)
}

fn played(world: &World, reader: usize) -> &Reading {
    let reading = world.reading(reader);
    assert!(reading.ended, "{reading:?}");
    reading
}

#[test]
fn who_reads_slower_than_what_comes_never_waits_once_begun() {
    for number in 0..5 {
        // 1.6 MB/s in all, from peers none of which is fast enough alone; and others that want it.
        let seeds = vec![seed(400_000); 4];
        let (mut world, host) = among(number, 40 * MIB, &seeds);
        let reader = world.reads(host, 0, 10 * MIB, player(1_000_000), secs(3));
        world.run_until(secs(60));
        let reading = played(&world, reader);
        assert_eq!((reading.read, reading.stalls), (30 * MIB, 0), "seed {number}: {reading:?}");
        assert!(reading.waits[0] < secs(2), "seed {number}: {reading:?}");
    }
}

#[test]
fn the_first_byte_after_a_seek_is_there_within_a_few_round_trips() {
    for number in 0..10 {
        // A round trip takes 80 ms, a piece from one of them 26 ms.
        let (mut world, host) = among(number, 400 * MIB, &vec![seed(10_000_000); 3]);
        let pace = Pace { rate: 1_000_000, ahead: 0 };
        let reader = world.reads(host, 0, 0, pace, secs(5));
        world.turns(reader, 200 * MIB, secs(7));
        world.turns(reader, 300 * MIB, secs(9));
        world.run_until(secs(12));
        let waits = &world.reading(reader).waits;
        assert_eq!(waits.len(), 3);
        assert!(waits.iter().all(|&wait| wait < millis(400)), "seed {number}: {waits:?}");
    }
}

#[test]
fn what_was_read_elsewhere_is_not_waited_for() {
    // A line that needs a second for what is asked of it at once: what comes after a seek would
    // come after all of that.
    let (mut world, host) = among(1, 60 * MIB, &[seed(1_000_000)]);
    let pace = Pace { rate: 500_000, ahead: 0 };
    let reader = world.reads(host, 0, 0, pace, secs(8));
    (1..10).for_each(|turn| world.turns(reader, turn * 6 * MIB, secs(8 + 2 * turn)));
    world.run_until(secs(30));
    let waits = &world.reading(reader).waits;
    assert_eq!(waits.len(), 10);
    // A piece takes a quarter of a second, and a round trip 80 ms.
    assert!(waits[1..].iter().all(|&wait| wait < millis(900)), "{waits:?}");
}

#[test]
fn two_who_read_get_the_same() {
    for number in 0..5 {
        let (mut world, host) = among(number, 40 * MIB, &vec![seed(500_000); 3]);
        let pace = player(500_000);
        let readers = [0, 20 * MIB].map(|from| world.reads(host, 0, from, pace, secs(2)));
        world.run_until(secs(25));
        for reader in readers {
            let reading = world.reading(reader);
            assert_eq!(reading.stalls, 0, "seed {number}: {reading:?}");
            assert!(reading.read > 8 * MIB, "seed {number}: {reading:?}");
        }
    }
}

#[test]
fn a_liar_spoils_nothing_that_is_read() {
    for number in 0..10 {
        let liar = Setup { manners: Manners::Corrupts(4), ..seed(1_000_000) };
        let seeds = [seed(1_000_000), seed(1_000_000), liar.clone(), liar];
        let (mut world, host) = among(number, 20 * MIB, &seeds);
        let reader = world.reads(host, 0, 5 * MIB, player(300_000), secs(1));
        world.run_until(secs(90));
        assert_eq!(played(&world, reader).stalls, 0, "seed {number}");
    }
}

#[test]
fn what_a_slow_peer_holds_is_asked_elsewhere() {
    for number in 0..10 {
        // Two that never send a block, one that drips, one that is slow: each is asked at first.
        let with = |manners| Setup { manners, ..seed(1_000_000) };
        let odd = [Manners::Silent, Manners::Silent, Manners::Drips].map(with);
        let mut seeds = vec![seed(1_500_000), seed(50_000)];
        seeds.extend(odd);
        let (mut world, host) = among(number, 30 * MIB, &seeds);
        let reader = world.reads(host, 0, 15 * MIB, player(500_000), millis(100));
        world.run_until(secs(60));
        let reading = played(&world, reader);
        assert_eq!(reading.stalls, 0, "seed {number}: {reading:?}");
        assert!(reading.waits[0] < secs(4), "seed {number}: {reading:?}");
    }
}

#[test]
fn peers_that_choke_and_unchoke_do_not_stop_who_reads() {
    let with = |manners| Setup { manners, ..seed(800_000) };
    let seeds = [with(Manners::Flaps), with(Manners::Plain), with(Manners::Rejects), seed(800_000)];
    let (mut world, host) = among(3, 30 * MIB, &seeds);
    let reader = world.reads(host, 0, MIB, player(400_000), secs(1));
    world.run_until(secs(90));
    assert_eq!(played(&world, reader).stalls, 0);
}

#[test]
fn who_downloads_in_order_or_within_limits_can_read_elsewhere() {
    let rates = Rates { down: Some(1_000_000), up: None };
    let setup = Setup { rates, policy: Policy::Sequential, ..leecher() };
    let mut world = World::new(4, layout(40 * MIB));
    world.set_watched();
    world.host(seed(5_000_000));
    world.host(Setup { manners: Manners::Plain, ..seed(5_000_000) });
    let host = world.host(setup);
    let reader = world.reads(host, 0, 20 * MIB, player(500_000), secs(2));
    world.turns(reader, 30 * MIB, secs(8));
    world.run_until(secs(40));
    let reading = played(&world, reader);
    assert_eq!(reading.stalls, 0, "{reading:?}");
    assert!(reading.waits.iter().all(|&wait| wait < secs(1)), "{reading:?}");
}

#[test]
fn a_file_that_nobody_wants_is_fetched_as_long_as_it_is_read() {
    let files = [(10 * MIB + 7, false), (4 * MIB, false), (30 * MIB, false)];
    let mut world = World::new(5, Layout::new(16 * BLOCK as u32, files).unwrap());
    world.set_watched();
    world.host(seed(2_000_000));
    let priorities = vec![Priority::Skip, Priority::Normal, Priority::Skip];
    let host = world.host(Setup { priorities, ..leecher() });
    let second = world.reads(host, 2, 0, player(500_000), secs(20));
    world.ends_reading(second, secs(26));
    let first = world.reads(host, 0, 0, player(500_000), secs(60));
    world.run_until(secs(120));
    assert_eq!(played(&world, first).stalls, 0);
    assert!(world.reading(second).read > MIB);
    let have = world.have(host).unwrap().ones();
    assert!(have < 130, "{have} pieces: all of the second file, though nobody reads it");
    world.ends_reading(first, secs(121));
    world.run_until(secs(140));
    let status = world.report(host).status.unwrap();
    assert_eq!((status.state, status.left), (State::Seeding, 0));
}

#[test]
fn what_is_there_is_read_at_once() {
    let mut world = World::new(6, layout(8 * MIB));
    world.set_watched();
    let host = world.host(Setup { rests: true, ..seed(1_000_000) });
    let reader = world.reads(host, 0, 4 * MIB, player(4_000_000), secs(10));
    world.ends_reading(reader, secs(15));
    // It rests after five minutes, and is woken.
    let late = world.reads(host, 0, MIB, player(4_000_000), secs(700));
    world.run_until(secs(800));
    assert_eq!(played(&world, reader).waits, [Duration::ZERO]);
    assert!(played(&world, late).waits[0] < secs(1));
}
