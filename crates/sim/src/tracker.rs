//! A tracker, and the announcers of hosts that ask it: real ones, over real queries and replies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Time};
use toubkal_core::engine::{Event, PeerSource, State, Status};
use toubkal_core::tracker::{
    Action, Announcer, AskId, AskKind, Config, Event as Fact, Problem, Progress, Tiers,
};
use toubkal_wire::announce::{Answer, Event as Why, Failure, Peer, Query, Reply};

use crate::chance::Chance;
use crate::faults::TrackerFaults;
use crate::queue::Delivery;
use crate::world::World;

const URL: &str = "http://tracker.test/announce";
/// How often announcers hear how the torrent is doing, as in a session.
const WATCH: Duration = Duration::from_secs(5);
/// Seconds between two announces.
const INTERVAL: i64 = 60;
/// After this a question counts as unanswered, as in a session.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tracker of one torrent.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// Who announced, and how much each lacks.
    peers: BTreeMap<SocketAddr, u64>,
    chance: Chance,
    /// Announces that were answered.
    answered: u64,
}

/// The announcer of a host.
#[derive(Debug)]
pub(crate) struct Client {
    announcer: Announcer,
    pub(crate) wake_at: Option<Time>,
}

/// What came back from the tracker.
pub(crate) type Told = (AskId, Result<Reply, String>);

impl Tracker {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { peers: BTreeMap::new(), chance, answered: 0 }
    }

    /// The body that answers a question of this host; `None`: nobody answers.
    fn answer(
        &mut self,
        from: SocketAddr,
        info_hash: [u8; 20],
        url: &str,
        faults: &TrackerFaults,
    ) -> Option<Vec<u8>> {
        if self.chance.millionths(faults.silent) {
            return None;
        }
        if self.chance.millionths(faults.refuses) {
            return Some(Reply::Failure(Failure::new("not today")).encode(true));
        }
        if self.chance.millionths(faults.garbage) {
            let length = self.chance.index(100);
            return Some(self.chance.bytes(length));
        }
        let (_, query) = url.split_once('?').expect("an announce has a query");
        let query = Query::parse(query).expect("the announcer asks as it should");
        assert_eq!(query.info_hash, info_hash, "of the torrent that it has");
        let address = SocketAddr::new(from.ip(), query.port);
        if query.event == Some(Why::Stopped) {
            self.peers.remove(&address);
        } else {
            self.peers.insert(address, query.left);
        }
        // We are in our own list, as with trackers that do not look.
        let mut others: Vec<SocketAddr> = self.peers.keys().copied().collect();
        if self.chance.millionths(faults.empty) {
            others.clear();
        }
        for _ in 0..self.chance.below(u64::from(faults.dead) + 1) {
            let last = self.chance.below(250) as u8;
            others.push(SocketAddr::from(([10, 99, 0, last], 6881)));
        }
        self.chance.shuffle(&mut others);
        others.truncate(query.numwant.unwrap_or(50).min(200) as usize);
        self.answered += 1;
        let peers = others.into_iter().map(|address| Peer { address, id: None }).collect();
        let complete = self.peers.values().filter(|&&left| left == 0).count() as u32;
        let answer = Answer {
            interval: Some(INTERVAL),
            complete: Some(complete),
            incomplete: Some(self.peers.len() as u32 - complete),
            peers,
            ..Answer::default()
        };
        let compact = self.chance.one_in(2);
        Some(Reply::Answer(answer).encode(compact))
    }
}

impl World {
    /// Gives the world a tracker: hosts that join from now on announce themselves there, and hear
    /// of each other from nobody else.
    pub fn add_tracker(&mut self) {
        self.tracker = Some(Tracker::new(self.chance.fork("tracker")));
    }

