//! A model of the world around one engine: it keeps the promises that hands and store make, and
//! has every action judged.

use crate::base::Bitset;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;
use std::vec::Vec;

use super::super::*;
use crate::base::{Machine as _, Outbox, Rng, Time};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::Message;

/// What is known of a torrent.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) layout: Arc<Layout>,
    /// Pieces that the store found right, or that are remembered and beyond doubt.
    pub(super) verified: BTreeSet<u32>,
    /// Pieces that are remembered, and must be checked before they are given.
    pub(super) doubted: BTreeSet<u32>,
    /// Pieces that a sync has brought to the disk, or that were there.
    pub(super) synced: BTreeSet<u32>,
    /// What the next life may believe.
    pub(super) memory: Option<Memory>,
    pub(super) admitted: bool,
    pub(super) removed: bool,
    /// It is dormant, and the driver can load it.
    pub(super) dormant: bool,
    pub(super) priorities: Vec<Priority>,
    /// Whether it is private, and the bytes of the metadata that it gives.
    pub(super) shown: (bool, Option<u32>),
}

/// A link that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) remote: SocketAddr,
    pub(super) torrent: Option<TorrentId>,
    pub(super) dialed: Option<TorrentId>,
    pub(super) reserved: Reserved,
    /// The engine closed it; its `Closed` is to come.
    pub(super) closing: bool,
    pub(super) serving: Vec<Block>,
    /// What the engine lets it do.
    pub(super) unchoked: bool,
    pub(super) granted: BTreeSet<u32>,
    /// The piece of the last block that went on its way,
    pub(super) served: Option<u32>,
    /// and how many more of it may follow a choke.
    pub(super) after_choke: usize,
    /// What it lets the engine do.
    pub(super) lets: bool,
    pub(super) allows: BTreeSet<u32>,
    pub(super) has: BTreeSet<u32>,
    pub(super) reqq: i64,
    /// Requests of the engine, answered or not; the last few.
    pub(super) asked: Vec<Block>,
    /// All requests of the engine.
    pub(super) asked_ever: Vec<Block>,
    pub(super) asked_now: bool,
    /// What the engine called back.
    pub(super) cancelled: Vec<Block>,
    /// It answers every request in time.
    pub(super) honest: bool,
    /// What it said while the metadata was unknown.
    pub(super) said: Vec<Message>,
    /// Blocks of metadata that it was asked for.
    pub(super) wanted: Vec<u32>,
    /// When it was told of others last.
    pub(super) shown: Option<Time>,
}

/// A job that the store has not answered.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Open(TorrentId),
    Store,
    Verify(TorrentId, u32),
    Digest(TorrentId, u32),
    /// What was verified when it began.
    Sync(TorrentId, BTreeSet<u32>),
    Other,
}

/// The world around one engine.
#[derive(Debug)]
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) log: log::Writer,
    pub(super) rng: Rng,
    pub(super) now: Time,
    pub(super) out: Outbox<Action>,
    pub(super) torrents: BTreeMap<TorrentId, Known>,
    pub(super) layouts: BTreeMap<u64, (Arc<Layout>, Vec<Priority>)>,
    pub(super) memories: BTreeMap<u64, Memory>,
    /// Of torrents that will be added: see [`Known::shown`].
    pub(super) shown: BTreeMap<u64, (bool, Option<u32>)>,
    /// Metadata that will be sought, is sought, and was found.
    pub(super) secrets: BTreeMap<u64, Vec<u8>>,
    pub(super) sought: BTreeMap<TorrentId, Vec<u8>>,
    pub(super) found: Vec<TorrentId>,
    /// Blocks of metadata that the engine has given.
    pub(super) given: u32,
    pub(super) links: BTreeMap<LinkId, Open>,
    /// Generation of each place for a link.
    pub(super) places: Vec<u32>,
    pub(super) dials: BTreeMap<DialId, (TorrentId, SocketAddr)>,
    pub(super) jobs: BTreeMap<JobId, Work>,
    pub(super) jobs_ever: BTreeSet<JobId>,
    /// All records, of all torrents.
    pub(super) records: Vec<Record>,
    /// Blocks in a row of each piece that went through the hash on their way to the disk.
    pub(super) hashed: BTreeMap<(TorrentId, u32), u32>,
    pub(super) payloads: BTreeSet<u32>,
    pub(super) next_payload: u32,
    /// Dormant torrents that are to be loaded.
    pub(super) loads: BTreeSet<TorrentId>,
    /// Files that were read since somebody began to read the torrent.
    pub(super) read: BTreeSet<(TorrentId, u32)>,
    /// Who reads which file.
    pub(super) reads: BTreeMap<(TorrentId, ReaderId), u32>,
    pub(super) ended: bool,
    pub(super) shut: bool,
}

