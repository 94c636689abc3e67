//! How torrents share the limit of their group: max-min fair, by what they could use.
//!
//! A block passes two token buckets, the one of its torrent and the one of the session
//! (`engine/limits.rs`). A third between them, of a group, would make each block look up what
//! groups its torrent is in. Limits of groups are coarse, and the owner of the torrents looks at
//! their rates once a second anyway; so it divides the limit of a group into limits of its
//! torrents, of which the engine knows already. The session's limit holds above as before.
//!
//! Max-min fair (Bertsekas and Gallager, *Data Networks*, 6.5.2): nobody gets more than it can
//! use, and nobody could get more without taking from one that has no more than it. What one can
//! use is not known, only what it did: who moved nearly what it was allowed to may use any amount,
//! and who moved less may use an eighth more, and a block a second. What nobody is known to use is
//! spread over all, so that one who wakes up finds something.
//!
//! All limits together are never more than that of the group. The price is the eighth that was
//! left to the modest and that they do not use, while others want it: the group moves at least
//! eight ninths of what it may, less a block a second for each.
//!
//! A limit that is set anew comes with a full bucket. So whoever sets limits every second lets a
//! burst through every second; set those that differ, by a sixteenth or so.

use alloc::vec::Vec;

use toubkal_wire::layout::BLOCK_BYTES;

/// What a torrent of a group did in the last second. All in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// How fast it moved.
    pub rate: u64,
    /// The limit that it had as its share; `None` for one that is new in the group.
    pub share: Option<u64>,
    /// Its own limit by the user's will, which holds too.
    pub own: Option<u64>,
}

/// The limits of the torrents of a group whose limit is `cap`, in their order.
///
/// The sum is `cap`, or the sum of their own limits when that is less. With less than a byte a
/// second for each, some get 0, and are better paused.
#[must_use]
pub fn share(cap: u64, torrents: &[Use]) -> Vec<u64> {
    let own = |torrent: &Use| torrent.own.unwrap_or(u64::MAX);
    let wanted: Vec<u64> = torrents.iter().map(|one| demand(one).min(own(one))).collect();
    let mut shares = fair(cap, &wanted);
    let spare = cap - shares.iter().sum::<u64>();
    let room: Vec<u64> = torrents.iter().zip(&shares).map(|(one, got)| own(one) - got).collect();
    for (share, more) in shares.iter_mut().zip(fair(spare, &room)) {
        *share += more;
    }
    shares
}

/// Divides `cap` by `demands`, in their order: max-min fair, to the byte. Among equals those in
/// front get what cannot be divided.
///
/// No share is above its demand, and their sum is `cap` or, when it is less, that of the demands.
#[must_use]
pub fn fair(cap: u64, demands: &[u64]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|&at| (demands[at], core::cmp::Reverse(at)));
    let mut shares = alloc::vec![0; demands.len()];
    let mut left = cap;
    // Who wants least first: what it does not take is for all that want more.
    for (done, at) in order.into_iter().enumerate() {
        let others = (demands.len() - done) as u64;
        shares[at] = demands[at].min(left / others);
        left -= shares[at];
    }
    shares
}

