//! Keeping the table: who is taken in, who is looked after, what happens when our address changes
//! or nobody answers any more.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use toubkal_wire::compact;
use toubkal_wire::krpc::{Ask, Id, Node, Response};

use super::asked::Why;
use super::lookup::K;
use super::{Action, Command, Dht, Family, Report, Way};
use crate::base::{Bucket, Outbox, Time};

/// One node is looked after so often.
pub(super) const UPKEEP: Duration = Duration::from_secs(12);
/// A node of which something was heard since then is left alone.
const STALE: Duration = Duration::from_secs(300);
/// Stores are swept so often.
const SWEEP: Duration = Duration::from_secs(300);
/// One turn in so many is for a node that fell silent or never answered: it may be back, and know
/// others than we do. A network that was cut in two heals by it.
const LOST_TURNS: u32 = 5;
/// When nothing was heard for so long the silence may be our own.
const ALONE: Duration = Duration::from_secs(30);
/// Nodes that asked us and are looked at, a minute and at once.
const PROBES: u64 = 30;

#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// When the next node is looked after; `None` while nobody is known.
    next: Option<Time>,
    turn: u32,
    swept: Time,
    /// Bounds how many strangers make us ask them.
    probes: Option<Bucket>,
}

impl Dht {
    pub(super) fn command(&mut self, now: Time, command: Command, out: &mut Outbox<Action>) {
        match command {
            Command::Bootstrap(addresses) => {
                for address in addresses {
                    if let Some(home) = self.contact(address) {
                        self.join(now, home, out);
                    }
                }
                self.drive_all(now, out);
            }
            Command::AddNode(address) => {
                if let Some(home) = self.contact(address) {
                    if self.homes[home].is_poor() {
                        self.join(now, home, out);
                    } else {
                        let target = self.homes[home].id;
                        self.probe(now, Way { home, from: address }, target, out);
                    }
                    self.drive_all(now, out);
                }
            }
            Command::Ping { query, to } => {
                self.direct(now, to, (Ask::Ping, Why::Ping(query)), query, out);
            }
            Command::Sample { query, to, target } => {
                let ask = Ask::SampleInfohashes { target };
                self.direct(now, to, (ask, Why::Sample(query)), query, out);
            }
            Command::ReadOnly(read_only) => self.config.read_only = read_only,
            Command::Find { .. }
            | Command::Scrape { .. }
            | Command::Stop(_)
            | Command::Get { .. }
            | Command::Put { .. }
            | Command::FindNodes { .. } => self.order(now, command, out),
        }
    }

    /// Remembers an address, and lets every look-up that knows few nodes have it.
    fn contact(&mut self, address: SocketAddr) -> Option<usize> {
        let home = self.home_of(Family::of(address)).filter(|_| compact::usable(address))?;
        self.homes[home].contact(address);
        self.searches.each_poor(home, |lookup| lookup.add_stranger(address));
        Some(home)
    }

