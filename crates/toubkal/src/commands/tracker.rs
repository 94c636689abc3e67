//! `toubkal tracker`: a small tracker for a local network and for tests.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use clap::Args;
use toubkal_session::tracker::{ServerOptions, TrackerServer};

use crate::exit::{Exit, Failure, io_cause};
use crate::progress::{self, Screen};
use crate::signals::Interrupt;
use crate::{cli, json};

/// Run a small tracker, for a local network or for tests
#[derive(Args, Debug)]
#[command(
    long_about = "Run a small tracker, for a local network or for tests, until Ctrl-C.\n\n\
        It is asked over HTTP and over UDP, on the same port. It keeps its swarms in memory and \
        forgets them when it ends.",
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

/// Between two looks at whether the user wants an end.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &TrackerArgs) -> Result<Exit, Failure> {
    let interrupt = Interrupt::new();
    let tracker = TrackerServer::start(args.listen, ServerOptions::default()).map_err(|error| {
        Failure::new(Exit::of_io(&error), format!("cannot listen on {}", args.listen))
            .cause(io_cause(&error))
            .tip("choose another address with --listen; port 0 takes a free one")
    })?;
    let announce = tracker.url();
    if args.json {
        let udp = tracker.udp_url();
        json::print(&serde_json::json!({"event": "listen", "announce": announce, "udp": udp}))?;
    } else {
        progress::print(&format!("{announce}\n"))?;
        let udp = tracker.udp_url();
        Screen::new(false).say(&format!("or {udp}; the tracker runs until Ctrl-C"));
    }
    while !interrupt.is_raised() {
        thread::sleep(LOOK);
    }
    Ok(Exit::Done)
}
