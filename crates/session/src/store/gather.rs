//! Blocks that wait to be written together: neighbours in a file go to the disk in one call.

use std::sync::Arc;

use toubkal_core::engine::{Done, JobId, StoreError, TorrentId};
use toubkal_wire::layout::Block;

use super::disk::{Disk, fault};
use super::{Answer, Buffer, Reply, rw};

/// Blocks that are gathered before they are written, though more are queued: 4 MiB.
const BLOCKS_MAX: usize = 256;

/// Writes that were taken from the queue and not done yet.
#[derive(Default)]
pub(super) struct Gather {
    writes: Vec<Write>,
    parts: Vec<Part>,
}

struct Write {
    disk: Arc<Disk>,
    job: JobId,
    block: Block,
    buffer: Buffer,
    result: Result<Done, StoreError>,
}

/// What goes to one place of one file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// Torrent, file, place in the file: neighbours are sorted next to each other, and bytes
    /// for the same place stay in the order in which they came.
    torrent: TorrentId,
    key: u32,
    offset: u64,
    /// Index of the write.
    write: usize,
    /// Index of the file in the torrent, which `key` need not be.
    file: u32,
    /// The bytes in the write's buffer.
    start: usize,
    end: usize,
}

impl Gather {
    pub(super) fn is_full(&self) -> bool {
        self.writes.len() >= BLOCKS_MAX
    }

    /// Whether some block of the piece waits here.
    pub(super) fn holds(&self, torrent: TorrentId, piece: u32) -> bool {
        self.writes.iter().any(|write| write.disk.torrent == torrent && write.block.piece == piece)
    }

    /// Adds a block.
    pub(super) fn push(&mut self, disk: Arc<Disk>, job: JobId, block: Block, buffer: Buffer) {
        let mut result = Ok(Done::Stored);
        let (first, mut start) = (self.parts.len(), 0);
        let index = self.writes.len();
        for span in disk.files.layout().spans(block) {
            let end = start + span.length as usize;
            match disk.aim(block, span) {
                Ok(Some((key, offset))) => {
                    let (torrent, file) = (disk.torrent, span.file);
                    self.parts.push(Part { torrent, key, offset, write: index, file, start, end });
                }
                Ok(None) => {}
                Err(kind) => {
                    self.parts.truncate(first);
                    result = Err(fault(span.file)(kind));
                    break;
                }
            }
            start = end;
        }
        self.writes.push(Write { disk, job, block, buffer, result });
    }

    /// Writes everything and answers, in the order in which the blocks came. Tells of each piece
    /// of which a block could not be written.
    pub(super) fn flush(&mut self, answer: &Answer, mut failed: impl FnMut(TorrentId, u32)) {
        self.parts.sort_unstable();
        let mut parts = &self.parts[..];
        while !parts.is_empty() {
            let (run, rest) = parts.split_at(run(parts));
            parts = rest;
            if let Err(error) = write_run(&self.writes, run) {
                for part in run {
                    self.writes[part.write].result = Err(error);
                }
            }
        }
        self.parts.clear();
        for write in self.writes.drain(..) {
            let Write { disk, job, block, buffer, result } = write;
            if result.is_err() {
                failed(disk.torrent, block.piece);
            }
            answer(Reply::Job { job, result, buffer: Some(buffer) });
        }
    }
}

/// How many of the first parts are one stretch of one file.
fn run(parts: &[Part]) -> usize {
    let neighbours = |pair: &[Part]| {
        let (a, b) = (pair[0], pair[1]);
        (a.torrent, a.key) == (b.torrent, b.key) && a.offset + (a.end - a.start) as u64 == b.offset
    };
    let longer = parts.windows(2).take(rw::SLICES_MAX - 1).take_while(|pair| neighbours(pair));
    1 + longer.count()
}

fn write_run(writes: &[Write], run: &[Part]) -> Result<(), StoreError> {
    let mut slices = [&[][..]; rw::SLICES_MAX];
    for (slice, part) in slices.iter_mut().zip(run) {
        *slice = &writes[part.write].buffer[part.start..part.end];
    }
    let disk = &writes[run[0].write].disk;
    disk.write(run[0].key, &slices[..run.len()], run[0].offset).map_err(fault(run[0].file))
}
