//! The engine: which block from whom, which to whom, what is written, what is believed.
//!
//! Where decisions are made:
//! - `picker.rs` which piece to begin; `partial.rs` which block of the pieces that are begun;
//!   `pipeline.rs` how many at once of whom; `torrent/asking.rs` puts them together.
//! - `choker.rs` whom to upload to; `turns.rs` who gets a first piece;
//!   `torrent/giving.rs` serves.
//! - `roster.rs` whom to connect to, `outside.rs` whom to prefer;
//!   `torrent/meeting.rs` meets and parts.
//! - `metadata.rs` what of the metadata to ask of whom, for a torrent of which only the info-hash
//!   is known (`torrent/seeking.rs`); `contact.rs` of whom a peer is told (`torrent/talking.rs`).
//! - `blame.rs` who lied; `torrent/files.rs` verifies, and decides what is written and believed.
//! - `wishes.rs` what is to come first because it is read; `torrent/reading.rs` has it come.
//! - `reason.rs` why a torrent is no faster than it is (`torrent/explaining.rs`); `held.rs` what it
//!   was held up by.
//! - `waking.rs` what becomes of torrents that nobody wants anything of; `lobby.rs` who waits.
//!
//! Only this file, `commands.rs`, `waking.rs` and the folder `torrent` push actions; all others are
//! leaves.

mod action;
mod answers;
mod blame;
pub mod bounds;
mod choker;
mod commands;
mod contact;
mod durable;
mod event;
mod held;
mod limits;
mod lobby;
pub mod log;
mod metadata;
mod meter;
mod outside;
mod partial;
mod peer;
mod peers;
mod picker;
mod pipeline;
mod reason;
mod roster;
mod shared;
mod spread;
mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod torrent;
mod torrents;
mod turns;
mod waking;
mod why;
mod wishes;

pub use action::*;
pub use durable::{Memory, Record, Totals};
pub use event::*;
pub use status::*;
pub use why::*;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use self::bounds::{HANDSHAKE_TIME, TICK};
use self::lobby::Lobby;
use self::reason::Line;
use self::shared::{Cx, Shared};
use self::torrent::Torrent;
use self::torrents::Torrents;
use crate::base::{Machine, Outbox, Rng, Time};
use toubkal_wire::handshake::Reserved;

/// What is set once, when the engine is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we call ourselves to peers (BEP 20).
    pub peer_id: [u8; 20],
    /// Name and version for people (BEP 10 `v`).
    pub client: Cow<'static, str>,
    /// The port on which peers reach us; 0 when they cannot.
    pub port: u16,
    /// Rates of all torrents together.
    pub rates: Rates,
    /// The most connections at once.
    pub links_max: u32,
    /// The most connections that are being tried at once.
    pub dials_max: u32,
    /// Peers of one torrent that we upload to at once, the optimistic one among them.
    pub slots: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peer_id: *b"-TK0100-000000000000",
            client: Cow::Borrowed(concat!("Toubkal ", env!("CARGO_PKG_VERSION"))),
            port: 0,
            rates: Rates::default(),
            links_max: 200,
            dials_max: 16,
            slots: 8,
        }
    }
}

/// The engine: all torrents, and every decision about them.
///
/// It is driven as every [`Machine`]. Facts go in as [`Event`]s, and what is to be done comes out
/// as [`Action`]s. The engine names torrents, dials and jobs; hands name links and payloads. A
/// name of a thing that is gone is harmless. No event makes it panic, fail, or grow without a
/// bound ([`bounds`]), save one that breaks the order that [`LinkEvent`] and [`Event::Job`]
/// promise, which is the driver's bug.
#[derive(Debug)]
pub struct Engine {
    shared: Shared,
    torrents: Torrents,
    lobby: Lobby,
    links: Vec<Option<Link>>,
    /// Torrents that are to be forgotten once they have stopped.
    removing: Vec<TorrentId>,
    tick_at: Option<Time>,
    ending: bool,
    ended: bool,
}

/// A link that is not closed yet.
#[derive(Debug)]
struct Link {
    generation: u32,
    stage: Stage,
    remote: SocketAddr,
}

#[derive(Debug)]
enum Stage {
    /// No handshake yet. `dialed`: for which torrent, and what address.
    Waiting {
        since: Time,
        dialed: Option<(TorrentId, SocketAddr)>,
    },
    /// It waits for its torrent.
    Lobby {
        since: Time,
    },
    Joined(TorrentId),
    /// We have closed it; what still comes is of no interest.
    Closing,
}

