//! Who reads files while they come: what each may read, and why it may read no more.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::Sender;
use toubkal_core::base::Time;
use toubkal_core::engine::bounds::READERS_MAX;
use toubkal_core::engine::{Command, Notice, Read, ReaderId, State, StoreError, TorrentId};

use super::Brain;
use crate::session::ReadError;
use crate::store::Disks;

/// What readers ask of the network thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// Somebody wants to read a file of so many bytes.
    Open { torrent: TorrentId, file: u32, length: u64, reply: Sender<Result<Lease, ReadError>> },
    /// It has gone on, or is elsewhere.
    Move(TorrentId, Read),
    /// It reads no more.
    Close(TorrentId, ReaderId),
}

/// What a reader reads with.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) reader: ReaderId,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) disks: Disks,
}

/// What one reader may read.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    standing: Mutex<Standing>,
    changed: Condvar,
}

/// How a reader stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Bytes of its file that are verified, from where it was when that was said.
    pub(crate) there: Range<u64>,
    /// Why no more will come, until that changes.
    pub(crate) end: Option<ReadError>,
}

impl Gauge {
    pub(crate) fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// Waits until `until` says so of how it stands, at most until then; says how it stands.
    pub(crate) fn wait(
        &self,
        deadline: Option<Instant>,
        until: impl Fn(&Standing) -> bool,
    ) -> Option<Standing> {
        let mut standing = self.lock();
        while !until(&standing) {
            standing = match deadline {
                None => self.changed.wait(standing).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    let waited = self.changed.wait_timeout(standing, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Some(standing.clone())
    }

    fn set(&self, set: impl FnOnce(&mut Standing)) {
        set(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while it holds this lock.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All readers. When this goes, the session has ended, and they are told.
#[derive(Debug, Default)]
pub(super) struct Readers {
    open: HashMap<ReaderId, Open>,
    last: u64,
}

#[derive(Debug)]
struct Open {
    torrent: TorrentId,
    file: u32,
    gauge: Arc<Gauge>,
}

impl Readers {
    fn of(&self, torrent: TorrentId) -> impl Iterator<Item = &Open> {
        self.open.values().filter(move |open| open.torrent == torrent)
    }

    fn end(&self, torrent: TorrentId, why: &ReadError) {
        self.of(torrent).for_each(|open| open.gauge.set(|it| it.end = Some(why.clone())));
    }

    /// What the user does to a torrent.
    pub(super) fn note(&mut self, command: &Command) {
        match *command {
            Command::Stop(torrent) => self.end(torrent, &ReadError::Stopped),
            Command::Start(torrent) => self.goes_on(torrent),
            Command::Remove(torrent) => {
                self.end(torrent, &ReadError::Removed);
                self.open.retain(|_, open| open.torrent != torrent);
            }
            _ => {}
        }
    }

    /// What the engine says of a torrent; whether it is for readers alone.
    pub(super) fn hear(&self, notice: &Notice) -> bool {
        match *notice {
            Notice::Readable { reader, from, to, .. } => {
                if let Some(open) = self.open.get(&reader) {
                    open.gauge.set(|standing| standing.there = from..to);
                }
                return true;
            }
            Notice::Failed { torrent, error } => self.end(torrent, &failed(error)),
            Notice::FileLost { torrent, file, error } => {
                let of = self.of(torrent).filter(|open| open.file == file);
                of.for_each(|open| open.gauge.set(|it| it.end = Some(failed(error))));
            }
            // After an error that passed.
            Notice::Checked { torrent } => self.goes_on(torrent),
            _ => {}
        }
        false
    }

    fn goes_on(&self, torrent: TorrentId) {
        let passes = |end: &ReadError| matches!(end, ReadError::Stopped | ReadError::Disk { .. });
        for open in self.of(torrent) {
            open.gauge.set(|it| _ = it.end.take_if(|end| passes(end)));
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.gauge.set(|standing| standing.end = Some(ReadError::Ended));
        }
    }
}

impl Brain {
    pub(super) fn reader_order(&mut self, now: Time, order: Order) {
        match order {
            Order::Open { torrent, file, length, reply } => {
                let lease = self.open_reader(now, torrent, file, length);
                // Whoever asked may be gone, and reads nothing then.
                if let Err(unread) = reply.send(lease)
                    && let Ok(Lease { reader, .. }) = unread.into_inner()
                {
                    self.close_reader(now, torrent, reader);
                }
            }
            Order::Move(torrent, read) => self.command(now, Command::Read(torrent, read)),
            Order::Close(torrent, reader) => self.close_reader(now, torrent, reader),
        }
    }

    fn open_reader(
        &mut self,
        now: Time,
        torrent: TorrentId,
        file: u32,
        length: u64,
    ) -> Result<Lease, ReadError> {
        if self.is_ending() {
            return Err(ReadError::Ended);
        }
        let status = self.engine.status(torrent).ok_or(ReadError::Removed)?;
        match status.state {
            State::Seeking(_) => return Err(ReadError::Unknown),
            State::Stopped(None) => return Err(ReadError::Stopped),
            State::Stopped(Some(error)) => return Err(failed(error)),
            _ => {}
        }
        if self.readers.of(torrent).count() >= READERS_MAX {
            return Err(ReadError::TooMany);
        }
        self.readers.last += 1;
        let reader = ReaderId(self.readers.last);
        let gauge = Arc::new(Gauge::default());
        let open = Open { torrent, file, gauge: Arc::clone(&gauge) };
        self.readers.open.insert(reader, open);
        let read = Read { reader, file, from: 0, to: length };
        self.command(now, Command::Read(torrent, read));
        Ok(Lease { reader, gauge, disks: self.store.disks() })
    }

    fn close_reader(&mut self, now: Time, torrent: TorrentId, reader: ReaderId) {
        self.readers.open.remove(&reader);
        self.command(now, Command::Unread(torrent, reader));
    }
}

fn failed(error: StoreError) -> ReadError {
    ReadError::Disk { kind: error.kind }
}
