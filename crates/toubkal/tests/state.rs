//! What the program remembers of downloads, where, and when it does not.

mod common;

use std::fs;
use std::path::Path;

use common::{Content, Ran, Running, run};
use serde_json::Value;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// `get` with JSON: how it ended, and what was known at the start.
fn get(content: &Content, out: &str, more: &[&str]) -> (Ran, Value) {
    let args = ["get", &content.torrent, "-o", out, "--no-listen", "--json"];
    let (ran, objects) = Running::start(args.iter().chain(more)).finish();
    let checked = objects.into_iter().find(|object| object["event"] == "checked");
    (ran, checked.unwrap_or_default())
}

fn known(checked: &Value) -> (u64, u64) {
    (checked["remembered"].as_u64().unwrap(), checked["checked"].as_u64().unwrap())
}

#[test]
fn a_finished_folder_is_recognised_without_being_read() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    assert_eq!(get(&content, &out, &["--peer", &peer]).0.code, 0);
    assert_eq!(names(Path::new(&out)), [".toubkal", "things"]);
    assert_eq!(names(&Path::new(&out).join(".toubkal")), ["state.db", "state.db.copy"]);
    let (ran, checked) = get(&content, &out, &[]);
    let pieces = checked["pieces"].as_u64().unwrap();
    assert_eq!((ran.code, known(&checked)), (0, (pieces, 0)));
    // Unless that is wanted.
    assert_eq!(known(&get(&content, &out, &["--check"]).1), (0, pieces));
    assert_eq!(known(&get(&content, &out, &["--no-state"]).1), (0, pieces));
    // A seed believes it as well, and makes none where there is none.
    let words = ["--listen", "127.0.0.1:0", "--json"];
    for (data, expected) in [(out, (pieces, 0)), (content.path("data"), (0, pieces))] {
        let args = ["seed", &content.torrent, "--data", &data];
        let seed = Running::start(args.into_iter().chain(words));
        assert_eq!(known(&seed.until("checked")), expected);
    }
    assert_eq!(names(&content.dir.path().join("data")), ["things"]);
}

#[test]
fn what_was_changed_since_is_read_and_mended() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    assert_eq!(get(&content, &out, &["--peer", &peer]).0.code, 0);
    let path = content.path("out/things/a.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ran = run(["verify", &content.torrent, "--data", &out]);
    assert_eq!(ran.code, 1, "what is remembered is no matter to verify: {ran:#?}");
    let (ran, checked) = get(&content, &out, &["--peer", &peer]);
    let (remembered, checked) = known(&checked);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(remembered > 10 && checked > 40, "{remembered} remembered, {checked} checked");
    content.is_same("out");
}

#[test]
fn nothing_is_left_of_what_never_began() {
    let content = Content::new(None);
    let bad = content.path("bad.torrent");
    fs::write(&bad, "no torrent").unwrap();
    let out = content.path("out");
    assert_eq!(run(["get", &bad, "-o", &out]).code, 3);
    assert!(!Path::new(&out).exists());
    let args = ["get", &content.torrent, "-o", &out, "--no-listen", "--patience", "1"];
    assert_eq!(run(args).code, 4);
    // The files without a byte may be there, as always.
    assert_eq!(names(Path::new(&out)), ["things"]);
}

#[test]
fn it_is_remembered_elsewhere_or_not_at_all() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let (out, state) = (content.path("out"), content.path("elsewhere.db"));
    let with = ["--peer", &peer, "--state", &state];
    assert_eq!(get(&content, &out, &with).0.code, 0);
    assert_eq!(names(Path::new(&out)), ["things"]);
    let (_, checked) = get(&content, &out, &with);
    assert_eq!(known(&checked).1, 0);
    let without = content.path("without");
    assert_eq!(get(&content, &without, &["--peer", &peer, "--no-state"]).0.code, 0);
    assert_eq!(names(Path::new(&without)), ["things"]);
    for state in [content.path("not/there.db"), content.path("data")] {
        let args = ["get", &content.torrent, "-o", &out, "--state", &state];
        let ran = run(args);
        ran.fails_well(2, &state);
        assert!(ran.stderr.contains("--state"), "{ran:#?}");
    }
    assert_eq!(run(["get", &content.torrent, "--state", &state, "--no-state"]).code, 2);
}

#[test]
fn a_broken_database_is_put_aside_in_one_sentence() {
    let content = Content::new(None);
    let out = content.path("data");
    fs::create_dir(content.path("data/.toubkal")).unwrap();
    let state = content.path("data/.toubkal/state.db");
    fs::write(&state, "no database").unwrap();
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (0, 1), "{ran:#?}");
    assert!(ran.stderr.contains("was broken and is now"), "{ran:#?}");
    assert_eq!(fs::read(format!("{state}.broken-1")).unwrap(), b"no database");
    let (_, checked) = get(&content, &out, &[]);
    assert_eq!(known(&checked).1, 0, "it is remembered again");
}

#[test]
fn a_database_of_a_newer_version_ends_it_before_anything_is_touched() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    assert_eq!(get(&content, &out, &["--peer", &peer]).0.code, 0);
    let state = content.path("out/.toubkal/state.db");
    let db = rusqlite::Connection::open(&state).unwrap();
    db.execute("UPDATE meta SET value = 1000 WHERE key = 'version'", []).unwrap();
    drop(db);
    let before = fs::read(&state).unwrap();
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen"]);
    ran.fails_well(1, "a newer database");
    assert!(ran.stderr.contains("newer version") && ran.stderr.contains("--no-state"), "{ran:#?}");
    assert!(fs::read(&state).unwrap() == before);
    assert_eq!(get(&content, &out, &["--no-state"]).0.code, 0);
}

#[test]
fn two_downloads_share_a_folder_and_what_is_remembered_of_it() {
    let (one, two) = (Content::new(None), Content::named("others"));
    let (_first, first) = Running::seed(&one);
    let (_second, second) = Running::seed(&two);
    let out = one.path("out");
    std::thread::scope(|scope| {
        for (content, peer) in [(&one, &first), (&two, &second)] {
            let out = &out;
            scope.spawn(move || {
                let (ran, _) = get(content, out, &["--peer", peer, "--down-limit", "800k"]);
                assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
            });
        }
    });
    assert_eq!(names(Path::new(&out)), [".toubkal", "others", "things"]);
    for content in [&one, &two] {
        let (ran, checked) = get(content, &out, &[]);
        assert_eq!((ran.code, known(&checked).1), (0, 0), "{ran:#?}");
    }
}

#[test]
fn a_person_reads_one_calm_line_when_a_download_goes_on() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let words = ["--peer", &peer, "--no-listen", "--down-limit", "200k", "--json"];
    let first = Running::start(["get", &content.torrent, "-o", &out].into_iter().chain(words));
    first.until_true(|object| object["have"].as_u64() > Some(10));
    drop(first);
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (0, 1), "{ran:#?}");
    assert!(ran.stderr.starts_with("things: going on at "), "{ran:#?}");
}
