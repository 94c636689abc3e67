//! Whole swarms in virtual time: what the scheduler promises.
#![allow(clippy::disallowed_types, reason = "one promise is about the time that it really takes")]

use std::time::{Duration, Instant};

use toubkal_core::engine::{Notice, Rates};
use toubkal_sim::{Manners, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;

fn layout(blocks: u64) -> Layout {
    Layout::new(8 * BLOCK as u32, [(blocks * BLOCK - 100, false)]).unwrap()
}

fn seed() -> Setup {
    Setup { seed: true, ..Setup::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn one_leecher_gets_everything_from_one_seed() {
    let mut world = World::new(1, layout(200));
    world.host(seed());
    let leecher = world.host(Setup::default());
    assert!(world.run(secs(60)), "{:?}", world.report(leecher).status);
    // 3.2 MB over a line of 1 MB/s.
    let took = world.report(leecher).completed.unwrap();
    assert!(took < Duration::from_millis(4500), "{took:?}");
}

#[test]
fn twenty_nodes_share_a_thousand_blocks_within_a_second() {
    let began = Instant::now();
    let mut world = World::new(2, layout(1000));
    world.host(seed());
    let leechers: Vec<usize> = (0..19).map(|_| world.host(Setup::default())).collect();
    assert!(world.run(secs(600)));
    let last = leechers.iter().map(|&host| world.report(host).completed.unwrap()).max().unwrap();
    println!("virtual {last:?}, real {:?}, {} events", began.elapsed(), world.events());
    // The fluid bound is 16.4 s: every leecher's line out helps.
    assert!(last < secs(60), "{last:?}");
}
