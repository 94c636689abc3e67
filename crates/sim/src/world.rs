//! The world: one queue of deliveries, one clock that jumps, hosts that know only each other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Outbox, Time};
use toubkal_core::engine::log::Writer;
use toubkal_core::engine::{
    Action, AddTorrent, Command, DialError, Event, Notice, PeerSource, Priority, Rates, Reason,
    Seek, Status,
};
use toubkal_wire::layout::Layout;
use toubkal_wire::metadata::info_hash;

use crate::chance::Chance;
use crate::check::Watch;
use crate::disk::{Content, Fidelity};
use crate::faults::Faults;
use crate::host::{Host, Setup};
use crate::mishaps::Cut;
use crate::queue::{Delivery, Queue};
use crate::reader::Reader;
use crate::trace::Trace;
use crate::tracker::Tracker;

/// Bytes of the metadata: three blocks, the last a short one.
const METADATA_BYTES: usize = 40_007;

/// A swarm of one torrent in virtual time.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Time,
    queue: Queue,
    pub(crate) hosts: Vec<Host>,
    pub(crate) layout: Arc<Layout>,
    /// What stands for the info dictionary, and its hash.
    pub(crate) metadata: Arc<[u8]>,
    pub(crate) info_hash: [u8; 20],
    pub(crate) private: bool,
    content: Arc<Content>,
    /// Empty between two calls; kept for its memory.
    pub(crate) out: Outbox<Action>,
    /// Buffers of words that have arrived.
    pub(crate) spare: Vec<Vec<u8>>,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) tracker: Option<Tracker>,
    pub(crate) trace: Trace,
    pub(crate) watch: Watch,
    pub(crate) readers: Vec<Reader>,
    events: u64,
    /// Hosts of which something is expected still.
    pub(crate) waiting: usize,
}

/// How a host stands.
#[derive(Clone, Debug)]
pub struct Report {
    /// When everything was there, if it is.
    pub completed: Option<Duration>,
    /// The engine's own words.
    pub status: Option<Status>,
    /// Everything it told, with the time.
    pub notices: Vec<(Duration, Notice)>,
    /// Requests that it rejected because of its [`crate::Manners`].
    pub refused: u64,
}

impl World {
    /// An empty world for a torrent of this shape.
    #[must_use]
    pub fn new(seed: u64, layout: Layout) -> Self {
        Self::with(seed, layout, Fidelity::Symbols)
    }

    /// An empty world whose bytes are as true as this.
    #[must_use]
    pub fn with(seed: u64, layout: Layout, fidelity: Fidelity) -> Self {
        Self::with_chance(Chance::from_seed(seed), layout, fidelity)
    }

    /// An empty world that draws from here.
    #[must_use]
    pub fn with_chance(chance: Chance, layout: Layout, fidelity: Fidelity) -> Self {
        let layout = Arc::new(layout);
        let metadata: Arc<[u8]> = (0..METADATA_BYTES).map(|at| (at / 7) as u8).collect();
        Self {
            info_hash: info_hash(&metadata),
            metadata,
            private: false,
            now: Time::START,
            queue: Queue::default(),
            hosts: Vec::new(),
            content: Arc::new(Content::new(layout.clone(), fidelity)),
            layout,
            out: Outbox::new(),
            spare: Vec::new(),
            chance,
            faults: Faults::default(),
            cuts: Vec::new(),
            tracker: None,
            trace: Trace::default(),
            watch: Watch::default(),
            readers: Vec::new(),
            events: 0,
            waiting: 0,
        }
    }

