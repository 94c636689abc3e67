//! Measures how soon a byte is there that is read, while the file comes from a seed on loopback.
//!
//! `cargo run --release -p toubkal-session --example seek -- [MIB] [TIMES] [RATE]`
//! makes a file of MIB mebibytes (1024) in a temporary folder and seeds it, at RATE megabytes a
//! second (as many as go). TIMES times (7) it is downloaded anew: the first byte of the file is
//! read as soon as the torrent is added, then that in the middle, then that at three quarters.
//! Prints the medians and the extremes of how long each took.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_session::hashing::{CreateOptions, create};
use toubkal_session::{Add, Metainfo, Notice, Options, Rates, Session, SessionEvent};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut number = |usual: u64| args.next().map_or(Ok(usual), |number| number.parse());
    let (mebibytes, times, rate) = (number(1024)?, number(7)?, number(0)?);
    let from = tempfile::tempdir()?;
    let metainfo = make(&from.path().join("film"), mebibytes)?;
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let rates = Rates { down: None, up: (rate > 0).then_some(rate * 1_000_000) };
    let quiet = Options { lan: false, dht: false, ..Options::default() };
    let seed = Session::start(Options { listen, rates, ..quiet.clone() })?;
    seed.add(Arc::clone(&metainfo), Add::to(from.path()))?;
    until_seeding(&seed)?;
    let mut waits: [Vec<Duration>; 3] = Default::default();
    for _ in 0..times {
        let to = tempfile::tempdir()?;
        let session = Session::start(quiet.clone())?;
        let add = Add { peers: seed.listening_on().to_vec(), ..Add::to(to.path()) };
        let mut began = Instant::now();
        let torrent = session.add(Arc::clone(&metainfo), add)?;
        let mut reader = torrent.reader(0)?;
        for (part, waits) in (0..).zip(&mut waits) {
            let at = [0, 2, 3][part] * reader.len() / 4;
            reader.seek(SeekFrom::Start(at))?;
            reader.read_exact(&mut [0])?;
            waits.push(began.elapsed());
            began = Instant::now();
        }
        let left = torrent.status().left;
        println!("{:?}, {} MiB left", waits.each_ref().map(|it| it.last()), left >> 20);
        session.shutdown(Duration::from_secs(5));
    }
    for (what, waits) in ["from the start", "to the middle", "to three quarters"].iter().zip(waits)
    {
        let mut waits = waits;
        waits.sort_unstable();
        let (Some(least), Some(most)) = (waits.first(), waits.last()) else { continue };
        println!("{what}: {:.1?} ({least:.1?} to {most:.1?})", waits[waits.len() / 2]);
    }
    Ok(())
}

/// Writes the payload, and makes its torrent in pieces of a mebibyte.
fn make(path: &Path, mebibytes: u64) -> Result<Arc<Metainfo>, Failure> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for word in 0..mebibytes << 17 {
        file.write_all(&word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())?;
    }
    file.flush()?;
    let options = CreateOptions { piece_length: Some(1 << 20), ..CreateOptions::default() };
    let created = create(path, &options, 2, &|_, _| {})?;
    Ok(Arc::new(Metainfo::parse(&created.torrent).map_err(|error| error.to_string())?))
}

fn until_seeding(session: &Session) -> Result<(), Failure> {
    loop {
        match session.next_event(Duration::from_secs(60)) {
            Some(SessionEvent::Notice(Notice::Completed { .. })) => return Ok(()),
            Some(SessionEvent::Crashed { message }) => return Err(message.into()),
            Some(_) => {}
            None => return Err("the file is not checked".into()),
        }
    }
}
