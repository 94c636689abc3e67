//! Random rows of events that keep every promise of the hands and no promise of the peers; then
//! peace, in which every torrent that runs must become whole; then the end.
//!
//! `cargo xtask seeds` plays more of them. A seed that fails is played again by
//! `cargo xtask seeds 1 --from SEED`.

use crate::base::Bitset;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::vec::Vec;

use super::super::*;
use super::world::{OURS, Work, World};
use crate::base::Rng;
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Block, Layout};
use toubkal_wire::message::Message;

const POLICIES: [Policy; 3] = [Policy::RarestFirst, Policy::Sequential, Policy::Random];

/// Which seeds are to be played: from the environment, as `cargo xtask seeds` sets it.
#[cfg(test)]
fn seeds(count: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("TOUBKAL_SEED_FROM").unwrap_or(0);
    from..from.saturating_add(number("TOUBKAL_SEEDS").unwrap_or(count))
}

#[test]
fn no_row_of_events_breaks_a_promise_or_stalls() {
    for seed in seeds(1500) {
        let played = std::panic::catch_unwind(|| play(Rng::from_number(seed)));
        if let Err(cause) = played {
            std::eprintln!("seed {seed} failed: cargo xtask seeds 1 --from {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

/// Plays what the chance says, until it is spent if it can be.
pub(super) fn play(rng: Rng) {
    let mut world = World::drawn(rng);
    let steps = 50 + world.rng.below(400);
    (0..1 + world.rng.below(2)).for_each(|_| world.add());
    for _ in 0..steps {
        if world.rng.is_spent() {
            break;
        }
        world.step();
    }
    if world.rng.below(4) > 0 {
        world.peace();
    }
    world.shut_down();
    if steps.is_multiple_of(8) {
        world.relive();
    }
}

pub(super) fn any_layout(rng: &mut Rng) -> Layout {
    let piece = [1, 100, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 5 * BLOCK_BYTES];
    let piece = piece[rng.index(piece.len())];
    let pieces = [0, 1, 2, 5, 20, 70][rng.index(6)] * u64::from(piece);
    let mut files = Vec::new();
    for _ in 0..rng.below(5) {
        let length = if rng.one_in(4) { 0 } else { rng.below(1 + pieces / 2) };
        files.push((length, rng.one_in(5)));
    }
    files.push((pieces, false));
    Layout::new(piece, files).expect("a small torrent")
}

pub(super) fn any_priorities(rng: &mut Rng, layout: &Layout) -> Vec<Priority> {
    let all = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
    let plain = rng.one_in(2);
    let one = |_: &_| if plain { Priority::Normal } else { all[rng.index(4)] };
    layout.files().iter().map(one).collect()
}

/// What an earlier life may have left, also of another torrent.
fn any_memory(rng: &mut Rng, pieces: u32) -> Option<Memory> {
    if rng.one_in(2) {
        return None;
    }
    let length = pieces + u32::from(rng.one_in(10));
    let (mut have, mut synced) = (Bitset::new(length), Bitset::new(length));
    for piece in 0..length {
        if rng.below(4) > 0 {
            have.set(piece);
            _ = rng.below(3) > 0 && synced.set(piece);
        }
    }
    let totals = Totals { downloaded: 5, ..Totals::default() };
    Some(Memory { have, synced, doubt: rng.one_in(2), totals })
}

fn any_rates(rng: &mut Rng) -> Rates {
    let rates = [None, None, Some(0), Some(1), Some(20_000), Some(1_000_000), Some(u64::MAX)];
    Rates { down: rates[rng.index(7)], up: rates[rng.index(7)] }
}

impl World {
    pub(super) fn add(&mut self) {
        let ticket = self.rng.bits();
        let layout = Arc::new(any_layout(&mut self.rng));
        let priorities = any_priorities(&mut self.rng, &layout);
        self.layouts.insert(ticket, (layout.clone(), priorities.clone()));
        let pieces = layout.pieces();
        let add = AddTorrent {
            ticket,
            info_hash: [7; 20],
            layout,
            private: self.rng.one_in(8),
            metadata_size: self.rng.one_in(2).then_some(20_000),
            priorities,
            policy: POLICIES[self.rng.index(POLICIES.len())],
            adopt: self.rng.one_in(2),
            rates: if self.rng.one_in(4) { any_rates(&mut self.rng) } else { Rates::default() },
            paused: false,
            rests: self.rng.one_in(2),
            memory: any_memory(&mut self.rng, pieces),
        };
        self.shown.insert(ticket, (add.private, add.metadata_size));
        if let Some(memory) = &add.memory {
            self.memories.insert(ticket, memory.clone());
        }
        self.tell(Command::Add(add));
    }

    /// One thing that may happen.
    fn step(&mut self) {
        match self.rng.below(100) {
            0 => self.command(),
            1..=6 => self.arrival(),
            7..=9 => self.finish_dial(),
            10..=13 => self.hear(),
            14 => self.hang_up(),
            15 => self.resolve(),
            16..=30 => self.store_answers(),
            31..=36 => self.served(),
            37..=42 => {
                let wait = Duration::from_millis(1 << self.rng.below(14));
                self.pass(wait);
            }
            43 => {
                let wait = Duration::from_secs(self.rng.below(400));
                self.jump(wait);
            }
            44..=64 => self.block(),
            _ => self.speak(),
        }
    }

    fn any_torrent(&mut self) -> Option<TorrentId> {
        let all: Vec<TorrentId> = self.torrents.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.rng.index(all.len())])
    }

    fn any_link(&mut self) -> Option<LinkId> {
        let all: Vec<LinkId> = self.links.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.rng.index(all.len())])
    }

    fn command(&mut self) {
        let Some(id) = self.any_torrent() else { return self.add() };
        let rates = any_rates(&mut self.rng);
        match self.rng.below(24) {
            15..=17 => self.read(id),
            18 => {
                let reader = ReaderId(self.rng.below(3));
                self.reads.remove(&(id, reader));
                if !self.reads.keys().any(|(of, _)| *of == id) {
                    self.read.retain(|(of, _)| *of != id);
                }
                self.tell(Command::Unread(id, reader));
            }
            0 => {
                self.torrents.get_mut(&id).expect("listed").removed = true;
                self.tell(Command::Remove(id));
            }
            1 if self.rng.one_in(2) && !self.shut => {
                let layout = any_layout(&mut self.rng);
                self.rest(layout);
            }
            1 => self.add(),
            14 => self.seek(),
            2..=4 => self.tell(Command::Stop(id)),
            5 => {
                self.torrents.get_mut(&id).expect("listed").memory = None;
                self.tell(Command::Check(id));
            }
            6..=10 => self.tell(Command::Start(id)),
            11 => self.tell(Command::Limit { torrent: None, rates }),
            12 => self.tell(Command::Limit { torrent: Some(id), rates }),
            13 => {
                let sequential = self.rng.one_in(2);
                self.tell(Command::Sequential(id, sequential));
            }
            _ => self.prioritise(id),
        }
    }

    /// Somebody reads, perhaps what there is not.
    fn read(&mut self, id: TorrentId) {
        let layout = self.torrents[&id].layout.clone();
        let odd = usize::from(self.rng.one_in(8));
        let file = self.rng.index((layout.files().len() + odd).max(1)) as u32;
        let length = layout.files().get(file as usize).map_or(0, |file| file.length);
        let (from, to) = (self.rng.below(length + 2), self.rng.below(2 * length + 2));
        let reader = ReaderId(self.rng.below(3));
        if layout.files().get(file as usize).is_some_and(|file| !file.pad) {
            self.reads.insert((id, reader), file);
            self.read.insert((id, file));
        }
        self.tell(Command::Read(id, Read { reader, file, from, to }));
    }

    fn prioritise(&mut self, id: TorrentId) {
        let known = self.torrents.get_mut(&id).expect("listed");
        let mut priorities = any_priorities(&mut self.rng, &known.layout);
        if self.rng.one_in(2) {
            // Other levels of the same files.
            for (new, old) in priorities.iter_mut().zip(&known.priorities) {
                let skip = *old == Priority::Skip;
                *new = if skip { Priority::Skip } else { (*new).max(Priority::Low) };
            }
        }
        if self.rng.one_in(8) {
            priorities.push(Priority::High);
        } else if !known.removed {
            known.priorities.clone_from(&priorities);
        }
        self.tell(Command::Prioritise(id, priorities));
    }

    fn any_remote(&mut self) -> SocketAddr {
        // Few of them, so that they meet again.
        let last = self.rng.below(6) as u8;
        let ip: IpAddr =
            if self.rng.one_in(4) { [127, 0, 0, 1].into() } else { [10, 0, 0, last].into() };
        SocketAddr::new(ip, [0, 80, 6881, 6881, 7000][self.rng.index(5)])
    }

    fn arrival(&mut self) {
        let waiting = self.links.iter().find(|(_, l)| l.torrent.is_none() && !l.closing);
        let waiting = waiting.map(|(&link, open)| (link, open.dialed));
        let Some((link, dialed)) = waiting.filter(|_| self.rng.below(3) > 0) else {
            if self.links.len() < 12 {
                let remote =
                    SocketAddr::new(self.any_remote().ip(), 40_000 + self.rng.below(9999) as u16);
                self.open(None, remote);
            }
            return;
        };
        let Some(torrent) = dialed.or_else(|| self.any_torrent()) else { return };
        let mut peer_id = [b'A' + self.rng.below(26) as u8; 20];
        peer_id[19] = self.rng.below(2) as u8;
        if self.rng.one_in(20) {
            peer_id = OURS;
        }
        let mut reserved = Reserved::OURS;
        if self.rng.one_in(3) {
            reserved.0[7] = 0;
        }
        if self.rng.one_in(5) {
            reserved.0[5] = 0;
        }
        self.shake(link, torrent, peer_id, reserved);
        let message = match self.rng.below(4) {
            0 | 1 if reserved.fast() => Message::HaveAll,
            2 if reserved.fast() => Message::HaveNone,
            _ => self.bitfield(link),
        };
        self.say(link, message);
        if self.rng.below(3) > 0 {
            self.say(link, Message::Unchoke);
        }
        if self.rng.one_in(2) {
            self.say(link, Message::Interested);
        }
    }

    fn bitfield(&mut self, link: LinkId) -> Message {
        let pieces = self.pieces(link);
        let mut has = crate::base::Bitset::new(pieces);
        for piece in 0..pieces {
            if self.rng.below(3) > 0 {
                has.set(piece);
            }
        }
        Message::Bitfield(has.to_wire())
    }

    fn pieces(&self, link: LinkId) -> u32 {
        let known = self.links[&link].torrent.and_then(|torrent| self.torrents.get(&torrent));
        known.map_or(0, |known| known.layout.pieces())
    }

    fn finish_dial(&mut self) {
        let Some((&dial, &(_, remote))) = self.dials.first_key_value() else { return };
        match self.rng.below(4) {
            0 => {
                self.dials.remove(&dial);
                let errors = [
                    DialError::Refused,
                    DialError::Unreachable,
                    DialError::TimedOut,
                    DialError::Local,
                ];
                let error = errors[self.rng.index(4)];
                self.tell(Event::DialFailed(dial, error));
            }
            _ => _ = self.open(Some(dial), remote),
        }
    }

    fn hear(&mut self) {
        let Some(torrent) = self.any_torrent() else { return };
        let peers = (0..self.rng.below(5)).map(|_| self.any_remote()).collect();
        let source = [PeerSource::User, PeerSource::Tracker][self.rng.index(2)];
        self.tell(Event::Peers(torrent, source, peers));
    }

    fn hang_up(&mut self) {
        let Some(link) = self.any_link() else { return };
        let reasons = [CloseReason::ByPeer, CloseReason::Lost, CloseReason::Handshake];
        let reason = reasons[self.rng.index(3)];
        if self.links[&link].torrent.is_none() || self.links[&link].closing || self.rng.one_in(2) {
            self.end(link, reason);
        }
    }

    fn store_answers(&mut self) {
        if let Some(&id) = self.loads.first()
            && self.rng.one_in(2)
        {
            let error = StoreError { kind: StoreErrorKind::Missing, file: None };
            let error = self.rng.one_in(4).then_some(error);
            self.load(id, error);
        }
        for _ in 0..self.rng.below(6) {
            let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
            if jobs.is_empty() {
                return;
            }
            let job = jobs[self.rng.index(jobs.len())];
            let work = self.jobs[&job].clone();
            let right = self.right_answer(&work);
            let result = match (self.rng.below(150), &work) {
                (0, _) => Err(StoreError { kind: StoreErrorKind::Full, file: None }),
                (1, _) => Err(StoreError { kind: StoreErrorKind::Denied, file: Some(0) }),
                (2, _) => Ok(Done::Ready),
                (3..30, &Work::Verify(torrent, piece)) => Ok(self.bad(torrent, piece)),
                _ => Ok(right),
            };
            self.answer(job, result);
        }
    }

    fn bad(&mut self, torrent: TorrentId, piece: u32) -> Done {
        let blocks = self.torrents[&torrent].layout.blocks(piece);
        let mut digest = || [self.rng.below(3) as u8; 20];
        Done::Bad((0..blocks).map(|_| digest()).collect())
    }

    fn served(&mut self) {
        let Some(link) = self.any_link() else { return };
        let Some(block) = self.links.get_mut(&link).expect("listed").serving.pop() else { return };
        let error = StoreError { kind: StoreErrorKind::Missing, file: Some(0) };
        let outcome = match self.rng.below(60) {
            0 => Served::Failed(error),
            1..15 => Served::Withdrawn,
            _ => Served::Sent,
        };
        self.tell_link(link, LinkEvent::Served { block, outcome });
    }

    fn any_block(&mut self, link: LinkId) -> Block {
        let pieces = self.pieces(link);
        if pieces > 0 && self.rng.below(4) > 0 {
            let torrent = self.links[&link].torrent.expect("it has pieces");
            let layout = &self.torrents[&torrent].layout;
            let piece = self.rng.below(u64::from(pieces)) as u32;
            let index = self.rng.below(u64::from(layout.blocks(piece))) as u32;
            return layout.block(piece, index);
        }
        let odd = [0, 1, 100, BLOCK_BYTES, BLOCK_BYTES + 1, 131_072, u32::MAX];
        let mut any = || odd[self.rng.index(odd.len())];
        Block { piece: any(), begin: any(), length: any() % 140_000 }
    }

    /// A block: asked for, late, doubled, or asked for by nobody.
    fn block(&mut self) {
        let Some(link) = self.any_link() else { return };
        if self.links[&link].torrent.is_none() {
            return;
        }
        for _ in 0..1 + self.rng.below(4) {
            let Some(open) = self.links.get_mut(&link) else { return };
            let block = match (open.asked.len(), self.rng.below(20)) {
                (0, _) | (_, 0) => self.any_block(link),
                (asked, 1..4) => open.asked[self.rng.index(asked)],
                (asked, 4) => {
                    let mut block = open.asked[self.rng.index(asked)];
                    block.length = block.length.wrapping_sub(1) % 131_072;
                    block
                }
                _ => open.asked.remove(0),
            };
            self.give(link, block);
        }
    }

    /// A peer asks for all blocks of a piece that is there, as real ones do; now and then it loses
    /// its slot at once.
    fn ask_for_a_piece(&mut self, link: LinkId) {
        let torrent = self.links[&link].torrent.expect("it has pieces");
        let known = &self.torrents[&torrent];
        let there: Vec<u32> = known.verified.iter().copied().collect();
        if there.is_empty() {
            return;
        }
        let (layout, piece) = (known.layout.clone(), there[self.rng.index(there.len())]);
        self.say(link, Message::Interested);
        for index in 0..layout.blocks(piece) {
            self.say(link, Message::Request(layout.block(piece, index)));
        }
        if self.rng.one_in(2) {
            self.say(link, Message::NotInterested);
        }
    }

    /// A peer says something, sense or nonsense.
    fn speak(&mut self) {
        let Some(link) = self.any_link() else { return };
        if self.links[&link].torrent.is_none() {
            return;
        }
        let pieces = self.pieces(link);
        let below = u64::from(pieces) + u64::from(self.rng.one_in(8));
        let piece = self.rng.below(below) as u32;
        if pieces > 0 && self.rng.one_in(20) {
            return self.ask_for_a_piece(link);
        }
        let asked = self.links[&link].asked.clone();
        let message = match self.rng.below(40) {
            0 => Message::KeepAlive,
            1..=2 => Message::Choke,
            3..=7 => Message::Unchoke,
            8..=9 => Message::Interested,
            10 => Message::NotInterested,
            11..=15 => Message::Have(piece),
            16 => self.bitfield(link),
            17 if self.rng.one_in(6) => Message::Bitfield(std::vec![255; 3].into()),
            18..=24 => Message::Request(self.any_block(link)),
            25..=26 => Message::Cancel(self.any_block(link)),
            27 => Message::Suggest(piece),
            28 => Message::HaveAll,
            29 if self.rng.one_in(3) => Message::HaveNone,
            30..=33 if !asked.is_empty() => Message::Reject(asked[self.rng.index(asked.len())]),
            34 => Message::Reject(self.any_block(link)),
            35..=36 => Message::AllowedFast(piece),
            37 => self.extended(link),
            38 => Message::Unknown(self.rng.below(256) as u8),
            _ => Message::Port(self.rng.below(65_536) as u16),
        };
        self.say(link, message);
    }

    /// From now on the disk has no faults, limits are off, and each torrent that is to run meets
    /// one honest seed. All others keep silent, whatever they owe. Everything must become whole
    /// before silence alone has closed their links.
    fn peace(&mut self) {
        self.tell(Command::Limit { torrent: None, rates: Rates::default() });
        let running: Vec<TorrentId> = self.torrents.keys().copied().collect();
        for &id in &running {
            self.tell(Command::Limit { torrent: Some(id), rates: Rates::default() });
        }
        for round in 0..100 {
            self.honest_store();
            for &id in &running {
                self.tell(Command::Start(id));
                self.send_honest(id, round);
            }
            self.honest_peers();
            self.pass(Duration::from_secs(1));
            if running.iter().all(|&id| self.is_whole(id)) {
                return;
            }
        }
        for id in running {
            assert!(self.is_whole(id), "{id:?} stalls: {:#?}", self.engine.status(id));
        }
    }

    fn is_whole(&self, id: TorrentId) -> bool {
        let Some(status) = self.engine.status(id) else { return true };
        match status.state {
            State::Stopped(error) => {
                let stranger = |error: StoreError| error.kind == StoreErrorKind::Exists;
                self.torrents[&id].removed || error.is_some_and(stranger)
            }
            state => state == State::Seeding,
        }
    }

    /// An honest seed comes, unless one is there.
    fn send_honest(&mut self, id: TorrentId, round: u32) {
        let there = |link: &super::world::Open| link.honest && link.torrent == Some(id);
        if !self.torrents[&id].admitted || self.is_whole(id) || self.links.values().any(there) {
            return;
        }
        // There must be room for it.
        let silent = self.links.iter().find(|(_, link)| !link.honest).map(|(&link, _)| link);
        if let Some(link) = silent.filter(|_| self.rng.one_in(2)) {
            self.end(link, CloseReason::ByPeer);
        }
        let remote = SocketAddr::from(([11, 0, id.index() as u8, round as u8], 50_000));
        let link = self.open(None, remote);
        if self.links[&link].closing {
            return self.end(link, CloseReason::Full);
        }
        let mut peer_id = *b"honest--------------";
        peer_id[15..17].copy_from_slice(&(round as u16).to_be_bytes());
        self.shake(link, id, peer_id, Reserved::OURS);
        if self.links[&link].closing {
            return self.end(link, CloseReason::Full);
        }
        self.links.get_mut(&link).expect("just opened").honest = true;
        self.say(link, Message::HaveAll);
        if self.links.get(&link).is_some_and(|link| !link.closing) {
            self.say(link, Message::Unchoke);
        }
        if self.links.get(&link).is_some_and(|link| !link.closing) {
            self.offer(link);
        }
    }

    fn honest_peers(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            if self.links[&link].closing {
                self.end(link, CloseReason::ByPeer);
                continue;
            }
            while let Some(open) = self.links.get_mut(&link)
                && let Some(block) = open.serving.pop()
            {
                self.tell_link(link, LinkEvent::Served { block, outcome: Served::Sent });
            }
            if !self.links[&link].honest {
                continue;
            }
            self.give_metadata(link);
            while let Some(open) = self.links.get_mut(&link)
                && !open.asked.is_empty()
                && !open.closing
            {
                let block = open.asked.remove(0);
                self.give(link, block);
                self.honest_store();
            }
        }
    }

    fn honest_store(&mut self) {
        while let Some(&id) = self.loads.first() {
            self.load(id, None);
        }
        while let Some((&job, work)) = self.jobs.first_key_value() {
            let work = work.clone();
            let done = self.right_answer(&work);
            self.answer(job, Ok(done));
        }
    }

    fn shut_down(&mut self) {
        self.shut = true;
        self.tell(Command::Shutdown);
        let mut after = 0;
        for _ in 0..60 {
            // What still happens must do no harm.
            after += u32::from(self.ended);
            if after > 5 {
                break;
            }
            match self.rng.below(4) {
                0 => self.command(),
                1 => self.hear(),
                2 => self.finish_dial(),
                _ => {}
            }
            let links: Vec<LinkId> = self.links.keys().copied().collect();
            links
                .into_iter()
                .filter(|link| self.links[link].closing)
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|link| self.end(link, CloseReason::ByPeer));
            self.honest_store();
            self.pass(Duration::from_secs(1));
        }
        assert!(self.ended, "it does not end: {:#?}", self.engine);
    }
}
