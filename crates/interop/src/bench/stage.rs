//! Where everything is measured: a namespace with loopback, the content, and a tracker.

use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::announce::Announce;
use super::child::{Child, Wire};
use super::clients::{Job, Rival};
use super::warm::Warm;
use crate::{Content, Host, Network};

/// Leechers at once, at most.
pub(super) const LEECHERS: usize = 8;
/// How long a seed may take to check its files.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is downloaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Which {
    /// One file in pieces of 1 MiB.
    Single,
    /// The same in pieces of 64 KiB.
    Small,
    /// The same in pieces of 8 MiB.
    Large,
    /// 1,000 files, half as much.
    Files,
    /// One file, a quarter as much.
    Part,
}

/// Where everything is measured.
pub(super) struct Stage {
    net: Network,
    /// The first is that of seeds.
    hosts: Vec<Host>,
    pub(super) announce: Announce,
    pub(super) wire: Wire,
    /// A folder in memory for what is given, and one on a disk for what is taken.
    memory: TempDir,
    disk: TempDir,
    size: u64,
    contents: BTreeMap<Which, Content>,
    ports: Counter<u16>,
}

/// A running seed that has checked its files.
pub(super) struct Seed {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    _home: TempDir,
}

impl Stage {
    /// `size`: bytes of the single file. `to`: a folder on a disk.
    pub(super) fn new(size: u64, to: &Path) -> Result<Stage, String> {
        let net = Network::loopback();
        let hosts: Vec<Host> = (0..=LEECHERS).map(|_| net.host()).collect();
        let announce = Announce::start(net.switch())?;
        let wire = Wire::of(net.switch());
        let shared = Path::new("/dev/shm");
        let shared = if shared.is_dir() { shared } else { to };
        let folder = |path: &Path| {
            let made = tempfile::Builder::new().prefix("toubkal-bench-").tempdir_in(path);
            made.map_err(|error| format!("no folder in {}: {error}", path.display()))
        };
        let (memory, disk) = (folder(shared)?, folder(to)?);
        let (contents, ports) = (BTreeMap::new(), Counter::new(7000));
        Ok(Stage { net, hosts, announce, wire, memory, disk, size, contents, ports })
    }

    /// The folders that go with it.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        [&self.memory, &self.disk].map(|folder| folder.path().to_path_buf()).into()
    }

    /// Writes a content and its torrents, unless that is done.
    pub(super) fn prepare(&mut self, which: Which) {
        if self.contents.contains_key(&which) {
            return;
        }
        if matches!(which, Which::Small | Which::Large) {
            self.prepare(Which::Single);
        }
        let (folder, size) = (self.memory.path(), self.size);
        let single = self.contents.get(&Which::Single);
        let again = |piece| single.expect("it was made above").in_pieces(piece);
        let content = match which {
            Which::Single => Content::single_in(folder, "bench.bin", size).in_pieces(1 << 20),
            Which::Small => again(64 << 10),
            Which::Large => again(8 << 20),
            Which::Files => Content::equal_files(folder, "bench", size / 2, 1000),
            Which::Part => Content::single_in(folder, "part.bin", size / 4).in_pieces(1 << 20),
        };
        content.untouch();
        content.write_torrent(&self.torrent(which, false), &[]);
        content.write_torrent(&self.torrent(which, true), &[self.announce.url()]);
        self.contents.insert(which, content);
    }

    /// What was prepared.
    pub(super) fn content(&self, which: Which) -> &Content {
        &self.contents[&which]
    }

    /// Its torrent, with the tracker or without.
    pub(super) fn torrent(&self, which: Which, tracker: bool) -> PathBuf {
        let kind = if tracker { "tracker" } else { "bare" };
        self.memory.path().join(format!("{which:?}-{kind}.torrent").to_lowercase())
    }

    /// The host of seeds, number 0, and those of leechers.
    pub(super) fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// An address on a host that nobody has listened on lately.
    pub(super) fn address(&self, number: usize) -> SocketAddr {
        // By two: some clients want a second port.
        let port = self.ports.get() + 2;
        self.ports.set(if port > 30_000 { 7000 } else { port });
        SocketAddr::new(self.hosts[number].v4(), port)
    }

    /// A new folder on the disk.
    pub(super) fn folder(&self) -> Result<TempDir, String> {
        tempfile::tempdir_in(self.disk.path()).map_err(|error| format!("no folder: {error}"))
    }

    /// Memory for so many bytes that are about to be written.
    pub(super) fn warm(&self, bytes: u64) -> Result<Warm, String> {
        Warm::file(self.disk.path(), bytes)
    }

    /// A new folder in memory.
    pub(super) fn folder_in_memory(&self) -> Result<TempDir, String> {
        tempfile::tempdir_in(self.memory.path()).map_err(|error| format!("no folder: {error}"))
    }

    /// Starts a seed, and waits until it listens and is at rest.
    pub(super) fn seed(&self, rival: Rival, which: Which) -> Result<Seed, String> {
        let (home, address, content) = (self.folder()?, self.address(0), self.content(which));
        let torrent = self.torrent(which, false);
        let job = Job {
            home: home.path(),
            data: content.folder(),
            torrent: &torrent,
            content,
            listen: address,
            seed: None,
        };
        let log = home.path().join("log");
        let mut child = Child::start(&self.hosts[0], rival.seed(&job), &log)?;
        let start = Instant::now();
        while !self.net.connects(address) {
            if child.ended().is_some() {
                return Err(format!("as a seed it ended: {}", child.last_words()));
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("as a seed it does not listen: {}", child.last_words()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        rest(&mut child, rival.quiet(), PATIENCE);
        Ok(Seed { child, address, _home: home })
    }
}

/// Waits until a program has done next to nothing for so many half seconds: it has checked its
/// files.
pub(super) fn rest(child: &mut Child, quiet: u32, patience: Duration) {
    let (start, mut before, mut seen) = (Instant::now(), child.cpu(), 0);
    while start.elapsed() < patience && seen < quiet {
        thread::sleep(Duration::from_millis(500));
        let now = child.cpu();
        // Two ticks of 10 ms: some wake up without a reason.
        seen = if now - before < 0.025 { seen + 1 } else { 0 };
        before = now;
    }
}
