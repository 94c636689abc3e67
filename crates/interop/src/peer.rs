//! A peer: one client, on its own host, with one torrent.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;

use crate::programs::Job;
use crate::{Client, Content, Host, Network, Process, Road, Tracker};

/// Every client listens here, each on its own address.
pub(crate) const PORT: u16 = 6881;

/// The description of a peer that is about to start.
pub struct Start<'a> {
    net: &'a Network,
    client: Client,
    content: &'a Content,
    peers: Vec<SocketAddr>,
    trackers: Vec<String>,
    v6: bool,
    lan: bool,
    magnet: bool,
    exchange: bool,
    gossip: bool,
    dht: Option<SocketAddr>,
    road: Option<Road>,
    keep: bool,
    up_limit: Option<u32>,
    again: Option<TempDir>,
    under: PathBuf,
    options: Vec<String>,
}

/// A running peer. It ends with its handle, and its files go with it.
pub struct Peer {
    client: Client,
    host: Host,
    process: Process,
    folder: TempDir,
    listen: SocketAddr,
    /// It ends when it has everything, and that is how one knows.
    ends: bool,
}

impl<'a> Start<'a> {
    pub(crate) fn new(net: &'a Network, client: Client, content: &'a Content) -> Start<'a> {
        Start {
            net,
            client,
            content,
            peers: Vec::new(),
            trackers: Vec::new(),
            v6: false,
            lan: false,
            magnet: false,
            exchange: false,
            gossip: false,
            dht: None,
            road: None,
            keep: false,
            up_limit: None,
            again: None,
            under: std::env::temp_dir(),
            options: Vec::new(),
        }
    }

    /// Tells it to connect to a peer. Only libtorrent and Toubkal can be told.
    #[must_use]
    pub fn peer(self, peer: &Peer) -> Start<'a> {
        self.peer_at(peer.listen)
    }

    /// Tells it to connect to an address.
    #[must_use]
    pub fn peer_at(mut self, address: SocketAddr) -> Start<'a> {
        assert!(self.client.takes_peers(), "{:?} learns of peers from trackers only", self.client);
        self.peers.push(address);
        self
    }

    /// Gives a leecher a magnet link in place of the torrent: peers and trackers are in the link.
    #[must_use]
    pub fn magnet(mut self) -> Start<'a> {
        self.magnet = true;
        self
    }

    /// Lets libtorrent tell others of peers, and do nothing else.
    #[must_use]
    pub fn gossip(mut self) -> Start<'a> {
        assert_eq!(self.client, Client::Libtorrent, "it alone can be told to");
        self.gossip = true;
        self
    }

    /// Names a tracker in its torrent.
    #[must_use]
    pub fn tracker(mut self, tracker: &Tracker) -> Start<'a> {
        self.trackers.push(tracker.announce());
        self
    }

    /// Names a tracker in its torrent, to be asked over UDP alone.
    #[must_use]
    pub fn udp_tracker(mut self, tracker: &Tracker) -> Start<'a> {
        self.trackers.push(tracker.udp_announce());
        self
    }

    /// Names a tracker by its address.
    #[must_use]
    pub(crate) fn tracker_at(mut self, url: &str) -> Start<'a> {
        self.trackers.push(url.to_owned());
        self
    }

    /// Lets libtorrent take part in peer exchange, as Toubkal always does.
    #[must_use]
    pub fn exchange(mut self) -> Start<'a> {
        self.exchange = true;
        self
    }

    /// Lets it take part in the DHT, and begin with this node. Only libtorrent and Toubkal can.
    #[must_use]
    pub fn dht(mut self, node: SocketAddr) -> Start<'a> {
        assert!(self.client.takes_peers(), "{:?} is not told of a node here", self.client);
        self.dht = Some(node);
        self
    }

    /// Puts it at the end of a road.
    #[must_use]
    pub fn far(mut self, road: Road) -> Start<'a> {
        self.road = Some(road);
        self
    }

    /// Lets it look for peers on the local network.
    #[must_use]
    pub fn lan(mut self) -> Start<'a> {
        self.lan = true;
        self
    }

    /// Lets it listen on its IPv6 address, and not on the other.
    #[must_use]
    pub fn v6(mut self) -> Start<'a> {
        self.v6 = true;
        self
    }

    /// Lets a leecher go on as a seed.
    #[must_use]
    pub fn keep_seeding(mut self) -> Start<'a> {
        self.keep = true;
        self
    }

    /// Lets it upload no more than so many bytes a second.
    #[must_use]
    pub fn up_limit(mut self, bytes: u32) -> Start<'a> {
        self.up_limit = Some(bytes);
        self
    }

    /// Gives it the folder of a peer that has ended.
    #[must_use]
    pub fn after(mut self, mut peer: Peer) -> Start<'a> {
        peer.kill();
        self.again = Some(peer.folder);
        self
    }

    /// Puts its files under this folder, which is there already.
    #[must_use]
    pub fn under(mut self, folder: &Path) -> Start<'a> {
        self.under = folder.to_path_buf();
        self
    }

    /// One more word on its command line.
    #[must_use]
    pub fn option(mut self, word: &str) -> Start<'a> {
        self.options.push(word.to_owned());
        self
    }

    /// Starts it as a seed, with a copy of the content, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    pub fn seed(self) -> Peer {
        let net = self.net;
        let mut peer = self.begin(true);
        peer.until_it_listens(net);
        peer
    }

    /// Starts it as a leecher, with an empty folder.
    #[must_use]
    pub fn get(self) -> Peer {
        self.begin(false)
    }

    /// Starts it as a leecher, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    pub fn get_listening(self) -> Peer {
        let net = self.net;
        let mut peer = self.begin(false);
        peer.until_it_listens(net);
        peer
    }

    fn begin(self, seed: bool) -> Peer {
        let host = self.road.map_or_else(|| self.net.host(), |road| self.net.far_host(road));
        let ip = if self.v6 { host.v6() } else { host.v4() };
        let listen = SocketAddr::new(ip, PORT);
        let new = || tempfile::tempdir_in(&self.under).expect("the temporary folder is writable");
        let folder = self.again.unwrap_or_else(new);
        let (home, data) = (folder.path().join("home"), folder.path().join("data"));
        fs::create_dir_all(&home).expect("a new folder is writable");
        fs::create_dir_all(&data).expect("a new folder is writable");
        if seed {
            copy(self.content.folder(), &data);
        }
        let mut torrent = home.join("content.torrent");
        if self.magnet {
            torrent = self.content.magnet(&self.trackers, &self.peers).into();
        } else {
            self.content.write_torrent(&torrent, &self.trackers);
        }
        let ends = self.client == Client::Toubkal && !seed && !self.keep;
        let job = Job {
            complete: home.join("complete"),
            log: home.join("log"),
            home,
            data,
            torrent,
            listen,
            peers: if self.magnet { Vec::new() } else { self.peers },
            seed,
            lan: self.lan,
            exchange: self.exchange,
            gossip: self.gossip,
            dht: self.dht,
            keep: self.keep,
            up_limit: self.up_limit,
            options: self.options,
        };
        let process = Process::start(&host, self.client.command(&job), &job.log);
        Peer { client: self.client, host, process, folder, listen, ends }
    }
}

