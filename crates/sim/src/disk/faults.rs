//! What a disk is like, and what goes wrong with it. All rates are "one in so many"; 0 is never.

use std::time::Duration;

use toubkal_core::base::{Rng, Time};
use toubkal_core::engine::StoreErrorKind;

use crate::network::time_for;

/// The system's number for an input/output error.
const EIO: i32 = 5;

/// What a disk is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFaults {
    /// How many pieces are worked on at the same time.
    pub lanes: u32,
    /// What each operation takes, its bytes apart.
    pub latency: Duration,
    /// Bytes a second.
    pub rate: u64,
    /// What a sync takes, what is to be written apart.
    pub sync: Duration,
    /// Operations of which one takes longer, by up to `stall`.
    pub stalls: u64,
    /// The longest that one operation takes.
    pub stall: Duration,
    /// Writes that are cut short and go on after another system call: they take twice as long.
    pub short_writes: u64,
    /// Writes of which one fails, half done.
    pub write_errors: u64,
    /// Reads of which one fails.
    pub read_errors: u64,
    /// Writes of which one finds the disk full, as do all for `full_time` from then on.
    pub full: u64,
    /// How long the disk stays full.
    pub full_time: Duration,
    /// Syncs of a file of which one fails: some of what was to be written is dropped, and readers
    /// see what was there before.
    pub sync_errors: u64,
    /// Syncs of a folder of which one fails.
    pub folder_errors: u64,
    /// Syncs of a file of which one says that it is through, and has brought its length to the
    /// disk and none of its bytes.
    pub lies: u64,
    /// Records of which one cannot be kept.
    pub record_errors: u64,
    /// Records of which one brings those before it to the disk, and itself.
    pub checkpoints: u64,
}

impl Default for DiskFaults {
    fn default() -> Self {
        Self {
            lanes: 1,
            latency: Duration::from_micros(100),
            rate: 400_000_000,
            sync: Duration::from_millis(5),
            stalls: 0,
            stall: Duration::ZERO,
            short_writes: 0,
            write_errors: 0,
            read_errors: 0,
            full: 0,
            full_time: Duration::ZERO,
            sync_errors: 0,
            folder_errors: 0,
            lies: 0,
            record_errors: 0,
            checkpoints: 8,
        }
    }
}

impl DiskFaults {
    /// The same disk, as slow as it is, without errors.
    #[must_use]
    pub fn healed(&self) -> Self {
        Self {
            write_errors: 0,
            read_errors: 0,
            full: 0,
            sync_errors: 0,
            folder_errors: 0,
            lies: 0,
            record_errors: 0,
            ..self.clone()
        }
    }
}

/// Draws the faults.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    pub(super) faults: DiskFaults,
    pub(super) rng: Rng,
    full_until: Time,
}

impl Weather {
    pub(super) fn new(faults: DiskFaults, rng: Rng) -> Self {
        Self { faults, rng, full_until: Time::START }
    }

    /// How long an operation with so many bytes takes.
    pub(super) fn takes(&mut self, bytes: u64, write: bool, sync: bool) -> Duration {
        let mut time = self.faults.latency + time_for(bytes, self.faults.rate);
        if sync {
            time += self.faults.sync;
        }
        if write && self.hits(self.faults.short_writes) {
            time *= 2;
        }
        if self.hits(self.faults.stalls) {
            time += Duration::from_nanos(self.rng.below(self.faults.stall.as_nanos() as u64 + 1));
        }
        time
    }

    /// Why a write fails, if it does.
    pub(super) fn write(&mut self, now: Time) -> Option<StoreErrorKind> {
        if self.hits(self.faults.full) {
            self.full_until = now.after(self.faults.full_time);
        }
        if now < self.full_until {
            return Some(StoreErrorKind::Full);
        }
        self.error(self.faults.write_errors)
    }

    /// Draws an error of input or output.
    pub(super) fn error(&mut self, rate: u64) -> Option<StoreErrorKind> {
        self.hits(rate).then_some(StoreErrorKind::Other(EIO))
    }

    pub(super) fn hits(&mut self, rate: u64) -> bool {
        rate > 0 && self.rng.one_in(rate)
    }
}
