//! What is promised of torrents that are dormant.

use crate::base::Bitset;
use core::net::SocketAddr;
use core::time::Duration;

use super::super::bounds::{DORMANT_TIME, HANDSHAKE_TIME, LOBBY_LINKS_MAX, LOBBY_MESSAGES_MAX};
use super::super::*;
use super::world::{OURS, Work, World};
use crate::base::Machine as _;
use toubkal_wire::handshake::Reserved;
use toubkal_wire::layout::{BLOCK_BYTES, Layout};
use toubkal_wire::message::Message;

const PIECES: u32 = 40;

#[test]
fn a_dormant_torrent_is_a_seed_that_peers_can_come_to_and_nothing_is_ever_due() {
    let (world, torrent) = resting();
    let status = world.engine.status(torrent).expect("it is there");
    assert_eq!((status.state, status.have, status.left), (State::Seeding, PIECES, 0));
    assert_eq!((status.pieces, status.totals.uploaded), (PIECES, 7));
    assert!(world.torrents[&torrent].admitted && world.jobs.is_empty() && world.loads.is_empty());
    assert_eq!(world.engine.deadline(), None);
}

#[test]
fn the_first_peer_has_it_loaded_once_and_whoever_comes_meanwhile_is_served_then() {
    let (mut world, torrent) = resting();
    let links = [1, 2].map(|number| arrive(&mut world, torrent, number));
    assert_eq!(world.loads.len(), 1, "the second does not ask again");
    world.load(torrent, None);
    assert!(!world.links[&links[0]].unchoked, "its folder is still looked at");
    open_whole(&mut world);
    for link in links {
        assert!(world.links[&link].unchoked, "it said that it wants something before");
    }
    let block = world.torrents[&torrent].layout.block(3, 0);
    world.say(links[0], Message::Request(block));
    assert_eq!(world.links[&links[0]].serving, [block]);
    assert_eq!(world.engine.peers(torrent).len(), 2);
}

#[test]
fn it_is_dormant_again_when_nobody_wants_anything_and_knows_what_was_given() {
    let (mut world, torrent) = resting();
    let link = arrive(&mut world, torrent, 1);
    world.load(torrent, None);
    open_whole(&mut world);
    let block = world.torrents[&torrent].layout.block(3, 0);
    world.say(link, Message::Request(block));
    world.links.get_mut(&link).expect("open").serving.clear();
    world.tell_link(link, LinkEvent::Served { block, outcome: Served::Sent });
    pass(&mut world, 2 * DORMANT_TIME);
    assert!(!world.torrents[&torrent].dormant, "somebody is there");
    world.end(link, CloseReason::ByPeer);
    pass(&mut world, DORMANT_TIME.saturating_sub(Duration::from_secs(2)));
    assert!(!world.torrents[&torrent].dormant, "it was not idle for long");
    pass(&mut world, Duration::from_secs(10));
    assert!(world.torrents[&torrent].dormant && world.torrents[&torrent].admitted);
    assert_eq!(world.engine.deadline(), None);
    let status = world.engine.status(torrent).expect("there");
    let given = u64::from(BLOCK_BYTES);
    assert_eq!((status.state, status.uploaded), (State::Seeding, given));
    assert_eq!(status.totals.uploaded, 7 + given);
    // And so it goes on.
    arrive(&mut world, torrent, 2);
    world.load(torrent, None);
    open_whole(&mut world);
    let status = world.engine.status(torrent).expect("there");
    assert_eq!((status.uploaded, status.totals.uploaded), (given, 7 + given));
}

#[test]
fn what_cannot_be_loaded_is_a_failure_and_peers_are_refused_until_it_is_started() {
    let (mut world, torrent) = resting();
    let link = arrive(&mut world, torrent, 1);
    let error = StoreError { kind: StoreErrorKind::Missing, file: None };
    world.load(torrent, Some(error));
    assert!(world.links[&link].closing && !world.torrents[&torrent].admitted);
    let state = |world: &World| world.engine.status(torrent).map(|status| status.state);
    assert_eq!(state(&world), Some(State::Stopped(Some(error))));
    world.tell(Command::Start(torrent));
    world.load(torrent, None);
    open_whole(&mut world);
    assert_eq!(state(&world), Some(State::Seeding));
    assert!(world.torrents[&torrent].admitted);
}

#[test]
fn a_command_loads_it_and_a_removal_does_not() {
    let (mut world, torrent) = resting();
    world.tell(Command::Stop(torrent));
    world.load(torrent, None);
    world.pass(Duration::from_secs(1));
    work(&mut world);
    let status = world.engine.status(torrent).expect("there");
    assert_eq!(status.state, State::Stopped(None));
    assert!(!world.torrents[&torrent].admitted);
    let (mut world, torrent) = resting();
    let link = arrive(&mut world, torrent, 1);
    world.tell(Command::Remove(torrent));
    assert!(world.engine.status(torrent).is_none() && !world.torrents[&torrent].admitted);
    assert!(world.links[&link].closing);
    world.load(torrent, None);
    assert!(world.engine.status(torrent).is_none(), "what comes late does no harm");
}

