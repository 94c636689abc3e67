//! What the engine is told: facts about links, jobs, peers, and the user's commands.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::{Message, MessageError};

use super::action::StoreError;
use super::durable::{Memory, Totals};
use crate::base::{Bitset, Key};

/// The kind of thing that a [`TorrentId`] names.
#[derive(Debug)]
pub enum TorrentKind {}
/// A torrent, named by the engine.
pub type TorrentId = Key<TorrentKind>;

/// The kind of thing that a [`LinkId`] names.
#[derive(Debug)]
pub enum LinkKind {}
/// A connection to a peer, named by the hand that holds it.
pub type LinkId = Key<LinkKind>;

/// An attempt to connect, named by the engine; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// A job for the store, named by the engine; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// A reader of a torrent, named by the program: of one torrent no two at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(pub u64);

/// The bytes of one received block, held by a hand under this name.
///
/// Neither `Clone` nor `Copy`: it comes in one event and leaves in exactly one action,
/// `Store` or `Discard`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Payload(pub u32);

/// A fact for the engine.
#[derive(Debug)]
pub enum Event {
    /// Something happened on a link.
    Link(LinkId, LinkEvent),
    /// A connection that the engine asked for did not come about.
    DialFailed(DialId, DialError),
    /// The store finished a job. Each job is answered exactly once, also when its torrent is gone.
    Job(JobId, Result<Done, StoreError>),
    /// Addresses of peers, from one source. Duplicates and our own address are harmless.
    Peers(TorrentId, PeerSource, Vec<SocketAddr>),
    /// The user, or the program, wants something.
    Command(Box<Command>),
    /// Answer to [`super::Action::Load`]: what belongs to a dormant torrent, as if it were added
    /// now; or why it cannot be had. Harmless when nobody has asked.
    Loaded(TorrentId, Result<Box<AddTorrent>, StoreError>),
}

impl Event {
    /// Whether it shows that there is a network: something came from another machine.
    pub(super) fn is_heard(&self) -> bool {
        match self {
            Self::Link(_, event) => {
                !matches!(event, LinkEvent::Served { .. } | LinkEvent::Closed(_))
            }
            Self::DialFailed(_, error) => *error == DialError::Refused,
            Self::Peers(_, source, _) => *source != PeerSource::User,
            Self::Job(..) | Self::Command(_) | Self::Loaded(..) => false,
        }
    }
}

/// What happened on a link. The order for one link: `Opened`, `Handshaken`, then any number of
/// the others, `Closed` last, once, also after [`super::Action::Close`].
#[derive(Debug)]
pub enum LinkEvent {
    /// A stream to or from a peer is open; nothing is known of the peer yet.
    Opened {
        /// The dial that this answers; `None` when the peer connected to us.
        dial: Option<DialId>,
        /// The other end.
        remote: SocketAddr,
    },
    /// Both handshakes are through, and the torrent is one that was admitted.
    Handshaken {
        /// The torrent that both speak of.
        torrent: TorrentId,
        /// What the peer calls itself.
        peer_id: [u8; 20],
        /// What the peer can do.
        reserved: Reserved,
    },
    /// A whole control message, also keep-alives.
    Message(Message),
    /// A whole block has come.
    Received {
        /// As the peer named it, checked by nobody yet.
        block: Block,
        /// Its bytes.
        payload: Payload,
    },
    /// A [`super::Action::Serve`] is over. Each is answered exactly once.
    Served {
        /// The block that was asked for.
        block: Block,
        /// What became of it.
        outcome: Served,
    },
    /// The link is gone.
    Closed(CloseReason),
}

/// How a [`super::Action::Serve`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The system took the last byte.
    Sent,
    /// It was called back before its first byte was sent, or the link closed.
    Withdrawn,
    /// The bytes could not be read; nothing was sent.
    Failed(StoreError),
}

/// What a finished job of the store brings.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// Answer to `Open`: what lies in the folder.
    Opened(Box<Opened>),
    /// Answer to `Store`: the block is written (to the system, not yet to the disk).
    Stored,
    /// Answer to `Verify`: the piece has the right hash.
    Good,
    /// Answer to `Verify`: the piece is wrong. A SHA-1 for each block as it was read, for blame.
    Bad(Vec<[u8; 20]>),
    /// Answer to `Digest`: a SHA-1 for each block of the piece.
    Digests(Vec<[u8; 20]>),
    /// Answer to `Reclaim`, `Finish`, `Sync` and `Record`.
    Ready,
}

