//! Downloads over loopback, from the program to itself.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use common::{Content, Running, run, run_with_input, torrent_with};

/// `get` of this content into `out`, with nobody but the named peer.
fn get<'a>(content: &'a Content, out: &'a str, peer: &'a str) -> Vec<&'a str> {
    vec!["get", &content.torrent, "-o", out, "--no-listen", "--peer", peer]
}

#[test]
fn a_folder_comes_whole_and_the_last_line_is_a_sentence() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let ran = run(get(&content, &out, &peer));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
    assert!(ran.stdout.starts_with("things, 1.04 MB in "), "{ran:#?}");
    assert!(ran.stdout.ends_with("/s), verified\n"), "{ran:#?}");
    content.is_same("out");
    // The same command again: nothing to do, and nobody is needed.
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert_eq!(ran.stdout, "things, 1.04 MB, was complete already, verified\n");
}

#[test]
fn json_tells_the_whole_story_in_the_documented_shape() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let running = Running::start(get(&content, &out, &peer).into_iter().chain(["--json"]));
    let (ran, objects) = running.finish();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    let events: Vec<_> = objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!((events[0], events[1]), ("listen", "start"));
    assert_eq!(objects.last().unwrap(), &serde_json::json!({"event": "end", "code": 0}));
    assert_eq!(events.iter().filter(|event| **event == "file").count(), 5);
    let done = objects.iter().find(|object| object["event"] == "done").unwrap();
    assert_eq!((&done["size"], &done["at_once"]), (&content.size.into(), &false.into()));
    let documented =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md")).unwrap();
    for object in &objects {
        for field in object.as_object().unwrap().keys() {
            assert!(documented.contains(&format!("`{field}`")), "{field} is not documented");
        }
    }
}

#[test]
fn json_tells_failures_too() {
    let content = Content::new(None);
    let out = content.path("out");
    let bad = content.path("bad.torrent");
    fs::write(&bad, "no torrent").unwrap();
    let table = [
        (vec!["get", &bad, "-o", &out], 3),
        (vec!["get", &content.torrent, "-o", &out, "--no-listen", "--patience", "1"], 4),
        (vec!["seed", &content.torrent, "--data", &bad], 2),
    ];
    for (args, code) in table {
        let ran = run(args.iter().chain(&["--json"]));
        assert_eq!(ran.code, code, "{ran:#?}");
        ran.says_well("beside JSON");
        let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let objects: Vec<serde_json::Value> = lines.collect();
        let [.., error, end] = &objects[..] else { panic!("{ran:#?}") };
        assert_eq!((&error["event"], &error["code"]), (&"error".into(), &code.into()));
        assert!(ran.stderr.contains(error["what"].as_str().unwrap()), "{ran:#?}");
        assert_eq!(end, &serde_json::json!({"event": "end", "code": code}));
    }
}

