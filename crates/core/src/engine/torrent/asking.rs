//! What is asked of peers: which block next, what comes back, what is given up.

use toubkal_wire::layout::Block;
use toubkal_wire::message::Message;

use super::super::action::Action;
use super::super::bounds::{
    BAD_HAVES_MAX, ENDGAME_REQUESTS, REJECT_REST, RETOLD_FLAPS, STORING_BYTES_MAX,
    UNASKED_BYTES_MAX,
};
use super::super::event::{CloseReason, LinkId, Misbehaved, Payload, Policy, Priority};
use super::super::held::Holder;
use super::super::limits::Way;
use super::super::peer::{Peer, Request};
use super::super::shared::{Cx, Task};
use super::Torrent;
use crate::base::{Bitset, Time};

impl Torrent {
    /// Asks every peer that has room for more.
    pub(super) fn pump_all(&mut self, cx: &mut Cx<'_>) {
        if !self.is_active() || self.missing == 0 {
            return;
        }
        let mut links: alloc::vec::Vec<LinkId> = self.peers.keys().copied().collect();
        // With a limit somebody goes without: not always the same.
        if !links.is_empty() {
            let start = self.rng.index(links.len());
            links.rotate_left(start);
        }
        for link in links {
            self.pump(cx, link);
        }
    }

