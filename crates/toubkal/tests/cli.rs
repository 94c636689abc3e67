//! The command line itself: help, codes, guesses, streams.

mod common;

use std::fs;
use std::io::Read;
use std::time::Duration;

use common::{finish, run, run_with_input, torrent_with, toubkal};

const COMMANDS: [&str; 31] = [
    "daemon",
    "add",
    "list",
    "show",
    "explain",
    "pause",
    "resume",
    "remove",
    "set",
    "limits",
    "stats",
    "watch",
    "config",
    "get",
    "seed",
    "create",
    "info",
    "magnet",
    "verify",
    "bencode",
    "replay",
    "publish",
    "subscribe",
    "dht",
    "tracker",
    "demo",
    "sim",
    "completions",
    "man",
    "paths",
    "help",
];

#[test]
fn short_help_fits_a_screen_and_has_three_examples() {
    for command in std::iter::once(None).chain(COMMANDS.map(Some)) {
        let ran = run(command.into_iter().chain(["-h"]));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command:?}");
        assert!(ran.stdout.lines().count() <= 40, "{command:?}: {}", ran.stdout);
        assert!(ran.stdout.lines().all(|line| line.len() <= 100), "{command:?}: {}", ran.stdout);
        if !matches!(command, Some("paths" | "help")) {
            let examples = ran.stdout.split("Examples:\n").nth(1).unwrap_or_default();
            let count = examples.lines().filter(|line| line.contains("toubkal")).count();
            assert!(count >= 3, "{command:?}: {}", ran.stdout);
        }
    }
}

#[test]
fn long_help_names_every_command_and_flag() {
    let program = run(["--help"]).stdout;
    for command in COMMANDS {
        assert!(program.contains(&format!("\n  {command}")), "{command}");
        assert_eq!(run(["help", command]).stdout, run([command, "--help"]).stdout);
    }
    let get = run(["get", "--help"]).stdout;
    for flag in [
        "--output",
        "--peer",
        "--listen",
        "--seed",
        "--select",
        "--sequential",
        "--down-limit",
        "--up-limit",
        "--json",
        "--patience",
        "--quiet",
    ] {
        assert!(get.contains(flag), "{flag}");
    }
}

#[test]
fn the_exit_codes_are_printed() {
    let ran = run(["help", "exit-codes"]);
    assert_eq!(ran.code, 0);
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "130"] {
        let line = ran.stdout.lines().find(|line| line.split_whitespace().next() == Some(code));
        assert!(line.is_some_and(|line| line.len() > 20), "{code}: {}", ran.stdout);
    }
}

#[test]
fn the_version_comes_at_once() {
    let fastest = (0..5).map(|_| run(["--version"])).min_by_key(|ran| ran.took).unwrap();
    assert_eq!(fastest.stdout, concat!("toubkal ", env!("CARGO_PKG_VERSION"), "\n"));
    // The requirement is 20 ms of an optimised build.
    assert!(fastest.took < Duration::from_millis(100), "{fastest:?}");
}

#[test]
fn slips_are_guessed_and_nonsense_is_not() {
    let slips = [
        ("gte", "get"),
        ("gett", "get"),
        ("sead", "seed"),
        ("sede", "seed"),
        ("creat", "create"),
        ("craete", "create"),
        ("inof", "info"),
        ("infos", "info"),
        ("bencod", "bencode"),
        ("verfy", "verify"),
        ("verifiy", "verify"),
        ("traker", "tracker"),
        ("trackr", "tracker"),
        ("dmeo", "demo"),
        ("completion", "completions"),
        ("path", "paths"),
        ("hlep", "help"),
    ];
    for (typed, meant) in slips {
        let ran = run([typed]);
        ran.fails_well(2, typed);
        assert!(ran.stderr.contains(&format!("did you mean `toubkal {meant}`")), "{ran:#?}");
    }
    let flags = [("--lisen", "--listen"), ("--selct", "--select"), ("--jsno", "--json")];
    for (typed, meant) in flags {
        let ran = run(["get", "x", typed]);
        assert!(ran.stderr.contains(&format!("did you mean {meant}?")), "{ran:#?}");
    }
    for typed in ["frobnicate", "xyzzy", "foo", "install", "head"] {
        let ran = run([typed]);
        ran.fails_well(2, typed);
        assert!(!ran.stderr.contains("did you mean"), "{ran:#?}");
        let flag = format!("--{typed}");
        assert!(!run(["get", "x", &flag]).stderr.contains("did you mean"), "{flag}");
    }
}

#[test]
fn completions_and_manual_come_from_the_same_definition() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for word in ["sequential", "down-limit", "bencode"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    let man = run(["man"]).stdout;
    assert!(man.contains(".TH toubkal 1") && man.contains("EXIT STATUS"), "{man}");
    assert!(run(["man", "get"]).stdout.contains("sequential"));
}

