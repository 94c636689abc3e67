//! The threads: a queue each, and what is done with what comes out of it.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use toubkal_core::engine::{Done, JobId, StoreError, StoreErrorKind};
use toubkal_wire::layout::{BLOCK_BYTES, Block};

use super::disk::{Disk, Result2};
use super::gather::Gather;
use super::hot::Hot;
use super::verifier::{Sum, block_sum};
use super::{Answer, Reply, Task, together};

/// Bytes read at once when a piece is checked: 1 MiB, a whole number of blocks.
const READ_BYTES: u32 = 1024 * 1024;

/// What comes out of a queue.
pub(super) enum Order {
    /// A task, and the torrent that it is for.
    Task(Arc<Disk>, Task),
    /// Nothing more will come for this torrent; what is dropped tells that it is known.
    Leave(Arc<Disk>, #[allow(dead_code)] Sender<()>),
    /// As soon as everybody knows that, the torrent's files are closed.
    Close(Arc<Disk>, Receiver<()>),
}

/// How long blocks wait for neighbours, when many come; they are written with fewer calls then.
const FLUSH_TIME: Duration = Duration::from_millis(2);
/// How long a piece waits for others, when many come; they are hashed side by side then. Of 8 MiB,
/// two come in this time when much begins to come.
const PROVE_TIME: Duration = Duration::from_millis(100);
/// Without any order for this long, no others are about to come.
const QUIET_TIME: Duration = Duration::from_millis(5);

/// The most orders between two looks at the clock: a queue that is never empty must not hide that
/// time passes.
const TURN_ORDERS: usize = 64;

/// The thread for blocks: all jobs of some of the pieces.
pub(super) struct Lane {
    inbox: Receiver<Order>,
    answer: Answer,
    flow: Flow,
    hot: Hot,
    gather: Gather,
    /// Since when blocks wait to be written.
    gathering: Option<Instant>,
    /// Pieces to be read and checked from their beginning, together,
    checks: Vec<(Arc<Disk>, JobId, u32)>,
    /// and since when they wait.
    checking: Option<Instant>,
    /// When the last order came.
    heard: Instant,
    scratch: Vec<u8>,
}

impl Lane {
    pub(super) fn new(inbox: Receiver<Order>, answer: Answer) -> Self {
        let now = Instant::now();
        Self {
            inbox,
            answer,
            flow: Flow::new(now),
            hot: Hot::default(),
            gather: Gather::default(),
            gathering: None,
            checks: Vec::new(),
            checking: None,
            heard: now,
            scratch: Vec::new(),
        }
    }

