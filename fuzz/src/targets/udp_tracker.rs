//! Trackers over UDP: any packets, whenever, from whomever; and our own tracker before them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::tracker::udp::{Action, Event, FLIGHTS_MAX, Place, Question, Server, Udp};
use toubkal_core::tracker::{Limits, Registry};
use toubkal_wire::announce::{Answer, Counts, Query};
use toubkal_wire::udp_tracker::{Reply, Request, Response};

const ADDRESSES: [&str; 6] = [
    "192.0.2.1:6969",
    "192.0.2.2:6969",
    "[2001:db8::1]:6969",
    "[::ffff:192.0.2.1]:6969",
    "0.0.0.0:1",
    "192.0.2.1:0",
];

pub(crate) fn udp_tracker(input: &[u8]) {
    for v6 in [false, true] {
        if let Ok(response) = Response::decode(input, v6) {
            assert!(Response::decode(&response.encode(v6), v6).is_ok());
        }
    }
    if let Ok(request) = Request::decode(input) {
        assert_eq!(Request::decode(&request.encode()).as_ref(), Ok(&request));
    }
    if let Ok(place) = Place::parse(&String::from_utf8_lossy(input)) {
        assert!(place.port > 0 && !place.host.is_empty());
    }
    let mut registry = Registry::new(Limits::default(), Rng::from_number(1));
    let server = Server::new(Rng::from_number(2));
    let from = "192.0.2.9:1".parse().unwrap();
    let answer = server.answer(Time::START, from, input, &mut registry);
    assert!(answer.is_none_or(|answer| answer.len() <= input.len()), "not proved, and no less");
    let mut world = World::new(Rng::from_bytes(input));
    while !world.rng.is_spent() {
        world.step();
    }
    world.end();
}

struct World {
    rng: Rng,
    now: Time,
    udp: Udp<u32>,
    out: Outbox<Action<u32>>,
    /// Questions without a word of what became of them, and those that had a good answer.
    open: BTreeSet<u32>,
    asked: u32,
    sent: Vec<(SocketAddr, u32)>,
}

impl World {
    fn new(rng: Rng) -> Self {
        let udp = Udp::new(Rng::from_number(3));
        let (open, sent) = (BTreeSet::new(), Vec::new());
        Self { rng, now: Time::START, udp, out: Outbox::new(), open, asked: 0, sent }
    }

    fn address(&mut self) -> SocketAddr {
        ADDRESSES[self.rng.index(6)].parse().unwrap()
    }

    fn step(&mut self) {
        match self.rng.below(8) {
            0 | 1 => self.ask(),
            2..=4 => self.answer(),
            5 => {
                let to = self.address();
                self.tell(Event::Unreachable(to));
            }
            _ => {
                let wait = Duration::from_millis(1 << self.rng.below(24));
                self.pass(wait);
            }
        }
    }

    fn ask(&mut self) {
        self.asked += 1;
        self.open.insert(self.asked);
        let question = match self.rng.below(3) {
            0 => Question::Scrape([self.rng.below(4) as u8; 20]),
            _ => Question::Announce(Box::new(Query::new([1; 20], [2; 20], 3))),
        };
        let addresses = (0..self.rng.below(4)).map(|_| self.address()).collect();
        let path = "/announce".to_owned();
        self.tell(Event::Ask { ask: self.asked, question, path, addresses });
    }

    fn answer(&mut self) {
        let (to, transaction) = match self.sent.is_empty() {
            true => (self.address(), 7),
            false => self.sent[self.rng.index(self.sent.len())],
        };
        let from = if self.rng.one_in(8) { self.address() } else { to };
        let reply = match self.rng.below(5) {
            0 | 1 => Reply::Connected(self.rng.bits()),
            2 => Reply::Announced(Answer::default()),
            3 => Reply::Scraped(vec![Counts::default(); self.rng.index(5)]),
            _ => Reply::Refused(["no", "connection id"][self.rng.index(2)].to_owned()),
        };
        let mut bytes = Response { transaction, reply }.encode(from.is_ipv6());
        if self.rng.one_in(8) {
            bytes.truncate(self.rng.index(bytes.len()));
        }
        self.tell(Event::Packet { from, bytes });
    }

    fn tell(&mut self, event: Event<u32>) {
        self.udp.handle(self.now, event, &mut self.out);
        self.judge();
    }

    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some((at, why)) = self.udp.deadline().filter(|&(at, _)| at <= end) {
            self.now = self.now.max(at);
            self.udp.advance(self.now, &mut self.out);
            self.judge();
            let next = self.udp.deadline();
            assert!(next.is_none_or(|(at, _)| at > self.now), "{why} is never done: {next:?}");
        }
        self.now = end;
    }

    fn judge(&mut self) {
        for action in self.out.drain().collect::<Vec<_>>() {
            match action {
                Action::Send { to, packet } => {
                    let request = Request::decode(&packet).expect("only questions are sent");
                    assert!(to.port() > 0 && !to.ip().is_unspecified());
                    self.sent.push((to, request.transaction));
                }
                // Another may come over the other family.
                Action::Announced { ask, .. } | Action::Scraped { ask, .. } => {
                    self.open.remove(&ask);
                }
                Action::Failed { ask, .. } => assert!(self.open.remove(&ask), "told twice"),
            }
        }
        assert!(self.udp.len() <= 2 * FLIGHTS_MAX);
    }

    /// Whatever happened: every question is told of in a minute.
    fn end(&mut self) {
        self.pass(Duration::from_secs(60));
        assert!(self.open.is_empty() && self.udp.is_empty(), "{:?}", self.open);
    }
}
