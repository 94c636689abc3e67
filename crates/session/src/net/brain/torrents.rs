//! The torrents of the session: taken in, asked about, forgotten.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::Sender;
use toubkal_core::base::{Bitset, Time};
use toubkal_core::engine::{
    AddTorrent, Command, Event, PeerSource, Priority, StoreErrorKind, TorrentId,
};

use super::Brain;
use super::magnets::given_size;
use super::resting::policy;
use crate::net::{Known, Order, Question};
use crate::session::{Add, AddError, Metainfo, RESERVED, SessionEvent};
use crate::state::{Change, Key, Row, State};
use crate::store::{Ledger, Left, TorrentFiles};

/// A name in the database, how files were left, and who remembers how they are.
type Remembered = (Option<Arc<Key>>, Option<Left>, Option<Arc<dyn Ledger>>);

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
    /// Nodes of the DHT.
    nodes: Vec<(String, u16)>,
    /// The torrent file, where the info dictionary lies in it, and whether it was found by a link.
    file: (Option<Arc<[u8]>>, Range<usize>, bool),
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

    /// The name of a torrent in the database.
    pub(super) fn key(&self, torrent: TorrentId) -> Option<Arc<Key>> {
        self.held.get(&torrent)?.key.clone()
    }

    /// A ticket for a torrent that is given to the engine; `None` when it is there already.
    pub(super) fn reserve(&mut self, info_hash: [u8; 20]) -> Option<u64> {
        self.hashes.insert(info_hash).then(|| self.next_ticket())
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }

    /// Takes a torrent in.
    pub(super) fn hold(&mut self, torrent: TorrentId, held: Held) {
        self.held.insert(torrent, held);
    }
}

impl Brain {
    pub(super) fn order(&mut self, now: Time, order: Order) {
        match order {
            Order::Add { metainfo, add, known, found, reply } => {
                if let Err(error) = self.add(now, &metainfo, *add, known, found, reply.clone()) {
                    let _ = reply.send(Err(error));
                }
            }
            Order::Seek { link, known, reply } => self.seek(now, *link, known, reply),
            Order::Resolve(torrent, found) => self.resolve(now, torrent, found),
            Order::Loaded(torrent, bytes) => self.loaded(torrent, bytes),
            Order::Rest(rests, reply) => drop(reply.send(self.rest(now, &rests))),
            Order::Awake(also, reply) => {
                let all: BTreeSet<TorrentId> =
                    self.engine.awake().into_iter().chain(also).collect();
                let status = |id: TorrentId| Some((id, self.engine.status(id)?));
                drop(reply.send(all.into_iter().filter_map(status).collect()));
            }
            Order::All(reply) => drop(reply.send(self.all(|id| self.engine.status(id)))),
            Order::Whys(reply) => drop(reply.send(self.whys(now))),
            Order::Command(Command::Remove(torrent)) => self.remove(now, torrent),
            Order::Command(command) => {
                self.magnets.note(&command);
                self.note(&command);
                self.readers.note(&command);
                self.command(now, command);
            }
            Order::Note(torrent, note, reply) => {
                // Not everybody waits for the answer.
                let tell = move |written| _ = reply.map(|reply| reply.send(written));
                match self.remembered(torrent) {
                    Some((state, key)) => {
                        let then = move |written: Result<bool, _>| tell(written.map(drop));
                        state.label(key, note, Box::new(then));
                    }
                    None => tell(Err(StoreErrorKind::Missing)),
                }
            }
            Order::Announce(torrent) => self.announce(now, torrent),
            Order::Trackers(torrent, tiers) => self.set_trackers(now, torrent, tiers),
            Order::Peers(torrent, peers) => self.peers(now, torrent, peers),
            Order::Reader(order) => self.reader_order(now, order),
            Order::Dht(order) => self.dht_order(now, order),
            Order::Question(torrent, question) => self.answer(now, torrent, question),
            Order::Shutdown(patience) => self.shutdown(now, patience),
        }
    }

