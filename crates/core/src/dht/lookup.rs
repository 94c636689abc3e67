//! One iterative look-up: whom to ask next on the way to a target. Knows no packets, and no time
//! but what it is told of.
//!
//! Silence does not hold it up. A node that does not answer as soon as others do makes room for
//! the next, and is asked once more when nothing better is left to do; its answer counts
//! whenever it comes.
//!
//! Against liars: a node whose id does not follow from its address comes after all others, one
//! block of addresses has one place, and who answers under another id than was promised is where
//! its own id puts it. And there are several paths (S/Kademlia, Baumgart and Mies 2007): what a
//! node tells of belongs to its path, and the nearest of every path are asked, so that one liar,
//! who tells of nearer friends than anybody else can, spoils one path.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::krpc::{Id, Node, is_local};

/// Nodes that a look-up ends with: the nearest that answer (BEP 5).
pub(super) const K: usize = 8;
/// Questions that may be fresh at once.
const ALPHA: usize = 4;
/// The same for nodes of which nothing but the address is known: most of them may be gone.
const STRANGERS_AT_ONCE: usize = 8;
/// Paths that share no node.
const PATHS: usize = 4;
/// Nodes of each path that are asked, at least.
const OF_PATH: usize = 3;
/// Nodes that are remembered of one look-up.
const CANDIDATES_MAX: usize = 128;
/// Nodes of one answer that count.
const TOLD_MAX: usize = 16;
/// How often a node is asked.
const TRIES_MAX: u8 = 2;

#[derive(Debug)]
pub(super) struct Lookup {
    target: Id,
    /// Ids need not follow from addresses.
    lenient: bool,
    /// Nearest first; those whose ids do not fit are behind all others.
    candidates: Vec<Candidate>,
    /// Addresses without ids, in the order in which they came.
    strangers: Vec<Stranger>,
    /// The path of the next node that begins one.
    path: usize,
    /// Packets that were sent.
    pub(super) asked: u32,
}

#[derive(Debug)]
struct Candidate {
    node: Node,
    fits: bool,
    hop: u8,
    path: usize,
    state: State,
}

#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    New,
    /// Asked so many times; `fresh` while an answer may be expected.
    Asked {
        tries: u8,
        fresh: bool,
    },
    Answered(Option<Vec<u8>>),
    Silent,
}

impl State {
    fn is_fresh(&self) -> bool {
        matches!(self, Self::Asked { fresh: true, .. })
    }

    /// Asked, late, and worth another try.
    fn is_late(&self) -> bool {
        matches!(self, Self::Asked { fresh: false, tries } if *tries < TRIES_MAX)
    }

    fn ask(&mut self) {
        let tries = if let Self::Asked { tries, .. } = self { *tries + 1 } else { 1 };
        *self = Self::Asked { tries, fresh: true };
    }

    fn is_late_now(&mut self) {
        if let Self::Asked { tries, fresh } = self {
            if *tries >= TRIES_MAX {
                *self = Self::Silent;
            } else {
                *fresh = false;
            }
        }
    }
}

impl Lookup {
    pub(super) fn new(target: Id, lenient: bool) -> Self {
        let (candidates, strangers) = (Vec::new(), Vec::new());
        Self { target, lenient, candidates, strangers, path: 0, asked: 0 }
    }

    pub(super) fn target(&self) -> Id {
        self.target
    }

    /// A node that may be nearer, and that we know ourselves.
    pub(super) fn add(&mut self, node: Node) {
        let path = self.next_path();
        self.put(node, 1, path);
    }

    fn next_path(&mut self) -> usize {
        self.path += 1;
        self.path % PATHS
    }

    /// A node that may be nearer; `hop`: how many nodes from us.
    fn put(&mut self, node: Node, hop: u8, path: usize) {
        let taken = |other: &Candidate| {
            let live = other.state != State::Silent;
            other.node.address == node.address
                || live && other.node.id == node.id
                || live && same_block(other.node.address.ip(), node.address.ip())
        };
        if self.candidates.iter().any(taken) {
            return;
        }
        let fits = self.lenient || node.id.fits(node.address.ip());
        self.insert(Candidate { node, fits, hop, path, state: State::New });
        if self.candidates.len() > CANDIDATES_MAX {
            self.candidates.pop();
        }
    }

