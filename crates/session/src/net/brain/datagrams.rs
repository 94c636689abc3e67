//! Packets: who gets which, and the trackers that are asked by them.

use std::net::SocketAddr;

use toubkal_core::base::{Machine, Outbox, Time};
use toubkal_core::engine::TorrentId;
use toubkal_core::tracker::udp::{Action, Event, Failure, Place, Question};
use toubkal_core::tracker::{self, AskId, AskKind, Problem};
use toubkal_wire::announce::{self, ScrapeReply};

use super::Brain;
use crate::net::udp::Receiver;
use crate::tracker::{Ask, HttpError};

/// Packets that are taken in one round.
const PACKETS: usize = 128;

/// Who asks a tracker by packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asker {
    torrent: TorrentId,
    id: AskId,
    kind: AskKind,
}

/// A question that is to be asked by packets.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) torrent: TorrentId,
    pub(super) id: AskId,
    pub(super) url: String,
    pub(super) question: Question,
}

impl Brain {
    /// Takes packets in and gives each to whom it is for.
    pub(super) fn take_datagrams(&mut self, now: Time) {
        for _ in 0..PACKETS {
            let Some((from, packet)) = self.udp.receive() else { break };
            match Receiver::of(packet) {
                Receiver::Tracker => {
                    let bytes = packet.to_vec();
                    self.tell_udp_trackers(now, Event::Packet { from, bytes });
                }
                // Nobody here speaks these yet.
                Receiver::Dht | Receiver::Utp | Receiver::Nobody => {}
            }
        }
    }

    /// Asks what announcers want asked by packets, and does what is due.
    pub(super) fn ask_over_udp(&mut self, now: Time) {
        if self.trackers.udp.deadline().is_some_and(|(at, _)| at <= now) {
            self.with_udp_trackers(now, |udp, out| udp.advance(now, out));
        }
        // What fails at once may have another tracker asked; each is left alone then.
        while let Some(wish) = self.trackers.wishes.pop_front() {
            self.ask_one_over_udp(now, wish);
        }
    }

    fn ask_one_over_udp(&mut self, now: Time, wish: Wish) {
        let Wish { torrent, id, url, question } = wish;
        let kind = kind_of(&question);
        let place = match Place::parse(&url) {
            Ok(place) => place,
            Err(error) => {
                let problem = Problem { text: error.to_string(), retry: None };
                return self.tell_announcer(now, torrent, failed(id, kind, problem));
            }
        };
        let path = place.path.to_owned();
        if let Some(address) = place.address() {
            return self.ask_at(now, torrent, id, question, path, vec![address]);
        }
        let (host, port) = (place.host.to_owned(), place.port);
        let ask = Ask::Host { torrent, id, host, port, question, path };
        if let Err(text) = self.trackers.ask(ask) {
            let problem = Problem { text, retry: None };
            self.tell_announcer(now, torrent, failed(id, kind, problem));
        }
    }

    /// The name of a tracker was looked up.
    pub(super) fn found_tracker(
        &mut self,
        now: Time,
        torrent: TorrentId,
        id: AskId,
        question: Question,
        path: String,
        addresses: Result<Vec<SocketAddr>, HttpError>,
    ) {
        match addresses {
            Ok(addresses) => self.ask_at(now, torrent, id, question, path, addresses),
            Err(error) => {
                let event = failed(id, kind_of(&question), error.problem());
                self.tell_announcer(now, torrent, event);
            }
        }
    }

    fn ask_at(
        &mut self,
        now: Time,
        torrent: TorrentId,
        id: AskId,
        question: Question,
        path: String,
        addresses: Vec<SocketAddr>,
    ) {
        let ask = Asker { torrent, id, kind: kind_of(&question) };
        self.tell_udp_trackers(now, Event::Ask { ask, question, path, addresses });
    }

    fn tell_udp_trackers(&mut self, now: Time, event: Event<Asker>) {
        self.with_udp_trackers(now, |udp, out| udp.handle(now, event, out));
    }

    /// Has the machine do something, and carries out what it wants.
    fn with_udp_trackers(
        &mut self,
        now: Time,
        tell: impl FnOnce(&mut tracker::udp::Udp<Asker>, &mut Outbox<Action<Asker>>),
    ) {
        let mut out = Outbox::new();
        tell(&mut self.trackers.udp, &mut out);
        while !out.is_empty() {
            for action in out.drain().collect::<Vec<_>>() {
                match action {
                    Action::Send { to, packet } => {
                        if self.udp.send(to, &packet).is_err() {
                            self.trackers.udp.handle(now, Event::Unreachable(to), &mut out);
                        }
                    }
                    Action::Announced { ask: Asker { torrent, id, .. }, answer } => {
                        let reply = Ok(announce::Reply::Answer(answer));
                        self.tell_announcer(now, torrent, tracker::Event::Announced(id, reply));
                    }
                    Action::Scraped { ask: Asker { torrent, id, .. }, counts } => {
                        self.scraped(now, torrent, id, counts);
                    }
                    Action::Failed { ask: Asker { torrent, id, kind }, failure } => {
                        self.tell_announcer(now, torrent, refused(id, kind, failure));
                    }
                }
            }
        }
    }

    fn scraped(&mut self, now: Time, torrent: TorrentId, id: AskId, counts: announce::Counts) {
        let Some(hash) = self.torrents.info_hash(torrent) else { return };
        let reply = Ok(ScrapeReply::Counts([(hash, counts)].into()));
        self.tell_announcer(now, torrent, tracker::Event::Scraped(id, reply));
    }
}

fn kind_of(question: &Question) -> AskKind {
    match question {
        Question::Announce(_) => AskKind::Announce,
        Question::Scrape(_) => AskKind::Scrape,
    }
}

/// What a tracker said is its answer; everything else is a problem on the way to it.
fn refused(id: AskId, kind: AskKind, failure: Failure) -> tracker::Event {
    match (kind, failure) {
        (AskKind::Announce, Failure::Refused(text)) => {
            let refusal = announce::Failure::new(text);
            tracker::Event::Announced(id, Ok(announce::Reply::Failure(refusal)))
        }
        (kind, failure) => failed(id, kind, failure.problem()),
    }
}

pub(super) fn failed(id: AskId, kind: AskKind, problem: Problem) -> tracker::Event {
    match kind {
        AskKind::Announce => tracker::Event::Announced(id, Err(problem)),
        AskKind::Scrape => tracker::Event::Scraped(id, Err(problem)),
    }
}
