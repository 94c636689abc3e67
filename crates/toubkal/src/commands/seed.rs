//! `toubkal seed`: share what is there.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::source::Source;

/// Share files that are there already
#[derive(Args, Debug)]
#[command(
    long_about = "Share files that are there already, until Ctrl-C or until --ratio is reached.\n\n\
        Everything is checked first. When something is missing or wrong, it ends with exit code 1 \
        and nothing is changed; `toubkal get` fetches what is missing.",
    after_help = "Examples:\n  \
        toubkal seed debian.torrent --data ~/Downloads\n  \
        toubkal seed debian.torrent --data . --ratio 2 --up-limit 1M\n  \
        toubkal seed demo.torrent --data . --listen 127.0.0.1:6881"
)]
pub(crate) struct SeedArgs {
    /// A path, an http(s) address, or `-` for standard input
    #[arg(value_name = "TORRENT")]
    torrent: Source,
    /// The folder that holds the torrent's file or folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Stop when this many times the size has been uploaded
    #[arg(long, value_name = "R", value_parser = parse_ratio)]
    ratio: Option<f64>,
    #[command(flatten)]
    peers: PeerArgs,
    #[command(flatten)]
    rates: RateArgs,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print what happens as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// Reads a number such as `1.5`.
fn parse_ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio.is_finite() && ratio >= 0.0 => Ok(ratio),
        _ => Err("a ratio is written like 2 or 1.5".into()),
    }
}

pub(crate) fn run(_args: &SeedArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
