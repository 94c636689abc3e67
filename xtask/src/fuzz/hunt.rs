//! Fuzzing one target, and what is made of a finding.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::{corpus, place};
use crate::shell::{command, root};

/// The longest input that is tried, in bytes.
const INPUT_BYTES_MAX: u32 = 4096;
/// An input that takes longer is a finding. Seconds.
const PATIENCE: u32 = 20;
/// How long a finding may take to be made smaller. Seconds.
const MINIMISE: u32 = 20;

/// How far the fuzzing of a target came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    /// Inputs played.
    pub(super) runs: u64,
    /// The same a second.
    pub(super) speed: u64,
    /// Edges of the code that were reached.
    pub(super) edges: u64,
    /// Inputs of the corpus.
    pub(super) inputs: u64,
}

/// Why fuzzing a target ended early.
#[derive(Debug)]
pub(super) struct Finding {
    target: String,
    /// What the fuzzer said.
    words: String,
    /// The input, in the repository's folder of findings.
    input: Option<PathBuf>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.words.trim())?;
        let Some(input) = &self.input else { return Ok(()) };
        let (name, target) = (input.display(), &self.target);
        write!(f, "\nagain: cargo run -p toubkal-fuzz {target} {name}")
    }
}

/// Fuzzes a target for so long with `jobs` processes.
pub(super) fn hunt(
    fuzzer: &Path,
    target: &str,
    time: Duration,
    jobs: usize,
) -> Result<Score, Finding> {
    let finding = |words: String| Finding { target: target.to_owned(), words, input: None };
    let (own, kept) = (place("corpus").join(target), corpus::kept(target));
    let folders = [own.clone(), kept.clone(), place("logs"), root().join("fuzz/findings")];
    for folder in &folders {
        fs::create_dir_all(folder).map_err(|e| finding(format!("{}: {e}", folder.display())))?;
    }
    let log = |job: usize| place("logs").join(format!("{target}-{job}.log"));
    let started = (0..jobs).map(|job| {
        let mut fuzz = fuzz(fuzzer, target);
        fuzz.arg(format!("-max_total_time={}", time.as_secs().max(1)));
        fuzz.args([&own, &kept]);
        let log = File::create(log(job))?;
        fuzz.stdout(log.try_clone()?).stderr(log).spawn()
    });
    let children: std::io::Result<Vec<Child>> = started.collect();
    let mut children = children.map_err(|e| finding(format!("the fuzzer does not start: {e}")))?;
    let broken = wait(&mut children);
    let texts = (0..jobs).map(|job| fs::read(log(job)).unwrap_or_default());
    let texts: Vec<String> = texts.map(|text| String::from_utf8_lossy(&text).into()).collect();
    match broken {
        None => Ok(texts.iter().map(|text| score(text)).fold(Score::default(), Score::and)),
        Some(job) => {
            let input = artifact(&texts[job]).map(|input| minimise(fuzzer, target, input));
            Err(Finding { words: words(&texts[job]), input, ..finding(String::new()) })
        }
    }
}

impl Score {
    /// Of two that worked on the same corpus.
    fn and(self, other: Score) -> Score {
        Score {
            runs: self.runs + other.runs,
            speed: self.speed + other.speed,
            edges: self.edges.max(other.edges),
            inputs: self.inputs.max(other.inputs),
        }
    }
}

/// The fuzzer, with what all its uses have in common.
pub(super) fn fuzz(fuzzer: &Path, target: &str) -> Command {
    let mut fuzz = command(fuzzer, []);
    fuzz.env("TOUBKAL_FUZZ", target).env("RUST_BACKTRACE", "0");
    fuzz.arg(format!("-max_len={INPUT_BYTES_MAX}")).arg(format!("-timeout={PATIENCE}"));
    fuzz.arg(format!("-artifact_prefix=fuzz/findings/{target}-"));
    // Processes on the same corpus take over what the others find.
    fuzz.args(["-reload=10", "-print_final_stats=1"]);
    let dictionary = format!("fuzz/dictionaries/{target}.dict");
    if root().join(&dictionary).is_file() {
        fuzz.arg(format!("-dict={dictionary}"));
    }
    fuzz
}

