//! The world: one queue of deliveries, one clock that jumps, hosts that know only each other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Bitset, Machine as _, Outbox, Time};
use toubkal_core::engine::{
    Action, AddTorrent, Command, Config, Done, Engine, Event, JobId, Notice, PeerSource, Priority,
    Rates, Status,
};
use toubkal_wire::layout::{Block, Layout};

use crate::chance::Chance;
use crate::disk::Tag;
use crate::host::{Host, Setup};
use crate::manners::Manners;
use crate::network::time_for;
use crate::queue::{Delivery, Queue};

/// Bytes a second that a simulated disk takes.
const DISK_RATE: u64 = 400_000_000;
const INFO_HASH: [u8; 20] = [7; 20];

/// A swarm of one torrent in virtual time.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Time,
    queue: Queue,
    pub(crate) hosts: Vec<Host>,
    pub(crate) layout: Arc<Layout>,
    /// Empty between two calls; kept for its memory.
    out: Outbox<Action>,
    /// Buffers of words that have arrived.
    pub(crate) spare: Vec<Vec<u8>>,
    chance: Chance,
    events: u64,
    /// Hosts of which something is expected still.
    waiting: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Open,
    Write(Block, Tag),
    Verify(u32),
    Digest(u32),
    Nothing,
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
    /// Requests that it rejected because of its [`Manners`].
    pub refused: u64,
}

impl World {
    /// An empty world for a torrent of this shape.
    #[must_use]
    pub fn new(seed: u64, layout: Layout) -> Self {
        Self::with_chance(Chance::from_seed(seed), layout)
    }

    /// An empty world that draws from here.
    #[must_use]
    pub fn with_chance(chance: Chance, layout: Layout) -> Self {
        Self {
            now: Time::START,
            queue: Queue::default(),
            hosts: Vec::new(),
            layout: Arc::new(layout),
            out: Outbox::new(),
            spare: Vec::new(),
            chance,
            events: 0,
            waiting: 0,
        }
    }

