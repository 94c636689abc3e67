//! Who sent the bad block: blame by the block's origin, not by the piece.
//!
//! When a piece fails that several peers gave, nothing says who lied. So the hash of each of its
//! blocks is kept, with the block's origin, and the piece is fetched again. Once it is right, a
//! block that differs from the right one convicts the peer it came from, and nobody else.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::partial::Origin;

/// Failed versions that are kept of one piece.
const VERSIONS_MAX: usize = 4;
/// Failed pieces of which versions are kept.
const PIECES_MAX: usize = 64;

/// What is remembered of pieces that failed.
#[derive(Debug, Default)]
pub(super) struct Blame {
    failed: BTreeMap<u32, Vec<Version>>,
}

#[derive(Debug)]
struct Version {
    digests: Vec<[u8; 20]>,
    origins: Vec<Option<Origin>>,
}

impl Blame {
    /// A piece failed. Returns the culprit if one peer alone gave all of it.
    pub(super) fn fail(
        &mut self,
        piece: u32,
        digests: Vec<[u8; 20]>,
        origins: Vec<Option<Origin>>,
    ) -> Option<Origin> {
        let mut givers = origins.iter().copied().flatten();
        let first = givers.next()?;
        if givers.all(|giver| giver.remote == first.remote) {
            return Some(first);
        }
        if self.failed.len() >= PIECES_MAX && !self.failed.contains_key(&piece) {
            return None;
        }
        let versions = self.failed.entry(piece).or_default();
        if versions.len() < VERSIONS_MAX && digests.len() == origins.len() {
            versions.push(Version { digests, origins });
        }
        None
    }

    /// Whether the right digests of this piece would tell something.
    pub(super) fn asks_for(&self, piece: u32) -> bool {
        self.failed.contains_key(&piece)
    }

    /// The piece is right now, and these are its blocks: who had sent another one?
    pub(super) fn solve(&mut self, piece: u32, right: &[[u8; 20]]) -> Vec<Origin> {
        let mut culprits: Vec<Origin> = Vec::new();
        for version in self.failed.remove(&piece).unwrap_or_default() {
            let blocks = version.digests.iter().zip(right).zip(&version.origins);
            for ((was, is), origin) in blocks {
                if let (true, Some(origin)) = (was != is, origin)
                    && !culprits.iter().any(|known| known.remote == origin.remote)
                {
                    culprits.push(*origin);
                }
            }
        }
        culprits
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::LinkId;
    use super::*;
    use alloc::vec;

    fn origin(number: u8) -> Option<Origin> {
        let remote = ([10, 0, 0, number], 6881).into();
        Some(Origin { link: LinkId::new(u32::from(number), 0), remote })
    }

    #[test]
    fn a_single_giver_is_guilty_at_once() {
        let mut blame = Blame::default();
        let culprit = blame.fail(0, vec![[1; 20]; 2], vec![origin(1), origin(1)]);
        assert_eq!(culprit, origin(1));
        assert!(!blame.asks_for(0));
    }

    #[test]
    fn of_several_givers_only_the_liar_is_convicted() {
        let mut blame = Blame::default();
        let givers = vec![origin(1), origin(2), None, origin(3)];
        let bad = vec![[1; 20], [2; 20], [3; 20], [66; 20]];
        assert_eq!(blame.fail(7, bad, givers), None);
        assert!(blame.asks_for(7));
        let right = [[1; 20], [2; 20], [3; 20], [4; 20]];
        assert_eq!(blame.solve(7, &right), [origin(3).unwrap()]);
        assert!(!blame.asks_for(7));
    }

    #[test]
    fn padding_and_what_lay_on_the_disk_accuse_nobody() {
        let mut blame = Blame::default();
        assert_eq!(blame.fail(0, vec![[1; 20]; 2], vec![None, None]), None);
        assert!(!blame.asks_for(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut blame = Blame::default();
        for piece in 0..10_000 {
            for _ in 0..10 {
                blame.fail(piece, vec![[1; 20]; 2], vec![origin(1), origin(2)]);
            }
        }
        assert_eq!(blame.failed.len(), PIECES_MAX);
        assert!(blame.failed.values().all(|versions| versions.len() <= VERSIONS_MAX));
    }
}
