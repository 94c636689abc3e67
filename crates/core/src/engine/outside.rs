//! How we look from outside, as peers say, and whom that makes us prefer (BEP 40).
//!
//! A leaf: it knows no message and no action.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};

use toubkal_wire::rank;

/// Peers whose word is remembered; the oldest goes.
const VOTES_MAX: usize = 32;

/// What peers say of our address.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Who said what, each address once.
    votes: VecDeque<(IpAddr, IpAddr)>,
    ours: Ours,
}

/// Our addresses: of each family, in private networks and elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ours {
    /// How often they have changed.
    pub(super) version: u32,
    ips: [Option<IpAddr>; 4],
    port: u16,
}

impl Outside {
    pub(super) fn new(port: u16) -> Self {
        Self { votes: VecDeque::new(), ours: Ours { port, ..Ours::default() } }
    }

    /// A peer says where it sees us (BEP 10 `yourip`).
    pub(super) fn hear(&mut self, voter: IpAddr, ours: IpAddr) {
        let (voter, ours) = (voter.to_canonical(), ours.to_canonical());
        // What is said from a private network holds there, and only there.
        if ours.is_unspecified() || ours.is_multicast() || kind(voter) != kind(ours) {
            return;
        }
        self.votes.retain(|&(other, _)| other != voter);
        if self.votes.len() >= VOTES_MAX {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, ours));
        let count = |ip: IpAddr| self.votes.iter().filter(|&&(_, vote)| vote == ip).count();
        let same = self.votes.iter().map(|&(_, vote)| vote).filter(|&ip| kind(ip) == kind(ours));
        let most = same.max_by_key(|&ip| (count(ip), ip));
        let known = &mut self.ours.ips[kind(ours)];
        if *known != most {
            *known = most;
            self.ours.version += 1;
        }
    }

    pub(super) fn ours(&self) -> &Ours {
        &self.ours
    }
}

impl Ours {
    /// How much a connection with this address is worth to both ends; the same for all while we do
    /// not know who we are.
    pub(super) fn rank(&self, remote: SocketAddr) -> u32 {
        let own = self.ips[kind(remote.ip())];
        own.map_or(0, |ip| rank::rank(SocketAddr::new(ip, self.port), remote))
    }
}

fn kind(ip: IpAddr) -> usize {
    usize::from(ip.to_canonical().is_ipv6()) * 2 + usize::from(is_near(ip))
}

/// Whether an address is one of a private network, of which nobody elsewhere has any use.
pub(super) fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn outside(votes: &[(&str, &str)]) -> Outside {
        let mut outside = Outside::new(6881);
        votes.iter().for_each(|(voter, ours)| outside.hear(ip(voter), ip(ours)));
        outside
    }

    const PEER: &str = "98.76.54.32:2";

    fn rank_of(outside: &Outside, remote: &str) -> u32 {
        outside.ours().rank(remote.parse().expect("an address"))
    }

    #[test]
    fn what_most_say_is_believed() {
        let told = outside(&[
            ("1.1.1.1", "5.5.5.5"),
            ("1.1.1.2", "123.213.32.10"),
            ("1.1.1.3", "123.213.32.10"),
        ]);
        // The example of BEP 40.
        assert_eq!(rank_of(&told, PEER), 0xec2d_7224);
    }

    #[test]
    fn one_liar_has_one_voice() {
        let mut told = outside(&[("1.1.1.2", "123.213.32.10"), ("1.1.1.3", "123.213.32.10")]);
        (0..100).for_each(|_| told.hear(ip("6.6.6.6"), ip("5.5.5.5")));
        assert_eq!(rank_of(&told, PEER), 0xec2d_7224);
    }

    #[test]
    fn neighbours_say_nothing_of_the_world_outside() {
        let told = outside(&[("10.0.0.1", "10.0.0.2"), ("10.0.0.1", "5.5.5.5")]);
        assert_eq!(rank_of(&told, PEER), 0);
        assert_ne!(rank_of(&told, "10.0.0.9:1"), 0);
        assert_eq!(rank_of(&told, "[2001:db8::1]:1"), 0);
    }
}
