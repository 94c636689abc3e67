//! Shows how a swarm goes, second by second, and how far it stays behind the fluid bound.
//!
//! `cargo run --release -p toubkal-sim --example swarm -- [LEECHERS] [BLOCKS] [SLOTS] [SEED]`:
//! one seed, equal lines of 1 MB/s out and 10 MB/s in, pieces of eight blocks.

use std::time::Duration;

use toubkal_sim::{Setup, World};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let mut next = |otherwise| args.next().unwrap_or(otherwise);
    let (leechers, blocks, slots, seed) = (next(19), next(1000), next(4) as u32, next(1));
    let bytes = blocks * u64::from(BLOCK_BYTES);
    let layout = Layout::new(8 * BLOCK_BYTES, [(bytes, false)]).expect("a torrent");
    let pieces = layout.pieces();
    let mut world = World::new(seed, layout);
    let first = world.host(Setup { seed: true, slots, ..Setup::default() });
    let hosts: Vec<usize> =
        (0..leechers).map(|_| world.host(Setup { slots, ..Setup::default() })).collect();

    println!("second  spread  everywhere  leechers kB/s  seed kB/s  wasted kB");
    for second in 1.. {
        world.run_until(Duration::from_secs(second));
        let of = |host: usize| world.report(host).status.expect("it has joined");
        let copies = world.copies(&hosts);
        let spread = copies.iter().filter(|&&copies| copies > 0).count();
        let everywhere = copies.iter().filter(|&&copies| copies as usize == hosts.len()).count();
        let rate: u64 = hosts.iter().map(|&host| of(host).up_rate).sum();
        let wasted: u64 = hosts.iter().map(|&host| of(host).wasted).sum();
        println!(
            "{second:6}  {spread:6}  {everywhere:10}  {:13}  {:9}  {:9}",
            rate / 1000,
            of(first).up_rate / 1000,
            wasted / 1000
        );
        if everywhere as u32 == pieces {
            break;
        }
    }
    let done = |&host: &usize| world.report(host).completed.unwrap_or_default();
    let mut times: Vec<Duration> = hosts.iter().map(done).collect();
    times.sort();
    // Every line out full all the time: the seed must give each byte once, and all lines
    // together must give each leecher everything.
    let bound =
        (bytes as f64 / 1e6).max(bytes as f64 / 1e6 * leechers as f64 / (leechers + 1) as f64);
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "median {:.1} s ({:.2} of the fluid bound), last {:.1} s ({:.2})",
        median.as_secs_f64(),
        median.as_secs_f64() / bound,
        last.as_secs_f64(),
        last.as_secs_f64() / bound
    );
}
