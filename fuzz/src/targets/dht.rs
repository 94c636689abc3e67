//! A node of the DHT: whatever it is told, it says little, gives no more than it got, and rests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::dht::{
    Action, Announce, Command, Config, Dht, Event, Family, NewItem, QueryId, Report, Wanted,
};
use toubkal_wire::krpc::{Ask, Id, Kind, Message, Node, Query, Response};

/// Packets that one step may cause: look-ups of all orders, and what they store.
const STEP_PACKETS_MAX: usize = 1500;
const PLACES: u64 = 24;
const SECRET: [u8; 32] = [3; 32];

pub(crate) fn dht(input: &[u8]) {
    let mut world = World::new(Rng::from_bytes(input));
    while !world.rng.is_spent() {
        world.step();
    }
    world.end();
}

struct World {
    rng: Rng,
    now: Time,
    node: Dht,
    out: Outbox<Action>,
    /// Questions of the node that may be answered.
    asked: Vec<(SocketAddr, Vec<u8>)>,
    /// Tokens that it gave.
    tokens: BTreeMap<SocketAddr, Vec<u8>>,
    orders: u64,
}

impl World {
    fn new(mut rng: Rng) -> Self {
        let both = rng.one_in(2);
        let homes = if both { vec![Family::V4, Family::V6] } else { vec![Family::V4] };
        let config = Config { homes, enforce_ids: rng.one_in(2), ..Config::default() };
        Self {
            node: Dht::new(config, &[], Rng::from_number(5)),
            rng,
            now: Time::START,
            out: Outbox::new(),
            asked: Vec::new(),
            tokens: BTreeMap::new(),
            orders: 0,
        }
    }

    fn step(&mut self) {
        match self.rng.below(8) {
            0 | 1 => self.order(),
            2 | 3 => self.question(),
            4 | 5 => self.answer(),
            6 => {
                let length = self.rng.index(64);
                let mut bytes = vec![0; length];
                self.rng.fill(&mut bytes);
                let from = self.place();
                self.packet(from, bytes);
            }
            _ => {
                let wait = Duration::from_millis(1 << self.rng.below(23));
                self.pass(wait);
            }
        }
    }

    /// Public and local addresses, of both families, some of one block.
    fn place(&mut self) -> SocketAddr {
        let number = self.rng.below(PLACES) as u8;
        match number % 4 {
            0 => SocketAddr::from(([198, 18, number, 1], 6881)),
            1 => SocketAddr::from(([198, 18, 0, number], 6881)),
            2 => SocketAddr::from(([10, 0, 0, number], u16::from(number) / 8)),
            _ => SocketAddr::from(([0x2001, 0xdb8, number.into(), 0, 0, 0, 0, 1], 6881)),
        }
    }

    /// Few, so that they meet; most belong to the address.
    fn id(&mut self, of: Option<SocketAddr>) -> Id {
        let drawn = [self.rng.below(8) as u8 * 0x20; 20];
        match of {
            Some(address) if !self.rng.one_in(4) => Id::for_address(address.ip(), &drawn),
            _ => Id(drawn),
        }
    }

    fn order(&mut self) {
        let query = QueryId(self.rng.below(4));
        let target = self.id(None);
        self.orders += 1;
        let command = match self.rng.below(12) {
            0 => Command::Bootstrap((0..3).map(|_| self.place()).collect()),
            1 => Command::AddNode(self.place()),
            2 | 3 => {
                let port = self.rng.one_in(2).then_some(7);
                let announce = self.rng.one_in(2).then_some(Announce { port, seed: false });
                Command::Find { query, info_hash: target, announce }
            }
            4 => Command::Scrape { query, info_hash: target },
            5 => Command::Stop(query),
            6 => {
                let key = toubkal_core::dht::public_key(&SECRET);
                let mutable = Wanted::Mutable { key, salt: Vec::new() };
                let immutable = Wanted::Immutable(target);
                let wanted = if self.rng.one_in(2) { mutable } else { immutable };
                Command::Get { query, wanted }
            }
            7 => {
                let value = [&b"i1e"[..], b"1:x", b"broken"][self.rng.index(3)].to_vec();
                let (seq, cas) = (self.rng.one_in(2).then_some(4), self.rng.one_in(4).then_some(3));
                let salt = Vec::new();
                let mutable = NewItem::Mutable { secret: SECRET, salt, seq, value, cas };
                let item = match mutable {
                    NewItem::Mutable { value, .. } if self.rng.one_in(2) => {
                        NewItem::Immutable(value)
                    }
                    mutable => mutable,
                };
                Command::Put { query, item }
            }
            8 => Command::Ping { query, to: self.place() },
            9 => Command::FindNodes { query, target },
            10 => Command::Sample { query, to: self.place(), target },
            _ => Command::ReadOnly(self.rng.one_in(2)),
        };
        self.tell(Event::Command(command));
        self.judge(None);
    }

