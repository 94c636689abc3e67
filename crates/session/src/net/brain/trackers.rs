//! The announcers of the torrents: what they are told, and who carries out what they want.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use toubkal_core::base::{Machine, Outbox, Rng, Time};
use toubkal_core::engine::{Event, PeerSource, State, Status, TorrentId};
use toubkal_core::tracker::udp::Udp;
use toubkal_core::tracker::{self, Action, Announcer, Config, News, Problem, Progress, Tiers};

use super::Brain;
use super::datagrams::{Asker, Wish, failed};
use super::resting::Looked;
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

/// Dormant torrents are announced so far apart, should many be due at once: after a start, a
/// hundred thousand within about half an hour.
const APART: Duration = Duration::from_millis(20);
/// A dormant torrent whose trackers could not be asked is announced again after this.
const REST: Duration = Duration::from_secs(1800);

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
    /// Dormant torrents with trackers: their announcers are made when they are due.
    naps: HashMap<TorrentId, Nap>,
    /// When the next of them may be due.
    apart_at: Time,
}

/// What is known of the announces of a dormant torrent.
#[derive(Clone, Copy, Debug)]
struct Nap {
    due: Time,
    /// The trackers were told that it is there.
    known: bool,
}

struct One {
    announcer: Announcer,
    due: Option<Time>,
    /// Between the start and [`Action::Stopped`].
    running: bool,
    /// When it is to go on where one before it left off.
    resumes: Option<Time>,
    /// Its torrent is dormant: it goes when it has its answer.
    passing: bool,
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
            naps: HashMap::new(),
            apart_at: Time::START,
        }
    }

    /// Gives a torrent its announcer, if it has trackers.
    pub(super) fn add(&mut self, torrent: TorrentId, info_hash: [u8; 20], tiers: &[Vec<String>]) {
        if tiers.iter().all(Vec::is_empty) {
            return;
        }
        if let Some(one) = self.announcers.get_mut(&torrent) {
            // It is just announcing the torrent, which was dormant.
            one.passing = false;
            return;
        }
        let resumes = self.wake(torrent).filter(|nap| nap.known).map(|nap| nap.due);
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
        let (running, passing, leaving) = (false, false, false);
        let one = One { announcer, due: None, running, resumes, passing, leaving };
        self.announcers.insert(torrent, one);
    }

    /// The torrent is gone.
    pub(super) fn forget(&mut self, torrent: TorrentId) {
        self.watched.remove(&torrent);
        self.wake(torrent);
        if let Some(one) = self.announcers.get_mut(&torrent) {
            one.leaving = true;
            if !one.running {
                self.remove(torrent);
            }
        }
    }

    /// A dormant torrent with trackers that are to be told of it, not all at once.
    pub(super) fn rest_anew(&mut self, torrent: TorrentId, now: Time) {
        let due = self.apart_at.max(now);
        self.apart_at = due.after(APART);
        self.nap(torrent, Nap { due, known: false });
    }

    /// The torrent is dormant from now on.
    pub(super) fn rest(&mut self, now: Time, torrent: TorrentId) {
        let Some(one) = self.announcers.get(&torrent) else { return };
        let failing = one.announcer.status().iter().all(|it| it.state != tracker::State::Working);
        let next = one.announcer.deadline().map_or(now.after(REST), |(at, _)| at);
        let due = if failing { next.max(now.after(REST)) } else { next };
        let known = one.running;
        self.set_running(torrent, false);
        self.remove(torrent);
        self.nap(torrent, Nap { due, known });
    }

    fn nap(&mut self, torrent: TorrentId, nap: Nap) {
        self.naps.insert(torrent, nap);
        self.due.insert((nap.due, torrent));
    }

    fn wake(&mut self, torrent: TorrentId) -> Option<Nap> {
        let nap = self.naps.remove(&torrent)?;
        self.due.remove(&(nap.due, torrent));
        Some(nap)
    }

    /// Whether a dormant torrent is one of which nobody lacks anything, as its trackers say.
    fn knows_seeds_alone(&self, torrent: TorrentId) -> bool {
        self.announcers.get(&torrent).is_some_and(|one| {
            let nobody = |it: &tracker::Status| it.leechers.is_none_or(|count| count == 0);
            one.passing && one.announcer.status().iter().all(nobody)
        })
    }

    /// The announcer of a dormant torrent has nothing more to do.
    fn has_passed(&self, torrent: TorrentId) -> bool {
        self.announcers.get(&torrent).is_some_and(|one| {
            let asking = |it: &tracker::Status| it.state == tracker::State::Asking;
            one.passing && !one.announcer.status().iter().any(asking)
        })
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

    /// The trackers of a torrent in tiers; `None` while they are only in the database.
    pub(super) fn tiers(&self, torrent: TorrentId) -> Option<Vec<Vec<String>>> {
        let mut tiers: Vec<Vec<String>> = Vec::new();
        for status in self.announcers.get(&torrent)?.announcer.status() {
            let tier = status.tier as usize;
            tiers.resize_with(tiers.len().max(tier + 1), Vec::new);
            tiers[tier].push(status.announce.0);
        }
        Some(tiers)
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
        let one = self.trackers.announcers.get_mut(&torrent);
        let resumes = one.and_then(|one| one.resumes.take());
        let event = resumes.map_or(tracker::Event::Start, tracker::Event::Resume);
        self.tell_announcer(now, torrent, event);
    }

    /// Tells an announcer a fact, and carries out what it wants.
    pub(super) fn tell_announcer(&mut self, now: Time, torrent: TorrentId, event: tracker::Event) {
        self.with_announcer(now, torrent, |announcer, out| announcer.handle(now, event, out));
    }

    /// Has the trackers of a torrent asked now.
    pub(super) fn announce(&mut self, now: Time, torrent: TorrentId) {
        if let Some(nap) = self.trackers.wake(torrent) {
            self.trackers.nap(torrent, Nap { due: now, ..nap });
        }
        self.tell_announcer(now, torrent, tracker::Event::Refresh);
    }

    /// Gives a torrent other trackers.
    pub(super) fn set_trackers(&mut self, now: Time, torrent: TorrentId, tiers: Vec<Vec<String>>) {
        let Some(held) = self.torrents.held.get(&torrent) else { return };
        let (info_hash, dormant) = (held.info_hash, held.files.is_none());
        if let Some((state, key)) = self.remembered(torrent) {
            let tiers = tiers.clone();
            state.change(key, Box::new(move |row| row.trackers = Some(tiers)));
        }
        if self.trackers.announcers.contains_key(&torrent) {
            self.tell_announcer(now, torrent, tracker::Event::Trackers(tiers));
            return;
        }
        self.trackers.wake(torrent);
        if tiers.iter().all(Vec::is_empty) {
            return;
        }
        if dormant {
            return self.trackers.nap(torrent, Nap { due: now, known: false });
        }
        self.trackers.add(torrent, info_hash, &tiers);
        let state = self.engine.status(torrent).map(|status| status.state);
        if matches!(state, Some(State::Downloading | State::Seeding | State::Seeking(_))) {
            self.start_announcing(now, torrent);
        }
    }

    /// Tells all announcers that we leave. Trackers of dormant torrents will notice.
    pub(super) fn stop_announcing(&mut self, now: Time) {
        for torrent in self.trackers.naps.keys().copied().collect::<Vec<_>>() {
            self.trackers.wake(torrent);
        }
        for torrent in self.trackers.announcers.keys().copied().collect::<Vec<_>>() {
            self.tell_announcer(now, torrent, tracker::Event::Stop);
        }
    }

    /// Does what announcers have to do by now.
    pub(super) fn advance_announcers(&mut self, now: Time) {
        let due = self.trackers.due.iter().take_while(|(at, _)| *at <= now);
        for torrent in due.map(|&(_, torrent)| torrent).collect::<Vec<_>>() {
            match self.trackers.naps.contains_key(&torrent) {
                true => self.wake_announcer(now, torrent),
                false => self.look_after(now, torrent),
            }
        }
        if !self.trackers.watched.is_empty() && self.trackers.watch_at <= now {
            self.trackers.watch_at = now.after(WATCH);
            for torrent in self.trackers.watched.iter().copied().collect::<Vec<_>>() {
                self.look_after(now, torrent);
            }
        }
    }

    /// A dormant torrent is to be announced: its trackers are looked up.
    fn wake_announcer(&mut self, now: Time, torrent: TorrentId) {
        let Some(nap) = self.trackers.wake(torrent) else { return };
        // Should nothing come of it.
        self.trackers.nap(torrent, Nap { due: now.after(REST), ..nap });
        let found = self.tell_found.clone();
        if let Some((state, key)) = self.remembered(torrent) {
            let then = move |tiers: Result<_, _>| {
                found.send(Looked::Trackers(torrent, tiers.unwrap_or_default()));
            };
            state.trackers(key, Box::new(then));
        }
    }

    /// The trackers of a dormant torrent are known: it is announced.
    pub(super) fn announce_resting(
        &mut self,
        now: Time,
        torrent: TorrentId,
        tiers: &[Vec<String>],
    ) {
        let Some(&Nap { known, .. }) = self.trackers.naps.get(&torrent) else { return };
        let Some(held) = self.torrents.held.get(&torrent) else { return };
        self.trackers.add(torrent, held.info_hash, tiers);
        let Some(one) = self.trackers.announcers.get_mut(&torrent) else { return };
        one.passing = true;
        one.resumes = known.then_some(now);
        self.start_announcing(now, torrent);
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
        match self.trackers.has_passed(torrent) {
            true => self.trackers.rest(now, torrent),
            false => self.trackers.plan(torrent),
        }
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
            // A seed has no use for seeds: the torrent stays dormant.
            Action::Peers(_) if self.trackers.knows_seeds_alone(torrent) => {}
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
    let tracker::Status {
        announce, url, tier, state, next, peers, seeds, leechers, message, ..
    } = status;
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
        announce,
        url,
        tier: tier as usize,
        state,
        warning,
        seeds,
        leeches: leechers,
        next: next.map(|at| at.since(now)),
    }
}
