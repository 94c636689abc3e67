//! The store: threads that hash, write, read and rename the files of torrents.
//!
//! Jobs of one piece go to one lane (a thread with a queue), so they are done in the order they
//! were given and the running hash of a piece needs no lock. Blocks for peers are read on lanes
//! of their own, so no upload waits behind writes. What is slow and of no piece (looking into a
//! folder, syncing, renaming) has a lane of its own too, so no write waits for a disk's sync.

mod buffer;
mod files;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use toubkal_core::engine::{Done, JobId, LinkId, StoreError, StoreErrorKind, TorrentId};
use toubkal_wire::layout::Block;

pub(crate) use buffer::{BUFFER_BYTES_MAX, Buffer, Pool};
pub use files::{TorrentFiles, Verifier};

/// Work for the store. See [`toubkal_core::engine::Action`] for what each means.
#[derive(Debug)]
pub(crate) enum Task {
    Open { job: JobId, torrent: TorrentId, wanted: Arc<[bool]> },
    Write { job: JobId, torrent: TorrentId, block: Block, buffer: Buffer, digest: bool },
    Verify { job: JobId, torrent: TorrentId, piece: u32, hashed: u32 },
    Digest { job: JobId, torrent: TorrentId, piece: u32 },
    Unhash { torrent: TorrentId, piece: u32 },
    Reclaim { job: JobId, torrent: TorrentId, file: u32 },
    Finish { job: JobId, torrent: TorrentId, file: u32 },
    Sync { job: JobId, torrent: TorrentId },
    Release { torrent: TorrentId },
    Read { link: LinkId, torrent: TorrentId, block: Block },
}

/// An answer. Every task with a job, and every read, gets exactly one.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A job is over; a write gives its buffer back, also when it failed.
    Job { job: JobId, result: Result<Done, StoreError>, buffer: Option<Buffer> },
    /// A block for a peer.
    Read { link: LinkId, block: Block, result: Result<Buffer, StoreError> },
}

/// How answers leave: called on the store's threads, must not block.
type Answer = Arc<dyn Fn(Reply) + Send + Sync>;

/// The handle to the threads. Dropping it stops them after what is queued.
pub(crate) struct Store {
    torrents: Mutex<HashMap<TorrentId, Arc<TorrentFiles>>>,
    answer: Answer,
}

impl Store {
    /// Starts `workers` lanes for blocks (at least 1), and the lanes for reads and for chores.
    pub(crate) fn start(_workers: usize, reply: impl Fn(Reply) + Send + Sync + 'static) -> Self {
        Self { torrents: Mutex::default(), answer: Arc::new(reply) }
    }

    /// Tells where the files of a torrent are; before its first task.
    pub(crate) fn add(&self, torrent: TorrentId, files: Arc<TorrentFiles>) {
        let mut torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        torrents.insert(torrent, files);
    }

    /// Forgets a torrent that was released.
    pub(crate) fn remove(&self, torrent: TorrentId) {
        let mut torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        torrents.remove(&torrent);
    }

    /// Queues a task; never blocks. The engine bounds how many are under way.
    pub(crate) fn submit(&self, task: Task) {
        let missing = StoreError { kind: StoreErrorKind::Missing, file: None };
        let (job, buffer) = match task {
            Task::Read { link, block, .. } => {
                return (self.answer)(Reply::Read { link, block, result: Err(missing) });
            }
            Task::Unhash { .. } | Task::Release { .. } => return,
            Task::Write { job, buffer, .. } => (job, Some(buffer)),
            Task::Open { job, .. }
            | Task::Verify { job, .. }
            | Task::Digest { job, .. }
            | Task::Reclaim { job, .. }
            | Task::Finish { job, .. }
            | Task::Sync { job, .. } => (job, None),
        };
        (self.answer)(Reply::Job { job, result: Err(missing), buffer });
    }

    /// Finishes what is queued, and ends the threads.
    pub(crate) fn stop(self) {}
}
