//! The world: one queue of deliveries, one clock that jumps, hosts that know only each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::engine::{
    Action, AddTorrent, CloseReason, Command, Config, DialError, DialId, Done, Engine, Event,
    JobId, LinkEvent, LinkId, Notice, PeerSource, Priority, Served, Status,
};
use toubkal_core::link::Link;
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::{self, Message};

use crate::disk::Tag;
use crate::host::{End, Host, Manners, Setup, SimLink};
use crate::network::{Item, time_for};

/// Bytes a second that a simulated disk takes.
const DISK_RATE: u64 = 400_000_000;
const INFO_HASH: [u8; 20] = [7; 20];

/// A swarm of one torrent in virtual time.
#[derive(Debug)]
pub struct World {
    now: Time,
    queue: BTreeMap<(Time, u64), Delivery>,
    sequence: u64,
    pub(crate) hosts: Vec<Host>,
    layout: Arc<Layout>,
    out: Outbox<Action>,
    rng: Rng,
    events: u64,
}

#[derive(Debug)]
enum Delivery {
    Join {
        host: usize,
    },
    Leave {
        host: usize,
    },
    Wake {
        host: usize,
    },
    /// A connection comes about.
    Connect {
        from: usize,
        dial: DialId,
        to: SocketAddr,
    },
    /// The host's line is free for the next item.
    Line {
        host: usize,
        sent: Option<(LinkId, Block)>,
    },
    Arrive {
        host: usize,
        link: LinkId,
        item: Item,
    },
    /// The other end closed.
    Hangup {
        host: usize,
        link: LinkId,
    },
    Job {
        host: usize,
        job: JobId,
        work: Work,
    },
    Hear {
        host: usize,
        peers: Vec<SocketAddr>,
    },
    /// What follows from an action of the host itself.
    Echo {
        host: usize,
        link: LinkId,
        event: LinkEvent,
    },
}

