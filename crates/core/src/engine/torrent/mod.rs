//! One torrent: what it has, what it wants, whom it knows; and what becomes of it.
//!
//! The folder is cut by subject: `files.rs` for all that concerns the disk, `asking.rs` for what is
//! asked of peers, `giving.rs` for what is given to them, `meeting.rs` for how they come and go,
//! `wanting.rs` for what the user wants, `reading.rs` for what is read while it comes, `telling.rs`
//! for what is said of it.

mod asking;
#[cfg(any(test, feature = "testing"))]
mod check;
mod files;
mod giving;
mod keeping;
mod meeting;
mod reading;
mod seeking;
mod sleeping;
mod talking;
mod telling;
mod wanting;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::Layout;

use self::files::{Check, Files};
use self::keeping::Unproven;
pub(super) use self::seeking::Early;
use self::seeking::Search;
use super::action::{Action, Notice, StoreError, StoreErrorKind, Terms};
use super::blame::Blame;
use super::bounds::{CHOKE_TIME, FULL_REST};
use super::durable::{Durable, Memory, Totals};
use super::event::{AddTorrent, CloseReason, DialId, JobId, LinkId, Policy, Priority, TorrentId};
use super::held::Held;
use super::limits::Limits;
use super::meter::Meter;
use super::partial::Partials;
use super::peers::Peers;
use super::picker::Picker;
use super::roster::Roster;
use super::shared::{Cx, Task};
use super::spread::Spread;
use super::torrents::Sleep;
use super::turns::Turns;
use super::wishes::Wishes;
use crate::base::{Bitset, Rng, Time};

/// A torrent and everything that is known of its swarm.
#[derive(Debug)]
pub(super) struct Torrent {
    id: TorrentId,
    info_hash: [u8; 20],
    /// Its metadata is unknown.
    search: Option<Box<Search>>,
    /// Its metadata was unknown, and what is in its folder still is: there are links already.
    early: bool,
    /// BEP 27.
    private: bool,
    metadata_size: Option<u32>,
    layout: Arc<Layout>,
    policy: Policy,
    adopt: bool,
    /// It can be loaded again, so it may become dormant.
    rests: bool,
    /// Handshakes for it are welcome.
    admitted: bool,
    /// Somebody wanted something of it then.
    idle_since: Time,
    phase: Phase,
    next: Next,
    /// A stopped torrent starts by itself then.
    retry_at: Option<Time>,
    /// Jobs that the store has not answered.
    jobs: u32,

    have: Bitset,
    /// What an earlier life has left, until it is known what of it is still there.
    memory: Option<Memory>,
    /// What is held is known, so that it may be recorded.
    known: bool,
    durable: Durable,
    unproven: Unproven,
    /// What earlier lives have transferred.
    before: Totals,
    /// Pieces that were believed at the last start, and pieces that were checked since.
    remembered: u32,
    checked: u32,
    files: Files,
    /// Wanted pieces that are not verified, and their bytes.
    missing: u32,
    left: u64,
    wanted: u64,
    /// Something was downloaded since the start.
    worked: bool,
    completed: bool,

    picker: Picker,
    partials: Partials,
    blame: Blame,
    spread: Option<Spread>,
    turns: Turns,
    limits: Limits,
    /// What is to come first for those who read.
    wishes: Option<Box<Wishes>>,
    held: Held,
    /// Some peer may have something to ask for that it had not before.
    wake: bool,

    peers: Peers,
    dials: BTreeMap<DialId, SocketAddr>,
    roster: Roster,
    /// When somebody came, went, or told where it listens last.
    news_at: Time,
    choke_at: Time,
    optimistic: Option<(LinkId, Time)>,

    down: Meter,
    up: Meter,
    wasted: u64,
    rng: Rng,
    /// The heartbeat passes it by.
    sleep: Option<Sleep>,
}

#[derive(Debug)]
enum Phase {
    Opening,
    Checking(Check),
    Active,
    /// Links close, jobs end, then everything is synced.
    Stopping {
        error: Option<StoreError>,
        step: Step,
    },
    Stopped(Option<StoreError>),
}

/// What a stop is waiting for: each step until every job and link of it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Leaving,
    Syncing,
    Recording,
}

/// What follows on the end of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Rest,
    /// Become dormant.
    Doze,
    Start,
    /// Start, and believe nothing.
    Check,
    Remove,
}

/// Whether peers may join a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Now,
    /// They are welcome, and have to wait.
    Soon,
    Never,
}

