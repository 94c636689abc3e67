//! What is yet to happen, in order of time; among equals, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use toubkal_core::base::Time;
use toubkal_core::engine::{DialId, LinkId, PeerSource};
use toubkal_wire::layout::Block;

use crate::disk::Crash;
use crate::faults::Mishap;
use crate::store::Lane;
use crate::tracker::Told;

/// What happens to a host. Small, since millions wait in the queue: what is large waits at the
/// host, or at its link.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// It comes, or comes back.
    Join {
        host: usize,
    },
    Leave {
        host: usize,
    },
    Wake {
        host: usize,
    },
    /// A connection comes about.
    Connect {
        from: usize,
        life: u64,
        dial: DialId,
        to: SocketAddr,
    },
    /// Nobody answered.
    Unanswered {
        host: usize,
        life: u64,
        dial: DialId,
    },
    /// The host's line is free for the next item.
    Line {
        host: usize,
        sent: Option<(LinkId, Block)>,
    },
    /// Something comes in on a link.
    Arrive {
        host: usize,
        link: LinkId,
    },
    /// A link breaks.
    Break {
        host: usize,
        link: LinkId,
        silent: bool,
    },
    /// What a lane of the store was at is over.
    Done {
        host: usize,
        life: u64,
        lane: Lane,
    },
    Hear {
        host: usize,
        source: PeerSource,
        peers: Box<[SocketAddr]>,
    },
    /// A fact reaches the engine that waited in a queue of its host.
    Fact {
        host: usize,
    },
    /// An action reaches the hands, or the store.
    Wish {
        host: usize,
    },
    /// The announcer is due.
    Watch {
        host: usize,
    },
    /// The tracker's answer.
    Told {
        host: usize,
        life: u64,
        told: Box<Told>,
    },
    Mishap(Box<Mishap>),
    /// The program, or the machine, dies.
    Crash {
        host: usize,
        crash: Crash,
    },
    /// It comes back.
    Restart {
        host: usize,
    },
    /// The user starts a torrent that was stopped.
    Start {
        host: usize,
    },
    /// Somebody takes what may be read,
    Take {
        reader: usize,
    },
    /// or begins to read, from there on,
    Turn {
        reader: usize,
        to: u64,
    },
    /// or reads no more.
    Close {
        reader: usize,
    },
}

impl Delivery {
    /// The host whose process has to run for this.
    pub(crate) fn process(&self) -> Option<usize> {
        match *self {
            Self::Wake { host }
            | Self::Arrive { host, .. }
            | Self::Done { host, .. }
            | Self::Hear { host, .. }
            | Self::Fact { host }
            | Self::Wish { host }
            | Self::Watch { host }
            | Self::Told { host, .. }
            | Self::Start { host }
            | Self::Unanswered { host, .. } => Some(host),
            _ => None,
        }
    }

    /// A number for the trace.
    pub(crate) fn mark(&self) -> u64 {
        match *self {
            Self::Join { host } => (host as u64) << 8 | 1,
            Self::Leave { host } => (host as u64) << 8 | 2,
            Self::Wake { host } => (host as u64) << 8 | 3,
            Self::Connect { from, dial, .. } => (from as u64) << 8 | dial.0 << 32 | 4,
            Self::Unanswered { host, dial, .. } => (host as u64) << 8 | dial.0 << 32 | 5,
            Self::Line { host, .. } => (host as u64) << 8 | 6,
            Self::Arrive { host, link } => (host as u64) << 8 | (link.index() as u64) << 32 | 7,
            Self::Break { host, link, .. } => (host as u64) << 8 | (link.index() as u64) << 32 | 8,
            Self::Done { host, .. } => (host as u64) << 8 | 9,
            Self::Hear { host, .. } => (host as u64) << 8 | 10,
            Self::Fact { host } => (host as u64) << 8 | 11,
            Self::Wish { host } => (host as u64) << 8 | 12,
            Self::Watch { host } => (host as u64) << 8 | 13,
            Self::Told { host, .. } => (host as u64) << 8 | 14,
            Self::Mishap(_) => 15,
            Self::Crash { host, .. } => (host as u64) << 8 | 16,
            Self::Restart { host } => (host as u64) << 8 | 17,
            Self::Start { host } => (host as u64) << 8 | 18,
            Self::Take { reader } => (reader as u64) << 8 | 19,
            Self::Turn { reader, to } => (reader as u64) << 8 | to << 32 | 20,
            Self::Close { reader } => (reader as u64) << 8 | 21,
        }
    }
}

/// The queue of a world. The heap holds keys alone, and what is to happen lies beside it: there is
/// less to move about, and more of it fits the cache.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Time, u64, u32)>>,
    sequence: u64,
    deliveries: Vec<Option<Delivery>>,
    free: Vec<u32>,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Time, delivery: Delivery) {
        self.sequence += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.deliveries.push(None);
            self.deliveries.len() as u32 - 1
        });
        self.deliveries[place as usize] = Some(delivery);
        self.heap.push(Reverse((at, self.sequence, place)));
    }

    /// The next delivery, unless it is after `limit`.
    pub(crate) fn pop(&mut self, limit: Time) -> Option<(Time, Delivery)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at > limit {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        self.deliveries[place as usize].take().map(|delivery| (at, delivery))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_keep_their_order() {
        let mut queue = Queue::default();
        let at = Time::from_nanos;
        for (nanos, host) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            queue.push(at(nanos), Delivery::Wake { host });
        }
        let mut order = Vec::new();
        while let Some((_, Delivery::Wake { host })) = queue.pop(at(5)) {
            order.push(host);
        }
        assert_eq!(order, [1, 3, 0, 2]);
        queue.push(at(9), Delivery::Wake { host: 0 });
        assert!(queue.pop(at(8)).is_none());
    }
}
