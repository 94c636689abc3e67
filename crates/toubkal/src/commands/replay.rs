//! `toubkal replay`: a session that was recorded, played again step by step.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use toubkal_sim::{Line, LogError, Replay};

use crate::exit::{Exit, Failure, io_cause};
use crate::report::state_name;
use crate::{json, progress, text};

/// Steps are printed in portions of so many bytes.
const PORTION_BYTES: usize = 64 * 1024;

/// Play again what a session has recorded, step by step
#[derive(Args, Debug)]
#[command(
    long_about = "Play again what a session has recorded with --record, step by step.\n\n\
        Each line is a fact that the engine was told, and what it wanted done. The engine decides \
        anew: where this version of the program decides otherwise, the lines say so, and the exit \
        code is 1. Nothing is connected to, and no file is touched.",
    after_help = "Examples:\n  \
        toubkal get a.torrent --record stuck.tkevents\n  \
        toubkal replay stuck.tkevents --last 50\n  \
        toubkal replay stuck.tkevents --quiet"
)]
pub(crate) struct ReplayArgs {
    /// What was recorded
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the last N steps
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only how it ended
    #[arg(short, long, conflicts_with = "last")]
    quiet: bool,
    /// Print each step as JSON, one object a line (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// One step.
#[derive(Serialize)]
struct Step<'l> {
    event: &'static str,
    number: u64,
    seconds: f64,
    text: &'l str,
    differs: bool,
}

/// How it ended.
#[derive(Serialize)]
struct End {
    event: &'static str,
    steps: u64,
    cut: bool,
    differs: Option<u64>,
    torrents: Vec<Torrent>,
}

/// How a torrent stood then.
#[derive(Serialize)]
struct Torrent {
    state: &'static str,
    have: u32,
    pieces: u32,
    left: u64,
    downloaded: u64,
    uploaded: u64,
    wasted: u64,
    peers: usize,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let bytes = fs::read(&args.file).map_err(|error| {
        let what = format!("cannot read {}", args.file.display());
        Failure::new(Exit::of_io(&error), what).cause(io_cause(&error))
    })?;
    let skip = match args.last {
        Some(last) => open(args, &bytes)?.count().saturating_sub(last) as u64,
        None if args.quiet => u64::MAX,
        None => 0,
    };
    let mut replay = open(args, &bytes)?;
    let (mut steps, mut differs, mut portion) = (0, None, String::new());
    for line in replay.by_ref() {
        let line = line.map_err(|error| broken(args, error))?;
        steps = line.number;
        if line.differs {
            differs.get_or_insert(line.number);
        }
        if line.number > skip {
            say(&mut portion, args.json, &line);
        }
        if portion.len() >= PORTION_BYTES {
            progress::print(&std::mem::take(&mut portion))?;
        }
    }
    portion += &end(&replay, args.json, steps, differs);
    progress::print(&portion)?;
    Ok(if differs.is_some() { Exit::Failed } else { Exit::Done })
}

fn open<'b>(args: &ReplayArgs, bytes: &'b [u8]) -> Result<Replay<'b>, Failure> {
    Replay::new(bytes).map_err(|error| broken(args, error))
}

fn broken(args: &ReplayArgs, error: LogError) -> Failure {
    Failure::new(Exit::Failed, format!("cannot play {}", args.file.display()))
        .cause(error.to_string())
        .tip("only a file that was written with --record can be played")
}

fn say(out: &mut String, as_json: bool, line: &Line) {
    if as_json {
        let Line { number, at, ref text, differs } = *line;
        let seconds = at.as_secs_f64();
        *out += &json::line(&Step { event: "step", number, seconds, text, differs });
    } else {
        *out += &text::escape(&line.to_string());
        out.push('\n');
    }
}

/// How every torrent stood, and whether the engine did as it did then.
fn end(replay: &Replay<'_>, as_json: bool, steps: u64, differs: Option<u64>) -> String {
    let torrents = replay.torrents();
    if as_json {
        let torrent = |(_, status, peers): &(_, toubkal_session::Status, Vec<_>)| Torrent {
            state: state_name(status.state),
            have: status.have,
            pieces: status.pieces,
            left: status.left,
            downloaded: status.downloaded,
            uploaded: status.uploaded,
            wasted: status.wasted,
            peers: peers.len(),
        };
        let torrents = torrents.iter().map(torrent).collect();
        let cut = replay.is_cut();
        return json::line(&End { event: "end", steps, cut, differs, torrents });
    }
    let mut out = text::count(steps, "step", "steps");
    out += if replay.is_cut() { ", cut off there\n" } else { "\n" };
    for (number, (_, status, peers)) in torrents.iter().enumerate() {
        let (state, peers_are) =
            (state_name(status.state), text::count(peers.len() as u64, "peer", "peers"));
        let (have, pieces) = (status.have, status.pieces);
        let torrent = number + 1;
        _ = writeln!(out, "torrent {torrent}: {state}, {have} of {pieces} pieces, {peers_are}");
        for peer in peers {
            let requests = text::count(peer.requests.into(), "request", "requests");
            let (remote, has, gave, got) = (peer.remote, peer.have, peer.downloaded, peer.uploaded);
            let chokes = if peer.choking_us { ", chokes us" } else { "" };
            let choked = if peer.choked { ", is choked" } else { "" };
            _ = writeln!(
                out,
                "  {remote}: has {has}, gave {gave} B, got {got} B, {requests}{chokes}{choked}"
            );
        }
    }
    match differs {
        None => out + "the engine did as it did then\n",
        Some(step) => format!("{out}the engine does not do what it did then, since step {step}\n"),
    }
}
