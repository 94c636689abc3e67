//! What a block costs in the engine: 200 peers give every block of a torrent.
//!
//! `cargo run --release -p toubkal-core --example cost -- [PEERS]`. One event is a block that
//! came, with its request, its answer by the store, and every decision that follows from it.
#![allow(clippy::disallowed_types, reason = "it measures time, and no decision depends on it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_core::base::{Bitset, Machine as _, Outbox, Rng, Time};
use toubkal_core::engine::{
    Action, AddTorrent, Command, Config, Done, Engine, Event, Found, JobId, LinkEvent, LinkId,
    Notice, Opened, Payload, Policy, Rates, TorrentId,
};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Block, Layout};
use toubkal_wire::message::Message;

fn main() {
    let peers = std::env::args().nth(1).map_or(200, |word| word.parse().expect("a number"));
    println!("  pieces  blocks/piece  seeds  ns/block  median ns  worst us");
    for (pieces, blocks) in [(1_000, 64), (1_000, 16), (100_000, 4), (100_000, 1)] {
        for seeds in [true, false] {
            measure(pieces, blocks, peers, seeds);
        }
    }
}

struct Driver {
    engine: Engine,
    out: Outbox<Action>,
    now: Time,
    asked: Vec<VecDeque<Block>>,
    jobs: VecDeque<(JobId, Done)>,
    torrent: Option<TorrentId>,
    spent: Duration,
}

impl Driver {
    fn tell(&mut self, event: Event) {
        let before = Instant::now();
        self.engine.handle(self.now, event, &mut self.out);
        self.spent += before.elapsed();
        let Self { out, asked, jobs, torrent, .. } = self;
        for action in out.drain() {
            match action {
                Action::Send { link, message: Message::Request(block) } => {
                    asked[link.index()].push_back(block);
                }
                Action::Send { link, message: Message::Cancel(block) } => {
                    asked[link.index()].retain(|&other| other != block);
                }
                Action::Store { job, .. } => jobs.push_back((job, Done::Stored)),
                Action::Verify { job, .. } => jobs.push_back((job, Done::Good)),
                Action::Open { job, .. } => {
                    let worth = Bitset::new(0);
                    let files = vec![Found::Absent];
                    let opened = Opened { files, changed: worth.clone(), worth };
                    jobs.push_back((job, Done::Opened(opened.into())));
                }
                Action::Finish { job, .. } => jobs.push_back((job, Done::Ready)),
                Action::Notify(Notice::Added { torrent: id, .. }) => *torrent = Some(id),
                _ => {}
            }
        }
    }

    fn answer_all(&mut self) {
        while let Some((job, done)) = self.jobs.pop_front() {
            self.tell(Event::Job(job, Ok(done)));
        }
    }
}

fn measure(pieces: u64, blocks: u32, peers: usize, seeds: bool) {
    let length = blocks * BLOCK_BYTES;
    let layout = Arc::new(Layout::new(length, [(pieces * u64::from(length), false)]).unwrap());
    let config = Config { links_max: 1000, ..Config::default() };
    let mut driver = Driver {
        engine: Engine::new(config, &Rng::from_number(1)),
        out: Outbox::new(),
        now: Time::START,
        asked: vec![VecDeque::new(); peers],
        jobs: VecDeque::new(),
        torrent: None,
        spent: Duration::ZERO,
    };
    add(&mut driver, &layout);
    let mut rng = Rng::from_number(2);
    (0..peers).for_each(|peer| join(&mut driver, peer, seeds || peer == 0, pieces, &mut rng));
    let mut costs = Vec::new();
    let most = 300_000;
    'all: loop {
        let before = costs.len();
        for peer in 0..peers {
            let Some(block) = driver.asked[peer].pop_front() else { continue };
            driver.spent = Duration::ZERO;
            driver.now = driver.now.after(Duration::from_micros(20));
            let link = LinkId::new(peer as u32, 0);
            driver.tell(Event::Link(link, LinkEvent::Received { block, payload: Payload(0) }));
            driver.answer_all();
            let before = Instant::now();
            driver.engine.advance(driver.now, &mut driver.out);
            driver.spent += before.elapsed();
            costs.push(driver.spent);
            if costs.len() == most {
                break 'all;
            }
        }
        if costs.len() == before {
            break;
        }
    }
    let mean = costs.iter().sum::<Duration>().as_nanos() / costs.len() as u128;
    costs.sort();
    let (median, worst) = (costs[costs.len() / 2].as_nanos(), costs[costs.len() - 1].as_micros());
    println!("{pieces:8}  {blocks:12}  {seeds:5}  {mean:8}  {median:9}  {worst:8}");
}

fn add(driver: &mut Driver, layout: &Arc<Layout>) {
    let add = AddTorrent {
        ticket: 1,
        info_hash: [7; 20],
        layout: layout.clone(),
        private: false,
        metadata_size: None,
        priorities: Vec::new(),
        policy: Policy::default(),
        adopt: false,
        rates: Rates::default(),
        paused: false,
        rests: false,
        memory: None,
    };
    driver.tell(Command::Add(add).into());
    driver.answer_all();
}

/// A peer that lets us ask; not a seed, it has every other piece or so.
fn join(driver: &mut Driver, peer: usize, seed: bool, pieces: u64, rng: &mut Rng) {
    let link = LinkId::new(peer as u32, 0);
    let remote = SocketAddr::from(([10, 0, (peer / 250) as u8, (peer % 250) as u8], 6881));
    let mut tell = |event| driver.tell(Event::Link(link, event));
    tell(LinkEvent::Opened { dial: None, remote });
    let mut peer_id = [1; 20];
    peer_id[..8].copy_from_slice(&(peer as u64).to_be_bytes());
    let torrent = TorrentId::new(0, 0);
    tell(LinkEvent::Handshaken { torrent, peer_id, reserved: Reserved::OURS });
    let mut has = Bitset::new(pieces as u32);
    (0..pieces as u32).filter(|_| rng.one_in(2)).for_each(|piece| _ = has.set(piece));
    let message = if seed { Message::HaveAll } else { Message::Bitfield(has.to_wire()) };
    tell(LinkEvent::Message(message));
    tell(LinkEvent::Message(Message::Unchoke));
    driver.answer_all();
}
