//! Which torrents run and which wait: a line in the order of the user, and places with a number.
//!
//! `settling.rs` gives the places away. The rules, in the order in which they go:
//!
//! - Who is paused stands in the line and wants nothing. Who is forced, or done, runs and takes no
//!   place.
//! - Checks have places of their own; one that has begun is finished first. Downloads go before
//!   seeds: of the places for all, seeds have what downloads leave.
//! - A free place goes to the first that waits. Nobody is held for that.
//! - Somebody joins those that wait (is new, is resumed, is checked, is complete), or is moved:
//!   then who runs is held for who stands before it and waits. What moves fast or slowly never
//!   changes an order.
//! - Who moves less than [`Slow::rate`] for [`Slow::after`] gives its place back and runs on. When
//!   it moves again it counts again; are there too many then, and still after [`Places::grace`],
//!   the one that was started last is held.
//! - Places are taken away at once when the settings say so, from the last in the line.
//!
//! So only the user, a torrent that joins, and a slow one that comes to life can hold a torrent.

mod settling;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::order::{Name, Order};
use crate::base::{Outbox, Time};

/// The line of all torrents.
///
/// The caller tells what it wants and sees ([`Line::insert`], [`Line::shift`], [`Line::rates`] and
/// so on), then calls [`Line::advance`], which says what is to change in what runs: after each
/// change, or once a second, and when the [`Line::deadline`] has come. What the line has said is
/// taken as done. A torrent it does not know is no error: it is gone, and the news were late.
///
/// What changed costs O(log n) each, and what did not change nothing; only other [`Places`] make
/// it look at all that run. Positions are 0 to n - 1, without a gap. In the next life the
/// torrents are inserted in the order of [`Line::iter`].
#[derive(Clone, Debug)]
pub struct Line {
    places: Places,
    order: Order,
    names: BTreeMap<u64, Name>,
    /// By name; what was removed is out, and was never told to run.
    entries: Vec<Entry>,
    /// How many take a place, by stage,
    taken: [u32; 3],
    /// those of them that may be held, in the order in which they started,
    started: [BTreeSet<(u64, Name)>; 3],
    /// and since when there are too many.
    over: [Option<Time>; 3],
    /// Who takes a place and moves less than a slow one, since when.
    quiet: BTreeSet<(Time, Name)>,
    /// How many starts there were.
    starts: u64,
    /// Somebody joined or moved since the last look,
    anew: bool,
    /// or there are other places.
    other: bool,
    /// Whose standing has changed since.
    changed: Vec<Name>,
}

/// How many may run. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Downloads at once.
    pub downloads: Option<u32>,
    /// Seeds at once.
    pub seeds: Option<u32>,
    /// Downloads and seeds together.
    pub all: Option<u32>,
    /// Checks at once, beside the others.
    pub checks: Option<u32>,
    /// Who is slow and takes no place; `None`: all that run do.
    pub slow: Option<Slow>,
    /// For how long too many may run after a slow one has come to life.
    pub grace: Duration,
}

impl Default for Places {
    /// One check at once and no other limit; nobody is slow; half a minute of grace.
    fn default() -> Self {
        let (downloads, seeds, all) = (None, None, None);
        let grace = Duration::from_secs(30);
        Self { downloads, seeds, all, checks: Some(1), slow: None, grace }
    }
}

/// When a torrent that runs takes no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// It moves less than this both ways, in bytes a second,
    pub rate: u64,
    /// for so long.
    pub after: Duration,
}

/// What the user wants of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Do nothing.
    Paused,
    /// Run when there is a place.
    Queued,
    /// Run, whatever the limits are, and take nobody's place.
    Forced,
}

/// What a torrent does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What lies on the disk is read.
    Check,
    /// Something that is wanted is missing, be it the metadata.
    Download,
    /// All that is wanted is there.
    Seed,
    /// It has given enough and no longer counts: it runs and takes no place.
    Done,
}

