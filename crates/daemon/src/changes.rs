//! What has changed since somebody last asked: the way of every face that shows a list.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Serialize;

use crate::view::{Id, View};

/// Removals that are remembered; who has missed more is told everything.
const REMOVED_MAX: usize = 10_000;

/// A moment of a client's life, to ask what changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Which life of the client; of another one, everything is new.
    pub life: u64,
    /// Counts the moments.
    pub turn: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.life, self.turn)
    }
}

impl Cursor {
    /// What [`Cursor`]'s text says; `None` of another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (life, turn) = text.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Self { life: number(life)?, turn: number(turn)? })
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Changes {
    /// Where to go on.
    pub cursor: String,
    /// These are all torrents, and there are no others.
    pub full: bool,
    /// Torrents that are new or not as they were.
    pub torrents: Vec<View>,
    /// Torrents that are gone.
    pub removed: Vec<Id>,
}

/// What was removed, and when.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    all: VecDeque<(u64, Id)>,
    /// Up to this turn removals are forgotten.
    forgotten: u64,
}

impl Removed {
    pub(crate) fn note(&mut self, turn: u64, id: Id) {
        if self.all.len() == REMOVED_MAX
            && let Some((turn, _)) = self.all.pop_front()
        {
            self.forgotten = turn;
        }
        self.all.push_back((turn, id));
    }

    /// Those since a turn; `None` when nobody knows any more.
    pub(crate) fn since(&self, turn: u64) -> Option<Vec<Id>> {
        (turn >= self.forgotten).then(|| {
            let from = self.all.partition_point(|(at, _)| *at <= turn);
            self.all.range(from..).map(|(_, id)| *id).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { life: 0xabc, turn: 17 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "1", "-", "x-1", "1-2-3", "1- 2"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn removals_are_told_once_and_not_for_ever() {
        let mut removed = Removed::default();
        removed.note(3, 30);
        removed.note(5, 50);
        assert_eq!(removed.since(2), Some(vec![30, 50]));
        assert_eq!(removed.since(3), Some(vec![50]));
        assert_eq!(removed.since(5), Some(vec![]));
        for turn in 6..6 + REMOVED_MAX as u64 {
            removed.note(turn, 1);
        }
        assert_eq!(removed.since(4), None, "the removal of 50 is forgotten");
        assert_eq!(removed.since(5).map(|ids| ids.len()), Some(REMOVED_MAX));
    }
}
