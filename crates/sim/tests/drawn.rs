//! Swarms of which everything is drawn: who comes and goes, lines, manners, sizes, limits.
//!
//! `cargo xtask seeds` plays more of them. A seed that fails is played again by
//! `cargo xtask seeds 1 --from SEED`.
#![allow(clippy::disallowed_methods, reason = "which seeds are played is told from outside")]

use std::collections::BTreeSet;
use std::time::Duration;

use toubkal_core::base::Rng;
use toubkal_core::engine::{Notice, Policy, Priority, Rates};
use toubkal_sim::{DiskFaults, Manners, Setup, World};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};

/// By then every honest host that stays has what it wants.
const BOUND: Duration = Duration::from_secs(1500);

#[test]
#[expect(clippy::disallowed_methods, reason = "which seeds to play is said from outside")]
fn honest_hosts_get_what_they_want_in_any_swarm() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("TOUBKAL_SEED_FROM").unwrap_or(0);
    for seed in from..from.saturating_add(number("TOUBKAL_SEEDS").unwrap_or(600)) {
        if let Err(cause) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("seed {seed} failed: cargo xtask seeds 1 --from {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

fn play(number: u64) {
    let mut rng = Rng::from_number(number).fork("swarm");
    let layout = any_layout(&mut rng);
    let files = layout.files().len();
    let mut world = World::new(number, layout);
    // Somebody has everything, and stays.
    world.host(Setup { seed: true, up: 500_000, ..Setup::default() });
    let (mut honest, mut liars) = (Vec::new(), BTreeSet::new());
    for _ in 0..1 + rng.below(9) {
        let setup = any_setup(&mut rng, files);
        let manners = setup.manners;
        let host = world.host(setup);
        let leaves = rng.one_in(6);
        if leaves {
            world.leaves(host, Duration::from_secs(1 + rng.below(60)));
        }
        match manners {
            Manners::Corrupts(_) => _ = liars.insert(world.address(host).ip()),
            Manners::Honest | Manners::Plain if !leaves => honest.push(host),
            _ => {}
        }
    }
    let whole = |world: &World, host: usize| world.report(host).completed.is_some();
    while world.now() < BOUND && !honest.iter().all(|&host| whole(&world, host)) {
        world.run_until(world.now() + Duration::from_secs(10));
    }
    for &host in &honest {
        let report = world.report(host);
        assert!(report.completed.is_some(), "host {host} stalls: {:#?}", report.status);
        for (_, notice) in report.notices {
            if let Notice::Banned { remote, .. } = notice {
                assert!(liars.contains(&remote.ip()), "{remote} is honest and was banned");
            }
        }
    }
}

fn any_layout(rng: &mut Rng) -> Layout {
    let block = u64::from(BLOCK_BYTES);
    let piece = [block / 4, block, 4 * block, 8 * block + 1000, 16 * block][rng.index(5)];
    let total = (1 + rng.below(60)) * piece + rng.below(piece);
    let mut files = vec![(1 + rng.below(total), false)];
    for _ in 0..rng.below(4) {
        files.push((rng.below(total / 4), rng.one_in(4)));
        files.push((0, false));
    }
    Layout::new(piece as u32, files).expect("a torrent of some megabytes")
}

fn any_setup(rng: &mut Rng, files: usize) -> Setup {
    let manners = [
        Manners::Corrupts(1 + rng.below(20)),
        Manners::Silent,
        Manners::Takes,
        Manners::Flaps,
        Manners::Floods,
        Manners::Boasts,
        Manners::Plain,
    ];
    let manners = if rng.one_in(2) { Manners::Honest } else { manners[rng.index(7)] };
    let seed = matches!(manners, Manners::Corrupts(_) | Manners::Silent | Manners::Flaps)
        && rng.below(4) > 0
        || rng.one_in(6);
    let priorities = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
    let selects = !seed && rng.one_in(3);
    let limit = |rng: &mut Rng| rng.one_in(6).then(|| 30_000 + rng.below(500_000));
    Setup {
        seed,
        // Now and then a slow loris.
        up: if rng.one_in(8) { 3_000 } else { 50_000 + rng.below(2_000_000) },
        down: 200_000 + rng.below(10_000_000),
        latency: Duration::from_millis(1 + rng.below(200)),
        rates: Rates { down: limit(rng), up: limit(rng) },
        slots: 1 + rng.below(6) as u32,
        joins: Duration::from_secs(if rng.one_in(3) { rng.below(60) } else { 0 }),
        policy: [Policy::RarestFirst, Policy::Sequential, Policy::Random][rng.index(3)],
        priorities: if selects {
            (0..files).map(|_| priorities[rng.index(4)]).collect()
        } else {
            Vec::new()
        },
        manners,
        disk: any_disk(rng),
        ..Setup::default()
    }
}

/// Slow at times, and whole.
fn any_disk(rng: &mut Rng) -> DiskFaults {
    DiskFaults {
        lanes: 1 + rng.below(4) as u32,
        latency: Duration::from_micros(20 + rng.below(5000)),
        rate: 5_000_000 + rng.below(500_000_000),
        sync: Duration::from_millis(rng.below(100)),
        stalls: if rng.one_in(4) { 10 + rng.below(500) } else { 0 },
        stall: Duration::from_millis(rng.below(3000)),
        short_writes: rng.below(20),
        ..DiskFaults::default()
    }
}
