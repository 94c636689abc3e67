//! Shows how a swarm goes, second by second, and how far it stays behind the fluid bound.
//!
//! `cargo run --release -p toubkal-sim --example swarm -- [LEECHERS] [BLOCKS] [SLOTS] [SEED]`:
//! one seed, equal lines of 1 MB/s out and 10 MB/s in, pieces of eight blocks.

use std::ops::ControlFlow;

use toubkal_sim::{Moment, Setup, Swarm};
use toubkal_wire::layout::BLOCK_BYTES;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let mut next = |otherwise| args.next().unwrap_or(otherwise);
    let (leechers, blocks, slots, seed) = (next(19), next(1000), next(4) as u32, next(1));
    let host = |seed| Setup { seed, slots, ..Setup::default() };
    let hosts = (0..=leechers).map(|at| host(at == 0)).collect();
    let swarm = Swarm::new(hosts, blocks * u64::from(BLOCK_BYTES), 8 * BLOCK_BYTES);

    println!("second  spread  everywhere  leechers kB/s  seed kB/s  wasted kB");
    let (mut leechers_gave, mut seeds_gave) = (0, 0);
    let outcome = swarm.play(seed, |moment: &Moment| {
        println!(
            "{:6}  {:6}  {:10}  {:13}  {:9}  {:9}",
            moment.at.as_secs(),
            moment.spread,
            moment.everywhere,
            (moment.leechers_gave - leechers_gave) / 1000,
            (moment.seeds_gave - seeds_gave) / 1000,
            moment.wasted / 1000
        );
        (leechers_gave, seeds_gave) = (moment.leechers_gave, moment.seeds_gave);
        ControlFlow::Continue(())
    });
    let outcome = outcome.expect("a torrent");
    for (name, part) in [("median", 0.5), ("last", 1.0)] {
        let time = outcome.time_of(part).expect("all are done within a day");
        let ratio = outcome.ratio(time);
        println!("{name} {:.1} s ({ratio:.3} of the fluid bound)", time.as_secs_f64());
    }
}
