//! One of our addresses: its id, its routing table, and what is known from there.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::krpc::{Id, Node};

use super::asked::RoundTrip;
use super::lookup::{K, Lookup};
use super::table::Table;
use super::values::{Family, HomeStatus};
use super::votes::Votes;
use crate::base::Time;

/// Addresses of nodes that others named; the oldest go.
pub(super) const CONTACTS_MAX: usize = 64;
/// Nodes that others tell of and that were not there.
const ABSENT_MAX: usize = 64;
/// Nodes of an earlier life, and of this one that fell silent.
pub(super) const REMEMBERED_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Home {
    pub(super) family: Family,
    pub(super) id: Id,
    pub(super) table: Table,
    pub(super) trip: RoundTrip,
    pub(super) votes: Votes,
    /// Where to ask when nobody is known.
    pub(super) contacts: Vec<SocketAddr>,
    /// Nodes that may be there; the ones at the front are forgotten first.
    pub(super) remembered: Vec<Node>,
    /// Others tell of them, and they did not answer.
    pub(super) absent: VecDeque<SocketAddr>,
    /// When anybody last answered.
    pub(super) heard: Option<Time>,
}

impl Home {
    pub(super) fn new(family: Family, id: Id) -> Self {
        Self {
            family,
            id,
            table: Table::new(id),
            trip: RoundTrip::default(),
            votes: Votes::default(),
            contacts: Vec::new(),
            remembered: Vec::new(),
            absent: VecDeque::new(),
            heard: None,
        }
    }

    /// Gives a look-up everything there is to begin with.
    pub(super) fn begin(&self, lookup: &mut Lookup) {
        let target = lookup.target();
        for node in self.table.nearest(&target, 2 * K, true) {
            lookup.add(node);
        }
        if self.table.len() < K {
            let mut old = self.remembered.clone();
            old.sort_by_key(|node| target.distance(&node.id));
            old.into_iter().take(2 * K).for_each(|node| lookup.add(node));
            self.contacts.iter().for_each(|&contact| lookup.add_stranger(contact));
        }
    }

    /// Whether too few nodes are known to find anything.
    pub(super) fn is_poor(&self) -> bool {
        self.table.len() < K
    }

    pub(super) fn contact(&mut self, address: SocketAddr) {
        if !self.contacts.contains(&address) {
            if self.contacts.len() == CONTACTS_MAX {
                self.contacts.remove(0);
            }
            self.contacts.push(address);
        }
    }

    pub(super) fn remember(&mut self, node: Node) {
        self.remembered.retain(|known| known.address != node.address);
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.remove(0);
        }
        self.remembered.push(node);
    }

    /// Somebody who has no place did not answer.
    pub(super) fn missed(&mut self, address: SocketAddr) {
        if !self.table.has(address) && !self.absent.contains(&address) {
            if self.absent.len() == ABSENT_MAX {
                self.absent.pop_front();
            }
            self.absent.push_back(address);
        }
    }

    /// Somebody who is not in the table but may be there, each in turn: one that is remembered, or
    /// one that was named to us.
    pub(super) fn next_lost(&mut self, contacts: bool) -> Option<SocketAddr> {
        if contacts || self.remembered.is_empty() {
            let at = self.contacts.iter().position(|contact| !self.table.has(*contact))?;
            let contact = self.contacts.remove(at);
            self.contacts.push(contact);
            return Some(contact);
        }
        self.remembered.rotate_left(1);
        self.remembered.last().map(|node| node.address)
    }

    /// Others see us at an address to which our id does not belong (BEP 42): we take another, and
    /// everybody we know finds a new place. Whether the id has changed.
    pub(super) fn moved(&mut self, now: Time, ip: IpAddr, drawn: &[u8; 20]) -> bool {
        if self.id.fits(ip) {
            return false;
        }
        self.id = Id::for_address(ip, drawn);
        let known: Vec<Node> = self.table.nodes().collect();
        self.table = Table::new(self.id);
        known.into_iter().for_each(|node| _ = self.table.heard(now, node));
        true
    }

    pub(super) fn status(&self) -> HomeStatus {
        HomeStatus {
            family: self.family,
            id: self.id,
            external: self.votes.elected(),
            nodes: self.table.len(),
            spare: self.table.spare(),
            round_trip: self.trip.smooth(),
        }
    }
}
