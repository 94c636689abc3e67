//! `toubkal tracker`: a small tracker for a local network and for tests.

use std::net::SocketAddr;

use clap::Args;

use crate::cli;
use crate::exit::{Exit, Failure};

/// Run a small tracker, for a local network or for tests
#[derive(Args, Debug)]
#[command(
    long_about = "Run a small tracker, for a local network or for tests, until Ctrl-C.\n\n\
        It keeps its swarms in memory and forgets them when it ends.",
    after_help = "Examples:\n  \
        toubkal tracker\n  \
        toubkal tracker --listen 192.168.1.10:6969\n  \
        toubkal create photos -o photos.torrent --announce http://192.168.1.10:6969/announce"
)]
pub(crate) struct TrackerArgs {
    /// Where to listen
    #[arg(
        long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6969",
        value_parser = cli::parse_address
    )]
    listen: SocketAddr,
    /// Print the address as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(_args: &TrackerArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
