//! Pieces that are begun: which of their blocks are free, asked for, received, written.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::layout::{BLOCK_BYTES, Layout};

use super::bounds::ASKERS_MAX;
use super::event::{LinkId, Priority};
use crate::base::Bitset;

/// Where a block came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) link: LinkId,
    pub(super) remote: SocketAddr,
}

/// The blocks of a piece that is begun.
#[derive(Debug)]
pub(super) struct Partial {
    slots: Box<[Slot]>,
    origins: Vec<Origin>,
    /// No block before this one is free.
    cursor: u32,
    free: u32,
    /// Missing blocks of which more peers may be asked.
    askable: u32,
    /// Blocks that are not written yet.
    unwritten: u32,
    /// Blocks in a row from the first that went to the store to be hashed.
    hashed: u32,
    /// After a failure one peer alone gives the whole piece, so that the blame is clear.
    alone: Alone,
    /// Where it stands in [`Partials::open`], or [`NOWHERE`].
    place: u32,
    /// It stands in [`Partials::askable`].
    listed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: BlockState,
    /// Peers whose answer is waited for.
    askers: u8,
    /// Index of the origin, or [`UNKNOWN`].
    from: u16,
}

const UNKNOWN: u16 = u16::MAX;
/// Not a place in [`Partials::open`].
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Missing,
    /// Received, on its way to the disk.
    Storing,
    Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alone {
    No,
    /// The first peer that asks.
    Wanted,
    With(LinkId),
}

impl Partial {
    fn new(layout: &Layout, piece: u32, alone: bool) -> Self {
        let blocks = layout.blocks(piece);
        let slot = |index| {
            let padding = layout.spans(layout.block(piece, index)).all(|span| span.pad);
            // BEP 47: padding is zeros, there is nothing to ask for.
            let state = if padding { BlockState::Written } else { BlockState::Missing };
            Slot { state, askers: 0, from: UNKNOWN }
        };
        let slots: Box<[Slot]> = (0..blocks).map(slot).collect();
        let free = slots.iter().filter(|slot| slot.state == BlockState::Missing).count() as u32;
        let alone = if alone { Alone::Wanted } else { Alone::No };
        Self {
            slots,
            origins: Vec::new(),
            cursor: 0,
            free,
            askable: free,
            unwritten: free,
            hashed: 0,
            alone,
            place: NOWHERE,
            listed: false,
        }
    }

    /// Whether this peer may be asked for blocks of the piece.
    pub(super) fn open_to(&self, link: LinkId) -> bool {
        match self.alone {
            Alone::No | Alone::Wanted => true,
            Alone::With(owner) => owner == link,
        }
    }

    /// Every block is written.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten == 0
    }

    /// Bytes in a row from the first that are hashed already.
    pub(super) fn hashed_bytes(&self) -> u32 {
        self.hashed * BLOCK_BYTES
    }

    /// Whether this block goes on where the hash ends; if so the hash goes on behind it.
    pub(super) fn digest(&mut self, index: u32) -> bool {
        let next = index == self.hashed;
        self.hashed += u32::from(next);
        next
    }

    /// Origin of every block; `None` for padding and what lay on the disk.
    pub(super) fn origins(&self) -> Vec<Option<Origin>> {
        let origin = |slot: &Slot| self.origins.get(usize::from(slot.from)).copied();
        self.slots.iter().map(origin).collect()
    }

    /// The first free block, to be asked of this peer.
    fn ask_free(&mut self, link: LinkId) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        if self.alone == Alone::Wanted {
            self.alone = Alone::With(link);
        }
        let rest = &self.slots[self.cursor as usize..];
        let found = rest.iter().position(|slot| slot.is_free()).expect("free blocks are counted");
        let index = self.cursor + found as u32;
        self.cursor = index + 1;
        self.free -= 1;
        self.slots[index as usize].askers = 1;
        Some(index)
    }

    /// A missing block that fewer than [`ASKERS_MAX`] peers were asked for, and this one was not.
    fn ask_again(&mut self, asked: impl Fn(u32) -> bool) -> Option<u32> {
        let wanted = |&(index, slot): &(usize, &Slot)| slot.is_askable() && !asked(index as u32);
        let slots = self.slots.iter().enumerate().filter(wanted);
        let index = slots.min_by_key(|(_, slot)| slot.askers)?.0 as u32;
        self.ask_also(index).then_some(index)
    }

    /// Whether one more peer may be asked for a block; if so it is counted.
    fn ask_also(&mut self, index: u32) -> bool {
        let slot = &mut self.slots[index as usize];
        let askable = slot.is_askable();
        if askable {
            self.free -= u32::from(slot.askers == 0);
            slot.askers += 1;
            self.askable -= u32::from(!slot.is_askable());
        }
        askable
    }

    /// One peer less is waited for.
    fn unask(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let before = slot.is_askable();
        slot.askers = slot.askers.saturating_sub(1);
        self.askable += u32::from(!before && slot.is_askable());
        if slot.is_free() {
            self.free += 1;
            self.cursor = self.cursor.min(index);
        }
    }

    /// A block came. `None`: it is there already. Else how many peers are still asked for it.
    fn receive(&mut self, index: u32, origin: Origin) -> Option<u8> {
        let from = self.origin_index(origin);
        let slot = &mut self.slots[index as usize];
        if slot.state != BlockState::Missing {
            return None;
        }
        // A late block, of a peer that was given up: nobody need be asked for it now.
        self.free -= u32::from(slot.askers == 0);
        self.askable -= u32::from(slot.is_askable());
        slot.state = BlockState::Storing;
        slot.from = from;
        Some(core::mem::take(&mut slot.askers))
    }

    fn origin_index(&mut self, origin: Origin) -> u16 {
        let known = self.origins.iter().position(|&other| other == origin);
        let index = known.unwrap_or_else(|| {
            self.origins.push(origin);
            self.origins.len() - 1
        });
        // More peers than that never share one piece; if they did, nobody would be blamed.
        u16::try_from(index).unwrap_or(UNKNOWN)
    }

    /// A block is written. Says whether the piece is.
    pub(super) fn written(&mut self, index: u32) -> bool {
        let slot = &mut self.slots[index as usize];
        debug_assert_eq!(slot.state, BlockState::Storing, "written once, after it came");
        slot.state = BlockState::Written;
        self.unwritten -= 1;
        self.is_written()
    }
}