#[derive(Clone, Copy, Debug)]
enum Work {
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
        Self {
            now: Time::START,
            queue: BTreeMap::new(),
            sequence: 0,
            hosts: Vec::new(),
            layout: Arc::new(layout),
            out: Outbox::new(),
            rng: Rng::from_number(seed),
            events: 0,
        }
    }

    /// Adds a host; it joins the swarm at its time and hears then of all the others.
    pub fn host(&mut self, setup: Setup) -> usize {
        let number = self.hosts.len();
        let rng = self.rng.fork_indexed("host", number as u64);
        let mut peer_id = *b"-TK0100-000000000000";
        rng.fork("peer id").fill(&mut peer_id[8..]);
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 6881));
        let slots = if setup.manners == Manners::Takes { 0 } else { setup.slots };
        let config = Config { peer_id, port: 6881, slots, rates: setup.rates, ..Config::default() };
        let engine = Engine::new(config, &rng.fork("engine"));
        let joins = Time::START.after(setup.joins);
        self.hosts.push(Host::new(setup, address, engine, &self.layout, rng));
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
            completed: host.completed_at().map(since),
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
            have.into_iter()
                .flat_map(toubkal_core::base::Bitset::iter)
                .for_each(|piece| copies[piece as usize] += 1);
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
        while !self.all_done() {
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

    fn all_done(&self) -> bool {
        self.hosts.iter().all(|host| host.gone || host.completed_at().is_some())
    }

    /// One delivery; false when there is none before the limit.
    fn step(&mut self, limit: Time) -> bool {
        let Some(entry) = self.queue.first_entry() else { return false };
        if entry.key().0 > limit {
            return false;
        }
        let ((at, _), delivery) = entry.remove_entry();
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

    fn at(&mut self, time: Time, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), delivery);
    }

    fn after(&mut self, wait: Duration, delivery: Delivery) {
        self.at(self.now.after(wait), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Join { host } => self.join(host),
            Delivery::Leave { host } => self.leave(host),
            Delivery::Wake { host } => self.wake(host),
            Delivery::Connect { from, dial, to } => self.connect(from, dial, to),
            Delivery::Line { host, sent } => self.line(host, sent),
            Delivery::Arrive { host, link, item } => self.arrive(host, link, &item),
            Delivery::Hangup { host, link } => self.hangup(host, link, CloseReason::ByPeer),
            Delivery::Job { host, job, work } => self.work(host, job, work),
            Delivery::Echo { host, link, event } => self.tell_link(host, link, event),
            Delivery::Hear { host, peers } => {
                if let Some(torrent) = self.hosts[host].torrent {
                    self.tell(host, Event::Peers(torrent, PeerSource::Tracker, peers));
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
            rates: toubkal_core::engine::Rates::default(),
            paused: false,
            memory: None,
        };
        self.tell(host, Command::Add(add).into());
        // What a tracker would tell: all that are there, ourselves included.
        let there = |other: &&Host| other.torrent.is_some() && !other.gone;
        let peers: Vec<_> = self.hosts.iter().filter(there).map(|other| other.address).collect();
        self.after(Duration::from_millis(50), Delivery::Hear { host, peers });
    }

    fn leave(&mut self, host: usize) {
        self.hosts[host].gone = true;
        let links: Vec<LinkId> = self.hosts[host].links.iter().map(|(link, _)| link).collect();
        for link in links {
            self.drop_link(host, link);
        }
    }

    fn wake(&mut self, host: usize) {
        if self.hosts[host].wake_at != Some(self.now) || self.hosts[host].gone {
            return;
        }
        self.hosts[host].wake_at = None;
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].engine.advance(self.now, &mut out);
        self.carry_out(host, &mut out);
        self.out = out;
    }

    /// Tells an engine a fact and does what it wants done.
    fn tell(&mut self, host: usize, event: Event) {
        if self.hosts[host].gone {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].engine.handle(self.now, event, &mut out);
        self.carry_out(host, &mut out);
        self.out = out;
    }

    fn carry_out(&mut self, host: usize, out: &mut Outbox<Action>) {
        let actions: Vec<Action> = out.drain().collect();
        for action in actions {
            self.act(host, action);
        }
        let deadline = self.hosts[host].engine.deadline().map(|(at, _)| at.max(self.now));
        if let Some(at) = deadline
            && self.hosts[host].wake_at.is_none_or(|set| at < set || set < self.now)
        {
            self.hosts[host].wake_at = Some(at);
            self.at(at, Delivery::Wake { host });
        }
    }

    fn act(&mut self, host: usize, action: Action) {
        match action {
            Action::Admit { torrent, terms } => self.hosts[host].terms = Some((torrent, terms)),
            Action::Retire { .. } => self.hosts[host].terms = None,
            Action::Dial { dial, remote, .. } => {
                let wait = 2 * (self.hosts[host].setup.latency + Duration::from_millis(1));
                self.after(wait, Delivery::Connect { from: host, dial, to: remote });
            }
            Action::Send { link, message } => self.send(host, link, &message),
            Action::Serve { link, block, .. } => self.serve(host, link, block),
            Action::Unserve { link, block } => {
                if self.hosts[host].uplink.withdraw(link, block) {
                    let event = LinkEvent::Served { block, outcome: Served::Withdrawn };
                    self.tell_later(host, link, event);
                }
            }
            Action::Close { link, reason } => self.close(host, link, reason),
            Action::Open { job, .. } => self.start(host, job, Work::Open, 0),
            Action::Store { job, block, payload, .. } => {
                let tag = self.hosts[host].release(&payload);
                self.start(host, job, Work::Write(block, tag), block.length);
            }
            Action::Discard { payload } => _ = self.hosts[host].release(&payload),
            Action::Verify { job, piece, hashed, .. } => {
                let rest = self.layout.piece_size(piece) - hashed;
                self.start(host, job, Work::Verify(piece), rest);
            }
            Action::Digest { job, piece, .. } => {
                let size = self.layout.piece_size(piece);
                self.start(host, job, Work::Digest(piece), size);
            }
            Action::Reclaim { job, .. }
            | Action::Finish { job, .. }
            | Action::Sync { job, .. }
            | Action::Record { job, .. } => {
                self.start(host, job, Work::Nothing, 0);
            }
            Action::Release { .. } => {}
            Action::Notify(notice) => {
                if let Notice::Added { torrent, .. } = notice {
                    self.hosts[host].torrent = Some(torrent);
                }
                let now = self.now;
                self.hosts[host].notices.push((now, notice));
            }
        }
    }

    /// Queues work for the disk: one thing after the other, a tenth of a millisecond and the time
    /// of the bytes each.
    fn start(&mut self, host: usize, job: JobId, work: Work, bytes: u32) {
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

    fn connect(&mut self, from: usize, dial: DialId, to: SocketAddr) {
        let there = |host: &Host| host.address == to && host.terms.is_some() && !host.gone;
        let Some(to) = self.hosts.iter().position(there) else {
            return self.tell(from, Event::DialFailed(dial, DialError::Refused));
        };
        let (near, far) = (self.hosts[from].address, self.hosts[to].address);
        // The caller's port is of no use for calling back.
        let caller = SocketAddr::new(near.ip(), 40_000 + (dial.0 % 20_000) as u16);
        let ours = self.hosts[from].links.insert(sim_link(true));
        let theirs = self.hosts[to].links.insert(sim_link(false));
        let end = |host, link| Some(End { host, link });
        self.link(from, ours).expect("just made").peer = end(to, theirs);
        self.link(to, theirs).expect("just made").peer = end(from, ours);
        self.tell_link(to, theirs, LinkEvent::Opened { dial: None, remote: caller });
        self.tell_link(from, ours, LinkEvent::Opened { dial: Some(dial), remote: far });
        self.shake(from, ours);
    }

    /// Sends our handshake.
    pub(crate) fn shake(&mut self, host: usize, link: LinkId) {
        let machine = &self.hosts[host];
        let Some((_, terms)) = &machine.terms else { return };
        let mut reserved = Reserved::OURS;
        if machine.setup.manners == Manners::Plain {
            reserved.0[7] &= !4;
        }
        let greeting = Greeting { reserved, info_hash: terms.info_hash };
        let bytes = greeting.encode(&terms.peer_id).to_vec();
        self.transmit(host, link, Item::control(bytes));
    }

    fn send(&mut self, host: usize, link: LinkId, message: &Message) {
        let manners = self.hosts[host].setup.manners;
        let boast = manners == Manners::Boasts
            && matches!(message, Message::HaveNone | Message::Bitfield(_));
        self.say(host, link, if boast { &Message::HaveAll } else { message });
        for _ in 0..if manners == Manners::Floods { 3 } else { 0 } {
            let (rng, layout) = (&mut self.hosts[host].rng, &self.layout);
            let piece = rng.below(u64::from(layout.pieces())) as u32;
            let index = rng.below(u64::from(layout.blocks(piece))) as u32;
            let message = Message::Request(layout.block(piece, index));
            self.say(host, link, &message);
        }
    }

    fn say(&mut self, host: usize, link: LinkId, message: &Message) {
        let mut bytes = Vec::new();
        message::encode(message, &mut bytes);
        self.transmit(host, link, Item::control(bytes));
    }

    fn serve(&mut self, host: usize, link: LinkId, block: Block) {
        let machine = &mut self.hosts[host];
        let tag = machine.disk.read(block).expect("only what is there is served");
        let tag = match machine.setup.manners {
            Manners::Corrupts(times) if machine.rng.one_in(times) => {
                1 + machine.rng.below(1 << 30) as u32
            }
            Manners::Silent => return,
            Manners::Rejects => {
                machine.refused += 1;
                let event = LinkEvent::Served { block, outcome: Served::Withdrawn };
                return self.tell_later(host, link, event);
            }
            _ => tag,
        };
        if self.hosts[host].setup.manners == Manners::Flaps {
            self.say(host, link, &Message::Choke);
            self.say(host, link, &Message::Unchoke);
        }
        let bytes = message::piece_head(block).to_vec();
        self.transmit(host, link, Item { bytes, body: Some((block, tag)) });
    }

    fn transmit(&mut self, host: usize, link: LinkId, item: Item) {
        if self.hosts[host].links.get(link).is_none() {
            return;
        }
        self.hosts[host].uplink.push(link, item);
        if !self.hosts[host].uplink.busy {
            self.hosts[host].uplink.busy = true;
            self.at(self.now, Delivery::Line { host, sent: None });
        }
    }

    /// The line is free: what it carried is through, the next item goes.
    fn line(&mut self, host: usize, sent: Option<(LinkId, Block)>) {
        if let Some((link, block)) = sent {
            self.tell_link(host, link, LinkEvent::Served { block, outcome: Served::Sent });
        }
        let machine = &mut self.hosts[host];
        let Some((link, item)) = machine.uplink.pop() else {
            machine.uplink.busy = false;
            return;
        };
        let through = self.now.after(time_for(item.size(), machine.setup.up));
        let latency = machine.setup.latency;
        let block = item.body.map(|(block, _)| (link, block));
        self.at(through, Delivery::Line { host, sent: block });
        let Some(SimLink { peer: Some(end), .. }) = self.hosts[host].links.get(link) else {
            return;
        };
        let (to, far) = (end.host, end.link);
        let other = &mut self.hosts[to];
        let door = through.after(latency + other.setup.latency).max(other.downlink_free);
        other.downlink_free = door.after(time_for(item.size(), other.setup.down));
        let arrival = other.downlink_free;
        self.at(arrival, Delivery::Arrive { host: to, link: far, item });
    }

    /// We close a link: the other end hears of it later, we at once.
    pub(crate) fn close(&mut self, host: usize, link: LinkId, reason: CloseReason) {
        if self.drop_link(host, link) {
            self.tell_later(host, link, LinkEvent::Closed(reason));
        }
    }

    /// A link breaks off; the other end notices after a while.
    fn drop_link(&mut self, host: usize, link: LinkId) -> bool {
        let Some(sim) = self.hosts[host].links.remove(link) else { return false };
        for block in self.hosts[host].uplink.forget(link) {
            let event = LinkEvent::Served { block, outcome: Served::Withdrawn };
            self.tell_later(host, link, event);
        }
        if let Some(End { host: other, link: far }) = sim.peer {
            let latency = self.hosts[host].setup.latency + self.hosts[other].setup.latency;
            // What was sent before arrives before.
            let after = self.now.after(latency).max(self.hosts[other].downlink_free);
            self.at(after, Delivery::Hangup { host: other, link: far });
        }
        true
    }

    fn hangup(&mut self, host: usize, link: LinkId, reason: CloseReason) {
        if self.hosts[host].links.remove(link).is_some() {
            for block in self.hosts[host].uplink.forget(link) {
                let outcome = Served::Withdrawn;
                self.tell_link(host, link, LinkEvent::Served { block, outcome });
            }
            self.tell_link(host, link, LinkEvent::Closed(reason));
        }
    }

    pub(crate) fn tell_link(&mut self, host: usize, link: LinkId, event: LinkEvent) {
        self.tell(host, Event::Link(link, event));
    }

    /// For what follows from an action while its batch is still being carried out.
    fn tell_later(&mut self, host: usize, link: LinkId, event: LinkEvent) {
        self.at(self.now, Delivery::Echo { host, link, event });
    }

    pub(crate) fn link(&mut self, host: usize, link: LinkId) -> Option<&mut SimLink> {
        self.hosts[host].links.get_mut(link)
    }
}

fn sim_link(outgoing: bool) -> SimLink {
    SimLink {
        peer: None,
        codec: Link::new(),
        inbox: Vec::new(),
        outgoing,
        torrent: None,
        greeting: None,
    }
}
