//! How planned faults come to pass: pauses, leaps of the clock, cuts, crashes; and how all ends.

use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::engine::{Command, State};

use crate::disk::Crash;
use crate::faults::{Faults, Mishap};
use crate::queue::Delivery;
use crate::world::World;

/// A part of the network through which nothing passes.
#[derive(Debug)]
pub(crate) struct Cut {
    from: Vec<usize>,
    to: Vec<usize>,
    since: Time,
    until: Time,
}

impl World {
    /// Sets the faults that come by chance from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Plans a mishap.
    pub fn plan(&mut self, at: Duration, mishap: Mishap) {
        self.at(Time::START.after(at), Delivery::Mishap(Box::new(mishap)));
    }

    /// The network and the disks heal, and no fault comes by chance any more.
    pub fn heal(&mut self) {
        self.faults = self.faults.healed();
        self.cuts.clear();
        for host in 0..self.hosts.len() {
            let disk = self.hosts[host].setup.disk.healed();
            self.set_disk(host, disk);
        }
        self.log(usize::MAX, "heal", String::new);
    }

    /// Users start again what has stopped because of an error, and have torrents checked of which
    /// a file was lost.
    pub fn start_stopped(&mut self) {
        for host in 0..self.hosts.len() {
            let machine = &mut self.hosts[host];
            let status = machine.torrent.and_then(|torrent| machine.engine.status(torrent));
            if std::mem::take(&mut machine.lost) {
                self.command(host, Command::Check);
            } else if status.is_some_and(|status| matches!(status.state, State::Stopped(Some(_)))) {
                self.command(host, Command::Start);
            }
        }
    }

    pub(crate) fn befall(&mut self, mishap: Mishap) {
        let host = match &mishap {
            Mishap::Cut { .. } => usize::MAX,
            Mishap::Pause { host, .. }
            | Mishap::Leap { host, .. }
            | Mishap::Crash { host, .. }
            | Mishap::Stop { host, .. }
            | Mishap::Check { host } => *host,
        };
        if self.hosts.get(host).is_some_and(|machine| machine.gone || machine.down) {
            return;
        }
        self.log(host, "mishap", || format!("{mishap:?}"));
        let now = self.now;
        match mishap {
            Mishap::Pause { host, lasts, asleep } => {
                let machine = &mut self.hosts[host];
                machine.paused_until = machine.paused_until.max(now.after(lasts));
                if asleep {
                    machine.clock.stands_until(now, machine.paused_until);
                }
            }
            Mishap::Leap { host, by } => {
                self.hosts[host].clock.leap(by);
                self.rouse(host);
            }
            Mishap::Cut { from, to, lasts } => {
                self.cuts.push(Cut { from, to, since: now, until: now.after(lasts) });
            }
            Mishap::Crash { host, power, back } => {
                self.crash_by_chance(host, if power { Crash::Power } else { Crash::Process });
                match back {
                    Some(wait) => self.after(wait, Delivery::Restart { host }),
                    None => self.leave(host),
                }
            }
            Mishap::Stop { host, lasts } => {
                self.command(host, Command::Stop);
                self.after(lasts, Delivery::Start { host });
            }
            Mishap::Check { host } => self.command(host, Command::Check),
        }
    }

    /// When something that is on its way between two hosts at `now` comes through, if a part of
    /// the network is cut: after the cut, when the sender tries again.
    pub(crate) fn detour(&mut self, from: usize, to: usize, now: Time) -> Option<Time> {
        self.cuts.retain(|cut| cut.until > now);
        let between = |cut: &&Cut| cut.from.contains(&from) && cut.to.contains(&to);
        let cut = self.cuts.iter().filter(between).max_by_key(|cut| cut.until)?;
        // RFC 6298: the timer has been doubled each time.
        let most = cut.until.since(cut.since).min(Duration::from_secs(60));
        let until = cut.until;
        Some(until.after(self.chance.wait(most)))
    }
}

/// A monotonic clock of a machine, which has moved by more or less than the world's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// How far it is ahead of the world's, less how far it is behind.
    ahead: Duration,
    behind: Duration,
    /// It stands still until then.
    stands: Option<(Time, Time)>,
}

impl Clock {
    /// What it shows.
    pub(crate) fn read(&self, now: Time) -> Time {
        let now = match self.stands {
            Some((since, until)) if now < until => since,
            Some((since, until)) => Time::START.after(now.since(until) + since.since(Time::START)),
            None => now,
        };
        Time::START.after((now.since(Time::START) + self.ahead).saturating_sub(self.behind))
    }

    /// When it will show `local`, at `now` or later, if it does not leap.
    pub(crate) fn when(&self, now: Time, local: Time) -> Time {
        let shows = self.read(now);
        let starts = self.stands.map_or(now, |(_, until)| now.max(until));
        if local <= shows { now } else { starts.after(local.since(shows)) }
    }

    fn leap(&mut self, by: Duration) {
        self.ahead += by;
    }

    fn stands_until(&mut self, now: Time, until: Time) {
        // An earlier sleep that is over is known by how far the clock is behind.
        if let Some((since, earlier)) = self.stands.take() {
            self.behind += earlier.min(now).since(since);
        }
        self.stands = Some((now, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_never_goes_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(at(7)), at(7));
        clock.stands_until(at(10), at(20));
        assert_eq!(
            [clock.read(at(15)), clock.read(at(20)), clock.read(at(25))],
            [at(10), at(10), at(15)]
        );
        assert_eq!(clock.when(at(12), at(13)), at(23));
        clock.leap(Duration::from_secs(100));
        assert_eq!(clock.read(at(25)), at(115));
        assert_eq!([clock.when(at(25), at(100)), clock.when(at(25), at(116))], [at(25), at(26)]);
        clock.stands_until(at(30), at(31));
        assert_eq!([clock.read(at(30)), clock.read(at(32))], [at(120), at(121)]);
    }
}