/// Waits for all; when one fails, the others are ended, and it is named.
fn wait(children: &mut [Child]) -> Option<usize> {
    loop {
        let mut running = false;
        for index in 0..children.len() {
            match children[index].try_wait() {
                Ok(None) => running = true,
                Ok(Some(status)) if status.success() => {}
                _ => {
                    for child in children.iter_mut() {
                        // It may have ended by itself.
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                    return Some(index);
                }
            }
        }
        if !running {
            return None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The figures of the last line that has any.
fn score(text: &str) -> Score {
    let line = text.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let number = |word: &str| word.split('/').next()?.parse().ok();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        number(words.get(at + 1)?)
    };
    let first = words.first().and_then(|word| number(word.trim_start_matches('#')));
    Score {
        runs: first.unwrap_or(0),
        speed: after("exec/s:").unwrap_or(0),
        edges: after("cov:").unwrap_or(0),
        inputs: after("corp:").unwrap_or(0),
    }
}

/// Where the fuzzer wrote the input that it fails on.
fn artifact(text: &str) -> Option<PathBuf> {
    let line = text.lines().find_map(|line| line.split_once("Test unit written to "))?;
    Some(PathBuf::from(line.1.trim()))
}

/// What a person wants to read first: the panic, or what the fuzzer complains of.
fn words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains(" panicked at "));
    let at = at.or_else(|| lines.iter().position(|line| line.contains("ERROR: libFuzzer")));
    match at {
        Some(at) => lines[at..].iter().take(4).copied().collect::<Vec<_>>().join("\n"),
        None => lines[lines.len().saturating_sub(8)..].join("\n"),
    }
}

/// Tries for a moment to make the input smaller; the smallest one that fails.
fn minimise(fuzzer: &Path, target: &str, input: PathBuf) -> PathBuf {
    let small = PathBuf::from(format!("{}.small", input.display()));
    let is_crash = input.to_string_lossy().contains("-crash-");
    if is_crash && let Ok(log) = File::create(place("logs").join("minimise.log")) {
        let mut less = fuzz(fuzzer, target);
        less.args(["-minimize_crash=1", &format!("-max_total_time={MINIMISE}")]);
        less.arg(format!("-exact_artifact_path={}", small.display())).arg(&input);
        // However it ends, a file tells what it reached.
        let _ = log.try_clone().and_then(|twin| less.stdout(twin).stderr(log).status());
    }
    if root().join(&small).is_file() { small } else { input }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figures_count() {
        let text = "#2\tINITED cov: 5 ft: 5 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                    #843463\tDONE   cov: 934 ft: 4732 corp: 927/121Kb lim: 1750 exec/s: 52716 \
                    rss: 31Mb\nDone 843463 runs in 16 second(s)\n";
        let want = Score { runs: 843_463, speed: 52_716, edges: 934, inputs: 927 };
        assert_eq!(score(text), want);
        assert_eq!(score("nothing at all"), Score::default());
    }

    #[test]
    fn a_finding_says_what_happened_and_how_to_see_it_again() {
        let text = "thread 'x' panicked at fuzz/src/a.rs:1:2:\nit broke\n==5== ERROR: libFuzzer: \
                    deadly signal\nartifact_prefix='fuzz/findings/a-'; Test unit written to \
                    fuzz/findings/a-crash-00\n";
        let finding = Finding { target: "a".to_owned(), words: words(text), input: artifact(text) };
        let shown = finding.to_string();
        assert!(shown.starts_with("a: thread 'x' panicked at fuzz/src/a.rs:1:2:\nit broke"));
        let again = "again: cargo run -p toubkal-fuzz a fuzz/findings/a-crash-00";
        assert!(shown.ends_with(again), "{shown}");
    }
}
