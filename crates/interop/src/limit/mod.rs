//! What a program can do on this machine that is told everything and decides nothing: `limit`, to
//! which the benchmark compares clients. It speaks the frames of BEP 3 in the order of the file,
//! and no protocol beside them; only `ask` speaks to clients.
//!
//! `limit ROLE PATH BYTES FILES PIECE TORRENT [ADDRESS:PORT [INFO-HASH]]`
//!
//! - `give`: listens there; whoever connects is sent everything
//! - `take`: receives everything, hashes it, compares, and writes it to PATH
//! - `drain`: receives everything and throws it away
//! - `ask`: asks a client there for everything, and throws it away
//! - `hash`: reads PATH and hashes it, on all cores
//! - `write`: writes so many bytes to PATH

mod ask;
mod files;
mod frames;
mod hash;
mod take;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use files::Files;

/// Bytes of a block.
const BLOCK: usize = 16 << 10;

/// Bytes that are written by one call.
const WRITE: usize = 4 << 20;

/// Everything that it is told.
#[derive(Clone)]
struct Task {
    path: PathBuf,
    bytes: u64,
    files: u64,
    piece: usize,
    /// The SHA-1 of each piece.
    hashes: Vec<[u8; 20]>,
}

/// Runs it with the arguments of this process.
#[must_use]
pub fn limit() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limit: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever can go wrong is told and ends the program.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn run(args: &[String]) -> Outcome {
    let [role, path, bytes, files, piece, torrent, more @ ..] = args else {
        return Err("the arguments stand at the top of crates/interop/src/limit/mod.rs".into());
    };
    let hashes = hash::expected(&std::fs::read(torrent)?)?;
    let (path, bytes, files) = (PathBuf::from(path), bytes.parse()?, files.parse()?);
    let task = Task { path, bytes, files, piece: piece.parse()?, hashes };
    let address =
        || Ok::<SocketAddr, String>(more.first().and_then(|a| a.parse().ok()).ok_or("no address")?);
    let connect = || {
        Ok::<TcpStream, Box<dyn std::error::Error + Send + Sync>>(TcpStream::connect(address()?)?)
    };
    match role.as_str() {
        "give" => give(&task, address()?),
        "take" => take::take(&task, &connect()?),
        "drain" => frames::drain(&connect()?, task.bytes),
        "ask" => ask::ask(&task, connect()?, more.get(1).ok_or("no info-hash")?),
        "hash" => hash::all(&task),
        "write" => write(&task),
        other => Err(format!("there is no role {other}").into()),
    }
}

/// Sends everything to whoever connects.
fn give(task: &Task, address: SocketAddr) -> Outcome {
    let listener = TcpListener::bind(address)?;
    loop {
        let (stream, _) = listener.accept()?;
        let task = task.clone();
        // Somebody who goes away early is nobody's fault.
        thread::spawn(move || frames::send(&task, &stream));
    }
}

fn write(task: &Task) -> Outcome {
    let mut files = Files::to_write(task);
    let bytes = vec![0x5a; WRITE];
    let mut at = 0;
    while at < task.bytes {
        let length = (task.bytes - at).min(WRITE as u64);
        files.write(at, &bytes[..length as usize])?;
        at += length;
    }
    Ok(())
}