#[test]
fn who_waits_for_a_load_does_not_wait_for_ever_nor_say_what_he_likes() {
    let (mut world, torrent) = resting();
    let patient = arrive(&mut world, torrent, 1);
    let babbler = arrive(&mut world, torrent, 2);
    (0..=LOBBY_MESSAGES_MAX as u32).for_each(|_| {
        if !world.links[&babbler].closing {
            world.say(babbler, Message::Have(1));
        }
    });
    assert!(world.links[&babbler].closing && !world.links[&patient].closing);
    world.end(babbler, CloseReason::ByPeer);
    world.pass(HANDSHAKE_TIME + Duration::from_secs(2));
    assert!(world.links[&patient].closing);
    for number in 0..=LOBBY_LINKS_MAX as u8 {
        let link = arrive(&mut world, torrent, 100 + number);
        assert_eq!(world.links[&link].closing, usize::from(number) == LOBBY_LINKS_MAX);
        if world.links[&link].closing {
            break;
        }
    }
}

#[test]
fn addresses_are_tried_once_it_is_loaded() {
    let (mut world, torrent) = resting();
    let remote = SocketAddr::from(([10, 0, 0, 3], 40_000));
    world.tell(Event::Peers(torrent, PeerSource::Tracker, std::vec![remote]));
    assert!(world.dials.is_empty());
    world.load(torrent, None);
    open_whole(&mut world);
    assert_eq!(world.dials.values().next(), Some(&(torrent, remote)));
}

#[test]
fn a_folder_of_which_a_file_is_gone_stops_seeding_and_starts_to_fetch() {
    let (mut world, torrent) = resting();
    let link = arrive(&mut world, torrent, 1);
    world.load(torrent, None);
    let pieces = Bitset::new(PIECES);
    let opened = Opened { files: std::vec![Found::Absent], worth: pieces.clone(), changed: pieces };
    let (&job, _) = world.jobs.first_key_value().expect("its folder is looked at");
    world.torrents.get_mut(&torrent).expect("there").verified.clear();
    world.torrents.get_mut(&torrent).expect("there").synced.clear();
    world.answer(job, Ok(Done::Opened(opened.into())));
    work(&mut world);
    let status = world.engine.status(torrent).expect("there");
    assert_eq!((status.state, status.have), (State::Downloading, 0));
    assert!(!world.links[&link].closing, "it may have what we lack");
}

#[test]
fn the_end_does_not_wait_for_dormant_torrents() {
    let (mut world, torrent) = resting();
    let link = arrive(&mut world, torrent, 1);
    world.shut = true;
    world.tell(Command::Shutdown);
    assert!(world.links[&link].closing);
    world.end(link, CloseReason::Stopped);
    assert!(world.ended);
    world.load(torrent, None);
    assert!(world.jobs.is_empty(), "nothing is begun any more");
}

fn resting() -> (World, TorrentId) {
    let mut world = World::with(1, Config { peer_id: OURS, ..Config::default() });
    let length = u64::from(PIECES * BLOCK_BYTES);
    let layout = Layout::new(BLOCK_BYTES, [(length, false)]).expect("a torrent");
    let torrent = world.rest(layout);
    (world, torrent)
}

/// A peer that lacks everything.
fn arrive(world: &mut World, torrent: TorrentId, number: u8) -> LinkId {
    let link = world.open(None, SocketAddr::from(([10, 0, 0, number], 40_000)));
    world.shake(link, torrent, [number; 20], Reserved::OURS);
    for message in [Message::HaveNone, Message::Interested] {
        if !world.links[&link].closing {
            world.say(link, message);
        }
    }
    link
}

/// The folder was looked at: everything is as it was left.
fn open_whole(world: &mut World) {
    let (&job, look) = world.jobs.first_key_value().expect("its folder is looked at");
    let Work::Open(torrent) = *look else { panic!("{look:?}") };
    let (worth, changed) = (Bitset::full(PIECES), Bitset::new(PIECES));
    world.torrents.get_mut(&torrent).expect("there").recall(&worth, &changed);
    let opened = Opened { files: std::vec![Found::Whole], worth, changed };
    world.answer(job, Ok(Done::Opened(opened.into())));
    work(world);
}

/// What the engine wants of the disk is done, looks into folders aside.
fn work(world: &mut World) {
    while let Some((&job, work)) =
        world.jobs.iter().find(|(_, work)| !matches!(work, Work::Open(_)))
    {
        let work = work.clone();
        let done = world.right_answer(&work);
        world.answer(job, Ok(done));
    }
}

/// Seconds go by, in which the store works and peers keep their links.
fn pass(world: &mut World, time: Duration) {
    for _ in 0..time.as_secs() {
        world.pass(Duration::from_secs(1));
        let links: std::vec::Vec<LinkId> = world.links.keys().copied().collect();
        links.into_iter().for_each(|link| {
            if !world.links[&link].closing {
                world.say(link, Message::Interested);
            }
        });
        work(world);
    }
}
