//! The engine: which block from whom, which to whom, what is written, what is believed.

mod action;
mod blame;
pub mod bounds;
mod choker;
mod event;
mod limits;
mod meter;
mod partial;
mod picker;
mod pipeline;
mod roster;
mod status;

pub use action::*;
pub use event::*;
pub use status::*;

use alloc::vec::Vec;

use crate::base::{Bitset, Machine, Outbox, Rng, Time};

/// What is set once, when the engine is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we call ourselves to peers (BEP 20).
    pub peer_id: [u8; 20],
    /// The port on which peers reach us; 0 when they cannot.
    pub port: u16,
    /// Rates of all torrents together.
    pub rates: Rates,
    /// The most connections at once.
    pub links_max: u32,
    /// The most connections that are being tried at once.
    pub dials_max: u32,
    /// Peers of one torrent that we upload to at once, the optimistic one among them.
    pub slots: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peer_id: *b"-TK0100-000000000000",
            port: 0,
            rates: Rates::default(),
            links_max: 200,
            dials_max: 16,
            slots: 8,
        }
    }
}

/// The engine. See [`Machine`] for how it is driven.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// An engine without torrents.
    #[must_use]
    pub fn new(_config: Config, _rng: Rng) -> Self {
        Self {}
    }

    /// How a torrent stands.
    #[must_use]
    pub fn status(&self, _torrent: TorrentId) -> Option<Status> {
        None
    }

    /// The connected peers of a torrent.
    #[must_use]
    pub fn peers(&self, _torrent: TorrentId) -> Vec<PeerStatus> {
        Vec::new()
    }

    /// The verified pieces of a torrent.
    #[must_use]
    pub fn have(&self, _torrent: TorrentId) -> Option<&Bitset> {
        None
    }
}

impl Machine for Engine {
    type Event = Event;
    type Action = Action;

    fn handle(&mut self, _now: Time, _event: Event, _out: &mut Outbox<Action>) {}

    fn advance(&mut self, _now: Time, _out: &mut Outbox<Action>) {}

    fn deadline(&self) -> Option<(Time, &'static str)> {
        None
    }
}
