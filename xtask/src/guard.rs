//! `cargo xtask guard`: counts the instructions of small workloads under valgrind, and compares
//! them with the record in the repository.
//!
//! A time says little on a machine that others use too; a count is the same in every run. It
//! depends on the compiler and on the C library, so the record names both: with another compiler
//! or library a difference says nothing of the change at hand, and is told, but is no failure.

mod record;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::shell::{Log, cargo, command, logged, output, root, show, target_dir};
use crate::test::Done;
use crate::tools;
use record::{Count, Record, Verdict};

/// Two runs of the same may differ by so much of their count. They do not differ at all as a rule:
/// what is random in a process, where it lies in memory, valgrind makes the same.
const NOISE: f64 = 0.001;
/// The C library chooses how to copy memory by the CPU. Without all these it chooses the same
/// everywhere.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,\
                        -SSSE3,-SSE4_1,-SSE4_2,-BMI1,-BMI2,-LZCNT,-MOVBE,-RTM,\
                        -Fast_Unaligned_Copy,-Prefer_No_VZEROUPPER,-AVX_Fast_Unaligned_Load";

/// What was asked for on the command line.
#[derive(Default)]
struct Options {
    /// Only workloads with these names.
    names: Vec<String>,
    /// The reason for new values.
    record: Option<String>,
}

/// Does what the arguments say.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = parse(args)?;
    if let Some(why) = cannot() {
        println!("guard: not here: {why}");
        return Ok(());
    }
    let log = Log::create("guard", false)?;
    let old = Record::load(&path())?;
    let made_by = made_by();
    let new = count_all(&options.names, &log, &|count| println!("{}", line(count, &old)))?;
    if let Some(reason) = options.record {
        let (record, changed) = old.updated(new, &made_by, &reason, options.names.is_empty());
        fs::write(path(), record.to_string()).map_err(|e| fault(&path(), &e))?;
        println!("guard: {changed} new in {}", shown_path());
        return Ok(());
    }
    match judge(&old, &new, &made_by)? {
        Done::Passed(note) => println!("guard: {note}"),
        Done::Skipped(why) => println!("guard: not compared: {why}"),
    }
    Ok(())
}

/// Counts everything: a step of `cargo xtask test`.
pub(crate) fn step(log: &Log) -> Result<Done, String> {
    if let Some(why) = cannot() {
        return Ok(Done::Skipped(why));
    }
    let old = Record::load(&path())?;
    let new = count_all(&[], log, &|_| {})?;
    judge(&old, &new, &made_by())
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--record" => {
                let reason = args.next().filter(|reason| !reason.trim().is_empty());
                let reason = reason.ok_or("--record needs the reason, in a few words")?;
                if reason.contains(['\n', '|']) {
                    return Err("the reason is one line without `|`".to_owned());
                }
                options.record = Some(reason.trim().to_owned());
            }
            option if option.starts_with('-') => {
                return Err(format!("`guard` does not know {option}: see cargo xtask help"));
            }
            name => options.names.push(name.to_owned()),
        }
    }
    Ok(options)
}

/// Why nothing can be counted on this machine.
fn cannot() -> Option<String> {
    let here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let why =
        "instructions are counted with valgrind on Linux x86-64 only, and the record is of it";
    (!here).then(|| why.to_owned())
}

/// Builds the workloads and counts those of these names, or all.
fn count_all(names: &[String], log: &Log, say: &dyn Fn(&Count)) -> Result<Vec<Count>, String> {
    tools::valgrind(log)?;
    // Whatever somebody has set for their own builds would count too.
    let mut build = cargo(["build", "--release", "--quiet", "--package", "toubkal-guard"]);
    logged(build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS"), log)?;
    let program = target_dir().join("release/toubkal-guard");
    let list = output(&mut command(&program, [])).ok_or("the workloads cannot be listed")?;
    let mut counts = Vec::new();
    for line in list.lines() {
        let mut words = line.split('\t');
        let (Some(name), Some(units), Some(per)) = (words.next(), words.next(), words.next())
        else {
            return Err(format!("the workloads list `{line}`"));
        };
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let units: u64 = units.parse().map_err(|_| format!("`{units}` units of {name}"))?;
        let total = count_twice(&program, name)?;
        let each = total.map(|total| total as f64 / units as f64);
        let count = Count { name: name.to_owned(), each, per: per.to_owned() };
        say(&count);
        counts.push(count);
    }
    let unknown = names.iter().find(|name| !counts.iter().any(|count| count.name == **name));
    match unknown {
        Some(name) => Err(format!("there is no workload `{name}`, only: {}", first_words(&list))),
        None => Ok(counts),
    }
}

fn first_words(list: &str) -> String {
    let names = list.lines().filter_map(|line| line.split('\t').next());
    names.collect::<Vec<_>>().join(", ")
}

/// Counts a workload twice, side by side: what differs from run to run is no measure. `None`: this
/// machine cannot do it.
fn count_twice(program: &Path, name: &str) -> Result<Option<u64>, String> {
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| count(program, name, 1));
        let two = count(program, name, 2);
        (one.join().expect("it does not panic"), two)
    });
    let (Some(one), Some(two)) = (one?, two?) else { return Ok(None) };
    if one.abs_diff(two) as f64 > one as f64 * NOISE {
        return Err(format!(
            "{name} takes {one} instructions in one run and {two} in the next: something in it is \
             random (the order of a HashMap, an address, the time)"
        ));
    }
    Ok(Some(one.min(two)))
}

