//! The announcers of the torrents: what they are told, and who carries out what they want.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use toubkal_core::base::{Machine, Outbox, Rng, Time};
use toubkal_core::engine::{Event, PeerSource, State, Status, TorrentId};
use toubkal_core::tracker::udp::Udp;
use toubkal_core::tracker::{self, Action, Announcer, Config, News, Problem, Progress, Tiers};

use super::Brain;
use super::datagrams::{Asker, Wish, failed};
use crate::net::wake::Inlet;
use crate::session::{SessionEvent, TrackerState, TrackerStatus};
use crate::tracker::{Ask, HttpOptions, TrackerClient, TrackerReply};

/// How often announcers hear how downloads are doing; a seed always wants the same.
const WATCH: Duration = Duration::from_secs(5);
/// Peers that are asked for while downloading, and while seeding.
const WANT: (u32, u32) = (80, 30);
/// With fewer peers than this, and none of them giving, more are urgent.
const FEW: u32 = 5;
/// Bytes that are left of a torrent of which nobody knows how many there are.
const LEFT_UNKNOWN: u64 = 16 * 1024;

/// What all announcers have in common.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) peer_id: [u8; 20],
    pub(crate) port: u16,
    pub(crate) user_agent: String,
    pub(crate) rng: Rng,
}

/// The announcers.
pub(super) struct Trackers {
    identity: Identity,
    key: u32,
    announcers: HashMap<TorrentId, One>,
    /// Started when somebody has something to ask.
    client: Option<TrackerClient>,
    tell: Inlet<TrackerReply>,
    /// Those that are asked by packets.
    pub(super) udp: Udp<Asker>,
    /// What is to be asked by packets in this round.
    pub(super) wishes: VecDeque<Wish>,
    outbox: Outbox<Action>,
    /// When which announcer has something to do.
    due: BTreeSet<(Time, TorrentId)>,
    /// Torrents that may not be seeds, and when they are looked at next.
    watched: BTreeSet<TorrentId>,
    watch_at: Time,
    /// Announcers that are between their start and [`Action::Stopped`].
    running: usize,
}

struct One {
    announcer: Announcer,
    due: Option<Time>,
    /// Between the start and [`Action::Stopped`].
    running: bool,
    /// Its torrent is gone; it goes too when it has said so to the trackers.
    leaving: bool,
}

impl Trackers {
    pub(super) fn new(identity: Identity, tell: Inlet<TrackerReply>) -> Self {
        let key = identity.rng.fork("tracker key").bits() as u32;
        let udp = Udp::new(identity.rng.fork("UDP trackers"));
        Self {
            identity,
            key,
            announcers: HashMap::new(),
            client: None,
            tell,
            udp,
            wishes: VecDeque::new(),
            outbox: Outbox::new(),
            due: BTreeSet::new(),
            watched: BTreeSet::new(),
            watch_at: Time::START,
            running: 0,
        }
    }

    /// Gives a torrent its announcer, if it has trackers.
    pub(super) fn add(&mut self, torrent: TorrentId, info_hash: [u8; 20], tiers: &[Vec<String>]) {
        if tiers.iter().all(Vec::is_empty) {
            return;
        }
        let config = Config {
            info_hash,
            peer_id: self.identity.peer_id,
            port: self.identity.port,
            key: self.key,
            ip: None,
            tiers: Tiers::AtOnce,
        };
        let number = (torrent.index() as u64) << 32 | u64::from(torrent.generation());
        let rng = self.identity.rng.fork_indexed("announcer", number);
        let announcer = Announcer::new(config, tiers, rng);
        let one = One { announcer, due: None, running: false, leaving: false };
        self.announcers.insert(torrent, one);
    }

    /// The torrent is gone.
    pub(super) fn forget(&mut self, torrent: TorrentId) {
        self.watched.remove(&torrent);
        if let Some(one) = self.announcers.get_mut(&torrent) {
            one.leaving = true;
            if !one.running {
                self.remove(torrent);
            }
        }
    }

    fn remove(&mut self, torrent: TorrentId) {
        let due = self.announcers.remove(&torrent).and_then(|one| one.due);
        if let Some(at) = due {
            self.due.remove(&(at, torrent));
        }
    }

