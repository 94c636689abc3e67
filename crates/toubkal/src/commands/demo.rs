//! `toubkal demo`: a whole swarm on this machine, in a few seconds.

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::units;

/// See it work: a whole swarm on this machine, without a network
#[derive(Args, Debug)]
#[command(
    long_about = "See it work: a whole swarm on this machine, without a network.\n\n\
        Makes files, a torrent of them, a tracker and seeds on the loopback interface; downloads \
        the torrent over real sockets; verifies every byte; cleans up.",
    after_help = "Examples:\n  \
        toubkal demo\n  \
        toubkal demo --size 2G --seeds 5\n  \
        toubkal demo --size 10MB --quiet"
)]
pub(crate) struct DemoArgs {
    /// Bytes to download [default: 256MiB, less when there is little room]
    #[arg(long, value_name = "BYTES", value_parser = units::parse_size)]
    size: Option<u64>,
    /// Seeds to download from
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    seeds: u16,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(_args: &DemoArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
