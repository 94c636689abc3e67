use super::*;
use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use std::string::ToString;
use std::{format, vec};
use toubkal_wire::announce::{Counts, Peer, Retry};

/// How a tracker behaves.
#[derive(Clone)]
enum Says {
    Reply(Reply),
    /// It cannot be reached.
    Down,
    /// It never answers.
    Nothing,
}

/// A question as the tracker sees it.
#[derive(Debug)]
struct Seen {
    at: Time,
    host: String,
    query: Query,
}

impl Seen {
    fn secs(&self) -> u64 {
        self.at.as_nanos() / 1_000_000_000
    }
}

/// An announcer and its trackers in virtual time; an answer takes 100 ms.
struct World {
    now: Time,
    announcer: Announcer,
    out: Outbox<Action>,
    trackers: BTreeMap<String, Says>,
    waiting: Vec<(Time, AskId, AskKind, Says)>,
    seen: Vec<Seen>,
    scrapes: Vec<String>,
    peers: Vec<SocketAddr>,
    names: Vec<(String, u16)>,
    news: Vec<(String, News)>,
    stopped: u32,
}

fn config(tiers: Tiers) -> Config {
    Config { info_hash: [1; 20], peer_id: [2; 20], port: 6881, key: 7, ip: None, tiers }
}

fn url(host: &str) -> String {
    format!("http://{host}/announce")
}

/// `a b|c` is a first tier of a and b, and a second of c.
fn world_in(tiers: Tiers, hosts: &str) -> World {
    let hosts = hosts.split('|').map(|tier| tier.split(' ').map(url).collect());
    let hosts: Vec<Vec<String>> = hosts.collect();
    World {
        now: Time::START.after(Duration::from_secs(1000)),
        announcer: Announcer::new(config(tiers), &hosts, Rng::from_number(5)),
        out: Outbox::new(),
        trackers: BTreeMap::new(),
        waiting: Vec::new(),
        seen: Vec::new(),
        scrapes: Vec::new(),
        peers: Vec::new(),
        names: Vec::new(),
        news: Vec::new(),
        stopped: 0,
    }
}

fn world(hosts: &str) -> World {
    world_in(Tiers::InOrder, hosts)
}

fn good() -> Answer {
    Answer { interval: Some(1800), ..Answer::default() }
}

fn answers(answer: Answer) -> Says {
    Says::Reply(Reply::Answer(answer))
}

fn refuses(reason: &str, retry: Option<Retry>) -> Says {
    Says::Reply(Reply::Failure(Failure { reason: reason.into(), retry }))
}

impl World {
    fn says(&mut self, host: &str, says: Says) {
        self.trackers.insert(host.into(), says);
    }

    fn tell(&mut self, event: Event) {
        self.announcer.handle(self.now, event, &mut self.out);
        self.carry_out();
    }

    /// Nothing more is needed.
    fn content(&mut self) {
        self.tell(Event::Want { peers: 0, urgent: false });
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now.after(Duration::from_secs(seconds));
        loop {
            let answer = self.waiting.iter().map(|waiting| waiting.0).min();
            let deadline = self.announcer.deadline().map(|(at, _)| at);
            let Some(next) = answer.into_iter().chain(deadline).min().filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            if let Some(at) = self.waiting.iter().position(|waiting| waiting.0 <= self.now) {
                let (_, id, kind, says) = self.waiting.remove(at);
                self.answer(id, kind, says);
            } else {
                self.announcer.advance(self.now, &mut self.out);
                self.carry_out();
                let after = self.announcer.deadline();
                assert!(after.is_none_or(|(at, _)| at > self.now), "{after:?} is not later");
            }
        }
        self.now = end;
    }

    fn answer(&mut self, id: AskId, kind: AskKind, says: Says) {
        let down = Problem { text: "connection refused".into(), retry: None };
        let event = match (kind, says) {
            (AskKind::Announce, Says::Reply(reply)) => Event::Announced(id, Ok(reply)),
            (AskKind::Announce, _) => Event::Announced(id, Err(down)),
            (AskKind::Scrape, _) => {
                let counts = Counts { complete: 4, incomplete: 5, downloaded: 6 };
                Event::Scraped(id, Ok(ScrapeReply::Counts([([1; 20], counts)].into())))
            }
        };
        self.tell(event);
    }

