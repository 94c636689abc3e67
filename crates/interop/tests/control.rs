//! Programs that drive a Transmission, on a daemon of Toubkal's: they take it for one.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use toubkal_interop::{Client, Content, Host, Network, Process, toubkal, transmission_rpc};

/// Where its APIs are, on a host of its own.
const PORT: u16 = 9091;
const USER: &str = "me";
const PASSWORD: &str = "a secret";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(50);

/// A daemon on a new host.
struct Daemon {
    host: Host,
    process: Process,
    folder: TempDir,
}

impl Daemon {
    fn start(net: &Network) -> Self {
        let host = net.host();
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::new(host.v4(), 6881).to_string();
        let mut command = toubkal();
        command.args(["daemon", "--no-lan", "--no-dht", "--json", "--listen", &listen]);
        command.args(["--http", &format!("127.0.0.1:{PORT}"), "--config"]);
        command.arg(folder.path().join("config.toml"));
        command.arg("--state-dir").arg(folder.path().join("state"));
        command.arg("--download-dir").arg(folder.path().join("downloads"));
        command.env("TOUBKAL_USER", USER).env("TOUBKAL_PASSWORD", PASSWORD);
        fs::write(folder.path().join("config.toml"), "").unwrap();
        fs::create_dir(folder.path().join("downloads")).unwrap();
        let log = folder.path().join("log");
        let mut process = Process::start(&host, command, &log);
        let says = || fs::read_to_string(&log).is_ok_and(|text| text.contains("\"ready\""));
        process.until("it is ready", says);
        Self { host, process, folder }
    }

    fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Runs a program beside it, to its end; gives what it printed.
    #[track_caller]
    fn beside(&self, mut command: Command) -> String {
        let told = format!("{command:?}");
        let output = self.host.run(move || command.output()).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}: {}\n{text}{errors}", output.status);
        text
    }

    /// transmission-remote.
    #[track_caller]
    fn remote(&self, words: &[&str]) -> String {
        let mut command = Command::new("transmission-remote");
        command.arg(format!("127.0.0.1:{PORT}")).arg("--auth").arg(format!("{USER}:{PASSWORD}"));
        command.args(words);
        self.beside(command)
    }

    /// Asks until a torrent's details say this.
    #[track_caller]
    fn until(&self, torrent: &str, says: &str) {
        let began = Instant::now();
        loop {
            let shown = self.remote(&["--torrent", torrent, "--info"]);
            if shown.contains(says) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {says:?}:\n{shown}");
        }
    }

    /// curl with these words, to the RPC.
    #[track_caller]
    fn curl(&self, words: &[&str]) -> String {
        let mut command = Command::new("curl");
        command.args(["--silent", "--user", &format!("{USER}:{PASSWORD}")]).args(words);
        command.arg(format!("http://127.0.0.1:{PORT}/transmission/rpc"));
        self.beside(command)
    }
}

#[test]
fn transmission_remote_downloads_and_drives() {
    let net = Network::new();
    let content = Content::tree("tree");
    let seed = net.start(Client::Libtorrent, &content).seed();
    let daemon = Daemon::start(&net);
    let torrent = daemon.folder.path().join("content.torrent");
    content.write_torrent(&torrent, &["http://10.77.0.200/announce".to_owned()]);
    let torrent = torrent.to_str().unwrap();
    assert!(daemon.remote(&["--start-paused", "--add", torrent]).contains("success"));
    let list = daemon.remote(&["--list"]);
    assert!(list.contains("tree") && list.contains("Stopped"), "{list}");
    let files = daemon.remote(&["-t1", "--info-files"]);
    assert!(files.contains("tree/large.bin"), "{files}");
    // What is chosen, limited, named, and moved is shown so.
    daemon.remote(&["-t1", "--no-get", "1,2", "--priority-high", "7"]);
    let files = daemon.remote(&["-t1", "--info-files"]);
    let row = |name: &str| files.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    assert!(row("large.bin").contains("High"), "{files}");
    assert!(row("notes.txt").contains(" No "), "{files}");
    daemon.remote(&["-t1", "--get", "all"]);
    daemon.remote(&["-t1", "--downlimit", "900", "--labels", "linux,iso", "--seedratio", "1.5"]);
    let info = daemon.remote(&["-t1", "--info"]);
    for says in ["900 kB/s", "linux", "Ratio Limit: 1.5"] {
        assert!(info.contains(says), "{says} is not in:\n{info}");
    }
    daemon.remote(&["-t1", "--no-downlimit", "--tracker-add", "udp://10.77.0.201:1"]);
    let trackers = daemon.remote(&["-t1", "--info-trackers"]);
    assert!(trackers.contains("Tracker 1:") && trackers.contains("10.77.0.201"), "{trackers}");
    daemon.remote(&["-t1", "--tracker-remove", "1"]);
    assert!(!daemon.remote(&["-t1", "--info-trackers"]).contains("Tracker 1:"));
    // The same by its link, which names a peer.
    daemon.remote(&["-t1", "--remove"]);
    let link = content.magnet(&[], &[seed.address()]);
    daemon.remote(&["--no-start-paused", "--add", &link]);
    daemon.until("2", "Percent Done: 100%");
    daemon.remote(&["-t2", "--info-peers"]);
    daemon.remote(&["-t2", "--info-pieces"]);
    daemon.remote(&["-t2", "--stop"]);
    daemon.until("2", "State: Stopped");
    daemon.remote(&["-t2", "--verify"]);
    daemon.remote(&["-t2", "--start"]);
    daemon.remote(&["-t2", "--reannounce"]);
    daemon.remote(&["-tall", "--remove"]);
    assert!(!daemon.remote(&["--list"]).contains("tree"));
    content.same(&daemon.downloads(), true).unwrap();
}

