//! What one link sends: control messages, and between them blocks.
//!
//! A block is read by the store before its turn comes; what is read ahead is bounded. As much as
//! there is goes out in one vectored write. A control message overtakes every block of which no
//! byte was sent yet, and never cuts into one.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use toubkal_core::engine::{Served, StoreError, TorrentId};
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Message, PIECE_HEAD_BYTES};

use crate::store::Buffer;

/// Blocks that go out in one write.
const GATHER_BLOCKS: usize = 32;
/// Bytes of blocks that are read ahead for one link, or being read.
const AHEAD_BYTES: usize = 512 * 1024;

/// Answers to `Serve`, for the engine.
pub(crate) type Outcomes = Vec<(Block, Served)>;

/// The sending side of a link.
#[derive(Debug, Default)]
pub(crate) struct Output {
    control: Vec<u8>,
    /// Bytes of `control` that were sent.
    control_sent: usize,
    /// A block of which some bytes were sent: nothing may come between.
    begun: Option<(Ready, usize)>,
    ready: VecDeque<Ready>,
    reading: Vec<Reading>,
    waiting: VecDeque<(TorrentId, Block)>,
    /// Bytes of blocks that are begun, ready, or being read.
    ahead: usize,
}

#[derive(Debug)]
struct Reading {
    block: Block,
    /// It was called back: what comes is dropped. It counts until it has come.
    withdrawn: bool,
}

#[derive(Debug)]
struct Ready {
    block: Block,
    head: [u8; PIECE_HEAD_BYTES],
    body: Buffer,
}

impl Output {
    /// Adds a control message.
    pub(crate) fn say(&mut self, message: &Message) {
        message::encode(message, &mut self.control);
    }

    /// Adds a handshake.
    pub(crate) fn greet(&mut self, handshake: &[u8]) {
        self.control.extend_from_slice(handshake);
    }

    /// Bytes of control messages that wait.
    pub(crate) fn control_bytes(&self) -> usize {
        self.control.len() - self.control_sent
    }

    /// Adds a block to be sent.
    pub(crate) fn serve(&mut self, torrent: TorrentId, block: Block) {
        self.waiting.push_back((torrent, block));
    }

    /// The next block to be read for this link; `room` is what all links together may still read
    /// ahead.
    pub(crate) fn next_read(&mut self, room: usize) -> Option<(TorrentId, Block)> {
        let bytes = self.next_bytes().filter(|&bytes| bytes <= room)?;
        let (torrent, block) = self.waiting.pop_front()?;
        self.ahead += bytes;
        self.reading.push(Reading { block, withdrawn: false });
        Some((torrent, block))
    }

    /// Whether a block waits to be read, and nothing but room for all links together is missing.
    pub(crate) fn wants_room(&self) -> bool {
        self.next_bytes().is_some()
    }

    /// How long the next block to be read is, unless too much is read ahead for this link.
    fn next_bytes(&self) -> Option<usize> {
        let (_, block) = self.waiting.front()?;
        let bytes = block.length as usize;
        (self.ahead == 0 || self.ahead + bytes <= AHEAD_BYTES).then_some(bytes)
    }

    /// Takes in what was read, unless it was called back meanwhile.
    pub(crate) fn was_read(
        &mut self,
        block: Block,
        result: Result<Buffer, StoreError>,
        outcomes: &mut Outcomes,
    ) {
        let Some(at) = self.reading.iter().position(|reading| reading.block == block) else {
            return;
        };
        let outcome = match result {
            _ if self.reading.remove(at).withdrawn => None,
            Ok(body) if body.len() == block.length as usize => {
                self.ready.push_back(Ready { block, head: message::piece_head(block), body });
                return;
            }
            Ok(_) => Some(Served::Withdrawn),
            Err(error) => Some(Served::Failed(error)),
        };
        self.ahead -= block.length as usize;
        outcomes.extend(outcome.map(|outcome| (block, outcome)));
    }

