//! What must hold of a torrent after every call: all that is counted, counted anew. For tests.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Phase, Torrent};
use crate::engine::Priority;

impl Torrent {
    /// Panics when something that is kept differs from what it is kept of.
    pub(in super::super) fn check(&self) {
        self.check_counts();
        self.files.check(&self.layout, &self.have);
        if !matches!(self.phase, Phase::Active) {
            let none = self.early || self.peers.is_empty();
            assert!(none, "peers of a torrent that does not run");
            return;
        }
        assert!(!self.wake, "somebody was to be asked, and was not");
        self.check_requests();
        self.check_candidates();
        self.check_peers();
    }

    fn check_counts(&self) {
        let wanted = (0..self.layout.pieces()).filter(|&piece| self.is_wanted(piece));
        let lacking = wanted.clone().filter(|&piece| !self.have.has(piece));
        assert_eq!(self.missing as usize, lacking.clone().count(), "missing");
        assert_eq!(self.left, lacking.map(|piece| self.piece_bytes(piece)).sum::<u64>(), "left");
        assert_eq!(self.wanted, wanted.map(|piece| self.piece_bytes(piece)).sum::<u64>());
    }

    /// Every request is for a block that is missing, and every asker of a block is a request.
    fn check_requests(&self) {
        let mut asked = BTreeMap::new();
        for peer in self.peers.values() {
            for request in &peer.requests {
                *asked.entry((request.piece, request.index)).or_insert(0) += 1;
            }
        }
        self.partials.check(&asked, |link| self.peers.get(&link).is_some());
    }

    /// A piece is a candidate exactly while it is wanted, missing and not begun.
    fn check_candidates(&self) {
        for piece in 0..self.layout.pieces() {
            let begun = self.partials.get(piece).is_some();
            assert!(!(begun && self.have.has(piece)), "piece {piece} is there and begun");
            let free = self.is_wanted(piece) && !self.have.has(piece) && !begun;
            assert_eq!(self.picker.is_candidate(piece), free, "piece {piece}");
        }
        let peers: Vec<_> = self.peers.values().map(|peer| &peer.has).collect();
        self.picker.check(&peers);
    }

    fn check_peers(&self) {
        for peer in self.peers.values() {
            let useful = peer.has.minus(&self.have);
            let useful =
                useful.filter(|&piece| self.picker.priority(piece) != Priority::Skip).count();
            assert_eq!(peer.useful as usize, useful, "useful");
            assert_eq!(peer.interesting, useful > 0, "interest");
            assert!(peer.granted.len() <= 10 && peer.hinted.len() <= 3, "hints are bounded");
        }
    }
}
