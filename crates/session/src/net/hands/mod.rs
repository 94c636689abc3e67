//! The hands of a session, as its brain sees them: one that works on the brain's own thread, or
//! several with a thread each.
//!
//! With one or two cores there is one hand, and nothing is handed from thread to thread. With
//! more, each link belongs to one of several hands for life: to that which had least to do when
//! the link came. What the brain wants goes to it with one hand-over a round, and so does what it
//! has seen; blocks go from the store to the hand, past the brain. The engine cannot tell the
//! difference: it is told the same facts, some a moment later.

mod load;
mod mailbox;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Poll, Token, Waker};
use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialId, Event, LinkEvent, LinkId, Payload, Terms, TorrentId,
};
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::Message;

use super::clock::Clock;
use super::hand::{Given, Hand, POOL_BYTES, Payloads, Read, WAKE};
use super::wake::Wake;
use crate::store::{Buffer, Pool, ReadBlock, Store};
pub(crate) use load::{Load, Loads};
pub(crate) use mailbox::Mailbox;
pub(crate) use worker::{Fact, Order, Panicked};
use worker::{Names, Worker};

/// More hands than this never help.
const HANDS_MAX: usize = 8;
/// Readiness of the brain's own poller, which knows its waker and sockets of UDP.
const READINESS: usize = 64;

