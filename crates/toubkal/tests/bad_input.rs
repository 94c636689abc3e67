//! Bad input ends in one clear message, the documented code, and nothing left behind.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Ran, dict, run, run_with_input, torrent, torrent_with};
use toubkal_wire::bencode::Node;

/// No answer to bad input takes longer.
const LIMIT: Duration = Duration::from_secs(3);

/// Names, contents of files that are no torrents, and words of the message.
fn broken_torrents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = torrent_with([]);
    let half = good[..good.len() / 2].to_vec();
    let file = |length: i64, path: Node| dict([("length", length.into()), ("path", path)]);
    let name = |name: &str| Node::List(vec![name.into()]);
    let files = |files: Vec<Node>| torrent_with([("length", None), ("files", Some(files.into()))]);
    let pieces = |bytes: usize| torrent_with([("pieces", Some(vec![7u8; bytes].into()))]);
    let set = |key: &'static str, value: Node| torrent_with([(key, Some(value))]);
    let unset = |key: &'static str| torrent_with([(key, None)]);
    let mut twice = b"d4:info".to_vec();
    for part in [b"de4:info".as_slice(), &good[good.len() / 2..]] {
        twice.extend_from_slice(part);
    }
    vec![
        ("an empty file", vec![], "empty"),
        ("plain text", b"hello world\n".to_vec(), "byte 0"),
        ("a web page", b"<!DOCTYPE html><html></html>".to_vec(), "web page"),
        ("a gzip file", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "compressed"),
        ("a zip file", b"PK\x03\x04\x14\0".to_vec(), "zip"),
        ("a magnet link in a file", b"magnet:?xt=urn:btih:0".to_vec(), "magnet"),
        ("a torrent cut in half", half, "cut short"),
        ("a list", b"li1ee".to_vec(), "dictionary"),
        ("a dictionary of nothing", b"de".to_vec(), "`info`"),
        ("no info", b"d8:announce3:x:ye".to_vec(), "`info`"),
        ("info that is text", b"d4:info5:helloe".to_vec(), "`info`"),
        ("info twice", twice, ""),
        ("no pieces", unset("pieces"), "`pieces`"),
        ("pieces of 59 bytes", pieces(59), "`pieces`"),
        ("too few pieces", pieces(40), "3 piece hashes"),
        ("too many pieces", pieces(20_000), "3 piece hashes"),
        ("no piece length", unset("piece length"), "`piece length`"),
        ("pieces of no length", set("piece length", 0.into()), "piece length"),
        ("pieces of negative length", set("piece length", (-16_384).into()), "piece length"),
        ("pieces of a terabyte", set("piece length", (1i64 << 40).into()), "piece length"),
        ("a negative length", set("length", (-1).into()), "`length`"),
        ("a length of 2^63 - 1", set("length", i64::MAX.into()), ""),
        ("a length that is text", set("length", "big".into()), "`length`"),
        ("neither length nor files", unset("length"), ""),
        ("length and files", set("files", vec![file(1, name("a"))].into()), "at once"),
        ("no files at all", files(vec![]), "no files"),
        ("a file without a path", files(vec![file(40_000, Node::List(vec![]))]), "path"),
        ("a path that is a number", files(vec![file(40_000, 7.into())]), "path"),
        ("files that are no dictionaries", files(vec![1.into()]), "`files`"),
        (
            "files of 2^63 bytes together",
            files(vec![file(i64::MAX, name("a")), file(i64::MAX, name("b"))]),
            "2^63",
        ),
        ("200,000 nested lists", vec![b'l'; 200_000], "nested"),
        ("200,000 nested dictionaries", b"d1:a".repeat(200_000), "nested"),
        ("a string of 9 TB", b"d4:name9000000000000:x".to_vec(), "longer"),
        ("a string of 2^64 bytes", b"d18446744073709551616:x".to_vec(), "length"),
        ("an integer without digits", b"d1:aiee".to_vec(), "number"),
        ("a version of the future", torrent(dict([("meta version", 9.into())])), ""),
        ("version 2 alone", v2_torrent(), "version 2"),
    ]
}

/// One file of 16 KiB, so that its root is the hash of its one leaf.
fn v2_torrent() -> Vec<u8> {
    let file = dict([("length", 10.into()), ("pieces root", vec![5u8; 32].into())]);
    let tree = dict([("file.bin", dict([("", file)]))]);
    torrent(dict([
        ("file tree", tree),
        ("meta version", 2.into()),
        ("name", "file.bin".into()),
        ("piece length", 16_384.into()),
    ]))
}

/// Runs `toubkal get` on a file that holds this, and sees that nothing else came of it.
fn get(dir: &Path, bytes: &[u8]) -> Ran {
    let source = dir.join("some.torrent");
    fs::write(&source, bytes).unwrap();
    let ran = run(["get".as_ref(), source.as_os_str(), "-o".as_ref(), dir.join("out").as_os_str()]);
    let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["some.torrent"], "{ran:#?}");
    ran
}

#[test]
fn every_broken_torrent_is_refused_with_code_3() {
    let dir = tempfile::tempdir().unwrap();
    for (about, bytes, words) in broken_torrents() {
        let ran = get(dir.path(), &bytes);
        ran.fails_well(3, about);
        assert!(ran.stderr.contains(words), "{about}: {words}: {ran:#?}");
        assert!(ran.stderr.contains("some.torrent"), "{about}: {ran:#?}");
        assert!(ran.took < LIMIT, "{about}: {ran:#?}");
    }
}

