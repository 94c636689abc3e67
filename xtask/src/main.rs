//! Chores of the repository. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod bench;
mod fuzz;
mod guard;
mod kills;
mod page;
mod seeds;
mod shell;
mod sim;
mod steps;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
Chores of the Toubkal repository.

Usage: cargo xtask <command>

  test [--only STEP]... [--skip STEP]... [--verbose] [-- FILTER...]
             Everything that must pass before a change is committed. Installs what
             the tests need. FILTER goes to the test runner: names of tests.
  test --list
             The steps of `test`, in order.
  tidy       Sizes of files and functions, walls between modules, banned words.
  seeds [COUNT] [--from SEED]
             The random tests of the engine and its swarms, with COUNT seeds each
             (1000), beginning with SEED (0).
  fuzz [TARGET]... [--minutes N] [--jobs N]
             Searches for inputs that break a promise, N minutes (1) a target, on all
             cores. A finding is kept in fuzz/findings, with the command that shows it.
  fuzz [TARGET]... --merge
             Keeps the least of what was found that reaches the same code in fuzz/corpus.
  fuzz --list
             The targets.
  sim [--seeds COUNT] [--first-seed SEED] [--threads N]
             Worlds of 8 to 64 hosts with faults, crashes and adversaries, all drawn
             from the seed, with all checkers (1000). A failure is made small, and
             ends as a command.
  sim --seed SEED [--hosts N] [--without PART,...] [--quiet]
             One of them, each change of state on a line.
  kills [--count N] [--size SIZE] [--seed S]
             A download of SIZE (64MiB) that is killed N times (20) at moments drawn
             from S (0): nothing that was recorded may be wrong.
  guard [NAME]... [--record REASON]
             Counts the instructions of small workloads and compares them with
             crates/guard/record.txt, or records what has changed, and why.
  bench [--cells PATTERN,...] [--clients NAME,...] [--rounds N] [--size MiB] [--to FOLDER]
        [--json FILE] [--from FILE] [--write] [--quick]
             Toubkal and other clients side by side: downloading, seeding, checking, many
             torrents. --help tells more.
  page [--test [FILE]...] [--screenshots] [--release]
             Builds the page of the daemon from its npm packages; the next build of the
             program holds it. --test uses it in Chromium, and measures it; FILE is a name
             in crates/web/page/tests. --screenshots makes the pictures in docs.
  tools      Installs what the interop tests need, and nothing else.
  help       This text.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match command {
        "test" => test::run(rest),
        "tidy" => tidy::run().map(|note| println!("tidy: {note}")),
        "tools" => tools::install().map(|note| println!("tools: {note}")),
        "seeds" => seeds::run(rest),
        "sim" => sim::run(rest),
        "fuzz" => fuzz::run(rest),
        "guard" => guard::run(rest),
        "kills" => kills::run(rest),
        "bench" => bench::run(rest),
        "page" => page::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no command `{other}`: `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
