//! Our node of the DHT: which torrents take part, who asked it for what, and what comes of it.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use toubkal_core::base::{Bucket, Machine, Outbox, Rng, Time};
use toubkal_core::dht::{
    Action, Announce, Command, Config, Dht, Event, Family, QueryId, Report, SearchStatus,
};
use toubkal_core::engine::{self, LinkEvent, LinkId, PeerSource, State, Terms, TorrentId};
use toubkal_wire::krpc::Id;
use toubkal_wire::message::Message;

use super::Brain;
use crate::dht::Order;
use crate::tracker::Ask;

/// How often what the node knows is kept.
const KEEP: Duration = Duration::from_secs(300);
/// Before names are looked up again while nobody is known; doubled up to the last.
const AGAIN: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));
/// How long nobody is told that we take part in a torrent whose metadata is sought: it may be
/// private, and then nobody is to know at all (BEP 27).
const SILENT: Duration = Duration::from_secs(10);
/// Names of nodes of one torrent that are looked up.
const NAMES_MAX: usize = 8;
/// What handles have asked for and still listen to.
const ASKED_MAX: usize = 256;
/// Nodes that peers tell of, a minute and at once: each costs a packet.
const TOLD: u64 = 60;
/// A bucket counts whole things: a node that was told of is a thousand of them.
const ONE: u64 = 1000;

/// What is set once.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Nodes to begin with, as `HOST:PORT`.
    pub(crate) bootstrap: Vec<String>,
    /// Where peers reach us.
    pub(crate) listening_on: Vec<SocketAddr>,
    /// What was kept of the last life.
    pub(crate) saved: Vec<u8>,
}

/// The node, once it is needed, and whoever it works for.
#[derive(Debug)]
pub(super) struct Node {
    setup: Setup,
    rng: Rng,
    machine: Option<Dht>,
    /// The torrents that take part, and what others are told of them.
    finds: HashMap<TorrentId, (QueryId, Told)>,
    /// Those of which nothing is told yet, the first whose time comes first.
    silent: VecDeque<(Time, TorrentId)>,
    askers: HashMap<QueryId, Asker>,
    number: u64,
    keep_at: Time,
    names_at: Option<(Time, Duration)>,
    /// Peers that have a node as well, and are to be told of ours.
    met: Vec<LinkId>,
    told: Option<Bucket>,
}

/// What others are told of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Leecher,
    Seed,
}

/// Who hears what became of an order.
#[derive(Debug)]
enum Asker {
    Torrent(TorrentId),
    Handle(Sender<Report>),
}

impl Node {
    pub(super) fn new(setup: Setup, rng: Rng) -> Self {
        Self {
            setup,
            rng,
            machine: None,
            finds: HashMap::new(),
            silent: VecDeque::new(),
            askers: HashMap::new(),
            number: 0,
            keep_at: Time::START,
            names_at: None,
            met: Vec::new(),
            told: None,
        }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Time> {
        let machine = self.machine.as_ref()?;
        let names = self.names_at.map(|(at, _)| at);
        let due = machine.deadline().map(|(at, _)| at);
        let silent = self.silent.front().map(|(at, _)| *at);
        due.into_iter().chain(names).chain(silent).chain([self.keep_at]).min()
    }

    /// The families in which we take part: those in which peers reach us, or both.
    fn families(&self) -> Vec<Family> {
        let all = [Family::V4, Family::V6];
        let ours = &self.setup.listening_on;
        let reached = |family: &Family| ours.iter().any(|addr| Family::of(*addr) == *family);
        all.into_iter().filter(|family| ours.is_empty() || reached(family)).collect()
    }

    /// Whether peers reach us from this machine alone: then nobody else is asked either.
    fn is_local(&self) -> bool {
        let ours = &self.setup.listening_on;
        !ours.is_empty() && ours.iter().all(|addr| addr.ip().is_loopback())
    }

    /// Whether others may ask us.
    fn serves(&self) -> bool {
        !self.setup.listening_on.is_empty()
    }

    fn knows_nobody(&self) -> bool {
        self.nodes() == 0
    }

    /// Nodes that it knows.
    pub(super) fn nodes(&self) -> u32 {
        let homes = self.machine.as_ref().map(Dht::status).unwrap_or_default().homes;
        homes.iter().map(|home| home.nodes as u32).sum()
    }

    /// How the search for peers of a torrent stands.
    pub(super) fn search(&self, torrent: TorrentId) -> Option<SearchStatus> {
        let (query, _) = *self.finds.get(&torrent)?;
        let searches = self.machine.as_ref()?.status().searches;
        searches.into_iter().find(|search| search.query == query)
    }
}

impl Brain {
    /// The torrent transfers, or its metadata is sought: its peers are looked for, unless they
    /// come from its trackers alone (BEP 27). Once more when it has become a seed.
    pub(super) fn join_dht(&mut self, now: Time, torrent: TorrentId) {
        let seed = self.engine.status(torrent).is_some_and(|status| status.state == State::Seeding);
        let told = if seed {
            Told::Seed
        } else if self.magnets.is_sought(torrent) {
            Told::Nothing
        } else {
            Told::Leecher
        };
        self.find(now, torrent, told);
    }

