//! A world of nodes: one queue of packets and wakes, and lines that lose some of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Time};
use toubkal_core::dht::{Action, Command, Config, Dht, Event, Family, Report};
use toubkal_wire::krpc::is_local;

use super::liars::Liars;
use crate::chance::Chance;

/// What the lines and the nodes are like.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    /// The least and the longest time that a packet takes; each pair of nodes has its own.
    pub delay: (Duration, Duration),
    /// Packets of a million that are lost.
    pub loss: u32,
    /// Nodes of a thousand that leave in an hour, others coming in their place.
    pub churn: u32,
}

/// Nodes, what is on its way between them, and what they reported.
#[derive(Debug)]
pub struct World {
    net: Net,
    now: Time,
    hosts: Vec<Host>,
    places: BTreeMap<SocketAddr, usize>,
    queue: BinaryHeap<Reverse<(Time, u64, Load)>>,
    sequence: u64,
    chance: Chance,
    liars: Liars,
    /// Nothing passes between hosts of even and odd numbers.
    cut: bool,
    next_leave: Option<Time>,
    reports: Vec<(Time, usize, Report)>,
    out: Outbox<Action>,
    /// Packets that were sent.
    pub packets: u64,
}

#[derive(Debug)]
struct Host {
    address: SocketAddr,
    node: Option<Box<Dht>>,
    liar: bool,
    wake: Option<Time>,
}

/// What is in the queue.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Packet { to: SocketAddr, from: usize, bytes: Vec<u8> },
    Wake { host: usize },
}

