//! From a magnet link to its metadata, and to all of its content: `cargo xtask bench magnets`.
//!
//! A row is a way by which peers are found. Times begin with the start of the process; those of
//! libtorrent begin when its driver adds the link, since Python takes longer to start than the
//! rest does.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use super::announce::Announce;
use crate::{Client, Content, Liar, Network, Peer, Start};

/// Bytes of the content.
const SIZE: u64 = 8 << 20;
/// Longer than this is never.
const PATIENCE: Duration = Duration::from_secs(40);
/// When the good one comes in the row of the liars.
const LATER: Duration = Duration::from_secs(2);

/// A way by which a leecher finds a seed.
struct Row {
    name: &'static str,
    run: fn(&Network, &Content, Client) -> Outcome,
}

/// Seconds to the metadata, and to everything.
type Outcome = Result<[f64; 2], &'static str>;

// What the DHT finds is measured where there is one.
const ROWS: &[Row] = &[
    Row { name: "one x.pe peer", run: by_link },
    Row { name: "UDP tracker", run: by_udp_tracker },
    Row { name: "LAN discovery", run: by_lan },
    Row { name: "exchange", run: by_exchange },
    Row { name: "200 dead, one good", run: by_one_of_many },
    Row { name: "5 liars, then a good one", run: by_the_last },
];

/// Measures all rows; `args`: `--rounds N`, and `--rows PATTERN`.
///
/// # Errors
/// What was wrong on the command line.
pub(super) fn run(args: &[String]) -> Result<(), String> {
    let (mut rounds, mut pattern) = (5, String::new());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--rounds" => rounds = value.parse().map_err(|_| format!("{value} is no number"))?,
            "--rows" => pattern.clone_from(value),
            _ => return Err(format!("bench magnets knows no {word}")),
        }
    }
    println!("| way | Toubkal | libtorrent |\n| --- | --- | --- |");
    for row in ROWS.iter().filter(|row| row.name.contains(&pattern)) {
        let cells = [Client::Toubkal, Client::Libtorrent].map(|client| median(row, client, rounds));
        println!("| {} | {} | {} |", row.name, cells[0], cells[1]);
    }
    Ok(())
}

/// The median of so many runs, each on a network of its own. Who fails once is not run again.
fn median(row: &Row, client: Client, rounds: usize) -> String {
    let content = Content::single("content.bin", SIZE);
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        match (row.run)(&Network::new(), &content, client) {
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

fn by_link(net: &Network, content: &Content, client: Client) -> Outcome {
    let seed = net.start(Client::Libtorrent, content).seed();
    follow(net.start(client, content).peer(&seed), |_| ())
}

fn by_udp_tracker(net: &Network, content: &Content, client: Client) -> Outcome {
    let mut tracker = net.tracker(content);
    let _seed = net.start(Client::Libtorrent, content).udp_tracker(&tracker).seed();
    tracker.until_seeds(1);
    follow(net.start(client, content).udp_tracker(&tracker), |_| ())
}

fn by_lan(net: &Network, content: &Content, client: Client) -> Outcome {
    let _seed = net.start(Client::Libtorrent, content).lan().seed();
    // What it says when it starts is over.
    thread::sleep(LATER);
    follow(net.start(client, content).lan(), |_| ())
}

fn by_exchange(net: &Network, content: &Content, client: Client) -> Outcome {
    let seed = net.start(Client::Libtorrent, content).seed();
    let knows = net.start(Client::Libtorrent, content).magnet().gossip().peer(&seed);
    let knows = knows.get_listening();
    // It has met the seed by then.
    thread::sleep(LATER);
    follow(net.start(client, content).exchange().peer(&knows), |_| ())
}

fn by_one_of_many(net: &Network, content: &Content, client: Client) -> Outcome {
    let seed = net.start(Client::Libtorrent, content).seed();
    let host = net.host();
    let Ok(tracker) = Announce::start(&host) else { return Err("no tracker") };
    let IpAddr::V4(ip) = seed.address().ip() else { return Err("no IPv4") };
    let [a, b, c, _] = ip.octets();
    // Nobody answers there, not even to say so.
    let mut peers: Vec<SocketAddr> =
        (30..230).map(|number| SocketAddr::new([a, b, c, number].into(), 6881)).collect();
    peers.insert(150, seed.address());
    tracker.tell(peers);
    follow(net.start(client, content).tracker_at(&tracker.url()), |_| ())
}

fn by_the_last(net: &Network, content: &Content, client: Client) -> Outcome {
    let liars: Vec<Liar> = (0..5).map(|_| Liar::start(net, content)).collect();
    let mut leecher = net.start(client, content);
    for liar in &liars {
        leecher = leecher.peer_at(liar.address());
    }
    let mut good = None;
    follow(leecher, |peer| {
        thread::sleep(LATER);
        // Toubkal, since it calls others sooner after its start than Python does.
        good = Some(net.start(Client::Toubkal, content).peer(peer).seed());
    })
}

/// Starts a leecher that has only a link, and sees when it has what.
fn follow(leecher: Start<'_>, begun: impl FnOnce(&Peer)) -> Outcome {
    let start = Instant::now();
    let peer = leecher.magnet().get();
    begun(&peer);
    let mut metadata = None;
    let own = peer.client() == Client::Libtorrent;
    while start.elapsed() < PATIENCE {
        let (text, now) = (peer.output(), start.elapsed().as_secs_f64());
        let at = |words: &str| {
            let line = text.lines().find(|line| line.contains(words))?;
            // The driver of libtorrent has a clock of its own.
            Some(if own { line.split_whitespace().nth(1)?.parse().ok()? } else { now })
        };
        let marks =
            if own { ["metadata-after ", "finished-after "] } else { ["\"metadata\"", "\"done\""] };
        metadata = metadata.or_else(|| at(marks[0]));
        if let (Some(metadata), Some(end)) = (metadata, at(marks[1])) {
            return Ok([metadata, end]);
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err(if metadata.is_some() { "metadata alone in 40 s" } else { "not in 40 s" })
}
