//! What all torrents share: limits, jobs, dials, bans; and where the actions of a call go.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use toubkal_wire::layout::Block;
use toubkal_wire::message::Message;

use super::Config;
use super::action::{Action, Notice};
use super::bounds::{BAN, BANNED_MAX, PLACES_SPARE, STORING_BYTES_MAX, TURN};
use super::event::{CloseReason, DialId, JobId, LinkId, TorrentId};
use super::held::{Held, Holder};
use super::limits::{self, Limits, Way};
use super::outside::Outside;
use super::reason::Line;
use crate::base::{Key, Outbox, Rng, Slab, Time};

/// The kind of thing that a job's key names.
#[derive(Debug)]
enum JobKind {}

/// What a job was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Open,
    Check {
        piece: u32,
    },
    Store {
        piece: u32,
        index: u32,
        length: u32,
    },
    Verify {
        piece: u32,
    },
    Digest {
        piece: u32,
    },
    Reclaim {
        file: u32,
    },
    Finish {
        file: u32,
    },
    Sync,
    Record,
    /// Check a piece that is believed, before it is given.
    Prove {
        piece: u32,
    },
}

/// A job that the store has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) torrent: TorrentId,
    pub(super) task: Task,
}

/// What all torrents share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) limits: Limits,
    pub(super) rng: Rng,
    /// How we look from outside.
    pub(super) outside: Outside,
    /// Bytes of blocks that were received and are not written yet.
    pub(super) storing: u64,
    /// How much comes, of all torrents together.
    pub(super) line: Line,
    /// Connections, handshaken or not.
    pub(super) links: u32,
    /// For which torrent, and since when.
    pub(super) dials: BTreeMap<DialId, (TorrentId, Time)>,
    /// When anybody was heard last: a peer, or a tracker.
    pub(super) heard: Time,
    /// Torrents of which dials failed, when nobody was heard since they began.
    pub(super) dark: BTreeSet<TorrentId>,
    next_dial: u64,
    jobs: Slab<JobKind, Job>,
    banned: BTreeMap<IpAddr, Time>,
    /// When the rate limits let something through again.
    pub(super) ready_at: Option<Time>,
    /// What the rate limits let through is being given out, to everybody in turn.
    pub(super) in_turn: bool,
    /// When it is looked at whether what is read comes in time, and of which torrents.
    pub(super) hurry_at: Option<Time>,
    pub(super) hurried: BTreeSet<TorrentId>,
    /// When all that is verified and not on the disk is to go there.
    pub(super) sync_at: Option<Time>,
    /// Requests were not sent because the store has too much to do.
    pub(super) held_up: bool,
    /// Every torrent may have something to ask for that it had not before.
    pub(super) stir_all: bool,
    /// Torrents that have come to rest, to become dormant.
    pub(super) dozing: Vec<TorrentId>,
    /// Links to close once the call that found it out is through.
    pub(super) closing: Vec<(LinkId, CloseReason)>,
}

impl Shared {
    pub(super) fn new(config: Config, rng: Rng) -> Self {
        Self {
            limits: Limits::new(config.rates, Time::START),
            outside: Outside::new(config.port),
            config,
            rng,
            storing: 0,
            line: Line::default(),
            links: 0,
            dials: BTreeMap::new(),
            heard: Time::START,
            dark: BTreeSet::new(),
            next_dial: 0,
            jobs: Slab::new(),
            banned: BTreeMap::new(),
            ready_at: None,
            in_turn: false,
            hurry_at: None,
            hurried: BTreeSet::new(),
            sync_at: None,
            held_up: false,
            dozing: Vec::new(),
            stir_all: false,
            closing: Vec::new(),
        }
    }

    /// Connections that there may be, with one more that we dialed or that came.
    pub(super) fn places(&self, dial: Option<DialId>) -> u32 {
        let spare = if dial.is_none() { PLACES_SPARE } else { 0 };
        self.config.links_max.saturating_add(spare)
    }

