//! Which piece to begin next: rarest first, random among equals, by priority; or in order, or any.
//!
//! Candidates are the pieces that are wanted, missing, and not begun. Each priority has an array
//! of them in the order of their availability, with the places where one availability ends and
//! the next begins. A piece that gains or loses a copy changes places with the edge of its
//! run: constant work, however many pieces there are. Peers that have everything are counted
//! once and not per piece.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::event::{Policy, Priority};
use crate::base::{Bitset, Rng};

/// Candidates looked at in order before a peer's own set is searched instead.
const SCAN_MAX: usize = 512;
/// Not a place in a [`Ladder`].
const NOWHERE: u32 = u32::MAX;

/// The order in which pieces are begun.
#[derive(Debug)]
pub(super) struct Picker {
    /// Copies of each piece among peers that do not have everything.
    copies: Box<[u16]>,
    /// Peers that have everything.
    seeds: u32,
    /// Where each piece stands on its ladder, or [`NOWHERE`].
    places: Box<[u32]>,
    priorities: Box<[Priority]>,
    candidates: Bitset,
    ladders: [Ladder; 3],
    policy: Policy,
    rng: Rng,
}

/// Candidates of one priority, rarest first.
#[derive(Debug, Default)]
struct Ladder {
    pieces: Vec<u32>,
    /// `ends[n]`: how many of `pieces` have at most `n` copies.
    ends: Vec<u32>,
}

impl Picker {
    /// A picker for pieces of these priorities, none of which is begun or there.
    pub(super) fn new(priorities: Vec<Priority>, policy: Policy, rng: Rng) -> Self {
        let pieces = priorities.len();
        let mut picker = Self {
            copies: vec![0; pieces].into(),
            seeds: 0,
            places: vec![NOWHERE; pieces].into(),
            priorities: priorities.into(),
            candidates: Bitset::new(pieces as u32),
            ladders: Default::default(),
            policy,
            rng,
        };
        // The order in which equals enter is the order in which they leave: make it random.
        let mut order: Vec<u32> = (0..pieces as u32).collect();
        picker.rng.shuffle(&mut order);
        order.into_iter().for_each(|piece| picker.release(piece));
        picker
    }

    pub(super) fn follow(&mut self, policy: Policy) {
        self.policy = policy;
    }

    pub(super) fn priority(&self, piece: u32) -> Priority {
        self.priorities[piece as usize]
    }

    /// Changes a piece's priority, whether it is a candidate or not.
    pub(super) fn prioritise(&mut self, piece: u32, priority: Priority) {
        let candidate = self.candidates.has(piece);
        if candidate {
            self.take(piece);
        }
        self.priorities[piece as usize] = priority;
        if candidate {
            self.release(piece);
        }
    }

    /// The piece is there or begun: no candidate any more.
    pub(super) fn take(&mut self, piece: u32) {
        if self.candidates.clear(piece) {
            let ladder = ladder_of(self.priorities[piece as usize]).expect("candidates are wanted");
            self.ladders[ladder].remove(piece, self.copies[piece as usize], &mut self.places);
        }
    }

    /// The piece is neither there nor begun; a candidate if it is wanted.
    pub(super) fn release(&mut self, piece: u32) {
        let Some(ladder) = ladder_of(self.priorities[piece as usize]) else { return };
        if self.candidates.set(piece) {
            self.ladders[ladder].insert(piece, self.copies[piece as usize], &mut self.places);
        }
    }

    /// A peer came that has these pieces.
    pub(super) fn join(&mut self, has: &Bitset) {
        if has.is_full() {
            self.seeds += 1;
        } else {
            has.iter().for_each(|piece| self.gain(piece));
        }
    }

    /// A peer left that had these pieces.
    pub(super) fn leave(&mut self, has: &Bitset) {
        if has.is_full() {
            self.seeds -= 1;
        } else {
            has.iter().for_each(|piece| self.lose(piece));
        }
    }

