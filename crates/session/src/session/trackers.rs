//! The trackers of a torrent: how they stand, and how they are changed.

use std::time::Duration;

pub use toubkal_core::tracker::Private;

use super::Torrent;
use crate::net::{Order, Question};

/// How a tracker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerStatus {
    /// Its whole address.
    pub announce: Private,
    /// Its address, without secrets.
    pub url: String,
    /// Its place in the tiers (BEP 12), from 0.
    pub tier: usize,
    /// What it is doing.
    pub state: TrackerState,
    /// Its last `warning message`.
    pub warning: Option<String>,
    /// Peers with everything, as it says.
    pub seeds: Option<u32>,
    /// Peers without everything, as it says.
    pub leeches: Option<u32>,
    /// When it is asked next.
    pub next: Option<Duration>,
}

/// What a tracker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerState {
    /// It was not asked yet.
    Unused,
    /// It is being asked.
    Asking,
    /// It has answered.
    Working {
        /// Peers in its last answer.
        peers: u32,
    },
    /// It has not, or with a `failure reason`.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Torrent {
    /// Its trackers, in the order of the tiers.
    #[must_use]
    pub fn trackers(&self) -> Vec<TrackerStatus> {
        self.ask(Question::Trackers).unwrap_or_default()
    }

    /// The addresses of its trackers in tiers, also while it is dormant. They may hold secrets of
    /// the user.
    #[must_use]
    pub fn tiers(&self) -> Vec<Vec<String>> {
        self.ask(Question::Tiers).unwrap_or_default()
    }

    /// Asks its trackers for peers now, as far as they allow that.
    pub fn announce(&self) {
        self.torrent.orders.send(Order::Announce(self.id()));
    }

    /// Changes its trackers, in tiers (BEP 12). Those that stay go on as they are.
    pub fn set_trackers(&self, tiers: Vec<Vec<String>>) {
        self.torrent.orders.send(Order::Trackers(self.id(), tiers));
    }
}
