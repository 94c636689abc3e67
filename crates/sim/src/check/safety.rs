//! What an engine claims is on its disk; jobs are answered once; queues have their numbers.

use std::collections::BTreeMap;

use toubkal_core::base::Bitset;
use toubkal_core::engine::bounds::{FINISHES_MAX, SEEK_DIALS, STORING_BYTES_MAX};
use toubkal_core::engine::{Action, Config, JobId};

use crate::disk::Disk;
use crate::host::Setup;

/// What one engine holds and has under way.
#[derive(Debug)]
pub(super) struct Safety {
    /// What it has told the program that it has.
    pub(super) verified: Bitset,
    /// Jobs without an answer, and the bytes that they write.
    jobs: BTreeMap<JobId, u32>,
    storing: u64,
    finishing: BTreeMap<JobId, ()>,
    dials: u32,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            verified: Bitset::new(0),
            jobs: BTreeMap::new(),
            storing: 0,
            finishing: BTreeMap::new(),
            dials: 0,
        }
    }
}

impl Safety {
    pub(super) fn has(&self, piece: u32) -> bool {
        self.verified.has(piece)
    }

    /// A piece was verified.
    pub(super) fn claims(&mut self, host: usize, piece: u32, disk: &Disk) {
        assert!(disk.is_right(piece), "host {host} claims piece {piece}, which is wrong");
        self.verified.set(piece);
    }

    /// This is what lay on the disk.
    pub(super) fn claims_all(&mut self, host: usize, have: &Bitset, disk: &Disk) {
        check_claims(host, have, disk);
        self.verified = have.clone();
    }

    pub(super) fn wants(&mut self, host: usize, action: &Action, setup: &Setup) {
        let (job, bytes) = match action {
            Action::Dial { .. } => {
                self.dials += 1;
                let most = match setup.magnet {
                    true => SEEK_DIALS as u32,
                    false => Config::default().dials_max.min(setup.links),
                };
                assert!(self.dials <= most, "host {host} tries {} addresses at once", self.dials);
                return;
            }
            Action::Store { job, block, .. } => (*job, block.length),
            Action::Open { job, .. }
            | Action::Verify { job, .. }
            | Action::Digest { job, .. }
            | Action::Reclaim { job, .. }
            | Action::Sync { job, .. }
            | Action::Record { job, .. } => (*job, 0),
            Action::Finish { job, .. } => {
                self.finishing.insert(*job, ());
                let most = FINISHES_MAX as usize;
                assert!(self.finishing.len() <= most, "host {host} finishes too many files");
                (*job, 0)
            }
            _ => return,
        };
        self.storing += u64::from(bytes);
        let twice = self.jobs.insert(job, bytes).is_some();
        assert!(!twice, "host {host} gives {job:?} twice");
    }

    pub(super) fn may_ask(&self) {
        assert!(self.storing < STORING_BYTES_MAX, "it asks while the store has too much to do");
    }

    pub(super) fn job_ends(&mut self, host: usize, job: JobId) {
        let bytes = self.jobs.remove(&job);
        self.finishing.remove(&job);
        let bytes = bytes.unwrap_or_else(|| panic!("host {host}: {job:?} is answered twice"));
        self.storing -= u64::from(bytes);
    }

    pub(super) fn dial_ends(&mut self) {
        self.dials -= 1;
    }

    /// Jobs without an answer.
    pub(super) fn under_way(&self) -> usize {
        self.jobs.len()
    }
}

/// Everything that is claimed is right. Whoever was deceived by its disk may claim what is not,
/// and finds out before it gives it.
pub(super) fn check_claims(host: usize, have: &Bitset, disk: &Disk) {
    if disk.has_lied() {
        return;
    }
    for piece in have.iter() {
        assert!(disk.is_right(piece), "host {host} claims piece {piece}, which is wrong");
    }
}