#[test]
fn only_what_is_selected_comes() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let mut args = get(&content, &out, &peer);
    args.extend(["--select", "sub", "--select", "*.txt", "--sequential"]);
    let ran = run(&args);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let mut files = content.files("out");
    files.sort();
    assert_eq!(files, ["sub/b.bin", "sub/deep/c.bin", "z.txt"]);
    // The rest later, over what is there.
    let ran = run(get(&content, &out, &peer));
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn a_tracker_brings_them_together_and_standard_input_is_a_source() {
    let tracker = Running::start(["tracker", "--listen", "127.0.0.1:0", "--json"]);
    let announce = tracker.until("listen")["announce"].as_str().unwrap().to_owned();
    let content = Content::new(Some(&announce));
    let (seed, _) = Running::seed(&content);
    seed.until_true(|object| object["event"] == "progress" && object["state"] == "seeding");
    let torrent = fs::read(&content.torrent).unwrap();
    let out = content.path("out");
    // The seed may not be known to the tracker yet: it finds us, then.
    let ran = run_with_input(["get", "-", "-o", &out, "--listen", "127.0.0.1:0"], &torrent);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn two_torrents_at_once_have_a_sentence_each() {
    let (one, two) = (Content::new(None), Content::new(None));
    let other = two.path("other.torrent");
    let path = two.path("data/things/a.bin");
    assert_eq!(run(["create", &path, "-o", &other]).code, 0);
    let data = two.path("data/things");
    let seed = ["seed", &other, "--data", &data, "--listen", "127.0.0.1:0", "--json"];
    let second = Running::start(seed);
    let peer_two = second.until("listen")["addresses"][0].as_str().unwrap().to_owned();
    let (_first, peer_one) = Running::seed(&one);
    let out = one.path("out");
    let peers = ["--peer", &peer_one, "--peer", &peer_two];
    let args = ["get", &one.torrent, &other, "-o", &out, "--no-listen"];
    let ran = run(args.into_iter().chain(peers));
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{ran:#?}");
    one.is_same("out");
    assert!(fs::read(one.path("out/a.bin")).unwrap() == fs::read(path).unwrap());
}

#[test]
fn nobody_there_is_said_and_has_its_code() {
    let content = Content::new(Some("http://127.0.0.1:9/announce"));
    let out = content.path("out");
    let mut args = get(&content, &out, "127.0.0.1:9");
    args.extend(["--patience", "1", "--quiet"]);
    let ran = run(&args);
    ran.fails_well(4, "no peers");
    for words in ["things: no peers", "tracker 127.0.0.1:9", "--peer"] {
        assert!(ran.stderr.contains(words), "{ran:#?}");
    }
    // Nothing came: only the file that takes nothing is there.
    assert_eq!(content.files("out"), ["empty"]);
    let nonsense = ["inf", "NaN", "years", "∞"];
    assert!(!nonsense.iter().any(|word| ran.stderr.contains(word)), "{ran:#?}");
}

#[test]
fn after_ten_seconds_it_is_said_what_was_tried() {
    let content = Content::new(Some("http://127.0.0.1:9/announce"));
    let out = content.path("out");
    let mut args = get(&content, &out, "127.0.0.1:9");
    args.extend(["--patience", "13"]);
    let ran = run(&args);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran:#?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let starting = |words: &str| lines.iter().filter(|line| line.starts_with(words)).count();
    // What the tracker says, once; the sentence; a plain line every ten seconds; the message.
    assert_eq!(starting("tracker 127.0.0.1:9: it refused the connection"), 1, "{ran:#?}");
    let tried = "things: no peers yet. Tracker 127.0.0.1:9: it refused the connection; 1 peer";
    assert_eq!(starting(tried), 1, "{ran:#?}");
    assert_eq!(starting("things: 0 %, "), 1, "{ran:#?}");
    assert_eq!((starting("error: "), lines.len()), (1, 6), "{ran:#?}");
    assert!(!ran.stderr.contains('\x1b'), "{ran:#?}");
}

#[test]
fn after_ten_seconds_programs_hear_why_nothing_comes() {
    let content = Content::new(None);
    let out = content.path("out");
    let mut args = get(&content, &out, "127.0.0.1:9");
    args.extend(["--patience", "13", "--json"]);
    let (ran, objects) = Running::start(&args).finish();
    assert_eq!(ran.code, 4, "{ran:#?}");
    let whys: Vec<_> = objects.iter().filter(|object| object["event"] == "why").collect();
    let [why] = whys[..] else { panic!("{ran:#?}") };
    assert_eq!((&why["reason"], &why["remedy"]), (&"unreachable".into(), &"retry_now".into()));
    let message = why["message"].as_str().unwrap();
    assert!(message.starts_with("The only known peer cannot be reached"), "{message}");
    assert_eq!((&why["figures"]["known"], &why["figures"]["failed"]), (&1.into(), &1.into()));
    assert!(why["details"].as_array().unwrap().len() > 1, "{why}");
}

#[test]
fn a_port_that_is_taken_has_its_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let content = Content::new(None);
    let data = content.path("data");
    for args in [
        &["get", &content.torrent, "-o", "out", "--listen", &address][..],
        &["seed", &content.torrent, "--data", &data, "--listen", &address],
        &["tracker", "--listen", &address],
    ] {
        let ran = run(args);
        ran.fails_well(7, args[0]);
        assert!(ran.stderr.contains(&address), "{ran:#?}");
    }
}

#[test]
fn what_is_not_complete_is_not_seeded_and_not_changed() {
    let content = Content::new(None);
    fs::write(content.path("data/things/z.txt"), "something else").unwrap();
    let data = content.path("data");
    let ran = run(["seed", &content.torrent, "--data", &data, "--no-listen"]);
    ran.fails_well(1, "seed");
    assert_eq!(fs::read(content.path("data/things/z.txt")).unwrap(), b"something else");
    // Nor is it overwritten by a download.
    let ran = run(["get", &content.torrent, "-o", &data, "--no-listen"]);
    ran.fails_well(6, "get");
    assert!(ran.stderr.contains("z.txt") && ran.stderr.contains("another length"), "{ran:#?}");
    assert_eq!(fs::read(content.path("data/things/z.txt")).unwrap(), b"something else");
}

#[test]
fn verify_lists_what_is_not_good() {
    let content = Content::new(None);
    let data = content.path("data");
    let ran = run(["verify", &content.torrent, "--data", &data]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert!(ran.stdout.contains("everything is good"), "{ran:#?}");
    let mut bytes = fs::read(content.path("data/things/a.bin")).unwrap();
    bytes[500_000] ^= 1;
    fs::write(content.path("data/things/a.bin"), bytes).unwrap();
    fs::remove_file(content.path("data/things/sub/deep/c.bin")).unwrap();
    let ran = run(["verify", &content.torrent, "--data", &data]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:#?}");
    assert!(ran.stdout.contains("a.bin") && ran.stdout.contains("missing"), "{ran:#?}");
    let ran = run(["verify", &content.torrent, "--data", &data, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let states: Vec<_> =
        json["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    assert_eq!(states[0], "wrong");
    assert_eq!(states[3], "missing");
    assert_eq!((&json["good"], &json["files"][0]["path"]), (&false.into(), &"a.bin".into()));
}

#[test]
fn the_wrong_folder_is_told_from_a_bad_one() {
    let content = Content::new(None);
    let inside = content.path("data/things");
    let ran = run(["verify", &content.torrent, "--data", &inside]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 1), "{ran:#?}");
    assert!(ran.stderr.contains("--data is the folder that holds things"), "{ran:#?}");
    let ran = run(["seed", &content.torrent, "--data", &inside, "--no-listen"]);
    ran.fails_well(1, "seed");
    assert!(ran.stderr.contains("--data is the folder that holds things"), "{ran:#?}");
}

/// A name that one system can hold and another cannot is changed everywhere. Whoever makes such a
/// torrent hears of it at once, and again when the file is not found under its new name.
#[cfg(unix)]
#[test]
fn names_that_will_be_others_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(path("films")).unwrap();
    fs::write(path("films/Who: a film.mkv"), "film").unwrap();
    let ran = run(["create", &path("films"), "-o", &path("films.torrent")]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stderr.contains("`Who: a film.mkv` becomes `Who_ a film.mkv`"), "{ran:#?}");
    let args = ["seed", &path("films.torrent"), "--data", &path(""), "--no-listen"];
    let ran = run(args);
    ran.fails_well(1, "seed");
    assert!(ran.stderr.contains("`Who: a film.mkv` becomes `Who_ a film.mkv`"), "{ran:#?}");
    fs::rename(path("films/Who: a film.mkv"), path("films/Who_ a film.mkv")).unwrap();
    let ran = run(["verify", &path("films.torrent"), "--data", &path("")]);
    assert_eq!(ran.code, 0, "{ran:#?}");
}

#[test]
fn create_prints_the_info_hash_and_overwrites_nothing() {
    let content = Content::new(None);
    let path = content.path("data/things");
    let again = content.path("again.torrent");
    let ran = run(["create", &path, "-o", &again, "--piece-length", "16KiB", "--private"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.stdout.trim().len(), 40, "{ran:#?}");
    let info = run(["info", "--json", &again]).stdout;
    let json: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!((&json["v1"], &json["private"]), (&ran.stdout.trim().into(), &true.into()));
    let before = fs::read(&again).unwrap();
    let ran = run(["create", &path, "-o", &again]);
    ran.fails_well(6, "create");
    assert!(ran.stderr.contains("--force"), "{ran:#?}");
    assert_eq!(fs::read(&again).unwrap(), before);
    assert_eq!(run(["create", &path, "-o", &again, "--force"]).code, 0);
    for (args, code) in [
        (&["create", "/nowhere", "-o", &again, "--force"][..], 2),
        (&["create", &path, "-o", &content.path("no/folder/x")], 2),
        (&["create", &path, "-o", "x", "--piece-length", "1000"], 2),
        (&["create", &path, "-o", "x", "--announce", "tracker"], 2),
    ] {
        run(args).fails_well(code, &args.join(" "));
    }
}

#[test]
fn the_demonstration_works_and_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let child = common::toubkal(["demo", "--size", "3MB", "--seeds", "2"])
        .envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, dir.path())))
        .spawn()
        .unwrap();
    let ran = common::finish(child);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.starts_with("demo, 3 MB in ") && ran.stdout.ends_with("verified\n"));
    assert!(ran.stderr.contains("byte for byte"), "{ran:#?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Answers one request after the other with these, and says where.
fn web_server(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            // The client may have had enough.
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{address}")
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn a_torrent_comes_from_the_web_and_what_goes_wrong_there_is_explained() {
    let torrent = torrent_with([]);
    let moved = answer("302 Found\r\nLocation: /there.torrent", b"");
    let url = web_server(vec![moved, answer("200 OK", &torrent)]);
    let ran = run(["info", &format!("{url}/a.torrent?passkey=secret")]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert!(ran.stdout.starts_with("file.bin\n"), "{ran:#?}");
    let page = answer("200 OK", b"<html>Log in first</html>");
    let to_file = answer("302 Found\r\nLocation: file:///etc/passwd", b"");
    let table: Vec<(Vec<u8>, i32, &str)> = vec![
        (answer("404 Not Found", b""), 1, "404 (Not Found)"),
        (page, 3, "web page"),
        (to_file, 1, "not safe to follow"),
        (b"nonsense\r\n\r\n".to_vec(), 1, "not HTTP"),
    ];
    for (bytes, code, words) in table {
        let url = format!("{}/x.torrent?passkey=secret", web_server(vec![bytes]));
        let ran = run(["get", &url]);
        ran.fails_well(code, words);
        assert!(ran.stderr.contains(words), "{ran:#?}");
        assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    }
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(["get", &format!("http://{closed}/x.torrent")]).fails_well(1, "refused");
}
