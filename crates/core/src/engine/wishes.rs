//! Who reads a torrent while it comes, and which pieces have to come first for that.
//!
//! Each reader has a window before it: what it will read in some seconds, at its own pace. The
//! missing pieces of all windows are wished for in one order, the first of each reader before the
//! second of any, so that none waits for another's read-ahead.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use toubkal_wire::layout::Layout;

use super::bounds::{
    HURRIED_PIECES, HURRY_TIME, READERS_MAX, WINDOW_MAX, WINDOW_MIN, WINDOW_PIECES_MAX, WINDOW_TIME,
};
use super::event::{Read, ReaderId};
use super::meter::Meter;
use crate::base::Bitset;

/// What is thought of the pace of a reader that has not read yet, when nothing comes either.
const PACE_UNTOLD: u64 = 1_000_000;

/// The readers of a torrent. A leaf: it knows no peer and no action.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    readers: Vec<Reader>,
    order: Vec<Wish>,
    /// The pieces of all windows,
    pieces: BTreeSet<u32>,
    /// and those of them that are read so soon that nothing else may be in their way.
    soon: BTreeSet<u32>,
}

/// A piece that is to come before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) piece: u32,
    /// When it will be read, from the last plan on.
    pub(super) due: Duration,
}

/// Bytes of a file that may be read, as a reader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) reader: ReaderId,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Where a reader went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// On, through what it was told of.
    On,
    /// It has come, or is elsewhere: what was wished for it is not any more.
    Away,
}

#[derive(Debug)]
struct Reader {
    read: Read,
    /// Up to here everything is verified from where it reads.
    verified: u64,
    /// What it was told last.
    told: Option<Range<u64>>,
    pace: Meter,
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// Somebody reads, or goes on; `None` when there are too many.
    pub(super) fn read(&mut self, read: Read) -> Option<Moved> {
        let known = self.readers.iter_mut().find(|reader| reader.read.reader == read.reader);
        let Some(reader) = known else {
            let room = self.readers.len() < READERS_MAX;
            let (verified, told, pace) = (read.from, None, Meter::default());
            room.then(|| self.readers.push(Reader { read, verified, told, pace }));
            return room.then_some(Moved::Away);
        };
        let before = core::mem::replace(&mut reader.read, read);
        if before.file == read.file && (before.from..=reader.verified).contains(&read.from) {
            reader.pace.add(read.from - before.from);
            return Some(Moved::On);
        }
        (reader.verified, reader.told) = (read.from, None);
        Some(Moved::Away)
    }

    /// Somebody reads no more; says whether it did.
    pub(super) fn leave(&mut self, reader: ReaderId) -> bool {
        let before = self.readers.len();
        self.readers.retain(|other| other.read.reader != reader);
        self.readers.len() < before
    }

    /// A second has gone by.
    pub(super) fn tick(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.pace.tick());
    }

    /// Puts what is missing in all windows in order. `down`: what comes, bytes a second.
    pub(super) fn plan(&mut self, layout: &Layout, have: &Bitset, down: u64) {
        let mut all = Vec::new();
        self.pieces.clear();
        for reader in &self.readers {
            let window = reader.window(layout, down);
            self.pieces.extend(window.clone());
            let missing = window.filter(|&piece| !have.has(piece)).enumerate();
            all.extend(missing.map(|(rank, piece)| (rank, reader.due(layout, piece, down))));
        }
        // Stable: of the same rank, in the order of the readers.
        all.sort_by_key(|&(rank, _)| rank);
        let mut seen = BTreeSet::new();
        self.order.clear();
        self.order.extend(all.iter().map(|&(_, wish)| wish).filter(|wish| seen.insert(wish.piece)));
        let soon = self.order.iter().enumerate();
        let soon = soon.filter(|(at, wish)| *at < HURRIED_PIECES || wish.due < HURRY_TIME);
        self.soon = soon.map(|(_, wish)| wish.piece).collect();
    }

    /// What is wished for, the next first; of some of it more may be there than there was.
    pub(super) fn order(&self) -> &[Wish] {
        &self.order
    }

    /// Whether a piece lies in a window.
    pub(super) fn has(&self, piece: u32) -> bool {
        self.pieces.contains(&piece)
    }

    /// Whether a piece is missing and read soon.
    pub(super) fn is_soon(&self, piece: u32) -> bool {
        self.soon.contains(&piece)
    }

    /// The pieces of each window.
    pub(super) fn windows(&self, layout: &Layout, down: u64) -> Vec<Range<u32>> {
        self.readers.iter().map(|reader| reader.window(layout, down)).collect()
    }

    /// Nothing may be read any more, until it is seen anew what may.
    pub(super) fn retract(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.verified = reader.read.from);
    }

    /// Looks how far everybody may read, and says who has to be told.
    pub(super) fn look(&mut self, layout: &Layout, sound: impl Fn(u32) -> bool) -> Vec<Told> {
        self.readers.iter_mut().filter_map(|reader| reader.look(layout, &sound)).collect()
    }
}

impl Reader {
    /// The pieces that hold what it reads next.
    fn window(&self, layout: &Layout, down: u64) -> Range<u32> {
        let seconds = WINDOW_TIME.as_secs();
        let ahead =
            (self.pace.best().saturating_mul(seconds)).max(down.saturating_mul(seconds) / 4);
        let end = self.read.to.min(self.read.from + ahead.clamp(WINDOW_MIN, WINDOW_MAX));
        if self.read.from >= end {
            return 0..0;
        }
        let (offset, length) = (self.offset(layout), u64::from(layout.piece_length()));
        let first = ((offset + self.read.from) / length) as u32;
        let behind = (offset + end).div_ceil(length) as u32;
        first..behind.min(first + WINDOW_PIECES_MAX)
    }

