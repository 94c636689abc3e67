//! What is read while it comes: its pieces first, from who gives them soonest.
//!
//! As long as nobody reads, all of this is one look at an empty place.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use toubkal_wire::message::Message;

use super::super::action::Notice;
use super::super::bounds::{
    HURRIED_BLOCKS, HURRIED_PIECES, HURRY_MAX, HURRY_MIN, HURRY_TIME, STORING_BYTES_MAX,
};
use super::super::event::{LinkId, Read, ReaderId};
use super::super::peer::{Peer, Request};
use super::super::shared::Cx;
use super::super::wishes::{Moved, Told, Wish};
use super::Torrent;
use crate::base::Time;

impl Torrent {
    /// Somebody reads, has gone on, or is elsewhere.
    pub(in super::super) fn read(&mut self, cx: &mut Cx<'_>, read: Read) {
        let Some(file) = self.layout.files().get(read.file as usize) else { return };
        if file.pad {
            return;
        }
        let to = read.to.min(file.length);
        let read = Read { from: read.from.min(to), to, ..read };
        let Some(moved) = self.wishes.get_or_insert_default().read(read) else { return };
        if !self.files.read(read.file) {
            self.want_anew(cx, false);
        }
        self.plan();
        self.prove_read(cx);
        self.tell_readers(cx);
        let next = self.wishes.as_ref().and_then(|wishes| wishes.order().first());
        if moved == Moved::Away && self.is_active() && next.is_some_and(is_urgent) {
            self.clear_ways(cx);
            self.wake = true;
            self.hurry_soon(cx);
        }
    }

    /// Somebody reads no more. What was asked for it still comes.
    pub(in super::super) fn unread(&mut self, cx: &mut Cx<'_>, reader: ReaderId) {
        let Some(wishes) = &mut self.wishes else { return };
        wishes.leave(reader);
        if !wishes.is_empty() {
            // What it read stays wanted: the others would have to wait for a look at the folder.
            return self.plan();
        }
        self.wishes = None;
        self.idle_since = cx.now;
        if !self.files.read_none() {
            self.want_anew(cx, false);
        }
    }

    fn plan(&mut self) {
        if let Some(wishes) = &mut self.wishes {
            wishes.plan(&self.layout, &self.have, self.down.rate());
        }
    }

    /// What is due every second.
    #[cold]
    pub(super) fn tick_readers(&mut self, cx: &mut Cx<'_>) {
        let Some(wishes) = &mut self.wishes else { return };
        wishes.tick();
        self.plan();
        self.prove_read(cx);
        self.hurry(cx);
    }

    /// Has checked what is about to be read, and was not since the power was lost.
    pub(super) fn prove_read(&mut self, cx: &mut Cx<'_>) {
        if self.unproven.is_none() || !self.is_active() {
            return;
        }
        let Some(wishes) = &self.wishes else { return };
        for window in wishes.windows(&self.layout, self.down.rate()) {
            self.prove_all(cx, window);
        }
    }

    /// Tells everybody who may read more than before, or less.
    #[cold]
    pub(super) fn tell_readers(&mut self, cx: &mut Cx<'_>) {
        let Some(wishes) = &mut self.wishes else { return };
        let active = matches!(self.phase, super::Phase::Active);
        let (have, unproven) = (&self.have, &self.unproven);
        let sound = |piece| active && have.has(piece) && !unproven.has(piece);
        for Told { reader, from, to } in wishes.look(&self.layout, sound) {
            cx.notify(Notice::Readable { torrent: self.id, reader, from, to });
        }
    }

    /// Nothing may be read any more, until it is told anew.
    pub(super) fn retract_readers(&mut self, cx: &mut Cx<'_>) {
        let Some(wishes) = &mut self.wishes else { return };
        wishes.retract();
        for Told { reader, from, to } in wishes.look(&self.layout, |_| false) {
            cx.notify(Notice::Readable { torrent: self.id, reader, from, to });
        }
    }

    /// Whether a piece is about to be read.
    pub(super) fn is_wished(&self, piece: u32) -> bool {
        self.wishes.as_ref().is_some_and(|wishes| wishes.has(piece))
    }

