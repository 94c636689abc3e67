//! The torrents of the session: taken in, asked about, forgotten.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::Sender;
use toubkal_core::base::{Bitset, Time};
use toubkal_core::engine::{AddTorrent, Command, Event, PeerSource, Priority, TorrentId};

use super::Brain;
use super::resting::policy;
use crate::net::{Known, Order, Question};
use crate::session::{Add, AddError, Metainfo, RESERVED};
use crate::state::{Change, Key, Row, State};
use crate::store::TorrentFiles;

/// What the session knows of its torrents beside the engine.
#[derive(Debug, Default)]
pub(super) struct Torrents {
    pub(super) held: HashMap<TorrentId, Held>,
    /// The info-hashes of all of them, and of those that are pending.
    pub(super) hashes: HashSet<[u8; 20]>,
    /// Given to the engine, and not named yet.
    pending: HashMap<u64, Pending>,
    ticket: u64,
    /// The one at rest that the engine has just named.
    pub(super) rested: Option<TorrentId>,
}

impl Torrents {
    pub(super) fn next_ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) info_hash: [u8; 20],
    /// Not known while it is dormant: then nobody on the local network is told of it.
    pub(super) private: bool,
    /// How many it has; `None` while it is dormant.
    pub(super) files: Option<usize>,
    /// Its name in the database.
    pub(super) key: Option<Arc<Key>>,
}

#[derive(Debug)]
struct Pending {
    info_hash: [u8; 20],
    private: bool,
    files: Arc<TorrentFiles>,
    tiers: Vec<Vec<String>>,
    peers: Vec<SocketAddr>,
    known: Option<Box<Known>>,
    reply: Sender<Result<TorrentId, AddError>>,
}

impl Torrents {
    /// The info-hash of a torrent.
    pub(super) fn info_hash(&self, torrent: TorrentId) -> Option<[u8; 20]> {
        self.held.get(&torrent).map(|held| held.info_hash)
    }

    /// The info-hash of a torrent that may be spoken of to everybody (BEP 27).
    pub(super) fn public_hash(&self, torrent: TorrentId) -> Option<[u8; 20]> {
        let held = self.held.get(&torrent)?;
        (!held.private).then_some(held.info_hash)
    }
}

impl Brain {
    pub(super) fn order(&mut self, now: Time, order: Order) {
        match order {
            Order::Add { metainfo, add, known, reply } => {
                if let Err(error) = self.add(now, &metainfo, *add, known, reply.clone()) {
                    let _ = reply.send(Err(error));
                }
            }
            Order::Rest(rests, reply) => drop(reply.send(self.rest(now, &rests))),
            Order::All(reply) => {
                let all = self.torrents.held.keys();
                let status = |&id: &TorrentId| Some((id, self.engine.status(id)?));
                let mut all: Vec<_> = all.filter_map(status).collect();
                all.sort_unstable_by_key(|(id, _)| *id);
                drop(reply.send(all));
            }
            Order::Command(Command::Remove(torrent)) => {
                if let Some((state, key)) = self.remembered(torrent) {
                    state.forget(key);
                }
                self.command(now, Command::Remove(torrent));
                // A stopped one goes at once, and has no files to be released.
                self.forget_if_gone(torrent);
            }
            Order::Command(command) => {
                self.note(&command);
                self.command(now, command);
            }
            Order::Peers(torrent, peers) => self.peers(now, torrent, peers),
            Order::Question(torrent, question) => self.answer(now, torrent, question),
            Order::Shutdown(patience) => self.shutdown(now, patience),
        }
    }

    fn add(
        &mut self,
        now: Time,
        metainfo: &Metainfo,
        add: Add,
        mut known: Option<Box<Known>>,
        reply: Sender<Result<TorrentId, AddError>>,
    ) -> Result<(), AddError> {
        let info_hash = metainfo.info_hash_v1.ok_or(AddError::V2Only)?;
        if self.torrents.hashes.contains(&info_hash) {
            return Err(AddError::Duplicate);
        }
        if metainfo.name.eq_ignore_ascii_case(RESERVED) {
            return Err(AddError::Reserved);
        }
        let files = TorrentFiles::of(metainfo, add.dir).ok_or(AddError::V2Only)?;
        let layout = Arc::clone(files.layout());
        let count = layout.files().len();
        let priorities = add.priorities.unwrap_or_else(|| vec![Priority::Normal; count]);
        if priorities.len() != count {
            return Err(AddError::Priorities { given: priorities.len(), files: count });
        }
        let ticket = self.torrents.next_ticket();
        let tiers = add.trackers.unwrap_or_else(|| metainfo.trackers.clone());
        let (files, peers) = (Arc::new(files), add.peers);
        let memory = known.as_mut().and_then(|known| known.memory.take());
        let rests = known.as_ref().is_some_and(|known| known.row.metainfo.is_some());
        let private = metainfo.private;
        let pending = Pending { info_hash, private, files, tiers, peers, known, reply };
        self.torrents.pending.insert(ticket, pending);
        self.torrents.hashes.insert(info_hash);
        let torrent = AddTorrent {
            ticket,
            info_hash,
            layout,
            private,
            metadata_size: None,
            priorities,
            policy: policy(add.sequential),
            adopt: add.adopt,
            rates: add.rates,
            paused: add.paused,
            rests,
            memory,
        };
        self.command(now, Command::Add(torrent));
        Ok(())
    }