    fn find(&mut self, now: Time, torrent: TorrentId, told: Told) {
        let Some(hash) = self.torrents.public_hash(torrent) else { return };
        self.start_dht(now);
        let Some(node) = &mut self.node else { return };
        let query = match node.finds.get(&torrent) {
            Some(&(_, known)) if known == told => return,
            Some(&(query, _)) => query,
            None => {
                node.number += 1;
                QueryId(node.number)
            }
        };
        if told == Told::Nothing {
            node.silent.push_back((now.after(SILENT), torrent));
        }
        node.finds.insert(torrent, (query, told));
        node.askers.insert(query, Asker::Torrent(torrent));
        let ours = node.setup.listening_on.first().filter(|_| told != Told::Nothing);
        let announce =
            ours.map(|ours| Announce { port: Some(ours.port()), seed: told == Told::Seed });
        self.tell_dht(now, Command::Find { query, info_hash: Id(hash), announce });
    }

    /// Tells others of those whose metadata nobody has given for so long: who has it may come.
    fn break_silence(&mut self, now: Time) {
        while let Some(node) = &mut self.node
            && let Some(&(at, torrent)) = node.silent.front()
            && at <= now
        {
            node.silent.pop_front();
            let silent = node.finds.get(&torrent).is_some_and(|(_, told)| *told == Told::Nothing);
            if silent && self.magnets.is_sought(torrent) {
                self.find(now, torrent, Told::Leecher);
            }
        }
    }

    /// The torrent stops, or is found to be private.
    pub(super) fn leave_dht(&mut self, now: Time, torrent: TorrentId) {
        let Some(node) = &mut self.node else { return };
        if let Some((query, _)) = node.finds.remove(&torrent) {
            node.askers.remove(&query);
            self.tell_dht(now, Command::Stop(query));
        }
    }

    /// What a handle wants.
    pub(super) fn dht_order(&mut self, now: Time, order: Order) {
        if !matches!(order, Order::Status(_) | Order::Stop(_)) {
            self.start_dht(now);
        }
        let Some(node) = &mut self.node else { return };
        match order {
            Order::Ask(query, wish, reports) => {
                // Whoever is one too many hears that nothing comes.
                if node.askers.len() - node.finds.len() < ASKED_MAX {
                    node.askers.insert(query, Asker::Handle(reports));
                    self.tell_dht(now, wish.command(query));
                }
            }
            Order::Stop(query) => {
                if node.askers.remove(&query).is_some() {
                    self.tell_dht(now, Command::Stop(query));
                }
            }
            Order::Nodes(nodes) => self.tell_dht(now, Command::Bootstrap(nodes)),
            Order::Start => {}
            Order::Status(reply) => drop(reply.send(node.machine.as_ref().map(Dht::status))),
        }
    }

    /// Nodes that a torrent names.
    pub(super) fn know_nodes(&mut self, now: Time, mut nodes: Vec<(String, u16)>) {
        if nodes.is_empty() {
            return;
        }
        self.start_dht(now);
        if self.node.as_ref().is_some_and(Node::knows_nobody) {
            nodes.truncate(NAMES_MAX);
            self.look_up_nodes(now, nodes);
        }
    }