    fn carry_out(&mut self) {
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Ask { id, kind, url } => self.ask(id, kind, &url),
                Action::AskUdp { id, url, question } => self.ask_udp(id, &url, question),
                Action::Peers(peers) => self.peers.extend(peers),
                Action::Resolve(names) => self.names.extend(names),
                Action::Notify { tracker, news } => self.news.push((tracker, news)),
                Action::Stopped => self.stopped += 1,
            }
        }
    }

    fn ask(&mut self, id: AskId, kind: AskKind, url: &str) {
        let host = url.split('/').nth(2).unwrap().to_string();
        let says = self.trackers.get(&host).cloned().unwrap_or(answers(good()));
        let (path, query) = url.split_once('?').unwrap();
        if kind == AskKind::Scrape {
            assert!(path.ends_with("/scrape"));
            self.scrapes.push(host);
        } else {
            let query = Query::parse(query).unwrap();
            self.seen.push(Seen { at: self.now, host, query });
        }
        if !matches!(says, Says::Nothing) {
            let at = self.now.after(Duration::from_millis(100));
            self.waiting.push((at, id, kind, says));
        }
    }

    fn ask_udp(&mut self, id: AskId, url: &str, question: Question) {
        let http = url.replace("udp://", "http://");
        match question {
            Question::Announce(query) => self.ask(id, AskKind::Announce, &query.url(&http)),
            Question::Scrape(hash) => {
                let url = scrape_url(&http, &[hash]).unwrap();
                self.ask(id, AskKind::Scrape, &url);
            }
        }
    }

    /// Who was asked, with the event's first letters.
    fn story(&self) -> String {
        let one = |seen: &Seen| match seen.query.event {
            None => seen.host.clone(),
            Some(why) => format!("{}+{}", seen.host, &format!("{why:?}")[..4].to_lowercase()),
        };
        self.seen.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn gaps(&self) -> Vec<u64> {
        self.seen.windows(2).map(|pair| pair[1].secs() - pair[0].secs()).collect()
    }

    fn state(&self, host: &str) -> Status {
        let all = self.announcer.status();
        all.into_iter().find(|status| status.url == url(host)).unwrap()
    }
}

#[test]
fn a_torrent_tells_started_then_nothing_then_completed_then_stopped() {
    let mut world = world("a");
    world.tell(Event::Progress(Progress { uploaded: 1, downloaded: 2, left: 3 }));
    world.tell(Event::Start);
    world.content();
    world.run(1900);
    world.tell(Event::Progress(Progress { uploaded: 1, downloaded: 5, left: 0 }));
    world.tell(Event::Completed);
    world.run(10);
    world.tell(Event::Stop);
    world.run(10);
    assert_eq!(world.story(), "a+star a a+comp a+stop");
    assert_eq!(world.stopped, 1);
    assert_eq!(world.announcer.deadline(), None);
    let query = &world.seen[0].query;
    assert_eq!((query.uploaded, query.downloaded, query.left), (1, 2, 3));
    assert_eq!((query.key, query.port, query.numwant), (Some(7), 6881, Some(80)));
    assert_eq!(world.seen[1].query.numwant, Some(0));
    assert_eq!((world.seen[2].query.left, world.seen[3].query.numwant), (0, Some(0)));
}

#[test]
fn a_torrent_that_was_complete_never_tells_completed() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.content();
    world.run(4000);
    world.tell(Event::Stop);
    world.run(1);
    assert_eq!(world.story(), "a+star a a a+stop");
}

#[test]
fn a_download_that_ends_before_started_is_answered_still_tells_all_three() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.tell(Event::Completed);
    world.tell(Event::Stop);
    world.run(20);
    assert_eq!((world.story().as_str(), world.stopped), ("a+star a+comp a+stop", 1));
}

#[test]
fn the_interval_is_kept_and_never_shortened() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.content();
    world.run(10 * 3600);
    assert!(world.seen.len() >= 19, "{}", world.story());
    assert!(world.gaps().iter().all(|gap| (1800..=1891).contains(gap)), "{:?}", world.gaps());
}

