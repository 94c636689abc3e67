//! Torrents of which only the info-hash is known, peers with true and false metadata, and what is
//! said by the extension protocol: for the model of the world.

use crate::base::Bitset;
use alloc::sync::Arc;
use core::net::SocketAddr;
use std::vec::Vec;

use super::super::bounds::EXCHANGE_TIME;
use super::super::*;
use super::chaos::{any_layout, any_priorities};
use super::world::World;
use toubkal_wire::exchange::{Exchange, Flags};
use toubkal_wire::extension::{Extensions, HANDSHAKE, Numbers};
use toubkal_wire::layout::Layout;
use toubkal_wire::message::Message;
use toubkal_wire::metadata::{self, METADATA_BLOCK_BYTES, Metadata, info_hash};

/// The numbers that peers of the model give.
pub(super) const THEIRS: Numbers =
    Numbers { exchange: Some(5), metadata: Some(6), dont_have: Some(7), upload_only: Some(8) };

impl World {
    /// Looks for a torrent of which only the info-hash is known.
    pub(super) fn seek(&mut self) {
        let ticket = self.rng.bits();
        let lengths = [1, 100, 16_384, 16_385, 200_000];
        let mut bytes = std::vec![0; lengths[self.rng.index(lengths.len())]];
        self.rng.fill(&mut bytes);
        let nothing = Arc::new(Layout::new(1, []).expect("a torrent of nothing"));
        self.layouts.insert(ticket, (nothing, Vec::new()));
        let seek = Seek { ticket, info_hash: info_hash(&bytes), paused: self.rng.one_in(8) };
        self.secrets.insert(ticket, bytes);
        self.tell(Command::Seek(seek));
    }

    /// The program says what was found, or something that nobody asked it.
    pub(super) fn resolve(&mut self) {
        let Some(torrent) = self.found.pop() else { return };
        let Some(bytes) = self.sought.remove(&torrent) else { return };
        let layout = Arc::new(any_layout(&mut self.rng));
        let priorities = any_priorities(&mut self.rng, &layout);
        let private = self.rng.one_in(3);
        let metadata_size = Some(bytes.len() as u32);
        let known = self.torrents.get_mut(&torrent).expect("it is sought");
        known.layout = layout.clone();
        known.priorities.clone_from(&priorities);
        known.shown = (private, metadata_size);
        let pieces = layout.pieces();
        for open in self.links.values_mut().filter(|open| open.torrent == Some(torrent)) {
            // What they have said has a meaning now.
            for message in core::mem::take(&mut open.said) {
                open.spoke(&message, pieces);
            }
        }
        let add = AddTorrent {
            ticket: self.rng.bits(),
            info_hash: info_hash(&bytes),
            layout,
            private,
            metadata_size,
            priorities,
            policy: Policy::default(),
            adopt: true,
            rates: Rates::default(),
            paused: false,
            rests: false,
            memory: None,
        };
        self.tell(Command::Resolve(torrent, add));
    }

    /// A peer speaks by the extension protocol.
    pub(super) fn extended(&mut self, link: LinkId) -> Message {
        let (number, mut payload) = match self.rng.below(10) {
            0..=3 => (Some(HANDSHAKE), self.any_handshake(link)),
            4 => (Numbers::OURS.exchange, self.any_exchange()),
            5 => {
                let piece = self.rng.below(80) as u32;
                (Numbers::OURS.dont_have, piece.to_be_bytes().to_vec())
            }
            6 => (Numbers::OURS.upload_only, std::vec![self.rng.below(2) as u8]),
            7 => {
                let block = self.rng.below(15) as u32;
                let message = match self.rng.below(3) {
                    0 => Metadata::Request(block),
                    1 => Metadata::Reject(block),
                    _ => Metadata::Data { block, total: None, bytes: &[1; 100] },
                };
                (Numbers::OURS.metadata, message.encode())
            }
            8 => (Some(9), Vec::new()),
            _ => (Numbers::OURS.metadata, self.any_answer(link)),
        };
        if self.rng.one_in(60) {
            payload.truncate(3);
        }
        Message::Extended(number.unwrap_or_default(), payload.into())
    }

