//! Worlds of which everything is drawn from one number, in two phases: faults, then progress.
//!
//! First everything may go wrong, and nothing wrong may be claimed, said or counted. Then the
//! network heals, no more faults come, and every honest host must get what there is, within a
//! bound; and afterwards there must be quiet.

use std::fmt;
use std::time::Duration;

use toubkal_core::engine::{Policy, Priority, Rates};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};

use crate::chance::Chance;
use crate::disk::{DiskFaults, Fidelity};
use crate::faults::{Faults, Mishap, TrackerFaults};
use crate::host::Setup;
use crate::manners::Manners;
use crate::reader::Pace;
use crate::trace::Entry;
use crate::world::World;

/// From the healing on, everybody has what there is after so long. A link that is half open ends
/// after three minutes, an address that failed rests for ten minutes at the most, and slow lines
/// and odd peers cost time; of 4,000 worlds the slowest took five minutes. But who cannot be
/// connected to, hears others, and has failed three times at all who have what it lacks, waits
/// for an hour.
pub const BOUND: Duration = Duration::from_secs(75 * 60);
/// How long a world is watched that has nothing to do.
const QUIET: Duration = Duration::from_secs(120);
/// Events a second and host that are allowed then: a heartbeat, keep-alives, announces.
const QUIET_EVENTS: f64 = 12.0;

/// A world, and what happens in it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// From which everything was drawn.
    pub seed: u64,
    /// How true its bytes are.
    pub fidelity: Fidelity,
    /// Bytes of a piece.
    pub piece: u32,
    /// Lengths of files, and whether they are padding.
    pub files: Vec<(u64, bool)>,
    /// Who is there; the first has everything, is honest, and stays.
    pub hosts: Vec<Setup>,
    /// Who leaves for good, and when.
    pub leaves: Vec<(usize, Duration)>,
    /// What goes wrong by chance.
    pub faults: Faults,
    /// What goes wrong by plan, with the time.
    pub mishaps: Vec<(Duration, Mishap)>,
    /// Who reads while it comes.
    pub readers: Vec<Reads>,
    /// When the network heals.
    pub heals: Duration,
}

/// Somebody who reads a file of a host.
#[derive(Clone, Debug)]
pub struct Reads {
    /// Whose.
    pub host: usize,
    /// Which.
    pub file: u32,
    /// How fast.
    pub pace: Pace,
    /// When it goes where: it begins with the first.
    pub turns: Vec<(Duration, u64)>,
    /// When it reads no more.
    pub ends: Duration,
}

/// What became of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// A hash of everything that happened.
    pub trace_hash: u64,
    /// Deliveries.
    pub events: u64,
    /// Virtual time in all.
    pub time: Duration,
    /// From the healing until everybody had everything.
    pub recovery: Duration,
}

