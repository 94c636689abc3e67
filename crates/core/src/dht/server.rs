//! What others ask of us, and what they get.
//!
//! Who sends a false address makes us send to a victim: an address that has proved nothing gets
//! at most three times the bytes of its question. Lists are cut to fit; a value or a filter that
//! does not fit waits until the address has answered a ping.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::krpc::{Ask, Id, Kind, Message, Query, Response, Want, code};

use super::asked::Why;
use super::lookup::K;
use super::{Action, Dht, Family, Way};
use crate::base::{Outbox, Time};

/// The longest answer: it fits into one frame on every way.
pub(super) const ANSWER_BYTES_MAX: usize = 1200;
/// Who has proved nothing gets so many times its question.
const AMPLIFICATION: usize = 3;
/// Questions that wait for a proof.
const HELD_MAX: usize = 32;
/// How long they wait.
const HELD: Duration = Duration::from_secs(3);
/// Bytes of an answer that are no peers, at least.
const PEERS_ROOM: usize = 100;

/// A question that waits until its sender has proved its address.
#[derive(Debug)]
pub(super) struct Held {
    way: Way,
    packet: Vec<u8>,
    until: Time,
}

impl Dht {
    /// Answers a question; `packet` is how it came.
    pub(super) fn query(
        &mut self,
        now: Time,
        way: Way,
        (transaction, query): (&[u8], &Query<'_>),
        packet: &[u8],
        out: &mut Outbox<Action>,
    ) {
        self.counts.answers += 1;
        let proven = self.guests.is_proven(now, way.from);
        let most = if proven { usize::MAX } else { packet.len() * AMPLIFICATION };
        let limit = ANSWER_BYTES_MAX.min(most);
        if let Ask::AnnouncePeer { token, .. } | Ask::Put { token, .. } = query.ask {
            if !self.tokens.accepts(now, way.from.ip(), token) {
                let fault = (code::PROTOCOL, "the token is not one of ours, or too old");
                return self.refuse(way, transaction, fault, out);
            }
            // Only who gets our packets has the token.
            self.guests.proved(now, way.from);
        }
        if let Err(fault) = self.take(now, way, query) {
            return self.refuse(way, transaction, fault, out);
        }
        let token = self.tokens.give(now, way.from.ip());
        let item = match query.ask {
            Ask::Get { target, .. } => self.items.get(now, &target).cloned(),
            _ => None,
        };
        let mut response = self.response(now, way, query, limit);
        if matches!(query.ask, Ask::GetPeers { .. } | Ask::Get { .. }) {
            response.token = Some(&token);
        }
        if let (Some(item), Ask::Get { seq, .. }) = (&item, &query.ask) {
            let newer = seq.is_none_or(|seq| item.signed.is_none() || item.seq() > seq);
            response.seq = item.signed.as_ref().map(|signed| signed.seq);
            if newer {
                response.value = Some(&item.value);
                response.key = item.signed.as_ref().map(|signed| &signed.key);
                response.signature = item.signed.as_ref().map(|signed| &signed.signature);
            }
        }
        let version = self.config.version;
        let mut message = Message {
            transaction,
            kind: Kind::Response(response),
            read_only: false,
            ip: Some(way.from),
            version: Some(&version),
        };
        let mut bytes = message.to_bytes();
        if let Some(excess) = bytes.len().checked_sub(limit + 1)
            && let Kind::Response(response) = &mut message.kind
        {
            if trim(response, excess + 1) {
                bytes = message.to_bytes();
            } else if self.hold(now, way, packet, out) {
                return;
            } else if let Kind::Response(response) = &mut message.kind {
                // It may ask again.
                (response.value, response.key, response.signature) = (None, None, None);
                response.scrape = None;
                bytes = message.to_bytes();
            }
        }
        self.send(way, bytes, out);
    }

    /// Tells somebody what is wrong with its question.
    pub(super) fn refuse(
        &self,
        way: Way,
        transaction: &[u8],
        (code, text): (i64, &str),
        out: &mut Outbox<Action>,
    ) {
        let kind = Kind::Error { code, text: text.as_bytes() };
        let message = Message { transaction, kind, read_only: false, ip: None, version: None };
        self.send(way, message.to_bytes(), out);
    }

    /// Takes in what is to be stored.
    fn take(&mut self, now: Time, way: Way, query: &Query<'_>) -> Result<(), (i64, &'static str)> {
        let near = self.homes[way.home].id;
        match query.ask {
            Ask::AnnouncePeer { info_hash, port, implied_port, seed, .. } => {
                // BEP 5: "the source port of the UDP packet should be used".
                let port = if implied_port { way.from.port() } else { port };
                let peer = SocketAddr::new(way.from.ip(), port);
                self.peers.put(now, info_hash, peer, seed, &near);
                Ok(())
            }
            Ask::Put { value, signed, cas, .. } => {
                self.items.put(now, way.from, (value, signed, cas), &near)
            }
            _ => Ok(()),
        }
    }

    /// All that an answer can have but a token and an item.
    fn response<'a>(
        &mut self,
        now: Time,
        way: Way,
        query: &Query<'_>,
        limit: usize,
    ) -> Response<'a> {
        let mut response = Response::new(self.homes[way.home].id);
        match query.ask {
            Ask::FindNode { target } | Ask::Get { target, .. } => {
                self.near(way, query.want, &target, &mut response);
            }
            Ask::GetPeers { info_hash, no_seed, scrape } => {
                self.near(way, query.want, &info_hash, &mut response);
                let v4 = way.from.is_ipv4();
                let bytes = if v4 { 8 } else { 21 };
                let room = (limit.saturating_sub(PEERS_ROOM) / bytes, &mut self.rng);
                // BEP 32: peers of the family that asks.
                response.values = self.peers.get(now, &info_hash, v4, no_seed, room);
                if scrape {
                    response.scrape = self.peers.scrape(now, &info_hash);
                }
            }
            Ask::SampleInfohashes { target } => {
                self.near(way, query.want, &target, &mut response);
                response.samples = Some(self.peers.sample(now, &mut self.rng));
            }
            Ask::Ping | Ask::AnnouncePeer { .. } | Ask::Put { .. } => {}
        }
        response
    }

    /// The nodes that are nearest, of the families that are wanted (BEP 32).
    fn near(&self, way: Way, want: Option<Want>, target: &Id, response: &mut Response<'_>) {
        let v4 = way.from.is_ipv4();
        let want = want.filter(|want| want.v4 || want.v6).unwrap_or(Want { v4, v6: !v4 });
        let of = |family| {
            let own = self.homes[way.home].family == family;
            let home = if own { Some(way.home) } else { self.home_of(family) };
            home.map(|home| self.homes[home].table.nearest(target, K, false))
        };
        response.nodes = want.v4.then(|| of(Family::V4)).flatten();
        response.nodes6 = want.v6.then(|| of(Family::V6)).flatten();
    }

    /// Keeps a question until its sender has answered a ping.
    fn hold(&mut self, now: Time, way: Way, packet: &[u8], out: &mut Outbox<Action>) -> bool {
        self.held.retain(|held| held.until > now);
        let waits = self.held.iter().any(|held| held.way.from == way.from);
        if waits || self.held.len() >= HELD_MAX {
            return false;
        }
        let asked = self.ask(now, way, (Ask::Ping, Why::Upkeep), out);
        if asked {
            self.held.push(Held { way, packet: packet.to_vec(), until: now.after(HELD) });
        }
        asked
    }

    /// An address is proved: what waited for that is answered.
    pub(super) fn release(&mut self, now: Time, from: SocketAddr, out: &mut Outbox<Action>) {
        while let Some(at) = self.held.iter().position(|held| held.way.from == from) {
            let Held { way, packet, until } = self.held.swap_remove(at);
            if until <= now {
                continue;
            }
            if let Ok(Message { transaction, kind: Kind::Query(query), .. }) =
                Message::decode(&packet)
            {
                self.query(now, way, (transaction, &query), &packet, out);
            }
        }
    }
}

