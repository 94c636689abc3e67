//! Prints an event log as what its engine was told and did: one line a step, and at the end how
//! its torrents stand. `cargo run -p toubkal-sim --example replay FILE`

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use toubkal_sim::Replay;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: replay FILE");
        return ExitCode::FAILURE;
    };
    #[expect(clippy::disallowed_methods, reason = "a program to look at a file")]
    let read = std::fs::read(&file);
    let played = read.map_err(|e| e.to_string()).and_then(|bytes| play(&bytes));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn play(bytes: &[u8]) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut replay = Replay::new(bytes).map_err(|e| e.to_string())?;
    let mut first = None;
    for line in replay.by_ref() {
        let line = line.map_err(|e| e.to_string())?;
        if line.differs && first.is_none() {
            first = Some(line.number);
        }
        writeln!(out, "{line}").map_err(|e| e.to_string())?;
    }
    let note = if replay.is_cut() { " (the log is cut off)" } else { "" };
    let mut end = format!("the end{note}\n");
    for (torrent, status, peers) in replay.torrents() {
        end.push_str(&format!("{torrent:?} {status:?}\n"));
        peers.iter().for_each(|peer| end.push_str(&format!("  {peer:?}\n")));
    }
    out.write_all(end.as_bytes()).map_err(|e| e.to_string())?;
    match first {
        None => Ok(()),
        Some(step) => Err(format!("since step {step} the engine does not do what it did then")),
    }
}
