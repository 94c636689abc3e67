//! What `--json` prints: one object a line, as `docs/json.md` describes it.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::Failure;
use crate::progress;

/// Prints one object on a line of its own.
///
/// # Errors
/// When standard output takes nothing more.
pub(crate) fn print(object: &impl Serialize) -> Result<(), Failure> {
    progress::print(&line(object))
}

/// One object and a line feed. Strings hold no character that could fool a terminal.
pub(crate) fn line(object: &impl Serialize) -> String {
    // Our objects have string keys and no floats that JSON lacks, so they always serialise.
    let text = serde_json::to_string(object).expect("the object is plain");
    harmless(&text) + "\n"
}

/// An object that is JSON already, and a line feed.
pub(crate) fn raw_line(object: &RawValue) -> String {
    harmless(object.get()) + "\n"
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    harmless(&serde_json::Value::from(text).to_string())
}

/// Escapes what serde_json leaves as it is: C1 controls, bidi controls and the like can only
/// stand inside strings, where `\u` is the same text.
fn harmless(json: &str) -> String {
    // Most is plain.
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !crate::text::is_unsafe(c) {
            out.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_the_same_text_and_fool_no_terminal() {
        for text in ["a\u{202e}b", "\u{9b}2J", "\u{e0041}", "\x1b[2J\n", "日本 🎵 \"\\"] {
            let json = quoted(text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert!(!json.chars().any(crate::text::is_unsafe), "{json}");
        }
    }
}