#[test]
fn absurd_intervals_are_clamped_to_minutes_and_an_hour() {
    for (interval, least, most) in
        [(0, 300, 316), (-1, 300, 316), (1, 300, 316), (i64::MAX, 3600, 3781)]
    {
        let mut world = world("a");
        world.says("a", answers(Answer { interval: Some(interval), ..good() }));
        world.tell(Event::Start);
        world.content();
        world.run(20_000);
        assert!(world.gaps().len() >= 5);
        assert!(world.gaps().iter().all(|gap| (least..=most).contains(gap)), "{interval}");
    }
}

#[test]
fn lack_of_peers_brings_the_next_announce_forward_but_not_before_the_min_interval() {
    let mut world = world("a");
    world.says("a", answers(Answer { min_interval: Some(700), ..good() }));
    world.tell(Event::Start);
    world.content();
    world.run(10);
    world.tell(Event::Want { peers: 50, urgent: true });
    world.run(600);
    assert_eq!(world.story(), "a+star");
    world.run(200);
    assert_eq!(world.story(), "a+star a");
    assert!((700..=701).contains(&world.gaps()[0]), "{:?}", world.gaps());
    assert_eq!(world.seen[1].query.numwant, Some(50));
}

#[test]
fn a_swarm_without_peers_is_asked_for_rarer_and_rarer() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.run(12_000);
    let gaps = world.gaps();
    assert_eq!(gaps[..3], [300, 600, 1200], "{gaps:?}");
    assert!(gaps[3..].iter().all(|gap| *gap >= 1800), "{gaps:?}");
}

#[test]
fn no_more_than_200_peers_are_asked_for() {
    let mut world = world("a");
    world.tell(Event::Want { peers: 5000, urgent: true });
    world.tell(Event::Start);
    assert_eq!(world.seen[0].query.numwant, Some(200));
}

#[test]
fn a_tier_is_tried_in_random_order_and_the_one_that_answered_comes_first() {
    let mut firsts = BTreeMap::new();
    for seed in 0..64 {
        let tiers = [vec![url("a"), url("b"), url("c")]];
        let announcer = Announcer::new(config(Tiers::InOrder), &tiers, Rng::from_number(seed));
        *firsts.entry(announcer.status()[0].url.clone()).or_insert(0) += 1;
    }
    assert_eq!(firsts.len(), 3, "{firsts:?}");

    let mut world = world("a b c");
    let order: Vec<String> = world.announcer.status().into_iter().map(|s| s.url).collect();
    let host = |index: usize| order[index].split('/').nth(2).unwrap().to_string();
    world.says(&host(0), Says::Down);
    world.says(&host(1), Says::Down);
    world.tell(Event::Start);
    world.content();
    world.run(5);
    let (first, second, third) = (host(0), host(1), host(2));
    assert_eq!(world.story(), format!("{first}+star {second}+star {third}+star"));
    assert_eq!(world.announcer.status()[0].url, order[2]);
    world.run(3600);
    let rest: Vec<_> = world.seen[3..].iter().map(|seen| seen.host.clone()).collect();
    assert!(!rest.is_empty() && rest.iter().all(|host| *host == third), "{rest:?}");
}

#[test]
fn the_next_tier_is_asked_only_when_the_whole_tier_failed_and_then_at_once() {
    let mut world = world("a b|c|d");
    world.says("a", Says::Down);
    world.says("b", Says::Down);
    world.tell(Event::Start);
    world.content();
    world.run(10);
    assert_eq!(world.seen.len(), 3, "{}", world.story());
    assert_eq!(world.seen[2].host, "c");
    assert!(world.gaps().iter().all(|gap| *gap == 0));
    world.run(4 * 3600);
    assert!(!world.story().contains('d'));
}

