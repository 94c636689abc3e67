//! The metadata of a magnet, fetched from many peers at once (BEP 9): what to ask of whom, what of
//! it is right, and who lied.
//!
//! Peers say how long the metadata is; each length is fetched by itself, so that a wrong one is in
//! nobody's way. All blocks are asked at once, spread over the peers; a block that is late is asked
//! of another. When all are there, the hash tells. If it is wrong, somebody lied, and from then on
//! each peer is asked for everything: whoever has given it all, and it is wrong, is a liar for
//! sure. As soon as one peer's, or a mixture of the blocks of those who are left, is right, every
//! other who sent something else is a liar, too. The same bytes from many lie here once.
//!
//! A leaf: it knows no message and no action.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use toubkal_wire::metadata::{METADATA_BLOCK_BYTES, block_size, blocks, info_hash};

use super::bounds::{METADATA_HELD_MAX, METADATA_REQUESTS, METADATA_SIZES_MAX};
use super::event::LinkId;
use super::partial::Origin;
use crate::base::Time;

/// A block that was asked so long ago is late: others are asked, too.
const LATE: Duration = Duration::from_secs(1);
/// Up to so many blocks, two peers are asked for each at once: a silent one costs nothing then.
const SMALL: u32 = 8;
/// Peers that are remembered as givers of the same bytes.
const ORIGINS_MAX: usize = 64;
/// A peer that rejects is left in peace so long, doubled each time,
const REST_MIN: Duration = Duration::from_secs(1);
/// up to so many times.
const DOUBLINGS_MAX: u32 = 6;

/// The metadata of one torrent, while it is fetched.
#[derive(Debug)]
pub(super) struct Fetch {
    info_hash: [u8; 20],
    /// One for each length that somebody says.
    candidates: Vec<Candidate>,
    givers: BTreeMap<LinkId, Giver>,
    /// Bytes of all blocks that are held, and may be.
    held: usize,
    most: usize,
}

/// What comes of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The right metadata.
    pub(super) whole: Option<Arc<[u8]>>,
    /// Peers that sent something wrong, for sure.
    pub(super) liars: Vec<Origin>,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// It was not asked for, or not any more.
    Unasked,
    /// It is not as long as it must be, or speaks of another length.
    Length,
}

#[derive(Debug)]
struct Candidate {
    size: u32,
    slots: Vec<Slot>,
    /// All blocks were there once, and wrong.
    doubted: bool,
    /// Bytes that came since a mixture was tried last: a hash costs as much as they did.
    gained: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// What was sent for it; more than one only when somebody lies.
    versions: Vec<Version>,
    asked: Vec<(LinkId, Time)>,
}

#[derive(Debug)]
struct Version {
    bytes: Arc<[u8]>,
    from: Vec<Origin>,
}

/// A connected peer that says it has the metadata.
#[derive(Debug)]
struct Giver {
    origin: Origin,
    size: u32,
    /// Requests that it has not answered.
    requests: u32,
    refusals: u32,
    rest_until: Time,
}

impl Fetch {
    pub(super) fn new(info_hash: [u8; 20]) -> Self {
        let (candidates, givers) = (Vec::new(), BTreeMap::new());
        Self { info_hash, candidates, givers, held: 0, most: METADATA_HELD_MAX }
    }

    /// A peer says that it has the metadata, and how long it is. Its first word counts.
    pub(super) fn join(&mut self, origin: Origin, size: u32) {
        if self.givers.contains_key(&origin.link) {
            return;
        }
        if !self.candidates.iter().any(|candidate| candidate.size == size) {
            if self.candidates.len() >= METADATA_SIZES_MAX {
                let givers = &self.givers;
                let said = |size| givers.values().any(|giver| giver.size == size);
                self.candidates.retain(|candidate| said(candidate.size));
                self.recount();
            }
            if self.candidates.len() >= METADATA_SIZES_MAX {
                return;
            }
            self.candidates.push(Candidate::new(size));
        }
        let rest_until = Time::START;
        let giver = Giver { origin, size, requests: 0, refusals: 0, rest_until };
        self.givers.insert(origin.link, giver);
    }

    /// A peer is gone. What it gave stays.
    pub(super) fn part(&mut self, link: LinkId) {
        if let Some(giver) = self.givers.remove(&link)
            && let Some(candidate) = self.candidate(giver.size)
        {
            for slot in &mut candidate.slots {
                slot.asked.retain(|&(asked, _)| asked != link);
            }
        }
    }