pub(super) const OURS: [u8; 20] = *b"-TK0100-MMMMMMMMMMMM";

impl World {
    /// A world of which everything is drawn.
    pub(super) fn drawn(mut rng: Rng) -> Self {
        let rate = |rng: &mut Rng| rng.one_in(4).then(|| 1 + rng.below(2_000_000));
        let rates = Rates { down: rate(&mut rng), up: rate(&mut rng) };
        let config = Config {
            peer_id: OURS,
            port: 6881,
            rates,
            links_max: 2 + rng.below(20) as u32,
            dials_max: rng.below(5) as u32,
            slots: rng.below(5) as u32,
            ..Config::default()
        };
        let seed = rng.bits();
        Self { rng, ..Self::with(seed, config) }
    }

    pub(super) fn with(seed: u64, config: Config) -> Self {
        let rng = Rng::from_number(seed);
        Self {
            log: log::Writer::new(&config, &rng.fork("engine")),
            engine: Engine::new(config, &rng.fork("engine")),
            rng,
            now: Time::START,
            out: Outbox::new(),
            torrents: BTreeMap::new(),
            layouts: BTreeMap::new(),
            memories: BTreeMap::new(),
            shown: BTreeMap::new(),
            secrets: BTreeMap::new(),
            sought: BTreeMap::new(),
            found: Vec::new(),
            given: 0,
            links: BTreeMap::new(),
            places: Vec::new(),
            dials: BTreeMap::new(),
            jobs: BTreeMap::new(),
            jobs_ever: BTreeSet::new(),
            records: Vec::new(),
            hashed: BTreeMap::new(),
            payloads: BTreeSet::new(),
            next_payload: 0,
            loads: BTreeSet::new(),
            read: BTreeSet::new(),
            reads: BTreeMap::new(),
            ended: false,
            shut: false,
        }
    }

    /// Tells the engine a fact, and has judged what it does.
    pub(super) fn tell(&mut self, event: impl Into<Event>) {
        let event = event.into();
        self.note(|| std::format!("{event:?}"));
        self.log.handle(&mut self.engine, self.now, event, &mut self.out);
        self.judge_all();
    }

    pub(super) fn tell_link(&mut self, link: LinkId, event: LinkEvent) {
        self.tell(Event::Link(link, event));
    }