#[test]
fn when_an_earlier_tier_answers_again_the_later_one_rests() {
    let mut world = world("a|b");
    world.says("a", Says::Down);
    world.tell(Event::Start);
    world.content();
    world.run(3600);
    assert!(world.story().contains("b+star"));
    world.says("a", answers(good()));
    world.run(3600);
    let before = world.seen.iter().filter(|seen| seen.host == "b").count();
    assert!(world.news.contains(&(url("a"), News::Recovered)));
    world.run(10 * 3600);
    let after = world.seen.iter().filter(|seen| seen.host == "b").count();
    assert_eq!(before, after);
    // Yet it knows us, and hears it when we go.
    world.tell(Event::Stop);
    world.run(1);
    assert!(world.story().ends_with("a+stop b+stop"), "{}", world.story());
}

#[test]
fn all_tiers_are_asked_at_once_where_that_is_wished() {
    let mut world = world_in(Tiers::AtOnce, "a|b|c");
    world.says("b", Says::Down);
    world.tell(Event::Start);
    assert_eq!(world.story(), "a+star b+star c+star");
    world.content();
    world.run(1);
    world.tell(Event::Completed);
    world.run(1);
    world.tell(Event::Stop);
    world.run(1);
    assert_eq!(world.story(), "a+star b+star c+star a+comp c+comp a+stop c+stop");
}

#[test]
fn a_dead_tracker_is_tried_after_15_s_and_later_every_hour() {
    let mut world = world("a");
    world.says("a", Says::Down);
    world.tell(Event::Start);
    world.run(24 * 3600);
    let gaps = world.gaps();
    assert!((15..=19).contains(&gaps[0]), "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0] || pair[0] >= 3600), "{gaps:?}");
    assert!(gaps[9..].iter().all(|gap| (3600..=4501).contains(gap)), "{gaps:?}");
    assert_eq!(world.state("a").state, State::Failing);
    assert_eq!(world.news.len(), 1, "told once: {:?}", world.news);
}

#[test]
fn a_tracker_that_never_answers_fails_in_time() {
    let mut world = world("a|b");
    world.says("a", Says::Nothing);
    world.tell(Event::Start);
    world.run(61);
    assert_eq!(world.story(), "a+star b+star");
    assert_eq!(world.gaps(), [60]);
}

#[test]
fn retry_in_is_obeyed_and_never_means_never() {
    let mut world = world("a|b");
    world.says("a", refuses("busy", Some(Retry::After(Duration::from_secs(7200)))));
    world.says("b", refuses("go away", Some(Retry::Never)));
    world.tell(Event::Start);
    world.run(7150);
    assert_eq!(world.story(), "a+star b+star");
    assert_eq!(world.state("b").state, State::GivenUp);
    assert_eq!(world.news[1].1, News::Failure { text: "go away".into(), again: None });
    world.run(500);
    assert_eq!(world.story(), "a+star b+star a+star");
    world.run(100_000);
    assert_eq!(world.seen.iter().filter(|seen| seen.host == "b").count(), 1);
    world.tell(Event::Refresh);
    assert_eq!(world.seen.last().unwrap().host, "a");
    world.run(1);
    assert_eq!(world.seen.iter().filter(|seen| seen.host == "b").count(), 2);
}

#[test]
fn a_refusal_is_shown_as_one_harmless_line_without_the_passkey() {
    let tiers = [vec!["http://t.example/p4sskey/announce?k=s3cret".to_string()]];
    let mut world = world("unused");
    world.announcer = Announcer::new(config(Tiers::InOrder), &tiers, Rng::from_number(1));
    let long = format!("no\x1b[31m\n{}, p4sskey", "x".repeat(200));
    world.says("t.example", refuses(&long, None));
    world.tell(Event::Start);
    world.run(1);
    let (tracker, news) = &world.news[0];
    assert_eq!(tracker, "http://t.example/…/announce?…");
    let News::Failure { text, again: Some(again) } = news else { panic!("{news:?}") };
    assert!(text.starts_with("no\\u{1b}[31m\\u{a}xxx") && text.chars().count() < 320);
    assert!(*again > world.now);
    assert!(text.ends_with("x, …"), "{text}");
    let status = &world.announcer.status()[0];
    assert_eq!((status.message.as_ref(), status.next), (Some(text), Some(*again)));
    assert!(!format!("{status:?}").contains("s3cret"));
    assert!(!format!("{status:?}").contains("p4sskey"));
}

#[test]
fn peers_names_warnings_and_our_address_are_passed_on() {
    let peer = |text: &str| Peer { address: text.parse().unwrap(), id: None };
    let answer = Answer {
        peers: vec![peer("192.0.2.1:1"), peer("[2001:db8::1]:2")],
        names: vec![("host.example".into(), 3)],
        warning: Some("soon\x07 over".into()),
        external_ip: Some("203.0.113.9".parse().unwrap()),
        complete: Some(7),
        incomplete: Some(8),
        ..good()
    };
    let mut world = world("a");
    world.says("a", answers(answer));
    world.tell(Event::Start);
    world.content();
    world.run(4000);
    assert_eq!(world.peers[..2], ["192.0.2.1:1".parse().unwrap(), peer("[2001:db8::1]:2").address]);
    assert_eq!(world.names[0], ("host.example".to_string(), 3));
    let expected =
        [News::Warning("soon\\u{7} over".into()), News::ExternalIp("203.0.113.9".parse().unwrap())];
    let news: Vec<News> = world.news.iter().map(|(_, news)| news.clone()).collect();
    assert_eq!(news, expected, "each once");
    let status = world.state("a");
    assert_eq!((status.seeds, status.leechers, status.peers), (Some(7), Some(8), 3));
    assert_eq!(status.state, State::Working);
}

#[test]
fn a_second_answer_over_the_other_family_brings_more_peers_and_changes_nothing_else() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.content();
    world.run(1);
    let next = world.state("a").next;
    let peer = Peer { address: "[2001:db8::1]:2".parse().unwrap(), id: None };
    let answer = Answer { peers: vec![peer], interval: Some(1), ..good() };
    world.tell(Event::Announced(AskId(1), Ok(Reply::Answer(answer.clone()))));
    assert_eq!((world.peers.len(), world.state("a").next), (1, next));
    let down = Problem { text: "unreachable".into(), retry: None };
    world.tell(Event::Announced(AskId(1), Err(down)));
    assert_eq!(world.state("a").state, State::Working);
    world.tell(Event::Announced(AskId(99), Ok(Reply::Answer(answer))));
    assert_eq!(world.peers.len(), 1, "an answer to nothing");
}

