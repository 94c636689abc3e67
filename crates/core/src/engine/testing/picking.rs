//! The picker alone, to be measured with more peers than a test has.

use std::vec;
use std::vec::Vec;

use super::super::picker::Picker;
use super::super::{Policy, Priority};
use crate::base::{Bitset, Rng};

/// A picker and the peers that it knows of.
#[derive(Debug)]
pub struct Picking {
    picker: Picker,
    peers: Vec<Bitset>,
}

impl Picking {
    /// So many pieces, all wanted, rarest first, among peers that have these.
    #[must_use]
    pub fn new(pieces: u32, peers: Vec<Bitset>, rng: Rng) -> Self {
        let priorities = vec![Priority::Normal; pieces as usize];
        let mut picker = Picker::new(priorities, Policy::RarestFirst, rng);
        peers.iter().for_each(|has| picker.join(has));
        Self { picker, peers }
    }

    /// A peer has a piece more, unless it had it.
    ///
    /// # Panics
    /// When there is no such peer or piece.
    pub fn learn(&mut self, peer: usize, piece: u32) {
        let has = &mut self.peers[peer];
        if has.set(piece) {
            self.picker.learn(piece, has);
        }
    }

    /// Begins a piece for a peer; `None` when it has none that is not begun.
    ///
    /// # Panics
    /// When there is no such peer.
    pub fn pick(&mut self, peer: usize) -> Option<u32> {
        let piece = self.picker.pick(&self.peers[peer], false)?;
        self.picker.take(piece);
        Some(piece)
    }
}