    fn due(&self, layout: &Layout, piece: u32, down: u64) -> Wish {
        let start = u64::from(piece) * u64::from(layout.piece_length());
        let away = start.saturating_sub(self.offset(layout) + self.read.from);
        let pace = match self.pace.best() {
            0 => down.max(PACE_UNTOLD),
            pace => pace,
        };
        Wish { piece, due: Duration::from_millis(away.saturating_mul(1000) / pace) }
    }

    fn look(&mut self, layout: &Layout, sound: impl Fn(u32) -> bool) -> Option<Told> {
        let (offset, length) = (self.offset(layout), u64::from(layout.piece_length()));
        let Read { reader, from, to, .. } = self.read;
        self.verified = self.verified.max(from);
        while self.verified < to {
            let piece = (offset + self.verified) / length;
            if !sound(piece as u32) {
                break;
            }
            self.verified = to.min((piece + 1) * length - offset);
        }
        let end = self.verified;
        // That it has gone on is no news for it.
        if self.told.as_ref().is_some_and(|told| told.end == end) {
            return None;
        }
        self.told = Some(from..end);
        Some(Told { reader, from, to: end })
    }

    /// Where its file begins.
    fn offset(&self, layout: &Layout) -> u64 {
        layout.files()[self.read.file as usize].offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const PIECE: u64 = 1 << 20;

    /// Two files; the second begins in the middle of piece 10.
    fn layout() -> Layout {
        let files = [(10 * PIECE + PIECE / 2, false), (1000 * PIECE, false)];
        Layout::new(PIECE as u32, files).unwrap()
    }

    fn read(reader: u64, from: u64) -> Read {
        Read { reader: ReaderId(reader), file: 1, from, to: 1000 * PIECE }
    }

    fn order(wishes: &Wishes) -> Vec<u32> {
        wishes.order().iter().map(|wish| wish.piece).collect()
    }

    #[test]
    fn the_first_piece_of_each_reader_comes_before_the_second_of_any() {
        let (layout, mut wishes) = (layout(), Wishes::default());
        let mut have = Bitset::new(layout.pieces());
        assert_eq!(wishes.read(read(1, 0)), Some(Moved::Away));
        assert_eq!(wishes.read(read(2, 100 * PIECE)), Some(Moved::Away));
        have.set(110);
        wishes.plan(&layout, &have, 0);
        assert_eq!(order(&wishes), [10, 111, 11, 112, 12]);
        assert!(wishes.has(110) && !wishes.has(13));
        // Of what both want each is wished for once.
        assert_eq!(wishes.read(read(2, PIECE)), Some(Moved::Away));
        wishes.plan(&layout, &have, 0);
        assert_eq!(order(&wishes), [10, 11, 12, 13]);
    }

    #[test]
    fn the_window_grows_with_what_is_read_and_with_what_comes() {
        let (layout, mut wishes) = (layout(), Wishes::default());
        let have = Bitset::new(layout.pieces());
        let count = |wishes: &mut Wishes, down| {
            wishes.plan(&layout, &have, down);
            wishes.order().len() as u64
        };
        wishes.read(read(1, PIECE / 2)).unwrap();
        assert_eq!(count(&mut wishes, 0), WINDOW_MIN / PIECE);
        assert_eq!(count(&mut wishes, 4 * PIECE), 8);
        assert_eq!(count(&mut wishes, u64::MAX), WINDOW_MAX / PIECE);
        assert_eq!(wishes.look(&layout, |piece| piece < 100).len(), 1);
        assert_eq!(wishes.read(read(1, PIECE / 2 + 3 * PIECE)), Some(Moved::On));
        wishes.tick();
        assert_eq!(count(&mut wishes, 0), 3 * 8);
        // Where it is elsewhere it has read nothing in between.
        assert_eq!(wishes.read(read(1, PIECE / 2 + 500 * PIECE)), Some(Moved::Away));
        assert_eq!(count(&mut wishes, 0), 3 * 8);
    }

    #[test]
    fn a_reader_is_told_once_of_what_it_may_read() {
        let (layout, mut wishes) = (layout(), Wishes::default());
        wishes.read(read(7, 5)).unwrap();
        let told = |to| vec![Told { reader: ReaderId(7), from: 5, to }];
        assert_eq!(wishes.look(&layout, |_| false), told(5));
        assert_eq!(wishes.look(&layout, |_| false), []);
        assert_eq!(wishes.look(&layout, |piece| piece == 10), told(PIECE / 2));
        assert_eq!(wishes.look(&layout, |piece| piece == 12), [], "there is a gap");
        assert_eq!(wishes.look(&layout, |_| true), told(1000 * PIECE));
        wishes.retract();
        assert_eq!(wishes.look(&layout, |_| false), told(5));
    }

    #[test]
    fn there_are_so_many_readers_and_no_more() {
        let mut wishes = Wishes::default();
        let most = READERS_MAX as u64;
        assert!((0..most).all(|reader| wishes.read(read(reader, 0)).is_some()));
        assert_eq!(wishes.read(read(most, 0)), None);
        assert!(wishes.leave(ReaderId(0)) && !wishes.leave(ReaderId(0)));
        assert!(wishes.read(read(most, 0)).is_some());
    }

    #[test]
    fn nothing_is_wished_at_the_end_of_the_file() {
        let (layout, mut wishes) = (layout(), Wishes::default());
        wishes.read(read(1, 1000 * PIECE)).unwrap();
        wishes.plan(&layout, &Bitset::new(layout.pieces()), 0);
        assert_eq!(order(&wishes), []);
    }
}
