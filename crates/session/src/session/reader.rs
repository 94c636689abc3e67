//! Files that are read while they come: what a player, or a web server, reads with.

use std::io::{self, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_core::engine::{Read, StoreError, StoreErrorKind};

use super::Torrent;
use super::handles::Handle;
use crate::net::{Lease, Order, ReaderOrder};

/// The most bytes that one call reads: what a reader may cost in memory, too.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Bytes after which the engine is told that a reader has gone on.
const TELL_BYTES: u64 = 256 * 1024;

/// Why nothing can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The torrent has no such file, or nothing is stored for it: padding, or a symbolic link.
    #[error("the torrent has no file {0} that could be read")]
    NoFile(usize),
    /// It was added by a link, and nobody knows yet what is in it.
    #[error("what is in the torrent is not known yet")]
    Unknown,
    /// As many read the torrent as may: [`Torrent::reader`] says how many.
    #[error("the torrent has as many readers as may be")]
    TooMany,
    /// The torrent is stopped, and has to be resumed.
    #[error("the torrent is stopped")]
    Stopped,
    /// The torrent was taken out of the session.
    #[error("the torrent was removed")]
    Removed,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// The disk, or another program, is in the way.
    #[error("cannot read: {kind}")]
    Disk {
        /// What went wrong.
        kind: StoreErrorKind,
    },
    /// Nothing came in time: [`Reader::set_timeout`].
    #[error("nothing came in time")]
    TimedOut,
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::NoFile(_) | ReadError::Removed => io::ErrorKind::NotFound,
            ReadError::TimedOut => io::ErrorKind::TimedOut,
            ReadError::Ended => io::ErrorKind::BrokenPipe,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A file of a torrent, read while it comes.
///
/// Its [`Read`](std::io::Read) gives verified bytes only, and waits for those that are not there:
/// they come before all others of the torrent, in order. [`Seek`](std::io::Seek) does not wait;
/// what was asked for at the old place is called back. A file that is not wanted is fetched until
/// nobody reads the torrent any more. Errors of both are a [`ReadError`], inside of the
/// [`io::Error`]; after one it may be tried again. When the reader is dropped, nothing is wished
/// for any more.
#[derive(Debug)]
pub struct Reader {
    torrent: Arc<Handle>,
    file: u32,
    length: u64,
    position: u64,
    /// Where the engine thinks that it is.
    told: u64,
    lease: Lease,
    timeout: Option<Duration>,
}

impl Torrent {
    /// Begins to read a file, whether it is there or not, and says with what. Of one torrent 16
    /// readers may be open.
    ///
    /// # Errors
    /// When there is no such file, or nothing can be read just now.
    pub fn reader(&self, file: usize) -> Result<Reader, ReadError> {
        let metainfo = self.metainfo().ok_or(ReadError::Unknown)?;
        let entry = metainfo.files().nth(file).filter(|entry| !entry.pad && !entry.symlink);
        let length = entry.ok_or(ReadError::NoFile(file))?.length;
        let file = u32::try_from(file).map_err(|_| ReadError::NoFile(file))?;
        let (reply, answer) = crossbeam_channel::bounded(1);
        let order = ReaderOrder::Open { torrent: self.id(), file, length, reply };
        self.torrent.orders.send(Order::Reader(order));
        let lease = answer.recv().unwrap_or(Err(ReadError::Ended))?;
        let (torrent, timeout) = (Arc::clone(&self.torrent), None);
        Ok(Reader { torrent, file, length, position: 0, told: 0, lease, timeout })
    }
}

impl Reader {
    /// Bytes of the file.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a file, and no collection")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The next byte that is read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes from the position on are verified, and are read without a wait.
    #[must_use]
    pub fn ready(&self) -> u64 {
        let there = self.lease.gauge.standing().there;
        if there.contains(&self.position) { there.end - self.position } else { 0 }
    }

    /// How long a read waits for bytes; `None`, as at first: as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Waits until there is something at the position; says how much, at least 1.
    fn wait(&self, deadline: Option<Instant>) -> Result<u64, ReadError> {
        let at = self.position;
        let standing =
            self.lease.gauge.wait(deadline, |it| it.end.is_some() || it.there.contains(&at));
        let standing = standing.ok_or(ReadError::TimedOut)?;
        match standing.end {
            Some(why) => Err(why),
            None => Ok(standing.there.end - at),
        }
    }

    /// Tells the engine where it is, when that is far from where it thinks.
    fn tell(&mut self) {
        let near = self.told..self.told.saturating_add(TELL_BYTES);
        if near.contains(&self.position) && (self.ready() > 0 || self.told == self.position) {
            return;
        }
        self.told = self.position;
        let (reader, file) = (self.lease.reader, self.file);
        let read = Read { reader, file, from: self.position, to: self.length };
        self.order(ReaderOrder::Move(self.torrent.id, read));
    }

    fn order(&self, order: ReaderOrder) {
        self.torrent.orders.send(Order::Reader(order));
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.length {
            return Ok(0);
        }
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let most = buffer.len().min(READ_BYTES_MAX);
        loop {
            self.tell();
            let there = self.wait(deadline)?;
            let most = most.min(usize::try_from(there).unwrap_or(usize::MAX));
            let into = &mut buffer[..most];
            match self.lease.disks.read(self.torrent.id, self.file, self.position, into) {
                Ok(count) => {
                    self.position += count as u64;
                    self.tell();
                    return Ok(count);
                }
                // Its folder was closed meanwhile: what was there is not any more, until it is
                // looked at anew.
                Err(_) if self.ready() == 0 => {}
                Err(StoreError { kind, .. }) => return Err(ReadError::Disk { kind }.into()),
            }
        }
    }
}

impl io::Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "before the file begins");
        self.position = at.ok_or_else(before)?;
        self.tell();
        Ok(self.position)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.order(ReaderOrder::Close(self.torrent.id, self.lease.reader));
    }
}
