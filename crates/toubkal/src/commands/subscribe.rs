//! `toubkal subscribe`: follow what a key publishes.

mod versions;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use toubkal_session::dht::{Item, NewItem};
use toubkal_session::{Add, Metainfo, Priority, Session};
use toubkal_wire::magnet::{Magnet, Peer};

use crate::cli::{self, PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::metadata::{self, End, Search};
use crate::progress::Screen;
use crate::record::{self, Limits, Place};
use crate::report::{self, Report};
use crate::signals::Interrupt;
use crate::state::Keep;
use crate::watch::{Job, Rules, Watch};
use crate::{folder, json, network, source, text};
use versions::{Shelf, Version};

/// Follow what somebody publishes
#[derive(Args, Debug)]
#[command(
    long_about = "Follow what somebody publishes: fetch it, share it, and fetch what is newer, \
        until Ctrl-C.\n\n\
        Files that have not changed are taken from the version that is there. That one is left \
        as it is until the new one is whole, and then removed, unless --keep-old is given; files \
        of yours in its folder stay.",
    after_help = "Examples:\n  \
        toubkal subscribe 'magnet:?xs=urn:btpk:...' -o photos\n  \
        toubkal subscribe 'magnet:?xs=urn:btpk:...' -o photos --once   # from a timer\n  \
        toubkal subscribe 'magnet:?xs=urn:btpk:...' -o photos --keep-old"
)]
pub(crate) struct SubscribeArgs {
    /// The link that `toubkal publish` has printed
    #[arg(value_name = "MAGNET")]
    link: String,
    /// The folder to download into; made when it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// End when the newest version is there
    #[arg(long)]
    once: bool,
    /// Keep old versions, as NAME.version-NUMBER
    #[arg(long)]
    keep_old: bool,
    /// Give up so many seconds without an answer or a peer; with --once the exit code is 1
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = cli::parse_seconds)]
    timeout: Duration,
    /// Look for something newer every so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = cli::parse_seconds)]
    every: Duration,
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

/// How often it is seen whether there is an end.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &SubscribeArgs) -> Result<Exit, Failure> {
    let outcome = subscribe(args);
    if args.json { report::end(outcome) } else { outcome }
}

/// Somebody who follows.
struct Follower<'f> {
    args: &'f SubscribeArgs,
    link: Magnet,
    place: Place,
    shelf: Shelf,
    interrupt: Interrupt,
    screen: Screen,
}

fn subscribe(args: &SubscribeArgs) -> Result<Exit, Failure> {
    let link = source::link(&args.link)?;
    let Some(publisher) = &link.publisher else {
        let failure = Failure::new(Exit::BadTorrent, "this link names no publisher");
        return Err(failure
            .cause("it has no xs=urn:btpk: in it")
            .tip("a link to one torrent is for `toubkal get`"));
    };
    let place = Place { key: publisher.key, salt: publisher.salt.clone() };
    folder::check(&args.output)?;
    let shelf = Shelf::open(&args.output, &place)?;
    let (interrupt, screen) = (Interrupt::new(), Screen::new(args.quiet || args.json));
    let mut follower = Follower { args, link, place, shelf, interrupt, screen };
    loop {
        let (item, fetched) = match follower.catch_up() {
            Ok(caught) => caught,
            Err(failure) if args.once || !failure.exit.may_pass() => return Err(failure),
            Err(failure) => {
                follower.screen.say(&failure.to_string());
                follower.rest()?;
                continue;
            }
        };
        if args.once {
            if !fetched {
                follower.screen.say("there is nothing newer");
            }
            return Ok(Exit::Done);
        }
        if let Some(exit) = follower.stay(&item)? {
            return Ok(exit);
        }
    }
}