    /// Takes back the job of an answer.
    pub(super) fn answered(&mut self, job: JobId) -> Option<Job> {
        let done = self.jobs.remove(Key::new(job.0 as u32, (job.0 >> 32) as u32))?;
        if let Task::Store { length, .. } = done.task {
            self.storing -= u64::from(length);
            if self.held_up && self.storing <= STORING_BYTES_MAX / 2 {
                self.held_up = false;
                self.stir_all = true;
            }
        }
        Some(done)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn jobs(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_banned(&self, ip: IpAddr, now: Time) -> bool {
        self.banned.get(&ip.to_canonical()).is_some_and(|&until| now < until)
    }

    /// Nothing waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    fn ban(&mut self, ip: IpAddr, now: Time) {
        if self.banned.len() >= BANNED_MAX {
            self.banned.retain(|_, until| now < *until);
        }
        if self.banned.len() < BANNED_MAX {
            self.banned.insert(ip.to_canonical(), now.after(BAN));
        }
    }
}

/// One call into the engine: the time, what is shared, where actions go.
#[derive(Debug)]
pub(super) struct Cx<'a> {
    pub(super) now: Time,
    pub(super) shared: &'a mut Shared,
    pub(super) out: &'a mut Outbox<Action>,
}

impl Cx<'_> {
    pub(super) fn push(&mut self, action: Action) {
        self.out.push(action);
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.out.push(Action::Notify(notice));
    }

    pub(super) fn send(&mut self, link: LinkId, message: Message) {
        self.out.push(Action::Send { link, message });
    }

    /// Names a job; the caller pushes the action that carries the name.
    pub(super) fn job(&mut self, torrent: TorrentId, task: Task) -> JobId {
        if let Task::Store { length, .. } = task {
            self.shared.storing += u64::from(length);
        }
        let key = self.shared.jobs.insert(Job { torrent, task });
        JobId(u64::from(key.generation()) << 32 | key.index() as u64)
    }

    pub(super) fn dial(&mut self, torrent: TorrentId, remote: SocketAddr) -> DialId {
        let dial = DialId(self.shared.next_dial);
        self.shared.next_dial += 1;
        self.shared.dials.insert(dial, (torrent, self.now));
        self.out.push(Action::Dial { dial, torrent, remote });
        dial
    }

    /// Closes a link when this call is through.
    pub(super) fn close(&mut self, link: LinkId, reason: CloseReason) {
        if !self.shared.closing.iter().any(|&(other, _)| other == link) {
            self.shared.closing.push((link, reason));
        }
    }

    /// A peer broke a rule so badly that its address is not welcome for a while. On loopback
    /// many peers share one address: there only the link goes.
    pub(super) fn ban(&mut self, torrent: TorrentId, remote: SocketAddr) {
        if !remote.ip().to_canonical().is_loopback() {
            self.shared.ban(remote.ip(), self.now);
        }
        self.notify(Notice::Banned { torrent, remote });
    }

    /// Takes bytes from the limits of all torrents and of one; false when they are not there, or
    /// when somebody waits for them already: who comes by chance takes nothing from who waits.
    /// Which limit had none is noted.
    pub(super) fn take(&mut self, way: Way, bytes: u32, own: &mut Limits, held: &mut Held) -> bool {
        let limited = self.shared.limits.holds(way) || own.holds(way);
        if limited && !self.shared.in_turn && self.shared.ready_at.is_some() {
            return false;
        }
        match limits::take(self.now, way, bytes, &mut self.shared.limits, own) {
            Ok(()) => true,
            Err((scope, ready)) => {
                held.note(Holder::Limit(way, scope));
                self.wait_until(ready);
                false
            }
        }
    }

    /// What is read of a torrent is looked at again after this.
    pub(super) fn hurry(&mut self, torrent: TorrentId, wait: Duration) {
        let at = self.now.after(wait);
        let soonest = &mut self.shared.hurry_at;
        *soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
        self.shared.hurried.insert(torrent);
    }

    /// Nothing more passes the rate limits until then.
    pub(super) fn wait_until(&mut self, ready: Time) {
        let ready = ready.max(self.now.after(TURN));
        let at = &mut self.shared.ready_at;
        *at = Some(at.map_or(ready, |at| at.min(ready)));
    }

    pub(super) fn request(&mut self, link: LinkId, block: Block) {
        self.out.push_with(|| Action::Send { link, message: Message::Request(block) });
    }
}

/// Whether two peers may be the same machine. On loopback everybody has one address.
pub(super) fn same_machine(one: SocketAddr, other: SocketAddr) -> bool {
    let ip = one.ip().to_canonical();
    match ip.is_loopback() {
        true => one == other,
        false => ip == other.ip().to_canonical(),
    }
}
