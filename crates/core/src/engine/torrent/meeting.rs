//! How peers come and go: addresses, dials, handshakes, messages, time-outs.

use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::message::Message;

use super::super::bounds::{
    FLAPS_MAX, IDLE_TIME, KEEPALIVE_TIME, REDUNDANT_TIME, SEEK_DIALS, WASTE_FORGIVEN,
};
use super::super::event::{CloseReason, DialError, DialId, LinkId, Misbehaved, PeerSource};
use super::super::limits::Way;
use super::super::peer::Peer;
use super::super::shared::Cx;
use super::Torrent;
use crate::base::{Bitset, Time};

/// After a link of use ended, its address rests this long.
const REST: Duration = Duration::from_secs(5);
/// After a link that neither side had a use for, this long.
const LONG_REST: Duration = Duration::from_secs(600);
/// A link that ended sooner, and gave nothing, was a failure.
const SHORT: Duration = Duration::from_secs(30);
/// A peer that snubs us is asked again after this.
const SNUB_REST: Duration = Duration::from_secs(30);

impl Torrent {
    /// Hears of addresses.
    pub(in super::super) fn hear(
        &mut self,
        cx: &mut Cx<'_>,
        source: PeerSource,
        peers: &[SocketAddr],
    ) {
        // BEP 27: private torrents have their trackers' peers alone.
        if self.private && !source.is_private() {
            return;
        }
        for &remote in peers {
            self.roster.hear(remote, source, cx.now);
        }
        self.dial_more(cx);
    }

    /// Tries addresses while there is room for connections.
    pub(super) fn dial_more(&mut self, cx: &mut Cx<'_>) {
        if !self.is_active() {
            return;
        }
        let seeding = self.is_through();
        self.roster.we_are(cx.shared.outside.ours());
        let config = &cx.shared.config;
        let (dials_max, links_max) = (config.dials_max as usize, config.links_max as usize);
        let (dials_max, beside) = match self.is_seeking() {
            // Of hundreds that are dead one may be alive: nobody waits for the others' time to
            // run out.
            true if dials_max > 0 => (dials_max.max(SEEK_DIALS), 0),
            _ => (dials_max, 1),
        };
        while cx.shared.dials.len() < dials_max
            && cx.shared.links as usize + beside * cx.shared.dials.len() < links_max
        {
            let shared = &*cx.shared;
            let banned = |ip| shared.is_banned(ip, cx.now);
            let Some(remote) = self.roster.next(cx.now, seeding, banned) else { return };
            self.roster.busy(remote);
            let dial = cx.dial(self.id, remote);
            self.dials.insert(dial, remote);
        }
    }

    /// Somebody is heard again, after a time in which nobody was.
    pub(in super::super) fn light(&mut self, cx: &mut Cx<'_>) {
        self.roster.light(cx.now);
        self.dial_more(cx);
    }

    /// A dial came about; where did it go?
    pub(in super::super) fn dialed(&mut self, dial: DialId) -> Option<SocketAddr> {
        self.dials.remove(&dial)
    }

    pub(in super::super) fn dial_failed(
        &mut self,
        cx: &mut Cx<'_>,
        dial: DialId,
        began: Time,
        error: DialError,
    ) {
        let Some(remote) = self.dials.remove(&dial) else { return };
        let dark = cx.shared.heard <= began;
        match error {
            DialError::Local => self.roster.left(remote, cx.now, REST),
            DialError::TimedOut | DialError::Unreachable if dark => {
                cx.shared.dark.insert(self.id);
                let sent = error == DialError::TimedOut;
                self.roster.failed_in_the_dark(remote, cx.now, sent);
            }
            DialError::Unreachable => self.roster.no_way(remote, cx.now),
            DialError::TimedOut | DialError::Refused => self.roster.failed(remote, cx.now),
        }
        self.dial_more(cx);
    }

    /// We have called ourselves there.
    pub(in super::super) fn met_ourselves(&mut self, ours: SocketAddr) {
        self.roster.is_ours(ours);
    }

    /// A link ended before its handshake was through.
    pub(in super::super) fn missed(
        &mut self,
        cx: &mut Cx<'_>,
        remote: SocketAddr,
        reason: CloseReason,
    ) {
        match reason {
            CloseReason::Ourselves => self.roster.never(remote),
            CloseReason::Stopped | CloseReason::Full => {
                self.roster.left(remote, cx.now, REST);
            }
            _ => self.roster.failed(remote, cx.now),
        }
    }