impl Engine {
    /// An engine without torrents. All its chance comes from `rng`.
    #[must_use]
    pub fn new(config: Config, rng: &Rng) -> Self {
        Self {
            shared: Shared::new(config, rng.fork("engine")),
            torrents: Torrents::default(),
            lobby: Lobby::default(),
            links: Vec::new(),
            removing: Vec::new(),
            tick_at: None,
            ending: false,
            ended: false,
        }
    }

    /// Somebody is heard. When nobody was for a while, what failed meanwhile counts no more.
    fn hear(&mut self, cx: &mut Turn<'_>) {
        self.shared.heard = cx.now;
        if self.shared.dark.is_empty() {
            return;
        }
        for id in core::mem::take(&mut self.shared.dark) {
            if let Some(torrent) = self.torrents.get_mut(id) {
                torrent.light(&mut cx.with(&mut self.shared));
            }
        }
    }

    fn link_event(&mut self, cx: &mut Turn<'_>, id: LinkId, event: LinkEvent) {
        if let LinkEvent::Opened { dial, remote } = event {
            return self.opened(cx, id, dial, remote);
        }
        let known = self.links.get_mut(id.index()).and_then(Option::as_mut);
        let Some(link) = known.filter(|link| link.generation == id.generation()) else {
            return discard(cx, event);
        };
        match (&link.stage, event) {
            (_, LinkEvent::Closed(reason)) => self.closed(cx, id, reason),
            (Stage::Waiting { .. }, LinkEvent::Handshaken { torrent, peer_id, reserved }) => {
                self.handshaken(cx, id, torrent, peer_id, reserved);
            }
            (Stage::Lobby { .. }, LinkEvent::Message(message)) => {
                if !self.lobby.hear(id, message) {
                    self.shared.closing.push((id, CloseReason::Full));
                }
            }
            (&Stage::Joined(torrent), event) => {
                let Some(torrent) = self.torrents.get_mut(torrent) else {
                    return discard(cx, event);
                };
                let cx = &mut cx.with(&mut self.shared);
                match event {
                    LinkEvent::Message(message) => torrent.message(cx, id, message),
                    LinkEvent::Received { block, payload } => {
                        torrent.received(cx, id, block, payload);
                    }
                    LinkEvent::Served { block, outcome } => {
                        torrent.served(cx, id, block, outcome);
                    }
                    _ => {}
                }
                torrent.catch_up(cx);
            }
            (_, event) => discard(cx, event),
        }
    }

    fn opened(&mut self, cx: &mut Turn<'_>, id: LinkId, dial: Option<DialId>, remote: SocketAddr) {
        let dialed = dial.and_then(|dial| {
            let (torrent, _) = self.shared.dials.remove(&dial)?;
            let address = self.torrents.get_mut(torrent)?.dialed(dial)?;
            Some((torrent, address))
        });
        let stage = Stage::Waiting { since: cx.now, dialed };
        if self.links.len() <= id.index() {
            self.links.resize_with(id.index() + 1, || None);
        }
        self.links[id.index()] = Some(Link { generation: id.generation(), stage, remote });
        self.shared.links += 1;
        let refusal = if self.ending || (dial.is_some() && dialed.is_none()) {
            Some(CloseReason::Stopped)
        } else if self.shared.is_banned(remote.ip(), cx.now) {
            Some(CloseReason::Banned)
        } else if self.shared.links > self.shared.places(dial) {
            Some(CloseReason::Full)
        } else {
            None
        };
        if let Some(reason) = refusal {
            self.shared.closing.push((id, reason));
        }
    }

    fn handshaken(
        &mut self,
        cx: &mut Turn<'_>,
        id: LinkId,
        torrent_id: TorrentId,
        peer_id: [u8; 20],
        reserved: Reserved,
    ) {
        if self.receive(id, torrent_id, peer_id, reserved) {
            return;
        }
        let Some(Some(link)) = self.links.get_mut(id.index()) else { return };
        let Stage::Waiting { dialed, .. } = link.stage else { return };
        let Some(torrent) = self.torrents.get_mut(torrent_id) else {
            return self.shared.closing.push((id, CloseReason::Handshake));
        };
        let remote = link.remote;
        let address = dialed.map(|(_, address)| address);
        let cx = &mut cx.with(&mut self.shared);
        match torrent.join(cx, id, remote, address, peer_id, reserved) {
            Ok(()) => link.stage = Stage::Joined(torrent_id),
            Err(reason) => {
                cx.close(id, reason);
                if reason == CloseReason::Ourselves {
                    // The end that called may never hear its own name: it is closed before.
                    let ip = remote.ip().to_canonical();
                    torrent.met_ourselves(SocketAddr::new(ip, cx.shared.config.port));
                }
            }
        }
        torrent.catch_up(cx);
    }

