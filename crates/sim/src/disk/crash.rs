//! The end of a program, and what it leaves: the disk alone.

use toubkal_core::base::{Bitset, Rng};
use toubkal_core::engine::{Memory, Record};

use super::names::Name;
use super::pages::{HOLE, Value, ZEROS};
use super::{Body, Choose, Disk, Op, Session};
use toubkal_wire::layout::{BLOCK_BYTES, Block};

/// How a program ends that is not asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It dies; the system keeps what it was given.
    Process,
    /// The power goes: of what is not synced, anything may be left.
    Power,
}

impl Disk {
    /// The program is gone in the middle of these operations. What is left is what the next one
    /// will find.
    pub(crate) fn crash(&mut self, crash: Crash, running: Vec<Op>, choose: &mut dyn Choose) {
        self.out = false;
        self.crash_at = None;
        for op in running.into_iter().chain(self.cut.take()) {
            self.leave_off(op, choose);
        }
        if crash == Crash::Power {
            self.lose(choose);
        }
        let wanted = std::mem::take(&mut self.session.wanted);
        self.session = Session { wanted, ..Session::default() };
        self.session.places = self.survey();
    }

    /// What a record says to a program that starts now.
    pub(crate) fn recall(&self) -> Option<Memory> {
        self.book.recall(self.boot)
    }

    pub(crate) fn last_record(&self) -> Option<&Record> {
        self.book.last()
    }

    /// Damages one cell of a piece that is not among these; says of which. Nobody can tell before
    /// it is read: damage to what is remembered as synced is not survivable without a check, so
    /// spare that.
    pub(crate) fn rot(&mut self, spare: &Bitset, rng: &mut Rng) -> Option<u32> {
        let there = |&cell: &u32| {
            let held = !matches!(self.main.read(cell), HOLE | ZEROS);
            held && !spare.has(self.content.piece_at(cell))
        };
        let cells: Vec<u32> = (0..self.content.count()).filter(there).collect();
        if cells.is_empty() {
            return None;
        }
        let cell = cells[rng.index(cells.len())];
        let lie = self.fresh_lie(cell, rng);
        self.main.set(cell..cell + 1, lie);
        Some(self.content.piece_at(cell))
    }

    /// Whether a file lies complete, and right, under its final name.
    pub(crate) fn is_finished(&self, file: u32) -> bool {
        let (entry, extent) =
            (&self.entries[file as usize], self.content.layout.files()[file as usize]);
        let mut cells = self.content.of_file(file);
        entry.name.now() == Name::Whole
            && entry.size.now() == extent.length
            && cells.all(|cell| self.main.read(cell) == 0)
    }

    /// Whether something lies under the final name of a file.
    pub(crate) fn has_final_name(&self, file: u32) -> bool {
        self.entries[file as usize].name.now() == Name::Whole
    }

    /// An operation that was under way: nothing of it is done, or a part.
    fn leave_off(&mut self, op: Op, choose: &mut dyn Choose) {
        match op {
            Op::Write { block, body, .. } => {
                let index = block.begin / BLOCK_BYTES;
                for cell in self.content.of_block(block.piece, index) {
                    // Of a system call a part of the bytes is taken, or all of them.
                    let done = match choose.choose(3) {
                        0 => break,
                        1 => self.put(cell, block, &body),
                        _ => self.tear(cell, block, &body, choose),
                    };
                    if done.is_err() {
                        break;
                    }
                }
            }
            Op::Record(record) if choose.choose(2) == 1 => self.book.commit(self.boot, record),
            // Whatever they have done is done already; what a sync would bring to the disk may be
            // there or not as if there were none.
            _ => {}
        }
    }

    fn tear(
        &mut self,
        cell: u32,
        block: Block,
        body: &Body,
        choose: &mut dyn Choose,
    ) -> super::Step<()> {
        // What is not there yet is not written to in part.
        let Some(old) = self.source(cell).map(|(pages, ..)| pages.read(cell)) else {
            return Ok(());
        };
        let place = self.content.cell(cell);
        let new = self.value(place, block, body);
        let torn = self.mix(choose, cell, old, new);
        match self.aim(place.file, block.piece)? {
            Some(true) => self.put_edges(cell, torn),
            Some(false) => self.put_main(cell, torn),
            None => {}
        }
        Ok(())
    }

    fn lose(&mut self, choose: &mut dyn Choose) {
        self.boot += 1;
        let mut pages = [self.main.clone(), self.edges.clone()];
        for pages in &mut pages {
            pages.crash(choose, |choose, cell, old, new| self.mix(choose, cell, old, new));
        }
        let [main, edges] = pages;
        (self.main, self.edges) = (main, edges);
        for key in 0..self.entries.len() {
            let entry = &mut self.entries[key];
            entry.name.crash(choose);
            entry.size.crash(choose);
            if entry.name.now() == Name::None {
                *entry = super::Entry::new(Name::None, 0);
            }
            let size = entry.size.now();
            self.cut_off(key as u32, size);
        }
        self.book.crash(choose);
    }

    /// Bytes behind the end of a file are nowhere.
    fn cut_off(&mut self, key: u32, size: u64) {
        if key == self.edges_key() {
            for index in 0..self.content.count() {
                let cell = self.content.cell(index);
                if cell.at + u64::from(cell.length) > size && self.edges.read(index) != HOLE {
                    self.edges.set(index..index + 1, HOLE);
                }
            }
            return;
        }
        for index in self.content.of_file(key) {
            let cell = self.content.cell(index);
            if cell.offset + u64::from(cell.length) > size && self.main.read(index) != HOLE {
                self.main.set(index..index + 1, HOLE);
            }
        }
    }

    /// A torn write: some bytes as they were, some as they were to be.
    fn mix(&mut self, choose: &mut dyn Choose, cell: u32, old: Value, new: Value) -> Value {
        if old == new {
            return old;
        }
        if self.content.is_symbolic() {
            self.next_lie += 1;
            return self.next_lie;
        }
        let place = self.content.cell(cell);
        let cut = choose.choose(8) as usize * place.length as usize / 8;
        let mut bytes = self.cell_bytes(place, new);
        bytes[cut..].copy_from_slice(&self.cell_bytes(place, old)[cut..]);
        self.value_of(place, &bytes)
    }

    fn fresh_lie(&mut self, cell: u32, rng: &mut Rng) -> Value {
        if self.content.is_symbolic() {
            self.next_lie += 1;
            return self.next_lie;
        }
        let place = self.content.cell(cell);
        let mut bytes = self.cell_bytes(place, self.main.read(cell));
        let at = rng.index(bytes.len());
        bytes[at] ^= 1 << rng.below(8);
        self.value_of(place, &bytes)
    }
}
