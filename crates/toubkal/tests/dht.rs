//! `toubkal dht`, `publish` and `subscribe`, with one node on loopback.

mod common;

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use common::{Content, Running, run};
use toubkal_wire::bencode::{self, Mode, Node};

/// A node, and where it is.
fn node() -> (Running, String) {
    let node = Running::start(["dht", "node", "--listen", "127.0.0.1:0", "--json"]);
    let listen = node.until("listen");
    let address = listen["addresses"][0].as_str().unwrap().to_owned();
    (node, address)
}

#[test]
fn what_is_stored_is_read_again() {
    let (_node, at) = node();
    let put = run(["dht", "put", "hello", "--bootstrap", &at]);
    assert_eq!(put.code, 0, "{put:#?}");
    let got = run(["dht", "get", put.stdout.trim(), "--bootstrap", &at]);
    assert_eq!((got.code, got.stdout.as_str()), (0, "hello\n"), "{got:#?}");
    let ping = run(["dht", "ping", &at, "--json"]);
    assert!(ping.stdout.contains("\"event\":\"pong\""), "{ping:#?}");
    let stats = run(["dht", "stats", "--bootstrap", &at, "--json"]);
    assert!(stats.stdout.contains("\"event\":\"stats\""), "{stats:#?}");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let (_node, at) = node();
    let nothing = "0123456789012345678901234567890123456789";
    run(["dht", "get", nothing, "--bootstrap", &at]).fails_well(1, "an item that is not there");
    run(["dht", "find-peers", nothing, "--bootstrap", &at]).fails_well(1, "a torrent of nobody");
    run(["dht", "stats", "--no-dht"]).fails_well(2, "no DHT");
    run(["dht", "stats", "--bootstrap", "127.0.0.1:9", "--timeout", "1"]).fails_well(1, "silence");
    run(["dht", "get", "xyz"]).fails_well(2, "no target");
}

#[test]
fn records_that_name_no_torrent_are_told_apart() {
    let (_node, at) = node();
    let content = Content::new(None);
    let (key, out) = (content.path("key"), content.path("followed"));
    let put = run(["dht", "put", "hello", "--key", &key, "--bootstrap", &at, "--json"]);
    assert!(!put.stdout.contains(fs::read_to_string(&key).unwrap().trim()), "a secret is shown");
    let put: serde_json::Value = serde_json::from_str(&put.stdout).unwrap();
    let subscribe = |key: &str| {
        let link = format!("magnet:?xs=urn:btpk:{key}");
        let listen = ["--listen", "127.0.0.1:0", "--bootstrap", &at];
        run(["subscribe", &link, "-o", &out, "--once"].into_iter().chain(listen))
    };
    let other = subscribe(put["key"].as_str().unwrap());
    other.fails_well(3, "a record of something else");
    assert!(other.stderr.contains("names no torrent"), "{other:#?}");
    let none = subscribe(&"ab".repeat(32));
    none.fails_well(1, "a key without a record");
    assert!(none.stderr.contains("nothing is published"), "{none:#?}");
    let link = format!("magnet:?xt=urn:btih:{}", "a".repeat(40));
    run(["subscribe", &link]).fails_well(3, "a link of one torrent");
}

