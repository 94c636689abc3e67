//! Rules of the whole engine, each in a world as small as can be.

use crate::base::Bitset;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;
use std::vec::Vec;

use super::super::*;
use super::world::{Work, World};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Block, Layout};
use toubkal_wire::message::Message;

const SECOND: Duration = Duration::from_secs(1);

/// A world with one torrent that runs, of which nothing is there.
pub(super) fn world(files: &[u64], priorities: Vec<Priority>) -> (World, TorrentId) {
    with(Config { dials_max: 0, ..Config::default() }, files, priorities)
}

/// A world with one torrent of one block that runs.
pub(super) fn run(config: Config) -> (World, TorrentId) {
    with(config, &[u64::from(BLOCK_BYTES)], Vec::new())
}

fn with(config: Config, files: &[u64], priorities: Vec<Priority>) -> (World, TorrentId) {
    let config = Config { peer_id: super::world::OURS, ..config };
    let mut world = World::with(1, config);
    let torrent = add(&mut world, 1, files, priorities);
    (world, torrent)
}

/// Adds a torrent of which nothing is there.
fn add(world: &mut World, ticket: u64, files: &[u64], priorities: Vec<Priority>) -> TorrentId {
    let (torrent, layout) = begin(world, ticket, files, priorities);
    let job = *world.jobs.keys().next().expect("the folder is looked at");
    let files = std::vec![Found::Absent; files.len()];
    let worth = Bitset::new(layout.pieces());
    let changed = Bitset::full(layout.pieces());
    world.answer(job, Ok(Done::Opened(Opened { files, worth, changed }.into())));
    torrent
}

/// Adds a torrent whose folder is to be looked at.
fn begin(
    world: &mut World,
    ticket: u64,
    files: &[u64],
    mut priorities: Vec<Priority>,
) -> (TorrentId, Arc<Layout>) {
    priorities.resize(files.len(), Priority::Normal);
    let layout = Layout::new(2 * BLOCK_BYTES, files.iter().map(|&length| (length, false)));
    let layout = Arc::new(layout.expect("a small torrent"));
    world.layouts.insert(ticket, (layout.clone(), priorities.clone()));
    let known: Vec<TorrentId> = world.torrents.keys().copied().collect();
    world.tell(Command::Add(AddTorrent {
        ticket,
        info_hash: [6 + ticket as u8; 20],
        layout: layout.clone(),
        private: false,
        metadata_size: None,
        priorities,
        policy: Policy::default(),
        adopt: false,
        rates: Rates::default(),
        paused: false,
        rests: false,
        memory: None,
    }));
    let new = world.torrents.keys().find(|torrent| !known.contains(torrent));
    (*new.expect("one torrent more"), layout)
}

/// A seed that lets us ask.
pub(super) fn seed(world: &mut World, torrent: TorrentId, number: u8) -> LinkId {
    let link = world.open(None, SocketAddr::from(([10, 0, 0, number], 40_000)));
    world.shake(link, torrent, [number; 20], Reserved::OURS);
    world.say(link, Message::HaveAll);
    world.say(link, Message::Unchoke);
    link
}

pub(super) fn take_asked(world: &mut World, link: LinkId) -> Vec<Block> {
    core::mem::take(&mut world.links.get_mut(&link).expect("it is open").asked)
}

fn write_all(world: &mut World) {
    let stores = |world: &World| {
        let store = world.jobs.iter().find(|(_, work)| matches!(work, Work::Store));
        store.map(|(&job, _)| job)
    };
    while let Some(job) = stores(world) {
        world.answer(job, Ok(Done::Stored));
    }
}

#[test]
fn a_peer_that_rejects_is_asked_again_after_a_rest_though_nothing_else_happens() {
    let (mut world, torrent) = world(&[u64::from(BLOCK_BYTES)], std::vec![]);
    let peer = seed(&mut world, torrent, 1);
    for _ in 0..3 {
        let asked = take_asked(&mut world, peer);
        assert_eq!(asked.len(), 1);
        world.say(peer, Message::Reject(asked[0]));
        assert_eq!(take_asked(&mut world, peer), [], "not at once");
        world.pass(3 * SECOND);
    }
}

