//! A host: the real engine and codec, with the hands of a simulated machine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Bitset, Machine as _, Outbox, Rng, Slab, Time};
use toubkal_core::engine::log::Writer;
use toubkal_core::engine::{
    Action, CloseReason, Config, Engine, Event, JobId, LinkId, LinkKind, Notice, Payload, Policy,
    Priority, Rates, Terms, TorrentId,
};
use toubkal_core::link::Link;
use toubkal_wire::handshake::Greeting;
use toubkal_wire::layout::Block;

use crate::chance::Chance;
use crate::disk::{Body, Content, Disk, DiskFaults};
use crate::fifo::Fifo;
use crate::lives::new_engine;
use crate::manners::Manners;
use crate::mishaps::Clock;
use crate::network::{Item, Outgoing, Uplink};
use crate::store::Lanes;
use crate::tracker::Client;

/// What a host is like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// It has everything from the start.
    pub seed: bool,
    /// It knows the info-hash alone, and gets the metadata from others.
    pub magnet: bool,
    /// Its line out, bytes a second.
    pub up: u64,
    /// Its line in, bytes a second.
    pub down: u64,
    /// From its door to the middle of the network, one way.
    pub latency: Duration,
    /// Rate limits of its engine.
    pub rates: Rates,
    /// Upload slots of its engine.
    pub slots: u32,
    /// The most connections of its engine.
    pub links: u32,
    /// How many others it hears of when it comes, chosen by chance; all when there are no more.
    pub known: usize,
    /// Behind a NAT: nobody can connect to it.
    pub hidden: bool,
    /// When it comes.
    pub joins: Duration,
    /// Which piece it begins next.
    pub policy: Policy,
    /// What it wants, one a file; everything when empty.
    pub priorities: Vec<Priority>,
    /// Its torrent becomes dormant when it is whole and nobody wants anything of it, and is loaded
    /// again.
    pub rests: bool,
    /// How it behaves.
    pub manners: Manners,
    /// What its disk is like.
    pub disk: DiskFaults,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: false,
            magnet: false,
            up: 1_000_000,
            down: 10_000_000,
            latency: Duration::from_millis(20),
            rates: Rates::default(),
            slots: 4,
            links: 200,
            known: usize::MAX,
            hidden: false,
            joins: Duration::ZERO,
            policy: Policy::default(),
            priorities: Vec::new(),
            rests: false,
            manners: Manners::Honest,
            disk: DiskFaults::default(),
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    pub(crate) link: LinkId,
}

/// A connection, as one of its ends sees it.
#[derive(Debug)]
pub(crate) struct SimLink {
    /// The other end.
    pub(crate) peer: End,
    pub(crate) codec: Link,
    /// Bytes that came and do not make a message yet.
    pub(crate) inbox: Vec<u8>,
    /// What is on its way here, in order.
    pub(crate) coming: Fifo<Coming>,
    /// What waits for the line.
    pub(crate) outgoing: Outgoing,
    /// Bytes of blocks that were sent, and received.
    pub(crate) sent: u64,
    pub(crate) got: u64,
    /// Bytes that were sent and not read at the other end.
    pub(crate) flying: u64,
    /// The block of it that the line carries.
    pub(crate) on_line: Option<Block>,
    /// Too many: it waits.
    pub(crate) full: bool,
    /// It has a turn at the line.
    pub(crate) queued: bool,
    pub(crate) dialed: bool,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) greeting: Option<Greeting>,
}

/// What comes in on a link.
#[derive(Debug)]
pub(crate) enum Coming {
    Item(Item),
    /// The other end closed, or the network did.
    Hangup(CloseReason),
}

impl SimLink {
    pub(crate) fn new(peer: End, dialed: bool) -> Self {
        Self {
            peer,
            codec: Link::new(),
            inbox: Vec::new(),
            coming: Fifo::default(),
            outgoing: Outgoing::default(),
            sent: 0,
            got: 0,
            flying: 0,
            on_line: None,
            full: false,
            queued: false,
            dialed,
            torrent: None,
            greeting: None,
        }
    }
}

