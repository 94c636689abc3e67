//! What belongs to the user alone is told to the tracker, and to nobody else.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use common::{dict, run, torrent};
use toubkal_wire::bencode::{Node, encode};

const PASSKEY: &str = "5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0";
const TOKEN: &str = "t0ken-that-nobody-may-see";

/// A server that answers everything with this, and tells what it was asked.
fn server(status: &'static str, body: String) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            // The rest of the head ends in an empty line.
            lines.by_ref().map_while(Result::ok).find(String::is_empty);
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            // Who asked may have gone.
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            let _ = tell.send(first);
        }
    });
    (addr, asked)
}

fn refusal() -> String {
    let words = format!("the passkey {PASSKEY} at /{PASSKEY}/announce is not known");
    String::from_utf8(encode(&dict([("failure reason", Node::from(words.as_str()))]))).unwrap()
}

/// A torrent with this tracker, in a file.
fn with_tracker(dir: &std::path::Path, tracker: &str) -> String {
    let mut bytes = format!("d8:announce{}:{tracker}4:info", tracker.len()).into_bytes();
    let whole = torrent(Node::Dict(common::info()));
    let start = whole.windows(6).position(|window| window == b"4:info").unwrap() + 6;
    bytes.extend_from_slice(&whole[start..]);
    let path = dir.join("secret.torrent");
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// A passkey, a user's name and a password in the tracker's address, in its answers and in its
/// errors: no output of `get` holds any of them.
#[test]
fn no_secret_of_an_address_is_in_any_output() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _refused) = server("200 OK", refusal());
    let (failing, _failed) = server("403 Forbidden", format!("{PASSKEY} is not welcome"));
    let (breaking, _broke) = server("200 OK", format!("<html>{PASSKEY}</html>"));
    for addr in [closed, refusing, failing, breaking] {
        let url = format!("http://me:{TOKEN}@{addr}/{PASSKEY}/announce?key={TOKEN}");
        let torrent = with_tracker(dir.path(), &url);
        for format in [&[][..], &["--json"]] {
            let args = ["get", &torrent, "-o", &out, "--no-listen", "--patience", "1"];
            let ran = run(args.iter().chain(format));
            assert_eq!(ran.code, 4, "{ran:#?}");
            assert!(format!("{ran:?}").contains(&addr.port().to_string()), "{ran:#?}");
            for secret in [PASSKEY, TOKEN] {
                assert!(!format!("{ran:?}").contains(secret), "{ran:#?}");
            }
        }
    }
    // A torrent behind a secret address.
    let url = format!("http://me:{TOKEN}@{failing}/{PASSKEY}/a.torrent?key={TOKEN}");
    for args in [&["get", &url, "--json"][..], &["get", &url], &["info", &url]] {
        let ran = run(args);
        assert_ne!(ran.code, 0, "{ran:#?}");
        assert!(!format!("{ran:?}").contains(TOKEN), "{ran:#?}");
    }
}

/// The value of a parameter of a request.
fn parameter<'r>(request: &'r str, name: &str) -> &'r str {
    let query = request.split(['?', ' ']).nth(2).unwrap_or_default();
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} is missing in {request}"))
}

/// Who could guess them could speak for us.
#[test]
fn the_peer_id_and_the_key_are_others_in_every_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let (addr, asked) = server("200 OK", refusal());
    let torrent = with_tracker(dir.path(), &format!("http://{addr}/announce"));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let args = ["get", &torrent, "-o", &out, "--no-listen", "--patience", "1"];
        assert_eq!(run(args).code, 4);
        let request = asked.try_iter().next().expect("the tracker was asked");
        let (id, key) = (parameter(&request, "peer_id"), parameter(&request, "key"));
        // BEP 20: only the name of the program is the same.
        assert_eq!(&id[..3], "-TK", "{request}");
        seen.push((id[8..].to_owned(), key.to_owned()));
    }
    for (at, (id, key)) in seen.iter().enumerate() {
        assert!(seen[..at].iter().all(|other| other.0 != *id && other.1 != *key), "{seen:?}");
    }
}
