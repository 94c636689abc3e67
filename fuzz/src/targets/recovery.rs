//! Crashes: the bytes choose when a download dies, how, and what of it the disk keeps.

use std::time::Duration;

use toubkal_core::base::Rng;
use toubkal_sim::{Crash, DiskFaults, Fidelity, Setup, World};
use toubkal_wire::layout::Layout;

/// The host that dies.
const HOST: usize = 1;
/// By then every download is through, however often it died.
const LIMIT: Duration = Duration::from_secs(1000);

pub(crate) fn recovery(input: &[u8]) {
    let mut choices = Rng::from_bytes(input);
    let mut world = begin(&mut choices);
    for _ in 0..=choices.below(5) {
        let step = world.disk_steps(HOST) + 1 + choices.below(60);
        world.crash_at(HOST, Some(step));
        if world.run_to_crash(LIMIT).is_none() {
            break;
        }
        world.crash_at(HOST, None);
        let crash = if choices.one_in(3) { Crash::Process } else { Crash::Power };
        world.crash(HOST, crash, &mut choices);
        expect_truth(&world);
        world.restart(HOST);
    }
    world.crash_at(HOST, None);
    assert!(world.run(LIMIT), "it goes on until everything is there");
    let whole = |file| world.lies_finished(HOST, file);
    assert_eq!([whole(0), whole(1), whole(2)], [(true, true); 3]);
}

/// Files that share pieces, on a disk that is slow enough for syncs to meet writes.
fn begin(choices: &mut Rng) -> World {
    let files = [(70_000, false), (40_000, false), (30_000, false)];
    let layout = Layout::new(32 * 1024, files).expect("a small torrent");
    let mut world = World::with(1, layout, Fidelity::Symbols);
    world.host(Setup { seed: true, up: 10_000 + choices.below(40_000), ..Setup::default() });
    let disk = DiskFaults {
        lanes: 1 + choices.below(3) as u32,
        checkpoints: 1 + choices.below(6),
        sync: Duration::from_millis(1 + choices.below(4000)),
        latency: Duration::from_micros(100 + choices.below(50_000)),
        ..DiskFaults::default()
    };
    world.host(Setup { disk, ..Setup::default() });
    world
}

/// Nothing is remembered that is not on the disk.
fn expect_truth(world: &World) {
    let (right, _) = world.truth(HOST);
    if let Some(memory) = world.memory(HOST) {
        for piece in memory.have.iter() {
            assert!(right.has(piece), "piece {piece} is remembered, and is not there");
        }
    }
}
