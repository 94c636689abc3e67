//! What is told of a torrent: how it stands, and why it is no faster.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::bounds::STORING_BYTES_MAX;
use super::super::event::Priority;
use super::super::held::Holder;
use super::super::limits::Way;
use super::super::peer::Peer;
use super::super::reason::{Caps, Download, Reach, Upload};
use super::super::shared::Shared;
use super::super::status::{PeerStatus, Sources, State, Status};
use super::super::why::{Evidence, Limit, NAMED_MAX, Reason, Why};
use super::{Phase, Torrent};
use crate::base::{Bitset, Time};

/// A peer that has just come has so long to say what it has: who has nothing need not (BEP 3).
const NEW: Duration = Duration::from_secs(5);
/// Facts that a reason comes with.
const EVIDENCE_MAX: usize = 5;

impl Torrent {
    pub(in super::super) fn priorities(&self) -> Vec<Priority> {
        self.files.priorities()
    }

    pub(in super::super) fn have(&self) -> &Bitset {
        &self.have
    }

    pub(in super::super) fn sources(&self) -> Sources {
        self.roster.sources()
    }

    pub(in super::super) fn peers(&self) -> Vec<PeerStatus> {
        self.peers.values().map(Peer::status).collect()
    }

    pub(in super::super) fn status(&self) -> Status {
        let count =
            |test: fn(&Peer) -> bool| self.peers.values().filter(|p| test(p)).count() as u32;
        let state = match &self.phase {
            Phase::Active if self.is_seeking() => {
                State::Seeking(self.seeking().unwrap_or_default())
            }
            Phase::Opening => State::Opening,
            Phase::Checking(check) => State::Checking { done: check.done, of: check.of },
            Phase::Active if self.missing > 0 => State::Downloading,
            Phase::Active if !self.completed => State::Finishing,
            Phase::Active => State::Seeding,
            Phase::Stopping { error, .. } | Phase::Stopped(error) => State::Stopped(*error),
        };
        Status {
            state,
            pieces: self.layout.pieces(),
            have: self.have.ones(),
            wanted: self.wanted,
            left: self.left,
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            wasted: self.wasted,
            down_rate: self.down.rate(),
            up_rate: self.up.rate(),
            peers: self.peers.len() as u32,
            seeds: count(Peer::is_seed),
            unchoked_by: count(|peer| !peer.choking_us),
            unchoked: count(|peer| !peer.choked),
            dialing: self.dials.len() as u32,
            known: self.roster.len() as u32,
            rarest: self.picker.rarest(),
            totals: self.totals(),
            remembered: self.remembered,
            checked: self.checked,
        }
    }

    /// Bytes a second that come.
    pub(in super::super) fn down_rate(&self) -> u64 {
        self.down.rate()
    }

    /// Why it is no faster.
    pub(in super::super) fn why(&self, now: Time, shared: &Shared) -> Reason {
        match &self.phase {
            Phase::Opening => Why::Opening.into(),
            Phase::Checking(check) => Why::Checking { done: check.done, of: check.of }.into(),
            Phase::Active if !self.is_through() => self.why_lacking(now, shared),
            Phase::Active if !self.completed => Why::Finishing.into(),
            Phase::Active => self.why_seeding(shared),
            Phase::Stopping { error, .. } | Phase::Stopped(error) => match *error {
                None => Why::Stopped.into(),
                Some(error) => {
                    let retry = self.retry_at.map(|at| at.since(now));
                    Why::Failed { error, retry }.into()
                }
            },
        }
    }

    /// Something of it is missing.
    fn why_lacking(&self, now: Time, shared: &Shared) -> Reason {
        if self.peers.is_empty() {
            let reach = self.reach(now, shared);
            return Reason { why: reach.why(), evidence: [addresses(reach)].into() };
        }
        if let Some(seeking) = self.seeking() {
            let (peers, asked, blocks) = (self.peers.len() as u32, seeking.asked, seeking.blocks);
            let why = Why::Metadata { peers, asked, blocks, of: seeking.of, liars: seeking.liars };
            return Reason { why, evidence: [addresses(self.reach(now, shared))].into() };
        }
        let download = self.download(now, shared);
        let why = download.why(&self.held).unwrap_or_else(|| match download.new {
            0 => self.absence(),
            _ => {
                let Reach { dialing, known, .. } = self.reach(now, shared);
                Why::Connecting { dialing, known }
            }
        });
        Reason { why, evidence: self.download_evidence(why, download) }
    }

