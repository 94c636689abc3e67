//! The routing table of one address: for each number of bits in common with our id the few nodes
//! that have proved longest that they are there (BEP 5), and some to take their places.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::krpc::{Id, Node};

use super::lookup::{K, same_block};
use crate::base::Time;

/// Nodes of a bucket that wait for a place.
const SPARE_MAX: usize = 8;
/// Questions without an answer after which a node gives its place away.
const FAILS_MAX: u8 = 2;
/// Those after which it goes even if nobody takes its place.
const FAILS_LAST: u8 = 4;

#[derive(Debug)]
pub(super) struct Table {
    me: Id,
    /// By the number of bits that the ids share with ours.
    buckets: BTreeMap<u32, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    nodes: Vec<Entry>,
    /// The one that was heard last is the last.
    spare: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    node: Node,
    /// When it last answered.
    heard: Time,
    /// When it was last asked without an answer since.
    tried: Time,
    fails: u8,
}

impl Table {
    pub(super) fn new(me: Id) -> Self {
        Self { me, buckets: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.values().map(|bucket| bucket.nodes.len()).sum()
    }

    pub(super) fn spare(&self) -> usize {
        self.buckets.values().map(|bucket| bucket.spare.len()).sum()
    }

    /// A node has answered. Whether it is new here.
    pub(super) fn heard(&mut self, now: Time, node: Node) -> bool {
        if node.id == self.me {
            return false;
        }
        let index = self.me.shared_bits(&node.id);
        // Who comes back under another id has left the old place.
        for (bits, bucket) in &mut self.buckets {
            if *bits != index {
                bucket.forget(node.address);
            }
        }
        self.buckets.entry(index).or_default().heard(now, node)
    }

    /// Whether a node of which others speak, or that asked, would have a place here.
    pub(super) fn wants(&self, node: &Node) -> bool {
        if node.id == self.me {
            return false;
        }
        let Some(bucket) = self.buckets.get(&self.me.shared_bits(&node.id)) else { return true };
        let mut all = bucket.nodes.iter().chain(&bucket.spare);
        let known = all.any(|entry| entry.node.id == node.id || entry.node.address == node.address);
        let room = bucket.nodes.len() < K || bucket.nodes.iter().any(|entry| entry.fails > 1);
        let block = |entry: &Entry| same_block(entry.node.address.ip(), node.address.ip());
        !known && room && !bucket.nodes.iter().any(block)
    }

    /// A node was asked and did not answer. The one that went for good, if it did; when nobody
    /// answers (`alone`), it may be our own line, and all stay.
    pub(super) fn failed(&mut self, now: Time, address: SocketAddr, alone: bool) -> Option<Node> {
        self.buckets.values_mut().find_map(|bucket| bucket.failed(now, address, alone))
    }

    /// The nodes nearest to a target, nearest first, of those that answered when last asked; with
    /// `all`, of the others too.
    pub(super) fn nearest(&self, target: &Id, count: usize, all: bool) -> Vec<Node> {
        let entries = self.buckets.values().flat_map(|bucket| &bucket.nodes);
        let good = entries.filter(|entry| all || entry.fails == 0);
        let mut found: Vec<(Id, Node)> =
            good.map(|entry| (target.distance(&entry.node.id), entry.node)).collect();
        if found.len() > count {
            found.select_nth_unstable(count);
            found.truncate(count);
        }
        found.sort_unstable();
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// The node of which nothing was heard for longest, if that is since before `limit`, and an id
    /// to ask it for: one that belongs in its bucket.
    pub(super) fn stalest(&self, limit: Time) -> Option<(Node, u32)> {
        let all = self.buckets.iter().flat_map(|(bits, bucket)| {
            bucket.nodes.iter().map(|entry| (entry.heard.max(entry.tried), entry.node, *bits))
        });
        all.filter(|(at, ..)| *at < limit).min().map(|(_, node, bits)| (node, bits))
    }

    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.nodes().any(|node| node.address == address)
    }

    /// Every node, those with a place first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        let placed = self.buckets.values().flat_map(|bucket| &bucket.nodes);
        let spare = self.buckets.values().flat_map(|bucket| &bucket.spare);
        placed.chain(spare).map(|entry| entry.node)
    }
}