/// Cuts lists until an answer is so many bytes shorter; false when they are not that long. Peers
/// are worth more than nodes, one of each is worth most.
fn trim(response: &mut Response<'_>, mut excess: usize) -> bool {
    while excess > 0 {
        let count = |nodes: &Option<Vec<_>>| nodes.as_ref().map_or(0, Vec::len);
        let (four, six) = (count(&response.nodes), count(&response.nodes6));
        let samples = response.samples.as_mut().filter(|samples| !samples.hashes.is_empty());
        let peer_bytes = response.values.last().map_or(0, |v| if v.is_ipv4() { 8 } else { 21 });
        let nodes_bytes = four * 26 + six * 38;
        let peers_bytes = response.values.len() * peer_bytes;
        let saved = if let Some(samples) = samples {
            samples.hashes.pop();
            20
        } else if nodes_bytes > peers_bytes && six * 38 > four * 26 {
            response.nodes6.as_mut().and_then(Vec::pop).map_or(0, |_| 38)
        } else if nodes_bytes > peers_bytes {
            response.nodes.as_mut().and_then(Vec::pop).map_or(0, |_| 26)
        } else {
            response.values.pop().map_or(0, |_| peer_bytes)
        };
        if saved == 0 {
            return false;
        }
        excess = excess.saturating_sub(saved);
    }
    true
}
