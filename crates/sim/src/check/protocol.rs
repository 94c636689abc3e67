//! An independent monitor of each link's messages: what BEP 3, 6 and 10 allow an engine to say.

use std::time::Duration;

use toubkal_core::base::{Bitset, Time};
use toubkal_core::engine::bounds::{REQQ_MAX, REQQ_UNTOLD, SERVES_MAX};
use toubkal_core::engine::{LinkId, Served};
use toubkal_wire::extension::{self, Extensions};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::Message;

/// When a peer has sent nothing for so long, what was asked of it may have been given to others
/// without a word.
const STALE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opened,
    Joined,
    Closing,
}

/// One end of a link, as its engine knows it.
#[derive(Debug)]
pub(super) struct Monitor {
    host: usize,
    link: LinkId,
    stage: Stage,
    fast: bool,
    extended: bool,
    /// We have said something.
    spoke: bool,
    /// What we have told that we have.
    told: Option<Bitset>,

    /// What the peer has, as it says; `None`: nothing yet. Grown when needed.
    has: Vec<bool>,
    has_all: bool,
    choking_us: bool,
    allowed: Vec<u32>,
    interesting: bool,
    /// Our requests that were not answered; and whether they may have been given to others.
    asked: Vec<(Block, bool)>,
    /// Those that were called back and not answered: they wait at the peer no more.
    cancelled: Vec<(Block, bool)>,
    /// When the last block came, or the first request went.
    progress: Time,
    reqq: u32,

    choked: bool,
    granted: Vec<u32>,
    /// The peer's requests that are neither answered nor being served; and whether it was unchoked
    /// when we heard them. BEP 6: those may be answered also after a choke.
    waiting: Vec<(Block, bool)>,
    serving: Vec<Block>,
}

impl Monitor {
    pub(super) fn new(host: usize, link: LinkId) -> Self {
        Self {
            host,
            link,
            stage: Stage::Opened,
            fast: false,
            extended: false,
            spoke: false,
            told: None,
            has: Vec::new(),
            has_all: false,
            choking_us: true,
            allowed: Vec::new(),
            interesting: false,
            asked: Vec::new(),
            cancelled: Vec::new(),
            progress: Time::START,
            reqq: REQQ_UNTOLD,
            choked: true,
            granted: Vec::new(),
            waiting: Vec::new(),
            serving: Vec::new(),
        }
    }

    /// What is left of a link that its engine has closed: it says nothing more.
    pub(super) fn closing(host: usize, link: LinkId) -> Self {
        Self { stage: Stage::Closing, ..Self::new(host, link) }
    }

    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    pub(super) fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    pub(super) fn handshaken(&mut self, reserved: Reserved) {
        if self.stage == Stage::Opened {
            self.stage = Stage::Joined;
        }
        self.fast = reserved.fast();
        self.extended = reserved.extended();
    }

    pub(super) fn closes(&self) {
        self.expect(self.stage != Stage::Closing, "it closes once");
    }

    pub(super) fn asked_bytes(&self) -> u64 {
        self.open().map(|(block, _)| u64::from(block.length)).sum()
    }

    /// Requests that were not answered, called back or not.
    fn open(&self) -> impl Iterator<Item = &(Block, bool)> {
        self.asked.iter().chain(&self.cancelled)
    }

    /// Takes out the request that is answered: of equals the one that was called back.
    fn take(&mut self, block: Block) -> Option<(Block, bool)> {
        let is = |(other, _): &(Block, bool)| *other == block;
        if let Some(at) = self.cancelled.iter().position(is) {
            return Some(self.cancelled.remove(at));
        }
        self.asked.iter().position(is).map(|at| self.asked.remove(at))
    }

    pub(super) fn stale_bytes(&mut self, now: Time) -> u64 {
        self.lapse(now);
        let stale = self.open().filter(|(_, stale)| *stale);
        stale.map(|(block, _)| u64::from(block.length)).sum()
    }

    fn lapse(&mut self, now: Time) {
        if now.since(self.progress) >= STALE {
            let open = self.asked.iter_mut().chain(&mut self.cancelled);
            open.for_each(|(_, stale)| *stale = true);
        }
    }

