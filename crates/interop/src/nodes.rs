//! A DHT: nodes of Toubkal and of libtorrent, each with an address of its own.

use std::iter;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::peer::PORT;
use crate::process::poll;
use crate::{Host, Network, Process, libtorrent_dht, toubkal};

/// Nodes on one machine. They end with their handle.
pub struct Nodes {
    router: SocketAddr,
    /// A machine without a node, to ask from.
    asker: Host,
    processes: Vec<Process>,
    folder: TempDir,
    _hosts: Vec<Host>,
}

impl Nodes {
    /// Starts a DHT. Its nodes begin with the first of them.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[must_use]
    pub fn start(net: &Network, toubkal: usize, libtorrent: usize) -> Nodes {
        Nodes::join(net, None, toubkal, libtorrent)
    }

    /// More nodes of the same DHT, on another machine.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[must_use]
    pub fn more(&self, net: &Network, toubkal: usize, libtorrent: usize) -> Nodes {
        Nodes::join(net, Some(self.router), toubkal, libtorrent)
    }

    fn join(net: &Network, router: Option<SocketAddr>, toubkal: usize, libtorrent: usize) -> Nodes {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let first = net.host();
        let others = (1..toubkal + libtorrent).map(|_| net.host_on(&first)).collect::<Vec<_>>();
        let hosts: Vec<Host> = iter::once(first).chain(others).collect();
        let at = |host: &Host| SocketAddr::new(host.v4(), PORT);
        let router = router.unwrap_or(at(&hosts[0]));
        let (ours, others) = hosts.split_at(toubkal);
        let log = |number: usize| folder.path().join(number.to_string());
        let mut processes: Vec<Process> = ours
            .iter()
            .enumerate()
            .map(|(number, host)| node(host, router, &log(number)))
            .collect();
        if let Some(first) = others.first() {
            let all: Vec<String> = others.iter().map(|host| at(host).to_string()).collect();
            let mut command = libtorrent_dht();
            command.arg(router.to_string()).arg(all.join(","));
            processes.push(Process::start(first, command, &log(toubkal)));
        }
        Nodes { router, asker: net.host(), processes, folder, _hosts: hosts }
    }

    /// The node with which others begin.
    #[must_use]
    pub fn router(&self) -> SocketAddr {
        self.router
    }

    /// Waits until somebody who asks here is told that a peer has a torrent.
    ///
    /// # Panics
    ///
    /// When nobody says so in time.
    pub fn until_found(&self, info_hash: &str, peer: SocketAddr) {
        let peer = peer.to_string();
        let found = poll(|| self.ask(info_hash).lines().any(|said| said == peer).then_some(()));
        assert!(found.is_some(), "nobody finds {peer}");
    }

    /// Asks for the peers of a torrent, until it is heard that a node of libtorrent was asked.
    ///
    /// # Panics
    ///
    /// When none is in time.
    pub fn until_asked(&self, info_hash: &str) {
        self.ask(info_hash);
        let asked = poll(|| self.heard().contains(info_hash).then_some(()));
        assert!(asked.is_some(), "nobody is asked for {info_hash}");
    }

    /// What Toubkal finds that comes new to this DHT.
    fn ask(&self, info_hash: &str) -> String {
        let mut ask = toubkal();
        ask.args(["dht", "find-peers", info_hash, "--bootstrap"]).arg(self.router.to_string());
        let mut ask = Process::start(&self.asker, ask, &self.folder.path().join("asked"));
        ask.wait();
        ask.output()
    }

    /// Stops all of them where they are: they are known to others, and answer nothing any more.
    pub fn freeze(&self) {
        self.processes.iter().for_each(Process::freeze);
    }

    /// What the nodes of libtorrent have printed.
    #[must_use]
    pub fn heard(&self) -> String {
        self.processes.last().map(Process::output).unwrap_or_default()
    }
}

/// Starts a node of Toubkal, which begins with this one.
///
/// # Panics
///
/// When it does not start.
#[must_use]
pub fn node(host: &Host, router: SocketAddr, log: &Path) -> Process {
    let mut node = toubkal();
    node.args(["dht", "node", "--listen"]).arg(SocketAddr::new(host.v4(), PORT).to_string());
    node.arg("--bootstrap").arg(router.to_string());
    Process::start(host, node, log)
}