    /// Works until nobody can send any more. What waits in the queue is done together; and while
    /// much comes, it is put off for a moment, to be done together with more.
    pub(super) fn run(mut self) {
        loop {
            let order = match self.due() {
                Some(due) => self.inbox.recv_deadline(due),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let ended = matches!(order, Err(RecvTimeoutError::Disconnected));
            self.turn(Instant::now(), order.ok(), ended);
            if ended {
                return;
            }
        }
    }

    /// This order and some that wait behind it, and then what has waited long enough.
    pub(super) fn turn(&mut self, now: Instant, order: Option<Order>, ended: bool) {
        self.flow.turn(now);
        if let Some(order) = order {
            self.heard = now;
            self.obey(now, order);
        }
        for _ in 1..TURN_ORDERS {
            let Ok(order) = self.inbox.try_recv() else { break };
            self.obey(now, order);
        }
        let all = ended || !self.flow.is_fast();
        let due = |at: Option<Instant>| at.is_some_and(|at| all || at <= now);
        if due(self.flush_at()) {
            self.flush();
        }
        if due(self.prove_at()) {
            self.prove();
        }
    }

    /// When what waits is to be done at the latest.
    fn due(&self) -> Option<Instant> {
        self.flush_at().into_iter().chain(self.prove_at()).min()
    }

    fn flush_at(&self) -> Option<Instant> {
        self.gathering.map(|since| since + FLUSH_TIME)
    }

    fn prove_at(&self) -> Option<Instant> {
        self.checking.map(|since| (since + PROVE_TIME).min(self.heard + QUIET_TIME))
    }

    fn obey(&mut self, now: Instant, order: Order) {
        match order {
            Order::Task(disk, task) => self.carry_out(now, disk, task),
            Order::Leave(disk, _) => {
                self.flush();
                self.prove();
                self.hot.forget_all(disk.torrent);
            }
            Order::Close(..) => unreachable!("closing is a chore"),
        }
    }

    fn carry_out(&mut self, now: Instant, disk: Arc<Disk>, task: Task) {
        match task {
            Task::Write { job, block, buffer, digest, .. } => {
                assert_eq!(buffer.len(), block.length as usize, "a block is as long as it says");
                self.settle_check(&disk, block.piece);
                self.flow.came(block.length);
                if self.flow.is_fast() {
                    // It is cheaper to read many pieces again and hash them side by side.
                    self.hot.forget(disk.torrent, block.piece);
                } else if digest {
                    self.hot.feed(disk.torrent, disk.files.verifier(), block, &buffer);
                }
                self.gather.push(disk, job, block, buffer);
                self.gathering.get_or_insert(now);
                if self.gather.is_full() {
                    self.flush();
                }
            }
            Task::Verify { job, piece, hashed, .. } => {
                self.settle(&disk, piece);
                let Some(sum) = self.hot.take(disk.torrent, piece, hashed) else {
                    self.checks.push((disk, job, piece));
                    self.checking.get_or_insert(now);
                    if self.checks.len() >= Sum::lanes() {
                        self.prove();
                    }
                    return;
                };
                let result = check(&disk, piece, Some((sum, hashed)), &mut self.scratch);
                self.judge(&disk, job, piece, result);
            }
            Task::Digest { job, piece, .. } => {
                self.settle(&disk, piece);
                let result = digests(&disk, piece, &mut self.scratch).map(Done::Digests);
                (self.answer)(Reply::Job { job, result, buffer: None });
            }
            _ => unreachable!("lanes get what is of one piece"),
        }
    }

    /// Checks the pieces that wait for it.
    fn prove(&mut self) {
        self.checking = None;
        let checks = mem::take(&mut self.checks);
        for checks in checks.chunk_by(|(a, ..), (b, ..)| Arc::ptr_eq(a, b)) {
            let disk = &checks[0].0;
            let pieces: Vec<u32> = checks.iter().map(|&(_, _, piece)| piece).collect();
            let mut results = Vec::with_capacity(pieces.len());
            let each = |_, result| results.push(result);
            check_all(disk, &pieces, &mut self.scratch, |_| (), each);
            for (&(_, job, piece), result) in checks.iter().zip(results) {
                self.judge(disk, job, piece, result);
            }
        }
    }

    /// Says of a piece that was checked how it is.
    fn judge(&mut self, disk: &Disk, job: JobId, piece: u32, result: Result2<bool>) {
        let result = result.and_then(|good| match good {
            true => Ok(Done::Good),
            false => digests(disk, piece, &mut self.scratch).map(Done::Bad),
        });
        (self.answer)(Reply::Job { job, result, buffer: None });
    }

    /// Writes what is about to be read.
    fn settle(&mut self, disk: &Disk, piece: u32) {
        if self.gather.holds(disk.torrent, piece) {
            self.flush();
        }
    }

    /// Checks what is about to be written again.
    fn settle_check(&mut self, disk: &Disk, piece: u32) {
        let same = |(of, _, waits): &(Arc<Disk>, JobId, u32)| {
            of.torrent == disk.torrent && *waits == piece
        };
        if self.checks.iter().any(same) {
            self.prove();
        }
    }

    fn flush(&mut self) {
        self.gathering = None;
        // A hash of bytes that are not in the file would speak for them.
        self.gather.flush(&self.answer, |torrent, piece| self.hot.forget(torrent, piece));
    }
}

/// How much comes: whether it pays to wait for more.
struct Flow {
    since: Instant,
    bytes: u64,
    fast: bool,
}

impl Flow {
    /// Between two looks.
    const WINDOW: Duration = Duration::from_millis(50);
    /// Bytes in a window from which on much comes: 64 MiB/s.
    const FAST: u64 = 64 * 1024 * 1024 / 20;

    fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, fast: false }
    }

    /// Looks at the clock.
    pub(super) fn turn(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.since);
        if time >= Self::WINDOW {
            let windows = time.as_nanos() / Self::WINDOW.as_nanos();
            self.fast = u128::from(self.bytes) >= u128::from(Self::FAST) * windows;
            (self.since, self.bytes) = (now, 0);
        }
    }

    fn came(&mut self, bytes: u32) {
        self.bytes += u64::from(bytes);
    }

    fn is_fast(&self) -> bool {
        self.fast
    }
}

/// Tells of each of these pieces whether it is right; they are hashed side by side. `count` is
/// told of bytes that are done.
pub(super) fn check_all(
    disk: &Disk,
    pieces: &[u32],
    buffer: &mut Vec<u8>,
    count: impl FnMut(u64),
    mut each: impl FnMut(u32, Result2<bool>),
) {
    let verifier = disk.files.verifier();
    let read = |block, bytes: &mut [u8]| Ok(disk.read_to_check(block, bytes)?.short.is_none());
    let (layout, start) = (disk.files.layout(), verifier.start());
    together::hash(layout, &start, pieces, buffer, read, count, |piece, end| {
        // Zeros that stand for bytes which are nowhere must not pass for them.
        let accepts = |sum: Option<Sum>| sum.is_some_and(|sum| verifier.accepts(piece, sum));
        each(piece, end.map(accepts));
    });
}