    /// What is to be asked of whom now: all that may be, a block of each peer in turn.
    pub(super) fn asks(&mut self, now: Time) -> Vec<(LinkId, u32)> {
        let sizes = self.in_favour();
        let mut links: Vec<LinkId> = self.givers.keys().copied().collect();
        links.retain(|link| sizes.contains(&self.givers[link].size));
        let mut asks = Vec::new();
        loop {
            let before = asks.len();
            for &link in &links {
                asks.extend(self.ask(now, link).map(|block| (link, block)));
            }
            if asks.len() == before {
                return asks;
            }
        }
    }

    /// What is to be asked of one peer now.
    pub(super) fn asks_of(&mut self, now: Time, link: LinkId) -> Vec<u32> {
        let fits = self.givers.get(&link).is_some_and(|it| self.in_favour().contains(&it.size));
        if !fits {
            return Vec::new();
        }
        core::iter::from_fn(|| self.ask(now, link)).collect()
    }

    /// A block came.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn receive(
        &mut self,
        link: LinkId,
        block: u32,
        total: Option<u32>,
        bytes: &[u8],
    ) -> Result<Verdict, Odd> {
        let giver = self.givers.get_mut(&link).ok_or(Odd::Unasked)?;
        let (size, origin) = (giver.size, giver.origin);
        if !self.answered(link, block) {
            return Err(Odd::Unasked);
        }
        if bytes.len() as u32 != block_size(size, block) || total.is_some_and(|it| it != size) {
            return Err(Odd::Length);
        }
        let room = self.most.saturating_sub(self.held);
        let Some(candidate) = self.candidate(size) else { return Err(Odd::Unasked) };
        let new = candidate.take(block, bytes, origin, room);
        self.held += new;
        let mut verdict = self.judge(size, origin);
        verdict.liars.dedup();
        Ok(verdict)
    }

    /// A peer does not give a block. It is left in peace for a while, for longer each time.
    pub(super) fn rejected(&mut self, now: Time, link: LinkId, block: u32) {
        if !self.answered(link, block) {
            return;
        }
        if let Some(giver) = self.givers.get_mut(&link) {
            giver.rest_until = now.after(REST_MIN * (1 << giver.refusals.min(DOUBLINGS_MAX)));
            giver.refusals += 1;
        }
    }

    /// Peers that are asked or were.
    pub(super) fn givers(&self) -> u32 {
        self.givers.len() as u32
    }

    /// Blocks that are there, and blocks in all, of the length that most speak for.
    pub(super) fn progress(&self) -> (u32, u32) {
        let best = self.in_favour().first().copied();
        let candidate = self.candidates.iter().find(|it| Some(it.size) == best);
        let had = |it: &Candidate| it.slots.iter().filter(|s| !s.versions.is_empty()).count();
        candidate.map_or((0, 0), |it| (had(it) as u32, it.slots.len() as u32))
    }

    fn candidate(&mut self, size: u32) -> Option<&mut Candidate> {
        self.candidates.iter_mut().find(|candidate| candidate.size == size)
    }

    /// The lengths that are fetched: those for which most addresses speak come first, among equals
    /// the shortest; as many as may be held together.
    fn in_favour(&self) -> Vec<u32> {
        let mut sizes: Vec<(usize, u32)> = Vec::new();
        for candidate in &self.candidates {
            let said = self.givers.values().filter(|giver| giver.size == candidate.size);
            let mut ips: Vec<IpAddr> = said.map(|giver| giver.origin.remote.ip()).collect();
            ips.sort_unstable();
            ips.dedup();
            if !ips.is_empty() {
                sizes.push((ips.len(), candidate.size));
            }
        }
        sizes.sort_unstable_by_key(|&(votes, size)| (core::cmp::Reverse(votes), size));
        let mut sum = 0;
        let fits = |&size: &u32| {
            sum += size as usize;
            sum <= self.most
        };
        sizes.into_iter().map(|(_, size)| size).take_while(fits).collect()
    }

    /// The next block to ask of a peer; it counts as asked.
    fn ask(&mut self, now: Time, link: LinkId) -> Option<u32> {
        let giver = self.givers.get(&link)?;
        if giver.requests >= METADATA_REQUESTS || now < giver.rest_until {
            return None;
        }
        let (origin, size) = (giver.origin, giver.size);
        let busy = self.busy_before(link, size);
        let most = self.most;
        let candidate = self.candidate(size)?;
        // In doubt each is asked for everything, but no more of them than can be held.
        if candidate.doubted && (busy + 1) * size as usize > most / 2 && busy > 0 {
            return None;
        }
        let block = candidate.choose(now, origin)?;
        candidate.slots[block as usize].asked.push((link, now));
        self.givers.get_mut(&link)?.requests += 1;
        Some(block)
    }

    /// Peers before this one that are being asked.
    fn busy_before(&self, link: LinkId, size: u32) -> usize {
        let before = self.givers.range(..link);
        before.filter(|(_, giver)| giver.size == size && giver.requests > 0).count()
    }

    /// A request is over; says whether there was one.
    fn answered(&mut self, link: LinkId, block: u32) -> bool {
        let Some(giver) = self.givers.get_mut(&link) else { return false };
        let candidate = self.candidates.iter_mut().find(|it| it.size == giver.size);
        let slot = candidate.and_then(|it| it.slots.get_mut(block as usize));
        let Some(slot) = slot else { return false };
        let at = slot.asked.iter().position(|&(asked, _)| asked == link);
        let Some(at) = at else { return false };
        slot.asked.swap_remove(at);
        giver.requests -= 1;
        true
    }

    /// Looks whether a block of `origin` has made anything whole.
    fn judge(&mut self, size: u32, origin: Origin) -> Verdict {
        let hash = self.info_hash;
        let Some(candidate) = self.candidate(size) else { return Verdict::default() };
        let mut liars = Vec::new();
        let mut suspects = Vec::new();
        if !candidate.doubted {
            let Some(whole) = candidate.mixture() else { return Verdict::default() };
            if info_hash(&whole) == hash {
                return self.settle(whole);
            }
            candidate.doubted = true;
            candidate.gained = 0;
            suspects.extend(candidate.origins());
        }
        suspects.push(origin);
        for suspect in suspects {
            let Some(whole) = candidate.all_of(suspect) else { continue };
            if info_hash(&whole) == hash {
                let mut verdict = self.settle(whole);
                verdict.liars.append(&mut liars);
                return verdict;
            }
            candidate.disown(suspect);
            liars.push(suspect);
        }
        if candidate.gained >= u64::from(size)
            && let Some(whole) = candidate.mixture()
        {
            candidate.gained = 0;
            if info_hash(&whole) == hash {
                let mut verdict = self.settle(whole);
                verdict.liars.append(&mut liars);
                return verdict;
            }
        }
        for liar in &liars {
            self.givers.remove(&liar.link);
        }
        self.recount();
        Verdict { whole: None, liars }
    }

    /// These are the right bytes: who sent others lied.
    fn settle(&mut self, whole: Vec<u8>) -> Verdict {
        let mut liars: Vec<Origin> = Vec::new();
        for candidate in &self.candidates {
            let right = candidate.size as usize == whole.len();
            for (at, slot) in candidate.slots.iter().enumerate() {
                let begin = at * METADATA_BLOCK_BYTES as usize;
                let wrong =
                    |version: &&Version| !right || !whole[begin..].starts_with(&version.bytes);
                for &origin in slot.versions.iter().filter(wrong).flat_map(|it| &it.from) {
                    if !liars.contains(&origin) {
                        liars.push(origin);
                    }
                }
            }
        }
        Verdict { whole: Some(whole.into()), liars }
    }

    fn recount(&mut self) {
        let slots = self.candidates.iter().flat_map(|candidate| &candidate.slots);
        let versions = slots.flat_map(|slot| &slot.versions);
        self.held = versions.map(|version| version.bytes.len()).sum();
    }
}