    /// Closes a link from our side; its `Closed` follows.
    fn close(&mut self, cx: &mut Turn<'_>, id: LinkId, reason: CloseReason) {
        let Some(Some(link)) = self.links.get_mut(id.index()) else { return };
        if link.generation != id.generation() || matches!(link.stage, Stage::Closing) {
            return;
        }
        cx.out.push(Action::Close { link: id, reason });
        let stage = core::mem::replace(&mut link.stage, Stage::Closing);
        self.leave(cx, id, &stage, reason);
    }

    fn closed(&mut self, cx: &mut Turn<'_>, id: LinkId, reason: CloseReason) {
        let Some(link) = self.links.get_mut(id.index()).and_then(Option::take) else { return };
        self.shared.links -= 1;
        self.leave(cx, id, &link.stage, reason);
    }

    fn leave(&mut self, cx: &mut Turn<'_>, id: LinkId, stage: &Stage, reason: CloseReason) {
        let (torrent, address) = match *stage {
            Stage::Joined(torrent) => (torrent, None),
            Stage::Waiting { dialed: Some((torrent, address)), .. } => (torrent, Some(address)),
            Stage::Lobby { .. } => return self.lobby.leave(id),
            Stage::Waiting { dialed: None, .. } | Stage::Closing => return,
        };
        let Some(torrent) = self.torrents.get_mut(torrent) else { return };
        let cx = &mut cx.with(&mut self.shared);
        match address {
            None => torrent.part(cx, id, reason),
            Some(address) => torrent.missed(cx, address, reason),
        }
        torrent.catch_up(cx);
    }

    fn peers_heard(
        &mut self,
        cx: &mut Turn<'_>,
        id: TorrentId,
        source: PeerSource,
        peers: &[SocketAddr],
    ) {
        if self.postpone_peers(id, source, peers) {
            return;
        }
        if let Some(torrent) = self.torrents.get_mut(id) {
            torrent.hear(&mut cx.with(&mut self.shared), source, peers);
        }
    }

    fn answered(&mut self, cx: &mut Turn<'_>, job: JobId, result: Result<Done, StoreError>) {
        let Some(job) = self.shared.answered(job) else { return };
        if let Some(torrent) = self.torrents.get_mut(job.torrent) {
            let cx = &mut cx.with(&mut self.shared);
            torrent.done(cx, job.task, result);
            torrent.catch_up(cx);
        }
    }

    fn tick(&mut self, cx: &mut Turn<'_>) {
        // All torrents together: the driver can bring all their records to the disk as one.
        let keep = self.shared.sync_at.take_if(|at| *at <= cx.now).is_some();
        let mut line = Line::default();
        for id in self.torrents.beat(cx.now) {
            let Some(torrent) = self.torrents.get_mut(id) else { continue };
            let cx = &mut cx.with(&mut self.shared);
            torrent.tick(cx, keep);
            torrent.catch_up(cx);
            line.add(torrent.down_rate());
        }
        self.shared.line.tick(line);
        let late = |since| cx.now.since(since) > HANDSHAKE_TIME;
        self.close_waiting(|since| late(since).then_some(CloseReason::TimedOut));
    }

    /// Closes links without a handshake, for the reason that follows from when they were opened.
    fn close_waiting(&mut self, reason: impl Fn(Time) -> Option<CloseReason>) {
        for (index, link) in self.links.iter().enumerate() {
            let Some(Link { generation, stage, .. }) = link else { continue };
            if let Stage::Waiting { since, .. } | Stage::Lobby { since } = stage
                && let Some(reason) = reason(*since)
            {
                let id = LinkId::new(index as u32, *generation);
                self.shared.closing.push((id, reason));
            }
        }
    }

    /// Lets through what the rate limits allow now. Not always the same torrent comes first, and
    /// whoever is still held up says again until when.
    fn give_out(&mut self, cx: &mut Turn<'_>) {
        let mut order = self.torrents.awake();
        if order.is_empty() {
            self.shared.ready_at = None;
            return;
        }
        let start = self.shared.rng.index(order.len());
        order.rotate_left(start);
        self.shared.ready_at = None;
        self.shared.in_turn = true;
        for id in order {
            if let Some(torrent) = self.torrents.get_mut(id) {
                torrent.ready(&mut cx.with(&mut self.shared));
            }
        }
        self.shared.in_turn = false;
    }