#[test]
fn a_silent_peer_is_asked_again_when_there_is_no_other() {
    let (mut world, torrent) = world(&[u64::from(BLOCK_BYTES)], std::vec![]);
    let silent = seed(&mut world, torrent, 1);
    world.pass(12 * SECOND);
    let asked = take_asked(&mut world, silent);
    assert_eq!(asked.len(), 1);
    world.pass(40 * SECOND);
    assert_eq!(take_asked(&mut world, silent), asked, "the only peer gets another chance");
}

#[test]
fn a_piece_that_failed_does_not_wait_for_a_peer_that_chokes() {
    let (mut world, torrent) = world(&[2 * u64::from(BLOCK_BYTES)], std::vec![]);
    let one = seed(&mut world, torrent, 1);
    let other = seed(&mut world, torrent, 2);
    // Each gives one block, and the piece is wrong.
    let block = |index: u32| Block { piece: 0, begin: index * BLOCK_BYTES, length: BLOCK_BYTES };
    assert_eq!(take_asked(&mut world, one), [block(0), block(1)]);
    assert_eq!(take_asked(&mut world, other).len(), 2, "the end game");
    world.give(one, block(0));
    world.give(other, block(1));
    write_all(&mut world);
    let job = *world.jobs.keys().next().expect("a check");
    world.answer(job, Ok(Done::Bad(std::vec![[1; 20], [2; 20]])));
    let (first, second) = (take_asked(&mut world, one), take_asked(&mut world, other));
    assert_eq!(first.len() + second.len(), 2, "one of them gives it alone");
    let (owner, asked) = if first.is_empty() { (other, second) } else { (one, first) };
    let free = if owner == one { other } else { one };
    world.say(owner, Message::Choke);
    asked.into_iter().for_each(|block| world.say(owner, Message::Reject(block)));
    assert_eq!(take_asked(&mut world, free).len(), 2);
}

#[test]
fn torrents_under_one_limit_all_get_a_share() {
    let file = 400 * u64::from(BLOCK_BYTES);
    let (mut world, first) = world(&[file], std::vec![]);
    let second = add(&mut world, 2, &[file], std::vec![]);
    world.tell(Command::Limit { torrent: None, rates: Rates { down: Some(200_000), up: None } });
    let peers = [seed(&mut world, first, 1), seed(&mut world, second, 2)];
    for _ in 0..2000 {
        world.pass(SECOND / 100);
        for peer in peers {
            let asked = take_asked(&mut world, peer);
            asked.into_iter().for_each(|block| world.give(peer, block));
        }
        write_all(&mut world);
    }
    let got = |torrent| world.engine.status(torrent).expect("it runs").downloaded;
    let (first, second) = (got(first), got(second));
    assert!((3_500_000..=4_100_000).contains(&(first + second)), "{first} and {second}");
    assert!(first * 2 > second && second * 2 > first, "{first} and {second}");
}

#[test]
fn what_the_user_wants_more_comes_before_what_the_peer_suggests() {
    let piece = 2 * u64::from(BLOCK_BYTES);
    let levels = std::vec![Priority::Low, Priority::High, Priority::Low];
    let (mut world, torrent) = world(&[piece; 3], levels);
    let link = world.open(None, SocketAddr::from(([10, 0, 0, 1], 40_000)));
    world.shake(link, torrent, [1; 20], Reserved::OURS);
    world.say(link, Message::HaveAll);
    [0, 2].into_iter().for_each(|piece| world.say(link, Message::Suggest(piece)));
    world.say(link, Message::Unchoke);
    let pieces: Vec<u32> = take_asked(&mut world, link).iter().map(|block| block.piece).collect();
    assert_eq!(pieces, [1, 1, 0, 0, 2, 2]);
}

#[test]
fn a_flood_of_words_about_what_a_peer_has_ends_at_once() {
    let (mut world, torrent) = world(&[2 * u64::from(BLOCK_BYTES)], std::vec![]);
    let peer = seed(&mut world, torrent, 1);
    let mut said = 0;
    while !world.links[&peer].closing {
        world.say(peer, [Message::HaveNone, Message::HaveAll][said % 2].clone());
        said += 1;
        assert!(said < 20, "no second has gone by");
    }
}