impl Torrent {
    pub(super) fn new(id: TorrentId, add: AddTorrent, now: Time, rng: &Rng) -> Self {
        let rng = rng.fork_indexed("torrent", add.ticket);
        let layout = add.layout;
        let mut priorities = add.priorities;
        priorities.resize(layout.files().len(), Priority::Normal);
        let files = Files::new(&layout, priorities);
        let picker = Picker::new(files.piece_priorities(&layout), add.policy, rng.fork("picker"));
        Self {
            id,
            info_hash: add.info_hash,
            search: None,
            early: false,
            private: add.private,
            metadata_size: add.metadata_size,
            policy: add.policy,
            adopt: add.adopt,
            rests: add.rests,
            admitted: false,
            idle_since: now,
            phase: Phase::Stopped(None),
            next: Next::Rest,
            retry_at: None,
            jobs: 0,
            have: Bitset::new(layout.pieces()),
            before: add.memory.as_ref().map_or(Totals::default(), |memory| memory.totals),
            memory: add.memory,
            known: false,
            remembered: 0,
            checked: 0,
            durable: Durable::new(layout.pieces()),
            unproven: Unproven::none(layout.pieces()),
            files,
            missing: 0,
            left: 0,
            wanted: 0,
            worked: false,
            completed: false,
            picker,
            partials: Partials::default(),
            blame: Blame::default(),
            spread: None,
            turns: Turns::default(),
            limits: Limits::new(add.rates, now),
            wishes: None,
            held: Held::default(),
            wake: false,
            peers: Peers::default(),
            dials: BTreeMap::new(),
            roster: Roster::new(rng.fork("roster")),
            news_at: now,
            choke_at: now,
            optimistic: None,
            down: Meter::default(),
            up: Meter::default(),
            wasted: 0,
            layout,
            rng,
            sleep: None,
        }
    }

