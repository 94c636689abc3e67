//! In the steady state no block has an allocation of its own: not at who downloads it, not at who
//! uploads it, on no thread.

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::sync::Arc;

use common::{seed, session, torrent, until, until_completed, write_files};
use toubkal_session::{Add, Notice};

const PIECE: usize = 1 << 20;
const BLOCKS: usize = PIECE / 16_384;
const PIECES: usize = 96;

/// Allocations of a thousand blocks, at both ends together: some 150 to 400, of which channels take
/// a hundred (one a 31 messages), pieces fifty, and the pool of buffers the rest until it is full.
/// One more a block would be a thousand more.
const ALLOWED: usize = 750;

/// Alone in its process, because every allocation of the process counts.
#[test]
fn a_block_costs_no_allocation_of_its_own_at_either_end() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lengths = [PIECES * PIECE];
    write_files(from.path(), "steady", &lengths);
    let metainfo = Arc::new(torrent("steady", &lengths, PIECE, None));
    let (seeding, _torrent) = seed(&metainfo, from.path());
    let leeching = session();
    let peers = seeding.listening_on().to_vec();
    leeching.add(metainfo, Add { peers, ..Add::to(to.path()) }).unwrap();
    let mut pieces = 0;
    let mut until_piece = |count| {
        until(&leeching, "pieces", |notice| {
            pieces += usize::from(matches!(notice, Notice::PieceDone { .. }));
            pieces == count
        });
        memory::allocations()
    };
    let (quarter, three) = (until_piece(PIECES / 4), until_piece(3 * PIECES / 4));
    let blocks = PIECES / 2 * BLOCKS;
    let thousandths = 1000 * (three - quarter) / blocks;
    until_completed(&leeching);
    assert!(thousandths <= ALLOWED, "{thousandths} allocations a thousand blocks");
}
