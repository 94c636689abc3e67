//! When what is said on the local network, and whom that makes known (BEP 14).

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::lsd::{Announce, GROUP_V4, GROUP_V6, HASHES_SENT_MAX};

use crate::base::{Bucket, Machine, Outbox, Rng, Time};

/// From one announce of a torrent to the next.
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// BEP 14: no torrent is announced more than once a minute.
const PAUSE: Duration = Duration::from_secs(60);
/// Torrents that start together are announced together.
const GATHER: Duration = Duration::from_millis(10);
/// Somebody new is answered within this time; not by all at the same moment.
const ANSWER: Duration = Duration::from_millis(100);
/// Packets cost this much of a bucket that fills by one a second: six at once, six a minute.
const COST: u64 = 10;
const BURST: u64 = 60;
/// Packets of others that are read: so many at once, and a second.
const HEARD: (u64, u64) = (200, 50);
/// Peers of a torrent that are remembered, so as not to answer them again.
const KNOWN_MAX: usize = 32;

/// One of the two groups to which is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Group {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Where everybody listens.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        match self {
            Self::V4 => GROUP_V4.into(),
            Self::V6 => GROUP_V6.into(),
        }
    }
}

/// What is set once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where peers reach us over IPv4, and over IPv6; over a family without a port nothing is
    /// said.
    pub ports: [Option<u16>; 2],
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A torrent wants peers, or has something to give. Never a private one (BEP 27).
    Join([u8; 20]),
    /// It does not any more.
    Leave([u8; 20]),
    /// A packet came from the local network, and only from there.
    Packet {
        /// From where.
        from: SocketAddr,
        /// The whole of it.
        bytes: Vec<u8>,
    },
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say this to everybody, over each interface.
    Send {
        /// To which group.
        group: Group,
        /// The whole packet.
        packet: Vec<u8>,
    },
    /// A peer of a torrent.
    Peer {
        /// The torrent.
        info_hash: [u8; 20],
        /// Where it takes connections.
        address: SocketAddr,
    },
}

/// Speaks and listens for all torrents of a session.
///
/// A torrent is announced when it starts, every five minutes, and when somebody new announces
/// it, so that the two meet at once; but once a minute at most. All torrents together get six
/// packets a minute, each of up to twenty torrents: whose turn has waited longest comes first.
#[derive(Debug)]
pub struct Lan {
    config: Config,
    cookie: String,
    torrents: BTreeMap<[u8; 20], Torrent>,
    /// When which torrent is announced.
    due: BTreeSet<(Time, [u8; 20])>,
    packets: Bucket,
    heard: Bucket,
    rng: Rng,
}

#[derive(Debug, Default)]
struct Torrent {
    next: Time,
    last: Option<Time>,
    /// Who announced it, and when last; who was heard of first comes first.
    known: VecDeque<(SocketAddr, Time)>,
}

impl Lan {
    /// Without torrents nothing is said.
    #[must_use]
    pub fn new(now: Time, config: Config, mut rng: Rng) -> Self {
        let cookie = alloc::format!("{:016x}", rng.bits());
        let packets = Bucket::new(now, 1, BURST);
        let heard = Bucket::new(now, HEARD.1, HEARD.0);
        let (torrents, due) = (BTreeMap::new(), BTreeSet::new());
        Self { config, cookie, torrents, due, packets, heard, rng }
    }

    fn join(&mut self, now: Time, hash: [u8; 20]) {
        let next = now.after(GATHER);
        if let Entry::Vacant(place) = self.torrents.entry(hash) {
            place.insert(Torrent { next, ..Torrent::default() });
            self.due.insert((next, hash));
        }
    }

    fn leave(&mut self, hash: [u8; 20]) {
        if let Some(torrent) = self.torrents.remove(&hash) {
            self.due.remove(&(torrent.next, hash));
        }
    }

    fn packet(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Outbox<Action>) {
        if !self.heard.take(now, 1) {
            return;
        }
        let Some(announce) = Announce::decode(bytes) else { return };
        if announce.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        let address = SocketAddr::new(from.ip().to_canonical(), announce.port);
        for hash in announce.info_hashes {
            self.met(now, hash, address, out);
        }
    }

