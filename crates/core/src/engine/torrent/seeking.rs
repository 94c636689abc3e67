//! While only the info-hash of a torrent is known: its metadata is fetched, and what peers say
//! before it can be understood is kept until it can.

use alloc::sync::Arc;
use alloc::vec::Vec;

use toubkal_wire::extension::Numbers;
use toubkal_wire::layout::Layout;
use toubkal_wire::message::Message;
use toubkal_wire::metadata::Metadata;

use super::super::action::Notice;
use super::super::bounds::{
    EARLY_BYTES_MAX, EARLY_MAX, FLAPS_MAX, LATE_HAVES, REQUESTS_WASTED, RETOLD_FLAPS,
};
use super::super::contact::Contact;
use super::super::event::{
    AddTorrent, CloseReason, LinkId, Misbehaved, Policy, Rates, Seek, TorrentId,
};
use super::super::metadata::{Fetch, Odd};
use super::super::partial::Origin;
use super::super::shared::{Cx, same_machine};
use super::super::status::Seeking;
use super::{Next, Phase, Torrent};
use crate::base::{Bitset, Rng, Time};

/// The search for metadata.
#[derive(Debug)]
pub(super) struct Search {
    fetch: Fetch,
    liars: u32,
    /// It is there; the program has not yet said what it holds.
    found: bool,
}

/// What a peer said before it could be understood.
#[derive(Debug, Default)]
pub(in super::super) struct Early {
    kept: Vec<Message>,
    /// Bytes of the bitfield among them.
    bytes: usize,
    /// It was too much.
    lost: bool,
}

impl Early {
    /// Keeps a message that says what the peer has. `room`: bytes that its bitfield may take.
    fn keep(&mut self, message: Message, room: usize) {
        if is_whole(&message) {
            // The last word counts.
            self.kept.retain(|kept| !is_whole(kept) && !matches!(kept, Message::Have(_)));
            (self.bytes, self.lost) = (0, false);
        }
        let bytes = match &message {
            Message::Bitfield(bits) => bits.len(),
            _ => 0,
        };
        if bytes > room || self.kept.len() >= EARLY_MAX {
            self.lost = true;
        } else {
            self.bytes += bytes;
            self.kept.push(message);
        }
    }
}

impl Torrent {
    /// A torrent of which only the info-hash is known. It has no pieces and no files.
    pub(in super::super) fn seek(id: TorrentId, seek: Seek, now: Time, rng: &Rng) -> Self {
        let nothing = Layout::new(1, []).expect("a torrent of nothing");
        let add = AddTorrent {
            ticket: seek.ticket,
            info_hash: seek.info_hash,
            layout: Arc::new(nothing),
            private: false,
            metadata_size: None,
            priorities: Vec::new(),
            policy: Policy::default(),
            adopt: false,
            rates: Rates::default(),
            paused: seek.paused,
            rests: false,
            memory: None,
        };
        let mut torrent = Self::new(id, add, now, rng);
        let fetch = Fetch::new(seek.info_hash);
        torrent.search = Some(Search { fetch, liars: 0, found: false }.into());
        torrent
    }

    /// Whether the metadata is unknown.
    pub(super) fn is_seeking(&self) -> bool {
        self.search.is_some()
    }

    pub(super) fn seeking(&self) -> Option<Seeking> {
        let Search { fetch, liars, found } = &**self.search.as_ref()?;
        let (blocks, of) = fetch.progress();
        let (asked, liars, found) = (fetch.givers(), *liars, *found);
        Some(Seeking { asked, blocks, of, liars, found })
    }

    /// A peer says that it has the metadata.
    pub(super) fn offered(&mut self, cx: &mut Cx<'_>, link: LinkId, size: u32) {
        let Some(peer) = self.peers.get(&link) else { return };
        let origin = peer.origin(link);
        if let Some(search) = &mut self.search {
            search.fetch.join(origin, size);
            self.ask_metadata(cx);
        }
    }

