//! What is remembered of a torrent while the program is not there: records, and what they are
//! worth afterwards.
//!
//! A piece may be *told* to peers once it is verified. It may be *recorded* as synced only when a
//! sync that began after its last write is through. So a record never overtakes the data it speaks
//! of, and whatever ends the program, a piece that is recorded as synced is right on the disk.

use crate::base::Bitset;

/// Bytes of payload over the whole life of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of blocks that were received and asked for.
    pub downloaded: u64,
    /// Of blocks that were sent.
    pub uploaded: u64,
    /// Of blocks that were received in vain.
    pub wasted: u64,
}

/// What is to be remembered of a torrent. Each record replaces the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Pieces that are verified: right as long as the system keeps what it was given, which it
    /// does when a program dies, and does not when the power does.
    pub verified: Bitset,
    /// Pieces of which every byte is on the disk; all of them are `verified`.
    pub synced: Bitset,
    /// The torrent has stopped: nothing is written until the next record.
    pub rest: bool,
    /// What was transferred.
    pub totals: Totals,
}

impl Record {
    /// What the record is worth later. `same_boot`: the system has run without a break since the
    /// record was made, so that it has lost nothing of what it was given.
    #[must_use]
    pub fn recall(self, same_boot: bool) -> Memory {
        let Self { verified, synced, rest, totals } = self;
        let kept = rest || same_boot;
        let have = if kept { verified } else { synced.clone() };
        Memory { have, synced, doubt: !kept, totals }
    }
}

/// What is known of a torrent from an earlier life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Pieces that are right and need no check, if their files are as they were left.
    pub have: Bitset,
    /// Those of them that are on the disk.
    pub synced: Bitset,
    /// The power was lost since, and not every disk does what it says: some pieces are checked
    /// at the start, and each before it is given to a peer for the first time.
    pub doubt: bool,
    /// What was transferred.
    pub totals: Totals,
}
