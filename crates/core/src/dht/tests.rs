//! A node at work: what it answers, what it finds, and what it does not do.

mod answers;
mod finding;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use toubkal_wire::krpc::{Ask, Id, Kind, Message, Query};

use super::{Action, Command, Config, Dht, Event, Report};
use crate::base::{Machine as _, Outbox, Rng, Time};

/// Nodes in virtual time: each packet takes 50 ms, unless somebody is silent.
struct Net {
    now: Time,
    nodes: BTreeMap<SocketAddr, Dht>,
    silent: Vec<SocketAddr>,
    /// When, who gets it, who sent it.
    packets: Vec<(Time, SocketAddr, SocketAddr, Vec<u8>)>,
    reports: Vec<(SocketAddr, Time, Report)>,
    out: Outbox<Action>,
}

const DELAY: Duration = Duration::from_millis(50);

fn address(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 6881))
}

impl Net {
    fn new(count: u16) -> Self {
        let mut net = Self {
            now: Time::START,
            nodes: BTreeMap::new(),
            silent: Vec::new(),
            packets: Vec::new(),
            reports: Vec::new(),
            out: Outbox::new(),
        };
        (0..count).for_each(|number| net.add(address(number)));
        net
    }

    fn add(&mut self, at: SocketAddr) {
        let rng = Rng::from_number(7).fork_indexed("node", u64::from(at.port())).fork_indexed(
            "address",
            match at.ip() {
                std::net::IpAddr::V4(ip) => u32::from(ip).into(),
                std::net::IpAddr::V6(ip) => u128::from(ip) as u64,
            },
        );
        self.nodes.insert(at, Dht::new(Config::default(), &[], rng));
    }

    /// All of them know the first.
    fn join(&mut self) {
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            if node != address(0) {
                self.order(node, Command::Bootstrap(vec![address(0)]));
                self.run(Duration::from_millis(20));
            }
        }
        self.run(Duration::from_secs(30));
        self.reports.clear();
    }

    fn order(&mut self, at: SocketAddr, command: Command) {
        self.tell(at, Event::Command(command));
    }

    fn tell(&mut self, at: SocketAddr, event: Event) {
        if let Some(node) = self.nodes.get_mut(&at) {
            node.handle(self.now, event, &mut self.out);
        }
        self.drain(at);
    }

    fn drain(&mut self, at: SocketAddr) {
        for action in self.out.drain() {
            match action {
                Action::Send { to, packet } | Action::SendFrom { to, packet, .. } => {
                    self.packets.push((self.now.after(DELAY), to, at, packet));
                }
                Action::Report(report) => self.reports.push((at, self.now, report)),
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            let packet = self.packets.iter().map(|(at, ..)| *at).min();
            let timers =
                self.nodes.iter().filter_map(|(node, dht)| Some((dht.deadline()?.0, *node)));
            let timer = timers.min();
            let next = packet.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let at = self.packets.iter().position(|(at, ..)| *at == next).unwrap();
                let (_, to, from, bytes) = self.packets.remove(at);
                if !self.silent.contains(&to) && !self.silent.contains(&from) {
                    self.tell(to, Event::Packet { from, bytes });
                }
            } else if let Some((_, node)) = timer {
                self.nodes.get_mut(&node).unwrap().advance(self.now, &mut self.out);
                self.drain(node);
            }
        }
        self.now = end;
    }

    /// What was reported to one of them, and forgets it.
    fn reports(&mut self, at: SocketAddr) -> Vec<Report> {
        let all = core::mem::take(&mut self.reports);
        let (mine, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(node, ..)| *node == at);
        self.reports = others;
        mine.into_iter().map(|(.., report)| report).collect()
    }

    /// Sends a node something, and gives the packets that it sends back at once.
    fn exchange(&mut self, at: SocketAddr, from: SocketAddr, packet: &[u8]) -> Vec<Vec<u8>> {
        self.tell(at, Event::Packet { from, bytes: packet.to_vec() });
        let mut back = Vec::new();
        self.packets.retain(|(_, to, _, packet)| {
            if *to == from {
                back.push(packet.clone());
            }
            *to != from
        });
        back
    }
}

fn query(id: Id, ask: Ask<'_>) -> Vec<u8> {
    let kind = Kind::Query(Query { id, want: None, ask });
    let version = Some(&b"XX01"[..]);
    Message { transaction: b"tx", kind, read_only: false, ip: None, version }.to_bytes()
}
