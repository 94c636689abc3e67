//! What is remembered of one tracker.

use alloc::string::String;
use alloc::vec::Vec;

use toubkal_wire::announce::{Answer, Event as Why};

use super::{AskId, PATIENCE, Private, STOP_PATIENCE, State, Status};
use crate::base::Time;
use crate::tracker::redact;

/// An announce that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: AskId,
    pub(super) at: Time,
    pub(super) why: Option<Why>,
    /// Before its time, for lack of peers.
    pub(super) early: bool,
}

impl Asked {
    /// When it has failed.
    pub(super) fn until(&self) -> Time {
        let stopped = self.why == Some(Why::Stopped);
        self.at.after(if stopped { STOP_PATIENCE } else { PATIENCE })
    }
}

#[derive(Debug)]
pub(super) struct One {
    pub(super) url: String,
    pub(super) tier: u32,
    /// Only http, https and udp are.
    pub(super) supported: bool,
    /// It said `never` (BEP 31).
    pub(super) gone: bool,
    pub(super) announce: Option<Asked>,
    /// Which, and since when.
    pub(super) scrape: Option<(AskId, Time)>,
    pub(super) scrape_from: Time,
    /// It took our `started` and has not heard `stopped`.
    pub(super) known: bool,
    pub(super) told_completed: bool,
    /// Failures in a row.
    pub(super) fails: u32,
    /// When it is asked next in the normal course of things, or after a failure.
    pub(super) next: Time,
    /// When it is asked next if peers are needed.
    pub(super) early_at: Time,
    /// Early announces in a row.
    pub(super) early: u32,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// The announce that it answered last.
    pub(super) answered: Option<AskId>,
    pub(super) answered_at: Option<Time>,
    pub(super) peers: u32,
    pub(super) seeds: Option<u32>,
    pub(super) leechers: Option<u32>,
    pub(super) downloads: Option<u32>,
    pub(super) message: Option<String>,
}

impl One {
    pub(super) fn new(url: &str, tier: u32) -> Self {
        Self {
            url: url.into(),
            tier,
            supported: ["http", "https", "udp"].into_iter().any(|name| has_scheme(url, name)),
            gone: false,
            announce: None,
            scrape: None,
            scrape_from: Time::START,
            known: false,
            told_completed: false,
            fails: 0,
            next: Time::START,
            early_at: Time::START,
            early: 0,
            tracker_id: None,
            answered: None,
            answered_at: None,
            peers: 0,
            seeds: None,
            leechers: None,
            downloads: None,
            message: None,
        }
    }

    /// Whether it makes sense to ask it at any time.
    pub(super) fn askable(&self) -> bool {
        self.supported && !self.gone
    }

    /// Whether it is asked over UDP.
    pub(super) fn is_udp(&self) -> bool {
        has_scheme(&self.url, "udp")
    }

    /// The torrent starts again.
    pub(super) fn restart(&mut self) {
        self.gone = false;
        self.told_completed = false;
        self.early = 0;
        if self.fails == 0 {
            self.next = Time::START;
        }
    }

    /// It knows of us, and is to be asked again then.
    pub(super) fn resume(&mut self, at: Time) {
        (self.known, self.next, self.early_at) = (true, at, at);
    }

    /// The user is impatient.
    pub(super) fn refresh(&mut self, now: Time) {
        self.gone = false;
        self.next = self.next.min(if self.fails > 0 { now } else { self.early_at });
    }

    /// It does not know us any more.
    pub(super) fn leave(&mut self, now: Time) {
        self.known = false;
        self.told_completed = false;
        self.answered = None;
        self.next = now;
    }

    /// Notes what an answer says of the swarm; `more` is a further answer to the same announce.
    pub(super) fn count(&mut self, answer: &Answer, more: bool) {
        let peers = u32::try_from(answer.peers.len() + answer.names.len()).unwrap_or(u32::MAX);
        if more {
            self.peers = self.peers.saturating_add(peers);
            self.seeds = self.seeds.max(answer.complete);
            self.leechers = self.leechers.max(answer.incomplete);
        } else {
            self.peers = peers;
            self.seeds = answer.complete.or(self.seeds);
            self.leechers = answer.incomplete.or(self.leechers);
        }
        self.downloads = answer.downloaded.or(self.downloads);
    }

    pub(super) fn status(&self, next: Option<Time>) -> Status {
        let state = if !self.supported {
            State::Unsupported
        } else if self.announce.is_some() {
            State::Asking
        } else if self.gone {
            State::GivenUp
        } else if self.fails > 0 {
            State::Failing
        } else if self.answered_at.is_some() {
            State::Working
        } else {
            State::Waiting
        };
        Status {
            announce: Private(self.url.clone()),
            url: redact(&self.url),
            tier: self.tier,
            state,
            answered: self.answered_at,
            next,
            peers: self.peers,
            seeds: self.seeds,
            leechers: self.leechers,
            downloads: self.downloads,
            message: self.message.clone(),
        }
    }
}

fn has_scheme(url: &str, name: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(name))
}
