//! Looking at what lies in the folder, and where the bytes of a piece are.

use std::ops::Range;
use std::sync::Arc;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{Done, Found, Opened};

use super::content::Cell;
use super::names::Name;
use super::pages::{HOLE, Pages};
use super::{Disk, SECTOR_BYTES, Step};

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Padding: zeros, never stored.
    Virtual,
    /// Nowhere yet.
    Absent,
    /// In the file with the temporary name.
    Part,
    /// In the file with the final name, of the right length.
    Whole,
    /// Nowhere: what has the final name is of another length.
    Other,
    /// Not wanted, and not there: what is needed of it is in the file of edges.
    Apart,
}

impl Disk {
    pub(super) fn open(&mut self, wanted: &Arc<[bool]>) -> Step<Done> {
        self.session.wanted = wanted.to_vec();
        self.session.places = self.survey();
        self.session.open = true;
        self.session.lost.clear();
        let found = self.session.places.iter().map(|place| place.found()).collect();
        self.note_leftovers();
        self.settle_edges()?;
        let layout = Arc::clone(&self.content.layout);
        let worth = self.pieces(Self::is_worth);
        let mut changed = self.twofold();
        for &file in &self.meddled {
            layout.pieces_of(file).for_each(|piece| _ = changed.set(piece));
        }
        Ok(Done::Opened(Opened { files: found, worth, changed }.into()))
    }

    /// Pieces with bytes in the file of edges that have a place in their own file too. Which of the
    /// two a record speaks of is not known, nor whether what is copied from one to the other is on
    /// the disk.
    pub(crate) fn twofold(&self) -> Bitset {
        let mut pieces = Bitset::new(self.content.layout.pieces());
        if self.entries[self.edges_key() as usize].name.now() == Name::None {
            return pieces;
        }
        for file in 0..self.edges_key() {
            let place = self.session.places[file as usize];
            if matches!(place, Place::Absent | Place::Part | Place::Whole) {
                for (piece, _) in self.edges_of(file) {
                    pieces.set(piece);
                }
            }
        }
        pieces
    }

    /// What an earlier life of the program wrote may not be on the disk yet.
    fn note_leftovers(&mut self) {
        let keys = 0..self.entries.len() as u32;
        let there = keys.filter(|&key| self.entries[key as usize].name.now() != Name::None);
        self.session.dirty.extend(there);
        self.session.renamed = true;
    }

    pub(super) fn survey(&self) -> Vec<Place> {
        let files = self.content.layout.files().iter().zip(&self.session.wanted);
        let place =
            |((extent, &wanted), entry): ((&toubkal_wire::layout::Extent, _), &super::Entry)| {
                match entry.name.now() {
                    _ if extent.pad => Place::Virtual,
                    Name::Whole if entry.size.now() == extent.length => Place::Whole,
                    Name::Whole => Place::Other,
                    Name::Part => Place::Part,
                    Name::None if wanted => Place::Absent,
                    Name::None => Place::Apart,
                }
            };
        files.zip(&self.entries).map(place).collect()
    }

