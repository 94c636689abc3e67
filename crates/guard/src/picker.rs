//! The picker alone, with a hundred thousand pieces and a thousand peers: they get pieces, and are
//! asked for some.

use toubkal_core::base::{Bitset, Rng};
use toubkal_core::engine::testing::Picking;

use crate::{Run, Workload, run};

const PIECES: u32 = 100_000;
const PEERS: usize = 1000;
/// Pieces that each peer has at first.
const HAS: usize = 2000;

pub(crate) const HAVES: Workload = Workload {
    name: "picker-haves",
    per: "a have, 100,000 pieces, 1,000 peers",
    units: 50_000,
    prepare: haves,
};
pub(crate) const PICKS: Workload = Workload {
    name: "picker-picks",
    per: "a pick, 100,000 pieces, 1,000 peers",
    units: 5000,
    prepare: picks,
};

fn haves() -> Option<Run> {
    let (mut picking, mut rng) = prepare();
    let one = |rng: &mut Rng| (rng.index(PEERS), rng.index(PIECES as usize) as u32);
    let haves: Vec<_> = (0..HAVES.units).map(|_| one(&mut rng)).collect();
    run(move || haves.iter().for_each(|&(peer, piece)| picking.learn(peer, piece)))
}

fn picks() -> Option<Run> {
    let (mut picking, mut rng) = prepare();
    let peers: Vec<_> = (0..PICKS.units).map(|_| rng.index(PEERS)).collect();
    run(move || {
        let picked = peers.iter().filter_map(|&peer| picking.pick(peer)).count();
        assert_eq!(picked, peers.len(), "each has something to give");
    })
}

fn prepare() -> (Picking, Rng) {
    let mut rng = Rng::from_number(1);
    let peers = (0..PEERS).map(|_| {
        let mut has = Bitset::new(PIECES);
        (0..HAS).for_each(|_| _ = has.set(rng.index(PIECES as usize) as u32));
        has
    });
    let peers = peers.collect();
    (Picking::new(PIECES, peers, rng.fork("picker")), rng)
}
