//! Plays a DHT and prints what a look-up takes: `cargo run --release -p toubkal-sim --example dht
//! -- 10000` (see `--help`).
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is a program")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use toubkal_sim::dht::{Net, Plan};

const HELP: &str = "\
A DHT in virtual time: peers are announced here and looked for there.

Usage: dht [NODES] [--liars N] [--churn PER_MILLE] [--loss PER_MILLE] [--minutes N]
           [--trials N] [--seed N]

  NODES      honest nodes; 10000
  --liars    nodes that answer with lies, beside them; 0
  --churn    nodes of a thousand that leave in an hour, others coming; 200
  --loss     packets of a thousand that are lost; 100
  --minutes  virtual minutes of warming up, and again of trials; 30
  --trials   2000
  --seed     1";

fn main() -> ExitCode {
    let mut plan = Plan {
        nodes: 10_000,
        liars: 0,
        net: Net {
            delay: (Duration::from_millis(10), Duration::from_millis(150)),
            loss: 100_000,
            churn: 200,
        },
        filling: Duration::from_secs(300),
        warming: Duration::from_secs(30 * 60),
        trials: 2000,
        time: Duration::from_secs(30 * 60),
        gap: Duration::from_secs(15 * 60),
        seed: 1,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|value| value.parse::<u64>().ok());
        let known = match word.as_str() {
            "--liars" => number().map(|liars| plan.liars = liars as usize),
            "--churn" => number().map(|churn| plan.net.churn = churn as u32),
            "--loss" => number().map(|loss| plan.net.loss = loss as u32 * 1000),
            "--trials" => number().map(|trials| plan.trials = trials as usize),
            "--filling" => number().map(|time| plan.filling = Duration::from_secs(time)),
            "--gap" => number().map(|time| plan.gap = Duration::from_secs(time)),
            "--seed" => number().map(|seed| plan.seed = seed),
            "--minutes" => number().map(|minutes| {
                plan.warming = Duration::from_secs(minutes * 60);
                plan.time = plan.warming;
            }),
            word => word.parse().ok().map(|nodes: usize| plan.nodes = nodes.max(2)),
        };
        if known.is_none() {
            println!("{HELP}");
            return ExitCode::from(2);
        }
    }
    let start = Instant::now();
    println!("{}", plan.run());
    println!("played in         {:.1?}", start.elapsed());
    ExitCode::SUCCESS
}
