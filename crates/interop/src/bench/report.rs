//! The tables in `docs/performance.md`, the chart beside it, and runs as JSON.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::cells::CELLS;
use super::chart::{self, Group};
use super::clients::Rival;
use super::figures::{Figure, Record};
use super::options::Options;
use super::table::{Table, names, spread};

/// What stands between these is written anew.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// One run as an object.
pub(super) fn json(record: &Record) -> Value {
    let mut object = Map::new();
    object.insert("cell".to_owned(), json!(record.cell));
    object.insert("client".to_owned(), json!(record.who));
    object.insert("round".to_owned(), json!(record.round));
    match &record.outcome {
        Ok(sample) => object.extend(sample.iter().map(|(figure, value)| {
            let thousandths = (value * 1000.0).round() / 1000.0;
            (figure.names().1.to_owned(), json!(thousandths))
        })),
        Err(reason) => _ = object.insert("failed".to_owned(), json!(reason)),
    }
    Value::Object(object)
}

/// The runs in a file that holds one as an object on each line.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, String> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let fault = |line: &str| format!("{}: this is no run: {line}", path.display());
    text.lines().map(|line| record(line).ok_or_else(|| fault(line))).collect()
}

/// The inverse of [`json`]. None of what this program has not written.
fn record(line: &str) -> Option<Record> {
    let object: Value = serde_json::from_str(line).ok()?;
    let cell = CELLS.iter().find(|cell| object["cell"] == cell.name)?.name;
    let who = Rival::ALL.into_iter().find(|rival| object["client"] == rival.name())?.name();
    let round = u32::try_from(object["round"].as_u64()?).ok()?;
    let outcome = match object["failed"].as_str() {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(Figure::ALL
            .into_iter()
            .filter_map(|figure| Some((figure, object[figure.names().1].as_f64()?)))
            .collect()),
    };
    Some(Record { cell, who, round, outcome })
}

/// Writes the tables and the chart.
pub(super) fn write(
    options: &Options,
    versions: &[(Rival, Result<String, String>)],
    records: &[Record],
) -> Result<(), String> {
    let (document, drawing) = (docs().join("performance.md"), docs().join("performance.svg"));
    let text = fs::read_to_string(&document);
    let text = text.map_err(|error| format!("{}: {error}", document.display()))?;
    let text = between(&text, &tables(options, versions, records))?;
    let groups = groups(options, records);
    let title = "MB/s over loopback, median and range";
    fs::write(&document, text)
        .and_then(|()| fs::write(&drawing, chart::svg(title, &groups)))
        .map_err(|error| format!("cannot write to {}: {error}", docs().display()))?;
    println!("written: {} and {}", document.display(), drawing.display());
    Ok(())
}

fn docs() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    top.expect("this crate lies two folders deep").join("docs")
}

fn tables(
    options: &Options,
    versions: &[(Rival, Result<String, String>)],
    records: &[Record],
) -> String {
    let typed =
        if options.typed.is_empty() { String::new() } else { format!(" {}", options.typed) };
    let mut out = format!("`cargo xtask bench{typed}`, on {}.\n\n", machine());
    for (rival, version) in versions {
        let (Ok(version) | Err(version)) = version;
        out += &format!("- {}: {version}\n", rival.name());
    }
    for cell in &options.cells {
        let own: Vec<&Record> = records.iter().filter(|r| r.cell == cell.name).collect();
        if !own.is_empty() {
            out += &format!("\n### {}: {}\n\n", cell.name, cell.heading(options.size >> 20));
            out += &Table::of(&own).markdown();
        }
    }
    out
}

/// Transfer rates of the cells that are drawn.
fn groups(options: &Options, records: &[Record]) -> Vec<Group> {
    let mut groups = Vec::new();
    for cell in options.cells.iter().filter(|cell| cell.is_drawn) {
        let own: Vec<&Record> = records.iter().filter(|r| r.cell == cell.name).collect();
        let rate = |who| Some((who, spread(&own, who, Figure::Rate)?));
        let bars: Vec<_> = names(&own).into_iter().filter_map(rate).collect();
        if !bars.is_empty() {
            groups.push(Group { title: cell.heading(options.size >> 20), bars });
        }
    }
    groups
}

/// What this is measured on, in a few words.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1)).unwrap_or("?").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kibibytes = field(&memory, "MemTotal").split(' ').next().and_then(|n| n.parse().ok());
    let gibibytes = kibibytes.unwrap_or(0_u64) >> 20;
    let kernel = read("/proc/sys/kernel/osrelease");
    let (cpu, kernel) = (field(&cpus, "model name"), kernel.trim());
    format!("{cores} cores of {cpu}, {gibibytes} GiB, Linux {kernel}")
}

/// Puts text between the markers of a document.
fn between(document: &str, text: &str) -> Result<String, String> {
    let parts = document.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some((head, tail))
    });
    let (head, tail) = parts.ok_or_else(|| format!("the document lacks {BEGIN} or {END}"))?;
    Ok(format!("{head}{BEGIN}\n\n{text}\n{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_written_anew() {
        let document = format!("# A\n\n{BEGIN}\nold\n{END}\n\n## B\n");
        let written = between(&document, "new\n").unwrap();
        assert_eq!(written, format!("# A\n\n{BEGIN}\n\nnew\n\n{END}\n\n## B\n"));
        assert_eq!(between(&written, "new\n").as_ref(), Ok(&written));
        assert!(between("# A\n", "new").is_err());
    }

    #[test]
    fn a_run_is_an_object_and_so_is_one_that_failed() {
        let outcome = Ok([(Figure::Rate, 719.123_456)].into());
        let mut record = Record { cell: "get", who: "toubkal", round: 2, outcome };
        let expected = json!({"cell": "get", "client": "toubkal", "round": 2, "rate": 719.123});
        assert_eq!(json(&record), expected);
        record.outcome = Err("it sleeps".to_owned());
        assert_eq!(json(&record)["failed"], "it sleeps");
    }

    #[test]
    fn what_is_written_of_a_run_is_read_again() {
        let outcome = Ok([(Figure::Rate, 719.0), (Figure::Cpu, 1.5)].into());
        let mut run = Record { cell: "seed-8", who: "aria2", round: 2, outcome };
        for outcome in [run.outcome.clone(), Err("it sleeps".to_owned())] {
            run.outcome = outcome;
            assert_eq!(record(&json(&run).to_string()).as_ref(), Some(&run));
        }
        assert_eq!(record(r#"{"cell":"no such","client":"aria2","round":1}"#), None);
        assert_eq!(record("text"), None);
    }
}
