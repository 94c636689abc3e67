//! The machine before a tracker that a table describes, in virtual time.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::string::{String, ToString};

use toubkal_wire::announce::{Answer, Peer, Query};
use toubkal_wire::udp_tracker::{self as wire, Request};

use super::*;
use crate::tracker::{Limits, Registry};

const V4: &str = "192.0.2.1:6969";
const V6: &str = "[2001:db8::1]:6969";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A machine, its clock, and all that it has wanted and nobody has looked at.
struct Desk {
    udp: Udp<u32>,
    now: Time,
    out: Outbox<Action<u32>>,
}

impl Desk {
    fn new() -> Self {
        let udp = Udp::new(Rng::from_number(1));
        Self { udp, now: Time::START, out: Outbox::new() }
    }

    fn announce(&mut self, ask: u32, addresses: &[&str]) {
        let query = Query { numwant: Some(7), ..Query::new([1; 20], [2; 20], 6881) };
        self.ask(ask, Question::Announce(Box::new(query)), addresses);
    }

    fn ask(&mut self, ask: u32, question: Question, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| addr(text)).collect();
        let path = "/announce".to_string();
        self.tell(Event::Ask { ask, question, path, addresses });
    }

    fn tell(&mut self, event: Event<u32>) {
        self.udp.handle(self.now, event, &mut self.out);
    }

    fn hear(&mut self, from: &str, transaction: u32, reply: Reply) {
        let bytes = Response { transaction, reply }.encode(addr(from).is_ipv6());
        self.tell(Event::Packet { from: addr(from), bytes });
    }

    /// What it wants, packets taken apart.
    fn wants(&mut self) -> Vec<Want> {
        let actions = self.out.drain();
        let want = |action| match action {
            Action::Send { to, packet } => {
                let Request { transaction, question } = Request::decode(&packet).unwrap();
                Want::Sent(to, transaction, question)
            }
            other => Want::Told(other),
        };
        actions.map(want).collect()
    }

    /// The only packet that it wants sent.
    fn sent(&mut self) -> (SocketAddr, u32, wire::Question) {
        match &self.wants()[..] {
            [Want::Sent(to, transaction, question)] => (*to, *transaction, question.clone()),
            other => panic!("not one packet: {other:?}"),
        }
    }

    fn told(&mut self) -> Vec<Action<u32>> {
        let told = |want| match want {
            Want::Told(action) => Some(action),
            Want::Sent(..) => None,
        };
        self.wants().into_iter().filter_map(told).collect()
    }

    /// Lets time pass; the seconds from the start at which packets were sent.
    fn pass(&mut self, wait: Duration) -> (Vec<u64>, Vec<Action<u32>>) {
        let end = self.now.after(wait);
        let (mut times, mut told) = (Vec::new(), Vec::new());
        while let Some((at, why)) = self.udp.deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.udp.advance(self.now, &mut self.out);
            assert!(self.udp.deadline().is_none_or(|(at, _)| at > self.now), "{why} for ever");
            for want in self.wants() {
                match want {
                    Want::Sent(..) => times.push(self.now.since(Time::START).as_secs()),
                    Want::Told(action) => told.push(action),
                }
            }
        }
        self.now = end;
        (times, told)
    }

    /// A desk that has the connection id 77 of `V4`, and what was asked first as ask 1.
    fn connected() -> (Self, u32) {
        let mut desk = Self::new();
        desk.announce(1, &[V4]);
        let (_, transaction, _) = desk.sent();
        desk.hear(V4, transaction, Reply::Connected(77));
        let (_, transaction, _) = desk.sent();
        (desk, transaction)
    }
}

#[derive(Debug)]
enum Want {
    Sent(SocketAddr, u32, wire::Question),
    Told(Action<u32>),
}

fn answer(peers: &[&str]) -> Answer {
    let peers = peers.iter().map(|text| Peer { address: addr(text), id: None }).collect();
    Answer {
        interval: Some(1800),
        complete: Some(1),
        incomplete: Some(0),
        peers,
        ..Answer::default()
    }
}

#[test]
fn an_announce_connects_first_and_then_says_everything() {
    let mut desk = Desk::new();
    desk.announce(1, &[V4]);
    let (to, transaction, question) = desk.sent();
    assert_eq!((to, question), (addr(V4), wire::Question::Connect));
    desk.hear(V4, transaction, Reply::Connected(77));
    let (to, transaction, question) = desk.sent();
    assert_eq!(to, addr(V4));
    let wire::Question::Announce { connection: 77, query, path } = question else {
        panic!("no announce: {question:?}");
    };
    assert_eq!((query.numwant, path.as_str()), (Some(7), "/announce"));
    let said = answer(&["192.0.2.9:1"]);
    desk.hear(V4, transaction, Reply::Announced(said.clone()));
    assert_eq!(desk.told(), [Action::Announced { ask: 1, answer: said }]);
    assert!(desk.udp.is_empty());
}