#[test]
fn a_torrent_that_was_removed_does_not_come_back() {
    let files = [u64::from(BLOCK_BYTES), 5];
    let (mut world, torrent) = world(&files, std::vec![]);
    let peer = seed(&mut world, torrent, 1);
    let asked = take_asked(&mut world, peer);
    world.give(peer, asked[0]);
    world.tell(Command::Remove(torrent));
    world.tell(Command::Start(torrent));
    world.tell(Command::Prioritise(torrent, std::vec![Priority::Skip, Priority::High]));
    world.tell(Command::Stop(torrent));
    world.tell(Command::Start(torrent));
    world.end(peer, CloseReason::Stopped);
    while let Some((&job, work)) = world.jobs.first_key_value() {
        let work = work.clone();
        let done = world.right_answer(&work);
        world.answer(job, Ok(done));
    }
    assert_eq!(world.engine.status(torrent), None);
}

#[test]
fn the_end_does_not_wait_for_links_that_say_nothing() {
    let (mut world, _) = world(&[5], std::vec![]);
    let before = world.open(None, SocketAddr::from(([10, 0, 0, 1], 40_000)));
    world.shut = true;
    world.tell(Command::Shutdown);
    let after = world.open(None, SocketAddr::from(([10, 0, 0, 2], 40_000)));
    assert!(world.links[&before].closing && world.links[&after].closing);
    world.end(before, CloseReason::Stopped);
    world.end(after, CloseReason::Stopped);
    for _ in ["a sync", "a record"] {
        assert!(!world.ended);
        let job = *world.jobs.keys().next().expect("a job");
        world.answer(job, Ok(Done::Ready));
    }
    assert!(world.ended);
}

#[test]
fn a_torrent_that_stops_and_starts_tries_no_more_addresses_at_once() {
    let config = Config { peer_id: super::world::OURS, dials_max: 2, ..Config::default() };
    let mut world = World::with(1, config);
    let torrent = add(&mut world, 1, &[u64::from(BLOCK_BYTES)], std::vec![]);
    let peers = (1..9).map(|last| SocketAddr::from(([10, 0, 0, last], 6881))).collect();
    world.tell(Event::Peers(torrent, PeerSource::Tracker, peers));
    assert_eq!(world.dials.len(), 2);
    world.tell(Command::Stop(torrent));
    world.tell(Command::Start(torrent));
    while let Some((&job, work)) = world.jobs.first_key_value() {
        let done = match work {
            Work::Open(_) => Done::Opened(
                Opened {
                    files: std::vec![Found::Absent],
                    worth: Bitset::new(1),
                    changed: Bitset::new(1),
                }
                .into(),
            ),
            _ => Done::Ready,
        };
        world.answer(job, Ok(done));
    }
    world.pass(SECOND);
    assert_eq!(world.engine.status(torrent).unwrap().state, State::Downloading);
    assert_eq!(world.dials.len(), 2, "nobody answered yet");
    let (&dial, _) = world.dials.first_key_value().unwrap();
    world.dials.remove(&dial);
    world.tell(Event::DialFailed(dial, DialError::TimedOut));
    world.pass(SECOND);
    assert_eq!(world.dials.len(), 2, "there is room for another");
}

#[test]
fn a_finished_file_is_not_taken_for_a_strangers_when_the_power_took_its_neighbour() {
    // One piece, two files: the second has its name, the first was not synced.
    for (first, fails) in [(Found::Part, false), (Found::Whole, true)] {
        let config = Config { peer_id: super::world::OURS, dials_max: 0, ..Config::default() };
        let mut world = World::with(1, config);
        let (torrent, _) = begin(&mut world, 1, &[781, 4409], std::vec![]);
        while let Some((&job, work)) = world.jobs.first_key_value() {
            let done = match work {
                Work::Open(_) => Done::Opened(
                    Opened {
                        files: std::vec![first, Found::Whole],
                        worth: Bitset::full(1),
                        changed: Bitset::full(1),
                    }
                    .into(),
                ),
                Work::Verify(..) => Done::Bad(std::vec![[1; 20]]),
                _ => Done::Ready,
            };
            world.answer(job, Ok(done));
        }
        let state = world.engine.status(torrent).expect("it is there").state;
        assert_eq!(matches!(state, State::Stopped(Some(_))), fails, "{state:?}");
        assert_eq!(state == State::Downloading, !fails, "{state:?}");
    }
}

