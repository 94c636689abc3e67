//! The protocol of one connection, without the socket: whose are the next bytes?
//!
//! A [`Link`] lives in a hand, beside its socket. The hand reads bytes into a buffer of its own,
//! asks [`Link::decode`] what the head of them is, and acts on the [`Step`]. The body of a block
//! is never looked at here: the hand counts it into a buffer of the pool. What goes out is
//! appended to a buffer of the hand with [`toubkal_wire::message::encode`].

use toubkal_wire::handshake::{self, GREETING_BYTES, Greeting, HANDSHAKE_BYTES};
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Head, Message, MessageError, PIECE_HEAD_BYTES};

/// What the head of the input is.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: at least so many bytes are needed in all.
    Need(usize),
    /// The first part of the peer's handshake. Who accepted the connection answers it now.
    Greeting {
        /// Bytes of the input that it took.
        used: usize,
        /// What it says.
        greeting: Greeting,
    },
    /// The rest of the peer's handshake.
    PeerId {
        /// Bytes of the input that it took.
        used: usize,
        /// What the peer calls itself.
        peer_id: [u8; 20],
    },
    /// A control message.
    Message {
        /// Bytes of the input that it took.
        used: usize,
        /// What it says.
        message: Message,
    },
    /// The head of a block; the next `block.length` bytes of the stream are its body, which the
    /// caller takes before it decodes again.
    Block {
        /// Bytes of the input that the head took.
        used: usize,
        /// As the peer named it.
        block: Block,
    },
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The stream does not begin with a handshake of BitTorrent.
    NotBitTorrent,
    /// A message that cannot be.
    Message(MessageError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Greeting,
    PeerId,
    Messages,
}

/// The receiving half of one connection.
#[derive(Debug)]
pub struct Link {
    expect: Expect,
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// A connection on which nothing was received yet.
    #[must_use]
    pub fn new() -> Self {
        Self { expect: Expect::Greeting }
    }

    /// Says what the head of `input` is, the received bytes that were not used yet.
    ///
    /// The largest control message is a little above 512 KiB, so an input buffer never has to
    /// grow past that.
    ///
    /// # Errors
    /// When the stream is not BitTorrent: the link is to be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, LinkError> {
        match self.expect {
            Expect::Greeting => self.greeting(input),
            Expect::PeerId => Ok(self.peer_id(input)),
            Expect::Messages => message(input).map_err(LinkError::Message),
        }
    }

    fn greeting(&mut self, input: &[u8]) -> Result<Step, LinkError> {
        if !handshake::may_be_handshake(input) {
            return Err(LinkError::NotBitTorrent);
        }
        let Some(head) = input.first_chunk::<GREETING_BYTES>() else {
            return Ok(Step::Need(GREETING_BYTES));
        };
        let greeting = Greeting::decode(head).ok_or(LinkError::NotBitTorrent)?;
        self.expect = Expect::PeerId;
        Ok(Step::Greeting { used: GREETING_BYTES, greeting })
    }

    fn peer_id(&mut self, input: &[u8]) -> Step {
        const BYTES: usize = HANDSHAKE_BYTES - GREETING_BYTES;
        let Some(&peer_id) = input.first_chunk::<BYTES>() else { return Step::Need(BYTES) };
        self.expect = Expect::Messages;
        Step::PeerId { used: BYTES, peer_id }
    }
}

fn message(input: &[u8]) -> Result<Step, MessageError> {
    match message::head(input)? {
        Head::Short => Ok(Step::Need(input.len() + 1)),
        Head::Piece(block) => Ok(Step::Block { used: PIECE_HEAD_BYTES, block }),
        Head::Control(length) => match input.get(..length) {
            None => Ok(Step::Need(length)),
            Some(bytes) => Ok(Step::Message { used: length, message: message::decode(bytes)? }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;
    use toubkal_wire::handshake::Reserved;

    /// A stream: handshake, a message, a block of 5 bytes, another message.
    fn stream() -> Vec<u8> {
        let greeting = Greeting { reserved: Reserved::OURS, info_hash: [1; 20] };
        let mut bytes = greeting.encode(&[2; 20]).to_vec();
        message::encode(&Message::Unchoke, &mut bytes);
        bytes.extend(message::piece_head(Block { piece: 0, begin: 0, length: 5 }));
        bytes.extend(b"hello");
        message::encode(&Message::Have(9), &mut bytes);
        bytes
    }

    /// Feeds a stream in chunks of the given sizes; returns what came out, and the bodies.
    fn feed(stream: &[u8], cuts: &[usize]) -> (Vec<Step>, Vec<u8>) {
        let (mut link, mut steps, mut bodies) = (Link::new(), Vec::new(), Vec::new());
        let (mut input, mut body) = (Vec::new(), 0);
        let mut rest = stream;
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            input.extend_from_slice(chunk);
            rest = after;
            loop {
                let taken = body.min(input.len());
                bodies.extend(input.drain(..taken));
                body -= taken;
                if body > 0 {
                    break;
                }
                let step = link.decode(&input).unwrap();
                let used = match &step {
                    Step::Need(least) => {
                        assert!(*least > input.len());
                        break;
                    }
                    Step::Greeting { used, .. }
                    | Step::PeerId { used, .. }
                    | Step::Message { used, .. } => *used,
                    Step::Block { used, block } => {
                        body = block.length as usize;
                        *used
                    }
                };
                input.drain(..used);
                steps.push(step);
            }
        }
        (steps, bodies)
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_does_not_matter(
            cuts in prop::collection::vec(0usize..30, 0..20),
        ) {
            let (steps, bodies) = feed(&stream(), &cuts);
            prop_assert_eq!(bodies, b"hello");
            prop_assert_eq!(steps.len(), 5);
            let last = &steps[4];
            prop_assert_eq!(last, &Step::Message { used: 9, message: Message::Have(9) });
        }

        #[test]
        fn garbage_ends_in_an_error_or_a_need(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut link = Link { expect: Expect::Messages };
            let _ = link.decode(&bytes);
        }
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_bytes() {
        assert_eq!(Link::new().decode(b"GET /"), Err(LinkError::NotBitTorrent));
        assert_eq!(Link::new().decode(b"\x13Bit"), Ok(Step::Need(GREETING_BYTES)));
    }
}
