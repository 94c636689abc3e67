//! What is known of one connected peer.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Block};

use super::bounds::{
    CHOKED_BLOCKS_MAX, CREDIT_BYTES, HINTS_MAX, LAPSED_MAX, SERVE_FAST, SERVE_SLOW, SERVES_MAX,
    SERVES_MIN,
};
use super::contact::Contact;
use super::event::{LinkId, PeerSource};
use super::meter::Meter;
use super::partial::Origin;
use super::pipeline::Pipeline;
use super::status::PeerStatus;
use super::torrent::Early;
use crate::base::{Bitset, Time};

/// A request of ours that the peer has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) piece: u32,
    pub(super) index: u32,
    pub(super) at: Time,
}

/// A request that others got, or that was called back, and that may still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lapsed {
    piece: u32,
    index: u32,
    /// What it took from the rate limits was not given back.
    pub(super) paid: bool,
}

/// A connected peer, its handshake done.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    /// Where it can be reached again: what we dialed, or what it told.
    pub(super) address: Option<SocketAddr>,
    pub(super) outgoing: bool,
    pub(super) source: PeerSource,
    pub(super) peer_id: [u8; 20],
    pub(super) reserved: Reserved,
    pub(super) since: Time,
    /// The last sign of life.
    pub(super) heard: Time,
    /// When we last said something.
    pub(super) said: Time,
    /// Neither side had a use for the other since.
    pub(super) idle_since: Option<Time>,

    /// The pieces that it has.
    pub(super) has: Bitset,
    /// It has said what it has.
    pub(super) told: bool,
    /// Wanted pieces that it has and we lack.
    pub(super) useful: u32,

    pub(super) choking_us: bool,
    pub(super) interesting: bool,
    pub(super) choked: bool,
    pub(super) interested: bool,
    /// It owed us blocks and sent none in time.
    pub(super) snubs: bool,

    pub(super) requests: VecDeque<Request>,
    pub(super) lapsed: VecDeque<Lapsed>,
    pub(super) pipeline: Pipeline,
    /// The piece that it was last asked for.
    pub(super) working: Option<u32>,
    /// When the last block came, or the first request went after a pause.
    pub(super) progress: Time,
    /// It rejected something: nothing is asked before.
    pub(super) rest_until: Time,
    /// Pieces that we may ask for while choked.
    pub(super) allowed: Vec<u32>,
    /// Pieces that it would like us to take.
    pub(super) suggested: Vec<u32>,

    /// Its requests that wait.
    pub(super) queue: VecDeque<Block>,
    /// Its requests that are on their way from the disk, and since when.
    pub(super) serving: Vec<(Block, Time)>,
    /// The piece of the last block that went on its way.
    pub(super) giving: Option<u32>,
    /// How many may be: as many as keep its line busy.
    pub(super) serves: u32,
    /// The last block took long.
    pub(super) slow: bool,
    /// Pieces that it may ask for while choked.
    pub(super) granted: Vec<u32>,
    /// Pieces that we suggested and that it has not got yet.
    pub(super) hinted: Vec<u32>,
    pub(super) unchoked_at: Option<Time>,
    pub(super) choked_at: Option<Time>,
    /// Bytes that it got since it was unchoked.
    pub(super) got: u64,
    /// Its slot counts as used until then, though it asks for nothing.
    pub(super) used_until: Time,

    pub(super) down: Meter,
    pub(super) up: Meter,
    /// Bytes that nobody asked for.
    pub(super) unasked: u64,
    pub(super) bad_haves: u32,
    pub(super) flaps: u32,
    pub(super) wasted_requests: u32,
    /// What was agreed on by the extension protocol.
    pub(super) contact: Contact,
    /// What it said before it could be understood.
    pub(super) early: Early,
}

