//! Guessing takes time: whoever gave a wrong password waits, longer each time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong passwords that cost nothing.
const FREE: u32 = 5;
/// The first wait, doubled with each further one.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(900);
/// Addresses that are remembered; who is not among them is as good as new.
const ADDRESSES_MAX: usize = 10_000;

/// Who has failed lately.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failed: HashMap<IpAddr, (u32, Instant)>,
}

impl Throttle {
    /// How long an address has to wait before it may try again; `None`: it may.
    pub(crate) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let (count, last) = self.failed.get(&net(from))?;
        (*last + pause(*count)).checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    pub(crate) fn failed(&mut self, from: IpAddr, now: Instant) {
        if self.failed.len() >= ADDRESSES_MAX {
            self.failed.retain(|_, (_, last)| now.saturating_duration_since(*last) < LONGEST);
        }
        if self.failed.len() < ADDRESSES_MAX || self.failed.contains_key(&net(from)) {
            let entry = self.failed.entry(net(from)).or_insert((0, now));
            *entry = (entry.0.saturating_add(1), now);
        }
    }

    pub(crate) fn passed(&mut self, from: IpAddr) {
        self.failed.remove(&net(from));
    }
}

fn pause(count: u32) -> Duration {
    let Some(more) = count.checked_sub(FREE) else { return Duration::ZERO };
    FIRST.saturating_mul(1 << more.min(20)).min(LONGEST)
}

/// One household of IPv6 has a whole /64.
fn net(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_longer_and_longer_and_others_do_not() {
        let (me, you) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut throttle = Throttle::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..20 {
            throttle.failed(me, now);
            let wait = throttle.wait(me, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits[..8], [0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!(waits[19], 900);
        assert_eq!(throttle.wait(you, now), None);
        throttle.failed(me, now);
        throttle.passed(me);
        assert_eq!(throttle.wait(me, now), None);
    }

    #[test]
    fn a_neighbour_in_the_same_net_is_the_same_guesser() {
        let [one, other, far] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|ip| ip.parse().unwrap());
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        (0..9).for_each(|_| throttle.failed(one, now));
        assert!(throttle.wait(other, now).is_some() && throttle.wait(far, now).is_none());
    }

    #[test]
    fn the_table_has_an_end() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..ADDRESSES_MAX as u32 + 50 {
            throttle.failed(std::net::Ipv4Addr::from(number).into(), now);
        }
        assert_eq!(throttle.failed.len(), ADDRESSES_MAX);
    }
}
