//! Blocks for peers: neighbours are read with one call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{iter, mem};

use crossbeam_channel::Receiver;
use toubkal_core::engine::{LinkId, StoreErrorKind};
use toubkal_wire::layout::Block;

use super::disk::{Disk, Got, Result2, fault};
use super::lane::{Order, check};
use super::{Answer, Buffer, Pool, ReadBlock, Reply, Task};

/// Blocks that are read and answered together, so that they can be sent together: 512 KiB.
const READS: usize = 32;
/// When the disk is slow, nothing that was read waits longer than this for the others.
const READ_TIME: Duration = Duration::from_millis(1);

/// Rows of answers that are kept to be used again.
const ROWS_KEPT: usize = 16;

/// Memory for rows of answers, used again and again. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows(Arc<Mutex<Vec<Vec<ReadBlock>>>>);

impl Rows {
    fn take(&self) -> Vec<ReadBlock> {
        let row = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        row.unwrap_or_else(|| Vec::with_capacity(READS))
    }

    /// Takes back a row that was read.
    pub(super) fn keep(&self, mut row: Vec<ReadBlock>) {
        row.clear();
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() < ROWS_KEPT {
            rows.push(row);
        }
    }
}

/// A block that a peer wants.
struct Wanted {
    disk: Arc<Disk>,
    link: LinkId,
    block: Block,
}

/// A thread for blocks that peers want.
pub(super) fn serve(inbox: &Receiver<Order>, answer: &Answer, pool: &Pool, rows: &Rows) {
    let (mut scratch, mut buffers, mut done) = (Vec::new(), Vec::new(), rows.take());
    let mut wanted: Vec<Wanted> = Vec::with_capacity(READS);
    while let Ok(first) = inbox.recv() {
        wanted.extend(iter::once(first).chain(inbox.try_iter()).take(READS).map(|order| {
            let Order::Task(disk, Task::Read { link, block, .. }) = order else {
                unreachable!("readers only read")
            };
            Wanted { disk, link, block }
        }));
        let mut start = Instant::now();
        for run in wanted.chunk_by(follows) {
            buffers.extend(run.iter().map(|wanted| pool.lend(wanted.block.length as usize)));
            read_run(run, &mut buffers, &mut scratch, &mut done);
            if start.elapsed() > READ_TIME {
                answer(Reply::Reads(mem::replace(&mut done, rows.take())));
                start = Instant::now();
            }
        }
        if !done.is_empty() {
            answer(Reply::Reads(mem::replace(&mut done, rows.take())));
        }
        wanted.clear();
    }
}

/// Whether the second block lies behind the first in a piece.
fn follows(first: &Wanted, second: &Wanted) -> bool {
    let (a, b) = (first.block, second.block);
    Arc::ptr_eq(&first.disk, &second.disk)
        && a.piece == b.piece
        && a.begin.checked_add(a.length) == Some(b.begin)
}

/// Reads neighbouring blocks into these buffers, with one call if they lie in one file.
fn read_run(
    run: &[Wanted],
    buffers: &mut Vec<Buffer>,
    scratch: &mut Vec<u8>,
    done: &mut Vec<ReadBlock>,
) {
    let [Wanted { disk, block: first, .. }, ..] = run else { return };
    let length = run.iter().map(|wanted| wanted.block.length).sum();
    let whole = Block { length, ..*first };
    let got = if run.len() > 1 { disk.read_run(whole, buffers) } else { None };
    let sound = match got {
        Some(Ok(got)) => is_sound(disk, whole, got, scratch).is_ok(),
        _ => false,
    };
    for (wanted, mut buffer) in run.iter().zip(buffers.drain(..)) {
        let &Wanted { ref disk, link, block } = wanted;
        // What is wrong with one of them is found by reading each.
        let result = if sound {
            Ok(buffer)
        } else {
            let got = disk.read(block, &mut buffer);
            got.and_then(|got| is_sound(disk, block, got, scratch)).map(|()| buffer)
        };
        done.push(ReadBlock { link, block, result });
    }
}

/// Whether what was read may leave.
pub(super) fn is_sound(disk: &Disk, block: Block, got: Got, scratch: &mut Vec<u8>) -> Result2<()> {
    if let Some(file) = got.short {
        return Err(fault(file)(StoreErrorKind::Changed));
    }
    // Somebody wrote to a file that was complete. It may be the same bytes: only then they leave.
    if let Some(file) = got.touched
        && !disk.is_still_right(block.piece, || check(disk, block.piece, None, scratch))?
    {
        return Err(fault(file)(StoreErrorKind::Changed));
    }
    Ok(())
}
