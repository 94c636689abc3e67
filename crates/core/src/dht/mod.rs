//! A node of the DHT (BEP 5): finds peers without a tracker, and helps others to.

mod asked;
mod guests;
mod home;
mod items;
mod keeping;
mod lookup;
mod peers;
mod saved;
mod search;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod values;
mod votes;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::compact;
use toubkal_wire::krpc::{Ask, Id, Kind, Message, Node, Problem, Query, Response, Want};

pub use self::items::public_key;
pub use self::values::*;

use self::asked::{Asked, OPEN_MAX, Open, Why};
use self::guests::Guests;
use self::home::Home;
use self::items::Items;
use self::keeping::Keeping;
use self::peers::Peers;
use self::search::Searches;
use self::server::Held;
use self::tokens::Tokens;
use crate::base::{Machine, Outbox, Rng, Time};

/// One node with all its addresses.
///
/// It is told of packets and orders, and answers with packets and reports. Nothing it hears is
/// believed further than it can be checked: an answer counts from the address that was asked,
/// with the transaction that was drawn for it; a node has a place in the table when it has
/// answered itself; a peer or an item is stored for who shows a token that was sent to its
/// address; and an address that has proved nothing gets at most three times what it sent.
///
/// Look-ups begin with whatever is known, if that is one address, and take up what comes to be
/// known while they run: no part waits for another. What it sends of its own accord once the
/// first round of an order is over is bounded to a few packets a minute.
#[derive(Debug)]
pub struct Dht {
    config: Config,
    homes: Vec<Home>,
    open: Open,
    searches: Searches,
    guests: Guests,
    tokens: Tokens,
    peers: Peers,
    items: Items,
    held: Vec<Held>,
    keeping: Keeping,
    counts: Counts,
    rng: Rng,
}

#[derive(Debug, Default)]
struct Counts {
    asked: u64,
    answers: u64,
    dropped: u64,
}

/// A packet on its way through the machine: which of our addresses, and whose.
#[derive(Clone, Copy, Debug)]
struct Way {
    home: usize,
    from: SocketAddr,
}

impl Dht {
    /// A node that knows nobody but those it knew when `saved` was made by [`Dht::save`]; empty
    /// for a first life.
    #[must_use]
    pub fn new(config: Config, saved: &[u8], rng: Rng) -> Self {
        let mut secret = [0; 32];
        rng.fork("tokens").fill(&mut secret);
        let mut ids = rng.fork("ids");
        let draw = |family: &Family| {
            let mut drawn = [0; 20];
            ids.fill(&mut drawn);
            Home::new(*family, Id(drawn))
        };
        let homes = config.homes.iter().take(HOMES_MAX).map(draw).collect();
        let mut dht = Self {
            config,
            homes,
            open: Open::default(),
            searches: Searches::default(),
            guests: Guests::default(),
            tokens: Tokens::new(secret),
            peers: Peers::default(),
            items: Items::default(),
            held: Vec::new(),
            keeping: Keeping::default(),
            counts: Counts::default(),
            rng,
        };
        dht.load(saved);
        dht
    }

