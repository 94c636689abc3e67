//! Local discovery: whatever others say, we say little.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::reach::{Action, Config, Event, Group, Lan};
use toubkal_wire::lsd::{Announce, HASHES_MAX, HASHES_SENT_MAX};

pub(crate) fn lan(input: &[u8]) {
    if let Some(announce) = Announce::decode(input) {
        assert!(announce.port > 0 && (1..=HASHES_MAX).contains(&announce.info_hashes.len()));
        let again = Announce::decode(&announce.encode(Group::V4.address()));
        let again = again.expect("what was read can be said");
        assert_eq!((again.port, &again.cookie), (announce.port, &announce.cookie));
    }
    let mut world = World::new(Rng::from_bytes(input));
    while !world.rng.is_spent() {
        world.step();
    }
}

struct World {
    rng: Rng,
    now: Time,
    lan: Lan,
    out: Outbox<Action>,
    joined: [bool; 8],
    /// When each torrent was announced last.
    announced: BTreeMap<[u8; 20], Time>,
    /// When packets were sent to the first group, the last seven.
    sent: Vec<Time>,
}

impl World {
    fn new(rng: Rng) -> Self {
        let config = Config { ports: [Some(1), Some(2)] };
        Self {
            rng,
            now: Time::START,
            lan: Lan::new(Time::START, config, Rng::from_number(1)),
            out: Outbox::new(),
            joined: [false; 8],
            announced: BTreeMap::new(),
            sent: Vec::new(),
        }
    }

    fn step(&mut self) {
        let hash = self.rng.index(8);
        match self.rng.below(6) {
            0 => {
                self.joined[hash] = true;
                self.tell(Event::Join([hash as u8; 20]));
            }
            1 => {
                self.joined[hash] = false;
                // Who comes back may be announced anew.
                self.announced.remove(&[hash as u8; 20]);
                self.tell(Event::Leave([hash as u8; 20]));
            }
            2 | 3 => {
                let from = SocketAddr::from(([10, 0, 0, self.rng.below(64) as u8], 6771));
                let count = self.rng.below(4);
                let info_hashes = (0..count).map(|_| [self.rng.below(9) as u8; 20]).collect();
                let announce = Announce { port: 9, info_hashes, cookie: None };
                let bytes = announce.encode(Group::V4.address());
                self.tell(Event::Packet { from, bytes });
            }
            _ => {
                let end = self.now.after(Duration::from_millis(1 << self.rng.below(20)));
                while let Some((at, _)) = self.lan.deadline().filter(|(at, _)| *at <= end) {
                    self.now = self.now.max(at);
                    self.lan.advance(self.now, &mut self.out);
                    self.judge();
                    let next = self.lan.deadline();
                    assert!(next.is_none_or(|(at, _)| at > self.now), "{next:?} is never done");
                }
                self.now = end;
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.lan.handle(self.now, event, &mut self.out);
        self.judge();
    }

    fn judge(&mut self) {
        for action in self.out.drain().collect::<Vec<_>>() {
            match action {
                Action::Send { group: Group::V6, .. } => {}
                Action::Send { group: Group::V4, packet } => {
                    let said = Announce::decode(&packet).expect("we say what can be read");
                    assert!(said.info_hashes.len() <= HASHES_SENT_MAX && packet.len() <= 1_300);
                    for hash in said.info_hashes {
                        assert!(self.joined[usize::from(hash[0])], "it has left");
                        let last = self.announced.insert(hash, self.now);
                        let minute = Duration::from_secs(60);
                        assert!(last.is_none_or(|last| self.now.since(last) >= minute));
                    }
                    self.sent.push(self.now);
                    if let [.., first, _, _, _, _, _, last] = self.sent[..] {
                        assert!(last.since(first) >= Duration::from_secs(10), "too many");
                    }
                }
                Action::Peer { info_hash, address } => {
                    assert!(self.joined[usize::from(info_hash[0])] && address.port() == 9);
                }
            }
        }
    }
}
