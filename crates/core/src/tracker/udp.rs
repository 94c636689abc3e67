//! Asking trackers over UDP (BEP 15): when which packet is sent, and what comes back.

mod flights;
mod line;
mod server;
#[cfg(test)]
mod tests;
mod url;
mod values;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::announce::Counts;
use toubkal_wire::udp_tracker::{self, Reply, Response};

use self::flights::{Flight, Flights};
use self::line::Lines;
pub use self::server::Server;
pub use self::url::{Place, UrlError};
pub use self::values::{Action, Event, Failure, Question};
use crate::base::{Machine, Outbox, Rng, Time};

/// Questions that are under way at once; more are refused as [`Failure::Busy`].
pub const FLIGHTS_MAX: usize = 4_096;

/// What waits for the answers of its packets: one of each family.
#[derive(Debug)]
struct Asked {
    open: u32,
    good: bool,
    /// What says most of what went wrong.
    worst: Option<Failure>,
}

/// Asks the trackers of all torrents. `K` is the asker's name for a question.
///
/// A tracker is asked over IPv4 and IPv6 at once, where its name has both. All questions to one
/// address share a connection id, and its silence: whatever is asked, a silent address gets a
/// packet after 15, 30, 60 and more seconds, up to 64 minutes. Only what comes from the address
/// that was asked, with the number that was sent, is an answer.
#[derive(Debug)]
pub struct Udp<K> {
    asked: BTreeMap<K, Asked>,
    flights: Flights<K>,
    lines: Lines,
    rng: Rng,
}

impl<K: Copy + Ord> Udp<K> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self { asked: BTreeMap::new(), flights: Flights::default(), lines: Lines::default(), rng }
    }

    /// Questions that are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    fn ask(
        &mut self,
        now: Time,
        ask: K,
        question: &Question,
        path: &str,
        addresses: &[SocketAddr],
        out: &mut Outbox<Action<K>>,
    ) {
        debug_assert!(!self.asked.contains_key(&ask), "a name is given once");
        let targets = targets(question, addresses);
        self.asked.insert(ask, Asked { open: targets.len() as u32, good: false, worst: None });
        if targets.is_empty() {
            self.asked.remove(&ask);
            out.push(Action::Failed { ask, failure: Failure::Nowhere });
        }
        for to in targets {
            if self.flights.len() >= FLIGHTS_MAX || !self.lines.make(now, to) {
                self.close(ask, Err(Failure::Busy), out);
                continue;
            }
            let line = self.lines.get_mut(to).expect("it was just made");
            if let Some(again) = line.closed(now) {
                self.close(ask, Err(Failure::Silent { again }), out);
                continue;
            }
            if let Question::Scrape(hash) = question
                && self.flights.join(line.waiting(), ask, *hash)
            {
                continue;
            }
            let flight = Flight::new(now, ask, question, path, to);
            line.wait(self.flights.insert(flight, &mut self.rng));
            self.pump(now, to, out);
        }
    }

    /// Sends what may be sent to an address: questions with its connection id, or one for it.
    fn pump(&mut self, now: Time, to: SocketAddr, out: &mut Outbox<Action<K>>) {
        let Some(line) = self.lines.get_mut(to) else { return };
        while let Some(connection) = line.connection(now) {
            let Some(transaction) = line.take() else { break };
            match self.flights.send(now, transaction, connection) {
                Some(packet) => out.push(Action::Send { to, packet }),
                None => line.landed(),
            }
        }
        if let Some(packet) = line.connect(now, &mut self.rng) {
            out.push(Action::Send { to, packet });
        }
        self.lines.plan(to);
    }

    fn packet(&mut self, now: Time, from: SocketAddr, bytes: &[u8], out: &mut Outbox<Action<K>>) {
        let Some(line) = self.lines.get_mut(from) else { return };
        let Ok(Response { transaction, reply }) = Response::decode(bytes, from.is_ipv6()) else {
            return;
        };
        match reply {
            Reply::Connected(id) if line.is_connecting(transaction) => line.connected(now, id),
            Reply::Refused(text) if line.is_connecting(transaction) => {
                line.refused(now);
                for transaction in line.drain() {
                    self.end(transaction, &Err(Failure::Refused(text.clone())), out);
                }
            }
            Reply::Connected(_) => return,
            reply => {
                if !self.flights.is_sent(transaction, from) {
                    return;
                }
                line.heard();
                self.answered(transaction, from, reply, out);
            }
        }
        self.pump(now, from, out);
    }

    fn answered(
        &mut self,
        transaction: u32,
        from: SocketAddr,
        reply: Reply,
        out: &mut Outbox<Action<K>>,
    ) {
        let Some(line) = self.lines.get_mut(from) else { return };
        let scrape = self.flights.is_scrape(transaction);
        match reply {
            // Its memory of us is gone: once, we introduce ourselves again.
            Reply::Refused(text) if is_stale(&text) && self.flights.recall(transaction) => {
                line.forget_connection();
                line.landed();
                line.wait(transaction);
            }
            Reply::Refused(text) => {
                line.landed();
                self.end(transaction, &Err(Failure::Refused(text)), out);
            }
            Reply::Announced(answer) if !scrape => {
                line.landed();
                self.end(transaction, &Ok(Good::Announced(answer)), out);
            }
            Reply::Scraped(counts) if scrape => {
                line.landed();
                self.end(transaction, &Ok(Good::Scraped(counts)), out);
            }
            // Not the answer to this question: that one may still come.
            _ => {}
        }
    }

    /// A flight has ended.
    fn end(
        &mut self,
        transaction: u32,
        result: &Result<Good, Failure>,
        out: &mut Outbox<Action<K>>,
    ) {
        let Some(flight) = self.flights.remove(transaction) else { return };
        for (index, &ask) in flight.asks.iter().enumerate() {
            match result {
                Ok(Good::Announced(answer)) => {
                    out.push(Action::Announced { ask, answer: answer.clone() });
                    self.close(ask, Ok(()), out);
                }
                Ok(Good::Scraped(counts)) => match counts.get(index) {
                    Some(&counts) => {
                        out.push(Action::Scraped { ask, counts });
                        self.close(ask, Ok(()), out);
                    }
                    None => self.close(ask, Err(Failure::Broken), out),
                },
                Err(failure) => self.close(ask, Err(failure.clone()), out),
            }
        }
    }

    /// One of the packets of a question has its answer, or will have none.
    fn close(&mut self, ask: K, result: Result<(), Failure>, out: &mut Outbox<Action<K>>) {
        let Some(asked) = self.asked.get_mut(&ask) else { return };
        asked.open -= 1;
        match result {
            Ok(()) => asked.good = true,
            Err(failure) => {
                if asked.worst.as_ref().is_none_or(|worst| failure.weight() > worst.weight()) {
                    asked.worst = Some(failure);
                }
            }
        }
        if asked.open == 0
            && let Some(Asked { good: false, worst, .. }) = self.asked.remove(&ask)
        {
            let failure = worst.unwrap_or(Failure::Broken);
            out.push(Action::Failed { ask, failure });
        }
    }

    /// There is no way to this address.
    fn unreachable(&mut self, now: Time, to: SocketAddr, out: &mut Outbox<Action<K>>) {
        let Some(line) = self.lines.get_mut(to) else { return };
        line.cut(now);
        let lost: Vec<u32> = line.drain().chain(self.flights.sent_to(to)).collect();
        for transaction in lost {
            self.end(transaction, &Err(Failure::Unreachable), out);
        }
        self.lines.plan(to);
    }

    /// A question has waited long enough for an answer to its last packet, or for any.
    fn time_out(&mut self, now: Time, transaction: u32, out: &mut Outbox<Action<K>>) {
        let Some((to, tries, patient)) = self.flights.time_out(now, transaction) else { return };
        let Some(line) = self.lines.get_mut(to) else { return };
        line.silent(now, tries);
        if patient {
            line.wait(transaction);
        } else {
            line.leave(transaction);
            let again = line.again(now);
            self.end(transaction, &Err(Failure::Silent { again }), out);
        }
        self.pump(now, to, out);
    }
}

