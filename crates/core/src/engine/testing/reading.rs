//! What is read while it comes, in a world as small as can be.

use core::time::Duration;
use std::vec::Vec;

use super::super::*;
use super::rules::{seed, take_asked, world};
use super::world::World;
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::Message;

const BLOCK: u64 = BLOCK_BYTES as u64;
const READER: ReaderId = ReaderId(1);

/// Far more than any window, in pieces of two blocks.
const LENGTH: u64 = 10_000 * BLOCK;

fn read(world: &mut World, torrent: TorrentId, from: u64) {
    world.reads.insert((torrent, READER), 0);
    let read = Read { reader: READER, file: 0, from, to: u64::MAX };
    world.tell(Command::Read(torrent, read));
}

fn take_cancelled(world: &mut World, link: LinkId) -> Vec<Block> {
    core::mem::take(&mut world.links.get_mut(&link).expect("it is open").cancelled)
}

fn pieces(blocks: &[Block]) -> Vec<u32> {
    blocks.iter().map(|block| block.piece).collect()
}

#[test]
fn what_is_read_next_is_asked_first_and_what_was_asked_before_is_called_back() {
    let (mut world, torrent) = world(&[LENGTH], Vec::new());
    let peer = seed(&mut world, torrent, 1);
    let first = take_asked(&mut world, peer);
    read(&mut world, torrent, 2000 * BLOCK);
    assert_eq!(take_cancelled(&mut world, peer), first);
    let asked = take_asked(&mut world, peer);
    assert_eq!(pieces(&asked), [1000, 1000, 1001, 1001, 1002, 1002, 1003, 1003]);
    read(&mut world, torrent, 8000 * BLOCK);
    assert_eq!(take_cancelled(&mut world, peer), asked);
    let asked = take_asked(&mut world, peer);
    assert_eq!(pieces(&asked)[..2], [4000, 4000]);
    // A step that stays within what is wished for calls nothing back.
    read(&mut world, torrent, 8001 * BLOCK);
    assert_eq!(take_cancelled(&mut world, peer), []);
}

#[test]
fn a_reject_of_what_was_called_back_is_none_of_what_is_asked_anew() {
    let (mut world, torrent) = world(&[LENGTH], Vec::new());
    let peer = seed(&mut world, torrent, 1);
    read(&mut world, torrent, 2000 * BLOCK);
    take_asked(&mut world, peer);
    read(&mut world, torrent, 8000 * BLOCK);
    let away = take_asked(&mut world, peer);
    read(&mut world, torrent, 2000 * BLOCK);
    let again = take_asked(&mut world, peer);
    for block in again.iter().chain(&away) {
        world.say(peer, Message::Reject(*block));
    }
    // It rests for a second when it rejects something in earnest.
    world.give(peer, again[0]);
    assert_eq!(take_asked(&mut world, peer).len(), 2, "the window has grown by one");
}

#[test]
fn who_reads_no_more_is_waited_for_by_nobody() {
    let (mut world, torrent) =
        world(&[LENGTH, LENGTH], std::vec![Priority::Normal, Priority::Skip]);
    let peer = seed(&mut world, torrent, 1);
    read(&mut world, torrent, 0);
    assert!(world.engine.deadline().is_some_and(|(_, who)| who == "reader"), "it is watched");
    world.tell(Command::Unread(torrent, READER));
    world.reads.clear();
    world.pass(Duration::from_millis(300));
    assert_eq!(world.engine.deadline().map(|(_, who)| who), Some("tick"));
    assert!(!take_asked(&mut world, peer).is_empty());
}

#[test]
fn a_late_block_is_asked_of_another_as_soon_as_that_is_known_to_be_faster() {
    let (mut world, torrent) = world(&[LENGTH], Vec::new());
    let (fast, slow) = (seed(&mut world, torrent, 1), seed(&mut world, torrent, 2));
    read(&mut world, torrent, 2000 * BLOCK);
    let held = take_asked(&mut world, slow);
    // Whatever the one was asked, the other gives all of its own in 20 ms each.
    // It is known to be slow before it is given up.
    for _ in 0..150 {
        world.pass(Duration::from_millis(20));
        let block = world.links.get_mut(&fast).expect("it is open").asked.remove(0);
        world.give(fast, block);
    }
    let ever = &world.links[&fast].asked_ever;
    let next = held.iter().filter(|block| block.piece < 1004);
    assert!(next.clone().count() > 0);
    assert!(next.clone().any(|block| ever.contains(block)), "{held:?} waits for the slow one");
}
