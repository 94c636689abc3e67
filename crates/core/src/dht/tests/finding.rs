//! Look-ups among a few dozen nodes.

use super::super::{Announce, Item, NewItem, QueryId, Summary, Wanted, public_key};
use super::*;

const HASH: Id = Id([0x5a; 20]);
const FIND: QueryId = QueryId(1);

fn announce(port: u16) -> Command {
    let announce = Some(Announce { port: Some(port), seed: false });
    Command::Find { query: FIND, info_hash: HASH, announce }
}

fn find() -> Command {
    Command::Find { query: FIND, info_hash: HASH, announce: None }
}

fn peers(reports: &[Report]) -> Vec<SocketAddr> {
    let peers = reports.iter().filter_map(|report| match report {
        Report::Peers { peers, .. } => Some(peers),
        _ => None,
    });
    peers.flatten().copied().collect()
}

fn done(reports: &[Report]) -> Option<Summary> {
    reports.iter().find_map(|report| match report {
        Report::Done { summary, .. } => Some(summary.clone()),
        _ => None,
    })
}

#[test]
fn a_peer_that_is_announced_is_found() {
    let mut net = Net::new(40);
    net.join();
    net.order(address(7), announce(7000));
    net.run(Duration::from_secs(5));
    let told = net.reports(address(7));
    assert!(told.contains(&Report::Announced { query: FIND, nodes: 8 }), "{told:?}");
    net.order(address(33), find());
    net.run(Duration::from_secs(5));
    let told = net.reports(address(33));
    assert_eq!(peers(&told), ["10.0.0.7:7000".parse().unwrap()]);
    let summary = done(&told).unwrap();
    assert!(summary.hops <= 4 && summary.nodes.len() == 8, "{summary:?}");
}

/// From one address to the first peer, with two nodes of five silent: nothing waits for a tick.
#[test]
fn a_look_up_runs_while_the_node_joins() {
    let mut net = Net::new(40);
    net.join();
    net.order(address(7), announce(7000));
    net.run(Duration::from_secs(60));
    net.reports.clear();
    let silent = (1..40).filter(|number| number % 5 < 2 && *number != 7).map(address);
    net.silent = silent.collect();
    let new = address(500);
    net.add(new);
    let start = net.now;
    net.order(new, find());
    assert!(net.reports.is_empty());
    net.order(new, Command::Bootstrap(vec![address(4), address(3)]));
    net.run(Duration::from_secs(5));
    let found = |report: &Report| matches!(report, Report::Peers { .. });
    let first = net.reports.iter().find(|(at, _, report)| *at == new && found(report));
    let took = first.expect("it is found").1.since(start);
    assert!(took <= Duration::from_millis(700), "{took:?}");
}

#[test]
fn a_find_that_came_before_anybody_was_known_goes_on_when_they_are() {
    let mut net = Net::new(20);
    net.join();
    net.order(address(7), announce(7000));
    net.run(Duration::from_secs(5));
    let new = address(500);
    net.add(new);
    net.order(new, find());
    net.run(Duration::from_secs(3600));
    assert!(net.reports(new).is_empty(), "there is nothing to say");
    net.order(new, Command::AddNode(address(5)));
    net.run(Duration::from_secs(1));
    assert_eq!(peers(&net.reports(new)).len(), 1);
}

/// At most 20 packets of its own a minute once the first search is over.
#[test]
fn what_nobody_has_is_searched_for_quietly() {
    let mut net = Net::new(60);
    net.join();
    net.order(address(7), find());
    net.run(Duration::from_secs(20));
    assert_eq!(done(&net.reports(address(7))).map(|summary| summary.peers), Some(0));
    let asked = |net: &Net| net.nodes[&address(7)].status().asked;
    let mut counts = vec![asked(&net)];
    let mut rounds = 0;
    for _ in 0..6 * 90 {
        net.run(Duration::from_secs(10));
        counts.push(asked(&net));
        rounds += net.reports(address(7)).len();
    }
    let most = counts.windows(7).map(|minute| minute[6] - minute[0]).max().unwrap();
    assert!(most <= 20, "{most} in a minute");
    assert!((4..=12).contains(&rounds), "it goes on, with growing pauses: {rounds} rounds");
}

#[test]
fn an_order_that_is_stopped_says_nothing_any_more() {
    let mut net = Net::new(20);
    net.join();
    net.order(address(7), announce(7000));
    net.run(Duration::from_secs(5));
    net.order(address(9), find());
    net.order(address(9), Command::Stop(FIND));
    net.run(Duration::from_secs(5));
    assert!(net.reports(address(9)).is_empty());
    assert!(net.nodes[&address(9)].status().searches.is_empty());
}

#[test]
fn a_node_that_was_saved_comes_back_without_a_bootstrap() {
    let mut net = Net::new(30);
    net.join();
    net.order(address(7), announce(7000));
    net.run(Duration::from_secs(5));
    let saved = net.nodes[&address(9)].save();
    let id = net.nodes[&address(9)].id(0);
    let rng = Rng::from_number(99);
    net.nodes.insert(address(9), Dht::new(Config::default(), &saved, rng));
    assert_eq!(net.nodes[&address(9)].id(0), id);
    net.order(address(9), find());
    net.run(Duration::from_secs(1));
    assert_eq!(peers(&net.reports(address(9))).len(), 1);
    net.run(Duration::from_secs(5));
    assert!(net.nodes[&address(9)].status().homes[0].nodes >= 8);
    for garbage in [&b"d"[..], b"d3:idsli1ee5:nodesl3:abcee", &saved[..saved.len() / 2]] {
        let odd = Dht::new(Config::default(), garbage, Rng::from_number(1));
        assert_eq!(odd.status().homes.len(), 2);
    }
}

