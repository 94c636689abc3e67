//! As a seed: which piece a peer should take, so that no two take the same.
//!
//! Peers of a seed do not see what others are fetching from it just now, and so fetch the same
//! pieces several times while others wait to be given once. The seed sees it. It suggests
//! (BEP 6) to each peer pieces in one common random order, those first that fewest have.

use alloc::boxed::Box;

use super::picker::Picker;
use crate::base::{Bitset, Rng};

/// Pieces compared for one suggestion.
const LOOK_AHEAD: usize = 64;

/// The order in which a seed suggests pieces.
#[derive(Debug)]
pub(super) struct Spread {
    order: Box<[u32]>,
    cursor: usize,
}

impl Spread {
    pub(super) fn new(pieces: u32, rng: &mut Rng) -> Self {
        let mut order: Box<[u32]> = (0..pieces).collect();
        rng.shuffle(&mut order);
        Self { order, cursor: 0 }
    }

    /// The piece to suggest next to a peer that has `has`.
    pub(super) fn next(&mut self, has: &Bitset, picker: &Picker) -> Option<u32> {
        let pieces = self.order.len();
        let ahead = (0..pieces.min(LOOK_AHEAD)).map(|step| (self.cursor + step) % pieces.max(1));
        let lacking = ahead.filter(|&at| !has.has(self.order[at]));
        let best = lacking.min_by_key(|&at| picker.copies(self.order[at]))?;
        // The chosen one changes places with the next in turn: nobody is passed over for ever.
        self.order.swap(best, self.cursor);
        let piece = self.order[self.cursor];
        self.cursor = (self.cursor + 1) % pieces;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Priority;
    use super::*;
    use alloc::vec;
    use std::collections::BTreeSet;

    fn picker(pieces: usize) -> Picker {
        Picker::new(vec![Priority::Normal; pieces], false, Rng::from_number(1))
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
}
