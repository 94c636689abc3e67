//! What the engine wants done: by the hands (links), by the store (jobs), by the program.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::Block;
use toubkal_wire::message::Message;

use super::durable::Record;
use super::event::{CloseReason, DialId, JobId, LinkId, Payload, ReaderId, TorrentId};

/// A thing to do. Jobs of one piece are done in the order they were given.
#[derive(Debug)]
pub enum Action {
    /// From now on handshakes for this torrent are welcome.
    Admit {
        /// The torrent.
        torrent: TorrentId,
        /// What its handshakes say.
        terms: Arc<Terms>,
    },
    /// Handshakes for this torrent are no longer welcome.
    Retire {
        /// The torrent.
        torrent: TorrentId,
    },
    /// Connect, send our handshake. Answered by `Opened` or `DialFailed`.
    Dial {
        /// The name of the attempt.
        dial: DialId,
        /// The torrent that the handshake names.
        torrent: TorrentId,
        /// Where to.
        remote: SocketAddr,
    },
    /// Send a control message.
    Send {
        /// To whom.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// Read a block and send it. Answered by `Served`.
    Serve {
        /// To whom.
        link: LinkId,
        /// Of which torrent.
        torrent: TorrentId,
        /// What; verified, and inside its piece.
        block: Block,
    },
    /// Call a `Serve` back, if none of its bytes are sent yet. Still answered by `Served`.
    Unserve {
        /// To whom it was to go.
        link: LinkId,
        /// What.
        block: Block,
    },
    /// Send a block of the torrent's metadata: an extension message of this number that is
    /// [`toubkal_wire::metadata::Metadata::Data`]. Nothing answers it.
    GiveMetadata {
        /// To whom.
        link: LinkId,
        /// Of which torrent.
        torrent: TorrentId,
        /// How the peer calls such messages.
        number: u8,
        /// Which block; there is one.
        block: u32,
    },
    /// Close a link. Answered by `Closed` as always.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Look at what lies in the torrent's folder.
    Open {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// One a file: whether its bytes are wanted. Bytes of unwanted files that wanted pieces
        /// hold are kept apart.
        wanted: Arc<[bool]>,
    },
    /// Write a block.
    Store {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// One of [`toubkal_wire::layout::Layout::block`].
        block: Block,
        /// Its bytes; free again afterwards.
        payload: Payload,
        /// Hash it too: it goes on where the blocks of this piece that were hashed end.
        digest: bool,
    },
    /// The block is of no use; its buffer is free again.
    Discard {
        /// Which.
        payload: Payload,
    },
    /// Check a piece. Its first `hashed` bytes went through `digest` already.
    Verify {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// Which.
        piece: u32,
        /// Bytes of the piece that need not be read again.
        hashed: u32,
    },
    /// Hash each block of a piece as it lies on the disk.
    Digest {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// Which.
        piece: u32,
    },
    /// Give a file that lies under its final name, but is not right, its temporary name back.
    Reclaim {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// Index of the file.
        file: u32,
    },
    /// A file is complete: sync it, then give it its final name. An empty one is made.
    Finish {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// Index of the file.
        file: u32,
    },
    /// Bring to the disk what was written of this torrent.
    Sync {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
    },
    /// Remember this, in place of what was remembered before. Records of one torrent are kept in
    /// the order they were given; a later one may survive a power cut only if the earlier did.
    /// Answered when it would survive the end of the program.
    Record {
        /// The name of the job.
        job: JobId,
        /// Whose.
        torrent: TorrentId,
        /// What.
        record: Arc<Record>,
    },
    /// No more jobs will come for this torrent: close its files.
    Release {
        /// Whose.
        torrent: TorrentId,
    },
    /// Look up what belongs to a dormant torrent. Answered by [`super::Event::Loaded`].
    Load {
        /// Whose.
        torrent: TorrentId,
    },
    /// Something that the program or the trackers want to know.
    Notify(Notice),
}

/// What the handshakes of a torrent say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The info-hash.
    pub info_hash: [u8; 20],
    /// What we call ourselves there.
    pub peer_id: [u8; 20],
    /// What we can do. A driver that has a DHT node says so.
    pub reserved: Reserved,
}