    /// Something of each torrent, in the order of their names.
    pub(super) fn all<T>(&self, of: impl Fn(TorrentId) -> Option<T>) -> Vec<(TorrentId, T)> {
        let all = self.torrents.held.keys();
        let mut all: Vec<_> = all.filter_map(|&id| Some((id, of(id)?))).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Takes a torrent out of the session and out of the database.
    pub(super) fn remove(&mut self, now: Time, torrent: TorrentId) {
        if let Some((state, key)) = self.remembered(torrent) {
            state.forget(key);
        }
        self.readers.note(&Command::Remove(torrent));
        self.command(now, Command::Remove(torrent));
        // A stopped one goes at once, and has no files to be released.
        self.forget_if_gone(torrent);
    }

    fn add(
        &mut self,
        now: Time,
        metainfo: &Metainfo,
        add: Add,
        mut known: Option<Box<Known>>,
        found: bool,
        reply: Sender<Result<TorrentId, AddError>>,
    ) -> Result<(), AddError> {
        let info_hash = metainfo.info_hash_v1.ok_or(AddError::V2Only)?;
        if self.torrents.hashes.contains(&info_hash) {
            return Err(AddError::Duplicate);
        }
        if metainfo.name.eq_ignore_ascii_case(RESERVED) {
            return Err(AddError::Reserved);
        }
        let (files, mut torrent) = wish(metainfo, &add)?;
        torrent.memory = known.as_mut().and_then(|known| known.memory.take());
        torrent.rests = known.as_ref().is_some_and(|known| known.row.metainfo.is_some());
        let tiers = add.trackers.unwrap_or_else(|| metainfo.trackers.clone());
        let Some(ticket) = self.torrents.reserve(info_hash) else { return Ok(()) };
        torrent.ticket = ticket;
        let nodes = if metainfo.private { Vec::new() } else { metainfo.nodes.clone() };
        let (private, span) = (metainfo.private, metainfo.info_span.clone());
        let (file, peers) = (add.torrent, add.peers);
        let file = (file, span, found);
        let pending =
            Pending { info_hash, private, files, tiers, peers, nodes, file, known, reply };
        self.torrents.pending.insert(ticket, pending);
        self.command(now, Command::Add(torrent));
        Ok(())
    }

    /// The engine has named a torrent.
    pub(super) fn added(&mut self, now: Time, ticket: u64, torrent: TorrentId) {
        if self.sought(now, ticket, torrent) {
            return;
        }
        let Some(pending) = self.torrents.pending.remove(&ticket) else {
            self.torrents.rested = Some(torrent);
            return;
        };
        let Pending { info_hash, private, files, tiers, peers, nodes, file, known, reply } =
            pending;
        let (file, span, found) = file;
        let stored = known.as_ref().is_some_and(|known| known.stored);
        self.magnets.keep(torrent, file, span, stored);
        let (key, left, ledger) = self.remember(known);
        let count = Some(files.layout().files().len());
        self.torrents.hold(torrent, Held { info_hash, private, files: count, key });
        self.store.add(torrent, files, left, ledger);
        self.trackers.add(torrent, info_hash, &tiers);
        let _ = reply.send(Ok(torrent));
        if found {
            self.news.push(SessionEvent::Resolved { torrent });
        }
        self.peers(now, torrent, peers);
        self.know_nodes(now, nodes);
    }

    /// The metadata of a torrent that was sought is known.
    pub(super) fn resolved(
        &mut self,
        now: Time,
        torrent: TorrentId,
        metainfo: &Metainfo,
        add: Add,
        mut known: Option<Box<Known>>,
    ) -> Result<(), AddError> {
        let (files, mut wish) = wish(metainfo, &add)?;
        wish.memory = known.as_mut().and_then(|known| known.memory.take());
        wish.rests = known.as_ref().is_some_and(|known| known.row.metainfo.is_some());
        let (key, left, ledger) = self.remember(known);
        let (info_hash, private, files_count) =
            (wish.info_hash, wish.private, Some(files.layout().files().len()));
        self.torrents.hold(torrent, Held { info_hash, private, files: files_count, key });
        self.store.add(torrent, files, left, ledger);
        self.magnets.keep(torrent, add.torrent, metainfo.info_span.clone(), false);
        self.command(now, Command::Resolve(torrent, wish));
        Ok(())
    }

    /// Has the database know a torrent before its first record.
    fn remember(&self, known: Option<Box<Known>>) -> Remembered {
        let (Some(state), Some(known)) = (&self.state, known) else { return (None, None, None) };
        state.keep(&known.key, known.row, known.counted, known.whole, known.stored);
        let ledger = state.ledger(&known.key);
        (Some(known.key), known.left, Some(ledger))
    }

    /// Forgets a torrent that the engine has forgotten.
    pub(super) fn forget_if_gone(&mut self, torrent: TorrentId) {
        if self.engine.status(torrent).is_none() {
            if let Some(held) = self.torrents.held.remove(&torrent) {
                self.torrents.hashes.remove(&held.info_hash);
            }
            self.store.remove(torrent);
            self.trackers.forget(torrent);
            self.magnets.forget(torrent);
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

    pub(super) fn peers(&mut self, now: Time, torrent: TorrentId, peers: Vec<SocketAddr>) {
        if !peers.is_empty() {
            self.handle(now, Event::Peers(torrent, PeerSource::User, peers));
        }
    }

    /// Whoever asked may be gone: then nobody hears the answer.
    fn answer(&self, now: Time, torrent: TorrentId, question: Question) {
        match question {
            Question::Status(reply) => drop(reply.send(self.engine.status(torrent))),
            Question::Why(reply) => drop(reply.send(self.why(now, torrent))),
            Question::Trackers(reply) => {
                drop(reply.send(self.trackers.status(torrent, now)));
            }
            Question::Peers(reply) => drop(reply.send(self.engine.peers(torrent))),
            Question::Search(reply) => {
                let search = self.node.as_ref().and_then(|node| node.search(torrent));
                drop(reply.send(search));
            }
            Question::Sources(reply) => drop(reply.send(self.engine.sources(torrent))),
            Question::Tiers(reply) => {
                match (self.trackers.tiers(torrent), self.remembered(torrent)) {
                    (None, Some((state, key))) => {
                        let then = move |tiers: Result<_, _>| {
                            drop(reply.send(tiers.unwrap_or_default()));
                        };
                        state.trackers(key, Box::new(then));
                    }
                    (tiers, _) => drop(reply.send(tiers.unwrap_or_default())),
                }
            }
            Question::Priorities(reply) => {
                drop(reply.send(self.engine.priorities(torrent)));
            }
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

/// What a torrent is to the store and to the engine; its ticket and its memory are still missing.
pub(super) fn wish(
    metainfo: &Metainfo,
    add: &Add,
) -> Result<(Arc<TorrentFiles>, AddTorrent), AddError> {
    let info_hash = metainfo.info_hash_v1.ok_or(AddError::V2Only)?;
    let files = TorrentFiles::of(metainfo, add.dir.clone()).ok_or(AddError::V2Only)?;
    let layout = Arc::clone(files.layout());
    let count = layout.files().len();
    let usual = || vec![Priority::Normal; count];
    let priorities = add.priorities.clone().unwrap_or_else(usual);
    if priorities.len() != count {
        return Err(AddError::Priorities { given: priorities.len(), files: count });
    }
    let torrent = AddTorrent {
        ticket: 0,
        info_hash,
        layout,
        private: metainfo.private,
        metadata_size: given_size(add.torrent.as_ref(), metainfo),
        priorities,
        policy: policy(add.sequential),
        adopt: add.adopt,
        rates: add.rates,
        paused: add.paused,
        rests: false,
        memory: None,
    };
    Ok((Arc::new(files), torrent))
}
