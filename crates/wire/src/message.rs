//! The messages that peers exchange after the handshake (BEP 3, BEP 6, BEP 10).
//!
//! A message is a 4-byte length, an id, and a payload. The body of a `piece` message is not
//! touched here: [`Head`] says whose the bytes that follow are.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::layout::{BLOCK_BYTES, Block};

/// The longest block that a peer may ask for or send: 128 KiB. Longer requests are an offence.
pub const REQUEST_BYTES_MAX: u32 = 128 * 1024;
/// The longest extension message: metadata pieces and peer exchange fit well.
pub const EXTENDED_BYTES_MAX: u32 = 256 * 1024;
/// The longest bitfield: [`crate::layout::PIECES_MAX`] bits.
pub const BITFIELD_BYTES_MAX: u32 = crate::layout::PIECES_MAX / 8;
/// The longest payload of an unknown message, which is skipped.
pub const UNKNOWN_BYTES_MAX: u32 = 16 * 1024;

/// A message to or from a peer; blocks of data travel apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing, so that the connection stays.
    KeepAlive,
    /// The sender will not answer requests.
    Choke,
    /// The sender will answer requests.
    Unchoke,
    /// The sender would request if it were unchoked.
    Interested,
    /// The sender would not request.
    NotInterested,
    /// The sender has this piece now.
    Have(u32),
    /// What the sender has: one bit a piece, the highest bit first.
    Bitfield(Arc<[u8]>),
    /// Please send this block.
    Request(Block),
    /// This block is no longer wanted.
    Cancel(Block),
    /// The sender's DHT node listens on this UDP port (BEP 5).
    Port(u16),
    /// Take this piece, it is cheap for the sender (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// This request will not be answered (BEP 6).
    Reject(Block),
    /// This piece may be requested also while choked (BEP 6).
    AllowedFast(u32),
    /// An extension message (BEP 10): its number and its payload.
    Extended(u8, Arc<[u8]>),
    /// A message that we do not know, read and skipped.
    Unknown(u8),
}

/// The head of a message, as far as it takes to know what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// More bytes are needed to say.
    Short,
    /// A whole control message lies in the first so many bytes once they are there.
    Control(usize),
    /// After these [`PIECE_HEAD_BYTES`] bytes come the bytes of a block.
    Piece(Block),
}

/// Bytes before the body of a `piece` message.
pub const PIECE_HEAD_BYTES: usize = 13;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// The length is above what this message may have.
    TooLong {
        /// The message's id.
        id: u8,
        /// Its stated length, the id included.
        length: u32,
    },
    /// The length is not what this message has.
    BadLength {
        /// The message's id.
        id: u8,
        /// Its stated length, the id included.
        length: u32,
    },
}

impl core::fmt::Display for MessageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong { id, length } => write!(f, "message {id} is {length} bytes, too long"),
            Self::BadLength { id, length } => {
                write!(f, "message {id} is {length} bytes, which it cannot be")
            }
        }
    }
}

impl core::error::Error for MessageError {}

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const PORT: u8 = 9;
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
const EXTENDED: u8 = 20;

/// Looks at the first bytes of a message. The length is checked before anything is allocated.
///
/// # Errors
/// When the length cannot be right for the id.
pub fn head(input: &[u8]) -> Result<Head, MessageError> {
    let Some(&length) = input.first_chunk::<4>() else { return Ok(Head::Short) };
    let length = u32::from_be_bytes(length);
    if length == 0 {
        return Ok(Head::Control(4));
    }
    let Some(&id) = input.get(4) else { return Ok(Head::Short) };
    check_length(id, length)?;
    if id != PIECE {
        return Ok(Head::Control(4 + length as usize));
    }
    let Some(words) = input.get(5..PIECE_HEAD_BYTES) else { return Ok(Head::Short) };
    let block = Block { piece: word(words, 0), begin: word(words, 4), length: length - 9 };
    Ok(Head::Piece(block))
}

/// Reads a whole control message: as many bytes as [`Head::Control`] said.
///
/// # Errors
/// When the length cannot be right for the id.
///
/// # Panics
/// When `bytes` is not one whole control message: that is the caller's mistake.
pub fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
    if bytes.len() == 4 {
        return Ok(Message::KeepAlive);
    }
    let (id, payload) = (bytes[4], &bytes[5..]);
    check_length(id, bytes.len() as u32 - 4)?;
    let block =
        || Block { piece: word(payload, 0), begin: word(payload, 4), length: word(payload, 8) };
    Ok(match id {
        CHOKE => Message::Choke,
        UNCHOKE => Message::Unchoke,
        INTERESTED => Message::Interested,
        NOT_INTERESTED => Message::NotInterested,
        HAVE => Message::Have(word(payload, 0)),
        BITFIELD => Message::Bitfield(payload.into()),
        REQUEST => Message::Request(block()),
        CANCEL => Message::Cancel(block()),
        PORT => Message::Port(u16::from_be_bytes([payload[0], payload[1]])),
        SUGGEST => Message::Suggest(word(payload, 0)),
        HAVE_ALL => Message::HaveAll,
        HAVE_NONE => Message::HaveNone,
        REJECT => Message::Reject(block()),
        ALLOWED_FAST => Message::AllowedFast(word(payload, 0)),
        EXTENDED => Message::Extended(payload[0], payload[1..].into()),
        _ => Message::Unknown(id),
    })
}

