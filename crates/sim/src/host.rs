//! A host: the real engine and codec, with the hands of a simulated machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Rng, Slab, Time};
use toubkal_core::engine::{
    Action, CloseReason, Config, Engine, Event, JobId, LinkId, LinkKind, Notice, Payload, Priority,
    Rates, Terms, TorrentId,
};
use toubkal_core::link::Link;
use toubkal_wire::handshake::Greeting;
use toubkal_wire::layout::{Block, Layout};

use crate::chance::Chance;
use crate::disk::{Disk, Tag};
use crate::lane::Lane;
use crate::manners::Manners;
use crate::mishaps::Clock;
use crate::network::{Item, Outgoing, Uplink};
use crate::tracker::Client;

/// What a host is like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// It has everything from the start.
    pub seed: bool,
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
    /// Pieces in order.
    pub sequential: bool,
    /// What it wants, one a file; everything when empty.
    pub priorities: Vec<Priority>,
    /// How it behaves.
    pub manners: Manners,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: false,
            up: 1_000_000,
            down: 10_000_000,
            latency: Duration::from_millis(20),
            rates: Rates::default(),
            slots: 4,
            links: 200,
            known: usize::MAX,
            hidden: false,
            joins: Duration::ZERO,
            sequential: false,
            priorities: Vec::new(),
            manners: Manners::Honest,
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
    pub(crate) coming: Lane<Coming>,
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
            coming: Lane::default(),
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
    pub(crate) life: u32,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    /// The process does nothing before.
    pub(crate) paused_until: Time,
    /// The process does not run.
    pub(crate) down: bool,
    pub(crate) client: Option<Client>,
    /// Whom it says it is, when it poses as others.
    pub(crate) mask: Option<[u8; 20]>,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) terms: Option<(TorrentId, Arc<Terms>)>,
    pub(crate) links: Slab<LinkKind, SimLink>,
    pub(crate) uplink: Uplink,
    pub(crate) downlink_free: Time,
    pub(crate) disk: Disk,
    pub(crate) disk_free: Time,
    pub(crate) payloads: Payloads,
    pub(crate) jobs: BTreeMap<JobId, ()>,
    /// What the engine is to hear: of the hands, and of the store.
    pub(crate) facts: Lane<Event>,
    pub(crate) answers: Lane<Event>,
    /// What the engine wants: of the hands, and of the store.
    pub(crate) wishes: Lane<Action>,
    pub(crate) orders: Lane<Action>,
    pub(crate) wake_at: Option<Time>,
    pub(crate) notices: Vec<(Time, Notice)>,
    pub(crate) completed: Option<Time>,
    pub(crate) chance: Chance,
    pub(crate) gone: bool,
    /// Requests that it rejected because of its manners.
    pub(crate) refused: u64,
}

impl Host {
    pub(crate) fn new(
        setup: Setup,
        address: SocketAddr,
        layout: &Arc<Layout>,
        chance: Chance,
    ) -> Self {
        let mut peer_id = *b"-TK0100-000000000000";
        chance.rng().fork("peer id").fill(&mut peer_id[8..]);
        Self {
            disk: Disk::new(layout.clone(), setup.seed),
            engine: engine(&setup, peer_id, &chance.rng().fork("engine")),
            setup,
            address,
            peer_id,
            life: 0,
            clock: Clock::default(),
            paused_until: Time::START,
            down: true,
            client: None,
            mask: None,
            torrent: None,
            terms: None,
            links: Slab::new(),
            uplink: Uplink::default(),
            downlink_free: Time::START,
            disk_free: Time::START,
            payloads: Payloads::default(),
            jobs: BTreeMap::new(),
            facts: Lane::default(),
            answers: Lane::default(),
            wishes: Lane::default(),
            orders: Lane::default(),
            wake_at: None,
            notices: Vec::new(),
            completed: None,
            chance,
            gone: false,
            refused: 0,
        }
    }

    /// The process ends: everything is gone but the disk. Its next life begins with another engine
    /// and, as programs do, another peer id.
    pub(crate) fn die(&mut self) {
        self.life += 1;
        let rng = self.chance.rng().fork_indexed("life", u64::from(self.life));
        rng.fork("peer id").fill(&mut self.peer_id[8..]);
        self.engine = engine(&self.setup, self.peer_id, &rng.fork("engine"));
        self.down = true;
        (self.torrent, self.terms, self.client, self.wake_at) = (None, None, None, None);
        self.uplink.turns.clear();
        self.payloads = Payloads::default();
        self.jobs.clear();
        self.facts = Lane::default();
        self.answers = Lane::default();
        self.wishes = Lane::default();
        self.orders = Lane::default();
    }

    /// Whether nothing more is expected of it.
    pub(crate) fn is_through(&self) -> bool {
        self.gone || self.completed.is_some()
    }
}

fn engine(setup: &Setup, peer_id: [u8; 20], rng: &Rng) -> Engine {
    let slots = if setup.manners == Manners::Takes { 0 } else { setup.slots };
    let config = Config {
        peer_id,
        port: 6881,
        slots,
        links_max: setup.links,
        rates: setup.rates,
        ..Config::default()
    };
    Engine::new(config, rng)
}

/// The bodies of blocks that were received and are not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    bodies: Vec<Option<Tag>>,
    free: Vec<u32>,
}

impl Payloads {
    /// Keeps a body under a name.
    pub(crate) fn hold(&mut self, tag: Tag) -> Payload {
        let name = self.free.pop().unwrap_or_else(|| {
            self.bodies.push(None);
            self.bodies.len() as u32 - 1
        });
        self.bodies[name as usize] = Some(tag);
        Payload(name)
    }

    /// Takes a body back. Each is taken exactly once.
    pub(crate) fn release(&mut self, payload: &Payload) -> Tag {
        let body = self.bodies.get_mut(payload.0 as usize).and_then(Option::take);
        self.free.push(payload.0);
        body.expect("the engine returns a payload once")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.bodies.len()
    }
}
