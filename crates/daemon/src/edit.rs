//! What can be changed of a torrent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::note::{Goal, Wish};
use crate::settings::given;

/// What is to be changed of torrents; what is left out stays. `null` takes a limit away.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    /// What it is to do.
    pub wish: Option<Wish>,
    /// What it is called in the list; its files keep their names.
    pub name: Option<String>,
    /// Its category, which is made when there is none of that name; empty: none.
    pub category: Option<String>,
    /// Its tags, instead of those it has.
    pub tags: Option<Vec<String>>,
    /// Tags beside those it has.
    pub add_tags: Vec<String>,
    /// Tags that it is to lose.
    pub remove_tags: Vec<String>,
    /// What was uploaded to what was downloaded, in thousandths, after which it has given enough.
    pub ratio: Option<Goal>,
    /// Seconds of seeding after which it has.
    pub seeding: Option<Goal>,
    /// Seconds without demand after which it has.
    pub idle: Option<Goal>,
    /// Bytes a second.
    #[serde(deserialize_with = "given")]
    pub down: Option<Option<u64>>,
    /// Bytes a second.
    #[serde(deserialize_with = "given")]
    pub up: Option<Option<u64>>,
    /// Pieces in order instead of rarest first.
    pub sequential: Option<bool>,
    /// Priorities of files by their index: 0 is not wanted, 1 low, 2 usual, 3 high.
    pub files: BTreeMap<u32, u8>,
    /// Its trackers in tiers, instead of those it has.
    pub trackers: Option<Vec<Vec<String>>>,
    /// Its place in the queue.
    pub queue: Option<Move>,
}

/// A way in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    /// Before all others.
    Top,
    /// One place up.
    Up,
    /// One place down.
    Down,
    /// Behind all others.
    Bottom,
}
