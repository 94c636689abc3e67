//! Which of all reasons binds. A leaf: figures in, a reason out.
//!
//! What makes a download impossible goes before what makes it slow, and what we have set ourselves
//! (a limit, a disk) before what others do.

use super::held::{Held, Holder};
use super::limits::Way;
use super::why::{Scope, Why};

/// Bytes a second from which on nobody wonders, unless it has been twice as much before.
const DECENT_RATE: u64 = 1_000_000;

/// How the line of all torrents is used, as of the last heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Bytes a second that come, of all torrents together,
    pub(super) rate: u64,
    /// and that came at the best of times.
    pub(super) best: u64,
    /// Torrents of which something comes.
    pub(super) torrents: u64,
}

impl Line {
    /// What has come in the last seconds, one rate a torrent.
    pub(super) fn tick(&mut self, rates: Self) {
        *self = Self { best: self.best.max(rates.rate), ..rates };
    }

    /// One torrent more of which so much comes.
    pub(super) fn add(&mut self, rate: u64) {
        self.rate += rate;
        self.torrents += u64::from(rate > 0);
    }

    /// Whether as much comes as can be hoped for, and of this torrent no less than of others.
    fn is_full(&self, rate: u64) -> bool {
        self.rate >= DECENT_RATE.max(self.best / 2) && rate * self.torrents * 2 >= self.rate
    }
}

/// The rates that limits let through, where there are any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Caps {
    pub(super) own: Option<u64>,
    pub(super) all: Option<u64>,
}

impl Caps {
    /// Those that there are.
    pub(super) fn iter(self) -> impl Iterator<Item = (Scope, u64)> {
        let own = self.own.map(|rate| (Scope::Torrent, rate));
        own.into_iter().chain(self.all.map(|rate| (Scope::Session, rate)))
    }

    /// The one that binds.
    pub(super) fn binding(self, way: Way, held: &Held) -> Option<(Scope, u64)> {
        let seconds = |scope| held.seconds(Holder::Limit(way, scope));
        let binding = self.iter().filter(|&(scope, _)| held.binds(Holder::Limit(way, scope)));
        binding.max_by_key(|&(scope, _)| seconds(scope))
    }
}

/// The addresses that are known, and the links that there may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    pub(super) known: u32,
    pub(super) failed: u32,
    pub(super) waiting: u32,
    pub(super) next: Option<core::time::Duration>,
    pub(super) dialing: u32,
    /// How many connections there may be, when there are no more.
    pub(super) full: Option<u32>,
}

impl Reach {
    /// Why nobody is connected.
    pub(super) fn why(self) -> Why {
        let Self { known, failed, waiting, next, dialing, full } = self;
        match full {
            _ if known == 0 => Why::NoPeers,
            Some(links) if dialing == 0 && waiting < known => Why::Crowded { links },
            // All that is left to be tried are some that were tried in vain.
            _ if waiting == known || failed == known => Why::Unreachable { failed, waiting, next },
            _ => Why::Connecting { dialing, known },
        }
    }
}

/// What is known of a download that has peers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Download {
    pub(super) peers: u32,
    /// Those of them that may still say what they have.
    pub(super) new: u32,
    /// Those of them that have some of what is missing.
    pub(super) useful: u32,
    /// Those of these that let us,
    pub(super) unchoked: u32,
    /// and those that owe us blocks all the same.
    pub(super) silent: u32,
    /// Requests that are not answered.
    pub(super) requests: u32,
    pub(super) rate: u64,
    /// Bytes that wait to be written.
    pub(super) waiting: u64,
    pub(super) caps: Caps,
    pub(super) line: Line,
}

impl Download {
    /// Why it is no faster. `None`: nobody has anything of what is missing.
    pub(super) fn why(self, held: &Held) -> Option<Why> {
        let Self { peers, useful, unchoked, requests, rate, waiting, caps, line, .. } = self;
        if useful == 0 {
            return None;
        }
        // What a choked peer allows is asked of it all the same (BEP 6).
        if unchoked == 0 && requests == 0 {
            return Some(Why::Choked { by: useful, peers });
        }
        let disk = held.seconds(Holder::Disk);
        let limit = caps.binding(Way::Down, held);
        let limited = |scope| held.seconds(Holder::Limit(Way::Down, scope));
        Some(match limit {
            Some((scope, rate)) if limited(scope) > disk => Why::DownLimit { scope, rate },
            _ if held.binds(Holder::Disk) => Why::Disk { waiting },
            _ if rate == 0 => Why::Silent { unchoked, of: useful },
            _ if line.is_full(rate) => Why::FullSpeed { rate, peers: unchoked },
            _ => Why::Peers { unchoked, of: useful, rate },
        })
    }
}

