//! Blocks that are given: a seed with 200 peers, of which those that have a slot ask without a
//! pause.

use std::collections::BTreeMap;

use toubkal_core::engine::{LinkEvent, LinkId, Served};
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::Message;

use crate::swarm::{BLOCKS, Swarm};
use crate::{Run, Workload, run};

const PIECES: u32 = 1000;
const PEERS: u32 = 200;
/// Requests of a peer that wait.
const WINDOW: u32 = 20;
const BEFORE: u32 = 1000;
const UNITS: u32 = 4000;

pub(crate) const GIVE: Workload =
    Workload { name: "give", per: "a block that is given, 200 peers", units: UNITS, prepare };

/// What each peer asks for next, from the last on.
type Wishes = BTreeMap<LinkId, Vec<Block>>;

fn prepare() -> Option<Run> {
    let mut swarm = Swarm::new();
    swarm.add(PIECES, true);
    let mut wishes = Wishes::new();
    for _ in 0..PEERS {
        let has = swarm.quarter(PIECES);
        let link = swarm.join(&has);
        let lacks = (0..PIECES).rev().filter(|&piece| !has.has(piece));
        let blocks = lacks.flat_map(|piece| {
            let begin = (0..BLOCKS).rev().map(|index| index * BLOCK_BYTES);
            begin.map(move |begin| Block { piece, begin, length: BLOCK_BYTES })
        });
        wishes.insert(link, blocks.collect());
        swarm.say(link, Message::Interested);
    }
    for link in std::mem::take(&mut swarm.unchoked) {
        (0..WINDOW).for_each(|_| ask(&mut swarm, &mut wishes, link));
    }
    (0..BEFORE).for_each(|_| give(&mut swarm, &mut wishes));
    run(move || (0..UNITS).for_each(|_| give(&mut swarm, &mut wishes)))
}

/// A block is on its way; its peer asks for another.
fn give(swarm: &mut Swarm, wishes: &mut Wishes) {
    let (link, block) = swarm.given.pop_front().expect("somebody waits for something");
    swarm.hear(link, LinkEvent::Served { block, outcome: Served::Sent });
    ask(swarm, wishes, link);
}

fn ask(swarm: &mut Swarm, wishes: &mut Wishes, link: LinkId) {
    let block = wishes.get_mut(&link).and_then(Vec::pop).expect("it lacks a lot");
    swarm.say(link, Message::Request(block));
}
