//! A second of an engine with many torrents of which nobody wants anything.

use std::time::Duration;

use toubkal_core::base::Bitset;

use crate::swarm::Swarm;
use crate::{Run, Workload, run};

const TORRENTS: u32 = 1000;
const PIECES: u32 = 16;
const UNITS: u32 = 20;

pub(crate) const IDLE: Workload =
    Workload { name: "tick-idle", per: "a tick, 1,000 idle torrents", units: UNITS, prepare };

fn prepare() -> Option<Run> {
    let mut swarm = Swarm::new();
    (0..TORRENTS).for_each(|_| swarm.add(PIECES, true));
    // Somebody has to be there for the heart to beat.
    swarm.join(&Bitset::new(PIECES));
    swarm.pass(Duration::from_secs(8));
    run(move || swarm.pass(Duration::from_secs(u64::from(UNITS))))
}