/// A world with one slot and one torrent of four pieces, all of it there.
fn whole() -> (World, TorrentId) {
    let config =
        Config { peer_id: super::world::OURS, dials_max: 0, slots: 1, ..Config::default() };
    let mut world = World::with(1, config);
    let torrent = add(&mut world, 1, &[8 * u64::from(BLOCK_BYTES)], std::vec![]);
    let source = seed(&mut world, torrent, 1);
    loop {
        let asked = take_asked(&mut world, source);
        asked.into_iter().for_each(|block| world.give(source, block));
        let Some((&job, work)) = world.jobs.first_key_value() else { break };
        let done = world.right_answer(&work.clone());
        world.answer(job, Ok(done));
    }
    world.end(source, CloseReason::ByPeer);
    (world, torrent)
}

/// A peer that has nothing and wants everything.
fn leecher(world: &mut World, torrent: TorrentId, number: u8) -> LinkId {
    let link = world.open(None, SocketAddr::from(([10, 0, 0, number], 40_000)));
    world.shake(link, torrent, [number; 20], Reserved::OURS);
    world.say(link, Message::HaveNone);
    world.say(link, Message::Interested);
    link
}

fn block(piece: u32, index: u32) -> Block {
    Block { piece, begin: index * BLOCK_BYTES, length: BLOCK_BYTES }
}

fn sent(world: &mut World, link: LinkId, block: Block) {
    let serving = &mut world.links.get_mut(&link).expect("it is open").serving;
    serving.retain(|&other| other != block);
    world.tell_link(link, LinkEvent::Served { block, outcome: Served::Sent });
}

#[test]
fn a_slot_of_a_peer_that_asks_for_nothing_is_lent() {
    let (mut world, torrent) = whole();
    let idle = leecher(&mut world, torrent, 2);
    let waits = leecher(&mut world, torrent, 3);
    assert!(world.links[&idle].unchoked && !world.links[&waits].unchoked);
    world.pass(2 * SECOND);
    assert!(world.links[&idle].unchoked && world.links[&waits].unchoked);
    // It asks now: there is no slot to lend any more.
    world.say(waits, Message::Request(block(0, 0)));
    let late = leecher(&mut world, torrent, 4);
    world.pass(2 * SECOND);
    assert!(!world.links[&late].unchoked);
    // It has got all that it asked for.
    sent(&mut world, waits, block(0, 0));
    assert!(world.links[&late].unchoked, "at once");
}

#[test]
fn a_choke_lets_the_piece_that_is_being_given_end_and_no_other() {
    let (mut world, torrent) = whole();
    let peer = leecher(&mut world, torrent, 2);
    for piece in 0..3 {
        world.say(peer, Message::Request(block(piece, 0)));
        world.say(peer, Message::Request(block(piece, 1)));
    }
    // Neither fast nor slow: two blocks at a time are on their way.
    world.pass(SECOND / 5);
    sent(&mut world, peer, block(0, 0));
    let serving = |world: &World| world.links[&peer].serving.clone();
    assert_eq!(serving(&world), [block(0, 1), block(1, 0)]);
    world.say(peer, Message::NotInterested);
    assert!(!world.links[&peer].unchoked);
    let mut given = Vec::new();
    while let Some(&block) = serving(&world).first() {
        given.push(block);
        sent(&mut world, peer, block);
    }
    assert_eq!(given, [block(0, 1), block(1, 0), block(1, 1)]);
}

#[test]
fn the_next_address_is_tried_when_a_handshake_is_through() {
    let config = Config { peer_id: super::world::OURS, dials_max: 1, ..Config::default() };
    let mut world = World::with(1, config);
    let torrent = add(&mut world, 1, &[5], std::vec![]);
    let address = |number: u8| SocketAddr::from(([10, 0, 0, number], 6881));
    world.tell(Event::Peers(torrent, PeerSource::Tracker, std::vec![address(1), address(2)]));
    let (&dial, &(_, remote)) = world.dials.first_key_value().expect("one is tried");
    let link = world.open(Some(dial), remote);
    assert!(world.dials.is_empty());
    world.shake(link, torrent, [1; 20], Reserved::OURS);
    assert_eq!(world.dials.len(), 1, "no second has gone by");
}
