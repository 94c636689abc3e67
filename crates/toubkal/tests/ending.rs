//! How a download ends before its time: by the user, by the disk; and what it leaves alone.
#![cfg(unix)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Child;

use common::{Content, Running, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// `get` of this content, so slow that there is time to stop it.
fn slow_get(content: &Content, peer: &str, out: &str) -> Running {
    let words = ["--no-listen", "--peer", peer, "--down-limit", "200k", "--json"];
    Running::start(["get", &content.torrent, "-o", out].into_iter().chain(words))
}

fn is_under_way(object: &Value) -> bool {
    object["event"] == "progress" && object["done"].as_u64().is_some_and(|done| done > 0)
}

#[test]
fn an_interrupted_download_goes_on_where_it_was() {
    for way in [Signal::INT, Signal::TERM] {
        let content = Content::new(None);
        let (_seed, peer) = Running::seed(&content);
        let out = content.path("out");
        let getting = slow_get(&content, &peer, &out);
        getting.until_true(is_under_way);
        signal(getting.child(), way);
        let (ran, objects) = getting.finish();
        assert_eq!(ran.code, 130, "{ran:#?}");
        let last = objects.last().unwrap();
        assert_eq!(last, &serde_json::json!({"event": "end", "code": 130}));
        let notice = objects.iter().find(|object| object["event"] == "notice").unwrap();
        let message = notice["message"].as_str().unwrap();
        assert!(message.ends_with(" % kept; run the same command to go on"), "{message}");
        let kept: u64 = message.split(' ').next().unwrap().parse().unwrap();
        assert!((1..100).contains(&kept), "{message}");
        // The rest, and only the rest: no piece comes twice.
        let args = ["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer];
        let (ran, objects) = Running::start(args.into_iter().chain(["--json"])).finish();
        assert_eq!(ran.code, 0, "{ran:#?}");
        let done = objects.iter().find(|object| object["event"] == "done").unwrap();
        let fetched = done["downloaded"].as_u64().unwrap();
        assert!(fetched <= content.size * (101 - kept) / 100, "{kept} % kept, {fetched} fetched");
        content.is_same("out");
    }
}

#[test]
fn a_killed_download_goes_on_too() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let getting = slow_get(&content, &peer, &out);
    getting.until_true(is_under_way);
    drop(getting);
    let ran = run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("out");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    // A tracker that takes what is said and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let announce = format!("http://{}/announce", deaf.local_addr().unwrap());
    let content = Content::new(Some(&announce));
    let (_seed, peer) = Running::seed(&content);
    let getting = slow_get(&content, &peer, &content.path("out"));
    getting.until_true(is_under_way);
    signal(getting.child(), Signal::INT);
    getting.until("notice");
    signal(getting.child(), Signal::INT);
    let (ran, _) = getting.finish();
    assert_eq!(ran.code, 130, "{ran:#?}");
}

#[test]
fn interrupting_a_seed_or_a_tracker_is_no_failure() {
    let content = Content::new(None);
    let (seed, _) = Running::seed(&content);
    seed.until("done");
    signal(seed.child(), Signal::INT);
    let (ran, objects) = seed.finish();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert_eq!(objects.last().unwrap()["code"], 0);
    let tracker = Running::start(["tracker", "--listen", "127.0.0.1:0", "--json"]);
    tracker.until("listen");
    signal(tracker.child(), Signal::INT);
    assert_eq!(tracker.finish().0.code, 0);
}

#[test]
fn a_download_that_goes_on_sharing_ends_well() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let out = content.path("out");
    let words = ["--listen", "127.0.0.1:0", "--peer", &peer, "--seed", "--json"];
    let first = Running::start(["get", &content.torrent, "-o", &out].into_iter().chain(words));
    let address = first.until("listen")["addresses"][0].as_str().unwrap().to_owned();
    first.until("done");
    // It gives on what it got.
    let second = content.path("second");
    let ran = run(["get", &content.torrent, "-o", &second, "--no-listen", "--peer", &address]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    content.is_same("second");
    signal(first.child(), Signal::INT);
    assert_eq!(first.finish().0.code, 0);
}

#[test]
fn a_seed_ends_at_its_ratio() {
    let content = Content::new(None);
    let data = content.path("data");
    let words = ["--listen", "127.0.0.1:0", "--json", "--ratio", "1"];
    let seed = Running::start(["seed", &content.torrent, "--data", &data].into_iter().chain(words));
    let peer = seed.until("listen")["addresses"][0].as_str().unwrap().to_owned();
    let out = content.path("out");
    assert_eq!(run(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]).code, 0);
    let (ran, _) = seed.finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
}

