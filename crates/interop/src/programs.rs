//! How each client is started. Everything that would look outside the swarm of a test is off:
//! DHT, local discovery, peer exchange, port mapping; and so are uTP and encryption.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A BitTorrent program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// The program that these tests are about.
    Toubkal,
    /// libtorrent (Arvid Norberg's), which stands under qBittorrent and Deluge, by a driver.
    Libtorrent,
    /// Transmission, with its command-line face.
    Transmission,
    /// aria2.
    Aria2,
    /// rTorrent, on another library that is also called libtorrent.
    Rtorrent,
}

/// What a client is to do.
pub(crate) struct Job {
    /// Where its settings go.
    pub(crate) home: PathBuf,
    /// Where its files are, or will be.
    pub(crate) data: PathBuf,
    /// A torrent file, or a magnet link.
    pub(crate) torrent: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) peers: Vec<SocketAddr>,
    /// It has everything already.
    pub(crate) seed: bool,
    /// It goes on when it has everything.
    pub(crate) keep: bool,
    /// It looks for peers on the local network.
    pub(crate) lan: bool,
    /// It takes part in peer exchange.
    pub(crate) exchange: bool,
    /// It tells others of peers, and does nothing else.
    pub(crate) gossip: bool,
    /// The node of the DHT with which it begins; none: it takes no part.
    pub(crate) dht: Option<SocketAddr>,
    /// Bytes a second that it may upload.
    pub(crate) up_limit: Option<u32>,
    /// More words for its command line.
    pub(crate) options: Vec<String>,
    /// A file that comes to be when it has everything.
    pub(crate) complete: PathBuf,
    pub(crate) log: PathBuf,
}

impl Client {
    /// True when it can be told of a peer when it starts.
    pub(crate) fn takes_peers(self) -> bool {
        matches!(self, Client::Toubkal | Client::Libtorrent)
    }

    /// True when it leaves out files without bytes. Transmission 3.00 does.
    pub(crate) fn makes_no_empty_files(self) -> bool {
        self == Client::Transmission
    }

    pub(crate) fn command(self, job: &Job) -> Command {
        let mut command = match self {
            Client::Toubkal => run_toubkal(job),
            Client::Libtorrent => run_libtorrent(job),
            Client::Transmission => run_transmission(job),
            Client::Aria2 => run_aria2(job),
            Client::Rtorrent => run_rtorrent(job),
        };
        command.args(&job.options).current_dir(&job.home);
        command.env("HOME", &job.home).env("XDG_CONFIG_HOME", &job.home).env("LC_ALL", "C.UTF-8");
        command
    }
}

/// The program under test, built if need be.
///
/// # Panics
///
/// When it does not build.
#[must_use]
pub fn toubkal() -> Command {
    if let Some(program) = std::env::var_os("TOUBKAL") {
        return alone(program.as_ref());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--quiet", "--package", "toubkal"]).status();
    assert!(built.is_ok_and(|status| status.success()), "toubkal does not build");
    // This test is target/debug/deps/NAME.
    let here = std::env::current_exe().expect("a test knows its own path");
    let folder = here.ancestors().nth(2).expect("a test lies in deps");
    alone(&folder.join("toubkal"))
}

/// No test asks a node of the DHT outside.
fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("TOUBKAL_BOOTSTRAP", "");
    command
}

/// The driver of libtorrent, whose arguments stand at the top of it.
#[must_use]
pub fn libtorrent() -> Command {
    python("libtorrent_peer.py")
}

/// Nodes of the DHT that are libtorrent's, whose arguments stand at the top of the file.
#[must_use]
pub fn libtorrent_dht() -> Command {
    python("libtorrent_dht.py")
}

/// What the PyPI package transmission-rpc does with a server, whose arguments stand at the top of
/// the file.
#[must_use]
pub fn transmission_rpc() -> Command {
    python("transmission_rpc_client.py")
}

fn python(script: &str) -> Command {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let python = top.expect("this crate lies two folders deep").join(".tools/python/bin/python");
    assert!(python.exists(), "{} is missing: cargo xtask tools makes it", python.display());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(script));
    command
}

fn run_toubkal(job: &Job) -> Command {
    let mut command = toubkal();
    if job.seed {
        command.arg("seed").arg(&job.torrent).arg("--data").arg(&job.data);
    } else {
        command.arg("get").arg(&job.torrent).arg("-o").arg(&job.data).arg("--json");
    }
    command.arg("--listen").arg(job.listen.to_string());
    if !job.lan {
        command.arg("--no-lan");
    }
    for peer in &job.peers {
        command.arg("--peer").arg(peer.to_string());
    }
    if let Some(node) = job.dht {
        command.arg("--bootstrap").arg(node.to_string());
    }
    if let Some(bytes) = job.up_limit {
        command.arg("--up-limit").arg(bytes.to_string());
    }
    if job.keep {
        command.arg("--seed");
    }
    command
}

