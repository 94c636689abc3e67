//! The life of connections: accepted or dialled, handshakes, reads and writes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use std::net::SocketAddr;
use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialError, DialId, Event, LinkEvent, LinkId, Served, Terms, TorrentId,
};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::Block;

use super::conn::{Conn, Stage};
use super::input::{Got, Pause};
use super::output::{Outcomes, Output};
use super::payloads::Payloads;
use super::{ACCEPT_PAUSE, ACCEPTS, DEFER, Hand, KEPT_BYTES, STRANGER_TIME, STRANGERS_MAX};

impl Hand {
    /// Accepts whoever waits, a few a round, as long as there is room for strangers.
    pub(super) fn accept(&mut self, now: Time) {
        self.crowded = None;
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                let listener = &mut self.listeners[at];
                if listener.again.is_some_and(|again| again > now) || !listener.ready {
                    break;
                }
                if !listener.deferred && self.load.is_high() {
                    (listener.deferred, listener.again) = (true, Some(now.after(DEFER)));
                    break;
                }
                if !self.has_room_for_stranger(now) {
                    return;
                }
                let listener = &mut self.listeners[at];
                (listener.deferred, listener.again) = (false, None);
                match listener.socket.accept() {
                    Ok((stream, remote)) => self.welcome(now, stream, remote),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.ready = false;
                    }
                    // It went away before we came to it.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // No socket is left. The one that waits stays there: asking again at once
                    // would spin.
                    Err(_) => listener.again = Some(now.after(ACCEPT_PAUSE)),
                }
            }
        }
    }

    fn welcome(&mut self, now: Time, stream: TcpStream, remote: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        if self.strangers.len() >= self.part(STRANGERS_MAX)
            && let Some((oldest, _)) = self.strangers.pop_front()
        {
            self.close(oldest, CloseReason::Full);
        }
        let Some(link) = self.insert(Conn::new(stream, remote, Stage::Stranger)) else { return };
        self.strangers.push_back((link, now));
        self.load.came();
        self.facts.push(Event::Link(link, LinkEvent::Opened { dial: None, remote }));
        // The first bytes may be there already.
        self.queue_read(link);
    }

    /// Whether one more may come. A crowd that says nothing loses its oldest, so whoever speaks
    /// soon gets in; but each has a moment to speak, so that of a crowd of honest peers that come
    /// at once nobody is lost. Who comes meanwhile waits with the system.
    fn has_room_for_stranger(&mut self, now: Time) -> bool {
        let most = self.part(STRANGERS_MAX);
        if self.strangers.len() < most {
            return true;
        }
        let links = &self.links;
        self.strangers.retain(|&(link, _)| links.get(link).is_some_and(Conn::is_unmet));
        if self.strangers.len() < most {
            return true;
        }
        let until = self.strangers.front().map(|(_, since)| since.after(STRANGER_TIME));
        self.crowded = until.filter(|until| *until > now);
        self.crowded.is_none()
    }

    /// Gives up attempts to connect that took too long.
    pub(super) fn give_up_dials(&mut self, now: Time) {
        while let Some(&link) = self.dials.front() {
            match self.links.get(link).map(|conn| conn.stage) {
                Some(Stage::Dialing { until, .. }) if until > now => break,
                Some(Stage::Dialing { dial, .. }) => {
                    self.dial_failed(link, dial, DialError::TimedOut);
                }
                _ => {}
            }
            self.dials.pop_front();
        }
    }

    pub(super) fn dial_failed(&mut self, link: LinkId, dial: DialId, error: DialError) {
        if let Some(mut conn) = self.links.remove(link) {
            let _ = self.poll.registry().deregister(&mut conn.stream);
            self.facts.push(Event::DialFailed(dial, error));
        }
    }

    /// A dialled connection stands: our handshake goes out at once.
    pub(super) fn connected(&mut self, link: LinkId, dial: DialId, torrent: TorrentId) {
        let Some(conn) = self.links.get_mut(link) else { return };
        let _ = conn.stream.set_nodelay(true);
        conn.stage = Stage::Called { torrent };
        let opened = LinkEvent::Opened { dial: Some(dial), remote: conn.remote };
        self.facts.push(Event::Link(link, opened));
        let Some(terms) = self.terms.get(&torrent) else {
            return self.close(link, CloseReason::Stopped);
        };
        conn.output.greet(&handshake(terms));
        self.queue_write(link);
        self.queue_read(link);
    }

    /// One read of a link.
    pub(super) fn read(&mut self, link: LinkId) {
        let kept_max = self.part(KEPT_BYTES);
        let Some(conn) = self.links.get_mut(link) else { return };
        conn.queued.read = false;
        let before = conn.input.kept();
        let mut desk = Desk {
            link,
            stage: &mut conn.stage,
            output: &mut conn.output,
            terms: &self.terms,
            by_hash: &self.by_hash,
            payloads: &mut self.payloads,
            facts: &mut self.facts,
        };
        let pause = conn.input.read(&mut conn.stream, &mut self.means, &mut |got| desk.take(got));
        let kept = conn.input.kept();
        self.kept = self.kept - before + kept;
        match pause {
            Err(reason) => return self.close(link, reason),
            // It may be innocent, but something has to give.
            Ok(_) if self.kept > kept_max && kept > kept_max / 256 => {
                return self.close(link, CloseReason::Full);
            }
            Ok(Pause::Dry) => {}
            // Linux tells of whatever comes from now on; of an end that had come it has told.
            Ok(Pause::Short) if cfg!(target_os = "linux") && !conn.half_closed => {}
            Ok(Pause::Turn | Pause::Short) => self.queue_read(link),
            Ok(Pause::Starved) => {
                conn.queued.starved = true;
                self.queues.starved.push_back(link);
            }
        }
        self.queue_write(link);
    }

    /// One write of a link.
    pub(super) fn write(&mut self, link: LinkId) {
        let mut failed = false;
        self.change_stream(link, |conn, outcomes| {
            conn.queued.write = false;
            match conn.output.write(&mut conn.stream, outcomes) {
                Ok(Some(_)) => {}
                Ok(None) => conn.writable = false,
                Err(_) => failed = true,
            }
        });
        if failed {
            return self.close(link, CloseReason::Lost);
        }
        self.queue_write(link);
        self.read_ahead(link);
    }

    /// Changes what a link sends, and keeps the books of it.
    pub(super) fn change_output(
        &mut self,
        link: LinkId,
        change: impl FnOnce(&mut Output, &mut Outcomes),
    ) {
        self.change_stream(link, |conn, outcomes| change(&mut conn.output, outcomes));
        self.read_ahead(link);
    }

    fn change_stream(&mut self, link: LinkId, change: impl FnOnce(&mut Conn, &mut Outcomes)) {
        let Some(conn) = self.links.get_mut(link) else { return };
        let before = conn.output.ahead();
        change(conn, &mut self.outcomes);
        self.ahead = self.ahead - before + conn.output.ahead();
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.tell_outcomes(link, &mut outcomes);
        self.outcomes = outcomes;
    }

    pub(super) fn tell_outcomes(&mut self, link: LinkId, outcomes: &mut Vec<(Block, Served)>) {
        let facts = outcomes
            .drain(..)
            .map(|(block, outcome)| Event::Link(link, LinkEvent::Served { block, outcome }));
        self.facts.extend(facts);
    }
}

