//! Plays drawn worlds: `cargo xtask sim` builds it and runs it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is a program")]

use std::io::{IsTerminal as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use toubkal_sim::{Run, Scenario};

const HELP: &str = "\
Worlds of which everything is drawn from a number.

Usage: cargo xtask sim --seed SEED [--hosts N] [--without PART,...] [--quiet]
       cargo xtask sim --seeds COUNT [--first-seed SEED] [--threads N]

  --seed        Plays one world and prints each change of state.
  --hosts       With the first N hosts only.
  --without     Without some of what may go wrong:
";

#[derive(Clone, Debug, Default)]
struct Options {
    seed: Option<u64>,
    seeds: u64,
    first: u64,
    hosts: Option<usize>,
    without: Vec<String>,
    quiet: bool,
    threads: Option<usize>,
}

/// What the last panic of this thread said.
static LAST: Mutex<Vec<(std::thread::ThreadId, String)>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let options = match read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}                {}", Scenario::parts().join(", "));
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        last.push((std::thread::current().id(), text));
    }));
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

fn read(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seeds: 1000, ..Options::default() };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| {
            let hex = text.strip_prefix("0x").map(|hex| u64::from_str_radix(hex, 16));
            hex.unwrap_or_else(|| text.parse()).map_err(|_| format!("`{text}` is no number"))
        };
        match word.as_str() {
            "--seed" => options.seed = Some(number(value()?)?),
            "--seeds" => options.seeds = number(value()?)?,
            "--first-seed" => options.first = number(value()?)?,
            "--hosts" => options.hosts = Some(number(value()?)? as usize),
            "--threads" => options.threads = Some(number(value()?)? as usize),
            "--without" => options.without = value()?.split(',').map(str::to_owned).collect(),
            "--quiet" => options.quiet = true,
            _ => return Err(format!("there is no option `{word}`")),
        }
    }
    let known = Scenario::parts();
    match options.without.iter().find(|part| !known.contains(&part.as_str())) {
        Some(part) => Err(format!("nothing is called `{part}`")),
        None => Ok(options),
    }
}

fn scenario(seed: u64, hosts: Option<usize>, without: &[String]) -> Scenario {
    let mut scenario = Scenario::draw(seed);
    hosts.into_iter().for_each(|hosts| scenario.keep_hosts(hosts));
    without.iter().for_each(|part| _ = scenario.without(part));
    scenario
}

/// Plays one world and shows it.
fn one(seed: u64, options: &Options) -> ExitCode {
    let scenario = scenario(seed, options.hosts, &options.without);
    println!("{scenario}\n");
    let quiet = options.quiet;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let show = move |line: &toubkal_sim::Entry| {
        if !quiet {
            let _ = writeln!(out, "{line}");
        }
    };
    let start = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| scenario.tell(show))) {
        Ok(outcome) => {
            println!("\nseed {seed}: {} in {:.2?}", shown(&outcome), start.elapsed());
            ExitCode::SUCCESS
        }
        Err(_) => {
            println!("\nseed {seed} fails:\n{}", last_words());
            ExitCode::FAILURE
        }
    }
}

fn shown(outcome: &Run) -> String {
    let Run { trace_hash, events, time, recovery } = outcome;
    format!("trace {trace_hash:016x}, {events} events, {time:?}, recovered in {recovery:?}")
}

/// What this thread's last panic said.
fn last_words() -> String {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let id = std::thread::current().id();
    let at = last.iter().rposition(|(thread, _)| *thread == id);
    let words = at.map(|at| last[at].1.clone());
    last.retain(|(thread, _)| *thread != id);
    words.unwrap_or_default()
}

/// Plays many worlds on all cores; the first that fails is made as small as it still fails.
fn many(options: &Options) -> ExitCode {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = options.threads.unwrap_or_else(cores).max(1);
    let (next, done, events) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let recoveries = Mutex::new(Vec::new());
    let failed = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= options.seeds {
                        return;
                    }
                    let seed = options.first.wrapping_add(turn);
                    let world = scenario(seed, options.hosts, &options.without);
                    match catch_unwind(|| world.run()) {
                        Ok(outcome) => {
                            events.fetch_add(outcome.events, Ordering::Relaxed);
                            let mut all = recoveries.lock().unwrap_or_else(PoisonError::into_inner);
                            all.push((outcome.recovery, seed));
                        }
                        Err(_) => {
                            let words = last_words();
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                            println!("\nseed {seed} fails: {}", first_lines(&words));
                            println!("    {}", shrink(seed, &words, options));
                        }
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, options.seeds);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let took = start.elapsed().as_secs_f64();
    let mut recoveries = recoveries.into_inner().unwrap_or_else(PoisonError::into_inner);
    recoveries.sort_unstable();
    if let (Some((middle, _)), Some((last, seed))) =
        (recoveries.get(recoveries.len() / 2), recoveries.last())
    {
        println!("healed worlds were done after {middle:?} (median), {last:?} (seed {seed})");
    }
    println!(
        "{} worlds, {} failed, {} events in {took:.1} s",
        options.seeds,
        failed.len(),
        events.into_inner()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn first_lines(words: &str) -> String {
    words.lines().take(6).collect::<Vec<_>>().join("\n    ")
}

/// The shortest command that shows the failure: one fault less after the other, then fewer hosts,
/// as long as it still fails.
fn shrink(seed: u64, words: &str, options: &Options) -> String {
    let place = |words: &str| words.lines().next().map(str::to_owned);
    let fails = |hosts: Option<usize>, without: &[String]| {
        let world = scenario(seed, hosts, without);
        let fails = catch_unwind(|| world.run()).is_err();
        // Another failure is another matter.
        place(&last_words()) == place(words) && fails
    };
    let mut without = options.without.clone();
    for part in Scenario::parts() {
        let mut more = without.clone();
        more.push(part.to_owned());
        if fails(options.hosts, &more) {
            without = more;
        }
    }
    let all = Scenario::draw(seed).hosts.len();
    let mut hosts = options.hosts.unwrap_or(all);
    while hosts > 2 {
        let fewer = [hosts / 2, hosts * 3 / 4, hosts - 1];
        let Some(&less) = fewer.iter().find(|&&less| less < hosts && fails(Some(less), &without))
        else {
            break;
        };
        hosts = less;
    }
    let mut command = format!("cargo xtask sim --seed {seed}");
    if hosts < all {
        command += &format!(" --hosts {hosts}");
    }
    if !without.is_empty() {
        command += &format!(" --without {}", without.join(","));
    }
    command
}

fn progress(done: u64, of: u64) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{done} of {of} worlds");
        let _ = if done == of { writeln!(out) } else { out.flush() };
    }
}
