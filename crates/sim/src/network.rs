//! What travels between hosts, and the queues in which it waits for its host's line.

use std::collections::VecDeque;
use std::time::Duration;

use toubkal_core::engine::LinkId;
use toubkal_wire::layout::Block;

use crate::disk::Body;

/// Control bytes that travel as one.
pub(crate) const SEGMENT_BYTES: usize = 1400;

/// One thing on a link: control bytes, or the head of a block with its body behind it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Option<(Block, Body)>,
}

impl Item {
    /// The block that it brings.
    pub(crate) fn block(&self) -> Option<Block> {
        self.body.as_ref().map(|&(block, _)| block)
    }

    /// Bytes on the wire.
    pub(crate) fn size(&self) -> u64 {
        let body = self.body.as_ref().map_or(0, |(block, _)| u64::from(block.length));
        self.bytes.len() as u64 + body
    }
}

/// How long `bytes` take at `rate` bytes a second.
pub(crate) fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1))
}

/// What waits on one link for the line.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    items: VecDeque<Item>,
}

impl Outgoing {
    /// Bytes to which words may be added that are to travel next. Words that wait travel together,
    /// as TCP sends them: else many small requests would each wait for a turn among the
    /// blocks of other links.
    pub(crate) fn words(&mut self, most: usize, spare: &mut Vec<Vec<u8>>) -> &mut Vec<u8> {
        let room = |item: &Item| item.body.is_none() && item.bytes.len() < most;
        if !self.items.back().is_some_and(room) {
            let bytes = spare.pop().unwrap_or_default();
            self.items.push_back(Item { bytes, body: None });
        }
        &mut self.items.back_mut().expect("there is one now").bytes
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// The bytes of the next item.
    pub(crate) fn next_size(&self) -> Option<u64> {
        self.items.front().map(Item::size)
    }

    /// Takes a block out that has not begun to travel.
    pub(crate) fn withdraw(&mut self, block: Block) -> bool {
        let is = |item: &Item| item.block() == Some(block);
        let found = self.items.iter().position(is);
        found.and_then(|at| self.items.remove(at)).is_some()
    }

    /// The blocks that wait.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.items.iter().filter_map(Item::block)
    }
}

/// A host's line out: links take turns, item by item, as streams share a line. One that had
/// nothing to send, and now has a few words, goes before those that send all the time (RFC 8290:
/// that is how systems queue what they send).
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    /// Links with words after a silence, in the order in which they spoke.
    fresh: VecDeque<LinkId>,
    /// Other links with something to send, the next in turn first. Each link is in one of both
    /// once; some are gone already.
    turns: VecDeque<LinkId>,
    pub(crate) busy: bool,
}

impl Uplink {
    /// A link has something to send after it had nothing.
    pub(crate) fn begin(&mut self, link: LinkId, words: bool) {
        if words { &mut self.fresh } else { &mut self.turns }.push_back(link);
    }

    /// A link has more to send.
    pub(crate) fn go_on(&mut self, link: LinkId) {
        self.turns.push_back(link);
    }

    /// Whose turn it is.
    pub(crate) fn next(&self) -> Option<LinkId> {
        self.fresh.front().or_else(|| self.turns.front()).copied()
    }

    /// That turn is over.
    pub(crate) fn pass(&mut self) {
        if self.fresh.pop_front().is_none() {
            self.turns.pop_front();
        }
    }

    /// Nobody has anything to send.
    pub(crate) fn clear(&mut self) {
        self.fresh.clear();
        self.turns.clear();
    }
}
