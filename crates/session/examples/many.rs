//! What a session with very many finished torrents costs: to start, in memory, while nothing
//! happens (Linux).
//!
//! `cargo run --release -p toubkal-session --example many -- [TORRENTS] [tracker]`
//!
//! Makes a folder with TORRENTS (10,000) finished torrents of 64 pieces and one file each, and its
//! database; then starts a session with them in a process of its own, again and again (5 times),
//! and prints how long it takes until all are back and until all are seeding, the memory of the
//! process and of each torrent (above that of a session without torrents), the share of a core over
//! twenty idle seconds, and how long the end takes. All are dormant then. With `tracker`, each
//! torrent has a tracker, in the first process. On Unix a torrent that is added holds a file open
//! for its lock: they are added in sessions of 500.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};
use toubkal_session::tracker::{ServerOptions, TrackerServer};
use toubkal_session::{Add, Metainfo, Options, Session, State, Torrent, TrackerState};
use toubkal_wire::bencode::{Node, encode};

const PIECES: usize = 64;
const PIECE: usize = 4096;
const RUNS: usize = 5;
const IDLE: Duration = Duration::from_secs(20);
/// Torrents that one session adds.
const ADDED: usize = 500;
/// Clock ticks a second in `/proc/self/stat`.
const TICKS: f64 = 100.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, dir] = &args[..]
        && first == "run"
    {
        return run(Path::new(dir));
    }
    let count = args.first().map_or(10_000, |n| n.parse().expect("a number of torrents"));
    let server = args.get(1).map(|_| {
        let any = "127.0.0.1:0".parse().expect("an address");
        TrackerServer::start(any, ServerOptions::default()).expect("a tracker")
    });
    let url = server.as_ref().map(TrackerServer::url);
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    make(dir.path(), count, url.as_deref());
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for _ in 0..RUNS {
        let me = std::env::current_exe().expect("this program");
        let run = Command::new(me).arg("run").arg(dir.path()).output().expect("it runs");
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
        rows.push(text.split_whitespace().map(|n| n.parse().expect("a number")).collect());
    }
    let median = |column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values[RUNS / 2]
    };
    let [back, seeding, kib, idle, whole, end] = [0, 1, 2, 3, 4, 5].map(median);
    let each = kib * 1024.0 / count as f64;
    println!(
        "{count} torrents: back {back:.2} s, seeding {seeding:.2} s, {:.0} MiB ({each:.0} bytes \
         a torrent), idle {idle:.2} % of a core, end {end:.2} s",
        whole / 1024.0
    );
}

/// Makes files and database with a session, as a user would.
fn make(dir: &Path, count: usize, url: Option<&str>) {
    let began = Instant::now();
    for from in (0..count).step_by(ADDED) {
        make_some(dir, from..count.min(from + ADDED), url);
    }
    eprintln!("made {count} in {:.1?}", began.elapsed());
}

fn make_some(dir: &Path, numbers: Range<usize>, url: Option<&str>) {
    let session = start(dir);
    let mut torrents = Vec::new();
    for number in numbers {
        // All holes: to make many is quick, and they cost no space.
        let name = format!("a finished torrent, number {number}");
        let file = std::fs::File::create(dir.join(&name)).expect("room for a file");
        file.set_len((PIECES * PIECE) as u64).expect("a file system with holes");
        let bytes = torrent(&name, url);
        let metainfo = Arc::new(Metainfo::parse(&bytes).expect("a torrent"));
        let add = Add { torrent: Some(bytes.into()), ..Add::to(dir) };
        torrents.push(session.add(metainfo, add).expect("each once"));
    }
    torrents.iter().for_each(wait);
    session.shutdown(Duration::from_secs(600));
}

fn run(dir: &Path) {
    let nothing = tempfile::tempdir().expect("a folder");
    let empty = start(nothing.path());
    let base = resident();
    drop(empty);
    let began = Instant::now();
    let session = start(dir);
    let torrents = session.restore().expect("the database is there");
    let back = began.elapsed().as_secs_f64();
    torrents.iter().for_each(wait);
    let seeding = began.elapsed().as_secs_f64();
    let announced = |torrent: &Torrent| {
        let unused = |state| matches!(state, TrackerState::Unused | TrackerState::Asking);
        torrent.trackers().into_iter().all(|tracker| !unused(tracker.state))
    };
    for torrent in &torrents {
        while !announced(torrent) {
            sleep(Duration::from_millis(50));
        }
    }
    // What was begun ends.
    sleep(Duration::from_secs(8));
    let whole = resident();
    let kib = whole.saturating_sub(base);
    let before = ticks();
    sleep(IDLE);
    let idle = (ticks() - before) / TICKS / IDLE.as_secs_f64() * 100.0;
    let ends = Instant::now();
    session.shutdown(Duration::from_secs(600));
    let end = ends.elapsed().as_secs_f64();
    println!("{back} {seeding} {kib} {idle} {whole} {end}");
}

fn start(dir: &Path) -> Session {
    let state = Some(dir.join(".toubkal/state.db"));
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    Session::start(Options { state, listen, dht: false, ..Options::default() }).expect("it starts")
}

fn wait(torrent: &Torrent) {
    while torrent.status().state != State::Seeding {
        assert!(!matches!(torrent.status().state, State::Stopped(_)), "{:?}", torrent.status());
        sleep(Duration::from_millis(1));
    }
}

/// Memory that is ours now, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

/// Processor time of all threads.
fn ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, behind) = stat.rsplit_once(')').expect("a name");
    let fields = behind.split_whitespace().skip(11).take(2);
    fields.map(|n| n.parse::<f64>().expect("a number")).sum()
}

fn torrent(name: &str, url: Option<&str>) -> Vec<u8> {
    let hash = Sha1::digest(vec![0; PIECE]);
    let info = Node::from([
        ("length", Node::from((PIECES * PIECE) as i64)),
        ("name", Node::from(name)),
        ("piece length", Node::from(PIECE as i64)),
        ("pieces", Node::from(hash.repeat(PIECES))),
    ]);
    match url {
        Some(url) => encode(&Node::from([("announce", Node::from(url)), ("info", info)])),
        None => encode(&Node::from([("info", info)])),
    }
}