    /// An address of which nothing else is known.
    pub(super) fn add_stranger(&mut self, address: SocketAddr) {
        let known = self.candidates.iter().any(|known| known.node.address == address);
        if !known && self.strangers.iter().all(|known| known.address != address) {
            self.strangers.push(Stranger { address, state: State::New });
        }
    }

    /// Whom to ask now, if anybody.
    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        let fresh = self.candidates.iter().filter(|node| node.state.is_fresh()).count();
        if fresh < ALPHA
            && let Some(index) = self.next_candidate()
        {
            let candidate = &mut self.candidates[index];
            candidate.state.ask();
            self.asked += 1;
            return Some(candidate.node.address);
        }
        let fresh = self.strangers.iter().filter(|node| node.state.is_fresh()).count();
        if !self.is_poor() || fresh >= STRANGERS_AT_ONCE {
            return None;
        }
        let wants = |state: &State| *state == State::New || state.is_late();
        let stranger = self.strangers.iter_mut().find(|stranger| wants(&stranger.state))?;
        stranger.state.ask();
        self.asked += 1;
        Some(stranger.address)
    }

    /// The nearest that was never asked among the K that may be the result; else one that is late.
    fn next_candidate(&self) -> Option<usize> {
        let mut late = None;
        for (index, candidate) in self.window() {
            match &candidate.state {
                State::New => return Some(index),
                state if state.is_late() => late = late.or(Some(index)),
                _ => {}
            }
        }
        late
    }

    /// The nearest that are not silent, K of all and some of each path; beside those that are late.
    fn window(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        let mut counts = [0; PATHS];
        let mut all = 0;
        self.candidates.iter().enumerate().filter(move |(_, candidate)| {
            let count = &mut counts[candidate.path];
            if candidate.state == State::Silent || all >= K && *count >= OF_PATH {
                return false;
            }
            let counts = usize::from(!candidate.state.is_late());
            *count += counts;
            all += counts;
            true
        })
    }

    /// An answer came. What it tells is added; whether the node was asked by this look-up, and its
    /// hop.
    pub(super) fn answered(
        &mut self,
        from: Node,
        token: Option<&[u8]>,
        told: &[Node],
    ) -> Option<u8> {
        let token = token.map(<[u8]>::to_vec);
        let at = self.candidates.iter().position(|known| known.node.address == from.address);
        let (hop, path) = if let Some(at) = at {
            let mut candidate = self.candidates.remove(at);
            candidate.state = State::Answered(token);
            // Who answers says who it is: it may have started anew, or others lied about it.
            candidate.node.id = from.id;
            candidate.fits = self.lenient || from.id.fits(from.address.ip());
            let (hop, path) = (candidate.hop, candidate.path);
            self.insert(candidate);
            (hop, path)
        } else {
            self.strangers.iter().find(|known| known.address == from.address)?;
            let fits = self.lenient || from.id.fits(from.address.ip());
            let (path, state) = (self.next_path(), State::Answered(token));
            self.insert(Candidate { node: from, fits, hop: 1, path, state });
            (1, path)
        };
        self.strangers.retain(|known| known.address != from.address);
        // Whoever knows one node only begins all paths with what that one knows.
        let first = self.candidates.iter().filter(|known| known.hop == 1).count() < PATHS;
        for node in told.iter().take(TOLD_MAX) {
            let path = if hop == 1 && first { self.next_path() } else { path };
            self.put(*node, hop.saturating_add(1), path);
        }
        Some(hop)
    }

    /// No answer came in the time that others take.
    pub(super) fn late(&mut self, address: SocketAddr) {
        self.each_state(address, State::is_late_now);
    }

    /// It does not answer this question.
    pub(super) fn refused(&mut self, address: SocketAddr) {
        self.each_state(address, |state| *state = State::Silent);
    }

    fn each_state(&mut self, address: SocketAddr, change: impl Fn(&mut State)) {
        let known = self.candidates.iter_mut().map(|known| (known.node.address, &mut known.state));
        let strangers = self.strangers.iter_mut().map(|known| (known.address, &mut known.state));
        let of = known.chain(strangers).filter(|(known, _)| *known == address);
        of.for_each(|(_, state)| {
            if !matches!(state, State::Answered(_)) {
                change(state);
            }
        });
    }

    /// The nearest have answered, or nobody is left to ask.
    pub(super) fn is_done(&self) -> bool {
        let settled = |state: &State| matches!(state, State::Answered(_));
        let near = self.window().all(|(_, candidate)| settled(&candidate.state));
        let open = |state: &State| matches!(state, State::New | State::Asked { .. });
        near && (!self.is_poor() || self.strangers.iter().all(|known| !open(&known.state)))
    }

    /// Fewer than K nodes are known that may be there.
    pub(super) fn is_poor(&self) -> bool {
        let live = self.candidates.iter().filter(|known| known.state != State::Silent);
        live.count() < K
    }

    /// The nearest nodes that answered, with what they gave to be shown again.
    pub(super) fn nearest(&self) -> impl Iterator<Item = (Node, Option<&[u8]>)> {
        let answered = self.candidates.iter().filter_map(|known| match &known.state {
            State::Answered(token) => Some((known.node, token.as_deref())),
            _ => None,
        });
        answered.take(K)
    }

    /// How many answered.
    pub(super) fn count_answered(&self) -> u32 {
        let answered = |known: &&Candidate| matches!(known.state, State::Answered(_));
        self.candidates.iter().filter(answered).count() as u32
    }

    /// How many are late or silent.
    pub(super) fn count_silent(&self) -> u32 {
        let states = self.candidates.iter().map(|known| &known.state);
        let states = states.chain(self.strangers.iter().map(|known| &known.state));
        let silent =
            |state: &&State| matches!(state, State::Silent | State::Asked { fresh: false, .. });
        states.filter(silent).count() as u32
    }

    /// The longest way to a node that answered.
    pub(super) fn hops(&self) -> u8 {
        let answered = |known: &&Candidate| matches!(known.state, State::Answered(_));
        self.candidates.iter().filter(answered).map(|known| known.hop).max().unwrap_or(0)
    }

    fn insert(&mut self, candidate: Candidate) {
        let key = |known: &Candidate| (!known.fits, self.target.distance(&known.node.id));
        let place = key(&candidate);
        let at = self.candidates.partition_point(|known| key(known) < place);
        self.candidates.insert(at, candidate);
    }
}