    /// Adds a host; it joins the swarm at its time and hears then of others.
    pub fn host(&mut self, setup: Setup) -> usize {
        let number = self.hosts.len();
        let chance = self.chance.fork_indexed("host", number as u64);
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 6881));
        let joins = Time::START.after(setup.joins);
        self.hosts.push(Host::new(setup, address, &self.content, chance));
        self.recount();
        self.at(joins, Delivery::Join { host: number });
        number
    }

    /// Takes a host away at a moment: its links break.
    pub fn leaves(&mut self, host: usize, at: Duration) {
        self.at(Time::START.after(at), Delivery::Leave { host });
    }

    /// From now on, which has to be its beginning, writes down what the engine of a host is told.
    ///
    /// # Panics
    /// When the engine was told something already.
    pub fn record(&mut self, host: usize) {
        assert!(self.hosts[host].torrent.is_none(), "the host has joined already");
        self.hosts[host].record();
    }

    /// The event log of a host that is recorded, as far as it is: see [`crate::Replay`].
    pub fn recorded(&mut self, host: usize) -> Vec<u8> {
        self.hosts[host].log.as_mut().map(Writer::take).unwrap_or_default()
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now.since(Time::START)
    }

    /// Deliveries so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How a host stands.
    #[must_use]
    pub fn report(&self, host: usize) -> Report {
        let host = &self.hosts[host];
        let since = |at: Time| at.since(Time::START);
        Report {
            completed: host.completed.map(since),
            status: host.torrent.and_then(|torrent| host.engine.status(torrent)),
            notices: host.notices.iter().map(|(at, n)| (since(*at), n.clone())).collect(),
            refused: host.refused,
        }
    }

    /// Why the torrent of a host is no faster.
    #[must_use]
    pub fn why(&self, host: usize) -> Option<Reason> {
        let machine = &self.hosts[host];
        machine.engine.why(machine.clock.read(self.now), machine.torrent?)
    }

    /// How many of these hosts have each piece.
    #[must_use]
    pub fn copies(&self, hosts: &[usize]) -> Vec<u32> {
        let mut copies = vec![0; self.layout.pieces() as usize];
        for &host in hosts {
            let host = &self.hosts[host];
            let have = host.have();
            have.iter().flat_map(|have| have.iter()).for_each(|piece| copies[piece as usize] += 1);
        }
        copies
    }

    /// The address of a host.
    #[must_use]
    pub fn address(&self, host: usize) -> SocketAddr {
        self.hosts[host].address
    }

    /// Runs until every host has everything, or until `limit`. Says whether all have.
    pub fn run(&mut self, limit: Duration) -> bool {
        let limit = Time::START.after(limit);
        while self.waiting > 0 {
            if !self.step(limit) {
                return false;
            }
        }
        self.watch_all();
        true
    }

    /// Runs until a moment.
    pub fn run_until(&mut self, moment: Duration) {
        let limit = Time::START.after(moment);
        while self.step(limit) {}
        self.now = self.now.max(limit);
        self.watch_all();
    }

    /// One delivery; false when there is none before the limit.
    pub(crate) fn step(&mut self, limit: Time) -> bool {
        let Some((at, delivery)) = self.queue.pop(limit) else { return false };
        assert!(at >= self.now, "time goes on");
        self.now = at;
        // A process that is paused does everything afterwards.
        if let Some(host) = delivery.process()
            && self.hosts[host].paused_until > at
        {
            self.put_off(host, delivery);
            return true;
        }
        self.events += 1;
        self.trace.mix(at.as_nanos());
        self.trace.mix(delivery.mark());
        self.deliver(delivery);
        true
    }

    /// A paused process does this when it goes on.
    fn put_off(&mut self, host: usize, delivery: Delivery) {
        let machine = &mut self.hosts[host];
        let until = machine.paused_until;
        match delivery {
            Delivery::Wake { .. } => machine.wake_at = Some(until),
            Delivery::Watch { .. } => {
                machine.client.iter_mut().for_each(|client| client.wake_at = Some(until));
            }
            _ => {}
        }
        self.at(until, delivery);
    }

    /// A wait of at most so long; without a draw when there is none.
    pub(crate) fn wait(&mut self, most: Duration) -> Duration {
        if most.is_zero() { most } else { self.chance.wait(most) }
    }

    pub(crate) fn at(&mut self, time: Time, delivery: Delivery) {
        self.queue.push(time, delivery);
    }

    pub(crate) fn after(&mut self, wait: Duration, delivery: Delivery) {
        self.at(self.now.after(wait), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Join { host } => self.join(host),
            Delivery::Leave { host } => self.leave(host),
            Delivery::Wake { host } => self.wake(host),
            Delivery::Connect { from, life, dial, to } => {
                if self.hosts[from].life == life && !self.hosts[from].down {
                    self.connect(from, dial, to);
                }
            }
            Delivery::Unanswered { host, life, dial } => {
                if self.hosts[host].life == life {
                    self.tell(host, Event::DialFailed(dial, DialError::TimedOut));
                }
            }
            Delivery::Line { host, sent } => self.line(host, sent),
            Delivery::Arrive { host, link } => self.arrive(host, link),
            Delivery::Break { host, link, silent } => self.break_link(host, link, silent),
            Delivery::Done { host, life, lane } => {
                if self.hosts[host].life == life {
                    self.over(host, lane);
                }
            }
            Delivery::Fact { host } => self.hear_facts(host),
            Delivery::Wish { host } => self.fulfil(host),
            Delivery::Hear { host, source, peers } => {
                if let Some(torrent) = self.hosts[host].torrent {
                    self.tell(host, Event::Peers(torrent, source, peers.into()));
                }
            }
            Delivery::Watch { host } => self.watch_announcer(host),
            Delivery::Told { host, life, told } => {
                if self.hosts[host].life == life {
                    self.told_by_tracker(host, *told);
                }
            }
            Delivery::Mishap(mishap) => self.befall(*mishap),
            Delivery::Crash { host, crash } => self.crash_by_chance(host, crash),
            Delivery::Restart { host } => self.restart(host),
            Delivery::Start { host } => self.command(host, Command::Start),
            Delivery::Take { reader } => self.take_read(reader),
            Delivery::Turn { reader, to } => self.turn(reader, to),
            Delivery::Close { reader } => self.close_reader(reader),
        }
    }

    fn join(&mut self, host: usize) {
        if self.hosts[host].gone || !std::mem::take(&mut self.hosts[host].down) {
            return;
        }
        self.log(host, "join", String::new);
        let command = if self.hosts[host].setup.magnet {
            Command::Seek(Seek { ticket: 1, info_hash: self.info_hash, paused: false })
        } else {
            Command::Add(self.torrent(host))
        };
        self.tell(host, command.into());
        if self.tracker.is_some() {
            return;
        }
        // What a tracker would tell: some that are there, ourselves included.
        let there = |other: &&Host| other.torrent.is_some() && !other.gone;
        let mut peers: Vec<SocketAddr> =
            self.hosts.iter().filter(there).map(|other| other.address).collect();
        let machine = &mut self.hosts[host];
        if peers.len() > machine.setup.known {
            machine.chance.shuffle(&mut peers);
            peers.truncate(machine.setup.known);
        }
        let (source, peers) = (PeerSource::Tracker, peers.into());
        self.after(Duration::from_millis(50), Delivery::Hear { host, source, peers });
    }

    /// The torrent, as a host adds it, or loads it again.
    pub(crate) fn torrent(&self, host: usize) -> AddTorrent {
        let mut priorities = self.hosts[host].setup.priorities.clone();
        priorities.resize(self.layout.files().len(), Priority::Normal);
        AddTorrent {
            ticket: 1,
            info_hash: self.info_hash,
            layout: self.layout.clone(),
            private: self.private,
            metadata_size: Some(self.metadata.len() as u32),
            priorities,
            policy: self.hosts[host].setup.policy,
            adopt: false,
            rates: Rates::default(),
            paused: false,
            rests: self.hosts[host].setup.rests,
            memory: self.hosts[host].disk.recall(),
        }
    }

    /// From now on the torrent is private (BEP 27).
    pub fn set_private(&mut self) {
        self.private = true;
    }

    /// Tells a host of others, as from there.
    pub fn hears(&mut self, host: usize, source: PeerSource, peers: &[SocketAddr], at: Duration) {
        let hear = Delivery::Hear { host, source, peers: peers.into() };
        self.at(Time::START.after(at), hear);
    }

    pub(crate) fn leave(&mut self, host: usize) {
        self.log(host, "leave", String::new);
        let machine = &mut self.hosts[host];
        (machine.gone, machine.client) = (true, None);
        let links: Vec<_> = machine.links.iter().map(|(link, _)| link).collect();
        for link in links {
            self.drop_link(host, link);
        }
        self.recount();
    }

    /// Counts of whom something is expected still.
    pub(crate) fn recount(&mut self) {
        self.waiting = self.hosts.iter().filter(|host| !host.is_through()).count();
    }

    /// The host that lives there.
    pub(crate) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        self.host_at_ip(address.ip()).filter(|&host| self.hosts[host].address == address)
    }

    pub(crate) fn host_at_ip(&self, ip: IpAddr) -> Option<usize> {
        let IpAddr::V4(ip) = ip else { return None };
        let [10, 0, high, low] = ip.octets() else { return None };
        let number = usize::from(high) << 8 | usize::from(low);
        (number < self.hosts.len()).then_some(number)
    }
}
