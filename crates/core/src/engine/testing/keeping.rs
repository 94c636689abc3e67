//! What is remembered, synced and recorded, and in which order.

use crate::base::Bitset;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;
use std::vec::Vec;

use super::super::bounds::{SAMPLE, SYNC_TIME};
use super::super::*;
use super::world::{Work, World};
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Layout};
use toubkal_wire::message::Message;

const PIECES: u32 = 40;

fn set(pieces: impl IntoIterator<Item = u32>) -> Bitset {
    let mut set = Bitset::new(PIECES);
    pieces.into_iter().for_each(|piece| _ = set.set(piece));
    set
}

/// A torrent of one file of which everything lies on the disk, and some is remembered.
fn add(world: &mut World, memory: Option<Memory>, changed: &Bitset) -> TorrentId {
    let torrent = add_as(world, &[u64::from(PIECES * BLOCK_BYTES)], memory, false);
    opened(world, changed);
    torrent
}

fn add_files(
    world: &mut World,
    files: &[u64],
    memory: Option<Memory>,
    changed: &Bitset,
) -> TorrentId {
    let torrent = add_as(world, files, memory, false);
    opened(world, changed);
    torrent
}

fn add_as(world: &mut World, files: &[u64], memory: Option<Memory>, paused: bool) -> TorrentId {
    let ticket = world.torrents.len() as u64;
    let layout = Layout::new(BLOCK_BYTES, files.iter().map(|&length| (length, false)));
    let layout = Arc::new(layout.expect("a torrent"));
    world.layouts.insert(ticket, (layout.clone(), std::vec![Priority::Normal; files.len()]));
    world.memories.extend(memory.clone().map(|memory| (ticket, memory)));
    let known: Vec<TorrentId> = world.torrents.keys().copied().collect();
    world.tell(Command::Add(AddTorrent {
        ticket,
        info_hash: [ticket as u8; 20],
        layout,
        private: false,
        metadata_size: None,
        priorities: Vec::new(),
        policy: Policy::default(),
        adopt: false,
        rates: Rates::default(),
        paused,
        rests: false,
        memory,
    }));
    world.torrents.keys().find(|id| !known.contains(id)).copied().expect("one more")
}

/// The folder was looked at: everything is there.
fn opened(world: &mut World, changed: &Bitset) {
    let job = find(world, |work| matches!(work, Work::Open(_))).expect("the folder is looked at");
    let Some(&Work::Open(torrent)) = world.jobs.get(&job) else { unreachable!("looked up") };
    let worth = Bitset::full(PIECES);
    world.torrents.get_mut(&torrent).expect("it was added").recall(&worth, changed);
    let files = world.torrents[&torrent].layout.files().len();
    let files = std::vec![Found::Whole; files];
    let opened = Opened { files, worth, changed: changed.clone() };
    world.answer(job, Ok(Done::Opened(opened.into())));
}

fn memory(pieces: impl IntoIterator<Item = u32>, doubt: bool) -> Option<Memory> {
    let have = set(pieces);
    Some(Memory { synced: have.clone(), have, doubt, totals: Totals::default() })
}

fn find(world: &World, is: impl Fn(&Work) -> bool) -> Option<JobId> {
    world.jobs.iter().find(|(_, work)| is(work)).map(|(&job, _)| job)
}

/// Answers every check by the truth; says which pieces were checked.
fn checks(world: &mut World, wrong: &Bitset) -> Bitset {
    let mut checked = set([]);
    while let Some(job) = find(world, |work| matches!(work, Work::Verify(..))) {
        let Some(&Work::Verify(_, piece)) = world.jobs.get(&job) else { unreachable!() };
        checked.set(piece);
        let bad = Done::Bad(std::vec![[1; 20]]);
        world.answer(job, Ok(if wrong.has(piece) { bad } else { Done::Good }));
    }
    checked
}

/// What was recorded last.
fn last(world: &World) -> &Record {
    world.records.last().expect("a record")
}

#[test]
fn what_is_remembered_is_not_checked_again() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..30, false), &set([]));
    assert_eq!(checks(&mut world, &set([])), set(30..40));
    assert!(world.engine.have(torrent).is_some_and(Bitset::is_full));
}

