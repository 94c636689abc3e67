//! What our node answers: every MUST of the specifications as a row.

use toubkal_wire::krpc::{Response, Want, code};

use super::super::items::sign;
use super::super::{Family, Item, Signature};
use super::*;
use crate::dht::guests::{ANSWERS_MAX, QUESTIONS_MAX};

const HASH: Id = Id([0x5a; 20]);
const ASKER: Id = Id([0x11; 20]);
const FROM: &str = "10.9.9.9:4000";

/// A node that knows a few others, and has a peer of each kind.
fn world() -> (Net, SocketAddr, Vec<u8>) {
    let mut net = Net::new(12);
    net.join();
    let (at, from) = (address(0), FROM.parse().unwrap());
    let token = token(&mut net, at, from);
    (net, from, token)
}

fn token(net: &mut Net, at: SocketAddr, from: SocketAddr) -> Vec<u8> {
    let ask = Ask::GetPeers { info_hash: HASH, no_seed: false, scrape: false };
    let back = net.exchange(at, from, &query(ASKER, ask));
    response(&back).token.expect("BEP 5: a token comes with get_peers").to_vec()
}

fn response(back: &[Vec<u8>]) -> Response<'_> {
    let kinds = back.iter().map(|packet| Message::decode(packet).unwrap().kind);
    let answer = kinds.into_iter().find_map(|kind| match kind {
        Kind::Response(response) => Some(response),
        _ => None,
    });
    answer.unwrap_or_else(|| panic!("no answer in {back:?}"))
}

fn error(back: &[Vec<u8>]) -> Option<i64> {
    back.iter().find_map(|packet| match Message::decode(packet).unwrap().kind {
        Kind::Error { code, .. } => Some(code),
        _ => None,
    })
}

fn announce<'a>(port: u16, implied_port: bool, token: &'a [u8]) -> Ask<'a> {
    Ask::AnnouncePeer { info_hash: HASH, port, implied_port, seed: false, token }
}

fn get_peers() -> Ask<'static> {
    Ask::GetPeers { info_hash: HASH, no_seed: false, scrape: false }
}

