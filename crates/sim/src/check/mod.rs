//! What must hold in any world, watched from outside of the engines; a file for each subject.
//!
//! Everything is watched where it passes between an engine and its hands, so that there is one
//! order of things and no excuse: an engine answers for what it was told. A rule that is broken
//! is a panic that names the host and the rule.

pub(crate) mod durability;
mod ledger;
mod limits;
mod liveness;
mod protocol;
mod safety;

use toubkal_core::base::Time;
use toubkal_core::engine::{Action, Event, LinkEvent, LinkId, Notice, Rates, State};
use toubkal_wire::layout::{Block, Layout};
use toubkal_wire::message::Message;

use self::ledger::Ledger;
use self::limits::Limit;
use self::protocol::Monitor;
use self::safety::Safety;
use crate::world::World;

/// What is known of all hosts from outside. Empty while nothing is watched.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    hosts: Vec<HostWatch>,
    on: bool,
}

/// What is known of one life of a host.
#[derive(Debug, Default)]
struct HostWatch {
    links: Vec<Option<(u32, Monitor)>>,
    safety: Safety,
    ledger: Ledger,
    up: Option<Limit>,
    down: Option<Limit>,
}

impl HostWatch {
    fn link(&mut self, link: LinkId) -> Option<&mut Monitor> {
        find(&mut self.links, link)
    }
}

fn find(links: &mut [Option<(u32, Monitor)>], link: LinkId) -> Option<&mut Monitor> {
    let (generation, monitor) = links.get_mut(link.index())?.as_mut()?;
    (*generation == link.generation()).then_some(monitor)
}

impl Watch {
    fn host(&mut self, host: usize) -> &mut HostWatch {
        if self.hosts.len() <= host {
            self.hosts.resize_with(host + 1, HostWatch::default);
        }
        &mut self.hosts[host]
    }

    /// The process has ended: its next life owes nothing.
    pub(crate) fn forget(&mut self, host: usize) {
        if self.on {
            *self.host(host) = HostWatch::default();
        }
    }

    /// The engine is about to hear this.
    pub(crate) fn hears(&mut self, host: usize, now: Time, event: &Event) {
        if !self.on {
            return;
        }
        let watch = self.host(host);
        match event {
            Event::Link(link, event) => watch.hears(host, now, *link, event),
            Event::DialFailed(..) => watch.safety.dial_ends(),
            Event::Job(job, _) => watch.safety.job_ends(host, *job),
            Event::Peers(..) | Event::Command(_) | Event::Loaded(..) => {}
        }
    }
}

impl HostWatch {
    fn hears(&mut self, host: usize, now: Time, link: LinkId, event: &LinkEvent) {
        if let LinkEvent::Opened { dial, .. } = event {
            if self.links.len() <= link.index() {
                self.links.resize_with(link.index() + 1, || None);
            }
            let place = &mut self.links[link.index()];
            assert!(place.is_none(), "host {host}: {link:?} is opened twice");
            *place = Some((link.generation(), Monitor::new(host, link)));
            if dial.is_some() {
                self.safety.dial_ends();
            }
            return;
        }
        if let LinkEvent::Closed(_) = event {
            let closed = self.links.get_mut(link.index()).and_then(Option::take);
            let (_, monitor) = closed.expect("a link closes once, after it was opened");
            self.refund(now, &monitor);
            return;
        }
        let monitor = self.link(link).expect("nothing is heard of a link that is closed");
        let joined = monitor.is_joined();
        match event {
            LinkEvent::Handshaken { reserved, .. } => monitor.handshaken(*reserved),
            LinkEvent::Message(message) => {
                let back = monitor.hears(message);
                if let Some(down) = &mut self.down {
                    down.give_back(now, back);
                }
            }
            LinkEvent::Received { block, .. } => {
                let back = monitor.received(now, *block);
                if let Some(down) = &mut self.down {
                    down.give_back(now, back);
                }
                self.ledger.received(joined, *block);
            }
            LinkEvent::Served { block, outcome } => {
                let sent = monitor.served(*block, *outcome);
                self.ledger.served(joined && sent, *block);
                if let (false, Some(up)) = (sent, &mut self.up) {
                    up.give_back(now, u64::from(block.length));
                }
            }
            LinkEvent::Opened { .. } | LinkEvent::Closed(_) => {}
        }
    }

    /// What was taken from limits for a link that is gone.
    fn refund(&mut self, now: Time, monitor: &Monitor) {
        if let Some(down) = &mut self.down {
            down.give_back(now, monitor.asked_bytes());
        }
        if let Some(up) = &mut self.up {
            up.give_back(now, monitor.serving_bytes());
        }
    }

