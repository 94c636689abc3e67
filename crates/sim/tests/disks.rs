//! Disks that fail, fill up and lie: what that costs, and what it never does.

use std::time::Duration;

use toubkal_core::engine::{Command, Memory, Notice, State, StoreErrorKind};
use toubkal_sim::{Crash, DiskFaults, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;

/// So many files of a piece and a half.
fn layout(files: usize) -> Layout {
    Layout::new(BLOCK as u32, vec![(BLOCK * 3 / 2, false); files]).unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with(disk: DiskFaults) -> Setup {
    Setup { disk, ..Setup::default() }
}

fn seed() -> Setup {
    Setup { seed: true, up: 100_000, ..Setup::default() }
}

fn errors(world: &World, host: usize) -> Vec<StoreErrorKind> {
    let notices = world.report(host).notices.into_iter();
    let failed = notices.filter_map(|(_, notice)| match notice {
        Notice::Failed { error, .. } => Some(error.kind),
        _ => None,
    });
    failed.collect()
}

fn bad_pieces(world: &World, host: usize) -> usize {
    let bad = |(_, notice): &&(Duration, Notice)| matches!(notice, Notice::PieceBad { .. });
    world.report(host).notices.iter().filter(bad).count()
}

/// Starts a host's torrent again whenever its disk has stopped it, until it is complete.
fn persist(world: &mut World, host: usize, limit: Duration) {
    while world.report(host).completed.is_none() {
        assert!(world.now() < limit, "{:?}", world.report(host).status);
        world.run_until(world.now() + secs(1));
        let stopped = |state| matches!(state, State::Stopped(Some(_)));
        if world.report(host).status.is_some_and(|status| stopped(status.state)) {
            world.command(host, Command::Start);
        }
    }
}

fn everything_is_right(world: &World, host: usize, files: usize) {
    for file in 0..files as u32 {
        assert_eq!(world.lies_finished(host, file), (true, true), "file {file}");
    }
}

#[test]
fn a_sync_that_fails_costs_only_what_it_was_to_cover() {
    let mut failures = 0;
    for number in 0..30 {
        let mut world = World::new(number, layout(40));
        world.host(seed());
        let host = world.host(with(DiskFaults { sync_errors: 30, ..DiskFaults::default() }));
        // Every record is checked on the way: none speaks of what was dropped.
        persist(&mut world, host, secs(600));
        everything_is_right(&world, host, 40);
        let failed = errors(&world, host);
        assert!(failed.iter().all(|&kind| kind == StoreErrorKind::Other(5)));
        failures += failed.len();
        // Five seconds of a line of 100 kB/s, each time.
        let again = world.report(host).status.unwrap().downloaded.saturating_sub(60 * BLOCK);
        assert!(again <= 550_000 * failed.len() as u64, "{again} after {failed:?}");
    }
    assert!(failures > 20, "{failures} syncs failed");
}

#[test]
fn a_disk_that_was_full_is_written_to_when_there_is_room_again() {
    for number in 0..10 {
        let mut world = World::new(number, layout(40));
        world.host(seed());
        let host = world.host(Setup::default());
        world.run_until(secs(3));
        let full = DiskFaults { full: 1, full_time: secs(3600), ..DiskFaults::default() };
        world.set_disk(host, full);
        world.run_until(secs(20));
        let held = world.have(host).unwrap().ones();
        assert!(held >= 10, "{held}");
        world.run_until(secs(100));
        assert!(world.report(host).completed.is_none());
        let tries = errors(&world, host);
        assert!((2..=4).contains(&tries.len()), "once in half a minute: {tries:?}");
        assert!(tries.iter().all(|&kind| kind == StoreErrorKind::Full));
        world.set_disk(host, DiskFaults::default());
        // Nobody has to do anything.
        assert!(world.run(secs(160)), "{:?}", world.report(host).status);
        everything_is_right(&world, host, 40);
        let downloaded = world.report(host).status.unwrap().downloaded;
        assert!(downloaded < 66 * BLOCK, "what was there was not fetched again: {downloaded}");
    }
}

#[test]
fn a_seed_that_cannot_read_a_file_gives_the_others_and_deceives_nobody() {
    let mut lost = 0;
    for number in 0..10 {
        let mut world = World::new(number, layout(40));
        world.host(Setup { up: 20_000, ..seed() });
        let broken = world.host(seed());
        let host = world.host(Setup::default());
        world.run_until(secs(2));
        world.set_disk(broken, DiskFaults { read_errors: 10, ..DiskFaults::default() });
        assert!(world.run(secs(120)), "{:?}", world.report(host).status);
        assert_eq!(bad_pieces(&world, host), 0);
        everything_is_right(&world, host, 40);
        lost += 60 - world.have(broken).unwrap().ones();
        // It looks again, and has what it had.
        world.set_disk(broken, DiskFaults::default());
        world.command(broken, Command::Stop);
        world.run_until(world.now() + secs(2));
        world.command(broken, Command::Start);
        world.run_until(world.now() + secs(2));
        assert!(world.have(broken).unwrap().is_full(), "{:?}", world.report(broken).status);
    }
    assert!(lost > 10, "{lost} pieces could not be read");
}

#[test]
fn what_a_lying_disk_has_lost_is_found_before_it_is_given() {
    let large = Layout::new(BLOCK as u32, vec![(BLOCK * 15 / 2, false); 12]).unwrap();
    let (lost, strange) = deceive(&large, 6);
    assert!(lost > 10 && strange == 0, "lost in {lost} runs, strange in {strange}");
}

#[test]
fn a_file_that_a_lying_disk_has_lost_is_mended_if_a_record_tells_of_it() {
    let (lost, strange) = deceive(&layout(60), 15);
    assert!(lost > 10 && strange < 20, "lost in {lost} runs, strange in {strange}");
}

/// Plays swarms in which the power goes at somebody whose disk lies once in so many syncs. Says in
/// how many of them synced pieces were lost, and in how many a file was found that might be
/// anybody's.
fn deceive(layout: &Layout, lies: u64) -> (usize, usize) {
    let (mut lost, mut strange) = (0, 0);
    let files = layout.files().len();
    for number in 0..60 {
        let mut world = World::new(number, layout.clone());
        world.host(Setup { up: 60_000, ..seed() });
        let host = world.host(with(DiskFaults { lies, ..DiskFaults::default() }));
        world.run_until(secs(18));
        world.crash_by_chance(host, Crash::Power);
        let memory = world.memory(host);
        let (right, _) = world.truth(host);
        let gone = |memory: &Memory| memory.synced.exceeds(&right);
        lost += usize::from(memory.as_ref().is_some_and(gone));
        world.set_disk(host, DiskFaults::default());
        let again = world.now();
        world.restart(host);
        let peer = world.host(Setup { joins: world.now() + secs(1), ..Setup::default() });
        let limit = world.now() + secs(300);
        if !world.run(limit) {
            // A complete file of which no piece is right and no record tells may be anybody's.
            let state = world.report(host).status.unwrap().state;
            let State::Stopped(Some(error)) = state else { panic!("it stalls: {state:?}") };
            assert_eq!(error.kind, StoreErrorKind::Exists);
            let mut pieces = layout.pieces_of(error.file.unwrap());
            let told = memory.is_some_and(|memory| pieces.any(|piece| memory.have.has(piece)));
            assert!(!told, "seed {number}: {error:?} is ours");
            strange += 1;
            continue;
        }
        assert_eq!(bad_pieces(&world, peer), 0, "seed {number}: it was given what was wrong");
        everything_is_right(&world, peer, files);
        // Nor does a file get its final name since then that is not right.
        for (at, notice) in world.report(host).notices {
            if let (true, Notice::FileDone { file, .. }) = (at >= again, notice) {
                assert_eq!(world.lies_finished(host, file), (true, true), "file {file}");
            }
        }
        // What nobody asked for is found when it is looked at.
        world.command(host, Command::Check);
        world.run_until(world.now() + secs(60));
        everything_is_right(&world, host, files);
    }
    (lost, strange)
}
