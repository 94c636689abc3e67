//! When a torrent needs no heartbeat, and how it wakes.

use super::super::bounds::{CHOKE_TIME, TICK};
use super::super::torrents::{Beats, Need, Sleep};
use super::Torrent;
use crate::base::Time;

impl Torrent {
    /// Whether the heartbeat has anything to do here.
    pub(in super::super) fn wants_tick(&self) -> bool {
        self.retry_at.is_some()
            || self.down.rate() + self.up.rate() > 0
            || self.has_news()
            || (self.is_active() && (!self.peers.is_empty() || self.roster.len() > 0))
    }

    /// For what it needs the heartbeat next. A download stays awake: it looks for peers.
    pub(in super::super) fn need(&self, now: Time) -> Need {
        let downloads = self.is_active() && !self.is_through();
        let moves = self.down.rate() + self.up.rate() > 0;
        let keeps = self.is_kept() && !self.durable.is_settled(&self.have);
        let keeps = keeps || self.has_news();
        if downloads || moves || keeps || self.retry_at.is_some() || !self.peers.is_empty() {
            return Need::Beat;
        }
        match self.roster.next_due(true).filter(|_| self.is_active()) {
            Some(at) if at <= now => Need::Beat,
            Some(at) => Need::At(at),
            None => Need::Nothing,
        }
    }

    #[inline]
    pub(in super::super) fn sleep(&self) -> Option<Sleep> {
        self.sleep
    }

    pub(in super::super) fn fall_asleep(&mut self, sleep: Sleep) {
        self.sleep = Some(sleep);
    }

    /// Wakes, if it sleeps, and is as if it had had the heartbeats meanwhile: they would have
    /// brought the rates to nothing, and begun rounds of unchoking without anybody.
    pub(in super::super) fn rouse(&mut self, beats: Beats) -> Option<Sleep> {
        let sleep = self.sleep.take()?;
        let missed = beats.count - sleep.since;
        self.down.pass(missed);
        self.up.pass(missed);
        if missed > 0 && self.is_active() && self.choke_at <= beats.last {
            // The round began with a heartbeat, and so did all that followed.
            let late = beats.last.since(self.choke_at).as_nanos();
            let since = late % CHOKE_TIME.as_nanos() / TICK.as_nanos() * TICK.as_nanos();
            let since = u64::try_from(since).unwrap_or(0);
            let began = beats.last.as_nanos().saturating_sub(since);
            self.choke_at = Time::from_nanos(began).after(CHOKE_TIME);
        }
        Some(sleep)
    }
}