    /// The block to ask this peer for that is read soonest, unless others would bring it so much
    /// sooner that they had better be asked.
    #[cold]
    pub(super) fn choose_wished(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Option<(u32, u32)> {
        let wishes = self.wishes.as_ref()?.order().len();
        for at in 0..wishes {
            let Wish { piece, due } = *self.wishes.as_ref()?.order().get(at)?;
            let has = self.peers.get(&link)?.has.has(piece);
            if !has || self.have.has(piece) {
                continue;
            }
            let fresh = self.picker.is_candidate(piece);
            if !(fresh || self.partials.offers(piece, link)) || !self.fits(cx.now, link, piece, due)
            {
                continue;
            }
            if fresh && !self.begin_blocks(cx, piece) {
                continue;
            }
            if let Some(index) = self.partials.ask_of(piece, link) {
                return Some((piece, index));
            }
        }
        None
    }

    /// Whether a peer brings a block of a piece before it is read, or about as soon as anybody.
    fn fits(&self, now: Time, link: LinkId, piece: u32, due: Duration) -> bool {
        let eta = |peer: &Peer| peer.eta(now, peer.requests.len());
        let Some(own) = self.peers.get(&link).map(eta) else { return false };
        if own * 2 <= due {
            return true;
        }
        let open = |link| self.partials.get(piece).is_none_or(|partial| partial.open_to(link));
        let others = self.peers.iter().filter(|&(&other, peer)| {
            !peer.choking_us && peer.has.has(piece) && peer.room(now) > 0 && open(other)
        });
        let best = others.map(|(_, peer)| eta(peer)).min();
        best.is_none_or(|best| own <= best * 2)
    }

    /// What peers were asked for, and is not read soon, would come before what is: it is called
    /// back, and asked for again behind it. What is there of it is kept.
    fn clear_ways(&mut self, cx: &mut Cx<'_>) {
        let links: Vec<LinkId> = self.peers.keys().copied().collect();
        links.into_iter().for_each(|link| self.clear_way(cx, link));
    }

    /// As before, where a piece was asked for.
    fn clear_ways_of(&mut self, cx: &mut Cx<'_>, piece: u32) {
        let asked = |peer: &Peer| peer.requests.iter().any(|request| request.piece == piece);
        let links: Vec<LinkId> =
            self.peers.iter().filter(|(_, peer)| asked(peer)).map(|(&link, _)| link).collect();
        links.into_iter().for_each(|link| self.clear_way(cx, link));
    }

    fn clear_way(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let (Some(wishes), Some(peer)) = (&self.wishes, self.peers.get_mut(&link)) else { return };
        let have = &self.have;
        let lacks = |wish: &Wish| !have.has(wish.piece) && peer.has.has(wish.piece);
        if peer.choking_us || !wishes.order().iter().any(lacks) {
            return;
        }
        let requests = core::mem::take(&mut peer.requests);
        let (stay, go): (VecDeque<_>, VecDeque<_>) =
            requests.into_iter().partition(|request| wishes.is_soon(request.piece));
        peer.requests = stay;
        self.wake |= !go.is_empty();
        peer.working = peer.working.filter(|&piece| wishes.is_soon(piece));
        for Request { piece, index, .. } in go {
            peer.lapse(piece, index, true);
            peer.said = cx.now;
            self.partials.unask(piece, index);
            cx.send(link, Message::Cancel(self.layout.block(piece, index)));
        }
    }

    /// Asks once more for what is read next, where somebody else would bring it in half of the time
    /// that those still need who were asked.
    pub(in super::super) fn hurry(&mut self, cx: &mut Cx<'_>) {
        let Some(wishes) = self.wishes.as_ref().filter(|_| self.is_active()) else { return };
        let missing = wishes.order().iter().filter(|wish| !self.have.has(wish.piece));
        let next: Vec<Wish> = missing.take(HURRIED_PIECES).copied().collect();
        for &Wish { piece, due } in &next {
            let unasked = self.picker.is_candidate(piece) || self.partials.has_free(piece);
            if unasked && due < HURRY_TIME {
                // Nobody has room for it.
                self.clear_ways(cx);
            } else if !self.late(cx.now, piece, due).is_empty() {
                self.clear_ways_of(cx, piece);
            }
            for (index, remaining) in self.late(cx.now, piece, due) {
                if cx.shared.storing >= STORING_BYTES_MAX {
                    return;
                }
                self.ask_soonest(cx, piece, index, remaining);
            }
        }
        if next.first().is_some_and(is_urgent) {
            self.hurry_soon(cx);
        }
    }

    fn hurry_soon(&self, cx: &mut Cx<'_>) {
        let delays = self.peers.values().map(|peer| peer.pipeline.delay());
        let wait = delays.min().map(|delay| (delay / 2).clamp(HURRY_MIN, HURRY_MAX));
        if let Some(wait) = wait.filter(|_| self.missing > 0) {
            cx.hurry(self.id, wait);
        }
    }

    /// Blocks of a piece that will come later than they are read, and how long they still need;
    /// those that need longest first.
    fn late(&self, now: Time, piece: u32, due: Duration) -> Vec<(u32, Duration)> {
        let mut soonest = BTreeMap::new();
        for peer in self.peers.values() {
            let asked = peer.requests.iter().enumerate();
            for (ahead, request) in asked.filter(|(_, request)| request.piece == piece) {
                let remaining = peer.remaining(now, request, ahead);
                let least = soonest.entry(request.index).or_insert(remaining);
                *least = remaining.min(*least);
            }
        }
        let mut late: Vec<_> = soonest.into_iter().filter(|&(_, time)| time > due).collect();
        late.sort_by_key(|&(_, time)| core::cmp::Reverse(time));
        late.truncate(HURRIED_BLOCKS);
        late
    }

    /// Asks for a block where it comes from soonest, if that is in half of the time that is left.
    fn ask_soonest(&mut self, cx: &mut Cx<'_>, piece: u32, index: u32, remaining: Duration) {
        let Some(wishes) = &self.wishes else { return };
        let open = |link| self.partials.get(piece).is_some_and(|partial| partial.open_to(link));
        let may = |&(&link, peer): &(&LinkId, &Peer)| {
            let room = peer.room_at_most(cx.now) > 0;
            room && !peer.choking_us && peer.has.has(piece) && open(link)
        };
        let asked = self.peers.iter().filter(may);
        let asked = asked.filter(|(_, peer)| !peer.has_request(piece, index));
        // What is not read is called back before.
        let ahead = |peer: &Peer| {
            peer.requests.iter().filter(|request| wishes.is_soon(request.piece)).count()
        };
        let eta = |(&link, peer): (&LinkId, &Peer)| (peer.eta(cx.now, ahead(peer)), link);
        let Some((eta, link)) = asked.map(eta).min() else { return };
        if eta * 2 < remaining && self.partials.ask_also(piece, index) {
            self.clear_way(cx, link);
            self.ask(cx, link, piece, index);
        }
    }
}

/// Whether a piece is read so soon that it is watched.
fn is_urgent(wish: &Wish) -> bool {
    wish.due < HURRY_TIME
}