    fn any_handshake(&mut self, link: LinkId) -> Vec<u8> {
        let odd = [i64::MIN, -1, 0, 1, 2, 7, 250, 2000, i64::MAX];
        let truth = self.secret(link).map_or(70_000, |bytes| bytes.len() as u32);
        let size = if self.rng.one_in(4) { 1 + self.rng.below(200_000) as u32 } else { truth };
        let told = Extensions {
            numbers: if self.rng.one_in(8) { Numbers::default() } else { THEIRS },
            port: Some(self.rng.below(10_000) as u16),
            requests: Some(odd[self.rng.index(odd.len())]),
            metadata_size: (self.rng.below(3) > 0).then_some(size),
            upload_only: self.rng.one_in(4).then_some(true),
            ..Extensions::default()
        };
        told.encode()
    }

    fn any_exchange(&mut self) -> Vec<u8> {
        let any = |rng: &mut Rng| SocketAddr::from(([10, 0, 0, rng.below(9) as u8], 6881));
        let added = (0..self.rng.below(5)).map(|_| (any(&mut self.rng), Flags(0))).collect();
        Exchange { added, dropped: Vec::new() }.encode()
    }

    /// An answer to what was asked, true or false.
    fn any_answer(&mut self, link: LinkId) -> Vec<u8> {
        let Some(open) = self.links.get_mut(&link) else { return Vec::new() };
        let block = open.wanted.pop().unwrap_or_default();
        let honest = self.rng.below(3) > 0;
        self.answer_of(link, block, honest)
    }

    fn answer_of(&mut self, link: LinkId, block: u32, honest: bool) -> Vec<u8> {
        let bytes = self.secret(link).unwrap_or_default();
        let at = (block as usize * METADATA_BLOCK_BYTES as usize).min(bytes.len());
        let end = bytes.len().min(at + METADATA_BLOCK_BYTES as usize);
        let mut bytes = bytes[at..end].to_vec();
        if bytes.is_empty() {
            return Metadata::Reject(block).encode();
        }
        if !honest {
            bytes[0] ^= 1;
        }
        Metadata::Data { block, total: None, bytes: &bytes }.encode()
    }

    /// The metadata of the torrent of a link, while it is sought.
    fn secret(&self, link: LinkId) -> Option<Vec<u8>> {
        let torrent = self.links.get(&link)?.torrent?;
        self.sought.get(&torrent).cloned()
    }

    /// An honest peer has the metadata, if it is sought.
    pub(super) fn offer(&mut self, link: LinkId) {
        let Some(bytes) = self.secret(link) else { return };
        let told = Extensions {
            numbers: THEIRS,
            metadata_size: Some(bytes.len() as u32),
            ..Extensions::default()
        };
        self.say(link, Message::Extended(HANDSHAKE, told.encode().into()));
    }

    /// An honest peer gives what metadata it is asked for; what is found is said.
    pub(super) fn give_metadata(&mut self, link: LinkId) {
        while let Some(open) = self.links.get_mut(&link).filter(|open| !open.closing)
            && let Some(block) = open.wanted.pop()
        {
            let payload = self.answer_of(link, block, true);
            let number = Numbers::OURS.metadata.unwrap_or_default();
            self.say(link, Message::Extended(number, payload.into()));
        }
        while !self.found.is_empty() {
            self.resolve();
        }
    }

    pub(super) fn judge_found(&mut self, torrent: TorrentId, bytes: &[u8]) {
        assert_eq!(self.sought.get(&torrent).map(|it| &**it), Some(bytes), "it is the right one");
        assert!(!self.found.contains(&torrent), "it is told once");
        self.found.push(torrent);
    }

