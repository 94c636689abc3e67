//! Who gets a place, who loses it, and who is slow.

use super::{Line, Stage, Standing, Wish};
use crate::base::Time;
use crate::queue::order::Name;

/// The stages that have places, in the order in which they are given.
const STAGES: [Stage; 3] = [Stage::Check, Stage::Download, Stage::Seed];

const CHECK: usize = Stage::Check as usize;
const DOWNLOAD: usize = Stage::Download as usize;
const SEED: usize = Stage::Seed as usize;

/// The mark in the order of those that wait.
fn waits(stage: usize) -> u8 {
    1 << stage
}

/// The mark of those that take a place.
fn counts(stage: usize) -> u8 {
    8 << stage
}

impl Line {
    /// Gives the places away.
    pub(super) fn settle(&mut self, now: Time) {
        if self.other {
            self.listen_to_all(now);
        }
        while let Some((slow, &(since, name))) = self.places.slow.zip(self.quiet.first())
            && since.after(slow.after) <= now
        {
            self.stand(name, Standing::Slow);
        }
        for stage in STAGES {
            self.limit(stage as usize, now);
            self.fill(stage as usize, now);
        }
        (self.anew, self.other) = (false, false);
    }

    /// How many of a stage may take a place.
    fn room(&self, stage: usize) -> u32 {
        let places = &self.places;
        let all = places.all.unwrap_or(u32::MAX);
        let (own, all) = match stage {
            CHECK => (places.checks, u32::MAX),
            DOWNLOAD => (places.downloads, all),
            _ => (places.seeds, all.saturating_sub(self.taken[DOWNLOAD])),
        };
        own.unwrap_or(u32::MAX).min(all)
    }

    /// Holds those that are too many: at once the last in the line when the settings want it;
    /// otherwise one that was slow has come to life, and after a while those go that came last.
    fn limit(&mut self, stage: usize, now: Time) {
        if self.taken[stage] <= self.room(stage) {
            self.over[stage] = None;
            return;
        }
        let since = *self.over[stage].get_or_insert(now);
        if !self.other && now < since.after(self.places.grace) {
            return;
        }
        self.over[stage] = None;
        while self.taken[stage] > self.room(stage) {
            let last = match self.other {
                true => self.order.last(counts(stage)),
                false => self.started[stage].last().map(|&(_, name)| name),
            };
            self.stand(last.expect("who is counted is marked"), Standing::Waits);
        }
    }

    /// Gives free places to the first that wait, and the places of those behind them when the
    /// order is looked at anew.
    fn fill(&mut self, stage: usize, now: Time) {
        while self.taken[stage] < self.room(stage)
            && let Some(first) = self.order.first(waits(stage))
        {
            let taken = self.taken[DOWNLOAD] + self.taken[SEED];
            if stage == DOWNLOAD
                && self.places.all.is_some_and(|all| taken >= all)
                && let Some(last) = self.order.last(counts(SEED))
            {
                self.stand(last, Standing::Waits);
            }
            self.start(first, now);
        }
        // Half a check is worth nothing: it is finished first.
        let anew = stage != CHECK && (self.anew || self.other);
        while anew
            && let Some(first) = self.order.first(waits(stage))
            && let Some(last) = self.order.last(counts(stage))
            && self.order.position(first) < self.order.position(last)
        {
            self.stand(last, Standing::Waits);
            self.start(first, now);
        }
    }

    fn start(&mut self, name: Name, now: Time) {
        self.starts += 1;
        self.entry_mut(name).start = self.starts;
        self.stand(name, Standing::Counts);
        // Whoever starts has not moved yet; what was told before is of an earlier life.
        self.entry_mut(name).rate = 0;
        self.listen(now, name);
    }

    /// A torrent that is out comes in as the user wishes.
    pub(super) fn join(&mut self, name: Name) {
        let entry = self.entry(name);
        let standing = match (entry.wish, entry.stage) {
            (Wish::Paused, _) => Standing::Out,
            (Wish::Forced, _) | (_, Stage::Done) => Standing::Free,
            (Wish::Queued, _) => Standing::Waits,
        };
        self.anew |= standing == Standing::Waits;
        self.stand(name, standing);
    }

    /// Changes how a torrent stands, and all that is counted of it.
    pub(super) fn stand(&mut self, name: Name, standing: Standing) {
        let entry = self.entry_mut(name);
        let (old, stage) =
            (core::mem::replace(&mut entry.standing, standing), entry.stage as usize);
        if old == standing {
            return;
        }
        let (id, below) = ((entry.start, name), entry.below);
        if let Some(since) = below {
            self.quiet.remove(&(since, name));
        }
        if old == Standing::Counts {
            self.taken[stage] -= 1;
            self.started[stage].remove(&id);
        }
        if standing == Standing::Counts {
            self.taken[stage] += 1;
            self.started[stage].insert(id);
        }
        if !matches!(standing, Standing::Counts | Standing::Slow) {
            self.entry_mut(name).below = None;
        }
        let mark = match standing {
            Standing::Waits => waits(stage),
            Standing::Counts => counts(stage),
            Standing::Out | Standing::Slow | Standing::Free => 0,
        };
        self.order.mark(name, mark);
        if !core::mem::replace(&mut self.entry_mut(name).listed, true) {
            self.changed.push(name);
        }
    }

    /// Notices whether a torrent that runs in a place moves, from its last rate.
    pub(super) fn listen(&mut self, now: Time, name: Name) {
        let Some(slow) = self.places.slow else { return };
        let entry = self.entry_mut(name);
        if !entry.has_place() {
            return;
        }
        let (old, slows) = (entry.below, entry.rate < slow.rate);
        match (old, slows) {
            (None, true) => {
                entry.below = Some(now);
                self.quiet.insert((now, name));
            }
            (Some(since), false) => {
                entry.below = None;
                self.quiet.remove(&(since, name));
                self.stand(name, Standing::Counts);
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Looks at all that run as if they took a place, since what is slow may be another thing
    /// now; what was too quiet for too long is slow again in the same step.
    fn listen_to_all(&mut self, now: Time) {
        self.quiet.clear();
        for name in 0..self.entries.len() as Name {
            if self.entry(name).has_place() {
                let below = self.entry_mut(name).below.take();
                self.stand(name, Standing::Counts);
                self.listen(below.unwrap_or(now), name);
            }
        }
    }
}

impl super::Entry {
    /// Whether it runs in a place, or did until it was slow. A check moves nothing: it is not slow.
    fn has_place(&self) -> bool {
        let runs = matches!(self.standing, Standing::Counts | Standing::Slow);
        runs && self.stage != Stage::Check
    }
}
