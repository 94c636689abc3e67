//! What a node is told, what it wants done, and what it tells of itself.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use toubkal_wire::krpc::{Id, Node, Samples};

use crate::base::Time;

/// What is set once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses that the node has, by their families: each has an id and a routing table of
    /// its own, all share what is stored (BEP 32, BEP 45). At most [`HOMES_MAX`]; the first of a
    /// family is the one that asks.
    pub homes: Vec<Family>,
    /// Asks and answers nothing (BEP 43): for who cannot be reached, or pays for each packet.
    pub read_only: bool,
    /// Nodes whose ids do not follow from their addresses (BEP 42) are no neighbours, and are
    /// asked last.
    pub enforce_ids: bool,
    /// The program and its version, as packets have them.
    pub version: [u8; 4],
}

/// Addresses of a node that count.
pub const HOMES_MAX: usize = 8;

impl Default for Config {
    fn default() -> Self {
        Self {
            homes: [Family::V4, Family::V6].into(),
            read_only: false,
            enforce_ids: true,
            version: *b"TK\0\x01",
        }
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What the driver calls an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// A fact for the node.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet came to the first address of its family.
    Packet {
        /// Who sent it.
        from: SocketAddr,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// A packet came to one of several addresses (BEP 45).
    PacketAt {
        /// Which of [`Config::homes`].
        home: u8,
        /// Who sent it.
        from: SocketAddr,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// Somebody wants something.
    Command(Command),
}

/// What can be ordered.
#[derive(Clone, Debug)]
pub enum Command {
    /// Nodes that may know others; they are asked at once, and again when nobody else is known.
    Bootstrap(Vec<SocketAddr>),
    /// A node that a peer or a torrent told of.
    AddNode(SocketAddr),
    /// Finds peers of a torrent until [`Command::Stop`]: at once, then again after pauses that
    /// grow. Given again under its name it starts anew.
    Find {
        /// Its name.
        query: QueryId,
        /// The torrent.
        info_hash: Id,
        /// Tells the nodes that we are a peer.
        announce: Option<Announce>,
    },
    /// Counts the peers of a torrent (BEP 33).
    Scrape {
        /// Its name.
        query: QueryId,
        /// The torrent.
        info_hash: Id,
    },
    /// Ends an order; nothing of it is reported afterwards.
    Stop(QueryId),
    /// Fetches an item (BEP 44).
    Get {
        /// Its name.
        query: QueryId,
        /// Which.
        wanted: Wanted,
    },
    /// Stores an item (BEP 44) at the nodes that are nearest now. It fades after two hours.
    Put {
        /// Its name.
        query: QueryId,
        /// What.
        item: NewItem,
    },
    /// Asks one node whether it is there.
    Ping {
        /// Its name.
        query: QueryId,
        /// The node.
        to: SocketAddr,
    },
    /// Finds the nodes nearest to an id.
    FindNodes {
        /// Its name.
        query: QueryId,
        /// The id.
        target: Id,
    },
    /// Asks one node which torrents it knows (BEP 51).
    Sample {
        /// Its name.
        query: QueryId,
        /// The node.
        to: SocketAddr,
        /// Nodes near this are told as well.
        target: Id,
    },
    /// Answers nothing from now on, or again (BEP 43).
    ReadOnly(bool),
}

/// What nodes are told of us as a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Where we listen; `None`: on the port that packets come from (`implied_port`).
    pub port: Option<u16>,
    /// We have everything (BEP 33).
    pub seed: bool,
}

/// Which item (BEP 44).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The one with this hash.
    Immutable(Id),
    /// The newest of a key.
    Mutable {
        /// Who signs it.
        key: [u8; 32],
        /// Which of its items; empty for the only one.
        salt: Vec<u8>,
    },
}

/// An item to store (BEP 44). Values are bencoded, of at most 1,000 bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum NewItem {
    /// Never changes.
    Immutable(Vec<u8>),
    /// Signed here.
    Mutable {
        /// The seed of an Ed25519 key.
        secret: [u8; 32],
        /// Which of the key's items, at most 64 bytes.
        salt: Vec<u8>,
        /// Its number; `None`: one above what is found.
        seq: Option<i64>,
        /// What it says.
        value: Vec<u8>,
        /// Only where the stored one has this number.
        cas: Option<i64>,
    },
    /// Signed elsewhere: who follows an item keeps it alive by this.
    Signed(Item),
}

impl core::fmt::Debug for NewItem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // No log is to hold a secret.
        f.write_str(match self {
            Self::Immutable(_) => "an immutable item",
            Self::Mutable { .. } => "a mutable item",
            Self::Signed(_) => "a signed item",
        })
    }
}

/// An item that is as its hash or signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Bencoded.
    pub value: Vec<u8>,
    /// What makes it mutable.
    pub signed: Option<Signature>,
}

