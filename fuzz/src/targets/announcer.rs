//! The trackers of a torrent: whatever they answer, whenever, they are asked with moderation.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng, Time};
use toubkal_core::tracker::udp::Question;
use toubkal_core::tracker::{
    Action, Announcer, AskId, AskKind, Config, Event, Problem, Progress, Tiers,
};
use toubkal_wire::announce::{Answer, Counts, Failure, Peer, Reply, Retry, ScrapeReply};

/// No tracker is asked again sooner unless something happened that it has to hear of.
const PAUSE: Duration = Duration::from_secs(15);

const URLS: [&str; 8] = [
    "http://a.example/announce",
    "http://b.example/s3cret-passkey-0123/announce",
    "https://c.example/announce?passkey=s3cret-passkey-0123",
    "udp://d.example:80",
    "http://e.example/announce#s3cret-passkey-0123",
    "http://f.example",
    "nonsense",
    "",
];
const SECRET: &str = "s3cret-passkey-0123";

pub(crate) fn announcer(input: &[u8]) {
    let mut world = World::new(Rng::from_bytes(input));
    while !world.rng.is_spent() {
        world.step();
    }
    world.end();
}

struct World {
    rng: Rng,
    now: Time,
    announcer: Announcer,
    out: Outbox<Action>,
    open: BTreeMap<AskId, AskKind>,
    asked_ever: u64,
    /// When each tracker was told each thing last, since something happened that is to be told.
    asked: BTreeMap<String, Time>,
    started: bool,
    stopping: bool,
}

impl World {
    fn new(mut rng: Rng) -> Self {
        let tiers = if rng.one_in(2) { Tiers::InOrder } else { Tiers::AtOnce };
        let ip = rng.one_in(8).then(|| [10, 0, 0, 1].into());
        let config = Config { info_hash: [1; 20], peer_id: [2; 20], port: 6881, key: 7, ip, tiers };
        let urls: Vec<Vec<String>> = (0..rng.below(4))
            .map(|_| (0..rng.below(4)).map(|_| URLS[rng.index(8)].to_owned()).collect())
            .collect();
        Self {
            announcer: Announcer::new(config, &urls, Rng::from_number(3)),
            rng,
            now: Time::START,
            out: Outbox::new(),
            open: BTreeMap::new(),
            asked_ever: 0,
            asked: BTreeMap::new(),
            started: false,
            stopping: false,
        }
    }

    fn step(&mut self) {
        match self.rng.below(16) {
            0 => {
                // What was told before may be told anew.
                self.asked.clear();
                (self.started, self.stopping) = (true, false);
                self.tell(Event::Start);
            }
            1 => {
                self.asked.clear();
                self.stopping = self.started;
                self.tell(Event::Stop);
            }
            2 => {
                self.asked.clear();
                self.tell(Event::Completed);
            }
            3 => {
                self.asked.clear();
                self.tell(Event::Refresh);
            }
            4 => self.tell(Event::Scrape),
            5 => {
                let (uploaded, downloaded) = (self.rng.bits(), self.rng.below(9));
                self.tell(Event::Progress(Progress { uploaded, downloaded, left: downloaded }));
            }
            6 => {
                let peers = [0, 1, 80, u32::MAX][self.rng.index(4)];
                let urgent = self.rng.one_in(2);
                self.tell(Event::Want { peers, urgent });
            }
            7..=11 => self.answer(),
            _ => {
                let wait = Duration::from_secs(1 << self.rng.below(18));
                self.pass(wait);
            }
        }
    }

    fn answer(&mut self) {
        let ids: Vec<AskId> = self.open.keys().copied().collect();
        // Some answers come twice, and some are to nothing.
        let id = match self.rng.index(ids.len() + 2) {
            known if known < ids.len() => ids[known],
            _ => AskId(self.rng.below(self.asked_ever + 2)),
        };
        let kind = if self.rng.one_in(8) { self.open.get(&id) } else { None };
        let kind = kind.copied().or(self.open.remove(&id)).unwrap_or(AskKind::Announce);
        let event = match kind {
            AskKind::Announce if self.rng.one_in(3) => Event::Announced(id, Err(self.problem())),
            AskKind::Announce => Event::Announced(id, Ok(self.reply())),
            AskKind::Scrape if self.rng.one_in(3) => Event::Scraped(id, Err(self.problem())),
            AskKind::Scrape => {
                let counts = Counts { complete: u32::MAX, incomplete: 1, downloaded: 0 };
                let reply = match self.rng.below(3) {
                    0 => ScrapeReply::Failure(self.failure()),
                    1 => ScrapeReply::Counts(BTreeMap::new()),
                    _ => ScrapeReply::Counts([([1; 20], counts)].into()),
                };
                Event::Scraped(id, Ok(reply))
            }
        };
        self.tell(event);
    }

