use super::*;
use crate::bencode::{Node, encode};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use proptest::prelude::*;
use std::{format, vec};

fn query() -> Query {
    let mut hash = [0; 20];
    hash[..6].copy_from_slice(b"\0 aZ~%");
    Query {
        uploaded: 1,
        downloaded: 2,
        left: u64::MAX,
        numwant: Some(80),
        key: Some(0xbeef),
        ..Query::new(hash, *b"-TK0100-abcdefghijk&", 6881)
    }
}

fn answer(body: &[u8]) -> Answer {
    match Reply::decode(body) {
        Ok(Reply::Answer(answer)) => answer,
        other => panic!("not an answer: {other:?}"),
    }
}

fn failure(body: &[u8]) -> Failure {
    match Reply::decode(body) {
        Ok(Reply::Failure(failure)) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn a_query_is_encoded_byte_by_byte() {
    let zeros = "%00".repeat(14);
    let expected = format!(
        "http://t.example/announce?info_hash=%00%20aZ~%25{zeros}\
         &peer_id=-TK0100-abcdefghijk%26&port=6881&uploaded=1&downloaded=2\
         &left=18446744073709551615&compact=1&no_peer_id=1&numwant=80&key=0000BEEF"
    );
    assert_eq!(query().url("http://t.example/announce"), expected);
    let query = Query {
        event: Some(Event::Stopped),
        numwant: Some(0),
        ip: Some("2001:db8::1".parse().unwrap()),
        tracker_id: Some(b"a b".to_vec()),
        ..query()
    };
    let url = query.url("http://t.example/announce");
    assert!(
        url.ends_with("&event=stopped&numwant=0&key=0000BEEF&ip=2001%3Adb8%3A%3A1&trackerid=a%20b")
    );
}

#[test]
fn an_announce_url_keeps_its_passkey_and_its_query() {
    for (announce, start) in [
        ("http://t/p4ss/announce", "http://t/p4ss/announce?info_hash="),
        ("http://t/a.php?passkey=%7e&x", "http://t/a.php?passkey=%7e&x&info_hash="),
        ("http://t/announce#part", "http://t/announce?info_hash="),
    ] {
        assert!(query().url(announce).starts_with(start), "{announce}");
    }
}

#[test]
fn a_query_reads_back() {
    let full = Query {
        event: Some(Event::Completed),
        tracker_id: Some(vec![0, 255, b'+', b' ']),
        ip: Some("192.0.2.1".parse().unwrap()),
        ..query()
    };
    for query in [query(), full] {
        let url = query.url("http://t/announce");
        let (_, text) = url.split_once('?').unwrap();
        assert_eq!(Query::parse(text), Ok(query));
    }
}

#[test]
fn a_query_without_what_a_tracker_needs_is_refused() {
    let hash = "info_hash=aaaaaaaaaaaaaaaaaaaa";
    let id = "peer_id=bbbbbbbbbbbbbbbbbbbb";
    for (text, error) in [
        (String::new(), QueryError::InfoHash),
        ("info_hash=abc".into(), QueryError::InfoHash),
        (hash.into(), QueryError::PeerId),
        (format!("{hash}&{id}"), QueryError::Port),
        (format!("{hash}&{id}&port=65536"), QueryError::Port),
        (format!("{hash}&{id}&port=x"), QueryError::Number("port")),
        (format!("{hash}&{id}&port=1&left=-1"), QueryError::Number("left")),
        (format!("{hash}&{id}&port=1&event=gone"), QueryError::Event),
    ] {
        assert_eq!(Query::parse(&text), Err(error), "{text}");
    }
    assert!(Query::parse(&format!("{hash}&{id}&port=1&numwant=-1&event=")).is_ok());
}

#[test]
fn every_part_of_an_answer_is_read() {
    let body = b"d8:completei5e10:downloadedi9e11:external ip4:\xcb\x00\x71\x0110:incompletei3e\
        8:intervali1800e12:min intervali60e5:peers6:\x0a\x00\x00\x01\x1a\xe1\
        6:peers618: \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50\
        10:tracker id3:abc15:warning message5:hellxe";
    let answer = answer(body);
    assert_eq!(answer.interval, Some(1800));
    assert_eq!(answer.min_interval, Some(60));
    assert_eq!((answer.complete, answer.incomplete), (Some(5), Some(3)));
    assert_eq!(answer.downloaded, Some(9));
    assert_eq!(answer.external_ip, Some("203.0.113.1".parse().unwrap()));
    assert_eq!(answer.tracker_id.as_deref(), Some(&b"abc"[..]));
    assert_eq!(answer.warning.as_deref(), Some("hellx"));
    assert_eq!(addresses(&answer), ["10.0.0.1:6881", "[2001:db8::1]:80"]);
}

fn addresses(answer: &Answer) -> Vec<String> {
    answer.peers.iter().map(|peer| peer.address.to_string()).collect()
}

#[test]
fn dictionaries_are_read_with_and_without_peer_id_and_bad_ones_are_skipped() {
    let peer = |ip: &str, port: i64| Node::from([("ip", ip.into()), ("port", port.into())]);
    let with_id = Node::from([
        ("ip", "192.0.2.1".into()),
        ("peer id", "aaaaaaaaaaaaaaaaaaaa".into()),
        ("port", 1.into()),
    ]);
    let peers = vec![
        with_id,
        peer("192.0.2.2", 2),
        peer("::ffff:192.0.2.3", 3),
        peer("2001:db8::4", 4),
        peer("192.0.2.5", 0),
        peer("192.0.2.6", 65536),
        peer("255.255.255.255", 7),
        peer("host.example", 8),
        peer("no host", 9),
        peer("1.2.3", 10),
        Node::from([("ip", "192.0.2.11".into())]),
        Node::from(12),
    ];
    let body = encode(&Node::from([("interval", 1.into()), ("peers", peers.into())]));
    let answer = answer(&body);
    let expected = ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3", "[2001:db8::4]:4"];
    assert_eq!(addresses(&answer), expected);
    assert_eq!(answer.peers[0].id, Some([b'a'; 20]));
    assert_eq!(answer.peers[1].id, None);
    assert_eq!(answer.names, [("host.example".to_string(), 8)]);
    assert_eq!(answer.skipped, 7);
}

#[test]
fn at_most_8_names_and_2000_peers_are_kept() {
    let name = |index: i64| {
        Node::from([("ip", format!("h{index}.example").as_str().into()), ("port", 1.into())])
    };
    let names: Vec<_> = (0..20).map(name).collect();
    let many = answer(&encode(&Node::from([("peers", names.into())])));
    assert_eq!((many.names.len(), many.skipped), (8, 12));
    let body =
        Node::from([("peers", vec![9; 6 * 9000].into()), ("peers6", vec![9; 18 * 9].into())]);
    assert_eq!(answer(&encode(&body)).peers.len(), PEERS_MAX);
}

#[test]
fn a_refusal_says_when_to_ask_again() {
    assert_eq!(failure(b"d14:failure reason4:gone5:peers0:e"), Failure::new("gone"));
    let minutes = failure(b"d14:failure reason4:busy8:retry ini5ee");
    assert_eq!(minutes.retry, Some(Retry::After(Duration::from_secs(300))));
    let never = failure(b"d14:failure reason4:gone8:retry in5:nevere");
    assert_eq!(never.retry, Some(Retry::Never));
    assert_eq!(failure(b"d14:failure reason1:x8:retry ini-1ee").retry, None);
    assert_eq!(failure(b"d14:failure reasoni7ee").reason, "");
    let absurd = failure(b"d14:failure reason1:x8:retry ini9223372036854775807ee");
    assert_eq!(absurd.retry, Some(Retry::After(Duration::from_secs(u64::MAX))));
}

#[test]
fn absurd_intervals_and_counts_do_no_harm() {
    let absurd =
        answer(b"d8:completei-1e10:incompletei99999999999e8:intervali9223372036854775808ee");
    assert_eq!((absurd.interval, absurd.complete), (None, None));
    assert_eq!(absurd.incomplete, Some(u32::MAX));
    assert_eq!(answer(b"d8:intervali-1ee").interval, Some(-1));
    let odd = answer(b"d5:peers7:\x0a\x00\x00\x01\x1a\xe1\x0ae");
    assert_eq!((odd.peers.len(), odd.skipped), (1, 1));
    let odd = answer(b"d11:external ip3:abc5:peersi3e6:peers6d1:a1:be10:tracker idlee");
    assert_eq!((odd.peers.len(), odd.external_ip), (0, None));
}

#[test]
fn long_texts_are_cut() {
    let long = vec![b'x'; 10_000];
    let body = encode(&Node::from([("failure reason", long.clone().into())]));
    assert_eq!(failure(&body).reason.len(), TEXT_BYTES_MAX);
    let body = encode(&Node::from([("interval", 1.into()), ("tracker id", long.into())]));
    assert_eq!(answer(&body).tracker_id, None);
}

#[test]
fn what_is_no_reply_is_refused() {
    assert_eq!(Reply::decode(b"le"), Err(ReplyError::NotDictionary));
    assert_eq!(Reply::decode(b"de"), Err(ReplyError::Empty));
    assert!(matches!(Reply::decode(b"<html>"), Err(ReplyError::Bencode(_))));
    assert!(matches!(Reply::decode(b""), Err(ReplyError::Bencode(_))));
    assert_eq!(ScrapeReply::decode(b"de"), Err(ReplyError::Empty));
}

#[test]
fn a_scrape_url_is_derived_where_there_is_one() {
    let hash = [b'a'; 20];
    for (announce, scrape) in [
        ("http://t/announce", Some("http://t/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa")),
        ("http://t/x/announce", Some("http://t/x/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa")),
        ("http://t/announce.php", Some("http://t/scrape.php?info_hash=aaaaaaaaaaaaaaaaaaaa")),
        (
            "http://t/announce?x=2%2F4",
            Some("http://t/scrape?x=2%2F4&info_hash=aaaaaaaaaaaaaaaaaaaa"),
        ),
        ("http://t/a", None),
        ("http://t/x%64announce", None),
        ("http://announce", None),
        ("http://t", None),
        ("nonsense", None),
    ] {
        assert_eq!(scrape_url(announce, &[hash]).as_deref(), scrape, "{announce}");
    }
    let two = scrape_url("http://t/announce", &[hash, [b'b'; 20]]).unwrap();
    let (_, query) = two.split_once('?').unwrap();
    assert_eq!(scrape_hashes(query), [hash, [b'b'; 20]]);
    assert_eq!(scrape_hashes("info_hash=short&x=y&"), Vec::<[u8; 20]>::new());
}

#[test]
fn a_scrape_reads_back() {
    let counts = Counts { complete: 1, incomplete: 2, downloaded: 3 };
    let reply = ScrapeReply::Counts([([7; 20], counts), ([9; 20], Counts::default())].into());
    assert_eq!(ScrapeReply::decode(&reply.encode()), Ok(reply));
    let failure = ScrapeReply::Failure(Failure::new("no"));
    assert_eq!(ScrapeReply::decode(&failure.encode()), Ok(failure));
    let odd = ScrapeReply::decode(b"d5:filesd3:abcd8:completei1eeee");
    assert_eq!(odd, Ok(ScrapeReply::Counts([].into())));
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let peer = (any::<SocketAddr>(), any::<Option<[u8; 20]>>()).prop_map(|(address, id)| {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Peer { address, id }
    });
    let peer = peer.prop_filter("usable", |peer| crate::compact::usable(peer.address));
    let numbers = any::<(Option<i64>, Option<i64>, Option<u32>, Option<u32>, Option<u32>)>();
    let texts = (any::<Option<Vec<u8>>>(), prop::option::of("[a-z ]{0,40}"));
    (numbers, texts, prop::collection::vec(peer, 0..20)).prop_map(|(numbers, texts, peers)| {
        Answer {
            interval: numbers.0.or(Some(1)),
            min_interval: numbers.1,
            complete: numbers.2,
            incomplete: numbers.3,
            downloaded: numbers.4,
            tracker_id: texts.0,
            warning: texts.1,
            peers,
            ..Answer::default()
        }
    })
}

proptest! {
    #[test]
    fn a_reply_reads_back(answer in any_answer(), dictionaries: bool) {
        let mut expected = answer.clone();
        if !dictionaries {
            expected.peers.iter_mut().for_each(|peer| peer.id = None);
            expected.peers.sort_by_key(|peer| peer.address.is_ipv6());
        }
        let body = Reply::Answer(answer).encode(!dictionaries);
        prop_assert_eq!(Reply::decode(&body), Ok(Reply::Answer(expected)));
    }

    #[test]
    fn no_body_and_no_query_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in ".{0,100}",
    ) {
        let _ = Reply::decode(&bytes);
        let _ = ScrapeReply::decode(&bytes);
        let _ = Query::parse(&text);
        let _ = scrape_url(&text, &[[1; 20]]);
    }

    #[test]
    fn a_broken_reply_makes_it_no_worse(answer in any_answer(), at: prop::sample::Index, byte: u8) {
        let mut body = Reply::Answer(answer).encode(at.index(2) == 0);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = Reply::decode(&body);
        let _ = Reply::decode(&body[..at]);
    }
}
