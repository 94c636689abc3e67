//! `toubkal verify`: what is good on disk, and what is not.

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::source::Source;

/// Check files against a torrent
#[derive(Args, Debug)]
#[command(
    long_about = "Check files against a torrent, and list what is missing or wrong. Nothing is \
        changed.\n\nEnds with exit code 1 when something is missing or wrong.",
    after_help = "Examples:\n  \
        toubkal verify debian.torrent --data ~/Downloads\n  \
        toubkal verify debian.torrent --data . --json | jq '.files[] | select(.good | not)'\n  \
        toubkal verify debian.torrent --data . && echo all is well"
)]
pub(crate) struct VerifyArgs {
    /// A path, an http(s) address, or `-` for standard input
    #[arg(value_name = "TORRENT")]
    torrent: Source,
    /// The folder that holds the torrent's file or folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(_args: &VerifyArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