impl Slot {
    fn is_free(self) -> bool {
        self.state == BlockState::Missing && self.askers == 0
    }

    fn is_askable(self) -> bool {
        self.state == BlockState::Missing && self.askers < ASKERS_MAX
    }
}

/// All pieces of a torrent that are begun.
#[derive(Debug, Default)]
pub(super) struct Partials {
    pieces: BTreeMap<u32, Partial>,
    /// Those with free blocks, in no order.
    open: Vec<Open>,
    /// Those with missing blocks of which more peers may be asked.
    askable: BTreeSet<u32>,
}

/// A piece with free blocks. All of them are looked at when a peer is given another piece, so they
/// lie close together.
#[derive(Clone, Copy, Debug)]
struct Open {
    piece: u32,
    free: u32,
}

impl Partials {
    /// Begins a piece. `alone`: one peer is to give all of it.
    pub(super) fn begin(&mut self, layout: &Layout, piece: u32, alone: bool) -> &Partial {
        self.pieces.entry(piece).or_insert_with(|| Partial::new(layout, piece, alone));
        self.sort(piece);
        &self.pieces[&piece]
    }

    pub(super) fn get(&self, piece: u32) -> Option<&Partial> {
        self.pieces.get(&piece)
    }

    /// Which are begun, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces.keys().copied()
    }

    pub(super) fn get_mut(&mut self, piece: u32) -> Option<&mut Partial> {
        self.pieces.get_mut(&piece)
    }

    pub(super) fn end(&mut self, piece: u32) -> Option<Partial> {
        let partial = self.pieces.remove(&piece)?;
        if partial.place != NOWHERE {
            self.close(partial.place);
        }
        if partial.listed {
            self.askable.remove(&piece);
        }
        Some(partial)
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.askable.clear();
        self.pieces.clear();
    }

    /// Asks for a free block of this piece.
    pub(super) fn ask_of(&mut self, piece: u32, link: LinkId) -> Option<u32> {
        let partial = self.pieces.get_mut(&piece).filter(|partial| partial.open_to(link))?;
        let index = partial.ask_free(link)?;
        match partial.free {
            0 => self.sort(piece),
            free => self.open[partial.place as usize].free = free,
        }
        Some(index)
    }

    /// The begun piece with free blocks that this peer should help with: of the highest
    /// priority, then the one that lacks least, or the first of the torrent when pieces are
    /// taken in order.
    pub(super) fn best_for(
        &self,
        link: LinkId,
        has: &Bitset,
        sequential: bool,
        priority: impl Fn(u32) -> Priority,
    ) -> Option<u32> {
        let mut best = None;
        for &Open { piece, free } in &self.open {
            let free = if sequential { 0 } else { free };
            let key = (core::cmp::Reverse(priority(piece)), free, piece);
            let better = best.is_none_or(|best| key < best);
            // What the peer has is least likely to be in the cache, so that is asked last.
            if better && has.has(piece) && self.pieces[&piece].open_to(link) {
                best = Some(key);
            }
        }
        best.map(|(_, _, piece)| piece)
    }

    /// At the end: a block that others were asked for already. `from` is where to begin to look,
    /// so that peers do not all ask for the same one.
    pub(super) fn ask_again(
        &mut self,
        link: LinkId,
        has: &Bitset,
        from: u32,
        asked: impl Fn(u32, u32) -> bool,
    ) -> Option<(u32, u32)> {
        let order = self.askable.range(from..).chain(self.askable.range(..from)).copied();
        for piece in order.filter(|&piece| has.has(piece)) {
            let partial = self.pieces.get_mut(&piece).expect("what is askable is begun");
            if !partial.open_to(link) {
                continue;
            }
            if let Some(index) = partial.ask_again(|index| asked(piece, index)) {
                self.sort(piece);
                return Some((piece, index));
            }
        }
        None
    }

    /// Asks one more peer for a block that others owe; false when enough were asked.
    pub(super) fn ask_also(&mut self, piece: u32, index: u32) -> bool {
        let asked = self.pieces.get_mut(&piece).is_some_and(|partial| partial.ask_also(index));
        self.sort(piece);
        asked
    }

    /// Whether a piece is begun, and has blocks for which nobody was asked.
    pub(super) fn has_free(&self, piece: u32) -> bool {
        self.pieces.get(&piece).is_some_and(|partial| partial.free > 0)
    }

    /// Whether a piece is begun, and has blocks for which this peer may be asked first.
    pub(super) fn offers(&self, piece: u32, link: LinkId) -> bool {
        let partial = self.pieces.get(&piece);
        partial.is_some_and(|partial| partial.free > 0 && partial.open_to(link))
    }

    /// Keeps the lists true after blocks of a piece were asked for, freed, or received.
    fn sort(&mut self, piece: u32) {
        let Some(partial) = self.pieces.get_mut(&piece) else { return };
        let listed = partial.askable > 0;
        if listed != core::mem::replace(&mut partial.listed, listed) {
            match listed {
                true => self.askable.insert(piece),
                false => self.askable.remove(&piece),
            };
        }
        let (place, free) = (partial.place, partial.free);
        match (place, free) {
            (NOWHERE, 0) => {}
            (NOWHERE, _) => {
                partial.place = self.open.len() as u32;
                self.open.push(Open { piece, free });
            }
            (_, 0) => {
                partial.place = NOWHERE;
                self.close(place);
            }
            _ => self.open[place as usize].free = free,
        }
    }

    /// Takes a piece out of those with free blocks; the last of them gets its place.
    fn close(&mut self, place: u32) {
        self.open.swap_remove(place as usize);
        if let Some(moved) = self.open.get(place as usize) {
            let partial = self.pieces.get_mut(&moved.piece).expect("what is open is begun");
            partial.place = place;
        }
    }

    /// A peer is no longer waited for.
    pub(super) fn unask(&mut self, piece: u32, index: u32) {
        let Some(partial) = self.pieces.get_mut(&piece) else { return };
        partial.unask(index);
        self.sort(piece);
    }

    /// A block came; see [`Partial::receive`].
    pub(super) fn receive(&mut self, piece: u32, index: u32, origin: Origin) -> Option<u8> {
        let partial = self.pieces.get_mut(&piece)?;
        let free = partial.free;
        let others = partial.receive(index, origin);
        if partial.free != free || partial.askable == 0 {
            self.sort(piece);
        }
        others
    }

    /// A peer that had pieces alone does not give them: anybody may.
    pub(super) fn forsake(&mut self, link: LinkId) {
        for partial in self.pieces.values_mut() {
            if partial.alone == Alone::With(link) {
                partial.alone = Alone::No;
            }
        }
    }

    /// What must hold at any time; for tests. `asked`: how many requests wait for each block.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(
        &self,
        asked: &BTreeMap<(u32, u32), u8>,
        connected: impl Fn(LinkId) -> bool,
    ) {
        let mut askers = 0;
        for (&piece, partial) in &self.pieces {
            for (index, slot) in (0..).zip(&partial.slots) {
                let requests = asked.get(&(piece, index)).copied().unwrap_or(0);
                assert_eq!(slot.askers, requests, "piece {piece}, block {index}");
                assert!(slot.askers == 0 || slot.state == BlockState::Missing);
                askers += usize::from(slot.askers);
            }
            if let Alone::With(owner) = partial.alone {
                assert!(connected(owner), "piece {piece} waits for a peer that is gone");
            }
        }
        let requests: usize = asked.values().copied().map(usize::from).sum();
        assert_eq!(askers, requests, "every request is for a block of a piece that is begun");
        self.check_free();
    }

    #[cfg(any(test, feature = "testing"))]
    fn check_free(&self) {
        for (piece, partial) in &self.pieces {
            let free = partial.slots.iter().filter(|slot| slot.is_free()).count() as u32;
            assert_eq!(partial.free, free, "piece {piece}");
            let open = self.open.get(partial.place as usize);
            let open = open.map(|open| (open.piece, open.free));
            assert_eq!(open, (free > 0).then_some((*piece, free)), "piece {piece}");
            let askable = partial.slots.iter().filter(|slot| slot.is_askable()).count() as u32;
            assert_eq!(partial.askable, askable, "piece {piece}");
            assert_eq!(self.askable.contains(piece), askable > 0, "piece {piece}");
            assert_eq!(partial.listed, askable > 0, "piece {piece}");
            let before = &partial.slots[..partial.cursor as usize];
            assert!(before.iter().all(|slot| !slot.is_free()), "piece {piece}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::vec;

    const A: LinkId = LinkId::new(0, 0);
    const B: LinkId = LinkId::new(1, 0);

    fn layout() -> Layout {
        Layout::new(4 * BLOCK_BYTES, [(10 * u64::from(BLOCK_BYTES), false)]).unwrap()
    }

    fn origin(link: LinkId) -> Origin {
        let port = link.index() as u16 + 1;
        Origin { link, remote: (Ipv4Addr::LOCALHOST, port).into() }
    }

    #[test]
    fn blocks_are_asked_for_once_and_in_order() {
        let mut partials = Partials::default();
        partials.begin(&layout(), 0, false);
        let asked: Vec<_> = std::iter::from_fn(|| partials.ask_of(0, A)).collect();
        assert_eq!(asked, [0, 1, 2, 3]);
        partials.check_free();
        partials.unask(0, 2);
        partials.check_free();
        assert_eq!(partials.best_for(B, &Bitset::full(3), false, |_| Priority::Normal), Some(0));
        assert_eq!(partials.ask_of(0, B), Some(2));
        partials.check_free();
    }

    #[test]
    fn a_block_counts_once_even_when_two_send_it() {
        let mut partials = Partials::default();
        partials.begin(&layout(), 2, false);
        assert_eq!(partials.ask_of(2, A), Some(0));
        assert_eq!(partials.ask_of(2, A), Some(1));
        let full = Bitset::full(3);
        assert_eq!(partials.ask_again(B, &full, 0, |_, index| index == 1), Some((2, 0)));
        assert_eq!(partials.ask_again(B, &full, 0, |_, _| true), None);
        assert_eq!(partials.receive(2, 0, origin(B)), Some(2));
        assert_eq!(partials.receive(2, 0, origin(A)), None);
        partials.check_free();
        // A late block of a peer that was given up is welcome.
        partials.unask(2, 1);
        assert_eq!(partials.receive(2, 1, origin(A)), Some(0));
        partials.check_free();
        let partial = partials.get_mut(2).unwrap();
        assert!(!partial.written(1));
        assert!(partial.written(0));
        assert_eq!(partial.origins(), [Some(origin(B)), Some(origin(A))]);
    }

    #[test]
    fn the_hash_goes_on_only_in_order() {
        let mut partials = Partials::default();
        partials.begin(&layout(), 0, false);
        let partial = partials.get_mut(0).unwrap();
        assert!(partial.digest(0));
        assert!(!partial.digest(2));
        assert!(partial.digest(1));
        assert_eq!(partial.hashed_bytes(), 2 * BLOCK_BYTES);
    }

    #[test]
    fn a_piece_that_failed_is_given_by_one_peer_alone() {
        let mut partials = Partials::default();
        partials.begin(&layout(), 0, true);
        assert_eq!(partials.ask_of(0, A), Some(0));
        assert_eq!(partials.ask_of(0, B), None);
        let full = Bitset::full(3);
        assert_eq!(partials.best_for(B, &full, false, |_| Priority::Normal), None);
        assert_eq!(partials.ask_again(B, &full, 0, |_, _| false), None);
        partials.forsake(A);
        assert_eq!(partials.ask_of(0, B), Some(1));
    }

    #[test]
    fn padding_is_never_asked_for() {
        let block = u64::from(BLOCK_BYTES);
        let files = vec![(block, false), (2 * block, true), (block + 1, false)];
        let layout = Layout::new(4 * BLOCK_BYTES, files).unwrap();
        let mut partials = Partials::default();
        partials.begin(&layout, 0, false);
        let asked: Vec<_> = std::iter::from_fn(|| partials.ask_of(0, A)).collect();
        assert_eq!(asked, [0, 3]);
        partials.check_free();
    }
}
