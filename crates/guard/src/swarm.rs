//! An engine and the least of a world around it: whatever it asks of the store is done at once, and
//! what it asks of peers waits in a queue.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use toubkal_core::base::{Bitset, Machine as _, Outbox, Rng, Time};
use toubkal_core::engine::{
    Action, AddTorrent, Command, Config, Done, Engine, Event, Found, JobId, LinkEvent, LinkId,
    Memory, Notice, Opened, Payload, Policy, Rates, TorrentId, Totals,
};
use toubkal_wire::extension::{self, Extensions};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Block, Layout};
use toubkal_wire::message::Message;

/// Blocks of a piece.
pub(crate) const BLOCKS: u32 = 16;
/// What passes while one block comes: a gigabyte a second.
const STEP: Duration = Duration::from_micros(16);

/// The engine, and what it waits for.
pub(crate) struct Swarm {
    pub(crate) engine: Engine,
    out: Outbox<Action>,
    now: Time,
    rng: Rng,
    jobs: VecDeque<(JobId, Done)>,
    /// The torrent that was added last.
    pub(crate) torrent: Option<TorrentId>,
    added: u64,
    links: u32,
    payloads: u32,
    /// Requests of the engine, in order.
    pub(crate) asked: VecDeque<(LinkId, Block)>,
    /// Blocks that the engine gives, in order.
    pub(crate) given: VecDeque<(LinkId, Block)>,
    /// Peers that the engine has unchoked.
    pub(crate) unchoked: Vec<LinkId>,
    /// Pieces that were found right.
    pub(crate) good: u32,
}

impl Swarm {
    pub(crate) fn new() -> Self {
        let rng = Rng::from_number(1);
        let config = Config { links_max: 2000, dials_max: 0, ..Config::default() };
        Self {
            engine: Engine::new(config, &rng.fork("engine")),
            out: Outbox::new(),
            now: Time::START,
            rng,
            jobs: VecDeque::new(),
            torrent: None,
            added: 0,
            links: 0,
            payloads: 0,
            asked: VecDeque::new(),
            given: VecDeque::new(),
            unchoked: Vec::new(),
            good: 0,
        }
    }

    /// Adds a torrent of one file, which is there, or of which nothing is.
    pub(crate) fn add(&mut self, pieces: u32, whole: bool) {
        let length = u64::from(pieces) * u64::from(BLOCKS * BLOCK_BYTES);
        let layout = Layout::new(BLOCKS * BLOCK_BYTES, [(length, false)]).expect("a layout");
        let memory = whole.then(|| Memory {
            have: Bitset::full(pieces),
            synced: Bitset::full(pieces),
            doubt: false,
            totals: Totals::default(),
        });
        self.added += 1;
        let mut info_hash = [0; 20];
        info_hash[..8].copy_from_slice(&self.added.to_be_bytes());
        self.tell(Event::from(Command::Add(AddTorrent {
            ticket: self.added,
            info_hash,
            layout: Arc::new(layout),
            private: false,
            metadata_size: None,
            priorities: Vec::new(),
            policy: Policy::RarestFirst,
            adopt: false,
            rates: Rates::default(),
            paused: false,
            rests: false,
            memory,
        })));
        let (job, _) = self.jobs.pop_front().expect("the folder is to be looked at");
        let (found, worth) = match whole {
            true => (Found::Whole, Bitset::full(pieces)),
            false => (Found::Absent, Bitset::new(pieces)),
        };
        let opened = Opened { files: vec![found], worth, changed: Bitset::new(pieces) };
        self.tell(Event::Job(job, Ok(Done::Opened(opened.into()))));
        self.work();
    }

    /// A peer connects to us that has so much of the torrent that was added last.
    pub(crate) fn join(&mut self, has: &Bitset) -> LinkId {
        self.links += 1;
        let link = LinkId::new(self.links - 1, 0);
        let address = Ipv4Addr::from_bits(0x0a00_0000 + self.links);
        let remote = SocketAddr::from((address, 6881));
        let mut peer_id = [0; 20];
        peer_id[..4].copy_from_slice(&self.links.to_be_bytes());
        let torrent = self.torrent.expect("a torrent was added");
        self.hear(link, LinkEvent::Opened { dial: None, remote });
        self.hear(link, LinkEvent::Handshaken { torrent, peer_id, reserved: Reserved::OURS });
        let requests = Some(20);
        let told = Extensions { requests, ..Extensions::default() }.encode();
        self.say(link, Message::Extended(extension::HANDSHAKE, told.into()));
        self.say(
            link,
            if has.is_full() { Message::HaveAll } else { Message::Bitfield(has.to_wire()) },
        );
        link
    }

    /// A quarter of the pieces, by chance.
    pub(crate) fn quarter(&mut self, pieces: u32) -> Bitset {
        let bytes = pieces.div_ceil(8) as usize;
        let (mut one, mut two) = (vec![0; bytes], vec![0; bytes]);
        self.rng.fill(&mut one);
        self.rng.fill(&mut two);
        one.iter_mut().zip(two).for_each(|(one, two)| *one &= two);
        if let (Some(last), rest @ 1..) = (one.last_mut(), pieces % 8) {
            *last &= !0 << (8 - rest);
        }
        Bitset::from_wire(&one, pieces).expect("as many bits, the rest clear")
    }

    /// A peer says something.
    pub(crate) fn say(&mut self, link: LinkId, message: Message) {
        self.hear(link, LinkEvent::Message(message));
    }

    /// The block that was asked for first comes, is written, and, when it is the last of its
    /// piece, is found right.
    pub(crate) fn next_block(&mut self) {
        self.now = self.now.after(STEP);
        let (link, block) = self.asked.pop_front().expect("there is always more to ask for");
        let payload = Payload(self.payloads);
        self.payloads = self.payloads.wrapping_add(1);
        self.hear(link, LinkEvent::Received { block, payload });
        self.work();
    }

    /// Time goes by, with every deadline kept.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some((at, _)) = self.engine.deadline().filter(|&(at, _)| at <= end) {
            self.now = self.now.max(at);
            self.engine.advance(self.now, &mut self.out);
            self.carry_out();
            self.work();
        }
        self.now = end;
    }

    pub(crate) fn hear(&mut self, link: LinkId, event: LinkEvent) {
        self.tell(Event::Link(link, event));
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(self.now, event, &mut self.out);
        self.carry_out();
    }

    /// Does all jobs, and those that follow on them.
    fn work(&mut self) {
        while let Some((job, done)) = self.jobs.pop_front() {
            self.tell(Event::Job(job, Ok(done)));
        }
    }

    fn carry_out(&mut self) {
        for action in self.out.drain() {
            match action {
                Action::Send { link, message: Message::Request(block) } => {
                    self.asked.push_back((link, block));
                }
                Action::Send { link, message: Message::Unchoke } => self.unchoked.push(link),
                Action::Serve { link, block, .. } => self.given.push_back((link, block)),
                Action::Store { job, .. } => self.jobs.push_back((job, Done::Stored)),
                Action::Verify { job, .. } => {
                    self.good += 1;
                    self.jobs.push_back((job, Done::Good));
                }
                Action::Open { job, .. }
                | Action::Reclaim { job, .. }
                | Action::Finish { job, .. }
                | Action::Sync { job, .. }
                | Action::Record { job, .. } => self.jobs.push_back((job, Done::Ready)),
                Action::Notify(Notice::Added { torrent, .. }) => self.torrent = Some(torrent),
                _ => {}
            }
        }
    }
}
