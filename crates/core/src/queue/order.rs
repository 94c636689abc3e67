//! An order of many in which each knows its position: a treap with sizes.
//!
//! Everything takes O(log n): to insert at a position, to remove, to ask for the position of one
//! or for the one at a position, and to find the first or last that wears a mark. The tree is
//! balanced by numbers that look like chance but are not: the same calls, the same tree. Nobody
//! gains by a bad shape, since positions come from the user.

use alloc::vec::Vec;

/// No node.
const NONE: u32 = u32::MAX;

/// Names one in the order. Names are small numbers, and used again after a removal.
pub(super) type Name = u32;

/// The order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    nodes: Vec<Node>,
    free: Vec<Name>,
    root: Name,
    /// How many names were given, from which the weights are drawn.
    given: u64,
}

#[derive(Clone, Debug)]
struct Node {
    above: Name,
    left: Name,
    right: Name,
    size: u32,
    weight: u32,
    /// The mark of this one, one bit or none,
    mark: u8,
    /// and the bits of all marks at and below it.
    marks: u8,
}

impl Order {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, given: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.size(self.root) as usize
    }

    /// A new one at `position`, or at the end when that is past it. It wears no mark.
    pub(super) fn insert(&mut self, position: usize) -> Name {
        self.given += 1;
        let weight = weight(self.given);
        let node =
            Node { above: NONE, left: NONE, right: NONE, size: 1, weight, mark: 0, marks: 0 };
        let name = match self.free.pop() {
            Some(name) => {
                self.nodes[name as usize] = node;
                name
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer torrents than numbers of 32 bits")
            }
        };
        self.hang(name, position);
        name
    }

    /// Forgets `name`.
    pub(super) fn remove(&mut self, name: Name) {
        self.unhang(name);
        self.free.push(name);
    }

    /// Brings `name`, with its mark, to where `position` will be without it.
    pub(super) fn shift(&mut self, name: Name, position: usize) {
        self.unhang(name);
        self.hang(name, position);
    }

    /// How many stand before `name`.
    pub(super) fn position(&self, name: Name) -> usize {
        let mut before = self.size(self.node(name).left);
        let mut at = name;
        while self.node(at).above != NONE {
            let above = self.node(at).above;
            if self.node(above).right == at {
                before += self.size(self.node(above).left) + 1;
            }
            at = above;
        }
        before as usize
    }

    /// Who stands at `position`.
    pub(super) fn at(&self, position: usize) -> Option<Name> {
        let mut rest = u32::try_from(position).ok()?;
        let mut at = self.root;
        while at != NONE {
            let before = self.size(self.node(at).left);
            at = match rest.cmp(&before) {
                core::cmp::Ordering::Less => self.node(at).left,
                core::cmp::Ordering::Equal => return Some(at),
                core::cmp::Ordering::Greater => {
                    rest -= before + 1;
                    self.node(at).right
                }
            };
        }
        None
    }

    /// Puts another mark on `name`: one bit, or 0 for none.
    pub(super) fn mark(&mut self, name: Name, mark: u8) {
        self.node_mut(name).mark = mark;
        let mut at = name;
        while at != NONE {
            let marks = self.marks_of(at);
            if marks == self.node(at).marks {
                return;
            }
            self.node_mut(at).marks = marks;
            at = self.node(at).above;
        }
    }

    /// The first that wears `mark`.
    pub(super) fn first(&self, mark: u8) -> Option<Name> {
        self.outermost(mark, |node| (node.left, node.right))
    }

    /// The last that wears `mark`.
    pub(super) fn last(&self, mark: u8) -> Option<Name> {
        self.outermost(mark, |node| (node.right, node.left))
    }

    /// All, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Name> + '_ {
        let mut next = self.leftmost(self.root);
        core::iter::from_fn(move || {
            let name = next;
            if name == NONE {
                return None;
            }
            next = self.after(name);
            Some(name)
        })
    }

    fn outermost(&self, mark: u8, sides: impl Fn(&Node) -> (Name, Name)) -> Option<Name> {
        let wears = |name: Name| name != NONE && self.node(name).marks & mark != 0;
        let mut at = self.root;
        if !wears(at) {
            return None;
        }
        loop {
            let node = self.node(at);
            let (near, far) = sides(node);
            if wears(near) {
                at = near;
            } else if node.mark & mark != 0 {
                return Some(at);
            } else {
                at = far;
            }
        }
    }

    fn leftmost(&self, mut at: Name) -> Name {
        while at != NONE && self.node(at).left != NONE {
            at = self.node(at).left;
        }
        at
    }

    fn after(&self, name: Name) -> Name {
        if self.node(name).right != NONE {
            return self.leftmost(self.node(name).right);
        }
        let mut at = name;
        let mut above = self.node(at).above;
        while above != NONE && self.node(above).right == at {
            at = above;
            above = self.node(at).above;
        }
        above
    }

    fn hang(&mut self, name: Name, position: usize) {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let (before, after) = self.split(self.root, position.min(self.size(self.root)));
        let before = self.merge(before, name);
        self.root = self.merge(before, after);
        self.node_mut(self.root).above = NONE;
    }

    fn unhang(&mut self, name: Name) {
        let Node { above, left, right, .. } = *self.node(name);
        let rest = self.merge(left, right);
        if rest != NONE {
            self.node_mut(rest).above = above;
        }
        if above == NONE {
            self.root = rest;
        } else if self.node(above).left == name {
            self.node_mut(above).left = rest;
        } else {
            self.node_mut(above).right = rest;
        }
        let mut at = above;
        while at != NONE {
            self.sum_up(at);
            at = self.node(at).above;
        }
        let node = self.node_mut(name);
        (node.above, node.left, node.right) = (NONE, NONE, NONE);
        self.sum_up(name);
    }

    /// Cuts a tree in two: the first `count`, and the rest.
    fn split(&mut self, tree: Name, count: u32) -> (Name, Name) {
        if tree == NONE {
            return (NONE, NONE);
        }
        let Node { left, right, .. } = *self.node(tree);
        let before = self.size(left);
        if count <= before {
            let (first, rest) = self.split(left, count);
            self.hold(tree, rest, right);
            (first, tree)
        } else {
            let (first, rest) = self.split(right, count - before - 1);
            self.hold(tree, left, first);
            (tree, rest)
        }
    }

    /// Joins two trees, all of the first before all of the second.
    fn merge(&mut self, first: Name, second: Name) -> Name {
        if first == NONE || second == NONE {
            return if first == NONE { second } else { first };
        }
        if self.node(first).weight >= self.node(second).weight {
            let Node { left, right, .. } = *self.node(first);
            let rest = self.merge(right, second);
            self.hold(first, left, rest);
            first
        } else {
            let Node { left, right, .. } = *self.node(second);
            let rest = self.merge(first, left);
            self.hold(second, rest, right);
            second
        }
    }

    fn hold(&mut self, name: Name, left: Name, right: Name) {
        for side in [left, right] {
            if side != NONE {
                self.node_mut(side).above = name;
            }
        }
        let node = self.node_mut(name);
        (node.left, node.right) = (left, right);
        self.sum_up(name);
    }

    fn sum_up(&mut self, name: Name) {
        let node = self.node(name);
        let size = self.size(node.left) + self.size(node.right) + 1;
        let marks = self.marks_of(name);
        let node = self.node_mut(name);
        (node.size, node.marks) = (size, marks);
    }

    fn marks_of(&self, name: Name) -> u8 {
        let node = self.node(name);
        let below = |side: Name| if side == NONE { 0 } else { self.node(side).marks };
        node.mark | below(node.left) | below(node.right)
    }

    fn size(&self, name: Name) -> u32 {
        if name == NONE { 0 } else { self.node(name).size }
    }

    fn node(&self, name: Name) -> &Node {
        &self.nodes[name as usize]
    }

    fn node_mut(&mut self, name: Name) -> &mut Node {
        &mut self.nodes[name as usize]
    }
}