    /// The torrent transfers, or transfers again: the announcer starts.
    pub(crate) fn start_announcing(&mut self, host: usize) {
        if self.tracker.is_none() {
            return;
        }
        let machine = &mut self.hosts[host];
        if machine.client.is_none() {
            let rng = machine.chance.rng().fork_indexed("announcer", machine.life);
            let config = Config {
                info_hash: self.info_hash,
                peer_id: machine.peer_id,
                port: 6881,
                key: host as u32,
                ip: None,
                tiers: Tiers::InOrder,
            };
            let announcer = Announcer::new(config, &[vec![URL.to_owned()]], rng);
            machine.client = Some(Client { announcer, wake_at: None });
        }
        self.with_announcer(host, |announcer, now, out| announcer.handle(now, Fact::Start, out));
    }

    /// The announcer has something to do, or is to hear how things stand.
    pub(crate) fn watch_announcer(&mut self, host: usize) {
        let now = self.now;
        let machine = &mut self.hosts[host];
        let Some(client) = machine.client.as_mut() else { return };
        if client.wake_at != Some(now) {
            return;
        }
        client.wake_at = None;
        let status = machine.torrent.and_then(|torrent| machine.engine.status(torrent));
        self.with_announcer(host, |announcer, now, out| {
            if let Some(status) = status {
                announcer.handle(now, want(&status), out);
            }
            announcer.advance(now, out);
        });
    }

    pub(crate) fn told_by_tracker(&mut self, host: usize, (id, told): Told) {
        self.log(host, "told", || format!("{}", told.is_ok()));
        let told = told.map_err(|text| Problem { text, retry: None });
        self.with_announcer(host, |announcer, now, out| {
            announcer.handle(now, Fact::Announced(id, told), out);
        });
    }

    fn with_announcer(
        &mut self,
        host: usize,
        tell: impl FnOnce(&mut Announcer, Time, &mut Outbox<Action>),
    ) {
        let now = self.now;
        let machine = &mut self.hosts[host];
        let local = machine.clock.read(now);
        let Some(client) = machine.client.as_mut() else { return };
        let mut out = Outbox::new();
        if let Some(status) = machine.torrent.and_then(|torrent| machine.engine.status(torrent)) {
            let Status { uploaded, downloaded, left, .. } = status;
            let progress = Progress { uploaded, downloaded, left };
            client.announcer.handle(local, Fact::Progress(progress), &mut out);
        }
        tell(&mut client.announcer, local, &mut out);
        let due = client.announcer.deadline().map(|(at, _)| machine.clock.when(now, at));
        let at = due.map_or(now.after(WATCH), |due| due.min(now.after(WATCH)));
        if client.wake_at.is_none_or(|set| at < set || set <= now) {
            client.wake_at = Some(at);
            self.at(at, Delivery::Watch { host });
        }
        for action in out.drain() {
            match action {
                Action::Ask { id, kind: AskKind::Announce, url } => self.ask(host, id, &url),
                Action::Peers(peers) => {
                    if let Some(torrent) = self.hosts[host].torrent {
                        self.tell(host, Event::Peers(torrent, PeerSource::Tracker, peers));
                    }
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, host: usize, id: AskId, url: &str) {
        let machine = &self.hosts[host];
        let (address, life, latency) = (machine.address, machine.life, machine.setup.latency);
        let faults = self.faults.tracker;
        let Some(tracker) = self.tracker.as_mut() else { return };
        let wait = latency * 2 + tracker.chance.wait(faults.delay);
        let (wait, told) = match tracker.answer(address, self.info_hash, url, &faults) {
            None => (PATIENCE, Err("nobody answers".to_owned())),
            Some(body) => (wait, Reply::decode(&body).map_err(|error| error.to_string())),
        };
        self.after(wait, Delivery::Told { host, life, told: Box::new((id, told)) });
    }
}

/// What more peers would be worth, as a session says it.
fn want(status: &Status) -> Fact {
    let seeking = matches!(status.state, State::Seeking(_));
    let downloading = seeking || status.state == State::Downloading;
    let urgent = downloading && status.peers < 5 && status.unchoked_by == 0;
    Fact::Want { peers: if downloading { 80 } else { 30 }, urgent }
}
