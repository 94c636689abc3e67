//! Checks of the code's own form, which neither rustfmt nor clippy makes.

mod source;
#[cfg(test)]
mod tests;

use std::fs;

use crate::shell::{command, output, root};
use source::Source;

/// Lines of a file, without its tests. The goal is 200 to 350.
const FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Characters of a line.
const COLUMNS: usize = 100;

/// Modules of `crates/core` that never import each other: they meet only in a driver.
const WALLED: [&str; 7] = ["engine", "link", "utp", "dht", "tracker", "reach", "queue"];
/// What stands under them, and imports none of them.
const BASE: &str = "base";

/// Folders of one machine, which mean nothing on another. In two parts, so that this file passes.
const BANNED: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks every file that git knows or would add, and counts them.
pub(crate) fn run() -> Result<String, String> {
    let mut list = command("git", ["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = output(&mut list).ok_or("git does not list the files of this folder")?;
    let (mut faults, mut files) = (Vec::new(), 0);
    for path in list.lines() {
        // A file that is gone is no concern of ours, nor is one that is not text.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            faults.extend(check(path, &text));
            files += 1;
        }
    }
    if faults.is_empty() {
        return Ok(format!("{files} files"));
    }
    Err(faults.join("\n"))
}

/// The faults of one file, each as `path:line: what is wrong`.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut faults = banned_words(text);
    if path.ends_with(".rs") {
        let source = Source::new(text);
        faults.extend(long_lines(text));
        faults.extend(long_functions(&source));
        if !is_test(path) {
            faults.extend(long_file(&source));
        }
        // What a tests.rs is for, its place tells.
        if !text.starts_with("//!") && !path.ends_with("/tests.rs") {
            faults.push((1, "a file begins with //! and what it is for".to_owned()));
        }
        faults.extend(walls(path, &source));
    }
    faults.iter().map(|(line, what)| format!("{path}:{line}: {what}")).collect()
}

/// A line, and what is wrong there.
type Fault = (usize, String);

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/")
}

fn banned_words(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for word in BANNED {
            let own_word =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
            if line.match_indices(word).any(|(at, _)| own_word(at)) {
                faults.push((number, format!("{word} is a folder of one machine")));
            }
        }
    }
    faults
}

fn long_lines(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        // An address cannot be broken.
        if columns > COLUMNS && !line.contains("://") {
            faults.push((number, format!("{columns} columns, {COLUMNS} at most")));
        }
    }
    faults
}

fn long_file(source: &Source) -> Option<Fault> {
    let lines = source.lines_without_tests();
    let fault = || (1, format!("{lines} lines without tests, {FILE_LINES} at most: cut it"));
    (lines > FILE_LINES).then(fault)
}

fn long_functions(source: &Source) -> Vec<Fault> {
    let long = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES);
    long.map(|function| {
        let (name, lines) = (function.name, function.lines);
        (function.line, format!("fn {name} has {lines} lines, {FUNCTION_LINES} at most: cut it"))
    })
    .collect()
}

/// Imports that go through a wall between the modules of core.
fn walls(path: &str, source: &Source) -> Vec<Fault> {
    let Some(inside) = path.strip_prefix("crates/core/src/") else { return Vec::new() };
    let parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    let own = parts[0];
    if own != BASE && !WALLED.contains(&own) {
        return Vec::new();
    }
    // `super` repeated as often as this leads to the top of the crate.
    let depth = parts.len() - usize::from(parts.last() == Some(&"mod"));
    let names = source.names_at_top(depth);
    let through =
        names.into_iter().filter(|(_, name)| name != own && WALLED.contains(&name.as_str()));
    through
        .map(|(line, name)| (line, format!("{own} must not know {name}: they meet in a driver")))
        .collect()
}
