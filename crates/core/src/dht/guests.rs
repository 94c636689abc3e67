//! Who speaks with us: how much of it, and who has proved that its address is its own.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::krpc::is_local;

use crate::base::Time;

/// Answers that one address gets in a second.
pub(super) const ANSWERS_MAX: u16 = 20;
/// Questions that one address gets of us in a second: nodes can be told of that are none.
pub(super) const QUESTIONS_MAX: u16 = 10;
/// Answers that all addresses together get in a second.
pub(super) const ALL_ANSWERS_MAX: u16 = 1000;
/// Seconds for which an address is believed that answered us.
const PROOF: u32 = 600;
/// Addresses that are remembered.
const GUESTS_MAX: usize = 4096;

/// An IPv4 address, or the network of an IPv6 one. At home, where many nodes may share an address,
/// with the port.
type Place = (IpAddr, u16);

#[derive(Debug, Default)]
pub(super) struct Guests {
    known: BTreeMap<Place, Guest>,
    second: u32,
    answers: u16,
}

#[derive(Clone, Copy, Debug, Default)]
struct Guest {
    /// The second that the counts are of.
    second: u32,
    answers: u16,
    questions: u16,
    /// Until when it is believed.
    proven: u32,
}

impl Guests {
    /// Whether a question from there is answered.
    pub(super) fn may_ask(&mut self, now: Time, from: SocketAddr) -> bool {
        let second = seconds(now);
        if self.second != second {
            (self.second, self.answers) = (second, 0);
        }
        if self.answers >= ALL_ANSWERS_MAX {
            return false;
        }
        let guest = self.guest(second, from);
        if guest.answers >= ANSWERS_MAX {
            return false;
        }
        guest.answers += 1;
        self.answers += 1;
        true
    }

    /// Whether a question may go there.
    pub(super) fn may_be_asked(&mut self, now: Time, to: SocketAddr) -> bool {
        let guest = self.guest(seconds(now), to);
        let room = guest.questions < QUESTIONS_MAX;
        guest.questions += u16::from(room);
        room
    }

    /// Something came back from there that only who gets our packets can know.
    pub(super) fn proved(&mut self, now: Time, from: SocketAddr) {
        let second = seconds(now);
        self.guest(second, from).proven = second + PROOF;
    }

    /// Whether that is so, and not long ago.
    pub(super) fn is_proven(&self, now: Time, from: SocketAddr) -> bool {
        let guest = self.known.get(&place(from));
        guest.is_some_and(|guest| guest.proven > seconds(now))
    }

    fn guest(&mut self, second: u32, address: SocketAddr) -> &mut Guest {
        let place = place(address);
        if self.known.len() >= GUESTS_MAX && !self.known.contains_key(&place) {
            self.forget(second);
        }
        let guest = self.known.entry(place).or_default();
        if guest.second != second {
            (guest.second, guest.answers, guest.questions) = (second, 0, 0);
        }
        guest
    }

    /// Forgets who said nothing in this second and has no proof; if that are few, everybody but
    /// the half that was heard last.
    fn forget(&mut self, second: u32) {
        self.known.retain(|_, guest| guest.second == second || guest.proven > second);
        if self.known.len() > GUESTS_MAX / 2 {
            let mut last: Vec<u32> = self.known.values().map(|guest| guest.second).collect();
            let middle = last.len() / 2;
            let limit = *last.select_nth_unstable(middle).1;
            self.known.retain(|_, guest| guest.second > limit);
        }
    }
}

fn seconds(now: Time) -> u32 {
    now.since(Time::START).as_secs() as u32
}

/// A number for whoever has an address, by which what is stored for it is counted.
pub(super) fn block(address: SocketAddr) -> u64 {
    match place(address) {
        (IpAddr::V4(ip), port) => u64::from(u32::from(ip)) << 16 | u64::from(port),
        (IpAddr::V6(ip), port) => (u128::from(ip) >> 64) as u64 ^ u64::from(port),
    }
}

fn place(address: SocketAddr) -> Place {
    match address.ip() {
        ip if is_local(ip) => (ip, address.port()),
        IpAddr::V6(ip) => {
            let network = u128::from(ip) >> 64 << 64;
            (IpAddr::V6(network.into()), 0)
        }
        ip => (ip, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn at(millis: u64) -> Time {
        Time::START.after(Duration::from_millis(millis))
    }

    #[test]
    fn who_floods_gets_a_bounded_number_of_answers_a_second() {
        let mut guests = Guests::default();
        let from = |port| SocketAddr::from(([198, 18, 0, 1], port));
        let ports = |from: fn(u16) -> SocketAddr, guests: &mut Guests, now| {
            (0..1000).filter(|&port| guests.may_ask(now, from(port))).count()
        };
        assert_eq!(ports(from, &mut guests, at(0)), usize::from(ANSWERS_MAX));
        assert_eq!(ports(from, &mut guests, at(999)), 0);
        assert_eq!(ports(from, &mut guests, at(1000)), usize::from(ANSWERS_MAX));
        assert!(guests.may_ask(at(1001), SocketAddr::from(([198, 18, 0, 2], 1))));
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_too_and_forgotten() {
        let mut guests = Guests::default();
        let mut answered = 0;
        for number in 0..20_000u32 {
            let ip = core::net::Ipv4Addr::from(0xc612_0000 + number);
            answered += u32::from(guests.may_ask(at(5), SocketAddr::new(ip.into(), 1)));
            guests.may_be_asked(at(5), SocketAddr::new(ip.into(), 1));
            assert!(guests.known.len() <= GUESTS_MAX);
        }
        assert_eq!(answered, u32::from(ALL_ANSWERS_MAX));
    }

    #[test]
    fn proof_is_of_an_address_and_fades() {
        let mut guests = Guests::default();
        let six = |last: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 1));
        guests.proved(at(0), six(1));
        assert!(guests.is_proven(at(1000), six(2)), "of one network");
        assert!(!guests.is_proven(at(601_000), six(1)));
        let (one, two) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        guests.proved(at(0), one);
        assert!(guests.is_proven(at(1), one) && !guests.is_proven(at(1), two));
    }
}
