//! The connected peers of a torrent, found by their links.
//!
//! A block is some ten look-ups, and peers come and go rarely: so they lie in a row in the order
//! of their links, beside a table that is made anew whenever one comes or goes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::event::LinkId;
use super::peer::Peer;

/// Peers by link, and in the order of links.
#[derive(Debug, Default)]
pub(super) struct Peers {
    row: Vec<(LinkId, Box<Peer>)>,
    /// Where each stands in the row, plus one; 0 is empty. A link is looked for from the place of
    /// its index on: they are small and differ. At least half is empty, so it is found soon.
    table: Box<[u32]>,
}

impl Peers {
    pub(super) fn get(&self, link: &LinkId) -> Option<&Peer> {
        self.find(*link).map(|at| &*self.row[at].1)
    }

    pub(super) fn get_mut(&mut self, link: &LinkId) -> Option<&mut Peer> {
        self.find(*link).map(|at| &mut *self.row[at].1)
    }

    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    /// In the order of links.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&LinkId, &Peer)> {
        self.row.iter().map(|(link, peer)| (link, &**peer))
    }

    /// In the order of links.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&LinkId, &mut Peer)> {
        self.row.iter_mut().map(|(link, peer)| (&*link, &mut **peer))
    }

    /// In order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &LinkId> {
        self.row.iter().map(|(link, _)| link)
    }

    /// In the order of their links.
    pub(super) fn values(&self) -> impl Iterator<Item = &Peer> {
        self.row.iter().map(|(_, peer)| &**peer)
    }

    /// Puts a peer in, in the place of one that has the same link.
    pub(super) fn insert(&mut self, link: LinkId, peer: Peer) {
        match self.row.binary_search_by_key(&link, |&(other, _)| other) {
            Ok(at) => *self.row[at].1 = peer,
            Err(at) => {
                self.row.insert(at, (link, Box::new(peer)));
                self.index();
            }
        }
    }

    pub(super) fn remove(&mut self, link: &LinkId) -> Option<Peer> {
        let at = self.find(*link)?;
        let (_, peer) = self.row.remove(at);
        self.index();
        Some(*peer)
    }

    fn find(&self, link: LinkId) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let mask = self.table.len() - 1;
        let mut place = link.index() & mask;
        loop {
            let at = (self.table[place] as usize).checked_sub(1)?;
            if self.row[at].0 == link {
                return Some(at);
            }
            place = (place + 1) & mask;
        }
    }

    fn index(&mut self) {
        let places = match self.row.len() {
            0 => 0,
            peers => (2 * peers).next_power_of_two(),
        };
        if self.table.len() == places {
            self.table.fill(0);
        } else {
            self.table = vec![0; places].into();
        }
        for (at, (link, _)) in (1..).zip(&self.row) {
            let mut place = link.index() & (places - 1);
            while self.table[place] != 0 {
                place = (place + 1) & (places - 1);
            }
            self.table[place] = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng, Time};
    use core::net::Ipv4Addr;
    use std::collections::BTreeMap;
    use toubkal_wire::handshake::Reserved;

    fn peer(port: u16) -> Peer {
        let remote = (Ipv4Addr::LOCALHOST, port).into();
        Peer::new(remote, None, [0; 20], Reserved([0; 8]), 1, Time::START)
    }

    #[test]
    fn peers_are_found_whoever_comes_and_goes() {
        let (mut peers, mut plain) = (Peers::default(), BTreeMap::new());
        let mut rng = Rng::from_number(1);
        for step in 0..3000 {
            // Indices that lie close together, and some far away that fall on the same places.
            let index = rng.below(40) as u32 + 4096 * rng.below(2) as u32;
            let link = LinkId::new(index, rng.below(2) as u32);
            if rng.one_in(2) {
                peers.insert(link, peer(step));
                plain.insert(link, step);
            } else {
                let removed = peers.remove(&link).map(|peer| peer.remote.port());
                assert_eq!(removed, plain.remove(&link));
            }
            let row = peers.iter().map(|(&link, peer)| (link, peer.remote.port()));
            assert!(row.eq(plain.iter().map(|(&link, &port)| (link, port))));
            for (link, &port) in &plain {
                assert_eq!(peers.get(link).map(|peer| peer.remote.port()), Some(port));
            }
            assert_eq!(peers.get(&link).is_some(), plain.contains_key(&link));
            assert_eq!(peers.len(), plain.len());
        }
    }
}