/// What a torrent could use, as far as one can tell.
fn demand(torrent: &Use) -> u64 {
    match torrent.share {
        // More than eight ninths, which is what it moves when an eighth was left to it.
        Some(share) if torrent.rate < share - share / 16 => {
            torrent.rate.saturating_add(torrent.rate / 8).saturating_add(u64::from(BLOCK_BYTES))
        }
        Some(_) | None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn a_limit_is_divided_max_min_fair() {
        let table: [(u64, &[u64], &[u64]); 8] = [
            (100, &[], &[]),
            (0, &[5, 5], &[0, 0]),
            (90, &[100, 100, 100], &[30, 30, 30]),
            (100, &[10, 100, 100], &[10, 45, 45]),
            (100, &[80, 20, 10], &[70, 20, 10]),
            (100, &[20, 10, 5], &[20, 10, 5]),
            (11, &[u64::MAX, u64::MAX, u64::MAX], &[4, 4, 3]),
            (u64::MAX, &[u64::MAX, 7], &[u64::MAX - 7, 7]),
        ];
        for (cap, demands, shares) in table {
            assert_eq!(fair(cap, demands), shares, "{cap} {demands:?}");
        }
    }

    /// Rates of torrents that could use `wants`, after some seconds in a group.
    fn settled(cap: u64, wants: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let mut group = vec![Use { rate: 0, share: None, own: None }; wants.len()];
        let mut shares = Vec::new();
        for _ in 0..50 {
            shares = share(cap, &group);
            for ((torrent, &share), &want) in group.iter_mut().zip(&shares).zip(wants) {
                *torrent = Use { rate: want.min(share), share: Some(share), own: None };
            }
        }
        (group.iter().map(|torrent| torrent.rate).collect(), shares)
    }

    #[test]
    fn what_a_modest_torrent_leaves_goes_to_the_others() {
        let (rates, shares) = settled(10_000_000, &[1_000_000, u64::MAX, u64::MAX]);
        assert_eq!(rates[0], 1_000_000);
        assert!(rates[1] >= 4_400_000 && rates[2] >= 4_400_000, "{rates:?}");
        assert_eq!(shares.iter().sum::<u64>(), 10_000_000);
    }

    #[test]
    fn who_wakes_up_has_its_share_in_a_few_seconds() {
        let mut group = [Use { rate: 0, share: Some(16_384), own: None }; 2];
        group[1] = Use { rate: 9_900_000, share: Some(9_983_616), own: None };
        let mut seconds = 0;
        while group[0].rate < 4_900_000 {
            let shares = share(10_000_000, &group);
            for (torrent, share) in group.iter_mut().zip(shares) {
                *torrent = Use { rate: share, share: Some(share), own: None };
            }
            seconds += 1;
        }
        // The first in which it takes all of its block a second, and the next.
        assert_eq!(seconds, 2);
    }

    #[test]
    fn an_own_limit_holds_and_what_it_leaves_is_shared() {
        let new = Use { rate: 0, share: None, own: None };
        let group = [Use { own: Some(100), ..new }, new, new];
        assert_eq!(share(1000, &group), [100, 450, 450]);
        let all_limited = [Use { own: Some(100), ..new }, Use { own: Some(7), ..new }];
        assert_eq!(share(1000, &all_limited), [100, 7]);
    }

    proptest! {
        #[test]
        fn nobody_could_have_more_without_taking_from_one_that_has_less(
            cap in 0..2000_u64,
            demands in prop::collection::vec(0..500_u64, 0..20),
        ) {
            let shares = fair(cap, &demands);
            let wanted: u64 = demands.iter().sum();
            prop_assert_eq!(shares.iter().sum::<u64>(), cap.min(wanted));
            let most = shares.iter().max().copied().unwrap_or(0);
            for (&share, &demand) in shares.iter().zip(&demands) {
                prop_assert!(share <= demand);
                prop_assert!(share == demand || share + 1 >= most);
            }
        }

        #[test]
        fn a_group_never_has_more_than_its_limit_and_hands_all_of_it_out(
            cap in 0..u64::MAX,
            group in prop::collection::vec(
                (any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>()), 1..20),
        ) {
            let group: Vec<Use> =
                group.into_iter().map(|(rate, share, own)| Use { rate, share, own }).collect();
            let shares = share(cap, &group);
            let limits = group.iter().map(|one| u128::from(one.own.unwrap_or(u64::MAX)));
            let sum: u128 = shares.iter().map(|&share| u128::from(share)).sum();
            prop_assert_eq!(sum, limits.sum::<u128>().min(u128::from(cap)));
            for (one, share) in group.iter().zip(shares) {
                prop_assert!(share <= one.own.unwrap_or(u64::MAX));
            }
        }

        #[test]
        fn a_group_moves_at_least_eight_ninths_of_what_it_may(
            cap in 1_000_000..100_000_000_u64,
            wants in prop::collection::vec(0..50_000_000_u64, 1..8),
        ) {
            let (rates, _) = settled(cap, &wants);
            let may: u64 = fair(cap, &wants).iter().sum();
            let blocks = u64::from(BLOCK_BYTES) * wants.len() as u64;
            prop_assert!(rates.iter().sum::<u64>() + blocks >= may / 9 * 8, "{:?}", rates);
        }
    }
}