    fn download(&self, now: Time, shared: &Shared) -> Download {
        let mut download = Download {
            peers: self.peers.len() as u32,
            rate: self.down.rate(),
            waiting: shared.storing,
            caps: self.caps(Way::Down, shared),
            line: shared.line,
            ..Download::default()
        };
        for peer in self.peers.values() {
            download.new += u32::from(!peer.told && now.since(peer.since) < NEW);
            download.requests += peer.requests.len() as u32;
            if peer.useful > 0 {
                download.useful += 1;
                download.unchoked += u32::from(!peer.choking_us);
                download.silent += u32::from(!peer.choking_us && peer.snubs);
            }
        }
        download
    }

    /// Nobody has anything of what is missing.
    fn absence(&self) -> Why {
        let missing = 0..self.layout.pieces();
        let missing = missing.filter(|&piece| self.is_wanted(piece) && !self.have.has(piece));
        let mut first = [0; NAMED_MAX];
        first.iter_mut().zip(missing).for_each(|(place, piece)| *place = piece);
        Why::Absent { pieces: self.missing, first, peers: self.peers.len() as u32 }
    }

    fn download_evidence(&self, why: Why, download: Download) -> Vec<Evidence> {
        let Download { peers: connected, useful, unchoked: by, silent, rate, waiting, .. } =
            download;
        let seeds = self.peers.values().filter(|peer| peer.is_seed()).count() as u32;
        let peers = Evidence::Peers { connected, seeds, useful };
        let unchoked = Evidence::Unchoked { by, silent };
        let begun = self.partials.pieces().filter(|&piece| self.picker.is_absent(piece));
        let absent = self.picker.absent() + begun.count() as u32;
        let missing = Evidence::Missing { pieces: self.missing, bytes: self.left, absent };
        let (most, seconds) = (STORING_BYTES_MAX, self.held.seconds(Holder::Disk));
        let disk = Evidence::Disk { waiting, most, seconds };
        let down = Evidence::Down { rate, session: download.line.rate, best: download.line.best };
        let limits = self.limit_evidence(Way::Down, download.caps).map(Evidence::DownLimit);
        let mut evidence = Vec::with_capacity(EVIDENCE_MAX);
        match why {
            Why::DownLimit { .. } => evidence.extend(limits.chain([down, unchoked, peers, disk])),
            Why::Absent { .. } => evidence.extend([missing, peers]),
            _ => {
                let first = if let Why::Disk { .. } = why { disk } else { missing };
                evidence.extend([first, peers, unchoked, down].into_iter().chain(limits));
            }
        }
        evidence.truncate(EVIDENCE_MAX);
        evidence
    }

    fn why_seeding(&self, shared: &Shared) -> Reason {
        let count = |test: fn(&Peer) -> bool| {
            let interested = self.peers.values().filter(|peer| peer.interested);
            interested.filter(|peer| test(peer)).count() as u32
        };
        let upload = Upload {
            peers: self.peers.len() as u32,
            interested: count(|_| true),
            unchoked: count(|peer| !peer.choked),
            served: count(|peer| peer.up.rate() > 0 || peer.is_served()),
            slots: shared.config.slots,
            rate: self.up.rate(),
            caps: self.caps(Way::Up, shared),
        };
        let why = upload.why(&self.held);
        if upload.interested == 0 {
            return why.into();
        }
        let Upload { interested: peers, unchoked, slots, rate, caps, .. } = upload;
        let mut evidence: Vec<Evidence> =
            self.limit_evidence(Way::Up, caps).map(Evidence::UpLimit).collect();
        evidence.extend([Evidence::Wanting { peers, unchoked, slots }, Evidence::Up { rate }]);
        Reason { why, evidence }
    }

    fn caps(&self, way: Way, shared: &Shared) -> Caps {
        Caps { own: self.limits.rate(way), all: shared.limits.rate(way) }
    }

    fn limit_evidence(&self, way: Way, caps: Caps) -> impl Iterator<Item = Limit> {
        caps.iter().map(move |(scope, rate)| {
            let seconds = self.held.seconds(Holder::Limit(way, scope));
            Limit { scope, rate, seconds }
        })
    }

    fn reach(&self, now: Time, shared: &Shared) -> Reach {
        let most = shared.config.links_max;
        let full = (shared.links >= most).then_some(most);
        Reach { dialing: self.dials.len() as u32, full, ..self.roster.reach(now) }
    }
}

fn addresses(reach: Reach) -> Evidence {
    let Reach { known, dialing, failed, waiting, .. } = reach;
    Evidence::Addresses { known, dialing, failed, waiting }
}
