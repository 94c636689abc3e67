//! `cargo xtask fuzz`: drives the targets of the crate `fuzz` by coverage, with libFuzzer.
//!
//! The fuzzer is one program for all targets, built by plain cargo on a stable toolchain: the marks
//! of coverage are an option of LLVM. What it finds worth keeping goes to `target/fuzz/corpus`,
//! and by `--merge`, as little of it as reaches the same code, to `fuzz/corpus`.

mod build;
mod corpus;
mod hunt;

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::shell::{Log, root, target_dir};
use hunt::{Finding, Score};

/// What was asked for on the command line.
struct Options {
    targets: Vec<String>,
    time: Duration,
    jobs: usize,
    merge: bool,
}

/// Does what the arguments say.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--list") {
        for target in targets()? {
            println!("{target:<10} {}", purpose(&target));
        }
        return Ok(());
    }
    let options = parse(args)?;
    let log = Log::create("fuzz", false)?;
    let fuzzer = build::fuzzer(&log)?;
    if options.merge {
        return options.targets.iter().try_for_each(|target| {
            let kept = corpus::merge(&fuzzer, target)?;
            println!("{target:<10} {kept}");
            Ok(())
        });
    }
    hunt_all(&fuzzer, &options, &|line| println!("{line}")).map(|_| ())
}

/// Fuzzes every target for some seconds: a step of `cargo xtask test`.
pub(crate) fn briefly(seconds: u64, log: &Log) -> Result<String, String> {
    let fuzzer = build::fuzzer(log)?;
    let (targets, time) = (targets()?, Duration::from_secs(seconds));
    let options = Options { targets, time, jobs: cores(), merge: false };
    let runs = hunt_all(&fuzzer, &options, &|_| {})?;
    Ok(format!("{runs} inputs"))
}

/// Fuzzes targets, as many at once as there are jobs, and counts the inputs that were played.
fn hunt_all(fuzzer: &Path, options: &Options, say: &(dyn Fn(&str) + Sync)) -> Result<u64, String> {
    // With fewer targets than jobs, some share the corpus of one target.
    let each = (options.jobs / options.targets.len()).max(1);
    let (next, runs) = (AtomicUsize::new(0), Mutex::new((0, Vec::new())));
    let work = || {
        while let Some(target) = options.targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            wait_note(target, options.time);
            let outcome = hunt::hunt(fuzzer, target, options.time, each);
            let mut runs = runs.lock().expect("no thread panics with it");
            match outcome {
                Ok(score) => {
                    runs.0 += score.runs;
                    say(&line(target, &score));
                }
                Err(fault) => {
                    say(&format!("{}{target:<10} ended early", back()));
                    runs.1.push(fault);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = options.jobs.div_ceil(each).min(options.targets.len());
        (0..threads).for_each(|_| _ = scope.spawn(work));
    });
    let (runs, faults) = runs.into_inner().expect("no thread panicked");
    if faults.is_empty() {
        return Ok(runs);
    }
    Err(faults.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n\n"))
}

/// On a terminal, says what is being done while it is done.
fn wait_note(target: &str, time: Duration) {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        // A line that could not be shown is no reason to stop.
        let _ = write!(out, "{target:<10} for {} s\x1b[K\r", time.as_secs());
        let _ = out.flush();
    }
}

fn line(target: &str, score: &Score) -> String {
    let Score { runs, speed, edges, inputs, .. } = score;
    let back = back();
    format!("{back}{target:<10} {runs:>10} runs {speed:>7}/s {edges:>6} edges {inputs:>6} inputs")
}

/// Takes the note from the terminal.
fn back() -> &'static str {
    if std::io::stdout().is_terminal() { "\x1b[K" } else { "" }
}

fn parse(args: &[String]) -> Result<Options, String> {
    let known = targets()?;
    let mut options =
        Options { targets: Vec::new(), time: Duration::from_secs(60), jobs: cores(), merge: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            let number = text.parse::<f64>().ok().filter(|number| *number > 0.0);
            number.ok_or(format!("`{text}` is no number above 0"))
        };
        match word.as_str() {
            "--minutes" => options.time = Duration::from_secs_f64(number()? * 60.0),
            "--jobs" => options.jobs = (number()? as usize).max(1),
            "--merge" => options.merge = true,
            name if known.iter().any(|target| target == name) => {
                options.targets.push(name.to_owned());
            }
            other => return Err(format!("there is no target `{other}`: {}", known.join(", "))),
        }
    }
    if options.targets.is_empty() {
        options.targets = known;
    }
    Ok(options)
}

/// The names of the targets, each of a file.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/src/targets");
    let files = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = files.filter_map(|file| {
        let name = file.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".rs").filter(|name| *name != "mod").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// What the file of a target says that it is for.
fn purpose(target: &str) -> String {
    let path = root().join(format!("fuzz/src/targets/{target}.rs"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let first = text.lines().next().and_then(|line| line.strip_prefix("//!"));
    first.unwrap_or_default().trim().to_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where everything of fuzzing lies that is not in the repository.
fn place(name: &str) -> PathBuf {
    target_dir().join("fuzz").join(name)
}
