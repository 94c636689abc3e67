//! Whom to upload to: tit for tat with an optimistic slot, or, as a seed, turn by turn.
//!
//! Following BEP 3 and Cohen, "Incentives Build Robustness in BitTorrent" (2003): every ten
//! seconds the slots go to the interested peers that give us most; one slot is optimistic and
//! goes round every thirty seconds, new peers three times as likely, so that better peers are
//! found and newcomers get a first piece. A peer that owes us blocks and sends none snubs us, and
//! gets no slot but the optimistic one.
//!
//! A seed gets nothing, so it asks what it gives: a slot stays with a peer for a turn of time and
//! bytes, then goes to the one that has waited longest. Many peers get a few pieces each and
//! spread them, instead of one getting everything.

use alloc::vec::Vec;
use core::time::Duration;

use super::event::LinkId;
use crate::base::{Rng, Time};

/// How long a peer of a seed keeps its slot at the least, when others wait,
const TURN: Duration = Duration::from_secs(20);
/// or until it has got so many bytes, when that takes longer.
const TURN_BYTES: u64 = 4 * 1024 * 1024;
/// and at the most.
const TURN_MAX: Duration = Duration::from_secs(60);
/// A peer is new for this long.
const NEW: Duration = Duration::from_secs(30);

/// What the choker knows of a peer. Only interested peers are candidates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) link: LinkId,
    /// Bytes a second that it sends us.
    pub(super) gives: u64,
    /// Bytes a second that we send it.
    pub(super) takes: u64,
    /// It owes us blocks and sends none.
    pub(super) snubs: bool,
    /// When it was connected.
    pub(super) since: Time,
    /// Since when it has a slot.
    pub(super) unchoked: Option<Time>,
    /// When it last lost its slot.
    pub(super) choked: Option<Time>,
    /// Bytes that it got since it has its slot.
    pub(super) got: u64,
}

/// Who has a slot from now on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// All of them, the optimistic one included.
    pub(super) unchoked: Vec<LinkId>,
    /// The optimistic one, when it was drawn anew or kept.
    pub(super) optimistic: Option<LinkId>,
}

/// Gives `slots` slots to a downloader's peers. `optimistic`: who has the optimistic slot and
/// keeps it; `None` draws a new one.
pub(super) fn downloading(
    candidates: &[Candidate],
    slots: usize,
    optimistic: Option<LinkId>,
    rng: &mut Rng,
    now: Time,
) -> Slots {
    let mut order: Vec<&Candidate> = candidates.iter().filter(|peer| !peer.snubs).collect();
    rng.shuffle(&mut order);
    // The sort is stable: among equals chance decides, but who has a slot keeps it.
    order.sort_by_key(|peer| core::cmp::Reverse((peer.gives, peer.unchoked.is_some())));
    let kept = optimistic.filter(|&link| candidates.iter().any(|peer| peer.link == link));
    let regular = order.iter().map(|peer| peer.link).filter(|&link| Some(link) != kept);
    let mut unchoked: Vec<LinkId> = regular.take(slots.saturating_sub(1)).collect();
    let optimistic = kept.or_else(|| draw(candidates, &unchoked, rng, now));
    unchoked.extend(optimistic);
    unchoked.truncate(slots);
    Slots { unchoked, optimistic }
}

/// Gives `slots` slots to a seed's peers.
pub(super) fn seeding(candidates: &[Candidate], slots: usize, rng: &mut Rng, now: Time) -> Slots {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    rng.shuffle(&mut order);
    // In its turn first; then who waited longest (who never had a slot, before all others).
    order.sort_by_key(|peer| match in_turn(peer, now) {
        true => (0, Time::START, core::cmp::Reverse(peer.takes)),
        false => (1, waits_since(peer), core::cmp::Reverse(0)),
    });
    let unchoked = order.iter().take(slots).map(|peer| peer.link).collect();
    Slots { unchoked, optimistic: None }
}

fn in_turn(peer: &Candidate, now: Time) -> bool {
    peer.unchoked.is_some_and(|since| {
        let time = now.since(since);
        time < TURN || (peer.got < TURN_BYTES && time < TURN_MAX)
    })
}

fn waits_since(peer: &Candidate) -> Time {
    // A slot whose turn is over waits from when it began: it goes behind those that wait.
    peer.unchoked.or(peer.choked).unwrap_or(Time::START)
}

