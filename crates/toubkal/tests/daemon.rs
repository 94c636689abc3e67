//! `toubkal daemon`, and the commands that speak to it.

mod common;

use std::time::Instant;

use common::{Content, HANG, Ran, Running, finish, run, toubkal};
use serde_json::Value;

/// A daemon with a folder of its own.
struct Daemon {
    content: Content,
    running: Running,
    http: String,
}

fn args(content: &Content) -> Vec<String> {
    let (state, downloads) = (content.path("state"), content.path("downloads"));
    let words = [
        "daemon",
        "--http",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
        "--no-lan",
        "--no-dht",
        "--json",
        "--state-dir",
        &state,
        "--download-dir",
        &downloads,
        "--config",
    ];
    let config = content.path("config.toml");
    words.into_iter().map(str::to_owned).chain([config]).collect()
}

impl Daemon {
    fn start(content: Content) -> Self {
        let config = content.path("config.toml");
        if !std::path::Path::new(&config).exists() {
            std::fs::write(&config, "[http]\n").unwrap();
        }
        let running = Running::start(args(&content));
        let http = running.until("ready")["http"].as_str().unwrap().to_owned();
        Self { content, running, http }
    }

    /// Kills it, and starts another in its place.
    fn again(self) -> Self {
        let Self { content, running, .. } = self;
        drop(running);
        Self::start(content)
    }

    fn tell(&self, words: &[&str]) -> Ran {
        let state = self.content.path("state");
        run(words.iter().copied().chain(["--state-dir", &state]))
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Vec<Value> {
        let ran = self.tell(&[words, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until a torrent is in this phase.
    #[track_caller]
    fn wait(&self, id: &str, phase: &str) -> Value {
        let began = Instant::now();
        loop {
            let shown = self.json(&["show", id]).remove(0);
            if shown["phase"] == phase {
                return shown;
            }
            assert!(began.elapsed() < HANG, "waited in vain for {phase}: {shown}");
        }
    }
}

#[test]
fn a_torrent_is_downloaded_and_stays_after_a_kill() {
    let content = Content::new(None);
    let (_seed, peer) = Running::seed(&content);
    let daemon = Daemon::start(content);
    let torrent = daemon.content.torrent.clone();
    let added = daemon.json(&["add", &torrent, "--peer", &peer, "--category", "films"]).remove(0);
    let id = added["id"].to_string();
    daemon.wait(&id, "seeding");
    daemon.content.is_same("downloads");
    assert_eq!(daemon.tell(&["set", &id, "--tag", "seen", "--ratio", "3"]).code, 0);
    let before = daemon.json(&["list"]).remove(0);
    assert_eq!((&before["category"], &before["tags"][0]), (&"films".into(), &"seen".into()));
    let daemon = daemon.again();
    let after = daemon.wait(&id, "seeding");
    for key in ["id", "name", "category", "tags", "goals", "added", "done", "downloaded"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    let again = daemon.tell(&["add", &torrent]);
    assert!(again.stdout.contains("was there already"), "{again:#?}");
    assert_eq!(daemon.tell(&["remove", &id]).code, 0);
    assert!(daemon.json(&["list"]).is_empty());
    daemon.content.is_same("downloads");
}

#[test]
fn a_list_for_people_says_what_each_does() {
    let daemon = Daemon::start(Content::new(None));
    assert_eq!(daemon.tell(&["list"]).stdout, "");
    let link = "magnet:?xt=urn:btih:1111111111111111111111111111111111111111&dn=one";
    assert_eq!(daemon.tell(&["add", link, "--paused"]).stdout, "1 one\n");
    let list = daemon.tell(&["list"]).stdout;
    assert!(list.contains("one") && list.contains("You paused it."), "{list}");
    assert_eq!(daemon.tell(&["list", "other"]).stdout, "");
    assert_eq!(daemon.tell(&["explain", "1"]).stdout, "You paused it.\n");
    assert_eq!(daemon.tell(&["resume", "1"]).code, 0);
    daemon.wait("1", "finding");
    let why = daemon.json(&["explain", "1"]).remove(0);
    assert_eq!(why["action"], "add_peers", "{why}");
    assert!(!why["sentence"].as_str().unwrap().is_empty(), "{why}");
    assert_eq!(daemon.tell(&["pause", "all"]).code, 0);
    daemon.wait("1", "paused");
    let limits = daemon.tell(&["limits", "--down", "2M", "--alternative", "on"]);
    assert!(limits.stdout.contains("2 MB/s down"), "{limits:#?}");
    assert_eq!(daemon.json(&["limits"])[0]["alternative"]["on"], true);
    assert!(daemon.tell(&["stats"]).stdout.starts_with("torrents  1 torrent"));
}

#[test]
fn what_goes_wrong_is_said_in_words() {
    let daemon = Daemon::start(Content::new(None));
    daemon.tell(&["show", "7"]).fails_well(2, "a torrent that is not there");
    daemon.tell(&["set", "7"]).fails_well(2, "nothing to change");
    daemon.tell(&["add", "magnet:?xt=urn:btih:12"]).fails_well(3, "a broken link");
    let (link, etc) = ("magnet:?xt=urn:btih:1111111111111111111111111111111111111111", "/etc");
    daemon.tell(&["add", link, "--dir", etc]).fails_well(1, "a folder that is not allowed");
    let nobody = daemon.content.path("nobody");
    run(["list", "--state-dir", &nobody]).fails_well(1, "no daemon");
    run(["list", "--host", "http://127.0.0.1:9"]).fails_well(1, "no daemon elsewhere");
    run(["list", "--host", "127.0.0.1"]).fails_well(2, "no address");
    run(args(&daemon.content)).fails_well(7, "a second daemon in the same folder");
    let config = daemon.content.path("config.toml");
    std::fs::write(&config, "[limits]\ndown = \"fast\"\n").unwrap();
    run(["config", "--check", "--config", &config]).fails_well(2, "a broken configuration");
    assert!(daemon.json(&["list"]).is_empty(), "the first one is as it was");
}

#[test]
fn a_daemon_elsewhere_wants_to_know_who_asks() {
    let content = Content::new(None);
    std::fs::write(content.path("config.toml"), "[http]\nuser = \"me\"\npassword = \"secret\"\n")
        .unwrap();
    let daemon = Daemon::start(content);
    let ask = |user: &str, password: &str| {
        let mut command = toubkal(["stats", "--host", &daemon.http]);
        command.env("TOUBKAL_USER", user).env("TOUBKAL_PASSWORD", password);
        finish(command.spawn().unwrap())
    };
    assert_eq!(ask("me", "secret").code, 0);
    ask("me", "wrong").fails_well(2, "a wrong password");
    run(["stats", "--host", &daemon.http]).fails_well(2, "nobody");
    let state = daemon.content.path("other");
    let words = ["daemon", "--http", "0.0.0.0:0", "--state-dir", &state, "--no-dht", "--no-lan"];
    run(words).fails_well(2, "open to everybody");
}
