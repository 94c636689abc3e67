//! `toubkal create`: make a torrent of a file or folder.

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::units;

/// Make a torrent of a file or folder
#[derive(Args, Debug)]
#[command(
    long_about = "Make a torrent of a file or folder, and print its info-hash.",
    after_help = "Examples:\n  \
        toubkal create photos -o photos.torrent --announce https://tracker.example.org/announce\n  \
        toubkal create film.mkv -o film.torrent --private --piece-length 4MiB\n  \
        toubkal create data -o data.torrent --web-seed https://example.org/data/"
)]
pub(crate) struct CreateArgs {
    /// The file or folder
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The torrent to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A tracker; each further one is asked when those before it do not answer
    #[arg(long, value_name = "URL")]
    announce: Vec<String>,
    /// Bytes in a piece, a power of two: 256KiB, 4MiB [default: by size]
    #[arg(long, value_name = "N", value_parser = parse_piece_length)]
    piece_length: Option<u32>,
    /// Peers may come from the trackers alone
    #[arg(long)]
    private: bool,
    /// A comment for people
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// A server that holds the content; may be repeated
    #[arg(long, value_name = "URL")]
    web_seed: Vec<String>,
    /// Replace the torrent if it is there already
    #[arg(long)]
    force: bool,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads a length of pieces.
fn parse_piece_length(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text)?;
    match u32::try_from(bytes) {
        Ok(length) if length.is_power_of_two() && (16 << 10..=256 << 20).contains(&length) => {
            Ok(length)
        }
        _ => Err("a piece length is a power of two from 16KiB to 256MiB".into()),
    }
}

pub(crate) fn run(_args: &CreateArgs) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}