/// Where what one link received is looked through, before the engine sees it.
struct Desk<'a> {
    link: LinkId,
    stage: &'a mut Stage,
    output: &'a mut Output,
    terms: &'a HashMap<TorrentId, Arc<Terms>>,
    by_hash: &'a HashMap<[u8; 20], TorrentId>,
    payloads: &'a mut Payloads,
    facts: &'a mut Vec<Event>,
}

impl Desk<'_> {
    fn take(&mut self, got: Got) -> Result<(), CloseReason> {
        let event = match got {
            Got::Greeting(greeting) => return self.greeting(greeting),
            Got::PeerId(peer_id) => {
                let Stage::Greeted { torrent, reserved } = *self.stage else {
                    return Err(CloseReason::Handshake);
                };
                *self.stage = Stage::Met;
                LinkEvent::Handshaken { torrent, peer_id, reserved }
            }
            Got::Message(message) => LinkEvent::Message(message),
            Got::Block(block, buffer) => {
                LinkEvent::Received { block, payload: self.payloads.keep(buffer) }
            }
        };
        self.facts.push(Event::Link(self.link, event));
        Ok(())
    }

    fn greeting(&mut self, greeting: Greeting) -> Result<(), CloseReason> {
        let Greeting { reserved, info_hash } = greeting;
        let torrent = *self.by_hash.get(&info_hash).ok_or(CloseReason::Handshake)?;
        match *self.stage {
            Stage::Called { torrent: ours } if ours == torrent => {}
            Stage::Stranger => {
                // BEP 3: who was called answers when it knows for which torrent.
                let terms = self.terms.get(&torrent).ok_or(CloseReason::Handshake)?;
                self.output.greet(&handshake(terms));
            }
            _ => return Err(CloseReason::Handshake),
        }
        *self.stage = Stage::Greeted { torrent, reserved };
        Ok(())
    }
}

fn handshake(terms: &Terms) -> [u8; toubkal_wire::handshake::HANDSHAKE_BYTES] {
    let ours = Greeting { reserved: Reserved::OURS, info_hash: terms.info_hash };
    ours.encode(&terms.peer_id)
}
