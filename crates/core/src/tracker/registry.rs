//! What a tracker remembers: who is in which swarm, and whom to tell of whom.

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use toubkal_wire::announce::{Answer, Counts, Event, Failure, Peer, Query, Reply, ScrapeReply};
use toubkal_wire::compact;

use crate::base::{Rng, Time};

/// How much a [`Registry`] takes in, and how often it wants to hear of its clients.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Seconds between announces.
    pub interval: u32,
    /// Seconds before which no announce is welcome; told, not enforced.
    pub min_interval: u32,
    /// Swarms at one time; announces for more are refused.
    pub swarms_max: usize,
    /// Peers of one swarm; announces of more are answered, and not remembered.
    pub peers_max: usize,
    /// Peers of all swarms together; the same.
    pub all_peers_max: usize,
    /// Peers in one answer.
    pub numwant_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interval: 30 * 60,
            min_interval: 60,
            swarms_max: 10_000,
            peers_max: 2_000,
            all_peers_max: 100_000,
            numwant_max: 200,
        }
    }
}

/// Peers in an answer to a client that does not say how many it wants (BEP 3's custom).
const NUMWANT: u32 = 50;

#[derive(Clone, Debug)]
struct Member {
    id: [u8; 20],
    seed: bool,
    seen: Time,
}

#[derive(Clone, Debug, Default)]
struct Swarm {
    members: BTreeMap<SocketAddr, Member>,
    downloaded: u32,
}

/// The swarms of a small tracker, in memory only.
///
/// A client is known by the address from which it asks and the port that it names, never by an
/// address that it claims. One that stays silent for two intervals and a bit is forgotten.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    swarms: BTreeMap<[u8; 20], Swarm>,
    peers: usize,
    swept: Time,
    rng: Rng,
}

impl Registry {
    /// A registry without swarms.
    #[must_use]
    pub fn new(limits: Limits, rng: Rng) -> Self {
        Self { limits, swarms: BTreeMap::new(), peers: 0, swept: Time::START, rng }
    }

    /// Takes in an announce from this address and answers it.
    pub fn announce(&mut self, now: Time, from: IpAddr, query: &Query) -> Reply {
        self.sweep(now);
        let address = SocketAddr::new(from.to_canonical(), query.port);
        let full = self.swarms.len() >= self.limits.swarms_max;
        if full && !self.swarms.contains_key(&query.info_hash) {
            return Reply::Failure(Failure::new("this tracker has no room for more torrents"));
        }
        self.note(now, address, query);
        let numwant = match query.event {
            Some(Event::Stopped) => 0,
            _ => query.numwant.unwrap_or(NUMWANT).min(self.limits.numwant_max),
        };
        let peers = self.choose(address, query, numwant as usize);
        let counts = self.counts(&query.info_hash).unwrap_or_default();
        Reply::Answer(Answer {
            interval: Some(self.limits.interval.into()),
            min_interval: Some(self.limits.min_interval.into()),
            complete: Some(counts.complete),
            incomplete: Some(counts.incomplete),
            downloaded: Some(counts.downloaded),
            peers,
            external_ip: Some(address.ip()),
            ..Answer::default()
        })
    }

    /// The counts of these torrents, as far as they are known.
    pub fn scrape(&mut self, now: Time, hashes: &[[u8; 20]]) -> ScrapeReply {
        self.sweep(now);
        let known = hashes.iter().filter_map(|hash| Some((*hash, self.counts(hash)?)));
        ScrapeReply::Counts(known.collect())
    }

    /// Swarms and peers that are remembered.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.swarms.len(), self.peers)
    }

    /// A refusal in the words of a parse error.
    #[must_use]
    pub fn refuse(reason: &impl ToString) -> Reply {
        Reply::Failure(Failure::new(reason.to_string()))
    }

    fn note(&mut self, now: Time, address: SocketAddr, query: &Query) {
        if query.event == Some(Event::Stopped) {
            self.forget(address, query);
            return;
        }
        let swarm = self.swarms.entry(query.info_hash).or_default();
        let seed = query.left == 0;
        let old = swarm.members.get(&address);
        if query.event == Some(Event::Completed) && old.is_none_or(|member| !member.seed) {
            swarm.downloaded = swarm.downloaded.saturating_add(1);
        }
        let room =
            swarm.members.len() < self.limits.peers_max && self.peers < self.limits.all_peers_max;
        if compact::usable(address) && (old.is_some() || room) {
            self.peers += usize::from(old.is_none());
            swarm.members.insert(address, Member { id: query.peer_id, seed, seen: now });
        }
    }

    /// Only the client itself can take itself out, so its id has to be right too.
    fn forget(&mut self, address: SocketAddr, query: &Query) {
        let Some(swarm) = self.swarms.get_mut(&query.info_hash) else { return };
        if swarm.members.get(&address).is_some_and(|member| member.id == query.peer_id) {
            swarm.members.remove(&address);
            self.peers -= 1;
        }
    }

    /// A random choice of the others; seeds are of no use to a seed.
    fn choose(&mut self, asker: SocketAddr, query: &Query, count: usize) -> Vec<Peer> {
        let Some(swarm) = self.swarms.get(&query.info_hash) else { return Vec::new() };
        let fits = |address: &SocketAddr, member: &Member| {
            // The same id at another address is the asker over the other family.
            *address != asker && member.id != query.peer_id && !(member.seed && query.left == 0)
        };
        let others = swarm.members.iter().filter(|(address, member)| fits(address, member));
        let mut others: Vec<Peer> =
            others.map(|(&address, member)| Peer { address, id: Some(member.id) }).collect();
        let count = count.min(others.len());
        for index in 0..count {
            let other = index + self.rng.index(others.len() - index);
            others.swap(index, other);
        }
        others.truncate(count);
        if query.no_peer_id {
            others.iter_mut().for_each(|peer| peer.id = None);
        }
        others
    }

    fn counts(&self, hash: &[u8; 20]) -> Option<Counts> {
        let swarm = self.swarms.get(hash)?;
        let complete = swarm.members.values().filter(|member| member.seed).count();
        Some(Counts {
            complete: complete as u32,
            incomplete: (swarm.members.len() - complete) as u32,
            downloaded: swarm.downloaded,
        })
    }

    /// Once a minute: who was silent too long is gone, and a swarm without peers with them.
    fn sweep(&mut self, now: Time) {
        if now.since(self.swept) < Duration::from_secs(60) {
            return;
        }
        self.swept = now;
        let silence = Duration::from_secs(u64::from(self.limits.interval) * 2 + 120);
        for swarm in self.swarms.values_mut() {
            swarm.members.retain(|_, member| now.since(member.seen) <= silence);
        }
        self.swarms.retain(|_, swarm| !swarm.members.is_empty());
        self.peers = self.swarms.values().map(|swarm| swarm.members.len()).sum();
    }
}