/// Appends a message to `out`. [`Message::Unknown`] is not written: there is nothing to say.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    match message {
        Message::KeepAlive => out.extend_from_slice(&[0; 4]),
        Message::Choke => bare(CHOKE, out),
        Message::Unchoke => bare(UNCHOKE, out),
        Message::Interested => bare(INTERESTED, out),
        Message::NotInterested => bare(NOT_INTERESTED, out),
        Message::HaveAll => bare(HAVE_ALL, out),
        Message::HaveNone => bare(HAVE_NONE, out),
        Message::Have(piece) => framed(HAVE, &[&piece.to_be_bytes()], out),
        Message::Suggest(piece) => framed(SUGGEST, &[&piece.to_be_bytes()], out),
        Message::AllowedFast(piece) => framed(ALLOWED_FAST, &[&piece.to_be_bytes()], out),
        Message::Port(port) => framed(PORT, &[&port.to_be_bytes()], out),
        Message::Bitfield(bits) => framed(BITFIELD, &[bits], out),
        Message::Request(block) => triple(REQUEST, *block, out),
        Message::Cancel(block) => triple(CANCEL, *block, out),
        Message::Reject(block) => triple(REJECT, *block, out),
        Message::Extended(number, payload) => framed(EXTENDED, &[&[*number], payload], out),
        Message::Unknown(_) => {}
    }
}

/// The head of a `piece` message; the block's bytes follow it.
#[must_use]
pub fn piece_head(block: Block) -> [u8; PIECE_HEAD_BYTES] {
    let mut head = [0; PIECE_HEAD_BYTES];
    head[..4].copy_from_slice(&(9 + block.length).to_be_bytes());
    head[4] = PIECE;
    head[5..9].copy_from_slice(&block.piece.to_be_bytes());
    head[9..13].copy_from_slice(&block.begin.to_be_bytes());
    head
}

fn check_length(id: u8, length: u32) -> Result<(), MessageError> {
    let (least, most) = match id {
        CHOKE | UNCHOKE | INTERESTED | NOT_INTERESTED | HAVE_ALL | HAVE_NONE => (1, 1),
        HAVE | SUGGEST | ALLOWED_FAST => (5, 5),
        REQUEST | CANCEL | REJECT => (13, 13),
        PORT => (3, 3),
        BITFIELD => (1, 1 + BITFIELD_BYTES_MAX),
        // An empty block is nothing that anybody may ask for.
        PIECE => (10, 9 + REQUEST_BYTES_MAX),
        EXTENDED => (2, 2 + EXTENDED_BYTES_MAX),
        _ => (1, 1 + UNKNOWN_BYTES_MAX),
    };
    if length > most && most > BLOCK_BYTES {
        return Err(MessageError::TooLong { id, length });
    }
    if length < least || length > most {
        return Err(MessageError::BadLength { id, length });
    }
    Ok(())
}

fn bare(id: u8, out: &mut Vec<u8>) {
    framed(id, &[], out);
}

fn triple(id: u8, block: Block, out: &mut Vec<u8>) {
    let words = [block.piece, block.begin, block.length].map(u32::to_be_bytes);
    framed(id, &[&words[0], &words[1], &words[2]], out);
}

fn framed(id: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.push(id);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The big-endian word at `at`; lengths were checked before.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn any_block() -> impl Strategy<Value = Block> {
        any::<(u32, u32, u32)>().prop_map(|(piece, begin, length)| Block { piece, begin, length })
    }

    fn any_message() -> impl Strategy<Value = Message> {
        prop_oneof![
            Just(Message::KeepAlive),
            Just(Message::Choke),
            Just(Message::Unchoke),
            Just(Message::Interested),
            Just(Message::NotInterested),
            Just(Message::HaveAll),
            Just(Message::HaveNone),
            any::<u32>().prop_map(Message::Have),
            any::<u32>().prop_map(Message::Suggest),
            any::<u32>().prop_map(Message::AllowedFast),
            any::<u16>().prop_map(Message::Port),
            any_block().prop_map(Message::Request),
            any_block().prop_map(Message::Cancel),
            any_block().prop_map(Message::Reject),
            any::<Vec<u8>>().prop_map(|bits| Message::Bitfield(bits.into())),
            any::<(u8, Vec<u8>)>().prop_map(|(n, p)| Message::Extended(n, p.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_message_reads_back(message in any_message()) {
            // BEP 10: an extension message has a payload.
            if let Message::Extended(_, payload) = &message { prop_assume!(!payload.is_empty()); }
            let mut bytes = Vec::new();
            encode(&message, &mut bytes);
            prop_assert_eq!(head(&bytes), Ok(Head::Control(bytes.len())));
            prop_assert_eq!(decode(&bytes), Ok(message));
        }

        #[test]
        fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Head::Control(length)) = head(&bytes)
                && let Some(whole) = bytes.get(..length)
            {
                let _ = decode(whole);
            }
        }
    }

    #[test]
    fn the_head_of_a_block_names_it() {
        let block = Block { piece: 3, begin: 16_384, length: 16_384 };
        let bytes = piece_head(block);
        assert_eq!(head(&bytes), Ok(Head::Piece(block)));
        assert_eq!(head(&bytes[..12]), Ok(Head::Short));
    }

    #[test]
    fn lengths_are_checked_before_the_payload_is_there() {
        for (id, length) in [(PIECE, 9 + REQUEST_BYTES_MAX + 1), (EXTENDED, u32::MAX)] {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.push(id);
            assert_eq!(head(&bytes), Err(MessageError::TooLong { id, length }));
        }
        for (id, length) in [(HAVE, 4), (HAVE, 6), (CHOKE, 2), (REQUEST, 12), (PORT, 2)] {
            let mut bytes = u32::to_be_bytes(length).to_vec();
            bytes.push(id);
            assert_eq!(head(&bytes), Err(MessageError::BadLength { id, length }));
        }
    }
}
