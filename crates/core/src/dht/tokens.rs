//! Tokens: who shows one that was given to its address may store something (BEP 5).

use core::net::IpAddr;
use core::time::Duration;

use sha1::{Digest, Sha1};

use crate::base::Time;

/// Bytes of a token.
pub(super) const BYTES: usize = 8;
/// A new secret is taken so often; tokens of the one before count. BEP 5 takes as long.
pub(super) const LIFE: Duration = Duration::from_secs(300);

/// Gives tokens, and remembers none: they follow from a secret, the time and an address.
#[derive(Debug)]
pub(super) struct Tokens {
    secret: [u8; 32],
}

impl Tokens {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    pub(super) fn give(&self, now: Time, ip: IpAddr) -> [u8; BYTES] {
        self.of(epoch(now), ip)
    }

    pub(super) fn accepts(&self, now: Time, ip: IpAddr, token: &[u8]) -> bool {
        let epoch = epoch(now);
        let before = epoch.checked_sub(1);
        core::iter::once(epoch).chain(before).any(|epoch| self.of(epoch, ip) == token)
    }

    fn of(&self, epoch: u64, ip: IpAddr) -> [u8; BYTES] {
        let mut hash = Sha1::new_with_prefix(self.secret);
        hash.update(epoch.to_be_bytes());
        match ip {
            IpAddr::V4(ip) => hash.update(ip.octets()),
            IpAddr::V6(ip) => hash.update(ip.octets()),
        }
        *hash.finalize().first_chunk().expect("a hash is longer")
    }
}

fn epoch(now: Time) -> u64 {
    now.since(Time::START).as_secs() / LIFE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_for_its_address_and_for_five_to_ten_minutes() {
        let (tokens, others) = (Tokens::new([1; 32]), Tokens::new([2; 32]));
        let (ip, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let at = |seconds| Time::START.after(Duration::from_secs(seconds));
        let token = tokens.give(at(299), ip);
        for (seconds, good) in [(299, true), (599, true), (600, false)] {
            assert_eq!(tokens.accepts(at(seconds), ip, &token), good, "{seconds}");
        }
        assert!(!tokens.accepts(at(299), other, &token));
        assert!(!others.accepts(at(299), ip, &token));
        assert!(!tokens.accepts(at(299), ip, b""));
    }
}
