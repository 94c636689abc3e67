//! `toubkal seed`: share what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use toubkal_session::{Add, Priority};

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure, io_cause};
use crate::network;
use crate::report::{self, Report};
use crate::signals::Interrupt;
use crate::source::{self, Source};
use crate::state::StateArgs;
use crate::watch::{Job, Rules, Watch};

/// Share files that are there already
#[derive(Args, Debug)]
#[command(
    long_about = "Share files that are there already, until Ctrl-C or until --ratio is reached.\n\n\
        What `toubkal get` remembers of the folder is believed, everything else is checked first. \
        When something is missing or wrong, it ends with exit code 1 \
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
    #[command(flatten)]
    state: StateArgs,
    /// Check everything first, whatever is remembered of it
    #[arg(long)]
    check: bool,
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

pub(crate) fn run(args: &SeedArgs) -> Result<Exit, Failure> {
    let outcome = seed(args);
    if args.json { report::end(outcome) } else { outcome }
}

fn seed(args: &SeedArgs) -> Result<Exit, Failure> {
    let (metainfo, bytes) = source::torrent(&args.torrent)?;
    if metainfo.info_hash_v1.is_none() {
        return Err(super::get::v2_only(&args.torrent, "shared"));
    }
    check_data(&args.data)?;
    let keep = args.state.found(&args.data)?;
    let peers = network::peers(&args.peers.peer)?;
    let interrupt = Interrupt::new();
    let session = network::start(&args.peers, &args.rates, &keep)?;
    let mut report = Report::new(args.quiet, args.json);
    report.listening(&session)?;
    let (seed, ratio, named_peers) = (true, args.ratio, peers.len());
    let rules = Rules { seed, ratio, named_peers, ..Rules::default() };
    let mut add = Add::to(&args.data);
    // Nothing is wanted, so nothing is written: what is there is checked and shared.
    add.priorities = Some(vec![Priority::Skip; metainfo.file_count()]);
    add.peers = peers;
    add.check = args.check;
    add.torrent = source::shared(&metainfo, bytes);
    let selected = metainfo.total();
    let torrent = session.add(Arc::new(metainfo), add).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot share {}", args.torrent))
            .cause(error.to_string())
    })?;
    let mut job = Job::new(torrent, args.data.clone(), selected);
    job.sharing = true;
    report.start(&job)?;
    Watch { session, jobs: vec![job], rules, report: &mut report, interrupt: &interrupt }.run()
}

/// Whether there is a folder to share from.
pub(super) fn check_data(dir: &Path) -> Result<(), Failure> {
    let failure = |exit| Failure::new(exit, format!("cannot read the folder {}", dir.display()));
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(failure(Exit::Usage)
            .cause("it is a file")
            .tip("--data is the folder that holds the torrent's file or folder")),
        Err(error) => Err(failure(Exit::Usage).cause(io_cause(&error)).tip("check --data")),
    }
}