impl Scenario {
    /// The world of a number.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::from_chance(seed, &Chance::from_seed(seed))
    }

    /// A world that is drawn from here.
    #[must_use]
    pub fn from_chance(seed: u64, chance: &Chance) -> Self {
        let mut shape = chance.fork("shape");
        let (piece, files) = any_files(&mut shape);
        let count = shape.spread(8, 64) as usize;
        let heals = Duration::from_secs(shape.spread(10, 120));
        let mut hosts = vec![Setup { seed: true, up: 500_000, ..Setup::default() }];
        let mut leaves = Vec::new();
        let odd = shape.below(5);
        let (disks, broken) = (shape.one_in(2), shape.one_in(3));
        for number in 1..count {
            let mut chance = chance.fork_indexed("setup", number as u64);
            let mut setup = any_setup(&mut chance, files.len(), odd);
            if disks {
                setup.disk = any_disk(&mut chance.fork("disk"), broken);
            }
            hosts.push(setup);
            if chance.one_in(8) {
                leaves.push((number, Duration::from_secs(1 + chance.below(heals.as_secs()))));
            }
        }
        let mishaps = any_mishaps(chance, count, heals);
        let faults = any_faults(&mut chance.fork("faults"));
        let real = shape.one_in(10);
        let fidelity = if real { Fidelity::Bytes(seed) } else { Fidelity::Symbols };
        let readers = any_readers(&mut chance.fork("readers"), count, &files, heals);
        Self { seed, fidelity, piece, files, hosts, leaves, faults, mishaps, readers, heals }
    }

    /// Everything that [`Scenario::without`] knows.
    #[must_use]
    pub fn parts() -> Vec<&'static str> {
        let own = ["magnets", "disks", "manners", "limits", "leaves", "choice", "hidden", "late"];
        let own = own.into_iter().chain(["readers"]);
        let mishaps = ["pauses", "leaps", "cuts", "crashes", "stops", "checks"];
        own.chain(mishaps).chain(Faults::NAMES).collect()
    }

    /// The same with one thing less that could go wrong; false: there is none of this name.
    pub fn without(&mut self, part: &str) -> bool {
        let hosts = &mut self.hosts;
        match part {
            "manners" => hosts.iter_mut().for_each(|host| host.manners = Manners::Honest),
            "magnets" => hosts.iter_mut().for_each(|host| host.magnet = false),
            "disks" => hosts.iter_mut().for_each(|host| host.disk = DiskFaults::default()),
            "limits" => hosts.iter_mut().for_each(|host| host.rates = Rates::default()),
            "choice" => hosts.iter_mut().for_each(|host| host.priorities.clear()),
            "hidden" => hosts.iter_mut().for_each(|host| host.hidden = false),
            "late" => hosts.iter_mut().for_each(|host| host.joins = Duration::ZERO),
            "leaves" => self.leaves.clear(),
            "readers" => self.readers.clear(),
            "pauses" | "leaps" | "cuts" | "crashes" | "stops" | "checks" => {
                self.mishaps.retain(|(_, mishap)| mishap.name() != part);
            }
            _ => return self.faults.without(part),
        }
        true
    }

    /// The same with the first so many hosts only.
    pub fn keep_hosts(&mut self, count: usize) {
        self.hosts.truncate(count.max(1));
        let count = self.hosts.len();
        self.leaves.retain(|(host, _)| *host < count);
        self.readers.retain(|reads| reads.host < count);
        self.mishaps.retain_mut(|(_, mishap)| match mishap {
            Mishap::Cut { from, to, .. } => {
                from.retain(|host| *host < count);
                to.retain(|host| *host < count);
                true
            }
            Mishap::Pause { host, .. }
            | Mishap::Leap { host, .. }
            | Mishap::Crash { host, .. }
            | Mishap::Stop { host, .. }
            | Mishap::Check { host } => *host < count,
        });
    }

    /// Plays it.
    ///
    /// # Panics
    /// When a rule is broken, or somebody does not get what there is.
    #[must_use]
    pub fn run(&self) -> Run {
        self.play(self.world())
    }

    /// Plays it, and tells each change of state.
    ///
    /// # Panics
    /// As [`Scenario::run`].
    pub fn tell(&self, listener: impl FnMut(&Entry) + 'static) -> Run {
        let mut world = self.world();
        world.listen(listener);
        self.play(world)
    }

    /// Plays it with the chance of somebody else, such as a fuzzer.
    ///
    /// # Panics
    /// As [`Scenario::run`].
    #[must_use]
    pub fn run_with(&self, chance: Chance) -> Run {
        self.play(self.world_with(chance))
    }

    fn world(&self) -> World {
        self.world_with(Chance::from_seed(self.seed))
    }

    fn world_with(&self, chance: Chance) -> World {
        let layout = Layout::new(self.piece, self.files.iter().copied());
        let layout = layout.expect("a torrent of some megabytes");
        World::with_chance(chance, layout, self.fidelity)
    }

    fn play(&self, mut world: World) -> Run {
        world.set_watched();
        world.set_faults(self.faults);
        world.add_tracker();
        for setup in &self.hosts {
            world.host(setup.clone());
        }
        for &(host, at) in &self.leaves {
            world.leaves(host, at);
        }
        for (at, mishap) in &self.mishaps {
            world.plan(*at, mishap.clone());
        }
        for Reads { host, file, pace, turns, ends } in &self.readers {
            let reader = world.reads(*host, *file, turns[0].1, *pace, turns[0].0);
            turns[1..].iter().for_each(|&(at, to)| world.turns(reader, to, at));
            world.ends_reading(reader, *ends);
        }
        let step = Duration::from_secs(10);
        while world.now() < self.heals {
            world.run_until(self.heals.min(world.now() + step));
        }
        world.heal();
        let mut lacking = world.lacking();
        while !lacking.is_empty() {
            let late = world.now() - self.heals;
            assert!(
                late < BOUND,
                "{late:?} after the healing these lack something: {lacking:?}\n{:#?}",
                world.report(lacking[0]).status
            );
            world.start_stopped();
            world.run_until(world.now() + step);
            lacking = world.lacking();
        }
        let recovery = world.now() - self.heals;
        // What is asked for still, and files that get their names.
        world.run_until(world.now() + QUIET);
        world.expect_quiet(QUIET, QUIET_EVENTS + 2.0 * self.hosts.len() as f64 / 10.0);
        let (events, time) = (world.events(), world.now());
        Run { trace_hash: world.trace_hash(), events, time, recovery }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.files.iter().map(|(length, _)| length).sum();
        writeln!(f, "seed {}: {bytes} bytes in pieces of {}", self.seed, self.piece)?;
        writeln!(f, "files {:?}", self.files)?;
        for (number, host) in self.hosts.iter().enumerate() {
            let Setup { seed, up, down, latency, rates, slots, joins, manners, .. } = host;
            let what = match (seed, host.magnet) {
                (true, _) => "seed",
                (_, true) => "magnet",
                _ => "leecher",
            };
            write!(f, "host {number:2}: {what} {manners:?}, up {up}, down {down}, {latency:?}, ")?;
            write!(f, "slots {slots}, joins {joins:?}")?;
            if *rates != Rates::default() {
                write!(f, ", limits {:?} {:?}", rates.down, rates.up)?;
            }
            if host.hidden {
                write!(f, ", hidden")?;
            }
            if host.policy != Policy::default() {
                write!(f, ", {:?}", host.policy)?;
            }
            if host.disk != DiskFaults::default() {
                write!(f, ", {:?}", host.disk)?;
            }
            if !host.priorities.is_empty() {
                write!(f, ", wants {:?}", host.priorities)?;
            }
            writeln!(f)?;
        }
        self.readers.iter().try_for_each(|reads| writeln!(f, "{reads:?}"))?;
        writeln!(f, "leaves {:?}", self.leaves)?;
        writeln!(f, "{}", self.faults)?;
        for (at, mishap) in &self.mishaps {
            writeln!(f, "{at:?}: {mishap:?}")?;
        }
        write!(f, "heals after {:?}", self.heals)
    }
}

