//! What the engine wants of the hand.

use std::net::SocketAddr;
use std::sync::Arc;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialError, DialId, Event, LinkEvent, LinkId, Payload, StoreError, Terms, TorrentId,
};
use toubkal_wire::layout::Block;
use toubkal_wire::message::Message;

use super::conn::{Conn, Stage};
use super::{AHEAD_BYTES, CONTROL_BYTES, DIAL_TIME, Hand, Read, dial};
use crate::store::Buffer;

impl Hand {
    /// Handshakes for this torrent are welcome from now on.
    pub(crate) fn admit(&mut self, torrent: TorrentId, terms: Arc<Terms>) {
        self.by_hash.insert(terms.info_hash, torrent);
        self.terms.insert(torrent, terms);
    }

    /// Handshakes for this torrent are no longer welcome.
    pub(crate) fn retire(&mut self, torrent: TorrentId) {
        if let Some(terms) = self.terms.remove(&torrent)
            && self.by_hash.get(&terms.info_hash) == Some(&torrent)
        {
            self.by_hash.remove(&terms.info_hash);
        }
    }

    /// Connects and sends our handshake.
    pub(crate) fn dial(&mut self, now: Time, dial: DialId, torrent: TorrentId, remote: SocketAddr) {
        let stream = match dial::dial(remote) {
            Ok(stream) => stream,
            Err(error) => return self.facts.push(Event::DialFailed(dial, error)),
        };
        let stage = Stage::Dialing { dial, torrent, until: now.after(DIAL_TIME) };
        match self.insert(Conn::new(stream, remote, stage)) {
            Some(link) => self.dials.push_back(link),
            None => self.facts.push(Event::DialFailed(dial, DialError::Local)),
        }
    }

    /// Sends a control message.
    pub(crate) fn send(&mut self, link: LinkId, message: &Message) {
        let Some(conn) = self.links.get_mut(link) else { return };
        conn.output.say(message);
        if conn.output.control_bytes() > CONTROL_BYTES {
            // The peer has not read for so long that it is as good as gone.
            return self.close(link, CloseReason::TimedOut);
        }
        self.queue_write(link);
    }

    /// Sends a block, once the store has read it.
    pub(crate) fn serve(&mut self, link: LinkId, torrent: TorrentId, block: Block) {
        let Some(conn) = self.links.get_mut(link) else { return };
        conn.output.serve(torrent, block);
        self.read_ahead(link);
    }

    /// Calls a block back.
    pub(crate) fn unserve(&mut self, link: LinkId, block: Block) {
        self.change_output(link, |output, outcomes| output.withdraw(block, outcomes));
    }

    /// The store has read a block for a link.
    pub(crate) fn was_read(
        &mut self,
        link: LinkId,
        block: Block,
        result: Result<Buffer, StoreError>,
    ) {
        if self.links.get(link).is_none() {
            self.ahead -= block.length as usize;
            return;
        }
        self.change_output(link, |output, outcomes| output.was_read(block, result, outcomes));
        self.queue_write(link);
    }

    /// The bytes of a block, to be written or dropped.
    pub(crate) fn redeem(&mut self, payload: Payload) -> Buffer {
        self.payloads.redeem(payload)
    }

    /// Closes a link. What the system has taken still flows; what waits here does not.
    pub(crate) fn close(&mut self, link: LinkId, reason: CloseReason) {
        let Some(mut conn) = self.links.remove(link) else { return };
        // A poller that is told so forgets the socket at once on every system.
        let _ = self.poll.registry().deregister(&mut conn.stream);
        self.kept -= conn.input.kept();
        let before = conn.output.ahead();
        let mut outcomes = std::mem::take(&mut self.outcomes);
        conn.output.withdraw_all(&mut outcomes);
        self.ahead -= before - conn.output.ahead();
        self.tell_outcomes(link, &mut outcomes);
        self.outcomes = outcomes;
        self.facts.push(Event::Link(link, LinkEvent::Closed(reason)));
    }

    /// Nobody is welcome any more; who has not said what for leaves.
    pub(crate) fn stop_listening(&mut self) {
        for mut listener in self.listeners.drain(..) {
            let _ = self.poll.registry().deregister(&mut listener.socket);
        }
        for (link, _) in std::mem::take(&mut self.strangers) {
            if self.links.get(link).is_some_and(Conn::is_unmet) {
                self.close(link, CloseReason::Stopped);
            }
        }
    }

    /// Asks the store for the blocks that this link sends next, as far as there is room; when
    /// others wait for room, it waits behind them.
    pub(super) fn read_ahead(&mut self, link: LinkId) {
        if self.queues.hungry.is_empty() {
            self.read_some(link);
        }
        let Some(conn) = self.links.get_mut(link) else { return };
        // When its own share is used up, its next write comes back to this.
        if conn.output.wants_room() && !conn.queued.hungry {
            conn.queued.hungry = true;
            self.queues.hungry.push_back(link);
        }
    }

    /// Gives room to those that wait for it, one after the other.
    pub(super) fn feed_hungry(&mut self) {
        for _ in 0..self.queues.hungry.len() {
            let Some(link) = self.queues.hungry.pop_front() else { break };
            let got = self.read_some(link);
            let Some(conn) = self.links.get_mut(link) else { continue };
            conn.queued.hungry = conn.output.wants_room();
            match (conn.queued.hungry, got) {
                (false, _) => {}
                (true, true) => self.queues.hungry.push_back(link),
                // There is no room, for those behind it neither.
                (true, false) => return self.queues.hungry.push_front(link),
            }
        }
    }

    /// Asks the store for what there is room for; says whether that was something.
    fn read_some(&mut self, link: LinkId) -> bool {
        let (before, most) = (self.ahead, self.part(AHEAD_BYTES));
        let Some(conn) = self.links.get_mut(link) else { return false };
        while let Some((torrent, block)) = conn.output.next_read(most.saturating_sub(self.ahead)) {
            self.ahead += block.length as usize;
            self.reads.push(Read { link, torrent, block });
        }
        self.ahead > before
    }
}
