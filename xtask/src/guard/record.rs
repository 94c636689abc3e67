//! The record: how many instructions each workload took, and why it was so many.

use std::fmt;
use std::fs;
use std::path::Path;

/// A count may differ from the record by so much.
const LIMIT: f64 = 0.05;
/// Whoever records something writes anew what differs by more than this. What differs by less
/// stays, so that many small rises make a large one.
const SAME: f64 = 0.01;

const HEAD: &str = "\
# Instructions of each workload of `cargo xtask guard`, by callgrind. A rise of more than 5 %
# fails. `cargo xtask guard --record \"REASON\"` writes what has changed.
# name | instructions | for what | reason of the last change
";

/// What one workload took.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub(super) name: String,
    /// Instructions of one unit; `None` where it cannot be counted.
    pub(super) each: Option<f64>,
    /// What a unit is.
    pub(super) per: String,
}

/// A line of the record.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    name: String,
    each: f64,
    per: String,
    reason: String,
}

/// The record, as it stands in the repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    /// Compiler and C library.
    pub(super) made_by: String,
    lines: Vec<Line>,
}

/// What is to be said of counts.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Each a workload that takes too many now.
    pub(super) rises: Vec<String>,
    /// What is to be recorded: falls, and what is new or gone.
    pub(super) notes: Vec<String>,
    /// Workloads that could not be counted here.
    pub(super) absent: Vec<String>,
}

impl Record {
    /// Reads it; an empty one when there is none.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|e| super::fault(path, &e))?;
        Self::parse(&text).map_err(|line| format!("{}: not a line: {line}", path.display()))
    }

    /// Reads its text; an error is the line that is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut record = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            if let Some(made_by) = line.strip_prefix("made by: ") {
                record.made_by = made_by.trim().to_owned();
                continue;
            }
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let &[name, each, per, reason] = &fields[..] else { return Err(line.to_owned()) };
            let each: f64 = each.parse().map_err(|_| line.to_owned())?;
            let [name, per, reason] = [name, per, reason].map(str::to_owned);
            record.lines.push(Line { name, each, per, reason });
        }
        Ok(record)
    }

    /// What is recorded of a workload.
    pub(super) fn find(&self, name: &str) -> Option<f64> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.each)
    }

    /// What differs by more than may be.
    pub(super) fn compare(&self, new: &[Count]) -> Verdict {
        let mut verdict = Verdict::default();
        for Count { name, each, per } in new {
            let (Some(each), old) = (*each, self.find(name)) else {
                verdict.absent.push(name.clone());
                continue;
            };
            let Some(old) = old else {
                verdict.notes.push(format!("{name} is new: record it"));
                continue;
            };
            let change = percent(old, each);
            if each > old * (1.0 + LIMIT) {
                verdict.rises.push(format!(
                    "{name} takes {each:.1} instructions, {old:.1} before ({change}): {per}"
                ));
            } else if each < old * (1.0 - LIMIT) {
                verdict.notes.push(format!(
                    "{name} takes {each:.1} instructions, {old:.1} before ({change}): record it, \
                     cargo xtask guard --record \"REASON\""
                ));
            }
        }
        verdict
    }

    /// The record with what has changed, for this reason, and how many lines that are. `all`: a
    /// workload that was not counted is no more.
    pub(super) fn updated(
        &self,
        new: Vec<Count>,
        made_by: &str,
        reason: &str,
        all: bool,
    ) -> (Self, usize) {
        let mut changed = 0;
        let mut lines = if all { Vec::new() } else { self.lines.clone() };
        for Count { name, each, per } in new {
            let old = self.lines.iter().find(|line| line.name == name).cloned();
            let line = match (each, old) {
                // Counted elsewhere, by somebody else.
                (None, old) => old,
                (Some(each), Some(old)) if (each - old.each).abs() <= old.each * SAME => {
                    Some(Line { per, ..old })
                }
                (Some(each), _) => {
                    changed += 1;
                    Some(Line { name, each, per, reason: reason.to_owned() })
                }
            };
            let Some(line) = line else { continue };
            match lines.iter_mut().find(|other| other.name == line.name) {
                Some(place) => *place = line,
                None => lines.push(line),
            }
        }
        // Values of another compiler would stand under this one's name.
        let made_by = if all { made_by } else { &self.made_by };
        (Self { made_by: made_by.to_owned(), lines }, changed)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEAD}made by: {}\n\n", self.made_by)?;
        let width = self.lines.iter().map(|line| line.per.chars().count()).max().unwrap_or(0);
        for Line { name, each, per, reason } in &self.lines {
            writeln!(f, "{name:<18} | {each:>8.1} | {per:<width$} | {reason}")?;
        }
        Ok(())
    }
}

/// By how much more or less it is.
pub(super) fn percent(old: f64, new: f64) -> String {
    format!("{:+.1} %", (new / old - 1.0) * 100.0)
}
