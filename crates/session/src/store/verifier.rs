//! How pieces are checked: the one place that knows which hash a torrent uses.

use std::sync::Arc;

use toubkal_hash::{Job, Sha1};

/// How the bytes of a piece are known to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// BEP 3: the SHA-1 of each piece.
    Sha1(Arc<[[u8; 20]]>),
}

/// The hash of a piece on its way: fed with the piece's bytes in order.
#[derive(Clone, Debug)]
pub(crate) enum Sum {
    Sha1(Sha1),
}

impl Verifier {
    /// A sum of no bytes.
    pub(crate) fn start(&self) -> Sum {
        match self {
            Self::Sha1(_) => Sum::sha1(),
        }
    }

    /// Whether a sum over all bytes of the piece is the right one.
    pub(crate) fn accepts(&self, piece: u32, sum: Sum) -> bool {
        match self {
            Self::Sha1(pieces) => {
                pieces.get(piece as usize).is_some_and(|right| *right == sum.finalize())
            }
        }
    }
}

impl Sum {
    /// The sum of no bytes of a piece of version 1.
    pub(crate) fn sha1() -> Self {
        Self::Sha1(Sha1::new())
    }

    /// The next bytes of the piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum) => sum.update(bytes),
        }
    }

    /// The next bytes of several pieces, hashed side by side; there may be none of some.
    pub(crate) fn update_all(sums: &mut [Self], parts: &[&[u8]]) {
        let jobs = sums.iter_mut().zip(parts.chunks(1)).map(|(sum, parts)| match sum {
            Self::Sha1(hasher) => Job { hasher, parts },
        });
        Sha1::update_all(&mut jobs.collect::<Vec<_>>());
    }

    /// How many pieces are best hashed side by side.
    pub(crate) fn lanes() -> usize {
        Sha1::lanes()
    }

    /// The hash as torrents of version 1 have it.
    pub(crate) fn finalize(self) -> [u8; 20] {
        match self {
            Self::Sha1(sum) => sum.finalize(),
        }
    }
}

/// The hash by which blame for a bad block is found: of one block, whatever the verifier.
pub(crate) fn block_sum(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes)
}