    /// When an announcer has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        let watch = (!self.watched.is_empty()).then_some(self.watch_at);
        let udp = self.udp.deadline().map(|(at, _)| at);
        self.due.first().map(|&(at, _)| at).into_iter().chain(watch).chain(udp).min()
    }

    /// Notes when an announcer has something to do next.
    fn plan(&mut self, torrent: TorrentId) {
        let Some(one) = self.announcers.get_mut(&torrent) else { return };
        let next = one.announcer.deadline().map(|(at, _)| at);
        if next == one.due {
            return;
        }
        if let Some(at) = std::mem::replace(&mut one.due, next) {
            self.due.remove(&(at, torrent));
        }
        self.due.extend(next.map(|at| (at, torrent)));
    }

    /// The announcer runs from now on, or not any more.
    fn set_running(&mut self, torrent: TorrentId, running: bool) {
        let Some(one) = self.announcers.get_mut(&torrent) else { return };
        match (std::mem::replace(&mut one.running, running), running) {
            (false, true) => self.running += 1,
            (true, false) => self.running -= 1,
            _ => {}
        }
        if running {
            self.watched.insert(torrent);
        } else {
            self.watched.remove(&torrent);
        }
    }

    /// Whether no tracker waits to hear that we leave.
    pub(super) fn are_told(&self) -> bool {
        self.running == 0
    }

    /// How the trackers of a torrent stand.
    pub(super) fn status(&self, torrent: TorrentId, now: Time) -> Vec<TrackerStatus> {
        let Some(one) = self.announcers.get(&torrent) else { return Vec::new() };
        one.announcer.status().into_iter().map(|status| show(status, now)).collect()
    }

    /// Has something asked over HTTP, or looked up.
    pub(super) fn ask(&mut self, ask: Ask) -> Result<(), String> {
        if self.client.is_none() {
            let tell = self.tell.clone();
            let user_agent = self.identity.user_agent.clone();
            let options = HttpOptions { user_agent, ..HttpOptions::default() };
            let client = TrackerClient::start(options, move |reply| tell.send(reply));
            self.client = Some(client.map_err(|error| error.to_string())?);
        }
        if let Some(client) = &self.client {
            client.ask(ask);
        }
        Ok(())
    }
}

impl Brain {
    /// The torrent transfers, or transfers again.
    pub(super) fn start_announcing(&mut self, now: Time, torrent: TorrentId) {
        self.trackers.set_running(torrent, true);
        self.tell_announcer(now, torrent, tracker::Event::Start);
    }

    /// Tells an announcer a fact, and carries out what it wants.
    pub(super) fn tell_announcer(&mut self, now: Time, torrent: TorrentId, event: tracker::Event) {
        self.with_announcer(now, torrent, |announcer, out| announcer.handle(now, event, out));
    }

    /// Tells all announcers that we leave.
    pub(super) fn stop_announcing(&mut self, now: Time) {
        for torrent in self.trackers.announcers.keys().copied().collect::<Vec<_>>() {
            self.tell_announcer(now, torrent, tracker::Event::Stop);
        }
    }

    /// Does what announcers have to do by now.
    pub(super) fn advance_announcers(&mut self, now: Time) {
        let due = self.trackers.due.iter().take_while(|(at, _)| *at <= now);
        for torrent in due.map(|&(_, torrent)| torrent).collect::<Vec<_>>() {
            self.look_after(now, torrent);
        }
        if !self.trackers.watched.is_empty() && self.trackers.watch_at <= now {
            self.trackers.watch_at = now.after(WATCH);
            for torrent in self.trackers.watched.iter().copied().collect::<Vec<_>>() {
                self.look_after(now, torrent);
            }
        }
    }

    /// Tells an announcer how its torrent is doing, and has it do what is due.
    fn look_after(&mut self, now: Time, torrent: TorrentId) {
        let status = self.engine.status(torrent);
        if status.is_none_or(|status| status.state == State::Seeding) {
            // A seed wants what it is told now, for ever.
            self.trackers.watched.remove(&torrent);
        }
        self.with_announcer(now, torrent, |announcer, out| {
            if let Some(status) = status {
                announcer.handle(now, want(&status), out);
            }
            announcer.advance(now, out);
        });
    }