#[test]
fn a_tracker_id_is_given_back_to_its_tracker_alone() {
    let mut world = world("a|b");
    world.says("a", answers(Answer { tracker_id: Some(b"mine".to_vec()), ..good() }));
    world.tell(Event::Start);
    world.content();
    world.run(1);
    world.says("a", Says::Down);
    world.run(2000);
    assert_eq!(world.seen[0].query.tracker_id, None);
    assert_eq!(world.seen[1].query.tracker_id.as_deref(), Some(&b"mine"[..]));
    assert_eq!((world.seen[2].host.as_str(), &world.seen[2].query.tracker_id), ("b", &None));
}

#[test]
fn completed_is_told_again_until_it_was_heard() {
    let mut world = world("a");
    world.tell(Event::Start);
    world.content();
    world.run(1);
    world.says("a", Says::Down);
    world.tell(Event::Completed);
    world.run(20);
    world.says("a", answers(good()));
    world.run(4000);
    assert_eq!(world.story(), "a+star a+comp a+comp a+comp a a");
}

#[test]
fn stopping_does_not_wait_for_the_dead() {
    let mut world = world("a|b");
    world.says("a", Says::Nothing);
    world.tell(Event::Start);
    world.run(70);
    assert_eq!(world.story(), "a+star b+star");
    world.run(30);
    world.says("b", Says::Nothing);
    let start = world.now;
    world.tell(Event::Stop);
    assert_eq!(world.seen.last().unwrap().query.event, Some(Why::Stopped));
    world.run(14);
    assert_eq!(world.stopped, 1);
    assert_eq!(world.announcer.deadline(), None);
    assert!(world.now.since(start) <= Duration::from_secs(14));
}