    /// Lets time go by, with every deadline in between kept.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        let mut still = 0;
        while let Some((at, _)) = self.engine.deadline().filter(|&(at, _)| at <= end) {
            still = if at <= self.now { still + 1 } else { 0 };
            assert!(still < 4, "the engine wants to be woken again and again");
            self.now = self.now.max(at);
            self.note(|| std::string::String::from("advance"));
            self.log.advance(&mut self.engine, self.now, &mut self.out);
            self.judge_all();
        }
        self.now = end;
    }

    /// One call of `advance`, however late.
    pub(super) fn jump(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.note(|| std::string::String::from("jump"));
        self.log.advance(&mut self.engine, self.now, &mut self.out);
        self.judge_all();
        let due = self.engine.deadline().is_some_and(|(at, _)| at <= self.now);
        assert!(!due, "what was due is done");
    }

    /// Opens a link, from us or to us.
    pub(super) fn open(&mut self, dial: Option<DialId>, remote: SocketAddr) -> LinkId {
        let free = |&place: &usize| !self.links.keys().any(|link| link.index() == place);
        let place = (0..self.places.len()).find(free).unwrap_or_else(|| {
            self.places.push(0);
            self.places.len() - 1
        });
        self.places[place] += 1;
        let link = LinkId::new(place as u32, self.places[place]);
        let dialed = dial.and_then(|dial| self.dials.remove(&dial)).map(|(torrent, _)| torrent);
        self.links.insert(link, Open::new(remote, dialed));
        self.tell_link(link, LinkEvent::Opened { dial, remote });
        link
    }

    pub(super) fn shake(
        &mut self,
        link: LinkId,
        torrent: TorrentId,
        peer_id: [u8; 20],
        reserved: Reserved,
    ) {
        let open = self.links.get_mut(&link).expect("an open link");
        open.torrent = Some(torrent);
        open.reserved = reserved;
        self.tell_link(link, LinkEvent::Handshaken { torrent, peer_id, reserved });
    }

    /// The link is gone: first every block on its way is accounted for.
    pub(super) fn end(&mut self, link: LinkId, reason: CloseReason) {
        while let Some(block) = self.links.get_mut(&link).and_then(|open| open.serving.pop()) {
            self.tell_link(link, LinkEvent::Served { block, outcome: Served::Withdrawn });
        }
        if self.links.remove(&link).is_some() {
            self.tell_link(link, LinkEvent::Closed(reason));
        }
    }

    /// A peer says something.
    pub(super) fn say(&mut self, link: LinkId, message: Message) {
        let Some(open) = self.links.get_mut(&link) else { return };
        let Some(known) = open.torrent.and_then(|torrent| self.torrents.get(&torrent)) else {
            return;
        };
        if open.torrent.is_some_and(|torrent| self.sought.contains_key(&torrent)) {
            open.said.push(message.clone());
        }
        open.spoke(&message, known.layout.pieces());
        self.tell_link(link, LinkEvent::Message(message));
    }

    /// A block comes from a peer.
    pub(super) fn give(&mut self, link: LinkId, block: Block) {
        let payload = Payload(self.next_payload);
        self.payloads.insert(self.next_payload);
        self.next_payload += 1;
        self.tell_link(link, LinkEvent::Received { block, payload });
    }

    pub(super) fn answer(&mut self, job: JobId, result: Result<Done, StoreError>) {
        let work = self.jobs.remove(&job);
        if let (&Some(Work::Verify(torrent, piece)), Ok(Done::Good)) = (&work, &result)
            && let Some(known) = self.torrents.get_mut(&torrent)
        {
            known.verified.insert(piece);
        }
        if let (Some(Work::Sync(torrent, covered)), Ok(_)) = (work, &result)
            && let Some(known) = self.torrents.get_mut(&torrent)
        {
            known.synced.extend(covered);
        }
        self.tell(Event::Job(job, result));
    }

    /// A torrent that is dormant from the start.
    pub(super) fn rest(&mut self, layout: Layout) -> TorrentId {
        let (ticket, pieces, layout) = (self.rng.bits(), layout.pieces(), Arc::new(layout));
        let priorities = std::vec![Priority::Normal; layout.files().len()];
        self.layouts.insert(ticket, (layout, priorities));
        let (have, synced) = (Bitset::full(pieces), Bitset::full(pieces));
        let totals = Totals { uploaded: 7, ..Totals::default() };
        self.memories.insert(ticket, Memory { have, synced, doubt: false, totals });
        let before: Vec<TorrentId> = self.torrents.keys().copied().collect();
        let info_hash = [9; 20];
        self.tell(Command::Rest(Resting { ticket, info_hash, pieces, bytes: 1, totals }));
        let id = self.torrents.keys().find(|id| !before.contains(id));
        let id = *id.expect("one more");
        self.torrents.get_mut(&id).expect("added").dormant = true;
        id
    }

    /// A dormant torrent is loaded, or cannot be.
    pub(super) fn load(&mut self, id: TorrentId, error: Option<StoreError>) {
        assert!(self.loads.remove(&id), "nobody has asked");
        let known = self.torrents.get_mut(&id).expect("a torrent of ours");
        let add = AddTorrent {
            ticket: self.rng.bits(),
            info_hash: [9; 20],
            layout: known.layout.clone(),
            private: known.shown.0,
            metadata_size: known.shown.1,
            priorities: known.priorities.clone(),
            policy: Policy::default(),
            adopt: false,
            rates: Rates::default(),
            paused: false,
            rests: true,
            memory: known.memory.clone(),
        };
        known.dormant &= error.is_some() || self.shut;
        self.tell(Event::Loaded(id, error.map_or(Ok(add.into()), Err)));
    }

    /// An answer such as a disk without faults gives.
    pub(super) fn right_answer(&mut self, work: &Work) -> Done {
        let blocks = |world: &Self, torrent, piece| {
            let known: Option<&Known> = world.torrents.get(&torrent);
            known.map_or(0, |known| known.layout.blocks(piece) as usize)
        };
        match *work {
            Work::Open(torrent) => self.found(torrent),
            Work::Store => Done::Stored,
            Work::Verify(..) => Done::Good,
            Work::Digest(torrent, piece) => {
                Done::Digests(std::vec![[0; 20]; blocks(self, torrent, piece)])
            }
            Work::Sync(..) | Work::Other => Done::Ready,
        }
    }

    fn found(&mut self, torrent: TorrentId) -> Done {
        let Some(known) = self.torrents.get_mut(&torrent) else { return Done::Ready };
        let layout = known.layout.clone();
        known.verified.clear();
        let rng = &mut self.rng;
        let kind = rng.below(3);
        let files = layout.files().iter().map(|file| match (file.pad, kind) {
            (true, _) => Found::Virtual,
            (_, 0) => Found::Absent,
            (_, 1) => Found::Part,
            _ => [Found::Absent, Found::Part, Found::Whole][rng.index(3)],
        });
        let files = files.collect();
        let mut worth = crate::base::Bitset::new(layout.pieces());
        for piece in 0..layout.pieces() {
            if kind > 0 && rng.one_in(2) {
                worth.set(piece);
            }
        }
        let mut changed = crate::base::Bitset::new(layout.pieces());
        (0..layout.pieces()).filter(|_| rng.one_in(6)).for_each(|piece| _ = changed.set(piece));
        known.recall(&worth, &changed);
        Done::Opened(Opened { files, worth, changed }.into())
    }

    /// An engine that is told what the log says does the same, and leaves the same log.
    pub(super) fn relive(&mut self) {
        self.log.end();
        let bytes = self.log.take();
        let log = log::Log::open(&bytes).expect("a log");
        let mut engine = log.engine();
        let mut again = log::Writer::new(&log.config, &Rng::new(log.seed));
        let mut out = Outbox::new();
        for step in log {
            let log::Step { at, fact, .. } = step.expect("a step");
            match fact {
                log::Fact::Event(event) => again.handle(&mut engine, at, event, &mut out),
                log::Fact::Advance => again.advance(&mut engine, at, &mut out),
                log::Fact::End => again.end(),
            }
            out.drain().for_each(drop);
        }
        assert!(again.take() == bytes, "told the same, it does something else");
    }

    fn note(&mut self, line: impl Fn() -> std::string::String) {
        if std::env::var_os("TOUBKAL_SEED_LOG").is_some() {
            std::eprintln!("{:?} {}", self.now, line());
        }
    }
}

