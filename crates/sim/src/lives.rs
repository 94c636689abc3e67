//! Hosts that die and come back: from their disk alone, with a new engine.

use std::collections::BTreeMap;
use std::time::Duration;

use toubkal_core::base::{Bitset, Rng, Time};
use toubkal_core::engine::log::Writer;
use toubkal_core::engine::{Command, Config, Engine, LinkId, Memory, Notice, TorrentId};

use crate::disk::{Choose, Crash, Disk, DiskFaults, Moody};
use crate::host::{End, Host, Setup};
use crate::network::Uplink;
use crate::store::Lanes;
use crate::world::{Delivery, World};

impl World {
    /// From now on, which has to be the beginning of a life, writes down what the engine of a host
    /// is told: see [`crate::Replay`]. A later life begins a new log.
    ///
    /// # Panics
    /// When the engine was told something already.
    pub fn record(&mut self, host: usize) {
        assert!(self.hosts[host].torrent.is_none(), "the host has joined already");
        self.hosts[host].record();
    }

    /// The event log of a host that is recorded, from where it was taken the last time.
    pub fn log(&mut self, host: usize) -> Vec<u8> {
        self.hosts[host].log.as_mut().map(Writer::take).unwrap_or_default()
    }

    /// A host dies at a moment.
    pub fn crashes(&mut self, host: usize, at: Duration, crash: Crash) {
        self.at(Time::START.after(at), Delivery::Crash { host, crash });
    }

    /// A host that died comes back at a moment.
    pub fn restarts(&mut self, host: usize, at: Duration) {
        self.at(Time::START.after(at), Delivery::Restart { host });
    }

    /// A host dies now; what that leaves is decided by `choose`.
    ///
    /// Its peers hear of it when only the program died. When the power went they do not, until it
    /// is back and knows nothing of their connections.
    pub fn crash(&mut self, host: usize, crash: Crash, choose: &mut dyn Choose) {
        let links: Vec<LinkId> = self.hosts[host].links.iter().map(|(link, _)| link).collect();
        for link in links {
            match crash {
                Crash::Process => _ = self.drop_link(host, link),
                Crash::Power => {
                    let machine = &mut self.hosts[host];
                    let peer = machine.links.remove(link).and_then(|sim| sim.peer);
                    machine.half_open.extend(peer);
                }
            }
        }
        let born = self.sequence + 1;
        self.hosts[host].die(born);
        let running = self.hosts[host].lanes.running();
        self.hosts[host].lanes = Lanes::default();
        self.hosts[host].disk.crash(crash, running, choose);
    }

    pub(crate) fn crash_by_chance(&mut self, host: usize, crash: Crash) {
        let rng = self.hosts[host].rng.fork_indexed("crash", self.sequence);
        self.crash(host, crash, &mut Moody::new(rng));
    }

    /// A host that died comes back now.
    ///
    /// # Panics
    /// When it is not dead.
    pub fn restart(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        assert!(machine.gone, "host {host} runs");
        machine.gone = false;
        machine.lives += 1;
        machine.engine = new_engine(&machine.setup, &machine.rng, machine.lives);
        if machine.log.is_some() {
            machine.record();
        }
        for End { host: other, link } in std::mem::take(&mut machine.half_open) {
            // What the peer sends next is answered with a reset.
            self.after(Duration::from_millis(100), Delivery::Hangup { host: other, link });
        }
        self.at(self.now, Delivery::Join { host });
    }

    /// The power, or the program, goes in the middle of this operation of a host's disk, counted
    /// from the beginning: [`World::run_to_crash`] ends there.
    pub fn crash_at(&mut self, host: usize, step: Option<u64>) {
        self.hosts[host].disk.crash_at(step);
    }

    /// Operations of a host's disk so far.
    #[must_use]
    pub fn disk_steps(&self, host: usize) -> u64 {
        self.hosts[host].disk.steps()
    }

