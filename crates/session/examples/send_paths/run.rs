//! The receivers, the sender's loop, and the table.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{ClockId, clock_gettime};

use super::ring::Ring;
use super::ways::{BLOCK, Peer, ReadWrite, ReadWritev, Sendfile, Way};

type Failure = Box<dyn Error>;

const RECEIVERS: [usize; 3] = [1, 8, 64];

pub(crate) fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_else(|| "1024".into());
    if first == "receive" {
        let (addr, count) = (args.next().ok_or("address")?, args.next().ok_or("count")?);
        return receive(addr.parse()?, count.parse()?);
    }
    let blocks = first.parse::<u64>()? * 64;
    let rounds: usize = args.next().unwrap_or_else(|| "7".into()).parse()?;
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join("toubkal-send-paths.bin");
    let file = payload(&path, blocks)?;
    let measured = measure(&file, blocks, rounds);
    std::fs::remove_file(path)?;
    println!("| receivers | way | MB/s | sender's CPU s/GiB | receivers' CPU s/GiB |");
    println!("| --- | --- | --- | --- | --- |");
    for ((receivers, way), runs) in measured? {
        let column = |at: usize, digits| spread(runs.iter().map(|run| run[at]).collect(), digits);
        let (rate, ours, theirs) = (column(0, 0), column(1, 3), column(2, 3));
        println!("| {receivers} | {way} | {rate} | {ours} | {theirs} |");
    }
    Ok(())
}

/// A file in the page cache.
fn payload(path: &PathBuf, blocks: u64) -> Result<File, Failure> {
    let mut file = File::options().create(true).truncate(true).write(true).open(path)?;
    let mut bytes = vec![0_u8; BLOCK];
    for block in 0..blocks {
        bytes.fill(block as u8);
        file.write_all(&bytes)?;
    }
    // A sync in the middle of a run would be in its figures.
    file.sync_all()?;
    Ok(File::open(path)?)
}

/// MB/s, and CPU s/GiB of the sender and of the receivers.
type Run = [f64; 3];
/// By receivers and way.
type Runs = BTreeMap<(usize, &'static str), Vec<Run>>;

fn measure(file: &File, blocks: u64, rounds: usize) -> Result<Runs, Failure> {
    let mut ways: Vec<Box<dyn Way>> =
        vec![Box::new(ReadWrite), Box::new(ReadWritev), Box::new(Sendfile), Box::new(Ring::new()?)];
    let mut runs = Runs::new();
    // One round more: the first warms everything up.
    for round in 0..=rounds {
        for receivers in RECEIVERS {
            for way in &mut ways {
                let run = send(&mut **way, file, blocks, receivers)?;
                if round > 0 {
                    runs.entry((receivers, way.name())).or_default().push(run);
                }
            }
        }
        ways.reverse();
    }
    Ok(runs)
}

/// Sends all blocks, shared out among the receivers.
fn send(way: &mut dyn Way, file: &File, blocks: u64, receivers: usize) -> Result<Run, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["receive", &listener.local_addr()?.to_string(), &receivers.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = child.stdout.take().ok_or("no pipe")?;
    let mut poll = Poll::new()?;
    let mut peers = Vec::new();
    for number in 0..receivers {
        let (stream, _) = listener.accept()?;
        // BBR, the default of many systems, paces loopback.
        socket2::SockRef::from(&stream).set_tcp_congestion(b"reno")?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::WRITABLE)?;
        peers.push(Peer::new(number, stream, blocks, blocks / receivers as u64));
    }
    let (start, before) = (Instant::now(), cpu());
    let mut events = Events::with_capacity(256);
    let mut open = receivers;
    while open > 0 {
        let busy = peers.iter().any(|peer| peer.ready && !peer.is_done());
        poll.poll(&mut events, busy.then_some(Duration::ZERO))?;
        for event in &events {
            peers[event.token().0].ready = true;
        }
        let mut turn: Vec<&mut Peer> =
            peers.iter_mut().filter(|peer| peer.ready && !peer.is_done()).collect();
        way.round(file, &mut turn)?;
        open = peers.iter().filter(|peer| !peer.is_done()).count();
    }
    let took = cpu() - before;
    drop(peers);
    let mut theirs = String::new();
    said.read_to_string(&mut theirs)?;
    let seconds = start.elapsed().as_secs_f64();
    child.wait()?;
    let bytes = (blocks / receivers as u64 * receivers as u64) as f64 * BLOCK as f64;
    let gibibytes = bytes / f64::from(1 << 30);
    let theirs: f64 = theirs.trim().parse().map_err(|_| "the receivers failed")?;
    Ok([bytes / 1e6 / seconds, took / gibibytes, theirs / gibibytes])
}

/// Receives until everybody has hung up, and throws it away.
fn receive(addr: SocketAddr, count: usize) -> Result<(), Failure> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    let mut streams = Vec::new();
    for number in 0..count {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        streams.push(Some(stream));
    }
    let (mut scratch, mut open, before) = (vec![0; 256 * 1024], count, cpu());
    while open > 0 {
        poll.poll(&mut events, None)?;
        for event in &events {
            let place = &mut streams[event.token().0];
            while let Some(stream) = place {
                match stream.read(&mut scratch) {
                    Ok(0) => {
                        *place = None;
                        open -= 1;
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    println!("{}", cpu() - before);
    Ok(())
}

/// Seconds of processor time of this process; threads of the kernel that work for it count, too.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[0], values[values.len() - 1]);
    let median = values[values.len() / 2];
    format!("{median:.digits$} ({low:.digits$}..{high:.digits$})")
}