    /// Somebody announced a torrent.
    fn met(&mut self, now: Time, hash: [u8; 20], address: SocketAddr, out: &mut Outbox<Action>) {
        let Some(torrent) = self.torrents.get_mut(&hash) else { return };
        match torrent.known.iter_mut().find(|(known, _)| *known == address) {
            Some((_, heard)) if now.since(*heard) < PAUSE => return,
            Some((_, heard)) => *heard = now,
            None => {
                if torrent.known.len() == KNOWN_MAX {
                    torrent.known.pop_front();
                }
                torrent.known.push_back((address, now));
                let wait = self.rng.below(ANSWER.as_nanos() as u64);
                let soon = now.after(Duration::from_nanos(wait));
                let allowed = torrent.last.map_or(soon, |last| last.after(PAUSE).max(soon));
                let next = torrent.next.min(allowed);
                self.due.remove(&(torrent.next, hash));
                torrent.next = next;
                self.due.insert((next, hash));
            }
        }
        out.push(Action::Peer { info_hash: hash, address });
    }

    /// Announces the torrents whose turn it is, with one packet to each group.
    fn announce(&mut self, now: Time, out: &mut Outbox<Action>) {
        let due = self.due.iter().take_while(|(at, _)| *at <= now).take(HASHES_SENT_MAX);
        let info_hashes: Vec<[u8; 20]> = due.map(|&(_, hash)| hash).collect();
        for &hash in &info_hashes {
            let Some(torrent) = self.torrents.get_mut(&hash) else { continue };
            self.due.remove(&(torrent.next, hash));
            torrent.last = Some(now);
            // Those that started together do not stay together with those elsewhere.
            let jitter = self.rng.below((INTERVAL / 10).as_nanos() as u64);
            torrent.next = now.after(INTERVAL + Duration::from_nanos(jitter));
            self.due.insert((torrent.next, hash));
        }
        for (group, port) in Group::ALL.into_iter().zip(self.config.ports) {
            let Some(port) = port else { continue };
            let (info_hashes, cookie) = (info_hashes.clone(), Some(self.cookie.clone()));
            let announce = Announce { port, info_hashes, cookie };
            out.push(Action::Send { group, packet: announce.encode(group.address()) });
        }
    }
}

impl Machine for Lan {
    type Event = Event;
    type Action = Action;

    fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        match event {
            Event::Join(hash) => self.join(now, hash),
            Event::Leave(hash) => self.leave(hash),
            Event::Packet { from, bytes } => self.packet(now, from, &bytes, out),
        }
        self.advance(now, out);
    }

    fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) && self.packets.take(now, COST) {
            self.announce(now, out);
        }
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let &(at, _) = self.due.first()?;
        Some((at.max(self.packets.ready_at(COST)), "local discovery"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const BOTH: Config = Config { ports: [Some(6881), Some(6882)] };

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A machine, and what it has said: when, to which group, and what.
    struct Desk {
        lan: Lan,
        now: Time,
        said: Vec<(Time, Group, Announce)>,
        met: Vec<([u8; 20], SocketAddr)>,
    }

    impl Desk {
        fn new(config: Config, seed: u64) -> Self {
            let now = Time::START.after(seconds(1000));
            let lan = Lan::new(now, config, Rng::from_number(seed));
            Self { lan, now, said: vec![], met: vec![] }
        }

        fn tell(&mut self, event: Event) {
            let mut out = Outbox::new();
            self.lan.handle(self.now, event, &mut out);
            self.note(out);
        }

        fn hear(&mut self, from: &str, hash: u8) {
            let announce = Announce { port: 51413, info_hashes: vec![[hash; 20]], cookie: None };
            let bytes = announce.encode(GROUP_V4.into());
            self.tell(Event::Packet { from: addr(from), bytes });
        }

        fn note(&mut self, mut out: Outbox<Action>) {
            for action in out.drain() {
                match action {
                    Action::Send { group, packet } => {
                        self.said.push((self.now, group, Announce::decode(&packet).unwrap()));
                    }
                    Action::Peer { info_hash, address } => self.met.push((info_hash, address)),
                }
            }
        }

        fn pass(&mut self, wait: Duration) {
            let end = self.now.after(wait);
            while let Some((at, _)) = self.lan.deadline().filter(|(at, _)| *at <= end) {
                self.now = self.now.max(at);
                let mut out = Outbox::new();
                self.lan.advance(self.now, &mut out);
                self.note(out);
                assert!(self.lan.deadline().is_none_or(|(at, _)| at > self.now));
            }
            self.now = end;
        }
    }

    #[test]
    fn torrents_that_start_together_are_announced_together_and_to_both_groups() {
        let mut desk = Desk::new(BOTH, 1);
        for hash in 1..=3 {
            desk.tell(Event::Join([hash; 20]));
            desk.tell(Event::Join([hash; 20]));
        }
        desk.pass(seconds(1));
        let hashes = [[1; 20], [2; 20], [3; 20]];
        let [(at, Group::V4, four), (_, Group::V6, six)] = &desk.said[..] else {
            panic!("{:?}", desk.said);
        };
        assert!(at.since(Time::START) < seconds(1001));
        assert_eq!((four.port, six.port), (6881, 6882));
        assert_eq!((&four.info_hashes[..], &six.info_hashes[..]), (&hashes[..], &hashes[..]));
        desk.tell(Event::Leave([2; 20]));
        desk.said.clear();
        desk.pass(seconds(331));
        assert!(desk.said.iter().all(|(.., said)| !said.info_hashes.contains(&[2; 20])));
        assert!(!desk.said.is_empty());
    }

    #[test]
    fn over_a_family_without_a_port_nothing_is_said() {
        let mut desk = Desk::new(Config { ports: [None, Some(1)] }, 1);
        desk.tell(Event::Join([1; 20]));
        desk.pass(seconds(3600));
        assert!(desk.said.len() >= 10);
        assert!(desk.said.iter().all(|(_, group, _)| *group == Group::V6));
    }

    #[test]
    fn somebody_new_is_met_and_answered_at_once_and_others_are_not() {
        let mut desk = Desk::new(BOTH, 1);
        desk.tell(Event::Join([1; 20]));
        desk.pass(seconds(100));
        desk.said.clear();
        desk.hear("192.0.2.7:6771", 1);
        assert_eq!(desk.met, [([1; 20], addr("192.0.2.7:51413"))]);
        desk.pass(ANSWER);
        assert_eq!(desk.said.len(), 2, "both groups hear the answer");
        // It is known now, and what we do not have is nothing to us.
        desk.hear("192.0.2.7:6771", 1);
        desk.hear("192.0.2.8:6771", 9);
        desk.pass(seconds(120));
        assert_eq!((desk.said.len(), desk.met.len()), (2, 1));
        // Later it is met again, as it may have been forgotten elsewhere.
        desk.hear("192.0.2.7:6771", 1);
        assert_eq!(desk.met.len(), 2);
    }

    #[test]
    fn no_torrent_is_announced_twice_a_minute_whoever_asks() {
        let mut desk = Desk::new(BOTH, 2);
        desk.tell(Event::Join([1; 20]));
        for second in 0..600 {
            desk.hear(&std::format!("192.0.2.{}:6771", second % 250 + 1), 1);
            desk.pass(seconds(1));
        }
        let times: Vec<Time> =
            desk.said.iter().filter(|(_, group, _)| *group == Group::V4).map(|s| s.0).collect();
        assert!(times.len() >= 9, "everybody is answered in time: {times:?}");
        assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= PAUSE), "{times:?}");
    }

    #[test]
    fn many_torrents_share_six_packets_a_minute_and_all_have_their_turn() {
        let mut desk = Desk::new(Config { ports: [Some(1), None] }, 3);
        let hash = |number: u32| {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            hash
        };
        for number in 0..1_000 {
            desk.tell(Event::Join(hash(number)));
        }
        desk.pass(seconds(600));
        assert!(desk.said.len() <= 6 + 60, "{} packets in ten minutes", desk.said.len());
        let heard: BTreeSet<_> = desk.said.iter().flat_map(|said| &said.2.info_hashes).collect();
        assert_eq!(heard.len(), 1_000);
    }

    #[test]
    fn our_own_packets_and_nonsense_are_passed_over() {
        let mut desk = Desk::new(BOTH, 4);
        desk.tell(Event::Join([1; 20]));
        desk.pass(seconds(1));
        let own = desk.said[0].2.encode(GROUP_V4.into());
        desk.tell(Event::Packet { from: addr("192.0.2.1:6771"), bytes: own });
        desk.tell(Event::Packet { from: addr("192.0.2.1:6771"), bytes: vec![b'x'; 999] });
        assert_eq!(desk.met, []);
    }

    #[test]
    fn a_flood_costs_little() {
        let mut desk = Desk::new(BOTH, 5);
        desk.tell(Event::Join([1; 20]));
        for number in 0..10_000u32 {
            desk.hear(&std::format!("10.0.{}.{}:6771", number / 250, number % 250 + 1), 1);
        }
        assert_eq!(desk.met.len(), HEARD.0 as usize);
        assert!(desk.lan.torrents[&[1; 20]].known.len() <= KNOWN_MAX);
    }
}