    /// Adds a host; it joins the swarm at its time and hears then of others.
    pub fn host(&mut self, setup: Setup) -> usize {
        let number = self.hosts.len();
        let chance = self.chance.fork_indexed("host", number as u64);
        let mut peer_id = *b"-TK0100-000000000000";
        chance.rng().fork("peer id").fill(&mut peer_id[8..]);
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 6881));
        let slots = if setup.manners == Manners::Takes { 0 } else { setup.slots };
        let config = Config {
            peer_id,
            port: 6881,
            slots,
            links_max: setup.links,
            rates: setup.rates,
            ..Config::default()
        };
        let engine = Engine::new(config, &chance.rng().fork("engine"));
        let joins = Time::START.after(setup.joins);
        self.hosts.push(Host::new(setup, address, engine, &self.layout, chance));
        self.waiting += 1;
        self.at(joins, Delivery::Join { host: number });
        number
    }

    /// Takes a host away at a moment: its links break.
    pub fn leaves(&mut self, host: usize, at: Duration) {
        self.at(Time::START.after(at), Delivery::Leave { host });
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

    /// How many of these hosts have each piece.
    #[must_use]
    pub fn copies(&self, hosts: &[usize]) -> Vec<u32> {
        let mut copies = vec![0; self.layout.pieces() as usize];
        for &host in hosts {
            let host = &self.hosts[host];
            let have = host.torrent.and_then(|torrent| host.engine.have(torrent));
            have.into_iter().flat_map(Bitset::iter).for_each(|piece| copies[piece as usize] += 1);
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
        self.check();
        true
    }

    /// Runs until a moment.
    pub fn run_until(&mut self, moment: Duration) {
        let limit = Time::START.after(moment);
        while self.step(limit) {}
        self.now = self.now.max(limit);
        self.check();
    }

    /// One delivery; false when there is none before the limit.
    fn step(&mut self, limit: Time) -> bool {
        let Some((at, delivery)) = self.queue.pop(limit) else { return false };
        assert!(at >= self.now, "time goes on");
        self.now = at;
        self.events += 1;
        self.deliver(delivery);
        true
    }

    /// What no engine may ever claim or lose.
    fn check(&self) {
        for (number, host) in self.hosts.iter().enumerate() {
            let Some(have) = host.torrent.and_then(|torrent| host.engine.have(torrent)) else {
                continue;
            };
            for piece in have.iter() {
                assert!(host.disk.is_right(piece), "host {number} claims piece {piece}");
            }
            let writing = host.jobs.len();
            assert!(host.payloads.is_empty() || writing > 0, "host {number} keeps a payload");
        }
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
            Delivery::Connect { from, dial, to } => self.connect(from, dial, to),
            Delivery::Line { host, sent } => self.line(host, sent),
            Delivery::Arrive { host, link } => self.arrive(host, link),
            Delivery::Job { host, job, work } => self.work(host, job, work),
            Delivery::Fact { host } => self.hear_facts(host),
            Delivery::Hear { host, peers } => {
                if let Some(torrent) = self.hosts[host].torrent {
                    self.tell(host, Event::Peers(torrent, PeerSource::Tracker, peers.into()));
                }
            }
        }
    }

    fn join(&mut self, host: usize) {
        let mut priorities = self.hosts[host].setup.priorities.clone();
        priorities.resize(self.layout.files().len(), Priority::Normal);
        let add = AddTorrent {
            ticket: 1,
            info_hash: INFO_HASH,
            layout: self.layout.clone(),
            private: false,
            priorities,
            sequential: self.hosts[host].setup.sequential,
            adopt: false,
            rates: Rates::default(),
            memory: None,
        };
        self.tell(host, Command::Add(add).into());
        // What a tracker would tell: some that are there, ourselves included.
        let there = |other: &&Host| other.torrent.is_some() && !other.gone;
        let mut peers: Vec<SocketAddr> =
            self.hosts.iter().filter(there).map(|other| other.address).collect();
        let machine = &mut self.hosts[host];
        if peers.len() > machine.setup.known {
            machine.chance.shuffle(&mut peers);
            peers.truncate(machine.setup.known);
        }
        self.after(Duration::from_millis(50), Delivery::Hear { host, peers: peers.into() });
    }

    fn leave(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        self.waiting -= usize::from(!machine.is_through());
        machine.gone = true;
        let links: Vec<_> = machine.links.iter().map(|(link, _)| link).collect();
        for link in links {
            self.drop_link(host, link);
        }
    }

    /// Keeps what an engine has to say.
    pub(crate) fn note(&mut self, host: usize, notice: Notice) {
        let machine = &mut self.hosts[host];
        match notice {
            Notice::Added { torrent, .. } => machine.torrent = Some(torrent),
            Notice::Completed { .. } if machine.completed.is_none() => {
                self.waiting -= usize::from(!machine.is_through());
                machine.completed = Some(self.now);
            }
            _ => {}
        }
        machine.notices.push((self.now, notice));
    }

    fn wake(&mut self, host: usize) {
        if self.hosts[host].wake_at != Some(self.now) || self.hosts[host].gone {
            return;
        }
        self.hosts[host].wake_at = None;
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].engine.advance(self.now, &mut out);
        self.carry_out(host, out);
    }

    /// Tells an engine a fact and does what it wants done.
    pub(crate) fn tell(&mut self, host: usize, event: Event) {
        if self.hosts[host].gone {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].engine.handle(self.now, event, &mut out);
        self.carry_out(host, out);
    }

    fn carry_out(&mut self, host: usize, mut out: Outbox<Action>) {
        for action in out.drain() {
            self.act(host, action);
        }
        self.out = out;
        let machine = &mut self.hosts[host];
        if let Some((at, _)) = machine.engine.deadline() {
            let at = at.max(self.now);
            if machine.wake_at.is_none_or(|set| at < set || set < self.now) {
                machine.wake_at = Some(at);
                self.at(at, Delivery::Wake { host });
            }
        }
    }

    /// For what follows from an action while its batch is still being carried out.
    pub(crate) fn tell_later(&mut self, host: usize, event: Event) {
        let at = self.hosts[host].facts.push(self.now, event);
        self.at(at, Delivery::Fact { host });
    }

    fn hear_facts(&mut self, host: usize) {
        while let Some(event) = self.hosts[host].facts.pop(self.now) {
            self.tell(host, event);
        }
    }

    /// Queues work for the disk: one thing after the other, a tenth of a millisecond and the time
    /// of the bytes each.
    pub(crate) fn start(&mut self, host: usize, job: JobId, work: Work, bytes: u32) {
        let cost = Duration::from_micros(100) + time_for(u64::from(bytes), DISK_RATE);
        let machine = &mut self.hosts[host];
        machine.disk_free = machine.disk_free.max(self.now).after(cost);
        let free = machine.disk_free;
        assert!(machine.jobs.insert(job, ()).is_none(), "{job:?} was given before");
        self.at(free, Delivery::Job { host, job, work });
    }

    fn work(&mut self, host: usize, job: JobId, work: Work) {
        let machine = &mut self.hosts[host];
        machine.jobs.remove(&job);
        let done = match work {
            Work::Open => machine.disk.open(),
            Work::Write(block, tag) => {
                machine.disk.write(block, tag);
                Done::Stored
            }
            Work::Verify(piece) => machine.disk.verify(piece),
            Work::Digest(piece) => Done::Digests(machine.disk.digests(piece)),
            Work::Nothing => Done::Ready,
        };
        self.tell(host, Event::Job(job, Ok(done)));
    }

    /// The host that lives there.
    pub(crate) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [_, _, high, low] = ip.octets();
        let number = usize::from(high) << 8 | usize::from(low);
        self.hosts.get(number).filter(|host| host.address == address).map(|_| number)
    }
}
