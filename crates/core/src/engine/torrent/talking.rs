//! What is said by the extension protocol (BEP 10): who we are, who else is there, the metadata,
//! pieces that are gone.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::exchange::{Exchange, Flags};
use toubkal_wire::extension::{self, Extensions, Numbers};
use toubkal_wire::message::Message;
use toubkal_wire::metadata::{self, Metadata};

use super::super::action::Action;
use super::super::bounds::{REQUESTS_KEPT, RETOLD_FLAPS};
use super::super::contact::Contact;
use super::super::event::{CloseReason, LinkId, Misbehaved, PeerSource};
use super::super::peer::Peer;
use super::super::shared::{Cx, same_machine};
use super::Torrent;

impl Torrent {
    /// Says what we can do, and what we see.
    pub(super) fn greet(&self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(peer) = self.peers.get(&link).filter(|peer| peer.reserved.extended()) else {
            return;
        };
        let mut numbers = Numbers::OURS;
        if self.private {
            // BEP 27. A number that was given before is taken back (BEP 10).
            let gone = peer.contact.greeted.then_some(0);
            (numbers.exchange, numbers.metadata) = (gone, gone);
        }
        let handshake = Extensions {
            numbers,
            port: Some(cx.shared.config.port).filter(|&port| port != 0),
            requests: Some(REQUESTS_KEPT as i64),
            client: Some(String::from(&*cx.shared.config.client)),
            your_ip: Some(peer.remote.ip().to_canonical()),
            metadata_size: self.given_size(),
            upload_only: self.is_through().then_some(true),
            ..Extensions::default()
        };
        let payload = handshake.encode().into();
        cx.send(link, Message::Extended(extension::HANDSHAKE, payload));
    }

    /// Bytes of the metadata, when it is given to peers.
    fn given_size(&self) -> Option<u32> {
        self.metadata_size.filter(|&size| size > 0 && !self.private)
    }

    /// BEP 10: a message under one of the numbers that we gave.
    pub(super) fn extended(&mut self, cx: &mut Cx<'_>, link: LinkId, number: u8, payload: &[u8]) {
        let told = Some(number);
        if self.peers.get(&link).is_none_or(|peer| !peer.reserved.extended()) {
            return;
        }
        if number == extension::HANDSHAKE {
            self.greeted(cx, link, payload);
        } else if told == Numbers::OURS.metadata && !self.private {
            self.metadata_message(cx, link, payload);
        } else if told == Numbers::OURS.exchange && !self.private {
            self.exchanged(cx, link, payload);
        } else if told == Numbers::OURS.dont_have {
            self.lost_by(cx, link, payload);
        } else if told == Numbers::OURS.upload_only
            && let Some(upload_only) = extension::upload_only(payload)
        {
            self.wants_nothing(cx, link, upload_only);
        }
        // Old clients send what nobody asked for; it costs us nothing.
    }

