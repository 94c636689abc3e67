//! Whole torrents hashed on all cores: checked against what they should be, or made new.

mod create;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use toubkal_wire::layout::Layout;

use crate::store::together;
pub use create::{CreateError, CreateOptions, Created, Skipped, create};
pub use verify::{Condition, FileReport, Report, VerifyError, verify};

/// Told of bytes that are done and bytes in all, on any of the threads, about once a MiB.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Bytes of neighbouring pieces that a thread takes at once: reading stays in order, and
/// threads do not meet too often.
const SHARE_BYTES: u32 = 4 * 1024 * 1024;

/// Pieces that are handed out to threads, in order.
struct Queue {
    next: AtomicU32,
    pieces: u32,
    /// Pieces that are handed out at once.
    share: u32,
    /// Somebody failed: nothing more is handed out.
    stopped: AtomicBool,
}

impl Queue {
    fn new(layout: &Layout, threads: usize) -> Self {
        let pieces = layout.pieces();
        // Enough for all lanes, as long as every thread has something to do.
        let fair = pieces.div_ceil(u32::try_from(threads).unwrap_or(u32::MAX).max(1));
        let lanes = together::lanes().min(fair).max(1);
        let share = (SHARE_BYTES / layout.piece_length()).next_multiple_of(lanes).max(lanes);
        Self { next: AtomicU32::new(0), pieces, share, stopped: AtomicBool::new(false) }
    }

    fn take(&self) -> Option<std::ops::Range<u32>> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let start = self.next.fetch_add(self.share, Ordering::Relaxed);
        (start < self.pieces).then(|| start..self.pieces.min(start + self.share))
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Counts bytes over all threads.
struct Meter<'a> {
    done: AtomicU64,
    total: u64,
    progress: Progress<'a>,
}

impl<'a> Meter<'a> {
    fn new(total: u64, progress: Progress<'a>) -> Self {
        Self { done: AtomicU64::new(0), total, progress }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done, self.total);
    }
}

/// Runs the same on so many threads, at least one, and gathers what they bring.
fn on_threads<T: Send>(threads: usize, run: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&run)).collect();
        let mut results = vec![run()];
        results
            .extend(others.into_iter().map(|other| other.join().expect("hashing does not panic")));
        results
    })
}