    fn sets_limits(&mut self, host: usize, now: Time, rates: Rates) {
        self.up = rates.up.map(|rate| Limit::new(host, "up", now, rate));
        self.down = rates.down.map(|rate| Limit::new(host, "down", now, rate));
    }
}

impl World {
    /// Has everything checked from now on. To be said before the first host joins.
    pub fn set_watched(&mut self) {
        self.watch.on = true;
    }

    /// An engine wants this.
    pub(crate) fn watch_action(&mut self, host: usize, action: &Action) {
        if !self.watch.on {
            return;
        }
        if let Action::Notify(notice) = action {
            return self.watch_notice(host, notice);
        }
        let machine = &self.hosts[host];
        let now = machine.clock.read(self.now);
        let (layout, setup) = (&*self.layout, &machine.setup);
        let watch = self.watch.host(host);
        watch.safety.wants(host, action, setup);
        match action {
            Action::Send { link, message } => watch.says(now, *link, message, layout),
            Action::Serve { link, block, .. } => watch.serves(host, now, *link, *block),
            Action::Unserve { link, block } => {
                let monitor = watch.link(*link).expect("it speaks of a link that is there");
                monitor.unserves(*block);
            }
            Action::Close { link, .. } => {
                let monitor = watch.link(*link).expect("it closes a link that is there");
                monitor.closes();
                let monitor = std::mem::replace(monitor, Monitor::closing(host, *link));
                watch.refund(now, &monitor);
            }
            _ => {}
        }
    }

    fn watch_notice(&mut self, host: usize, notice: &Notice) {
        let now = self.hosts[host].clock.read(self.now);
        let rates = self.hosts[host].setup.rates;
        let machine = &self.hosts[host];
        let watch = self.watch.host(host);
        match notice {
            // Who asks for more than its engine does gets more.
            Notice::Added { .. } if machine.setup.manners.is_fair() => {
                watch.sets_limits(host, now, rates);
            }
            Notice::Checked { torrent } => {
                let have = machine.engine.have(*torrent).expect("it was checked just now");
                watch.safety.claims_all(host, have, &machine.disk);
            }
            Notice::Banned { remote, .. } => {
                let banned = self.host_at_ip(remote.ip()).map(|banned| &self.hosts[banned].setup);
                let lied = banned.is_some_and(|setup| setup.manners.corrupts());
                assert!(lied, "host {host} bans {remote}, which is honest");
            }
            Notice::Dormant { .. } => {
                // Who has not said yet what it wants, or waits to be let in, is with nobody.
                let joined = |(link, _)| machine.engine.joined(link).is_some();
                let rests = machine.setup.rests && !machine.links.iter().any(joined);
                assert!(rests, "host {host} goes to rest, and is not alone");
                let record = machine.disk.last_record().expect("it is recorded before");
                let whole = record.rest && record.verified.is_full();
                assert!(whole, "host {host} goes to rest, and is not recorded so");
            }
            Notice::PieceDone { piece, .. } => watch.safety.claims(host, *piece, &machine.disk),
            _ => {}
        }
    }

    /// What is too dear for every delivery: now and then, and at the end.
    pub(crate) fn watch_all(&mut self) {
        for (number, host) in self.hosts.iter().enumerate() {
            let Some(torrent) = host.torrent.filter(|_| !host.gone && !host.down) else { continue };
            let (Some(have), Some(status)) = (host.have(), host.engine.status(torrent)) else {
                continue;
            };
            // What has stopped, for an error of the disk perhaps, looks again before it goes on.
            if !matches!(status.state, State::Stopped(_)) {
                safety::check_claims(number, &have, &host.disk);
            }
            if self.watch.on {
                self.watch.host(number).ledger.check(number, &status);
            }
        }
    }
}

impl HostWatch {
    fn says(&mut self, now: Time, link: LinkId, message: &Message, layout: &Layout) {
        let monitor = find(&mut self.links, link).expect("it speaks to a link that is there");
        monitor.says(now, message, layout, &self.safety.verified);
        if let Message::Request(block) = message {
            self.safety.may_ask();
            let stale = || {
                let monitors = self.links.iter_mut().flatten().map(|(_, monitor)| monitor);
                monitors.map(|monitor| monitor.stale_bytes(now)).sum()
            };
            if let Some(down) = &mut self.down {
                down.take(now, *block, stale);
            }
        }
    }

    fn serves(&mut self, host: usize, now: Time, link: LinkId, block: Block) {
        assert!(self.safety.has(block.piece), "host {host} gives a piece that it has not");
        let monitor = self.link(link).expect("it serves a link that is there");
        monitor.serves(block);
        if let Some(up) = &mut self.up {
            up.take(now, block, || 0);
        }
    }
}
