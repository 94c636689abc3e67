//! Measures a transfer between sessions in two processes on loopback.
//!
//! `cargo run --release -p toubkal-session --example loopback -- \
//!     [MIB] [FROM] [TO] [HANDS] [LEECHES]`
//! makes a file of MIB mebibytes (1024) below FROM, seeds it with so many HANDS (as many as suit
//! the machine), and downloads it below TO, with LEECHES sessions in one process (1); both folders
//! are the system's temporary one by default. Prints the rate, and for each end the processor time
//! a gibibyte and the peak of its memory (Linux).

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};
use toubkal_session::{Add, Metainfo, Notice, Options, Session, SessionEvent};
use toubkal_wire::bencode::{Node, encode};

type Failure = Box<dyn std::error::Error>;

const NAME: &str = "toubkal-loopback.bin";
const PIECE: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_else(|| "1024".to_owned());
    let temp = || std::env::temp_dir().into_os_string().into_string().unwrap_or_default();
    let from = PathBuf::from(args.next().unwrap_or_else(temp)).join("toubkal-from");
    let to = PathBuf::from(args.next().unwrap_or_else(temp)).join("toubkal-to");
    let hands = args.next().unwrap_or_else(|| "0".to_owned());
    if first == "seed" {
        return seed(&from, hands.parse()?);
    }
    let leeches: usize = args.next().map_or(Ok(1), |leeches| leeches.parse())?;
    let mebibytes: usize = first.parse()?;
    make(&from, mebibytes)?;
    let _ = std::fs::remove_dir_all(&to);
    let result = leech(&from, &to, mebibytes, &hands, leeches);
    for dir in [&from, &to] {
        let _ = std::fs::remove_dir_all(dir);
    }
    result
}

/// Writes the payload and its torrent.
fn make(from: &Path, mebibytes: usize) -> Result<(), Failure> {
    std::fs::create_dir_all(from)?;
    let mut file = std::fs::File::create(from.join(NAME))?;
    let mut piece = vec![0; PIECE];
    let mut state = 1_u64;
    let mut hashes = Vec::new();
    for _ in 0..mebibytes {
        for word in piece.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.copy_from_slice(&state.to_le_bytes());
        }
        hashes.extend(Sha1::digest(&piece));
        file.write_all(&piece)?;
    }
    let info = Node::from([
        ("name", Node::from(NAME)),
        ("piece length", Node::from(PIECE as i64)),
        ("pieces", Node::from(hashes)),
        ("length", Node::from((mebibytes * PIECE) as i64)),
    ]);
    Ok(std::fs::write(from.join("torrent"), encode(&Node::from([("info", info)])))?)
}

fn metainfo(from: &Path) -> Result<Arc<Metainfo>, Failure> {
    let bytes = std::fs::read(from.join("torrent"))?;
    Ok(Arc::new(Metainfo::parse(&bytes).map_err(|error| error.to_string())?))
}

/// Seeds until its standard input ends; then prints what it took.
fn seed(from: &Path, hands: usize) -> Result<(), Failure> {
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let session = Session::start(Options { listen, hands, ..Options::default() })?;
    session.add(metainfo(from)?, Add::to(from))?;
    until_completed(&session)?;
    let before = cpu();
    println!("{}", session.listening_on()[0]);
    std::io::stdin().lock().read_line(&mut String::new())?;
    println!("{} {}", cpu() - before, peak());
    session.shutdown(Duration::from_secs(5));
    Ok(())
}

fn leech(
    from: &Path,
    to: &Path,
    mebibytes: usize,
    hands: &str,
    leeches: usize,
) -> Result<(), Failure> {
    let folder = from.parent().ok_or("no folder")?.as_os_str();
    let mut seed = Command::new(std::env::current_exe()?)
        .args(["seed".as_ref(), folder, to.as_os_str(), hands.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(seed.stdout.take().ok_or("no pipe")?).lines();
    let addr: SocketAddr = said.next().ok_or("the seed died")??.parse()?;
    let metainfo = metainfo(from)?;
    let before = cpu();
    let start = Instant::now();
    let mut sessions = Vec::new();
    for number in 0..leeches {
        let session = Session::start(Options::default())?;
        let to = to.join(number.to_string());
        std::fs::create_dir_all(&to)?;
        session.add(Arc::clone(&metainfo), Add { peers: vec![addr], ..Add::to(to) })?;
        sessions.push(session);
    }
    for session in &sessions {
        until_completed(session)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let took = cpu() - before;
    drop(seed.stdin.take());
    let end = said.next().ok_or("the seed died")??;
    let (seed_cpu, seed_peak) = end.split_once(' ').ok_or("the seed stammers")?;
    let seed_cpu: f64 = seed_cpu.parse()?;
    let gibibytes = (mebibytes * leeches) as f64 / 1024.0;
    println!(
        "{:.0} MB/s; leech {:.2} CPU s/GiB, {} MiB; seed {:.2} CPU s/GiB, {seed_peak} MiB",
        gibibytes * 1_073.741_824 / seconds,
        took / gibibytes,
        peak(),
        seed_cpu / gibibytes,
    );
    for session in sessions {
        session.shutdown(Duration::from_secs(5));
    }
    seed.wait()?;
    Ok(())
}

fn until_completed(session: &Session) -> Result<(), Failure> {
    loop {
        match session.next_event(Duration::from_secs(60)) {
            Some(SessionEvent::Notice(Notice::Completed { .. })) => return Ok(()),
            Some(SessionEvent::Notice(Notice::Failed { error, .. })) => {
                return Err(format!("{error:?}").into());
            }
            Some(SessionEvent::Crashed { message }) => return Err(message.into()),
            Some(_) => {}
            None => return Err("nothing happens any more".into()),
        }
    }
}

/// Seconds of processor time of this process; 0 where it cannot be told.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    // User and system time, in hundredths of a second.
    let ticks = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Peak of resident memory in MiB; 0 where it cannot be told.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