/// What takes namespaces and `/proc` to see.
#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::process::{Command, Stdio};

    use super::common::{finish, toubkal};
    use super::*;

    /// Ways into a mount namespace: for root, for others, and for others where that is closed.
    const WAYS: [&[&str]; 3] = [
        &["unshare", "--mount"],
        &["unshare", "--user", "--map-root-user", "--mount"],
        &["sudo", "-n", "unshare", "--mount"],
    ];

    /// Runs a shell in a mount namespace of its own, where it may mount a small disk.
    fn in_namespace(script: &str, args: &[&str]) -> super::common::Ran {
        let command = |way: &[&str], script: &str| {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["sh", "-c", script, env!("CARGO_BIN_EXE_toubkal")]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        };
        let opens = |way: &&[&str]| {
            let mount = "mount -t tmpfs none /mnt";
            command(way, mount).output().is_ok_and(|output| output.status.success())
        };
        let way = WAYS.into_iter().find(opens);
        let way = way.expect("this test must mount: as root, in a user namespace, or by sudo");
        finish(command(way, script).args(args).spawn().expect("it did a moment ago"))
    }

    #[test]
    fn a_full_disk_is_said_and_has_its_code() {
        let content = Content::new(None);
        let (_seed, peer) = Running::seed(&content);
        let out = content.path("small");
        fs::create_dir(&out).unwrap();
        let script = "mount -t tmpfs -o size=512k none \"$2\" && \
                      exec \"$0\" get \"$1\" -o \"$2\" --no-listen --peer \"$3\"";
        let ran = in_namespace(script, &[&content.torrent, &out, &peer]);
        ran.fails_well(5, "a disk of 512 KiB");
        assert!(ran.stderr.contains("no space is left") && ran.stderr.contains(&out), "{ran:#?}");
    }

    #[test]
    fn a_read_only_disk_is_said_before_any_peer_is_found() {
        let content = Content::new(None);
        let out = content.path("readonly");
        fs::create_dir(&out).unwrap();
        let script = "mount -t tmpfs -o ro none \"$2\" && \
                      exec \"$0\" get \"$1\" -o \"$2\" --no-listen";
        let ran = in_namespace(script, &[&content.torrent, &out]);
        ran.fails_well(6, "a read-only disk");
        assert!(ran.stderr.contains("read-only") && ran.stderr.contains(&out), "{ran:#?}");
        // What is complete there needs no writing.
        let data = content.path("data");
        let script = "mount --bind \"$2\" \"$2\" && mount -o remount,bind,ro \"$2\" && \
                      exec \"$0\" get \"$1\" -o \"$2\" --no-listen";
        let ran = in_namespace(script, &[&content.torrent, &data]);
        assert_eq!(ran.code, 0, "{ran:#?}");
    }

    /// Inodes of the sockets that the process has open.
    fn sockets(child: &Child) -> HashSet<String> {
        let folder = format!("/proc/{}/fd", child.id());
        let links = fs::read_dir(folder).unwrap().flatten();
        let names = links.filter_map(|link| fs::read_link(link.path()).ok());
        let inode =
            |name: String| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
        names.filter_map(|name| inode(name.to_str()?.to_owned())).collect()
    }

    /// Local addresses on which these sockets listen, or take datagrams.
    fn listening(child: &Child) -> Vec<String> {
        let ours = sockets(child);
        let mut found = Vec::new();
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap();
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let waits = fields[3] == "0A" || table.starts_with("udp");
                if waits && ours.contains(fields[9]) {
                    found.push(format!("{table} {}", fields[1]));
                }
            }
        }
        found
    }

    #[test]
    fn nothing_is_opened_or_written_that_nobody_asked_for() {
        let content = Content::new(None);
        let (seed, peer) = Running::seed(&content);
        let port = |address: &String| address.rsplit(':').next().map(str::to_owned);
        let ports: HashSet<_> = listening(seed.child()).iter().map(port).collect();
        assert_eq!(ports.len(), 1, "the peer port, and nothing else");
        let home = tempfile::tempdir().unwrap();
        let out = content.path("out");
        let mut command =
            toubkal(["get", &content.torrent, "-o", &out, "--no-listen", "--peer", &peer]);
        command.args(["--down-limit", "200k", "--no-dht"]);
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"] {
            command.env(name, home.path());
        }
        let child = command.current_dir(home.path()).spawn().unwrap();
        // It is under way as soon as something lies in its folder.
        while content.files("out").is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(listening(&child), Vec::<String>::new());
        signal(&child, Signal::INT);
        assert_eq!(finish(child).code, 130);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
