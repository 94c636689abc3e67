//! Seeds that are dormant until somebody wants something of them.

use std::time::Duration;

use toubkal_core::engine::{Command, Notice, State};
use toubkal_sim::{Crash, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn late(seconds: u64) -> Setup {
    Setup { joins: secs(seconds), ..Setup::default() }
}

/// A world with a seed that may rest.
fn world() -> (World, usize) {
    let mut world = World::new(1, Layout::new(4 * BLOCK as u32, [(100 * BLOCK, false)]).unwrap());
    let seed = world.host(Setup { seed: true, rests: true, ..Setup::default() });
    (world, seed)
}

fn rests(world: &World, host: usize) -> usize {
    let notices = world.report(host).notices.into_iter();
    notices.filter(|(_, notice)| matches!(notice, Notice::Dormant { .. })).count()
}

#[test]
fn a_dormant_seed_does_nothing_until_a_leecher_comes_and_gives_it_everything() {
    let (mut world, seed) = world();
    let first = world.host(late(1000));
    let second = world.host(late(3000));
    world.run_until(secs(400));
    assert_eq!(rests(&world, seed), 1);
    let events = world.events();
    world.run_until(secs(990));
    assert_eq!(world.events(), events, "nothing is due");
    assert_eq!(world.report(seed).status.unwrap().state, State::Seeding);
    world.run_until(secs(1030));
    assert!(world.report(first).completed.is_some(), "{:?}", world.report(first).status);
    assert_eq!(world.report(seed).status.unwrap().uploaded, 100 * BLOCK);
    // They leave each other; the seed rests again, and wakes again.
    world.command(first, Command::Stop);
    world.run_until(secs(2900));
    assert_eq!(rests(&world, seed), 2);
    world.run_until(secs(3100));
    assert!(world.report(second).completed.is_some(), "{:?}", world.report(second).status);
    let status = world.report(seed).status.unwrap();
    assert_eq!(status.totals.uploaded, 200 * BLOCK, "what was given before counts");
}

#[test]
fn a_seed_that_dies_while_it_is_dormant_comes_back_whole() {
    for crash in [Crash::Process, Crash::Power] {
        let (mut world, seed) = world();
        let leecher = world.host(late(1000));
        world.run_until(secs(400));
        assert_eq!(rests(&world, seed), 1);
        world.crash_by_chance(seed, crash);
        world.run_until(secs(410));
        world.restart(seed);
        world.run_until(secs(1100));
        assert!(world.report(leecher).completed.is_some(), "{crash:?}");
        let bad = |(_, notice): &(_, Notice)| matches!(notice, Notice::PieceBad { .. });
        assert!(!world.report(seed).notices.iter().any(bad));
    }
}