impl Candidate {
    fn new(size: u32) -> Self {
        let slots = (0..blocks(size)).map(|_| Slot::default()).collect();
        Self { size, slots, doubted: false, gained: 0 }
    }

    /// The next block to ask of a peer: one that nobody was asked for, or one that is late; in
    /// doubt, any that it has not given.
    fn choose(&self, now: Time, origin: Origin) -> Option<u32> {
        let few = self.slots.len() as u32 <= SMALL;
        let mut second = None;
        for (at, slot) in (0..).zip(&self.slots) {
            if slot.asked.iter().any(|&(link, _)| link == origin.link) {
                continue;
            }
            if self.doubted {
                if !slot.is_from(origin) {
                    return Some(at);
                }
                continue;
            }
            if !slot.versions.is_empty() {
                continue;
            }
            let fresh = slot.asked.iter().filter(|&&(_, since)| now.since(since) < LATE).count();
            if fresh == 0 {
                return Some(at);
            }
            // The more let it down, the more are asked at once: many that are silent are soon
            // through.
            let late = slot.asked.len() - fresh;
            if fresh < late + if few { 2 } else { 1 } {
                // From the end: the first peer begins at the front.
                second = Some(at);
            }
        }
        second
    }

    /// Takes in a block; says how many bytes more are held.
    fn take(&mut self, block: u32, bytes: &[u8], origin: Origin, room: usize) -> usize {
        self.gained += bytes.len() as u64;
        let slot = &mut self.slots[block as usize];
        if slot.is_from(origin) {
            return 0;
        }
        if let Some(version) = slot.versions.iter_mut().find(|it| *it.bytes == *bytes) {
            if version.from.len() < ORIGINS_MAX {
                version.from.push(origin);
            }
            return 0;
        }
        if bytes.len() > room {
            return 0;
        }
        slot.versions.push(Version { bytes: bytes.into(), from: Vec::from([origin]) });
        bytes.len()
    }