    /// Runs until a disk comes to the operation of [`World::crash_at`], or until a moment; says
    /// whose it was. That host is to be crashed then.
    pub fn run_to_crash(&mut self, limit: Duration) -> Option<usize> {
        let limit = Time::START.after(limit);
        loop {
            if let Some(host) = self.hosts.iter().position(|host| host.disk.is_out()) {
                return Some(host);
            }
            if !self.step(limit) {
                return None;
            }
        }
    }

    /// Tells a host's torrent something, if it has one.
    pub fn command(&mut self, host: usize, command: impl FnOnce(TorrentId) -> Command) {
        if let Some(torrent) = self.hosts[host].torrent {
            self.tell(host, command(torrent).into());
        }
    }

    /// The pieces that a host's engine holds for verified.
    #[must_use]
    pub fn have(&self, host: usize) -> Option<&Bitset> {
        let host = &self.hosts[host];
        host.torrent.and_then(|torrent| host.engine.have(torrent))
    }

    /// What a host's disk remembers.
    #[must_use]
    pub fn memory(&self, host: usize) -> Option<Memory> {
        self.hosts[host].disk.recall()
    }

    /// Pieces of which bytes lie in two places of a host's disk, because files were not wanted
    /// and are now: what is remembered of them does not count.
    #[must_use]
    pub fn twofold(&self, host: usize) -> Bitset {
        self.hosts[host].disk.twofold()
    }

    /// Whether a host has checked what lay on its disk, in this life.
    #[must_use]
    pub fn is_checked(&self, host: usize) -> bool {
        let host = &self.hosts[host];
        let checked = |(_, notice): &(Time, Notice)| matches!(notice, Notice::Checked { .. });
        host.notices[host.told..].iter().any(checked)
    }

    /// Whether a file lies on a host's disk under its final name; and whether it is complete and
    /// right there.
    #[must_use]
    pub fn lies_finished(&self, host: usize, file: u32) -> (bool, bool) {
        let disk = &self.hosts[host].disk;
        (disk.has_final_name(file), disk.is_finished(file))
    }

    /// The pieces that are right on a host's disk, as it is read now; and those that are whatever
    /// a power cut leaves.
    #[must_use]
    pub fn truth(&self, host: usize) -> (Bitset, Bitset) {
        let disk = &self.hosts[host].disk;
        (disk.pieces(Disk::is_right), disk.pieces(Disk::is_durable))
    }

    /// A host's disk is like this from now on.
    pub fn set_disk(&mut self, host: usize, faults: DiskFaults) {
        self.hosts[host].disk.set_faults(faults);
    }

    /// Damages a bit of a piece on a host's disk, unless it is one of those; says of which.
    pub fn rot(&mut self, host: usize, spare: &Bitset) -> Option<u32> {
        let machine = &mut self.hosts[host];
        machine.disk.rot(spare, &mut machine.rng)
    }
}

impl Host {
    /// Writes down what the engine is told in this life, from now on.
    fn record(&mut self) {
        let (config, rng) = birth(&self.setup, &self.rng, self.lives);
        self.log = Some(Writer::new(&config, &rng));
    }

    fn die(&mut self, born: u64) {
        self.gone = true;
        self.born = born;
        (self.torrent, self.terms) = (None, None);
        self.uplink = Uplink::default();
        self.payloads = BTreeMap::new();
        self.jobs = BTreeMap::new();
        self.wake_at = None;
        self.told = self.notices.len();
    }
}

/// The engine of a host's `life`-th life.
pub(crate) fn new_engine(setup: &Setup, rng: &Rng, life: u64) -> Engine {
    let (config, rng) = birth(setup, rng, life);
    Engine::new(config, &rng)
}

/// What the engine of a host's `life`-th life is made from.
fn birth(setup: &Setup, rng: &Rng, life: u64) -> (Config, Rng) {
    let rng = if life == 0 { rng.clone() } else { rng.fork_indexed("life", life) };
    (setup.config(&rng), rng.fork("engine"))
}