impl Peer {
    pub(super) fn new(
        remote: SocketAddr,
        dialed: Option<(SocketAddr, PeerSource)>,
        peer_id: [u8; 20],
        reserved: Reserved,
        pieces: u32,
        now: Time,
    ) -> Self {
        Self {
            remote,
            address: dialed.map(|(address, _)| address),
            outgoing: dialed.is_some(),
            source: dialed.map_or(PeerSource::Incoming, |(_, source)| source),
            peer_id,
            reserved,
            since: now,
            heard: now,
            said: now,
            idle_since: Some(now),
            has: Bitset::new(pieces),
            told: false,
            useful: 0,
            choking_us: true,
            interesting: false,
            choked: true,
            interested: false,
            snubs: false,
            requests: VecDeque::new(),
            lapsed: VecDeque::new(),
            pipeline: Pipeline::new(),
            working: None,
            progress: now,
            rest_until: Time::START,
            allowed: Vec::new(),
            suggested: Vec::new(),
            queue: VecDeque::new(),
            serving: Vec::new(),
            giving: None,
            serves: SERVES_MIN,
            slow: false,
            granted: Vec::new(),
            hinted: Vec::new(),
            unchoked_at: None,
            choked_at: None,
            got: 0,
            used_until: now,
            down: Meter::default(),
            up: Meter::default(),
            unasked: 0,
            bad_haves: 0,
            flaps: 0,
            wasted_requests: 0,
            contact: Contact::new(now),
            early: Early::default(),
        }
    }

    pub(super) fn origin(&self, link: LinkId) -> Origin {
        Origin { link, remote: self.remote }
    }

    pub(super) fn is_seed(&self) -> bool {
        self.told && self.has.is_full()
    }

    /// Requests that it may get now.
    pub(super) fn room(&self, now: Time) -> u32 {
        if self.snubs || now < self.rest_until || (self.choking_us && self.allowed.is_empty()) {
            return 0;
        }
        self.pipeline.window().saturating_sub(self.requests.len() as u32)
    }

    /// As [`room`](Self::room), were its window as wide as may be.
    pub(super) fn room_at_most(&self, now: Time) -> u32 {
        if self.snubs || now < self.rest_until {
            return 0;
        }
        self.pipeline.ceiling().saturating_sub(self.requests.len() as u32)
    }

    /// Whether it has a slot and makes use of it.
    pub(super) fn uses_slot(&self, now: Time) -> bool {
        !self.choked && (self.is_served() || now < self.used_until)
    }

    /// Whether it has given about as much as it got.
    pub(super) fn has_credit(&self) -> bool {
        self.up.total() <= 2 * self.down.total() + CREDIT_BYTES
    }

    /// Something that it asked for waits, or is on its way.
    pub(super) fn is_served(&self) -> bool {
        !self.queue.is_empty() || !self.serving.is_empty()
    }

    /// Sorts what stays of the peer's requests after a choke to the front, and says how many
    /// that are: what it may ask for while choked; and, with the Fast extension, the rest of the
    /// piece that is being given, within [`CHOKED_BLOCKS_MAX`]. Half a piece is of use to nobody.
    pub(super) fn forget_requests(&mut self) -> usize {
        let finishes = |block: &Block| Some(block.piece) == self.giving;
        let rest = self.queue.iter().filter(|block| finishes(block)).count();
        if !self.reserved.fast() || rest > CHOKED_BLOCKS_MAX {
            self.giving = None;
        }
        let (giving, granted) = (self.giving, &self.granted);
        let stays = |block: &Block| Some(block.piece) == giving || granted.contains(&block.piece);
        self.queue.make_contiguous().sort_by_key(|block| !stays(block));
        self.queue.iter().take_while(|block| stays(block)).count()
    }

    /// Whether a choked peer still gets blocks of this piece.
    pub(super) fn may_finish(&self, piece: u32) -> bool {
        self.giving == Some(piece) || self.granted.contains(&piece)
    }

    pub(super) fn has_request(&self, piece: u32, index: u32) -> bool {
        self.requests.iter().any(|request| (request.piece, request.index) == (piece, index))
    }