/// What lies in the folder of a torrent.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// One for each file of the torrent.
    pub files: Vec<Found>,
    /// Pieces of which every byte may be there: the only ones worth a check.
    pub worth: Bitset,
    /// Pieces with bytes in files that may have been changed by others since the last record
    /// (another length, another time of change, or nobody knows): what is remembered of these
    /// pieces does not count.
    pub changed: Bitset,
}

/// What lies where a file of the torrent belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// An incomplete file under its temporary name.
    Part,
    /// A file of the right length under the final name.
    Whole,
    /// Something else: a file of another length, or no file.
    Other,
    /// Nothing is ever stored for it: padding, or a symbolic link.
    Virtual,
}

/// Why a connection did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialError {
    /// The other end said no.
    Refused,
    /// There is no way there.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
    /// This machine has no socket left for it; the peer is not to blame.
    Local,
}

/// Where an address came from; what counts most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSource {
    /// The user named it.
    User,
    /// A tracker.
    Tracker,
    /// The peer connected to us.
    Incoming,
    /// Found on the local network (BEP 14).
    Lan,
    /// The DHT (BEP 5).
    Dht,
    /// Another peer (BEP 11).
    Exchange,
}

impl PeerSource {
    /// Whether a private torrent takes it: BEP 27 allows its trackers, and nobody forbids the user.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::User | Self::Tracker | Self::Incoming)
    }
}

/// Why a link is closed, by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    ByPeer,
    /// The network did: reset, unreachable.
    Lost,
    /// The handshake was not one, or of a torrent that we do not have.
    Handshake,
    /// No handshake, or no sign of life, in time.
    TimedOut,
    /// The peer is ourselves.
    Ourselves,
    /// The peer is connected already.
    Duplicate,
    /// Neither side has anything for the other.
    Redundant,
    /// Another peer was given the place.
    Evicted,
    /// There are too many connections.
    Full,
    /// The address is banned.
    Banned,
    /// The torrent was stopped, or the program ends.
    Stopped,
    /// The peer broke a rule.
    Misbehaved(Misbehaved),
}

/// The peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaved {
    /// Bytes that are not a message.
    Malformed(MessageError),
    /// A bitfield of the wrong size, or with spare bits set.
    Bitfield,
    /// A piece that the torrent does not have.
    PieceOutOfRange,
    /// A request that is empty, too long, or goes past its piece.
    BadRequest,
    /// More requests than we said we would keep.
    RequestFlood,
    /// Too many blocks that nobody asked for.
    Unrequested,
    /// A message of an extension that we did not agree on.
    NotAgreed,
    /// An extension message that is not what it should be.
    BadExtension,
    /// A block that made a piece fail.
    BadBlock,
    /// Metadata that is not what the info-hash names.
    BadMetadata,
    /// Choked and unchoked, or had and had not, without end.
    Flapping,
}

