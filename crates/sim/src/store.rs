//! The store of a host: jobs in lanes, each done in its time by the disk.
//!
//! As in a session, jobs of one piece are done in the order in which they were given; what is
//! slow and of no piece has a lane of its own, and so have records, and blocks for peers.

use std::collections::{BTreeMap, VecDeque};

use toubkal_core::engine::{Event, JobId, LinkEvent, LinkId, Served, StoreError};
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Message};

use crate::check::durability;
use crate::disk::{Body, Op, Outcome};
use crate::manners::Manners;
use crate::network::Item;
use crate::queue::Delivery;
use crate::world::World;

/// A queue in which one thing is done after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Piece(u32),
    Chores,
    Records,
    Reads,
}

/// For whom something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Job(JobId),
    Link(LinkId),
    Nobody,
}

/// What a host has for its disk to do. The first of each lane is under way.
#[derive(Debug, Default)]
pub(crate) struct Lanes(BTreeMap<Lane, VecDeque<(Whose, Op)>>);

impl Lanes {
    /// Nobody waits any more for a block for this link, nor for any when none is named; says for
    /// which it was waited.
    pub(crate) fn forget(&mut self, link: LinkId, block: Option<Block>) -> Vec<Block> {
        let mut forgotten = Vec::new();
        for (whose, op) in self.0.entry(Lane::Reads).or_default() {
            match op {
                Op::Read { block: read }
                    if *whose == Whose::Link(link) && block.is_none_or(|block| block == *read) =>
                {
                    *whose = Whose::Nobody;
                    forgotten.push(*read);
                }
                _ => {}
            }
        }
        forgotten
    }

    /// What is under way.
    pub(crate) fn running(&self) -> Vec<Op> {
        self.0.values().filter_map(|queue| queue.front().map(|(_, op)| op.clone())).collect()
    }

    /// Where something is done, when there are so many lanes for pieces.
    fn lane(op: &Op, lanes: u32) -> Lane {
        match op {
            Op::Write { block: Block { piece, .. }, .. }
            | Op::Verify { piece, .. }
            | Op::Digest { piece } => Lane::Piece(piece % lanes.max(1)),
            Op::Open { .. } | Op::Reclaim { .. } | Op::Finish { .. } | Op::Sync | Op::Release => {
                Lane::Chores
            }
            Op::Record(_) => Lane::Records,
            Op::Read { .. } => Lane::Reads,
        }
    }
}

impl World {
    /// Gives the disk something to do.
    pub(crate) fn submit(&mut self, host: usize, whose: Whose, op: Op) {
        let machine = &mut self.hosts[host];
        if let Whose::Job(job) = whose {
            assert!(machine.jobs.insert(job, ()).is_none(), "{job:?} was given before");
        }
        let lane = Lanes::lane(&op, machine.setup.disk.lanes);
        let queue = machine.lanes.0.entry(lane).or_default();
        queue.push_back((whose, op));
        if queue.len() == 1 {
            self.begin(host, lane);
        }
    }

    /// The first of a lane goes to the disk.
    fn begin(&mut self, host: usize, lane: Lane) {
        let machine = &mut self.hosts[host];
        let Some((_, op)) = machine.lanes.0.get(&lane).and_then(VecDeque::front) else { return };
        if let Some(time) = machine.disk.begin(op) {
            let life = machine.life;
            self.after(time, Delivery::Done { host, life, lane });
        }
    }

    /// What a lane was at is over.
    pub(crate) fn over(&mut self, host: usize, lane: Lane) {
        let now = self.now;
        let machine = &mut self.hosts[host];
        let queue = machine.lanes.0.get_mut(&lane).expect("it is at something");
        let (whose, op) = queue.pop_front().expect("it is at something");
        let record = matches!(op, Op::Record(_));
        let read = if let Op::Read { block } = op { Some(block) } else { None };
        let Some(result) = machine.disk.end(now, op) else { return };
        if record {
            durability::recorded(host, &machine.disk);
        }
        self.begin(host, lane);
        match (whose, result) {
            (Whose::Job(job), result) => {
                self.hosts[host].jobs.remove(&job);
                let result = result.map(|outcome| match outcome {
                    Outcome::Job(done) => done,
                    Outcome::Read(_) => unreachable!("a job is no read"),
                });
                self.answer(host, Event::Job(job, result));
            }
            (Whose::Link(link), Ok(Outcome::Read(body))) => {
                self.serve(host, link, read.expect("it was read"), body);
            }
            (Whose::Link(link), Err(error)) => {
                self.unread(host, link, read.expect("it was read"), error);
            }
            _ => {}
        }
    }

    /// What an engine believes that has just heard what lies on its disk.
    pub(crate) fn check_belief(&self, host: usize) {
        let machine = &self.hosts[host];
        let have = machine.have();
        let doubt = machine.disk.recall().is_some_and(|memory| memory.doubt);
        if let Some(have) = have {
            durability::believed(host, &machine.disk, &have, doubt);
        }
    }

    /// A peer is to get a block: it is read first.
    pub(crate) fn fetch(&mut self, host: usize, link: LinkId, block: Block) {
        // Closed already, and the engine will hear of it: no answer comes after that.
        if self.hosts[host].links.get(link).is_none() {
            return;
        }
        match self.hosts[host].setup.manners {
            Manners::Silent | Manners::Echoes | Manners::Loiters => {}
            Manners::Rejects => {
                self.hosts[host].refused += 1;
                self.served_later(host, link, block, Served::Withdrawn);
            }
            _ => self.submit(host, Whose::Link(link), Op::Read { block }),
        }
    }

    fn serve(&mut self, host: usize, link: LinkId, block: Block, body: Body) {
        let machine = &mut self.hosts[host];
        let body = match machine.setup.manners {
            Manners::Corrupts(times) if machine.chance.one_in(times) => {
                let lie = 1 + machine.chance.below(1 << 30) as u32;
                machine.disk.content().lie(block, lie)
            }
            _ => body,
        };
        if self.hosts[host].setup.manners == Manners::Flaps {
            self.say(host, link, &Message::Choke);
            self.say(host, link, &Message::Unchoke);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend(message::piece_head(block));
        self.transmit(host, link, Item { bytes, body: Some((block, body)) });
    }

    fn unread(&mut self, host: usize, link: LinkId, block: Block, error: StoreError) {
        let outcome = Served::Failed(error);
        self.tell_link(host, link, LinkEvent::Served { block, outcome });
    }
}