/// A machine in the world.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) setup: Setup,
    pub(crate) address: SocketAddr,
    pub(crate) peer_id: [u8; 20],
    /// How often it was started before.
    pub(crate) life: u64,
    pub(crate) engine: Engine,
    pub(crate) log: Option<Writer>,
    pub(crate) clock: Clock,
    /// The process does nothing before.
    pub(crate) paused_until: Time,
    /// The process does not run: it has not come yet, or has died.
    pub(crate) down: bool,
    /// It has died, and nobody waits for it.
    pub(crate) dead: bool,
    /// Ends of links that have not heard of the end of the last life.
    pub(crate) half_open: Vec<End>,
    pub(crate) client: Option<Client>,
    /// Whom it says it is, when it poses as others.
    pub(crate) mask: Option<[u8; 20]>,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) terms: Option<(TorrentId, Arc<Terms>)>,
    pub(crate) links: Slab<LinkKind, SimLink>,
    pub(crate) uplink: Uplink,
    pub(crate) downlink_free: Time,
    pub(crate) disk: Disk,
    pub(crate) lanes: Lanes,
    pub(crate) payloads: Payloads,
    pub(crate) jobs: BTreeMap<JobId, ()>,
    /// What the engine is to hear: of the hands, and of the store.
    pub(crate) facts: Fifo<Event>,
    pub(crate) answers: Fifo<Event>,
    /// What the engine wants: of the hands, and of the store.
    pub(crate) wishes: Fifo<Action>,
    pub(crate) orders: Fifo<Action>,
    pub(crate) wake_at: Option<Time>,
    pub(crate) notices: Vec<(Time, Notice)>,
    /// How many of them earlier lives have told.
    pub(crate) told: usize,
    pub(crate) completed: Option<Time>,
    pub(crate) chance: Chance,
    pub(crate) gone: bool,
    /// A file was lost since the user looked last.
    pub(crate) lost: bool,
    /// Requests that it rejected because of its manners.
    pub(crate) refused: u64,
}

impl Setup {
    /// What the engine of such a host is made with, if this is the host's chance.
    pub(crate) fn config(&self, rng: &Rng) -> Config {
        let mut peer_id = *b"-TK0100-000000000000";
        rng.fork("peer id").fill(&mut peer_id[8..]);
        let slots = if self.manners == Manners::Takes { 0 } else { self.slots };
        let (links_max, rates) = (self.links, self.rates);
        Config { peer_id, port: 6881, slots, links_max, rates, ..Config::default() }
    }
}

impl Host {
    pub(crate) fn new(
        setup: Setup,
        address: SocketAddr,
        content: &Arc<Content>,
        chance: Chance,
    ) -> Self {
        let (engine, peer_id) = new_engine(&setup, chance.rng(), 0);
        let faults = setup.disk.clone();
        Self {
            disk: Disk::new(content.clone(), setup.seed, faults, chance.rng().fork("disk")),
            engine,
            setup,
            address,
            log: None,
            peer_id,
            life: 0,
            clock: Clock::default(),
            paused_until: Time::START,
            down: true,
            dead: false,
            half_open: Vec::new(),
            client: None,
            mask: None,
            torrent: None,
            terms: None,
            links: Slab::new(),
            uplink: Uplink::default(),
            downlink_free: Time::START,
            lanes: Lanes::default(),
            payloads: Payloads::default(),
            jobs: BTreeMap::new(),
            facts: Fifo::default(),
            answers: Fifo::default(),
            wishes: Fifo::default(),
            orders: Fifo::default(),
            wake_at: None,
            notices: Vec::new(),
            told: 0,
            completed: None,
            chance,
            gone: false,
            lost: false,
            refused: 0,
        }
    }

    /// Writes down what the engine is told from now on.
    pub(crate) fn record(&mut self) {
        let rng = self.chance.rng();
        self.log = Some(Writer::new(&self.setup.config(rng), &rng.fork("engine")));
    }

    pub(crate) fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        match &mut self.log {
            Some(log) => log.handle(&mut self.engine, now, event, out),
            None => self.engine.handle(now, event, out),
        }
    }

    pub(crate) fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        match &mut self.log {
            Some(log) => log.advance(&mut self.engine, now, out),
            None => self.engine.advance(now, out),
        }
    }

    /// The pieces that its engine holds for verified; a dormant torrent has all.
    pub(crate) fn have(&self) -> Option<Cow<'_, Bitset>> {
        let torrent = self.torrent?;
        if let Some(have) = self.engine.have(torrent) {
            return Some(Cow::Borrowed(have));
        }
        let status = self.engine.status(torrent)?;
        Some(Cow::Owned(Bitset::full(status.pieces)))
    }

    /// Whether nothing more is expected of it.
    pub(crate) fn is_through(&self) -> bool {
        self.gone || self.dead || self.completed.is_some()
    }
}

/// The bodies of blocks that were received and are not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    bodies: Vec<Option<Body>>,
    free: Vec<u32>,
}

impl Payloads {
    /// Keeps a body under a name.
    pub(crate) fn hold(&mut self, body: Body) -> Payload {
        let name = self.free.pop().unwrap_or_else(|| {
            self.bodies.push(None);
            self.bodies.len() as u32 - 1
        });
        self.bodies[name as usize] = Some(body);
        Payload(name)
    }

    /// Takes a body back. Each is taken exactly once.
    pub(crate) fn release(&mut self, payload: &Payload) -> Body {
        let body = self.bodies.get_mut(payload.0 as usize).and_then(Option::take);
        self.free.push(payload.0);
        body.expect("the engine returns a payload once")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.bodies.len()
    }
}
