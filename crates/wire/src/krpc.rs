//! KRPC: what the nodes of the DHT say to each other (BEP 5, 32, 33, 42, 43, 44, 51).
//!
//! A [`Message`] borrows from the packet it was read from. Reading takes what real nodes send;
//! what is written is canonical. A query that is wrong comes out as [`Problem::Fault`], with what
//! its sender is to be told.

mod decode;
mod encode;
mod filter;
mod id;
mod item;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

pub use decode::read_nodes;
pub use encode::compact_nodes;
pub use filter::Filter;
pub use id::{Id, Node, is_local};
pub use item::{Signed, immutable_target, mutable_target, signed_bytes};

/// The longest packet that is read. Others send at most what fits into one frame.
pub const PACKET_BYTES_MAX: usize = 4096;
/// The longest transaction that is echoed.
pub const TRANSACTION_BYTES_MAX: usize = 64;
/// The longest token that is taken and shown again.
pub const TOKEN_BYTES_MAX: usize = 128;
/// Nodes of one list that count; 8 are usual.
pub const NODES_MAX: usize = 64;
/// Peers of one answer that count.
pub const VALUES_MAX: usize = 256;
/// The longest value of an item, bencoded (BEP 44).
pub const VALUE_BYTES_MAX: usize = 1000;
/// The longest salt of an item (BEP 44).
pub const SALT_BYTES_MAX: usize = 64;
/// Info-hashes of one answer that count (BEP 51).
pub const SAMPLES_MAX: usize = 128;
/// Where a text of an error is cut.
pub const TEXT_BYTES_MAX: usize = 256;

/// Errors that a node answers with (BEP 5, BEP 44).
pub mod code {
    /// Something else.
    pub const GENERIC: i64 = 201;
    /// The node cannot.
    pub const SERVER: i64 = 202;
    /// A malformed packet, a wrong argument, a bad token.
    pub const PROTOCOL: i64 = 203;
    /// No such query.
    pub const METHOD: i64 = 204;
    /// The value of an item is too big.
    pub const VALUE: i64 = 205;
    /// The signature of an item is wrong.
    pub const SIGNATURE: i64 = 206;
    /// The salt of an item is too big.
    pub const SALT: i64 = 207;
    /// The item has another number than was expected.
    pub const CAS: i64 = 301;
    /// The item has a higher number already.
    pub const SEQUENCE: i64 = 302;
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What the asker chose, echoed by who answers.
    pub transaction: &'a [u8],
    /// What is said.
    pub kind: Kind<'a>,
    /// The sender answers no queries (BEP 43).
    pub read_only: bool,
    /// The receiver's address as the sender sees it (BEP 42); port 0 when it was left out.
    pub ip: Option<SocketAddr>,
    /// The sender's program, usually two letters and two bytes.
    pub version: Option<&'a [u8]>,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A question.
    Query(Query<'a>),
    /// Its answer.
    Response(Response<'a>),
    /// Its refusal.
    Error {
        /// See [`code`].
        code: i64,
        /// For a person; not always UTF-8.
        text: &'a [u8],
    },
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Who asks.
    pub id: Id,
    /// Which families of nodes are wanted (BEP 32); `None`: that of the packet.
    pub want: Option<Want>,
    /// What is asked.
    pub ask: Ask<'a>,
}

/// Families of nodes that an asker wants (BEP 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// `n4`
    pub v4: bool,
    /// `n6`
    pub v6: bool,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Are you there?
    Ping,
    /// Which nodes are near?
    FindNode {
        /// To this.
        target: Id,
    },
    /// Which peers does a torrent have?
    GetPeers {
        /// The torrent.
        info_hash: Id,
        /// Rather peers that are no seeds (BEP 33).
        no_seed: bool,
        /// Filters that count peers and seeds are wanted (BEP 33).
        scrape: bool,
    },
    /// I am a peer of a torrent.
    AnnouncePeer {
        /// The torrent.
        info_hash: Id,
        /// Where it listens; not 0 unless it is implied.
        port: u16,
        /// It listens on the port that it sends from.
        implied_port: bool,
        /// It has everything (BEP 33).
        seed: bool,
        /// What the node gave with its last answer.
        token: &'a [u8],
    },
    /// What is stored here (BEP 44)?
    Get {
        /// The hash of an immutable item, or of the key and salt of a mutable one.
        target: Id,
        /// Only if its number is above this.
        seq: Option<i64>,
    },
    /// Store this (BEP 44).
    Put {
        /// What the node gave with its last answer.
        token: &'a [u8],
        /// One bencoded value, in its canonical form.
        value: &'a [u8],
        /// What makes it mutable.
        signed: Option<Signed<'a>>,
        /// Only if the stored one has this number.
        cas: Option<i64>,
    },
    /// Which torrents does the node know (BEP 51)?
    SampleInfohashes {
        /// Nodes near this are told as well.
        target: Id,
    },
}

/// An answer: which of its parts are there depends on the question, of which it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Who answers.
    pub id: Id,
    /// Nodes near the target with IPv4 addresses.
    pub nodes: Option<Vec<Node>>,
    /// Nodes near the target with IPv6 addresses (BEP 32).
    pub nodes6: Option<Vec<Node>>,
    /// To be shown with an announce or a put.
    pub token: Option<&'a [u8]>,
    /// Peers.
    pub values: Vec<SocketAddr>,
    /// Which addresses are seeds, and which are not (BEP 33).
    pub scrape: Option<Scrape>,
    /// The value of an item as it stands in the packet, bencoded (BEP 44).
    pub value: Option<&'a [u8]>,
    /// The key of a mutable item.
    pub key: Option<&'a [u8; 32]>,
    /// The signature of a mutable item.
    pub signature: Option<&'a [u8; 64]>,
    /// The number of a mutable item.
    pub seq: Option<i64>,
    /// Torrents that the node knows (BEP 51).
    pub samples: Option<Samples>,
}

/// Filters of one torrent (BEP 33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// `BFsd`
    pub seeds: Filter,
    /// `BFpe`
    pub peers: Filter,
}

/// Torrents that a node knows (BEP 51).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Seconds during which it will say the same.
    pub interval: u32,
    /// How many it knows.
    pub known: u32,
    /// Some of them.
    pub hashes: Vec<Id>,
}

impl Response<'_> {
    /// An answer with nothing in it.
    #[must_use]
    pub fn new(id: Id) -> Self {
        Self {
            id,
            nodes: None,
            nodes6: None,
            token: None,
            values: Vec::new(),
            scrape: None,
            value: None,
            key: None,
            signature: None,
            seq: None,
            samples: None,
        }
    }
}

/// Why a packet is none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem<'a> {
    /// It is to be ignored.
    Garbage,
    /// It is a query that its sender has to be told about.
    Fault {
        /// To be echoed.
        transaction: &'a [u8],
        /// See [`code`].
        code: i64,
        /// What is wrong.
        text: &'static str,
        /// The sender answers no queries (BEP 43).
        read_only: bool,
    },
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbage => f.write_str("not a packet of the DHT"),
            Self::Fault { code, text, .. } => write!(f, "a wrong query: {text} ({code})"),
        }
    }
}

impl core::error::Error for Problem<'_> {}
