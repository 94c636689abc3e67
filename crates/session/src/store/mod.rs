//! The store: threads that hash, write, read and rename the files of torrents.
//!
//! Jobs of one piece go to one lane (a thread with a queue), so they are done in the order they
//! were given and the running hash of a piece needs no lock. Blocks for peers are read on lanes
//! of their own, so no upload waits behind writes. What is slow and of no piece (looking into a
//! folder, syncing, renaming) has a lane of its own too, so no write waits for a disk's sync.

mod buffer;
mod chores;
mod disk;
mod disks;
pub(crate) mod files;
mod gather;
mod handles;
mod hot;
mod inspect;
mod keep;
mod lane;
mod left;
mod lock;
mod open;
mod reads;
mod rw;
#[cfg(test)]
mod tests;
pub(crate) mod together;
mod verifier;

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use toubkal_core::engine::{Done, JobId, LinkId, Record, StoreError, TorrentId};
use toubkal_wire::layout::Block;

pub(crate) use buffer::{Buffer, Pool};
use disk::Disk;
pub(crate) use disks::Disks;
pub use files::TorrentFiles;
use handles::Handles;
pub(crate) use inspect::Inspection;
use keep::Kept;
use lane::{Lane, Order};
pub(crate) use left::{Ledger, Left, Mark, Marks, Then};
use reads::Rows;
pub(crate) use rw::{ahead, read_at};
pub(crate) use verifier::Sum;
pub use verifier::Verifier;

/// Bytes of buffers for reads that are kept to be used again; the engine bounds how many are out.
const READ_BYTES_KEPT: usize = 8 * 1024 * 1024;

/// Work for the store. See [`toubkal_core::engine::Action`] for what each means.
#[derive(Debug)]
pub(crate) enum Task {
    Open { job: JobId, torrent: TorrentId, wanted: Arc<[bool]> },
    Write { job: JobId, torrent: TorrentId, block: Block, buffer: Buffer, digest: bool },
    Verify { job: JobId, torrent: TorrentId, piece: u32, hashed: u32 },
    Digest { job: JobId, torrent: TorrentId, piece: u32 },
    Reclaim { job: JobId, torrent: TorrentId, file: u32 },
    Finish { job: JobId, torrent: TorrentId, file: u32 },
    Sync { job: JobId, torrent: TorrentId },
    Record { job: JobId, torrent: TorrentId, record: Arc<Record> },
    Release { torrent: TorrentId },
    Read { link: LinkId, torrent: TorrentId, block: Block },
}

/// An answer. Every task with a job, and every read, gets exactly one.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A job is over; a write gives its buffer back, also when it failed.
    Job { job: JobId, result: Result<Done, StoreError>, buffer: Option<Buffer> },
    /// Blocks for peers, together, so that they can be sent together.
    Reads(Vec<ReadBlock>),
}

/// A block for a peer, as it was read.
#[derive(Debug)]
pub(crate) struct ReadBlock {
    pub(crate) link: LinkId,
    pub(crate) block: Block,
    pub(crate) result: Result<Buffer, StoreError>,
}

/// How answers leave: called on the store's threads, must not block.
type Answer = Arc<dyn Fn(Reply) + Send + Sync>;

/// The handle to the threads. Dropping it ends them after what is queued.
#[derive(Debug)]
pub(crate) struct Store {
    torrents: Disks,
    handles: Arc<Handles>,
    answer: Unseen<Answer>,
    lanes: Vec<Sender<Order>>,
    readers: Option<Sender<Order>>,
    rows: Rows,
    chores: Option<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
}

impl Store {
    /// Starts `workers` lanes for blocks (at least 1), as many for reads, and one for chores.
    ///
    /// `reply` is called on these threads, and must not block.
    pub(crate) fn start(workers: usize, reply: impl Fn(Reply) + Send + Sync + 'static) -> Self {
        let answer: Answer = Arc::new(reply);
        let mut threads = Vec::new();
        let mut lanes = Vec::new();
        let (readers, reads) = unbounded();
        let (chores, slow) = unbounded();
        let (pool, rows) = (Pool::new(READ_BYTES_KEPT), Rows::default());
        for _ in 0..workers.max(1) {
            let (lane, inbox) = unbounded();
            lanes.push(lane);
            let lane = Lane::new(inbox, Arc::clone(&answer));
            threads.push(spawn("store", move || lane.run()));
            let (inbox, answer) = (reads.clone(), Arc::clone(&answer));
            let (pool, rows) = (pool.clone(), rows.clone());
            threads.push(spawn("store-read", move || reads::serve(&inbox, &answer, &pool, &rows)));
        }
        let done = Arc::clone(&answer);
        threads.push(spawn("store-chores", move || lane::chores(&slow, &done)));
        Self {
            torrents: Disks::default(),
            handles: Arc::new(Handles::new()),
            answer: Unseen(answer),
            lanes,
            readers: Some(readers),
            rows,
            chores: Some(chores),
            threads,
        }
    }

