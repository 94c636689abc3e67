//! What the engine tells of itself: snapshots for people and programs.

use core::net::SocketAddr;

use super::action::StoreError;
use super::durable::Totals;
use super::event::PeerSource;

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its metadata is being looked for.
    Seeking(Seeking),
    /// Its folder is being looked at.
    #[default]
    Opening,
    /// What lies on the disk is being checked.
    Checking {
        /// Pieces checked.
        done: u32,
        /// Pieces to check in all.
        of: u32,
    },
    /// Some wanted piece is missing.
    Downloading,
    /// Every wanted piece is verified; files get their names.
    Finishing,
    /// Everything wanted is there.
    Seeding,
    /// Stopped by the user, or by an error of the disk.
    Stopped(Option<StoreError>),
}

/// How far the search for metadata is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeking {
    /// Connected peers that say they have it, and are asked.
    pub asked: u32,
    /// Its blocks, of 16 KiB, that are there.
    pub blocks: u32,
    /// Its blocks in all; 0 while nobody has said.
    pub of: u32,
    /// Peers that sent false ones.
    pub liars: u32,
    /// It is found, and the program has not yet said what it holds.
    pub found: bool,
}

/// How many addresses of a torrent are known from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// From the user.
    pub user: u32,
    /// From trackers.
    pub tracker: u32,
    /// From themselves: they connected to us.
    pub incoming: u32,
    /// From the local network.
    pub lan: u32,
    /// From the DHT.
    pub dht: u32,
    /// From other peers.
    pub exchange: u32,
}

/// A torrent at one moment. Bytes are of payload; rates are bytes a second over a few seconds.
/// By default one of which nothing was told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// Pieces in all.
    pub pieces: u32,
    /// Verified pieces.
    pub have: u32,
    /// Bytes of all wanted pieces, padding left out.
    pub wanted: u64,
    /// Bytes of wanted pieces that are not verified yet.
    pub left: u64,
    /// Bytes of blocks that were received and asked for.
    pub downloaded: u64,
    /// Bytes of blocks that were sent.
    pub uploaded: u64,
    /// Bytes that were received in vain: twice, unasked, or of a piece that failed.
    pub wasted: u64,
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Peers that are connected, their handshakes done.
    pub peers: u32,
    /// Those of them that have every piece.
    pub seeds: u32,
    /// Those of them that would answer requests.
    pub unchoked_by: u32,
    /// Those of them to whom we upload.
    pub unchoked: u32,
    /// Connections that are being tried.
    pub dialing: u32,
    /// Addresses that are known, connected or not.
    pub known: u32,
    /// Copies of the rarest wanted piece among the connected peers.
    pub rarest: u32,
    /// What was transferred in all lives of the torrent, this one included.
    pub totals: Totals,
    /// Pieces that were believed at the last start, without a check.
    pub remembered: u32,
    /// Pieces that were checked since the last start because they lay there and were not believed.
    pub checked: u32,
}

/// A connected peer at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The other end.
    pub remote: SocketAddr,
    /// What it calls itself.
    pub peer_id: [u8; 20],
    /// How we came to know it.
    pub source: PeerSource,
    /// Verified pieces it says it has.
    pub have: u32,
    /// Bytes of blocks received from it.
    pub downloaded: u64,
    /// Bytes of blocks sent to it.
    pub uploaded: u64,
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Requests of ours that it has not answered.
    pub requests: u32,
    /// It will not answer requests.
    pub choking_us: bool,
    /// We will not answer its requests.
    pub choked: bool,
    /// It wants something of us.
    pub interested: bool,
}