impl Bucket {
    fn heard(&mut self, now: Time, node: Node) -> bool {
        if let Some(at) = self.nodes.iter().position(|entry| entry.node.id == node.id) {
            let entry = &mut self.nodes[at];
            // An id stays with its address until that falls silent.
            if entry.node.address == node.address || entry.fails > 0 {
                *entry = Entry { node, heard: now, tried: now, fails: 0 };
            }
            return false;
        }
        self.forget(node.address);
        let entry = Entry { node, heard: now, tried: now, fails: 0 };
        let block = |other: &Entry| same_block(other.node.address.ip(), node.address.ip());
        if self.nodes.iter().any(block) {
            return false;
        }
        if self.nodes.len() < K {
            self.nodes.push(entry);
            return true;
        }
        if let Some(bad) = self.nodes.iter_mut().find(|other| other.fails >= FAILS_MAX) {
            *bad = entry;
            return true;
        }
        self.spare.retain(|other| other.node.id != node.id && !block(other));
        if self.spare.len() == SPARE_MAX {
            self.spare.remove(0);
        }
        self.spare.push(entry);
        true
    }

    fn forget(&mut self, address: SocketAddr) {
        self.nodes.retain(|entry| entry.node.address != address);
        self.spare.retain(|entry| entry.node.address != address);
    }

    fn failed(&mut self, now: Time, address: SocketAddr, alone: bool) -> Option<Node> {
        self.spare.retain(|entry| entry.node.address != address);
        let at = self.nodes.iter().position(|entry| entry.node.address == address)?;
        let entry = &mut self.nodes[at];
        entry.tried = now;
        entry.fails = entry.fails.saturating_add(1);
        let (fails, node) = (entry.fails, entry.node);
        if alone {
            return None;
        }
        if fails >= FAILS_MAX
            && let Some(next) = self.spare.pop()
        {
            self.nodes[at] = next;
            return Some(node);
        }
        if fails >= FAILS_LAST {
            self.nodes.remove(at);
            return Some(node);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Id = Id([0; 20]);

    /// Nodes that share no bit with us.
    fn node(number: u8) -> Node {
        let mut id = [0xff; 20];
        id[19] = number;
        Node { id: Id(id), address: SocketAddr::from(([10, 0, 0, number], 6881)) }
    }

    fn at(seconds: u64) -> Time {
        Time::START.after(core::time::Duration::from_secs(seconds))
    }

    #[test]
    fn old_nodes_stay_and_new_ones_wait_for_their_places() {
        let mut table = Table::new(ME);
        assert!((1..=12).all(|number| table.heard(at(1), node(number))));
        assert_eq!((table.len(), table.spare()), (8, 4));
        assert!(!table.wants(&node(13)));
        assert_eq!(table.failed(at(2), node(1).address, false), None);
        assert_eq!(table.failed(at(3), node(1).address, false), Some(node(1)));
        let near = table.nearest(&node(12).id, 1, false);
        assert_eq!(near, [node(12)], "the one that was heard last took the place");
        assert_eq!((table.len(), table.spare()), (8, 3));
    }

    #[test]
    fn nobody_is_lost_while_nobody_answers() {
        let mut table = Table::new(ME);
        table.heard(at(1), node(1));
        for second in 2..20 {
            assert_eq!(table.failed(at(second), node(1).address, true), None);
        }
        assert_eq!(table.len(), 1);
        assert!(table.nearest(&ME, 8, false).is_empty(), "but it is not told to others");
        assert_eq!(table.failed(at(20), node(1).address, false), Some(node(1)));
    }

    #[test]
    fn an_id_belongs_to_its_address_until_that_is_silent() {
        let mut table = Table::new(ME);
        table.heard(at(1), node(1));
        let thief = Node { id: node(1).id, address: node(2).address };
        assert!(!table.heard(at(2), thief));
        assert_eq!(table.nearest(&ME, 8, true), [node(1)]);
        table.failed(at(3), node(1).address, false);
        table.heard(at(4), thief);
        assert_eq!(table.nearest(&ME, 8, true), [thief]);
        let renamed = Node { id: Id([0x0f; 20]), address: node(2).address };
        table.heard(at(5), renamed);
        assert_eq!(table.nearest(&ME, 8, true), [renamed], "one address is one node");
    }

    #[test]
    fn a_bucket_takes_one_node_of_a_block_of_addresses() {
        let mut table = Table::new(ME);
        let of =
            |last| Node { id: node(last).id, address: SocketAddr::from(([198, 18, 0, last], 1)) };
        assert!(table.heard(at(1), of(1)));
        assert!(!table.heard(at(1), of(2)));
        assert!(!table.wants(&of(3)));
        assert_eq!((table.len(), table.spare()), (1, 0));
    }

    #[test]
    fn the_one_not_heard_for_longest_is_looked_after_first() {
        let mut table = Table::new(ME);
        (1..=3).for_each(|number| _ = table.heard(at(number.into()), node(number)));
        assert_eq!(table.stalest(at(10)), Some((node(1), 0)));
        table.failed(at(5), node(1).address, false);
        assert_eq!(table.stalest(at(10)), Some((node(2), 0)));
        assert_eq!(table.stalest(at(1)), None);
    }
}