    /// Nodes that were looked up.
    pub(super) fn found_nodes(&mut self, now: Time, nodes: Vec<SocketAddr>) {
        self.tell_dht(now, Command::Bootstrap(nodes));
    }

    /// What the handshakes of a torrent say, now that there is a node.
    pub(super) fn greet(&self, torrent: TorrentId, mut terms: Arc<Terms>) -> Arc<Terms> {
        let serves = self.node.as_ref().is_some_and(Node::serves);
        if serves && self.torrents.public_hash(torrent).is_some() {
            let terms = Arc::make_mut(&mut terms);
            terms.reserved = terms.reserved.with_dht();
        }
        terms
    }

    /// Listens to what peers say of their nodes (BEP 5).
    pub(super) fn overhear(&mut self, now: Time, fact: &engine::Event) {
        let Some(node) = &mut self.node else { return };
        if node.machine.is_none() {
            return;
        }
        match fact {
            engine::Event::Link(link, LinkEvent::Handshaken { reserved, .. })
                if reserved.dht() && node.serves() =>
            {
                node.met.push(*link);
            }
            engine::Event::Link(link, LinkEvent::Message(Message::Port(port))) => {
                let Some((torrent, remote)) = self.engine.joined(*link) else { return };
                let told =
                    node.told.get_or_insert_with(|| Bucket::new(now, TOLD * ONE / 60, TOLD * ONE));
                if self.torrents.public_hash(torrent).is_some() && told.take(now, ONE) {
                    self.tell_dht(now, Command::AddNode(SocketAddr::new(remote.ip(), *port)));
                }
            }
            _ => {}
        }
    }

    /// Tells new peers of our node. The engine has greeted them before.
    fn introduce_node(&mut self) {
        let Some(node) = self.node.as_mut().filter(|node| !node.met.is_empty()) else { return };
        for link in std::mem::take(&mut node.met) {
            let Some((torrent, remote)) = self.engine.joined(link) else { continue };
            let port = self.udp.port(remote.is_ipv6());
            if let (Some(port), Some(_)) = (port, self.torrents.public_hash(torrent)) {
                self.hands.send(link, Message::Port(port));
            }
        }
    }

    /// Does what is due.
    pub(super) fn work_on_dht(&mut self, now: Time) {
        self.introduce_node();
        let Some(node) = &mut self.node else { return };
        let due = node.machine.as_ref().and_then(Machine::deadline);
        if due.is_some_and(|(at, _)| at <= now) {
            self.with_dht(now, |machine, out| machine.advance(now, out));
        }
        self.look_again(now);
        self.break_silence(now);
        let Some(node) = &mut self.node else { return };
        if node.machine.is_some() && node.keep_at <= now {
            node.keep_at = now.after(KEEP);
            self.keep_nodes();
        }
    }

    /// Looks up the first nodes once more while nobody is known: the network may be there now.
    fn look_again(&mut self, now: Time) {
        let Some(node) = &mut self.node else { return };
        let Some((_, pause)) = node.names_at.filter(|(at, _)| *at <= now) else { return };
        if node.knows_nobody() {
            node.names_at = Some((now.after(pause), AGAIN.1.min(pause * 2)));
            self.bootstrap(now);
        } else if let Some(node) = &mut self.node {
            node.names_at = Some((now.after(AGAIN.1), AGAIN.0));
        }
    }

    /// Has the database remember whom the node knows.
    pub(super) fn keep_nodes(&self) {
        let (Some(node), Some(state)) = (&self.node, &self.state) else { return };
        if let Some(machine) = node.machine.as_ref().filter(|_| !node.knows_nobody()) {
            state.note(SETTING, write(&machine.save()));
        }
    }

    fn start_dht(&mut self, now: Time) {
        let Some(node) = &mut self.node else { return };
        if node.machine.is_some() {
            return;
        }
        let config = Config {
            homes: node.families(),
            // BEP 43: who is reached by nobody, or is soon gone, is of no use to others.
            read_only: !node.serves(),
            ..Config::default()
        };
        if !config.read_only {
            // Others may begin.
            self.udp.open(config.homes.iter().map(|family| *family == Family::V6));
        }
        let saved = std::mem::take(&mut node.setup.saved);
        node.machine = Some(Dht::new(config, &saved, node.rng.clone()));
        node.keep_at = now.after(KEEP);
        node.names_at = Some((now.after(AGAIN.0), AGAIN.0 * 2));
        self.bootstrap(now);
    }