    /// Looks at the folder, checks what is not remembered, and begins.
    pub(super) fn start(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Stopped(_) => {}
            Phase::Stopping { .. } => {
                if self.next == Next::Rest {
                    self.next = Next::Start;
                }
                return;
            }
            _ => return,
        }
        self.retry_at = None;
        self.next = Next::Rest;
        self.roster.forget_failures();
        if self.is_seeking() {
            self.meet(cx);
            return self.dial_more(cx);
        }
        self.open(cx);
    }

    /// Looks at the folder.
    fn open(&mut self, cx: &mut Cx<'_>) {
        self.have = Bitset::new(self.layout.pieces());
        self.unproven = Unproven::none(self.layout.pieces());
        self.durable = Durable::new(self.layout.pieces());
        self.known = false;
        (self.remembered, self.checked) = (0, 0);
        self.files.forget();
        let priorities = self.files.piece_priorities(&self.layout);
        self.picker = Picker::new(priorities, self.policy, self.rng.fork("picker"));
        self.peers.values().for_each(|peer| self.picker.join(&peer.has));
        (self.worked, self.completed) = (false, false);
        self.recount();
        self.phase = Phase::Opening;
        let job = self.job(cx, Task::Open);
        let wanted = self.files.wanted();
        cx.push(Action::Open { job, torrent: self.id, wanted });
    }

    /// Stops, for good or until [`Torrent::start`].
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>) {
        if self.next != Next::Remove {
            self.next = Next::Rest;
        }
        self.retry_at = None;
        self.wind_down(cx, None);
    }

    /// Looks at everything anew, whatever is remembered.
    pub(super) fn check_anew(&mut self, cx: &mut Cx<'_>) {
        if self.next == Next::Remove || self.is_seeking() {
            return;
        }
        match self.phase {
            Phase::Stopped(_) => {
                self.memory = None;
                self.start(cx);
            }
            _ => {
                self.known = true;
                self.wind_down(cx, None);
                self.next = Next::Check;
            }
        }
    }

    /// Stops and wants to be forgotten.
    pub(super) fn remove(&mut self, cx: &mut Cx<'_>) {
        self.stop(cx);
        self.next = Next::Remove;
    }

    /// Whether it was removed and nothing is left to be done.
    pub(super) fn is_gone(&self) -> bool {
        self.next == Next::Remove && matches!(self.phase, Phase::Stopped(_))
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped(_))
    }

    fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    /// Whether nothing is wanted any more.
    fn is_through(&self) -> bool {
        self.missing == 0 && !self.is_early()
    }

    /// The disk made it impossible to go on.
    fn fail(&mut self, cx: &mut Cx<'_>, error: StoreError) {
        if matches!(self.phase, Phase::Stopping { .. } | Phase::Stopped(_)) {
            return;
        }
        // Room may come, of either kind; a lost folder or a wrong permission needs a person.
        let passes = matches!(error.kind, StoreErrorKind::Full | StoreErrorKind::Crowded);
        self.retry_at = passes.then(|| cx.now.after(FULL_REST));
        cx.notify(Notice::Failed { torrent: self.id, error });
        self.wind_down(cx, Some(error));
    }

    fn wind_down(&mut self, cx: &mut Cx<'_>, error: Option<StoreError>) {
        if core::mem::take(&mut self.admitted) {
            cx.push(Action::Retire { torrent: self.id });
        }
        match self.phase {
            Phase::Stopping { .. } => return,
            Phase::Stopped(_) => {
                self.phase = Phase::Stopped(error);
                return;
            }
            Phase::Opening | Phase::Checking(_) | Phase::Active => {}
        }
        self.retract_readers(cx);
        self.early = false;
        for &link in self.peers.keys() {
            cx.close(link, CloseReason::Stopped);
        }
        // What is being tried still counts until it is answered.
        for remote in core::mem::take(&mut self.dials).into_values() {
            self.roster.left(remote, cx.now, core::time::Duration::ZERO);
        }
        self.phase = Phase::Stopping { error, step: Step::Leaving };
        self.settle(cx);
    }

    /// The last steps of a stop: every job answered, then a sync, then a record, then the files
    /// are closed.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let Phase::Stopping { error, step } = self.phase else { return };
        if self.jobs > 0 || !self.peers.is_empty() {
            return;
        }
        let stored = !self.is_seeking();
        if step == Step::Leaving && stored {
            self.phase = Phase::Stopping { error, step: Step::Syncing };
            return self.sync(cx);
        }
        if step == Step::Syncing && self.known && self.next != Next::Remove {
            self.phase = Phase::Stopping { error, step: Step::Recording };
            return self.record_rest(cx);
        }
        self.partials.clear();
        if stored {
            cx.push(Action::Release { torrent: self.id });
        }
        self.phase = Phase::Stopped(error);
        match self.next {
            Next::Rest | Next::Remove => {}
            Next::Doze if self.is_at_rest() => cx.shared.dozing.push(self.id),
            Next::Doze | Next::Start => self.start(cx),
            Next::Check => {
                self.memory = None;
                self.start(cx);
            }
        }
    }

    /// Begins to work with peers, once what lay on the disk is known.
    fn activate(&mut self, cx: &mut Cx<'_>) {
        cx.notify(Notice::Checked { torrent: self.id });
        self.idle_since = cx.now;
        self.meet(cx);
        self.end_early(cx);
        if self.missing == 0 {
            cx.notify(Notice::Verified { torrent: self.id });
        }
        self.finish_files(cx);
        self.note_completion(cx);
        self.prove_read(cx);
        self.tell_readers(cx);
        self.dial_more(cx);
    }

    /// Peers are welcome.
    fn meet(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Active;
        if !core::mem::replace(&mut self.admitted, true) {
            let (info_hash, peer_id) = (self.info_hash, cx.shared.config.peer_id);
            let terms = Terms { info_hash, peer_id, reserved: Reserved::OURS };
            cx.push(Action::Admit { torrent: self.id, terms: Arc::new(terms) });
        }
        self.choke_at = cx.now.after(CHOKE_TIME);
    }

    /// What is due every second.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, keep: bool) {
        self.down.tick();
        self.up.tick();
        self.held.tick();
        if keep {
            self.keep(cx);
        } else if self.has_news() && self.durable.is_late(cx.now) {
            cx.shared.sync_at.get_or_insert(cx.now);
        }
        if self.retry_at.is_some_and(|at| at <= cx.now) {
            self.start(cx);
        }
        if !self.is_active() && !self.early {
            return;
        }
        let links: Vec<LinkId> = self.peers.keys().copied().collect();
        for link in links {
            self.tick_peer(cx, link);
        }
        self.show_all(cx);
        if self.is_early() {
            self.ask_metadata(cx);
            return self.dial_more(cx);
        }
        if self.choke_at <= cx.now {
            self.choke_at = cx.now.after(CHOKE_TIME);
            self.rechoke(cx);
        }
        self.fill_slots(cx);
        self.pass_turns(cx);
        self.dial_more(cx);
        if self.wishes.is_some() {
            self.tick_readers(cx);
        }
        self.wake = true;
        self.doze(cx);
    }

    /// What was put off to the end of a call: peers that may ask again now.
    pub(super) fn catch_up(&mut self, cx: &mut Cx<'_>) {
        if core::mem::take(&mut self.wake) {
            self.pump_all(cx);
        }
    }

    /// The rate limits may let something through.
    pub(super) fn ready(&mut self, cx: &mut Cx<'_>) {
        self.serve_all(cx);
        self.pump_all(cx);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn jobs(&self) -> usize {
        self.jobs as usize
    }

    pub(super) fn wake(&mut self) {
        self.wake = true;
    }

    fn job(&mut self, cx: &mut Cx<'_>, task: Task) -> JobId {
        self.jobs += 1;
        cx.job(self.id, task)
    }
}

/// Room for one of each of `count` things.
fn each<T: Clone>(value: T, count: usize) -> Vec<T> {
    vec![value; count]
}
