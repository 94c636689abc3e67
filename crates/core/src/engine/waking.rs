//! Torrents that are dormant: taken in as such, loaded when somebody wants something of them, and
//! dormant again when nobody does.
//!
//! A dormant torrent is a seed of which the engine keeps but a few numbers. Handshakes for it are
//! welcome. The first peer that comes, a command, or addresses of peers have it loaded, once
//! ([`Action::Load`]); whoever comes meanwhile waits in the lobby until it is seeding.

use alloc::sync::Arc;
use core::net::SocketAddr;

use super::action::{Action, Notice, StoreError, Terms};
use super::event::{AddTorrent, CloseReason, Command, LinkId, PeerSource, Resting, TorrentId};
use super::lobby::{Guest, Mail};
use super::torrent::{Readiness, Torrent};
use super::torrents::{Dormant, Sleeper};
use super::{Engine, LinkEvent, Stage, Turn};
use toubkal_wire::handshake::Reserved;

impl Engine {
    /// Takes in a torrent that is dormant.
    pub(super) fn rest(&mut self, cx: &mut Turn<'_>, resting: &Resting) {
        if self.ending {
            return;
        }
        let id = self.torrents.rest(Dormant::new(resting));
        cx.out.push(Action::Notify(Notice::Added { ticket: resting.ticket, torrent: id }));
        let peer_id = self.shared.config.peer_id;
        let (info_hash, reserved) = (resting.info_hash, Reserved::OURS);
        let terms = Terms { info_hash, peer_id, reserved };
        cx.out.push(Action::Admit { torrent: id, terms: Arc::new(terms) });
    }

    /// A peer comes for a torrent that is not ready yet; false when it is, or will not be.
    pub(super) fn receive(
        &mut self,
        link: LinkId,
        torrent: TorrentId,
        peer_id: [u8; 20],
        reserved: Reserved,
    ) -> bool {
        if self.ending || self.readiness(torrent) != Readiness::Soon {
            return false;
        }
        let Some(Some(place)) = self.links.get_mut(link.index()) else { return false };
        let Stage::Waiting { since, dialed: None } = place.stage else { return false };
        match self.lobby.wait(link, torrent, peer_id, reserved) {
            true => place.stage = Stage::Lobby { since },
            false => self.shared.closing.push((link, CloseReason::Full)),
        }
        true
    }

    fn readiness(&self, id: TorrentId) -> Readiness {
        match self.torrents.dormant(id) {
            Some(dormant) if dormant.admitted => Readiness::Soon,
            Some(_) => Readiness::Never,
            None => self.torrents.get(id).map_or(Readiness::Never, Torrent::readiness),
        }
    }

    /// A command for a dormant torrent; gives it back when it is for another.
    pub(super) fn postpone(
        &mut self,
        cx: &mut Turn<'_>,
        id: TorrentId,
        it: Command,
    ) -> Option<Command> {
        let Some(dormant) = self.torrents.dormant_mut(id) else { return Some(it) };
        let (lost, admitted) = (matches!(dormant.sleeper, Sleeper::Lost(_)), dormant.admitted);
        match it {
            Command::Remove(_) => {
                self.torrents.remove(id);
                if admitted {
                    cx.out.push(Action::Retire { torrent: id });
                }
            }
            // Nobody waits for what has not begun.
            Command::Unread(..) if !matches!(dormant.sleeper, Sleeper::Loads) => {}
            // It does what is wanted.
            Command::Start(_) if !lost => {}
            Command::Stop(_) if lost => {}
            _ if self.ending => {}
            command => {
                if lost {
                    dormant.sleeper = Sleeper::Rests;
                }
                self.lobby.keep(id, command.into());
            }
        }
        None
    }