/// How many hands suit this machine, when so many are wanted; 0: as it likes.
pub(crate) fn count(wanted: usize) -> usize {
    if wanted > 0 {
        return wanted.min(HANDS_MAX);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    match cores {
        // Windows lets a socket be watched by one poller alone, and listeners are shared.
        _ if cfg!(windows) => 1,
        0..=2 => 1,
        3..=7 => 2,
        _ => 4,
    }
}

/// All hands.
#[derive(Debug)]
pub(crate) enum Hands {
    /// It works when the brain lets it.
    One(Box<Hand>),
    Many(Box<Many>),
}

/// Hands with a thread each.
#[derive(Debug)]
pub(crate) struct Many {
    poll: Poll,
    readiness: Events,
    /// Sockets of others that can do something.
    others: Vec<Token>,
    crew: Vec<Member>,
    loads: Loads,
    pool: Pool,
    payloads: Payloads,
    facts: Vec<Event>,
    /// Always empty: they ask the store themselves.
    reads: Vec<Read>,
    taken: Vec<Fact>,
    leave: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Member {
    /// What it is told at the end of the round.
    orders: Vec<Order>,
    inbox: Arc<Mailbox<Order>>,
    seen: Arc<Mailbox<Fact>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the store's answers to hands go, before there are hands.
#[derive(Debug)]
pub(crate) struct Inboxes {
    polls: Vec<Poll>,
    inboxes: Vec<Arc<Mailbox<Order>>>,
}

impl Inboxes {
    /// For so many hands; of one, the brain has the inbox.
    pub(crate) fn new(hands: usize) -> io::Result<Self> {
        let (mut polls, mut inboxes) = (Vec::new(), Vec::new());
        for _ in (0..hands).filter(|_| hands > 1) {
            let poll = Poll::new()?;
            let wake = Arc::new(Wake::new(Waker::new(poll.registry(), WAKE)?));
            polls.push(poll);
            inboxes.push(Arc::new(Mailbox::new(wake)));
        }
        Ok(Self { polls, inboxes })
    }

    /// Whether the brain has the one hand.
    pub(crate) fn is_empty(&self) -> bool {
        self.inboxes.is_empty()
    }

    /// What brings blocks that were read to the hands that send them. `None`: to the brain.
    pub(crate) fn courier(&self) -> Option<impl Fn(Vec<ReadBlock>) + Send + Sync + use<>> {
        let inboxes = self.inboxes.clone();
        (!inboxes.is_empty()).then_some(move |mut row: Vec<ReadBlock>| {
            for (number, inbox) in inboxes.iter().enumerate() {
                let names = Names { hand: number, hands: inboxes.len() };
                let theirs = row.extract_if(.., |read| names.owns(read.link));
                inbox.post(theirs.map(Order::Read));
            }
        })
    }
}

impl Hands {
    /// One hand, on the thread of the brain.
    pub(crate) fn one(poll: Poll, listeners: Vec<TcpListener>) -> io::Result<Self> {
        Ok(Self::One(Box::new(Hand::new(poll, listeners, Pool::new(POOL_BYTES), Load::alone())?)))
    }

    /// A hand a thread; `poll` is what the brain sleeps on, and `wake` wakes it.
    pub(crate) fn many(
        poll: Poll,
        wake: &Arc<Wake>,
        listeners: Vec<TcpListener>,
        inboxes: Inboxes,
        store: &Arc<Store>,
        clock: Clock,
        panicked: &Panicked,
    ) -> io::Result<Self> {
        let hands = inboxes.inboxes.len();
        let (loads, pool) = (Loads::new(hands), Pool::new(POOL_BYTES));
        let leave = Arc::new(AtomicBool::new(false));
        let listeners: Vec<_> = listeners.into_iter().map(std::net::TcpListener::from).collect();
        let mut crew = Vec::new();
        for (number, (poll, inbox)) in inboxes.polls.into_iter().zip(inboxes.inboxes).enumerate() {
            let shared =
                listeners.iter().map(|socket| socket.try_clone().map(TcpListener::from_std));
            let load = loads.of(number);
            let hand = Hand::new(poll, shared.collect::<io::Result<_>>()?, pool.clone(), load)?;
            let seen = Arc::new(Mailbox::new(Arc::clone(wake)));
            let worker = Worker {
                names: Names { hand: number, hands },
                hand,
                inbox: Arc::clone(&inbox),
                seen: Arc::clone(&seen),
                store: Arc::clone(store),
                clock,
                leave: Arc::clone(&leave),
            };
            let thread = Some(worker.start(Arc::clone(panicked))?);
            crew.push(Member { orders: Vec::new(), inbox, seen, thread });
        }
        Ok(Self::Many(Box::new(Many {
            poll,
            readiness: Events::with_capacity(READINESS),
            others: Vec::new(),
            crew,
            loads,
            pool,
            payloads: Payloads::default(),
            facts: Vec::new(),
            reads: Vec::new(),
            taken: Vec::new(),
            leave,
        })))
    }

    /// Waits until there is something to do, somebody wakes us, or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::One(hand) => hand.wait(timeout),
            Self::Many(many) => many.wait(timeout),
        }
    }

    /// The sockets of others on the brain's poller that can do something, since it was asked last.
    pub(crate) fn datagrams(&mut self) -> std::vec::Drain<'_, Token> {
        match self {
            Self::One(hand) => hand.datagrams(),
            Self::Many(many) => many.others.drain(..),
        }
    }

    /// One round: what was seen can be fetched as facts afterwards.
    pub(crate) fn work(&mut self, now: Time) {
        match self {
            Self::One(hand) => hand.work(now),
            Self::Many(many) => many.collect(),
        }
    }

    /// Bytes of received blocks that are held, when there is no room for one more.
    pub(crate) fn memory_full(&self) -> Option<u64> {
        let pool = match self {
            Self::One(hand) => hand.pool(),
            Self::Many(many) => &many.pool,
        };
        (pool.free() < BLOCK_BYTES as usize).then(|| pool.out() as u64)
    }

    /// Has everything sent that waits.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::One(hand) => hand.flush(),
            Self::Many(many) => {
                for member in &mut many.crew {
                    member.inbox.put(&mut member.orders);
                }
            }
        }
    }

    /// Whether there is something to do without waiting.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::One(hand) => hand.is_busy(),
            Self::Many(many) => many.crew.iter().any(|member| !member.seen.is_empty()),
        }
    }

    /// When [`Hands::work`] has something to do at the latest.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match self {
            Self::One(hand) => hand.deadline(),
            Self::Many(_) => None,
        }
    }

    /// What happened since it was asked last.
    pub(crate) fn facts(&mut self) -> &mut Vec<Event> {
        match self {
            Self::One(hand) => hand.facts(),
            Self::Many(many) => &mut many.facts,
        }
    }

    /// What the store is to read, since it was asked last.
    pub(crate) fn reads(&mut self) -> std::vec::Drain<'_, Read> {
        match self {
            Self::One(hand) => hand.reads(),
            Self::Many(many) => many.reads.drain(..),
        }
    }

    /// The store has read a block for a link.
    pub(crate) fn was_read(&mut self, read: ReadBlock) {
        match self {
            Self::One(hand) => hand.was_read(read.link, read.block, read.result),
            Self::Many(many) => many.order(read.link, Order::Read(read)),
        }
    }

    /// Handshakes for this torrent are welcome from now on.
    pub(crate) fn admit(&mut self, torrent: TorrentId, terms: Arc<Terms>) {
        match self {
            Self::One(hand) => hand.admit(torrent, terms),
            Self::Many(many) => many.order_all(|| Order::Admit(torrent, Arc::clone(&terms))),
        }
    }

    /// Handshakes for this torrent are no longer welcome.
    pub(crate) fn retire(&mut self, torrent: TorrentId) {
        match self {
            Self::One(hand) => hand.retire(torrent),
            Self::Many(many) => many.order_all(|| Order::Retire(torrent)),
        }
    }

    /// Nobody is welcome any more.
    pub(crate) fn stop_listening(&mut self) {
        match self {
            Self::One(hand) => hand.stop_listening(),
            Self::Many(many) => many.order_all(|| Order::StopListening),
        }
    }

    /// Connects and sends our handshake.
    pub(crate) fn dial(&mut self, now: Time, dial: DialId, torrent: TorrentId, remote: SocketAddr) {
        match self {
            Self::One(hand) => hand.dial(now, dial, torrent, remote),
            Self::Many(many) => {
                let least = many.loads.least();
                many.crew[least].orders.push(Order::Dial(dial, torrent, remote));
            }
        }
    }

    /// Sends a control message.
    pub(crate) fn send(&mut self, link: LinkId, message: Message) {
        match self {
            Self::One(hand) => hand.send(link, &message),
            Self::Many(many) => many.order(link, Order::Send(link, message)),
        }
    }

    /// Gives a block of metadata.
    pub(crate) fn give(&mut self, link: LinkId, given: Given) {
        match self {
            Self::One(hand) => hand.give(link, given),
            Self::Many(many) => many.order(link, Order::Give(link, given)),
        }
    }

    /// Sends a block.
    pub(crate) fn serve(&mut self, link: LinkId, torrent: TorrentId, block: Block) {
        match self {
            Self::One(hand) => hand.serve(link, torrent, block),
            Self::Many(many) => many.order(link, Order::Serve(link, torrent, block)),
        }
    }

    /// Calls a block back.
    pub(crate) fn unserve(&mut self, link: LinkId, block: Block) {
        match self {
            Self::One(hand) => hand.unserve(link, block),
            Self::Many(many) => many.order(link, Order::Unserve(link, block)),
        }
    }

    /// Closes a link.
    pub(crate) fn close(&mut self, link: LinkId, reason: CloseReason) {
        match self {
            Self::One(hand) => hand.close(link, reason),
            Self::Many(many) => many.order(link, Order::Close(link, reason)),
        }
    }

    /// The bytes of a block, to be written or dropped.
    pub(crate) fn redeem(&mut self, payload: Payload) -> Buffer {
        match self {
            Self::One(hand) => hand.redeem(payload),
            Self::Many(many) => many.payloads.redeem(payload),
        }
    }
}

impl Many {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.readiness, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let tokens = self.readiness.iter().map(mio::event::Event::token);
        self.others.extend(tokens.filter(|token| *token != WAKE));
        Ok(())
    }

    fn order(&mut self, link: LinkId, order: Order) {
        let owner = Names::owner(link, self.crew.len());
        self.crew[owner].orders.push(order);
    }

    fn order_all(&mut self, order: impl Fn() -> Order) {
        self.crew.iter_mut().for_each(|member| member.orders.push(order()));
    }

    /// Takes what the hands have seen.
    fn collect(&mut self) {
        for member in &mut self.crew {
            if member.seen.take(&mut self.taken) {
                // It may have waited for room.
                member.inbox.wake();
            }
            for fact in self.taken.drain(..) {
                self.facts.push(match fact {
                    Fact::Event(event) => event,
                    Fact::Block(link, block, buffer) => {
                        let payload = self.payloads.keep(buffer);
                        Event::Link(link, LinkEvent::Received { block, payload })
                    }
                });
            }
        }
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        for member in &mut self.crew {
            member.inbox.wake();
            if let Some(thread) = member.thread.take() {
                // Its panic was caught and told.
                let _ = thread.join();
            }
        }
    }
}
