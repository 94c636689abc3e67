//! Pieces laid over files: which bytes of which file a block is.
//!
//! A torrent is the concatenation of its files (BEP 3), padding files included (BEP 47). A piece
//! is a range of that concatenation, so it may touch many files, and a file many pieces.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// Bytes in a block, the unit of a request (BEP 3 names 16 KiB; nobody answers longer ones).
pub const BLOCK_BYTES: u32 = 16 * 1024;
/// The longest piece that is accepted: 256 MiB.
pub const PIECE_BYTES_MAX: u32 = 256 * 1024 * 1024;
/// The most pieces that a torrent may have.
pub const PIECES_MAX: u32 = 1 << 22;

/// A block: `length` bytes at offset `begin` of piece `piece`.
///
/// Our own requests are multiples of [`BLOCK_BYTES`] from the start of the piece, of that length
/// save at the piece's end. A peer may ask for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// The piece, from 0.
    pub piece: u32,
    /// Bytes from the start of the piece.
    pub begin: u32,
    /// Bytes in the block.
    pub length: u32,
}

/// A file's place in the torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the torrent before the file.
    pub offset: u64,
    /// Bytes in the file; may be 0.
    pub length: u64,
    /// A padding file (BEP 47): all zeros, never on disk.
    pub pad: bool,
}

/// A part of a block that lies in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of the file in the torrent.
    pub file: u32,
    /// Bytes from the start of that file.
    pub offset: u64,
    /// Bytes in the span, at least 1.
    pub length: u32,
    /// The file is padding: its bytes are zeros and are not stored.
    pub pad: bool,
}

/// Why sizes do not make a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// The piece length is 0 or above [`PIECE_BYTES_MAX`].
    PieceLength,
    /// The files together are longer than 2^63 bytes.
    TotalLength,
    /// More than [`PIECES_MAX`] pieces.
    TooManyPieces,
    /// More than 2^32 - 1 files.
    TooManyFiles,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PieceLength => "the piece length is zero or above 256 MiB",
            Self::TotalLength => "the files together are longer than 2^63 bytes",
            Self::TooManyPieces => "there are more than 4,194,304 pieces",
            Self::TooManyFiles => "there are more than 2^32 - 1 files",
        })
    }
}

impl core::error::Error for LayoutError {}

/// The shape of a torrent: piece length and files, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    piece_length: u32,
    pieces: u32,
    total: u64,
    files: Box<[Extent]>,
}

impl Layout {
    /// Lays pieces of `piece_length` bytes over files, given as (length in bytes, padding).
    ///
    /// # Errors
    /// When a number is outside its range, see [`LayoutError`].
    pub fn new(
        piece_length: u32,
        files: impl IntoIterator<Item = (u64, bool)>,
    ) -> Result<Self, LayoutError> {
        if piece_length == 0 || piece_length > PIECE_BYTES_MAX {
            return Err(LayoutError::PieceLength);
        }
        let mut total: u64 = 0;
        let mut extents = Vec::new();
        for (length, pad) in files {
            extents.push(Extent { offset: total, length, pad });
            total = total.checked_add(length).ok_or(LayoutError::TotalLength)?;
            if total > i64::MAX as u64 {
                return Err(LayoutError::TotalLength);
            }
        }
        if u32::try_from(extents.len()).is_err() {
            return Err(LayoutError::TooManyFiles);
        }
        let pieces = total.div_ceil(u64::from(piece_length));
        if pieces > u64::from(PIECES_MAX) {
            return Err(LayoutError::TooManyPieces);
        }
        Ok(Self { piece_length, pieces: pieces as u32, total, files: extents.into() })
    }

    /// Bytes in every piece but the last.
    #[must_use]
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces; 0 when all files are empty.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes of all files together, padding included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The files in the order of the torrent.
    #[must_use]
    pub fn files(&self) -> &[Extent] {
        &self.files
    }

    /// Bytes in this piece: shorter than the others only for the last.
    ///
    /// # Panics
    /// When there is no such piece.
    #[must_use]
    pub fn piece_size(&self, piece: u32) -> u32 {
        assert!(piece < self.pieces, "piece {piece} of {}", self.pieces);
        let start = u64::from(piece) * u64::from(self.piece_length);
        u64::from(self.piece_length).min(self.total - start) as u32
    }

    /// Number of blocks in this piece.
    #[must_use]
    pub fn blocks(&self, piece: u32) -> u32 {
        self.piece_size(piece).div_ceil(BLOCK_BYTES)
    }

    /// The `index`-th block of a piece.
    #[must_use]
    pub fn block(&self, piece: u32, index: u32) -> Block {
        let begin = index * BLOCK_BYTES;
        Block { piece, begin, length: BLOCK_BYTES.min(self.piece_size(piece) - begin) }
    }

    /// The index of a block in its piece, if it is one that [`Layout::block`] gives.
    #[must_use]
    pub fn block_index(&self, block: Block) -> Option<u32> {
        if block.piece >= self.pieces || !block.begin.is_multiple_of(BLOCK_BYTES) {
            return None;
        }
        let size = self.piece_size(block.piece);
        let fits = block.begin < size && block.length == BLOCK_BYTES.min(size - block.begin);
        fits.then_some(block.begin / BLOCK_BYTES)
    }

