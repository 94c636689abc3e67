//! A table of policies and swarms, compared with `policies.txt` letter by letter: a change of the
//! scheduler shows as numbers in a diff.
//!
//! `TOUBKAL_SNAPSHOT=write cargo test -p toubkal-sim --test policies` writes the file anew.
#![allow(clippy::disallowed_methods, reason = "the snapshot is written anew when asked")]

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use toubkal_core::engine::Policy;
use toubkal_sim::{Outcome, Setup, Swarm};
use toubkal_wire::layout::BLOCK_BYTES;

const SNAPSHOT: &str = include_str!("policies.txt");
const POLICIES: [(&str, Policy); 3] = [
    ("rarest", Policy::RarestFirst),
    ("sequential", Policy::Sequential),
    ("random", Policy::Random),
];

#[test]
fn every_policy_does_as_well_as_it_did() {
    let mut table = String::from(
        "# Times as multiples of the fluid bound; waste in percent of what was wanted; what the\n\
         # seeds gave in sizes of the torrent. Staggered: each leecher's own time.\n\n\
         swarm            policy       median    p95   last  waste   seeds\n",
    );
    let rows = rows();
    for (at, (name, _)) in swarms().iter().enumerate() {
        for (policy, rows) in &rows {
            writeln!(table, "{name:<16} {policy:<10} {}", rows[at]).unwrap();
        }
    }
    if std::env::var("TOUBKAL_SNAPSHOT").is_ok_and(|word| word == "write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies.txt");
        std::fs::write(path, &table).expect("the snapshot can be written");
        return;
    }
    let differs = || SNAPSHOT.lines().zip(table.lines()).find(|(before, now)| before != now);
    assert!(
        SNAPSHOT == table,
        "the scheduler does not do as it did: {:?}\nWhen that is meant: \
         TOUBKAL_SNAPSHOT=write cargo test -p toubkal-sim --test policies\n\n{table}",
        differs()
    );
}

#[test]
fn rarest_first_comes_within_a_tenth_of_the_bound() {
    let outcome = play(&swarm(1, 20, 512, 8), Policy::RarestFirst);
    let ratio = |part| outcome.ratio(outcome.time_of(part).expect("all are done"));
    assert!(ratio(0.5) < 1.1, "median {}", ratio(0.5));
    assert!(ratio(1.0) < 1.2, "last {}", ratio(1.0));
}

/// All rows of each policy. Policies are played at the same time; no run knows of another.
fn rows() -> Vec<(&'static str, Vec<String>)> {
    let play_all = |policy| {
        let row = |(_, swarm): &(_, Swarm)| row(swarm, &play(swarm, policy));
        swarms().iter().map(row).collect()
    };
    std::thread::scope(|scope| {
        let start = |(name, policy)| (name, scope.spawn(move || play_all(policy)));
        let running = POLICIES.map(start);
        running.map(|(name, thread)| (name, thread.join().expect("it is played"))).into()
    })
}

fn swarms() -> [(&'static str, Swarm); 8] {
    let mut lines = swarm(1, 20, 96, 8);
    for (at, host) in lines.hosts.iter_mut().enumerate().skip(1) {
        (host.up, host.down) =
            [(250_000, 2_000_000), (1_000_000, 10_000_000), (2_000_000, 20_000_000)][at % 3];
    }
    let mut staggered = swarm(1, 20, 96, 8);
    for (at, host) in staggered.hosts.iter_mut().enumerate().skip(1) {
        host.joins = Duration::from_secs(at as u64);
    }
    let mut slow_seed = swarm(1, 20, 96, 8);
    slow_seed.hosts[0].up = 300_000;
    let mut fast_seed = swarm(1, 20, 96, 8);
    fast_seed.hosts[0].up = 5_000_000;
    let mut seed_leaves = swarm(1, 20, 96, 8);
    seed_leaves.seeds_leave = true;
    [
        ("1 + 60 x 256", swarm(1, 60, 256, 2)),
        ("1 + 20 x 96", swarm(1, 20, 96, 8)),
        ("2 + 20 x 96", swarm(2, 20, 96, 8)),
        ("unequal lines", lines),
        ("staggered", staggered),
        ("slow seed", slow_seed),
        ("fast seed", fast_seed),
        ("seed leaves", seed_leaves),
    ]
}

/// Equal lines of 1 MB/s out and 10 MB/s in; pieces of so many blocks.
fn swarm(seeds: usize, leechers: usize, pieces: u64, blocks: u32) -> Swarm {
    let host = |at| Setup { seed: at < seeds, ..Setup::default() };
    let piece = blocks * BLOCK_BYTES;
    let hosts = (0..seeds + leechers).map(host).collect();
    let mut swarm = Swarm::new(hosts, pieces * u64::from(piece), piece);
    swarm.limit = Duration::from_secs(1000);
    swarm
}

fn play(swarm: &Swarm, policy: Policy) -> Outcome {
    let mut swarm = swarm.clone();
    swarm.hosts.iter_mut().for_each(|host| host.policy = policy);
    swarm.play(1, |_| ControlFlow::Continue(())).expect("a torrent")
}

fn row(swarm: &Swarm, outcome: &Outcome) -> String {
    let ratio = |part| outcome.time_of(part).map_or(f64::INFINITY, |time| outcome.ratio(time));
    let wanted = (swarm.bytes * outcome.leechers.len() as u64) as f64;
    let gave: u64 = outcome.seeds.iter().map(|share| share.gave).sum();
    format!(
        "{:8.2} {:6.2} {:6.2} {:6.2} {:7.2}",
        ratio(0.5),
        ratio(0.95),
        ratio(1.0),
        100.0 * outcome.wasted() as f64 / wanted,
        gave as f64 / swarm.bytes as f64
    )
}