    /// Asks one address that a person named.
    fn direct(
        &mut self,
        now: Time,
        to: SocketAddr,
        question: (Ask<'_>, Why),
        query: super::QueryId,
        out: &mut Outbox<Action>,
    ) {
        let home = self.home_of(Family::of(to)).filter(|_| compact::usable(to));
        let asked = home.is_some_and(|home| self.ask(now, Way { home, from: to }, question, out));
        if !asked {
            out.push(Action::Report(Report::Failed { query, code: None }));
        }
    }

    /// A node has answered: it may have a place in the table, and look-ups that know few nodes go
    /// on with it.
    pub(super) fn found(&mut self, now: Time, at: usize, node: Node, out: &mut Outbox<Action>) {
        let home = &mut self.homes[at];
        let fits = !self.config.enforce_ids || node.id.fits(node.address.ip());
        if !fits || !home.table.heard(now, node) {
            return;
        }
        home.remembered.retain(|known| known.address != node.address);
        self.keeping.next.get_or_insert(now.after(UPKEEP));
        if self.searches.each_poor(at, |lookup| lookup.add(node)) {
            self.drive_all(now, out);
        }
    }

    /// Nodes of the other family that an answer tells of are taken up where few are known.
    pub(super) fn told(
        &mut self,
        now: Time,
        at: usize,
        response: &Response<'_>,
        out: &mut Outbox<Action>,
    ) {
        let (family, nodes) = match self.homes[at].family {
            Family::V4 => (Family::V6, &response.nodes6),
            Family::V6 => (Family::V4, &response.nodes),
        };
        let (Some(nodes), Some(other)) = (nodes, self.home_of(family)) else { return };
        if nodes.is_empty() || !self.homes[other].is_poor() {
            return;
        }
        for node in nodes.iter().take(K) {
            self.homes[other].remember(*node);
            self.searches.each_poor(other, |lookup| lookup.add(*node));
        }
        self.join(now, other, out);
        self.drive_all(now, out);
    }

    /// A node asked us: if it would have a place in the table we look whether it is there.
    pub(super) fn asked_by(&mut self, now: Time, way: Way, id: Id, out: &mut Outbox<Action>) {
        let node = Node { id, address: way.from };
        let fits = !self.config.enforce_ids || id.fits(way.from.ip());
        let table = &self.homes[way.home].table;
        if fits && table.wants(&node) && !self.open.waits_for(way.from) {
            let target = self.homes[way.home].id;
            self.probe(now, way, target, out);
        }
    }

    /// Of the nodes that an answer tells of, one that would have a place is looked at: what one
    /// part of a network learns of another spreads by it.
    pub(super) fn heard_of(
        &mut self,
        now: Time,
        at: usize,
        nodes: &[Node],
        out: &mut Outbox<Action>,
    ) {
        let wanted = |node: &&Node| {
            let fits = !self.config.enforce_ids || node.id.fits(node.address.ip());
            let home = &self.homes[at];
            let absent = home.absent.contains(&node.address);
            fits && !absent && home.table.wants(node) && !self.open.waits_for(node.address)
        };
        if let Some(node) = nodes.iter().find(wanted) {
            let way = Way { home: at, from: node.address };
            let target = self.homes[at].id;
            self.probe(now, way, target, out);
        }
    }

    fn probe(&mut self, now: Time, way: Way, target: Id, out: &mut Outbox<Action>) {
        // A bucket counts whole things: thousandths make 30 a minute.
        let full = || Bucket::new(now, PROBES * 1000 / 60, PROBES * 1000);
        if self.keeping.probes.get_or_insert_with(full).take(now, 1000) {
            self.ask(now, way, (Ask::FindNode { target }, Why::Upkeep), out);
        }
    }

    pub(super) fn failed(&mut self, now: Time, at: usize, address: SocketAddr) {
        let home = &mut self.homes[at];
        let alone = home.heard.is_none_or(|heard| now.since(heard) >= ALONE);
        if let Some(gone) = home.table.failed(now, address, alone) {
            home.remember(gone);
        }
        home.missed(address);
    }

    /// Somebody says where it sees us.
    pub(super) fn vote(&mut self, now: Time, way: Way, ip: IpAddr, out: &mut Outbox<Action>) {
        let home = &mut self.homes[way.home];
        if ip.is_ipv4() != (home.family == Family::V4) || !compact::usable((ip, 1).into()) {
            return;
        }
        let Some(ip) = home.votes.vote(way.from, ip) else { return };
        let mut drawn = [0; 20];
        self.rng.fill(&mut drawn);
        let moved = home.moved(now, ip, &drawn);
        out.push(Action::Report(Report::External { home: way.home as u8, ip }));
        if moved {
            self.rejoin(now, way.home, out);
        }
    }

    /// There is somebody to look for as soon as there is a time.
    pub(super) fn wake(&mut self) {
        self.keeping.next = Some(Time::START);
    }

    pub(super) fn keeping_at(&self) -> Option<Time> {
        self.keeping.next
    }

    /// Once in twelve seconds asks the node that was not heard for longest for an id that belongs
    /// into its bucket: that shows whether it is there, and fills the bucket.
    pub(super) fn keep_up(&mut self, now: Time, out: &mut Outbox<Action>) {
        if self.keeping.next.is_none_or(|next| next > now) {
            return;
        }
        if now.since(self.keeping.swept) >= SWEEP {
            self.keeping.swept = now;
            self.peers.expire(now);
            self.items.expire(now);
        }
        self.keeping.turn = self.keeping.turn.wrapping_add(1);
        let turn = self.keeping.turn;
        for home in 0..self.homes.len() {
            let known = !self.homes[home].remembered.is_empty();
            if known && self.homes[home].is_poor() && !self.is_joining(home) {
                self.join(now, home, out);
            }
        }
        let first = turn as usize % self.homes.len().max(1);
        let homes = (first..self.homes.len()).chain(0..first);
        for at in homes {
            if turn.is_multiple_of(LOST_TURNS) && self.try_lost(now, at, out)
                || self.try_stale(now, at, out)
            {
                break;
            }
        }
        self.keeping.next = Some(now.after(UPKEEP));
    }

    fn try_stale(&mut self, now: Time, at: usize, out: &mut Outbox<Action>) -> bool {
        let home = &self.homes[at];
        let since = now.since(Time::START).saturating_sub(STALE);
        let Some((node, bits)) = home.table.stalest(Time::START.after(since)) else {
            return false;
        };
        let mut drawn = [0; 20];
        self.rng.fill(&mut drawn);
        let target = home.id.neighbour(bits, &Id(drawn));
        let way = Way { home: at, from: node.address };
        self.ask(now, way, (Ask::FindNode { target }, Why::Upkeep), out)
    }

    fn try_lost(&mut self, now: Time, at: usize, out: &mut Outbox<Action>) -> bool {
        let contacts = self.keeping.turn.is_multiple_of(2 * LOST_TURNS);
        let home = &mut self.homes[at];
        let Some(from) = home.next_lost(contacts) else { return false };
        let way = Way { home: at, from };
        let target = home.id;
        self.ask(now, way, (Ask::FindNode { target }, Why::Upkeep), out)
    }
}
