//! Tests of magnet links.

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;

const HEX: &str = "0123456789abcdef0123456789ABCDEF01234567";
const BASE32: &str = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH";

fn hash() -> Sha1Hash {
    let mut hash = [0; 20];
    let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    hash.iter_mut().zip(bytes.iter().cycle()).for_each(|(to, from)| *to = *from);
    hash
}

fn read(rest: &str) -> Magnet {
    Magnet::parse(&format!("magnet:?xt=urn:btih:{HEX}{rest}")).unwrap()
}

#[test]
fn a_hash_is_read_in_every_way_of_writing() {
    for link in [
        format!("magnet:?xt=urn:btih:{HEX}"),
        format!("magnet:?xt=urn:btih:{BASE32}"),
        format!("MAGNET:?XT=URN:BTIH:{}", BASE32.to_lowercase()),
        format!("magnet:?dn=a&amp;amp;xt.1=urn%3Abtih%3A{HEX}&xt.2=urn:sha1:{BASE32}"),
        format!("  magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{BASE32}\n"),
    ] {
        assert_eq!(Magnet::parse(&link).unwrap().v1, Some(hash()), "{link}");
    }
}

#[test]
fn both_hashes_of_a_hybrid_are_read() {
    let magnet = read(&format!("&xt=urn:btmh:1220{}", "Ab".repeat(32)));
    assert_eq!(magnet.v1, Some(hash()));
    assert_eq!(magnet.v2, Some([0xab; 32]));
    let alone = format!("magnet:?xt=urn:btmh:1220{}", "00".repeat(32));
    assert_eq!(Magnet::parse(&alone).unwrap().v1, None);
}

#[test]
fn a_publisher_is_read_with_its_salt() {
    // The link of BEP 46's test vectors.
    let key = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e";
    let magnet = Magnet::parse(&format!("magnet:?s=6e&xs=urn:btpk:{key}")).unwrap();
    let publisher = magnet.publisher.clone().unwrap();
    assert_eq!((publisher.key[0], publisher.salt), (0x85, b"n".to_vec()));
    assert_eq!(magnet.to_string(), format!("magnet:?xs=urn:btpk:{key}&s=6e"));
    // Without one, `s` is a stranger.
    assert_eq!(read("&s=6e").others, [("s".to_string(), "6e".to_string())]);
}

#[test]
fn names_trackers_and_web_seeds_are_decoded_once() {
    let magnet = read(
        "&dn=a+b%20c%2B&dn=second&tr=udp%3A%2F%2Ft.example%3A80%2Fa%2520b&tr.7=http://x/a+b\
         &tr=http://x/a+b&tr=&ws=https://w.example/%C3%A9",
    );
    assert_eq!(magnet.name.as_deref(), Some("a b c+"));
    assert_eq!(magnet.trackers, ["udp://t.example:80/a%20b", "http://x/a+b"]);
    assert_eq!(magnet.web_seeds, ["https://w.example/é"]);
}

#[test]
fn peers_are_names_and_addresses_with_a_port() {
    let magnet = read(
        "&x.pe=peer.example:1&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:65535&x.pe=192.0.2.1:6881\
         &x.pe=2001:db8::1:5&x.pe=a:0&x.pe=b&x.pe=%5B::1%5D:9&x.pe=a%20b:1&x.pe=[x]:1",
    );
    let peers: Vec<String> = magnet.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["peer.example:1", "192.0.2.1:6881", "[2001:db8::1]:65535", "[::1]:9"]);
    let odd = ["2001:db8::1:5", "a:0", "b", "a b:1", "[x]:1"];
    assert_eq!(magnet.oddities, odd.map(|text| Oddity::Peer(text.into())));
}

#[test]
fn files_are_selected_by_ranges() {
    let magnet = read("&so=6-8,0,2,7-9,3,x,9-8,500000,-1");
    let selection = magnet.select_only.unwrap();
    assert_eq!(selection.to_string(), "0,2-3,6-9");
    assert_eq!(selection.files().collect::<Vec<_>>(), [0, 2, 3, 6, 7, 8, 9]);
    for file in 0..20 {
        assert_eq!(selection.contains(file), selection.files().any(|other| other == file));
    }
    assert_eq!(magnet.oddities.len(), 4);
    assert_eq!(read("&so=").select_only, None);
}

