//! `toubkal bencode`: any bencoded file as text or as JSON.

use std::fmt::Write as _;

use clap::Args;
use toubkal_wire::bencode::{Error, Kind, Mode, Value, decode};

use crate::exit::{Exit, Failure};
use crate::{progress, source, text};

/// Bytes of a binary string that the text shows.
const SHOWN_BYTES: usize = 32;

/// Show any bencoded file as text or JSON
#[derive(Args, Debug)]
#[command(
    long_about = "Show any bencoded file as text or JSON.\n\n\
        Strings that are no text are shown in hexadecimal. What is not canonical is noted on \
        standard error. Ends with exit code 1 and the offset of the fault when the file is not \
        bencode.",
    after_help = "Examples:\n  \
        toubkal bencode debian.torrent\n  \
        toubkal bencode --json resume.dat | jq .value\n  \
        curl -s https://tracker.example.org/announce | toubkal bencode -"
)]
pub(crate) struct BencodeArgs {
    /// A file, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: source::Source,
    /// One JSON object: `value`, `consumed` bytes, `oddities`
    #[arg(long)]
    json: bool,
    /// Accept only the canonical form: sorted and unique keys, no leading zeros, nothing behind
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: &BencodeArgs) -> Result<Exit, Failure> {
    let input = source::read_file(&args.file, source::BENCODE_BYTES_MAX)?;
    let mode = if args.strict { Mode::Strict } else { Mode::Tolerant };
    let tape = decode(&input, mode).map_err(|error| {
        let form = if args.strict { "canonical bencode" } else { "bencode" };
        Failure::new(Exit::Failed, format!("{} is not {form}: {error}", args.file))
    })?;
    let root = tape.root();
    if args.json {
        progress::print(&json(root, tape.oddities()))?;
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    write_text(root, 0, &mut out);
    out.push('\n');
    progress::print(&out)?;
    let mut screen = progress::Screen::new(false);
    for oddity in tape.oddities() {
        screen.say(&format!("note: {oddity}"));
    }
    Ok(Exit::Done)
}

/// The object that `--json` prints, described in `docs/json.md`.
fn json(root: Value<'_, '_>, oddities: &[Error]) -> String {
    let mut out = format!("{{\"consumed\":{},\"value\":", root.span().end);
    write_json(root, &mut out);
    out.push_str(",\"oddities\":[");
    for (index, oddity) in oddities.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let message = quoted(&oddity.kind.to_string());
        let _ = write!(out, "{comma}{{\"offset\":{},\"message\":{message}}}", oddity.offset);
    }
    out.push_str("]}\n");
    out
}

/// Recurses at most as deep as bencode may nest, which is 100.
fn write_json(value: Value<'_, '_>, out: &mut String) {
    match value.kind() {
        Kind::Int => out.push_str(&digits(value)),
        Kind::Bytes => match value.as_str() {
            Some(text) => out.push_str(&quoted(text)),
            None => {
                let _ =
                    write!(out, "{{\"$hex\":\"{}\"}}", text::hex(value.as_bytes().unwrap_or(b"")));
            }
        },
        Kind::List => {
            out.push('[');
            for (index, item) in value.items().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Kind::Dict => {
            out.push('{');
            for (index, (key, item)) in value.entries().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&json_key(key));
                out.push(':');
                write_json(item, out);
            }
            out.push('}');
        }
    }
}

/// A key as JSON. What is no text becomes `$hex:` and digits; a `$` that was there is doubled.
fn json_key(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if text.starts_with('$') => quoted(&format!("${text}")),
        Ok(text) => quoted(text),
        Err(_) => format!("\"$hex:{}\"", text::hex(key)),
    }
}

/// An integer as JSON takes it: of any length, without leading zeros.
fn digits(value: Value<'_, '_>) -> String {
    let raw = value.raw();
    let text = String::from_utf8_lossy(&raw[1..raw.len() - 1]);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", &*text),
    };
    match digits.trim_start_matches('0') {
        "" => "0".into(),
        digits => format!("{sign}{digits}"),
    }
}

fn write_text(value: Value<'_, '_>, depth: usize, out: &mut String) {
    match value.kind() {
        Kind::Int => out.push_str(&digits(value)),
        Kind::Bytes => out.push_str(&shown(value.as_bytes().unwrap_or(b""))),
        Kind::List => {
            out.push('[');
            for item in value.items() {
                new_line(depth + 1, out);
                write_text(item, depth + 1, out);
            }
            close(value.items().next().is_none(), depth, ']', out);
        }
        Kind::Dict => {
            out.push('{');
            for (key, item) in value.entries() {
                new_line(depth + 1, out);
                out.push_str(&key_shown(key));
                out.push_str(": ");
                write_text(item, depth + 1, out);
            }
            close(value.entries().next().is_none(), depth, '}', out);
        }
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn close(empty: bool, depth: usize, bracket: char, out: &mut String) {
    if !empty {
        new_line(depth, out);
    }
    out.push(bracket);
}

/// A key without quotes when it is a plain word or two.
fn key_shown(key: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" -_.".contains(byte);
    let tidy = !key.is_empty() && !key.starts_with(b" ") && !key.ends_with(b" ");
    match std::str::from_utf8(key) {
        Ok(text) if tidy && key.iter().all(plain) => text.to_owned(),
        _ => shown(key),
    }
}

/// A string: in quotes when it is text, else its length and its first bytes.
fn shown(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let part = &bytes[..bytes.len().min(SHOWN_BYTES)];
        let more = if part.len() < bytes.len() { "…" } else { "" };
        let length = text::count(bytes.len() as u64, "byte", "bytes");
        return format!("<{length}: {}{more}>", text::hex(part));
    };
    format!("\"{}\"", text::escape(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A JSON string; what could fool a terminal is escaped, too.
fn quoted(text: &str) -> String {
    crate::json::quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_text(input: &[u8]) -> String {
        let tape = decode(input, Mode::Tolerant).unwrap();
        let mut out = String::new();
        write_text(tape.root(), 0, &mut out);
        out
    }

    fn as_json(input: &[u8]) -> String {
        let tape = decode(input, Mode::Tolerant).unwrap();
        json(tape.root(), tape.oddities())
    }

    #[test]
    fn text_is_indented_and_safe() {
        let input = b"d4:listli-1e3:abc0:e3:\x1b[2de5:bytes3:\xff\x00\x01e";
        let expected = "{\n  list: [\n    -1\n    \"abc\"\n    \"\"\n  ]\n  \"\\u{1b}[2\": {}\n  \
                        bytes: <3 bytes: ff0001>\n}";
        assert_eq!(as_text(input), expected);
    }

    #[test]
    fn json_tells_text_from_bytes_and_keeps_every_digit() {
        let table: [(&[u8], &str); 5] = [
            (b"d1:a2:\xff\xfee", "{\"a\":{\"$hex\":\"fffe\"}}"),
            (b"d4:$hex1:x1:\xffi1ee", "{\"$$hex\":\"x\",\"$hex:ff\":1}"),
            (b"i99999999999999999999e", "99999999999999999999"),
            (b"i-007e", "-7"),
            (b"l1:\x1be", "[\"\\u001b\"]"),
        ];
        for (input, value) in table {
            let json = as_json(input);
            let expected = format!("{{\"consumed\":{},\"value\":{value},", input.len());
            assert!(json.starts_with(&expected), "{json}");
        }
    }

    #[test]
    fn the_json_says_how_far_the_value_reaches() {
        let json = as_json(b"i1e\n");
        assert!(json.contains("\"consumed\":3"));
        assert!(json.contains("\"oddities\":[{\"offset\":3,"));
    }
}