    /// A peer has one piece more; `has` is what it has now, that piece included.
    pub(super) fn learn(&mut self, piece: u32, has: &Bitset) {
        if !has.is_full() {
            return self.gain(piece);
        }
        // It has become a seed: it is counted as one from now on.
        self.seeds += 1;
        has.iter().filter(|&other| other != piece).for_each(|other| self.lose(other));
    }

    /// Copies of the rarest candidate among the peers; 0 when there is no candidate.
    pub(super) fn rarest(&self) -> u32 {
        let rarest = self.ladders.iter().filter_map(|ladder| {
            ladder.pieces.first().map(|&piece| u32::from(self.copies[piece as usize]))
        });
        rarest.min().map_or(0, |copies| copies + self.seeds)
    }

    /// Candidates that no peer has.
    pub(super) fn absent(&self) -> u32 {
        let absent = || self.ladders.iter().map(|ladder| ladder.end(0)).sum();
        if self.seeds > 0 { 0 } else { absent() }
    }

    /// Whether no peer has this piece.
    pub(super) fn is_absent(&self, piece: u32) -> bool {
        self.seeds == 0 && self.copies[piece as usize] == 0
    }

    /// Copies of a piece among the peers.
    #[cfg(any(test, feature = "testing"))]
    fn availability(&self, piece: u32) -> u32 {
        self.seeds + u32::from(self.copies[piece as usize])
    }

