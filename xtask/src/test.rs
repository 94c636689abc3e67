//! `cargo xtask test`: every check in order, one calm line each, and a sum at the end.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::shell::Log;
use crate::steps::{STEPS, Step};

/// What was asked for on the command line.
#[derive(Default)]
pub(crate) struct Options {
    only: Vec<String>,
    skip: Vec<String>,
    verbose: bool,
    list: bool,
    /// Names of tests, for the steps that run tests.
    pub(crate) filters: Vec<String>,
}

/// How a step ended, when it did not fail.
pub(crate) enum Done {
    /// It passed; the note is shown beside the time, and may be empty.
    Passed(String),
    /// It could not run here, for the reason given.
    Skipped(String),
}

/// Runs the steps that the arguments select.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = parse(args)?;
    let steps: Vec<&Step> = STEPS.iter().filter(|step| options.selects(step)).collect();
    if options.list {
        for step in STEPS {
            println!("{:<9} {}", step.name, step.what);
        }
        return Ok(());
    }
    let start = Instant::now();
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for step in steps {
        announce(step);
        let start = Instant::now();
        let log = Log::create(step.name, options.verbose)?;
        let outcome = if step.name == "interop" && failed.contains(&"tools") {
            Ok(Done::Skipped("without its tools".to_owned()))
        } else {
            (step.run)(&options, &log)
        };
        let time = start.elapsed();
        match outcome {
            Ok(Done::Passed(note)) => {
                passed += 1;
                report(step, "ok", time, &note);
            }
            Ok(Done::Skipped(why)) => {
                skipped += 1;
                report(step, "skipped", time, &why);
            }
            Err(message) => {
                failed.push(step.name);
                report(step, "FAILED", time, "");
                println!("\n{message}\n");
            }
        }
    }
    println!("\n{} in all", seconds(start.elapsed()).trim_start());
    let skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {} failed{skips}", failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    let again: Vec<String> = failed.iter().map(|name| format!("--only {name}")).collect();
    Err(format!("failed: {}. Again: cargo xtask test {}", failed.join(", "), again.join(" ")))
}

impl Options {
    fn selects(&self, step: &Step) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == step.name);
        // The interop tests cannot run without their tools.
        let needed = step.name == "tools" && self.only.iter().any(|name| name == "interop");
        (self.only.is_empty() || named(&self.only) || needed) && !named(&self.skip)
    }
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--verbose" => options.verbose = true,
            "--list" => options.list = true,
            "--only" => options.only.extend(steps_named(args.next())?),
            "--skip" => options.skip.extend(steps_named(args.next())?),
            "--" => options.filters.extend(args.by_ref().cloned()),
            other => return Err(format!("`test` does not know {other}: see cargo xtask help")),
        }
    }
    Ok(options)
}

/// The names in a comma-separated list, each the name of a step.
fn steps_named(list: Option<&String>) -> Result<Vec<String>, String> {
    let known = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    let list = list.ok_or_else(|| format!("a step is missing, one of: {}", known()))?;
    let names: Vec<String> = list.split(',').map(str::to_owned).collect();
    for name in &names {
        if !STEPS.iter().any(|step| step.name == name) {
            return Err(format!("there is no step `{name}`, only: {}", known()));
        }
    }
    Ok(names)
}

/// On a terminal, says what is being done while it is done.
fn announce(step: &Step) {
    if std::io::stdout().is_terminal() {
        print!("{:<9} {}", step.name, step.what);
        // A line that could not be shown is no reason to stop.
        let _ = std::io::stdout().flush();
    }
}

fn report(step: &Step, result: &str, time: Duration, note: &str) {
    let back = if std::io::stdout().is_terminal() { "\r\x1b[K" } else { "" };
    let line = format!("{:<9} {result:<8} {}   {note}", step.name, seconds(time));
    println!("{back}{}", line.trim_end());
}

fn seconds(time: Duration) -> String {
    format!("{:>6.1} s", time.as_secs_f64())
}
