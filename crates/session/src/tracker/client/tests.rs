use super::*;
use crate::tracker::http::World;
use crate::tracker::{ServerOptions, TrackerServer};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use toubkal_core::base::{Machine, Outbox, Rng, Time};
use toubkal_core::tracker::{self, Action, Announcer, Config, News, State, Tiers};
use toubkal_wire::announce::{Event as Why, Query, ReplyError, scrape_url};

const HASH: [u8; 20] = [1; 20];
/// Long enough for a machine under load; nothing waits for it when all is well.
const LONG: Duration = Duration::from_secs(30);

const WORLD: World = World {
    look_up: |name| match name {
        "both.example" => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        _ => Err(io::ErrorKind::NotFound.into()),
    },
    is_local: |ip: IpAddr| ip.is_loopback(),
};

fn torrent() -> TorrentId {
    TorrentId::new(3, 4)
}

fn client() -> (Client, Receiver<Reply>) {
    let (tell, told) = channel();
    let client = Client::start_in(WORLD, HttpOptions::default(), move |reply| {
        let _ = tell.send(reply);
    });
    (client.unwrap(), told)
}

fn ask(client: &Client, id: u64, kind: AskKind, url: String) {
    client.ask(Ask::Tracker { torrent: torrent(), id: AskId(id), kind, url });
}

fn outcome(told: &Receiver<Reply>, expected: u64) -> Outcome {
    match told.recv_timeout(LONG).expect("an answer comes") {
        Reply::Tracker { torrent: of, id, outcome } => {
            assert_eq!((of, id), (torrent(), AskId(expected)));
            outcome
        }
        other => panic!("nobody asked for it: {other:?}"),
    }
}

fn server(listen: &str) -> TrackerServer {
    TrackerServer::start(listen.parse().unwrap(), ServerOptions::default()).unwrap()
}

fn query(peer: u8, port: u16) -> Query {
    Query { left: 9, ..Query::new(HASH, [peer; 20], port) }
}

/// A server that gives one answer to everyone.
fn says(status: u16, body: &'static str) -> String {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 2000]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/announce")
}

#[test]
fn clients_find_each_other_through_the_tracker() {
    let server = server("127.0.0.1:0");
    let (client, told) = client();
    for (id, peer) in [(1, 1), (2, 2)] {
        let url = query(peer, 5000 + u16::from(peer)).url(&server.url());
        ask(&client, id, AskKind::Announce, url);
        let Outcome::Announced(announce::Reply::Answer(answer)) = outcome(&told, id) else {
            panic!("no answer");
        };
        let ports: Vec<u16> = answer.peers.iter().map(|peer| peer.address.port()).collect();
        assert_eq!(ports, if peer == 1 { vec![] } else { vec![5001] });
        assert_eq!(answer.external_ip, Some(Ipv4Addr::LOCALHOST.into()));
    }
    ask(&client, 3, AskKind::Scrape, scrape_url(&server.url(), &[HASH]).unwrap());
    let Outcome::Scraped(ScrapeReply::Counts(counts)) = outcome(&told, 3) else {
        panic!("no counts");
    };
    assert_eq!((counts[&HASH].complete, counts[&HASH].incomplete), (0, 2));
    client.stop(LONG);
    assert!(told.recv().is_err(), "one answer to each question");
}

#[test]
fn a_tracker_with_both_families_learns_both_addresses() {
    let four = server("127.0.0.1:0");
    let port = four.address().port();
    let six = server(&format!("[::1]:{port}"));
    let (client, told) = client();
    let url = query(1, 5000).url(&format!("http://both.example:{port}/announce"));
    ask(&client, 1, AskKind::Announce, url);
    let mut seen: Vec<Option<IpAddr>> = Vec::new();
    for _ in 0..2 {
        let Outcome::Announced(announce::Reply::Answer(answer)) = outcome(&told, 1) else {
            panic!("no answer");
        };
        seen.push(answer.external_ip);
    }
    seen.sort();
    assert_eq!(seen, [Some(Ipv4Addr::LOCALHOST.into()), Some(Ipv6Addr::LOCALHOST.into())]);
    assert_eq!((four.size(), six.size()), ((1, 1), (1, 1)));
}

