//! Names in both dialects. Tables here have those of the newer one: `seed_ratio_limit`. The older
//! says `seedRatioLimit` or `seed-ratio-limit`, as its time had it.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// How one speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `method`, `arguments`, `tag`.
    Old,
    /// JSON-RPC 2.0.
    New,
}

/// How the older dialect writes the names of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Camel,
    Kebab,
    /// They are as they were asked for.
    Asked,
}

/// What is in camel case among names with hyphens.
const CAMEL: [&str; 4] =
    ["hash_string", "honors_session_limits", "seed_ratio_limit", "seed_ratio_limited"];
/// What has hyphens among names in camel case.
const KEBAB: [&str; 2] = ["cumulative_stats", "current_stats"];
/// What is the same in both.
const SAME: [&str; 2] = ["ip_protocol", "total_size"];

impl Dialect {
    /// A name that was sent, as tables have it.
    pub(super) fn read(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Old => snake(name),
            Self::New => name.into(),
        }
    }

    /// A name as it is sent.
    pub(super) fn write(self, name: &str, style: Style) -> String {
        match (self, style) {
            (Self::New, _) | (_, Style::Asked) => name.to_owned(),
            // It always was.
            _ if name == "is_utp" => "isUTP".to_owned(),
            (_, Style::Camel) if KEBAB.contains(&name) => name.replace('_', "-"),
            (_, Style::Camel) => camel(name),
            _ if SAME.contains(&name) => name.to_owned(),
            _ if CAMEL.contains(&name) => camel(name),
            _ => name.replace('_', "-"),
        }
    }

    /// A value with all its names as they are sent.
    pub(super) fn dress(self, value: Value, style: Style) -> Value {
        match value {
            _ if self == Self::New || style == Style::Asked => value,
            Value::Array(all) => all.into_iter().map(|one| self.dress(one, style)).collect(),
            Value::Object(map) => Value::Object(self.dress_map(map, style)),
            other => other,
        }
    }

    pub(super) fn dress_map(self, map: Map<String, Value>, style: Style) -> Map<String, Value> {
        let dress =
            |(name, value): (String, _)| (self.write(&name, style), self.dress(value, style));
        map.into_iter().map(dress).collect()
    }
}

/// Any name of the older dialect as the newer has it.
fn snake(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return name.into();
    }
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        match letter {
            '-' => text.push('_'),
            'A'..='Z' => {
                text.push('_');
                text.push(letter.to_ascii_lowercase());
            }
            _ => text.push(letter),
        }
    }
    text.into()
}

fn camel(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut high = false;
    for letter in name.chars() {
        match letter {
            '_' => high = true,
            _ if high => {
                text.push(letter.to_ascii_uppercase());
                high = false;
            }
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_every_way_of_writing_it() {
        for name in ["seedRatioLimit", "seed-ratio-limit", "seed_ratio_limit"] {
            assert_eq!(Dialect::Old.read(name), "seed_ratio_limit");
        }
        assert_eq!(Dialect::Old.read("fileCount"), Dialect::Old.read("file-count"));
        assert_eq!(Dialect::New.read("file-count"), "file-count", "the newer has one way alone");
    }

    #[test]
    fn the_older_dialect_has_each_name_as_it_grew() {
        for (name, style, old) in [
            ("alt_speed_down", Style::Kebab, "alt-speed-down"),
            ("seed_ratio_limited", Style::Kebab, "seedRatioLimited"),
            ("torrent_added", Style::Kebab, "torrent-added"),
            ("hash_string", Style::Kebab, "hashString"),
            ("size_bytes", Style::Kebab, "size-bytes"),
            ("total_size", Style::Kebab, "total_size"),
            ("total_size", Style::Camel, "totalSize"),
            ("active_torrent_count", Style::Camel, "activeTorrentCount"),
            ("current_stats", Style::Camel, "current-stats"),
            ("is_utp", Style::Camel, "isUTP"),
            ("last_announce_timed_out", Style::Camel, "lastAnnounceTimedOut"),
        ] {
            assert_eq!(Dialect::Old.write(name, style), old);
            assert_eq!(Dialect::New.write(name, style), name);
        }
    }
}