    pub(super) fn judge_given(&mut self, link: LinkId, torrent: TorrentId, block: u32) {
        let (private, size) = self.torrents[&torrent].shown;
        assert!(!private, "nobody gets the metadata of a private torrent");
        assert!(block < size.map_or(0, metadata::blocks), "there is no such block");
        assert_eq!(self.links[&link].torrent, Some(torrent));
    }

    pub(super) fn judge_extended(&mut self, link: LinkId, number: u8, payload: &[u8]) {
        let open = self.links.get_mut(&link).expect("it is open");
        let torrent = open.torrent.expect("it has shaken hands");
        let (private, _) = self.torrents[&torrent].shown;
        if Some(number) == THEIRS.metadata
            && let Some(Metadata::Request(block)) = Metadata::decode(payload)
        {
            open.wanted.push(block);
            assert!(open.wanted.len() <= 4096, "what is asked of one peer is bounded");
        }
        if Some(number) == THEIRS.exchange {
            assert!(!private, "a private torrent tells of nobody");
            let told = Exchange::decode(payload).expect("a message of exchange");
            let often = open.shown.is_some_and(|at| self.now.since(at) < EXCHANGE_TIME);
            assert!(!often, "once a minute");
            open.shown = Some(self.now);
            assert!(told.added.iter().all(|(peer, _)| *peer != open.remote), "it knows itself");
        }
        if number == HANDSHAKE {
            let told = Extensions::decode(payload).expect("a handshake");
            let names = |number: Option<u8>| number.is_some_and(|number| number != 0);
            assert!(!(private && names(told.numbers.exchange)), "a private torrent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::bounds::EARLY_MAX;
    use super::*;
    use core::time::Duration;
    use toubkal_wire::handshake::Reserved;
    use toubkal_wire::layout::BLOCK_BYTES;

    const SECOND: Duration = Duration::from_secs(1);

    /// A world in which `length` bytes of metadata are sought.
    fn sought(length: usize) -> (World, TorrentId, Vec<u8>) {
        let config = Config { peer_id: super::super::world::OURS, port: 6881, ..Config::default() };
        let mut world = World::with(3, config);
        let mut bytes = std::vec![0; length];
        Rng::from_number(9).fill(&mut bytes);
        let nothing = Arc::new(Layout::new(1, []).expect("a torrent of nothing"));
        world.layouts.insert(1, (nothing, Vec::new()));
        world.secrets.insert(1, bytes.clone());
        world.tell(Command::Seek(Seek { ticket: 1, info_hash: info_hash(&bytes), paused: false }));
        let torrent = *world.torrents.keys().next().expect("it is there");
        (world, torrent, bytes)
    }

    fn remote(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 6881).into()
    }

    /// A peer that says nothing yet.
    fn meet(world: &mut World, torrent: TorrentId, number: u8) -> LinkId {
        let link = world.open(None, ([10, 0, 0, number], 40_000).into());
        world.shake(link, torrent, [number; 20], Reserved::OURS);
        link
    }

    fn greet(world: &mut World, link: LinkId, size: Option<u32>, port: u16) {
        let port = Some(port).filter(|&port| port != 0);
        let told =
            Extensions { numbers: THEIRS, metadata_size: size, port, ..Extensions::default() };
        world.say(link, Message::Extended(HANDSHAKE, told.encode().into()));
    }

    fn answer(world: &mut World, link: LinkId, honest: bool) {
        while let Some(open) = world.links.get_mut(&link).filter(|open| !open.closing)
            && let Some(block) = open.wanted.pop()
        {
            let payload = world.answer_of(link, block, honest);
            let number = Numbers::OURS.metadata.unwrap();
            world.say(link, Message::Extended(number, payload.into()));
        }
    }

    fn add(files: &[u64], bytes: &[u8], private: bool) -> AddTorrent {
        let layout = Layout::new(BLOCK_BYTES, files.iter().map(|&length| (length, false)));
        AddTorrent {
            ticket: 5,
            info_hash: info_hash(bytes),
            layout: Arc::new(layout.unwrap()),
            private,
            metadata_size: Some(bytes.len() as u32),
            priorities: std::vec![Priority::Normal; files.len()],
            policy: Policy::default(),
            adopt: false,
            rates: Rates::default(),
            paused: false,
            rests: false,
            memory: None,
        }
    }

    fn resolve(world: &mut World, torrent: TorrentId, bytes: &[u8], private: bool) {
        let add = add(&[u64::from(3 * BLOCK_BYTES)], bytes, private);
        let known = world.torrents.get_mut(&torrent).unwrap();
        known.layout = add.layout.clone();
        known.priorities.clone_from(&add.priorities);
        known.shown = (private, add.metadata_size);
        for open in world.links.values_mut() {
            for message in core::mem::take(&mut open.said) {
                open.spoke(&message, 3);
            }
        }
        world.sought.remove(&torrent);
        world.found.clear();
        world.tell(Command::Resolve(torrent, add));
    }

    fn nothing_lies_there(world: &mut World) {
        let job = *world.jobs.keys().next().expect("the folder is looked at");
        let found = std::vec![Found::Absent];
        let opened = Opened { files: found, worth: Bitset::new(3), changed: Bitset::new(3) };
        world.answer(job, Ok(Done::Opened(opened.into())));
    }

    fn state(world: &World, torrent: TorrentId) -> State {
        world.engine.status(torrent).unwrap().state
    }

    #[test]
    fn metadata_is_there_as_soon_as_a_peer_has_given_it() {
        let (mut world, torrent, bytes) = sought(40_000);
        let peer = meet(&mut world, torrent, 1);
        greet(&mut world, peer, Some(40_000), 0);
        assert_eq!(world.links[&peer].wanted.len(), 3, "all is asked at once");
        let State::Seeking(Seeking { asked, blocks, of, .. }) = state(&world, torrent) else {
            panic!()
        };
        assert_eq!((asked, blocks, of), (1, 0, 3));
        answer(&mut world, peer, true);
        assert_eq!(world.found, [torrent]);
        resolve(&mut world, torrent, &bytes, false);
        nothing_lies_there(&mut world);
        assert_eq!(state(&world, torrent), State::Downloading);
    }

    #[test]
    fn the_links_stay_and_what_was_said_on_them_counts() {
        let (mut world, torrent, bytes) = sought(100);
        let peer = meet(&mut world, torrent, 1);
        world.say(peer, Message::HaveAll);
        world.say(peer, Message::Unchoke);
        greet(&mut world, peer, Some(100), 0);
        answer(&mut world, peer, true);
        resolve(&mut world, torrent, &bytes, false);
        let late = meet(&mut world, torrent, 2);
        world.say(late, Message::HaveNone);
        world.say(late, Message::Have(2));
        world.say(late, Message::Unchoke);
        assert_eq!(world.links[&peer].asked, [], "first the folder is looked at");
        nothing_lies_there(&mut world);
        assert!(!world.links[&peer].closing && !world.links[&late].closing);
        assert_eq!(world.links[&peer].asked_ever.len(), 3);
        assert!(world.links[&late].asked_ever.iter().all(|block| block.piece == 2));
    }

    #[test]
    fn what_says_too_much_too_early_is_met_anew() {
        let (mut world, torrent, bytes) = sought(100);
        let peer = meet(&mut world, torrent, 1);
        (0..=EARLY_MAX as u32).for_each(|piece| world.say(peer, Message::Have(piece)));
        let other = meet(&mut world, torrent, 2);
        greet(&mut world, other, Some(100), 0);
        answer(&mut world, other, true);
        resolve(&mut world, torrent, &bytes, false);
        nothing_lies_there(&mut world);
        assert!(world.links[&peer].closing && !world.links[&other].closing);
    }

    #[test]
    fn liars_are_banned_and_the_honest_one_that_comes_late_is_asked_at_once() {
        let (mut world, torrent, _) = sought(40_000);
        for number in 1..6 {
            let liar = meet(&mut world, torrent, number);
            greet(&mut world, liar, Some(40_000), 0);
        }
        for _ in 0..20 {
            let links: Vec<LinkId> = world.links.keys().copied().collect();
            links.into_iter().for_each(|link| answer(&mut world, link, false));
        }
        let open = world.links.values().filter(|open| !open.closing).count();
        assert!(open <= 3, "{open} are left; two may be asked for nothing");
        let honest = meet(&mut world, torrent, 9);
        greet(&mut world, honest, Some(40_000), 0);
        answer(&mut world, honest, true);
        assert_eq!(world.found, [torrent]);
        assert!(!world.links[&honest].closing);
        let State::Seeking(Seeking { liars, found, .. }) = state(&world, torrent) else { panic!() };
        assert!(found && liars >= 2, "{liars}");
    }

    #[test]
    fn hundreds_of_addresses_are_tried_at_once() {
        let (mut world, torrent, _) = sought(100);
        let dead = (0..250).map(|last| SocketAddr::from(([10, 1, 0, last], 6881))).collect();
        world.tell(Event::Peers(torrent, PeerSource::Tracker, dead));
        assert_eq!(world.dials.len(), 250);
    }

    #[test]
    fn a_peer_without_metadata_tells_who_has_it() {
        let (mut world, torrent, _) = sought(100);
        let peer = meet(&mut world, torrent, 1);
        greet(&mut world, peer, None, 0);
        let told = Exchange { added: [(remote(7), Flags::default())].into(), dropped: Vec::new() };
        let number = Numbers::OURS.exchange.unwrap();
        world.say(peer, Message::Extended(number, told.encode().into()));
        let dialed: Vec<SocketAddr> = world.dials.values().map(|&(_, to)| to).collect();
        assert_eq!(dialed, [remote(7)]);
        world.pass(100 * SECOND);
        assert!(!world.links[&peer].closing, "it may learn of more");
    }

    #[test]
    fn a_torrent_that_turns_out_private_keeps_its_trackers_peers_alone() {
        let (mut world, torrent, bytes) = sought(100);
        let tracked = PeerSource::Tracker;
        world.tell(Event::Peers(torrent, PeerSource::Dht, [remote(1), remote(3)].into()));
        world.tell(Event::Peers(torrent, tracked, [remote(2)].into()));
        let dials: Vec<_> = world.dials.iter().map(|(&dial, &(_, to))| (dial, to)).collect();
        let mut links = Vec::new();
        for (dial, to) in dials.into_iter().filter(|&(_, to)| to != remote(3)) {
            let link = world.open(Some(dial), to);
            world.shake(link, torrent, [to.port() as u8 + links.len() as u8; 20], Reserved::OURS);
            greet(&mut world, link, Some(100), 0);
            links.push((link, to));
        }
        links.clone().into_iter().for_each(|(link, _)| answer(&mut world, link, true));
        resolve(&mut world, torrent, &bytes, true);
        for (link, to) in links {
            assert_eq!(world.links[&link].closing, to == remote(1), "{to}");
        }
        nothing_lies_there(&mut world);
        world.tell(Event::Peers(torrent, PeerSource::Dht, [remote(8)].into()));
        world.tell(Event::Peers(torrent, PeerSource::Lan, [remote(9)].into()));
        assert_eq!(
            world.engine.sources(torrent).unwrap(),
            Sources { tracker: 1, ..Sources::default() }
        );
        let late = *world.dials.keys().next().expect("one is still being tried");
        let late = world.open(Some(late), remote(3));
        assert!(world.links[&late].closing, "nobody who was not named by the tracker");
    }

    #[test]
    fn a_search_can_be_stopped_started_and_forgotten() {
        let (mut world, torrent, _) = sought(100);
        let peer = meet(&mut world, torrent, 1);
        greet(&mut world, peer, Some(100), 0);
        world.tell(Command::Stop(torrent));
        assert!(world.links[&peer].closing && !world.torrents[&torrent].admitted);
        world.end(peer, CloseReason::Stopped);
        assert_eq!(state(&world, torrent), State::Stopped(None));
        world.tell(Command::Start(torrent));
        let peer = meet(&mut world, torrent, 1);
        greet(&mut world, peer, Some(100), 0);
        answer(&mut world, peer, true);
        assert_eq!(world.found, [torrent]);
        world.tell(Command::Remove(torrent));
        world.end(peer, CloseReason::Stopped);
        assert!(world.engine.status(torrent).is_none());
        assert!(world.jobs.is_empty(), "the store has not heard of it");
    }

    #[test]
    fn metadata_is_given_but_not_without_end() {
        let (mut world, torrent, bytes) = sought(20_000);
        let peer = meet(&mut world, torrent, 1);
        greet(&mut world, peer, Some(20_000), 0);
        answer(&mut world, peer, true);
        resolve(&mut world, torrent, &bytes, false);
        nothing_lies_there(&mut world);
        let other = meet(&mut world, torrent, 2);
        greet(&mut world, other, None, 0);
        let number = Numbers::OURS.metadata.unwrap();
        world.given = 0;
        for _ in 0..5 {
            for block in 0..3 {
                let payload = Metadata::Request(block).encode();
                world.say(other, Message::Extended(number, payload.into()));
            }
        }
        assert_eq!(world.given, 4, "twice two blocks in a minute");
    }

    #[test]
    fn when_places_are_short_who_is_worth_more_to_both_takes_that_of_another() {
        let config =
            Config { peer_id: super::super::world::OURS, links_max: 3, ..Config::default() };
        let (mut world, torrent) = super::super::rules::run(config);
        let ours = core::net::IpAddr::from([10, 0, 0, 200]);
        let rank = |number: u8| {
            toubkal_wire::rank::rank((ours, 0).into(), ([10, 0, 0, number], 40_000).into())
        };
        let mut numbers: Vec<u8> = (1..=5).collect();
        numbers.sort_by_key(|&number| rank(number));
        let told = Extensions { your_ip: Some(ours), ..Extensions::default() }.encode();
        let links: Vec<LinkId> = numbers[1..4]
            .iter()
            .map(|&number| {
                let link = meet(&mut world, torrent, number);
                world.say(link, Message::Extended(HANDSHAKE, told.clone().into()));
                link
            })
            .collect();
        world.pass(60 * SECOND);
        let worst = meet(&mut world, torrent, numbers[0]);
        assert!(world.links[&worst].closing, "it is worth least");
        world.end(worst, CloseReason::Full);
        let best = meet(&mut world, torrent, numbers[4]);
        assert!(!world.links[&best].closing);
        let closing: Vec<bool> = links.iter().map(|link| world.links[link].closing).collect();
        assert_eq!(closing, [true, false, false]);
    }

    #[test]
    fn peers_are_told_of_each_other_once_they_say_where_they_listen() {
        let (mut world, torrent, _) = sought(100);
        let one = meet(&mut world, torrent, 1);
        greet(&mut world, one, None, 7001);
        assert_eq!(world.links[&one].shown, None, "there is nobody else");
        let silent = meet(&mut world, torrent, 2);
        greet(&mut world, silent, None, 0);
        assert!(world.links[&silent].shown.is_some(), "at once");
        world.pass(2 * SECOND);
        assert_eq!(world.links[&one].shown, None, "nobody knows where the other listens");
        let three = meet(&mut world, torrent, 3);
        greet(&mut world, three, None, 7003);
        world.pass(2 * SECOND);
        assert!(world.links[&one].shown.is_some());
    }
}