#[test]
fn each_query_is_answered_with_what_it_has_to_be() {
    let (mut net, from, token) = world();
    let at = address(0);
    let target = HASH;
    type Check = fn(&Response<'_>) -> bool;
    let rows: Vec<(&str, Ask<'_>, Check)> = vec![
        ("ping: the id", Ask::Ping, |r| r.nodes.is_none() && r.token.is_none()),
        ("find_node: eight nodes", Ask::FindNode { target }, |r| {
            r.nodes.as_ref().is_some_and(|nodes| nodes.len() == 8) && r.nodes6.is_none()
        }),
        ("get_peers without peers: nodes and a token, no empty values", get_peers(), |r| {
            r.nodes.is_some() && r.token.is_some() && r.values.is_empty()
        }),
        ("announce_peer: the id", announce(7001, false, &token), |r| r.nodes.is_none()),
        ("get_peers with peers: them, and a token", get_peers(), |r| {
            r.values == ["10.9.9.9:7001".parse().unwrap()] && r.token.is_some()
        }),
        ("announce_peer, implied port", announce(7002, true, &token), |_| true),
        ("get_peers: the port it was sent from", get_peers(), |r| {
            r.values.contains(&FROM.parse().unwrap())
        }),
        ("announce_peer, port 0 but implied", announce(0, true, &token), |_| true),
        (
            "scrape: both filters (BEP 33)",
            Ask::GetPeers { info_hash: HASH, no_seed: false, scrape: true },
            |r| r.scrape.as_ref().is_some_and(|s| s.peers.estimate() == 1),
        ),
        (
            "a scrape of what nobody has: no filters",
            Ask::GetPeers { info_hash: Id([1; 20]), no_seed: false, scrape: true },
            |r| r.scrape.is_none(),
        ),
        ("get of nothing: nodes and a token (BEP 44)", Ask::Get { target, seq: None }, |r| {
            r.value.is_none() && r.nodes.is_some() && r.token.is_some()
        }),
        ("sample_infohashes (BEP 51)", Ask::SampleInfohashes { target }, |r| {
            let samples = r.samples.as_ref().unwrap();
            samples.hashes == [HASH]
                && samples.known == 1
                && samples.interval <= 21_600
                && r.nodes.is_some()
        }),
    ];
    for (what, ask, check) in rows {
        let back = net.exchange(at, from, &query(ASKER, ask));
        let message = Message::decode(&back[0]).unwrap();
        assert_eq!(message.transaction, b"tx", "{what}");
        assert_eq!(message.ip, Some(from), "BEP 42: {what}");
        let answer = response(&back);
        assert_eq!(Some(answer.id), net.nodes[&at].id(0), "{what}");
        assert!(check(&answer), "{what}: {answer:?}");
        let text = std::string::String::from_utf8_lossy(&back[0]).into_owned();
        assert!(!text.contains("6:valuesle"), "{what}");
    }
}

/// What comes back for each row: one packet, with this code or none.
fn check_codes(net: &mut Net, rows: Vec<(&str, Vec<u8>, Option<i64>)>) {
    for (what, packet, expected) in rows {
        net.run(Duration::from_secs(1));
        let mut back = net.exchange(address(0), FROM.parse().unwrap(), &packet);
        // A question of ours may be among them: whether it is there.
        back.retain(|packet| Message::decode(packet).unwrap().transaction == b"tx");
        assert_eq!(back.len(), 1, "{what}");
        assert_eq!(error(&back), expected, "{what}");
    }
}

#[test]
fn a_query_that_is_wrong_is_refused_with_its_code() {
    let (mut net, _, token) = world();
    let raw = |method: &str, arguments: &[&[u8]]| {
        let (start, id) = (b"d1:ad".to_vec(), b"2:id20:11111111111111111111");
        let end = std::format!("e1:q{}:{method}1:t2:tx1:y1:qe", method.len());
        [&start[..], id, &arguments.concat(), end.as_bytes()].concat()
    };
    let hash = &b"9:info_hash20:11111111111111111111"[..];
    let shown = &[&b"5:token8:"[..], &token].concat()[..];
    let long = std::format!("1:v1100:{}", "x".repeat(1100));
    let salt = std::format!("4:salt65:{}3:seqi1e3:sig64:{}", "x".repeat(65), "x".repeat(64));
    let key = &[&b"1:k32:"[..], &[1; 32]].concat()[..];
    let no_id = b"d1:ade1:q4:ping1:t2:tx1:y1:qe".to_vec();
    let bad_token = query(ASKER, announce(1, false, b"12345678"));
    let protocol = Some(code::PROTOCOL);
    check_codes(
        &mut net,
        vec![
            ("an unknown query", raw("pong", &[]), Some(code::METHOD)),
            ("no id", no_id, protocol),
            ("a target that is too short", raw("find_node", &[b"6:target2:ab"]), protocol),
            ("no info-hash", raw("get_peers", &[]), protocol),
            ("no token", raw("announce_peer", &[hash, b"4:porti1e"]), protocol),
            ("a bad token", bad_token, protocol),
            ("port 0", raw("announce_peer", &[hash, b"4:porti0e", shown]), protocol),
            ("a port of 17 bits", raw("announce_peer", &[hash, b"4:porti65536e", shown]), protocol),
            ("no value", raw("put", &[shown]), protocol),
            ("a value that is not canonical", raw("put", &[shown, b"1:vi01e"]), protocol),
            ("a value that is too big", raw("put", &[shown, long.as_bytes()]), Some(code::VALUE)),
            (
                "a salt that is too big",
                raw("put", &[key, salt.as_bytes(), shown, b"1:v1:a"]),
                Some(code::SALT),
            ),
            ("a key without a signature", raw("put", &[key, shown, b"1:v1:a"]), protocol),
            ("a right one", raw("put", &[shown, b"1:v1:a"]), None),
        ],
    );
}

#[test]
fn an_item_is_taken_when_it_is_newer_and_signed() {
    let (mut net, from, token) = world();
    let of = |seq, value: &[u8]| sign(&[1; 32], Vec::new(), seq, value.to_vec());
    let put = |value: &[u8], signature: &Item, cas: Option<i64>| {
        let signed = signature.signed.as_ref().map(Signature::borrow);
        query(ASKER, Ask::Put { token: &token, value, signed, cas })
    };
    let (old, five, other, six) = (of(4, b"1:a"), of(5, b"1:a"), of(5, b"1:b"), of(6, b"1:b"));
    check_codes(
        &mut net,
        vec![
            ("a wrong signature", put(b"1:b", &five, None), Some(code::SIGNATURE)),
            ("a right one", put(b"1:a", &five, None), None),
            ("the same again", put(b"1:a", &five, None), None),
            ("another value of its number", put(b"1:b", &other, None), Some(code::SEQUENCE)),
            ("an older one", put(b"1:a", &old, None), Some(code::SEQUENCE)),
            ("another than was expected", put(b"1:b", &six, Some(4)), Some(code::CAS)),
            ("the one that was expected", put(b"1:b", &six, Some(5)), None),
        ],
    );
    // It is given to who asks, but for who has that version already.
    let at = address(0);
    let get = |seq| query(ASKER, Ask::Get { target: five.target(), seq });
    let back = net.exchange(at, from, &get(None));
    let answer = response(&back);
    assert_eq!((answer.value, answer.seq), (Some(&b"1:b"[..]), Some(6)));
    assert!(answer.key.is_some() && answer.signature.is_some());
    let back = net.exchange(at, from, &get(Some(6)));
    assert_eq!((response(&back).value, response(&back).seq), (None, Some(6)));
}

#[test]
fn garbage_and_answers_that_nobody_asked_for_are_met_with_silence() {
    let (mut net, from, _) = world();
    let at = address(0);
    let mut response = Response::new(ASKER);
    response.values = vec!["10.6.6.6:6".parse().unwrap()];
    let kind = Kind::Response(response);
    let stranger =
        Message { transaction: b"abcd", kind, read_only: false, ip: None, version: None };
    for packet in [&b""[..], b"d", b"de", b"d1:y1:qe", &[0xff; 300], &stranger.to_bytes()] {
        assert!(net.exchange(at, from, packet).is_empty(), "{packet:?}");
    }
    assert!(net.reports.is_empty());
}

#[test]
fn families_are_kept_apart_unless_both_are_wanted() {
    let (mut net, from, _) = world();
    for (want, four, six) in [
        (None, true, false),
        (Some(Want { v4: true, v6: true }), true, true),
        (Some(Want { v4: false, v6: true }), false, true),
        (Some(Want { v4: false, v6: false }), true, false),
    ] {
        let kind = Kind::Query(Query { id: ASKER, want, ask: Ask::FindNode { target: HASH } });
        let message =
            Message { transaction: b"tx", kind, read_only: true, ip: None, version: None };
        let back = net.exchange(address(0), from, &message.to_bytes());
        let answer = response(&back);
        assert_eq!((answer.nodes.is_some(), answer.nodes6.is_some()), (four, six), "{want:?}");
    }
}

/// D1: who sends a false address makes us send three times as much to a victim, not more.
#[test]
fn an_address_that_has_proved_nothing_gets_three_times_its_question_at_most() {
    let (mut net, from, token) = world();
    let at = address(0);
    for port in 1..=5 {
        net.exchange(at, from, &query(ASKER, announce(port, false, &token)));
    }
    let value = [b"900:".to_vec(), vec![b'x'; 900]].concat();
    let put = Ask::Put { token: &token, value: &value, signed: None, cas: None };
    net.exchange(at, from, &query(ASKER, put));
    let target = toubkal_wire::krpc::immutable_target(&value);
    let victim: SocketAddr = "10.7.7.7:7".parse().unwrap();
    let want = Some(Want { v4: true, v6: true });
    for ask in [
        Ask::Ping,
        Ask::FindNode { target: HASH },
        get_peers(),
        Ask::GetPeers { info_hash: HASH, no_seed: false, scrape: true },
        Ask::Get { target, seq: None },
        Ask::SampleInfohashes { target: HASH },
    ] {
        let kind = Kind::Query(Query { id: ASKER, want, ask });
        let message = Message { transaction: b"t", kind, read_only: true, ip: None, version: None };
        let packet = message.to_bytes();
        let back = net.exchange(at, victim, &packet);
        let bytes: usize = back.iter().map(Vec::len).sum();
        assert!(bytes <= 3 * packet.len(), "{bytes} for {}: {message:?}", packet.len());
    }
    // Who has proved its address gets it all.
    let back = net.exchange(at, from, &query(ASKER, Ask::Get { target, seq: None }));
    assert_eq!(response(&back).value, Some(&value[..]));
}

#[test]
fn one_address_gets_a_bounded_number_of_answers_a_second() {
    let (mut net, _, _) = world();
    let from = "10.8.8.8:8".parse().unwrap();
    let mut answers = 0;
    for _ in 0..1000 {
        answers += net.exchange(address(0), from, &query(ASKER, Ask::Ping)).len();
    }
    // One of them may be a question of ours: is it there?
    assert!(answers <= usize::from(ANSWERS_MAX) + 1, "{answers}");
    assert!(net.nodes[&address(0)].status().dropped >= 970);
}

#[test]
fn one_address_is_asked_a_bounded_number_of_times_a_second() {
    let (mut net, _, _) = world();
    let victim = "10.8.8.8:8".parse().unwrap();
    for number in 0..200 {
        let ping = Command::Ping { query: crate::dht::QueryId(number), to: victim };
        net.order(address(0), ping);
    }
    let packets = net.packets.iter().filter(|(_, to, ..)| *to == victim).count();
    assert_eq!(packets, usize::from(QUESTIONS_MAX));
}

#[test]
fn who_only_reads_is_answered_and_not_taken_in() {
    let (mut net, _, _) = world();
    let from = "10.8.8.8:8".parse().unwrap();
    let kind = Kind::Query(Query { id: ASKER, want: None, ask: Ask::Ping });
    let message = Message { transaction: b"tx", kind, read_only: true, ip: None, version: None };
    let back = net.exchange(address(0), from, &message.to_bytes());
    assert_eq!(back.len(), 1, "the answer, and no question");
    // And if we only read, we say so and answer nothing.
    net.order(address(1), Command::ReadOnly(true));
    assert!(net.exchange(address(1), from, &query(ASKER, Ask::Ping)).is_empty());
    net.packets.clear();
    net.order(address(1), Command::Ping { query: crate::dht::QueryId(1), to: address(2) });
    assert!(Message::decode(&net.packets[0].3).unwrap().read_only);
}

#[test]
fn an_address_that_others_see_gives_the_id() {
    let config = Config { homes: vec![Family::V4], ..Config::default() };
    let mut node = Dht::new(config, &[], Rng::from_number(5));
    let mut out = Outbox::new();
    let (ours, other) = ("198.18.7.7:1".parse().unwrap(), "198.18.9.9:1".parse().unwrap());
    let mut tell = |node: &mut Dht, number: u8, ip: SocketAddr| {
        let to = SocketAddr::from(([198, 18, number, 1], 6881));
        let ping = Command::Ping { query: crate::dht::QueryId(1), to };
        node.handle(Time::START, Event::Command(ping), &mut out);
        let packets = out.drain().filter_map(|action| match action {
            Action::Send { to: whom, packet } if whom == to => Some(packet),
            _ => None,
        });
        let packet = packets.last().unwrap();
        let transaction = Message::decode(&packet).unwrap().transaction.to_vec();
        let id = Id::for_address(to.ip(), &[number; 20]);
        let kind = Kind::Response(Response::new(id));
        let answer = Message {
            transaction: &transaction,
            kind,
            read_only: false,
            ip: Some(ip),
            version: None,
        };
        node.handle(Time::START, Event::Packet { from: to, bytes: answer.to_bytes() }, &mut out);
        out.drain().filter(|a| matches!(a, Action::Report(Report::External { .. }))).count()
    };
    assert!(!node.id(0).unwrap().fits([198, 18, 7, 7].into()));
    assert_eq!(tell(&mut node, 1, ours), 1);
    let first = node.id(0).unwrap();
    assert!(first.fits([198, 18, 7, 7].into()));
    assert_eq!((2..6).map(|number| tell(&mut node, number, ours)).sum::<usize>(), 0);
    // A few liars change nothing; when most say so, it is so.
    assert_eq!((6..10).map(|number| tell(&mut node, number, other)).sum::<usize>(), 0);
    assert_eq!(node.id(0), Some(first));
    assert_eq!((10..14).map(|number| tell(&mut node, number, other)).sum::<usize>(), 1);
    assert!(node.id(0).unwrap().fits([198, 18, 9, 9].into()));
    assert_eq!(node.status().homes[0].nodes, 13, "whom we knew is not forgotten");
}

/// BEP 42: such a node is no neighbour, and nothing is stored with it while there are others.
#[test]
fn a_node_whose_id_does_not_follow_from_its_address_has_no_place() {
    let mut net = Net::new(12);
    let stranger: SocketAddr = "198.18.0.1:6881".parse().unwrap();
    net.add(stranger);
    net.join();
    // It asked, and was asked, but nobody tells of it.
    net.order(stranger, Command::Bootstrap(vec![address(0)]));
    net.run(Duration::from_secs(60));
    let back = net.exchange(
        address(0),
        FROM.parse().unwrap(),
        &query(ASKER, Ask::FindNode { target: net.nodes[&stranger].id(0).unwrap() }),
    );
    let nodes = response(&back).nodes.unwrap();
    // By now it was told where it is, and has an id that fits.
    let fits = |node: &toubkal_wire::krpc::Node| node.id.fits(node.address.ip());
    assert!(nodes.iter().all(fits));
    let known = &net.nodes[&stranger].id(0).unwrap();
    assert!(known.fits(stranger.ip()));
}
