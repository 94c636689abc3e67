//! What is given to peers: who may ask, what is served, what is refused.

use alloc::vec::Vec;

use toubkal_wire::fast;
use toubkal_wire::layout::Block;
use toubkal_wire::message::{Message, REQUEST_BYTES_MAX};

use super::super::action::Action;
use super::super::bounds::{
    ALLOWED_FAST, OPTIMISTIC_TIME, REQUESTS_KEPT, REQUESTS_WASTED, SLOT_GRACE, SUGGESTED,
    UNCHOKED_A_SLOT,
};
use super::super::choker::{self, Candidate};
use super::super::event::{CloseReason, LinkId, Misbehaved, Served};
use super::super::limits::Way;
use super::super::peer::Peer;
use super::super::peers::Peers;
use super::super::shared::Cx;
use super::super::spread::Spread;
use super::Torrent;
use crate::base::{Bitset, Time};

impl Torrent {
    /// The peer asks for a block.
    pub(super) fn requested(&mut self, cx: &mut Cx<'_>, link: LinkId, block: Block) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if !self.layout.contains(block) || block.length > REQUEST_BYTES_MAX {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::BadRequest));
        }
        let may = !peer.choked || peer.granted.contains(&block.piece);
        let room = peer.queue.len() + peer.serving.len() < REQUESTS_KEPT;
        if may && room && self.have.has(block.piece) {
            peer.queue.push_back(block);
            self.note_request(cx, link, block);
            return self.serve(cx, link);
        }
        if peer.reserved.fast() {
            peer.said = cx.now;
            cx.send(link, Message::Reject(block));
        }
        // Requests that cross our choke are nobody's fault; an endless row of them is.
        peer.wasted_requests += 1;
        if peer.wasted_requests > REQUESTS_WASTED {
            cx.close(link, CloseReason::Misbehaved(Misbehaved::RequestFlood));
        }
    }

    /// As a seed: a peer has begun to fetch a piece, suggested or not.
    fn note_request(&mut self, cx: &mut Cx<'_>, link: LinkId, block: Block) {
        let (Some(spread), Some(peer)) = (&mut self.spread, self.peers.get_mut(&link)) else {
            return;
        };
        if let Some(at) = peer.hinted.iter().position(|&piece| piece == block.piece) {
            peer.hinted.swap_remove(at);
            self.suggest(cx, link);
        } else if block.begin == 0 {
            spread.give(block.piece);
        }
    }

    /// The peer does not want a block any more.
    pub(super) fn cancelled(&mut self, cx: &mut Cx<'_>, link: LinkId, block: Block) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if let Some(at) = peer.queue.iter().position(|&queued| queued == block) {
            peer.queue.remove(at);
            // BEP 6: a cancelled request is answered too, by a reject.
            if peer.reserved.fast() {
                peer.said = cx.now;
                cx.send(link, Message::Reject(block));
            }
        } else if peer.serving.iter().any(|&(serving, _)| serving == block) {
            cx.push(Action::Unserve { link, block });
        }
    }

    /// Serves what waits, as far as limits allow; first pieces in turn.
    pub(super) fn serve(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        self.serve_peer(cx, link);
        self.pass_turns(cx);
    }

    /// Who waits longest for its first piece gets it, if it can have the line.
    pub(super) fn pass_turns(&mut self, cx: &mut Cx<'_>) {
        // Each may have lost its reason to wait, and its turn ends at once.
        for _ in 0..self.peers.len() {
            let hold = holds_line(&self.peers, cx.now);
            let Some(next) = self.turns.next(cx.now, hold) else { return };
            self.serve_peer(cx, next);
        }
    }

    fn serve_peer(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if self.peers.get(&link).is_some_and(|peer| !peer.is_served() || !peer.has.is_empty()) {
            self.turns.leave(link);
        }
        while let Some(peer) = self.peers.get(&link) {
            let full = peer.serving.len() as u32 >= peer.serves;
            let Some(&block) = peer.queue.front().filter(|_| !full) else { return };
            if self.unproven.has(block.piece) {
                return self.prove(cx, block.piece);
            }
            if !self.has_turn(cx.now, link, block)
                || !cx.take(Way::Up, block.length, &mut self.limits, &mut self.held)
            {
                return;
            }
            let Some(peer) = self.peers.get_mut(&link) else { return };
            peer.queue.pop_front();
            peer.serving.push((block, cx.now));
            peer.giving = Some(block.piece);
            cx.push(Action::Serve { link, torrent: self.id, block });
        }
    }

    /// Whether the peer may be given this block now, as far as others are concerned.
    fn has_turn(&mut self, now: Time, link: LinkId, block: Block) -> bool {
        let poor = self.peers.get(&link).filter(|peer| peer.has.is_empty());
        let Some(peer) = poor else { return true };
        let fresh = peer.giving != Some(block.piece);
        self.turns.may(link, fresh, now, holds_line(&self.peers, now))
    }

    pub(super) fn serve_all(&mut self, cx: &mut Cx<'_>) {
        let mut links: Vec<LinkId> = self.peers.keys().copied().collect();
        if !links.is_empty() {
            let start = self.rng.index(links.len());
            links.rotate_left(start);
        }
        for link in links {
            self.serve(cx, link);
        }
    }

    /// A block is on its way, or will not be.
    pub(in super::super) fn served(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        block: Block,
        outcome: Served,
    ) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(at) = peer.serving.iter().position(|&(serving, _)| serving == block) else {
            return;
        };
        let (_, since) = peer.serving.remove(at);
        match outcome {
            Served::Sent => {
                peer.serve_took(cx.now.since(since));
                peer.said = cx.now;
                peer.got += u64::from(block.length);
                peer.up.add(u64::from(block.length));
                self.up.add(u64::from(block.length));
            }
            Served::Withdrawn | Served::Failed(_) => {
                cx.shared.limits.give_back(Way::Up, block.length);
                self.limits.give_back(Way::Up, block.length);
                if peer.reserved.fast() {
                    peer.said = cx.now;
                    cx.send(link, Message::Reject(block));
                }
            }
        }
        // What was verified cannot be read: it is not ours to give any more.
        if let Served::Failed(error) = outcome {
            self.unreadable(cx, error);
            if !self.is_active() {
                return;
            }
        }
        self.serve(cx, link);
        // The peer has got all that it asked for: its slot is of more use to others.
        if self.peers.get(&link).is_some_and(|peer| !peer.is_served()) {
            self.fill_slots(cx);
        }
    }

    /// Verified pieces are lost: nobody gets them from us any more.
    pub(super) fn withdraw(&mut self, cx: &mut Cx<'_>, lost: &Bitset) {
        for (&link, peer) in self.peers.iter_mut() {
            let fast = peer.reserved.fast();
            peer.queue.retain(|&block| {
                let kept = !lost.has(block.piece);
                if !kept && fast {
                    // BEP 6: each request is answered.
                    cx.send(link, Message::Reject(block));
                }
                kept
            });
        }
        self.tell_lost(cx, lost);
    }

    pub(super) fn interested(&mut self, cx: &mut Cx<'_>, link: LinkId, interested: bool) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.flaps += u32::from(peer.interested != interested);
        peer.interested = interested;
        if !interested && !peer.choked {
            // Its slot is of more use to others.
            self.choke(cx, link);
            return self.fill_slots(cx);
        }
        self.fill_slots(cx);
    }

    /// Unchokes without waiting for the next round while there are free slots, and lends those
    /// whose peers ask for nothing: there are always peers that have all that we could give them,
    /// or get it elsewhere just now, and the line is not to wait for them. Who gives most comes
    /// first.
    pub(super) fn fill_slots(&mut self, cx: &mut Cx<'_>) {
        if !self.is_active() || self.is_early() {
            return;
        }
        let slots = cx.shared.config.slots as usize;
        let open = self.peers.values().filter(|peer| !peer.choked).count();
        let used = self.peers.values().filter(|peer| peer.uses_slot(cx.now)).count();
        let unused = slots.saturating_sub(used).min((slots * UNCHOKED_A_SLOT).saturating_sub(open));
        if unused == 0 {
            return;
        }
        // Nobody lives on lent slots alone: that would be a reward for giving nothing.
        let free = slots.saturating_sub(open);
        let (seeding, lent) = (self.missing == 0, free < unused);
        let waiting = |peer: &Peer| peer.interested && peer.choked && !peer.snubs;
        let waiting = self.peers.iter().filter(|(_, peer)| waiting(peer));
        let mut next: Vec<(bool, u64, LinkId)> = waiting
            .map(|(&link, peer)| (seeding || !lent || peer.has_credit(), peer.down.rate(), link))
            .collect();
        self.rng.shuffle(&mut next);
        next.sort_by_key(|&(credit, gives, _)| core::cmp::Reverse((credit, gives)));
        for (at, (credit, _, link)) in next.into_iter().take(unused).enumerate() {
            if credit || at < free {
                self.unchoke(cx, link);
            }
        }
    }

    /// Decides anew who has a slot.
    pub(super) fn rechoke(&mut self, cx: &mut Cx<'_>) {
        let interested = self.peers.iter().filter(|(_, peer)| peer.interested);
        let candidates: Vec<Candidate> =
            interested.map(|(&link, peer)| candidate(link, peer)).collect();
        let slots = cx.shared.config.slots as usize;
        let chosen = if self.missing > 0 {
            let kept = self.optimistic.filter(|&(_, at)| cx.now.since(at) < OPTIMISTIC_TIME);
            let kept = kept.map(|(link, _)| link);
            choker::downloading(&candidates, slots, kept, &mut self.rng, cx.now)
        } else {
            choker::seeding(&candidates, slots, &mut self.rng, cx.now)
        };
        if chosen.optimistic != self.optimistic.map(|(link, _)| link) {
            self.optimistic = chosen.optimistic.map(|link| (link, cx.now));
        }
        let links: Vec<(LinkId, bool)> =
            self.peers.iter().map(|(&link, peer)| (link, peer.choked)).collect();
        for (link, choked) in links {
            match (chosen.unchoked.contains(&link), choked) {
                (true, true) => self.unchoke(cx, link),
                (false, false) => self.choke(cx, link),
                _ => {}
            }
        }
    }

    fn unchoke(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.choked = false;
        peer.unchoked_at = Some(cx.now);
        peer.used_until = cx.now.after(SLOT_GRACE);
        peer.got = 0;
        peer.said = cx.now;
        cx.send(link, Message::Unchoke);
        self.suggest(cx, link);
    }

    /// As a seed: keeps a few pieces suggested that nobody else is fetching from us.
    pub(super) fn suggest(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if !self.have.is_full() {
            return;
        }
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if peer.choked || !peer.reserved.fast() {
            return;
        }
        let pieces = self.layout.pieces();
        let spread = self.spread.get_or_insert_with(|| Spread::new(pieces, &mut self.rng));
        peer.hinted.retain(|&piece| !peer.has.has(piece));
        while peer.hinted.len() < SUGGESTED
            && let Some(piece) = spread.next(&peer.has, &self.picker)
        {
            if peer.hinted.contains(&piece) {
                return;
            }
            peer.hinted.push(piece);
            cx.send(link, Message::Suggest(piece));
        }
    }

    fn choke(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.choked = true;
        peer.unchoked_at = None;
        peer.choked_at = Some(cx.now);
        peer.said = cx.now;
        cx.send(link, Message::Choke);
        // BEP 3: a choke forgets what was asked. BEP 6: each request is answered all the same,
        // with a reject or with the block.
        let fast = peer.reserved.fast();
        let kept = peer.forget_requests();
        let dropped: Vec<Block> = peer.queue.drain(kept..).collect();
        for &(block, _) in peer.serving.iter().filter(|(block, _)| !peer.may_finish(block.piece)) {
            cx.push(Action::Unserve { link, block });
        }
        if let Some(spread) = &mut self.spread {
            let unbegun = dropped.iter().filter(|block| block.begin == 0);
            let hinted = peer.hinted.drain(..);
            hinted.chain(unbegun.map(|block| block.piece)).for_each(|piece| spread.regain(piece));
        }
        if fast {
            dropped.into_iter().for_each(|block| cx.send(link, Message::Reject(block)));
        }
    }

    /// BEP 6: a peer that has few pieces may ask for some while it is choked.
    pub(super) fn grant(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let pieces = self.layout.pieces();
        // A seed gives by turns, not for something: free pieces would only be the same few for
        // everybody near each other, again and again.
        if self.missing == 0 {
            return;
        }
        let Some(peer) = self.peers.get_mut(&link) else { return };
        // A peer that says anew what it has was granted its pieces when it said so first.
        let granted = !peer.granted.is_empty();
        if granted || !peer.reserved.fast() || peer.has.ones() >= ALLOWED_FAST || pieces == 0 {
            return;
        }
        let set = fast::allowed(peer.remote.ip(), &self.info_hash, pieces, ALLOWED_FAST);
        for piece in set.into_iter().filter(|&piece| self.have.has(piece)) {
            peer.granted.push(piece);
            cx.send(link, Message::AllowedFast(piece));
        }
    }
}

/// Who keeps others waiting for their first piece.
fn holds_line(peers: &Peers, now: Time) -> impl Fn(LinkId) -> bool + '_ {
    move |link| peers.get(&link).is_some_and(|peer| peer.holds_line(now))
}

fn candidate(link: LinkId, peer: &Peer) -> Candidate {
    Candidate {
        link,
        gives: peer.down.rate(),
        takes: peer.up.rate(),
        snubs: peer.snubs,
        since: peer.since,
        unchoked: peer.unchoked_at,
        choked: peer.choked_at,
        got: peer.got,
    }
}