/// How a torrent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Paused.
    Out,
    /// It waits for a place.
    Waits,
    /// It runs and takes a place.
    Counts,
    /// It runs too slowly to take a place.
    Slow,
    /// It runs and takes no place: forced, or done.
    Free,
}

impl Standing {
    /// Whether it runs.
    #[must_use]
    pub fn runs(self) -> bool {
        matches!(self, Self::Counts | Self::Slow | Self::Free)
    }
}

/// Where torrents are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Before all others.
    Top,
    /// One towards the top, each.
    Up,
    /// One towards the end, each.
    Down,
    /// Behind all others.
    Bottom,
    /// One behind the other, the first to this position; to the end when it is past it.
    To(usize),
}

/// What is to change, by the caller's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ran and waits now, or is paused.
    Hold(u64),
    /// It did not run, and runs now.
    Start(u64),
}

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    wish: Wish,
    stage: Stage,
    standing: Standing,
    /// The caller was told that it runs.
    told: bool,
    /// The faster of both ways, in bytes a second.
    rate: u64,
    /// Since when it moves less than a slow one, while it runs in a place that is counted.
    below: Option<Time>,
    /// Which start this was.
    start: u64,
    /// It is among the changed.
    listed: bool,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self {
            places,
            order: Order::new(),
            names: BTreeMap::new(),
            entries: Vec::new(),
            taken: [0; 3],
            started: Default::default(),
            over: [None; 3],
            quiet: BTreeSet::new(),
            starts: 0,
            anew: false,
            other: false,
            changed: Vec::new(),
        }
    }

    /// How many may run.
    #[must_use]
    pub fn places(&self) -> Places {
        self.places
    }

    /// Changes how many may run.
    pub fn set_places(&mut self, places: Places) {
        self.other |= places != self.places;
        self.places = places;
    }

    /// A new torrent at `position`: 0 is the top, `usize::MAX` the end. Says whether it is new:
    /// nothing happens to one that is in the line.
    pub fn insert(&mut self, id: u64, wish: Wish, stage: Stage, position: usize) -> bool {
        if self.names.contains_key(&id) {
            return false;
        }
        let name = self.order.insert(position);
        let standing = Standing::Out;
        let (told, listed) = (false, false);
        let entry =
            Entry { id, wish, stage, standing, told, rate: 0, below: None, start: 0, listed };
        match self.entries.get_mut(name as usize) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        self.names.insert(id, name);
        self.join(name);
        true
    }

    /// Forgets a torrent; says whether it was there. It is not told to be held.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(name) = self.names.remove(&id) else { return false };
        self.stand(name, Standing::Out);
        self.entry_mut(name).told = false;
        self.order.remove(name);
        true
    }

    /// The user wants something else.
    pub fn wish(&mut self, id: u64, wish: Wish) {
        if let Some((_, stage)) = self.told(id) {
            self.tell(id, wish, stage);
        }
    }

    /// The torrent does something else: it is checked, it is complete, more of it is wanted.
    pub fn stage(&mut self, id: u64, stage: Stage) {
        if let Some((wish, _)) = self.told(id) {
            self.tell(id, wish, stage);
        }
    }

    /// Lets a torrent out and, as another, in again.
    fn tell(&mut self, id: u64, wish: Wish, stage: Stage) {
        if self.told(id) != Some((wish, stage)) {
            let name = self.names[&id];
            self.stand(name, Standing::Out);
            let entry = self.entry_mut(name);
            (entry.wish, entry.stage) = (wish, stage);
            self.join(name);
        }
    }

    /// How fast a torrent moves, in bytes a second each way. Only of those that run need be told.
    pub fn rates(&mut self, now: Time, id: u64, down: u64, up: u64) {
        let Some(&name) = self.names.get(&id) else { return };
        let entry = self.entry_mut(name);
        entry.rate = down.max(up);
        // With other places, all that run are looked at.
        if !self.other {
            self.listen(now, name);
        }
    }

    /// Moves torrents, which keep their order among themselves.
    pub fn shift(&mut self, ids: &[u64], shift: Shift) {
        let known = ids.iter().filter_map(|id| self.names.get(id));
        let mut moved: Vec<_> = known.map(|&name| (self.order.position(name), name)).collect();
        moved.sort_unstable();
        moved.dedup();
        let end = self.order.len();
        match shift {
            Shift::Top => self.place(&moved, 0),
            Shift::Bottom => self.place(&moved, end),
            Shift::To(position) => self.place(&moved, position),
            Shift::Up => {
                let mut top = 0;
                for (position, name) in moved {
                    // Those that are at the top are in the way of the next.
                    let position = position.saturating_sub(1).max(top);
                    self.order.shift(name, position);
                    top = position + 1;
                }
            }
            Shift::Down => {
                let mut end = end;
                for (position, name) in moved.into_iter().rev() {
                    let position = (position + 1).min(end - 1);
                    self.order.shift(name, position);
                    end = position;
                }
            }
        }
        self.anew = true;
    }

    /// Puts `moved`, one behind the other, to `position`.
    fn place(&mut self, moved: &[(usize, Name)], position: usize) {
        let others = self.order.len() - moved.len();
        for &(_, name) in moved {
            self.order.shift(name, usize::MAX);
        }
        for (place, &(_, name)) in (position.min(others)..).zip(moved) {
            self.order.shift(name, place);
        }
    }

    /// Says what is to change: first who is held, then who starts, so that there are never too
    /// many on the way.
    pub fn advance(&mut self, now: Time, out: &mut Outbox<Change>) {
        self.settle(now);
        let mut changed = core::mem::take(&mut self.changed);
        // As they were given their places; who takes none comes first.
        changed.sort_unstable_by_key(|&name| (self.entry(name).start, name));
        for starts in [false, true] {
            for &name in &changed {
                let entry = self.entry_mut(name);
                entry.listed = false;
                let runs = entry.standing.runs();
                if runs == starts && runs != entry.told {
                    entry.told = runs;
                    let id = entry.id;
                    out.push(if runs { Change::Start(id) } else { Change::Hold(id) });
                }
            }
        }
        changed.clear();
        self.changed = changed;
    }

    /// When [`Line::advance`] has something to do though nothing happens, and why: a torrent is
    /// slow then, or the grace is over.
    #[must_use]
    pub fn deadline(&self) -> Option<(Time, &'static str)> {
        let slow = self.places.slow.zip(self.quiet.first());
        let slow = slow.map(|(slow, &(since, _))| (since.after(slow.after), "slow"));
        let over = self.over.iter().flatten().min();
        let over = over.map(|since| (since.after(self.places.grace), "grace"));
        slow.into_iter().chain(over).min()
    }

    /// How a torrent stands.
    #[must_use]
    pub fn standing(&self, id: u64) -> Option<Standing> {
        self.names.get(&id).map(|&name| self.entry(name).standing)
    }

    /// What the user wants of a torrent, and what it does.
    #[must_use]
    pub fn told(&self, id: u64) -> Option<(Wish, Stage)> {
        let entry = self.entry(*self.names.get(&id)?);
        Some((entry.wish, entry.stage))
    }

    /// At which position a torrent is.
    #[must_use]
    pub fn position(&self, id: u64) -> Option<usize> {
        self.names.get(&id).map(|&name| self.order.position(name))
    }

    /// Which torrent is at `position`.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<u64> {
        self.order.at(position).map(|name| self.entry(name).id)
    }

    /// The ids of all, from the top to the end.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.order.iter().map(|name| self.entry(name).id)
    }

    /// How many torrents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&self, name: Name) -> &Entry {
        &self.entries[name as usize]
    }

    fn entry_mut(&mut self, name: Name) -> &mut Entry {
        &mut self.entries[name as usize]
    }
}
