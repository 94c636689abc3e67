//! What we and a peer say to each other by the extension protocol (BEP 10), beside blocks: what
//! was agreed on, of whom each told the other, how much metadata was given.
//!
//! A leaf: it knows no message and no action.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use toubkal_wire::exchange::{EXCHANGED_MAX, Exchange, Flags};
use toubkal_wire::extension::Numbers;

use super::bounds::EXCHANGE_TIME;
use super::outside::is_near;
use crate::base::Time;

/// A message of exchange that comes sooner after the last counts as a flood. Clocks differ, and
/// what is sent each minute does not come each minute.
const EXCHANGE_TIME_MIN: Duration = Duration::from_secs(50);
/// Messages of exchange that may come together: what was held up somewhere.
const EXCHANGES_TOGETHER: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// What was agreed on with one peer.
#[derive(Debug)]
pub(super) struct Contact {
    /// Our handshake has gone.
    pub(super) greeted: bool,
    /// Its handshake has come.
    pub(super) told: bool,
    pub(super) numbers: Numbers,
    /// It wants nothing any more (BEP 21).
    pub(super) upload_only: bool,
    /// Whom it was told of.
    shown: BTreeSet<SocketAddr>,
    /// It is told no more before.
    show_at: Time,
    /// What there was to tell was looked at then.
    looked: Option<Time>,
    /// Messages of exchange that it may send, and since when there is one more.
    may_show: u32,
    since: Time,
    /// Blocks of metadata that it was given in the minute that began then.
    given: u32,
    minute: Time,
}

impl Contact {
    pub(super) fn new(now: Time) -> Self {
        Self {
            greeted: false,
            told: false,
            numbers: Numbers::default(),
            upload_only: false,
            shown: BTreeSet::new(),
            show_at: now,
            looked: None,
            may_show: EXCHANGES_TOGETHER,
            since: now,
            given: 0,
            minute: now,
        }
    }

    /// The number under which it takes a message, when it does.
    pub(super) fn takes(number: Option<u8>) -> Option<u8> {
        number.filter(|&number| number != 0)
    }

    /// Whether it may be told of others now, when there was news at `news` last.
    pub(super) fn is_due(&self, now: Time, news: Time) -> bool {
        let seen = self.looked.is_some_and(|looked| looked > news);
        Self::takes(self.numbers.exchange).is_some() && self.show_at <= now && !seen
    }

    /// What it is to be told of those who are there, if there is anything new for it. `own`: where
    /// it is itself.
    pub(super) fn show(
        &mut self,
        now: Time,
        own: IpAddr,
        there: &[(SocketAddr, Flags)],
    ) -> Option<Exchange> {
        self.looked = Some(now);
        let fits = |&&(peer, _): &&(SocketAddr, Flags)| is_near(own) || !is_near(peer.ip());
        let there: Vec<(SocketAddr, Flags)> = there.iter().filter(fits).copied().collect();
        let is_there = |peer: &SocketAddr| there.iter().any(|(other, _)| other == peer);
        let gone = self.shown.iter().filter(|peer| !is_there(peer)).take(EXCHANGED_MAX);
        let dropped: Vec<SocketAddr> = gone.copied().collect();
        let new = there.iter().filter(|(peer, _)| !self.shown.contains(peer)).take(EXCHANGED_MAX);
        let added: Vec<(SocketAddr, Flags)> = new.copied().collect();
        if added.is_empty() && dropped.is_empty() {
            return None;
        }
        dropped.iter().for_each(|peer| _ = self.shown.remove(peer));
        self.shown.extend(added.iter().map(|&(peer, _)| peer));
        self.show_at = now.after(EXCHANGE_TIME);
        // There may be more than one message holds.
        if added.len().max(dropped.len()) == EXCHANGED_MAX {
            self.looked = None;
        }
        Some(Exchange { added, dropped })
    }

