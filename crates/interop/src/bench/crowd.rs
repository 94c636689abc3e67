//! The memory that one large torrent with many peers takes: `cargo xtask bench crowd`.
//!
//! The file is all zeros and takes no space where it is given, and all its pieces are alike; what a
//! client has to do for them is the same as for others. The peers are seeds of libtorrent in one
//! process, each with a port of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::announce::Announce;
use super::child::Child;
use super::clients::{Job, Rival};
use super::transfer::is_through;
use crate::{Content, Host, Network, libtorrent};

/// Bytes in a piece.
const PIECE: usize = 4 << 20;
/// The first port of the seeds.
const PORT: u16 = 10_000;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured.
struct Plan {
    rivals: Vec<Rival>,
    peers: u16,
    size: u64,
    to: PathBuf,
}

/// Measures; `args` as the help says.
///
/// # Errors
/// What was wrong on the command line, or does not start.
pub(super) fn run(args: &[String]) -> Result<(), String> {
    let plan = parse(args)?;
    let net = Network::loopback();
    let (seeds, leecher) = (net.host(), net.host());
    let folder = tempfile::tempdir_in(&plan.to).map_err(|error| format!("no folder: {error}"))?;
    let content = Content::hollow(folder.path(), "crowd.bin", plan.size, PIECE);
    let announce = Announce::start(net.switch())?;
    let address = |port| SocketAddr::new(seeds.v4(), port);
    announce.tell((PORT..PORT + plan.peers).map(address).collect());
    let torrent = folder.path().join("crowd.torrent");
    content.write_torrent(&torrent, &[announce.url()]);
    let mut crowd = libtorrent();
    crowd.arg("crowd").arg(&torrent).arg(content.folder()).arg(address(PORT).to_string());
    crowd.arg(plan.peers.to_string());
    let log = folder.path().join("seeds");
    let _crowd = Child::start(&seeds, crowd, &log)?;
    wait_for(&log, "ready")?;
    println!("| client | peers | s | MB/s | CPU s/GiB | peak MiB | anonymous MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for &rival in &plan.rivals {
        let line = measure(rival, &leecher, &content, &torrent, folder.path());
        println!("| {} | {} | {} |", rival.name(), plan.peers, line.unwrap_or_else(|why| why));
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Plan, String> {
    let rivals = vec![Rival::Toubkal, Rival::Libtorrent, Rival::Aria2, Rival::Rqbit];
    let mut plan = Plan { rivals, peers: 100, size: 10 << 30, to: std::env::temp_dir() };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--clients" => {
                let named = |name: &str| {
                    let found = Rival::ALL.into_iter().find(|rival| rival.name() == name);
                    found.ok_or(format!("there is no client {name}"))
                };
                plan.rivals = value.split(',').map(named).collect::<Result<_, _>>()?;
            }
            "--peers" => plan.peers = number()?.clamp(1, 1000) as u16,
            // Whole pieces.
            "--size" => plan.size = number()? << 20 & !(PIECE as u64 - 1),
            "--to" => plan.to = value.into(),
            _ => return Err(format!("bench crowd knows no {word}")),
        }
    }
    Ok(plan)
}

/// One download; the cells of its row.
fn measure(
    rival: Rival,
    host: &Host,
    content: &Content,
    torrent: &Path,
    folder: &Path,
) -> Result<String, String> {
    let new = || tempfile::tempdir_in(folder).map_err(|error| format!("no folder: {error}"));
    let (home, data) = (new()?, new()?);
    let listen = SocketAddr::new(host.v4(), 7000);
    let (home, data) = (home.path(), data.path());
    let job = Job { home, data, torrent, content, listen, seed: None };
    let (command, end) = rival.leech(&job)?;
    let start = Instant::now();
    let mut child = Child::start(host, command, &home.join("log"))?;
    while !is_through(&mut child, end, home)? {
        if start.elapsed() > PATIENCE {
            return Err(format!("did not finish in time: {}", child.last_words()));
        }
        thread::sleep(Duration::from_millis(50));
        child.look();
    }
    let wall = start.elapsed().as_secs_f64();
    child.stop();
    let (size, memory) = (content.size() as f64, child.memory());
    let cpu = child.cpu() / (size / f64::from(1 << 30));
    let rate = size / 1e6 / wall;
    Ok(format!("{wall:.0} | {rate:.0} | {cpu:.2} | {:.0} | {:.0}", memory.peak, memory.anonymous))
}

fn wait_for(log: &Path, words: &str) -> Result<(), String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains(words)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(format!("the seeds do not start: see {}", log.display()))
}