    pub(super) fn serving_bytes(&self) -> u64 {
        self.serving.iter().map(|block| u64::from(block.length)).sum()
    }

    /// The engine says this.
    pub(super) fn says(
        &mut self,
        now: Time,
        message: &Message,
        layout: &Layout,
        verified: &Bitset,
    ) {
        self.expect(self.stage == Stage::Joined, "it speaks after the handshake, before the end");
        let first = !std::mem::replace(&mut self.spoke, true);
        let introduces =
            matches!(message, Message::Bitfield(_) | Message::HaveAll | Message::HaveNone);
        self.expect(!introduces || first, "what it has comes first, and once");
        self.expect(introduces || !first || !self.fast, "BEP 6: what it has comes first");
        match message {
            Message::Choke | Message::Unchoke => {
                let choke = *message == Message::Choke;
                self.expect(self.choked != choke, "it chokes who is unchoked, and unchokes again");
                self.choked = choke;
                if choke && !self.fast {
                    self.waiting.clear();
                }
            }
            Message::Interested | Message::NotInterested => {
                let interested = *message == Message::Interested;
                self.expect(self.interesting != interested, "interest is told when it changes");
                self.interesting = interested;
            }
            Message::Bitfield(bits) => {
                let told = Bitset::from_wire(bits, layout.pieces());
                let told = told.expect("our bitfield is one");
                self.expect(!told.exceeds(verified), "its bitfield is verified");
                self.told = Some(told);
            }
            Message::HaveAll => {
                self.expect(self.fast && verified.is_full(), "who has all has all");
                self.told = Some(Bitset::full(layout.pieces()));
            }
            Message::HaveNone => self.expect(self.fast, "BEP 6 when it was agreed on"),
            Message::Have(piece) => {
                self.expect(verified.has(*piece), "no have before it is verified");
                let told = self.told.get_or_insert_with(|| Bitset::new(layout.pieces()));
                let fresh = told.set(*piece);
                self.expect(fresh, "a piece is told once");
            }
            Message::Request(block) => self.requests(now, *block, layout),
            Message::Cancel(block) => {
                let asked = self.asked.iter().position(|(other, _)| other == block);
                self.expect(asked.is_some(), "it cancels what it asked for");
                let asked = asked.map(|at| self.asked.remove(at));
                // BEP 6: it is answered all the same. BEP 3: it may be.
                self.cancelled.extend(asked.filter(|_| self.fast));
            }
            Message::Reject(block) => self.rejects(*block),
            Message::Suggest(piece) => self.expect(self.fast && verified.has(*piece), "suggests"),
            Message::AllowedFast(piece) => {
                self.expect(self.fast && verified.has(*piece), "allows what it has");
                self.granted.push(*piece);
            }
            Message::Extended(..) => self.expect(self.extended, "BEP 10 when it was agreed on"),
            Message::KeepAlive | Message::Port(_) | Message::Unknown(_) => {}
        }
    }

    fn rejects(&mut self, block: Block) {
        self.expect(self.fast, "BEP 6 when it was agreed on");
        // Of equals, one that may not be answered otherwise.
        let refused = self.waiting.iter().position(|one| *one == (block, false));
        let any = || self.waiting.iter().position(|(other, _)| *other == block);
        let found = refused.or_else(any);
        self.expect(found.is_some(), "it rejects what was asked, once");
        found.into_iter().for_each(|at| _ = self.waiting.remove(at));
    }

    fn requests(&mut self, now: Time, block: Block, layout: &Layout) {
        let index = layout.block_index(block);
        self.expect(index.is_some(), "it asks for whole blocks");
        let piece = block.piece as usize;
        let has = self.has_all || self.has.get(piece).is_some_and(|&has| has);
        self.expect(has, "it asks for what the other has");
        let allowed = self.fast && self.allowed.contains(&block.piece);
        self.expect(!self.choking_us || allowed, "it asks when it may");
        self.lapse(now);
        if self.asked.is_empty() {
            self.progress = now;
        }
        self.asked.push((block, false));
        self.expect(self.asked.len() as u32 <= self.reqq, "no more requests than the other keeps");
    }

