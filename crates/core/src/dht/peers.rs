//! Peers of torrents that others announced here, with limits on everything.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::krpc::{Id, Samples, Scrape};

use super::guests::block;
use crate::base::{Rng, Time};

/// Torrents of which peers are stored.
pub(super) const TORRENTS_MAX: usize = 4000;
/// Peers of one torrent.
pub(super) const PEERS_MAX: usize = 1000;
/// Peers of all torrents.
pub(super) const ALL_MAX: usize = 20_000;
/// Peers that one address has, of all torrents.
pub(super) const OF_ONE_MAX: u32 = 100;
/// Ports that one address has in one torrent.
const PORTS_MAX: usize = 4;
/// A peer that is not announced again is forgotten then.
pub(super) const LIFE: Duration = Duration::from_secs(30 * 60);
/// How long the same torrents are told (BEP 51).
const SAMPLE_LIFE: Duration = Duration::from_secs(300);
/// Torrents that are told at once.
const SAMPLES_MAX: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Peers {
    torrents: BTreeMap<Id, Vec<Peer>>,
    count: usize,
    /// Peers of each address.
    by_block: BTreeMap<u64, u32>,
    sample: Vec<Id>,
    sampled: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    seed: bool,
    /// When it was announced last.
    at: Time,
}

impl Peers {
    pub(super) fn torrents(&self) -> usize {
        self.torrents.len()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Stores a peer. `near`: our id; when all is full, the torrent that is farthest from it goes.
    pub(super) fn put(&mut self, now: Time, hash: Id, address: SocketAddr, seed: bool, near: &Id) {
        self.expire_one(now, hash);
        if let Some(peer) = self
            .torrents
            .get_mut(&hash)
            .and_then(|peers| peers.iter_mut().find(|peer| peer.address == address))
        {
            (peer.seed, peer.at) = (seed, now);
            return;
        }
        let block = block(address);
        if self.by_block.get(&block).is_some_and(|&count| count >= OF_ONE_MAX) {
            return;
        }
        let peers = self.torrents.get(&hash).map_or(&[][..], Vec::as_slice);
        let ports = peers.iter().filter(|peer| peer.address.ip() == address.ip()).count();
        if ports >= PORTS_MAX && !toubkal_wire::krpc::is_local(address.ip()) {
            return;
        }
        if peers.len() >= PEERS_MAX {
            // The one that was announced longest ago makes room.
            let oldest = (0..peers.len()).min_by_key(|&index| peers[index].at);
            oldest.into_iter().for_each(|index| self.remove(hash, index));
        }
        if self.count >= ALL_MAX || !self.torrents.contains_key(&hash) && self.is_full() {
            self.expire(now);
            if (self.count >= ALL_MAX || self.is_full()) && !self.make_room(&hash, near) {
                return;
            }
        }
        self.torrents.entry(hash).or_default().push(Peer { address, seed, at: now });
        *self.by_block.entry(block).or_default() += 1;
        self.count += 1;
    }

    /// Up to so many peers of a torrent with addresses like the asker's, drawn by chance.
    pub(super) fn get(
        &self,
        now: Time,
        hash: &Id,
        v4: bool,
        no_seed: bool,
        (count, rng): (usize, &mut Rng),
    ) -> Vec<SocketAddr> {
        let peers = self.live(now, hash);
        let fits = |peer: &&Peer| peer.address.is_ipv4() == v4 && !(no_seed && peer.seed);
        let mut found: Vec<SocketAddr> = peers.filter(fits).map(|peer| peer.address).collect();
        if found.len() > count {
            for index in 0..count {
                let other = index + rng.index(found.len() - index);
                found.swap(index, other);
            }
            found.truncate(count);
        }
        found
    }

    /// Filters of the peers of a torrent (BEP 33); `None` when there are none.
    pub(super) fn scrape(&self, now: Time, hash: &Id) -> Option<Scrape> {
        let mut scrape = Scrape { seeds: <_>::default(), peers: <_>::default() };
        let mut any = false;
        for peer in self.live(now, hash) {
            let filter = if peer.seed { &mut scrape.seeds } else { &mut scrape.peers };
            filter.insert(peer.address.ip());
            any = true;
        }
        any.then_some(scrape)
    }

    /// Some of the torrents; the same ones for a while (BEP 51).
    pub(super) fn sample(&mut self, now: Time, rng: &mut Rng) -> Samples {
        if self.sampled.is_none_or(|at| now.since(at) >= SAMPLE_LIFE) {
            self.expire(now);
            let mut hashes: Vec<Id> = self.torrents.keys().copied().collect();
            for index in 0..hashes.len().min(SAMPLES_MAX) {
                let other = index + rng.index(hashes.len() - index);
                hashes.swap(index, other);
            }
            hashes.truncate(SAMPLES_MAX);
            self.sample = hashes;
            self.sampled = Some(now);
        }
        Samples {
            interval: SAMPLE_LIFE.as_secs() as u32,
            known: self.torrents.len() as u32,
            hashes: self.sample.clone(),
        }
    }

    /// Forgets what has faded.
    pub(super) fn expire(&mut self, now: Time) {
        let hashes: Vec<Id> = self.torrents.keys().copied().collect();
        hashes.into_iter().for_each(|hash| self.expire_one(now, hash));
    }

    fn is_full(&self) -> bool {
        self.torrents.len() >= TORRENTS_MAX
    }

    fn live(&self, now: Time, hash: &Id) -> impl Iterator<Item = &Peer> {
        let peers = self.torrents.get(hash).into_iter().flatten();
        peers.filter(move |peer| now.since(peer.at) < LIFE)
    }

    fn expire_one(&mut self, now: Time, hash: Id) {
        let faded = |peer: &Peer| now.since(peer.at) >= LIFE;
        while let Some(index) = self.torrents.get(&hash).and_then(|all| all.iter().position(faded))
        {
            self.remove(hash, index);
        }
    }

    fn remove(&mut self, hash: Id, index: usize) {
        let Some(peers) = self.torrents.get_mut(&hash) else { return };
        let peer = peers.swap_remove(index);
        self.count -= 1;
        if peers.is_empty() {
            self.torrents.remove(&hash);
        }
        let block = block(peer.address);
        if let Some(count) = self.by_block.get_mut(&block) {
            *count -= 1;
            if *count == 0 {
                self.by_block.remove(&block);
            }
        }
    }

    /// Drops the torrent that is farthest from us, unless the new one is farther: who fills the
    /// store with torrents of nowhere does not drive out those that belong here.
    fn make_room(&mut self, hash: &Id, near: &Id) -> bool {
        let far = self.torrents.keys().max_by_key(|known| near.distance(known)).copied();
        let Some(far) = far.filter(|far| near.distance(far) > near.distance(hash)) else {
            return false;
        };
        while self.torrents.contains_key(&far) {
            self.remove(far, 0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Id = Id([0; 20]);

    fn hash(number: u32) -> Id {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Id(id)
    }

    fn peer(number: u32) -> SocketAddr {
        SocketAddr::new(core::net::Ipv4Addr::from(0x0b00_0000 + number).into(), 6881)
    }

    fn at(minutes: u64) -> Time {
        Time::START.after(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn a_peer_fades_unless_it_is_announced_again() {
        let (mut peers, mut rng) = (Peers::default(), Rng::from_number(1));
        peers.put(at(0), NEAR, peer(1), false, &NEAR);
        peers.put(at(0), NEAR, peer(2), true, &NEAR);
        peers.put(at(20), NEAR, peer(2), true, &NEAR);
        let mut get =
            |minutes, no_seed| peers.get(at(minutes), &NEAR, true, no_seed, (9, &mut rng)).len();
        assert_eq!((get(29, false), get(29, true), get(30, false), get(50, false)), (2, 1, 1, 0));
        assert_eq!(peers.len(), 2);
        peers.expire(at(60));
        assert_eq!((peers.len(), peers.torrents(), peers.by_block.len()), (0, 0, 0));
    }

    #[test]
    fn whoever_announces_everything_gets_a_few_places() {
        let mut peers = Peers::default();
        for number in 0..1000 {
            peers.put(at(0), hash(number), peer(1), false, &NEAR);
        }
        assert_eq!(peers.len(), OF_ONE_MAX as usize);
        for port in 1..100 {
            let address = SocketAddr::new(peer(2).ip(), port);
            peers.put(at(0), NEAR, address, false, &NEAR);
        }
        let ports = peers.torrents.get(&NEAR).unwrap().len();
        assert_eq!(ports, PORTS_MAX + 1, "beside the one of the other");
    }

    #[test]
    fn a_full_store_keeps_the_torrents_that_belong_here() {
        let mut peers = Peers::default();
        for number in 0..5000u32 {
            // The farthest come first.
            peers.put(at(0), hash(10_000 - number), peer(number), false, &NEAR);
        }
        assert_eq!(peers.torrents(), TORRENTS_MAX);
        assert!(peers.torrents.contains_key(&hash(5001)));
        assert!(!peers.torrents.contains_key(&hash(10_000)));
        peers.put(at(0), hash(20_000), peer(7000), false, &NEAR);
        assert!(!peers.torrents.contains_key(&hash(20_000)));
        peers.put(at(30), hash(20_000), peer(7000), false, &NEAR);
        assert_eq!(peers.torrents(), 1, "what has faded makes room for anything");
    }

    #[test]
    fn a_torrent_has_a_bounded_number_of_peers() {
        let mut peers = Peers::default();
        (0..3000).for_each(|number| peers.put(at(0), NEAR, peer(number), false, &NEAR));
        assert_eq!(peers.len(), PEERS_MAX);
    }

    #[test]
    fn a_sample_stays_the_same_for_its_interval() {
        let (mut peers, mut rng) = (Peers::default(), Rng::from_number(1));
        (0..100).for_each(|number| peers.put(at(0), hash(number), peer(number), false, &NEAR));
        let one = peers.sample(at(1), &mut rng);
        assert_eq!((one.hashes.len(), one.known, one.interval), (20, 100, 300));
        assert_eq!(peers.sample(at(5), &mut rng), one);
        assert_ne!(peers.sample(at(6), &mut rng).hashes, one.hashes);
    }
}