#[test]
fn an_announce_that_hangs_at_the_end_is_taken_back() {
    let mut world = world("a");
    world.says("a", Says::Nothing);
    world.tell(Event::Start);
    world.tell(Event::Stop);
    world.run(2);
    assert_eq!(world.story(), "a+star");
    world.says("a", answers(good()));
    world.run(2);
    assert_eq!((world.story().as_str(), world.stopped), ("a+star a+stop", 1));
}

#[test]
fn stop_is_answered_at_once_where_nobody_knows_us() {
    let mut world = world("a");
    world.tell(Event::Stop);
    assert_eq!(world.stopped, 1);
    world.says("a", Says::Down);
    world.tell(Event::Start);
    world.run(5);
    world.tell(Event::Stop);
    assert_eq!((world.stopped, world.seen.len()), (2, 1));
}

#[test]
fn a_torrent_that_starts_again_tells_started_again() {
    let mut world = world("a");
    for _ in 0..2 {
        world.tell(Event::Start);
        world.content();
        world.run(1);
        world.tell(Event::Completed);
        world.run(1);
        world.tell(Event::Stop);
        world.run(1);
    }
    let once = "a+star a+comp a+stop";
    assert_eq!(world.story(), format!("{once} {once}"));
    world.tell(Event::Start);
    world.run(1);
    world.tell(Event::Stop);
    world.tell(Event::Start);
    world.run(1);
    assert!(world.story().ends_with("a+star a+stop a+star"), "{}", world.story());
    assert_eq!(world.stopped, 2, "the third stop was overtaken");
}

#[test]
fn a_refresh_keeps_the_min_interval() {
    let mut world = world("a");
    world.says("a", answers(Answer { min_interval: Some(600), ..good() }));
    world.tell(Event::Start);
    world.content();
    world.run(10);
    world.tell(Event::Refresh);
    world.run(580);
    assert_eq!(world.seen.len(), 1);
    world.run(15);
    assert_eq!(world.gaps(), [600]);
}

#[test]
fn a_scrape_fills_in_the_counts_and_is_not_repeated_at_once() {
    let mut world = world("a|b");
    world.tell(Event::Scrape);
    world.tell(Event::Scrape);
    world.run(1);
    world.tell(Event::Scrape);
    assert_eq!(world.scrapes, ["a", "b"]);
    let status = world.state("b");
    assert_eq!((status.seeds, status.leechers, status.downloads), (Some(4), Some(5), Some(6)));
    world.run(60);
    world.tell(Event::Scrape);
    assert_eq!(world.scrapes.len(), 4);
}

#[test]
fn other_schemes_are_named_and_never_asked() {
    let tiers = [vec!["wss://u:1/announce".to_string()], vec!["HTTP://a/announce".to_string()]];
    let mut world = world("unused");
    world.announcer = Announcer::new(config(Tiers::InOrder), &tiers, Rng::from_number(1));
    world.tell(Event::Start);
    world.run(10);
    assert_eq!(world.story(), "a+star");
    assert_eq!(world.news, [("wss://u:1/announce".to_string(), News::Unsupported)]);
    assert_eq!(world.announcer.status()[0].state, State::Unsupported);
}

#[test]
fn a_udp_tracker_is_asked_for_the_same_as_another() {
    let tiers = [vec!["udp://u:1/announce".to_string()]];
    let mut world = world("unused");
    world.announcer = Announcer::new(config(Tiers::InOrder), &tiers, Rng::from_number(1));
    world.tell(Event::Start);
    world.tell(Event::Scrape);
    world.run(10);
    assert_eq!((world.story().as_str(), &world.scrapes[..]), ("u:1+star", &["u:1".into()][..]));
    assert_eq!(world.seen[0].query.numwant, Some(80));
    assert_eq!(world.announcer.status()[0].seeds, Some(4));
}

#[test]
fn at_once_means_that_nobody_waits_for_a_slow_tracker() {
    let mut world = world_in(Tiers::AtOnce, "a b|c");
    let first = world.announcer.status()[0].url.clone();
    let first = if first == url("a") { "a" } else { "b" };
    world.says(first, Says::Nothing);
    world.tell(Event::Start);
    world.run(4);
    assert_eq!(world.seen.len(), 2, "one of each tier: {}", world.story());
    world.run(2);
    assert_eq!(world.seen.len(), 3, "{}", world.story());
}