/// What is known of a seed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Upload {
    pub(super) peers: u32,
    pub(super) interested: u32,
    /// Interested peers that we let download,
    pub(super) unchoked: u32,
    /// and those that have asked for something that they have not got.
    pub(super) served: u32,
    pub(super) slots: u32,
    pub(super) rate: u64,
    pub(super) caps: Caps,
}

impl Upload {
    /// Why it gives no more.
    pub(super) fn why(self, held: &Held) -> Why {
        let Self { peers, interested, unchoked, served, slots, rate, caps } = self;
        if interested == 0 {
            return Why::Unwanted { peers };
        }
        if let Some((scope, rate)) = caps.binding(Way::Up, held) {
            return Why::UpLimit { scope, rate };
        }
        let waiting = interested - unchoked;
        match waiting {
            1.. if unchoked >= slots => Why::Slots { slots, waiting },
            _ => Why::Seeding { to: served, rate },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn who_is_alone_hears_whether_nobody_is_known_answers_or_has_room() {
        let next = Some(Duration::from_secs(9));
        let reach = |known, failed, waiting, dialing| Reach {
            known,
            failed,
            waiting,
            next: next.filter(|_| waiting > 0),
            dialing,
            full: None,
        };
        assert_eq!(reach(0, 0, 0, 0).why(), Why::NoPeers);
        // One of five is tried for the first time.
        assert_eq!(reach(5, 4, 4, 1).why(), Why::Connecting { dialing: 1, known: 5 });
        // The last is tried again, as all have failed before.
        let why = Why::Unreachable { failed: 5, waiting: 4, next };
        assert_eq!(reach(5, 5, 4, 1).why(), why);
        let why = Why::Unreachable { failed: 0, waiting: 5, next };
        assert_eq!(reach(5, 0, 5, 0).why(), why);
        let full = |reach| Reach { full: Some(200), ..reach }.why();
        assert_eq!(full(reach(5, 1, 1, 0)), Why::Crowded { links: 200 });
        assert_eq!(full(reach(5, 5, 5, 0)), Why::Unreachable { failed: 5, waiting: 5, next });
        assert_eq!(full(reach(0, 0, 0, 0)), Why::NoPeers);
    }

    #[test]
    fn what_binds_more_often_is_the_reason_and_the_disk_when_both_do() {
        let caps = Caps { own: Some(1000), all: Some(5000) };
        let download = Download {
            peers: 3,
            useful: 2,
            unchoked: 1,
            rate: 9,
            waiting: 70,
            caps,
            ..Download::default()
        };
        let own = Holder::Limit(Way::Down, Scope::Torrent);
        let all = Holder::Limit(Way::Down, Scope::Session);
        let why = |often: &[(Holder, u32)]| {
            let mut held = Held::default();
            for second in 0..10 {
                let due = often.iter().filter(|&&(_, seconds)| second < seconds);
                due.for_each(|&(holder, _)| held.note(holder));
                held.tick();
            }
            download.why(&held)
        };
        let limit = |scope, rate| Some(Why::DownLimit { scope, rate });
        let disk = Some(Why::Disk { waiting: 70 });
        let peers = Some(Why::Peers { unchoked: 1, of: 2, rate: 9 });
        assert_eq!(why(&[(own, 5), (all, 4)]), limit(Scope::Torrent, 1000));
        assert_eq!(why(&[(own, 6), (all, 9)]), limit(Scope::Session, 5000));
        assert_eq!(why(&[(own, 7), (Holder::Disk, 7)]), disk);
        assert_eq!(why(&[(own, 8), (Holder::Disk, 7)]), limit(Scope::Torrent, 1000));
        assert_eq!(why(&[(own, 4), (Holder::Disk, 4)]), peers);
        // What bound the limit was lifted.
        let free = Download { caps: Caps::default(), ..download };
        let mut held = Held::default();
        (0..10).for_each(|_| {
            held.note(own);
            held.tick();
        });
        assert_eq!(free.why(&held), peers);
    }

    #[test]
    fn a_line_is_full_for_torrents_that_have_their_share_of_it() {
        let mut line = Line::default();
        let mut second = |rates: &[u64]| {
            let mut now = Line::default();
            rates.iter().for_each(|&rate| now.add(rate));
            line.tick(now);
            line
        };
        assert!(!second(&[900_000]).is_full(900_000), "little, and never more");
        let shared = second(&[4_000_000, 5_000_000, 100_000, 0]);
        assert!(shared.is_full(4_000_000) && shared.is_full(5_000_000));
        assert!(!shared.is_full(100_000), "the line carries more, for others");
        assert!(!second(&[4_000_000]).is_full(4_000_000), "less than half of the best");
        assert!(second(&[4_600_000]).is_full(4_600_000));
    }
}
