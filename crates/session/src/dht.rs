//! The DHT for whoever embeds a session: orders of one's own, and what becomes of them.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
pub use toubkal_core::dht::{
    Announce, Family, HomeStatus, Item, NewItem, Report, SearchStatus, Signature, Status, Summary,
    Wanted, public_key,
};
use toubkal_core::dht::{Command, QueryId};
pub use toubkal_wire::krpc::{
    Id, Node, SALT_BYTES_MAX, Samples, VALUE_BYTES_MAX, code, immutable_target, mutable_target,
};

use crate::net;

/// Nodes that most clients begin with. The first answers over IPv6, too.
pub const ROUTERS: [&str; 4] = [
    "dht.libtorrent.org:25401",
    "router.bittorrent.com:6881",
    "router.utorrent.com:6881",
    "dht.transmissionbt.com:6881",
];

/// Reports of one order that wait for whoever gave it; more are lost.
const REPORTS_MAX: usize = 1024;
/// Names of orders of handles; those of torrents are below.
const FIRST: u64 = 1 << 63;

/// What can be asked of the DHT.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Peers of a torrent, again and again after pauses that grow.
    Peers {
        /// The torrent.
        info_hash: Id,
        /// Tells the nodes that we are a peer.
        announce: Option<Announce>,
    },
    /// How many peers a torrent has (BEP 33).
    Scrape(Id),
    /// An item (BEP 44).
    Get(Wanted),
    /// Stores an item (BEP 44). It fades after two hours.
    Put(NewItem),
    /// Whether a node is there.
    Ping(SocketAddr),
    /// The nodes nearest to an id.
    Nodes(Id),
    /// Which torrents a node knows (BEP 51).
    Sample {
        /// The node.
        to: SocketAddr,
        /// Nodes near this are told as well.
        target: Id,
    },
}

impl Wish {
    pub(crate) fn command(self, query: QueryId) -> Command {
        match self {
            Self::Peers { info_hash, announce } => Command::Find { query, info_hash, announce },
            Self::Scrape(info_hash) => Command::Scrape { query, info_hash },
            Self::Get(wanted) => Command::Get { query, wanted },
            Self::Put(item) => Command::Put { query, item },
            Self::Ping(to) => Command::Ping { query, to },
            Self::Nodes(target) => Command::FindNodes { query, target },
            Self::Sample { to, target } => Command::Sample { query, to, target },
        }
    }
}

/// Fills a seed for a key with chance.
///
/// # Errors
/// When the system has none.
pub fn random(seed: &mut [u8; 32]) -> io::Result<()> {
    getrandom::fill(seed).map_err(|error| io::Error::other(error.to_string()))
}

/// What the handles tell the network thread.
#[derive(Debug)]
pub(crate) enum Order {
    Ask(QueryId, Wish, Sender<Report>),
    Stop(QueryId),
    Nodes(Vec<SocketAddr>),
    Start,
    Status(Sender<Option<Status>>),
}

/// The DHT of a session. It does not keep the session alive.
#[derive(Clone, Debug)]
pub struct Dht {
    orders: net::Orders,
}

impl Dht {
    pub(crate) fn new(orders: net::Orders) -> Self {
        Self { orders }
    }

    /// Starts the node, if no torrent has needed it yet.
    pub fn start(&self) {
        self.order(Order::Start);
    }

    /// Asks for something. It is dropped together with the answers.
    #[must_use]
    pub fn ask(&self, wish: Wish) -> Answers {
        static NEXT: AtomicU64 = AtomicU64::new(FIRST);
        let query = QueryId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (sender, reports) = bounded(REPORTS_MAX);
        self.order(Order::Ask(query, wish, sender));
        Answers { query, reports, orders: self.orders.clone() }
    }

    /// Nodes that may know others.
    pub fn add_nodes(&self, nodes: Vec<SocketAddr>) {
        self.order(Order::Nodes(nodes));
    }

    /// How the node stands; `None` when nothing has needed it, or the session has ended.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let (reply, answer) = bounded(1);
        self.order(Order::Status(reply));
        answer.recv().ok().flatten()
    }

    fn order(&self, order: Order) {
        self.orders.send(net::Order::Dht(order));
    }
}

/// What becomes of an order, which ends when this is dropped.
#[derive(Debug)]
pub struct Answers {
    query: QueryId,
    reports: Receiver<Report>,
    orders: net::Orders,
}

impl Answers {
    /// The next report; `None` when there is none in time. The last of an order that is not
    /// repeated is [`Report::Done`], [`Report::Pong`], [`Report::Sampled`] or [`Report::Failed`].
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Report> {
        match self.reports.recv_timeout(timeout) {
            Ok(report) => Some(report),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Nobody waits in a loop that does not wait.
                std::thread::sleep(timeout);
                None
            }
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.orders.send(net::Order::Dht(Order::Stop(self.query)));
    }
}