    /// Addresses for a dormant torrent: it is to try them. False when it is not dormant.
    pub(super) fn postpone_peers(
        &mut self,
        id: TorrentId,
        source: PeerSource,
        peers: &[SocketAddr],
    ) -> bool {
        let Some(dormant) = self.torrents.dormant(id) else { return false };
        let lost = matches!(dormant.sleeper, Sleeper::Lost(_));
        if !lost && !self.ending && !peers.is_empty() {
            self.lobby.keep_peers(id, source, peers.to_vec());
        }
        true
    }

    /// The driver has looked up what belongs to a dormant torrent.
    pub(super) fn loaded(
        &mut self,
        cx: &mut Turn<'_>,
        id: TorrentId,
        result: Result<AddTorrent, StoreError>,
    ) {
        // It may have been removed meanwhile.
        let Some(dormant) = self.torrents.dormant_mut(id) else { return };
        if !matches!(dormant.sleeper, Sleeper::Loads) {
            return;
        }
        dormant.sleeper = Sleeper::Rests;
        if self.ending {
            return;
        }
        match result {
            Ok(add) => {
                let (now, rng) = (cx.now, self.shared.rng.clone());
                let torrent = Torrent::woken(id, add, dormant, now, &rng);
                let torrent = self.torrents.wake(id, torrent);
                torrent.start(&mut cx.with(&mut self.shared));
            }
            Err(error) => {
                dormant.sleeper = Sleeper::Lost(error);
                if core::mem::take(&mut dormant.admitted) {
                    cx.out.push(Action::Retire { torrent: id });
                }
                cx.out.push(Action::Notify(Notice::Failed { torrent: id, error }));
            }
        }
    }

    /// Has loaded what is waited for, and lets in whoever waits for what is ready.
    pub(super) fn open_lobby(&mut self, cx: &mut Turn<'_>) {
        for id in self.lobby.torrents() {
            if let Some(dormant) = self.torrents.dormant_mut(id) {
                match dormant.sleeper {
                    Sleeper::Rests if !self.ending => {
                        dormant.sleeper = Sleeper::Loads;
                        cx.out.push(Action::Load { torrent: id });
                    }
                    Sleeper::Loads => {}
                    Sleeper::Rests | Sleeper::Lost(_) => {
                        self.lobby.mail(id).clear();
                        self.turn_away(id);
                    }
                }
                continue;
            }
            for mail in self.lobby.mail(id) {
                match mail {
                    Mail::Command(command) => self.command(cx, *command),
                    Mail::Peers(source, peers) => self.peers_heard(cx, id, source, &peers),
                }
            }
            match self.readiness(id) {
                Readiness::Now => {
                    for guest in self.lobby.guests(id) {
                        self.let_in(cx, guest);
                    }
                }
                Readiness::Soon => {}
                Readiness::Never => self.turn_away(id),
            }
        }
    }

    fn turn_away(&mut self, id: TorrentId) {
        let guests = self.lobby.guests(id).into_iter();
        self.shared.closing.extend(guests.map(|guest| (guest.link, CloseReason::Stopped)));
    }

    /// As if the peer came now.
    fn let_in(&mut self, cx: &mut Turn<'_>, guest: Guest) {
        let Guest { link, torrent, peer_id, reserved, said, .. } = guest;
        let Some(Some(place)) = self.links.get_mut(link.index()) else { return };
        let Stage::Lobby { since } = place.stage else { return };
        place.stage = Stage::Waiting { since, dialed: None };
        self.link_event(cx, link, LinkEvent::Handshaken { torrent, peer_id, reserved });
        for message in said {
            self.link_event(cx, link, LinkEvent::Message(message));
        }
    }

    /// Torrents that were brought to rest become dormant.
    pub(super) fn put_to_rest(&mut self, cx: &mut Turn<'_>) {
        for id in core::mem::take(&mut self.shared.dozing) {
            let Some(dormant) = self.torrents.get(id).and_then(Torrent::dormant) else { continue };
            self.torrents.put_to_rest(id, dormant);
            cx.out.push(Action::Notify(Notice::Dormant { torrent: id }));
        }
    }
}