    /// What is wanted now leaves the file of edges, the rest is remembered.
    fn settle_edges(&mut self) -> Step<()> {
        self.session.edged.clear();
        let key = self.edges_key();
        if self.entries[key as usize].name.now() == Name::None {
            return Ok(());
        }
        if !self.needs_edges() && self.unfinished() == 0 {
            return self.remove_edges();
        }
        for file in 0..key {
            let wanted = self.session.wanted[file as usize];
            match self.session.places[file as usize] {
                Place::Absent | Place::Part if wanted => self.fetch_edges(file)?,
                Place::Whole if !wanted => {
                    let edged = self.edges_of(file).into_iter().map(|(piece, _)| (piece, file));
                    self.session.edged.extend(edged);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the file of edges holds of a file, by pieces.
    fn edges_of(&self, file: u32) -> Vec<(u32, Range<u32>)> {
        let pieces = self.content.layout.pieces_of(file);
        let ends = [pieces.start, pieces.end.saturating_sub(1)];
        let ends = ends.into_iter().take(pieces.len().min(2));
        let cells = |piece| {
            let (all, own) = (self.content.of_piece(piece), self.content.of_file(file));
            all.start.max(own.start)..all.end.min(own.end)
        };
        let spans = ends.filter(|&piece| self.content.is_shared(piece));
        let spans = spans.map(|piece| (piece, cells(piece)));
        spans.filter(|(_, cells)| cells.clone().all(|cell| self.edges.read(cell) != HOLE)).collect()
    }

    /// Copies what a file needs out of the file of edges, unless the file has it.
    fn fetch_edges(&mut self, file: u32) -> Step<()> {
        let mut spans = self.edges_of(file);
        if self.session.places[file as usize] == Place::Part {
            // All looked at before the first is copied: two may share a sector.
            spans.retain(|(_, cells)| !cells.clone().all(|cell| self.is_data(cell)));
        }
        for (_, cells) in spans {
            self.make_part(file)?;
            self.step()?;
            for cell in cells {
                self.put_main(cell, self.edges.read(cell));
            }
        }
        Ok(())
    }

    /// Whether the file system has data where a cell is: in some cell of the same sector.
    fn is_data(&self, cell: u32) -> bool {
        let Cell { file, offset, length, .. } = self.content.cell(cell);
        let (sector, own) = (offset / SECTOR_BYTES, self.content.of_file(file));
        let near = cell.saturating_sub(NEAR).max(own.start)..own.end.min(cell + NEAR);
        let mut same = near.filter(|&near| self.content.cell(near).offset / SECTOR_BYTES == sector);
        offset + u64::from(length) <= self.entries[file as usize].size.now()
            && same.any(|near| self.main.read(near) != HOLE)
    }

    /// Whether every byte of a piece may be there.
    fn is_worth(&self, piece: u32) -> bool {
        let edges = |file: u32| {
            !self.session.wanted[file as usize]
                && self.edges_of(file).iter().any(|&(held, _)| held == piece)
        };
        self.content.layout.files_of(piece).all(|file| {
            let cells = self.content.of_piece(piece);
            let own = self.content.of_file(file);
            let mut cells = cells.start.max(own.start)..cells.end.min(own.end);
            match self.session.places[file as usize] {
                _ if cells.is_empty() => true,
                Place::Virtual | Place::Whole => true,
                Place::Part => cells.all(|cell| self.is_data(cell)),
                Place::Apart | Place::Other => edges(file),
                Place::Absent => false,
            }
        })
    }

    /// Where a cell is read: its pages, its file among the entries, and how long that file must
    /// be to hold it.
    pub(super) fn source(&self, cell: u32) -> Option<(&Pages, u32, u64)> {
        let Cell { at, length, file, offset } = self.content.cell(cell);
        let main = Some((&self.main, file, offset + u64::from(length)));
        let edges = || Some((&self.edges, self.edges_key(), at + u64::from(length)));
        match self.session.places[file as usize] {
            Place::Virtual | Place::Absent => None,
            Place::Part => main,
            Place::Whole => {
                let piece = self.content.piece_at(cell);
                let edged = self.session.edged.contains(&(piece, file));
                if edged { edges() } else { main }
            }
            Place::Apart => edges(),
            Place::Other if self.session.wanted[file as usize] => None,
            Place::Other => edges(),
        }
    }

    /// Whether some file has bytes that may be in the file of edges.
    pub(super) fn needs_edges(&self) -> bool {
        let mut files = self.session.places.iter().zip(&self.session.wanted);
        files.any(|(place, wanted)| !wanted && !matches!(place, Place::Part | Place::Virtual))
    }

    /// Wanted files that have not got their final names.
    pub(super) fn unfinished(&self) -> usize {
        let files = self.session.places.iter().zip(&self.session.wanted);
        let rest = |(place, wanted): &(&Place, &bool)| {
            **wanted && !matches!(place, Place::Whole | Place::Virtual)
        };
        files.filter(rest).count()
    }
}

/// Cells that one sector may have on either side of a cell of its own: blocks are no shorter than
/// a quarter of a sector, save the last of a piece.
const NEAR: u32 = 16;

impl Place {
    fn found(self) -> Found {
        match self {
            Self::Virtual => Found::Virtual,
            Self::Absent | Self::Apart => Found::Absent,
            Self::Part => Found::Part,
            Self::Whole => Found::Whole,
            Self::Other => Found::Other,
        }
    }
}
