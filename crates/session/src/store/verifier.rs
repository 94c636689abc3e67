//! How pieces are checked: the one place that knows which hash a torrent uses.

use std::sync::Arc;

use sha1::{Digest, Sha1};

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
            Self::Sha1(_) => Sum::Sha1(Sha1::new()),
        }
    }

    /// Whether a sum over all bytes of the piece is the right one.
    pub(crate) fn accepts(&self, piece: u32, sum: Sum) -> bool {
        match (self, sum) {
            (Self::Sha1(pieces), Sum::Sha1(sum)) => {
                pieces.get(piece as usize).is_some_and(|right| *right == *sum.finalize())
            }
        }
    }
}

impl Sum {
    /// The next bytes of the piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum) => sum.update(bytes),
        }
    }
}

/// The hash by which blame for a bad block is found: of one block, whatever the verifier.
pub(crate) fn block_sum(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}