/// Instructions inside of `toubkal_guard::counted`, by callgrind.
fn count(program: &Path, name: &str, run: u32) -> Result<Option<u64>, String> {
    let file = target_dir().join(format!("xtask/guard-{name}-{run}.callgrind"));
    let mut valgrind = command("valgrind", ["--tool=callgrind"]);
    valgrind.arg("--toggle-collect=*toubkal_guard*counted*");
    valgrind.arg(format!("--callgrind-out-file={}", file.display()));
    valgrind.arg(program).arg(name);
    // Only what is the same everywhere.
    valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    valgrind.env("GLIBC_TUNABLES", TUNABLES);
    let shown = show(&valgrind);
    let Output { status, stdout, stderr } =
        valgrind.output().map_err(|e| format!("{shown} did not start: {e}"))?;
    if !status.success() {
        return Err(format!("{shown} failed ({status})\n{}", String::from_utf8_lossy(&stderr)));
    }
    if !stdout.is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(&file).map_err(|e| fault(&file, &e))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    match total.and_then(|total| total.trim().parse().ok()).filter(|&total| total > 0) {
        Some(total) => Ok(Some(total)),
        None => Err(format!("{shown} counted nothing: is `toubkal_guard::counted` still there?")),
    }
}

/// Whether what was counted is what is recorded.
fn judge(old: &Record, new: &[Count], made_by: &str) -> Result<Done, String> {
    let Verdict { rises, notes, absent } = old.compare(new);
    let mut told = notes;
    if !absent.is_empty() {
        told.push(format!("not counted here, valgrind shows no AVX2: {}", absent.join(", ")));
    }
    if old.made_by != made_by {
        let differ =
            rises.iter().chain(&told).map(|line| format!("\n  {line}")).collect::<String>();
        let made = &old.made_by;
        return Ok(Done::Skipped(format!("the record is of {made}, this is {made_by}{differ}")));
    }
    if rises.is_empty() {
        let counted = new.iter().filter(|count| count.each.is_some()).count();
        let told: String = told.iter().map(|line| format!("\n  {line}")).collect();
        return Ok(Done::Passed(format!("{counted} workloads{told}")));
    }
    Err(format!(
        "{}\n\
         If it is worth it: cargo xtask guard --record \"REASON\" writes what is new to {}.\n\
         Where they go: callgrind_annotate {}",
        rises.join("\n"),
        shown_path(),
        target_dir().join("xtask/guard-NAME-1.callgrind").display(),
    ))
}

/// A count as a person reads it, beside what is recorded.
fn line(count: &Count, old: &Record) -> String {
    let Count { name, each, per } = count;
    let Some(each) = each else { return format!("{name:<20}   not here   {per}") };
    let change = old.find(name).map_or("new".to_owned(), |old| record::percent(old, *each));
    format!("{name:<20} {each:>10.1} {change:>8}   {per}")
}

/// The compiler and the C library.
fn made_by() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = output(&mut command(rustc, ["--version"])).unwrap_or_default();
    // "rustc 1.91.0 (f8297e351 2025-10-28)"
    let rustc = rustc.split(" (").next().unwrap_or_default();
    let libc = output(&mut command("getconf", ["GNU_LIBC_VERSION"])).unwrap_or_default();
    format!("{rustc}, {libc}")
}

fn path() -> PathBuf {
    root().join(shown_path())
}

fn shown_path() -> &'static str {
    "crates/guard/record.txt"
}

fn fault(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
