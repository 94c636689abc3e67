//! Seeds all torrents of a folder: what many torrents cost. `cargo xtask bench` runs it.
//!
//! `cargo run --release -p toubkal-session --example seed_many -- \
//!     TORRENTS FOLDER STATE LISTEN COMPLETE`
//!
//! TORRENTS is a folder of .torrent files, FOLDER holds their files, STATE is a database. What it
//! remembers is brought back; when there is none, all torrents are added, in sessions of 500: each
//! that is added holds a file open for its lock, until it is at rest. Once all are seeding, it
//! writes their number into the file COMPLETE; it runs until it is told to end (SIGTERM).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use toubkal_session::{Add, Metainfo, Options, Session, State, Torrent};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [torrents, folder, state, listen, complete] = &args[..] else {
        return Err("TORRENTS FOLDER STATE LISTEN COMPLETE".into());
    };
    let end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&end))?;
    let (state, listen) = (PathBuf::from(state), vec![listen.parse()?]);
    let known = state.exists();
    let options = Options { state: Some(state), lan: false, dht: false, ..Options::default() };
    if !known {
        add(&options, torrents, folder)?;
    }
    let session = Session::start(Options { listen, ..options })?;
    let all = session.restore()?;
    until_seeding(&session, &all);
    std::fs::write(complete, all.len().to_string())?;
    while !end.load(Ordering::Relaxed) {
        // Events are for people.
        let _ = session.next_event(Duration::from_millis(500));
    }
    session.shutdown(Duration::from_secs(60));
    Ok(())
}

fn until_seeding(session: &Session, all: &[Torrent]) {
    let mut waits = all.iter().collect::<Vec<_>>();
    while !waits.is_empty() {
        waits.retain(|torrent| torrent.status().state != State::Seeding);
        // What counts is the state.
        while session.next_event(Duration::from_millis(5)).is_some() {}
    }
}

fn add(options: &Options, torrents: &str, folder: &str) -> Result<(), Failure> {
    let files = std::fs::read_dir(Path::new(torrents))?.collect::<Result<Vec<_>, _>>()?;
    for files in files.chunks(500) {
        let session = Session::start(options.clone())?;
        let mut all = Vec::new();
        for file in files {
            let bytes = std::fs::read(file.path())?;
            let metainfo = Arc::new(Metainfo::parse(&bytes).map_err(|error| error.to_string())?);
            let add = Add { torrent: Some(bytes.into()), ..Add::to(folder) };
            all.push(session.add(metainfo, add)?);
        }
        until_seeding(&session, &all);
        session.shutdown(Duration::from_secs(60));
    }
    Ok(())
}
