//! All torrents, and which of them are awake.
//!
//! The heartbeat goes to those that are awake alone, so that ten thousand seeds that nobody asks
//! for anything cost what none costs. A torrent wakes whenever something happens to it, and is
//! then as if it had had every heartbeat; it falls asleep when the next one would change nothing.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::action::StoreError;
use super::durable::Totals;
use super::event::{Resting, TorrentId, TorrentKind};
use super::status::{State, Status};
use super::torrent::Torrent;
use super::why::Why;
use crate::base::{Slab, Time};

/// The torrents. A leaf: it knows no action.
#[derive(Debug, Default)]
pub(super) struct Torrents {
    all: Slab<TorrentKind, Place>,
    rest: Rest,
}

/// What stands in the place of a torrent: how much of it there is. It keeps its place, and so its
/// name, when that changes.
#[derive(Debug)]
enum Place {
    /// All of it, awake or asleep.
    Full(Box<Torrent>),
    /// What has to be known of a seed that nobody wants anything of.
    Dormant(Dormant),
}

/// A torrent that is whole and not loaded.
#[derive(Debug)]
pub(super) struct Dormant {
    pub(super) pieces: u32,
    pub(super) bytes: u64,
    /// What was transferred in all lives of the torrent,
    pub(super) totals: Totals,
    /// and in this one.
    pub(super) lived: Totals,
    /// Handshakes for it are welcome.
    pub(super) admitted: bool,
    pub(super) sleeper: Sleeper,
}

/// What is done about a dormant torrent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sleeper {
    Rests,
    /// It is being loaded.
    Loads,
    /// It could not be loaded.
    Lost(StoreError),
}

impl Dormant {
    pub(super) fn new(resting: &Resting) -> Self {
        let Resting { pieces, bytes, totals, .. } = *resting;
        let (lived, sleeper) = (Totals::default(), Sleeper::Rests);
        Self { pieces, bytes, totals, lived, admitted: true, sleeper }
    }

    /// As it would be told if all of it were there.
    pub(super) fn status(&self) -> Status {
        let state = match self.sleeper {
            Sleeper::Rests | Sleeper::Loads => State::Seeding,
            Sleeper::Lost(error) => State::Stopped(Some(error)),
        };
        let Totals { downloaded, uploaded, wasted } = self.lived;
        Status {
            state,
            pieces: self.pieces,
            have: self.pieces,
            wanted: self.bytes,
            downloaded,
            uploaded,
            wasted,
            totals: self.totals,
            remembered: self.pieces,
            ..Status::default()
        }
    }

    /// Why nothing moves.
    pub(super) fn why(&self) -> Why {
        match self.sleeper {
            Sleeper::Rests => Why::Dormant,
            Sleeper::Loads => Why::Opening,
            Sleeper::Lost(error) => Why::Failed { error, retry: None },
        }
    }
}

impl Place {
    #[inline]
    fn full(&self) -> Option<&Torrent> {
        match self {
            Self::Full(torrent) => Some(torrent),
            Self::Dormant(_) => None,
        }
    }

    #[inline]
    fn full_mut(&mut self) -> Option<&mut Torrent> {
        match self {
            Self::Full(torrent) => Some(torrent),
            Self::Dormant(_) => None,
        }
    }
}

/// Who is awake, and who wakes when.
#[derive(Debug, Default)]
struct Rest {
    awake: BTreeSet<TorrentId>,
    /// Those that sleep until a peer that they know may be tried again.
    due: BTreeSet<(Time, TorrentId)>,
    beats: Beats,
}

/// The heartbeats so far: how many, and when the last one was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beats {
    pub(super) count: u64,
    pub(super) last: Time,
}

/// The sleep of a torrent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleep {
    /// The heartbeats that there were before.
    pub(super) since: u64,
    /// When it wakes by itself.
    pub(super) until: Option<Time>,
}

/// Whether a torrent needs the heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Each beat.
    Beat,
    /// The next at this time, at the earliest.
    At(Time),
    /// None, before something happens.
    Nothing,
}

impl Torrents {
    pub(super) fn insert_with(&mut self, make: impl FnOnce(TorrentId) -> Torrent) -> TorrentId {
        let id = self.all.insert_with(|id| Place::Full(Box::new(make(id))));
        self.rest.awake.insert(id);
        id
    }

    pub(super) fn rest(&mut self, dormant: Dormant) -> TorrentId {
        self.all.insert(Place::Dormant(dormant))
    }

    /// Puts all of a torrent where a dormant one was.
    pub(super) fn wake(&mut self, id: TorrentId, torrent: Torrent) -> &mut Torrent {
        let place = self.all.get_mut(id).expect("the caller has just seen it there");
        *place = Place::Full(Box::new(torrent));
        self.rest.awake.insert(id);
        place.full_mut().expect("it was put there")
    }

