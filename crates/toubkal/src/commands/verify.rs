//! `toubkal verify`: what is good on disk, and what is not.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use toubkal_session::hashing::{self, Condition, FileReport, Report, VerifyError};
use toubkal_wire::metainfo::Metainfo;

use crate::exit::{Exit, Failure};
use crate::progress::Screen;
use crate::signals::Interrupt;
use crate::source::{self, Source};
use crate::{json, text, units, work};

/// Check files against a torrent
#[derive(Args, Debug)]
#[command(
    long_about = "Check files against a torrent, and list what is missing or wrong. Nothing is \
        changed.\n\nEnds with exit code 1 when something is missing or wrong.",
    after_help = "Examples:\n  \
        toubkal verify debian.torrent --data ~/Downloads\n  \
        toubkal verify debian.torrent --data . --json | jq '.files[] | select(.good | not)'\n  \
        toubkal verify debian.torrent --data . && echo all is well"
)]
pub(crate) struct VerifyArgs {
    /// A path, an http(s) address, or `-` for standard input
    #[arg(value_name = "TORRENT")]
    torrent: Source,
    /// The folder that holds the torrent's file or folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let metainfo = Arc::new(source::metainfo(&args.torrent)?);
    super::seed::check_data(&args.data)?;
    let interrupt = Interrupt::new();
    let mut screen = Screen::new(args.quiet || args.json);
    let (torrent, dir) = (Arc::clone(&metainfo), args.data.clone());
    let report = work::with_progress(&metainfo.name, &mut screen, &interrupt, move |progress| {
        hashing::verify(&torrent, &dir, work::threads(), progress)
    });
    let Some(report) = report else {
        screen.say("stopped; nothing was changed");
        return Ok(Exit::Interrupted);
    };
    let report = report.map_err(|error| match error {
        VerifyError::VersionTwo => super::get::v2_only(&args.torrent, "checked"),
        VerifyError::Folder(kind) => {
            let what = format!("cannot read the folder {}", args.data.display());
            Failure::new(Exit::Failed, what).cause(kind.to_string())
        }
    })?;
    match args.json {
        true => json::print(&object(&metainfo, &report))?,
        false => {
            screen.print(&table(&metainfo, &report))?;
            if is_elsewhere(&report) {
                let name = text::cut(&metainfo.name, 60);
                screen.say(&format!("tip: --data is the folder that holds {name}"));
            }
        }
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Failed })
}

/// Nothing of it is there: most likely that is the wrong folder.
fn is_elsewhere(report: &Report) -> bool {
    let mut real = report.files.iter().filter(|file| file.condition != Condition::Virtual);
    real.all(|file| file.condition == Condition::Missing)
}

/// One line for each file that is not good, and a summary.
fn table(metainfo: &Metainfo, report: &Report) -> String {
    let mut out = String::new();
    let name = text::cut(&metainfo.name, 60);
    let size = units::size(metainfo.total());
    let real = || report.files.iter().filter(|file| file.condition != Condition::Virtual);
    let files = text::count(real().count() as u64, "file", "files");
    if report.is_good() {
        return format!("{name}, {size} in {files}, verified: everything is good\n");
    }
    if is_elsewhere(report) {
        return format!("{name}: nothing of its {files} is there\n");
    }
    let faults: Vec<_> = real().filter_map(|file| Some((fault(file)?, &file.path))).collect();
    let widest = faults.iter().map(|(words, _)| text::width(words)).max().unwrap_or(0);
    for (words, path) in &faults {
        let path = path.to_string_lossy();
        let line = format!("{}  {}\n", text::pad(words, widest), text::escape(&path));
        out.push_str(&line);
    }
    let good = text::grouped(u64::from(report.good.ones()));
    let pieces = text::count(u64::from(report.good.len()), "piece", "pieces");
    let bad = text::grouped(faults.len() as u64);
    out.push_str(&format!("{name}: {bad} of {files} not good, {good} of {pieces} good\n"));
    out
}

/// What is wrong with a file, in few words.
fn fault(file: &FileReport) -> Option<String> {
    let pieces = || format!("{} of {} pieces good", file.good, file.pieces);
    Some(match file.condition {
        Condition::Virtual => return None,
        Condition::Good if file.part => "complete, but still named .part".into(),
        Condition::Good => return None,
        Condition::Bad if file.part => format!("incomplete, {}", pieces()),
        Condition::Bad => format!("wrong, {}", pieces()),
        Condition::Missing => "missing".into(),
        Condition::Length { found } => format!("of another length, {}", units::exact_size(found)),
        Condition::NoFile => "not a file".into(),
        Condition::Unreadable(kind) => format!("unreadable, {kind}"),
    })
}

/// The word for `state` in JSON.
fn state(file: &FileReport) -> &'static str {
    match file.condition {
        Condition::Good | Condition::Bad if file.part => "incomplete",
        Condition::Good => "good",
        Condition::Bad => "wrong",
        Condition::Missing => "missing",
        Condition::Length { .. } => "length",
        Condition::NoFile => "no_file",
        Condition::Unreadable(_) => "unreadable",
        Condition::Virtual => "virtual",
    }
}

/// The object that `--json` prints, described in `docs/json.md`.
fn object(metainfo: &Metainfo, report: &Report) -> serde_json::Value {
    let files = metainfo.files().zip(&report.files);
    let files: Vec<_> = files
        .filter(|(_, file)| file.condition != Condition::Virtual)
        .map(|(entry, file)| {
            serde_json::json!({
                "path": entry.path,
                "length": entry.length,
                "good": file.condition == Condition::Good && !file.part,
                "state": state(file),
                "good_pieces": file.good,
                "pieces": file.pieces,
            })
        })
        .collect();
    serde_json::json!({
        "torrent": metainfo.info_hash_v1.map(|hash| text::hex(&hash)),
        "name": metainfo.name,
        "good": report.is_good(),
        "good_pieces": report.good.ones(),
        "pieces": report.good.len(),
        "files": files,
    })
}
