//! When a torrent needs no heartbeat, and how it wakes.

use super::super::bounds::DORMANT_TIME;
use super::super::bounds::{CHOKE_TIME, TICK};
use super::super::durable::{Memory, Totals};
use super::super::event::{AddTorrent, TorrentId};
use super::super::meter::Meter;
use super::super::shared::Cx;
use super::super::torrents::{Beats, Need, Sleep};
use super::super::torrents::{Dormant, Sleeper};
use super::{Next, Phase, Readiness, Step, Torrent};
use crate::base::Rng;
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
        let due = self.roster.next_due(true).filter(|_| self.is_active());
        match due.into_iter().chain(self.rests_at()).min() {
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
        self.held.pass(missed);
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

    /// A dormant torrent that was loaded.
    pub(in super::super) fn woken(
        id: TorrentId,
        add: AddTorrent,
        dormant: &Dormant,
        now: Time,
        rng: &Rng,
    ) -> Self {
        let mut torrent = Self::new(id, add, now, rng);
        let lived = dormant.lived;
        torrent.admitted = dormant.admitted;
        let Totals { downloaded, uploaded, wasted } = torrent.before;
        torrent.before = Totals {
            downloaded: downloaded.saturating_sub(lived.downloaded),
            uploaded: uploaded.saturating_sub(lived.uploaded),
            wasted: wasted.saturating_sub(lived.wasted),
        };
        torrent.down = Meter::after(lived.downloaded);
        torrent.up = Meter::after(lived.uploaded);
        torrent.wasted = lived.wasted;
        torrent
    }

    /// Whether peers may join.
    pub(in super::super) fn readiness(&self) -> Readiness {
        match self.is_active() || self.early {
            true => Readiness::Now,
            false if self.admitted => Readiness::Soon,
            false => Readiness::Never,
        }
    }

    /// When it is to become dormant, if nothing happens before.
    fn rests_at(&self) -> Option<Time> {
        let alone = self.peers.is_empty() && self.dials.is_empty();
        let alone = alone && self.wishes.is_none();
        if !self.rests || !self.completed || !self.is_active() || !alone {
            return None;
        }
        let whole = self.have.is_full() && self.is_all_wanted();
        let sure = whole && !self.files.has_lost() && self.unproven.is_none();
        sure.then(|| self.idle_since.after(DORMANT_TIME))
    }

    /// Comes to rest when its time has come: as if it stopped, but handshakes stay welcome.
    pub(super) fn doze(&mut self, cx: &mut Cx<'_>) {
        if !self.peers.is_empty() || !self.dials.is_empty() {
            self.idle_since = cx.now;
        } else if self.jobs == 0 && self.rests_at().is_some_and(|at| at <= cx.now) {
            self.next = Next::Doze;
            self.phase = Phase::Stopping { error: None, step: Step::Leaving };
            self.settle(cx);
        }
    }

    /// It is wanted after all.
    pub(in super::super) fn stay_awake(&mut self) {
        if self.next == Next::Doze {
            self.next = Next::Start;
        }
    }

    /// What has to be known of it while it is dormant, if it is to be.
    pub(in super::super) fn dormant(&self) -> Option<Dormant> {
        if self.next != Next::Doze || !self.is_stopped() {
            return None;
        }
        let Totals { downloaded, uploaded, wasted } = self.totals();
        let before = self.before;
        Some(Dormant {
            pieces: self.layout.pieces(),
            bytes: self.wanted,
            totals: self.totals(),
            lived: Totals {
                downloaded: downloaded - before.downloaded,
                uploaded: uploaded - before.uploaded,
                wasted: wasted - before.wasted,
            },
            admitted: self.admitted,
            sleeper: Sleeper::Rests,
        })
    }

    /// Whether what was recorded last lets it start from there without a look.
    pub(super) fn is_at_rest(&self) -> bool {
        let whole = |memory: &Memory| memory.have.is_full() && !memory.doubt;
        self.durable.is_settled(&self.have) && self.memory.as_ref().is_some_and(whole)
    }
}