    /// Keeps what has to be known of a torrent that was there whole.
    pub(super) fn put_to_rest(&mut self, id: TorrentId, dormant: Dormant) {
        let Some(place) = self.all.get_mut(id) else { return };
        let full = core::mem::replace(place, Place::Dormant(dormant));
        self.rest.forget(id, full.full().and_then(Torrent::sleep));
    }

    pub(super) fn dormant(&self, id: TorrentId) -> Option<&Dormant> {
        match self.all.get(id)? {
            Place::Dormant(dormant) => Some(dormant),
            Place::Full(_) => None,
        }
    }

    pub(super) fn dormant_mut(&mut self, id: TorrentId) -> Option<&mut Dormant> {
        match self.all.get_mut(id)? {
            Place::Dormant(dormant) => Some(dormant),
            Place::Full(_) => None,
        }
    }

    pub(super) fn remove(&mut self, id: TorrentId) {
        let place = self.all.remove(id);
        self.rest.forget(id, place.as_ref().and_then(Place::full).and_then(Torrent::sleep));
    }

    /// A torrent of which all is there.
    pub(super) fn get(&self, id: TorrentId) -> Option<&Torrent> {
        self.all.get(id)?.full()
    }

    /// A torrent of which all is there, and to which something happens: it wakes.
    #[inline]
    pub(super) fn get_mut(&mut self, id: TorrentId) -> Option<&mut Torrent> {
        let torrent = self.all.get_mut(id)?.full_mut()?;
        if torrent.sleep().is_some() {
            self.rest.rouse(id, torrent);
        }
        Some(torrent)
    }

    /// Those of which all is there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TorrentId, &Torrent)> + '_ {
        self.all.iter().filter_map(|(id, place)| Some((id, place.full()?)))
    }

    /// Those of which all is there, in their order.
    pub(super) fn ids(&self) -> Vec<TorrentId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// Those that are awake, in their order.
    pub(super) fn awake(&self) -> Vec<TorrentId> {
        self.rest.awake.iter().copied().collect()
    }

    /// The heart beats: wakes those whose time has come, and says who is awake.
    pub(super) fn beat(&mut self, now: Time) -> Vec<TorrentId> {
        while let Some(&(at, id)) = self.rest.due.first()
            && at <= now
        {
            let woken = self.get_mut(id).is_some();
            debug_assert!(woken, "who is removed is not due");
            self.rest.due.remove(&(at, id));
        }
        self.rest.beats = Beats { count: self.rest.beats.count + 1, last: now };
        self.awake()
    }

    /// Lets those sleep that need no heartbeat; says whether anybody needs one.
    pub(super) fn settle(&mut self, now: Time) -> bool {
        let (all, due, beats) = (&mut self.all, &mut self.rest.due, self.rest.beats);
        let mut busy = false;
        self.rest.awake.retain(|&id| {
            let Some(torrent) = all.get_mut(id).and_then(Place::full_mut) else { return false };
            let until = match torrent.need(now) {
                Need::Beat => {
                    busy |= torrent.wants_tick();
                    return true;
                }
                Need::At(at) => Some(at),
                Need::Nothing => None,
            };
            torrent.fall_asleep(Sleep { since: beats.count, until });
            due.extend(until.map(|at| (at, id)));
            false
        });
        busy || !due.is_empty()
    }
}

impl Rest {
    fn forget(&mut self, id: TorrentId, sleep: Option<Sleep>) {
        self.awake.remove(&id);
        if let Some(Sleep { until: Some(at), .. }) = sleep {
            self.due.remove(&(at, id));
        }
    }

    /// Out of the way of the many that are awake: see the guard.
    #[cold]
    fn rouse(&mut self, id: TorrentId, torrent: &mut Torrent) {
        let Some(sleep) = torrent.rouse(self.beats) else { return };
        self.awake.insert(id);
        if let Some(at) = sleep.until {
            self.due.remove(&(at, id));
        }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Torrents {
    /// Panics when who sleeps is not as it should be.
    pub(super) fn check(&self) {
        for (id, torrent) in self.iter() {
            let sleep = torrent.sleep();
            assert_eq!(self.rest.awake.contains(&id), sleep.is_none(), "awake");
            let until = sleep.and_then(|sleep| sleep.until);
            assert!(until.is_none_or(|at| self.rest.due.contains(&(at, id))), "nobody wakes it");
            assert!(sleep.is_none() || torrent.need(self.rest.beats.last) != Need::Beat, "asleep");
        }
        let timed = self.iter().filter(|(_, it)| it.sleep().is_some_and(|s| s.until.is_some()));
        assert_eq!(timed.count(), self.rest.due.len(), "who is due");
    }
}