fn draw(candidates: &[Candidate], taken: &[LinkId], rng: &mut Rng, now: Time) -> Option<LinkId> {
    let free = || candidates.iter().filter(|peer| !taken.contains(&peer.link));
    let weight = |peer: &Candidate| if now.since(peer.since) < NEW { 3 } else { 1 };
    let mut ticket = rng.below(free().map(weight).sum());
    for peer in free() {
        match ticket.checked_sub(weight(peer)) {
            Some(rest) => ticket = rest,
            None => return Some(peer.link),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use std::collections::BTreeSet;

    fn peer(number: u32, gives: u64) -> Candidate {
        Candidate {
            link: LinkId::new(number, 0),
            gives,
            takes: 0,
            snubs: false,
            since: Time::START,
            unchoked: None,
            choked: None,
            got: 0,
        }
    }

    fn later(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    fn numbers(slots: &Slots) -> BTreeSet<usize> {
        slots.unchoked.iter().map(|link| link.index()).collect()
    }

    #[test]
    fn the_slots_go_to_those_that_give_most_and_one_to_chance() {
        let peers: Vec<_> = (0..10).map(|n| peer(n, u64::from(n) * 100)).collect();
        let mut drawn = BTreeSet::new();
        for seed in 0..100 {
            let mut rng = Rng::from_number(seed);
            let slots = downloading(&peers, 4, None, &mut rng, later(100));
            assert_eq!(slots.unchoked.len(), 4);
            assert!(numbers(&slots).is_superset(&BTreeSet::from([7, 8, 9])));
            drawn.insert(slots.optimistic.unwrap().index());
        }
        assert_eq!(drawn, (0..7).collect());
    }

    #[test]
    fn who_snubs_us_gets_no_slot_but_the_optimistic_one() {
        let mut peers = vec![peer(0, 900), peer(1, 0), peer(2, 0)];
        peers[0].snubs = true;
        let mut rng = Rng::from_number(1);
        let kept = Some(peers[1].link);
        let slots = downloading(&peers, 3, kept, &mut rng, later(100));
        assert_eq!(numbers(&slots), BTreeSet::from([1, 2]));
        let slots = downloading(&peers[..1], 3, None, &mut rng, later(100));
        assert_eq!(slots.optimistic, Some(peers[0].link));
    }

    #[test]
    fn new_peers_are_drawn_three_times_as_often() {
        let mut peers: Vec<_> = (0..2).map(|n| peer(n, 0)).collect();
        peers[1].since = later(90);
        let mut rng = Rng::from_number(1);
        let new = (0..4000)
            .filter(|_| {
                downloading(&peers, 1, None, &mut rng, later(100)).optimistic == Some(peers[1].link)
            })
            .count();
        assert!((2850..3150).contains(&new), "{new} of 4000");
    }

    #[test]
    fn the_optimistic_slot_is_kept_until_it_is_drawn_anew() {
        let peers: Vec<_> = (0..10).map(|n| peer(n, u64::from(n))).collect();
        let mut rng = Rng::from_number(1);
        let kept = Some(peers[3].link);
        let slots = downloading(&peers, 4, kept, &mut rng, later(100));
        assert_eq!(slots.optimistic, kept);
        assert_eq!(numbers(&slots), BTreeSet::from([3, 7, 8, 9]));
    }

    #[test]
    fn a_seed_serves_everyone_in_turn() {
        let mut peers: Vec<_> = (0..12).map(|n| peer(n, 0)).collect();
        let mut rng = Rng::from_number(1);
        let mut served = BTreeSet::new();
        for round in 0..12 {
            let now = later(10 * round);
            let slots = seeding(&peers, 4, &mut rng, now);
            assert_eq!(slots.unchoked.len(), 4);
            served.extend(numbers(&slots));
            for peer in &mut peers {
                match (slots.unchoked.contains(&peer.link), peer.unchoked) {
                    (true, None) => peer.unchoked = Some(now),
                    (false, Some(_)) => (peer.unchoked, peer.choked) = (None, Some(now)),
                    _ => {}
                }
                peer.got = TURN_BYTES;
            }
        }
        assert_eq!(served, (0..12).collect());
    }

    #[test]
    fn nobody_is_unchoked_twice_and_few_peers_all_get_a_slot() {
        let peers: Vec<_> = (0..3).map(|n| peer(n, 5)).collect();
        let mut rng = Rng::from_number(1);
        for slots in [
            downloading(&peers, 8, None, &mut rng, later(1)),
            seeding(&peers, 8, &mut rng, later(1)),
        ] {
            assert_eq!(slots.unchoked.len(), 3);
            assert_eq!(numbers(&slots).len(), 3);
        }
        assert_eq!(seeding(&[], 8, &mut rng, later(1)), Slots::default());
        assert_eq!(downloading(&[], 8, None, &mut rng, later(1)), Slots::default());
    }
}
