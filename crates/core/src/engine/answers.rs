//! What can be asked of an engine, at any time.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::torrent::Torrent;
use super::torrents::Dormant;
use super::{Engine, LinkId, PeerStatus, Priority, Reason, Sources, Stage, Status, TorrentId};
use crate::base::{Bitset, Time};

impl Engine {
    /// How a torrent stands. `None`: there is none of that name.
    #[must_use]
    pub fn status(&self, torrent: TorrentId) -> Option<Status> {
        let full = self.torrents.get(torrent).map(Torrent::status);
        full.or_else(|| self.torrents.dormant(torrent).map(Dormant::status))
    }

    /// The torrents that are awake: of all others nothing changes from one second to the next.
    #[must_use]
    pub fn awake(&self) -> Vec<TorrentId> {
        self.torrents.awake()
    }

    /// Why a torrent is no faster than it is now. `None`: there is none of that name. It is found
    /// when it is asked for, which costs a look at each peer and address that the torrent knows.
    #[must_use]
    pub fn why(&self, now: Time, torrent: TorrentId) -> Option<Reason> {
        let full = self.torrents.get(torrent).map(|it| it.why(now, &self.shared));
        full.or_else(|| self.torrents.dormant(torrent).map(|it| it.why().into()))
    }

    /// How many addresses of a torrent are known from where. `None`: there is none of that name.
    #[must_use]
    pub fn sources(&self, torrent: TorrentId) -> Option<Sources> {
        self.torrents.get(torrent).map(Torrent::sources)
    }

    /// The connected peers of a torrent.
    #[must_use]
    pub fn peers(&self, torrent: TorrentId) -> Vec<PeerStatus> {
        self.torrents.get(torrent).map(Torrent::peers).unwrap_or_default()
    }

    /// Where the other end of a link is, and which torrent it speaks of.
    #[must_use]
    pub fn joined(&self, link: LinkId) -> Option<(TorrentId, SocketAddr)> {
        let known = self.links.get(link.index())?.as_ref()?;
        match known.stage {
            Stage::Joined(torrent) if known.generation == link.generation() => {
                Some((torrent, known.remote))
            }
            _ => None,
        }
    }

    /// What is wanted of a torrent, one a file. `None`: there is none of that name, or it is
    /// dormant, and all of it is wanted as usual.
    #[must_use]
    pub fn priorities(&self, torrent: TorrentId) -> Option<Vec<Priority>> {
        self.torrents.get(torrent).map(Torrent::priorities)
    }

    /// The verified pieces of a torrent. `None`: there is none of that name, or it is dormant, and
    /// so has every piece.
    #[must_use]
    pub fn have(&self, torrent: TorrentId) -> Option<&Bitset> {
        self.torrents.get(torrent).map(Torrent::have)
    }
}
