//! Blocks for peers: neighbours are read with one call.

use std::sync::Arc;
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

/// A block that a peer wants.
struct Wanted {
    disk: Arc<Disk>,
    link: LinkId,
    block: Block,
}

/// A thread for blocks that peers want.
pub(super) fn serve(inbox: &Receiver<Order>, answer: &Answer, pool: &Pool) {
    let (mut scratch, mut done) = (Vec::new(), Vec::new());
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
            read_run(run, pool, &mut scratch, &mut done);
            if start.elapsed() > READ_TIME {
                answer(Reply::Reads(mem::take(&mut done)));
                start = Instant::now();
            }
        }
        if !done.is_empty() {
            answer(Reply::Reads(mem::take(&mut done)));
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

/// Reads neighbouring blocks, with one call if they lie in one file.
fn read_run(run: &[Wanted], pool: &Pool, scratch: &mut Vec<u8>, done: &mut Vec<ReadBlock>) {
    let [Wanted { disk, block: first, .. }, ..] = run else { return };
    let length = run.iter().map(|wanted| wanted.block.length).sum();
    let mut buffers: Vec<Buffer> =
        run.iter().map(|wanted| pool.lend(wanted.block.length as usize)).collect();
    let whole = Block { length, ..*first };
    let got = if run.len() > 1 { disk.read_run(whole, &mut buffers) } else { None };
    let sound = match got {
        Some(Ok(got)) => is_sound(disk, whole, got, scratch).is_ok(),
        _ => false,
    };
    for (wanted, mut buffer) in run.iter().zip(buffers) {
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
fn is_sound(disk: &Disk, block: Block, got: Got, scratch: &mut Vec<u8>) -> Result2<()> {
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
