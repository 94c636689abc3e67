//! What the client shows of itself: plain values, the same for every face.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::note::{Goals, Wish};

/// A torrent's number in the client; never used twice.
pub type Id = u64;

/// What a torrent is doing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Something is wrong that only its user can mend: see `error`.
    Error,
    /// Its files are moved to another folder.
    Moving,
    /// Its file list is looked for.
    Finding,
    /// What lies on the disk is checked.
    Checking,
    /// Pieces are missing.
    Downloading,
    /// Everything that is wanted is there, and shared.
    Seeding,
    /// It waits for its turn.
    Queued,
    /// Everything that is wanted is there, and it is stopped.
    Done,
    /// Something is missing, and it is stopped.
    Paused,
}

/// A torrent at one moment. Sizes are in bytes, rates in bytes a second, times in seconds, points
/// in time in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct View {
    /// Its number in this client, never used twice.
    pub id: Id,
    /// Its info-hash, 40 hexadecimal digits.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub phase: Phase,
    /// What it is to do.
    pub wish: Wish,
    /// Why it does that and no more, in a sentence.
    pub why: String,
    /// What is wrong, when something is.
    pub error: Option<String>,
    /// Everything in it; 0 while that is not known.
    pub size: u64,
    /// What is wanted of it.
    pub wanted: u64,
    /// What of that is missing.
    pub left: u64,
    /// How much of what is wanted is there, from 0 to 1; of what is checked or looked for, how far
    /// that is.
    pub progress: f64,
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Downloaded in all lives.
    pub downloaded: u64,
    /// Uploaded in all lives.
    pub uploaded: u64,
    /// Downloaded in vain.
    pub wasted: u64,
    /// What was uploaded to what was downloaded, or to the size when nothing was.
    pub ratio: f64,
    /// Until everything is there, as it goes now; nothing when it does not go.
    pub eta: Option<u64>,
    /// Connected peers.
    pub peers: u32,
    /// Those of them that have everything.
    pub seeds: u32,
    /// Those of them that send to us.
    pub sending: u32,
    /// Those of them that we send to.
    pub receiving: u32,
    /// Peers with everything, as trackers say.
    pub swarm_seeds: Option<u32>,
    /// Peers without everything, as trackers say.
    pub swarm_peers: Option<u32>,
    /// When it was added.
    pub added: u64,
    /// When it became complete.
    pub done: Option<u64>,
    /// When something was last transferred.
    pub active: Option<u64>,
    /// How long it was downloading.
    pub downloading_time: u64,
    /// How long it was seeding.
    pub seeding_time: u64,
    /// The download folder.
    pub dir: PathBuf,
    /// Its file, or its own folder.
    pub path: PathBuf,
    /// Its category; empty: none.
    pub category: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its place in the queue, from 0.
    pub place: u32,
    /// When it has given enough.
    pub goals: Goals,
    /// It was stopped because it has.
    pub reached: bool,
    /// Its own limits.
    pub down: Option<u64>,
    /// The same for uploads.
    pub up: Option<u64>,
    /// Pieces in order instead of rarest first.
    pub sequential: bool,
    /// Peers come from trackers alone (BEP 27).
    pub private: bool,
    /// Its files; 0 while they are not known.
    pub files: u32,
    /// Its pieces; 0 while they are not known.
    pub pieces: u32,
    /// Those that are there.
    pub have: u32,
    /// Bytes in a piece.
    pub piece_length: u32,
}

/// A file of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FileView {
    /// Its index in the torrent, padding counted.
    pub index: u32,
    /// Its path, the torrent's own folder left out; parts are joined by `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of whole pieces that are there.
    pub have: u64,
    /// 0: not wanted; 1: low, 2: as usual, 3: high.
    pub priority: u8,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PeerView {
    /// Its address.
    pub address: String,
    /// What it calls itself, as far as that is known.
    pub client: String,
    /// How we came to know it: `tracker`, `dht`, `exchange`, `lan`, `user`, `incoming`.
    pub source: String,
    /// How much it has, from 0 to 1.
    pub progress: f64,
    /// What we get of it, bytes a second.
    pub down_rate: u64,
    /// What it gets of us, bytes a second.
    pub up_rate: u64,
    /// Bytes from it.
    pub downloaded: u64,
    /// Bytes to it.
    pub uploaded: u64,
    /// It does not answer requests.
    pub choking_us: bool,
    /// We do not answer its requests.
    pub choked: bool,
    /// It wants something of us.
    pub interested: bool,
}

/// A tracker.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TrackerView {
    /// Its address, which may hold a secret of the user's.
    pub url: String,
    /// Its tier, from 0.
    pub tier: u32,
    /// `unused`, `asking`, `working` or `failed`.
    pub state: String,
    /// What it said last, when it said something.
    pub message: String,
    /// Peers in its last answer.
    pub peers: u32,
    /// Peers with everything, as it says.
    pub seeds: Option<u32>,
    /// Peers without everything, as it says.
    pub leeches: Option<u32>,
    /// Seconds until it is asked next.
    pub next: Option<u64>,
}

/// Why a torrent is no faster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WhyView {
    /// What binds.
    pub sentence: String,
    /// What shows it, a sentence each.
    pub details: Vec<String>,
    /// What would help, when a person can do something about it.
    pub remedy: Option<String>,
    /// The same for programs, in one word.
    pub action: Option<String>,
}

/// All torrents together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Stats {
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Downloaded since the start.
    pub downloaded: u64,
    /// Uploaded since the start.
    pub uploaded: u64,
    /// Downloaded in all lives.
    pub downloaded_ever: u64,
    /// Uploaded in all lives.
    pub uploaded_ever: u64,
    /// Torrents.
    pub torrents: u32,
    /// Those that run.
    pub active: u32,
    /// Those that move something now.
    pub moving: u32,
    /// Those that are stopped.
    pub paused: u32,
    /// Connected peers.
    pub peers: u32,
    /// Nodes of the DHT that are known.
    pub dht_nodes: u32,
    /// Seconds since the start.
    pub uptime: u64,
    /// Seconds in all lives.
    pub uptime_ever: u64,
    /// Starts, this one included.
    pub lives: u64,
    /// Free bytes where torrents go that say nothing else; nothing when that is not known.
    pub free: Option<u64>,
}
