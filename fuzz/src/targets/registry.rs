//! What a tracker remembers: bounded, and true to its limits.

use std::net::IpAddr;
use std::time::Duration;

use toubkal_core::base::{Rng, Time};
use toubkal_core::tracker::{Limits, Registry};
use toubkal_wire::announce::{Event, Query, Reply, ScrapeReply};
use toubkal_wire::compact;

const LIMITS: Limits = Limits {
    interval: 300,
    min_interval: 60,
    swarms_max: 3,
    peers_max: 4,
    all_peers_max: 8,
    numwant_max: 3,
};

pub(crate) fn registry(input: &[u8]) {
    let mut rng = Rng::from_bytes(input);
    let mut registry = Registry::new(LIMITS, Rng::from_number(1));
    let mut now = Time::START;
    while !rng.is_spent() {
        if rng.one_in(8) {
            now = now.after(Duration::from_secs(rng.below(2000)));
        }
        let (from, query) = (any_ip(&mut rng), any_query(&mut rng));
        let reply = registry.announce(now, from, &query);
        assert_reply(&reply, from, &query);
        let (swarms, peers) = registry.size();
        assert!(swarms <= LIMITS.swarms_max && peers <= LIMITS.all_peers_max);
        let hashes: Vec<[u8; 20]> = (0..5).map(|number| [number; 20]).collect();
        let ScrapeReply::Counts(counts) = registry.scrape(now, &hashes) else {
            panic!("a scrape is not refused");
        };
        let known = counts.values().map(|counts| counts.complete + counts.incomplete);
        assert!(known.clone().all(|count| count as usize <= LIMITS.peers_max));
        assert_eq!(known.sum::<u32>() as usize, peers);
    }
}

fn assert_reply(reply: &Reply, from: IpAddr, query: &Query) {
    let Reply::Answer(answer) = reply else { return };
    let wanted = query.numwant.unwrap_or(u32::MAX).min(LIMITS.numwant_max) as usize;
    assert!(answer.peers.len() <= wanted);
    assert!(query.event != Some(Event::Stopped) || answer.peers.is_empty());
    for peer in &answer.peers {
        assert!(compact::usable(peer.address));
        assert!(peer.id.is_none_or(|id| id != query.peer_id && !query.no_peer_id));
        let own = (peer.address.ip(), peer.address.port()) == (from.to_canonical(), query.port);
        assert!(!own, "nobody is told of itself");
    }
    let bytes = reply.encode(query.compact);
    assert!(Reply::decode(&bytes).is_ok());
}

fn any_ip(rng: &mut Rng) -> IpAddr {
    let last = rng.below(4) as u8;
    match rng.below(8) {
        0 => IpAddr::from([0, 0, 0, 0]),
        1 => IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, u16::from(last)]),
        2 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)]),
        3 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]),
        _ => IpAddr::from([10, 0, 0, last]),
    }
}

fn any_query(rng: &mut Rng) -> Query {
    let event = [None, None, Some(Event::Started), Some(Event::Completed), Some(Event::Stopped)];
    let (hash, id) = (rng.below(5) as u8, rng.below(6) as u8);
    Query {
        left: rng.below(2),
        event: event[rng.index(5)],
        numwant: [None, Some(0), Some(1), Some(2), Some(u32::MAX)][rng.index(5)],
        compact: rng.one_in(2),
        no_peer_id: rng.one_in(2),
        ..Query::new([hash; 20], [id; 20], [0, 1, 6881][rng.index(3)])
    }
}
