//! The hand: the connections of one thread.
//!
//! It carries out what the engine wants of links, and turns what sockets do into facts for the
//! engine. It decides nothing but how many bytes of whom are moved next: each link that has
//! something gets one read and one write a round, so a fast peer does not starve a slow one.

mod conn;
mod dial;
mod given;
mod input;
mod links;
mod listen;
mod orders;
mod output;
mod payloads;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use toubkal_core::base::{Slab, Time};
use toubkal_core::engine::{Event, LinkId, LinkKind, Terms, TorrentId};
use toubkal_wire::layout::Block;

use super::hands::Load;
use crate::store::Pool;
use conn::{Conn, Stage};
pub(crate) use given::{Given, refusal};
use input::Means;
pub(crate) use listen::listen;
use output::Outcomes;
pub(crate) use payloads::Payloads;

/// What one read takes at most; all links share one buffer of this size.
const SCRATCH_BYTES: usize = 256 * 1024;
/// Blocks that were received and are not written yet, of all hands together.
pub(crate) const POOL_BYTES: usize = 24 * 1024 * 1024;
/// Blocks that are read ahead for all links of all hands together.
const AHEAD_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of unfinished messages of all links of all hands together.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Control messages that a peer does not take in.
const CONTROL_BYTES: usize = 2 * 1024 * 1024;
/// Connections from peers that have not said all of their handshake.
const STRANGERS_MAX: usize = 64;
/// So long each of them may take, though others wait to be accepted.
const STRANGER_TIME: Duration = Duration::from_millis(250);
/// Connections that are accepted in one round.
const ACCEPTS: usize = 16;
/// Facts that wait for the engine, above which no more is read; one read may go past it by a
/// message for every 4 bytes.
const FACTS_MAX: usize = 4096;
/// How long we try to connect.
const DIAL_TIME: Duration = Duration::from_secs(10);
/// Who knocks at a hand that has more to do than another is let in there, or here after this.
const DEFER: Duration = Duration::from_millis(2);
/// A pool that other threads give back to is looked at again after this.
const STARVED_TIME: Duration = Duration::from_millis(1);
/// How long we do not accept when there is no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Readiness that is fetched at once.
const READINESS: usize = 256;

/// The waker's token; those of listeners go down from it, those of links up from 0.
pub(crate) const WAKE: Token = Token(usize::MAX);
/// The first token of sockets that are not the hand's, which go up from it.
pub(crate) const DATAGRAMS: Token = Token(usize::MAX / 2);

/// All connections of a thread.
#[derive(Debug)]
pub(crate) struct Hand {
    poll: Poll,
    /// How much there is to do here, and elsewhere.
    load: Load,
    readiness: Events,
    /// Sockets of others that can do something.
    others: Vec<Token>,
    links: Slab<LinkKind, Conn>,
    ids: Vec<LinkId>,
    listeners: Vec<Listener>,
    terms: HashMap<TorrentId, Arc<Terms>>,
    by_hash: HashMap<[u8; 20], TorrentId>,
    means: Means,
    payloads: Payloads,
    queues: Queues,
    /// Attempts to connect, the oldest first.
    dials: VecDeque<LinkId>,
    /// Who has not said all of its handshake, and since when it is there; the oldest first.
    strangers: VecDeque<(LinkId, Time)>,
    /// When to look whether the pool has a buffer again.
    starved_at: Option<Time>,
    /// There is no room for one more of them before.
    crowded: Option<Time>,
    /// Bytes of blocks that are read ahead, or being read.
    ahead: usize,
    /// Bytes of unfinished messages.
    kept: usize,
    facts: Vec<Event>,
    reads: Vec<Read>,
    /// Empty between two calls; kept for its memory.
    outcomes: Outcomes,
}

/// Links that have something to do. Who is gone is skipped.
#[derive(Debug, Default)]
struct Queues {
    read: VecDeque<LinkId>,
    write: VecDeque<LinkId>,
    /// They wait for a buffer of the pool.
    starved: VecDeque<LinkId>,
    /// They wait until less is read ahead.
    hungry: VecDeque<LinkId>,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// Somebody may wait to be accepted.
    ready: bool,
    /// When to try again, after there was no socket left or others had less to do.
    again: Option<Time>,
    /// Others were let go first.
    deferred: bool,
}

impl Listener {
    fn is_busy(&self) -> bool {
        self.ready && self.again.is_none()
    }
}

/// A block that the store is to read for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) link: LinkId,
    pub(crate) torrent: TorrentId,
    pub(crate) block: Block,
}

impl Hand {
    /// Takes over a poller and the sockets to listen on. Blocks come from a pool that all hands
    /// share; of other limits this one has its part.
    pub(crate) fn new(
        poll: Poll,
        listeners: Vec<TcpListener>,
        pool: Pool,
        load: Load,
    ) -> io::Result<Self> {
        let mut hand = Self {
            poll,
            load,
            readiness: Events::with_capacity(READINESS),
            others: Vec::new(),
            links: Slab::new(),
            ids: Vec::new(),
            listeners: Vec::new(),
            terms: HashMap::new(),
            by_hash: HashMap::new(),
            means: Means::new(SCRATCH_BYTES, pool),
            payloads: Payloads::default(),
            queues: Queues::default(),
            dials: VecDeque::new(),
            strangers: VecDeque::new(),
            crowded: None,
            starved_at: None,
            ahead: 0,
            kept: 0,
            facts: Vec::new(),
            reads: Vec::new(),
            outcomes: Outcomes::new(),
        };
        for mut socket in listeners {
            let token = Token(WAKE.0 - 1 - hand.listeners.len());
            hand.poll.registry().register(&mut socket, token, Interest::READABLE)?;
            hand.listeners.push(Listener { socket, ready: true, again: None, deferred: false });
        }
        Ok(hand)
    }

