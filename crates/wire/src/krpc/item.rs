//! Items (BEP 44): where they are stored, and what their signature is made of.

use alloc::vec::Vec;

use sha1::{Digest, Sha1};

use super::Id;
use crate::bencode::Encoder;

/// What makes an item mutable. Nothing here says that the signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// Who may change it: an Ed25519 key.
    pub key: &'a [u8; 32],
    /// Over [`signed_bytes`].
    pub signature: &'a [u8; 64],
    /// Counts its changes.
    pub seq: i64,
    /// Tells several items of one key apart; empty when there is none.
    pub salt: &'a [u8],
}

/// Where an immutable item is stored: the hash of its bencoded value.
#[must_use]
pub fn immutable_target(value: &[u8]) -> Id {
    Id(Sha1::digest(value).into())
}

/// Where a mutable item is stored: the hash of its key and salt.
#[must_use]
pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> Id {
    Id(Sha1::new().chain_update(key).chain_update(salt).finalize().into())
}

/// What the signature of a mutable item is over: its salt, number and value, as in a dictionary
/// of which the ends were cut off.
#[must_use]
pub fn signed_bytes(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out);
    if !salt.is_empty() {
        encoder.bytes("salt").bytes(salt);
    }
    encoder.bytes("seq").int(seq).bytes("v").raw(value);
    out
}
