//! A disk of one torrent that keeps tags instead of bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Done, Found, Opened};
use toubkal_wire::layout::{Block, Layout};

/// What the bytes of a block are: 0 is right, any other number is a lie of its own.
pub type Tag = u32;

#[derive(Debug)]
pub(crate) struct Disk {
    layout: Arc<Layout>,
    blocks: BTreeMap<(u32, u32), Tag>,
    /// Everything is there.
    whole: bool,
}

impl Disk {
    pub(crate) fn new(layout: Arc<Layout>, whole: bool) -> Self {
        Self { layout, blocks: BTreeMap::new(), whole }
    }

    pub(crate) fn write(&mut self, block: Block, tag: Tag) {
        assert!(!self.whole, "a disk that has everything is never written to");
        let index = self.layout.block_index(block).expect("only whole blocks are stored");
        self.blocks.insert((block.piece, index), tag);
    }

    /// The tag of the block that holds this byte; `None` when nothing was written there.
    pub(crate) fn read(&self, block: Block) -> Option<Tag> {
        let index = block.begin / toubkal_wire::layout::BLOCK_BYTES;
        // Padding is never written, and always zeros.
        if self.whole || self.is_padding(block) {
            Some(0)
        } else {
            self.blocks.get(&(block.piece, index)).copied()
        }
    }

    pub(crate) fn open(&self) -> Done {
        let found = if self.whole { Found::Whole } else { Found::Absent };
        let pieces = self.layout.pieces();
        let mut worth = Bitset::new(pieces);
        (0..pieces).filter(|&piece| self.is_there(piece)).for_each(|piece| {
            worth.set(piece);
        });
        let partly = !self.whole && !worth.is_empty();
        let of = |pad| match (pad, partly) {
            (true, _) => Found::Virtual,
            (false, true) => Found::Part,
            (false, false) => found,
        };
        let files = self.layout.files().iter().map(|f| of(f.pad)).collect();
        Done::Opened(Opened { files, worth, changed: Bitset::full(pieces) }.into())
    }

    pub(crate) fn verify(&self, piece: u32) -> Done {
        let digests = self.digests(piece);
        if self.is_right(piece) { Done::Good } else { Done::Bad(digests) }
    }

    /// A stand-in for the hash of each block: different tags, different digests.
    pub(crate) fn digests(&self, piece: u32) -> Vec<[u8; 20]> {
        let digest = |tag: Option<Tag>| {
            let mut digest = [0; 20];
            digest[..8].copy_from_slice(&tag.map_or(u64::MAX, u64::from).to_be_bytes());
            digest
        };
        self.blocks_of(piece).map(|block| digest(self.read(block))).collect()
    }

    /// Whether every block of the piece is there and right, padding apart.
    pub(crate) fn is_right(&self, piece: u32) -> bool {
        self.blocks_of(piece).all(|block| self.is_padding(block) || self.read(block) == Some(0))
    }

    fn is_there(&self, piece: u32) -> bool {
        self.blocks_of(piece).all(|block| self.is_padding(block) || self.read(block).is_some())
    }

    fn is_padding(&self, block: Block) -> bool {
        self.layout.spans(block).all(|span| span.pad)
    }

    fn blocks_of(&self, piece: u32) -> impl Iterator<Item = Block> + '_ {
        (0..self.layout.blocks(piece)).map(move |index| self.layout.block(piece, index))
    }
}