    /// Both handshakes are through.
    ///
    /// # Errors
    /// Why the link is to be closed instead.
    pub(in super::super) fn join(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        remote: SocketAddr,
        dialed: Option<SocketAddr>,
        peer_id: [u8; 20],
        reserved: Reserved,
    ) -> Result<(), CloseReason> {
        if !self.is_active() && !self.early {
            return Err(CloseReason::Stopped);
        }
        if peer_id == cx.shared.config.peer_id {
            return Err(CloseReason::Ourselves);
        }
        if let Some(address) = dialed {
            self.roster.reached(address);
        }
        self.resolve_duplicate(cx, remote, peer_id, dialed.is_some())?;
        if cx.shared.links > cx.shared.config.links_max {
            self.make_place(cx, remote)?;
        }
        let source = dialed.map(|address| (address, self.roster.source(address)));
        let pieces = self.layout.pieces();
        let peer = Peer::new(remote, source, peer_id, reserved, pieces, cx.now);
        self.picker.join(&peer.has);
        self.peers.insert(link, peer);
        self.news_at = cx.now;
        self.introduce(cx, link, reserved);
        // Its dial is through: the next address is tried at once, not only with the heartbeat.
        self.dial_more(cx);
        Ok(())
    }

    /// Two links to the same peer: both sides must keep the same one. That is the one that the
    /// side with the smaller peer id dialed; of two of the same direction, the older. Whoever
    /// comes from another address with a known peer id is not the same peer for sure: it puts
    /// nobody out.
    fn resolve_duplicate(
        &mut self,
        cx: &mut Cx<'_>,
        remote: SocketAddr,
        peer_id: [u8; 20],
        outgoing: bool,
    ) -> Result<(), CloseReason> {
        let same = |(_, peer): &(&LinkId, &Peer)| peer.peer_id == peer_id;
        let Some((&older, peer)) = self.peers.iter().find(same) else { return Ok(()) };
        let ours_wins = cx.shared.config.peer_id < peer_id;
        let elsewhere = peer.remote.ip().to_canonical() != remote.ip().to_canonical();
        if elsewhere || peer.outgoing == outgoing || outgoing != ours_wins {
            return Err(CloseReason::Duplicate);
        }
        cx.close(older, CloseReason::Duplicate);
        Ok(())
    }

    /// There are too many connections: the one that is worth least goes, of those on which
    /// nothing moves, if the new one is worth more (BEP 40).
    fn make_place(&mut self, cx: &mut Cx<'_>, remote: SocketAddr) -> Result<(), CloseReason> {
        let ours = cx.shared.outside.ours();
        let idle = |peer: &Peer| {
            peer.down.rate() + peer.up.rate() == 0 && cx.now.since(peer.since) > SHORT
        };
        let idle = self.peers.iter().filter(|(_, peer)| idle(peer));
        match idle.map(|(&link, peer)| (ours.rank(peer.remote), link)).min() {
            Some((rank, link)) if rank < ours.rank(remote) => {
                cx.close(link, CloseReason::Evicted);
                Ok(())
            }
            _ => Err(CloseReason::Full),
        }
    }

    /// Says what we have and what we can do.
    fn introduce(&mut self, cx: &mut Cx<'_>, link: LinkId, reserved: Reserved) {
        // What is in the folder is not known yet, or nothing can be.
        let none = self.is_early() || self.have.is_empty();
        let message = match (reserved.fast(), none, self.have.is_full()) {
            (true, true, _) => Some(Message::HaveNone),
            (true, _, true) => Some(Message::HaveAll),
            // BEP 3: who has nothing need not send a bitfield.
            (false, true, _) => None,
            _ => Some(Message::Bitfield(self.have.to_wire())),
        };
        if let Some(message) = message {
            cx.send(link, message);
        }
        self.greet(cx, link);
        if let Some(peer) = self.peers.get_mut(&link) {
            peer.contact.greeted = true;
        }
    }

