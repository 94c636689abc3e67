//! `cargo xtask sim`: worlds of which everything is drawn from a number, played in virtual time.

use crate::shell::{cargo, show};

/// Builds the player as fast as it can be, and lets it read the words.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut play = cargo(["run", "--quiet", "--release", "--package", "toubkal-sim"]);
    play.args(["--example", "worlds", "--"]).args(args);
    let status = play.status().map_err(|e| format!("{} did not start: {e}", show(&play)))?;
    if status.success() { Ok(()) } else { Err("a world failed: see above".to_owned()) }
}
