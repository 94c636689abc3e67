//! Where others see us: what the packets of several nodes say (BEP 42).

use alloc::collections::{BTreeMap, VecDeque};
use core::net::{IpAddr, SocketAddr};

use super::lookup::same_block;

/// Votes that count.
const VOTES_MAX: usize = 15;
/// How many must agree before an address gives way to another.
const MAJORITY_LEAST: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Votes {
    votes: VecDeque<(SocketAddr, IpAddr)>,
    elected: Option<IpAddr>,
}

impl Votes {
    /// Our address, as far as anybody has said.
    pub(super) fn elected(&self) -> Option<IpAddr> {
        self.elected
    }

    /// A node that we asked says where it sees us. The new address, if that changes it: the first
    /// is believed until more than half of the last ones, each of another network, say another.
    pub(super) fn vote(&mut self, voter: SocketAddr, ip: IpAddr) -> Option<IpAddr> {
        let same = |other: SocketAddr| other == voter || same_block(other.ip(), voter.ip());
        self.votes.retain(|(other, _)| !same(*other));
        if self.votes.len() == VOTES_MAX {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, ip));
        if self.elected == Some(ip) {
            return None;
        }
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.votes.iter().for_each(|(_, ip)| *counts.entry(*ip).or_default() += 1);
        let count = counts.get(&ip).copied().unwrap_or(0);
        let wins = count >= MAJORITY_LEAST && count * 2 > self.votes.len();
        (self.elected.is_none() || wins).then(|| {
            self.elected = Some(ip);
            ip
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_changes_when_most_say_so_and_not_before() {
        let mut votes = Votes::default();
        let voter = |number: u8| SocketAddr::from(([198, 18, number, 1], 1));
        let (old, new) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        assert_eq!(votes.vote(voter(1), old), Some(old));
        assert_eq!(votes.vote(voter(2), old), None);
        assert_eq!(votes.vote(voter(3), new), None);
        // One liar with a whole network is one voter.
        for last in 2..50 {
            let liar = SocketAddr::from(([198, 18, 3, last], 1));
            assert_eq!(votes.vote(liar, new), None);
        }
        assert_eq!(votes.vote(voter(4), new), None);
        assert_eq!(votes.vote(voter(5), new), Some(new));
        assert_eq!(votes.elected(), Some(new));
    }
}
