//! Whole swarms in virtual time: what the scheduler promises.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::engine::{Notice, Policy, Priority, Rates, State};
use toubkal_sim::{Manners, Mishap, Setup, World};
use toubkal_wire::layout::Layout;

const BLOCK: u64 = 16 * 1024;

fn layout(blocks: u64) -> Layout {
    Layout::new(8 * BLOCK as u32, [(blocks * BLOCK - 100, false)]).unwrap()
}

fn seed() -> Setup {
    Setup { seed: true, ..Setup::default() }
}

fn leecher() -> Setup {
    Setup::default()
}

fn with(manners: Manners) -> Setup {
    Setup { manners, ..Setup::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn banned(world: &World, hosts: impl IntoIterator<Item = usize>) -> BTreeSet<SocketAddr> {
    let notices = hosts.into_iter().flat_map(|host| world.report(host).notices);
    notices
        .filter_map(|(_, notice)| match notice {
            Notice::Banned { remote, .. } => Some(SocketAddr::new(remote.ip(), 6881)),
            _ => None,
        })
        .collect()
}

#[test]
fn one_leecher_gets_everything_from_one_seed() {
    let mut world = World::new(1, layout(200));
    world.host(seed());
    let leecher = world.host(leecher());
    assert!(world.run(secs(60)), "{:?}", world.report(leecher).status);
    // 3.2 MB over a line of 1 MB/s.
    let took = world.report(leecher).completed.unwrap();
    assert!(took < Duration::from_millis(4500), "{took:?}");
    assert_eq!(world.report(leecher).status.unwrap().wasted, 0);
}

#[test]
fn twenty_nodes_share_a_thousand_blocks() {
    let mut world = World::new(2, layout(1000));
    world.host(seed());
    let leechers: Vec<usize> = (0..19).map(|_| world.host(leecher())).collect();
    assert!(world.run(secs(600)));
    let last = leechers.iter().map(|&host| world.report(host).completed.unwrap()).max().unwrap();
    // One by one from the seed it would take 312 s; were every line full all the time, 16.4 s.
    assert!(last < secs(26), "{last:?}");
}

/// When a host that nobody can connect to has everything; its link is gone for so long.
fn cut_off(number: u64, peers: usize, lasts: Duration) -> Duration {
    let mut world = World::new(number, layout(100));
    let others: Vec<usize> = (0..peers).map(|_| world.host(seed())).collect();
    let hidden = world.host(Setup { hidden: true, ..leecher() });
    for (from, to) in [(vec![hidden], others.clone()), (others, vec![hidden])] {
        world.plan(Duration::ZERO, Mishap::Cut { from, to, lasts });
    }
    assert!(world.run(lasts + secs(3600)), "{number}: {:?}", world.report(hidden).status);
    world.report(hidden).completed.unwrap()
}

#[test]
fn a_link_that_was_gone_for_two_minutes_costs_no_more_than_that() {
    let gone = secs(120);
    for number in 0..10 {
        // Every dial failed three times and more meanwhile, and nobody can call back.
        let took = cut_off(number, 12, gone);
        assert!(took < gone + secs(30), "seed {number}: {took:?}");
        // One address only: it may have been tried just before.
        let took = cut_off(number, 1, gone);
        assert!(took < gone + secs(90), "seed {number}: {took:?}");
    }
    let took = cut_off(0, 12, secs(3600));
    assert!(took < secs(3600 + 750), "{took:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed_number| {
        let mut world = World::new(seed_number, layout(150));
        world.host(seed());
        let hosts: Vec<usize> = (0..6).map(|_| world.host(leecher())).collect();
        world.host(with(Manners::Corrupts(50)));
        assert!(world.run(secs(600)));
        let notices: Vec<_> = hosts.iter().map(|&host| world.report(host).notices).collect();
        (world.events(), notices)
    };
    let first = run(3);
    assert_eq!(first, run(3));
    assert_ne!(first.0, run(4).0);
}

#[test]
fn a_liar_is_found_and_nobody_else_is_blamed() {
    for number in 0..40 {
        let mut world = World::new(number, layout(160));
        world.host(seed());
        let liar = world.host(Setup { seed: true, ..with(Manners::Corrupts(10)) });
        let honest: Vec<usize> = (0..5).map(|_| world.host(leecher())).collect();
        assert!(world.run(secs(900)), "seed {number}");
        let banned = banned(&world, honest);
        assert!(
            banned.is_subset(&BTreeSet::from([world.address(liar)])),
            "seed {number}: {banned:?}"
        );
        assert!(!banned.is_empty(), "seed {number}: the liar got away");
    }
}

#[test]
fn a_swarm_of_liars_delays_but_does_not_stop() {
    for number in 0..10 {
        let mut world = World::new(number, layout(160));
        world.host(seed());
        let mut liars = BTreeSet::new();
        for _ in 0..5 {
            let liar = world.host(Setup { seed: true, ..with(Manners::Corrupts(2)) });
            liars.insert(world.address(liar));
        }
        let honest: Vec<usize> = (0..3).map(|_| world.host(leecher())).collect();
        assert!(world.run(secs(1800)), "seed {number}");
        assert!(banned(&world, honest).is_subset(&liars), "seed {number}");
    }
}

#[test]
fn peers_without_the_fast_extension_are_peers_too() {
    let mut world = World::new(5, layout(200));
    world.host(Setup { seed: true, ..with(Manners::Plain) });
    (0..6).for_each(|at| {
        world.host(if at % 2 == 0 { leecher() } else { with(Manners::Plain) });
    });
    assert!(world.run(secs(120)));
}

#[test]
fn a_peer_that_never_answers_costs_little() {
    let mut world = World::new(6, layout(200));
    world.host(seed());
    (0..4).for_each(|_| {
        world.host(Setup { seed: true, ..with(Manners::Silent) });
    });
    let leecher = world.host(leecher());
    assert!(world.run(secs(120)));
    let took = world.report(leecher).completed.unwrap();
    assert!(took < secs(25), "{took:?}");
}

#[test]
fn who_rejects_every_request_is_not_asked_in_a_loop() {
    let mut world = World::new(8, layout(400));
    world.host(Setup { up: 300_000, ..seed() });
    let unwilling: Vec<usize> =
        (0..3).map(|_| world.host(Setup { seed: true, ..with(Manners::Rejects) })).collect();
    let leecher = world.host(leecher());
    assert!(world.run(secs(120)));
    let took = world.report(leecher).completed.unwrap();
    assert!(took < secs(30), "{took:?}");
    for host in unwilling {
        let refused = world.report(host).refused;
        assert!(refused > 0, "it was never asked");
        assert!(refused <= 8 * (took.as_secs() + 1), "{refused} in {took:?}");
    }
}

#[test]
fn a_seed_that_leaves_is_replaced_by_the_others() {
    let mut world = World::new(7, layout(400));
    let first = world.host(seed());
    let slow = world.host(Setup { up: 300_000, ..seed() });
    let leechers: Vec<usize> = (0..4).map(|_| world.host(leecher())).collect();
    world.leaves(first, secs(3));
    assert!(world.run(secs(300)));
    assert!(leechers.iter().all(|&host| world.report(host).status.unwrap().left == 0));
    assert!(world.report(slow).status.unwrap().uploaded > 0);
}

#[test]
fn a_late_comer_finds_its_way() {
    let mut world = World::new(8, layout(200));
    world.host(seed());
    world.host(leecher());
    let late = world.host(Setup { joins: secs(40), ..leecher() });
    assert!(world.run(secs(120)));
    let took = world.report(late).completed.unwrap() - secs(40);
    assert!(took < secs(6), "{took:?}");
}

#[test]
fn rate_limits_hold_in_every_window() {
    let rates = |down, up| Rates { down, up };
    let mut world = World::new(9, layout(300));
    world.host(Setup { rates: rates(None, Some(200_000)), ..seed() });
    let limited = world.host(Setup { rates: rates(Some(100_000), None), ..leecher() });
    let seed = 0;
    let mut seen = vec![(0, 0)];
    for second in 1..40 {
        world.run_until(secs(second));
        let down = world.report(limited).status.unwrap().downloaded;
        let up = world.report(seed).status.unwrap().uploaded;
        seen.push((down, up));
        for (at, before) in seen.iter().enumerate() {
            let window = second - at as u64;
            // What was asked for in the second before may come in this one, and a burst.
            assert!(down - before.0 <= 100_000 * (window + 1) + 25_000, "down after {second} s");
            assert!(up - before.1 <= 200_000 * window + 50_000 + BLOCK, "up after {second} s");
        }
    }
    let (down, _) = seen[39];
    assert!(down > 38 * 90_000, "the limit is reached: {down}");
}

#[test]
fn in_order_means_in_order() {
    let mut world = World::new(10, layout(200));
    world.host(seed());
    let leecher = world.host(Setup { policy: Policy::Sequential, ..leecher() });
    assert!(world.run(secs(60)));
    let notices = world.report(leecher).notices;
    let order = notices.iter().filter_map(|(_, notice)| match notice {
        Notice::PieceDone { piece, .. } => Some(*piece),
        _ => None,
    });
    assert!(order.is_sorted());
}

#[test]
fn only_what_is_wanted_is_fetched() {
    let files = [(20 * BLOCK + 7, false), (0, false), (50 * BLOCK, false), (9 * BLOCK, false)];
    let mut world = World::new(11, Layout::new(8 * BLOCK as u32, files).unwrap());
    world.host(seed());
    let priorities = vec![Priority::Skip, Priority::Normal, Priority::Skip, Priority::High];
    let leecher = world.host(Setup { priorities, ..leecher() });
    assert!(world.run(secs(60)));
    let report = world.report(leecher);
    let status = report.status.unwrap();
    assert_eq!((status.state, status.left), (State::Seeding, 0));
    assert_eq!(status.have, 2, "nine blocks lie in two pieces");
    let done: BTreeSet<u32> = report
        .notices
        .iter()
        .filter_map(|(_, notice)| match notice {
            Notice::FileDone { file, .. } => Some(*file),
            _ => None,
        })
        .collect();
    assert_eq!(done, BTreeSet::from([1, 3]));
}

#[test]
fn padding_is_neither_fetched_nor_missed() {
    let files = [(3 * BLOCK, false), (5 * BLOCK, true), (8 * BLOCK, true), (40 * BLOCK, false)];
    let mut world = World::new(12, Layout::new(8 * BLOCK as u32, files).unwrap());
    world.host(seed());
    let leecher = world.host(leecher());
    assert!(world.run(secs(60)));
    let status = world.report(leecher).status.unwrap();
    assert_eq!((status.wanted, status.downloaded), (43 * BLOCK, 43 * BLOCK));
}

#[test]
fn a_torrent_of_empty_files_is_done_at_once_and_meets_nobody_badly() {
    let mut world = World::new(15, Layout::new(16_384, [(0, false), (0, false)]).unwrap());
    let hosts: Vec<usize> = (0..3).map(|_| world.host(leecher())).collect();
    assert!(world.run(secs(5)));
    world.run_until(secs(300));
    assert!(hosts.iter().all(|&host| world.report(host).status.unwrap().state == State::Seeding));
}

#[test]
fn who_gives_gets_more_than_who_only_takes() {
    // One swarm is a matter of luck: whom the seed gave its first pieces.
    let (mut givers, mut takers) = (0, 0);
    for number in 0..5 {
        let mut world = World::new(number, layout(2000));
        // And of who comes to the seed first: without exchange it is those who give, always.
        world.set_private();
        world.host(Setup { up: 400_000, ..seed() });
        let give: Vec<usize> =
            (0..8).map(|_| world.host(Setup { up: 400_000, ..leecher() })).collect();
        let take: Vec<usize> = (0..4).map(|_| world.host(with(Manners::Takes))).collect();
        world.run_until(secs(60));
        let mean = |hosts: &[usize]| {
            let got = hosts.iter().map(|&host| world.report(host).status.unwrap().downloaded);
            got.sum::<u64>() / hosts.len() as u64
        };
        givers += mean(&give);
        takers += mean(&take);
    }
    assert!(givers > takers * 6 / 5, "{givers} against {takers}");
}

#[test]
fn a_finished_swarm_goes_quiet() {
    let mut world = World::new(14, layout(100));
    world.host(seed());
    (0..4).for_each(|_| {
        world.host(leecher());
    });
    assert!(world.run(secs(60)));
    let done = world.now();
    world.run_until(done + secs(60));
    let before = world.events();
    world.run_until(done + secs(160));
    let an_hour_of_each = (world.events() - before) as f64 / 100.0 / 5.0;
    assert!(an_hour_of_each <= 2.0, "{an_hour_of_each} events a second and host");
}
