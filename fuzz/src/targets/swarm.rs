//! Whole swarms: the bytes are the chance of the world, with every checker on.

use toubkal_sim::{Chance, Scenario};

/// More hosts would only make it slower.
const HOSTS_MAX: usize = 9;

pub(crate) fn swarm(input: &[u8]) {
    let chance = Chance::from_script(input.to_vec(), 1);
    let mut scenario = Scenario::from_chance(1, &chance);
    scenario.keep_hosts(HOSTS_MAX);
    // What is left of the bytes decides what happens.
    let _ = scenario.run_with(chance);
}