    /// It tells of others; whether that is often enough to be heard.
    pub(super) fn may_show(&mut self, now: Time) -> bool {
        while self.may_show < EXCHANGES_TOGETHER && now.since(self.since) >= EXCHANGE_TIME_MIN {
            self.since = self.since.after(EXCHANGE_TIME_MIN);
            self.may_show += 1;
        }
        if self.may_show == EXCHANGES_TOGETHER {
            self.since = now;
        }
        let may = self.may_show > 0;
        self.may_show = self.may_show.saturating_sub(1);
        may
    }

    /// It asks for a block of metadata of so many: twice the whole of it in a minute is enough.
    pub(super) fn may_have(&mut self, now: Time, blocks: u32) -> bool {
        if now.since(self.minute) >= MINUTE {
            (self.given, self.minute) = (0, now);
        }
        self.given += 1;
        self.given <= 2 * blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    fn there(numbers: core::ops::Range<u8>) -> Vec<(SocketAddr, Flags)> {
        numbers.map(|last| (([192, 0, 2, last], 6881).into(), Flags::default())).collect()
    }

    fn contact() -> Contact {
        Contact { numbers: Numbers::OURS, ..Contact::new(later(0)) }
    }

    const OWN: [u8; 4] = [198, 51, 100, 1];

    #[test]
    fn a_peer_is_told_once_a_minute_and_only_what_is_new() {
        let mut contact = contact();
        assert!(contact.is_due(later(1), later(1)));
        let first = contact.show(later(1), OWN.into(), &there(0..3)).unwrap();
        assert_eq!((first.added, first.dropped), (there(0..3), Vec::new()));
        assert!(!contact.is_due(later(60), later(30)));
        assert!(!contact.is_due(later(61), later(0)), "nothing is new");
        assert!(contact.is_due(later(61), later(30)));
        let second = contact.show(later(61), OWN.into(), &there(1..4)).unwrap();
        assert_eq!(second.added, there(3..4));
        assert_eq!(second.dropped, [there(0..1)[0].0]);
        assert_eq!(contact.show(later(200), OWN.into(), &there(1..4)), None);
    }

    #[test]
    fn what_is_too_much_for_a_message_is_told_in_the_next() {
        let mut contact = contact();
        let first = contact.show(later(0), OWN.into(), &there(0..120)).unwrap();
        assert_eq!(first.added.len(), EXCHANGED_MAX);
        assert!(contact.is_due(later(60), later(0)));
        contact.show(later(60), OWN.into(), &there(0..120)).unwrap();
        let third = contact.show(later(120), OWN.into(), &there(0..120)).unwrap();
        assert_eq!(third.added, there(100..120));
    }

    #[test]
    fn nobody_outside_is_told_of_a_private_network() {
        let near = [(([10, 0, 0, 1], 1).into(), Flags::default())];
        assert_eq!(contact().show(later(0), OWN.into(), &near), None);
        assert!(contact().show(later(0), [10, 0, 0, 2].into(), &near).is_some());
        let mapped: IpAddr = "::ffff:10.0.0.2".parse().unwrap();
        assert!(contact().show(later(0), mapped, &near).is_some());
    }

    #[test]
    fn who_takes_no_exchange_is_told_nothing() {
        let mut contact = contact();
        contact.numbers.exchange = Some(0);
        assert!(!contact.is_due(later(1), later(1)));
        contact.numbers.exchange = None;
        assert!(!contact.is_due(later(1), later(1)));
    }

    #[test]
    fn a_flood_of_exchange_is_not_heard() {
        let mut contact = contact();
        let heard = (0..600).filter(|&second| contact.may_show(later(second))).count();
        assert!((10..=14).contains(&heard), "{heard}");
        let mut contact = self::contact();
        assert!((0..10).all(|minute| contact.may_show(later(60 * minute))));
    }

    #[test]
    fn twice_the_metadata_is_given_in_a_minute() {
        let mut contact = contact();
        let given = (0..100).filter(|_| contact.may_have(later(1), 3)).count();
        assert_eq!(given, 6);
        assert!(contact.may_have(later(61), 3));
    }
}
