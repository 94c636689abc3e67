//! The questions that are under way, each to one address.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::announce::Query;
use toubkal_wire::udp_tracker::{self, Request};

use super::line::{PATIENCE, silence};
use super::{Question, SCRAPE_MAX};
use crate::base::{Rng, Time};

/// One question to one address.
#[derive(Debug)]
pub(super) struct Flight<K> {
    /// Who asks: one, or of a scrape as many as there are torrents.
    pub(super) asks: Vec<K>,
    what: What,
    to: SocketAddr,
    /// When it is given up.
    until: Time,
    /// When the answer to its last packet is late; `None`: it waits to be sent.
    late: Option<Time>,
    /// Packets that had no answer.
    tries: u32,
    /// Its connection id was refused once.
    recalled: bool,
    due: Time,
}

#[derive(Debug)]
enum What {
    Announce(Box<Query>, String),
    Scrape(Vec<[u8; 20]>),
}

impl<K> Flight<K> {
    pub(super) fn new(now: Time, ask: K, question: &Question, path: &str, to: SocketAddr) -> Self {
        let what = match question {
            Question::Announce(query) => What::Announce(query.clone(), path.into()),
            Question::Scrape(hash) => What::Scrape(Vec::from([*hash])),
        };
        let until = now.after(PATIENCE);
        let asks = Vec::from([ask]);
        Self { asks, what, to, until, late: None, tries: 0, recalled: false, due: until }
    }
}

/// All of them, by their transactions.
#[derive(Debug)]
pub(super) struct Flights<K> {
    flights: BTreeMap<u32, Flight<K>>,
    due: BTreeSet<(Time, u32)>,
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self { flights: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl<K: Copy> Flights<K> {
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Takes a question in, under a number that nobody can guess.
    pub(super) fn insert(&mut self, flight: Flight<K>, rng: &mut Rng) -> u32 {
        let mut transaction = rng.bits() as u32;
        while self.flights.contains_key(&transaction) {
            transaction = transaction.wrapping_add(1);
        }
        self.due.insert((flight.due, transaction));
        self.flights.insert(transaction, flight);
        transaction
    }

    /// Adds a torrent to a scrape that is not sent yet; `false` when there is none with room.
    pub(super) fn join(
        &mut self,
        mut waiting: impl Iterator<Item = u32>,
        ask: K,
        hash: [u8; 20],
    ) -> bool {
        let room = |transaction: &u32| match self.flights.get(transaction).map(|f| &f.what) {
            Some(What::Scrape(hashes)) => hashes.len() < SCRAPE_MAX,
            _ => false,
        };
        let Some(transaction) = waiting.find(room) else { return false };
        if let Some(flight) = self.flights.get_mut(&transaction)
            && let What::Scrape(hashes) = &mut flight.what
        {
            hashes.push(hash);
            flight.asks.push(ask);
        }
        true
    }

    /// The packet of a question, which is sent now.
    pub(super) fn send(&mut self, now: Time, transaction: u32, connection: u64) -> Option<Vec<u8>> {
        let flight = self.flights.get_mut(&transaction)?;
        let question = match &flight.what {
            What::Announce(query, path) => udp_tracker::Question::Announce {
                connection,
                query: Query::clone(query),
                path: path.clone(),
            },
            What::Scrape(hashes) => {
                udp_tracker::Question::Scrape { connection, hashes: hashes.clone() }
            }
        };
        flight.late = Some(now.after(silence(flight.tries)));
        self.plan(transaction);
        Some(Request { transaction, question }.encode())
    }

    /// Whether this was sent there and waits for an answer.
    pub(super) fn is_sent(&self, transaction: u32, to: SocketAddr) -> bool {
        let flight = self.flights.get(&transaction);
        flight.is_some_and(|flight| flight.to == to && flight.late.is_some())
    }

    pub(super) fn is_scrape(&self, transaction: u32) -> bool {
        let flight = self.flights.get(&transaction);
        flight.is_some_and(|flight| matches!(flight.what, What::Scrape(_)))
    }

    /// All that were sent to an address.
    pub(super) fn sent_to(&self, to: SocketAddr) -> impl Iterator<Item = u32> {
        let there = move |flight: &Flight<K>| flight.to == to && flight.late.is_some();
        self.flights.iter().filter(move |(_, flight)| there(flight)).map(|(id, _)| *id)
    }

    /// It is to be sent once more with another connection id; `false` when it was already.
    pub(super) fn recall(&mut self, transaction: u32) -> bool {
        let Some(flight) = self.flights.get_mut(&transaction) else { return false };
        flight.late = None;
        let first = !core::mem::replace(&mut flight.recalled, true);
        self.plan(transaction);
        first
    }

    /// What became of a question that is due: where it went, how many packets had no answer if
    /// one was sent, and whether it is to be sent again.
    pub(super) fn time_out(
        &mut self,
        now: Time,
        transaction: u32,
    ) -> Option<(SocketAddr, Option<u32>, bool)> {
        let flight = self.flights.get_mut(&transaction)?;
        let sent = flight.late.take().is_some();
        flight.tries += u32::from(sent);
        let (to, patient) = (flight.to, now < flight.until);
        let tries = sent.then_some(flight.tries);
        self.plan(transaction);
        Some((to, tries, patient))
    }

    pub(super) fn remove(&mut self, transaction: u32) -> Option<Flight<K>> {
        let flight = self.flights.remove(&transaction)?;
        self.due.remove(&(flight.due, transaction));
        Some(flight)
    }

    /// A question that is due; the caller sees to it that it is not due any more.
    pub(super) fn due(&self, now: Time) -> Option<u32> {
        let &(at, transaction) = self.due.first()?;
        (at <= now).then_some(transaction)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }

    fn plan(&mut self, transaction: u32) {
        let Some(flight) = self.flights.get_mut(&transaction) else { return };
        let due = flight.late.map_or(flight.until, |late| late.min(flight.until));
        let before = core::mem::replace(&mut flight.due, due);
        self.due.remove(&(before, transaction));
        self.due.insert((due, transaction));
    }
}