    /// Takes a request out, wherever it stands; answers come in order as a rule.
    pub(super) fn take_request(&mut self, piece: u32, index: u32) -> Option<Request> {
        let is = |request: &Request| (request.piece, request.index) == (piece, index);
        match self.requests.front() {
            Some(front) if is(front) => self.requests.pop_front(),
            _ => self.requests.iter().position(is).and_then(|at| self.requests.remove(at)),
        }
    }

    /// A request that went to others, or was called back, may still be answered.
    pub(super) fn lapse(&mut self, piece: u32, index: u32, paid: bool) {
        if self.lapsed.len() >= LAPSED_MAX {
            self.lapsed.pop_front();
        }
        self.lapsed.push_back(Lapsed { piece, index, paid });
    }

    pub(super) fn take_lapsed(&mut self, piece: u32, index: u32) -> Option<Lapsed> {
        let is = |lapsed: &Lapsed| (lapsed.piece, lapsed.index) == (piece, index);
        let found = self.lapsed.iter().position(is);
        found.and_then(|at| self.lapsed.remove(at))
    }

    /// When a block that is asked of it behind `ahead` others would be here, from now on: as fast
    /// as it sends, or as fast as its window says that it would.
    pub(super) fn eta(&self, now: Time, ahead: usize) -> Duration {
        let still = match self.requests.is_empty() {
            true => Duration::ZERO,
            false => now.since(self.progress),
        };
        self.pipeline.delay() + self.block_time() * (ahead as u32 + 1) + still
    }

    /// How long the answer to a request of ours will still take that `ahead` others were sent
    /// before. When the first of them is late, all are thought to come after as much again.
    pub(super) fn remaining(&self, now: Time, request: &Request, ahead: usize) -> Duration {
        let alone = |request: &Request| request.at.after(self.pipeline.delay() + self.block_time());
        let Some(first) = self.requests.front() else { return Duration::ZERO };
        let expected = alone(first).max(self.progress.after(self.block_time()));
        let first = expected.since(now).max(now.since(expected));
        (first + self.block_time() * ahead as u32).max(alone(request).since(now))
    }

    fn block_time(&self) -> Duration {
        let rate = self.down.rate().max(self.pipeline.pace()).max(1);
        Duration::from_nanos(u64::from(BLOCK_BYTES) * 1_000_000_000 / rate)
    }

    /// A block was taken by the system this long after it was asked of the disk. What lies in
    /// queues below us delays everything else that we say, so there should be little of it; but
    /// a fast line must not wait for us.
    pub(super) fn serve_took(&mut self, time: Duration) {
        self.slow = time > SERVE_SLOW;
        if time < SERVE_FAST {
            self.serves = SERVES_MAX.min(self.serves + 1);
        } else if time > SERVE_SLOW {
            self.serves = SERVES_MIN.max(self.serves - 1);
        }
    }

    /// Whether it is given blocks, and takes them so fast that others had better wait.
    pub(super) fn holds_line(&self, now: Time) -> bool {
        let stuck = |&(_, since): &(Block, Time)| now.since(since) > SERVE_SLOW;
        self.is_served() && !self.slow && !self.serving.first().is_some_and(stuck)
    }

    /// Remembers a hint, within limits.
    pub(super) fn hint(list: &mut Vec<u32>, piece: u32) {
        if list.len() < HINTS_MAX && !list.contains(&piece) {
            list.push(piece);
        }
    }

    pub(super) fn status(&self) -> PeerStatus {
        PeerStatus {
            remote: self.remote,
            peer_id: self.peer_id,
            source: self.source,
            have: self.has.ones(),
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            down_rate: self.down.rate(),
            up_rate: self.up.rate(),
            requests: self.requests.len() as u32,
            choking_us: self.choking_us,
            choked: self.choked,
            interested: self.interested,
        }
    }
}
