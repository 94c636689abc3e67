//! What the bytes of a torrent are: symbols that remember whether they are right, or real bytes.
//!
//! The unit is the cell: the part of a block that lies in one sector of one file. What a disk
//! does to a sector it does to each of its cells alone, because bytes of another block that are
//! written again with a sector are the same as before, whatever becomes of the write.

use std::ops::Range;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use toubkal_wire::layout::{BLOCK_BYTES, Block, Layout};

/// Bytes that a disk writes as one.
pub(crate) const SECTOR_BYTES: u64 = 4096;

/// What the bytes of a block are, when they are symbols: 0 is right, any other number is a lie of
/// its own.
pub type Tag = u32;

/// The bytes of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Only whether they are right, and if not, which lie they are.
    Symbol(Tag),
    /// Themselves.
    Bytes(Arc<[u8]>),
}

/// How true the bytes of a world are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// Symbols: a block is a number, its hash a comparison.
    #[default]
    Symbols,
    /// Real bytes, made of this key and their place, and really hashed.
    Bytes(u64),
}

/// The part of a block that lies in one sector of one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Bytes of the torrent before it.
    pub(crate) at: u64,
    pub(crate) length: u32,
    pub(crate) file: u32,
    /// Bytes of the file before it.
    pub(crate) offset: u64,
}

/// A torrent: its shape, cut in cells, and what its bytes are.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) layout: Arc<Layout>,
    cells: Vec<Cell>,
    /// The first cell of each block, and the end.
    blocks: Vec<u32>,
    /// The first block of each piece, and the end.
    pieces: Vec<u32>,
    files: Vec<Range<u32>>,
    truth: Truth,
}

#[derive(Debug)]
enum Truth {
    Symbols,
    Bytes { key: u64, sums: Vec<[u8; 20]> },
}

/// The hash of a piece on its way.
#[derive(Clone, Debug)]
pub(crate) enum Sum {
    /// Everything so far was right.
    Symbols(bool),
    Bytes(Sha1),
}

impl Content {
    pub(crate) fn new(layout: Arc<Layout>, fidelity: Fidelity) -> Self {
        let (mut cells, mut blocks, mut pieces) = (Vec::new(), vec![0], vec![0]);
        let mut files = vec![0..0; layout.files().len()];
        for piece in 0..layout.pieces() {
            for index in 0..layout.blocks(piece) {
                cut(&layout, layout.block(piece, index), &mut cells);
                blocks.push(cells.len() as u32);
            }
            pieces.push(blocks.len() as u32 - 1);
        }
        for (index, cell) in cells.iter().enumerate() {
            let range = &mut files[cell.file as usize];
            if range.start == range.end {
                range.start = index as u32;
            }
            range.end = index as u32 + 1;
        }
        let truth = Truth::Symbols;
        let mut content = Self { layout, cells, blocks, pieces, files, truth };
        if let Fidelity::Bytes(key) = fidelity {
            let sum = |piece| {
                let size = content.layout.piece_size(piece);
                Sha1::digest(content.right(Block { piece, begin: 0, length: size }, key)).into()
            };
            let sums = (0..content.layout.pieces()).map(sum).collect();
            content.truth = Truth::Bytes { key, sums };
        }
        content
    }

    pub(crate) fn cell(&self, index: u32) -> Cell {
        self.cells[index as usize]
    }

    pub(crate) fn count(&self) -> u32 {
        self.cells.len() as u32
    }

    /// The cells of a block of [`Layout::block`]; of padding there are none.
    pub(crate) fn of_block(&self, piece: u32, index: u32) -> Range<u32> {
        let block = (self.pieces[piece as usize] + index) as usize;
        self.blocks[block]..self.blocks[block + 1]
    }

    pub(crate) fn of_piece(&self, piece: u32) -> Range<u32> {
        let (first, end) = (self.pieces[piece as usize], self.pieces[piece as usize + 1]);
        self.blocks[first as usize]..self.blocks[end as usize]
    }

    pub(crate) fn of_file(&self, file: u32) -> Range<u32> {
        self.files[file as usize].clone()
    }

    pub(crate) fn piece_at(&self, cell: u32) -> u32 {
        (self.cell(cell).at / u64::from(self.layout.piece_length())) as u32
    }