    /// Looks whether what is read comes in time.
    fn hurry(&mut self, cx: &mut Turn<'_>) {
        self.shared.hurry_at = None;
        for id in core::mem::take(&mut self.shared.hurried) {
            if let Some(torrent) = self.torrents.get_mut(id) {
                let cx = &mut cx.with(&mut self.shared);
                torrent.hurry(cx);
                torrent.catch_up(cx);
            }
        }
    }

    /// What every call ends with: links that were found wanting are closed, peers that may go on
    /// go on, torrents that are gone go, and the next heartbeat is set.
    fn conclude(&mut self, cx: &mut Turn<'_>) {
        if !self.shared.dozing.is_empty() {
            self.put_to_rest(cx);
        }
        if !self.lobby.is_empty() {
            self.open_lobby(cx);
        }
        while let Some((id, reason)) = self.shared.closing.pop() {
            self.close(cx, id, reason);
        }
        if core::mem::take(&mut self.shared.stir_all) {
            for id in self.torrents.awake() {
                let Some(torrent) = self.torrents.get_mut(id) else { continue };
                torrent.wake();
                torrent.catch_up(&mut cx.with(&mut self.shared));
            }
        }
        self.removing.retain(|&id| {
            let gone = self.torrents.get(id).is_none_or(Torrent::is_gone);
            if gone {
                self.torrents.remove(id);
            }
            !gone
        });
        if self.tick_at.is_none() {
            let busy = self.torrents.settle(cx.now)
                || self.shared.links > 0
                || !self.shared.dials.is_empty()
                || self.shared.sync_at.is_some();
            self.tick_at = busy.then(|| cx.now.after(TICK));
        }
        let over = self.ending && self.shared.links == 0 && self.shared.is_idle();
        if over && !self.ended && self.torrents.iter().all(|(_, torrent)| torrent.is_stopped()) {
            self.ended = true;
            cx.out.push(Action::Notify(Notice::Ended));
        }
    }
}

impl Machine for Engine {
    type Event = Event;
    type Action = Action;

    fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        let cx = &mut Turn { now, out };
        if event.is_heard() {
            self.hear(cx);
        }
        match event {
            Event::Link(link, event) => self.link_event(cx, link, event),
            Event::DialFailed(dial, error) => {
                if let Some((id, began)) = self.shared.dials.remove(&dial)
                    && let Some(torrent) = self.torrents.get_mut(id)
                {
                    torrent.dial_failed(&mut cx.with(&mut self.shared), dial, began, error);
                }
            }
            Event::Job(job, result) => self.answered(cx, job, result),
            Event::Peers(torrent, source, peers) => self.peers_heard(cx, torrent, source, &peers),
            Event::Loaded(torrent, result) => self.loaded(cx, torrent, result.map(|add| *add)),
            Event::Command(command) => self.command(cx, *command),
        }
        self.conclude(cx);
    }

    fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        let cx = &mut Turn { now, out };
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick_at = None;
            self.tick(cx);
        }
        if self.shared.ready_at.is_some_and(|at| at <= now) {
            self.give_out(cx);
        }
        if self.shared.hurry_at.is_some_and(|at| at <= now) {
            self.hurry(cx);
        }
        self.conclude(cx);
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let tick = self.tick_at.map(|at| (at, "tick"));
        let ready = self.shared.ready_at.map(|at| (at, "rate limit"));
        let hurry = self.shared.hurry_at.map(|at| (at, "reader"));
        tick.into_iter().chain(ready).chain(hurry).min()
    }
}

/// One call into the engine, before what is shared is lent to a torrent.
struct Turn<'a> {
    now: Time,
    out: &'a mut Outbox<Action>,
}

impl Turn<'_> {
    fn with<'s>(&'s mut self, shared: &'s mut Shared) -> Cx<'s> {
        Cx { now: self.now, shared, out: self.out }
    }
}

/// An event for a link that is no longer of interest; a payload in it goes back.
fn discard(cx: &mut Turn<'_>, event: LinkEvent) {
    if let LinkEvent::Received { payload, .. } = event {
        cx.out.push(Action::Discard { payload });
    }
}

// Events and actions are moved by the million: a cache line each.
const _: () = assert!(size_of::<Action>() <= 64 && size_of::<Event>() <= 72);

/// Keeps a large command out of the small [`Event`].
impl From<Command> for Event {
    fn from(command: Command) -> Self {
        Self::Command(Box::new(command))
    }
}
