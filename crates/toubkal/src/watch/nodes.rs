//! How far a look-up in the DHT is, in words and as an object.

use std::fmt;

use toubkal_session::dht::SearchStatus;

use crate::report::Event;
use crate::text;

/// A look-up at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nodes {
    /// Rounds that are over.
    pub(super) rounds: u32,
    asked: u32,
    answered: u32,
    silent: u32,
    hops: u8,
    peers: u32,
}

impl Nodes {
    #[expect(clippy::needless_pass_by_value, reason = "so that it fits map")]
    pub(super) fn of(search: SearchStatus) -> Self {
        let SearchStatus { rounds, asked, answered, silent, hops, peers, .. } = search;
        Self { rounds, asked, answered, silent, hops, peers }
    }

    pub(super) fn event<'e>(&self, torrent: &'e str) -> Event<'e> {
        let Self { rounds, asked, answered, silent, hops, peers } = *self;
        Event::Dht { torrent, rounds, asked, answered, silent, hops, peers }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = text::count(self.answered.into(), "node", "nodes");
        let hops = text::count(self.hops.into(), "hop", "hops");
        let peers = text::count(self.peers.into(), "peer", "peers");
        write!(f, "in the DHT {nodes} answered, {} did not; {hops}, {peers}", self.silent)
    }
}
