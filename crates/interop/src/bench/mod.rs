//! Toubkal and other clients side by side: the program behind `cargo xtask bench`.
//!
//! All runs are on one machine, on the loopback device of a network namespace of its own. A round
//! runs every client of every cell once; the next goes the other way round, because who comes
//! first finds the machine in another state than who comes after.

mod alone;
mod announce;
mod cells;
mod chart;
mod child;
mod clients;
mod crowd;
mod figures;
mod interrupt;
mod magnets;
mod many;
mod meter;
mod options;
mod report;
mod stage;
mod table;
mod transfer;
mod warm;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use cells::{Cell, Seeds};
use clients::Rival;
use figures::{Figure, Record};
use options::Options;
use stage::Stage;

/// Runs it with the arguments of this process.
#[must_use]
pub fn bench() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help") {
        print!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "magnets" => magnets::run(rest),
        Some((first, rest)) if first == "crowd" => crowd::run(rest),
        _ => Options::parse(&args).and_then(|options| measure(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// One run that is to be made.
struct Turn<'a> {
    cell: &'a Cell,
    rival: Rival,
    round: u32,
}

fn measure(options: &Options) -> Result<(), String> {
    let versions = versions(options);
    for (rival, version) in &versions {
        let (Ok(version) | Err(version)) = version;
        println!("{:<13} {version}", rival.name());
    }
    let here = |rival: Rival| versions.iter().any(|(known, v)| *known == rival && v.is_ok());
    let turns = turns(options, here);
    let start = Instant::now();
    let mut records = Vec::new();
    for file in &options.from {
        records.extend(report::read(file)?);
    }
    if !turns.is_empty() {
        records.extend(play(options, &turns)?);
    }
    println!();
    for cell in &options.cells {
        let own: Vec<&Record> = records.iter().filter(|r| r.cell == cell.name).collect();
        if !own.is_empty() {
            println!("{}: {}", cell.name, cell.heading(options.size >> 20));
            println!("{}", table::Table::of(&own).text());
        }
    }
    println!("{} runs in {} s", records.len(), start.elapsed().as_secs());
    if options.write {
        report::write(options, &versions, &records)?;
    }
    let failed = |record: &&Record| record.who == "toubkal" && record.outcome.is_err();
    match records.iter().find(failed) {
        Some(record) => Err(format!("toubkal failed in {}", record.cell)),
        None => Ok(()),
    }
}

fn versions(options: &Options) -> Vec<(Rival, Result<String, String>)> {
    options.rivals.iter().map(|&rival| (rival, rival.version())).collect()
}

/// Every client of every cell in each round, there and back.
fn turns(options: &Options, here: impl Fn(Rival) -> bool) -> Vec<Turn<'static>> {
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        let mut these = Vec::new();
        for cell in options.cells.iter().filter(|cell| round <= cell.rounds) {
            let rivals = cell.rivals.iter().filter(|&&rival| here(rival));
            these.extend(rivals.map(|&rival| Turn { cell, rival, round }));
        }
        if round.is_multiple_of(2) {
            these.reverse();
        }
        turns.extend(these);
    }
    turns
}

/// Makes all runs. One that fails is a record like any other.
fn play(options: &Options, turns: &[Turn<'_>]) -> Result<Vec<Record>, String> {
    let mut json = match &options.json {
        Some(path) => {
            let fault = |error| format!("cannot write {}: {error}", path.display());
            Some(File::create(path).map_err(fault)?)
        }
        None => None,
    };
    let mut stage = Stage::new(options.size, &options.to)?;
    if options.ends_at_signals {
        interrupt::cleans_up(stage.folders())?;
    }
    let mut seeds = Seeds::new();
    let mut records: Vec<Record> = Vec::new();
    let mut hopeless: Vec<(&str, Rival)> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let (cell, rival, round) = (turn.cell, turn.rival, turn.round);
        if hopeless.contains(&(cell.name, rival)) {
            continue;
        }
        let of = format!("{} of {}", number + 1, turns.len());
        let what = format!("{of:<12} round {round}  {:<11} {}", cell.name, rival.name());
        announce(&what);
        cell.prepare(&mut stage);
        let outcome = cell.run(&stage, &mut seeds, rival, round == 1);
        tell(&what, &outcome);
        // Who fails twice in a row is not waited for again and again.
        let before = records.iter().rev().find(|r| r.cell == cell.name && r.who == rival.name());
        if outcome.is_err() && before.is_none_or(|before| before.outcome.is_err()) {
            hopeless.push((cell.name, rival));
        }
        let record = Record { cell: cell.name, who: rival.name(), round, outcome };
        if let Some(json) = &mut json {
            let line = report::json(&record);
            writeln!(json, "{line}").map_err(|error| format!("cannot write: {error}"))?;
        }
        records.push(record);
    }
    Ok(records)
}

/// On a terminal, says what is being done while it is done.
fn announce(what: &str) {
    if std::io::stdout().is_terminal() {
        print!("{what}");
        // A line that could not be shown is no reason to stop.
        let _ = std::io::stdout().flush();
    }
}

fn tell(what: &str, outcome: &Result<figures::Sample, String>) {
    let back = if std::io::stdout().is_terminal() { "\r\x1b[K" } else { "" };
    let result = match outcome {
        Ok(sample) => {
            let shown = Figure::ALL.into_iter().filter_map(|figure| {
                let value = *sample.get(&figure)?;
                Some(format!("{} {}", figure.show(value), figure.names().0))
            });
            shown.collect::<Vec<_>>().join(", ")
        }
        Err(reason) => reason.clone(),
    };
    println!("{back}{what:<48} {result}");
}

/// What the tests of this crate run, so that the benchmark does not rot: one small download of
/// Toubkal and of libtorrent, and the limit beside them. Gives the tables as text.
///
/// # Errors
///
/// What did not work.
pub fn small_bench() -> Result<String, String> {
    let clients = "limit,toubkal,libtorrent";
    let args = ["--cells", "=get,=verify", "--clients", clients, "--size", "8", "--rounds", "1"];
    let mut options = Options::parse(&args.map(str::to_owned))?;
    options.ends_at_signals = false;
    let turns = turns(&options, |rival| options.rivals.contains(&rival));
    let records = play(&options, &turns)?;
    let mut text = String::new();
    for cell in &options.cells {
        let own: Vec<&Record> = records.iter().filter(|r| r.cell == cell.name).collect();
        text += &format!("{}\n{}\n", cell.name, table::Table::of(&own).text());
    }
    Ok(text)
}
