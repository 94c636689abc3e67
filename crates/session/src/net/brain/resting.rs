//! Torrents that are dormant: taken in as they rest, looked up when somebody wants something of
//! them, let go again. Of each there is no more here than its name in the database.

use std::sync::Arc;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    AddTorrent, Command, Event, Policy, Priority, Resting, StoreError, StoreErrorKind, TorrentId,
};

use super::Brain;
use super::torrents::Held;
use crate::net::Rest;
use crate::state::{Loaded, Whole};
use crate::store::TorrentFiles;
use toubkal_wire::layout::Layout;

/// What the thread of the database has found.
pub(crate) enum Found {
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
        if !self.torrents.hashes.insert(info_hash) {
            return None;
        }
        let ticket = self.torrents.next_ticket();
        let Rest { pieces, bytes, totals, .. } = *rest;
        let resting = Resting { ticket, info_hash, pieces, bytes, totals };
        self.command(now, Command::Rest(resting));
        // What the engine says of it is no news for anybody.
        self.carry_out(now);
        let torrent = self.torrents.rested.take()?;
        let key = Some(Arc::clone(&rest.key));
        let held = Held { info_hash, private: true, files: None, key };
        self.torrents.held.insert(torrent, held);
        if rest.tracked {
            self.trackers.rest_anew(torrent, now);
        }
        Some(torrent)
    }

    /// Has what belongs to a torrent looked up.
    pub(super) fn load(&mut self, now: Time, torrent: TorrentId) {
        let found = self.tell_found.clone();
        match self.remembered(torrent) {
            Some((state, key)) => {
                let then = move |result: Result<Loaded, _>| {
                    found.send(Found::Torrent(torrent, result.map(Box::new)));
                };
                state.load(key, Box::new(then));
            }
            None => self.loaded(now, torrent, Err(StoreErrorKind::Missing)),
        }
    }

    pub(super) fn take_found(&mut self, now: Time) {
        while let Ok(found) = self.found.try_recv() {
            match found {
                Found::Torrent(torrent, result) => {
                    self.loaded(now, torrent, result.map(|loaded| *loaded));
                }
                Found::Trackers(torrent, tiers) => self.announce_resting(now, torrent, &tiers),
            }
        }
        self.carry_out(now);
    }

    /// As if the torrent were added now, with what was found.
    fn loaded(&mut self, now: Time, torrent: TorrentId, result: Result<Loaded, StoreErrorKind>) {
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
        let held = self.torrents.held.get_mut(&torrent).ok_or(missing)?;
        let (Some(state), Some(key)) = (&self.state, &held.key) else { return Err(missing) };
        let files = TorrentFiles::of(&metainfo, state.dir(key)).ok_or(missing)?;
        let layout = Arc::clone(files.layout());
        let count = layout.files().len();
        let normal = || vec![Priority::Normal; count];
        let priorities = row.priorities.clone().filter(|it| it.len() == count);
        let priorities = priorities.unwrap_or_else(normal);
        let trackers = row.trackers.clone().unwrap_or_else(|| metainfo.trackers.clone());
        (held.files, held.private) = (Some(count), metainfo.private);
        let info_hash = held.info_hash;
        self.trackers.add(torrent, info_hash, &trackers);
        let whole = Whole { bytes: bytes(&layout), trackers };
        let totals = past.record.totals;
        let memory = past.record.recall(past.same_boot);
        let (policy, adopt, rates) = (policy(row.sequential), row.adopt, row.rates);
        state.keep(key, row, totals, whole, true);
        self.store.add(torrent, Arc::new(files), Some(past.left), Some(state.ledger(key)));
        Ok(AddTorrent {
            ticket: self.torrents.next_ticket(),
            info_hash,
            layout,
            private: metainfo.private,
            metadata_size: None,
            priorities,
            policy,
            adopt,
            rates,
            paused: false,
            rests: true,
            memory: Some(memory),
        })
    }

    /// The engine has let go of a torrent; so does everybody else.
    pub(super) fn rested(&mut self, now: Time, torrent: TorrentId) {
        self.store.remove(torrent);
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