#[test]
fn a_connection_id_is_good_for_a_minute() {
    for (age, again) in [(59, false), (60, true)] {
        let (mut desk, transaction) = Desk::connected();
        desk.hear(V4, transaction, Reply::Announced(answer(&[])));
        desk.told();
        desk.pass(seconds(age));
        desk.announce(2, &[V4]);
        let connects = desk.sent().2 == wire::Question::Connect;
        assert_eq!(connects, again, "after {age} s");
    }
}

#[test]
fn a_silent_tracker_gets_a_packet_after_15_30_60_seconds_and_so_on() {
    let mut desk = Desk::new();
    // Whoever asks asks again as soon as it is told that there was no answer.
    desk.announce(0, &[V4]);
    assert_eq!(desk.sent().2, wire::Question::Connect);
    let (mut times, mut ask) = (vec![0], 0);
    while desk.now < Time::START.after(seconds(20_000)) {
        let (sent, told) = desk.pass(seconds(1));
        times.extend(sent);
        for action in told {
            let Action::Failed { failure: Failure::Silent { again }, .. } = action else {
                panic!("{action:?}");
            };
            assert!(again <= seconds(15 << 8));
            times.extend(desk.pass(again).0);
            ask += 1;
            desk.announce(ask, &[V4]);
            if !desk.wants().is_empty() {
                times.push(desk.now.since(Time::START).as_secs());
            }
        }
    }
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (n, &wait) in (0u32..).zip(&waits) {
        let least = 15 << n.min(8);
        // A second late at most, as this asks once a second.
        assert!((least..=least + 2).contains(&wait), "{n}: {waits:?}");
    }
    assert!(waits.len() >= 10, "{waits:?}");
}

#[test]
fn a_lost_announce_is_sent_again_as_the_same() {
    let (mut desk, transaction) = Desk::connected();
    let (times, told) = desk.pass(seconds(44));
    assert_eq!((times, told), (vec![15], vec![]));
    // The answer to the first is as good as one to the second.
    desk.hear(V4, transaction, Reply::Announced(answer(&[])));
    assert_eq!(desk.told().len(), 1);
    // Everything is well again: the next is waited for no longer than the first.
    desk.announce(2, &[V4]);
    desk.wants();
    assert_eq!(desk.udp.deadline().unwrap().0, desk.now.after(seconds(15)));
}

#[test]
fn a_question_is_given_up_before_its_asker_does() {
    let (mut desk, _) = Desk::connected();
    let (_, told) = desk.pass(seconds(50));
    assert!(
        matches!(told[..], [Action::Failed { ask: 1, failure: Failure::Silent { .. } }]),
        "{told:?}"
    );
    assert!(desk.udp.is_empty());
}

#[test]
fn only_the_address_that_was_asked_and_the_number_that_was_sent_are_answered_by() {
    let mut desk = Desk::new();
    desk.announce(1, &[V4]);
    let (_, transaction, _) = desk.sent();
    let good = answer(&["192.0.2.66:1"]);
    for (from, number, reply) in [
        (V4, transaction ^ 1, Reply::Connected(1)),
        ("192.0.2.1:6970", transaction, Reply::Connected(1)),
        ("192.0.2.2:6969", transaction, Reply::Connected(1)),
        (V6, transaction, Reply::Connected(1)),
        (V4, transaction, Reply::Announced(good.clone())),
        (V4, transaction ^ 1, Reply::Refused("no".into())),
        ("192.0.2.2:6969", transaction, Reply::Refused("no".into())),
    ] {
        desk.hear(from, number, reply.clone());
        assert!(desk.out.is_empty(), "{from} {reply:?}");
    }
    desk.hear(V4, transaction, Reply::Connected(77));
    let (_, transaction, _) = desk.sent();
    for (from, number, reply) in [
        ("192.0.2.2:6969", transaction, Reply::Announced(good.clone())),
        (V4, transaction ^ 1, Reply::Announced(good.clone())),
        (V4, transaction, Reply::Connected(78)),
        (V4, transaction, Reply::Scraped(vec![Counts::default()])),
        ("192.0.2.2:6969", transaction, Reply::Refused("no".into())),
    ] {
        desk.hear(from, number, reply.clone());
        assert!(desk.out.is_empty(), "{from} {reply:?}");
    }
    desk.tell(Event::Packet { from: addr(V4), bytes: vec![0; 3] });
    desk.hear(V4, transaction, Reply::Announced(good));
    assert_eq!(desk.told().len(), 1);
}

