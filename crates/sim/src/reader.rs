//! Who reads a file while it comes: takes bytes as a player does, and sees when they are there.

use std::ops::Range;
use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::engine::{Command, Read, ReaderId};

use crate::queue::Delivery;
use crate::world::World;

/// How often a reader takes what it has a right to.
const STEP: Duration = Duration::from_millis(10);
/// Bytes after which a reader says where it is.
const TELL: u64 = 128 * 1024;

/// How somebody reads.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes a second that it takes.
    pub rate: u64,
    /// Bytes that are to be there before it begins to take any, after it was elsewhere.
    pub ahead: u64,
}

/// How a reader fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes that it took.
    pub read: u64,
    /// From each beginning, and each time it went elsewhere, to the first byte that was there.
    pub waits: Vec<Duration>,
    /// How often it had begun to take bytes and there was none.
    pub stalls: u32,
    /// It took the last byte of its file.
    pub ended: bool,
}

/// A reader in the world.
#[derive(Debug)]
pub(crate) struct Reader {
    host: usize,
    file: u32,
    pace: Pace,
    /// What may be read.
    there: Range<u64>,
    at: u64,
    /// Where it has said that it is.
    told: u64,
    /// It waits for its first byte since then.
    waits: Option<Time>,
    /// It takes bytes, and has not stalled.
    plays: bool,
    open: bool,
    /// Bytes that it has a right to and has not taken, times the steps of a second.
    owed: u64,
    reading: Reading,
}

impl World {
    /// Somebody reads a file of a host, from this byte on, from a moment on; says who.
    pub fn reads(&mut self, host: usize, file: u32, from: u64, pace: Pace, at: Duration) -> usize {
        let reader = self.readers.len();
        self.readers.push(Reader {
            host,
            file,
            pace,
            there: 0..0,
            at: from,
            told: from,
            waits: None,
            plays: false,
            open: false,
            owed: 0,
            reading: Reading::default(),
        });
        self.turns(reader, from, at);
        self.at(Time::START.after(at), Delivery::Take { reader });
        reader
    }

    /// A reader goes elsewhere at a moment.
    pub fn turns(&mut self, reader: usize, to: u64, at: Duration) {
        self.at(Time::START.after(at), Delivery::Turn { reader, to });
    }

    /// A reader ends at a moment.
    pub fn ends_reading(&mut self, reader: usize, at: Duration) {
        self.at(Time::START.after(at), Delivery::Close { reader });
    }

    /// How a reader has fared so far.
    #[must_use]
    pub fn reading(&self, reader: usize) -> &Reading {
        &self.readers[reader].reading
    }

    pub(crate) fn turn(&mut self, reader: usize, to: u64) {
        let it = &mut self.readers[reader];
        (it.at, it.plays, it.open, it.owed) = (to, false, true, 0);
        it.waits = Some(self.now);
        self.say_where(reader);
        self.see(reader);
    }

    pub(crate) fn close_reader(&mut self, reader: usize) {
        let it = &mut self.readers[reader];
        it.open = false;
        let host = it.host;
        self.command(host, |torrent| Command::Unread(torrent, ReaderId(reader as u64)));
    }

    /// Takes what there is, at its pace.
    pub(crate) fn take_read(&mut self, reader: usize) {
        let end = self.layout.files()[self.readers[reader].file as usize].length;
        let it = &mut self.readers[reader];
        if !it.open || it.reading.ended {
            return;
        }
        let there = if it.there.contains(&it.at) { it.there.end - it.at } else { 0 };
        it.plays |= there >= it.pace.ahead.min(end - it.at).max(1);
        if it.plays {
            let steps = Duration::from_secs(1).as_nanos() / STEP.as_nanos();
            it.owed += it.pace.rate / steps as u64;
            let takes = there.min(it.owed);
            (it.at, it.owed, it.reading.read) =
                (it.at + takes, it.owed - takes, it.reading.read + takes);
            it.reading.ended = it.at == end;
            if it.owed > 0 && !it.reading.ended {
                (it.plays, it.owed) = (false, 0);
                it.reading.stalls += 1;
            }
        }
        let (moved, dry) = (it.at - it.told, there == 0);
        if moved >= TELL || (moved > 0 && dry) {
            self.say_where(reader);
        }
        self.after(STEP, Delivery::Take { reader });
    }

    /// A reader of a host is told what it may read: all of it is right.
    pub(crate) fn may_read(&mut self, host: usize, reader: ReaderId, there: Range<u64>) {
        let file = self.layout.files()[self.readers[reader.0 as usize].file as usize];
        let piece = |byte| ((file.offset + byte) / u64::from(self.layout.piece_length())) as u32;
        if !there.is_empty() && !self.hosts[host].disk.has_lied() {
            for piece in piece(there.start)..=piece(there.end - 1) {
                let right = self.hosts[host].disk.is_right(piece);
                assert!(right, "host {host} lets piece {piece} be read, which is wrong");
            }
        }
        self.readers[reader.0 as usize].there = there;
        self.see(reader.0 as usize);
    }

    /// A host has died: nothing is known of what may be read there.
    pub(crate) fn forget_readers(&mut self, host: usize) {
        let readers = self.readers.iter_mut().filter(|reader| reader.host == host);
        readers.for_each(|reader| reader.there = 0..0);
    }

    /// Sees whether the first byte is there.
    fn see(&mut self, reader: usize) {
        let now = self.now;
        let it = &mut self.readers[reader];
        if it.there.contains(&it.at)
            && let Some(since) = it.waits.take()
        {
            it.reading.waits.push(now.since(since));
        }
    }

    fn say_where(&mut self, reader: usize) {
        let it = &mut self.readers[reader];
        it.told = it.at;
        let (host, file, from) = (it.host, it.file, it.at);
        let read = Read { reader: ReaderId(reader as u64), file, from, to: u64::MAX };
        self.command(host, |torrent| Command::Read(torrent, read));
    }
}