    /// Asks for what can be asked.
    pub(super) fn ask_metadata(&mut self, cx: &mut Cx<'_>) {
        let Some(search) = self.search.as_mut().filter(|search| !search.found) else { return };
        for (link, block) in search.fetch.asks(cx.now) {
            self.ask_block(cx, link, block);
        }
    }

    fn ask_more_of(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let Some(search) = self.search.as_mut().filter(|search| !search.found) else { return };
        for block in search.fetch.asks_of(cx.now, link) {
            self.ask_block(cx, link, block);
        }
    }

    fn ask_block(&mut self, cx: &mut Cx<'_>, link: LinkId, block: u32) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(number) = Contact::takes(peer.contact.numbers.metadata) else { return };
        peer.said = cx.now;
        let payload = Metadata::Request(block).encode();
        cx.send(link, Message::Extended(number, payload.into()));
    }

    /// A block of metadata came.
    pub(super) fn metadata_came(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        block: u32,
        total: Option<u32>,
        bytes: &[u8],
    ) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        let Some(search) = self.search.as_mut().filter(|search| !search.found) else { return };
        let verdict = match search.fetch.receive(link, block, total, bytes) {
            Ok(verdict) => verdict,
            Err(Odd::Unasked) => return peer.flaps += 1,
            Err(Odd::Length) => {
                return cx.close(link, CloseReason::Misbehaved(Misbehaved::BadExtension));
            }
        };
        let suspected = !verdict.liars.is_empty();
        verdict.liars.into_iter().for_each(|liar| self.banish(cx, liar));
        if let Some(bytes) = verdict.whole {
            return self.found(cx, bytes);
        }
        // Whom nobody trusts any more is not asked; everybody else may be asked for more.
        match suspected {
            true => self.ask_metadata(cx),
            false => self.ask_more_of(cx, link),
        }
    }

    pub(super) fn metadata_refused(&mut self, cx: &mut Cx<'_>, link: LinkId, block: u32) {
        let Some(search) = &mut self.search else { return };
        search.fetch.rejected(cx.now, link, block);
        self.ask_metadata(cx);
    }

    /// A peer is gone: what it owed is asked of others.
    pub(super) fn no_giver(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if let Some(search) = &mut self.search {
            search.fetch.part(link);
            self.ask_metadata(cx);
        }
    }

    /// A peer sent false metadata.
    fn banish(&mut self, cx: &mut Cx<'_>, liar: Origin) {
        if let Some(search) = &mut self.search {
            search.liars += 1;
        }
        cx.ban(self.id, liar.remote);
        self.roster.never(liar.remote);
        for (&link, peer) in self.peers.iter() {
            if link == liar.link || same_machine(peer.remote, liar.remote) {
                if let Some(address) = peer.address {
                    self.roster.never(address);
                }
                cx.close(link, CloseReason::Misbehaved(Misbehaved::BadMetadata));
            }
        }
    }

    fn found(&mut self, cx: &mut Cx<'_>, bytes: Arc<[u8]>) {
        if let Some(search) = &mut self.search {
            search.found = true;
        }
        cx.notify(Notice::Metadata { torrent: self.id, bytes });
    }

    /// The program says what the metadata holds: the torrent becomes like any other. Its links
    /// stay, and what they say is kept until the folder was looked at.
    pub(in super::super) fn resolve(&mut self, cx: &mut Cx<'_>, add: AddTorrent) {
        if !self.is_seeking() || add.info_hash != self.info_hash {
            return;
        }
        let paused = add.paused;
        let rng = cx.shared.rng.clone();
        let mut known = Self::new(self.id, add, cx.now, &rng);
        core::mem::swap(&mut known.peers, &mut self.peers);
        core::mem::swap(&mut known.roster, &mut self.roster);
        core::mem::swap(&mut known.dials, &mut self.dials);
        core::mem::swap(&mut known.phase, &mut self.phase);
        (known.next, known.news_at) = (self.next, self.news_at);
        known.early = matches!(known.phase, Phase::Active);
        known.admitted = self.admitted;
        *self = known;
        let pieces = self.layout.pieces();
        for (_, peer) in self.peers.iter_mut() {
            peer.has = Bitset::new(pieces);
            self.picker.join(&peer.has);
        }
        if self.private {
            self.become_private(cx);
        }
        self.recollect();
        let links: Vec<LinkId> = self.peers.keys().copied().collect();
        links.into_iter().for_each(|link| self.greet(cx, link));
        match (&self.phase, paused) {
            (Phase::Active, true) => self.stop(cx),
            (Phase::Active, false) => self.open(cx),
            (Phase::Stopped(_), false) if self.next == Next::Rest => self.start(cx),
            _ => {}
        }
    }

    /// BEP 27: from here on there are the tracker's peers alone.
    fn become_private(&mut self, cx: &mut Cx<'_>) {
        self.roster.keep_private();
        let roster = &self.roster;
        self.dials.retain(|_, remote| roster.knows(*remote));
        for (&link, peer) in self.peers.iter() {
            if !peer.source.is_private() {
                cx.close(link, CloseReason::Redundant);
            }
        }
    }

    /// A message that cannot be understood yet. Says whether it was one.
    pub(super) fn keep_early(&mut self, cx: &mut Cx<'_>, link: LinkId, message: &Message) -> bool {
        let Some(peer) = self.peers.get_mut(&link).filter(|peer| peer.flaps <= FLAPS_MAX) else {
            return false;
        };
        peer.heard = cx.now;
        let fast = peer.reserved.fast();
        let dont_have = Numbers::OURS.dont_have;
        let keeps = match message {
            Message::Have(_) | Message::Bitfield(_) => true,
            Message::HaveAll | Message::HaveNone => fast,
            Message::Suggest(_) | Message::AllowedFast(_) => fast,
            Message::Extended(number, payload) => {
                Some(*number) == dont_have && payload.len() == size_of::<u32>()
            }
            Message::Request(block) => {
                // We have shown nothing that it could ask for.
                if fast {
                    cx.send(link, Message::Reject(*block));
                }
                let Some(peer) = self.peers.get_mut(&link) else { return true };
                peer.wasted_requests += 1;
                if peer.wasted_requests > REQUESTS_WASTED {
                    cx.close(link, CloseReason::Misbehaved(Misbehaved::RequestFlood));
                }
                return true;
            }
            Message::Cancel(_) | Message::Reject(_) => return true,
            _ => false,
        };
        if !keeps {
            return false;
        }
        let held: usize = match message {
            Message::Bitfield(_) => self.peers.values().map(|peer| peer.early.bytes).sum(),
            _ => 0,
        };
        let Some(peer) = self.peers.get_mut(&link) else { return true };
        let room = (EARLY_BYTES_MAX + peer.early.bytes).saturating_sub(held);
        peer.flaps += if is_whole(message) { RETOLD_FLAPS } else { 0 };
        peer.early.keep(message.clone(), room);
        true
    }

    /// Whether what peers say of pieces cannot be understood yet.
    pub(super) fn is_early(&self) -> bool {
        self.early || self.is_seeking()
    }

    /// What lay in the folder is known: what peers have said meanwhile is heard now, and they are
    /// told what we have.
    pub(super) fn end_early(&mut self, cx: &mut Cx<'_>) {
        if !core::mem::take(&mut self.early) {
            return;
        }
        let links: Vec<LinkId> = self.peers.keys().copied().collect();
        for link in links {
            let Some(peer) = self.peers.get_mut(&link) else { continue };
            let early = core::mem::take(&mut peer.early);
            if early.lost || self.have.ones() > LATE_HAVES {
                // It is not known what it has, or too much to tell: with a new link it is.
                cx.close(link, CloseReason::Stopped);
                continue;
            }
            for piece in self.have.iter() {
                cx.send(link, Message::Have(piece));
            }
            for message in early.kept {
                self.message(cx, link, message);
            }
        }
    }
}

/// Whether it says all that a peer has.
fn is_whole(message: &Message) -> bool {
    matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone)
}
