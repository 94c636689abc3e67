//! `toubkal demo`: a whole swarm on this machine, in a few seconds.

mod content;

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, process, thread};

use clap::Args;
use toubkal_session::hashing::{self, CreateOptions};
use toubkal_session::tracker::{ServerOptions, TrackerServer};
use toubkal_session::{Add, Options, Priority, Session, SessionEvent, Torrent};
use toubkal_wire::metainfo::Metainfo;

use crate::exit::{Exit, Failure, io_cause};
use crate::report::Report;
use crate::signals::Interrupt;
use crate::watch::{Job, Rules, Watch};
use crate::{folder, text, units, work};

/// What is downloaded when nothing else was asked for.
const SIZE: u64 = 256_000_000;
/// Less than this is not chosen without being asked for.
const SIZE_MIN: u64 = 1_000_000;
/// More than this is no demonstration.
const SIZE_MAX: u64 = 1 << 40;
/// For the seeds to check their files and to be known to the tracker.
const READY: Duration = Duration::from_secs(60);

/// See it work: a whole swarm on this machine, without a network
#[derive(Args, Debug)]
#[command(
    long_about = "See it work: a whole swarm on this machine, without a network.\n\n\
        Makes files, a torrent of them, a tracker and seeds on the loopback interface; downloads \
        the torrent over real sockets; compares every byte; removes everything again.",
    after_help = "Examples:\n  \
        toubkal demo\n  \
        toubkal demo --size 2G --seeds 5\n  \
        toubkal demo --size 10MB --quiet"
)]
pub(crate) struct DemoArgs {
    /// Bytes to download [default: 256MB, less when there is little room]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    size: Option<u64>,
    /// Seeds to download from
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=50))]
    seeds: u16,
    /// Say only the result
    #[arg(short, long)]
    quiet: bool,
}

fn parse_size(text: &str) -> Result<u64, String> {
    match units::parse_size(text)? {
        size @ 1..=SIZE_MAX => Ok(size),
        _ => Err("the demonstration takes 1 byte to 1TiB".into()),
    }
}

pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let interrupt = Interrupt::new();
    let mut report = Report::new(args.quiet, false);
    let place = Place::new()?;
    let size = size(args, &place.0)?;
    report.say(&format!("Making {} of files in {} ...", units::size(size), place.0.display()));
    let source = place.0.join("seeds");
    content::write(&source.join("demo"), size).map_err(|error| full(&place.0, &error))?;
    if interrupt.is_raised() {
        return Ok(Exit::Interrupted);
    }
    let tracker = TrackerServer::start(any_port(), ServerOptions::default())
        .map_err(|error| Failure::new(Exit::Failed, "cannot listen").cause(io_cause(&error)))?;
    let metainfo = Arc::new(torrent_of(&source.join("demo"), &tracker)?);
    let seeds = (0..args.seeds).map(|_| Seed::start(&metainfo, &source));
    let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
    if !wait_for(&seeds, &tracker, &interrupt)? {
        return Ok(Exit::Interrupted);
    }
    let pieces = text::count(u64::from(metainfo.pieces()), "piece", "pieces");
    let count = text::count(seeds.len() as u64, "seed", "seeds");
    report.say(&format!("{count} and a tracker run on 127.0.0.1; {pieces} to get:"));
    let target = place.0.join("download");
    let exit = download(&metainfo, &target, &mut report, &interrupt)?;
    if exit == Exit::Done {
        compare(&metainfo, &source, &target)?;
        summary(&metainfo, &seeds, &mut report);
    }
    Ok(exit)
}

/// How much to make: there are the originals and the download, and something must stay free.
fn size(args: &DemoArgs, place: &Path) -> Result<u64, Failure> {
    let free = folder::free(place).unwrap_or(u64::MAX);
    let size = args.size.unwrap_or_else(|| SIZE.min(free / 4).max(SIZE_MIN));
    if size.saturating_mul(2) <= free {
        return Ok(size);
    }
    let needed = units::size(size.saturating_mul(2));
    Err(Failure::new(Exit::DiskFull, format!("too little room in {}", place.display()))
        .cause(format!("{needed} are needed, {} are free", units::size(free)))
        .tip("take a smaller --size, or set TMPDIR to another folder"))
}