/// Two nodes that have never met know two versions; a third lies.
#[test]
fn a_record_that_is_older_or_not_signed_right_is_passed_over() {
    let ((_first, first), (_second, second)) = (node(), node());
    let content = Content::new(None);
    let (key, data, out) = (content.path("key"), content.path("data"), content.path("followed"));
    let old = content.path("old.torrent");
    fs::write(&old, common::torrent_with([])).unwrap();
    let publish = ["--key", &key, "--data", &data, "--json", "--listen", "127.0.0.1:0"];
    let once = ["publish", &old, "--once", "--bootstrap", &first];
    let ran = run(once.into_iter().chain(publish));
    assert_eq!(ran.code, 0, "{ran:#?}");
    let published = ran.stdout.lines().find(|line| line.contains("\"published\"")).unwrap();
    let published: serde_json::Value = serde_json::from_str(published).unwrap();
    let older = published["seq"].as_u64().unwrap();
    // A version has a greater number when it comes in another second.
    while std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() <= older {
        std::thread::sleep(Duration::from_millis(20));
    }
    let publish = ["publish", &content.torrent, "--bootstrap", &second].into_iter().chain(publish);
    let publish = Running::start(publish);
    let published = publish.until("published");
    let (link, newer) = (published["link"].as_str().unwrap(), &published["seq"]);
    let subscribe = |node: &str| {
        run([
            "subscribe",
            link,
            "-o",
            &out,
            "--once",
            "--listen",
            "127.0.0.1:0",
            "--bootstrap",
            node,
        ])
    };
    let ran = subscribe(&second);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("followed");

    let ran = subscribe(&first);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let words = format!("version {older} was found, which is older than version {newer}");
    assert!(ran.stderr.contains(&words), "{ran:#?}");
    let ran = subscribe(&liar(link));
    ran.fails_well(1, "a record that is not signed");
    assert!(ran.stderr.contains("none has a record that is right"), "{ran:#?}");
    content.is_same("followed");
}

/// A node that answers everybody with a record of a key, newer than any, whose signature is wrong.
fn liar(link: &str) -> String {
    let (_, key) = link.split_once("urn:btpk:").unwrap();
    let digits = |at: usize| u8::from_str_radix(&key[at..at + 2], 16).unwrap();
    let key: Vec<u8> = (0..64).step_by(2).map(digits).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 2000];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let query = bencode::decode(&packet[..length], Mode::Tolerant).unwrap();
            // BEP 44.
            let entries = [
                ("id", Node::from(&[b'i'; 20][..])),
                ("k", Node::from(&key[..])),
                ("nodes", Node::from("")),
                ("seq", Node::from(1 << 60)),
                ("sig", Node::from(&[b's'; 64][..])),
                ("token", Node::from("token")),
                ("v", common::dict([("ih", Node::from(&[b'h'; 20][..]))])),
            ];
            let transaction = query.root().get(b"t").and_then(bencode::Value::as_bytes).unwrap();
            let answer = common::dict([
                ("r", common::dict(entries)),
                ("t", Node::from(transaction)),
                ("y", Node::from("r")),
            ]);
            socket.send_to(&bencode::encode(&answer), from).unwrap();
        }
    });
    at
}

#[test]
fn a_private_torrent_is_not_published() {
    let content = Content::new(None);
    let torrent = content.path("private.torrent");
    let private = common::torrent_with([("private", Some(Node::from(1)))]);
    fs::write(&torrent, private).unwrap();
    let key = content.path("key");
    let ran = run(["publish", &torrent, "--key", &key, "--once", "--bootstrap", "127.0.0.1:9"]);
    ran.fails_well(2, "a private torrent");
    assert!(ran.stderr.contains("it is private"), "{ran:#?}");
}

#[test]
fn what_is_followed_is_fetched_once() {
    let (_node, at) = node();
    let content = Content::new(None);
    let (key, data, out) = (content.path("key"), content.path("data"), content.path("followed"));
    let listen = ["--listen", "127.0.0.1:0", "--bootstrap", &at];
    let args = ["publish", &content.torrent, "--key", &key, "--data", &data, "--json"];
    let publish = Running::start(args.into_iter().chain(listen));
    let link = publish.until("published")["link"].as_str().unwrap().to_owned();
    let subscribe = || {
        let args = ["subscribe", &link, "-o", &out, "--once", "--json"];
        run(args.into_iter().chain(listen))
    };
    let first = subscribe();
    assert_eq!(first.code, 0, "{first:#?}");
    assert!(first.stdout.contains("\"event\":\"version\""), "{first:#?}");
    content.is_same("followed");
    let second = subscribe();
    assert_eq!(second.code, 0, "{second:#?}");
    assert!(!second.stdout.contains("\"event\":\"version\""), "{second:#?}");
}