/// Who says a mutable item, and which of its versions it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Ed25519.
    pub key: [u8; 32],
    /// Over salt, number and value.
    pub signature: [u8; 64],
    /// Higher ones are newer.
    pub seq: i64,
    /// Which of the key's items.
    pub salt: Vec<u8>,
}

/// A thing that the world is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a packet from the first address of its family.
    Send {
        /// Who gets it.
        to: SocketAddr,
        /// Its payload.
        packet: Vec<u8>,
    },
    /// Send a packet from another of our addresses (BEP 45).
    SendFrom {
        /// Which of [`Config::homes`].
        home: u8,
        /// Who gets it.
        to: SocketAddr,
        /// Its payload.
        packet: Vec<u8>,
    },
    /// Tell who gave the order.
    Report(Report),
}

/// What became of an order, or of ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Peers that were not reported in this round.
    Peers {
        /// The order.
        query: QueryId,
        /// Where they are.
        peers: Vec<SocketAddr>,
        /// Who says so.
        from: SocketAddr,
        /// Nodes between us and the one that said so, that one included.
        hops: u8,
    },
    /// A round of looking is over; a [`Command::Find`] goes on after a pause.
    Done {
        /// The order.
        query: QueryId,
        /// How it went.
        summary: Summary,
    },
    /// We are known as a peer.
    Announced {
        /// The order.
        query: QueryId,
        /// Nodes that took it.
        nodes: u32,
    },
    /// A count of [`Command::Scrape`], roughly.
    Scraped {
        /// The order.
        query: QueryId,
        /// Peers that have everything.
        seeds: u32,
        /// Peers that do not.
        peers: u32,
    },
    /// An item; a mutable one may be followed by a newer one until the order is done.
    Got {
        /// The order.
        query: QueryId,
        /// It.
        item: Item,
    },
    /// A [`Command::Put`] is over.
    Stored {
        /// The order.
        query: QueryId,
        /// Nodes that took it.
        nodes: u32,
        /// What was stored, for who wants to store it again.
        item: Item,
        /// The last refusal: see [`toubkal_wire::krpc::code`].
        refused: Option<i64>,
    },
    /// A node is there.
    Pong {
        /// The order.
        query: QueryId,
        /// Its id.
        id: Id,
        /// How long it took.
        round_trip: Duration,
    },
    /// What a node knows.
    Sampled {
        /// The order.
        query: QueryId,
        /// Torrents; `None` when it does not say.
        samples: Option<Samples>,
        /// Other nodes.
        nodes: Vec<Node>,
    },
    /// The node that was asked refuses, or is not there.
    Failed {
        /// The order.
        query: QueryId,
        /// Its refusal; `None` for silence.
        code: Option<i64>,
    },
    /// Others see us here: the id of this address follows from it (BEP 42).
    External {
        /// Which of [`Config::homes`].
        home: u8,
        /// As others see it.
        ip: IpAddr,
    },
}

/// How a round of looking went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Which round it was, from 1.
    pub round: u32,
    /// Packets with questions.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// The longest way to a node that answered.
    pub hops: u8,
    /// Peers that were found.
    pub peers: u32,
    /// The nearest nodes that answered, nearest first.
    pub nodes: Vec<Node>,
}

/// How a node stands, for people.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// One for each of [`Config::homes`].
    pub homes: Vec<HomeStatus>,
    /// Orders that are under way.
    pub searches: Vec<SearchStatus>,
    /// Torrents of which peers are stored here.
    pub torrents: usize,
    /// Peers that are stored here.
    pub peers: usize,
    /// Items that are stored here.
    pub items: usize,
    /// Questions that were sent.
    pub asked: u64,
    /// Questions of others that were answered.
    pub answers: u64,
    /// Questions of others that came too fast.
    pub dropped: u64,
}

/// How one address of a node stands.
#[derive(Clone, Debug)]
pub struct HomeStatus {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its id.
    pub id: Id,
    /// As others see it.
    pub external: Option<IpAddr>,
    /// Nodes in its table.
    pub nodes: usize,
    /// Nodes that take the place of those that fall silent.
    pub spare: usize,
    /// What a round trip takes; zero while nobody has answered.
    pub round_trip: Duration,
}

/// How an order stands.
#[derive(Clone, Debug)]
pub struct SearchStatus {
    /// The order.
    pub query: QueryId,
    /// Rounds that are over.
    pub rounds: u32,
    /// Packets of this round.
    pub asked: u32,
    /// Nodes that answered in this round.
    pub answered: u32,
    /// Nodes that did not answer in time.
    pub silent: u32,
    /// The longest way to a node that answered.
    pub hops: u8,
    /// Peers of this round.
    pub peers: u32,
    /// When the next round starts; `None` while one is under way.
    pub next: Option<Time>,
}