/// Whether two addresses are likely to be one owner's: a /24, or a /64. At home everybody is.
pub(super) fn same_block(one: IpAddr, other: IpAddr) -> bool {
    if is_local(one) {
        return false;
    }
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..8] == other.octets()[..8],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn node(number: u8) -> Node {
        let mut id = [0; 20];
        id[0] = number;
        Node { id: Id(id), address: SocketAddr::from(([10, 0, 0, number], 6881)) }
    }

    fn lookup(numbers: impl IntoIterator<Item = u8>) -> Lookup {
        let mut lookup = Lookup::new(Id([0; 20]), false);
        numbers.into_iter().for_each(|number| lookup.add(node(number)));
        lookup
    }

    fn asks(lookup: &mut Lookup) -> Vec<u8> {
        let asked = core::iter::from_fn(|| lookup.next());
        let last = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        };
        asked.map(last).collect()
    }

    #[test]
    fn the_nearest_are_asked_first_and_few_at_once() {
        let mut lookup = lookup([9, 3, 7, 1, 5, 8]);
        assert_eq!(asks(&mut lookup), [1, 3, 5, 7]);
        assert_eq!(lookup.answered(node(3), None, &[node(2)]), Some(1));
        assert_eq!(asks(&mut lookup), [2]);
    }

    #[test]
    fn silence_makes_room_and_is_asked_again_last() {
        let mut lookup = lookup(1..=12);
        assert_eq!(asks(&mut lookup), [1, 2, 3, 4]);
        (1..=4).for_each(|number| lookup.late(node(number).address));
        assert_eq!(asks(&mut lookup), [5, 6, 7, 8]);
        (5..=8).for_each(|number| _ = lookup.answered(node(number), None, &[]));
        assert_eq!(asks(&mut lookup), [9, 10, 11, 12]);
        (9..=12).for_each(|number| _ = lookup.answered(node(number), None, &[]));
        assert!(!lookup.is_done());
        assert_eq!(asks(&mut lookup), [1, 2, 3, 4]);
        (1..=4).for_each(|number| lookup.late(node(number).address));
        assert_eq!(asks(&mut lookup), []);
        assert!(lookup.is_done());
        // Late is better than never.
        lookup.answered(node(1), Some(b"t"), &[]);
        assert_eq!(lookup.nearest().next(), Some((node(1), Some(&b"t"[..]))));
    }

    #[test]
    fn it_is_done_when_the_nearest_of_all_and_of_each_path_have_answered() {
        let mut lookup = lookup(1..=20);
        let mut order = Vec::new();
        while !lookup.is_done() {
            for number in asks(&mut lookup) {
                order.push(number);
                lookup.answered(node(number), None, &[]);
            }
        }
        assert_eq!(order, (1..=12).collect::<Vec<u8>>(), "eight, and three of each of four paths");
        assert_eq!(lookup.nearest().count(), 8);
    }

    /// Without paths the friends of one liar, all nearer than anybody else, would be the result.
    #[test]
    fn a_liar_spoils_one_path() {
        let mut lookup = lookup(100..104);
        let mut honest = Vec::new();
        while !lookup.is_done() {
            for number in asks(&mut lookup) {
                let told: Vec<Node> = match number {
                    100 => (1..=16).map(node).collect(),
                    101..104 => (20..28).map(|other| node(other + (number - 101) * 8)).collect(),
                    _ => Vec::new(),
                };
                lookup.answered(node(number), None, &told);
                honest.extend((20..100).contains(&number).then_some(number));
            }
        }
        honest.sort_unstable();
        assert_eq!(honest, [20, 21, 22, 28, 29, 30, 36, 37, 38]);
    }

    #[test]
    fn a_block_of_addresses_has_one_place() {
        let mut lookup = Lookup::new(Id([0; 20]), true);
        let at = |last| SocketAddr::from(([198, 18, 1, last], 1));
        (1..=9).for_each(|last| lookup.add(Node { id: node(last).id, address: at(last) }));
        assert_eq!(lookup.next(), Some(at(1)));
        assert_eq!(lookup.next(), None);
    }

    #[test]
    fn ids_that_do_not_follow_from_addresses_come_last() {
        let mut lookup = Lookup::new(Id([0; 20]), false);
        let address = |third| SocketAddr::from(([198, 18, third, 1], 1));
        let right = Id::for_address(address(9).ip(), &[0xff; 20]);
        lookup.add(Node { id: Id([0; 20]), address: address(1) });
        lookup.add(Node { id: right, address: address(9) });
        assert_eq!(lookup.next(), Some(address(9)));
    }

    #[test]
    fn strangers_are_asked_while_few_are_known() {
        let mut lookup = lookup([]);
        assert!(lookup.is_done());
        lookup.add_stranger(node(1).address);
        lookup.add_stranger(node(1).address);
        assert!(!lookup.is_done());
        assert_eq!(asks(&mut lookup), [1]);
        let told: Vec<Node> = (2..=9).map(node).collect();
        assert_eq!(lookup.answered(node(1), None, &told), Some(1));
        lookup.add_stranger(node(77).address);
        assert_eq!(asks(&mut lookup), [2, 3, 4, 5]);
        let mut both = self::lookup([]);
        both.add_stranger(node(1).address);
        assert_eq!(asks(&mut both), [1]);
        // It comes to be known on another way while it is asked.
        both.add(node(1));
        both.answered(node(1), None, &[]);
        assert!(both.is_done());
        assert_eq!(lookup.answered(node(2), None, &[]), Some(2));
        assert_eq!(lookup.answered(node(99), None, &[]), None, "nobody asked it");
    }
}