    /// Asks one peer for blocks until its window is full.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if !self.is_active() || self.missing == 0 {
            return;
        }
        let Some(peer) = self.peers.get(&link) else { return };
        for _ in 0..peer.room(cx.now) {
            if cx.shared.storing >= STORING_BYTES_MAX {
                cx.shared.held_up = true;
                return self.held.note(Holder::Disk);
            }
            let Some((piece, index)) = self.choose(cx, link) else { return };
            if !self.ask(cx, link, piece, index) {
                return;
            }
        }
    }

    /// Asks a peer for a block that was chosen; false when a rate limit is in the way.
    #[inline]
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, link: LinkId, piece: u32, index: u32) -> bool {
        let block = self.layout.block(piece, index);
        let Some(peer) = self.peers.get_mut(&link) else { return false };
        if !cx.take(Way::Down, block.length, &mut self.limits, &mut self.held) {
            self.partials.unask(piece, index);
            return false;
        }
        if peer.requests.is_empty() {
            peer.progress = cx.now;
        }
        peer.requests.push_back(Request { piece, index, at: cx.now });
        peer.said = cx.now;
        cx.request(link, block);
        true
    }

    /// The block to ask this peer for: of what is read next, of the piece it is giving, of a piece
    /// that is begun, of a new piece; at the end, one that others were asked for too.
    fn choose(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Option<(u32, u32)> {
        let peer = self.peers.get(&link)?;
        let mut working = peer.working;
        if peer.choking_us {
            return self.choose_allowed(cx, link);
        }
        if self.wishes.is_some() {
            if let Some(found) = self.choose_wished(cx, link) {
                return Some(found);
            }
            // What is left of it others bring sooner.
            working = working.filter(|&piece| !self.is_wished(piece));
        }
        if let Some(piece) = working
            && let Some(index) = self.partials.ask_of(piece, link)
        {
            return Some((piece, index));
        }
        if let Some(piece) = self.choose_piece(cx, link) {
            self.peers.get_mut(&link)?.working = Some(piece);
            return self.partials.ask_of(piece, link).map(|index| (piece, index));
        }
        self.choose_again(link)
    }

    /// The piece that this peer should give next: one that is begun, or a new one.
    ///
    /// What is begun comes first, so that pieces become whole, and can be given, soon. But what
    /// few have comes before what many have: a seed, above all, is to give what only it has.
    fn choose_piece(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Option<u32> {
        let peer = self.peers.get(&link)?;
        let picker = &self.picker;
        let sequential = self.policy == Policy::Sequential;
        let by_rarity = self.policy == Policy::RarestFirst;
        let wishes = self.wishes.as_deref();
        let left = |piece| wishes.is_some_and(|wishes| wishes.has(piece));
        let level = |piece| if left(piece) { Priority::Skip } else { picker.priority(piece) };
        let begun = self.partials.best_for(link, &peer.has, sequential, level);
        let begun = begun.filter(|&piece| !left(piece));
        if let Some(piece) = begun
            && !(by_rarity && picker.has_rarer(piece, &peer.has))
        {
            return Some(piece);
        }
        self.begin_piece(cx, link).or(begun)
    }

    /// BEP 6: while choked only what the peer allows.
    fn choose_allowed(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Option<(u32, u32)> {
        let allowed = self.peers.get(&link)?.allowed.clone();
        for piece in allowed {
            let peer = self.peers.get(&link)?;
            if !peer.has.has(piece) || self.have.has(piece) {
                continue;
            }
            if self.picker.is_candidate(piece) {
                self.begin_blocks(cx, piece);
            }
            if let Some(index) = self.partials.ask_of(piece, link) {
                return Some((piece, index));
            }
        }
        None
    }

    /// Begins a piece for this peer; `None` when it has none that is wanted.
    fn begin_piece(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Option<u32> {
        loop {
            let peer = self.peers.get_mut(&link)?;
            let picker = &self.picker;
            peer.suggested.retain(|&piece| picker.is_candidate(piece));
            let hint = peer.suggested.iter().copied().find(|&piece| peer.has.has(piece));
            // BEP 3: the first piece is any, to have something to give soon.
            let first = self.have.is_empty();
            let picked = self.picker.pick(&peer.has, first)?;
            // What the user wants more comes before what the peer likes to give.
            let level = |piece| self.picker.priority(piece);
            let by_rarity = self.policy == Policy::RarestFirst;
            let fits = |&piece: &u32| by_rarity && level(piece) == level(picked);
            let piece = hint.filter(fits).unwrap_or(picked);
            if self.is_wished(piece) {
                // Others bring it sooner.
                return None;
            }
            if self.begin_blocks(cx, piece) {
                return Some(piece);
            }
        }
    }

    /// Begins a piece. False: it is all padding, there is nothing to ask for.
    pub(super) fn begin_blocks(&mut self, cx: &mut Cx<'_>, piece: u32) -> bool {
        self.picker.take(piece);
        let alone = self.blame.asks_for(piece);
        let padding = self.partials.begin(&self.layout, piece, alone).is_written();
        if padding {
            self.verify(cx, piece);
        }
        !padding
    }

    /// The end game: everything is asked for, so ask more than one.
    fn choose_again(&mut self, link: LinkId) -> Option<(u32, u32)> {
        if self.picker.any_here() {
            return None;
        }
        let peer = self.peers.get(&link)?;
        if peer.requests.len() as u32 >= ENDGAME_REQUESTS {
            return None;
        }
        let from = self.rng.below(u64::from(self.layout.pieces())) as u32;
        let asked = |piece, index| peer.has_request(piece, index);
        self.partials.ask_again(link, &peer.has, from, asked)
    }

    /// A block came.
    pub(in super::super) fn received(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        block: Block,
        payload: Payload,
    ) {
        let Some(peer) = self.peers.get_mut(&link) else {
            return cx.push(Action::Discard { payload });
        };
        peer.heard = cx.now;
        let index = self.layout.block_index(block);
        let answer =
            index.and_then(|index| Some((index, take_answer(peer, cx.now, block.piece, index)?)));
        let Some((index, open)) = answer else {
            return self.unasked(cx, link, block, payload);
        };
        peer.snubs = false;
        peer.progress = cx.now;
        peer.down.add(u64::from(block.length));
        self.down.add(u64::from(block.length));
        let origin = peer.origin(link);
        match self.partials.receive(block.piece, index, origin) {
            None => {
                self.wasted += u64::from(block.length);
                cx.push(Action::Discard { payload });
            }
            Some(askers) => {
                self.worked = true;
                self.store(cx, block, index, payload);
                // The peer itself was one of those who were asked, unless it was given up.
                if askers > u8::from(open) {
                    self.cancel_elsewhere(cx, block, index);
                }
            }
        }
        self.pump(cx, link);
    }

    fn store(&mut self, cx: &mut Cx<'_>, block: Block, index: u32, payload: Payload) {
        let partial = self.partials.get_mut(block.piece).expect("it took the block just now");
        let digest = partial.digest(index);
        let task = Task::Store { piece: block.piece, index, length: block.length };
        let job = self.job(cx, task);
        let torrent = self.id;
        cx.out.push_with(|| Action::Store { job, torrent, block, payload, digest });
    }

    /// Nobody asked for it: dropped before hashing and before the disk.
    fn unasked(&mut self, cx: &mut Cx<'_>, link: LinkId, block: Block, payload: Payload) {
        cx.push(Action::Discard { payload });
        self.wasted += u64::from(block.length);
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.unasked += u64::from(block.length);
        if peer.unasked > UNASKED_BYTES_MAX {
            cx.close(link, CloseReason::Misbehaved(Misbehaved::Unrequested));
        }
    }

    /// Others were asked for a block that is here now, or the same peer once more.
    fn cancel_elsewhere(&mut self, cx: &mut Cx<'_>, block: Block, index: u32) {
        let mut roomy = alloc::vec::Vec::new();
        for (&link, peer) in self.peers.iter_mut() {
            if peer.take_request(block.piece, index).is_some() {
                peer.lapse(block.piece, index, true);
                peer.said = cx.now;
                cx.send(link, Message::Cancel(block));
                roomy.push(link);
            }
        }
        // Only these have room that they had not before.
        roomy.into_iter().for_each(|link| self.pump(cx, link));
    }

    /// BEP 6: the peer will not answer this request.
    pub(super) fn rejected(&mut self, cx: &mut Cx<'_>, link: LinkId, block: Block) {
        let Some(index) = self.layout.block_index(block) else { return };
        let Some(peer) = self.peers.get_mut(&link) else { return };
        // The one that was asked first is answered first.
        if let Some(lapsed) = peer.take_lapsed(block.piece, index) {
            if lapsed.paid {
                cx.shared.limits.give_back(Way::Down, block.length);
                self.limits.give_back(Way::Down, block.length);
            }
            return;
        }
        if peer.take_request(block.piece, index).is_none() {
            return;
        }
        if !peer.choking_us {
            // Not to be asked in a loop.
            peer.rest_until = cx.now.after(REJECT_REST);
        }
        peer.allowed.retain(|&piece| piece != block.piece);
        // What it was to give alone, it does not want to give.
        self.partials.forsake(link);
        cx.shared.limits.give_back(Way::Down, block.length);
        self.limits.give_back(Way::Down, block.length);
        self.partials.unask(block.piece, index);
        self.wake = true;
    }

    /// The peer will not answer requests from now on.
    pub(super) fn choked(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.flaps += u32::from(!peer.choking_us);
        peer.choking_us = true;
        // BEP 6: with the Fast extension each request is rejected, or answered.
        if !peer.reserved.fast() {
            return self.give_up_requests(cx, link);
        }
        self.partials.forsake(link);
        self.wake = true;
    }

    pub(super) fn unchoked(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.flaps += u32::from(peer.choking_us);
        peer.choking_us = false;
        self.pump(cx, link);
    }

    /// What was asked of this peer is for others now; it may still answer.
    pub(super) fn give_up_requests(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let mut bytes = 0;
        while let Some(Request { piece, index, .. }) = peer.requests.pop_front() {
            bytes += self.layout.block(piece, index).length;
            self.partials.unask(piece, index);
            peer.lapse(piece, index, false);
            self.wake = true;
        }
        peer.working = None;
        self.partials.forsake(link);
        cx.shared.limits.give_back(Way::Down, bytes);
        self.limits.give_back(Way::Down, bytes);
    }

    /// The peer says what it has, all at once. BEP 3 knows that only as the first message, but
    /// aria2 sends a bitfield again in the place of many haves: the last word counts.
    pub(super) fn told(&mut self, cx: &mut Cx<'_>, link: LinkId, has: Option<Bitset>) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(has) = has else {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::Bitfield));
        };
        peer.flaps += if peer.told { RETOLD_FLAPS } else { 0 };
        self.retold(cx, link, has);
    }

    /// The peer has other pieces than was thought.
    pub(super) fn retold(&mut self, cx: &mut Cx<'_>, link: LinkId, has: Bitset) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        self.picker.leave(&peer.has);
        self.picker.join(&has);
        peer.has = has;
        peer.told = true;
        peer.working = None;
        // It may lack now what it was to give alone.
        self.partials.forsake(link);
        self.wake = true;
        let picker = &self.picker;
        let lacking = peer.has.minus(&self.have);
        peer.useful =
            lacking.filter(|&piece| picker.priority(piece) != Priority::Skip).count() as u32;
        self.met_seed(cx, link);
        self.show_interest(cx, link);
        self.suggest(cx, link);
        self.pump(cx, link);
    }

    /// The peer has one piece more.
    pub(super) fn heard_have(&mut self, cx: &mut Cx<'_>, link: LinkId, piece: u32) {
        let wanted = piece < self.layout.pieces() && self.is_wanted(piece);
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if piece >= self.layout.pieces() {
            peer.bad_haves += 1;
            if peer.bad_haves > BAD_HAVES_MAX {
                cx.close(link, CloseReason::Misbehaved(Misbehaved::PieceOutOfRange));
            }
            return;
        }
        peer.told = true;
        if !peer.has.set(piece) {
            return;
        }
        self.picker.learn(piece, &peer.has);
        peer.useful += u32::from(wanted && !self.have.has(piece));
        self.met_seed(cx, link);
        self.show_interest(cx, link);
        self.suggest(cx, link);
        self.pump(cx, link);
    }

    /// Remembers that a peer has everything; two seeds have nothing for each other.
    fn met_seed(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get(&link) else { return };
        if !peer.is_seed() {
            return;
        }
        if let Some(address) = peer.address {
            self.roster.is_seed(address);
        }
        if self.is_through() {
            cx.close(link, CloseReason::Redundant);
        }
    }

    /// Everything wanted is there: seeds are of no use any more.
    pub(super) fn part_from_seeds(&mut self, cx: &mut Cx<'_>) {
        for (&link, peer) in self.peers.iter() {
            if peer.is_seed() || peer.contact.upload_only {
                cx.close(link, CloseReason::Redundant);
            }
        }
    }

    /// A piece is verified: tell those who lack it, and see who is of use still.
    pub(super) fn tell_have(&mut self, cx: &mut Cx<'_>, piece: u32) {
        let wanted = self.is_wanted(piece);
        let mut dull = alloc::vec::Vec::new();
        for (&link, peer) in self.peers.iter_mut() {
            if !peer.has.has(piece) {
                cx.out.push_with(|| Action::Send { link, message: Message::Have(piece) });
                peer.said = cx.now;
            } else if wanted {
                peer.useful -= 1;
                if peer.useful == 0 {
                    dull.push(link);
                }
            }
        }
        for link in dull {
            self.show_interest(cx, link);
        }
    }

    /// Says whether we would ask if we were allowed to, when that has changed.
    pub(super) fn show_interest(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let interesting = peer.useful > 0;
        if interesting != peer.interesting {
            peer.interesting = interesting;
            peer.said = cx.now;
            let message = if interesting { Message::Interested } else { Message::NotInterested };
            cx.send(link, message);
        }
    }
}

/// Whether a block answers a request of ours, and if so, whether it was still open.
fn take_answer(peer: &mut Peer, now: Time, piece: u32, index: u32) -> Option<bool> {
    // BEP 6: each is answered, the one that went first before one that was asked anew.
    let each = !peer.lapsed.is_empty() && peer.reserved.fast();
    if each && peer.take_lapsed(piece, index).is_some() {
        return Some(false);
    }
    if let Some(request) = peer.take_request(piece, index) {
        peer.pipeline.block(now.since(request.at));
        return Some(true);
    }
    peer.take_lapsed(piece, index).map(|_| false)
}
