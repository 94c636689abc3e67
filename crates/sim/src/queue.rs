//! What is yet to happen, in order of time; among equals, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use toubkal_core::base::Time;
use toubkal_core::engine::{DialId, JobId, LinkId};
use toubkal_wire::layout::Block;

use crate::world::Work;

/// What happens to a host. Small, since millions wait in the queue: what is large waits at the
/// host, or at its link.
#[derive(Debug)]
pub(crate) enum Delivery {
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
        dial: DialId,
        to: SocketAddr,
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
    Job {
        host: usize,
        job: JobId,
        work: Work,
    },
    Hear {
        host: usize,
        peers: Box<[SocketAddr]>,
    },
    /// A fact reaches the engine that waited in a queue of its host.
    Fact {
        host: usize,
    },
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
