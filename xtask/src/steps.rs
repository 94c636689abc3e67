//! The steps of `cargo xtask test`, in the order in which they run.

use std::fs;
use std::process::Command;

use crate::shell::{Log, cargo, command, installed, logged, output, root, target_dir};
use crate::test::{Done, Options};
use crate::{fuzz, guard, page, tidy, tools};

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Options, &Log) -> Result<Done, String>,
}

/// Quick ones first, so that a slip is told early.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "tools", what: "install what the interop tests need", run: tools },
    Step { name: "fmt", what: "is the code formatted?", run: format },
    Step { name: "tidy", what: "sizes, walls between modules, banned words", run: tidy },
    Step { name: "clippy", what: "lints, warnings are errors", run: clippy },
    Step { name: "no-std", what: "do wire, core and hash build without std?", run: no_std },
    Step { name: "unit", what: "unit, virtual-time and integration tests", run: unit },
    Step { name: "doctest", what: "examples in the documentation", run: doctest },
    Step { name: "doc", what: "documentation, warnings are errors", run: doc },
    Step { name: "page", what: "the page builds, and its door holds in a real browser", run: page },
    Step { name: "interop", what: "Toubkal against other BitTorrent programs", run: interop },
    Step { name: "fuzz", what: "some seconds of fuzzing for each target", run: fuzz },
    Step { name: "guard", what: "does anything take more instructions?", run: guard },
    Step { name: "deny", what: "licences, bans and sources of dependencies", run: deny },
];

fn passed() -> Result<Done, String> {
    Ok(Done::Passed(String::new()))
}

fn tools(_: &Options, _: &Log) -> Result<Done, String> {
    tools::install().map(Done::Passed)
}

fn format(_: &Options, log: &Log) -> Result<Done, String> {
    logged(&mut cargo(["fmt", "--all", "--check"]), log)?;
    passed()
}

fn tidy(_: &Options, _: &Log) -> Result<Done, String> {
    tidy::run().map(Done::Passed)
}

fn clippy(_: &Options, log: &Log) -> Result<Done, String> {
    let mut clippy = cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--"]);
    logged(clippy.args(["-D", "warnings"]), log)?;
    passed()
}

/// Checks a crate that brings its own panic handler and depends on wire, core and hash. If anything
/// among their dependencies needed std, there would be two panic handlers, which is an error.
/// This proves it on any target, so that none has to be installed.
fn no_std(_: &Options, log: &Log) -> Result<Done, String> {
    let probe = root().join("xtask/no-std");
    let lock = |e| format!("cannot copy Cargo.lock to {}: {e}", probe.display());
    // The same versions as the workspace, and nothing to look up.
    fs::copy(root().join("Cargo.lock"), probe.join("Cargo.lock")).map_err(lock)?;
    let mut check = cargo(["check", "--quiet", "--target-dir"]);
    logged(check.arg(target_dir().join("no-std")).current_dir(&probe), log)?;
    passed()
}

fn unit(options: &Options, log: &Log) -> Result<Done, String> {
    let mut run = tests(&["--workspace", "--exclude", "toubkal-interop"], &[], options);
    logged(&mut run, log)?;
    Ok(Done::Passed(log.tests()))
}

fn doctest(_: &Options, log: &Log) -> Result<Done, String> {
    logged(&mut cargo(["test", "--workspace", "--doc", "--no-fail-fast"]), log)?;
    Ok(Done::Passed(log.tests()))
}

fn doc(_: &Options, log: &Log) -> Result<Done, String> {
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--quiet"]);
    logged(doc.env("RUSTDOCFLAGS", "-D warnings"), log)?;
    passed()
}

fn page(_: &Options, log: &Log) -> Result<Done, String> {
    if !cfg!(target_os = "linux") {
        let why = "its browser is set up for Linux; cargo xtask page --test runs with CHROMIUM set";
        return Ok(Done::Skipped(why.to_owned()));
    }
    page::step(log)?;
    Ok(Done::Passed(log.tests()))
}

fn interop(options: &Options, log: &Log) -> Result<Done, String> {
    logged(&mut cargo(["build", "--package", "toubkal", "--quiet"]), log)?;
    // More tests at once than cores: most of the time they wait for Transmission, which lets
    // nobody in for its first ten seconds.
    let test = tests(&["--package", "toubkal-interop"], &["--test-threads", "4"], options);
    let mut test = in_own_user_space(&test);
    test.env("TOUBKAL", target_dir().join("debug/toubkal"));
    // What the programs said tells more than where in the test it was noticed.
    test.env("RUST_BACKTRACE", "0");
    logged(&mut test, log)?;
    Ok(Done::Passed(log.tests()))
}

/// Long enough to find what a change has broken plainly: the corpus reaches most of the code.
fn fuzz(_: &Options, log: &Log) -> Result<Done, String> {
    const SECONDS: u64 = 6;
    if !cfg!(target_os = "linux") {
        let why = "fuzzing is set up for Linux; the unit tests played the corpus";
        return Ok(Done::Skipped(why.to_owned()));
    }
    fuzz::briefly(SECONDS, log).map(Done::Passed)
}

fn guard(_: &Options, log: &Log) -> Result<Done, String> {
    guard::step(log)
}

/// Runs tests by nextest where it is there; `cargo test` does as well.
fn tests(packages: &[&str], runner: &[&str], options: &Options) -> Command {
    let nextest = output(&mut cargo(["nextest", "--version"])).is_some();
    let mut run = if nextest {
        cargo(["nextest", "run", "--no-fail-fast"])
    } else {
        cargo(["test", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    run.args(packages);
    if !nextest {
        run.arg("--");
    }
    run.args(runner).args(&options.filters);
    run
}

fn deny(_: &Options, log: &Log) -> Result<Done, String> {
    if !installed("cargo-deny") {
        let why = "cargo-deny is not installed (it builds for minutes); hosted CI runs it";
        return Ok(Done::Skipped(why.to_owned()));
    }
    logged(&mut cargo(["deny", "check", "licenses", "bans", "sources"]), log)?;
    passed()
}

/// Each interop test makes network namespaces. Who is not root may do so in a user namespace.
pub(crate) fn in_own_user_space(inner: &Command) -> Command {
    let root_already = output(&mut command("id", ["-u"])).is_some_and(|id| id == "0");
    let mut outer = if root_already {
        command(inner.get_program(), [])
    } else {
        let mut outer = command("unshare", ["--user", "--map-root-user", "--"]);
        outer.arg(inner.get_program());
        outer
    };
    outer.args(inner.get_args());
    outer
}
