//! A hand with a thread of its own: what it is told, what it tells, and its loop.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialId, Event, LinkEvent, LinkId, Served, Terms, TorrentId,
};
use toubkal_wire::layout::Block;
use toubkal_wire::message::Message;

use super::super::clock::Clock;
use super::super::hand::{Hand, Read};
use super::Mailbox;
use crate::store::{Buffer, ReadBlock, Store, Task};

/// What the brain, or the store, tells a hand.
#[derive(Debug)]
pub(crate) enum Order {
    Admit(TorrentId, Arc<Terms>),
    Retire(TorrentId),
    StopListening,
    Dial(DialId, TorrentId, SocketAddr),
    Send(LinkId, Message),
    Serve(LinkId, TorrentId, Block),
    Unserve(LinkId, Block),
    Close(LinkId, CloseReason),
    Read(ReadBlock),
}

/// What a hand tells the brain.
#[derive(Debug)]
pub(crate) enum Fact {
    Event(Event),
    /// A block came; it gets its name from who keeps it.
    Block(LinkId, Block, Buffer),
}

/// What is to happen when a thread dies of a panic.
pub(crate) type Panicked = Arc<dyn Fn(&(dyn std::any::Any + Send)) + Send + Sync>;

/// How links of several hands are named: a hand counts its own from 0, the brain all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) hand: usize,
    pub(crate) hands: usize,
}

impl Names {
    /// The name for the brain.
    fn outside(self, link: LinkId) -> LinkId {
        LinkId::new((link.index() * self.hands + self.hand) as u32, link.generation())
    }

    /// The name for the hand.
    fn inside(self, link: LinkId) -> LinkId {
        LinkId::new((link.index() / self.hands) as u32, link.generation())
    }

    /// Which hand has it.
    pub(crate) fn owner(link: LinkId, hands: usize) -> usize {
        link.index() % hands
    }

    pub(crate) fn owns(self, link: LinkId) -> bool {
        Self::owner(link, self.hands) == self.hand
    }
}

/// A hand and its ways to the others.
pub(crate) struct Worker {
    pub(crate) names: Names,
    pub(crate) hand: Hand,
    pub(crate) inbox: Arc<Mailbox<Order>>,
    pub(crate) seen: Arc<Mailbox<Fact>>,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) leave: Arc<AtomicBool>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(mut self, panicked: Panicked) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(format!("toubkal-hand-{}", self.names.hand)).spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| self.run()));
            self.inbox.close();
            if let Err(panic) = result {
                panicked(&*panic);
            }
        })
    }

    /// Works until it is told to end.
    fn run(&mut self) {
        let (mut orders, mut out) = (Vec::new(), Vec::new());
        while !self.leave.load(Ordering::Relaxed) {
            self.wait(&out);
            let now = self.clock.now();
            self.inbox.take(&mut orders);
            for order in orders.drain(..) {
                self.obey(now, order);
            }
            // What the brain has no room for waits here, and nothing more is read.
            if out.is_empty() {
                self.hand.work(now);
            }
            self.hand.flush();
            self.hand.tell_load(now);
            self.report(&mut out);
            self.submit_reads();
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self, out: &[Fact]) {
        let busy = |worker: &Self| {
            worker.leave.load(Ordering::Relaxed)
                || !worker.inbox.is_empty()
                || match out.is_empty() {
                    true => worker.hand.is_busy(),
                    false => worker.seen.has_room(),
                }
        };
        let mut timeout = Some(Duration::ZERO);
        if !busy(self) {
            self.inbox.waker().falling_asleep();
            if !busy(self) {
                timeout = self.hand.deadline().map(|due| self.clock.until(due));
            }
        }
        let waited = self.hand.wait(timeout);
        self.inbox.waker().awake();
        waited.expect("a poller fails only when it is misused");
    }

    fn obey(&mut self, now: Time, order: Order) {
        let (names, hand) = (self.names, &mut self.hand);
        match order {
            Order::Admit(torrent, terms) => hand.admit(torrent, terms),
            Order::Retire(torrent) => hand.retire(torrent),
            Order::StopListening => hand.stop_listening(),
            Order::Dial(dial, torrent, remote) => hand.dial(now, dial, torrent, remote),
            Order::Send(link, message) => hand.send(names.inside(link), &message),
            Order::Serve(link, torrent, block) => hand.serve(names.inside(link), torrent, block),
            Order::Unserve(link, block) => hand.unserve(names.inside(link), block),
            Order::Close(link, reason) => hand.close(names.inside(link), reason),
            Order::Read(ReadBlock { link, block, result }) => {
                hand.was_read(names.inside(link), block, result);
            }
        }
    }

    /// Tells the brain what was seen.
    fn report(&mut self, out: &mut Vec<Fact>) {
        let mut facts = std::mem::take(self.hand.facts());
        for fact in facts.drain(..) {
            let Event::Link(link, event) = fact else {
                out.push(Fact::Event(fact));
                continue;
            };
            let name = self.names.outside(link);
            out.push(match event {
                LinkEvent::Received { block, payload } => {
                    self.hand.moved(block.length);
                    Fact::Block(name, block, self.hand.redeem(payload))
                }
                LinkEvent::Served { block, outcome: Served::Sent } => {
                    self.hand.moved(block.length);
                    Fact::Event(Event::Link(name, event))
                }
                event => Fact::Event(Event::Link(name, event)),
            });
        }
        *self.hand.facts() = facts;
        self.seen.try_put(out);
    }

    fn submit_reads(&mut self) {
        for Read { link, torrent, block } in self.hand.reads() {
            let link = self.names.outside(link);
            self.store.submit(Task::Read { link, torrent, block });
        }
    }
}
