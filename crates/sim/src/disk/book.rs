//! Where records are kept: commits in order, of which a power cut leaves the first.
//!
//! As SQLite with a write-ahead log and `synchronous=NORMAL`: what is committed survives the
//! program at once, and the power when a checkpoint has synced the log.

use std::sync::Arc;

use toubkal_core::engine::{Memory, Record};

use super::choose::Choose;

#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// With the boot in which each was made.
    commits: Vec<(u64, Arc<Record>)>,
    /// How many of them are on the disk.
    durable: usize,
}

impl Book {
    pub(crate) fn commit(&mut self, boot: u64, record: Arc<Record>) {
        self.commits.push((boot, record));
    }

    pub(crate) fn checkpoint(&mut self) {
        self.durable = self.commits.len();
    }

    /// The power is gone.
    pub(crate) fn crash(&mut self, choose: &mut dyn Choose) {
        let loose = (self.commits.len() - self.durable) as u64;
        let kept = if loose > 0 { choose.choose(loose + 1) as usize } else { 0 };
        self.commits.truncate(self.durable + kept);
        self.checkpoint();
    }

    /// What is known, to a program that runs in this boot.
    pub(crate) fn recall(&self, boot: u64) -> Option<Memory> {
        let (made, record) = self.commits.last()?;
        Some(Record::clone(record).recall(*made == boot))
    }

    pub(crate) fn last(&self) -> Option<&Record> {
        self.commits.last().map(|(_, record)| &**record)
    }
}
