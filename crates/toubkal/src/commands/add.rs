//! `toubkal add`: give torrents to the daemon.

use std::path::PathBuf;

use base64::Engine;
use clap::Args;
use serde_json::{Value, json};

use crate::control::{Control, ControlArgs};
use crate::exit::{Exit, Failure};
use crate::source::{self, Source};
use crate::{json as lines, progress, text, units};

/// Give torrents to the daemon
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal add debian.torrent\n  \
        toubkal add *.torrent --tag linux --json\n  \
        toubkal add 'magnet:?xt=urn:btih:...' --dir ~/Videos --category films --paused")]
pub(crate) struct AddArgs {
    /// Torrents: paths, http(s) addresses, magnet links, or `-` for standard input
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<Source>,
    /// The download folder
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Its category
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// A tag; may be repeated
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// It is to wait until somebody starts it
    #[arg(long, conflicts_with = "force")]
    paused: bool,
    /// It is to run whatever the queue says
    #[arg(long)]
    force: bool,
    /// Before all others in the queue
    #[arg(long)]
    first: bool,
    /// Pieces in order instead of rarest first
    #[arg(long)]
    sequential: bool,
    /// Download at most this fast, in bytes a second: 500k, 2M, 1.5MiB
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    down_limit: Option<u64>,
    /// Upload at most this fast
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    up_limit: Option<u64>,
    /// A peer to connect to besides those that are found; may be repeated
    #[arg(long, value_name = "HOST:PORT", value_parser = crate::cli::parse_peer)]
    peer: Vec<String>,
    /// Print what was added as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

pub(crate) fn run(args: &AddArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let mut exit = Exit::Done;
    for source in &args.sources {
        // One that is wrong does not keep the others back.
        match add(args, &control, source) {
            Ok(()) => {}
            Err(failure) if args.sources.len() == 1 => return Err(failure),
            Err(failure) => {
                crate::report(&failure);
                exit = failure.exit;
            }
        }
    }
    Ok(exit)
}

fn add(args: &AddArgs, control: &Control, source: &Source) -> Result<(), Failure> {
    let dir = args.dir.as_ref().map(|dir| match args.control.host {
        // On another machine only that one knows.
        Some(_) => dir.clone(),
        None => std::path::absolute(dir).unwrap_or_else(|_| dir.clone()),
    });
    let mut body = json!({
        "dir": dir,
        "category": args.category.clone().unwrap_or_default(),
        "tags": args.tag,
        "sequential": args.sequential,
        "down": args.down_limit,
        "up": args.up_limit,
        "first": args.first,
        "peers": crate::network::peers(&args.peer)?,
    });
    if args.paused || args.force {
        body["wish"] = if args.paused { "paused" } else { "forced" }.into();
    }
    match source {
        Source::Magnet(link) => body["link"] = source::sought(link)?.to_string().into(),
        source => {
            let (_, bytes) = source::torrent(source)?;
            body["torrent"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
        }
    }
    let added: Value = control.post("/api/v1/torrents", &body)?;
    if args.json {
        return lines::print(&added);
    }
    let name = text::escape(added["torrent"]["name"].as_str().unwrap_or_default()).into_owned();
    let known = if added["known"] == true { ", which was there already" } else { "" };
    progress::print(&format!("{} {name}{known}\n", added["id"]))
}
