//! What travels between hosts, and the queue in which it waits for its host's line.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use toubkal_core::engine::LinkId;
use toubkal_wire::layout::Block;

use crate::disk::Body;

/// Control bytes that travel as one.
const SEGMENT_BYTES: usize = 1400;

/// One thing on a link: control bytes, or the head of a block with its body behind it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Option<(Block, Body)>,
}

impl Item {
    pub(crate) fn control(bytes: Vec<u8>) -> Self {
        Self { bytes, body: None }
    }

    /// Bytes on the wire.
    pub(crate) fn size(&self) -> u64 {
        let body = self.body.as_ref().map_or(0, |(block, _)| u64::from(block.length));
        self.bytes.len() as u64 + body
    }
}

/// How long `bytes` take at `rate` bytes a second.
pub(crate) fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos((u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}

/// A host's line out: links take turns, item by item, as streams share a line.
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    queues: BTreeMap<LinkId, VecDeque<Item>>,
    /// The link that was served last.
    last: Option<LinkId>,
    pub(crate) busy: bool,
}

impl Uplink {
    pub(crate) fn push(&mut self, link: LinkId, item: Item) {
        let queue = self.queues.entry(link).or_default();
        // Words that wait travel together, as TCP sends them: else many small requests would
        // each wait for a turn among the blocks of other links.
        if let Some(last) = queue.back_mut()
            && last.body.is_none()
            && item.body.is_none()
            && last.bytes.len() + item.bytes.len() <= SEGMENT_BYTES
        {
            return last.bytes.extend(item.bytes);
        }
        queue.push_back(item);
    }

    /// The next item, of the next link in turn.
    pub(crate) fn pop(&mut self) -> Option<(LinkId, Item)> {
        let after = self.last.and_then(|last| {
            self.queues.range(last..).map(|(&link, _)| link).find(|&link| link != last)
        });
        let link = after.or_else(|| self.queues.keys().next().copied())?;
        self.last = Some(link);
        let queue = self.queues.get_mut(&link)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&link);
        }
        item.map(|item| (link, item))
    }

    /// Takes a block out that has not begun to travel.
    pub(crate) fn withdraw(&mut self, link: LinkId, block: Block) -> bool {
        let Some(queue) = self.queues.get_mut(&link) else { return false };
        let is = |item: &Item| item.body.as_ref().is_some_and(|&(other, _)| other == block);
        let found = queue.iter().position(is).map(|at| queue.remove(at));
        if queue.is_empty() {
            self.queues.remove(&link);
        }
        found.is_some()
    }

    /// The link is gone; returns the blocks that will not travel.
    pub(crate) fn forget(&mut self, link: LinkId) -> Vec<Block> {
        let queue = self.queues.remove(&link).unwrap_or_default();
        queue.into_iter().filter_map(|item| item.body.map(|(block, _)| block)).collect()
    }
}
