//! The DHT among hundreds of real nodes in virtual time.

use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::dht::{Announce, Command, QueryId, Report};
use toubkal_sim::dht::{Net, Outcome, Plan, World};
use toubkal_wire::krpc::Id;

const HASH: Id = Id([0x77; 20]);
const QUERY: QueryId = QueryId(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lines of the internet: 10 to 150 ms, one packet in ten is lost, a fifth leaves in an hour.
const ROUGH: Net = Net {
    delay: (Duration::from_millis(10), Duration::from_millis(150)),
    loss: 100_000,
    churn: 200,
};

const PLAN: Plan = Plan {
    nodes: 1000,
    liars: 0,
    net: ROUGH,
    filling: seconds(120),
    warming: seconds(10 * 60),
    trials: 200,
    time: seconds(10 * 60),
    gap: seconds(5 * 60),
    seed: 1,
};

fn announce() -> Command {
    let announce = Some(Announce { port: None, seed: false });
    Command::Find { query: QUERY, info_hash: HASH, announce }
}

fn find() -> Command {
    Command::Find { query: QUERY, info_hash: HASH, announce: None }
}

/// When a host first heard of peers, of the reports since the last call.
fn found(world: &mut World, host: usize) -> Option<Time> {
    let peers = |report: &Report| matches!(report, Report::Peers { .. });
    let reports = world.reports();
    reports.iter().find(|(_, by, report)| *by == host && peers(report)).map(|(at, ..)| *at)
}

#[test]
fn nearly_every_look_up_finds_what_was_announced_in_few_hops() {
    let outcome: Outcome = PLAN.run();
    assert!(outcome.found() >= 990, "{outcome}");
    assert!(outcome.median(|trial| trial.hops) < Some(8), "{outcome}");
    assert!(f64::from(outcome.median(|trial| trial.asked)) < outcome.expected(), "{outcome}");
    assert!(outcome.packets < 40.0, "{outcome}");
}

#[test]
fn one_node_in_twenty_may_lie() {
    let outcome = Plan { nodes: 950, liars: 50, seed: 2, ..PLAN }.run();
    assert!(outcome.found() >= 950, "{outcome}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let plan = Plan { nodes: 100, liars: 5, trials: 10, time: seconds(60), ..PLAN };
    assert_eq!(plan.run(), plan.run());
    assert_ne!(plan.run(), Plan { seed: 9, ..plan }.run());
}

/// Everybody starts at once and knows one address.
#[test]
fn a_network_that_starts_cold_is_one_within_a_minute() {
    let mut world = World::new(Net { churn: 0, ..ROUGH }, 3);
    let first = world.add();
    let contact = world.address(first);
    let hosts: Vec<usize> = (0..300).map(|_| world.add()).collect();
    for host in &hosts {
        world.order(*host, Command::Bootstrap(vec![contact]));
    }
    world.run(seconds(60));
    world.order(hosts[7], announce());
    world.run(seconds(10));
    world.reports();
    for host in hosts.iter().skip(10).step_by(10) {
        world.order(*host, find());
    }
    world.run(seconds(20));
    let reports = world.reports();
    let searchers = hosts.iter().skip(10).step_by(10);
    let missed = searchers.filter(|host| {
        let peers = |report: &Report| matches!(report, Report::Peers { .. });
        !reports.iter().any(|(_, by, report)| by == *host && peers(report))
    });
    assert_eq!(missed.count(), 0);
}

#[test]
fn a_network_that_was_cut_in_two_heals() {
    let mut world = World::new(Net { churn: 0, loss: 20_000, ..ROUGH }, 4);
    let hosts: Vec<usize> = (0..200).map(|_| world.add()).collect();
    let contact = world.address(hosts[0]);
    for host in &hosts[1..] {
        world.order(*host, Command::Bootstrap(vec![contact]));
        world.run(Duration::from_millis(100));
    }
    world.run(seconds(120));
    world.cut(true);
    world.run(seconds(30 * 60));
    // Each half goes on by itself.
    world.order(hosts[10], announce());
    world.run(seconds(20));
    world.reports();
    world.order(hosts[20], find());
    world.run(seconds(20));
    assert!(found(&mut world, hosts[20]).is_some(), "within one half");
    world.order(hosts[21], find());
    world.run(seconds(20));
    assert!(found(&mut world, hosts[21]).is_none(), "nothing passes");
    world.cut(false);
    world.run(seconds(15 * 60));
    world.reports();
    world.order(hosts[10], announce());
    world.run(seconds(20));
    world.reports();
    let far: Vec<usize> = (31..91).step_by(6).map(|index| hosts[index]).collect();
    let mut healed = 0;
    for host in &far {
        world.order(*host, find());
        world.run(seconds(20));
        healed += usize::from(found(&mut world, *host).is_some());
    }
    assert!(healed >= far.len() - 1, "{healed} of {}", far.len());
}

/// From the start of a program with one address to the first peer: 50 ms, 2 % loss, 40 of 100
/// nodes silent. The median of 40 worlds, and nearly all of them.
#[test]
fn far_away_the_first_peer_is_known_in_less_than_a_second() {
    let net = Net {
        delay: (Duration::from_millis(50), Duration::from_millis(50)),
        loss: 20_000,
        churn: 0,
    };
    let mut times: Vec<Duration> = (0..40).map(|seed| far(net, seed)).collect();
    times.sort_unstable();
    assert!(times[20] <= Duration::from_millis(500), "{times:?}");
    assert!(times[36] <= Duration::from_millis(700), "{times:?}");
}

fn far(net: Net, seed: u64) -> Duration {
    let mut world = World::new(net, seed);
    let hosts: Vec<usize> = (0..40).map(|_| world.add()).collect();
    let contact = world.address(hosts[0]);
    for host in &hosts[1..] {
        world.order(*host, Command::Bootstrap(vec![contact]));
        world.run(Duration::from_millis(200));
    }
    world.run(seconds(60));
    world.order(hosts[1], announce());
    world.run(seconds(30));
    // Not in the order in which they came: the oldest are in everybody's table.
    for number in 0..16 {
        world.remove(hosts[2 + number * 7 % 38]);
    }
    world.reports();
    let new = world.add();
    let start = world.now();
    world.order(new, find());
    world.order(new, Command::Bootstrap(vec![contact]));
    world.run(seconds(30));
    found(&mut world, new).map_or(seconds(30), |at| at.since(start))
}
