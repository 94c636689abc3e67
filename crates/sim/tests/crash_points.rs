//! Every operation of a disk is a moment at which a program may die or the power may go.
//!
//! A small download is played once to count the operations of the disk. Then it is played again
//! for each of them, dies there, and comes back from what is left: everything that a crash may
//! leave when that are few things, some of them when they are many. `TOUBKAL_CRASH_SEEDS` says
//! how many downloads are played, from the `TOUBKAL_CRASH_FROM`-th on, and `TOUBKAL_CRASH_DRAWS`
//! how many of many things are tried.
#![allow(clippy::disallowed_methods, reason = "how much is drawn is told from outside")]

use std::time::Duration;

use toubkal_core::base::{Bitset, Rng};
use toubkal_core::engine::{Command, Notice, Priority};
use toubkal_sim::{Choose, Crash, DiskFaults, Every, Fidelity, Moody, Setup, World};
use toubkal_wire::layout::Layout;

/// The host that dies.
const HOST: usize = 1;
/// Up to so many things that may be left, each is tried.
const WAYS_MAX: u64 = 32;

/// A way to come to a torrent.
#[derive(Clone, Copy, Debug)]
struct Story {
    /// Of lines, disk and chance.
    seed: u64,
    /// For the time being, one of the files is not wanted.
    selects: bool,
    /// After a while it is wanted after all.
    changes: bool,
    /// Everything is there at the start, and a part of it is damaged.
    damaged: bool,
    fidelity: Fidelity,
}

const PLAIN: Story =
    Story { seed: 0, selects: true, changes: false, damaged: false, fidelity: Fidelity::Symbols };

#[test]
fn a_download_survives_a_crash_at_any_operation_of_the_disk() {
    sweep(PLAIN);
}

#[test]
fn so_does_one_of_which_more_is_wanted_later() {
    sweep(Story { changes: true, ..PLAIN });
}

#[test]
fn so_does_one_that_mends_what_was_damaged() {
    sweep(Story { selects: false, damaged: true, ..PLAIN });
}

#[test]
fn so_does_one_of_real_bytes() {
    sweep(Story { fidelity: Fidelity::Bytes(11), ..PLAIN });
}

/// Two files and what lies between them: pieces that several share, an empty one, padding, one
/// that is not wanted.
fn layout() -> Layout {
    let files = [
        (70_000, false),
        (0, false),
        (50_000, false),
        (11_000, true),
        (60_000, false),
        (3, false),
        (40_000, false),
    ];
    Layout::new(32 * 1024, files).unwrap()
}

const UNWANTED: u32 = 2;
const PADDING: u32 = 3;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn begin(story: Story) -> World {
    let mut world = World::with(story.seed, layout(), story.fidelity);
    // So slow that what comes is synced in several parts.
    let mut rng = Rng::from_number(story.seed).fork("story");
    let up = 15_000 + 5_000 * rng.below(4);
    world.host(Setup { seed: true, up, ..Setup::default() });
    let mut priorities = vec![Priority::Normal; layout().files().len()];
    if story.selects {
        priorities[UNWANTED as usize] = Priority::Skip;
    }
    let disk = DiskFaults {
        lanes: 1 + rng.below(3) as u32,
        checkpoints: 1 + rng.below(6),
        // So long that pieces are verified meanwhile.
        sync: Duration::from_millis(10 + rng.below(4000)),
        latency: Duration::from_micros(100 + rng.below(50_000)),
        ..DiskFaults::default()
    };
    world.host(Setup { seed: story.damaged, priorities, disk, ..Setup::default() });
    if story.damaged {
        // A piece of two files, of each of which another is right: else they would be strangers'.
        let mut spare = Bitset::full(layout().pieces());
        spare.clear(1);
        (0..3).for_each(|_| assert_eq!(world.rot(HOST, &spare), Some(1)));
    }
    world
}

/// Plays on until the disk comes to the operation at which it is to stop, or to the end.
fn play(world: &mut World, story: Story) -> bool {
    if story.changes {
        if world.run_to_crash(secs(6)).is_some() {
            return true;
        }
        let all = vec![Priority::Normal; layout().files().len()];
        world.command(HOST, |torrent| Command::Prioritise(torrent, all));
    }
    if world.run_to_crash(secs(30)).is_some() {
        return true;
    }
    world.command(HOST, Command::Stop);
    world.run_to_crash(secs(32)).is_some()
}

fn sweep(story: Story) {
    let few = if story.fidelity == Fidelity::Symbols { 2 } else { 1 };
    let from = told("TOUBKAL_CRASH_FROM", 0);
    for seed in from..from + told("TOUBKAL_CRASH_SEEDS", few) {
        sweep_one(Story { seed, ..story });
    }
}

fn sweep_one(story: Story) {
    let mut world = begin(story);
    assert!(!play(&mut world, story));
    let steps = world.disk_steps(HOST);
    assert!(steps > 15, "{steps} operations are no story");
    let memory = world.memory(HOST).expect("it stopped, and was recorded");
    let wanted = wanted(&world, story);
    assert!(memory.have == wanted && memory.synced == wanted, "{memory:?}");

    let mut count = Count::default();
    for step in 1..=steps {
        for crash in [Crash::Process, Crash::Power] {
            let mut every = Every::default();
            let mut ways = 0;
            let all = loop {
                count.add(|number| try_one(story, step, crash, &mut every, number));
                ways += 1;
                if !every.next_way() {
                    break true;
                }
                if ways == WAYS_MAX || every.ways() > WAYS_MAX {
                    break false;
                }
            };
            let draws = if all { 0 } else { told("TOUBKAL_CRASH_DRAWS", 16) };
            for draw in 0..draws {
                let mut rng = Moody::new(Rng::from_number(step).fork_indexed("draw", draw));
                count.add(|number| try_one(story, step, crash, &mut rng, number));
            }
        }
    }
    let Count { tried, lost } = count;
    println!("{story:?}: {steps} points, {tried} crashes, {} recovered", tried - lost);
    assert_eq!(lost, 0, "not recovered, of {tried}");
}

