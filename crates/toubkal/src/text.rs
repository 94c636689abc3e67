//! Text from outside on a terminal: escaped, measured, and cut to fit.

use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use toubkal_session::words::{count, grouped, list};
use unicode_width::UnicodeWidthChar;

/// The same text with everything escaped that could move the cursor, hide, or reorder text.
///
/// Names, messages of trackers and paths come from strangers: an escape sequence in them must not
/// reach the terminal, nor a right-to-left override that makes `gpj.exe` look like a picture.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Control characters, bidi controls, line separators, and what has no width and no ink.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// How many columns a text takes. Never less than a terminal uses.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The text escaped and cut in the middle, so that it takes at most `max` columns.
///
/// The end stays readable, as that is where `.iso` and the number of the part stand.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let text = escape(text);
    if width(&text) <= max {
        return text.into_owned();
    }
    if max == 0 {
        return String::new();
    }
    let tail_max = (max - 1) / 2;
    let head = head_of(text.chars(), max - 1 - tail_max);
    let tail: String = head_of(text.chars().rev(), tail_max).chars().rev().collect();
    // What has no width belongs to the character before it, which was cut off.
    let tail = tail.trim_start_matches(|c| char_width(c) == 0);
    format!("{head}…{tail}")
}

/// As many characters as fit into `max` columns.
fn head_of(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|&c| {
            used += char_width(c);
            used <= max
        })
        .collect()
}

/// The text followed by blanks up to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// The text after blanks, so that it ends at `columns`.
pub(crate) fn pad_left(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(blanks))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Reads hexadecimal digits, two a byte.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fool_a_terminal_is_escaped() {
        let table = [
            ("plain ünïcode 日本 🎵", "plain ünïcode 日本 🎵"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("two\nlines\r\tx", "two\\nlines\\r\\tx"),
            ("photo\u{202e}gpj.exe", "photo\\u{202e}gpj.exe"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{2066}x\u{2069}\u{e0041}", "\\u{2066}x\\u{2069}\\u{e0041}"),
            ("\u{7f}\0", "\\u{7f}\\u{0}"),
        ];
        for (text, expected) in table {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn a_name_is_cut_in_the_middle_and_keeps_its_end() {
        assert_eq!(cut("debian.iso", 10), "debian.iso");
        assert_eq!(cut("debian-12.7.0-amd64-netinst.iso", 15), "debian-…nst.iso");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn no_cut_is_wider_than_it_may_be() {
        let names =
            ["日本語の名前.iso", "🎵🎵🎵🎵🎵🎵", "e\u{301}e\u{301}e\u{301}e\u{301}", "a\x1bb\x1bc"];
        for name in names {
            for max in 0..20 {
                let cut = cut(name, max);
                assert!(width(&cut) <= max, "{cut:?} in {max}");
                assert!(!cut.contains('\x1b'));
            }
        }
    }

    #[test]
    fn padding_counts_columns_not_bytes() {
        assert_eq!(pad("日", 4), "日  ");
        assert_eq!(pad_left("ü", 3), "  ü");
        assert_eq!(pad("long", 2), "long");
    }
}
