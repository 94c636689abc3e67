//! What the machine is told, and what it wants done.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::announce::{Answer, Counts, Query, Retry};

use crate::tracker::Problem;

/// What a tracker is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// To be told of peers, and to others.
    Announce(Box<Query>),
    /// How many have this torrent.
    Scrape([u8; 20]),
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<K> {
    /// Ask a tracker.
    Ask {
        /// Comes back with what became of it; not used for two questions at once.
        ask: K,
        /// What.
        question: Question,
        /// Path and query of its URL (BEP 41).
        path: String,
        /// Its addresses, the best first; the first usable one of each family counts.
        addresses: Vec<SocketAddr>,
    },
    /// A packet came.
    Packet {
        /// From where.
        from: SocketAddr,
        /// The whole of it.
        bytes: Vec<u8>,
    },
    /// The system says that there is no way to this address.
    Unreachable(SocketAddr),
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<K> {
    /// Send a packet; it may be lost.
    Send {
        /// Where to.
        to: SocketAddr,
        /// The whole of it.
        packet: Vec<u8>,
    },
    /// A tracker answered an announce: up to two of these come, one a family.
    Announced {
        /// From the question.
        ask: K,
        /// What it says.
        answer: Answer,
    },
    /// A tracker answered a scrape.
    Scraped {
        /// From the question.
        ask: K,
        /// What it says.
        counts: Counts,
    },
    /// There was no good answer over any family.
    Failed {
        /// From the question.
        ask: K,
        /// Why.
        failure: Failure,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does not answer; a packet to it before this time has passed would be too early.
    Silent {
        /// From now.
        again: Duration,
    },
    /// It said no, in these words.
    Refused(String),
    /// There is no way there.
    Unreachable,
    /// It has no address that a packet can be sent to.
    Nowhere,
    /// It answered something else.
    Broken,
    /// Too much is being asked already.
    Busy,
}

impl Failure {
    /// Of two families' failures the one that says more is told.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Nowhere | Self::Unreachable => 0,
            Self::Silent { .. } => 1,
            Self::Busy => 2,
            Self::Broken => 3,
            Self::Refused(_) => 4,
        }
    }

    /// The same for the announcer. What a tracker said is not a problem but its answer: see
    /// [`Failure::Refused`].
    #[must_use]
    pub fn problem(&self) -> Problem {
        let retry = match self {
            Self::Silent { again } => Some(Retry::After(*again)),
            _ => None,
        };
        Problem { text: self.to_string(), retry }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { .. } => f.write_str("it did not answer in time"),
            Self::Refused(text) => f.write_str(text),
            Self::Unreachable => f.write_str("it cannot be reached from this network"),
            Self::Nowhere => f.write_str("its name has no address that can be asked"),
            Self::Broken => f.write_str("its answer is not that of a tracker"),
            Self::Busy => f.write_str("too many trackers are being asked at once"),
        }
    }
}