impl Follower<'_> {
    /// Fetches the newest version, if it is not here. Says what the record is, and whether
    /// something was fetched.
    fn catch_up(&mut self) -> Result<(Item, bool), Failure> {
        let session = self.session(false)?;
        let found = record::fetch(&network::dht(&session)?, &self.place, self.limits());
        session.shutdown(Duration::ZERO);
        let item = found?.ok_or_else(|| {
            Failure::new(Exit::Failed, "nothing is published under this key")
                .cause("nodes of the DHT have answered, and none has a record that is right")
                .tip("check the link; what nobody repeats is forgotten after two hours")
        })?;
        let seq = item.seq();
        let here = self.shelf.version();
        if let Some(here) = here.filter(|here| here.seq >= seq) {
            if here.seq > seq {
                let (theirs, ours) = (seq, here.seq);
                self.screen.say(&format!(
                    "version {theirs} was found, which is older than version {ours} that is \
                     here; it is passed over"
                ));
            }
            return Ok((item, false));
        }
        let Some(info_hash) = record::read(&item.value) else {
            return Err(Failure::new(Exit::BadTorrent, format!("version {seq} names no torrent"))
                .cause("its publisher has put something else there"));
        };
        if self.args.json {
            let torrent = text::hex(&info_hash);
            json::print(&serde_json::json!({"event": "record", "seq": seq, "torrent": torrent}))?;
        } else {
            self.screen.say(&format!("version {seq} is published: {}", text::hex(&info_hash)));
        }
        self.fetch(seq, info_hash)?;
        Ok((item, true))
    }

    /// Fetches a version beside what is there, and puts it in its place when it is whole.
    fn fetch(&mut self, seq: i64, info_hash: [u8; 20]) -> Result<(), Failure> {
        let link = self.torrent_link(info_hash).to_string();
        let timeout = Some(self.args.timeout);
        let quiet = self.args.quiet || self.args.json;
        let search = Search { peers: &self.args.peers, timeout, quiet, verbose: false };
        let (metainfo, torrent) = metadata::fetch(&link, &search).map_err(|end| match end {
            End::Failed(failure) => failure,
            End::Said(Exit::Interrupted) => Failure::quiet(Exit::Interrupted),
            End::Said(_) => Failure::new(Exit::NoPeers, format!("version {seq} is not there"))
                .cause("nobody has given its file list")
                .tip("its publisher, or somebody who follows, has to share it"),
        })?;
        let version = Version::new(seq, &metainfo, &torrent);
        self.shelf.check(&version)?;
        let stage = self.shelf.stage(&version)?;
        let reused = self.shelf.reuse(&version, &metainfo, &stage)?;
        self.download(&metainfo, torrent, &stage)?;
        let path = self.shelf.put(version, &stage, self.args.keep_old)?;
        let shown = path.display().to_string();
        if self.args.json {
            return json::print(&serde_json::json!({
                "event": "version", "seq": seq, "path": shown, "reused": reused,
            }));
        }
        let reused = text::count(reused, "file", "files");
        self.screen.print(&format!("{shown}: version {seq}, {reused} as they were\n"))
    }

    fn download(
        &self,
        metainfo: &Arc<Metainfo>,
        torrent: Arc<[u8]>,
        stage: &Path,
    ) -> Result<(), Failure> {
        let args = self.args;
        let session = network::start(&args.peers, &args.rates, &Keep::default())?;
        let mut report = Report::new(args.quiet, args.json);
        let mut add = Add::to(stage);
        // What was copied is ours to overwrite.
        add.adopt = true;
        add.torrent = Some(torrent);
        add.peers = self.peers()?;
        let job = begin(&session, metainfo, add)?;
        report.start(&job)?;
        let patience = Some(args.timeout);
        let (named_peers, lan) = (args.peers.peer.len(), !args.peers.no_lan);
        let rules = Rules { patience, named_peers, lan, ..Rules::default() };
        let (jobs, interrupt) = (vec![job], &self.interrupt);
        match (Watch { session, jobs, rules, report: &mut report, interrupt }).run()? {
            Exit::Done => Ok(()),
            // It was said why.
            exit => Err(Failure::quiet(exit)),
        }
    }

    /// Shares what is here until something newer is published; `Some`: until the end.
    fn stay(&mut self, item: &Item) -> Result<Option<Exit>, Failure> {
        let Some((metainfo, torrent)) = self.shelf.torrent() else {
            return Ok(Some(Exit::Failed));
        };
        let session = self.session(true)?;
        let mut report = Report::new(self.args.quiet, self.args.json);
        report.listening(&session)?;
        let mut add = Add::to(&self.args.output);
        add.priorities = Some(vec![Priority::Skip; metainfo.file_count()]);
        add.peers = self.peers()?;
        add.torrent = Some(torrent);
        let mut job = begin(&session, &Arc::new(metainfo), add)?;
        job.sharing = true;
        let newer = Arc::new(AtomicBool::new(false));
        let look = self.look_out(&session, item, &newer)?;
        let rules = Rules { seed: true, lan: !self.args.peers.no_lan, ..Rules::default() };
        let (jobs, interrupt) = (vec![job], &self.interrupt);
        let exit = (Watch { session, jobs, rules, report: &mut report, interrupt }).run();
        interrupt.raise();
        // It looks whether there is an end between two questions.
        let _ = look.join();
        if newer.load(Ordering::Relaxed) {
            interrupt.lower();
            return Ok(None);
        }
        exit.map(Some)
    }

    /// Looks now and then whether something newer is published, and ends the sharing then.
    fn look_out(
        &self,
        session: &Session,
        item: &Item,
        newer: &Arc<AtomicBool>,
    ) -> Result<JoinHandle<()>, Failure> {
        let dht = network::dht(session)?;
        let (interrupt, newer, place) =
            (self.interrupt.clone(), Arc::clone(newer), self.place.clone());
        let (every, timeout) = (self.args.every, self.args.timeout);
        let (item, known) = (item.clone(), self.shelf.version().map_or(0, |here| here.seq));
        Ok(thread::spawn(move || {
            let again = NewItem::Signed(item.clone());
            let (mut next, mut repeat) = (Instant::now() + every, Instant::now());
            while !interrupt.is_raised() {
                thread::sleep(LOOK);
                let limits = Limits { interrupt: &interrupt, until: Instant::now() + timeout };
                if Instant::now() >= repeat && item.seq() >= known {
                    repeat = Instant::now() + record::REPEAT;
                    // Others do so as well.
                    let _ = record::store(&dht, &again, limits);
                }
                if Instant::now() < next {
                    continue;
                }
                next = Instant::now() + every;
                let found = record::fetch(&dht, &place, limits).ok().flatten();
                if found.is_some_and(|found| found.seq() > known) && !interrupt.is_raised() {
                    newer.store(true, Ordering::Relaxed);
                    interrupt.raise();
                }
            }
        }))
    }

    /// Waits before the next try.
    fn rest(&self) -> Result<(), Failure> {
        let end = Instant::now() + self.args.every.min(Duration::from_secs(60));
        while Instant::now() < end {
            if self.interrupt.is_raised() {
                return Err(Failure::quiet(Exit::Interrupted));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn session(&self, remember: bool) -> Result<Session, Failure> {
        let state = remember.then(|| self.shelf.state());
        let keep = Keep { state, ..Keep::default() };
        network::start(&self.args.peers, &self.args.rates, &keep)
    }

    fn limits(&self) -> Limits<'_> {
        let until = Instant::now() + self.args.timeout;
        Limits { interrupt: &self.interrupt, until }
    }

    /// The link of a version: its trackers and peers are those of the publisher's link.
    fn torrent_link(&self, info_hash: [u8; 20]) -> Magnet {
        Magnet { v1: Some(info_hash), v2: None, publisher: None, ..self.link.clone() }
    }

    /// Peers that the user or the link names.
    fn peers(&self) -> Result<Vec<SocketAddr>, Failure> {
        let mut peers = network::peers(&self.args.peers.peer)?;
        let known = self
            .link
            .peers
            .iter()
            .filter_map(|Peer { host, port }| Some(SocketAddr::new(host.parse().ok()?, *port)));
        peers.extend(known);
        Ok(peers)
    }
}

fn begin(session: &Session, metainfo: &Arc<Metainfo>, add: Add) -> Result<Job, Failure> {
    let (dir, name) = (add.dir.clone(), text::cut(&metainfo.name, 60));
    let torrent = session.add(Arc::clone(metainfo), add).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot take {name}")).cause(error.to_string())
    })?;
    Ok(Job::new(torrent, dir, metainfo.total()))
}
