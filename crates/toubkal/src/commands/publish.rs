//! `toubkal publish`: name a torrent by a key, so that others can follow what comes next.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use toubkal_session::dht::{Dht, Item, NewItem};
use toubkal_session::hashing::{self, CreateOptions};
use toubkal_session::{Add, Metainfo, Priority, Session};
use toubkal_wire::magnet::{Magnet, Publisher};

use super::dht::Secret;
use crate::cli::{self, PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::record::{self, Limits};
use crate::report::{self, Report};
use crate::signals::Interrupt;
use crate::source::{self, Source};
use crate::state::Keep;
use crate::watch::{Job, Rules, Watch};
use crate::{json, network, progress, text, work};

/// Publish a torrent under a key, for others to follow
#[derive(Args, Debug)]
#[command(
    long_about = "Publish a torrent under a key, and share it until Ctrl-C.\n\n\
        Prints a link that stays the same when something newer is published with the same key; \
        `toubkal subscribe` follows it. Nodes of the DHT forget what nobody repeats: that is done \
        every hour while this runs, and by those who follow.\n\n\
        Whoever has the key file can publish in your name: keep a copy, and keep it to yourself.",
    after_help = "Examples:\n  \
        toubkal publish photos --key my.key\n  \
        toubkal publish news.torrent --data . --key my.key --salt news\n  \
        toubkal publish photos --key my.key --once"
)]
pub(crate) struct PublishArgs {
    /// A torrent (a path or an http(s) address), or a folder, of which one is made
    #[arg(value_name = "TORRENT|DIR")]
    source: Source,
    /// The file with the key; made if it is not there
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A word of yours, to publish several things with one key
    #[arg(long, value_name = "TEXT", default_value = "")]
    salt: String,
    /// The folder that holds the torrent's file or folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,
    /// Only tell the DHT; do not stay, and share nothing
    #[arg(long)]
    once: bool,
    /// Give up what the DHT does not take after so many seconds, with exit code 1
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = cli::parse_seconds)]
    timeout: Duration,
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

/// The same when the last time has failed.
const RETRY: Duration = Duration::from_secs(60);
/// How often it is seen whether there is an end.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &PublishArgs) -> Result<Exit, Failure> {
    let outcome = publish(args);
    if args.json { report::end(outcome) } else { outcome }
}

fn publish(args: &PublishArgs) -> Result<Exit, Failure> {
    let interrupt = Interrupt::new();
    let Content { metainfo, torrent, dir } = content(args, &interrupt)?;
    let name = text::cut(&metainfo.name, 60);
    let Some(info_hash) = metainfo.info_hash_v1 else {
        return Err(super::get::v2_only(&args.source, "published"));
    };
    if metainfo.private {
        return Err(Failure::new(Exit::Usage, format!("{name} is not published"))
            .cause("it is private: its peers come from its trackers alone")
            .tip("make a torrent of it without --private"));
    }
    let secret = Secret::open(&args.key)?;
    let session = network::start(&args.peers, &args.rates, &Keep::default())?;
    let dht = network::dht(&session)?;
    let mut report = Report::new(args.quiet, args.json);
    report.listening(&session)?;
    let job = if args.once { None } else { Some(share(&session, metainfo, torrent, &dir, args)?) };
    let until = Instant::now() + args.timeout;
    let limits = Limits { interrupt: &interrupt, until };
    let item = record::publish(&dht, &secret, args.salt.as_bytes(), &info_hash, limits)?;
    tell(args, &secret, &info_hash, &item)?;
    let Some(job) = job else {
        session.shutdown(Duration::ZERO);
        return Ok(Exit::Done);
    };
    report.start(&job)?;
    let repeating = interrupt.clone();
    // It ends with the program, which has nothing to wait for then.
    std::thread::spawn(move || repeat(&dht, &item, &repeating));
    let named_peers = args.peers.peer.len();
    let rules = Rules { seed: true, named_peers, lan: !args.peers.no_lan, ..Rules::default() };
    Watch { session, jobs: vec![job], rules, report: &mut report, interrupt: &interrupt }.run()
}

/// What is published.
struct Content {
    metainfo: Metainfo,
    /// The torrent file, of which peers are given the part that a link does not tell.
    torrent: Vec<u8>,
    /// The folder that holds it.
    dir: PathBuf,
}

fn content(args: &PublishArgs, interrupt: &Interrupt) -> Result<Content, Failure> {
    let folder = match &args.source {
        Source::File(path) if path.is_dir() => path,
        _ => {
            if !args.once {
                super::seed::check_data(&args.data)?;
            }
            let (metainfo, torrent) = source::torrent(&args.source)?;
            return Ok(Content { metainfo, torrent, dir: args.data.clone() });
        }
    };
    // `.` has a name, too.
    let path = fs::canonicalize(folder).map_err(|error| Failure::io("read", folder, &error))?;
    let dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut screen = progress::Screen::new(args.quiet || args.json);
    let options = CreateOptions::default();
    let created = work::with_progress(&name, &mut screen, interrupt, move |progress| {
        hashing::create(&path, &options, work::threads(), progress)
    });
    let created = created.ok_or_else(|| Failure::quiet(Exit::Interrupted))?;
    let created = created.map_err(|error| super::create::failure(&error, folder))?;
    let metainfo = Metainfo::parse(&created.torrent).map_err(|error| {
        Failure::new(Exit::Failed, "the new torrent cannot be read").cause(error.to_string())
    })?;
    Ok(Content { metainfo, torrent: created.torrent, dir })
}

/// Begins to share it.
fn share(
    session: &Session,
    metainfo: Metainfo,
    torrent: Vec<u8>,
    dir: &Path,
    args: &PublishArgs,
) -> Result<Job, Failure> {
    let mut add = Add::to(dir);
    // Nothing is wanted, so nothing is written: what is there is checked and shared.
    add.priorities = Some(vec![Priority::Skip; metainfo.file_count()]);
    add.peers = network::peers(&args.peers.peer)?;
    add.torrent = source::shared(&metainfo, torrent);
    let selected = metainfo.total();
    let torrent = session.add(Arc::new(metainfo), add).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot share {}", args.source)).cause(error.to_string())
    })?;
    let mut job = Job::new(torrent, dir.to_path_buf(), selected);
    job.sharing = true;
    Ok(job)
}

/// Prints the link that others follow.
fn tell(
    args: &PublishArgs,
    secret: &Secret,
    info_hash: &[u8; 20],
    item: &Item,
) -> Result<(), Failure> {
    let publisher = Publisher { key: secret.public(), salt: args.salt.clone().into() };
    let link = Magnet { publisher: Some(publisher), ..Magnet::default() }.to_string();
    if args.json {
        let (torrent, seq) = (text::hex(info_hash), item.seq());
        return json::print(&serde_json::json!({
            "event": "published", "link": link, "seq": seq, "torrent": torrent,
        }));
    }
    progress::print(&format!("{link}\n"))
}

/// Tells the DHT again and again: nodes forget after two hours.
fn repeat(dht: &Dht, item: &Item, interrupt: &Interrupt) {
    let item = NewItem::Signed(item.clone());
    let mut next = Instant::now() + record::REPEAT;
    while !interrupt.is_raised() {
        std::thread::sleep(LOOK);
        if Instant::now() >= next {
            let limits = Limits { interrupt, until: Instant::now() + RETRY };
            let stored = record::store(dht, &item, limits);
            next = Instant::now() + if stored.is_ok() { record::REPEAT } else { RETRY };
        }
    }
}
