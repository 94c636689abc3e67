//! `toubkal magnet`: the magnet link of a torrent.

use clap::Args;
use toubkal_wire::magnet::{Magnet, Peer};

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::progress::{self, Screen};
use crate::source::{self, Source};

/// Print the magnet link of a torrent
#[derive(Args, Debug)]
#[command(
    long_about = "Print the magnet link of a torrent: its info-hashes, name, trackers and web \
        seeds.\n\nOf a magnet link it prints the same link in one way of writing.",
    after_help = "Examples:\n  \
        toubkal magnet debian.torrent\n  \
        toubkal magnet --no-trackers debian.torrent\n  \
        toubkal magnet photos.torrent --no-trackers --peer 192.168.1.10:6881"
)]
pub(crate) struct MagnetArgs {
    /// A path, an http(s) address, a magnet link, or `-` for standard input
    #[arg(value_name = "TORRENT")]
    torrent: Source,
    /// Leave the trackers out
    #[arg(long)]
    no_trackers: bool,
    /// Leave the web seeds out
    #[arg(long)]
    no_web_seeds: bool,
    /// Leave the name out
    #[arg(long)]
    no_name: bool,
    /// A peer to name in the link; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer)]
    peer: Vec<Peer>,
}

fn parse_peer(text: &str) -> Result<Peer, String> {
    cli::parse_peer(text)?;
    Peer::parse(text).ok_or_else(|| "this is no name of a host".into())
}

pub(crate) fn run(args: &MagnetArgs) -> Result<Exit, Failure> {
    let (mut magnet, private) = match &args.torrent {
        Source::Magnet(link) => (source::link(link)?, false),
        source => {
            let metainfo = source::metainfo(source)?;
            (Magnet::of(&metainfo), metainfo.private)
        }
    };
    if args.no_trackers {
        magnet.trackers.clear();
    }
    if args.no_web_seeds {
        magnet.web_seeds.clear();
    }
    if args.no_name {
        magnet.name = None;
    }
    magnet.peers.extend(args.peer.iter().cloned());
    if private && !magnet.trackers.is_empty() {
        Screen::new(false).say(
            "this torrent is private: the addresses of its trackers may hold a key that is yours \
             alone; --no-trackers leaves them out",
        );
    }
    progress::print(&format!("{magnet}\n"))?;
    Ok(Exit::Done)
}