#[test]
fn what_nobody_knows_is_kept_as_it_stood_and_in_order() {
    let magnet = read("&kt=a+b%2B&x.foo=é&as=1&bare&dn&as=2&xt=urn:ed2k:31&xs=http://x/");
    let others: Vec<String> = magnet.others.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let expected = ["kt=a+b%2B", "x.foo=%C3%A9", "as=1", "bare=", "as=2", "xt=urn:ed2k:31"];
    assert_eq!(others[..6], expected);
    assert!(magnet.to_string().ends_with(
        "&kt=a+b%2B&x.foo=%C3%A9&as=1&bare=&as=2\
        &xt=urn:ed2k:31&xs=http://x/"
    ));
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let start = "magnet:?xt=urn:btih:";
    let other = "f".repeat(40);
    for (link, message) in [
        ("http://x".into(), "it does not begin with magnet:?"),
        (" \n ".into(), "it does not begin with magnet:?"),
        ("magnet:xt=1".into(), "it does not begin with magnet:?"),
        ("magnet:?dn=x".into(), "there is no info-hash in it (xt=urn:btih:...)"),
        (
            format!("{start}{}", &HEX[1..]),
            "its info-hash has 39 characters instead of 40 (hexadecimal) or 32 (base32), \
             at character 12",
        ),
        (
            format!("{start}{}x", &HEX[1..]),
            "its info-hash has a character that is no digit of it, at character 12",
        ),
        (
            format!("{start}{}1", &BASE32[1..]),
            "its info-hash has a character that is no digit of it, at character 12",
        ),
        (
            format!("magnet:?dn=x&xt=urn:btmh:1221{}", "00".repeat(32)),
            "its version 2 info-hash is not 1220 and 64 hexadecimal digits, at character 17",
        ),
        (
            "magnet:?xs=urn:btpk:00".into(),
            "its public key (xs) is not 64 hexadecimal digits, at character 12",
        ),
        (
            format!("magnet:?xs=urn:btpk:{}&s=0", "00".repeat(32)),
            "its salt (s) is not at most 128 hexadecimal digits, at character 88",
        ),
        (
            format!("{start}{HEX}&xt=urn:btih:{other}"),
            "it has two different ones of urn:btih:, at character 65",
        ),
        (format!("{start}{}", "x".repeat(LINK_BYTES_MAX)), "it is longer than 64 KiB"),
    ] {
        assert_eq!(Magnet::parse(&link).unwrap_err().to_string(), message, "{link:.80}");
    }
}

#[test]
fn an_empty_salt_is_none_wherever_it_stands() {
    let key = "ab".repeat(32);
    for rest in ["&s=&s=", "&s=&s=6e", "&s=6e&s="] {
        let magnet = Magnet::parse(&format!("magnet:?xs=urn:btpk:{key}{rest}")).unwrap();
        assert!(magnet.others.is_empty(), "{rest}");
        assert_eq!(Magnet::parse(&magnet.to_string()), Ok(magnet), "{rest}");
    }
}

#[test]
fn what_is_too_much_is_left_out() {
    let many: String = (0..300).map(|n| format!("&tr=http://{n}&x.pe=a:{}", n + 1)).collect();
    let magnet = read(&format!("{many}&dn={}", "é".repeat(600)));
    assert_eq!((magnet.trackers.len(), magnet.peers.len()), (TRACKERS_MAX, PEERS_MAX));
    assert_eq!(magnet.name.unwrap().len(), NAME_BYTES_MAX);
    let cut = vec![Oddity::Cut("x.pe"), Oddity::Cut("tr"), Oddity::Cut("dn")];
    assert_eq!(magnet.oddities, cut);
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(rest in "(&(tr|ws|dn|so|x\\.pe|s|zz|xt)=[ -~é]{0,12}){0,6}") {
        if let Ok(mut magnet) = Magnet::parse(&format!("magnet:?xt=urn:btih:{HEX}{rest}")) {
            let printed = magnet.to_string();
            magnet.oddities.clear();
            prop_assert_eq!(Magnet::parse(&printed).unwrap(), magnet, "{}", printed);
        }
    }
}