#[test]
fn one_family_is_enough() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = server(listen);
        let port = server.address().port();
        let (client, told) = client();
        let url = query(1, 5000).url(&format!("http://both.example:{port}/announce"));
        ask(&client, 1, AskKind::Announce, url);
        assert!(outcome(&told, 1).is_good(), "{listen}");
        client.stop(LONG);
        assert!(told.recv().is_err(), "the family that failed is not spoken of");
    }
}

#[test]
fn what_a_tracker_says_is_heard_under_any_status() {
    let (client, told) = client();
    let gone = says(404, "d14:failure reason4:gone");
    let refused = says(403, "d14:failure reason4:gonee");
    let page = says(200, "<html>");
    let absurd = says(200, "d8:intervali9223372036854775808e5:peers0:e");
    for (id, url) in (1..).zip([gone, refused, page, absurd]) {
        ask(&client, id, AskKind::Announce, query(1, 1).url(&url));
        match (id, outcome(&told, id)) {
            (1, Outcome::Failed(_, HttpError::Status { status, .. })) => {
                assert_eq!(status, "404 (Not Found)");
            }
            (2, Outcome::Announced(announce::Reply::Failure(failure))) => {
                assert_eq!(failure.reason, "gone");
            }
            (3, Outcome::Failed(kind, HttpError::NotTracker(ReplyError::Bencode(_)))) => {
                assert_eq!(kind, AskKind::Announce);
            }
            (4, Outcome::Announced(announce::Reply::Answer(answer))) => {
                assert_eq!(answer.interval, None);
            }
            (_, other) => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn stopping_waits_for_answers_but_not_for_ever() {
    let server = server("127.0.0.1:0");
    let (client, told) = client();
    for id in 0..200 {
        let url = query(id as u8, 5000 + id as u16).url(&server.url());
        ask(&client, id, AskKind::Announce, url);
    }
    client.stop(LONG);
    assert_eq!(told.iter().count(), 200);
    assert_eq!(server.size().1, 200);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (client, told) = self::client();
    let url = format!("http://{}/announce", silent.local_addr().unwrap());
    ask(&client, 1, AskKind::Announce, query(1, 1).url(&url));
    client.stop(Duration::from_millis(50));
    assert_eq!(told.iter().count(), 0);
}

#[test]
fn too_many_questions_are_refused_and_every_one_is_answered() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (client, told) = client();
    let count = QUEUE as u64 * 3;
    for id in 0..count {
        ask(&client, id, AskKind::Scrape, format!("http://{closed}/scrape"));
    }
    client.stop(LONG);
    let mut answers = HashMap::new();
    for reply in told {
        if let Reply::Tracker { id, .. } = reply {
            *answers.entry(id).or_insert(0) += 1;
        }
    }
    assert_eq!(answers.len() as u64, count);
    assert!(answers.values().all(|times| *times == 1));
}

#[test]
fn host_names_of_peers_are_looked_up() {
    let (client, told) = client();
    let names = vec![("localhost".to_owned(), 6881), ("no name".to_owned(), 1)];
    client.ask(Ask::Names { torrent: torrent(), names });
    let Reply::Peers { torrent: of, peers } = told.recv_timeout(LONG).unwrap() else {
        panic!("no peers");
    };
    assert_eq!(of, torrent());
    assert!(peers.iter().any(|peer| peer.ip().is_loopback() && peer.port() == 6881));
}

/// Drives an announcer with the real client, as a session does.
struct Driver {
    announcer: Announcer,
    out: Outbox<Action>,
    client: Client,
    told: Receiver<Reply>,
    epoch: Instant,
    peers: Vec<SocketAddr>,
    news: Vec<News>,
    stopped: bool,
}

impl Driver {
    fn new(peer: u8, tiers: &[Vec<String>]) -> Self {
        let config = Config {
            info_hash: HASH,
            peer_id: [peer; 20],
            port: 5000 + u16::from(peer),
            key: 1,
            ip: None,
            tiers: Tiers::InOrder,
        };
        let announcer = Announcer::new(config, tiers, Rng::from_number(1));
        let (client, told) = client();
        let out = Outbox::new();
        let epoch = Instant::now();
        Self { announcer, out, client, told, epoch, peers: vec![], news: vec![], stopped: false }
    }

    fn tell(&mut self, event: tracker::Event) {
        let now = Time::from_nanos(self.epoch.elapsed().as_nanos() as u64);
        self.announcer.handle(now, event, &mut self.out);
        for action in self.out.drain() {
            match action {
                Action::Ask { id, kind, url } => {
                    self.client.ask(Ask::Tracker { torrent: torrent(), id, kind, url });
                }
                Action::AskUdp { .. } => panic!("these are over HTTP"),
                Action::Resolve(names) => self.client.ask(Ask::Names { torrent: torrent(), names }),
                Action::Peers(peers) => self.peers.extend(peers),
                Action::Notify { news, .. } => self.news.push(news),
                Action::Stopped => self.stopped = true,
            }
        }
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            match self.told.recv_timeout(LONG).expect("something happens") {
                Reply::Tracker { id, outcome, .. } => self.tell(outcome.event(id)),
                Reply::Peers { peers, .. } => self.peers.extend(peers),
                Reply::Host { .. } => panic!("nobody asked for it"),
            }
        }
    }

    fn working(&self) -> bool {
        self.announcer.status().iter().any(|status| status.state == State::Working)
    }
}

#[test]
fn a_torrent_goes_through_its_life_at_a_real_tracker() {
    let server = server("127.0.0.1:0");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tiers = [vec![format!("http://{closed}/announce")], vec![server.url()]];
    let mut seed = Driver::new(1, &tiers[1..]);
    seed.tell(tracker::Event::Start);
    seed.until(Driver::working);
    let mut leecher = Driver::new(2, &tiers);
    let progress = |left| tracker::Progress { uploaded: 0, downloaded: 0, left };
    leecher.tell(tracker::Event::Progress(progress(9)));
    leecher.tell(tracker::Event::Start);
    leecher.until(|driver| driver.working() && !driver.peers.is_empty());
    assert_eq!(leecher.peers, ["127.0.0.1:5001".parse().unwrap()]);
    let News::Failure { text, .. } = &leecher.news[0] else { panic!("{:?}", leecher.news) };
    assert_eq!(text, "it refused the connection");
    assert_eq!(server.size(), (1, 2));
    leecher.tell(tracker::Event::Progress(progress(0)));
    leecher.tell(tracker::Event::Completed);
    leecher.tell(tracker::Event::Stop);
    leecher.until(|driver| driver.stopped);
    assert_eq!(server.size(), (1, 1));
    seed.tell(tracker::Event::Scrape);
    seed.until(|driver| driver.announcer.status()[0].downloads == Some(1));
    seed.tell(tracker::Event::Stop);
    seed.until(|driver| driver.stopped);
    assert_eq!(server.size(), (1, 0));
}

#[test]
fn an_announce_without_what_is_needed_is_refused_in_words() {
    let server = server("127.0.0.1:0");
    let (client, told) = client();
    ask(&client, 1, AskKind::Announce, format!("{}?info_hash=short", server.url()));
    let Outcome::Announced(announce::Reply::Failure(failure)) = outcome(&told, 1) else {
        panic!("no refusal");
    };
    assert_eq!(failure.reason, "info_hash has to be 20 bytes");
    let gone = Query { event: Some(Why::Stopped), ..query(1, 1) };
    ask(&client, 2, AskKind::Announce, gone.url(&server.url()));
    assert!(outcome(&told, 2).is_good());
    assert_eq!(server.size(), (0, 0));
}