/// A number that looks drawn (the last steps of SplitMix64).
fn weight(number: u64) -> u32 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Act {
        Insert(usize),
        Remove(usize),
        Shift(usize, usize),
        Mark(usize, u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        let place = 0..60_usize;
        prop_oneof![
            3 => place.clone().prop_map(Act::Insert),
            1 => place.clone().prop_map(Act::Remove),
            2 => (place.clone(), place.clone()).prop_map(|(from, to)| Act::Shift(from, to)),
            2 => (place, 0..3_u8).prop_map(|(at, mark)| Act::Mark(at, mark)),
        ]
    }

    fn agrees(order: &Order, list: &[(Name, u8)]) {
        assert_eq!(order.len(), list.len());
        assert!(order.iter().eq(list.iter().map(|&(name, _)| name)));
        for (position, &(name, _)) in list.iter().enumerate() {
            assert_eq!(order.position(name), position);
            assert_eq!(order.at(position), Some(name));
        }
        assert_eq!(order.at(list.len()), None);
        for mark in [1, 2] {
            let mut wear = list.iter().filter(|one| one.1 == mark).map(|one| one.0);
            assert_eq!(order.first(mark), wear.clone().next());
            assert_eq!(order.last(mark), wear.next_back());
        }
    }

    proptest! {
        #[test]
        fn the_order_is_the_one_of_a_plain_list(acts in prop::collection::vec(act(), 0..120)) {
            let (mut order, mut list) = (Order::new(), Vec::new());
            for act in acts {
                let within = |at: usize, list: &Vec<_>| at % list.len().max(1);
                match act {
                    Act::Insert(at) => {
                        let name = order.insert(at);
                        list.insert(at.min(list.len()), (name, 0));
                    }
                    _ if list.is_empty() => {}
                    Act::Remove(at) => order.remove(list.remove(within(at, &list)).0),
                    Act::Shift(from, to) => {
                        let one = list.remove(within(from, &list));
                        order.shift(one.0, to);
                        list.insert(to.min(list.len()), one);
                    }
                    Act::Mark(at, mark) => {
                        let at = within(at, &list);
                        list[at].1 = mark;
                        order.mark(list[at].0, mark);
                    }
                }
                agrees(&order, &list);
            }
        }
    }

    #[test]
    fn a_hundred_thousand_in_a_row_are_no_deep_tree() {
        let mut order = Order::new();
        for position in 0..100_000 {
            order.insert(position);
        }
        let depth = |mut name: Name| {
            let mut depth = 0;
            while name != NONE {
                name = order.node(name).above;
                depth += 1;
            }
            depth
        };
        assert!((0..100_000).map(depth).max() < Some(64));
    }
}