#[test]
fn paths_names_the_folders_and_the_port() {
    let ran = run(["paths"]);
    assert_eq!(ran.code, 0);
    for word in ["downloads", "state", "6881"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    assert!(serde_json::from_str::<serde_json::Value>(&run(["paths", "--json"]).stdout).is_ok());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.torrent");
    // More output than a pipe holds.
    let mut many = b"l".to_vec();
    many.extend(b"5:hello".repeat(100_000));
    many.push(b'e');
    fs::write(&path, many).unwrap();
    let mut child = toubkal(["bencode".as_ref(), path.as_os_str()]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let ran = finish(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = toubkal(["help"]).stdout(full).spawn().unwrap();
    let ran = finish(child);
    ran.fails_well(5, "/dev/full");
    assert!(ran.stderr.contains("standard output"));
}

#[test]
fn results_go_to_standard_output_and_nothing_else_does() {
    let torrent = torrent_with([]);
    let ran = run_with_input(["info", "-"], &torrent);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for words in ["file.bin", "40 kB (40,000 bytes) in 1 file", "3 of 16 KiB", "127.0.0.1:9"] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    // Not canonical: the value on standard output, the note on standard error.
    let ran = run_with_input(["bencode", "-"], b"d1:bi1e1:ai2eex");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{\n  b: 1\n  a: 2\n}\n"));
    assert_eq!(ran.stderr.lines().count(), 2);
}

#[test]
fn info_as_json_has_the_fixed_shape() {
    let torrent = torrent_with([("private", Some(1.into()))]);
    let ran = run_with_input(["info", "--json", "-"], &torrent);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "name": "file.bin",
        "v1": json["v1"],
        "v2": null,
        "piece_length": 16384,
        "num_pieces": 3,
        "total_size": 40000,
        "private": true,
        "files": [{"path": "file.bin", "length": 40000, "pad": false}],
        "trackers": ["http://127.0.0.1:9/announce"],
        "web_seeds": [],
        "comment": null,
        "created_by": null,
        "created": null,
        "oddities": [],
    });
    assert_eq!(json, expected);
    assert_eq!(json["v1"].as_str().map(str::len), Some(40));
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn a_magnet_link_is_read_without_a_network() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let link = format!(
        "magnet:?xt=urn:btih:{}&dn=a+b&tr=udp%3A%2F%2F192.0.2.1%3A80&ws=http://192.0.2.2/\
         &x.pe=[2001:db8::1]:6881&so=4,0-1&xl=7",
        hash.to_uppercase()
    );
    let ran = run(["info", "--offline", "--json", &link]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "v1": hash,
        "v2": null,
        "name": "a b",
        "trackers": ["udp://192.0.2.1:80"],
        "web_seeds": ["http://192.0.2.2/"],
        "peers": ["[2001:db8::1]:6881"],
        "select_only": [0, 1, 4],
        "public_key": null,
        "salt": null,
        "others": ["xl=7"],
        "oddities": [],
    });
    assert_eq!(json, expected);
    let text = run(["info", "--offline", &link]);
    assert!(text.stdout.contains(hash) && text.stdout.contains("0-1,4"), "{text:#?}");
    let broken = run(["info", "--offline", "magnet:?xt=urn:btih:zz"]);
    broken.fails_well(1, "a broken link");
    assert!(broken.stderr.contains("2 characters instead of 40"), "{broken:#?}");
}

#[test]
fn a_torrent_becomes_a_magnet_link_that_names_it() {
    let torrent = torrent_with([]);
    let info = run_with_input(["info", "--json", "-"], &torrent).stdout;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let link = |args: &[&str]| {
        let ran = run_with_input(args.iter().copied().chain(["-"]), &torrent);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let read = run(["info", "--offline", "--json", ran.stdout.trim()]).stdout;
        serde_json::from_str::<serde_json::Value>(&read).unwrap()
    };
    let whole = link(&["magnet"]);
    for field in ["v1", "v2", "name", "trackers"] {
        assert_eq!(whole[field], info[field], "{field}");
    }
    let bare = link(&["magnet", "--no-trackers", "--no-name", "--peer", "a.example:1"]);
    assert_eq!(bare["v1"], info["v1"]);
    assert_eq!(bare["trackers"], serde_json::json!([]));
    assert_eq!(bare["peers"], serde_json::json!(["a.example:1"]));
    // Whoever passes the link of a private torrent on is warned of what is in it.
    let private = torrent_with([("private", Some(1.into()))]);
    assert!(run_with_input(["magnet", "-"], &private).stderr.contains("private"));
}

#[test]
fn bencode_tells_the_offset_of_the_fault() {
    for (args, input, offset) in [
        (&["bencode", "-"][..], &b"d1:ai1e1:bxe"[..], "byte 10"),
        (&["bencode", "--json", "-"], b"li1e", "byte 4"),
        (&["bencode", "--strict", "-"], b"d1:bi1e1:ai2ee", "byte 7"),
        (&["bencode", "--strict", "-"], b"i1ex", "byte 3"),
    ] {
        let ran = run_with_input(args, input);
        ran.fails_well(1, offset);
        assert!(ran.stderr.contains(offset), "{ran:#?}");
    }
    let ran = run_with_input(["bencode", "--json", "-"], b"d1:bi1e1:a3:\xff\x00\x01e");
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["consumed"], 16);
    assert_eq!(json["value"], serde_json::json!({"b": 1, "a": {"$hex": "ff0001"}}));
    assert_eq!(json["oddities"][0]["offset"], 7);
}