/// News.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Answer to `Command::Add` and `Command::Seek`.
    Added {
        /// From the command.
        ticket: u64,
        /// Its name from now on.
        torrent: TorrentId,
    },
    /// What lay on the disk has been checked; transfers begin.
    Checked {
        /// Whose.
        torrent: TorrentId,
    },
    /// A piece is verified.
    PieceDone {
        /// Whose.
        torrent: TorrentId,
        /// Which.
        piece: u32,
    },
    /// A piece was wrong and is fetched again.
    PieceBad {
        /// Whose.
        torrent: TorrentId,
        /// Which.
        piece: u32,
    },
    /// A file is complete, synced, and has its final name.
    FileDone {
        /// Whose.
        torrent: TorrentId,
        /// Index of the file.
        file: u32,
    },
    /// A file of a torrent that has everything cannot be read any more, or was changed by
    /// others. What is in it is not given any more; the rest is.
    FileLost {
        /// Whose.
        torrent: TorrentId,
        /// Index of the file.
        file: u32,
        /// What is wrong with it.
        error: StoreError,
    },
    /// Every wanted piece is verified; files are being finished.
    Verified {
        /// Whose.
        torrent: TorrentId,
    },
    /// Every wanted file is complete, synced, and has its final name.
    Completed {
        /// Whose.
        torrent: TorrentId,
        /// Nothing had to be downloaded since the torrent was started.
        at_once: bool,
    },
    /// The torrent stopped because of its folder or disk. Nothing that was verified is lost.
    Failed {
        /// Whose.
        torrent: TorrentId,
        /// Why.
        error: StoreError,
    },
    /// What is held of the torrent could not be recorded. It is tried again; if the program ended
    /// before that succeeds, some pieces would have to be checked anew.
    Unrecorded {
        /// Whose.
        torrent: TorrentId,
        /// Why.
        error: StoreError,
    },
    /// A peer broke a rule and its address is not welcome for the time being.
    Banned {
        /// Where it was met.
        torrent: TorrentId,
        /// Whose address.
        remote: SocketAddr,
    },
    /// Nobody has wanted anything of a whole torrent for a while: it is dormant, released, and
    /// recorded at rest. Handshakes for it stay welcome.
    Dormant {
        /// Which.
        torrent: TorrentId,
    },
    /// The metadata of a torrent that was sought: its info dictionary, which has the info-hash. To
    /// be answered by `Command::Resolve`, or by `Command::Remove` when it is of no use.
    Metadata {
        /// Whose.
        torrent: TorrentId,
        /// Its bytes, as they are hashed.
        bytes: Arc<[u8]>,
    },
    /// Bytes of a file that is read are verified and may be read, these and no others: what was
    /// said to the reader before does not count any more. Nothing is, when both are the same.
    Readable {
        /// Of which torrent.
        torrent: TorrentId,
        /// Who is told.
        reader: ReaderId,
        /// The first byte of its file,
        from: u64,
        /// and the first that may not be read yet.
        to: u64,
    },
    /// Everything is closed after `Command::Shutdown`.
    Ended,
}

/// The environment's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What went wrong.
    pub kind: StoreErrorKind,
    /// With which file, when it was with one.
    pub file: Option<u32>,
}

/// What went wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No space is left on the device, or a quota is reached.
    Full,
    /// Permission is missing, or the file system is read-only.
    Denied,
    /// The file, or the folder, is not there any more.
    Missing,
    /// Something else lies under the name.
    Exists,
    /// The path goes through a symbolic link, or out of the folder.
    Unsafe,
    /// The file is shorter than it was, or changed under us.
    Changed,
    /// The file system cannot hold a file of this length.
    TooLarge,
    /// Another process has the folder.
    Busy,
    /// This process has too many files open; nothing was done, and nothing is lost.
    Crowded,
    /// The system's error number.
    Other(i32),
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no space is left on the disk"),
            Self::Denied => f.write_str("permission denied"),
            Self::Missing => f.write_str("it is not there any more"),
            Self::Exists => f.write_str("something else has this name"),
            Self::Unsafe => f.write_str("the path leads out of the download folder"),
            Self::Changed => f.write_str("it was changed by another program"),
            Self::TooLarge => f.write_str("the file system cannot hold a file of this length"),
            Self::Busy => f.write_str("another process is working on it"),
            Self::Crowded => f.write_str("too many files are open"),
            Self::Other(number) => write!(f, "input/output error {number}"),
        }
    }
}