/// Whether a piece is right; `sum` is the hash of its first bytes, and how many these are.
pub(super) fn check(
    disk: &Disk,
    piece: u32,
    sum: Option<(Sum, u32)>,
    scratch: &mut Vec<u8>,
) -> Result2<bool> {
    let verifier = disk.files.verifier();
    let (mut sum, from) = sum.unwrap_or_else(|| (verifier.start(), 0));
    let mut whole = true;
    each_part(disk, piece, from, scratch, |bytes, there| {
        whole &= there;
        if whole {
            sum.update(bytes);
        }
        whole
    })?;
    // Zeros that stand for bytes which are nowhere must not pass for them.
    Ok(whole && verifier.accepts(piece, sum))
}

/// The SHA-1 of each block of a piece as it lies on the disk.
fn digests(disk: &Disk, piece: u32, scratch: &mut Vec<u8>) -> Result2<Vec<[u8; 20]>> {
    let mut sums = Vec::with_capacity(disk.files.layout().blocks(piece) as usize);
    each_part(disk, piece, 0, scratch, |bytes, _| {
        sums.extend(bytes.chunks(BLOCK_BYTES as usize).map(block_sum));
        true
    })?;
    Ok(sums)
}

/// Reads a piece in parts, as long as `then` wants more; it is told whether all was there.
fn each_part(
    disk: &Disk,
    piece: u32,
    from: u32,
    scratch: &mut Vec<u8>,
    mut then: impl FnMut(&[u8], bool) -> bool,
) -> Result2<()> {
    let size = disk.files.layout().piece_size(piece);
    let mut begin = from;
    while begin < size {
        let length = READ_BYTES.min(size - begin);
        if scratch.len() < length as usize {
            scratch.resize(length as usize, 0);
        }
        let bytes = &mut scratch[..length as usize];
        let got = disk.read(Block { piece, begin, length }, bytes)?;
        if !then(bytes, got.short.is_none()) {
            break;
        }
        begin += length;
    }
    Ok(())
}

/// The thread for what is slow and of no piece.
pub(super) fn chores(inbox: &Receiver<Order>, answer: &Answer) {
    let reply = |job, result| answer(Reply::Job { job, result, buffer: None });
    let mut next = inbox.recv().ok();
    while let Some(order) = next.take() {
        match order {
            Order::Task(disk, Task::Open { job, wanted, .. }) => reply(job, disk.open(&wanted)),
            Order::Task(disk, Task::Reclaim { job, file, .. }) => reply(job, disk.reclaim(file)),
            Order::Task(disk, Task::Sync { job, .. }) => reply(job, disk.sync()),
            Order::Task(disk, Task::Record { job, record, .. }) => {
                let answer = Arc::clone(answer);
                disk.record(&record, move |result| {
                    let result = result.map(|()| Done::Ready);
                    let result = result.map_err(|kind| StoreError { kind, file: None });
                    answer(Reply::Job { job, result, buffer: None });
                });
            }
            Order::Task(disk, Task::Finish { job, file, .. }) => {
                let (mut jobs, mut files) = (vec![job], vec![file]);
                next = more_to_finish(inbox, &disk, &mut jobs, &mut files);
                for (job, result) in jobs.into_iter().zip(disk.finish(&files)) {
                    reply(job, result);
                }
            }
            Order::Close(disk, everybody) => {
                // Ends with an error, when the last one dropped the other end.
                _ = everybody.recv();
                disk.close();
            }
            Order::Task(..) | Order::Leave(..) => unreachable!("chores are of no piece"),
        }
        next = next.or_else(|| inbox.recv().ok());
    }
}

/// Takes the files of the same torrent that are to be finished too; gives the next other order.
fn more_to_finish(
    inbox: &Receiver<Order>,
    disk: &Arc<Disk>,
    jobs: &mut Vec<toubkal_core::engine::JobId>,
    files: &mut Vec<u32>,
) -> Option<Order> {
    loop {
        match inbox.try_recv() {
            Ok(Order::Task(other, Task::Finish { job, file, .. })) if Arc::ptr_eq(&other, disk) => {
                jobs.push(job);
                files.push(file);
            }
            Ok(order) => return Some(order),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        }
    }
}

/// What a task is answered that comes for a torrent nobody told of.
pub(super) fn unknown() -> StoreError {
    StoreError { kind: StoreErrorKind::Missing, file: None }
}