    /// The engine hears this; says how many bytes were asked for in vain.
    pub(super) fn hears(&mut self, message: &Message) -> u64 {
        if self.stage != Stage::Joined {
            return 0;
        }
        match message {
            Message::Choke => {
                self.choking_us = true;
                if !self.fast {
                    let bytes = self.asked_bytes();
                    self.asked.clear();
                    return bytes;
                }
            }
            Message::Unchoke => self.choking_us = false,
            Message::Have(piece) => self.gains(*piece),
            Message::Bitfield(bits) => {
                self.has_all = false;
                let bit = |at: usize| bits[at / 8] & (0x80 >> (at % 8)) != 0;
                self.has = (0..bits.len() * 8).map(bit).collect();
            }
            Message::HaveAll => self.has_all = true,
            Message::HaveNone => (self.has_all, self.has) = (false, Vec::new()),
            Message::Request(block) if self.fast || !self.choked => {
                self.waiting.push((*block, !self.choked));
            }
            Message::Cancel(block) if !self.fast => {
                let found = self.waiting.iter().position(|(other, _)| other == block);
                found.into_iter().for_each(|at| _ = self.waiting.remove(at));
            }
            Message::Reject(block) => {
                return self.take(*block).map_or(0, |(block, _)| block.length.into());
            }
            Message::AllowedFast(piece) => self.allowed.push(*piece),
            Message::Extended(extension::HANDSHAKE, payload) => {
                let told = Extensions::decode(payload).and_then(|told| told.requests);
                let most = |told: i64| told.clamp(2, i64::from(REQQ_MAX)) as u32;
                self.reqq = told.map_or(self.reqq, most);
            }
            _ => {}
        }
        0
    }

    fn gains(&mut self, piece: u32) {
        let at = piece as usize;
        // Past the end of any torrent here: nothing that could be asked for.
        if at >= 1 << 22 {
            return;
        }
        if self.has.len() <= at {
            self.has.resize(at + 1, false);
        }
        self.has[at] = true;
    }

    /// A block came; says how many bytes of it may have been given back to limits, because it
    /// was so late that the request had gone to others.
    pub(super) fn received(&mut self, now: Time, block: Block) -> u64 {
        self.lapse(now);
        self.progress = now;
        let Some((_, stale)) = self.take(block) else { return 0 };
        if stale { u64::from(block.length) } else { 0 }
    }

    pub(super) fn serves(&mut self, block: Block) {
        self.expect(self.stage == Stage::Joined, "it serves after the handshake");
        let asked = self.waiting.iter().any(|(other, _)| *other == block);
        self.expect(asked, "no block is sent that nobody asked for");
        let granted = self.granted.contains(&block.piece);
        let may = |(other, may): &(Block, bool)| *other == block && (*may || granted);
        let found = self.waiting.iter().position(may);
        self.expect(found.is_some(), "it serves what was asked while it did not choke");
        found.into_iter().for_each(|at| _ = self.waiting.remove(at));
        self.serving.push(block);
        self.expect(self.serving.len() <= SERVES_MAX as usize, "blocks on their way");
    }

    pub(super) fn unserves(&self, block: Block) {
        self.expect(self.serving.contains(&block), "it calls back what it serves");
    }

    /// The hands answer; says whether the block was sent.
    pub(super) fn served(&mut self, block: Block, outcome: Served) -> bool {
        if self.stage != Stage::Joined {
            return true;
        }
        let at = self.serving.iter().position(|&other| other == block);
        let found = at.map(|at| self.serving.remove(at)).is_some();
        self.expect(found, "the hands answer each serve once");
        let sent = outcome == Served::Sent;
        if !sent && self.fast {
            // It is to be rejected, and not to be tried again.
            self.waiting.push((block, false));
        }
        sent
    }

    /// Requests of a peer that speaks BEP 6 that have no answer.
    pub(super) fn unanswered(&self) -> usize {
        if self.fast && self.stage == Stage::Joined { self.waiting.len() } else { 0 }
    }

    fn expect(&self, holds: bool, rule: &str) {
        assert!(holds, "host {} on {:?} breaks a rule: {rule}\n{self:#?}", self.host, self.link);
    }
}
