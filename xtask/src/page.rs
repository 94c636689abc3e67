//! `cargo xtask page`: builds the page of the HTTP face, and uses it in a real browser.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Log, cargo, command, installed, logged, output, root, target_dir};
use crate::tools;

/// The Node.js that the packages of the page ask for.
const NODE: (u32, u32) = (20, 19);
const BROWSER: &str = "/usr/bin/chromium";

/// What was asked for on the command line.
#[derive(Default)]
struct Options {
    test: bool,
    pictures: bool,
    release: bool,
    /// Names of files of tests, without their ending; none: all.
    only: Vec<String>,
}

/// Builds the page; with `--test` tests it, with `--screenshots` makes the README's pictures.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut options = Options::default();
    for arg in args {
        match arg.as_str() {
            "--test" => options.test = true,
            "--screenshots" => options.pictures = true,
            "--release" => options.release = true,
            name if !name.starts_with('-') => options.only.push(name.to_owned()),
            other => return Err(format!("`page` does not know {other}: see cargo xtask help")),
        }
    }
    let log = Log::create("page", true)?;
    build(&log)?;
    if options.test {
        test(&options, &log)?;
    }
    if options.pictures {
        let mut pictures = in_browser("tests/pictures.mjs", &options, &log)?;
        logged(pictures.arg(root().join("docs")), &log)?;
    }
    Ok(())
}

/// The step of `cargo xtask test`: it builds, and lets in whom it should. The others take the
/// speed of a download for granted, which a busy machine does not: `cargo xtask page --test`.
pub(crate) fn step(log: &Log) -> Result<(), String> {
    build(log)?;
    test(&Options { only: vec!["door".to_owned()], ..Options::default() }, log)
}

/// Installs what the lock file names, and builds into `dist`.
fn build(log: &Log) -> Result<(), String> {
    node(log)?;
    let (lock, done) = ("package-lock.json", "node_modules/.installed");
    let wanted = fs::read(folder().join(lock)).map_err(|e| format!("cannot read {lock}: {e}"))?;
    if fs::read(folder().join(done)).ok().as_ref() != Some(&wanted) {
        logged(&mut npm(["ci", "--no-audit", "--no-fund"]), log).map_err(|error| {
            format!(
                "{error}\nThe page is built of npm packages, and npm could not fetch them. See \
                 that `npm config get registry` names a registry that can be reached from here, \
                 or do without: cargo xtask test --skip page"
            )
        })?;
        fs::write(folder().join(done), wanted).map_err(|e| format!("cannot write {done}: {e}"))?;
    }
    logged(&mut npm(["run", "--silent", "build"]), log)
}

fn test(options: &Options, log: &Log) -> Result<(), String> {
    logged(&mut npm(["run", "--silent", "check"]), log)?;
    let names = match &options.only[..] {
        [] => tests()?,
        only => only.iter().map(|name| format!("tests/{name}.test.mjs")).collect(),
    };
    // One after the other: each has the machine for itself.
    let mut run = in_browser("--test", options, log)?;
    logged(run.arg("--test-concurrency=1").args(names), log)
}

/// The files of tests, in their order.
fn tests() -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder().join("tests")).map_err(|e| format!("no tests: {e}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".test.mjs")).collect();
    names.sort();
    Ok(names.iter().map(|name| format!("tests/{name}")).collect())
}

/// Node with the daemon and the browser that it needs for this.
fn in_browser(argument: &str, options: &Options, log: &Log) -> Result<Command, String> {
    let browser = std::env::var_os("CHROMIUM").map_or_else(|| BROWSER.into(), PathBuf::from);
    if !browser.is_file() {
        let why = "the page is tested in Chromium";
        tools::install_packages(&["chromium"], why, "--skip page", log)?;
    }
    let mut scene = cargo(["build", "--quiet", "--package", "toubkal-web", "--example", "scene"]);
    if options.release {
        scene.arg("--release");
    }
    logged(&mut scene, log)?;
    let profile = if options.release { "release" } else { "debug" };
    let mut node = command("node", [argument]);
    node.current_dir(folder()).env("CHROMIUM", browser);
    node.env("SCENE", target_dir().join(profile).join("examples/scene"));
    Ok(node)
}

/// Sees to it that there is a Node.js that is new enough.
fn node(log: &Log) -> Result<(), String> {
    if !installed("node") || !installed("npm") {
        let why = "the page is built with Node.js";
        tools::install_packages(&["nodejs", "npm"], why, "--skip page", log)?;
    }
    let version = output(&mut command("node", ["--version"])).unwrap_or_default();
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().ok());
    let version_of = (numbers.next().flatten(), numbers.next().flatten());
    match version_of {
        (Some(major), Some(minor)) if (major, minor) >= NODE => Ok(()),
        _ => Err(format!(
            "the page is built with Node.js {}.{} or later, and this is {version}. Install a newer \
             one, or do without: cargo xtask test --skip page",
            NODE.0, NODE.1
        )),
    }
}

fn npm<const N: usize>(args: [&str; N]) -> Command {
    let mut npm = command("npm", args);
    npm.current_dir(folder());
    npm
}

fn folder() -> PathBuf {
    root().join("crates/web/page")
}
