//! A host: the real engine and codec, with the hands of a simulated machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Slab, Time};
use toubkal_core::engine::log::Writer;
use toubkal_core::engine::{
    Action, Config, Engine, Event, JobId, LinkId, LinkKind, Notice, Payload, Policy, Priority,
    Rates, Terms, TorrentId,
};
use toubkal_core::link::Link;

use crate::disk::{Body, Content, Disk, DiskFaults};
use crate::network::Uplink;
use crate::store::Lanes;

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
    /// When it comes.
    pub joins: Duration,
    /// Which piece it begins next.
    pub policy: Policy,
    /// What it wants, one a file; everything when empty.
    pub priorities: Vec<Priority>,
    /// How it behaves.
    pub manners: Manners,
    /// What its disk is like.
    pub disk: DiskFaults,
}

/// How a host behaves towards others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// As the engine does.
    #[default]
    Honest,
    /// One block in so many that it sends is wrong.
    Corrupts(u64),
    /// It takes requests and never sends a block.
    Silent,
    /// It unchokes, and rejects every request.
    Rejects,
    /// It does not speak the Fast extension.
    Plain,
    /// It uploads to nobody.
    Takes,
    /// It chokes and unchokes with every block that it sends.
    Flaps,
    /// It asks for three blocks more, any at all, with every message.
    Floods,
    /// It says that it has everything, and has not.
    Boasts,
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
            joins: Duration::ZERO,
            policy: Policy::default(),
            priorities: Vec::new(),
            manners: Manners::Honest,
            disk: DiskFaults::default(),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    pub(crate) link: LinkId,
}

#[derive(Debug)]
pub(crate) struct SimLink {
    pub(crate) peer: Option<End>,
    pub(crate) codec: Link,
    /// Bytes that came and do not make a message yet.
    pub(crate) inbox: Vec<u8>,
    pub(crate) outgoing: bool,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) greeting: Option<toubkal_wire::handshake::Greeting>,
}

/// A machine in the world.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) setup: Setup,
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) log: Option<Writer>,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) terms: Option<(TorrentId, Arc<Terms>)>,
    pub(crate) links: Slab<LinkKind, SimLink>,
    pub(crate) uplink: Uplink,
    pub(crate) downlink_free: Time,
    pub(crate) disk: Disk,
    pub(crate) lanes: Lanes,
    pub(crate) payloads: BTreeMap<u32, Body>,
    pub(crate) next_payload: u32,
    pub(crate) jobs: BTreeMap<JobId, ()>,
    pub(crate) wake_at: Option<Time>,
    pub(crate) notices: Vec<(Time, Notice)>,
    /// How many of them are of earlier lives.
    pub(crate) told: usize,
    /// How often it came back.
    pub(crate) lives: u64,
    /// What was sent before this is of an earlier life.
    pub(crate) born: u64,
    /// Ends of links that have not heard of the end of the last life.
    pub(crate) half_open: Vec<End>,
    pub(crate) rng: Rng,
    pub(crate) gone: bool,
    /// Requests that it rejected because of its manners.
    pub(crate) refused: u64,
}

impl Setup {
    /// What the engine of such a host is made with, if this is the host's chance.
    pub(crate) fn config(&self, rng: &Rng) -> Config {
        let mut peer_id = *b"-TK0100-000000000000";
        rng.fork("peer id").fill(&mut peer_id[8..]);
        let slots = if self.manners == Manners::Takes { 0 } else { self.slots };
        Config { peer_id, port: 6881, slots, rates: self.rates, ..Config::default() }
    }
}

impl Host {
    pub(crate) fn new(
        setup: Setup,
        address: SocketAddr,
        engine: Engine,
        content: &Arc<Content>,
        rng: Rng,
    ) -> Self {
        Self {
            disk: Disk::new(content.clone(), setup.seed, setup.disk.clone(), rng.fork("disk")),
            setup,
            address,
            engine,
            log: None,
            torrent: None,
            terms: None,
            links: Slab::new(),
            uplink: Uplink::default(),
            downlink_free: Time::START,
            lanes: Lanes::default(),
            payloads: BTreeMap::new(),
            next_payload: 0,
            jobs: BTreeMap::new(),
            wake_at: None,
            notices: Vec::new(),
            told: 0,
            lives: 0,
            born: 0,
            half_open: Vec::new(),
            rng,
            gone: false,
            refused: 0,
        }
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

    /// Keeps a body under a new name.
    pub(crate) fn hold(&mut self, body: Body) -> Payload {
        let name = self.next_payload;
        self.next_payload += 1;
        self.payloads.insert(name, body);
        Payload(name)
    }

    /// Takes a body back. Each is taken exactly once.
    pub(crate) fn release(&mut self, payload: &Payload) -> Body {
        self.payloads.remove(&payload.0).expect("the engine returns a payload once")
    }

    /// When it was done in this life, if it is.
    pub(crate) fn completed_at(&self) -> Option<Time> {
        let done = |(_, notice): &&(Time, Notice)| matches!(notice, Notice::Completed { .. });
        self.notices[self.told..].iter().find(done).map(|(at, _)| *at)
    }
}
