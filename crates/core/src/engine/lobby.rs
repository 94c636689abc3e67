//! What waits for a torrent that is not ready: peers at the door, and what was meant for it.
//!
//! A leaf: who waits, and how many may.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::message::Message;

use super::bounds::{LOBBY_BYTES_MAX, LOBBY_LINKS_MAX, LOBBY_LISTS_MAX, LOBBY_MESSAGES_MAX};
use super::event::{Command, LinkId, PeerSource, TorrentId};

/// Who and what waits.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    guests: Vec<Guest>,
    mail: Vec<(TorrentId, Mail)>,
}

/// A peer that has said who it is.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) link: LinkId,
    pub(super) torrent: TorrentId,
    pub(super) peer_id: [u8; 20],
    pub(super) reserved: Reserved,
    /// What it has said since.
    pub(super) said: Vec<Message>,
    /// Messages and bytes in them, those that were replaced too.
    heard: usize,
    bytes: usize,
}

/// What is meant for a torrent.
#[derive(Debug)]
pub(super) enum Mail {
    Command(Box<Command>),
    Peers(PeerSource, Vec<SocketAddr>),
}

impl Lobby {
    pub(super) fn is_empty(&self) -> bool {
        self.guests.is_empty() && self.mail.is_empty()
    }

    /// Lets a peer wait; false when there is no room.
    pub(super) fn wait(
        &mut self,
        link: LinkId,
        torrent: TorrentId,
        peer_id: [u8; 20],
        reserved: Reserved,
    ) -> bool {
        let room = self.guests.len() < LOBBY_LINKS_MAX;
        if room {
            let (said, heard, bytes) = (Vec::new(), 0, 0);
            self.guests.push(Guest { link, torrent, peer_id, reserved, said, heard, bytes });
        }
        room
    }

    /// Keeps what a peer says that waits, in place of what it takes back; false when it says too
    /// much.
    pub(super) fn hear(&mut self, link: LinkId, message: Message) -> bool {
        let before: usize = self.guests.iter().map(|guest| guest.bytes).sum();
        let Some(guest) = self.guests.iter_mut().find(|guest| guest.link == link) else {
            return true;
        };
        let bytes = match &message {
            Message::Bitfield(bytes) | Message::Extended(_, bytes) => bytes.len(),
            _ => 0,
        };
        guest.bytes += bytes;
        guest.heard += 1;
        guest.said.retain(|said| !replaces(&message, said));
        guest.said.push(message);
        guest.heard <= LOBBY_MESSAGES_MAX && before + bytes <= LOBBY_BYTES_MAX
    }

    /// The link is gone.
    pub(super) fn leave(&mut self, link: LinkId) {
        self.guests.retain(|guest| guest.link != link);
    }

    /// Keeps a command of the user until the torrent can hear it.
    pub(super) fn keep(&mut self, torrent: TorrentId, command: Box<Command>) {
        self.mail.push((torrent, Mail::Command(command)));
    }

    /// Keeps addresses; there will be others, should there be too many.
    pub(super) fn keep_peers(
        &mut self,
        torrent: TorrentId,
        source: PeerSource,
        peers: Vec<SocketAddr>,
    ) {
        let lists = self.mail.iter().filter(|(_, mail)| matches!(mail, Mail::Peers(..)));
        if lists.count() < LOBBY_LISTS_MAX {
            self.mail.push((torrent, Mail::Peers(source, peers)));
        }
    }

    /// For whom somebody or something waits.
    pub(super) fn torrents(&self) -> BTreeSet<TorrentId> {
        let guests = self.guests.iter().map(|guest| guest.torrent);
        guests.chain(self.mail.iter().map(|(torrent, _)| *torrent)).collect()
    }

    /// Takes out who waits for a torrent, in the order in which they came.
    pub(super) fn guests(&mut self, torrent: TorrentId) -> Vec<Guest> {
        self.guests.extract_if(.., |guest| guest.torrent == torrent).collect()
    }

    /// Takes out what waits for a torrent, in the order in which it came.
    pub(super) fn mail(&mut self, torrent: TorrentId) -> Vec<Mail> {
        let mail = self.mail.extract_if(.., |(whose, _)| *whose == torrent);
        mail.map(|(_, mail)| mail).collect()
    }
}

/// Whether a message leaves nothing of one that came before.
fn replaces(new: &Message, old: &Message) -> bool {
    use Message::{Bitfield, Choke, Have, HaveAll, HaveNone, Interested, KeepAlive, NotInterested};
    use Message::{Request, Unchoke};
    match new {
        Choke | Unchoke => matches!(old, Choke | Unchoke),
        Interested | NotInterested => matches!(old, Interested | NotInterested),
        Bitfield(_) | HaveAll | HaveNone => {
            matches!(old, Bitfield(_) | HaveAll | HaveNone | Have(_))
        }
        KeepAlive => matches!(old, KeepAlive),
        Message::Cancel(block) => matches!(old, Request(asked) if asked == block),
        _ => false,
    }
}

#[cfg(any(test, feature = "testing"))]
impl Lobby {
    /// Who waits.
    pub(super) fn links(&self) -> BTreeSet<LinkId> {
        self.guests.iter().map(|guest| guest.link).collect()
    }
}