/// The length of a piece, and files: some megabytes at the most.
fn any_files(chance: &mut Chance) -> (u32, Vec<(u64, bool)>) {
    let block = u64::from(BLOCK_BYTES);
    let piece = chance.one_of(&[block / 4, block, block, 4 * block, 8 * block + 1000, 16 * block]);
    let most = (6_000_000 / piece).clamp(4, 200);
    let total = chance.spread(1, most) * piece + chance.below(piece);
    let mut files = vec![(1 + chance.below(total), false)];
    for _ in 0..chance.below(4) {
        files.push((chance.below(total / 4 + 1), chance.one_in(4)));
        files.push((0, false));
    }
    (piece as u32, files)
}

/// In half of all worlds some read while it comes, and go elsewhere now and then; all of them have
/// ended when the network heals.
fn any_readers(
    chance: &mut Chance,
    hosts: usize,
    files: &[(u64, bool)],
    heals: Duration,
) -> Vec<Reads> {
    let count = if chance.one_in(2) { chance.below(12) } else { 0 };
    let mut one = || {
        let file = chance.index(files.len());
        let pace = Pace { rate: chance.spread(10_000, 10_000_000), ahead: chance.below(1 << 20) };
        let mut turn = || (chance.wait(heals), chance.below(files[file].0 + 1));
        let mut turns = vec![turn(), turn(), turn(), turn()];
        turns.sort_unstable();
        let ends = turns.pop().map_or(heals, |(last, _)| last);
        Reads { host: chance.index(hosts), file: file as u32, pace, turns, ends }
    };
    (0..count).map(|_| one()).collect()
}

fn any_setup(chance: &mut Chance, files: usize, odd: u64) -> Setup {
    let mut manners = Manners::Honest;
    // None, few, or many that are not honest.
    if chance.below(12) < odd {
        manners = chance.one_of(&Manners::ODD);
        if let Manners::Corrupts(_) = manners {
            manners = Manners::Corrupts(chance.spread(1, 30));
        }
    }
    let seed = if manners == Manners::Honest { chance.one_in(8) } else { chance.one_in(2) };
    let selects = !seed && files > 1 && chance.one_in(4);
    let any = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
    let wants = |chance: &mut Chance| (0..files).map(|_| chance.one_of(&any)).collect();
    let limit = |chance: &mut Chance| chance.one_in(6).then(|| chance.spread(30_000, 1_000_000));
    Setup {
        seed,
        magnet: !seed && chance.one_in(4),
        up: chance.spread(20_000, 5_000_000),
        down: chance.spread(100_000, 20_000_000),
        latency: Duration::from_micros(chance.spread(1_000, 200_000)),
        rates: Rates { down: limit(chance), up: limit(chance) },
        slots: 1 + chance.below(8) as u32,
        links: if chance.one_in(6) { chance.spread(4, 30) as u32 } else { 200 },
        known: if chance.one_in(4) { chance.spread(2, 20) as usize } else { usize::MAX },
        hidden: chance.one_in(6),
        joins: Duration::from_secs(if chance.one_in(3) { chance.below(60) } else { 0 }),
        policy: if chance.one_in(5) { Policy::Sequential } else { Policy::default() },
        priorities: if selects { wants(chance) } else { Vec::new() },
        rests: true,
        manners,
        disk: DiskFaults::default(),
    }
}

