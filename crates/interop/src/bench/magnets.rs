//! From a magnet link to its metadata, and to all of its content: `cargo xtask bench magnets`.
//! Of a far seed the metadata alone is waited for: what follows, the window of TCP decides.
//!
//! A row is a way by which peers are found. Times begin with the start of the process; those of
//! libtorrent begin when its driver adds the link, since Python takes longer to start than the
//! rest does.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use super::announce::Announce;
use crate::{Client, Content, Liar, Network, Nodes, Peer, Road, Start};

/// Bytes of the content.
const SIZE: u64 = 8 << 20;
/// Longer than this is never.
const PATIENCE: Duration = Duration::from_secs(40);
/// When the good one comes in the row of the liars.
const LATER: Duration = Duration::from_secs(2);

/// A way by which a leecher finds a seed.
struct Row {
    name: &'static str,
    run: fn(&Trial<'_>) -> Outcome,
}

/// One run of one client.
struct Trial<'t> {
    net: &'t Network,
    content: &'t Content,
    client: Client,
    /// Leads to the one that is far.
    road: Road,
}

impl Trial<'_> {
    /// The one that is measured.
    fn leecher(&self) -> Start<'_> {
        self.net.start(self.client, self.content)
    }

    /// One of the others.
    fn other(&self) -> Start<'_> {
        self.net.start(Client::Libtorrent, self.content)
    }
}

/// Seconds to the metadata, and to everything.
type Outcome = Result<Vec<f64>, &'static str>;

const ROWS: &[Row] = &[
    Row { name: "DHT of 40", run: by_dht },
    Row { name: "far, DHT of 40, 16 silent", run: by_far_dht },
    Row { name: "one x.pe peer", run: by_link },
    Row { name: "UDP tracker", run: by_udp_tracker },
    Row { name: "LAN discovery", run: by_lan },
    Row { name: "exchange", run: by_exchange },
    Row { name: "200 dead, one good", run: by_one_of_many },
    Row { name: "5 liars, then a good one", run: by_the_last },
];

/// Measures all rows; `args`: `--rounds N`, `--rows PATTERN`, and `--delay MILLISECONDS`, which is
/// how long a packet takes between the leecher that is far and anybody else.
///
/// # Errors
/// What was wrong on the command line.
pub(super) fn run(args: &[String]) -> Result<(), String> {
    let (mut rounds, mut pattern, mut delay) = (5, String::new(), 50);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--rounds" => rounds = number()?,
            "--delay" => delay = number()?,
            "--rows" => pattern.clone_from(value),
            _ => return Err(format!("bench magnets knows no {word}")),
        }
    }
    println!("| way | Toubkal | libtorrent |\n| --- | --- | --- |");
    let delay = Duration::from_millis(delay);
    for row in ROWS.iter().filter(|row| row.name.contains(&pattern)) {
        let clients = [Client::Toubkal, Client::Libtorrent];
        let cells = clients.map(|client| median(row, client, rounds, delay));
        println!("| {} | {} | {} |", row.name, cells[0], cells[1]);
    }
    Ok(())
}

/// The median of so many runs, each on a network of its own. Who fails once is not run again.
fn median(row: &Row, client: Client, rounds: u64, delay: Duration) -> String {
    let content = Content::single("content.bin", SIZE);
    let mut times: [Vec<f64>; 2] = Default::default();
    for seed in 0..rounds {
        let road = Road { delay, loss: 20, seed };
        match (row.run)(&Trial { net: &Network::new(), content: &content, client, road }) {
            Ok(both) => times.iter_mut().zip(both).for_each(|(times, time)| times.push(time)),
            Err(why) => return why.to_owned(),
        }
    }
    let middle = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).map_or("-".to_owned(), |time| format!("{time:.2}"))
    });
    middle.join(" / ")
}

/// 20 nodes of libtorrent, 20 of Toubkal.
fn by_dht(trial: &Trial<'_>) -> Outcome {
    let nodes = Nodes::start(trial.net, 20, 20);
    let _seed = seed_in(&nodes, trial);
    follow(trial.leecher().dht(nodes.router()), |_| ())
}