#[test]
fn items_are_stored_and_newer_versions_found() {
    let mut net = Net::new(40);
    net.join();
    let secret = [9; 32];
    let publish = |net: &mut Net, value: &[u8]| {
        let (salt, value) = (b"salt".to_vec(), value.to_vec());
        let item = NewItem::Mutable { secret, salt, seq: None, value, cas: None };
        net.order(address(3), Command::Put { query: FIND, item });
        net.run(Duration::from_secs(5));
        net.reports(address(3))
    };
    for (turn, value) in [b"3:one", b"3:two"].into_iter().enumerate() {
        let told = publish(&mut net, value);
        let Some(Report::Stored { nodes: 8, item, refused: None, .. }) = told.first() else {
            panic!("{told:?}")
        };
        assert_eq!(item.seq(), turn as i64 + 1);
    }
    let wanted = Wanted::Mutable { key: public_key(&secret), salt: b"salt".to_vec() };
    net.order(address(30), Command::Get { query: FIND, wanted });
    net.run(Duration::from_secs(5));
    let told = net.reports(address(30));
    let mut got = told.iter().filter_map(|report| match report {
        Report::Got { item, .. } => Some(item),
        _ => None,
    });
    let last: &Item = got.next_back().unwrap();
    assert_eq!((&last.value[..], last.seq()), (&b"3:two"[..], 2));
}

#[test]
fn what_never_changes_is_found_by_its_hash() {
    let mut net = Net::new(40);
    net.join();
    let value = [b"900:".to_vec(), vec![b'x'; 900]].concat();
    let item = NewItem::Immutable(value.clone());
    net.order(address(3), Command::Put { query: FIND, item });
    net.run(Duration::from_secs(5));
    let target = toubkal_wire::krpc::immutable_target(&value);
    // A new node has proved its address to nobody: a long value waits until it has.
    net.add(address(500));
    net.order(address(500), Command::Bootstrap(vec![address(5)]));
    net.order(address(500), Command::Get { query: FIND, wanted: Wanted::Immutable(target) });
    net.run(Duration::from_secs(5));
    let told = net.reports(address(500));
    let got = |report: &Report| matches!(report, Report::Got { item, .. } if item.value == value);
    assert!(told.iter().any(got), "{told:?}");
}

#[test]
fn peers_are_counted_by_filters() {
    let mut net = Net::new(40);
    net.join();
    for number in 1..=10 {
        let announce = Some(Announce { port: None, seed: number > 4 });
        let order = Command::Find { query: FIND, info_hash: HASH, announce };
        net.order(address(number), order);
    }
    net.run(Duration::from_secs(5));
    net.order(address(30), Command::Scrape { query: FIND, info_hash: HASH });
    net.run(Duration::from_secs(8));
    let told = net.reports(address(30));
    let Some(Report::Scraped { seeds, peers, .. }) = told.first() else { panic!("{told:?}") };
    assert_eq!((*seeds, *peers), (6, 4));
}

#[test]
fn one_node_can_be_asked_by_people() {
    let mut net = Net::new(3);
    net.join();
    net.order(address(1), announce(7000));
    net.run(Duration::from_secs(5));
    net.reports.clear();
    net.order(address(1), Command::Ping { query: QueryId(5), to: address(2) });
    net.order(address(1), Command::Sample { query: QueryId(6), to: address(2), target: HASH });
    net.order(address(1), Command::Ping { query: QueryId(7), to: address(999) });
    net.run(Duration::from_secs(9));
    let told = net.reports(address(1));
    let id = net.nodes[&address(2)].id(0).unwrap();
    let round_trip = DELAY * 2;
    assert!(told.contains(&Report::Pong { query: QueryId(5), id, round_trip }), "{told:?}");
    let sampled = told.iter().find_map(|report| match report {
        Report::Sampled { samples: Some(samples), .. } => Some(samples.hashes.clone()),
        _ => None,
    });
    assert_eq!(sampled, Some(vec![HASH]));
    assert!(told.contains(&Report::Failed { query: QueryId(7), code: None }));
}

#[test]
fn nodes_of_both_families_find_each_other_from_one_address() {
    let six = |number: u16| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, number + 1], 6881));
    let mut net = Net::new(0);
    // Each node has both addresses, and a machine; packets go to the machine of their address.
    let mut both = BTreeMap::new();
    for number in 0..20 {
        both.insert(six(number), address(number));
        net.add(address(number));
    }
    let run = |net: &mut Net, both: &BTreeMap<SocketAddr, SocketAddr>| {
        for _ in 0..400 {
            net.run(Duration::from_millis(25));
            for (_, to, from, _) in &mut net.packets {
                if to.is_ipv6()
                    && let Some(node) = both.get(to)
                {
                    // Carried as if each host had one queue.
                    let sender = both.iter().find(|(_, four)| *four == from);
                    if let Some((six, _)) = sender {
                        *from = *six;
                    }
                    *to = *node;
                }
            }
        }
    };
    for number in 1..20 {
        let order = Command::Bootstrap(vec![address(0), six(0)]);
        net.order(address(number), order);
    }
    run(&mut net, &both);
    let status = net.nodes[&address(5)].status();
    assert!(status.homes.iter().all(|home| home.nodes >= 8), "{status:?}");
    // One that knows an IPv4 address only is told of IPv6 nodes.
    net.add(address(30));
    both.insert(six(30), address(30));
    net.order(address(30), Command::Bootstrap(vec![address(3)]));
    run(&mut net, &both);
    let status = net.nodes[&address(30)].status();
    assert!(status.homes.iter().all(|home| home.nodes >= 8), "{status:?}");
}