    /// Whether the block is not empty and lies inside its piece.
    #[must_use]
    pub fn contains(&self, block: Block) -> bool {
        block.piece < self.pieces
            && block.length > 0
            && u64::from(block.begin) + u64::from(block.length)
                <= u64::from(self.piece_size(block.piece))
    }

    /// The parts of a block, file by file in order. Empty files have none.
    ///
    /// # Panics
    /// When the block is not inside its piece.
    pub fn spans(&self, block: Block) -> impl Iterator<Item = Span> + '_ {
        assert!(self.contains(block), "{block:?} is not in the torrent");
        let start = u64::from(block.piece) * u64::from(self.piece_length) + u64::from(block.begin);
        self.spans_of(start..start + u64::from(block.length))
    }

    /// The pieces that hold bytes of this file; empty for an empty file.
    #[must_use]
    pub fn pieces_of(&self, file: u32) -> Range<u32> {
        let extent = self.files[file as usize];
        let piece = u64::from(self.piece_length);
        let first = (extent.offset / piece) as u32;
        if extent.length == 0 {
            return first..first;
        }
        first..(extent.offset + extent.length).div_ceil(piece) as u32
    }

    /// The files that hold bytes of this piece, empty files apart from those between them.
    #[must_use]
    pub fn files_of(&self, piece: u32) -> Range<u32> {
        let start = u64::from(piece) * u64::from(self.piece_length);
        let end = start + u64::from(self.piece_size(piece));
        self.first_file_at(start)..self.files.partition_point(|f| f.offset < end) as u32
    }

    fn spans_of(&self, range: Range<u64>) -> impl Iterator<Item = Span> + '_ {
        let first = self.first_file_at(range.start) as usize;
        let ends = range.end;
        self.files[first..]
            .iter()
            .enumerate()
            .take_while(move |(_, file)| file.offset < ends)
            .filter_map(move |(index, file)| {
                let from = range.start.max(file.offset);
                let to = range.end.min(file.offset + file.length);
                (from < to).then(|| Span {
                    file: (first + index) as u32,
                    offset: from - file.offset,
                    length: (to - from) as u32,
                    pad: file.pad,
                })
            })
    }

    /// The file that holds the byte at `offset` of the torrent.
    fn first_file_at(&self, offset: u64) -> u32 {
        self.files.partition_point(|file| file.offset + file.length <= offset) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn layout(piece_length: u32, files: &[u64]) -> Layout {
        Layout::new(piece_length, files.iter().map(|&length| (length, false))).unwrap()
    }

    #[test]
    fn a_piece_may_touch_many_files() {
        let layout = layout(32 * 1024, &[10, 0, 5, 40_000]);
        assert_eq!(layout.pieces(), 2);
        let spans: Vec<_> =
            layout.spans(layout.block(0, 0)).map(|s| (s.file, s.offset, s.length)).collect();
        assert_eq!(spans, [(0, 0, 10), (2, 0, 5), (3, 0, 16_384 - 15)]);
        assert_eq!(layout.files_of(0), 0..4);
        assert_eq!(layout.files_of(1), 3..4);
        assert_eq!(layout.pieces_of(0), 0..1);
        assert_eq!(layout.pieces_of(1), 0..0);
        assert_eq!(layout.pieces_of(3), 0..2);
    }

    #[test]
    fn the_last_piece_and_block_are_short() {
        let layout = layout(32 * 1024, &[70_000]);
        assert_eq!(layout.pieces(), 3);
        assert_eq!(layout.piece_size(2), 70_000 - 65_536);
        assert_eq!(layout.block(2, 0), Block { piece: 2, begin: 0, length: 4464 });
        assert_eq!(layout.block_index(Block { piece: 2, begin: 0, length: 4464 }), Some(0));
        assert_eq!(layout.block_index(Block { piece: 2, begin: 0, length: 4463 }), None);
        assert!(!layout.contains(Block { piece: 2, begin: 4000, length: 500 }));
        assert!(!layout.contains(Block { piece: 2, begin: u32::MAX, length: u32::MAX }));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(Layout::new(0, []), Err(LayoutError::PieceLength));
        assert_eq!(
            Layout::new(16_384, [(u64::MAX, false), (2, false)]),
            Err(LayoutError::TotalLength)
        );
        assert_eq!(Layout::new(1, [(1 << 40, false)]), Err(LayoutError::TooManyPieces));
        assert_eq!(Layout::new(16_384, []).unwrap().pieces(), 0);
    }

    proptest! {
        #[test]
        fn spans_tile_the_torrent(
            files in prop::collection::vec(0u64..5000, 1..20),
            piece_length in 1u32..3000,
        ) {
            let layout = layout(piece_length, &files);
            let mut filled = vec![0u64; files.len()];
            for piece in 0..layout.pieces() {
                for index in 0..layout.blocks(piece) {
                    let block = layout.block(piece, index);
                    prop_assert_eq!(layout.block_index(block), Some(index));
                    let mut sum = 0;
                    for span in layout.spans(block) {
                        prop_assert_eq!(span.offset, filled[span.file as usize]);
                        prop_assert!(layout.pieces_of(span.file).contains(&piece));
                        prop_assert!(layout.files_of(piece).contains(&span.file));
                        filled[span.file as usize] += u64::from(span.length);
                        sum += span.length;
                    }
                    prop_assert_eq!(sum, block.length);
                }
            }
            prop_assert_eq!(filled, files);
        }
    }
}
