//! The loop of the network thread: facts to the engine, its wishes to whoever carries them out.
//!
//! One round: wait for sockets or a wake-up, take orders and answers, let the hands move bytes,
//! tell the engine, carry out what it wants, send. Everything in a round is bounded, so nobody
//! waits long; everything that waits between rounds is bounded by the credits of the engine.

mod datagrams;
mod dht;
mod lan;
mod magnets;
mod mind;
mod readers;
mod resting;
mod routes;
mod torrents;
mod trackers;
mod why;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use toubkal_core::base::{Outbox, Time};
use toubkal_core::engine::{Action, Command, Event};

use super::clerk::Clerk;
use super::clock::Clock;
use super::hands::Hands;
use super::udp::Udp;
use super::wake::{Inlet, Wake};
use super::{News, Order, Orders};
use crate::session::{Port, SessionEvent};
use crate::state::State;
use crate::store::{Reply, Store};
use crate::tracker::TrackerReply;
pub(crate) use dht::{SETTING, Setup, read};
use lan::Local;
pub(crate) use magnets::Link;
use magnets::Magnets;
pub(crate) use mind::Mind;
use readers::Readers;
pub(crate) use readers::{Lease, Order as ReaderOrder};
use resting::Looked;
pub(crate) use resting::bytes;
use torrents::Torrents;
pub(crate) use trackers::Identity;
use trackers::Trackers;

/// Orders that are taken in one round.
const ORDERS: usize = 64;
/// Answers of the store that are taken in one round.
const REPLIES: usize = 1024;
/// Facts after which the engine's wishes are carried out.
const FACTS: usize = 64;

/// What the brain is made of.
pub(crate) struct Parts {
    pub(crate) engine: Mind,
    pub(crate) clock: Clock,
    pub(crate) hands: Hands,
    pub(crate) udp: Udp,
    /// Where peers reach us, if it is to be said on the local network.
    pub(crate) lan: Option<Vec<SocketAddr>>,
    /// Whether peers can reach us anywhere.
    pub(crate) listening: bool,
    /// If there is to be a node of the DHT.
    pub(crate) dht: Option<Setup>,
    pub(crate) store: Arc<Store>,
    pub(crate) orders: Receiver<Order>,
    /// Where to orders are given, for those who answer so.
    pub(crate) inlet: Orders,
    pub(crate) replies: Receiver<Reply>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) news: Arc<News>,
    pub(crate) leave: Arc<AtomicBool>,
    pub(crate) state: Option<Arc<State>>,
    pub(crate) identity: Identity,
}

/// The engine and everything that it moves.
pub(crate) struct Brain {
    clock: Clock,
    engine: Mind,
    hands: Hands,
    udp: Udp,
    local: Option<Local>,
    port: Port,
    node: Option<dht::Node>,
    store: Arc<Store>,
    torrents: Torrents,
    magnets: Magnets,
    readers: Readers,
    orders: Receiver<Order>,
    replies: Receiver<Reply>,
    wake: Arc<Wake>,
    news: Arc<News>,
    leave: Arc<AtomicBool>,
    state: Option<Arc<State>>,
    trackers: Trackers,
    tracker_replies: Receiver<TrackerReply>,
    /// What was looked up in the database.
    found: Receiver<Looked>,
    tell_found: Inlet<Looked>,
    outbox: Outbox<Action>,
    /// Empty between two calls, and kept for its memory.
    spare: (Outbox<Action>, Vec<Event>),
    ending: Ending,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// The engine closes everything; at `until` we go in any case.
    Closing {
        until: Time,
    },
    /// The engine is done; the trackers are being told.
    Telling {
        until: Time,
    },
}

