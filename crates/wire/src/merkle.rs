//! The hash trees of BEP 52: SHA-256 over blocks of 16 KiB, a root for every file.
//!
//! A leaf is the hash of a block; the tree is filled up to a power of two with leaves of zeros.
//! The hashes at the height of a piece are the file's *piece layer*, which the metainfo carries
//! beside the root, so that pieces can be checked one by one.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Bytes under a leaf (BEP 52).
pub const LEAF_BYTES: u32 = 16 * 1024;

/// Levels above the leaves: enough for files of 2^63 bytes.
const HEIGHT_MAX: usize = 49;

/// The hash of a block: a leaf of the tree.
#[must_use]
pub fn leaf(block: &[u8]) -> Hash {
    Sha256::digest(block).into()
}

/// The hash of two neighbours: the node above them.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// The node at this height above leaves of zeros, with which trees are filled up.
#[must_use]
pub fn padding(height: u32) -> Hash {
    // BEP 52: "leaf hashes beyond the end of the file [...] are set to zero".
    (0..height).fold([0; 32], |hash, _| node(&hash, &hash))
}

/// The height of the nodes that stand for a piece: 0 for pieces of 16 KiB.
///
/// # Panics
/// If the piece length is no power of two, or less than [`LEAF_BYTES`].
#[must_use]
pub fn piece_height(piece_length: u32) -> u32 {
    assert!(piece_length.is_power_of_two() && piece_length >= LEAF_BYTES, "a piece of v2");
    (piece_length / LEAF_BYTES).ilog2()
}

/// The root of a file from its piece layer, whose hashes stand at `height`.
#[must_use]
pub fn root_of_layer(layer: &[Hash], height: u32) -> Hash {
    let mut fold = Fold::default();
    for hash in layer {
        fold.push(*hash);
    }
    fold.finish(layer.len().next_power_of_two().ilog2(), padding(height))
}

/// Folds hashes of one height into the nodes above them, as they come: it holds one hash a level.
#[derive(Clone, Debug)]
struct Fold {
    count: u64,
    /// `left[h]` waits for its right neighbour if bit `h` of `count` is set.
    left: [Hash; HEIGHT_MAX],
}

impl Default for Fold {
    fn default() -> Self {
        Self { count: 0, left: [[0; 32]; HEIGHT_MAX] }
    }
}

impl Fold {
    fn push(&mut self, mut hash: Hash) {
        let height = self.count.trailing_ones() as usize;
        for left in &self.left[..height] {
            hash = node(left, &hash);
        }
        self.left[height] = hash;
        self.count += 1;
    }

    /// The node at `height` above what was pushed, filled up with `padding`; starts anew.
    fn finish(&mut self, height: u32, mut padding: Hash) -> Hash {
        let count = core::mem::take(&mut self.count);
        assert!(count <= 1 << height, "{count} hashes under a node of height {height}");
        if count == 1 << height {
            return self.left[height as usize];
        }
        let mut right: Option<Hash> = None;
        for level in 0..height {
            let left = (count >> level & 1 == 1).then(|| &self.left[level as usize]);
            right = match (left, right) {
                (Some(left), right) => Some(node(left, &right.unwrap_or(padding))),
                (None, right) => right.map(|hash| node(&hash, &padding)),
            };
            padding = node(&padding, &padding);
        }
        right.unwrap_or(padding)
    }
}

/// What the metainfo says of a file's content (BEP 52).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHashes {
    /// The `pieces root`; `None` for an empty file.
    pub root: Option<Hash>,
    /// The piece layer; empty for a file of at most one piece, whose root says it all.
    pub layer: Vec<Hash>,
}

/// Hashes a file as its bytes come, in parts of any size.
///
/// Holds a hash for each piece. Blocks that come whole are hashed without a copy.
#[derive(Clone, Debug)]
pub struct FileHasher {
    height: u32,
    /// A block that is not whole yet.
    block: Sha256,
    filled: usize,
    leaves: Fold,
    layer: Vec<Hash>,
}

impl FileHasher {
    /// Starts a file of a torrent with this piece length.
    ///
    /// # Panics
    /// If the piece length is no power of two, or less than [`LEAF_BYTES`].
    #[must_use]
    pub fn new(piece_length: u32) -> Self {
        Self {
            height: piece_height(piece_length),
            block: Sha256::new(),
            filled: 0,
            leaves: Fold::default(),
            layer: Vec::new(),
        }
    }

    /// The next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = bytes.len().min(LEAF_BYTES as usize - self.filled);
            let (now, rest) = bytes.split_at(take);
            self.block.update(now);
            self.filled += take;
            bytes = rest;
            if self.filled == LEAF_BYTES as usize {
                self.end_block();
            }
        }
    }

    /// The end of the file.
    #[must_use]
    pub fn finish(mut self) -> FileHashes {
        if self.filled > 0 {
            // BEP 52: the last block is hashed as it is, not filled up.
            self.end_block();
        }
        if self.layer.is_empty() {
            let leaves = self.leaves.count;
            let root = (leaves > 0)
                .then(|| self.leaves.finish(leaves.next_power_of_two().ilog2(), padding(0)));
            return FileHashes { root, layer: Vec::new() };
        }
        if self.leaves.count > 0 {
            self.end_piece();
        }
        let root = root_of_layer(&self.layer, self.height);
        if self.layer.len() == 1 {
            self.layer.clear();
        }
        FileHashes { root: Some(root), layer: self.layer }
    }

    fn end_block(&mut self) {
        self.filled = 0;
        self.leaves.push(self.block.finalize_reset().into());
        if self.leaves.count == 1 << self.height {
            self.end_piece();
        }
    }

    fn end_piece(&mut self) {
        let hash = self.leaves.finish(self.height, padding(0));
        self.layer.push(hash);
    }
}
