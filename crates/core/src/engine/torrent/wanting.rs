//! What the user wants of a torrent, and what of it is missing.

use alloc::vec::Vec;

use toubkal_wire::layout::Block;

use super::super::event::{Policy, Priority, Rates};
use super::super::held::Held;
use super::super::limits::Limits;
use super::super::shared::Cx;
use super::{Next, Phase, Torrent};

impl Torrent {
    pub(in super::super) fn limit(&mut self, cx: &mut Cx<'_>, rates: Rates) {
        self.limits = Limits::new(rates, cx.now);
        self.held = Held::default();
        cx.wait_until(cx.now);
    }

    pub(in super::super) fn sequential(&mut self, sequential: bool) {
        self.policy = if sequential { Policy::Sequential } else { Policy::RarestFirst };
        self.picker.follow(self.policy);
    }

    /// Changes what is wanted; the folder is looked at anew.
    pub(in super::super) fn prioritise(&mut self, cx: &mut Cx<'_>, priorities: Vec<Priority>) {
        if priorities.len() != self.layout.files().len() {
            return;
        }
        let same_files = self.files.prioritise(priorities);
        self.want_anew(cx, same_files);
    }

    /// What is wanted has changed; `same_files` when no other files are.
    pub(super) fn want_anew(&mut self, cx: &mut Cx<'_>, same_files: bool) {
        let runs = !matches!(self.phase, Phase::Stopping { .. } | Phase::Stopped(_));
        if !same_files && runs {
            // Other files are wanted: their bytes may have to move, so the store opens again.
            // One that stops already stays stopped; its next start sees what is wanted.
            self.wind_down(cx, None);
            self.next = Next::Start;
        }
        let priorities = self.files.piece_priorities(&self.layout);
        for (piece, priority) in priorities.into_iter().enumerate() {
            if self.picker.priority(piece as u32) != priority {
                self.picker.prioritise(piece as u32, priority);
            }
        }
        if same_files {
            self.wake = true;
        } else {
            self.recount();
        }
    }

    pub(super) fn is_all_wanted(&self) -> bool {
        self.files.wanted().iter().all(|&wanted| wanted)
    }

    pub(super) fn is_wanted(&self, piece: u32) -> bool {
        self.picker.priority(piece) != Priority::Skip
    }

    /// Bytes of a piece without its padding.
    pub(super) fn piece_bytes(&self, piece: u32) -> u64 {
        let whole = Block { piece, begin: 0, length: self.layout.piece_size(piece) };
        let spans = self.layout.spans(whole).filter(|span| !span.pad);
        spans.map(|span| u64::from(span.length)).sum()
    }

    /// Counts what is wanted and missing from the beginning.
    pub(super) fn recount(&mut self) {
        (self.missing, self.left, self.wanted) = (0, 0, 0);
        for piece in 0..self.layout.pieces() {
            if !self.is_wanted(piece) {
                continue;
            }
            let bytes = self.piece_bytes(piece);
            self.wanted += bytes;
            if !self.have.has(piece) {
                self.missing += 1;
                self.left += bytes;
            }
        }
    }
}