    /// The peer says what it can do. It may do so again when something has changed.
    fn greeted(&mut self, cx: &mut Cx<'_>, link: LinkId, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(told) = Extensions::decode(payload) else {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::BadExtension));
        };
        if let Some(ours) = told.your_ip {
            cx.shared.outside.hear(peer.remote.ip(), ours);
        }
        if let Some(requests) = told.requests {
            peer.pipeline.told(requests);
        }
        // A handshake may come again with news (BEP 10), but an address is learned once.
        if let (Some(port), None, false) = (told.port, peer.address, peer.contact.told) {
            let address = SocketAddr::new(peer.remote.ip(), port);
            peer.address = Some(address);
            self.roster.hear(address, PeerSource::Incoming, cx.now);
            self.roster.busy(address);
            self.news_at = cx.now;
        }
        let first = !core::mem::replace(&mut peer.contact.told, true);
        peer.flaps += if first { 0 } else { RETOLD_FLAPS };
        peer.contact.numbers = peer.contact.numbers.then(told.numbers);
        let gives = Contact::takes(peer.contact.numbers.metadata).is_some();
        if let Some(upload_only) = told.upload_only {
            self.wants_nothing(cx, link, upload_only);
        }
        if let Some(size) = told.metadata_size.filter(|_| gives) {
            self.offered(cx, link, size);
        }
        self.show_others(cx, link);
    }

    /// Whether the peer wants nothing any more (BEP 21).
    fn wants_nothing(&mut self, cx: &mut Cx<'_>, link: LinkId, upload_only: bool) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.flaps += u32::from(peer.contact.upload_only != upload_only);
        peer.contact.upload_only = upload_only;
        if upload_only && self.is_through() {
            cx.close(link, CloseReason::Redundant);
        }
    }

    /// Everything wanted is there: peers that wonder whom to keep are told (BEP 21).
    pub(super) fn tell_upload_only(&mut self, cx: &mut Cx<'_>) {
        for (&link, peer) in self.peers.iter_mut() {
            if let Some(number) = Contact::takes(peer.contact.numbers.upload_only) {
                peer.said = cx.now;
                cx.send(link, Message::Extended(number, [1].into()));
            }
        }
    }

    /// The peer does not have a piece any more (BEP 54).
    fn lost_by(&mut self, cx: &mut Cx<'_>, link: LinkId, payload: &[u8]) {
        let Some(piece) = extension::dont_have(payload) else {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::BadExtension));
        };
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.flaps += 1;
        if piece < peer.has.len() && peer.has.has(piece) {
            let mut has = peer.has.clone();
            has.clear(piece);
            self.retold(cx, link, has);
        }
    }

    /// Pieces are gone: who takes such news is told (BEP 54).
    pub(super) fn tell_lost(&mut self, cx: &mut Cx<'_>, lost: &crate::base::Bitset) {
        for (&link, peer) in self.peers.iter_mut() {
            let Some(number) = Contact::takes(peer.contact.numbers.dont_have) else { continue };
            peer.said = cx.now;
            for piece in lost.iter() {
                cx.send(link, Message::Extended(number, piece.to_be_bytes()[..].into()));
            }
        }
    }

    /// The peer asks for metadata, or gives some (BEP 9).
    fn metadata_message(&mut self, cx: &mut Cx<'_>, link: LinkId, payload: &[u8]) {
        match Metadata::decode(payload) {
            None => cx.close(link, CloseReason::Misbehaved(Misbehaved::BadExtension)),
            Some(Metadata::Request(block)) => self.give_metadata(cx, link, block),
            Some(Metadata::Data { block, total, bytes }) => {
                self.metadata_came(cx, link, block, total, bytes);
            }
            Some(Metadata::Reject(block)) => self.metadata_refused(cx, link, block),
            Some(Metadata::Unknown) => {}
        }
    }

    fn give_metadata(&mut self, cx: &mut Cx<'_>, link: LinkId, block: u32) {
        let blocks = self.given_size().map_or(0, metadata::blocks);
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(number) = Contact::takes(peer.contact.numbers.metadata) else {
            return peer.flaps += 1;
        };
        peer.said = cx.now;
        if block < blocks && peer.contact.may_have(cx.now, blocks) {
            return cx.push(Action::GiveMetadata { link, torrent: self.id, number, block });
        }
        peer.flaps += 1;
        let payload = Metadata::Reject(block).encode();
        cx.send(link, Message::Extended(number, payload.into()));
    }

    /// The peer tells of others (BEP 11).
    fn exchanged(&mut self, cx: &mut Cx<'_>, link: LinkId, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        if !peer.contact.may_show(cx.now) {
            peer.flaps += RETOLD_FLAPS;
            return;
        }
        let Some(told) = Exchange::decode(payload) else {
            return cx.close(link, CloseReason::Misbehaved(Misbehaved::BadExtension));
        };
        let remote = peer.remote;
        for (address, flags) in told.added {
            // Of itself it has spoken already.
            if !same_machine(address, remote) {
                self.roster.hear(address, PeerSource::Exchange, cx.now);
                if flags.has(Flags::SEED) && self.is_through() {
                    self.roster.is_seed(address);
                }
            }
        }
        self.dial_more(cx);
    }

    /// Tells every peer whose turn it is who has come and gone.
    pub(super) fn show_all(&mut self, cx: &mut Cx<'_>) {
        if self.private || self.peers.is_empty() {
            return;
        }
        let news = self.news_at;
        let due = |peer: &Peer| peer.contact.is_due(cx.now, news);
        let due: Vec<LinkId> =
            self.peers.iter().filter(|(_, peer)| due(peer)).map(|(&link, _)| link).collect();
        due.into_iter().for_each(|link| self.show_others(cx, link));
    }

    /// Tells one peer of the others, if it is its turn.
    fn show_others(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let due = |peer: &&Peer| peer.contact.is_due(cx.now, self.news_at);
        let Some(peer) = self.peers.get(&link).filter(due).filter(|_| !self.private) else {
            return;
        };
        let (own, remote) = (peer.address, peer.remote);
        // Only where somebody listens for sure: whom we dialed, or who told its port. Not what
        // others told of them, and nobody of itself.
        let known = |(&other, peer): (&LinkId, &Peer)| {
            let address = peer.address.filter(|_| other != link)?;
            (Some(address) != own && address != remote).then(|| (canonical(address), flags(peer)))
        };
        let there: Vec<(SocketAddr, Flags)> = self.peers.iter().filter_map(known).collect();
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let told = peer.contact.show(cx.now, remote.ip(), &there);
        let number = Contact::takes(peer.contact.numbers.exchange);
        if let (Some(told), Some(number)) = (told, number) {
            peer.said = cx.now;
            cx.send(link, Message::Extended(number, told.encode().into()));
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

/// What others may want to know of a peer.
fn flags(peer: &Peer) -> Flags {
    let mut flags = Flags::default();
    if peer.is_seed() || peer.contact.upload_only {
        flags = flags.with(Flags::SEED);
    }
    if peer.outgoing {
        flags = flags.with(Flags::REACHED);
    }
    flags
}