/// Disks: slow ones, full ones, broken ones; in most worlds none that is broken.
fn any_disk(chance: &mut Chance, broken: bool) -> DiskFaults {
    let rate = |chance: &mut Chance, on: bool| {
        if on && chance.one_in(4) { chance.spread(20, 2_000) } else { 0 }
    };
    let some = |chance: &mut Chance| chance.one_in(8);
    let full = some(chance);
    DiskFaults {
        lanes: 1 + chance.below(4) as u32,
        latency: Duration::from_micros(chance.spread(20, 10_000)),
        rate: chance.spread(2_000_000, 1_000_000_000),
        sync: Duration::from_millis(chance.below(500)),
        stalls: if some(chance) { chance.spread(10, 500) } else { 0 },
        stall: Duration::from_millis(chance.spread(10, 10_000)),
        short_writes: chance.below(20),
        write_errors: rate(chance, broken),
        read_errors: rate(chance, broken),
        full: if full { chance.spread(20, 1_000) } else { 0 },
        full_time: Duration::from_secs(chance.spread(1, 100)),
        sync_errors: rate(chance, broken),
        folder_errors: rate(chance, broken),
        lies: 0,
        record_errors: rate(chance, broken),
        checkpoints: 1 + chance.below(16),
    }
}

/// Which faults there are is drawn first, then how bad they are: not all worlds have all of them.
fn any_faults(chance: &mut Chance) -> Faults {
    let millis = |chance: &mut Chance, most| Duration::from_millis(chance.spread(1, most));
    let some = |chance: &mut Chance, most: u64| {
        if chance.one_in(3) { chance.spread(1_000, most) as u32 } else { 0 }
    };
    let mut faults =
        Faults { lifetime: Duration::from_secs(chance.spread(1, 100)), ..Faults::default() };
    if chance.one_in(2) {
        faults.fact_delay = millis(chance, 100);
        faults.wish_delay = millis(chance, 100);
        faults.job_delay = millis(chance, 1000);
    }
    if chance.one_in(2) {
        faults.jitter = millis(chance, 500);
    }
    faults.loss = some(chance, 200_000);
    if chance.one_in(2) {
        faults.window = chance.spread(20_000, 1_000_000);
    }
    if chance.one_in(4) {
        faults.segment = chance.spread(1, 100) as usize;
    }
    faults.resets = some(chance, 1_000_000);
    faults.half_open = some(chance, 300_000);
    faults.unanswered = some(chance, 500_000);
    faults.tracker = TrackerFaults {
        delay: millis(chance, 5_000),
        silent: some(chance, 500_000),
        refuses: some(chance, 300_000),
        garbage: some(chance, 300_000),
        empty: some(chance, 300_000),
        dead: chance.below(10) as u32,
    };
    faults
}

fn any_mishaps(chance: &Chance, hosts: usize, heals: Duration) -> Vec<(Duration, Mishap)> {
    let mut mishaps = Vec::new();
    let mut plan = |name: &str, most: u64, make: &dyn Fn(&mut Chance) -> Mishap| {
        let chance = &mut chance.fork(name);
        if chance.one_in(2) {
            return;
        }
        for _ in 0..chance.spread(1, most) {
            mishaps.push((chance.wait(heals), make(chance)));
        }
    };
    let secs = |chance: &mut Chance, most| Duration::from_secs(chance.spread(1, most));
    plan("pauses", 6, &|chance| {
        let host = chance.index(hosts);
        Mishap::Pause { host, lasts: secs(chance, 60), asleep: chance.one_in(2) }
    });
    plan("leaps", 6, &|chance| {
        let host = chance.index(hosts);
        Mishap::Leap { host, by: secs(chance, 100_000) }
    });
    plan("cuts", 4, &|chance| {
        let half = |chance: &mut Chance| (0..hosts).filter(|_| chance.one_in(2)).collect();
        let (from, to) = (half(chance), half(chance));
        Mishap::Cut { from, to, lasts: secs(chance, 100) }
    });
    plan("crashes", 8, &|chance| {
        let back = Some(secs(chance, 60));
        let (host, power) = (chance.index(hosts), chance.one_in(2));
        Mishap::Crash { host, power, back }
    });
    plan("stops", 4, &|chance| {
        let host = chance.index(hosts);
        Mishap::Stop { host, lasts: secs(chance, 30) }
    });
    plan("checks", 4, &|chance| Mishap::Check { host: chance.index(hosts) });
    mishaps.sort_by_key(|(at, _)| *at);
    mishaps
}