#[test]
fn a_paused_torrent_stands_as_it_is_remembered_until_it_is_started() {
    let mut world = World::with(1, Config::default());
    let torrent =
        add_as(&mut world, &[u64::from(PIECES * BLOCK_BYTES)], memory(0..30, false), true);
    assert_eq!(find(&world, |work| matches!(work, Work::Open(_))), None, "nothing is touched");
    let status = world.engine.status(torrent).expect("it was added");
    assert_eq!((status.state, status.have), (State::Stopped(None), 30));
    assert_eq!(status.left, 10 * u64::from(BLOCK_BYTES));
    world.tell(Command::Start(torrent));
    opened(&mut world, &set([]));
    assert_eq!(checks(&mut world, &set([])), set(30..40));
    let status = world.engine.status(torrent).expect("it was added");
    assert_eq!((status.remembered, status.checked), (30, 10));
}

#[test]
fn what_others_have_changed_is_checked_again() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, false), &set(5..7));
    assert_eq!(checks(&mut world, &set([5])), set(5..7));
    assert_eq!(world.engine.have(torrent).map(Bitset::ones), Some(39));
}

#[test]
fn after_a_power_cut_a_sample_speaks_for_the_rest() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, true), &set([]));
    assert_eq!(checks(&mut world, &set([])).ones() as usize, SAMPLE);
    assert!(world.engine.have(torrent).is_some_and(Bitset::is_full));
}

#[test]
fn a_wrong_sample_makes_everything_be_checked() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, true), &set([]));
    let wrong = set(0..20);
    assert!(checks(&mut world, &wrong).is_full());
    assert_eq!(world.engine.have(torrent), Some(&set(20..40)));
}

#[test]
fn what_is_doubted_is_proved_before_it_is_given() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, true), &set([]));
    let sampled = checks(&mut world, &set([]));
    let job = find(&world, |work| matches!(work, Work::Other));
    assert_eq!(job, None, "what was on the disk needs no sync");
    let piece = (0..40).find(|&piece| !sampled.has(piece)).expect("not all were sampled");
    let link = leecher(&mut world, torrent);
    let layout = world.torrents[&torrent].layout.clone();
    world.say(link, Message::Request(layout.block(piece, 0)));
    assert!(world.links[&link].serving.is_empty(), "nobody knows yet whether it is right");
    assert_eq!(checks(&mut world, &set([])), set([piece]));
    assert_eq!(world.links[&link].serving, [layout.block(piece, 0)]);
    world.say(link, Message::Request(layout.block(piece, 0)));
    assert_eq!(world.links[&link].serving.len(), 2, "once is enough");
}

#[test]
fn a_piece_that_cannot_be_proved_makes_all_unproven_ones_be_checked() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, true), &set([]));
    let sampled = checks(&mut world, &set([]));
    let wrong = set((0..40).filter(|&piece| !sampled.has(piece)));
    let link = leecher(&mut world, torrent);
    let layout = world.torrents[&torrent].layout.clone();
    let piece = wrong.iter().next().expect("some");
    world.say(link, Message::Request(layout.block(piece, 0)));
    assert_eq!(checks(&mut world, &wrong), set([piece]));
    assert!(world.links[&link].closing && world.links[&link].serving.is_empty());
    world.end(link, CloseReason::Stopped);
    store_works(&mut world);
    opened(&mut world, &set([]));
    assert_eq!(checks(&mut world, &wrong), wrong);
    assert_eq!(world.engine.have(torrent), Some(&sampled));
}

#[test]
fn what_is_verified_is_synced_with_that_of_all_torrents_and_recorded_then() {
    let mut world = World::with(1, Config::default());
    add(&mut world, None, &set([]));
    checks(&mut world, &set(3..40));
    store_works(&mut world);
    world.pass(Duration::from_secs(2));
    add(&mut world, None, &set([]));
    checks(&mut world, &set(1..40));
    store_works(&mut world);
    assert_eq!(find(&world, |work| matches!(work, Work::Sync(..))), None);
    world.pass(SYNC_TIME);
    let syncs: Vec<JobId> = world.jobs.keys().copied().collect();
    assert_eq!(syncs.len(), 2, "both in one go");
    assert!(world.records.is_empty(), "no record before the sync is through");
    for (sync, records) in [(syncs[0], 1), (syncs[1], 2)] {
        world.answer(sync, Ok(Done::Ready));
        assert_eq!(world.records.len(), records);
    }
    let mut recorded: Vec<u32> = world.records.iter().map(|record| record.synced.ones()).collect();
    recorded.sort_unstable();
    assert_eq!(recorded, [1, 3]);
    assert!(world.records.iter().all(|record| !record.rest));
    store_works(&mut world);
    world.pass(Duration::from_secs(600));
    assert_eq!(world.records.len(), 2, "nothing new, no record");
}