    /// A peer is gone, or will be in a moment.
    pub(in super::super) fn part(&mut self, cx: &mut Cx<'_>, link: LinkId, reason: CloseReason) {
        self.give_up_requests(cx, link);
        let Some(peer) = self.peers.remove(&link) else { return };
        self.news_at = cx.now;
        self.picker.leave(&peer.has);
        self.turns.leave(link);
        if let Some(spread) = &mut self.spread {
            peer.hinted.iter().for_each(|&piece| spread.regain(piece));
        }
        for (block, _) in &peer.serving {
            cx.shared.limits.give_back(Way::Up, block.length);
            self.limits.give_back(Way::Up, block.length);
        }
        if let Some(address) = peer.address {
            let of_use = peer.down.total() + peer.up.total() > 0;
            let lasted = cx.now.since(peer.since) > SHORT;
            if of_use || lasted {
                self.roster.proved(address);
            }
            match reason {
                CloseReason::Misbehaved(_) => self.roster.failed(address, cx.now),
                CloseReason::Duplicate | CloseReason::Redundant | CloseReason::Evicted => {
                    self.roster.left(address, cx.now, LONG_REST);
                }
                CloseReason::Stopped => self.roster.left(address, cx.now, Duration::ZERO),
                _ if of_use || lasted => self.roster.left(address, cx.now, REST),
                _ => self.roster.failed(address, cx.now),
            }
        }
        if self.optimistic.is_some_and(|(optimistic, _)| optimistic == link) {
            self.optimistic = None;
        }
        self.no_giver(cx, link);
        self.fill_slots(cx);
        self.settle(cx);
    }

    /// A control message.
    pub(in super::super) fn message(&mut self, cx: &mut Cx<'_>, link: LinkId, message: Message) {
        if self.is_early() && self.keep_early(cx, link, &message) {
            return;
        }
        let pieces = self.layout.pieces();
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.heard = cx.now;
        let fast = peer.reserved.fast();
        // At once: a flood is not to be worked off first.
        if peer.flaps > FLAPS_MAX {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::Flapping));
        }
        match message {
            Message::KeepAlive | Message::Unknown(_) | Message::Port(_) => {}
            Message::Choke => self.choked(cx, link),
            Message::Unchoke => self.unchoked(cx, link),
            Message::Interested => self.interested(cx, link, true),
            Message::NotInterested => self.interested(cx, link, false),
            Message::Have(piece) => self.heard_have(cx, link, piece),
            Message::Bitfield(bits) => {
                self.told(cx, link, Bitset::from_wire(&bits, pieces));
                self.grant(cx, link);
            }
            Message::Request(block) => self.requested(cx, link, block),
            Message::Cancel(block) => self.cancelled(cx, link, block),
            Message::Extended(number, payload) => self.extended(cx, link, number, &payload),
            // BEP 6: these only when both sides said so.
            _ if !fast => cx.close(link, CloseReason::Misbehaved(Misbehaved::NotAgreed)),
            Message::HaveAll => self.told(cx, link, Some(Bitset::full(pieces))),
            Message::HaveNone => {
                self.told(cx, link, Some(Bitset::new(pieces)));
                self.grant(cx, link);
            }
            Message::Reject(block) => self.rejected(cx, link, block),
            Message::Suggest(piece) if piece < pieces => Peer::hint(&mut peer.suggested, piece),
            Message::AllowedFast(piece) if piece < pieces => {
                Peer::hint(&mut peer.allowed, piece);
                self.pump(cx, link);
            }
            Message::Suggest(_) | Message::AllowedFast(_) => {
                cx.close(link, CloseReason::Misbehaved(Misbehaved::PieceOutOfRange));
            }
        }
    }

    /// What is due every second for one peer.
    pub(super) fn tick_peer(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.down.tick();
        peer.up.tick();
        peer.pipeline.tick(peer.down.last());
        peer.wasted_requests = peer.wasted_requests.saturating_sub(WASTE_FORGIVEN);
        if core::mem::take(&mut peer.flaps) > FLAPS_MAX {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::Flapping));
        }
        if cx.now.since(peer.heard) > IDLE_TIME {
            return cx.close(link, CloseReason::TimedOut);
        }
        if cx.now.since(peer.said) > KEEPALIVE_TIME {
            peer.said = cx.now;
            cx.send(link, Message::KeepAlive);
        }
        let late = cx.now.since(peer.progress);
        if !peer.requests.is_empty() && late > peer.pipeline.patience() {
            peer.snubs = true;
            peer.progress = cx.now;
            peer.pipeline.stalled();
            return self.give_up_requests(cx, link);
        }
        if peer.snubs && late > SNUB_REST {
            peer.snubs = false;
            peer.progress = cx.now;
        }
        self.note_idleness(cx, link);
    }

    /// A place that neither side has a use for goes to somebody else when places are short.
    fn note_idleness(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let scarce = cx.shared.links >= cx.shared.config.links_max;
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if peer.interesting || peer.interested {
            peer.idle_since = None;
            return;
        }
        let since = *peer.idle_since.get_or_insert(cx.now);
        if scarce && cx.now.since(since) > REDUNDANT_TIME {
            cx.close(link, CloseReason::Evicted);
        }
    }
}