impl World {
    /// A world without nodes.
    #[must_use]
    pub fn new(net: Net, seed: u64) -> Self {
        Self {
            net,
            now: Time::START,
            hosts: Vec::new(),
            places: BTreeMap::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
            chance: Chance::from_seed(seed).fork("dht"),
            liars: Liars::default(),
            cut: false,
            next_leave: None,
            reports: Vec::new(),
            out: Outbox::new(),
            packets: 0,
        }
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Where a host is.
    #[must_use]
    pub fn address(&self, host: usize) -> SocketAddr {
        self.hosts[host].address
    }

    /// The node of a host; `None` for one that left, or lies.
    #[must_use]
    pub fn node(&self, host: usize) -> Option<&Dht> {
        self.hosts[host].node.as_deref()
    }

    /// Draws for whoever plans what happens here.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// A host with a node that knows nobody.
    pub fn add(&mut self) -> usize {
        let address = self.draw_address();
        let host = self.hosts.len();
        let rng = self.chance.rng().fork_indexed("node", host as u64);
        let config = Config { homes: vec![Family::V4], ..Config::default() };
        let node = Some(Box::new(Dht::new(config, &[], rng)));
        self.place(Host { address, node, liar: false, wake: None })
    }

    /// A host that answers with lies, and makes itself known to everybody.
    pub fn add_liar(&mut self) -> usize {
        let address = self.draw_address();
        self.liars.add(address);
        let host = self.place(Host { address, node: None, liar: true, wake: None });
        self.push(self.now, Load::Wake { host });
        host
    }

    /// A host falls silent for good.
    pub fn remove(&mut self, host: usize) {
        self.hosts[host].node = None;
    }

    /// Cuts the world in two, or makes it whole.
    pub fn cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Lets nodes come and go from now on.
    pub fn start_churn(&mut self) {
        self.next_leave = self.draw_leave();
    }

    /// A host with a node, by chance.
    pub fn draw_host(&mut self) -> usize {
        loop {
            let host = self.chance.index(self.hosts.len());
            if self.hosts[host].node.is_some() {
                return host;
            }
        }
    }

    /// Gives an order to a node.
    pub fn order(&mut self, host: usize, command: Command) {
        self.tell(host, Event::Command(command));
    }

    /// What was reported since the last call: when, by whom, what.
    pub fn reports(&mut self) -> Vec<(Time, usize, Report)> {
        core::mem::take(&mut self.reports)
    }

    /// Goes on for so long.
    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now.after(time));
    }

    /// Goes on until then.
    pub fn run_until(&mut self, end: Time) {
        while let Some(Reverse((at, ..))) = self.queue.peek()
            && *at <= end
        {
            if let Some(leave) = self.next_leave.filter(|leave| leave <= at) {
                self.now = self.now.max(leave);
                self.replace();
                continue;
            }
            let Some(Reverse((at, _, load))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            match load {
                Load::Packet { to, from, bytes } => self.arrive(to, from, bytes),
                Load::Wake { host } => self.wake(host, at),
            }
        }
        self.now = self.now.max(end);
    }

    fn place(&mut self, host: Host) -> usize {
        let number = self.hosts.len();
        self.places.insert(host.address, number);
        self.hosts.push(host);
        number
    }

    fn draw_address(&mut self) -> SocketAddr {
        loop {
            let ip = IpAddr::V4(Ipv4Addr::from(self.chance.below(1 << 32) as u32));
            let address = SocketAddr::new(ip, 6881);
            let free = !self.places.contains_key(&address);
            if free && !is_local(ip) && toubkal_wire::compact::usable(address) {
                return address;
            }
        }
    }

    fn draw_leave(&mut self) -> Option<Time> {
        let honest = self.hosts.iter().filter(|host| host.node.is_some()).count() as u64;
        let an_hour = honest * u64::from(self.net.churn);
        let mean = Duration::from_secs(3_600_000).checked_div(an_hour.try_into().ok()?)?;
        Some(self.now.after(self.chance.wait(mean * 2)))
    }

    /// One leaves, another comes and knows somebody.
    fn replace(&mut self) {
        let gone = self.draw_host();
        self.remove(gone);
        let known = self.draw_host();
        let new = self.add();
        let contact = self.address(known);
        self.order(new, Command::Bootstrap(vec![contact]));
        self.next_leave = self.draw_leave();
    }

    fn arrive(&mut self, to: SocketAddr, from: usize, bytes: Vec<u8>) {
        let Some(&host) = self.places.get(&to) else { return };
        let sender = self.hosts[from].address;
        if self.hosts[host].liar {
            if let Some(packet) = self.liars.answer(to, &bytes) {
                self.send(host, sender, packet);
            }
            return;
        }
        self.tell(host, Event::Packet { from: sender, bytes });
    }

    fn wake(&mut self, host: usize, at: Time) {
        if self.hosts[host].liar {
            let victim = self.draw_host();
            let (from, to) = (self.hosts[host].address, self.hosts[victim].address);
            if let Some(packet) = self.liars.greet(from) {
                self.send(host, to, packet);
            }
            let wait = self.chance.wait(Duration::from_secs(20));
            self.push(self.now.after(wait), Load::Wake { host });
            return;
        }
        if self.hosts[host].wake != Some(at) {
            return;
        }
        self.hosts[host].wake = None;
        if let Some(node) = &mut self.hosts[host].node {
            node.advance(self.now, &mut self.out);
        }
        self.drain(host);
    }

    fn tell(&mut self, host: usize, event: Event) {
        if let Some(node) = &mut self.hosts[host].node {
            node.handle(self.now, event, &mut self.out);
            self.drain(host);
        }
    }

    fn drain(&mut self, host: usize) {
        let mut out = core::mem::take(&mut self.out);
        for action in out.drain() {
            match action {
                Action::Send { to, packet } => self.send(host, to, packet),
                Action::SendFrom { .. } => panic!("a host has one address"),
                Action::Report(report) => self.reports.push((self.now, host, report)),
            }
        }
        self.out = out;
        let Some(node) = &self.hosts[host].node else { return };
        if let Some((at, why)) = node.deadline() {
            let at = at.max(self.now);
            if self.hosts[host].wake.is_none_or(|wake| at < wake) {
                assert!(!why.is_empty(), "who wants to be woken says why");
                self.hosts[host].wake = Some(at);
                self.push(at, Load::Wake { host });
            }
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        self.packets += 1;
        let apart = |host: usize| (host ^ from) & 1 == 1;
        let cut = self.cut && self.places.get(&to).is_some_and(|&host| apart(host));
        if cut || self.chance.millionths(self.net.loss) {
            return;
        }
        let delay = self.delay(self.hosts[from].address, to);
        self.push(self.now.after(delay), Load::Packet { to, from, bytes });
    }

    /// The same for the same pair, both ways, and a tenth by chance.
    fn delay(&mut self, one: SocketAddr, other: SocketAddr) -> Duration {
        let (least, most) = self.net.delay;
        let bits = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(_) => 0,
        };
        let mixed = (bits(one) + bits(other)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let span = (most - least).as_micros() as u64;
        let fixed = least + Duration::from_micros((span * mixed) >> 32);
        fixed + self.chance.wait(fixed / 10)
    }

    fn push(&mut self, at: Time, load: Load) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence, load)));
    }
}
