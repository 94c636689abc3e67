//! One connection: its socket, how far it is, and what it waits for.

use core::net::SocketAddr;

use mio::net::TcpStream;
use toubkal_core::base::Time;
use toubkal_core::engine::{DialId, TorrentId};
use toubkal_wire::handshake::Reserved;

use super::input::Input;
use super::output::Output;

/// A connection, or the attempt at one.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) stage: Stage,
    pub(crate) input: Input,
    pub(crate) output: Output,
    /// The system would take bytes, as far as we know.
    pub(crate) writable: bool,
    /// In which queues of the hand it stands.
    pub(crate) queued: Queued,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// We try to connect; given up at `until`.
    Dialing { dial: DialId, torrent: TorrentId, until: Time },
    /// We connected and sent our handshake; the peer's has to name the same torrent.
    Called { torrent: TorrentId },
    /// The peer connected, and has not said why.
    Stranger,
    /// The torrent is known, the peer id is not.
    Greeted { torrent: TorrentId, reserved: Reserved },
    /// Both handshakes are through.
    Met,
}

/// One flag for each queue: a connection stands in each at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queued {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) starved: bool,
    pub(crate) hungry: bool,
}

impl Conn {
    pub(crate) fn new(stream: TcpStream, remote: SocketAddr, stage: Stage) -> Self {
        Self {
            stream,
            remote,
            stage,
            input: Input::new(),
            output: Output::default(),
            writable: true,
            queued: Queued::default(),
        }
    }
}
