//! `cargo xtask seeds`: the random tests of the engine, with more seeds than a normal run takes.

use crate::shell::{cargo, show};

/// Crate, kind of test, and name.
const TESTS: [[&str; 4]; 2] = [
    ["toubkal-core", "--lib", "", "no_row_of_events_breaks_a_promise_or_stalls"],
    ["toubkal-sim", "--test", "drawn", "honest_hosts_get_what_they_want_in_any_swarm"],
];

/// Plays `COUNT` seeds of each test, beginning with `--from`. A test prints the seed on which it
/// fails as a command to type again.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut count, mut from) = (1000, 0);
    let mut words = args.iter();
    let number = |word: Option<&String>| {
        let word = word.ok_or("--from needs a number")?;
        word.parse::<u64>().map_err(|_| format!("`{word}` is no number of seeds"))
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" => from = number(words.next())?,
            _ => count = number(Some(word))?,
        }
    }
    for [package, kind, target, name] in TESTS {
        let mut test = cargo(["test", "--quiet", "--package", package, kind]);
        test.args(Some(target).filter(|target| !target.is_empty()));
        test.args([name, "--", "--nocapture"]);
        test.env("TOUBKAL_SEEDS", count.to_string()).env("TOUBKAL_SEED_FROM", from.to_string());
        let status = test.status().map_err(|e| format!("{} did not start: {e}", show(&test)))?;
        if !status.success() {
            return Err(format!("a seed failed in {package}: the line above plays it again"));
        }
    }
    println!("seeds {from} to {}: all passed", from.saturating_add(count).saturating_sub(1));
    Ok(())
}