/// What a good answer holds.
enum Good {
    Announced(toubkal_wire::announce::Answer),
    Scraped(Vec<Counts>),
}

impl<K: Copy + Ord> Machine for Udp<K> {
    type Event = Event<K>;
    type Action = Action<K>;

    fn handle(&mut self, now: Time, event: Event<K>, out: &mut Outbox<Action<K>>) {
        match event {
            Event::Ask { ask, question, path, addresses } => {
                self.ask(now, ask, &question, &path, &addresses, out);
            }
            Event::Packet { from, bytes } => self.packet(now, canonical(from), &bytes, out),
            Event::Unreachable(to) => self.unreachable(now, to, out),
        }
        self.advance(now, out);
    }

    fn advance(&mut self, now: Time, out: &mut Outbox<Action<K>>) {
        while let Some(to) = self.lines.due(now) {
            if let Some(line) = self.lines.get_mut(to) {
                line.time_out(now);
            }
            self.pump(now, to, out);
        }
        while let Some(transaction) = self.flights.due(now) {
            self.time_out(now, transaction, out);
        }
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let lines = self.lines.deadline().map(|at| (at, "UDP tracker connect"));
        let flights = self.flights.deadline().map(|at| (at, "UDP tracker silence"));
        lines.into_iter().chain(flights).min()
    }
}

/// Where a question goes: an announce to the first address of each family, so that the tracker
/// learns both of ours; a scrape to one.
fn targets(question: &Question, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let addresses = addresses.iter().map(|&address| canonical(address));
    let usable = addresses.filter(|&address| toubkal_wire::compact::usable(address));
    let mut targets: Vec<SocketAddr> = Vec::new();
    for address in usable {
        let new = targets.iter().all(|other| other.is_ipv4() != address.is_ipv4());
        let wanted = targets.is_empty() || matches!(question, Question::Announce(_));
        if new && wanted {
            targets.push(address);
        }
    }
    targets
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a tracker refuses our connection id, rather than us: each has other words for it.
fn is_stale(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("connection id") || text.contains("connection_id")
}

/// The most torrents of one scrape.
const SCRAPE_MAX: usize = udp_tracker::SCRAPE_MAX;