#[test]
fn a_stop_leaves_everything_synced_and_recorded() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, None, &set([]));
    checks(&mut world, &set(7..40));
    world.tell(Command::Stop(torrent));
    store_works(&mut world);
    let rested = last(&world).clone();
    assert_eq!((&rested.verified, &rested.synced, rested.rest), (&set(0..7), &set(0..7), true));
    world.tell(Command::Start(torrent));
    opened(&mut world, &set([]));
    assert_eq!(checks(&mut world, &set([])), set(7..40), "what was held is held");
}

#[test]
fn a_sync_that_fails_demotes_what_it_was_to_keep() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..3, false), &set([]));
    checks(&mut world, &set(7..40));
    store_works(&mut world);
    world.pass(SYNC_TIME + Duration::from_secs(1));
    let broken = || Err(StoreError { kind: StoreErrorKind::Other(5), file: Some(0) });
    for _ in ["by time", "by the stop"] {
        let sync = find(&world, |work| matches!(work, Work::Sync(..))).expect("a sync");
        world.answer(sync, broken());
    }
    assert_eq!((&last(&world).verified, last(&world).rest), (&set(0..3), true));
    store_works(&mut world);
    world.tell(Command::Start(torrent));
    opened(&mut world, &set([]));
    assert_eq!(checks(&mut world, &set(7..40)), set(3..40), "the lost ones are read again");
}

#[test]
fn a_sync_that_could_not_open_its_files_costs_nothing_and_is_made_again() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, None, &set([]));
    checks(&mut world, &set(3..40));
    store_works(&mut world);
    for _ in 0..3 {
        world.pass(SYNC_TIME + Duration::from_secs(1));
        let sync = find(&world, |work| matches!(work, Work::Sync(..))).expect("a sync");
        let crowded = StoreError { kind: StoreErrorKind::Crowded, file: None };
        world.answer(sync, Err(crowded));
    }
    assert_eq!(world.engine.status(torrent).expect("there").state, State::Downloading);
    world.pass(SYNC_TIME + Duration::from_secs(1));
    store_works(&mut world);
    assert_eq!(last(&world).synced, set(0..3));
}

#[test]
fn a_record_that_fails_is_told_and_made_again() {
    let mut world = World::with(1, Config::default());
    add(&mut world, None, &set([]));
    checks(&mut world, &set(3..40));
    store_works(&mut world);
    world.pass(SYNC_TIME + Duration::from_secs(1));
    let sync = find(&world, |work| matches!(work, Work::Sync(..))).expect("a sync");
    world.answer(sync, Ok(Done::Ready));
    let record = find(&world, |work| matches!(work, Work::Other)).expect("a record");
    world.answer(record, Err(StoreError { kind: StoreErrorKind::Full, file: None }));
    assert_eq!(world.records.len(), 1);
    world.pass(SYNC_TIME + Duration::from_secs(1));
    assert_eq!((world.records.len(), &last(&world).synced), (2, &set(0..3)));
}

#[test]
fn a_check_believes_nothing() {
    let mut world = World::with(1, Config::default());
    let torrent = add(&mut world, memory(0..40, false), &set([]));
    assert!(checks(&mut world, &set([])).is_empty());
    world.torrents.get_mut(&torrent).expect("added").memory = None;
    world.tell(Command::Check(torrent));
    store_works(&mut world);
    opened(&mut world, &set([]));
    assert!(checks(&mut world, &set([8])).is_full());
    assert_eq!(world.engine.have(torrent).map(Bitset::ones), Some(39));
}

#[test]
fn a_seed_goes_on_without_a_file_that_cannot_be_read() {
    let mut world = World::with(1, Config::default());
    let half = u64::from(PIECES / 2 * BLOCK_BYTES);
    let torrent = add_files(&mut world, &[half, half], memory(0..40, false), &set([]));
    let link = leecher(&mut world, torrent);
    let layout = world.torrents[&torrent].layout.clone();
    for piece in [3, 4, 30] {
        world.say(link, Message::Request(layout.block(piece, 0)));
    }
    let error = StoreError { kind: StoreErrorKind::Changed, file: Some(0) };
    for piece in [3, 4] {
        let block = layout.block(piece, 0);
        world.links.get_mut(&link).expect("open").serving.retain(|&other| other != block);
        world.tell_link(link, LinkEvent::Served { block, outcome: Served::Failed(error) });
    }
    assert_eq!(world.engine.have(torrent), Some(&set(20..40)));
    let status = world.engine.status(torrent).expect("there");
    assert_eq!((status.state, status.left), (State::Seeding, 0));
    world.say(link, Message::Request(layout.block(5, 0)));
    world.say(link, Message::Request(layout.block(31, 0)));
    let serving = &world.links[&link].serving;
    assert!(serving.contains(&layout.block(30, 0)) && serving.contains(&layout.block(31, 0)));
    assert!(!serving.contains(&layout.block(5, 0)), "what is lost is not given");
    world.pass(Duration::from_secs(2));
    assert_eq!(last(&world).synced, set(20..40), "and not believed the next time");
}