    fn question(&mut self) {
        let from = self.place();
        let (id, target) = (self.id(Some(from)), self.id(None));
        let token = self.tokens.get(&from).cloned().unwrap_or_default();
        let value = &[&b"i1e"[..], b"le"][self.rng.index(2)];
        let ask = match self.rng.below(7) {
            0 => Ask::Ping,
            1 => Ask::FindNode { target },
            2 => {
                let scrape = self.rng.one_in(2);
                Ask::GetPeers { info_hash: target, no_seed: self.rng.one_in(2), scrape }
            }
            3 => Ask::AnnouncePeer {
                info_hash: target,
                port: 9,
                implied_port: self.rng.one_in(2),
                seed: self.rng.one_in(2),
                token: &token,
            },
            4 => Ask::Get { target, seq: self.rng.one_in(2).then_some(1) },
            5 => Ask::Put { token: &token, value, signed: None, cas: None },
            _ => Ask::SampleInfohashes { target },
        };
        let kind = Kind::Query(Query { id, want: None, ask });
        let read_only = self.rng.one_in(2);
        let message = Message { transaction: b"q", kind, read_only, ip: None, version: None };
        self.packet(from, message.to_bytes());
    }

    /// Answers what the node asked, sooner or later, rightly or not, as who was asked or not.
    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let at = self.rng.index(self.asked.len());
        let (to, transaction) = self.asked.swap_remove(at);
        let from = if self.rng.one_in(8) { self.place() } else { to };
        let mut response = Response::new(self.id(Some(from)));
        let node = |world: &mut Self| {
            let address = world.place();
            Node { id: world.id(Some(address)), address }
        };
        let nodes: Vec<Node> = (0..self.rng.below(10)).map(|_| node(self)).collect();
        let (four, six) = nodes.into_iter().partition(|node| node.address.is_ipv4());
        (response.nodes, response.nodes6) = (Some(four), Some(six));
        response.values = (0..self.rng.below(3)).map(|_| self.place()).collect();
        response.token = self.rng.one_in(2).then_some(b"token");
        response.value = self.rng.one_in(4).then_some(b"i1e");
        response.seq = self.rng.one_in(4).then_some(i64::MAX);
        let kind = match self.rng.below(4) {
            0 => Kind::Error { code: 203, text: b"no" },
            _ => Kind::Response(response),
        };
        let ip = self.rng.one_in(2).then(|| self.place());
        let message =
            Message { transaction: &transaction, kind, read_only: false, ip, version: None };
        self.packet(from, message.to_bytes());
    }

    fn packet(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        let length = bytes.len();
        self.tell(Event::Packet { from, bytes });
        self.judge(Some((from, length)));
    }

    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some((at, why)) = self.node.deadline().filter(|&(at, _)| at <= end) {
            self.now = self.now.max(at);
            self.node.advance(self.now, &mut self.out);
            self.judge(None);
            let next = self.node.deadline();
            assert!(next.is_none_or(|(at, _)| at > self.now), "{why} is never done: {next:?}");
        }
        self.now = end;
    }

    fn tell(&mut self, event: Event) {
        self.node.handle(self.now, event, &mut self.out);
    }

    /// `from`: who sent a packet of how many bytes, if one did.
    fn judge(&mut self, from: Option<(SocketAddr, usize)>) {
        let actions: Vec<Action> = self.out.drain().collect();
        assert!(actions.len() <= STEP_PACKETS_MAX, "{} actions", actions.len());
        let mut answered = 0;
        for action in actions {
            match action {
                Action::Send { to, packet } => {
                    assert!(packet.len() <= 1400, "{} bytes", packet.len());
                    let message = Message::decode(&packet).expect("what is sent can be read");
                    match message.kind {
                        Kind::Query(_) => self.asked.push((to, message.transaction.to_vec())),
                        Kind::Response(response) => {
                            assert!(from.is_some_and(|(from, _)| from == to), "nobody asked");
                            if let Some(token) = response.token {
                                self.tokens.insert(to, token.to_vec());
                            }
                            answered += 1;
                        }
                        Kind::Error { .. } => answered += 1,
                    }
                }
                Action::SendFrom { .. } => panic!("each family has one address"),
                Action::Report(report) => self.judge_report(&report),
            }
        }
        // One that waited for a proof may come beside the one that gave it.
        assert!(answered <= 2, "{answered} answers to one packet");
        self.asked.drain(..self.asked.len().saturating_sub(2000));
    }

    fn judge_report(&self, report: &Report) {
        // Whoever asks us may be asked back, and say where it sees us.
        let ours = matches!(report, Report::External { .. });
        assert!(ours || self.orders > 0, "nobody ordered {report:?}");
        if let Report::Got { item, .. } = report {
            assert!(item.value.len() <= 1000);
        }
    }

    /// What it saved is taken up again, and it is quiet when nobody wants anything any more.
    fn end(&mut self) {
        let saved = self.node.save();
        let again = Dht::new(Config::default(), &saved, Rng::from_number(6));
        assert_eq!(again.id(0), self.node.id(0));
        (0..4).for_each(|query| self.tell(Event::Command(Command::Stop(QueryId(query)))));
        self.judge(None);
        self.pass(Duration::from_secs(3600));
        let asked = self.node.status().asked;
        self.pass(Duration::from_secs(600));
        let more = self.node.status().asked - asked;
        assert!(more <= 600 * 20 / 60, "{more} packets in ten minutes that nobody asked for");
        assert!(self.node.status().searches.is_empty());
    }
}
