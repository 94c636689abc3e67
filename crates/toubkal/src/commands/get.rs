//! `toubkal get`: download, check, go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use toubkal_session::{Add, Priority};
use toubkal_wire::metainfo::Metainfo;

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::report::{self, Report};
use crate::select::{self, Select};
use crate::signals::Interrupt;
use crate::source::{self, Source};
use crate::state::StateArgs;
use crate::watch::{Job, Rules, Watch};
use crate::{folder, network, text};

/// Download torrents, or go on with them
#[derive(Args, Debug)]
#[command(
    long_about = "Download torrents, or go on with them.\n\n\
        What is in the folder already is kept; a file that is complete is never written to. \
        Incomplete files end in .part. What is verified is remembered in .toubkal/state.db in the \
        folder; what is not remembered, or was changed since, is checked. Ends with \
        exit code 0 when everything selected is on disk and verified; run it again on a finished \
        download and it says so.\n\n\
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
    #[command(flatten)]
    state: StateArgs,
    /// Check everything that is there, whatever is remembered of it
    #[arg(long)]
    check: bool,
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

/// A torrent that is going to be downloaded.
struct Wish {
    metainfo: Arc<Metainfo>,
    /// One a file, when there is a choice.
    wanted: Option<Vec<bool>>,
}

pub(crate) fn run(args: &GetArgs) -> Result<Exit, Failure> {
    let outcome = get(args);
    if args.json { report::end(outcome) } else { outcome }
}

fn get(args: &GetArgs) -> Result<Exit, Failure> {
    // Everything that can be wrong with what was asked for is said before anything is touched.
    let wishes = wishes(args)?;
    folder::check(&args.output)?;
    let keep = args.state.of(&args.output)?;
    let peers = network::peers(&args.peers.peer)?;
    // Until here Ctrl-C ends the program as it ends any other.
    let interrupt = Interrupt::new();
    let session = network::start(&args.peers, &args.rates, &keep)?;
    let mut report = Report::new(args.quiet, args.json);
    report.listening(&session)?;
    let rules = Rules {
        patience: (args.patience > 0).then(|| Duration::from_secs(args.patience)),
        seed: args.seed,
        ratio: None,
        named_peers: peers.len(),
    };
    let mut jobs = Vec::new();
    for wish in wishes {
        let mut add = Add::to(&args.output);
        add.priorities = wish.wanted.as_ref().map(|wanted| priorities(wanted));
        add.sequential = args.sequential;
        add.adopt = args.adopt;
        add.check = args.check;
        add.peers.clone_from(&peers);
        let name = text::cut(&wish.metainfo.name, 60);
        let torrent = session.add(Arc::clone(&wish.metainfo), add).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot take {name}")).cause(error.to_string())
        })?;
        let job = Job::new(torrent, args.output.clone(), selected_size(&wish));
        report.start(&job)?;
        jobs.push(job);
    }
    Watch { session, jobs, rules, report: &mut report, interrupt: &interrupt }.run()
}

/// Reads all sources; the same torrent twice is one.
fn wishes(args: &GetArgs) -> Result<Vec<Wish>, Failure> {
    let mut wishes: Vec<Wish> = Vec::new();
    for source in &args.sources {
        let metainfo = source::metainfo(source)?;
        let Some(hash) = metainfo.info_hash_v1 else { return Err(v2_only(source, "downloaded")) };
        if wishes.iter().any(|wish| wish.metainfo.info_hash_v1 == Some(hash)) {
            continue;
        }
        let wanted = select::wanted(&metainfo, &args.select)?;
        wishes.push(Wish { metainfo: Arc::new(metainfo), wanted });
    }
    Ok(wishes)
}

/// BEP 52: the transfer of version 2 comes later.
pub(super) fn v2_only(source: &Source, done: &str) -> Failure {
    Failure::new(Exit::BadTorrent, format!("{source} cannot be {done} yet"))
        .cause("it is a torrent of version 2 alone; this version of toubkal transfers version 1")
        .tip("look for a hybrid torrent, or one of version 1; `toubkal info` reads all of them")
}

fn priorities(wanted: &[bool]) -> Vec<Priority> {
    let priority = |&wanted: &bool| if wanted { Priority::Normal } else { Priority::Skip };
    wanted.iter().map(priority).collect()
}

fn selected_size(wish: &Wish) -> u64 {
    let Some(wanted) = &wish.wanted else { return wish.metainfo.total() };
    let files = wish.metainfo.files().zip(wanted);
    files.filter(|(_, wanted)| **wanted).map(|(file, _)| file.length).sum()
}
