//! Local discovery: which torrents take part, and what comes of it.

use std::collections::HashMap;
use std::net::SocketAddr;

use toubkal_core::base::{Machine, Outbox, Rng, Time};
use toubkal_core::engine::{self, PeerSource, TorrentId};
use toubkal_core::reach::{Action, Config, Event, Lan};

use super::Brain;

/// Packets that are taken in one round.
const PACKETS: usize = 32;

/// Local discovery for all torrents.
#[derive(Debug)]
pub(super) struct Local {
    machine: Lan,
    joined: HashMap<[u8; 20], TorrentId>,
}

impl Local {
    /// Tells others of the ports where peers reach us.
    pub(super) fn new(now: Time, listening_on: &[SocketAddr], rng: Rng) -> Self {
        let port = |v4: bool| {
            let mut ours = listening_on.iter().filter(|addr| addr.is_ipv4() == v4);
            ours.next().map(SocketAddr::port)
        };
        let config = Config { ports: [port(true), port(false)] };
        Self { machine: Lan::new(now, config, rng), joined: HashMap::new() }
    }

    /// When something is to be said.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.machine.deadline().map(|(at, _)| at)
    }
}

impl Brain {
    /// The torrent transfers: it takes part, unless its peers come from its trackers alone.
    pub(super) fn join_lan(&mut self, now: Time, torrent: TorrentId) {
        let Some(hash) = self.torrents.public_hash(torrent) else { return };
        if let Some(local) = &mut self.local {
            local.joined.insert(hash, torrent);
        }
        self.tell_lan(now, Event::Join(hash));
    }

    /// The torrent stops.
    pub(super) fn leave_lan(&mut self, now: Time, torrent: TorrentId) {
        let Some(hash) = self.torrents.public_hash(torrent) else { return };
        if let Some(local) = &mut self.local {
            local.joined.remove(&hash);
        }
        self.tell_lan(now, Event::Leave(hash));
    }

    /// Takes in what others say, and says what is due.
    pub(super) fn work_on_lan(&mut self, now: Time) {
        let Some(local) = &self.local else { return };
        if !local.joined.is_empty() {
            self.udp.refresh_lan(now);
        }
        for _ in 0..PACKETS {
            let Some((from, packet)) = self.udp.receive_lan() else { break };
            let bytes = packet.to_vec();
            self.tell_lan(now, Event::Packet { from, bytes });
        }
        if self.local.as_ref().and_then(Local::deadline).is_some_and(|at| at <= now) {
            self.with_lan(|machine, out| machine.advance(now, out), now);
        }
    }

    fn tell_lan(&mut self, now: Time, event: Event) {
        self.with_lan(|machine, out| machine.handle(now, event, out), now);
    }

    fn with_lan(&mut self, tell: impl FnOnce(&mut Lan, &mut Outbox<Action>), now: Time) {
        let Some(local) = &mut self.local else { return };
        let mut out = Outbox::new();
        tell(&mut local.machine, &mut out);
        for action in out.drain() {
            match action {
                Action::Send { group, packet } => self.udp.send_lan(group, &packet),
                Action::Peer { info_hash, address } => {
                    let joined = self.local.as_ref().and_then(|local| local.joined.get(&info_hash));
                    let Some(&torrent) = joined else { continue };
                    let peers = vec![address];
                    self.handle(now, engine::Event::Peers(torrent, PeerSource::Lan, peers));
                }
            }
        }
    }
}