#[test]
fn a_name_with_both_families_is_announced_to_over_both() {
    let mut desk = Desk::new();
    desk.announce(1, &[V4, "192.0.2.200:6969", V6]);
    let sent: Vec<_> = desk.wants();
    let [Want::Sent(first, one, _), Want::Sent(second, two, _)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((first, second), (addr(V4), addr(V6)));
    desk.hear(V6, two, Reply::Connected(2));
    let (_, two, _) = desk.sent();
    // Peers are of 18 bytes, as the packet came over IPv6.
    let peers = answer(&["[2001:db8::9]:1"]);
    desk.hear(V6, two, Reply::Announced(peers.clone()));
    assert_eq!(desk.told(), [Action::Announced { ask: 1, answer: peers }]);
    desk.hear(V4, one, Reply::Connected(3));
    let (_, one, _) = desk.sent();
    let peers = answer(&["192.0.2.9:1"]);
    desk.hear(V4, one, Reply::Announced(peers.clone()));
    assert_eq!(desk.told(), [Action::Announced { ask: 1, answer: peers }]);
    assert!(desk.udp.is_empty());
}

#[test]
fn one_family_that_works_is_enough_and_of_two_failures_the_telling_one_is_told() {
    for good in [true, false] {
        let mut desk = Desk::new();
        desk.announce(1, &[V4, V6]);
        let wants = desk.wants();
        let [Want::Sent(_, one, _), Want::Sent(..)] = wants[..] else { panic!("{wants:?}") };
        desk.tell(Event::Unreachable(addr(V6)));
        assert!(desk.told().is_empty(), "the other family may still answer");
        desk.hear(V4, one, Reply::Connected(3));
        let (_, one, _) = desk.sent();
        if good {
            desk.hear(V4, one, Reply::Announced(answer(&[])));
            assert_eq!(desk.told(), [Action::Announced { ask: 1, answer: answer(&[]) }]);
        } else {
            desk.hear(V4, one, Reply::Refused("unregistered torrent".into()));
            let failure = Failure::Refused("unregistered torrent".into());
            assert_eq!(desk.told(), [Action::Failed { ask: 1, failure }]);
        }
        assert!(desk.udp.is_empty());
    }
}

#[test]
fn a_refusal_to_connect_refuses_all_that_wait() {
    let mut desk = Desk::new();
    desk.announce(1, &[V4]);
    let (_, transaction, _) = desk.sent();
    desk.announce(2, &[V4]);
    assert!(desk.wants().is_empty(), "one packet to connect is enough");
    desk.hear(V4, transaction, Reply::Refused("go away".into()));
    let failure = Failure::Refused("go away".into());
    let failed = |ask| Action::Failed { ask, failure: failure.clone() };
    assert_eq!(desk.told(), [failed(1), failed(2)]);
}

#[test]
fn a_tracker_that_has_forgotten_us_is_introduced_to_us_once_more() {
    let (mut desk, transaction) = Desk::connected();
    // The words of opentracker.
    let stale = || Reply::Refused("Connection ID missmatch.".into());
    desk.hear(V4, transaction, stale());
    let (_, connect, question) = desk.sent();
    assert_eq!(question, wire::Question::Connect);
    desk.hear(V4, connect, Reply::Connected(78));
    let (_, transaction, question) = desk.sent();
    assert!(matches!(question, wire::Question::Announce { connection: 78, .. }));
    desk.hear(V4, transaction, stale());
    assert!(matches!(desk.told()[..], [Action::Failed { failure: Failure::Refused(_), .. }]));
}

#[test]
fn scrapes_that_wait_go_out_together_up_to_74() {
    let mut desk = Desk::new();
    for ask in 0..100u32 {
        desk.ask(ask, Question::Scrape([ask as u8; 20]), &[V4, V6]);
    }
    let (to, connect, _) = desk.sent();
    assert_eq!(to, addr(V4), "a scrape goes to one family");
    desk.hear(V4, connect, Reply::Connected(1));
    let mut sizes = Vec::new();
    for want in desk.wants() {
        let Want::Sent(_, transaction, wire::Question::Scrape { hashes, .. }) = want else {
            panic!("{want:?}");
        };
        sizes.push(hashes.len());
        let count = |hash: &[u8; 20]| Counts { complete: hash[0].into(), ..Counts::default() };
        desk.hear(V4, transaction, Reply::Scraped(hashes.iter().map(count).collect()));
    }
    assert_eq!(sizes, [74, 26]);
    let told = desk.told();
    assert_eq!(told.len(), 100);
    for action in told {
        let Action::Scraped { ask, counts } = action else { panic!("{action:?}") };
        assert_eq!(ask, counts.complete);
    }
}

#[test]
fn a_tracker_of_many_torrents_is_asked_some_at_a_time() {
    let (mut desk, first) = Desk::connected();
    for ask in 2..200 {
        desk.announce(ask, &[V4]);
    }
    let mut open = vec![first];
    let mut sent = 1;
    loop {
        for want in desk.wants() {
            if let Want::Sent(_, transaction, _) = want {
                open.push(transaction);
                sent += 1;
            }
        }
        assert!(open.len() <= 64, "{} at once", open.len());
        let Some(transaction) = open.pop() else { break };
        desk.hear(V4, transaction, Reply::Announced(answer(&[])));
    }
    assert_eq!((sent, desk.udp.len()), (199, 0));
}

#[test]
fn what_cannot_be_asked_is_told_at_once() {
    let mut desk = Desk::new();
    for addresses in [&[][..], &["0.0.0.0:80"], &["192.0.2.1:0"], &["239.0.0.1:80"]] {
        desk.announce(1, addresses);
        assert_eq!(desk.told(), [Action::Failed { ask: 1, failure: Failure::Nowhere }]);
    }
    for ask in 0..2_000 {
        let text: String = std::format!("10.0.{}.{}:80", ask / 250, ask % 250 + 1);
        desk.announce(ask, &[&text]);
    }
    let busy =
        |action: &Action<u32>| matches!(action, Action::Failed { failure: Failure::Busy, .. });
    let told = desk.told();
    assert_eq!(told.len(), 2_000 - 1_024);
    assert!(told.iter().all(busy));
    // Once they are idle, others may take their places.
    desk.pass(seconds(60));
    desk.announce(9_999, &[V4]);
    assert_eq!(desk.sent().0, addr(V4));
}

#[test]
fn our_own_server_and_our_client_understand_each_other() {
    for (own, other) in [("192.0.2.50:9", "192.0.2.51:7"), ("[2001:db8::5]:9", "[2001:db8::6]:7")] {
        let server = Server::new(Rng::from_number(5));
        let mut registry = Registry::new(Limits::default(), Rng::from_number(6));
        let seed = Query { left: 0, ..Query::new([1; 20], [9; 20], addr(other).port()) };
        registry.announce(Time::START, addr(other).ip(), &seed);
        let mut desk = Desk::new();
        let tracker = if addr(own).is_ipv6() { V6 } else { V4 };
        let query = Query { left: 1, ..Query::new([1; 20], [2; 20], 6881) };
        desk.ask(1, Question::Announce(Box::new(query)), &[tracker]);
        desk.ask(2, Question::Scrape([1; 20]), &[tracker]);
        let mut told = Vec::new();
        while !desk.out.is_empty() {
            for action in desk.out.drain().collect::<Vec<_>>() {
                let Action::Send { packet, .. } = action else {
                    told.push(action);
                    continue;
                };
                let bytes = server.answer(desk.now, addr(own), &packet, &mut registry).unwrap();
                desk.tell(Event::Packet { from: addr(tracker), bytes });
            }
        }
        let [Action::Announced { answer, .. }, Action::Scraped { counts, .. }] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(answer.peers, [Peer { address: addr(other), id: None }]);
        assert_eq!((counts.complete, answer.interval), (1, Some(1800)));
    }
}

#[test]
fn a_server_gives_nothing_to_who_has_no_connection_id_of_its_own() {
    let server = Server::new(Rng::from_number(5));
    let mut registry = Registry::new(Limits::default(), Rng::from_number(6));
    let mut ask = |seconds_on, from: &str, question| {
        let packet = Request { transaction: 3, question }.encode();
        let now = Time::START.after(seconds(seconds_on));
        let reply = server.answer(now, addr(from), &packet, &mut registry).unwrap();
        assert!(reply.len() <= packet.len() || reply[3] == 1, "no more than came");
        Response::decode(&reply, false).unwrap().reply
    };
    let Reply::Connected(connection) = ask(59, "192.0.2.5:1", wire::Question::Connect) else {
        panic!("no connection id");
    };
    let scrape = || wire::Question::Scrape { connection, hashes: vec![[1; 20]] };
    for (at, from, good) in [
        (60, "192.0.2.5:1", true),
        // BEP 15: for two minutes.
        (179, "192.0.2.5:2", true),
        (60, "192.0.2.6:1", false),
        (60, "[2001:db8::5]:1", false),
        (241, "192.0.2.5:1", false),
    ] {
        let reply = ask(at, from, scrape());
        assert_eq!(matches!(reply, Reply::Scraped(_)), good, "{at} {from}: {reply:?}");
    }
    assert_eq!(server.answer(Time::START, addr(V4), &[0; 16], &mut registry), None);
}
