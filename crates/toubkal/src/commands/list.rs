//! `toubkal list` and `toubkal show`: what the daemon has.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::control::{Control, ControlArgs};
use crate::exit::{Exit, Failure};
use crate::{json, progress, text, units};

/// List the torrents of the daemon
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  toubkal list\n  toubkal list debian --phase seeding\n  \
        toubkal list --json | jq -r .name")]
pub(crate) struct ListArgs {
    /// Only those of which the name has these words
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Only those that do this: downloading, seeding, paused, queued, checking, finding, done,
    /// error
    #[arg(long, value_name = "PHASE")]
    phase: Option<String>,
    /// Only those of a category
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// Only those with a tag
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Print JSON, one torrent a line (docs/api.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

/// Show a torrent of the daemon: how it stands, and why
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  toubkal show 7\n  toubkal show 7 --files --peers\n  \
        toubkal show 7 --json | jq .progress")]
pub(crate) struct ShowArgs {
    /// Its number in the list, or its info-hash
    #[arg(value_name = "TORRENT")]
    torrent: String,
    /// Its files
    #[arg(long)]
    files: bool,
    /// Its peers
    #[arg(long)]
    peers: bool,
    /// Its trackers
    #[arg(long)]
    trackers: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

/// Say why a torrent of the daemon is no faster, and what would help
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  toubkal explain 7\n  toubkal explain 7 --json\n  \
        toubkal list --phase downloading    (a sentence for each)")]
pub(crate) struct ExplainArgs {
    /// Its number in the list, or its info-hash
    #[arg(value_name = "TORRENT")]
    torrent: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: ControlArgs,
}

pub(crate) fn run(args: &ListArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let all: All = control.get("/api/v1/torrents")?;
    let parsed = |torrent: &RawValue| serde_json::from_str::<Value>(torrent.get()).ok();
    let chosen = |torrent: &RawValue| {
        args.takes_all() || parsed(torrent).is_some_and(|torrent| is_chosen(args, &torrent))
    };
    let chosen = all.torrents.iter().filter(|torrent| chosen(torrent));
    if args.json {
        let all: String = chosen.map(|torrent| json::raw_line(torrent)).collect();
        progress::print(&all)?;
        return Ok(Exit::Done);
    }
    let chosen: Vec<Value> = chosen.filter_map(|torrent| parsed(torrent)).collect();
    let chosen = chosen.iter();
    let rows: Vec<[String; 6]> = chosen.map(row).collect();
    progress::print(&table(["#", "name", "size", "done", "down", "what it does"], &rows))?;
    Ok(Exit::Done)
}

/// What the daemon says; of thousands of torrents only what is needed is looked at.
#[derive(Debug, Deserialize)]
struct All {
    torrents: Vec<Box<RawValue>>,
}

impl ListArgs {
    fn takes_all(&self) -> bool {
        let Self { text, phase, category, tag, .. } = self;
        text.is_empty() && phase.is_none() && category.is_none() && tag.is_none()
    }
}

fn is_chosen(args: &ListArgs, torrent: &Value) -> bool {
    let name = torrent["name"].as_str().unwrap_or_default().to_lowercase();
    let is = |wanted: &Option<String>, key: &str| {
        wanted.as_ref().is_none_or(|wanted| torrent[key] == wanted.as_str())
    };
    let tags = torrent["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    is(&args.phase, "phase")
        && is(&args.category, "category")
        && args.tag.as_ref().is_none_or(|tag| tags.iter().any(|it| it == tag.as_str()))
        && args.text.iter().all(|word| name.contains(&word.to_lowercase()))
}

/// The columns of a torrent.
fn row(torrent: &Value) -> [String; 6] {
    let text = |key: &str| text::escape(torrent[key].as_str().unwrap_or_default()).into_owned();
    let number = |key: &str| torrent[key].as_u64().unwrap_or_default();
    let down = number("down_rate");
    [
        torrent["id"].to_string(),
        text::cut(&text("name"), 48),
        if number("size") == 0 { String::new() } else { units::steady_size(number("size")) },
        format!("{} %", (torrent["progress"].as_f64().unwrap_or_default() * 100.0).floor()),
        if down == 0 { String::new() } else { units::steady_rate(down) },
        what_it_does(torrent),
    ]
}

/// The phase, or better a sentence.
fn what_it_does(torrent: &Value) -> String {
    let said = |key: &str| torrent[key].as_str().filter(|text| !text.is_empty());
    let words = said("error").or_else(|| said("why")).or_else(|| said("phase"));
    text::escape(words.unwrap_or_default()).into_owned()
}

/// A table for people: names to the left, numbers to the right.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| text::width(&row[column]));
        widths.chain([text::width(head[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let numeric = head[column] != "name" && column + 1 != N;
            if numeric { text::pad_left(cell, *width) } else { text::pad(cell, *width) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let head = head.map(str::to_owned);
    std::iter::once(&head).chain(rows).map(line).collect()
}

pub(crate) fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let path = |part: &str| format!("/api/v1/torrents/{}{part}", encoded(&args.torrent));
    let mut torrent: Value = control.get(&path(""))?;
    for (wanted, part) in
        [(args.files, "files"), (args.peers, "peers"), (args.trackers, "trackers")]
    {
        if wanted {
            torrent[part] = control.get(&path(&format!("/{part}")))?;
        }
    }
    if args.json {
        json::print(&torrent)?;
        return Ok(Exit::Done);
    }
    progress::print(&about(&torrent))?;
    Ok(Exit::Done)
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let control = Control::open(&args.control)?;
    let why: Value = control.get(&format!("/api/v1/torrents/{}/why", encoded(&args.torrent)))?;
    if args.json {
        json::print(&why)?;
        return Ok(Exit::Done);
    }
    let details = why["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = details.iter().filter_map(Value::as_str).map(|line| format!("  {line}"));
    let remedy = why["remedy"].as_str().map(str::to_owned);
    let all = std::iter::once(shown(&why, "sentence")).chain(lines).chain(remedy);
    let text: String = all.map(|line| format!("{}\n", text::escape(&line))).collect();
    progress::print(&text)?;
    Ok(Exit::Done)
}

/// A torrent for people.
fn about(torrent: &Value) -> String {
    let text = |key: &str| text::escape(torrent[key].as_str().unwrap_or_default()).into_owned();
    let number = |key: &str| torrent[key].as_u64().unwrap_or_default();
    let mut out = format!("{}\n", text("name"));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out += &format!("  {}  {value}\n", text::pad(name, 10));
        }
    };
    line("state", what_it_does(torrent));
    let done = format!("{:.1} %", torrent["progress"].as_f64().unwrap_or_default() * 100.0);
    line("done", format!("{done} of {}", units::size(number("wanted"))));
    let rates =
        format!("{} down, {} up", units::rate(number("down_rate")), units::rate(number("up_rate")));
    line("rate", rates);
    let transferred = format!(
        "{} down, {} up, ratio {:.2}",
        units::size(number("downloaded")),
        units::size(number("uploaded")),
        torrent["ratio"].as_f64().unwrap_or_default()
    );
    line("in all", transferred);
    line("peers", format!("{}, {} of them complete", number("peers"), number("seeds")));
    line("folder", text("dir"));
    line("category", text("category"));
    let tags = torrent["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tags: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
    line("tags", text::escape(&tags.join(", ")).into_owned());
    line("added", units::date(number("added") as i64));
    line("info-hash", text("hash"));
    out += &rows_of(torrent, "files", |it| {
        let size = it["size"].as_u64().unwrap_or_default();
        let have = it["have"].as_u64().unwrap_or_default();
        let part = progress::percent(have, size);
        vec![format!("{part} %"), units::steady_size(size), shown(it, "path")]
    });
    out += &rows_of(torrent, "peers", |it| {
        let rate = |key: &str| units::steady_rate(it[key].as_u64().unwrap_or_default());
        vec![rate("down_rate"), rate("up_rate"), shown(it, "address"), shown(it, "client")]
    });
    out += &rows_of(torrent, "trackers", |it| {
        vec![shown(it, "state"), shown(it, "url"), shown(it, "message")]
    });
    out
}

fn shown(it: &Value, key: &str) -> String {
    text::escape(it[key].as_str().unwrap_or_default()).into_owned()
}

fn rows_of(torrent: &Value, key: &str, row: fn(&Value) -> Vec<String>) -> String {
    let Some(all) = torrent[key].as_array() else { return String::new() };
    let rows = all.iter().map(|it| format!("  {}\n", row(it).join("  ").trim_end()));
    format!("\n{key}\n{}", rows.collect::<String>())
}

/// A word as it stands in a path of an address.
pub(super) fn encoded(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    word.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["7", "ä", "1 MB"], ["12", "long name", "20 MB"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let text = table(["#", "name", "what"], &rows);
        assert_eq!(text, " #  name       what\n 7  ä          1 MB\n12  long name  20 MB\n");
        assert_eq!(table(["#"], &[]), "", "nothing is no table");
    }

    #[test]
    fn a_torrent_says_in_its_row_what_is_wrong_with_it() {
        let torrent = json!({"id": 7, "name": "x", "phase": "error", "error": "a\u{1b}[2J full",
            "why": "", "size": 5, "progress": 0.999, "down_rate": 0});
        let row = row(&torrent);
        assert_eq!(row[3], "99 %");
        assert!(row[5].ends_with("full") && !row[5].contains('\u{1b}'), "{row:?}");
    }

    #[test]
    fn a_word_in_a_path_leads_nowhere_else() {
        assert_eq!(encoded("7"), "7");
        assert_eq!(encoded("../x?y"), "..%2Fx%3Fy");
    }
}
