//! Blocks that come: a torrent of a thousand and of a hundred thousand pieces, 200 peers, of which
//! one gives, a seed, or all of them. Each block is received, stored, written; the last of a piece
//! is verified, and told to all who lack it.

use toubkal_core::base::Bitset;
use toubkal_wire::message::Message;

use crate::swarm::{BLOCKS, Swarm};
use crate::{Run, Workload, run};

/// Peers, one of them a seed; the others have a quarter each.
const PEERS: u32 = 200;
/// Blocks that come before: windows are open, pieces are begun, something is there to give.
const BEFORE: u32 = 3000;
/// Blocks of a run. With what came before less than a torrent of a thousand pieces has.
const UNITS: u32 = 6000;

pub(crate) const SEED_1000: Workload = Workload {
    name: "block-seed-1000",
    per: "a block of one seed, 1,000 pieces, 200 peers",
    units: UNITS,
    prepare: || prepare(1000, false),
};
pub(crate) const SEED_100000: Workload = Workload {
    name: "block-seed-100000",
    per: "a block of one seed, 100,000 pieces, 200 peers",
    prepare: || prepare(100_000, false),
    ..SEED_1000
};
pub(crate) const SWARM_1000: Workload = Workload {
    name: "block-swarm-1000",
    per: "a block of any of 200 peers, 1,000 pieces",
    prepare: || prepare(1000, true),
    ..SEED_1000
};
pub(crate) const SWARM_100000: Workload = Workload {
    name: "block-swarm-100000",
    per: "a block of any of 200 peers, 100,000 pieces",
    prepare: || prepare(100_000, true),
    ..SEED_1000
};

fn prepare(pieces: u32, all_give: bool) -> Option<Run> {
    let mut swarm = Swarm::new();
    swarm.add(pieces, false);
    let seed = swarm.join(&Bitset::full(pieces));
    let mut giving = vec![seed];
    for _ in 1..PEERS {
        let has = swarm.quarter(pieces);
        let link = swarm.join(&has);
        if all_give {
            giving.push(link);
        }
    }
    giving.into_iter().for_each(|link| swarm.say(link, Message::Unchoke));
    (0..BEFORE).for_each(|_| swarm.next_block());
    let before = swarm.good;
    run(move || {
        (0..UNITS).for_each(|_| swarm.next_block());
        // What one peer gives is whole piece by piece; what all give is so on the average.
        let whole = swarm.good - before;
        assert!(whole > UNITS / BLOCKS / 2, "{whole} pieces are whole");
    })
}