/// What the user, or the program, wants.
#[derive(Debug)]
pub enum Command {
    /// A torrent to work on; answered by [`super::Notice::Added`].
    Add(AddTorrent),
    /// A torrent that is whole and was left at rest: it is dormant, and taken in at once; answered
    /// by [`super::Notice::Added`].
    Rest(Resting),
    /// A torrent of which only the info-hash is known: its metadata is to be fetched from peers.
    /// Answered by [`super::Notice::Added`] at once, and by [`super::Notice::Metadata`] when it is
    /// there.
    Seek(Seek),
    /// What the metadata says, in answer to [`super::Notice::Metadata`]: the torrent keeps its name
    /// and its peers, and is from now on like one that was added so. Ignored when its metadata is
    /// known already.
    Resolve(TorrentId, AddTorrent),
    /// Forget a torrent; its files stay.
    Remove(TorrentId),
    /// Go on with a stopped torrent; its files are looked at anew.
    Start(TorrentId),
    /// Stop a torrent, keep it.
    Stop(TorrentId),
    /// Check everything that lies in the folder, whatever is remembered.
    Check(TorrentId),
    /// Change rates: of one torrent, or of all together.
    Limit {
        /// `None`: all torrents together.
        torrent: Option<TorrentId>,
        /// The new rates.
        rates: Rates,
    },
    /// Change what is wanted: one priority a file. Ignored when the count is wrong.
    Prioritise(TorrentId, Vec<Priority>),
    /// Take pieces in order ([`Policy::Sequential`]), or rarest first ([`Policy::RarestFirst`]).
    Sequential(TorrentId, bool),
    /// Somebody reads a file while it comes, or has gone on, or elsewhere: the pieces that it reads
    /// next come before all others. Answered, now and whenever more is there, by
    /// [`super::Notice::Readable`]. A file that is not wanted is wanted until nobody reads the
    /// torrent any more. Ignored when there is no such file, and of more than
    /// [`super::bounds::READERS_MAX`] readers.
    Read(TorrentId, Read),
    /// Somebody reads no more.
    Unread(TorrentId, ReaderId),
    /// Close everything; ends with [`super::Notice::Ended`].
    Shutdown,
}

/// What somebody reads of a file, in bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Who.
    pub reader: ReaderId,
    /// Index of the file.
    pub file: u32,
    /// The next byte that is read.
    pub from: u64,
    /// The first that is not wanted any more; the end of the file at the latest.
    pub to: u64,
}

/// Which of the pieces that are wanted is begun next. Priorities of files come before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The piece that fewest peers have; among equals, chance. What is begun is ended first, unless
    /// the peer has a rarer piece to give. Best for the swarm, and so for its members (Legout et
    /// al. 2006).
    #[default]
    RarestFirst,
    /// The first missing piece of the torrent that the peer has: for files that are used while they
    /// come.
    Sequential,
    /// Any piece that the peer has. For comparison: what rarest first is worth.
    Random,
}

/// A torrent of which only the info-hash is known, as in a magnet link (BEP 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seek {
    /// Comes back in [`super::Notice::Added`].
    pub ticket: u64,
    /// What handshakes carry, and what the metadata is checked against.
    pub info_hash: [u8; 20],
    /// It is to stay stopped until [`Command::Start`].
    pub paused: bool,
}

/// A torrent to work on.
#[derive(Debug)]
pub struct AddTorrent {
    /// Comes back in [`super::Notice::Added`].
    pub ticket: u64,
    /// What handshakes carry.
    pub info_hash: [u8; 20],
    /// Pieces and files.
    pub layout: Arc<Layout>,
    /// BEP 27: peers come from trackers alone, and nobody is told of others or of the metadata.
    pub private: bool,
    /// Bytes of the info dictionary, when the hands can give it to peers
    /// ([`super::Action::GiveMetadata`]).
    pub metadata_size: Option<u32>,
    /// One a file.
    pub priorities: Vec<Priority>,
    /// Which piece is begun next.
    pub policy: Policy,
    /// Go on with a file under the final name that is not what the torrent says it is, as long
    /// as it is of the right length, even when not one piece of it is right.
    pub adopt: bool,
    /// Rates of this torrent.
    pub rates: Rates,
    /// It is to stay stopped until [`Command::Start`].
    pub paused: bool,
    /// The driver can load it again ([`super::Action::Load`]): when it is whole and nobody has
    /// wanted anything of it for a while, it may become dormant.
    pub rests: bool,
    /// What is known of it from an earlier life. Of no use when its sets are not as long as the
    /// torrent has pieces.
    pub memory: Option<Memory>,
}

/// A torrent that is whole, and of which no more need be known until somebody asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Resting {
    /// Comes back in [`super::Notice::Added`].
    pub ticket: u64,
    /// What handshakes carry.
    pub info_hash: [u8; 20],
    /// How many pieces it has; all of them are verified and on the disk.
    pub pieces: u32,
    /// Their bytes, padding left out.
    pub bytes: u64,
    /// What was transferred.
    pub totals: Totals,
}

/// Bytes a second; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Downloaded.
    pub down: Option<u64>,
    /// Uploaded.
    pub up: Option<u64>,
}

/// How much a file is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Not at all.
    Skip,
    /// After the others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
}