    /// Of each block what most have sent.
    fn mixture(&self) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        for slot in &self.slots {
            let most = slot.versions.iter().max_by_key(|version| version.from.len())?;
            whole.extend_from_slice(&most.bytes);
        }
        Some(whole)
    }

    /// Everything as one peer has sent it, if it has sent everything.
    fn all_of(&self, origin: Origin) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        for slot in &self.slots {
            let version = slot.versions.iter().find(|version| version.from.contains(&origin))?;
            whole.extend_from_slice(&version.bytes);
        }
        Some(whole)
    }

    /// Who has sent the first block: whoever has sent everything is among them.
    fn origins(&self) -> Vec<Origin> {
        let versions = self.slots.iter().take(1).flat_map(|slot| &slot.versions);
        versions.flat_map(|version| &version.from).copied().collect()
    }

    /// What a liar has sent is of no use, unless others have sent the same.
    fn disown(&mut self, liar: Origin) {
        for slot in &mut self.slots {
            slot.asked.retain(|&(link, _)| link != liar.link);
            for version in &mut slot.versions {
                version.from.retain(|&origin| origin != liar);
            }
            slot.versions.retain(|version| !version.from.is_empty());
        }
    }
}

impl Slot {
    fn is_from(&self, origin: Origin) -> bool {
        self.versions.iter().any(|version| version.from.contains(&origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use std::vec;

    fn metadata(size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        Rng::from_number(7).fill(&mut bytes);
        bytes
    }

    fn origin(number: u32) -> Origin {
        let remote = ([10, 0, (number >> 8) as u8, number as u8], 6881).into();
        Origin { link: LinkId::new(number, 0), remote }
    }

    fn later(millis: u64) -> Time {
        Time::START.after(Duration::from_millis(millis))
    }

    fn block_of(bytes: &[u8], block: u32) -> &[u8] {
        bytes.chunks(METADATA_BLOCK_BYTES as usize).nth(block as usize).unwrap()
    }

    /// Peers, each with bytes of its own, that answer at once whatever they are asked.
    fn play(fetch: &mut Fetch, peers: &[(u32, &[u8])], now: Time) -> (Option<Arc<[u8]>>, Vec<u32>) {
        let mut liars = Vec::new();
        for _ in 0..1000 {
            let asks = fetch.asks(now);
            if asks.is_empty() {
                return (None, liars);
            }
            for (link, block) in asks {
                let bytes = peers.iter().find(|it| it.0 == link.index() as u32).unwrap().1;
                let total = Some(bytes.len() as u32);
                let answer = fetch.receive(link, block, total, block_of(bytes, block));
                let Ok(verdict) = answer else { continue };
                liars.extend(verdict.liars.iter().map(|liar| liar.link.index() as u32));
                for liar in verdict.liars {
                    fetch.part(liar.link);
                }
                if verdict.whole.is_some() {
                    liars.sort_unstable();
                    return (verdict.whole, liars);
                }
            }
        }
        panic!("it never ends");
    }

    fn fetch(right: &[u8], peers: &[(u32, &[u8])]) -> Fetch {
        let mut fetch = Fetch::new(info_hash(right));
        peers.iter().for_each(|&(number, bytes)| fetch.join(origin(number), bytes.len() as u32));
        fetch
    }

    #[test]
    fn all_blocks_are_asked_at_once_and_spread() {
        let right = metadata(20 * 16_384 + 5);
        let mut fetch = fetch(&right, &[(1, &right), (2, &right), (3, &right)]);
        let asks = fetch.asks(later(0));
        let mut asked: Vec<u32> = asks.iter().map(|&(_, block)| block).collect();
        asked.sort_unstable();
        assert_eq!(asked, Vec::from_iter(0..21));
        let of = |number| asks.iter().filter(|(link, _)| *link == origin(number).link).count();
        assert_eq!([of(1), of(2), of(3)], [7; 3]);
        let (whole, liars) = play_from(&mut fetch, asks, &right);
        assert_eq!((whole.as_deref(), liars), (Some(&right[..]), 0));
    }

    fn play_from(
        fetch: &mut Fetch,
        asks: Vec<(LinkId, u32)>,
        bytes: &[u8],
    ) -> (Option<Arc<[u8]>>, usize) {
        let mut last = Verdict::default();
        for (link, block) in asks {
            last = fetch.receive(link, block, None, block_of(bytes, block)).unwrap();
        }
        (last.whole, last.liars.len())
    }

    #[test]
    fn a_late_block_is_asked_of_another() {
        let right = metadata(12 * 16_384);
        let mut fetch = fetch(&right, &[(1, &right)]);
        assert_eq!(fetch.asks(later(0)).len(), 12);
        fetch.join(origin(2), right.len() as u32);
        assert_eq!(fetch.asks(later(900)), []);
        assert_eq!(fetch.asks(later(1000)).len(), 12);
    }

    #[test]
    fn of_small_metadata_two_are_asked_at_once() {
        let right = metadata(1000);
        let mut fetch = fetch(&right, &[(1, &right), (2, &right), (3, &right)]);
        assert_eq!(fetch.asks(later(0)).len(), 2);
    }

    #[test]
    fn a_liar_among_honest_peers_is_found_and_nobody_else() {
        let right = metadata(10 * 16_384);
        let mut wrong = right.clone();
        wrong[5 * 16_384] ^= 1;
        wrong[9 * 16_384] ^= 1;
        for liar in 1..4 {
            let bytes = |number| if number == liar { &wrong[..] } else { &right[..] };
            let peers: Vec<_> = (1..4).map(|number| (number, bytes(number))).collect();
            let mut fetch = fetch(&right, &peers);
            let (whole, liars) = play(&mut fetch, &peers, later(0));
            assert_eq!(whole.as_deref(), Some(&right[..]));
            assert!(liars.iter().all(|&number| number == liar), "{liars:?}");
        }
    }

    #[test]
    fn five_liars_are_found_and_the_honest_one_that_comes_last_is_enough() {
        let right = metadata(3 * 16_384);
        let false_ones: Vec<Vec<u8>> = (1..6).map(|n| vec![n as u8; right.len()]).collect();
        let peers: Vec<_> = (1..).zip(false_ones.iter().map(|it| &it[..])).collect();
        let mut fetch = fetch(&right, &peers);
        let (whole, mut liars) = play(&mut fetch, &peers, later(0));
        liars.sort_unstable();
        assert_eq!((whole, liars), (None, vec![1, 2, 3, 4, 5]));
        fetch.join(origin(9), right.len() as u32);
        let (whole, liars) = play(&mut fetch, &[(9, &right)], later(2000));
        assert_eq!((whole.as_deref(), liars), (Some(&right[..]), vec![]));
        assert!(fetch.held <= right.len(), "what liars sent is not kept");
    }

    #[test]
    fn liars_that_agree_with_each_other_are_all_found() {
        let right = metadata(40_000);
        let wrong = vec![0; 40_000];
        let peers: Vec<(u32, &[u8])> =
            (1..8).map(|n| (n, if n == 4 { &right[..] } else { &wrong[..] })).collect();
        let mut fetch = fetch(&right, &peers);
        let (whole, liars) = play(&mut fetch, &peers, later(0));
        assert_eq!(whole.as_deref(), Some(&right[..]));
        assert!(!liars.contains(&4));
    }

    #[test]
    fn a_false_length_is_in_nobodys_way() {
        let right = metadata(50_000);
        let long = vec![1; 2_000_000];
        let short = vec![1; 10];
        let peers: [(u32, &[u8]); 4] = [(1, &long), (2, &long), (3, &short), (4, &right)];
        let mut fetch = fetch(&right, &peers);
        let (whole, liars) = play(&mut fetch, &peers, later(0));
        assert_eq!(whole.as_deref(), Some(&right[..]));
        assert!(!liars.contains(&4), "{liars:?}");
    }

    #[test]
    fn what_is_held_has_an_end() {
        let size = 400_000;
        let right = metadata(size);
        let false_ones: Vec<Vec<u8>> = (1..6).map(|n| vec![n as u8; size]).collect();
        let peers: Vec<_> = (1..).zip(false_ones.iter().map(|it| &it[..])).collect();
        let mut fetch = fetch(&right, &peers);
        fetch.most = 1_000_000;
        let mut most = 0;
        for round in 0.. {
            let asks = fetch.asks(later(round));
            if asks.is_empty() {
                break;
            }
            for (link, block) in asks {
                let bytes = peers[link.index() - 1].1;
                if let Ok(verdict) = fetch.receive(link, block, None, block_of(bytes, block)) {
                    verdict.liars.iter().for_each(|liar| fetch.part(liar.link));
                }
                most = most.max(fetch.held);
            }
        }
        assert!((size..=fetch.most).contains(&most), "{most}");
        assert_eq!(fetch.givers(), 0, "each was found");
    }

    #[test]
    fn blocks_that_cannot_be_are_refused() {
        let right = metadata(20_000);
        let mut fetch = fetch(&right, &[(1, &right)]);
        let link = origin(1).link;
        assert_eq!(fetch.receive(link, 0, None, &right[..16_384]), Err(Odd::Unasked));
        assert_eq!(fetch.asks(later(0)), [(link, 0), (link, 1)]);
        assert_eq!(fetch.receive(link, 7, None, &right[..9]), Err(Odd::Unasked));
        assert_eq!(fetch.receive(link, 0, None, &right[..9]), Err(Odd::Length));
        assert_eq!(fetch.receive(link, 1, Some(9), &right[16_384..]), Err(Odd::Length));
        let stranger = origin(2).link;
        assert_eq!(fetch.receive(stranger, 0, None, &right[..9]), Err(Odd::Unasked));
    }

    #[test]
    fn hundreds_that_say_they_have_it_and_are_silent_are_soon_through() {
        let right = metadata(20_000);
        let mut fetch = fetch(&right, &[]);
        (1..=300).for_each(|number| fetch.join(origin(number), 20_000));
        let mut asked = alloc::collections::BTreeSet::new();
        for second in 0..9 {
            asked.extend(fetch.asks(later(1000 * second)).into_iter().map(|(link, _)| link));
        }
        assert_eq!(asked.len(), 300);
    }

    #[test]
    fn a_peer_that_rejects_is_asked_less_and_less() {
        let right = metadata(100);
        let mut fetch = fetch(&right, &[(1, &right)]);
        let mut asked = 0;
        for second in 0..600 {
            for (link, block) in fetch.asks(later(1000 * second)) {
                asked += 1;
                fetch.rejected(later(1000 * second), link, block);
            }
        }
        assert!((8..20).contains(&asked), "{asked}");
    }

    #[test]
    fn whoever_leaves_is_not_waited_for() {
        let right = metadata(100_000);
        let mut fetch = fetch(&right, &[(1, &right), (2, &right)]);
        let first = fetch.asks(later(0));
        fetch.part(origin(1).link);
        let left: Vec<u32> =
            first.iter().filter(|it| it.0 == origin(1).link).map(|it| it.1).collect();
        let again = fetch.asks_of(later(1), origin(2).link);
        assert!(left.iter().all(|it| again.contains(it) || first.contains(&(origin(2).link, *it))));
        let (whole, _) = play(&mut fetch, &[(2, &right)], later(3000));
        assert!(whole.is_none(), "answers of before are still to come");
        assert_eq!(fetch.progress().1, 7);
    }
}
