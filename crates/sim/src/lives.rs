//! Hosts that die and come back: from their disk alone, with a new engine.

use std::borrow::Cow;
use std::time::Duration;

use toubkal_core::base::{Bitset, Rng, Time};
use toubkal_core::engine::{CloseReason, Command, Engine, LinkId, Memory, Notice, TorrentId};

use crate::disk::{Choose, Crash, Disk, DiskFaults, Moody};
use crate::fifo::Fifo;
use crate::host::{Coming, Host, Payloads, Setup};
use crate::queue::Delivery;
use crate::world::World;

impl World {
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
        self.log(host, "crash", || format!("{crash:?}"));
        let links: Vec<LinkId> = self.hosts[host].links.iter().map(|(link, _)| link).collect();
        for link in links {
            match crash {
                Crash::Process => self.drop_link(host, link),
                Crash::Power => {
                    let peer = self.vanish(host, link);
                    self.hosts[host].half_open.extend(peer);
                }
            }
        }
        self.watch.forget(host);
        self.forget_readers(host);
        let machine = &mut self.hosts[host];
        machine.die();
        let running = std::mem::take(&mut machine.lanes).running();
        machine.disk.crash(crash, running, choose);
        self.recount();
    }

    /// A host that runs dies now; what that leaves is drawn.
    pub fn crash_by_chance(&mut self, host: usize, crash: Crash) {
        let machine = &self.hosts[host];
        if !machine.gone && !machine.down {
            let rng = machine.chance.rng().fork_indexed("crash", machine.life);
            self.crash(host, crash, &mut Moody::new(rng));
        }
    }

    /// A host that died comes back now.
    ///
    /// # Panics
    /// When it is not dead.
    pub fn restart(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        assert!(machine.dead, "host {host} runs");
        machine.dead = false;
        for end in std::mem::take(&mut machine.half_open) {
            // What the peer sends next is answered with a reset.
            let at = self.now.after(Duration::from_millis(100));
            self.come(end, at, Coming::Hangup(CloseReason::Lost));
        }
        self.recount();
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
    pub fn have(&self, host: usize) -> Option<Cow<'_, Bitset>> {
        self.hosts[host].have()
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
        let mut rng = machine.chance.rng().fork_indexed("rot", machine.disk.steps());
        machine.disk.rot(spare, &mut rng)
    }
}

impl Host {
    /// Everything that the process knew is gone. Its next life begins with another engine and, as
    /// programs do, another peer id.
    fn die(&mut self) {
        self.life += 1;
        (self.engine, self.peer_id) = new_engine(&self.setup, self.chance.rng(), self.life);
        (self.down, self.dead) = (true, true);
        (self.torrent, self.terms, self.client, self.wake_at) = (None, None, None, None);
        (self.completed, self.told) = (None, self.notices.len());
        self.uplink.clear();
        self.payloads = Payloads::default();
        self.jobs.clear();
        self.facts = Fifo::default();
        self.answers = Fifo::default();
        self.wishes = Fifo::default();
        self.orders = Fifo::default();
    }
}

/// The engine of a host's `life`-th life, and what it calls itself.
pub(crate) fn new_engine(setup: &Setup, rng: &Rng, life: u64) -> (Engine, [u8; 20]) {
    let rng = if life == 0 { rng.clone() } else { rng.fork_indexed("life", life) };
    let config = setup.config(&rng);
    let peer_id = config.peer_id;
    (Engine::new(config, &rng.fork("engine")), peer_id)
}
