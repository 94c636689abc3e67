//! io_uring: the reads of all peers go in with one call, and so do the writes.
#![allow(unsafe_code, reason = "the kernel works on memory that the compiler cannot see it has")]

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, squeue, types};

use super::ways::{BATCH, BLOCK, Peer, Way, unless_full};

/// Entries of the ring: a batch for each of 64 peers.
const ENTRIES: u32 = 2048;

pub(crate) struct Ring {
    ring: IoUring,
    results: Vec<(u64, i32)>,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { ring: IoUring::new(ENTRIES)?, results: Vec::new() })
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: what entries point to is borrowed by `round` until `wait` has seen them all
        // completed.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.expect("there are as many entries as peers have blocks");
    }

    /// Waits for so many.
    fn wait(&mut self, count: usize) -> io::Result<()> {
        self.results.clear();
        while self.results.len() < count {
            self.ring.submit_and_wait(count - self.results.len())?;
            let done = self.ring.completion().map(|entry| (entry.user_data(), entry.result()));
            self.results.extend(done);
        }
        Ok(())
    }
}

impl Way for Ring {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn round(&mut self, file: &File, peers: &mut [&mut Peer]) -> io::Result<()> {
        let mut reads = 0;
        for peer in &mut *peers {
            if !peer.choose() {
                continue;
            }
            for (body, &place) in peer.bodies.iter_mut().zip(&peer.places) {
                let fd = types::Fd(file.as_raw_fd());
                let read = opcode::Read::new(fd, body.as_mut_ptr(), BLOCK as u32).offset(place);
                self.push(&read.build());
                reads += 1;
            }
        }
        self.wait(reads)?;
        if self.results.iter().any(|&(_, result)| result != BLOCK as i32) {
            return Err(io::Error::other("a block could not be read whole"));
        }
        let mut lists = vec![[IoSlice::new(&[]); 2 * BATCH]; peers.len()];
        for ((at, peer), list) in (0..).zip(&*peers).zip(&mut lists) {
            let count = peer.slices(list);
            let fd = types::Fd(peer.stream.as_raw_fd());
            // An IoSlice is an iovec, as std promises for Unix.
            let write = opcode::Writev::new(fd, list.as_ptr().cast(), count as u32);
            self.push(&write.build().user_data(at));
        }
        self.wait(peers.len())?;
        drop(lists);
        for &(at, result) in &self.results {
            let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            peers[at as usize].took(unless_full(result)?);
        }
        Ok(())
    }
}