impl Known {
    /// What the engine may believe of what it finds.
    pub(super) fn recall(&mut self, worth: &Bitset, changed: &Bitset) {
        let (pieces, memory) = (self.layout.pieces(), self.memory.as_ref());
        self.doubted.clear();
        self.synced.clear();
        let Some(memory) = memory.filter(|memory| memory.have.len() == pieces) else { return };
        let believed = memory.have.both(worth).filter(|&piece| !changed.has(piece));
        let believed: BTreeSet<u32> = believed.collect();
        self.synced = memory.synced.iter().filter(|piece| believed.contains(piece)).collect();
        *if memory.doubt { &mut self.doubted } else { &mut self.verified } = believed;
    }

    /// What may be told to peers.
    pub(super) fn may_claim(&self, piece: u32) -> bool {
        self.verified.contains(&piece) || self.doubted.contains(&piece)
    }
}

impl Open {
    fn new(remote: SocketAddr, dialed: Option<TorrentId>) -> Self {
        Self {
            remote,
            torrent: None,
            dialed,
            reserved: Reserved([0; 8]),
            closing: false,
            serving: Vec::new(),
            unchoked: false,
            granted: BTreeSet::new(),
            served: None,
            after_choke: 0,
            lets: false,
            allows: BTreeSet::new(),
            has: BTreeSet::new(),
            reqq: 250,
            asked: Vec::new(),
            asked_ever: Vec::new(),
            asked_now: false,
            cancelled: Vec::new(),
            honest: false,
            said: Vec::new(),
            wanted: Vec::new(),
            shown: None,
        }
    }

    /// What follows for the engine from what the peer said.
    pub(super) fn spoke(&mut self, message: &Message, pieces: u32) {
        match message {
            Message::Choke => self.lets = false,
            Message::Unchoke => self.lets = true,
            Message::Have(piece) if *piece < pieces => _ = self.has.insert(*piece),
            Message::HaveAll if self.reserved.fast() => self.has = (0..pieces).collect(),
            Message::HaveNone if self.reserved.fast() => self.has.clear(),
            Message::AllowedFast(piece) => _ = self.allows.insert(*piece),
            Message::Bitfield(bits) => {
                if let Some(has) = crate::base::Bitset::from_wire(bits, pieces) {
                    self.has = has.iter().collect();
                }
            }
            Message::Extended(0, payload) if self.reserved.extended() => {
                let told = toubkal_wire::extension::Extensions::decode(payload);
                if let Some(requests) = told.and_then(|told| told.requests) {
                    self.reqq = requests.clamp(2, 1000);
                }
            }
            _ => {}
        }
    }
}
