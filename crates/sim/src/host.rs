//! A host: the real engine and codec, with the hands of a simulated machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Rng, Slab, Time};
use toubkal_core::engine::{
    Engine, JobId, LinkId, LinkKind, Notice, Payload, Policy, Priority, Rates, Terms, TorrentId,
};
use toubkal_core::link::Link;
use toubkal_wire::layout::Layout;

use crate::disk::{Disk, Tag};
use crate::network::Uplink;

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
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) terms: Option<(TorrentId, Arc<Terms>)>,
    pub(crate) links: Slab<LinkKind, SimLink>,
    pub(crate) uplink: Uplink,
    pub(crate) downlink_free: Time,
    pub(crate) disk: Disk,
    pub(crate) disk_free: Time,
    pub(crate) payloads: BTreeMap<u32, Tag>,
    pub(crate) next_payload: u32,
    pub(crate) jobs: BTreeMap<JobId, ()>,
    pub(crate) wake_at: Option<Time>,
    pub(crate) notices: Vec<(Time, Notice)>,
    pub(crate) rng: Rng,
    pub(crate) gone: bool,
    /// Requests that it rejected because of its manners.
    pub(crate) refused: u64,
}

impl Host {
    pub(crate) fn new(
        setup: Setup,
        address: SocketAddr,
        engine: Engine,
        layout: &Arc<Layout>,
        rng: Rng,
    ) -> Self {
        Self {
            disk: Disk::new(layout.clone(), setup.seed),
            setup,
            address,
            engine,
            torrent: None,
            terms: None,
            links: Slab::new(),
            uplink: Uplink::default(),
            downlink_free: Time::START,
            disk_free: Time::START,
            payloads: BTreeMap::new(),
            next_payload: 0,
            jobs: BTreeMap::new(),
            wake_at: None,
            notices: Vec::new(),
            rng,
            gone: false,
            refused: 0,
        }
    }

    /// Keeps a body under a new name.
    pub(crate) fn hold(&mut self, tag: Tag) -> Payload {
        let name = self.next_payload;
        self.next_payload += 1;
        self.payloads.insert(name, tag);
        Payload(name)
    }

    /// Takes a body back. Each is taken exactly once.
    pub(crate) fn release(&mut self, payload: &Payload) -> Tag {
        self.payloads.remove(&payload.0).expect("the engine returns a payload once")
    }

    /// When it was done, if it is.
    pub(crate) fn completed_at(&self) -> Option<Time> {
        let done = |(_, notice): &&(Time, Notice)| matches!(notice, Notice::Completed { .. });
        self.notices.iter().find(done).map(|(at, _)| *at)
    }
}
