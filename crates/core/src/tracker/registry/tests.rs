use super::*;
use alloc::collections::BTreeSet;
use std::format;
use std::vec;

fn registry(limits: Limits) -> Registry {
    Registry::new(limits, Rng::from_number(1))
}

fn at(seconds: u64) -> Time {
    Time::START.after(Duration::from_secs(seconds))
}

fn query(peer: u8, left: u64) -> Query {
    Query { left, ..Query::new([1; 20], [peer; 20], 6000 + u16::from(peer)) }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn ask(registry: &mut Registry, now: Time, from: IpAddr, query: &Query) -> Answer {
    match registry.announce(now, from, query) {
        Reply::Answer(answer) => answer,
        Reply::Failure(failure) => panic!("{failure:?}"),
    }
}

fn ports(answer: &Answer) -> Vec<u16> {
    let mut ports: Vec<u16> = answer.peers.iter().map(|peer| peer.address.port()).collect();
    ports.sort_unstable();
    ports
}

#[test]
fn clients_hear_of_each_other_and_seeds_not_of_seeds() {
    let mut registry = registry(Limits::default());
    assert_eq!(ports(&ask(&mut registry, at(0), ip(1), &query(1, 0))), []);
    assert_eq!(ports(&ask(&mut registry, at(0), ip(2), &query(2, 9))), [6001]);
    assert_eq!(ports(&ask(&mut registry, at(0), ip(3), &query(3, 0))), [6002]);
    let last = ask(&mut registry, at(0), ip(4), &query(4, 9));
    assert_eq!(ports(&last), [6001, 6002, 6003]);
    assert_eq!((last.complete, last.incomplete), (Some(2), Some(2)));
    assert_eq!(last.external_ip, Some(ip(4)));
    assert_eq!(last.interval, Some(1800));
}

#[test]
fn a_client_over_both_families_does_not_hear_of_itself_and_others_get_both_addresses() {
    let mut registry = registry(Limits::default());
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    ask(&mut registry, at(0), ip(1), &query(1, 9));
    assert_eq!(ports(&ask(&mut registry, at(0), six, &query(1, 9))), []);
    let mapped: IpAddr = "::ffff:192.0.2.2".parse().unwrap();
    let other = ask(&mut registry, at(0), mapped, &query(2, 9));
    let addresses: BTreeSet<IpAddr> = other.peers.iter().map(|peer| peer.address.ip()).collect();
    assert_eq!(addresses, [ip(1), six].into());
    assert_eq!(other.external_ip, Some(ip(2)));
}

#[test]
fn who_stops_is_gone_and_only_by_his_own_word() {
    let mut registry = registry(Limits::default());
    ask(&mut registry, at(0), ip(1), &query(1, 9));
    let stop = Query { event: Some(Event::Stopped), ..query(1, 9) };
    ask(&mut registry, at(1), ip(9), &stop);
    ask(&mut registry, at(1), ip(1), &Query { peer_id: [7; 20], ..stop.clone() });
    assert_eq!(registry.size(), (1, 1));
    let answer = ask(&mut registry, at(1), ip(1), &stop);
    assert_eq!((registry.size(), answer.peers.len()), ((1, 0), 0));
}

#[test]
fn who_is_silent_for_two_intervals_is_forgotten() {
    let mut registry = registry(Limits { interval: 600, ..Limits::default() });
    ask(&mut registry, at(0), ip(1), &query(1, 9));
    ask(&mut registry, at(100), ip(2), &query(2, 9));
    assert_eq!(ports(&ask(&mut registry, at(1300), ip(3), &query(3, 9))), [6001, 6002]);
    assert_eq!(ports(&ask(&mut registry, at(1400), ip(3), &query(3, 9))), [6002]);
    registry.scrape(at(9000), &[]);
    assert_eq!(registry.size(), (0, 0));
}

#[test]
fn no_more_peers_are_told_than_wanted_and_all_have_their_turn() {
    let mut registry = registry(Limits { numwant_max: 60, ..Limits::default() });
    for peer in 0..100 {
        ask(&mut registry, at(0), ip(peer), &query(peer, 9));
    }
    let mut told = BTreeSet::new();
    for _ in 0..200 {
        let query = Query { numwant: Some(5), ..query(100, 9) };
        let answer = ask(&mut registry, at(1), ip(100), &query);
        assert_eq!(answer.peers.len(), 5);
        told.extend(ports(&answer));
    }
    assert_eq!(told.len(), 100);
    let counts = [(None, 50), (Some(0), 0), (Some(u32::MAX), 60)];
    for (numwant, expected) in counts {
        let query = Query { numwant, ..query(100, 9) };
        assert_eq!(ask(&mut registry, at(1), ip(100), &query).peers.len(), expected);
    }
}

#[test]
fn completed_counts_once_for_each_client() {
    let mut registry = registry(Limits::default());
    ask(&mut registry, at(0), ip(1), &query(1, 9));
    let done = Query { event: Some(Event::Completed), ..query(1, 0) };
    for _ in 0..3 {
        ask(&mut registry, at(1), ip(1), &done);
    }
    let ScrapeReply::Counts(counts) = registry.scrape(at(2), &[[1; 20], [2; 20]]) else {
        panic!("a scrape is answered");
    };
    let expected = Counts { complete: 1, incomplete: 0, downloaded: 1 };
    assert_eq!(counts, [([1; 20], expected)].into());
}

#[test]
fn memory_has_a_limit() {
    let limits = Limits { swarms_max: 2, peers_max: 3, all_peers_max: 4, ..Limits::default() };
    let mut registry = registry(limits);
    for peer in 0..10 {
        let answer = ask(&mut registry, at(0), ip(peer), &query(peer, 9));
        assert!(peer < 3 || answer.peers.len() == 3, "those without a place are answered");
    }
    assert_eq!(registry.size(), (1, 3));
    for peer in 0..10 {
        ask(&mut registry, at(0), ip(peer), &Query { info_hash: [2; 20], ..query(peer, 9) });
    }
    assert_eq!(registry.size(), (2, 4));
    let third = Query { info_hash: [3; 20], ..query(1, 9) };
    let refused = registry.announce(at(0), ip(1), &third);
    assert!(format!("{refused:?}").contains("no room"), "{refused:?}");
}

#[test]
fn ids_are_told_unless_they_are_not_wanted_and_a_port_of_0_is_not_told() {
    let mut registry = registry(Limits::default());
    ask(&mut registry, at(0), ip(1), &query(1, 9));
    ask(&mut registry, at(0), ip(2), &Query { port: 0, ..query(2, 9) });
    let with = Query { no_peer_id: false, ..query(3, 9) };
    let answer = ask(&mut registry, at(0), ip(3), &with);
    let peer = Peer { address: SocketAddr::new(ip(1), 6001), id: Some([1; 20]) };
    assert_eq!(answer.peers, vec![peer]);
    let refusal = Registry::refuse(&"no");
    assert_eq!(refusal, Reply::Failure(Failure::new("no")));
}