impl Peer {
    /// The program it runs.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// The folder that holds what it has.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has printed until now.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The file that holds what it prints.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("home/log")
    }

    /// The program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    fn until_it_listens(&mut self, net: &Network) {
        let listen = self.listen;
        self.process.until("it listens", || net.connects(listen));
    }

    /// Seconds from the start of the transfer until it had everything, by its own clock. Only
    /// the driver of libtorrent tells them.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let text = fs::read_to_string(self.folder.path().join("home/complete")).ok()?;
        text.trim().parse().ok()
    }

    /// True when it has everything and has said so, or has ended.
    pub fn is_complete(&mut self) -> bool {
        let marker = self.folder.path().join("home/complete");
        marker.exists() || self.process.ended().is_some()
    }

    /// Waits until it says that it has everything.
    ///
    /// # Panics
    ///
    /// When it fails, or takes too long.
    pub fn complete(&mut self) {
        if self.ends {
            let status = self.process.wait();
            assert!(status.success(), "it ended with {status}");
            return;
        }
        let marker = self.folder.path().join("home/complete");
        self.process.until("it is complete", || marker.exists());
    }

    /// Waits until at least this many bytes are on its disk, whether verified or not.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    pub fn has_written(&mut self, bytes: u64) {
        let folder = self.folder();
        self.process.until("it has written enough", || blocks(&folder) * 512 >= bytes);
    }

    /// Waits until something is true of the world while it runs.
    ///
    /// # Panics
    ///
    /// When it ends, or too much time passes, before it is true.
    pub fn until(&mut self, what: &str, holds: impl FnMut() -> bool) {
        self.process.until(what, holds);
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn ended(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends it at once, as losing power does.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

impl Network {
    /// True when something on a host takes connections here.
    #[must_use]
    pub fn connects(&self, address: SocketAddr) -> bool {
        self.switch()
            .run(move || TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok())
    }

    /// The bytes that a peer's host has sent, headers and all, by the switch's own count.
    ///
    /// # Panics
    ///
    /// When the peer is not on this network.
    #[must_use]
    pub fn sent_by(&self, peer: &Peer) -> u64 {
        let port = format!("port{}:", peer.host.number());
        // Not /proc/net, which is that of the process's first thread.
        let table = self.switch().run(|| fs::read_to_string("/proc/thread-self/net/dev"));
        let table = table.expect("the kernel counts bytes");
        let row = table.lines().find_map(|line| line.trim_start().strip_prefix(&port));
        // What a host sends, the switch receives; that comes first.
        let bytes = row.and_then(|row| row.split_whitespace().next()?.parse().ok());
        bytes.expect("the host is joined to this switch")
    }
}

/// Blocks of 512 bytes that the files under a folder take on disk: holes are not counted.
fn blocks(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => blocks(&entry.path()),
        Ok(metadata) => metadata.blocks(),
        // It was renamed in this moment.
        Err(_) => 0,
    });
    sizes.sum()
}

/// Copies what is in one folder to another.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours is writable");
    for entry in fs::read_dir(from).expect("a folder of ours is readable") {
        let from = entry.expect("a folder of ours is readable").path();
        let to = to.join(from.file_name().expect("an entry has a name"));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("the disk has room for a copy");
        }
    }
}
