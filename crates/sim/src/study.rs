//! One swarm from its beginning to its end, and the numbers that say how it fared.
//!
//! The example `swarm`, the table of `tests/policies.rs` and `toubkal sim` all look through this.

use std::time::Duration;

use toubkal_wire::layout::{Layout, LayoutError};

use crate::fluid::{self, Line};
use crate::host::Setup;
use crate::world::World;

/// A swarm to be played.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Who takes part.
    pub hosts: Vec<Setup>,
    /// Bytes of the one file.
    pub bytes: u64,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// Seeds go as soon as the leechers have every piece between them.
    pub seeds_leave: bool,
    /// From one moment that is looked at to the next.
    pub step: Duration,
    /// It ends then at the latest, in virtual time.
    pub limit: Duration,
}

/// The swarm at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Virtual time since the beginning.
    pub at: Duration,
    /// Leechers that have everything.
    pub complete: u32,
    /// Share of all the bytes that leechers want that is there, 0 to 1.
    pub there: f64,
    /// Pieces that at least one leecher has.
    pub spread: u32,
    /// Pieces that all leechers have.
    pub everywhere: u32,
    /// Bytes that leechers gave so far,
    pub leechers_gave: u64,
    /// and seeds.
    pub seeds_gave: u64,
    /// Bytes that came and were of no use.
    pub wasted: u64,
}

/// What one host did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From its coming until everything was there; `None` when it never was.
    pub took: Option<Duration>,
    /// Bytes that it gave.
    pub gave: u64,
    /// Bytes that it got.
    pub got: u64,
    /// Bytes that it got and had no use for.
    pub wasted: u64,
}

/// How a swarm fared.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The fluid bound of the swarm, as if all came at once and stayed.
    pub bound: Duration,
    /// Leechers, in the order of [`Swarm::hosts`].
    pub leechers: Vec<Share>,
    /// Seeds, likewise.
    pub seeds: Vec<Share>,
    /// Virtual time at the end.
    pub ended: Duration,
}

impl Swarm {
    /// The layout of the torrent.
    ///
    /// # Errors
    /// When there is no such torrent.
    pub fn layout(&self) -> Result<Layout, LayoutError> {
        Layout::new(self.piece_length, [(self.bytes, false)])
    }

    /// The fluid bound, as if all came at once and stayed.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let seeds = self.hosts.iter().filter(|host| host.seed);
        let seeds_up = seeds.fold(0_u64, |sum, host| sum.saturating_add(host.up));
        let leechers = self.hosts.iter().filter(|host| !host.seed);
        let lines: Vec<Line> = leechers.map(|host| Line { up: host.up, down: host.down }).collect();
        fluid::bound(self.bytes, seeds_up, &lines)
    }

    /// Plays the swarm with all chance from `seed`, and shows it step by step.
    ///
    /// # Errors
    /// When there is no such torrent.
    pub fn play(&self, seed: u64, mut watch: impl FnMut(&Moment)) -> Result<Outcome, LayoutError> {
        let mut world = World::new(seed, self.layout()?);
        let (mut seeds, mut leechers) = (Vec::new(), Vec::new());
        for setup in &self.hosts {
            let host = world.host(setup.clone());
            if setup.seed { seeds.push(host) } else { leechers.push(host) }
        }
        let mut leave = self.seeds_leave;
        loop {
            world.run_until(world.now() + self.step);
            let moment = self.moment(&world, &seeds, &leechers);
            watch(&moment);
            let pieces = world.copies(&leechers).len() as u32;
            if leave && moment.spread == pieces {
                leave = false;
                seeds.iter().for_each(|&host| world.leaves(host, world.now()));
            }
            if moment.complete as usize == leechers.len() || world.now() >= self.limit {
                break;
            }
        }
        let share = |&host: &usize| self.share(&world, host);
        Ok(Outcome {
            bound: self.bound(),
            leechers: leechers.iter().map(share).collect(),
            seeds: seeds.iter().map(share).collect(),
            ended: world.now(),
        })
    }

    fn moment(&self, world: &World, seeds: &[usize], leechers: &[usize]) -> Moment {
        let copies = world.copies(leechers);
        let all = leechers.len() as u32;
        let mut moment = Moment {
            at: world.now(),
            complete: 0,
            there: 0.0,
            spread: copies.iter().filter(|&&copies| copies > 0).count() as u32,
            everywhere: copies.iter().filter(|&&copies| copies == all).count() as u32,
            leechers_gave: 0,
            seeds_gave: 0,
            wasted: 0,
        };
        let mut left = 0;
        for &host in leechers {
            let report = world.report(host);
            moment.complete += u32::from(report.completed.is_some());
            left += report.status.as_ref().map_or(self.bytes, |status| status.left);
            moment.wasted += report.status.as_ref().map_or(0, |status| status.wasted);
            moment.leechers_gave += report.status.as_ref().map_or(0, |status| status.uploaded);
        }
        let gave = |&host: &usize| world.report(host).status.map_or(0, |status| status.uploaded);
        moment.seeds_gave = seeds.iter().map(gave).sum();
        let wanted = self.bytes as f64 * leechers.len() as f64;
        moment.there = if wanted > 0.0 { 1.0 - left as f64 / wanted } else { 1.0 };
        moment
    }

    fn share(&self, world: &World, host: usize) -> Share {
        let report = world.report(host);
        let joined = self.hosts[host].joins;
        let count =
            |of: fn(&toubkal_core::engine::Status) -> u64| report.status.as_ref().map_or(0, of);
        Share {
            took: report.completed.map(|at| at.saturating_sub(joined)),
            gave: count(|status| status.uploaded),
            got: count(|status| status.downloaded),
            wasted: count(|status| status.wasted),
        }
    }
}

impl Outcome {
    /// How long the leechers took, the quickest first; those that were never done are left out.
    #[must_use]
    pub fn times(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> =
            self.leechers.iter().filter_map(|share| share.took).collect();
        times.sort();
        times
    }

    /// The time in which this part of all leechers was done, 0 to 1; `None` when it never was.
    #[must_use]
    pub fn time_of(&self, part: f64) -> Option<Duration> {
        let at = (self.leechers.len() as f64 * part).ceil() as usize;
        self.times().get(at.max(1) - 1).copied()
    }

    /// A time as a multiple of the fluid bound.
    #[must_use]
    pub fn ratio(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.bound.as_secs_f64()
    }
}