/// 8 of each fall silent; of the packets from and to the leecher one in fifty is lost.
fn by_far_dht(trial: &Trial<'_>) -> Outcome {
    let nodes = Nodes::start(trial.net, 12, 12);
    let silent = nodes.more(trial.net, 8, 8);
    let _seed = seed_in(&nodes, trial);
    silent.freeze();
    seconds(trial.leecher().dht(nodes.router()).far(trial.road), |_| (), 1)
}

/// A seed that everybody knows of who looks for it in this DHT.
fn seed_in(nodes: &Nodes, trial: &Trial<'_>) -> Peer {
    let seed = trial.other().dht(nodes.router()).seed();
    nodes.until_found(&trial.content.info_hash(), seed.address());
    // All nodes have met by then.
    thread::sleep(LATER);
    seed
}

fn by_link(trial: &Trial<'_>) -> Outcome {
    let seed = trial.other().seed();
    follow(trial.leecher().peer(&seed), |_| ())
}

fn by_udp_tracker(trial: &Trial<'_>) -> Outcome {
    let mut tracker = trial.net.tracker(trial.content);
    let _seed = trial.other().udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    follow(trial.leecher().udp_tracker(&tracker), |_| ())
}

fn by_lan(trial: &Trial<'_>) -> Outcome {
    let _seed = trial.other().lan().seed();
    // What it says when it starts is over.
    thread::sleep(LATER);
    follow(trial.leecher().lan(), |_| ())
}

fn by_exchange(trial: &Trial<'_>) -> Outcome {
    let seed = trial.other().seed();
    let knows = trial.other().magnet().gossip().peer(&seed);
    let knows = knows.get_listening();
    // It has met the seed by then.
    thread::sleep(LATER);
    follow(trial.leecher().exchange().peer(&knows), |_| ())
}

fn by_one_of_many(trial: &Trial<'_>) -> Outcome {
    let seed = trial.other().seed();
    let host = trial.net.host();
    let Ok(tracker) = Announce::start(&host) else { return Err("no tracker") };
    let IpAddr::V4(ip) = seed.address().ip() else { return Err("no IPv4") };
    let [a, b, c, _] = ip.octets();
    // Nobody answers there, not even to say so.
    let mut peers: Vec<SocketAddr> =
        (30..230).map(|number| SocketAddr::new([a, b, c, number].into(), 6881)).collect();
    peers.insert(150, seed.address());
    tracker.tell(peers);
    follow(trial.leecher().tracker_at(&tracker.url()), |_| ())
}

fn by_the_last(trial: &Trial<'_>) -> Outcome {
    let liars: Vec<Liar> = (0..5).map(|_| Liar::start(trial.net, trial.content)).collect();
    let mut leecher = trial.leecher();
    for liar in &liars {
        leecher = leecher.peer_at(liar.address());
    }
    let mut good = None;
    follow(leecher, |peer| {
        thread::sleep(LATER);
        // Toubkal, since it calls others sooner after its start than Python does.
        good = Some(trial.net.start(Client::Toubkal, trial.content).peer(peer).seed());
    })
}

/// Starts a leecher that has only a link, and sees when it has what.
fn follow(leecher: Start<'_>, begun: impl FnOnce(&Peer)) -> Outcome {
    seconds(leecher, begun, 2)
}

/// The same, up to the first or second of metadata and everything.
fn seconds(leecher: Start<'_>, begun: impl FnOnce(&Peer), count: usize) -> Outcome {
    let mut peer = leecher.magnet().get();
    begun(&peer);
    let mut times = Vec::new();
    let own = peer.client() == Client::Libtorrent;
    let marks =
        if own { ["metadata-after ", "finished-after "] } else { ["\"metadata\"", "\"done\""] };
    while peer.process().age() < PATIENCE {
        let (text, now) = (peer.output(), peer.process().age().as_secs_f64());
        let at = |words: &str| {
            let line = text.lines().find(|line| line.contains(words))?;
            // The driver of libtorrent has a clock of its own.
            Some(if own { line.split_whitespace().nth(1)?.parse().ok()? } else { now })
        };
        let new: Vec<f64> = marks[times.len()..count].iter().map_while(|words| at(words)).collect();
        times.extend(new);
        if times.len() == count {
            return Ok(times);
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(if times.is_empty() { "not in 40 s" } else { "metadata alone in 40 s" })
}