#[test]
fn transmission_remote_sets_what_holds_for_all() {
    let net = Network::new();
    let mut daemon = Daemon::start(&net);
    daemon.remote(&["--downlimit", "300", "--uplimit", "200", "--global-seedratio", "2.5"]);
    daemon.remote(&["--alt-speed", "--alt-speed-downlimit", "30"]);
    let info = daemon.remote(&["--session-info"]);
    for says in ["300 kB/s", "200 kB/s", "Default seed ratio limit: 2.5", "RPC version: 18"] {
        assert!(info.contains(says), "{says} is not in:\n{info}");
    }
    daemon.remote(&["--no-downlimit", "--no-alt-speed"]);
    assert!(daemon.remote(&["--session-stats"]).contains("Started 1 times"));
    assert!(daemon.remote(&["--exit"]).contains("success"));
    assert!(daemon.process.wait().success(), "it ends when it is told to");
}

#[test]
fn the_package_transmission_rpc_takes_it_for_a_transmission() {
    let net = Network::new();
    let daemon = Daemon::start(&net);
    let (content, other) = (Content::tree("tree"), Content::single("alone", 100_000));
    let torrent = daemon.folder.path().join("content.torrent");
    content.write_torrent(&torrent, &[]);
    let mut command = transmission_rpc();
    command.arg(PORT.to_string()).args([USER, PASSWORD]).arg(&torrent);
    command.arg(other.magnet(&[], &[])).arg(daemon.downloads().join("linux"));
    daemon.beside(command);
}

#[test]
fn a_script_with_curl_needs_no_more_than_the_header() {
    let net = Network::new();
    let daemon = Daemon::start(&net);
    let content = Content::single("alone", 3_000_000);
    let torrent = daemon.folder.path().join("content.torrent");
    content.write_torrent(&torrent, &[]);
    let refused = daemon.curl(&["--include"]);
    assert!(refused.starts_with("HTTP/1.1 409"), "{refused}");
    let line = refused.lines().find(|line| line.starts_with("x-transmission-session-id"));
    let header = line.unwrap().trim();
    let call = |words: &[&str]| daemon.curl(&[&["--header", header], words].concat());
    let stats = call(&["--data", r#"{"method": "session-stats"}"#]);
    assert!(stats.contains("\"torrentCount\":0"), "{stats}");
    // A body that is large enough for `Expect: 100-continue`, and one that is sent in chunks.
    let large = format!(r#"{{"method": "session-stats", "x": "{}"}}"#, "y".repeat(2 << 20));
    let file = daemon.folder.path().join("large.json");
    fs::write(&file, large).unwrap();
    let file = format!("@{}", file.display());
    for how in ["Expect: 100-continue", "Transfer-Encoding: chunked"] {
        let answer = call(&["--header", how, "--data-binary", &file]);
        assert!(answer.contains("\"success\""), "{how}: {answer}");
    }
    let new = r#"{"jsonrpc": "2.0", "method": "session_get", "params": {"fields": ["version"]},
        "id": 1}"#;
    assert!(call(&["--data", new]).contains("\"version\":\"4."), "the newer dialect");
}
