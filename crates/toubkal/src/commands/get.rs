//! `toubkal get`: download, check, go on.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::select::{self, Select};
use crate::source::Source;

/// Download torrents, or go on with them
#[derive(Args, Debug)]
#[command(
    long_about = "Download torrents, or go on with them.\n\n\
        What is in the folder already is checked and kept; a file that is complete is never \
        written to. Incomplete files end in .part. Ends with exit code 0 when everything selected \
        is on disk and verified; run it again on a finished download and it says so.\n\n\
        Ctrl-C stops cleanly and keeps what is there; a second one leaves at once.",
    after_help = "Examples:\n  \
        toubkal get debian.torrent\n  \
        toubkal get https://example.org/a.torrent b.torrent -o ~/Downloads --down-limit 2M\n  \
        toubkal get series.torrent --select '*E01*' --sequential --seed"
)]
pub(crate) struct GetArgs {
    /// Torrents: paths, http(s) addresses, or `-` for standard input
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Source>,
    /// The folder to download into; made when it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Only files that match, by path, name or folder: '*.mkv', 'Season 1'; may be repeated
    #[arg(long, value_name = "GLOB", value_parser = select::parse)]
    select: Vec<Select>,
    /// Download in order, to watch or listen meanwhile
    #[arg(long)]
    sequential: bool,
    /// Go on sharing when everything is there, until Ctrl-C
    #[arg(long)]
    seed: bool,
    #[command(flatten)]
    peers: PeerArgs,
    #[command(flatten)]
    rates: RateArgs,
    /// Give up after so long without any peer, with exit code 4; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// Take over files of the right length that hold something else, and overwrite what is wrong
    #[arg(long)]
    adopt: bool,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print what happens as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(_args: &GetArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
