//! Messages by which peers give each other the metadata of a torrent (BEP 9, `ut_metadata`): the
//! bytes of its info dictionary, in blocks of 16 KiB.

use alloc::vec::Vec;

use sha1::{Digest as _, Sha1};

use crate::bencode::{self, Encoder, Mode, Value};

/// Bytes of a block; only the last of the metadata is shorter (BEP 9).
pub const METADATA_BLOCK_BYTES: u32 = 16 * 1024;
/// The longest metadata that is fetched or given, in bytes: 1,920 blocks.
pub const METADATA_BYTES_MAX: u32 = 30 * 1024 * 1024;
/// The longest dictionary before a block that is read; it takes some 50 bytes.
pub const HEAD_BYTES_MAX: usize = 1024;

/// A message about metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata<'b> {
    /// Please send this block.
    Request(u32),
    /// A block.
    Data {
        /// Its index.
        block: u32,
        /// Bytes of the whole metadata, if the sender says so.
        total: Option<u32>,
        /// The block's bytes: at most [`METADATA_BLOCK_BYTES`].
        bytes: &'b [u8],
    },
    /// The sender does not give this block.
    Reject(u32),
    /// A kind of message that is not known, to be ignored (BEP 9).
    Unknown,
}

impl<'b> Metadata<'b> {
    /// Reads the payload of a message. `None`: it is not one.
    #[must_use]
    pub fn decode(payload: &'b [u8]) -> Option<Self> {
        let head = &payload[..payload.len().min(HEAD_BYTES_MAX)];
        let (tape, used) = bencode::decode_prefix(head, Mode::Tolerant).ok()?;
        let root = tape.root();
        let int = |key: &[u8]| root.get(key).and_then(Value::as_int);
        let kind = int(b"msg_type")?;
        if !(0..=2).contains(&kind) {
            return Some(Self::Unknown);
        }
        let block = u32::try_from(int(b"piece")?).ok()?;
        match kind {
            0 => Some(Self::Request(block)),
            1 => {
                let bytes = &payload[used..];
                let total = int(b"total_size").and_then(|total| u32::try_from(total).ok());
                let fits = !bytes.is_empty() && bytes.len() <= METADATA_BLOCK_BYTES as usize;
                fits.then_some(Self::Data { block, total, bytes })
            }
            _ => Some(Self::Reject(block)),
        }
    }

    /// The payload of a message. [`Metadata::Unknown`] has none.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (kind, block) = match *self {
            Self::Request(block) => (0, block),
            Self::Data { block, .. } => (1, block),
            Self::Reject(block) => (2, block),
            Self::Unknown => return out,
        };
        let mut dict = Encoder::new(&mut out);
        dict.dict().key("msg_type").int(kind).key("piece").int(i64::from(block));
        if let Self::Data { total: Some(total), .. } = *self {
            dict.key("total_size").int(i64::from(total));
        }
        dict.end();
        if let Self::Data { bytes, .. } = *self {
            out.extend_from_slice(bytes);
        }
        out
    }
}

/// The info-hash of a torrent of version 1 (BEP 3): SHA-1 over its metadata.
#[must_use]
pub fn info_hash(metadata: &[u8]) -> [u8; 20] {
    Sha1::digest(metadata).into()
}

/// How many blocks metadata of `size` bytes has.
#[must_use]
pub fn blocks(size: u32) -> u32 {
    size.div_ceil(METADATA_BLOCK_BYTES)
}

/// Bytes of one block of metadata of `size` bytes; 0 behind its end.
#[must_use]
pub fn block_size(size: u32, block: u32) -> u32 {
    let begin = u64::from(block) * u64::from(METADATA_BLOCK_BYTES);
    u64::from(size).saturating_sub(begin).min(u64::from(METADATA_BLOCK_BYTES)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn messages_read_back() {
        let bytes = vec![7; METADATA_BLOCK_BYTES as usize];
        let data = |total| Metadata::Data { block: 3, total, bytes: &bytes };
        for message in [
            Metadata::Request(0),
            Metadata::Reject(u32::MAX),
            data(Some(70_000)),
            data(None),
            Metadata::Data { block: 0, total: Some(1), bytes: b"d" },
        ] {
            assert_eq!(Metadata::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn the_words_of_bep_9_are_understood() {
        let request = Metadata::decode(b"d8:msg_typei0e5:piecei0ee");
        assert_eq!(request, Some(Metadata::Request(0)));
        let data = Metadata::decode(b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx");
        let total = Some(34_256);
        assert_eq!(data, Some(Metadata::Data { block: 0, total, bytes: b"xxxxxxxx" }));
        let reject = Metadata::decode(b"d8:msg_typei2e5:piecei0ee");
        assert_eq!(reject, Some(Metadata::Reject(0)));
        let later = Metadata::decode(b"d8:msg_typei9ee");
        assert_eq!(later, Some(Metadata::Unknown));
    }

    #[test]
    fn what_no_message_can_say_is_none() {
        let long = [&b"d8:msg_typei1e5:piecei0ee"[..], &[0; 16_385]].concat();
        let head = [&b"d1:a2000:"[..], &[b'a'; 2000], b"8:msg_typei0e5:piecei0ee"].concat();
        for bad in [
            &b""[..],
            b"i0e",
            b"de",
            b"d8:msg_typei0ee",
            b"d8:msg_typei0e5:piecei-1ee",
            b"d8:msg_typei0e5:piecei4294967296ee",
            b"d8:msg_typei1e5:piecei0ee",
            &long,
            &head,
        ] {
            assert_eq!(Metadata::decode(bad), None);
        }
    }

    #[test]
    fn all_blocks_together_are_the_metadata() {
        for size in [1, 16_383, 16_384, 16_385, METADATA_BYTES_MAX] {
            let sum: u32 = (0..blocks(size)).map(|block| block_size(size, block)).sum();
            assert_eq!(sum, size);
            assert_eq!(block_size(size, blocks(size)), 0);
            assert_eq!(block_size(size, u32::MAX), 0);
        }
    }
}
