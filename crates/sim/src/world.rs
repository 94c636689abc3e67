//! The world: one queue of deliveries, one clock that jumps, hosts that know only each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::engine::{
    Action, AddTorrent, CloseReason, Command, DialError, DialId, Event, JobId, LinkEvent, LinkId,
    Notice, PeerSource, Priority, Served, Status,
};
use toubkal_core::link::Link;
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::{self, Message};

use crate::disk::{Content, Crash, Fidelity, Op};
use crate::host::{End, Host, Manners, Setup, SimLink};
use crate::lives::new_engine;
use crate::network::{Item, time_for};
use crate::store::{Lane, Whose};

const INFO_HASH: [u8; 20] = [7; 20];

/// A swarm of one torrent in virtual time.
#[derive(Debug)]
pub struct World {
    pub(crate) now: Time,
    queue: BTreeMap<(Time, u64), Delivery>,
    pub(crate) sequence: u64,
    pub(crate) hosts: Vec<Host>,
    layout: Arc<Layout>,
    content: Arc<Content>,
    out: Outbox<Action>,
    rng: Rng,
    events: u64,
}

#[derive(Debug)]
pub(crate) enum Delivery {
    Join {
        host: usize,
    },
    Leave {
        host: usize,
    },
    Crash {
        host: usize,
        crash: Crash,
    },
    Restart {
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
    /// What a lane of the host's store was at is over.
    Done {
        host: usize,
        lane: Lane,
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

impl Delivery {
    /// The host to whose program this goes, which it does not survive.
    fn of(&self) -> Option<usize> {
        match self {
            Self::Join { .. } | Self::Leave { .. } | Self::Crash { .. } | Self::Restart { .. } => {
                None
            }
            Self::Wake { host }
            | Self::Connect { from: host, .. }
            | Self::Line { host, .. }
            | Self::Arrive { host, .. }
            | Self::Hangup { host, .. }
            | Self::Done { host, .. }
            | Self::Hear { host, .. }
            | Self::Echo { host, .. } => Some(*host),
        }
    }
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
        Self::with(seed, layout, Fidelity::Symbols)
    }

    /// An empty world whose bytes are as true as this.
    #[must_use]
    pub fn with(seed: u64, layout: Layout, fidelity: Fidelity) -> Self {
        let layout = Arc::new(layout);
        Self {
            now: Time::START,
            queue: BTreeMap::new(),
            sequence: 0,
            hosts: Vec::new(),
            content: Arc::new(Content::new(layout.clone(), fidelity)),
            layout,
            out: Outbox::new(),
            rng: Rng::from_number(seed),
            events: 0,
        }
    }

    /// Adds a host; it joins the swarm at its time and hears then of all the others.
    pub fn host(&mut self, setup: Setup) -> usize {
        let number = self.hosts.len();
        let rng = self.rng.fork_indexed("host", number as u64);
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 6881));
        let engine = new_engine(&setup, &rng, 0);
        let joins = Time::START.after(setup.joins);
        self.hosts.push(Host::new(setup, address, engine, &self.content, rng));
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
    pub(crate) fn step(&mut self, limit: Time) -> bool {
        let Some(entry) = self.queue.first_entry() else { return false };
        if entry.key().0 > limit {
            return false;
        }
        let ((at, sequence), delivery) = entry.remove_entry();
        assert!(at >= self.now, "time goes on");
        self.now = at;
        if delivery.of().is_some_and(|host| sequence < self.hosts[host].born) {
            return true;
        }
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
        self.sequence += 1;
        self.queue.insert((time, self.sequence), delivery);
    }

    pub(crate) fn after(&mut self, wait: Duration, delivery: Delivery) {
        self.at(self.now.after(wait), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Join { host } => self.join(host),
            Delivery::Leave { host } => self.leave(host),
            Delivery::Crash { host, crash } => self.crash_by_chance(host, crash),
            Delivery::Restart { host } => self.restart(host),
            Delivery::Wake { host } => self.wake(host),
            Delivery::Connect { from, dial, to } => self.connect(from, dial, to),
            Delivery::Line { host, sent } => self.line(host, sent),
            Delivery::Arrive { host, link, item } => self.arrive(host, link, &item),
            Delivery::Hangup { host, link } => self.hangup(host, link, CloseReason::ByPeer),
            Delivery::Done { host, lane } => self.over(host, lane),
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
            policy: self.hosts[host].setup.policy,
            adopt: false,
            rates: toubkal_core::engine::Rates::default(),
            memory: self.hosts[host].disk.recall(),
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
        self.hosts[host].advance(self.now, &mut out);
        self.carry_out(host, &mut out);
        self.out = out;
    }

    /// Tells an engine a fact and does what it wants done.
    pub(crate) fn tell(&mut self, host: usize, event: Event) {
        if self.hosts[host].gone {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.hosts[host].handle(self.now, event, &mut out);
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
            Action::Serve { link, block, .. } => self.fetch(host, link, block),
            Action::Unserve { link, block } => {
                let machine = &mut self.hosts[host];
                let reading = machine.lanes.forget(link, Some(block)).len() == 1;
                if reading || machine.uplink.withdraw(link, block) {
                    let event = LinkEvent::Served { block, outcome: Served::Withdrawn };
                    self.tell_later(host, link, event);
                }
            }
            Action::Close { link, reason } => self.close(host, link, reason),
            Action::Discard { payload } => _ = self.hosts[host].release(&payload),
            Action::Open { job, wanted, .. } => self.job(host, job, Op::Open { wanted }),
            Action::Store { job, block, payload, digest, .. } => {
                let body = self.hosts[host].release(&payload);
                self.job(host, job, Op::Write { block, body, digest });
            }
            Action::Verify { job, piece, hashed, .. } => {
                self.job(host, job, Op::Verify { piece, hashed });
            }
            Action::Digest { job, piece, .. } => self.job(host, job, Op::Digest { piece }),
            Action::Reclaim { job, file, .. } => self.job(host, job, Op::Reclaim { file }),
            Action::Finish { job, file, .. } => self.job(host, job, Op::Finish { file }),
            Action::Sync { job, .. } => self.job(host, job, Op::Sync),
            Action::Record { job, record, .. } => self.job(host, job, Op::Record(record)),
            Action::Release { .. } => self.submit(host, Whose::Nobody, Op::Release),
            Action::Notify(notice) => {
                if let Notice::Added { torrent, .. } = notice {
                    self.hosts[host].torrent = Some(torrent);
                }
                let now = self.now;
                self.hosts[host].notices.push((now, notice));
            }
        }
    }

    fn job(&mut self, host: usize, job: JobId, op: Op) {
        self.submit(host, Whose::Job(job), op);
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

    pub(crate) fn say(&mut self, host: usize, link: LinkId, message: &Message) {
        let mut bytes = Vec::new();
        message::encode(message, &mut bytes);
        self.transmit(host, link, Item::control(bytes));
    }

    pub(crate) fn transmit(&mut self, host: usize, link: LinkId, item: Item) {
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
        let block = item.body.as_ref().map(|&(block, _)| (link, block));
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
    pub(crate) fn drop_link(&mut self, host: usize, link: LinkId) -> bool {
        let Some(sim) = self.hosts[host].links.remove(link) else { return false };
        let machine = &mut self.hosts[host];
        let reading = machine.lanes.forget(link, None);
        for block in machine.uplink.forget(link).into_iter().chain(reading) {
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
            let machine = &mut self.hosts[host];
            let reading = machine.lanes.forget(link, None);
            for block in machine.uplink.forget(link).into_iter().chain(reading) {
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
    pub(crate) fn tell_later(&mut self, host: usize, link: LinkId, event: LinkEvent) {
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
