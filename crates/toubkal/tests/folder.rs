//! Whatever lies in the download folder, or happens to it: nothing is lost, nothing is written
//! outside, and what went wrong is said.
#![cfg(unix)]

mod common;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Content, Running, dict, finish, run, torrent_with, toubkal};
use serde_json::Value;
use toubkal_wire::bencode::Node;

/// `get` of this content, so slow that something can happen meanwhile.
fn slow_get(content: &Content, peer: &str, out: &str) -> Running {
    let words = ["--no-listen", "--peer", peer, "--down-limit", "200k", "--json"];
    let getting = Running::start(["get", &content.torrent, "-o", out].into_iter().chain(words));
    let moves = |object: &Value| object["done"].as_u64().is_some_and(|done| done > 0);
    getting.until_true(moves);
    getting
}

/// Every byte below a folder, to see that nothing was changed.
fn snapshot(dir: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        found.push((path.display().to_string(), kind.is_file().then(|| fs::read(&path).unwrap())));
        if kind.is_dir() {
            found.extend(snapshot(&path));
        }
    }
    found.sort();
    found
}

/// Puts something into a download folder.
type Lay = fn(&Path);

#[test]
fn what_is_in_the_way_is_named_and_left_alone() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let place = |out: &str| content.dir.path().join(out);
    // What lies there, what is said of it, and whether --adopt would help.
    let cases: [(&str, Lay, &str, bool); 6] = [
        (
            "short",
            |dir| fs::write(dir.join("things/a.bin"), "mine").unwrap(),
            "of another length has this name, 4 bytes",
            false,
        ),
        (
            "alike",
            |dir| fs::write(dir.join("things/a.bin"), vec![0; 700_001]).unwrap(),
            "of this name and length",
            true,
        ),
        (
            "folder",
            |dir| fs::create_dir(dir.join("things/a.bin")).unwrap(),
            "something else has this name",
            false,
        ),
        (
            "file",
            |dir| {
                fs::remove_dir(dir.join("things")).unwrap();
                fs::write(dir.join("things"), "mine").unwrap();
            },
            "file/things is a file",
            false,
        ),
        ("deep", |dir| fs::write(dir.join("things/sub"), "mine").unwrap(), "sub is a file", false),
        (
            "nowhere",
            |dir| {
                fs::remove_dir_all(dir).unwrap();
                symlink("/nowhere/at/all", dir).unwrap();
            },
            "nowhere is a link that leads to no folder",
            false,
        ),
    ];
    for (name, lay, words, adopt) in cases {
        let out = place(name);
        fs::create_dir_all(out.join("things")).unwrap();
        lay(&out);
        let before = if name == "nowhere" { vec![] } else { snapshot(&out) };
        let out = out.to_str().unwrap();
        let ran = run(["get", &content.torrent, "-o", out, "--no-listen", "--peer", &peer]);
        ran.fails_well(6, name);
        assert!(ran.stderr.contains(words), "{name}: {ran:#?}");
        assert_eq!(ran.stderr.contains("--adopt"), adopt, "{name}: {ran:#?}");
        for (path, bytes) in before {
            assert!(bytes.is_none_or(|bytes| fs::read(&path).unwrap() == bytes), "{path} changed");
        }
    }
    // The advice is good.
    let out = content.path("alike");
    let args = ["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer, "--adopt"];
    assert_eq!(run(args).code, 0);
    content.is_same("alike");
}

#[test]
fn no_link_in_the_folder_leads_out_of_it() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let outside = content.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let out = content.dir.path().join("out");
    fs::create_dir_all(out.join("things")).unwrap();
    symlink(&outside, out.join("things/sub")).unwrap();
    let out = out.to_str().unwrap();
    let ran = run(["get", &content.torrent, "-o", out, "--no-listen", "--peer", &peer]);
    ran.fails_well(6, "a link to another folder");
    assert!(ran.stderr.contains("leads out of the download folder"), "{ran:#?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // Nor does a link to a file that is not there, or is.
    fs::remove_file(content.path("out/things/sub")).unwrap();
    let target = outside.join("target");
    symlink(&target, content.path("out/things/z.txt")).unwrap();
    let ran = run(["get", &content.torrent, "-o", out, "--no-listen", "--peer", &peer]);
    ran.fails_well(6, "a link to a file");
    assert!(!target.exists());
}

