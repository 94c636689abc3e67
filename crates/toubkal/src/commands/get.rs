//! `toubkal get`: download, check, go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use toubkal_session::{Add, AddError, Magnet, Metainfo, Session};

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::report::{self, Report};
use crate::select::{self, Select};
use crate::signals::Interrupt;
use crate::source::{self, Source};
use crate::state::StateArgs;
use crate::watch::{Job, Rules, Sought, Watch};
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
        Of a magnet link the file list is fetched from peers first; when nobody has it, that is \
        said, and the search goes on until --timeout or Ctrl-C.\n\n\
        Ctrl-C stops cleanly and keeps what is there; a second one leaves at once.",
    after_help = "Examples:\n  \
        toubkal get https://example.org/a.torrent b.torrent --down-limit 2M\n  \
        toubkal get 'magnet:?xt=urn:btih:...' -o ~/Downloads\n  \
        toubkal get series.torrent --select '*E01*' --sequential --seed"
)]
pub(crate) struct GetArgs {
    /// Torrents: paths, http(s) addresses, magnet links, or `-` for standard input
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Source>,
    /// The folder to download into; made when it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Only files that match: '*.mkv', 'Season 1'; may be repeated
    ///
    /// A pattern means a path inside the torrent, a name, or a folder with all that is in it.
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
    /// Give up after so long without any peer, with exit code 4 [default: 60]
    ///
    /// 0 waits for ever. While the file list of a magnet link is looked for, it holds only when it
    /// is given.
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// Give up what is not complete after so long, with exit code 1
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    #[command(flatten)]
    state: StateArgs,
    /// Check everything that is there, whatever is remembered of it
    #[arg(long)]
    check: bool,
    /// Overwrite files of the right length that hold something else
    #[arg(long)]
    adopt: bool,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Say also what slows it down, and where peers come from
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Print what happens as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// Peers are waited for so long when nobody says how long.
const PATIENCE: u64 = 60;

/// A torrent that is going to be downloaded.
enum Wish {
    /// Its files are known.
    Torrent {
        metainfo: Box<Metainfo>,
        bytes: Vec<u8>,
        /// One a file, when there is a choice.
        wanted: Option<Vec<bool>>,
    },
    /// Only a link is.
    Magnet(Box<Magnet>),
}

impl Wish {
    fn hash(&self) -> Option<[u8; 20]> {
        match self {
            Self::Torrent { metainfo, .. } => metainfo.info_hash_v1,
            Self::Magnet(magnet) => magnet.v1,
        }
    }
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
    let mut report = Report::new(args.quiet, args.json).verbose(args.verbose);
    report.listening(&session)?;
    let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    let rules = Rules {
        patience: seconds(args.patience.unwrap_or(PATIENCE)),
        seek_patience: args.patience.and_then(seconds),
        timeout: args.timeout.map(Duration::from_secs),
        seed: args.seed,
        named_peers: peers.len(),
        lan: !args.peers.no_lan,
        ..Rules::default()
    };
    let mut jobs = Vec::new();
    for wish in wishes {
        let mut add = Add::to(&args.output);
        add.sequential = args.sequential;
        add.adopt = args.adopt;
        add.check = args.check;
        add.peers.clone_from(&peers);
        let job = begin(args, &session, wish, add)?;
        report.start(&job)?;
        jobs.push(job);
    }
    Watch { session, jobs, rules, report: &mut report, interrupt: &interrupt }.run()
}

/// Gives the session what is to be downloaded.
fn begin(args: &GetArgs, session: &Session, wish: Wish, mut add: Add) -> Result<Job, Failure> {
    let dir = args.output.clone();
    let refusal = |name: &str, error: AddError| {
        Failure::new(Exit::Failed, format!("cannot take {}", text::cut(name, 60)))
            .cause(error.to_string())
    };
    match wish {
        Wish::Torrent { metainfo, bytes, wanted } => {
            add.priorities = wanted.as_deref().map(select::priorities);
            add.torrent = source::shared(&metainfo, bytes);
            let name = metainfo.name.clone();
            let selected = select::size(&metainfo, wanted.as_deref());
            let torrent = session.add(Arc::from(metainfo), add);
            Ok(Job::new(torrent.map_err(|error| refusal(&name, error))?, dir, selected))
        }
        Wish::Magnet(magnet) => {
            let sought = Sought::new(*magnet, &args.select, &args.peers);
            add.choose = sought.choose();
            let torrent = session.add_magnet(&sought.magnet, add);
            let torrent = torrent.map_err(|error| match error {
                AddError::Refused(message) => sought.refusal(&message),
                error => refusal(&sought.magnet.to_string(), error),
            })?;
            Ok(Job::seek(torrent, dir, sought))
        }
    }
}

/// Reads all sources; the same torrent twice is one.
fn wishes(args: &GetArgs) -> Result<Vec<Wish>, Failure> {
    let mut wishes: Vec<Wish> = Vec::new();
    for source in &args.sources {
        let wish = wish(args, source)?;
        if wishes.iter().all(|other| other.hash() != wish.hash()) {
            wishes.push(wish);
        }
    }
    Ok(wishes)
}

fn wish(args: &GetArgs, source: &Source) -> Result<Wish, Failure> {
    if let Source::Magnet(link) = source {
        return Ok(Wish::Magnet(Box::new(source::sought(link)?)));
    }
    let (metainfo, bytes) = source::torrent(source)?;
    if metainfo.info_hash_v1.is_none() {
        return Err(v2_only(source, "downloaded"));
    }
    let wanted = select::wanted(&metainfo, &args.select)?;
    Ok(Wish::Torrent { metainfo: Box::new(metainfo), bytes, wanted })
}

/// BEP 52: the transfer of version 2 comes later.
pub(super) fn v2_only(source: &Source, done: &str) -> Failure {
    Failure::new(Exit::BadTorrent, format!("{source} cannot be {done} yet"))
        .cause("it is a torrent of version 2 alone; this version of toubkal transfers version 1")
        .tip("look for a hybrid torrent, or one of version 1; `toubkal info` reads all of them")
}
