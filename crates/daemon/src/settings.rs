//! What the user can change while the client runs. It is kept in the session's database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toubkal_session::Rates;

/// Where the database keeps them.
pub(crate) const SETTING: &str = "client settings";

/// Everything that holds for all torrents together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Where torrents go that say nothing else.
    pub downloads: PathBuf,
    /// Bytes a second, of all torrents together; none: as fast as it goes.
    pub down: Option<u64>,
    /// The same for uploads.
    pub up: Option<u64>,
    /// Other limits, for a while.
    pub alternative: Alternative,
    /// How many torrents run at once.
    pub queue: Queue,
    /// Thousandths of a ratio after which a torrent has given enough.
    pub ratio: Option<u64>,
    /// Seconds of seeding after which it has.
    pub seeding: Option<u64>,
    /// Seconds without anybody who wants anything, after which it has.
    pub idle: Option<u64>,
    /// New torrents wait for somebody to start them.
    pub add_paused: bool,
    /// Categories, each with its own folder or none.
    pub categories: BTreeMap<String, Option<PathBuf>>,
    /// Tags, also those that no torrent has.
    pub tags: Vec<String>,
}

/// Limits that come in the place of the usual ones when they are switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Alternative {
    /// They hold now.
    pub on: bool,
    /// Bytes a second.
    pub down: Option<u64>,
    /// Bytes a second.
    pub up: Option<u64>,
}

/// How many torrents run at once; none: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Queue {
    /// Downloads at once.
    pub downloads: Option<u32>,
    /// Seeds at once.
    pub seeds: Option<u32>,
    /// Both together.
    pub active: Option<u32>,
    /// Who moves less than this for a minute, in bytes a second, does not count.
    pub slow: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            downloads: PathBuf::from("."),
            down: None,
            up: None,
            alternative: Alternative::default(),
            queue: Queue::default(),
            ratio: None,
            seeding: None,
            idle: None,
            add_paused: false,
            categories: BTreeMap::new(),
            tags: Vec::new(),
        }
    }
}

/// What is to be changed; what is left out stays. `null` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsEdit {
    /// Where torrents go that say nothing else: a path from the root.
    pub downloads: Option<PathBuf>,
    /// Bytes a second of all torrents together.
    #[serde(deserialize_with = "given")]
    pub down: Option<Option<u64>>,
    /// The same for uploads.
    #[serde(deserialize_with = "given")]
    pub up: Option<Option<u64>>,
    /// The whole of it.
    pub alternative: Option<Alternative>,
    /// The whole of it.
    pub queue: Option<Queue>,
    /// Thousandths of a ratio.
    #[serde(deserialize_with = "given")]
    pub ratio: Option<Option<u64>>,
    /// Seconds of seeding.
    #[serde(deserialize_with = "given")]
    pub seeding: Option<Option<u64>>,
    /// Seconds without demand.
    #[serde(deserialize_with = "given")]
    pub idle: Option<Option<u64>>,
    /// New torrents wait.
    pub add_paused: Option<bool>,
}

/// What holds: the usual, with what was kept of changes. What makes no sense is as usual.
pub(crate) fn merge(usual: &Settings, kept: Option<&str>) -> Settings {
    let Some(Ok(Value::Object(kept))) = kept.map(serde_json::from_str) else {
        return usual.clone();
    };
    kept.into_iter().fold(usual.clone(), |settings, (key, value)| {
        let mut object = object_of(&settings);
        if object.contains_key(&key) {
            object.insert(key, value);
        }
        serde_json::from_value(Value::Object(object)).unwrap_or(settings)
    })
}

/// What is to be kept: only what is not as usual, so that the rest follows the configuration.
pub(crate) fn difference(usual: &Settings, settings: &Settings) -> String {
    let before = object_of(usual);
    let mut changed = object_of(settings);
    changed.retain(|key, value| before.get(key) != Some(value));
    Value::Object(changed).to_string()
}

fn object_of(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(object)) => object,
        // A path that is not Unicode: then nothing of it is kept.
        _ => Map::new(),
    }
}

/// A value that is there, also when it is `null`: what is left out is not asked about.
pub(crate) fn given<'de, D, T>(value: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(value).map(Some)
}

impl Settings {
    /// What holds after a change.
    pub(crate) fn apply(&mut self, edit: SettingsEdit) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut self.downloads, edit.downloads);
        set(&mut self.down, edit.down);
        set(&mut self.up, edit.up);
        set(&mut self.alternative, edit.alternative);
        set(&mut self.queue, edit.queue);
        set(&mut self.ratio, edit.ratio);
        set(&mut self.seeding, edit.seeding);
        set(&mut self.idle, edit.idle);
        set(&mut self.add_paused, edit.add_paused);
    }

    /// The rates that hold now.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let Alternative { on, down, up } = self.alternative;
        if on { Rates { down, up } } else { Rates { down: self.down, up: self.up } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_and_null_takes_a_limit_away() {
        let mut settings = Settings { down: Some(5), up: Some(6), ..Settings::default() };
        let edit = serde_json::from_str(r#"{"down": null, "ratio": 2000}"#).unwrap();
        settings.apply(edit);
        assert_eq!((settings.down, settings.up, settings.ratio), (None, Some(6), Some(2000)));
        assert!(serde_json::from_str::<SettingsEdit>(r#"{"dwon": 5}"#).is_err());
    }

    #[test]
    fn what_was_changed_is_kept_and_the_rest_follows_the_configuration() {
        let usual = Settings { down: Some(5), ..Settings::default() };
        let changed = Settings { up: Some(7), down: None, ..usual.clone() };
        let kept = difference(&usual, &changed);
        assert_eq!(merge(&usual, Some(&kept)), changed);
        let other = Settings { down: Some(9), ratio: Some(1), ..usual.clone() };
        let merged = merge(&other, Some(&kept));
        assert_eq!((merged.up, merged.down, merged.ratio), (Some(7), None, Some(1)));
        for broken in ["", "[]", "{\"up\": \"fast\", \"later\": 1}"] {
            assert_eq!(merge(&usual, Some(broken)), usual, "{broken}");
        }
    }

    #[test]
    fn the_alternative_limits_hold_while_they_are_on() {
        let alternative = Alternative { on: true, down: Some(1), up: None };
        let mut settings =
            Settings { down: Some(5), up: Some(6), alternative, ..Settings::default() };
        assert_eq!(settings.rates(), Rates { down: Some(1), up: None });
        settings.alternative.on = false;
        assert_eq!(settings.rates(), Rates { down: Some(5), up: Some(6) });
    }
}