/// Everything that is not a look or a check is done.
fn store_works(world: &mut World) {
    while let Some(job) = find(world, |work| matches!(work, Work::Sync(..) | Work::Other)) {
        world.answer(job, Ok(Done::Ready));
    }
}

/// A peer that wants something, and has a slot.
fn leecher(world: &mut World, torrent: TorrentId) -> LinkId {
    let link = world.open(None, SocketAddr::from(([10, 0, 0, 1], 40_000)));
    world.shake(link, torrent, [1; 20], Reserved::OURS);
    world.say(link, Message::HaveNone);
    world.say(link, Message::Interested);
    assert!(world.links[&link].unchoked);
    link
}

fn seed_of_all(world: &mut World) -> TorrentId {
    let torrent = add(world, memory(0..PIECES, false), &set([]));
    assert_eq!(world.engine.status(torrent).map(|it| it.state), Some(State::Seeding));
    torrent
}

#[test]
fn a_seed_that_nobody_asks_has_no_heartbeat_also_when_others_have_one() {
    let config = Config { peer_id: super::world::OURS, ..Config::default() };
    let mut world = World::with(1, config);
    let seed = seed_of_all(&mut world);
    assert_eq!(world.engine.deadline(), None, "nothing is ever due");
    // Another with a peer beside it: the heart beats for that one alone.
    let other = seed_of_all(&mut world);
    leecher(&mut world, other);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.engine.torrents.awake(), [other]);
    // Somebody comes, and is served; then it sleeps again, once all is recorded.
    let peer = world.open(None, SocketAddr::from(([10, 0, 0, 2], 40_000)));
    world.shake(peer, seed, [2; 20], Reserved::OURS);
    world.say(peer, Message::HaveNone);
    world.say(peer, Message::Interested);
    assert!(world.links[&peer].unchoked);
    assert!(world.engine.torrents.awake().contains(&seed));
    world.end(peer, CloseReason::ByPeer);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.engine.torrents.awake(), [other]);
}

#[test]
fn a_seed_sleeps_until_an_address_that_failed_may_be_tried_again() {
    let config = Config { peer_id: super::world::OURS, ..Config::default() };
    let mut world = World::with(1, config);
    let seed = seed_of_all(&mut world);
    let remote = SocketAddr::from(([10, 0, 0, 3], 40_000));
    world.tell(Event::Peers(seed, PeerSource::User, std::vec![remote]));
    let mut slept = 0;
    for tries in 0..6 {
        let (&dial, _) = world.dials.first_key_value().expect("it is tried");
        world.dials.remove(&dial);
        world.tell(Event::DialFailed(dial, DialError::Refused));
        let before = world.now;
        while world.dials.is_empty() {
            slept += usize::from(world.engine.torrents.awake().is_empty());
            world.pass(Duration::from_secs(1));
            assert!(world.now.since(before).as_secs() < 100, "it is never tried again");
        }
        let rest = world.now.since(before).as_secs();
        assert!(((1 << tries)..=(1 << tries) * 5 / 4 + 2).contains(&rest), "{rest} s");
    }
    assert!(slept > 50, "it was awake all the time");
}

#[test]
fn a_seed_with_an_address_to_try_stays_awake_until_there_is_room_for_it() {
    let config = Config { peer_id: super::world::OURS, dials_max: 1, ..Config::default() };
    let mut world = World::with(1, config);
    let (first, second) = (seed_of_all(&mut world), seed_of_all(&mut world));
    for (torrent, number) in [(first, 3), (second, 4)] {
        let remote = SocketAddr::from(([10, 0, 0, number], 40_000));
        world.tell(Event::Peers(torrent, PeerSource::User, std::vec![remote]));
    }
    world.pass(Duration::from_secs(5));
    let (&dial, &(torrent, _)) = world.dials.first_key_value().expect("one is tried");
    assert_eq!(torrent, first);
    world.dials.remove(&dial);
    world.tell(Event::DialFailed(dial, DialError::Local));
    world.pass(Duration::from_secs(2));
    let tried = world.dials.values().next().map(|&(torrent, _)| torrent);
    assert_eq!(tried, Some(second), "its turn has come");
}