fn run_libtorrent(job: &Job) -> Command {
    let mut command = libtorrent();
    command.arg(if job.seed { "seed" } else { "get" });
    command.arg(&job.torrent).arg(&job.data).arg(job.listen.to_string()).arg(&job.complete);
    command.arg(job.up_limit.unwrap_or(0).to_string());
    command.args(job.peers.iter().map(ToString::to_string));
    if job.lan {
        command.env("LOCAL_DISCOVERY", "1");
    }
    if job.exchange {
        command.env("PEER_EXCHANGE", "1");
    }
    if job.gossip {
        command.env("ONLY_EXCHANGE", "1");
    }
    if let Some(node) = job.dht {
        command.env("DHT_NODE", node.to_string());
    }
    command
}

fn run_transmission(job: &Job) -> Command {
    let (ip, lan) = (job.listen.ip(), job.lan);
    let (v4, v6) = match ip {
        IpAddr::V4(ip) => (ip, Ipv6Addr::LOCALHOST),
        IpAddr::V6(ip) => (Ipv4Addr::LOCALHOST, ip),
    };
    write(
        &job.home.join("settings.json"),
        &format!(
            r#"{{
                "bind-address-ipv4": "{v4}", "bind-address-ipv6": "{v6}",
                "dht-enabled": false, "lpd-enabled": {lan}, "pex-enabled": false,
                "utp-enabled": false, "port-forwarding-enabled": false, "encryption": 0,
                "peer-id-ttl-hours": 6, "rename-partial-files": false
            }}"#
        ),
    );
    let mut command = Command::new("transmission-cli");
    command.arg("--config-dir").arg(&job.home).arg("--download-dir").arg(&job.data);
    command.arg("--port").arg(job.listen.port().to_string()).arg("--no-portmap");
    command.args(["--no-downlimit", "--encryption-tolerated"]);
    match job.up_limit {
        Some(bytes) => command.arg("--uplimit").arg((bytes / 1000).to_string()),
        None => command.arg("--no-uplimit"),
    };
    command.arg("--finish").arg(hook(job)).arg(&job.torrent);
    command
}

/// aria2 that finds peers by trackers alone, and keeps its console quiet.
pub(crate) fn aria2() -> Command {
    let mut command = Command::new("aria2c");
    command.args([
        "--no-conf",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--show-console-readout=false",
        "--summary-interval=0",
    ]);
    command
}

fn run_aria2(job: &Job) -> Command {
    let mut command = aria2();
    command.arg(format!("--bt-enable-lpd={}", job.lan));
    command.args(["--file-allocation=none", "--seed-ratio=0.0"]);
    command.arg(format!("--check-integrity={}", job.seed));
    let v6 = job.listen.is_ipv6();
    command.arg(format!("--disable-ipv6={}", !v6));
    command.arg(format!("--listen-port={}", job.listen.port()));
    command.arg(format!("--dir={}", job.data.display()));
    command.arg(format!("--on-bt-download-complete={}", hook(job).display()));
    command.arg(format!("--max-overall-upload-limit={}", job.up_limit.unwrap_or(0)));
    command.arg(&job.torrent);
    command
}

fn run_rtorrent(job: &Job) -> Command {
    let session = job.home.join("session");
    fs::create_dir_all(&session).expect("a new folder is writable");
    let settings = job.home.join("rtorrent.rc");
    write(
        &settings,
        &format!(
            "system.daemon.set = true\n\
             network.bind_address.set = {ip}\n\
             network.port_range.set = {port}-{port}\n\
             network.port_random.set = no\n\
             dht.mode.set = off\n\
             protocol.pex.set = no\n\
             protocol.encryption.set = none\n\
             trackers.use_udp.set = no\n\
             throttle.global_up.max_rate.set_kb = {limit}\n\
             pieces.hash.on_completion.set = yes\n\
             directory.default.set = {data}\n\
             session.path.set = {session}\n\
             method.set_key = event.download.finished, told, \"execute2={{{hook}}}\"\n\
             schedule2 = add, 0, 0, \"load.start={torrent}\"\n",
            ip = job.listen.ip(),
            limit = job.up_limit.unwrap_or(0) / 1000,
            port = job.listen.port(),
            data = job.data.display(),
            session = session.display(),
            hook = hook(job).display(),
            torrent = job.torrent.display(),
        ),
    );
    let mut command = Command::new("rtorrent");
    command.arg("-n").arg("-o").arg(format!("import={}", settings.display()));
    command
}

/// A script that makes the file which says that a client has everything.
fn hook(job: &Job) -> PathBuf {
    let path = job.home.join("hook");
    write(&path, &format!("#!/bin/sh\n: > '{}'\n", job.complete.display()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    path
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
