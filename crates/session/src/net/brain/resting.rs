//! Torrents that are dormant: taken in as they rest, looked up when somebody wants something of
//! them, let go again. Of each there is no more here than its name in the database.

use std::sync::Arc;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    AddTorrent, Command, Event, Policy, Resting, StoreError, StoreErrorKind, TorrentId,
};

use super::Brain;
use super::torrents::{Held, wish};
use crate::net::Rest;
use crate::session::Add;
use crate::state::{Loaded, Whole};
use toubkal_wire::layout::Layout;

/// What the thread of the database has found.
pub(crate) enum Looked {
    /// What belongs to a torrent.
    Torrent(TorrentId, Result<Box<Loaded>, StoreErrorKind>),
    /// Its trackers.
    Trackers(TorrentId, Vec<Vec<String>>),
}

impl Brain {
    /// Takes in torrents that rest; `None` for one that is here already.
    pub(super) fn rest(&mut self, now: Time, rests: &[Rest]) -> Vec<Option<TorrentId>> {
        if self.is_ending() {
            return vec![None; rests.len()];
        }
        rests.iter().map(|rest| self.rest_one(now, rest)).collect()
    }

    fn rest_one(&mut self, now: Time, rest: &Rest) -> Option<TorrentId> {
        let info_hash = rest.key.hash();
        let ticket = self.torrents.reserve(info_hash)?;
        let Rest { pieces, bytes, totals, .. } = *rest;
        let resting = Resting { ticket, info_hash, pieces, bytes, totals };
        self.command(now, Command::Rest(resting));
        // What the engine says of it is no news for anybody.
        self.carry_out(now);
        let torrent = self.torrents.rested.take()?;
        let key = Some(Arc::clone(&rest.key));
        let held = Held { info_hash, private: true, files: None, key };
        self.torrents.hold(torrent, held);
        if rest.tracked {
            self.trackers.rest_anew(torrent, now);
        }
        Some(torrent)
    }

    /// Has what belongs to a torrent looked up.
    pub(super) fn wake(&mut self, now: Time, torrent: TorrentId) {
        let found = self.tell_found.clone();
        match self.remembered(torrent) {
            Some((state, key)) => {
                let then = move |result: Result<Loaded, _>| {
                    found.send(Looked::Torrent(torrent, result.map(Box::new)));
                };
                state.load(key, Box::new(then));
            }
            None => self.woken(now, torrent, Err(StoreErrorKind::Missing)),
        }
    }

    pub(super) fn take_found(&mut self, now: Time) {
        while let Ok(found) = self.found.try_recv() {
            match found {
                Looked::Torrent(torrent, result) => {
                    self.woken(now, torrent, result.map(|loaded| *loaded));
                }
                Looked::Trackers(torrent, tiers) => self.announce_resting(now, torrent, &tiers),
            }
        }
        self.carry_out(now);
    }

    /// As if the torrent were added now, with what was found.
    fn woken(&mut self, now: Time, torrent: TorrentId, result: Result<Loaded, StoreErrorKind>) {
        // It may have been removed meanwhile.
        if !self.torrents.held.contains_key(&torrent) {
            return;
        }
        let add = result.and_then(|loaded| self.equip(torrent, loaded));
        let add = add.map(Box::new).map_err(|kind| StoreError { kind, file: None });
        self.handle(now, Event::Loaded(torrent, add));
    }

    /// Gives store, database and trackers what they have to know of a torrent.
    fn equip(&mut self, torrent: TorrentId, it: Loaded) -> Result<AddTorrent, StoreErrorKind> {
        let Loaded { metainfo, row, past } = it;
        let missing = StoreErrorKind::Missing;
        let ticket = self.torrents.next_ticket();
        let held = self.torrents.held.get_mut(&torrent).ok_or(missing)?;
        let (Some(state), Some(key)) = (&self.state, &held.key) else { return Err(missing) };
        let count = metainfo.file_count();
        let add = Add {
            priorities: row.priorities.clone().filter(|it| it.len() == count),
            sequential: row.sequential,
            adopt: row.adopt,
            rates: row.rates,
            torrent: row.metainfo.clone(),
            ..Add::to(state.dir(key))
        };
        let (files, mut wish) = wish(&metainfo, &add).map_err(|_| missing)?;
        let trackers = row.trackers.clone().unwrap_or_else(|| metainfo.trackers.clone());
        (held.files, held.private) = (Some(count), metainfo.private);
        self.trackers.add(torrent, wish.info_hash, &trackers);
        self.magnets.keep(torrent, add.torrent, metainfo.info_span.clone(), true);
        let whole = Whole { bytes: bytes(&wish.layout), trackers };
        (wish.rests, wish.ticket) = (true, ticket);
        let totals = past.record.totals;
        wish.memory = Some(past.record.recall(past.same_boot));
        state.keep(key, row, totals, whole, true);
        self.store.add(torrent, files, Some(past.left), Some(state.ledger(key)));
        Ok(wish)
    }

    /// The engine has let go of a torrent; so does everybody else.
    pub(super) fn rested(&mut self, now: Time, torrent: TorrentId) {
        self.store.remove(torrent);
        self.magnets.forget(torrent);
        if let Some((state, key)) = self.remembered(torrent) {
            state.rest(key);
        }
        if let Some(held) = self.torrents.held.get_mut(&torrent) {
            (held.files, held.private) = (None, true);
        }
        self.trackers.rest(now, torrent);
    }
}

/// Bytes of a torrent, padding left out.
pub(crate) fn bytes(layout: &Layout) -> u64 {
    layout.files().iter().filter(|file| !file.pad).map(|file| file.length).sum()
}

pub(super) fn policy(sequential: bool) -> Policy {
    if sequential { Policy::Sequential } else { Policy::RarestFirst }
}
