//! Packets of the specifications and of the wild.

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::bencode::{self, Mode};

const PEER: Id = Id(*b"abcdefghij0123456789");
const HASH: Id = Id(*b"mnopqrstuvwxyz123456");

fn message(kind: Kind<'_>) -> Message<'_> {
    Message { transaction: b"aa", kind, read_only: false, ip: None, version: None }
}

fn query(ask: Ask<'_>) -> Message<'_> {
    message(Kind::Query(Query { id: PEER, want: None, ask }))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The examples of BEP 5, both ways.
#[test]
fn the_examples_of_the_specification_read_and_write() {
    let announce = Ask::AnnouncePeer {
        info_hash: HASH,
        port: 6881,
        implied_port: true,
        seed: false,
        token: b"aoeusnth",
    };
    let get_peers = Ask::GetPeers { info_hash: HASH, no_seed: false, scrape: false };
    let mut found = Response::new(PEER);
    found.token = Some(b"aoeusnth");
    found.values = vec!["97.120.106.101:11893".parse().unwrap()];
    found.values.push("105.100.104.116:28269".parse().unwrap());
    let examples: [(&[u8], Message<'_>); 6] = [
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", query(Ask::Ping)),
        (
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa\
              1:y1:qe",
            query(Ask::FindNode { target: HASH }),
        ),
        (
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2\
              :aa1:y1:qe",
            query(get_peers),
        ),
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564\
              :porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
            query(announce),
        ),
        (
            b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa\
              1:y1:re",
            message(Kind::Response(found)),
        ),
        (
            b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
            message(Kind::Error { code: 201, text: b"A Generic Error Ocurred" }),
        ),
    ];
    for (bytes, expected) in examples {
        assert_eq!(Message::decode(bytes).as_ref(), Ok(&expected));
        assert_eq!(String::from_utf8_lossy(&expected.to_bytes()), String::from_utf8_lossy(bytes));
    }
}

#[test]
fn everything_a_message_can_hold_reads_back() {
    let signed = Signed { key: &[7; 32], signature: &[8; 64], seq: 4, salt: b"salt" };
    let put = Ask::Put { token: b"t", value: b"5:value", signed: Some(signed), cas: Some(3) };
    let node = |address: &str| Node { id: HASH, address: address.parse().unwrap() };
    let mut scrape = Scrape { seeds: Filter::default(), peers: Filter::default() };
    scrape.peers.insert([192, 0, 2, 1].into());
    let full = Response {
        nodes: Some(vec![node("192.0.2.1:6881")]),
        nodes6: Some(vec![node("[2001:db8::1]:6881")]),
        token: Some(b"token"),
        values: vec!["[2001:db8::2]:7".parse().unwrap()],
        scrape: Some(scrape),
        value: Some(b"d1:xi1ee"),
        key: Some(&[1; 32]),
        signature: Some(&[2; 64]),
        seq: Some(-1),
        samples: Some(Samples { interval: 60, known: 9, hashes: vec![HASH, PEER] }),
        ..Response::new(PEER)
    };
    let want = Some(Want { v4: true, v6: true });
    let get = Ask::Get { target: HASH, seq: Some(1) };
    for kind in [
        Kind::Query(Query { id: PEER, want, ask: put }),
        Kind::Query(Query { id: PEER, want, ask: get }),
        Kind::Query(Query { id: PEER, want, ask: Ask::SampleInfohashes { target: HASH } }),
        Kind::Response(full),
    ] {
        let ip = Some("192.0.2.9:1".parse().unwrap());
        let whole = Message { read_only: true, ip, version: Some(b"TK01"), ..message(kind) };
        let bytes = whole.to_bytes();
        assert!(bencode::decode(&bytes, Mode::Strict).is_ok(), "what is sent is canonical");
        assert_eq!(Message::decode(&bytes), Ok(whole));
    }
}

#[test]
fn a_wrong_query_says_what_its_sender_is_to_be_told() {
    let id = "2:id20:abcdefghij0123456789";
    let hash = "9:info_hash20:mnopqrstuvwxyz123456";
    let long = std::format!("1:v1100:{}", "x".repeat(1100));
    let salted = std::format!("4:salt65:{}3:seqi1e", "x".repeat(65));
    let cases: &[(&str, String, i64)] = &[
        ("ping", String::new(), code::PROTOCOL),
        ("ping", "2:id3:abc".into(), code::PROTOCOL),
        ("pong", id.into(), code::METHOD),
        ("find_node", id.into(), code::PROTOCOL),
        ("find_node", std::format!("{id}6:target3:abc"), code::PROTOCOL),
        ("get_peers", id.into(), code::PROTOCOL),
        ("announce_peer", std::format!("{id}{hash}4:porti1e"), code::PROTOCOL),
        ("announce_peer", std::format!("{id}{hash}4:porti0e5:token1:x"), code::PROTOCOL),
        ("announce_peer", std::format!("{id}{hash}4:porti65536e5:token1:x"), code::PROTOCOL),
        ("announce_peer", std::format!("{id}{hash}4:porti-1e5:token1:x"), code::PROTOCOL),
        ("put", std::format!("{id}5:token1:x"), code::PROTOCOL),
        ("put", std::format!("{id}5:token1:x{long}"), code::VALUE),
        ("put", std::format!("{id}5:token1:x1:vi01e"), code::PROTOCOL),
        ("put", std::format!("{id}1:k3:abc3:seqi1e3:sig1:x5:token1:x1:vi1e"), code::PROTOCOL),
        ("put", std::format!("{id}1:k3:abc5:token1:x1:vi1e"), code::PROTOCOL),
        ("put", std::format!("{id}{salted}5:token1:x1:vi1e"), code::SALT),
        ("get", id.into(), code::PROTOCOL),
        ("sample_infohashes", id.into(), code::PROTOCOL),
    ];
    for (method, arguments, expected) in cases {
        let size = method.len();
        let packet = std::format!("d1:ad{arguments}e1:q{size}:{method}1:t2:aa1:y1:qe");
        match Message::decode(packet.as_bytes()) {
            Err(Problem::Fault { code, transaction: b"aa", .. }) if code == *expected => {}
            other => panic!("{method} {arguments}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_message_is_ignored() {
    let many = std::format!("d1:q4:ping1:t2:aa1:x4096:{}1:y1:qe", "x".repeat(4096));
    let long = std::format!("d1:t65:{}1:y1:re", "x".repeat(65));
    for packet in [
        "",
        "d",
        "garbage",
        "i1e",
        "le",
        "de",
        "d1:y1:qe",
        "d1:t2:aae",
        "d1:t2:aa1:y1:xe",
        "d1:t2:aa1:y1:re",
        "d1:rd2:id3:abce1:t2:aa1:y1:re",
        "d1:rle1:t2:aa1:y1:re",
        &many,
        &long,
    ] {
        assert_eq!(Message::decode(packet.as_bytes()), Err(Problem::Garbage), "{packet}");
    }
}

#[test]
fn odd_answers_of_real_nodes_are_used_as_far_as_they_go() {
    // A list that ends inside an entry, a node at port 0, an address without its port, one string
    // with all peers, keys in the wrong order.
    let nodes = [&[9u8; 20][..], &[10, 0, 0, 1, 1, 1], &[8; 20], &[10, 0, 0, 2, 0, 0], b"x"];
    let nodes = nodes.concat();
    let size = nodes.len();
    let mut packet = b"d2:ip4:\x0a\x00\x00\x091:rd6:values12:\x0a\x00\x00\x03\x00\x01".to_vec();
    packet.extend(b"\x0a\x00\x00\x04\x00\x025:token2:ab2:id20:abcdefghij01234567895:nodes");
    packet.extend(std::format!("{size}:").bytes());
    packet.extend(nodes);
    packet.extend(b"e1:y1:r1:t1:xe");
    let read = Message::decode(&packet).unwrap();
    assert_eq!(read.ip, Some("10.0.0.9:0".parse().unwrap()));
    let Kind::Response(response) = read.kind else { panic!("an answer") };
    assert_eq!(response.nodes.unwrap().len(), 1);
    assert_eq!(response.values.len(), 2);
    let bare = Message::decode(b"d1:e5:Sorry1:t2:aa1:y1:ee").unwrap();
    assert_eq!(bare.kind, Kind::Error { code: code::GENERIC, text: b"" });
}

/// The table of BEP 42.
#[test]
fn ids_follow_from_addresses_as_the_specification_says() {
    for (ip, last, prefix) in [
        ("124.31.75.21", 1, [0x5f, 0xbf, 0xbf]),
        ("21.75.31.124", 86, [0x5a, 0x3c, 0xe9]),
        ("65.23.51.170", 22, [0xa5, 0xd4, 0x32]),
        ("84.124.73.14", 65, [0x1b, 0x03, 0x21]),
        ("43.213.53.83", 90, [0xe5, 0x6f, 0x6c]),
    ] {
        let ip = ip.parse().unwrap();
        let mut drawn = [0; 20];
        drawn[19] = last;
        let id = Id::for_address(ip, &drawn);
        assert_eq!(id.0[..2], prefix[..2], "{ip}");
        assert_eq!(id.0[2] & 0xf8, prefix[2] & 0xf8, "{ip}");
        assert!(id.fits(ip));
        let mut other = id;
        other.0[0] ^= 1;
        assert!(!other.fits(ip), "{ip}");
        assert!(other.fits([192, 168, 1, 1].into()), "at home every id is right");
    }
    let six = "2001:db8::1".parse().unwrap();
    assert!(Id::for_address(six, &[9; 20]).fits(six));
    assert!(!Id([9; 20]).fits(six));
}

#[test]
fn distances_and_shared_bits_agree() {
    let zero = Id([0; 20]);
    assert_eq!(zero.shared_bits(&zero), 160);
    for bits in [0, 1, 7, 8, 21, 159] {
        let near = zero.neighbour(bits, &Id([0xff; 20]));
        assert_eq!(zero.shared_bits(&near), bits);
    }
    assert_eq!(PEER.neighbour(160, &HASH), PEER);
    assert!(zero.distance(&PEER) == PEER);
}

/// The vector of BEP 33.
#[test]
fn filters_are_those_of_the_specification() {
    let expected = hex(
        "F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAEFE5EEDB1FBFAFF67F6\
         ABFF5E43DDBCA3FD9B9FFDF4FFD3E9DFF12D1BDF59DB53DBE9FA5B7FF3B8FDFCDE1AFB8BEDD7BE2F3EE71EBBBF\
         E93BCDEEFE148246C2BC5DBFF7E7EFDCF24FD8DC7ADFFD8FFFDFDDFFF7A4BBEEDF5CB95CE81FC7FCFF1FF4FFFF\
         DFE5F7FDCBB7FD79B3FA1FC77BFE07FFF905B7B7FFC7FEFEFFE0B8370BB0CD3F5B7F2BD93FEB4386CFDD6F7FD5\
         BFAF2E9EBFFFFEECD67ADBF7C67F17EFD5D75EBA6FFEBA7FFF47A91EB1BFBB53E8ABFB5762ABE8FF237279BFEF\
         BFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6FD8F72EF",
    );
    let mut filter = Filter::default();
    assert_eq!(filter.estimate(), 0);
    (0..=255).for_each(|last| filter.insert([192, 0, 2, last].into()));
    for last in 0..=0x3e7 {
        filter.insert(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into());
    }
    assert_eq!(filter.as_bytes()[..], expected);
    // The specification says 1224.9308.
    assert!((1220..1230).contains(&filter.estimate()), "{}", filter.estimate());
    let mut both = Filter::default();
    both.unite(&filter);
    assert_eq!(both, filter);
    assert!(Filter::from_slice(&[0xff; 256]).unwrap().estimate() < 10_000);
}

/// The vectors of BEP 44.
#[test]
fn items_are_stored_where_the_specification_says() {
    let key = hex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
    let key: [u8; 32] = key.try_into().unwrap();
    let value = b"12:Hello World!";
    let target = |id: Id| id.to_string();
    assert_eq!(target(immutable_target(value)), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    assert_eq!(target(mutable_target(&key, b"")), "4a533d47ec9c7d95b1ad75f576cffc641853b750");
    assert_eq!(target(mutable_target(&key, b"foobar")), "411eba73b6f087ca51a3795d9c8c938d365e32c1");
    assert_eq!(signed_bytes(b"", 1, value), b"3:seqi1e1:v12:Hello World!");
    assert_eq!(signed_bytes(b"foobar", 1, value), b"4:salt6:foobar3:seqi1e1:v12:Hello World!");
}

proptest! {
    #[test]
    fn no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::decode(&bytes);
    }
}