    /// The engine has named a torrent.
    pub(super) fn added(&mut self, now: Time, ticket: u64, torrent: TorrentId) {
        let Some(pending) = self.torrents.pending.remove(&ticket) else {
            self.torrents.rested = Some(torrent);
            return;
        };
        let Pending { info_hash, private, files, tiers, peers, known, reply } = pending;
        let (mut key, mut left, mut ledger) = (None, None, None);
        if let (Some(state), Some(known)) = (&self.state, known) {
            // Before its first record.
            state.keep(&known.key, known.row, known.counted, known.whole, known.stored);
            ledger = Some(state.ledger(&known.key));
            (key, left) = (Some(known.key), known.left);
        }
        let count = Some(files.layout().files().len());
        self.torrents.held.insert(torrent, Held { info_hash, private, files: count, key });
        self.store.add(torrent, files, left, ledger);
        self.trackers.add(torrent, info_hash, &tiers);
        let _ = reply.send(Ok(torrent));
        self.peers(now, torrent, peers);
    }

    /// Forgets a torrent that the engine has forgotten.
    pub(super) fn forget_if_gone(&mut self, torrent: TorrentId) {
        if self.engine.status(torrent).is_none() {
            if let Some(held) = self.torrents.held.remove(&torrent) {
                self.torrents.hashes.remove(&held.info_hash);
            }
            self.store.remove(torrent);
            self.trackers.forget(torrent);
        }
    }

    /// Has the database remember what the user wants of a torrent.
    fn note(&self, command: &Command) {
        let (torrent, change): (_, Change) = match *command {
            Command::Start(torrent) => (torrent, Box::new(|row| row.paused = false)),
            Command::Stop(torrent) => (torrent, Box::new(|row| row.paused = true)),
            Command::Limit { torrent: Some(torrent), rates } => {
                (torrent, Box::new(move |row| row.rates = rates))
            }
            Command::Sequential(torrent, sequential) => {
                (torrent, Box::new(move |row| row.sequential = sequential))
            }
            Command::Prioritise(torrent, ref priorities) => {
                let held = self.torrents.held.get(&torrent);
                let Some(held) = held else { return };
                if held.files.is_some_and(|files| files != priorities.len()) {
                    return;
                }
                let (known, priorities) = (held.files.is_some(), priorities.clone());
                let change = move |row: &mut Row| {
                    if known || row.files() == Some(priorities.len()) {
                        row.priorities = Some(priorities);
                    }
                };
                (torrent, Box::new(change))
            }
            _ => return,
        };
        if let Some((state, key)) = self.remembered(torrent) {
            state.change(key, change);
        }
    }

    /// The database, and the name of a torrent in it.
    pub(super) fn remembered(&self, torrent: TorrentId) -> Option<(&State, &Arc<Key>)> {
        let key = self.torrents.held.get(&torrent)?.key.as_ref()?;
        Some((self.state.as_deref()?, key))
    }

    fn peers(&mut self, now: Time, torrent: TorrentId, peers: Vec<SocketAddr>) {
        if !peers.is_empty() {
            self.handle(now, Event::Peers(torrent, PeerSource::User, peers));
        }
    }

    /// Whoever asked may be gone: then nobody hears the answer.
    fn answer(&self, now: Time, torrent: TorrentId, question: Question) {
        match question {
            Question::Status(reply) => drop(reply.send(self.engine.status(torrent))),
            Question::Trackers(reply) => {
                drop(reply.send(self.trackers.status(torrent, now)));
            }
            Question::Peers(reply) => drop(reply.send(self.engine.peers(torrent))),
            Question::Have(reply) => {
                let dormant = || {
                    let status = self.engine.status(torrent)?;
                    Some(Bitset::full(status.pieces))
                };
                drop(reply.send(self.engine.have(torrent).cloned().or_else(dormant)));
            }
        }
    }
}
