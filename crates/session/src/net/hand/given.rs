//! Metadata that is given to a peer (BEP 9): its bytes are copied when they can be sent.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use toubkal_wire::message::Message;
use toubkal_wire::metadata::{METADATA_BLOCK_BYTES, Metadata};

/// Bytes that may wait to be sent to a peer before more metadata is copied.
const UNSENT_MAX: usize = 256 * 1024;
/// Blocks that wait for a peer to take what was given before.
const WAITING_MAX: usize = 1024;

/// A block of metadata for a peer.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// How the peer calls such messages.
    pub(crate) number: u8,
    pub(crate) block: u32,
    /// The torrent file, and where the metadata lies in it.
    pub(crate) file: Arc<[u8]>,
    pub(crate) span: Range<usize>,
}

/// What waits to be given to one peer.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<Given>);

impl Queue {
    /// Puts a block behind the others; there is a refusal to be sent when there are too many.
    pub(super) fn push(&mut self, given: Given) -> Option<Message> {
        if self.0.len() >= WAITING_MAX {
            return Some(refusal(given.number, given.block));
        }
        self.0.push_back(given);
        None
    }

    /// The next message, if no more than this waits to be sent.
    pub(super) fn next(&mut self, unsent: usize) -> Option<Message> {
        let Given { number, block, file, span } =
            (unsent <= UNSENT_MAX).then(|| self.0.pop_front())??;
        let metadata = &file[span];
        let begin = block as usize * METADATA_BLOCK_BYTES as usize;
        let end = metadata.len().min(begin + METADATA_BLOCK_BYTES as usize);
        let (total, bytes) = (Some(metadata.len() as u32), &metadata[begin.min(end)..end]);
        let data = Metadata::Data { block, total, bytes };
        Some(Message::Extended(number, data.encode().into()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a peer is told that does not get a block.
pub(crate) fn refusal(number: u8, block: u32) -> Message {
    Message::Extended(number, Metadata::Reject(block).encode().into())
}