    /// How the node stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            homes: self.homes.iter().map(Home::status).collect(),
            searches: self.searches.iter().filter_map(|(_, search)| search.status()).collect(),
            torrents: self.peers.torrents(),
            peers: self.peers.len(),
            items: self.items.len(),
            asked: self.counts.asked,
            answers: self.counts.answers,
            dropped: self.counts.dropped,
        }
    }

    /// The id of one of [`Config::homes`].
    #[must_use]
    pub fn id(&self, home: usize) -> Option<Id> {
        self.homes.get(home).map(|home| home.id)
    }

    /// The first of our addresses of this family.
    fn home_of(&self, family: Family) -> Option<usize> {
        self.homes.iter().position(|home| home.family == family)
    }

    fn packet(&mut self, now: Time, way: Way, bytes: &[u8], out: &mut Outbox<Action>) {
        if self.homes[way.home].family != Family::of(way.from) || !compact::usable(way.from) {
            return;
        }
        match Message::decode(bytes) {
            Ok(Message { kind: Kind::Query(query), transaction, read_only, .. }) => {
                if self.config.read_only {
                    return;
                }
                if !self.guests.may_ask(now, way.from) {
                    self.counts.dropped += 1;
                    return;
                }
                self.query(now, way, (transaction, &query), bytes, out);
                if !read_only {
                    self.asked_by(now, way, query.id, out);
                }
            }
            Err(Problem::Fault { transaction, code, text, .. }) => {
                if !self.config.read_only && self.guests.may_ask(now, way.from) {
                    self.refuse(way, transaction, (code, text), out);
                }
            }
            Ok(Message { kind: Kind::Response(response), transaction, read_only, ip, .. }) => {
                if let Some(asked) = self.open.take(way.home as u8, way.from, transaction) {
                    let ip = ip.map(|ip| ip.ip());
                    self.proved(now, way, asked.sent, ip, out);
                    let node = Node { id: response.id, address: way.from };
                    self.answered(now, way, &asked, &response, out);
                    if !read_only {
                        self.found(now, way.home, node, out);
                    }
                }
            }
            Ok(Message { kind: Kind::Error { code, .. }, transaction, .. }) => {
                if let Some(asked) = self.open.take(way.home as u8, way.from, transaction) {
                    self.proved(now, way, asked.sent, None, out);
                    self.refused(now, way, &asked, code, out);
                }
            }
            Err(Problem::Garbage) => {}
        }
    }

    /// Somebody answered what we asked: it is where it says it is.
    fn proved(
        &mut self,
        now: Time,
        way: Way,
        sent: Time,
        ip: Option<IpAddr>,
        out: &mut Outbox<Action>,
    ) {
        let home = &mut self.homes[way.home];
        home.trip.measured(now.since(sent));
        home.heard = Some(now);
        self.guests.proved(now, way.from);
        self.release(now, way.from, out);
        if let Some(ip) = ip {
            self.vote(now, way, ip, out);
        }
    }

    fn answered(
        &mut self,
        now: Time,
        way: Way,
        asked: &Asked,
        response: &Response<'_>,
        out: &mut Outbox<Action>,
    ) {
        let node = Node { id: response.id, address: way.from };
        self.told(now, way.home, response, out);
        match asked.why {
            Why::Look(key, run) => self.looked(now, (key, run), node, response, out),
            Why::Store(key, run) => self.stored(now, (key, run), Ok(()), out),
            Why::Upkeep => {
                let nodes = match self.homes[way.home].family {
                    Family::V4 => &response.nodes,
                    Family::V6 => &response.nodes6,
                };
                self.heard_of(now, way.home, nodes.as_deref().unwrap_or_default(), out);
            }
            Why::Ping(query) => {
                let round_trip = now.since(asked.sent);
                out.push(Action::Report(Report::Pong { query, id: node.id, round_trip }));
            }
            Why::Sample(query) => {
                let nodes = [&response.nodes, &response.nodes6].into_iter().flatten().flatten();
                let (samples, nodes) = (response.samples.clone(), nodes.copied().collect());
                out.push(Action::Report(Report::Sampled { query, samples, nodes }));
            }
        }
    }

    fn refused(&mut self, now: Time, way: Way, asked: &Asked, code: i64, out: &mut Outbox<Action>) {
        match asked.why {
            Why::Look(key, run) => {
                self.searches.refused(key, run, way.from);
                self.drive(now, key, out);
            }
            Why::Store(key, run) => self.stored(now, (key, run), Err(Some(code)), out),
            Why::Upkeep => {}
            Why::Ping(query) | Why::Sample(query) => {
                out.push(Action::Report(Report::Failed { query, code: Some(code) }));
            }
        }
    }

    /// Somebody does not answer: `failed` when nothing is expected any more.
    fn overdue(&mut self, now: Time, asked: &Asked, failed: bool, out: &mut Outbox<Action>) {
        if let (Why::Look(key, run), false) = (asked.why, asked.late && failed) {
            self.searches.late(key, run, asked.to);
            self.drive(now, key, out);
        }
        if failed {
            self.failed(now, usize::from(asked.home), asked.to);
            match asked.why {
                Why::Store(key, run) => self.stored(now, (key, run), Err(None), out),
                Why::Ping(query) | Why::Sample(query) => {
                    out.push(Action::Report(Report::Failed { query, code: None }));
                }
                Why::Look(..) | Why::Upkeep => {}
            }
        }
    }

    /// Asks somebody something, unless too much is open or it was asked too much already.
    fn ask(
        &mut self,
        now: Time,
        to: Way,
        (ask, why): (Ask<'_>, Why),
        out: &mut Outbox<Action>,
    ) -> bool {
        if self.open.len() >= OPEN_MAX || !self.guests.may_be_asked(now, to.from) {
            return false;
        }
        let home = &self.homes[to.home];
        let place = (to.home as u8, to.from);
        let transaction = self.open.put(now, place, why, &home.trip, &mut self.rng);
        let query = Query { id: home.id, want: self.want(to.home, &ask), ask };
        let message = Message {
            transaction: &transaction,
            kind: Kind::Query(query),
            read_only: self.config.read_only,
            ip: None,
            version: Some(&self.config.version),
        };
        let packet = message.to_bytes();
        self.counts.asked += 1;
        self.send(to, packet, out);
        true
    }

    /// Nodes of the other family are asked for while few of them are known (BEP 32).
    fn want(&self, home: usize, ask: &Ask<'_>) -> Option<Want> {
        let looks = matches!(ask, Ask::FindNode { .. } | Ask::GetPeers { .. } | Ask::Get { .. });
        let family = self.homes[home].family;
        let poor = |other: &Home| other.family != family && other.is_poor();
        (looks && self.homes.iter().any(poor)).then_some(Want { v4: true, v6: true })
    }

    fn send(&self, to: Way, packet: Vec<u8>, out: &mut Outbox<Action>) {
        let first = self.home_of(Family::of(to.from)) == Some(to.home);
        out.push(if first {
            Action::Send { to: to.from, packet }
        } else {
            Action::SendFrom { home: to.home as u8, to: to.from, packet }
        });
    }
}

impl Machine for Dht {
    type Event = Event;
    type Action = Action;

    fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        match event {
            Event::Packet { from, bytes } => {
                if let Some(home) = self.home_of(Family::of(from)) {
                    self.packet(now, Way { home, from }, &bytes, out);
                }
            }
            Event::PacketAt { home, from, bytes } => {
                let home = usize::from(home);
                if home < self.homes.len() {
                    self.packet(now, Way { home, from }, &bytes, out);
                }
            }
            Event::Command(command) => self.command(now, command, out),
        }
        self.start_waiting(now, out);
    }

    fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        while let Some((asked, failed)) = self.open.overdue(now) {
            self.overdue(now, &asked, failed, out);
        }
        self.drive_due(now, out);
        self.keep_up(now, out);
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let silence = self.open.deadline().map(|at| (at, "dht silence"));
        let search = self.searches.deadline().map(|at| (at, "dht search"));
        let keeping = self.keeping_at().map(|at| (at, "dht upkeep"));
        [silence, search, keeping].into_iter().flatten().min()
    }
}
