//! What the announcer is told, what it wants done, and what it tells of itself.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::announce::{Reply, Retry, ScrapeReply};

use crate::base::Time;
use crate::tracker::udp::Question;

/// What is set once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The torrent.
    pub info_hash: [u8; 20],
    /// What we call ourselves.
    pub peer_id: [u8; 20],
    /// Where peers reach us; 0 when they cannot.
    pub port: u16,
    /// Random, the same for all announces of a session (BEP 7).
    pub key: u32,
    /// Told to trackers when the user asks for it.
    pub ip: Option<IpAddr>,
    /// Which trackers are asked.
    pub tiers: Tiers,
}

/// Which trackers are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiers {
    /// BEP 12: one tracker at a time; the next tier only when all of this one failed.
    #[default]
    InOrder,
    /// One tracker of each tier, all at the same time. Finds more peers where trackers do not
    /// share them, at the price of more announces; several clients do so.
    AtOnce,
}

/// How far the torrent is; bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sent to peers since the start.
    pub uploaded: u64,
    /// Received from peers since the start.
    pub downloaded: u64,
    /// Missing.
    pub left: u64,
}

/// The name of a question, never used twice by one announcer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What kind of answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskKind {
    /// [`Event::Announced`].
    Announce,
    /// [`Event::Scraped`].
    Scrape,
}

/// A fact for the announcer.
#[derive(Debug)]
pub enum Event {
    /// The torrent starts, or starts again.
    Start,
    /// The torrent goes on, and its trackers know of it from an announcer that is gone: they are
    /// asked again then. Of one that works already nothing changes.
    Resume(Time),
    /// The download has become complete in this run; not for one that was complete already.
    Completed,
    /// The torrent stops; ends with [`Action::Stopped`].
    Stop,
    /// How far the torrent is. Told before anything else that may lead to an announce.
    Progress(Progress),
    /// How many more peers would be of use, and whether work stands still for lack of them.
    Want {
        /// Asked for in announces.
        peers: u32,
        /// Announce early, as far as the trackers allow.
        urgent: bool,
    },
    /// The user wants an announce now; the trackers' `min interval` is kept.
    Refresh,
    /// These trackers, tier by tier, from now on. Those that stay go on as they are; one that goes
    /// is not told, and forgets us in time.
    Trackers(Vec<Vec<String>>),
    /// The user wants to know how many have the torrent.
    Scrape,
    /// What became of an announce. A second answer to the same one, as a tracker that is asked
    /// over IPv4 and IPv6 gives, brings more peers.
    Announced(AskId, Result<Reply, Problem>),
    /// What became of a scrape.
    Scraped(AskId, Result<ScrapeReply, Problem>),
}

/// Why a tracker could not be asked, or did not answer as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For people, without the tracker's name.
    pub text: String,
    /// When to ask again, if the tracker said so.
    pub retry: Option<Retry>,
}

/// A thing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask over UDP (BEP 15).
    AskUdp {
        /// Comes back with the answer.
        id: AskId,
        /// The tracker's. Secret: see [`crate::tracker::redact`].
        url: String,
        /// What is asked.
        question: Question,
    },
    /// Get this URL.
    Ask {
        /// Comes back with the answer.
        id: AskId,
        /// What for.
        kind: AskKind,
        /// Complete. Secret: see [`crate::tracker::redact`].
        url: String,
    },
    /// Peers for the engine.
    Peers(Vec<SocketAddr>),
    /// Host names and ports of peers; once looked up, the addresses go to the engine.
    Resolve(Vec<(String, u16)>),
    /// Something for people.
    Notify {
        /// Which tracker, redacted.
        tracker: String,
        /// What.
        news: News,
    },
    /// The answer to [`Event::Stop`]: all trackers are told, or do not listen.
    Stopped,
}

/// Something that a person may want to know. Texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What the tracker warns of.
    Warning(String),
    /// The tracker refused or could not be reached. Told once for each text.
    Failure {
        /// What happened.
        text: String,
        /// When it is asked again; `None`: never.
        again: Option<Time>,
    },
    /// It answers again.
    Recovered,
    /// This kind of tracker cannot be asked.
    Unsupported,
    /// The address from which the tracker sees us (BEP 24).
    ExternalIp(IpAddr),
}

/// How a tracker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not needed yet.
    Waiting,
    /// It is being asked.
    Asking,
    /// It answered the last time.
    Working,
    /// It did not answer the last time, or refused.
    Failing,
    /// It does not want to be asked any more (BEP 31).
    GivenUp,
    /// Only http, https and udp can be asked.
    Unsupported,
}

/// A text that may hold secrets of the user, as the address of a tracker does: for nobody else,
/// and for no log. It is not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Private(pub String);

impl core::fmt::Debug for Private {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Private(..)")
    }
}

/// A tracker at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its whole address.
    pub announce: Private,
    /// Redacted.
    pub url: String,
    /// Its tier, from 0.
    pub tier: u32,
    /// How it stands.
    pub state: State,
    /// When it answered well for the last time.
    pub answered: Option<Time>,
    /// When it is asked next; `None` when that is not planned.
    pub next: Option<Time>,
    /// Usable peers in its last answer.
    pub peers: u32,
    /// Peers that have everything, as it says.
    pub seeds: Option<u32>,
    /// Peers that do not, as it says.
    pub leechers: Option<u32>,
    /// Completed downloads, as it says.
    pub downloads: Option<u32>,
    /// Its last warning or failure, safe to show.
    pub message: Option<String>,
}