    /// What must hold at any time among peers that have these pieces; for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self, peers: &[&Bitset]) {
        for piece in 0..self.copies.len() as u32 {
            let copies = peers.iter().filter(|has| has.has(piece)).count() as u32;
            assert_eq!(self.availability(piece), copies, "copies of piece {piece}");
        }
        let mut candidates = 0;
        for (at, ladder) in self.ladders.iter().enumerate() {
            assert!(ladder.pieces.is_sorted_by_key(|&piece| self.copies[piece as usize]));
            for (place, &piece) in ladder.pieces.iter().enumerate() {
                assert!(self.candidates.has(piece), "piece {piece}");
                assert_eq!(ladder_of(self.priorities[piece as usize]), Some(at), "piece {piece}");
                assert_eq!(self.places[piece as usize], place as u32, "piece {piece}");
            }
            candidates += ladder.pieces.len();
        }
        assert_eq!(candidates, self.candidates.ones() as usize);
    }

    /// Copies of a piece among peers that do not have everything.
    pub(super) fn copies(&self, piece: u32) -> u16 {
        self.copies[piece as usize]
    }

    /// Whether some piece could be begun that a connected peer has.
    pub(super) fn any_here(&self) -> bool {
        // The last of a ladder is its most common.
        let common = |ladder: &Ladder| {
            ladder.pieces.last().is_some_and(|&piece| self.copies[piece as usize] > 0)
        };
        (self.seeds > 0 && !self.candidates.is_empty()) || self.ladders.iter().any(common)
    }

    /// The piece that a peer which has `has` should begin. `first`: nothing is there yet, so any
    /// piece will do, to have something to give soon.
    pub(super) fn pick(&mut self, has: &Bitset, first: bool) -> Option<u32> {
        for at in 0..self.ladders.len() {
            if self.ladders[at].pieces.is_empty() {
                continue;
            }
            let found = match self.policy {
                Policy::Sequential => self.first_in_order(at, has),
                Policy::RarestFirst if !first => self.rarest_of(at, has),
                Policy::RarestFirst => self.any_of(at, has),
                Policy::Random => self.fair_of(at, has),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether a peer that has `has` could begin a piece that is as much wanted as this one, and
    /// that fewer peers have.
    pub(super) fn has_rarer(&self, piece: u32, has: &Bitset) -> bool {
        let Some(at) = ladder_of(self.priorities[piece as usize]) else { return false };
        let rarer = |other: u32| self.copies[other as usize] < self.copies[piece as usize];
        (0..at).any(|more| self.rarest_of(more, has).is_some())
            || self.rarest_of(at, has).is_some_and(rarer)
    }

    /// Whether this piece may be begun.
    pub(super) fn is_candidate(&self, piece: u32) -> bool {
        self.candidates.has(piece)
    }

    fn rarest_of(&self, at: usize, has: &Bitset) -> Option<u32> {
        let ladder = &self.ladders[at];
        // Pieces without copies are nothing for a peer that is not a seed.
        let from = if has.is_full() { 0 } else { ladder.end(0) as usize };
        let near = &ladder.pieces[from..];
        let scanned = near.iter().take(SCAN_MAX).copied().find(|&piece| has.has(piece));
        if scanned.is_some() || near.len() <= SCAN_MAX {
            return scanned;
        }
        // A peer with few pieces: the rarest of the first that it has.
        self.shared(at, has).take(SCAN_MAX).min_by_key(|&piece| self.copies[piece as usize])
    }

    fn any_of(&mut self, at: usize, has: &Bitset) -> Option<u32> {
        let pieces = &self.ladders[at].pieces;
        let start = self.rng.index(pieces.len());
        let round = pieces[start..].iter().chain(&pieces[..start]);
        let scanned = round.take(SCAN_MAX).copied().find(|&piece| has.has(piece));
        scanned.or_else(|| self.shared(at, has).next())
    }

    /// Any, each as likely as the others near it: the ladder is in the order of rarity, and the
    /// next from any place on would be a rare one rather than a common one.
    fn fair_of(&mut self, at: usize, has: &Bitset) -> Option<u32> {
        let pieces = &self.ladders[at].pieces;
        let start = self.rng.index(pieces.len());
        let near = || {
            let round = pieces[start..].iter().chain(&pieces[..start]).take(SCAN_MAX);
            round.copied().filter(|&piece| has.has(piece))
        };
        match near().count() {
            0 => self.shared(at, has).next(),
            count => near().nth(self.rng.index(count)),
        }
    }

    fn first_in_order(&self, at: usize, has: &Bitset) -> Option<u32> {
        self.shared(at, has).next()
    }

    /// Candidates of one priority that the peer has, in the torrent's order.
    fn shared<'a>(&'a self, at: usize, has: &'a Bitset) -> impl Iterator<Item = u32> + 'a {
        let candidates = self.candidates.both(has);
        candidates.filter(move |&piece| ladder_of(self.priorities[piece as usize]) == Some(at))
    }

    fn gain(&mut self, piece: u32) {
        let copies = &mut self.copies[piece as usize];
        if self.candidates.has(piece) {
            let ladder = ladder_of(self.priorities[piece as usize]).expect("candidates are wanted");
            self.ladders[ladder].up(piece, *copies, &mut self.places);
        }
        *copies += 1;
    }

    fn lose(&mut self, piece: u32) {
        let copies = &mut self.copies[piece as usize];
        *copies -= 1;
        if self.candidates.has(piece) {
            let ladder = ladder_of(self.priorities[piece as usize]).expect("candidates are wanted");
            self.ladders[ladder].down(piece, *copies, &mut self.places);
        }
    }
}

/// Most wanted first.
fn ladder_of(priority: Priority) -> Option<usize> {
    match priority {
        Priority::Skip => None,
        Priority::High => Some(0),
        Priority::Normal => Some(1),
        Priority::Low => Some(2),
    }
}

impl Ladder {
    fn end(&self, copies: u16) -> u32 {
        self.ends.get(usize::from(copies)).copied().unwrap_or(self.pieces.len() as u32)
    }

    fn insert(&mut self, piece: u32, copies: u16, places: &mut [u32]) {
        self.grow(copies);
        places[piece as usize] = self.pieces.len() as u32;
        self.pieces.push(piece);
        // It came in as the last of the most common; move it down, run by run.
        if let Some(top) = self.ends.last_mut() {
            *top += 1;
        }
        for rung in (usize::from(copies) + 1..self.ends.len()).rev() {
            let first = self.ends[rung - 1];
            self.swap(places[piece as usize], first, places);
            self.ends[rung - 1] += 1;
        }
    }

    fn remove(&mut self, piece: u32, copies: u16, places: &mut [u32]) {
        for rung in usize::from(copies)..self.ends.len() {
            self.ends[rung] -= 1;
            self.swap(places[piece as usize], self.ends[rung], places);
        }
        debug_assert_eq!(self.pieces.last(), Some(&piece), "it went up to the end");
        self.pieces.pop();
        places[piece as usize] = NOWHERE;
    }

    /// From `copies` to one more.
    fn up(&mut self, piece: u32, copies: u16, places: &mut [u32]) {
        self.grow(copies + 1);
        let rung = usize::from(copies);
        self.ends[rung] -= 1;
        self.swap(places[piece as usize], self.ends[rung], places);
    }

    /// To `copies` from one more.
    fn down(&mut self, piece: u32, copies: u16, places: &mut [u32]) {
        let rung = usize::from(copies);
        self.swap(places[piece as usize], self.ends[rung], places);
        self.ends[rung] += 1;
    }

    fn grow(&mut self, copies: u16) {
        let all = self.pieces.len() as u32;
        let rungs = usize::from(copies) + 1;
        if self.ends.len() < rungs {
            self.ends.resize(rungs, all);
        }
    }

    fn swap(&mut self, a: u32, b: u32, places: &mut [u32]) {
        self.pieces.swap(a as usize, b as usize);
        places[self.pieces[a as usize] as usize] = a;
        places[self.pieces[b as usize] as usize] = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn picker(pieces: usize) -> Picker {
        Picker::new(vec![Priority::Normal; pieces], Policy::RarestFirst, Rng::from_number(1))
    }

    fn set(length: u32, ones: &[u32]) -> Bitset {
        let mut set = Bitset::new(length);
        ones.iter().for_each(|&one| {
            set.set(one);
        });
        set
    }

    #[test]
    fn the_rarest_piece_that_the_peer_has_is_begun_first() {
        let mut picker = picker(4);
        picker.join(&set(4, &[0, 1, 2]));
        picker.join(&set(4, &[0, 1]));
        picker.join(&set(4, &[0]));
        assert_eq!(picker.pick(&set(4, &[0, 1]), false), Some(1));
        assert_eq!(picker.pick(&set(4, &[0, 1, 2]), false), Some(2));
        assert_eq!(picker.pick(&Bitset::full(4), false), Some(3));
        assert_eq!(picker.pick(&Bitset::new(4), false), None);
    }

    #[test]
    fn priority_goes_before_rarity_and_skipped_pieces_are_never_begun() {
        let priorities = vec![Priority::Low, Priority::Normal, Priority::High, Priority::Skip];
        let mut picker = Picker::new(priorities, Policy::RarestFirst, Rng::from_number(1));
        picker.join(&set(4, &[2]));
        let seed = Bitset::full(4);
        for expected in [2, 1, 0] {
            assert_eq!(picker.pick(&seed, false), Some(expected));
            picker.take(expected);
        }
        assert_eq!(picker.pick(&seed, false), None);
        picker.prioritise(3, Priority::Low);
        assert_eq!(picker.pick(&seed, false), None, "it was not released");
        picker.release(3);
        assert_eq!(picker.pick(&seed, false), Some(3));
    }

    #[test]
    fn two_pickers_begin_with_different_pieces() {
        let first = |seed| {
            let mut picker = Picker::new(
                vec![Priority::Normal; 1000],
                Policy::RarestFirst,
                Rng::from_number(seed),
            );
            picker.pick(&Bitset::full(1000), false).unwrap()
        };
        let firsts: BTreeSet<u32> = (0..20).map(first).collect();
        assert!(firsts.len() > 15, "{firsts:?}");
    }

    #[test]
    fn in_order_means_in_order() {
        let mut picker =
            Picker::new(vec![Priority::Normal; 5], Policy::Sequential, Rng::from_number(1));
        let has = set(5, &[1, 3, 4]);
        for expected in [Some(1), Some(3), Some(4), None] {
            let piece = picker.pick(&has, true);
            assert_eq!(piece, expected);
            piece.into_iter().for_each(|piece| picker.take(piece));
        }
    }

    #[test]
    fn random_does_not_care_how_many_have_a_piece() {
        let mut picker = picker(10);
        picker.follow(Policy::Random);
        let (has, others) = (set(10, &[2, 7]), set(10, &[7]));
        (0..5).for_each(|_| picker.join(&others));
        picker.join(&has);
        let common = (0..1000).filter(|_| picker.pick(&has, false) == Some(7)).count();
        assert!((200..800).contains(&common), "{common} of 1000");
        picker.follow(Policy::RarestFirst);
        assert_eq!(picker.pick(&has, false), Some(2));
    }

    #[test]
    fn a_peer_with_one_far_piece_of_many_is_served() {
        let mut picker = picker(10_000);
        (0..3).for_each(|_| picker.join(&set(10_000, &[77])));
        assert_eq!(picker.pick(&set(10_000, &[77]), false), Some(77));
        assert_eq!(picker.pick(&set(10_000, &[77]), true), Some(77));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Join(Vec<u32>),
        Leave(usize),
        Learn(usize, u32),
        Take(u32),
        Release(u32),
        Prioritise(u32, Priority),
    }

    const PIECES: u32 = 12;

    fn any_step() -> impl Strategy<Value = Step> {
        let piece = 0..PIECES;
        let priority = prop_oneof![
            Just(Priority::Skip),
            Just(Priority::Low),
            Just(Priority::Normal),
            Just(Priority::High)
        ];
        prop_oneof![
            prop::collection::vec(piece.clone(), 0..16).prop_map(Step::Join),
            any::<usize>().prop_map(Step::Leave),
            (any::<usize>(), piece.clone()).prop_map(|(peer, piece)| Step::Learn(peer, piece)),
            piece.clone().prop_map(Step::Take),
            piece.clone().prop_map(Step::Release),
            (piece, priority).prop_map(|(piece, priority)| Step::Prioritise(piece, priority)),
        ]
    }

    proptest! {
        /// Whatever happens, the picker knows what a slow and plain count would say.
        #[test]
        fn it_agrees_with_a_plain_count(steps in prop::collection::vec(any_step(), 0..60)) {
            let mut picker = picker(PIECES as usize);
            let mut peers: Vec<Bitset> = Vec::new();
            for step in steps {
                match step {
                    Step::Join(ones) => {
                        peers.push(set(PIECES, &ones));
                        picker.join(peers.last().unwrap());
                    }
                    Step::Leave(at) if !peers.is_empty() => {
                        let peer = peers.remove(at % peers.len());
                        picker.leave(&peer);
                    }
                    Step::Learn(at, piece) if !peers.is_empty() => {
                        let at = at % peers.len();
                        if peers[at].set(piece) {
                            picker.learn(piece, &peers[at]);
                        }
                    }
                    Step::Take(piece) => picker.take(piece),
                    Step::Release(piece) => picker.release(piece),
                    Step::Prioritise(piece, priority) => picker.prioritise(piece, priority),
                    Step::Leave(_) | Step::Learn(..) => {}
                }
                for piece in 0..PIECES {
                    let copies = peers.iter().filter(|peer| peer.has(piece)).count();
                    prop_assert_eq!(picker.availability(piece), copies as u32);
                }
                for ladder in &picker.ladders {
                    let copies: Vec<u16> =
                        ladder.pieces.iter().map(|&p| picker.copies[p as usize]).collect();
                    prop_assert!(copies.is_sorted());
                    for (place, &piece) in ladder.pieces.iter().enumerate() {
                        prop_assert_eq!(picker.places[piece as usize], place as u32);
                    }
                }
                let rarest = (0..PIECES)
                    .filter(|&p| picker.is_candidate(p))
                    .min_by_key(|&p| (
                        core::cmp::Reverse(picker.priority(p)), picker.availability(p)));
                let picked = picker.pick(&Bitset::full(PIECES), false);
                prop_assert_eq!(
                    picked.map(|p| (picker.priority(p), picker.availability(p))),
                    rarest.map(|p| (picker.priority(p), picker.availability(p)))
                );
            }
        }
    }
}
