//! How fast swarms are played:
//! `cargo run --release -p toubkal-sim --example speed -- 1000 1000 20`.
//!
//! Peers, pieces of one block each, and addresses that each peer hears of when it comes.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use std::time::{Duration, Instant};

use toubkal_sim::{Setup, World};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let number = |at: usize, usual: u64| numbers.get(at).copied().unwrap_or(usual);
    let (peers, pieces, known) = (number(0, 100), number(1, 1000), number(2, 25));
    let layout = Layout::new(BLOCK_BYTES, [(pieces * u64::from(BLOCK_BYTES), false)]);
    let mut world = World::new(1, layout.expect("a torrent of some megabytes"));
    let setup = Setup { known: known as usize, ..Setup::default() };
    world.host(Setup { seed: true, ..setup.clone() });
    for _ in 1..peers {
        world.host(setup.clone());
    }
    let start = Instant::now();
    let whole = world.run(Duration::from_secs(3600));
    let (took, real) = (world.now().as_secs_f64(), start.elapsed().as_secs_f64());
    let events = world.events();
    println!(
        "{peers} peers, {pieces} pieces: {} after {took:.1} s, played in {real:.2} s ({:.1} times \
         as fast), {events} events, {:.0} ns each",
        if whole { "all done" } else { "not all done" },
        took / real,
        real * 1e9 / events as f64,
    );
}
