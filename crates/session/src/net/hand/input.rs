//! What one link receives: bytes in, messages and blocks out.
//!
//! All links share one scratch buffer. A read goes into it, the control messages are decoded
//! where they lie, and the bodies of blocks are copied once, while they are hot, into buffers of
//! the pool. Only what is left of an unfinished head is kept with the link, so an idle link
//! holds no buffer at all.

use std::io::{self, Read};

use toubkal_core::engine::{CloseReason, Misbehaved};
use toubkal_core::link::{Link, LinkError, Step};
use toubkal_wire::handshake::Greeting;
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::Message;

use crate::store::{Buffer, Pool};

/// Above this, the bytes of a message that has not come whole are collected with the link and
/// not copied to the scratch buffer at every read: many small segments would cost the square.
const COLLECT_BYTES: usize = 16 * 1024;

/// What came.
#[derive(Debug)]
pub(crate) enum Got {
    Greeting(Greeting),
    PeerId([u8; 20]),
    Message(Message),
    Block(Block, Buffer),
}

/// Why reading paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// There may be more; it is another link's turn.
    Turn,
    /// The socket gave less than it could have.
    Short,
    /// The socket has no more.
    Dry,
    /// The pool has no buffer for the next block.
    Starved,
}

/// What a link reads with; the same for all links of a thread.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) scratch: Box<[u8]>,
    pub(crate) pool: Pool,
}

impl Means {
    pub(crate) fn new(scratch_bytes: usize, pool: Pool) -> Self {
        Self { scratch: vec![0; scratch_bytes].into(), pool }
    }

    /// Whether a block would find a buffer.
    pub(crate) fn has_buffer(&self) -> bool {
        self.pool.free() >= BLOCK_BYTES as usize
    }
}

/// The receiving side of a link.
#[derive(Debug)]
pub(crate) struct Input {
    link: Link,
    /// Bytes that were received and not used yet.
    rest: Vec<u8>,
    /// How long `rest` must be before it is worth a look.
    need: usize,
    /// The block whose bytes come now.
    body: Option<Body>,
    starved: bool,
}

#[derive(Debug)]
struct Body {
    block: Block,
    buffer: Buffer,
    filled: usize,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self { link: Link::new(), rest: Vec::new(), need: 0, body: None, starved: false }
    }

    /// Bytes that are kept because a message has not come whole, or no buffer was free.
    pub(crate) fn kept(&self) -> usize {
        self.rest.len()
    }

    /// Reads once from `source`, at most one scratch buffer, and gives what came to `sink`.
    ///
    /// # Errors
    /// Why the link is to be closed: the peer's end of it, the network's, or an offence; or what
    /// the sink says.
    pub(crate) fn read(
        &mut self,
        source: &mut impl Read,
        means: &mut Means,
        sink: &mut impl FnMut(Got) -> Result<(), CloseReason>,
    ) -> Result<Pause, CloseReason> {
        // What finds no buffer would have to be kept with the link.
        let most = means.pool.free().max(BLOCK_BYTES as usize);
        let Means { scratch, pool, .. } = means;
        if self.starved {
            let rest = std::mem::take(&mut self.rest);
            let used = self.take(&rest, pool, sink)?;
            self.keep(rest, used);
            if self.starved {
                return Ok(Pause::Starved);
            }
        }
        // Collected apart, `rest` is short of `need`; a read brings no more than what is missing.
        let collect = self.need > COLLECT_BYTES;
        let start = if collect { 0 } else { self.rest.len() };
        let end = if collect { self.need - self.rest.len() } else { start + most };
        let end = end.min(scratch.len());
        let Some(count) = receive(source, &mut scratch[start..end])? else {
            return Ok(Pause::Dry);
        };
        let short = count < end - start;
        if collect {
            self.rest.extend_from_slice(&scratch[..count]);
            if self.rest.len() >= self.need {
                let rest = std::mem::take(&mut self.rest);
                let used = self.take(&rest, pool, sink)?;
                self.keep(rest, used);
            }
        } else {
            scratch[..start].copy_from_slice(&self.rest);
            self.rest.clear();
            let input = &scratch[..start + count];
            let used = self.take(input, pool, sink)?;
            self.rest.extend_from_slice(&input[used..]);
        }
        Ok(match short {
            _ if self.starved => Pause::Starved,
            true => Pause::Short,
            false => Pause::Turn,
        })
    }

    /// Uses what it can of `input`; says how many bytes.
    fn take(
        &mut self,
        input: &[u8],
        pool: &Pool,
        sink: &mut impl FnMut(Got) -> Result<(), CloseReason>,
    ) -> Result<usize, CloseReason> {
        self.starved = false;
        self.need = 0;
        let mut at = 0;
        loop {
            at += self.fill(&input[at..], sink)?;
            if self.body.is_some() {
                return Ok(at);
            }
            let (used, got) = match self.link.decode(&input[at..]).map_err(offence)? {
                Step::Need(need) => {
                    self.need = need;
                    return Ok(at);
                }
                Step::Greeting { used, greeting } => (used, Got::Greeting(greeting)),
                Step::PeerId { used, peer_id } => (used, Got::PeerId(peer_id)),
                Step::Message { used, message } => (used, Got::Message(message)),
                Step::Block { used, block } => {
                    // We never ask for more, so nobody may send it.
                    if block.length > BLOCK_BYTES {
                        return Err(CloseReason::Misbehaved(Misbehaved::Unrequested));
                    }
                    let Some(buffer) = pool.take(block.length as usize) else {
                        self.starved = true;
                        return Ok(at);
                    };
                    self.body = Some(Body { block, buffer, filled: 0 });
                    at += used;
                    continue;
                }
            };
            at += used;
            sink(got)?;
        }
    }

    /// Puts the head of `input` where the body goes; says how many bytes.
    fn fill(
        &mut self,
        input: &[u8],
        sink: &mut impl FnMut(Got) -> Result<(), CloseReason>,
    ) -> Result<usize, CloseReason> {
        let Some(body) = &mut self.body else { return Ok(0) };
        let space = &mut body.buffer[body.filled..];
        let count = space.len().min(input.len());
        space[..count].copy_from_slice(&input[..count]);
        body.filled += count;
        if body.filled == body.buffer.len()
            && let Some(body) = self.body.take()
        {
            sink(Got::Block(body.block, body.buffer))?;
        }
        Ok(count)
    }

    /// Keeps what is behind `used`, and lets the memory of a long message go.
    fn keep(&mut self, mut rest: Vec<u8>, used: usize) {
        rest.drain(..used);
        rest.shrink_to(COLLECT_BYTES);
        self.rest = rest;
    }
}

/// `None`: nothing is there now.
fn receive(source: &mut impl Read, space: &mut [u8]) -> Result<Option<usize>, CloseReason> {
    loop {
        match source.read(space) {
            Ok(0) => return Err(CloseReason::ByPeer),
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::Lost),
        }
    }
}

fn offence(error: LinkError) -> CloseReason {
    match error {
        LinkError::NotBitTorrent => CloseReason::Handshake,
        LinkError::Message(error) => CloseReason::Misbehaved(Misbehaved::Malformed(error)),
    }
}

#[cfg(test)]
mod tests;