impl Brain {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { clock, engine, hands, udp, lan, dht, store, orders, replies, .. } = parts;
        let Parts { inlet, wake, news, leave, state, identity, listening, .. } = parts;
        // Bounded by the client, which has only so many questions under way.
        let (tell, tracker_replies) = unbounded();
        // Bounded by the torrents: each is looked up once at a time.
        let (teller, found) = unbounded();
        let tell_found = Inlet::new(teller, Arc::clone(&wake));
        let local = lan.map(|listening_on| {
            Local::new(clock.now(), &listening_on, identity.rng.fork("local discovery"))
        });
        let node = dht.map(|setup| dht::Node::new(setup, identity.rng.fork("DHT")));
        let trackers = Trackers::new(identity, Inlet::new(tell, Arc::clone(&wake)));
        let clerk = Clerk::new(inlet, Arc::clone(&news), state.clone());
        Self {
            clock,
            engine,
            hands,
            udp,
            local,
            port: Port { listening, ..Port::default() },
            node,
            store,
            torrents: Torrents::default(),
            magnets: Magnets::new(clerk),
            readers: Readers::default(),
            orders,
            replies,
            wake,
            news,
            leave,
            state,
            trackers,
            tracker_replies,
            found,
            tell_found,
            outbox: Outbox::new(),
            spare: (Outbox::new(), Vec::new()),
            ending: Ending::No,
        }
    }

    /// Runs until it is told to end.
    pub(crate) fn run(mut self) {
        while !self.leave.load(Ordering::Relaxed) && !self.is_over() {
            self.wait();
            self.round();
        }
        self.keep_nodes();
        self.engine.end_log();
        // The sockets go first: peers need not wait for our disk.
        let Self { hands, store, state, .. } = self;
        drop(hands);
        // The hands had it, too, and are gone.
        if let Some(store) = Arc::into_inner(store) {
            store.stop();
        }
        // What the store has given it last is written.
        state.inspect(|state| state.stop());
    }

    fn round(&mut self) {
        let now = self.clock.now();
        self.take_orders(now);
        self.take_replies(now);
        self.take_tracker_replies(now);
        self.take_found(now);
        self.take_datagrams(now);
        self.work_on_lan(now);
        self.work_on_dht(now);
        self.hands.work(now);
        self.tell_engine(now);
        self.engine.advance(now, &mut self.outbox);
        self.advance_announcers(now);
        self.carry_out(now);
        self.tell_engine(now);
        self.submit_reads();
        self.ask_over_udp(now);
        self.hands.flush();
        // What the system took returns credits that the engine may use at once.
        self.tell_engine(now);
        self.submit_reads();
        if let Err(error) = self.engine.keep_log() {
            let message = format!("what happens is not recorded any more: {error}");
            self.news.push(SessionEvent::State { message });
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) {
        let mut timeout = self.timeout();
        if timeout != Some(Duration::ZERO) {
            self.wake.falling_asleep();
            let told = self.leave.load(Ordering::Relaxed);
            if told || self.has_mail() || self.hands.is_busy() {
                timeout = Some(Duration::ZERO);
            }
        }
        let waited = self.hands.wait(timeout);
        for token in self.hands.datagrams() {
            self.udp.note(token);
        }
        self.wake.awake();
        waited.expect("a poller fails only when it is misused");
    }

    fn timeout(&self) -> Option<Duration> {
        if self.hands.is_busy() || self.udp.is_busy() || self.has_mail() {
            return Some(Duration::ZERO);
        }
        let until = match self.ending {
            Ending::No => None,
            Ending::Closing { until } | Ending::Telling { until } => Some(until),
        };
        let engine = self.engine.deadline();
        let local = self.local.as_ref().and_then(Local::deadline);
        let others = self.hands.deadline().into_iter().chain(self.trackers.deadline());
        let node = self.node.as_ref().and_then(dht::Node::deadline);
        let others = others.chain(until).chain(local).chain(node);
        let due = engine.into_iter().chain(others).min()?;
        Some(self.clock.until(due))
    }

    fn has_mail(&self) -> bool {
        let told = !self.replies.is_empty() || !self.tracker_replies.is_empty();
        told || !self.orders.is_empty() || !self.found.is_empty()
    }

    fn take_orders(&mut self, now: Time) {
        for _ in 0..ORDERS {
            let Ok(order) = self.orders.try_recv() else { break };
            self.order(now, order);
            self.carry_out(now);
        }
    }

    fn take_replies(&mut self, now: Time) {
        for _ in 0..REPLIES {
            match self.replies.try_recv() {
                Ok(Reply::Job { job, result, buffer }) => {
                    // The buffer goes back to the pool.
                    drop(buffer);
                    self.handle(now, Event::Job(job, result));
                }
                Ok(Reply::Reads(mut row)) => {
                    for read in row.drain(..) {
                        self.hands.was_read(read);
                    }
                    self.store.keep(row);
                }
                Err(_) => break,
            }
        }
        self.carry_out(now);
    }

    fn take_tracker_replies(&mut self, now: Time) {
        for _ in 0..REPLIES {
            let Ok(reply) = self.tracker_replies.try_recv() else { break };
            self.take_tracker_reply(now, reply);
        }
        self.carry_out(now);
    }

    /// Gives the engine what the hands have seen, and carries out what it wants, until both are
    /// content. Each answer that a wish causes costs the engine a credit, so this ends.
    fn tell_engine(&mut self, now: Time) {
        let spare = std::mem::take(&mut self.spare.1);
        let mut facts = std::mem::replace(self.hands.facts(), spare);
        while !facts.is_empty() {
            let mut since = 0;
            for fact in facts.drain(..) {
                self.overhear(now, &fact);
                self.note_reached(&fact);
                self.engine.handle(now, fact, &mut self.outbox);
                since += 1;
                if since == FACTS {
                    self.carry_out(now);
                    since = 0;
                }
            }
            self.carry_out(now);
            std::mem::swap(&mut facts, self.hands.facts());
        }
        self.spare.1 = facts;
    }

    /// Tells the engine one fact; what it wants is carried out by the caller's caller.
    fn handle(&mut self, now: Time, event: Event) {
        self.engine.handle(now, event, &mut self.outbox);
    }

    fn command(&mut self, now: Time, command: Command) {
        self.handle(now, Event::Command(Box::new(command)));
    }

    fn shutdown(&mut self, now: Time, patience: Duration) {
        if self.ending == Ending::No {
            self.ending = Ending::Closing { until: now.after(patience) };
            self.hands.stop_listening();
            self.command(now, Command::Shutdown);
            self.stop_announcing(now);
        }
    }

    fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    fn is_over(&self) -> bool {
        match self.ending {
            Ending::No => false,
            Ending::Closing { until } => until <= self.clock.now(),
            Ending::Telling { until } => self.trackers.are_told() || until <= self.clock.now(),
        }
    }
}