    fn bootstrap(&mut self, now: Time) {
        let Some(node) = &self.node else { return };
        let split = |text: &String| {
            let (host, port) = text.rsplit_once(':')?;
            Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
        };
        let nodes = node.setup.bootstrap.iter().filter_map(split).collect();
        self.look_up_nodes(now, nodes);
    }

    /// Asks nodes, by their addresses at once, by their names when those were looked up.
    fn look_up_nodes(&mut self, now: Time, nodes: Vec<(String, u16)>) {
        let local = self.node.as_ref().is_some_and(Node::is_local);
        let mut known = Vec::new();
        for (host, port) in nodes {
            match host.parse::<IpAddr>() {
                Ok(ip) if local && !ip.is_loopback() => {}
                Ok(ip) => known.push(SocketAddr::new(ip, port)),
                Err(_) if local && host != "localhost" => {}
                // Without a client there would be no names.
                Err(_) => _ = self.trackers.ask(Ask::Node { host, port }),
            }
        }
        if !known.is_empty() {
            self.tell_dht(now, Command::Bootstrap(known));
        }
    }

    fn tell_dht(&mut self, now: Time, command: Command) {
        self.with_dht(now, |machine, out| machine.handle(now, Event::Command(command), out));
    }

    /// A packet of another node.
    pub(super) fn dht_packet(&mut self, now: Time, from: SocketAddr, bytes: Vec<u8>) {
        let event = Event::Packet { from, bytes };
        self.with_dht(now, |machine, out| machine.handle(now, event, out));
    }

    fn with_dht(&mut self, now: Time, tell: impl FnOnce(&mut Dht, &mut Outbox<Action>)) {
        let Some(machine) = self.node.as_mut().and_then(|node| node.machine.as_mut()) else {
            return;
        };
        let mut out = Outbox::new();
        tell(machine, &mut out);
        for action in out.drain() {
            match action {
                // What has no way there is as good as lost on it.
                Action::Send { to, packet } => _ = self.udp.send(to, &packet),
                // Each family has one address here.
                Action::SendFrom { .. } => {}
                Action::Report(report) => self.report(now, report),
            }
        }
    }

    /// Tells whoever gave the order.
    fn report(&mut self, now: Time, report: Report) {
        let asker = report.query().and_then(|query| self.node.as_ref()?.askers.get(&query));
        match (asker, report) {
            (Some(Asker::Handle(reports)), report) => {
                // One that does not listen misses what there is no room for.
                let _ = reports.try_send(report);
            }
            (Some(&Asker::Torrent(torrent)), Report::Peers { peers, .. }) => {
                self.handle(now, engine::Event::Peers(torrent, PeerSource::Dht, peers));
            }
            _ => {}
        }
    }
}

/// Under which name the database remembers what the node knows.
pub(crate) const SETTING: &str = "toubkal.dht";

/// As a setting: hex.
fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a setting. What is not right is nothing.
pub(crate) fn read(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.unwrap_or_default();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&bytes)), bytes);
        assert!(read("0g").is_empty());
    }

    #[test]
    fn a_session_that_is_reached_from_its_own_machine_asks_nobody_else() {
        let node = |listening_on: &[&str]| {
            let listening_on = listening_on.iter().map(|addr| addr.parse().unwrap()).collect();
            let setup = Setup { bootstrap: Vec::new(), listening_on, saved: Vec::new() };
            Node::new(setup, Rng::new([0; 32]))
        };
        assert!(node(&["127.0.0.1:1", "[::1]:1"]).is_local());
        assert!(!node(&["127.0.0.1:1", "0.0.0.0:1"]).is_local());
        assert!(!node(&[]).is_local());
        assert_eq!(node(&["127.0.0.1:1"]).families(), [Family::V4]);
        assert_eq!(node(&[]).families(), [Family::V4, Family::V6]);
    }
}