#[test]
fn a_broken_torrent_on_standard_input_or_among_others_is_refused_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let ran = run_with_input(["get".as_ref(), "-".as_ref(), "-o".as_ref(), out.as_os_str()], b"no");
    ran.fails_well(3, "standard input");
    assert!(ran.stderr.contains("standard input"));
    let good = dir.path().join("good.torrent");
    fs::write(&good, torrent_with([])).unwrap();
    let bad = dir.path().join("bad.torrent");
    fs::write(&bad, b"d4:infoe").unwrap();
    let args = ["get".as_ref(), good.as_os_str(), bad.as_os_str(), "-o".as_ref(), out.as_os_str()];
    run(args).fails_well(3, "the second of two");
    assert!(!out.exists());
}

#[test]
fn every_other_slip_has_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
    let (good, large, text) = (path("good.torrent"), path("large.iso"), path("file.txt"));
    fs::write(&good, torrent_with([])).unwrap();
    fs::write(&text, "text").unwrap();
    // A sparse file: nothing of it is read.
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let hash = "a".repeat(40);
    let magnet = format!("magnet:?xt=urn:btih:{hash}");
    let v2_magnet = format!("magnet:?xt=urn:btmh:1220{hash}{}", &hash[..24]);
    let publisher = format!("magnet:?xs=urn:btpk:{hash}{}", &hash[..24]);
    let below = format!("{text}/below");
    let missing = path("missing.torrent");
    let here = path("");
    let table: &[(&[&str], i32, &str)] = &[
        (&["get", &missing], 2, "no such file"),
        (&["get", &hash], 2, "info-hash"),
        (&["get", &here], 2, "folder"),
        (&["get", &large], 3, "1.1 TB"),
        (&["seed", &magnet, "--data", "."], 3, "--save"),
        (&["verify", &magnet, "--data", "."], 3, "--save"),
        (&["get", &v2_magnet], 3, "version 2"),
        (&["get", &publisher], 3, "names a publisher"),
        (&["get", "magnet:?xt=urn:btih:zz"], 3, "2 characters instead of 40"),
        (&["get", "ftp://example.org/a.torrent"], 2, "http"),
        (&["get", &good, "-o", &text], 6, "is a file, not a folder"),
        (&["get", &good, "-o", &below], 6, "is a file, not a folder"),
        (&["get", &good, "--select", "*.mkv"], 2, "file.bin"),
        (&["get", &good, "--select", "["], 2, "--select"),
        (&["get", &good, "--down-limit", "fast"], 2, "500k"),
        (&["get", &good, "--peer", "nowhere"], 2, "192.0.2.7:6881"),
        (&["get", &good, "--listen", "7.7.7.7"], 2, "127.0.0.1:6881"),
        (&["get", &good, "--frobnicate"], 2, "toubkal get -h"),
        (&["get", &good, "--sequental"], 2, "--sequential"),
        (&["get"], 2, "SOURCE"),
        (&["gte", &good], 2, "toubkal get"),
        (&[&good], 2, "toubkal get"),
        (&[], 2, "toubkal -h"),
        (&["seed", &good], 2, "--data"),
        (&["verify", &missing, "--data", "."], 2, "no such file"),
        (&["info", &missing], 2, "no such file"),
        (&["info", &text], 1, "is no torrent"),
        (&["bencode", &text], 1, "byte 0"),
        (&["bencode", &missing], 2, "no such file"),
    ];
    for (args, code, words) in table {
        let ran = run(*args);
        let about = args.join(" ");
        ran.fails_well(*code, &about);
        assert!(ran.stderr.contains(words), "{about}: {ran:#?}");
        assert!(ran.took < LIMIT, "{about}: {ran:#?}");
    }
    assert_eq!(run(["info", &text]).stderr.lines().count(), 1, "a plain no is one line");
}

#[test]
fn what_strangers_wrote_cannot_reach_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let evil = "\x1b]0;owned\x07\u{202e}gpj.exe\r\nerror: all is well";
    let torrent = torrent_with([("name", Some(evil.into()))]);
    let path = dir.path().join("evil.torrent");
    fs::write(&path, &torrent).unwrap();
    let shown = [
        run(["info".as_ref(), path.as_os_str()]),
        run(["info".as_ref(), "--json".as_ref(), path.as_os_str()]),
        run(["bencode".as_ref(), path.as_os_str()]),
        run(["bencode".as_ref(), "--json".as_ref(), path.as_os_str()]),
        run(["get".as_ref(), path.as_os_str(), "--select".as_ref(), "x".as_ref()]),
    ];
    fs::write(&path, toubkal_wire::bencode::encode(&dict([("info", evil.into())]))).unwrap();
    let refused = run(["get".as_ref(), path.as_os_str()]);
    for ran in shown.iter().chain([&refused]) {
        let text = format!("{}{}", ran.stdout, ran.stderr);
        let unsafe_char = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.chars().any(unsafe_char), "{ran:#?}");
        assert!(!text.contains("\nerror: all is well"), "{ran:#?}");
    }
}
