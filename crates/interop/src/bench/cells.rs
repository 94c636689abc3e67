//! The cells of the benchmark: what is measured, and of whom.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::alone;
use super::clients::{Job, Plan, Rival};
use super::figures::{Figure, Sample};
use super::many;
use super::stage::{LEECHERS, Seed, Stage, Which};
use super::transfer::{self, Takers};

/// One table of the benchmark.
pub(super) struct Cell {
    /// Its name on the command line, and in JSON.
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) title: &'static str,
    kind: Kind,
    pub(super) rivals: &'static [Rival],
    /// It stands in the chart.
    pub(super) is_drawn: bool,
    /// Rounds of it, at most: some take long.
    pub(super) rounds: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The client takes from a seed that stays.
    Get(Which, Rival),
    /// The client gives, to so many.
    Give(Which, Rival, usize),
    /// The client gives to a program that throws it away.
    GiveAway(Which),
    /// It works by itself, on what is there or in an empty folder on the disk.
    Alone(fn(Rival, &Job<'_>) -> Plan, bool),
    /// The client has so many torrents.
    Many(u32),
}

const MANY: &[Rival] = &[Rival::Toubkal, Rival::Libtorrent, Rival::Rqbit, Rival::Transmission];
/// Without Transmission, which checks eight torrents a second, however small.
const MANY_QUICK: &[Rival] = &[Rival::Toubkal, Rival::Libtorrent, Rival::Rqbit];
const MOST: &[Rival] = &[Rival::Toubkal, Rival::Libtorrent];
const ALL: &[Rival] = &Rival::ALL;
/// Without Transmission, each run of which takes a minute and more.
const FAST: &[Rival] = match ALL.split_last() {
    Some((Rival::Transmission, others)) => others,
    _ => panic!("Transmission is the last of all"),
};
/// Where a Toubkal seed is asked.
const OWN: Kind = Kind::Get(Which::Single, Rival::Toubkal);

/// In the order of the tables.
pub(super) const CELLS: &[Cell] = &[
    Cell::of("get", "Downloading one file", get(Which::Single), ALL).drawn(),
    Cell::of("get-files", "Downloading 1,000 files", get(Which::Files), FAST).drawn(),
    Cell::of("get-small", "Downloading pieces of 64 KiB", get(Which::Small), FAST).drawn(),
    Cell::of("get-large", "Downloading pieces of 8 MiB", get(Which::Large), FAST).drawn(),
    Cell::of("get-own", "Downloading one file from a Toubkal seed", OWN, FAST).drawn(),
    Cell::of("seed", "Seeding to a libtorrent leecher", give(Rival::Libtorrent), FAST),
    Cell::of("seed-own", "Seeding to a Toubkal leecher", give(Rival::Toubkal), FAST),
    Cell::of("seed-8", "Seeding to eight libtorrent leechers", give_8(Rival::Libtorrent), FAST),
    Cell::of("seed-own-8", "Seeding to eight Toubkal leechers", give_8(Rival::Toubkal), FAST),
    Cell::of("seed-away", "Seeding to one that throws it away", GIVE_AWAY, FAST).drawn(),
    Cell::of("verify", "Checking one file", Kind::Alone(Rival::verify, false), ALL).drawn(),
    Cell::of("create", "Making a torrent of one file", Kind::Alone(Rival::create, false), ALL),
    Cell::of("write", "Writing one file", Kind::Alone(Rival::write, true), &[Rival::Limit]),
    Cell::of("many-1k", "1,000 torrents", Kind::Many(1000), MANY).at_most(3),
    Cell::of("many-10k", "10,000 torrents", Kind::Many(10_000), MANY_QUICK).at_most(3),
    Cell::of("many-100k", "100,000 torrents", Kind::Many(100_000), MOST).at_most(1),
];

const GIVE_AWAY: Kind = Kind::GiveAway(Which::Single);

const fn get(which: Which) -> Kind {
    Kind::Get(which, Rival::Libtorrent)
}

const fn give(taker: Rival) -> Kind {
    Kind::Give(Which::Single, taker, 1)
}

const fn give_8(taker: Rival) -> Kind {
    Kind::Give(Which::Part, taker, LEECHERS)
}

/// Seeds that stay from one run to the next, so that what they give is in memory and mapped.
pub(super) type Seeds = BTreeMap<(Which, Rival), Seed>;

impl Cell {
    const fn of(
        name: &'static str,
        title: &'static str,
        kind: Kind,
        rivals: &'static [Rival],
    ) -> Cell {
        Cell { name, title, kind, rivals, is_drawn: false, rounds: u32::MAX }
    }

    const fn drawn(mut self) -> Cell {
        self.is_drawn = true;
        self
    }

    const fn at_most(mut self, rounds: u32) -> Cell {
        self.rounds = rounds;
        self
    }

    /// What it is, and how many MiB each downloads when the single file has `size`.
    pub(super) fn heading(&self, size: u64) -> String {
        let each = match self.kind {
            Kind::Get(Which::Files, _) => size / 2,
            Kind::Give(Which::Part, ..) => size / 4,
            Kind::Many(_) => return self.title.to_owned(),
            _ => size,
        };
        format!("{} ({each} MiB)", self.title)
    }

    /// Makes what it needs, which takes some time at first.
    pub(super) fn prepare(&self, stage: &mut Stage) {
        match self.kind {
            Kind::Get(which, _) | Kind::Give(which, ..) | Kind::GiveAway(which) => {
                stage.prepare(which);
            }
            Kind::Alone(..) => stage.prepare(Which::Single),
            Kind::Many(_) => {}
        }
    }

    /// One run of a client. `compare`: what was downloaded is compared with what was sent.
    pub(super) fn run(
        &self,
        stage: &Stage,
        seeds: &mut Seeds,
        rival: Rival,
        compare: bool,
    ) -> Result<Sample, String> {
        let is_limit = rival == Rival::Limit;
        let taking = |rival, count| Takers { rival, count, plan: Rival::leech, compare };
        match self.kind {
            Kind::Get(which, seed) => {
                // The limit speaks to its own kind alone.
                let seed = if is_limit { Rival::Limit } else { seed };
                transfer::run(stage, which, staying(stage, seeds, seed, which)?, taking(rival, 1))
            }
            Kind::Give(which, taker, count) => {
                let mut seed = stage.seed(rival, which)?;
                let taker = if is_limit { Rival::Limit } else { taker };
                let sample = transfer::run(stage, which, &mut seed, taking(taker, count));
                of_seed(sample, seed, stage, which)
            }
            Kind::GiveAway(which) => {
                let mut seed = stage.seed(rival, which)?;
                let plan = if is_limit { Rival::drain } else { Rival::ask };
                let takers = Takers { rival: Rival::Limit, count: 1, plan, compare: false };
                let sample = transfer::run(stage, which, &mut seed, takers);
                of_seed(sample, seed, stage, which)
            }
            Kind::Alone(plan, on_disk) => alone::run(stage, Which::Single, rival, plan, on_disk),
            Kind::Many(count) => many::run(stage, rival, count),
        }
    }
}

/// Where the seed is measured, the memory is that of the seed. It ends with this.
fn of_seed(
    sample: Result<Sample, String>,
    mut seed: Seed,
    stage: &Stage,
    which: Which,
) -> Result<Sample, String> {
    let memory = seed.child.memory();
    seed.child.stop();
    stage.content(which).untouch();
    let mut sample = sample?;
    sample.insert(Figure::Peak, memory.peak);
    sample.insert(Figure::Anonymous, memory.anonymous);
    Ok(sample)
}

/// A seed that stays. When it is new, somebody downloads from it once, which is not counted.
fn staying<'a>(
    stage: &Stage,
    seeds: &'a mut Seeds,
    rival: Rival,
    which: Which,
) -> Result<&'a mut Seed, String> {
    let key = (which, rival);
    if seeds.get_mut(&key).is_some_and(|seed| seed.child.ended().is_some()) {
        seeds.remove(&key);
    }
    match seeds.entry(key) {
        Entry::Occupied(seed) => Ok(seed.into_mut()),
        Entry::Vacant(place) => {
            let mut seed = stage.seed(rival, which)?;
            let taker = if rival == Rival::Limit { rival } else { Rival::Libtorrent };
            let takers = Takers { rival: taker, count: 1, plan: Rival::leech, compare: false };
            transfer::run(stage, which, &mut seed, takers)?;
            Ok(place.insert(seed))
        }
    }
}
