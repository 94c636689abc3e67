//! What may be shown of names and texts that came from elsewhere.

use alloc::string::String;
use core::fmt::Write as _;

/// File names of announce URLs that say nothing of whose they are.
const PLAIN_NAMES: [&str; 4] = ["announce", "announce.php", "scrape", "scrape.php"];

/// A part of a URL that is shorter than this is no secret worth the name.
const SECRET_BYTES_MIN: usize = 6;

/// A part of this length is no word, though it may have no digits.
const LONG_SECRET_BYTES_MIN: usize = 16;

/// The longest host and port that are shown.
const HOST_CHARS_MAX: usize = 255;

/// A tracker's URL without its secrets: scheme, host, port, and whether it ends in `announce`.
///
/// Private trackers tell their members apart by a passkey in the path or in the query; logs and
/// error messages are sent to strangers. So everything else is replaced by `…`, also a user name
/// and a password. This is the only form in which a tracker's URL is shown.
#[must_use]
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::from("…") };
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return String::from("…");
    }
    let authority_end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(authority_end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut shown = String::from(scheme);
    shown.push_str("://");
    shown.push_str(&printable(host, HOST_CHARS_MAX));
    let path_end = after.find(['?', '#']).unwrap_or(after.len());
    let (path, query) = after.split_at(path_end);
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !folder.is_empty() {
        shown.push_str("/…");
    }
    if PLAIN_NAMES.contains(&name) {
        shown.push('/');
        shown.push_str(name);
    } else if !name.is_empty() {
        shown.push_str("/…");
    }
    if query.len() > 1 {
        shown.push_str("?…");
    }
    shown
}

/// What the tracker of this URL says, as one harmless line of at most `max` characters. Some
/// trackers repeat the passkey that they refuse; it is replaced by `…` here too.
#[must_use]
pub fn said(url: &str, text: &str, max: usize) -> String {
    let mut text = String::from(text);
    for secret in secrets(url) {
        if text.contains(secret) {
            text = text.replace(secret, "…");
        }
    }
    printable(&text, max)
}

/// Parts of a URL that look like nobody else's: not words such as `announce` or `torrents`.
fn secrets(url: &str) -> impl Iterator<Item = &str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let parts =
        after.split(['/', '?', '&', '#']).map(|part| part.rsplit('=').next().unwrap_or(part));
    user.split(':').chain(parts).filter(|part| {
        let digits = part.bytes().any(|byte| byte.is_ascii_digit());
        part.len() >= SECRET_BYTES_MIN && digits || part.len() >= LONG_SECRET_BYTES_MIN
    })
}

/// A remote text as one harmless line: at most `max` characters of it, control characters and
/// those that change the direction of writing escaped.
#[must_use]
pub fn printable(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    for (count, character) in text.chars().enumerate() {
        if count == max {
            shown.push('…');
            break;
        }
        if harmful(character) {
            write!(shown, "{}", character.escape_unicode()).expect("a string takes everything");
        } else {
            shown.push(character);
        }
    }
    shown
}

fn harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_passkey_user_name_or_query_is_shown() {
        for (url, shown) in [
            ("http://t.example/announce", "http://t.example/announce"),
            ("https://t.example:8443/0123abcd/announce", "https://t.example:8443/…/announce"),
            ("http://t.example/secret", "http://t.example/…"),
            ("http://t.example/a/secret/", "http://t.example/…"),
            ("http://t.example/announce.php?passkey=s3cret", "http://t.example/announce.php?…"),
            ("http://t.example?passkey=s3cret", "http://t.example?…"),
            ("http://user:word@t.example/announce", "http://t.example/announce"),
            ("http://user:w@rd@t.example/announce", "http://t.example/announce"),
            ("http://t.example\\@secret/announce", "http://t.example/…/announce"),
            ("http://[2001:db8::1]:80/announce#secret", "http://[2001:db8::1]:80/announce?…"),
            ("udp://t.example:1337", "udp://t.example:1337"),
            ("secret", "…"),
            ("se cret://host/", "…"),
            ("", "…"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }

    #[test]
    fn a_passkey_that_a_tracker_repeats_is_not_shown() {
        for (url, text, shown) in [
            ("http://t.example/0123abcd/announce", "no 0123abcd here", "no … here"),
            ("http://t.example/announce?id=0123abcd&x=1", "0123abcd: x is 1", "…: x is 1"),
            ("http://me:s3cret@t.example/announce", "wrong: me:s3cret", "wrong: me:…"),
            (
                "http://t.example/torrents/announce",
                "no torrents to announce",
                "no torrents to announce",
            ),
            ("http://t.example/abcdefabcdefabcdef", "abcdefabcdefabcdef\n", "…\\u{a}"),
        ] {
            assert_eq!(said(url, text, 80), shown, "{url}");
        }
    }

    #[test]
    fn remote_texts_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(printable("a\x1b[2Jb\nc", 80), "a\\u{1b}[2Jb\\u{a}c");
        assert_eq!(printable("a\u{202e}b\u{2066}", 80), "a\\u{202e}b\\u{2066}");
        assert_eq!(printable("déjà vu ✓", 80), "déjà vu ✓");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(redact("http://t\x1b[0m/announce"), "http://t\\u{1b}[0m/announce");
    }
}