/// BEP 47: a torrent may hold links. Here one leads out, and a file goes through it.
#[test]
fn a_link_in_a_torrent_and_a_file_through_it_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let list = |parts: &[&str]| Node::List(parts.iter().map(|part| Node::from(*part)).collect());
    let link = dict([
        ("attr", "l".into()),
        ("length", 0.into()),
        ("path", list(&["link"])),
        ("symlink path", list(&["..", "..", "outside"])),
    ]);
    let through = dict([("length", 0.into()), ("path", list(&["link", "evil"]))]);
    let real = dict([("length", 40_000.into()), ("path", list(&["real"]))]);
    let files = Node::List(vec![link, through, real]);
    let torrent = dir.path().join("link.torrent");
    fs::write(&torrent, torrent_with([("length", None), ("files", Some(files))])).unwrap();
    let out = dir.path().join("out");
    let mut args = vec!["get".as_ref(), torrent.as_os_str(), "-o".as_ref(), out.as_os_str()];
    args.extend(["--no-listen", "--patience", "1"].map(std::ffi::OsStr::new));
    let ran = run(args);
    assert_eq!(ran.code, 4, "nothing but peers is missing: {ran:#?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let made = snapshot(dir.path());
    assert!(made.iter().any(|(path, _)| path.ends_with("evil")), "{made:?}");
    let is_link = |path: &str| fs::symlink_metadata(path).unwrap().is_symlink();
    assert!(!made.iter().any(|(path, _)| is_link(path)), "{made:?}");
}

#[test]
fn a_second_process_leaves_the_folder_to_the_first() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let first = slow_get(&content, &peer, &out);
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
    ran.fails_well(1, "the second");
    assert!(ran.stderr.contains("another process"), "{ran:#?}");
    let (ran, _) = first.finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn a_folder_that_goes_away_is_told_of_and_not_made_again() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let getting = slow_get(&content, &peer, &out);
    fs::rename(&out, content.path("moved")).unwrap();
    let (ran, _) = getting.finish();
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.says_well("the folder is gone");
    assert!(ran.stderr.contains("not there any more"), "{ran:#?}");
    assert!(!Path::new(&out).exists());
    // Where it is now, it goes on.
    let moved = content.path("moved");
    assert_eq!(
        run(["get", &content.torrent, "-o", &moved, "--no-listen", "--peer", &peer]).code,
        0
    );
    content.is_same("moved");
}

#[test]
fn a_seed_whose_file_was_cut_gives_nothing_wrong_and_shares_the_others() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let data = content.path("data");
    let copy = content.path("copy");
    common::output(Command::new("cp").args(["-R", &data, &copy]));
    let words = ["--data", &copy, "--listen", "127.0.0.1:0", "--json"];
    let cut = Running::start(["seed", &content.torrent].into_iter().chain(words));
    let address = cut.until("listen")["addresses"][0].as_str().unwrap().to_owned();
    cut.until("done");
    let file = fs::OpenOptions::new().write(true).open(content.path("copy/things/a.bin")).unwrap();
    file.set_len(1000).unwrap();
    let out = content.path("out");
    let peers = ["--no-listen", "--peer", &address, "--json"];
    let getting = Running::start(["get", &content.torrent, "-o", &out].into_iter().chain(peers));
    let notice = cut.until("notice");
    let message = notice["message"].as_str().unwrap();
    assert!(message.contains("a.bin is not shared any more"), "{message}");
    drop(getting);
    let other = ["get", &content.torrent, "-o", &content.path("other"), "--select", "z.txt"];
    let ran = run(other.into_iter().chain(["--no-listen", "--peer", &address]));
    assert_eq!(ran.code, 0, "{ran:#?}");
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn a_download_that_is_killed_ten_times_comes_whole() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    for number in 0..10 {
        let words = ["--no-listen", "--peer", &peer, "--down-limit", "300k"];
        let mut child = toubkal(["get", &content.torrent, "-o", &out].into_iter().chain(words))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Any moment will do, and another one in each run.
        let chance = RandomState::new().hash_one(number) % 300;
        thread::sleep(Duration::from_millis(chance));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn sixty_four_descriptors_are_enough_and_too_few_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir_all(path("data/many")).unwrap();
    for number in 0..300 {
        fs::write(path(&format!("data/many/{number}")), vec![number as u8; 1000 + number]).unwrap();
    }
    let torrent = path("many.torrent");
    assert_eq!(run(["create", &path("data/many"), "-o", &torrent]).code, 0);
    let words = ["--listen", "127.0.0.1:0", "--json"];
    let seed = Running::start(["seed", &torrent, "--data", &path("data")].into_iter().chain(words));
    let peer = seed.until("listen")["addresses"][0].as_str().unwrap().to_owned();
    let get = |files: &str, out: &str| {
        let program = env!("CARGO_BIN_EXE_toubkal");
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $1; shift; exec \"$0\" \"$@\"", program, files]);
        command.args(["get", &torrent, "-o", out, "--no-listen", "--peer", &peer]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    };
    let ran = get("64", &path("out"));
    assert_eq!(ran.code, 0, "{ran:#?}");
    for number in 0..300 {
        let name = format!("many/{number}");
        let read = |base: &str| fs::read(path(&format!("{base}/{name}"))).unwrap();
        assert!(read("data") == read("out"), "{name} differs");
    }
    let ran = get("13", &path("few"));
    ran.fails_well(1, "13 descriptors");
    assert!(ran.stderr.contains("too many files are open"), "{ran:#?}");
}