    /// An answer from outside.
    pub(super) fn take_tracker_reply(&mut self, now: Time, reply: TrackerReply) {
        match reply {
            TrackerReply::Tracker { torrent, id, outcome } => {
                self.tell_announcer(now, torrent, outcome.event(id));
            }
            TrackerReply::Host { torrent, id, question, path, addresses } => {
                self.found_tracker(now, torrent, id, question, path, addresses);
            }
            TrackerReply::Nodes(nodes) => self.found_nodes(now, nodes),
            TrackerReply::Peers { torrent, peers } => {
                self.handle(now, Event::Peers(torrent, PeerSource::Tracker, peers));
            }
        }
    }

    fn with_announcer(
        &mut self,
        now: Time,
        torrent: TorrentId,
        tell: impl FnOnce(&mut Announcer, &mut Outbox<Action>),
    ) {
        let mut out = std::mem::take(&mut self.trackers.outbox);
        if let Some(one) = self.trackers.announcers.get_mut(&torrent) {
            if let Some(status) = self.engine.status(torrent) {
                let Status { uploaded, downloaded, left, state, .. } = status;
                // Who has nothing left is told of nobody who has everything.
                let left = if let State::Seeking(_) = state { LEFT_UNKNOWN } else { left };
                let progress = Progress { uploaded, downloaded, left };
                one.announcer.handle(now, tracker::Event::Progress(progress), &mut out);
            }
            tell(&mut one.announcer, &mut out);
        }
        let actions: Vec<Action> = out.drain().collect();
        self.trackers.outbox = out;
        for action in actions {
            self.announcer_wants(now, torrent, action);
        }
        self.trackers.plan(torrent);
    }

    fn announcer_wants(&mut self, now: Time, torrent: TorrentId, action: Action) {
        match action {
            Action::Ask { id, kind, url } => {
                let asked = self.trackers.ask(Ask::Tracker { torrent, id, kind, url });
                if let Err(text) = asked {
                    let problem = Problem { text, retry: None };
                    self.tell_announcer(now, torrent, failed(id, kind, problem));
                }
            }
            Action::AskUdp { id, url, question } => {
                self.trackers.wishes.push_back(Wish { torrent, id, url, question });
            }
            Action::Peers(peers) => {
                self.handle(now, Event::Peers(torrent, PeerSource::Tracker, peers));
            }
            Action::Resolve(names) => {
                // Without a client there would be no names.
                let _ = self.trackers.ask(Ask::Names { torrent, names });
            }
            Action::Notify { tracker, news } => self.tell_news(torrent, tracker, news),
            Action::Stopped => {
                self.trackers.set_running(torrent, false);
                if self.trackers.announcers.get(&torrent).is_some_and(|one| one.leaving) {
                    self.trackers.remove(torrent);
                }
            }
        }
    }

    fn tell_news(&self, torrent: TorrentId, url: String, news: News) {
        let (message, failed) = match news {
            News::Warning(text) => (text, false),
            News::Failure { text, .. } => (text, true),
            News::Recovered => ("it answers again".to_owned(), false),
            News::Unsupported => (UNKNOWN.to_owned(), true),
            News::ExternalIp(_) => return,
        };
        self.news.push(SessionEvent::Tracker { torrent, url, message, failed });
    }
}

const UNKNOWN: &str = "only http, https and udp trackers can be asked";

/// How many more peers a torrent could use.
fn want(status: &Status) -> tracker::Event {
    let downloading = matches!(status.state, State::Downloading | State::Seeking(_));
    let urgent = downloading && status.peers < FEW && status.unchoked_by == 0;
    let peers = if downloading { WANT.0 } else { WANT.1 };
    tracker::Event::Want { peers, urgent }
}

fn show(status: tracker::Status, now: Time) -> TrackerStatus {
    let tracker::Status { url, tier, state, next, peers, seeds, leechers, message, .. } = status;
    let reason = || message.clone().unwrap_or_default();
    let state = match state {
        tracker::State::Waiting => TrackerState::Unused,
        tracker::State::Asking => TrackerState::Asking,
        tracker::State::Working => TrackerState::Working { peers },
        tracker::State::Failing | tracker::State::GivenUp => {
            TrackerState::Failed { reason: reason() }
        }
        tracker::State::Unsupported => TrackerState::Failed { reason: UNKNOWN.to_owned() },
    };
    let warning = message.filter(|_| matches!(state, TrackerState::Working { .. }));
    TrackerStatus {
        url,
        tier: tier as usize,
        state,
        warning,
        seeds,
        leeches: leechers,
        next: next.map(|at| at.since(now)),
    }
}