/// What was tried, and how often it went wrong.
#[derive(Default)]
struct Count {
    tried: u64,
    lost: u64,
}

impl Count {
    fn add(&mut self, one: impl FnOnce(u64)) {
        let number = self.tried;
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(number)));
        self.tried += 1;
        self.lost += u64::from(done.is_err());
    }
}

fn told(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Pieces that hold bytes of a wanted file.
fn wanted(world: &World, story: Story) -> Bitset {
    let mut wanted = Bitset::new(layout().pieces());
    for (index, file) in layout().files().iter().enumerate() {
        let index = index as u32;
        if !file.pad && (index != UNWANTED || !story.selects || story.changes) {
            layout().pieces_of(index).for_each(|piece| _ = wanted.set(piece));
        }
    }
    assert_eq!(world.have(HOST).as_deref().map(Bitset::len), Some(wanted.len()));
    wanted
}

fn try_one(story: Story, step: u64, crash: Crash, choose: &mut dyn Choose, number: u64) {
    let mut world = begin(story);
    world.crash_at(HOST, Some(step));
    assert!(play(&mut world, story), "the same seed, the same run");
    let named = files_done(&world);
    world.crash(HOST, crash, choose);
    whole(&world, &named);
    remembered(&world);

    // Recovering twice gives the same as once.
    let first = recover(&mut world, &named);
    world.crash(HOST, crash, &mut Moody::new(Rng::from_number(number)));
    whole(&world, &named);
    assert_eq!(recover(&mut world, &named), first, "the second recovery found something else");

    // It dies once more while it goes on, at one of its next operations.
    let rng = Rng::from_number(number);
    let again = world.disk_steps(HOST) + 1 + rng.fork("again").below(40);
    world.crash_at(HOST, Some(again));
    let now = world.now();
    if world.run_to_crash(now + secs(20)).is_some() {
        let crash = [Crash::Process, Crash::Power][rng.fork("how").index(2)];
        let named = files_done(&world);
        world.crash(HOST, crash, &mut Moody::new(rng.fork("second")));
        whole(&world, &named);
        remembered(&world);
        recover(&mut world, &named);
    }
    world.crash_at(HOST, None);
    complete(&mut world);
}

/// Files that were said to be complete.
fn files_done(world: &World) -> Vec<u32> {
    let notices = world.report(HOST).notices.into_iter();
    let done = notices.filter_map(|(_, notice)| match notice {
        Notice::FileDone { file, .. } => Some(file),
        _ => None,
    });
    done.collect()
}

/// What was said to be complete is, and nothing has a final name that is less.
fn whole(world: &World, named: &[u32]) {
    for &file in named {
        assert_eq!(world.lies_finished(HOST, file), (true, true), "file {file} was done");
    }
}

/// What the record says is so.
fn remembered(world: &World) {
    let Some(memory) = world.memory(HOST) else { return };
    let (right, durable) = world.truth(HOST);
    // What was being moved is not believed.
    let moved = world.twofold(HOST);
    let still = |&piece: &u32| !moved.has(piece);
    let wrong: Vec<u32> = memory.have.minus(&right).filter(still).collect();
    assert!(wrong.is_empty(), "pieces {wrong:?} are remembered and wrong: {memory:?}");
    let lost: Vec<u32> = memory.synced.minus(&durable).filter(still).collect();
    assert!(lost.is_empty(), "pieces {lost:?} were recorded as synced: {memory:?}");
}

/// Comes back and looks around; gives what it has then, which is what is there.
fn recover(world: &mut World, named: &[u32]) -> Bitset {
    let (memory, moved) = (world.memory(HOST), world.twofold(HOST));
    world.restart(HOST);
    let limit = world.now() + secs(10);
    while !world.is_checked(HOST) {
        assert!(world.now() < limit, "it does not come back: {:?}", world.report(HOST).status);
        world.run_until(world.now() + Duration::from_millis(1));
    }
    let have = world.have(HOST).expect("it is there").into_owned();
    let (right, _) = world.truth(HOST);
    assert!(!have.exceeds(&right), "{have:?} of {right:?}");
    let missed: Vec<u32> = right.minus(&have).filter(|&piece| !is_padding(piece)).collect();
    assert!(missed.is_empty(), "pieces {missed:?} are there and were not found");
    if let Some(memory) = memory {
        let lost: Vec<u32> =
            memory.synced.minus(&have).filter(|&piece| !moved.has(piece)).collect();
        assert!(lost.is_empty(), "pieces {lost:?} were synced and are not held");
    }
    whole(world, named);
    have
}

/// Whether a piece needs no disk at all.
fn is_padding(piece: u32) -> bool {
    layout().files_of(piece).all(|file| file == PADDING)
}

fn complete(world: &mut World) {
    let limit = world.now() + secs(120);
    assert!(world.run(limit), "it stalls: {:#?}", world.report(HOST).status);
    for file in (0..layout().files().len() as u32).filter(|&file| file != PADDING) {
        let (named, right) = world.lies_finished(HOST, file);
        assert!(named == right && (named || file == UNWANTED), "file {file} is {named} {right}");
    }
}