/// A folder that is removed at the end, whatever the end is.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self, Failure> {
        let path = env::temp_dir().join(format!("toubkal-demo-{}", process::id()));
        fs::create_dir(&path).map_err(|error| Failure::io("make", &path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn full(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::io("write into", path, error);
    match failure.exit {
        Exit::DiskFull => failure.tip("take a smaller --size, or set TMPDIR to another folder"),
        _ => failure.tip("set TMPDIR to another folder"),
    }
}

/// Loopback, any port that is free.
fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn torrent_of(path: &Path, tracker: &TrackerServer) -> Result<Metainfo, Failure> {
    let options = CreateOptions { trackers: vec![vec![tracker.url()]], ..CreateOptions::default() };
    let failure = |cause: String| Failure::new(Exit::Failed, "cannot make a torrent").cause(cause);
    let created = hashing::create(path, &options, work::threads(), &|_, _| ())
        .map_err(|error| failure(error.to_string()))?;
    Metainfo::parse(&created.torrent).map_err(|error| failure(error.to_string()))
}

/// A session that shares the files.
struct Seed {
    session: Session,
    torrent: Torrent,
}

impl Seed {
    fn start(metainfo: &Arc<Metainfo>, dir: &Path) -> Result<Self, Failure> {
        let options = Options { listen: vec![any_port()], ..Options::default() };
        let session = Session::start(options).map_err(|error| stopped(error.to_string()))?;
        let mut add = Add::to(dir);
        add.priorities = Some(vec![Priority::Skip; metainfo.file_count()]);
        let torrent = session.add(Arc::clone(metainfo), add);
        let torrent = torrent.map_err(|error| stopped(error.to_string()))?;
        Ok(Self { session, torrent })
    }

    fn is_ready(&self) -> bool {
        let status = self.torrent.status();
        status.pieces > 0 && status.have == status.pieces
    }
}

fn stopped(cause: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, "a seed of the demonstration stopped").cause(cause)
}

/// Waits until the tracker knows every seed; `false` when the user wants an end.
fn wait_for(
    seeds: &[Seed],
    tracker: &TrackerServer,
    interrupt: &Interrupt,
) -> Result<bool, Failure> {
    let began = Instant::now();
    while !seeds.iter().all(Seed::is_ready) || tracker.size().1 < seeds.len() {
        if interrupt.is_raised() {
            return Ok(false);
        }
        for seed in seeds {
            if let Some(SessionEvent::Crashed { message }) = seed.session.next_event(Duration::ZERO)
            {
                return Err(stopped(message));
            }
        }
        if began.elapsed() > READY {
            return Err(stopped("the seeds are not ready after a minute"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(true)
}

fn download(
    metainfo: &Arc<Metainfo>,
    target: &Path,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let options = Options { listen: vec![any_port()], ..Options::default() };
    let session = Session::start(options).map_err(|error| stopped(error.to_string()))?;
    let torrent = session.add(Arc::clone(metainfo), Add::to(target));
    let torrent = torrent.map_err(|error| stopped(error.to_string()))?;
    let jobs = vec![Job::new(torrent, target.to_owned(), metainfo.total())];
    let patience = Some(Duration::from_secs(30));
    let rules = Rules { patience, ..Rules::default() };
    Watch { session, jobs, rules, report, interrupt }.run()
}

/// Compares what was downloaded with the originals, byte by byte.
fn compare(metainfo: &Metainfo, source: &Path, target: &Path) -> Result<(), Failure> {
    for file in metainfo.files() {
        let inside = Path::new(&metainfo.name).join(file.path);
        let same = same_bytes(&source.join(&inside), &target.join(&inside));
        if !same.map_err(|error| Failure::io("compare", &inside, &error))? {
            return Err(Failure::new(Exit::Failed, format!("{} differs", inside.display())));
        }
    }
    Ok(())
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut left = one.metadata()?.len();
    if left != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    while left > 0 {
        let count = left.min(1 << 20) as usize;
        one.read_exact(&mut a[..count])?;
        other.read_exact(&mut b[..count])?;
        if a[..count] != b[..count] {
            return Ok(false);
        }
        left -= count as u64;
    }
    Ok(true)
}

/// What happened, and what to do next.
fn summary(metainfo: &Metainfo, seeds: &[Seed], report: &mut Report) {
    let files = text::count(metainfo.file_count() as u64, "file", "files");
    let shares: Vec<_> =
        seeds.iter().map(|seed| units::size(seed.torrent.status().uploaded)).collect();
    let seeds = if shares.len() == 1 { "The seed" } else { "The seeds" };
    report.say(&format!("{seeds} gave {}.", text::list(&shares)));
    report.say(&format!("All {files} are the same, byte for byte; they are removed again."));
    report.say("Next: toubkal get FILE.torrent");
}
