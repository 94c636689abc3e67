//! One swarm from its beginning to its end, and the numbers that say how it fared.
//!
//! The example `swarm`, the table of `tests/policies.rs` and `toubkal sim` all look through this.
//! Time begins when the seeds have checked what they have: a swarm is not slow because a disk is.

use std::ops::ControlFlow;
use std::time::Duration;

use toubkal_wire::layout::{Layout, LayoutError};

use crate::fluid::{self, Line};
use crate::host::Setup;
use crate::world::World;

/// A swarm to be played.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Who takes part. Leechers come `joins` after the seeds are ready.
    pub hosts: Vec<Setup>,
    /// Bytes of the one file.
    pub bytes: u64,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// Seeds go as soon as the leechers have every piece between them.
    pub seeds_leave: bool,
    /// From one moment that is looked at to the next.
    pub step: Duration,
    /// It ends then at the latest.
    pub limit: Duration,
}

/// Bytes a second that seeds check at the least, before anybody comes; see [`Swarm::hosts`].
const CHECK_RATE: u64 = 200_000_000;

/// The swarm at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Time since the seeds were ready.
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
    /// Time at the end.
    pub ended: Duration,
}

impl Swarm {
    /// A swarm that is looked at every second, for a day at the most.
    #[must_use]
    pub fn new(hosts: Vec<Setup>, bytes: u64, piece_length: u32) -> Self {
        let (step, limit) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
        Self { hosts, bytes, piece_length, seeds_leave: false, step, limit }
    }

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

    /// Plays the swarm with all chance from `seed`, and shows it step by step; the watcher may
    /// break it off.
    ///
    /// # Errors
    /// When there is no such torrent.
    pub fn play(
        &self,
        seed: u64,
        mut watch: impl FnMut(&Moment) -> ControlFlow<()>,
    ) -> Result<Outcome, LayoutError> {
        let mut world = World::new(seed, self.layout()?);
        let (mut seeds, mut leechers) = (Vec::new(), Vec::new());
        let ready = self.ready();
        for setup in &self.hosts {
            let joins = if setup.seed { setup.joins } else { ready + setup.joins };
            let host = world.host(Setup { joins, ..setup.clone() });
            if setup.seed { seeds.push(host) } else { leechers.push(host) }
        }
        let mut leave = self.seeds_leave;
        world.run_until(ready);
        loop {
            world.run_until(world.now() + self.step);
            let moment = self.moment(&world, &seeds, &leechers);
            let broken = watch(&moment).is_break();
            let pieces = world.copies(&leechers).len() as u32;
            if leave && moment.spread == pieces {
                leave = false;
                seeds.iter().for_each(|&host| world.leaves(host, world.now()));
            }
            if broken || moment.complete as usize == leechers.len() || moment.at >= self.limit {
                break;
            }
        }
        let share = |&host: &usize| self.share(&world, host);
        Ok(Outcome {
            bound: self.bound(),
            leechers: leechers.iter().map(share).collect(),
            seeds: seeds.iter().map(share).collect(),
            ended: world.now() - ready,
        })
    }

    /// How long seeds are given to check what they have.
    fn ready(&self) -> Duration {
        Duration::from_millis(500) + Duration::from_secs_f64(self.bytes as f64 / CHECK_RATE as f64)
    }

    fn moment(&self, world: &World, seeds: &[usize], leechers: &[usize]) -> Moment {
        let copies = world.copies(leechers);
        let all = leechers.len() as u32;
        let mut moment = Moment {
            at: world.now() - self.ready(),
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
        let joins = self.hosts[host].joins;
        let joined = if self.hosts[host].seed { joins } else { self.ready() + joins };
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

    /// Bytes that came to leechers and were of no use.
    #[must_use]
    pub fn wasted(&self) -> u64 {
        self.leechers.iter().map(|share| share.wasted).sum()
    }

    /// Jain's index of what each leecher gave for what it got: 1 when all have the same ratio, 1
    /// divided by their number when one gave for all. `None` when nobody gave anything.
    ///
    /// Jain, Chiu, Hawe: "A Quantitative Measure of Fairness and Discrimination" (1984).
    #[must_use]
    pub fn fairness(&self) -> Option<f64> {
        let got = self.leechers.iter().filter(|share| share.got > 0);
        let ratios: Vec<f64> = got.map(|share| share.gave as f64 / share.got as f64).collect();
        let (sum, squares) =
            (ratios.iter().sum::<f64>(), ratios.iter().map(|r| r * r).sum::<f64>());
        (squares > 0.0).then(|| sum * sum / (ratios.len() as f64 * squares))
    }

    /// A time as a multiple of the fluid bound.
    #[must_use]
    pub fn ratio(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.bound.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(gave: &[u64]) -> Outcome {
        let took = |at: usize| (at > 0).then(|| Duration::from_secs(at as u64));
        let share = |(at, &gave): (usize, &u64)| Share { took: took(at), gave, got: 10, wasted: 1 };
        let leechers = gave.iter().enumerate().map(share).collect();
        let (bound, ended) = (Duration::from_secs(2), Duration::from_secs(9));
        Outcome { bound, leechers, seeds: Vec::new(), ended }
    }

    #[test]
    fn fairness_is_one_among_equals_and_little_when_one_gives_for_all() {
        assert_eq!(outcome(&[7; 4]).fairness(), Some(1.0));
        assert_eq!(outcome(&[8, 0, 0, 0]).fairness(), Some(0.25));
        assert_eq!(outcome(&[0; 4]).fairness(), None);
    }

    #[test]
    fn a_part_of_the_leechers_is_done_when_the_last_of_them_is() {
        // The first is never done; the others take 1, 2 and 3 s.
        let outcome = outcome(&[1; 4]);
        let secs = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            [0.0, 0.25, 0.5, 0.75].map(|part| outcome.time_of(part)),
            [1, 1, 2, 3].map(secs)
        );
        assert_eq!(outcome.time_of(1.0), None);
        assert_eq!(outcome.ratio(Duration::from_secs(3)), 1.5);
    }

    #[test]
    fn a_swarm_that_is_broken_off_says_how_far_it_came() {
        let hosts = [true, false].map(|seed| Setup { seed, ..Setup::default() });
        let swarm = Swarm::new(hosts.into(), 10_000_000, 131_072);
        let mut moments = Vec::new();
        let outcome = swarm.play(1, |moment| {
            moments.push(*moment);
            if moments.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let outcome = outcome.expect("a torrent");
        assert_eq!((outcome.ended, moments.len()), (Duration::from_secs(3), 3));
        assert!(outcome.times().is_empty() && outcome.leechers[0].got > 1_000_000);
        assert!(moments.is_sorted_by(|a, b| a.there < b.there));
    }
}
