//! As a seed: which piece a peer should take, so that no two take the same.
//!
//! Peers of a seed do not see what others are fetching from it just now, and so fetch the same
//! pieces several times while others wait to be given once. The seed sees it. It suggests
//! (BEP 6) to each peer pieces in one common random order, those first that fewest have or are
//! fetching; and what was suggested in vain, because the peer lost its slot, is the next peer's.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::bounds::RETURNED_MAX;
use super::picker::Picker;
use crate::base::{Bitset, Rng};

/// Pieces compared for one suggestion.
const LOOK_AHEAD: usize = 64;

/// The order in which a seed suggests pieces.
#[derive(Debug)]
pub(super) struct Spread {
    order: Box<[u32]>,
    cursor: usize,
    /// To how many peers each piece was given, or is being given. What is on its way is no copy
    /// yet, but will be one.
    given: Box<[u8]>,
    /// Given to nobody after all: they come before all others.
    returned: Vec<u32>,
}

impl Spread {
    pub(super) fn new(pieces: u32, rng: &mut Rng) -> Self {
        let mut order: Box<[u32]> = (0..pieces).collect();
        rng.shuffle(&mut order);
        let given = vec![0; pieces as usize].into();
        Self { order, cursor: 0, given, returned: Vec::new() }
    }

    /// The piece to suggest next to a peer that has `has`; it counts as given from now on.
    pub(super) fn next(&mut self, has: &Bitset, picker: &Picker) -> Option<u32> {
        let piece = self.next_returned(has, picker).or_else(|| self.next_in_turn(has, picker))?;
        self.give(piece);
        Some(piece)
    }

    fn next_returned(&mut self, has: &Bitset, picker: &Picker) -> Option<u32> {
        let given = &self.given;
        let nowhere = |piece: u32| given[piece as usize] == 0 && picker.copies(piece) == 0;
        self.returned.retain(|&piece| nowhere(piece));
        let at = self.returned.iter().position(|&piece| !has.has(piece))?;
        Some(self.returned.remove(at))
    }

    fn next_in_turn(&mut self, has: &Bitset, picker: &Picker) -> Option<u32> {
        let pieces = self.order.len();
        let ahead = (0..pieces.min(LOOK_AHEAD)).map(|step| (self.cursor + step) % pieces.max(1));
        let lacking = ahead.filter(|&at| !has.has(self.order[at]));
        let best = lacking.min_by_key(|&at| {
            let piece = self.order[at];
            let copies = picker.copies(piece);
            (copies.max(self.given[piece as usize].into()), copies)
        })?;
        // The chosen one changes places with the next in turn: nobody is passed over for ever.
        self.order.swap(best, self.cursor);
        let piece = self.order[self.cursor];
        self.cursor = (self.cursor + 1) % pieces;
        Some(piece)
    }

    /// A peer is fetching a piece.
    pub(super) fn give(&mut self, piece: u32) {
        let given = &mut self.given[piece as usize];
        *given = given.saturating_add(1);
    }

    /// A peer does not fetch a piece after all.
    pub(super) fn regain(&mut self, piece: u32) {
        let given = &mut self.given[piece as usize];
        *given = given.saturating_sub(1);
        let room = self.returned.len() < RETURNED_MAX;
        if *given == 0 && room && !self.returned.contains(&piece) {
            self.returned.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Policy, Priority};
    use super::*;
    use std::collections::BTreeSet;

    fn picker(pieces: usize) -> Picker {
        Picker::new(vec![Priority::Normal; pieces], Policy::RarestFirst, Rng::from_number(1))
    }

    #[test]
    fn every_piece_is_suggested_once_before_any_is_twice() {
        let mut spread = Spread::new(100, &mut Rng::from_number(1));
        let (nothing, picker) = (Bitset::new(100), picker(100));
        let once: BTreeSet<_> = (0..100).map(|_| spread.next(&nothing, &picker)).collect();
        assert_eq!(once.len(), 100);
        assert!(!once.contains(&None));
    }

    #[test]
    fn what_nobody_has_comes_first_and_what_the_peer_has_not_at_all() {
        let mut spread = Spread::new(4, &mut Rng::from_number(1));
        let mut picker = picker(4);
        let mut others = Bitset::new(4);
        [0, 1, 2].into_iter().for_each(|piece| {
            others.set(piece);
        });
        picker.join(&others);
        assert_eq!(spread.next(&Bitset::new(4), &picker), Some(3));
        others.set(3);
        assert_eq!(spread.next(&others, &picker), None);
        assert_eq!(Spread::new(0, &mut Rng::from_number(1)).next(&Bitset::new(0), &picker), None);
    }

    #[test]
    fn what_was_suggested_in_vain_is_the_next_peers() {
        let mut spread = Spread::new(10, &mut Rng::from_number(1));
        let (nothing, picker) = (Bitset::new(10), picker(10));
        let first: Vec<_> = (0..3).map_while(|_| spread.next(&nothing, &picker)).collect();
        spread.regain(first[1]);
        assert_eq!(spread.next(&nothing, &picker), Some(first[1]));
        let rest: BTreeSet<_> = (3..10).map_while(|_| spread.next(&nothing, &picker)).collect();
        assert!(rest.len() == 7 && first.iter().all(|piece| !rest.contains(piece)));
    }

    #[test]
    fn what_a_peer_is_fetching_is_not_suggested_to_others_while_there_is_more() {
        let mut spread = Spread::new(10, &mut Rng::from_number(1));
        (0..5).for_each(|piece| spread.give(piece));
        let (nothing, picker) = (Bitset::new(10), picker(10));
        let next: BTreeSet<_> = (0..5).map_while(|_| spread.next(&nothing, &picker)).collect();
        assert_eq!(next, (5..10).collect());
    }
}