    fn reply(&mut self) -> Reply {
        if self.rng.one_in(4) {
            return Reply::Failure(self.failure());
        }
        let seconds = [i64::MIN, -1, 0, 1, 59, 60, 1800, 4000, 1 << 40, i64::MAX];
        let peer = SocketAddr::from(([10, 0, 0, self.rng.below(256) as u8], 6881));
        let some = |rng: &mut Rng| rng.one_in(2).then(|| seconds[rng.index(10)]);
        Reply::Answer(Answer {
            warning: self.rng.one_in(4).then(|| self.text()),
            interval: some(&mut self.rng),
            min_interval: some(&mut self.rng),
            tracker_id: self.rng.one_in(4).then(|| vec![self.rng.below(256) as u8; 3]),
            complete: Some(1),
            peers: (0..self.rng.below(3)).map(|_| Peer { address: peer, id: None }).collect(),
            names: (0..self.rng.below(2)).map(|_| ("h.example".to_owned(), 1)).collect(),
            external_ip: self.rng.one_in(4).then(|| peer.ip()),
            ..Answer::default()
        })
    }

    fn failure(&mut self) -> Failure {
        Failure { reason: self.text(), retry: self.retry() }
    }

    fn problem(&mut self) -> Problem {
        Problem { text: self.text(), retry: self.retry() }
    }

    fn retry(&mut self) -> Option<Retry> {
        let minutes = [0, 1, 30, u64::MAX];
        match self.rng.below(8) {
            0 => Some(Retry::Never),
            1 => Some(Retry::After(Duration::from_secs(minutes[self.rng.index(4)]))),
            _ => None,
        }
    }

    fn text(&mut self) -> String {
        let texts = ["", "down", "no such key: s3cret-passkey-0123", "\u{1b}[2J", "\u{202e}x"];
        texts[self.rng.index(5)].to_owned()
    }

    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some((at, why)) = self.announcer.deadline().filter(|&(at, _)| at <= end) {
            self.now = self.now.max(at);
            self.announcer.advance(self.now, &mut self.out);
            self.judge();
            let next = self.announcer.deadline();
            assert!(next.is_none_or(|(at, _)| at > self.now), "{why} is never done: {next:?}");
        }
        self.now = end;
    }

    fn tell(&mut self, event: Event) {
        self.announcer.handle(self.now, event, &mut self.out);
        self.judge();
    }

    fn judge(&mut self) {
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::AskUdp { id, url, question } => self.judge_udp(id, &url, &question),
                Action::Ask { id, kind, url } => {
                    let scrape = kind == AskKind::Scrape;
                    assert!(self.started || scrape, "nothing is announced before the start");
                    assert_eq!(id.0, self.asked_ever + 1, "names are given once, in order");
                    self.asked_ever = id.0;
                    self.open.insert(id, kind);
                    self.judge_pace(kind, &url);
                }
                Action::Peers(peers) => assert!(self.started && !peers.is_empty()),
                Action::Resolve(names) => assert!(self.started && !names.is_empty()),
                Action::Notify { tracker, news } => {
                    assert_secret(&tracker, &format!("{news:?}"));
                    assert!(!tracker.chars().any(char::is_control));
                }
                Action::Stopped => self.stopping = false,
            }
        }
        for status in self.announcer.status() {
            assert_secret(&status.url, &format!("{status:?}"));
        }
    }

    /// What goes over UDP would be the same over HTTP.
    fn judge_udp(&mut self, id: AskId, url: &str, question: &Question) {
        assert!(url.starts_with("udp:"), "{url}");
        assert_eq!(id.0, self.asked_ever + 1, "names are given once, in order");
        self.asked_ever = id.0;
        let http = url.replace("udp:", "http:");
        match question {
            Question::Announce(query) => {
                assert!(self.started, "nothing is announced before the start");
                self.open.insert(id, AskKind::Announce);
                self.judge_pace(AskKind::Announce, &query.url(&http));
            }
            Question::Scrape(_) => _ = self.open.insert(id, AskKind::Scrape),
        }
    }

    fn judge_pace(&mut self, kind: AskKind, url: &str) {
        let (base, query) = url.split_once('?').expect("a question has a query");
        assert!(base.starts_with("http"), "{url}");
        if kind == AskKind::Announce {
            let event = query.split('&').find(|part| part.starts_with("event="));
            let what = format!("{base} {}", event.unwrap_or_default());
            let last = self.asked.insert(what, self.now);
            let pause = last.map(|last| self.now.since(last));
            assert!(pause.is_none_or(|pause| pause >= PAUSE), "{base} after {pause:?}");
        }
    }

    /// Whatever happened, and if no tracker ever answers again: it stops soon.
    fn end(&mut self) {
        self.asked.clear();
        self.stopping = true;
        self.tell(Event::Stop);
        self.pass(Duration::from_secs(60));
        assert!(!self.stopping, "it does not stop: {:?}", self.announcer);
        assert_eq!(self.announcer.deadline().filter(|(_, why)| *why != "tracker silence"), None);
    }
}

/// What is told of a tracker that knows a secret of ours does not hold it.
fn assert_secret(tracker: &str, told: &str) {
    let knows = ["b.example", "c.example", "e.example"].iter().any(|host| tracker.contains(host));
    let leaks = tracker.contains(SECRET) || (knows && told.contains(SECRET));
    assert!(!leaks, "{tracker}: {told}");
}
