//! Tests of the packets of UDP trackers.

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn announce(query: Query, path: &str) -> Request {
    let question = Question::Announce { connection: 7, query, path: path.to_string() };
    Request { transaction: 9, question }
}

/// What a tracker reads of a query that says nothing of these.
fn bare() -> Query {
    Query { key: Some(0), ..Query::new([1; 20], [2; 20], 6881) }
}

#[test]
fn a_connect_is_what_bep_15_shows() {
    let packet = Request { transaction: 0x0102_0304, question: Question::Connect }.encode();
    assert_eq!(packet, [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(Request::decode(&packet).unwrap().question, Question::Connect);
    // Without the number it is nobody's.
    assert_eq!(Request::decode(&[0; 16]), Err(DecodeError::Unknown));
}

#[test]
fn an_announce_has_every_field_in_its_place() {
    let query = Query {
        uploaded: 3,
        downloaded: 1,
        left: 2,
        event: Some(Event::Started),
        numwant: None,
        key: Some(0xaabb_ccdd),
        ip: Some([192, 0, 2, 1].into()),
        ..Query::new([0x11; 20], [0x22; 20], 0x1ae1)
    };
    let packet = announce(query.clone(), "").encode();
    let expected = [
        &7u64.to_be_bytes()[..],
        &[0, 0, 0, 1, 0, 0, 0, 9],
        &[0x11; 20],
        &[0x22; 20],
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3],
        &[0, 0, 0, 2, 192, 0, 2, 1, 0xaa, 0xbb, 0xcc, 0xdd, 0xff, 0xff, 0xff, 0xff, 0x1a, 0xe1],
    ];
    assert_eq!(packet, expected.concat());
    assert_eq!(Request::decode(&packet), Ok(announce(query, "")));
}

#[test]
fn the_path_of_a_url_goes_along_in_parts() {
    let long = "/announce?".to_string() + &"k".repeat(400);
    for path in ["/", "/announce?key=1", &long] {
        let packet = announce(bare(), path).encode();
        assert_eq!(Request::decode(&packet), Ok(announce(bare(), path)));
    }
    let packet = announce(bare(), "/abc").encode();
    assert_eq!(packet[98..], [2, 4, b'/', b'a', b'b', b'c']);
    let endless = "/".repeat(PATH_BYTES_MAX + 1);
    assert_eq!(announce(bare(), &endless).encode().len(), 98);
}

#[test]
fn options_that_are_broken_or_unknown_do_no_harm() {
    for (options, path) in [
        (&[1, 1, 2, 1, b'a', 0, 2, 1, b'b'][..], "a"),
        (&[7, 2, 0, 0, 2, 1, b'c'], "c"),
        (&[2, 9, b'd'], ""),
        (&[2], ""),
        (&[2, 0, 2, 1, 0xff], "\u{fffd}"),
    ] {
        let packet = [&announce(bare(), "").encode()[..], options].concat();
        assert_eq!(Request::decode(&packet), Ok(announce(bare(), path)), "{options:?}");
    }
}

#[test]
fn answers_read_back_in_both_families() {
    let peer = |text: &str| Peer { address: text.parse().unwrap(), id: None };
    for (v6, peers) in [
        (false, vec![peer("192.0.2.1:6881"), peer("127.0.0.1:1")]),
        (true, vec![peer("[2001:db8::1]:6881")]),
    ] {
        let answer = Answer {
            interval: Some(1800),
            complete: Some(3),
            incomplete: Some(5),
            peers,
            ..Answer::default()
        };
        let response = Response { transaction: 9, reply: Reply::Announced(answer) };
        let packet = response.encode(v6);
        assert_eq!(packet[..20], [0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 7, 8, 0, 0, 0, 5, 0, 0, 0, 3]);
        assert_eq!(Response::decode(&packet, v6), Ok(response));
        assert!(is_response(&packet));
    }
}

#[test]
fn an_answer_is_one_packet_and_of_one_family() {
    let peers = ["192.0.2.1:1", "[2001:db8::1]:1"].map(|text| text.parse().unwrap());
    let peers = peers.map(|address| Peer { address, id: None });
    let answer = Answer { peers: peers.repeat(300), ..Answer::default() };
    let response = Response { transaction: 0, reply: Reply::Announced(answer) };
    for (v6, count) in [(false, 200), (true, 66)] {
        let packet = response.encode(v6);
        assert!(packet.len() <= 1_220);
        let Ok(Response { reply: Reply::Announced(read), .. }) = Response::decode(&packet, v6)
        else {
            panic!("it does not read back");
        };
        assert_eq!(read.peers.len(), count);
        assert!(read.peers.iter().all(|peer| peer.address.is_ipv6() == v6));
    }
}

#[test]
fn an_interval_below_zero_stays_below_zero() {
    let packet = [0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    let Ok(Response { reply: Reply::Announced(answer), .. }) = Response::decode(&packet, false)
    else {
        panic!("it does not read");
    };
    assert_eq!(answer.interval, Some(-1));
}

#[test]
fn scrapes_and_refusals_read_back() {
    let hashes = vec![[1; 20], [2; 20]];
    let question = Question::Scrape { connection: 7, hashes };
    let request = Request { transaction: 1, question };
    assert_eq!(Request::decode(&request.encode()), Ok(request));
    let counts = Counts { complete: 1, incomplete: 2, downloaded: 3 };
    for reply in [
        Reply::Scraped(vec![counts, Counts::default()]),
        Reply::Refused("no such torrent".into()),
        Reply::Connected(u64::MAX),
    ] {
        let response = Response { transaction: 1, reply };
        assert_eq!(Response::decode(&response.encode(false), false), Ok(response));
    }
    // BEP 15: seeders, completed, leechers.
    let packet = Response { transaction: 0, reply: Reply::Scraped(vec![counts]) }.encode(false);
    assert_eq!(packet[8..], [0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2]);
}

#[test]
fn what_is_too_short_is_no_packet() {
    let full = announce(bare(), "").encode();
    for length in 0..full.len() {
        assert_eq!(Request::decode(&full[..length]), Err(DecodeError::Short), "{length}");
    }
    for (action, least) in [(0, 16), (1, 20), (2, 8), (3, 8)] {
        let packet = [&[0, 0, 0, action][..], &[0; 30]].concat();
        for length in 0..packet.len() {
            let read = Response::decode(&packet[..length], false);
            assert_eq!(read.is_ok(), length >= least, "{action} of {length}");
        }
    }
    assert_eq!(Response::decode(&[0, 0, 0, 4, 0, 0, 0, 0], false), Err(DecodeError::Unknown));
}

#[test]
fn a_long_refusal_is_cut() {
    let packet = [&[0, 0, 0, 3, 0, 0, 0, 0][..], &[b'x'; 9000]].concat();
    let Ok(Response { reply: Reply::Refused(text), .. }) = Response::decode(&packet, false) else {
        panic!("it does not read");
    };
    assert_eq!(text, String::from_utf8(vec![b'x'; TEXT_BYTES_MAX]).unwrap());
}

proptest! {
    #[test]
    fn no_packet_does_harm(packet: Vec<u8>, v6: bool, action in 0u8..4) {
        let _ = (Request::decode(&packet), Response::decode(&packet, v6));
        let packet = [&[0, 0, 0, action][..], &packet].concat();
        if let Ok(response) = Response::decode(&packet, v6) {
            let again = response.encode(v6);
            prop_assert!(Response::decode(&again, v6).is_ok());
        }
    }
}
