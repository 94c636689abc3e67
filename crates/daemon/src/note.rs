//! What the client keeps of a torrent, in the session's database, beside what the session does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of [`Note`]; a note of a later one is read as far as it is understood.
const VERSION: u32 = 1;

/// What the user wants a torrent to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Nothing.
    Paused,
    /// To run when its turn has come.
    #[default]
    Queued,
    /// To run whatever the queue says.
    Forced,
}

/// A limit that may be the torrent's own, that of all, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// What the settings say.
    #[default]
    Global,
    /// No limit.
    None,
    /// This: thousandths of a ratio, or seconds.
    Own(u64),
}

impl Goal {
    /// The limit that holds, when the settings say `global`.
    #[must_use]
    pub fn over(self, global: Option<u64>) -> Option<u64> {
        match self {
            Self::Global => global,
            Self::None => None,
            Self::Own(value) => Some(value),
        }
    }
}

/// When a torrent has given enough; the first that is reached stops it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Goals {
    /// What was uploaded to what was downloaded, in thousandths.
    pub ratio: Goal,
    /// Seconds of seeding.
    pub seeding: Goal,
    /// Seconds of seeding in which nobody wanted anything.
    pub idle: Goal,
}

/// The note.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    pub(crate) version: u32,
    /// Never used again.
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Bytes, padding left out; 0 while only a link is known.
    pub(crate) size: u64,
    /// Files, padding left out.
    pub(crate) files: u32,
    pub(crate) pieces: u32,
    pub(crate) piece_length: u32,
    pub(crate) private: bool,
    /// The content is one file without a folder.
    pub(crate) single: bool,
    /// What its maker wrote into it.
    pub(crate) comment: String,
    /// The program that made it, and when, in seconds since 1970.
    pub(crate) creator: String,
    pub(crate) created: Option<i64>,
    pub(crate) category: String,
    pub(crate) tags: Vec<String>,
    /// Its place in the queue: smaller is sooner.
    pub(crate) rank: i64,
    pub(crate) wish: Wish,
    /// It has given enough, and was stopped for that.
    pub(crate) reached: bool,
    /// Its ratio, and its time as a seed, were enough before.
    pub(crate) had_ratio: bool,
    pub(crate) had_seeding: bool,
    pub(crate) goals: Goals,
    /// Bytes a second.
    pub(crate) down: Option<u64>,
    pub(crate) up: Option<u64>,
    pub(crate) sequential: bool,
    /// Seconds since 1970.
    pub(crate) added: u64,
    pub(crate) done: Option<u64>,
    pub(crate) active: Option<u64>,
    /// Seconds that it was downloading and seeding, up to the times below.
    pub(crate) downloading: u64,
    pub(crate) seeding: u64,
    /// When it began to, by the clock that runs only while the client does.
    pub(crate) downloads_since: Option<u64>,
    pub(crate) seeds_since: Option<u64>,
}

impl Note {
    /// Of a torrent that is added now.
    pub(crate) fn new(id: u64, now: u64) -> Self {
        Self { version: VERSION, id, added: now, ..Self::default() }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a note is made of plain values")
    }

    /// `None` when it is no note of ours.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        // A list of values would do for the library, too.
        let note: Self = bytes.starts_with(b"{").then(|| serde_json::from_slice(bytes))?.ok()?;
        (note.version > 0).then_some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_as_it_was_and_a_later_one_is_understood() {
        let goals = Goals { ratio: Goal::Own(1500), seeding: Goal::None, idle: Goal::Global };
        let tags = vec!["a".to_owned(), "é".to_owned()];
        let note = Note { name: "x".into(), goals, tags, rank: -5, ..Note::new(7, 100) };
        assert_eq!(Note::parse(&note.to_bytes()), Some(note.clone()));
        let later = r#"{"version":9,"id":7,"name":"x","colour":"blue","wish":"forced"}"#;
        let read = Note::parse(later.as_bytes()).unwrap();
        assert_eq!((read.id, &*read.name, read.wish), (7, "x", Wish::Forced));
        for other in ["", "{}", "[1]", "\"x\"", "{\"id\":1}"] {
            assert_eq!(Note::parse(other.as_bytes()), None, "{other}");
        }
    }
}