    /// Whether a piece holds bytes of two files or more, padding counted.
    pub(crate) fn is_shared(&self, piece: u32) -> bool {
        let files = self.layout.files_of(piece);
        files.filter(|&file| self.layout.files()[file as usize].length > 0).count() > 1
    }

    pub(crate) fn is_symbolic(&self) -> bool {
        matches!(self.truth, Truth::Symbols)
    }

    /// The right bytes of a cell; none when they are symbols.
    pub(crate) fn right_cell(&self, cell: Cell) -> Vec<u8> {
        match self.truth {
            Truth::Symbols => Vec::new(),
            Truth::Bytes { key, .. } => bytes(key, cell.at, cell.length),
        }
    }

    /// A body that is not the right one, nor that of another lie.
    pub(crate) fn lie(&self, block: Block, lie: Tag) -> Body {
        match self.truth {
            Truth::Symbols => Body::Symbol(lie.max(1)),
            Truth::Bytes { key, .. } => {
                let mut bytes = self.right(block, key);
                let at = lie as usize % bytes.len();
                bytes[at] ^= (1 + lie / block.length % 255) as u8;
                Body::Bytes(bytes.into())
            }
        }
    }

    pub(crate) fn start(&self) -> Sum {
        match self.truth {
            Truth::Symbols => Sum::Symbols(true),
            Truth::Bytes { .. } => Sum::Bytes(Sha1::new()),
        }
    }

    pub(crate) fn accepts(&self, piece: u32, sum: Sum) -> bool {
        match (&self.truth, sum) {
            (Truth::Symbols, Sum::Symbols(right)) => right,
            (Truth::Bytes { sums, .. }, Sum::Bytes(sum)) => sums[piece as usize] == *sum.finalize(),
            _ => unreachable!("a world has one kind of bodies"),
        }
    }

    fn right(&self, block: Block, key: u64) -> Vec<u8> {
        let piece = u64::from(block.piece) * u64::from(self.layout.piece_length());
        let mut at = piece + u64::from(block.begin);
        let mut all = Vec::with_capacity(block.length as usize);
        for span in self.layout.spans(block) {
            match span.pad {
                true => all.resize(all.len() + span.length as usize, 0),
                false => all.extend(bytes(key, at, span.length)),
            }
            at += u64::from(span.length);
        }
        all
    }
}

impl Sum {
    pub(crate) fn update(&mut self, body: &Body) {
        match (self, body) {
            (Self::Symbols(right), Body::Symbol(tag)) => *right &= *tag == 0,
            (Self::Bytes(sum), Body::Bytes(bytes)) => sum.update(bytes),
            _ => unreachable!("a world has one kind of bodies"),
        }
    }
}

impl Body {
    /// The hash by which blame is found: different bytes, different digests.
    pub(crate) fn digest(&self) -> [u8; 20] {
        match self {
            Self::Symbol(tag) => {
                let mut digest = [0; 20];
                digest[..4].copy_from_slice(&tag.to_be_bytes());
                digest
            }
            Self::Bytes(bytes) => Sha1::digest(bytes).into(),
        }
    }
}

fn cut(layout: &Layout, block: Block, cells: &mut Vec<Cell>) {
    let piece = u64::from(block.piece) * u64::from(layout.piece_length());
    let mut at = piece + u64::from(block.begin);
    for span in layout.spans(block) {
        let (mut offset, end) = (span.offset, span.offset + u64::from(span.length));
        while offset < end && !span.pad {
            let to = end.min((offset / SECTOR_BYTES + 1) * SECTOR_BYTES);
            let length = (to - offset) as u32;
            cells.push(Cell { at: at + (offset - span.offset), length, file: span.file, offset });
            offset = to;
        }
        at += u64::from(span.length);
    }
}

/// The right bytes of a place: eight at a time from its number (splitmix64).
fn bytes(key: u64, at: u64, length: u32) -> Vec<u8> {
    let eight = |number: u64| {
        let mut mixed = key.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31).to_le_bytes()
    };
    let end = at + u64::from(length);
    let all = (at / 8..end.div_ceil(8)).flat_map(eight);
    all.skip((at % 8) as usize).take(length as usize).collect()
}

/// The blocks of a piece, from the one that begins at `from` on.
pub(crate) fn blocks_from(layout: &Layout, piece: u32, from: u32) -> impl Iterator<Item = Block> {
    let blocks = from.div_ceil(BLOCK_BYTES)..layout.blocks(piece);
    blocks.map(move |index| layout.block(piece, index))
}