    /// Tells where the files of a torrent are, how they were left in an earlier life, and who
    /// remembers how they are left in this one; before its first task.
    pub(crate) fn add(
        &self,
        torrent: TorrentId,
        files: Arc<TorrentFiles>,
        left: Option<Left>,
        ledger: Option<Arc<dyn Ledger>>,
    ) {
        let kept = Kept::new(left, ledger);
        let disk = Arc::new(Disk::new(torrent, files, Arc::clone(&self.handles), kept));
        self.torrents.lock().insert(torrent, disk);
    }

    /// Forgets a torrent that was released. A release alone only closes its files.
    pub(crate) fn remove(&self, torrent: TorrentId) {
        self.torrents.lock().remove(&torrent);
    }

    /// A way to what lies on the disk, for those who read it themselves.
    pub(crate) fn disks(&self) -> Disks {
        self.torrents.clone()
    }

    /// Queues a task; never blocks. The engine bounds how many are under way.
    pub(crate) fn submit(&self, task: Task) {
        let Some(disk) = self.torrents.get(task.torrent()) else {
            return task.refuse(&*self.answer.0);
        };
        match &task {
            Task::Release { .. } => self.release(&disk),
            Task::Read { .. } => send(self.readers.as_ref(), Order::Task(disk, task)),
            Task::Write { block: Block { piece, .. }, .. }
            | Task::Verify { piece, .. }
            | Task::Digest { piece, .. } => {
                let lane = (disk.torrent.index() + *piece as usize) % self.lanes.len();
                send(self.lanes.get(lane), Order::Task(disk, task));
            }
            Task::Open { .. }
            | Task::Reclaim { .. }
            | Task::Finish { .. }
            | Task::Sync { .. }
            | Task::Record { .. } => {
                send(self.chores.as_ref(), Order::Task(disk, task));
            }
        }
    }

    /// Takes back what [`Reply::Reads`] came in.
    pub(crate) fn keep(&self, row: Vec<ReadBlock>) {
        self.rows.keep(row);
    }

    /// Every lane comes to the release after what it has queued; then the files are closed.
    fn release(&self, disk: &Arc<Disk>) {
        let (left, everybody) = unbounded();
        for lane in &self.lanes {
            send(Some(lane), Order::Leave(Arc::clone(disk), left.clone()));
        }
        send(self.chores.as_ref(), Order::Close(Arc::clone(disk), everybody));
    }

    /// Finishes what is queued, and ends the threads.
    pub(crate) fn stop(self) {}
}

impl Drop for Store {
    fn drop(&mut self) {
        self.lanes.clear();
        self.readers = None;
        self.chores = None;
        for thread in self.threads.drain(..) {
            // A panic there was told of there.
            _ = thread.join();
        }
    }
}

impl Task {
    fn torrent(&self) -> TorrentId {
        match self {
            Self::Open { torrent, .. }
            | Self::Write { torrent, .. }
            | Self::Verify { torrent, .. }
            | Self::Digest { torrent, .. }
            | Self::Reclaim { torrent, .. }
            | Self::Finish { torrent, .. }
            | Self::Sync { torrent, .. }
            | Self::Record { torrent, .. }
            | Self::Release { torrent }
            | Self::Read { torrent, .. } => *torrent,
        }
    }

    /// Answers a task of a torrent that is not there.
    fn refuse(self, answer: &dyn Fn(Reply)) {
        let error = lane::unknown();
        let (job, buffer) = match self {
            Self::Release { .. } => return,
            Self::Read { link, block, .. } => {
                let result = Err(error);
                return answer(Reply::Reads(vec![ReadBlock { link, block, result }]));
            }
            Self::Write { job, buffer, .. } => (job, Some(buffer)),
            Self::Open { job, .. }
            | Self::Verify { job, .. }
            | Self::Digest { job, .. }
            | Self::Reclaim { job, .. }
            | Self::Finish { job, .. }
            | Self::Sync { job, .. }
            | Self::Record { job, .. } => (job, None),
        };
        answer(Reply::Job { job, result: Err(error), buffer });
    }
}

/// Something without a text of its own.
struct Unseen<T>(T);

impl<T> std::fmt::Debug for Unseen<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

fn send(lane: Option<&Sender<Order>>, order: Order) {
    let lane = lane.expect("lanes are there until the store is dropped");
    lane.send(order).expect("a lane ends after the last sender");
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(run).expect("the system has room for a few threads")
}