    /// The sockets of others that can do something, since it was asked last.
    pub(crate) fn datagrams(&mut self) -> std::vec::Drain<'_, Token> {
        self.others.drain(..)
    }

    /// Waits until a socket can do something, somebody wakes us, or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.readiness, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let readiness = std::mem::replace(&mut self.readiness, Events::with_capacity(0));
        for event in &readiness {
            self.note(event);
        }
        self.readiness = readiness;
        Ok(())
    }

    /// One round: whoever has something to do does a bounded part of it.
    pub(crate) fn work(&mut self, now: Time) {
        self.give_up_dials(now);
        if self.means.has_buffer() {
            while let Some(link) = self.queues.starved.pop_front() {
                if let Some(conn) = self.links.get_mut(link) {
                    conn.queued.starved = false;
                    self.queue_read(link);
                }
            }
        }
        for _ in 0..self.queues.read.len() {
            if self.facts.len() >= FACTS_MAX {
                break;
            }
            let Some(link) = self.queues.read.pop_front() else { break };
            self.read(link);
        }
        self.starved_at = (!self.queues.starved.is_empty()).then(|| now.after(STARVED_TIME));
        // Behind the reads: whoever has said its handshake makes room for the next.
        self.accept(now);
    }

    /// Sends what there is to send, one write a link.
    pub(crate) fn flush(&mut self) {
        for _ in 0..self.queues.write.len() {
            let Some(link) = self.queues.write.pop_front() else { break };
            self.write(link);
        }
        self.feed_hungry();
    }

    /// Whether there is something to do without waiting.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queues.read.is_empty()
            || !self.queues.write.is_empty()
            || (!self.queues.starved.is_empty() && self.means.has_buffer())
            || (self.crowded.is_none() && self.listeners.iter().any(Listener::is_busy))
    }

    /// When [`Hand::work`] has something to do at the latest.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let dial = self.dials.iter().find_map(|link| match self.links.get(*link)?.stage {
            Stage::Dialing { until, .. } => Some(until),
            _ => None,
        });
        let accept = self.listeners.iter().filter_map(|listener| listener.again);
        // Alone, whoever gives a buffer back wakes us.
        let starved = self.starved_at.filter(|_| self.load.hands() > 1);
        dial.into_iter().chain(accept).chain(self.crowded).chain(starved).min()
    }

    /// Where its blocks come from.
    pub(crate) fn pool(&self) -> &Pool {
        &self.means.pool
    }

    /// What happened since it was asked last.
    pub(crate) fn facts(&mut self) -> &mut Vec<Event> {
        &mut self.facts
    }

    /// What the store is to read, since it was asked last.
    pub(crate) fn reads(&mut self) -> std::vec::Drain<'_, Read> {
        self.reads.drain(..)
    }

    /// So many bytes of blocks came or went.
    pub(crate) fn moved(&mut self, bytes: u32) {
        self.load.moved(bytes);
    }

    /// Tells the other hands how much there is to do here.
    pub(crate) fn tell_load(&mut self, now: Time) {
        self.load.tell(now, self.links.len());
    }

    /// This hand's part of what all of them may have.
    fn part(&self, whole: usize) -> usize {
        whole / self.load.hands()
    }

    fn note(&mut self, event: &Readiness) {
        if event.token() == WAKE {
            return;
        }
        let from_top = WAKE.0 - 1 - event.token().0;
        if let Some(listener) = self.listeners.get_mut(from_top) {
            listener.ready = true;
            return;
        }
        let Some(&link) = self.ids.get(event.token().0) else {
            self.others.push(event.token());
            return;
        };
        let Some(conn) = self.links.get_mut(link) else { return };
        conn.half_closed |= event.is_read_closed() || event.is_error();
        if let Stage::Dialing { dial, torrent, .. } = conn.stage {
            match dial::outcome(&conn.stream) {
                None => {}
                Some(Ok(())) => self.connected(link, dial, torrent),
                Some(Err(error)) => self.dial_failed(link, dial, error),
            }
            return;
        }
        if event.is_writable() {
            conn.writable = true;
            self.queue_write(link);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.queue_read(link);
        }
    }

    fn queue_read(&mut self, link: LinkId) {
        let Some(conn) = self.links.get_mut(link) else { return };
        if !conn.queued.read && !conn.queued.starved {
            conn.queued.read = true;
            self.queues.read.push_back(link);
        }
    }

    fn queue_write(&mut self, link: LinkId) {
        let Some(conn) = self.links.get_mut(link) else { return };
        if !conn.queued.write && conn.writable && conn.output.has_bytes() {
            conn.queued.write = true;
            self.queues.write.push_back(link);
        }
    }

    /// Takes a connection in; `None` when the system cannot watch it.
    fn insert(&mut self, conn: Conn) -> Option<LinkId> {
        let link = self.links.insert(conn);
        let conn = self.links.get_mut(link)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let watched =
            self.poll.registry().register(&mut conn.stream, Token(link.index()), interest);
        if watched.is_err() {
            self.links.remove(link);
            return None;
        }
        if self.ids.len() <= link.index() {
            self.ids.resize(link.index() + 1, link);
        }
        self.ids[link.index()] = link;
        Some(link)
    }
}

#[cfg(test)]
mod tests;