    /// Calls a block back, if none of its bytes were sent.
    pub(crate) fn withdraw(&mut self, block: Block, outcomes: &mut Outcomes) {
        let is_it = |reading: &&mut Reading| reading.block == block && !reading.withdrawn;
        if let Some(at) = self.waiting.iter().position(|(_, waiting)| *waiting == block) {
            self.waiting.remove(at);
        } else if let Some(reading) = self.reading.iter_mut().find(is_it) {
            reading.withdrawn = true;
        } else if let Some(at) = self.ready.iter().position(|ready| ready.block == block) {
            self.ready.remove(at);
            self.ahead -= block.length as usize;
        } else {
            return;
        }
        outcomes.push((block, Served::Withdrawn));
    }

    /// Calls everything back, because the link closes. What is being read still counts.
    pub(crate) fn withdraw_all(&mut self, outcomes: &mut Outcomes) {
        let begun = self.begun.take().map(|(ready, _)| ready);
        for ready in begun.into_iter().chain(self.ready.drain(..)) {
            self.ahead -= ready.body.len();
            outcomes.push((ready.block, Served::Withdrawn));
        }
        for reading in self.reading.iter_mut().filter(|reading| !reading.withdrawn) {
            reading.withdrawn = true;
            outcomes.push((reading.block, Served::Withdrawn));
        }
        let waiting = self.waiting.drain(..);
        outcomes.extend(waiting.map(|(_, block)| (block, Served::Withdrawn)));
    }

    /// Bytes of blocks that are read ahead, or being read.
    pub(crate) fn ahead(&self) -> usize {
        self.ahead
    }

    /// Whether there are bytes to send now.
    pub(crate) fn has_bytes(&self) -> bool {
        self.begun.is_some() || self.control_bytes() > 0 || !self.ready.is_empty()
    }

    /// Writes once; says how many bytes the system took, `None` when it takes none now.
    pub(crate) fn write(
        &mut self,
        sink: &mut impl Write,
        outcomes: &mut Outcomes,
    ) -> io::Result<Option<usize>> {
        let mut slices = [IoSlice::new(&[]); 3 + 2 * GATHER_BLOCKS];
        let count = self.gather(&mut slices);
        if count == 0 {
            return Ok(Some(0));
        }
        let taken = loop {
            match sink.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => break taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.advance(taken, outcomes);
        Ok(Some(taken))
    }

    fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut add = |bytes: &'a [u8]| {
            if !bytes.is_empty() {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        if let Some((ready, sent)) = &self.begun {
            let in_head = (*sent).min(PIECE_HEAD_BYTES);
            add(&ready.head[in_head..]);
            add(&ready.body[*sent - in_head..]);
        }
        add(&self.control[self.control_sent..]);
        for ready in self.ready.iter().take(GATHER_BLOCKS) {
            add(&ready.head);
            add(&ready.body);
        }
        count
    }

    /// Notes that the system took the next `taken` bytes, in the order of [`Self::gather`].
    fn advance(&mut self, mut taken: usize, outcomes: &mut Outcomes) {
        if let Some((ready, sent)) = self.begun.take() {
            let left = ready.bytes() - sent;
            if taken < left {
                self.begun = Some((ready, sent + taken));
                return;
            }
            taken -= left;
            self.sent(&ready, outcomes);
        }
        let control = self.control_bytes().min(taken);
        self.control_sent += control;
        taken -= control;
        if self.control_bytes() == 0 {
            self.control_sent = 0;
            self.control.clear();
            self.control.shrink_to(CONTROL_KEPT);
        }
        while taken > 0 {
            let ready = self.ready.pop_front().expect("more was gathered than was taken");
            if taken < ready.bytes() {
                self.begun = Some((ready, taken));
                return;
            }
            taken -= ready.bytes();
            self.sent(&ready, outcomes);
        }
    }

    fn sent(&mut self, ready: &Ready, outcomes: &mut Outcomes) {
        self.ahead -= ready.body.len();
        outcomes.push((ready.block, Served::Sent));
    }
}

/// Memory that a link keeps for its next control messages.
const CONTROL_KEPT: usize = 4096;

impl Ready {
    fn bytes(&self) -> usize {
        PIECE_HEAD_BYTES + self.body.len()
    }
}

#[cfg(test)]
mod tests;