#[test]
fn there_are_limits_and_duplicates_count_once() {
    let many: Vec<String> = (0..500).map(|index| url(&format!("t{index}"))).collect();
    let tiers = [vec![url("t1"), url(&"x".repeat(5000))], many];
    let announcer = Announcer::new(config(Tiers::InOrder), &tiers, Rng::from_number(1));
    let status = announcer.status();
    assert_eq!(status.len(), TRACKERS_MAX);
    assert!(status.iter().all(|one| one.url.len() < 100));
    let twice = [vec![url("a"), url("a")], vec![url("b"), url("a")]];
    let announcer = Announcer::new(config(Tiers::InOrder), &twice, Rng::from_number(1));
    assert_eq!(announcer.status().len(), 2);
    let none = Announcer::new(config(Tiers::InOrder), &[], Rng::from_number(1));
    assert_eq!(none.deadline(), None);
}

#[test]
fn chance_may_do_what_it_wants_and_the_machine_stays_calm() {
    for seed in 0..200 {
        let mut rng = Rng::from_number(seed);
        let mode = if rng.one_in(2) { Tiers::InOrder } else { Tiers::AtOnce };
        let mut world = world_in(mode, "a b|c d|e");
        for _ in 0..60 {
            let host = ["a", "b", "c", "d", "e"][rng.index(5)];
            let says = match rng.below(5) {
                0 => Says::Down,
                1 => Says::Nothing,
                2 => refuses("no", rng.one_in(2).then_some(Retry::Never)),
                _ => answers(Answer { interval: Some(rng.bits() as i64), ..good() }),
            };
            world.says(host, says);
            match rng.below(8) {
                0 => world.tell(Event::Start),
                1 => world.tell(Event::Stop),
                2 => world.tell(Event::Completed),
                3 => world.tell(Event::Refresh),
                4 => world.tell(Event::Scrape),
                5 => world.tell(Event::Want { peers: 9, urgent: rng.one_in(2) }),
                _ => {}
            }
            world.run(rng.below(2000));
        }
        let asked = world.seen.len();
        assert!(asked < 1000, "seed {seed}: {asked} announces in at most 33 h");
        let stops = world.stopped;
        world.tell(Event::Start);
        world.tell(Event::Stop);
        world.run(20);
        assert_eq!(world.stopped, stops + 1, "seed {seed}");
        assert_eq!(world.announcer.deadline().map(|(_, who)| who).unwrap_or("-"), "-");
    }
}

#[test]
fn other_trackers_are_asked_and_those_that_stay_are_not_asked_again() {
    let mut world = world_in(Tiers::AtOnce, "a|b");
    world.tell(Event::Start);
    world.run(1);
    world.content();
    assert_eq!(world.story(), "a+star b+star");
    world.tell(Event::Trackers(vec![vec![url("c")], vec![url("b"), url("b")]]));
    world.run(1);
    assert_eq!(world.story(), "a+star b+star c+star", "b goes on as it is");
    let tiers: Vec<(String, u32)> = {
        let all = world.announcer.status();
        all.into_iter().map(|status| (status.announce.0, status.tier)).collect()
    };
    assert_eq!(tiers, [(url("c"), 0), (url("b"), 1)]);
    world.tell(Event::Stop);
    world.run(1);
    assert_eq!(world.story(), "a+star b+star c+star c+stop b+stop", "a forgets us in time");
    assert_eq!(world.stopped, 1);
}

#[test]
fn an_answer_of_a_tracker_that_is_gone_brings_nothing() {
    let mut world = world_in(Tiers::AtOnce, "a");
    let peer = Peer { address: "10.0.0.1:1".parse().unwrap(), id: None };
    world.says("a", answers(Answer { peers: vec![peer], ..good() }));
    world.tell(Event::Start);
    world.tell(Event::Trackers(vec![]));
    world.run(10);
    assert!(world.peers.is_empty());
    world.tell(Event::Stop);
    assert_eq!(world.stopped, 1);
}
