//! The addresses that are known of a torrent: whom to try next, whom to leave in peace.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::bounds::{
    BACKOFF_MAX, BACKOFF_MIN, DARK_REST, DARK_TRIES, KNOWN_MAX, PROBE_TIME, STRANGERS_MAX,
    TRIES_AN_HOUR,
};
use super::event::PeerSource;
use super::outside::Ours;
use super::reason::Reach;
use super::status::Sources;
use crate::base::{Rng, Time};

const HOUR: Duration = Duration::from_secs(3600);

/// All known addresses of one torrent.
#[derive(Debug)]
pub(super) struct Roster {
    people: BTreeMap<SocketAddr, Person>,
    /// How many of them are strangers.
    strangers: usize,
    /// Who we are: whom that makes us prefer.
    ours: Ours,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    source: PeerSource,
    state: Standing,
    /// Failures since the last success.
    failures: u32,
    /// Failed attempts since `hour`.
    tries: u32,
    /// Those since `hour` that say nothing of the peer: nobody at all was heard meanwhile.
    dark: u32,
    /// Of these, the ones since anybody was heard.
    doubts: u32,
    hour: Time,
    /// Not to be tried before.
    rest_until: Time,
    /// It has everything: of no use once we have, too.
    seed: bool,
    /// Only other peers tell of it, and it was never reached.
    stranger: bool,
    /// It is us. That is told, and no more: it fails as others do that nobody answers at.
    ours: bool,
    /// The worth of a connection (BEP 40), and chance, drawn once: the order among equals.
    rank: u32,
    lot: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Idle,
    /// A connection is being tried, or there is one.
    Busy,
    /// Never to be tried: it is us, or it lied.
    Never,
}

impl Roster {
    pub(super) fn new(rng: Rng) -> Self {
        Self { people: BTreeMap::new(), strangers: 0, ours: Ours::default(), rng }
    }

    /// Hears of an address; says whether it is new.
    pub(super) fn hear(&mut self, remote: SocketAddr, source: PeerSource, now: Time) -> bool {
        if !is_reachable(remote) {
            return false;
        }
        if let Some(person) = self.people.get_mut(&remote) {
            // What the user says counts more than what the world says.
            person.source = person.source.min(source);
            if source != PeerSource::Exchange {
                self.strangers -= usize::from(core::mem::take(&mut person.stranger));
            }
            return false;
        }
        let stranger = source == PeerSource::Exchange;
        // Anybody can tell anything: what is told must prove real before more is believed.
        if stranger && self.strangers >= STRANGERS_MAX && !self.make_room(|it| it.stranger) {
            return false;
        }
        if self.people.len() >= KNOWN_MAX && !self.make_room(|_| true) {
            return false;
        }
        self.strangers += usize::from(stranger);
        let lot = self.rng.bits() as u32;
        let person = Person {
            source,
            state: Standing::Idle,
            failures: 0,
            tries: 0,
            dark: 0,
            doubts: 0,
            hour: now,
            rest_until: Time::START,
            seed: false,
            stranger,
            ours: false,
            rank: self.ours.rank(remote),
            lot,
        };
        self.people.insert(remote, person);
        true
    }

    /// This is who we are.
    pub(super) fn we_are(&mut self, ours: &Ours) {
        if self.ours.version != ours.version {
            self.ours = *ours;
            for (&remote, person) in &mut self.people {
                person.rank = ours.rank(remote);
            }
        }
    }

    /// The address to try next. `seeding`: peers that have everything are of no use.
    pub(super) fn next(
        &self,
        now: Time,
        seeding: bool,
        banned: impl Fn(IpAddr) -> bool,
    ) -> Option<SocketAddr> {
        let fits = |(remote, person): &(&SocketAddr, &Person)| {
            person.is_due(now) && !(seeding && person.seed) && !banned(remote.ip())
        };
        let due = self.people.iter().filter(fits);
        due.min_by_key(|(remote, person)| {
            (
                person.source != PeerSource::User,
                person.failures,
                is_service(**remote),
                Reverse(person.rank),
                person.lot,
            )
        })
        .map(|(&remote, _)| remote)
    }

    /// From when on some address may be tried. `seeding`: as for [`Roster::next`].
    pub(super) fn next_due(&self, seeding: bool) -> Option<Time> {
        let idle = self.people.values().filter(|person| person.state == Standing::Idle);
        idle.filter(|person| !(seeding && person.seed)).map(Person::due_at).min()
    }

    /// A connection is being tried, or was made.
    pub(super) fn busy(&mut self, remote: SocketAddr) {
        let person = self.people.get_mut(&remote);
        if let Some(person) = person.filter(|person| person.state != Standing::Never) {
            person.state = Standing::Busy;
        }
    }

    /// An attempt failed, or a link ended badly or at once.
    pub(super) fn failed(&mut self, remote: SocketAddr, now: Time) {
        if let Some(person) = self.idle(remote, now) {
            person.tries += 1;
            self.back_off(remote, now);
        }
    }

    /// There was no way to the address: nothing was sent, so this is no attempt.
    pub(super) fn no_way(&mut self, remote: SocketAddr, now: Time) {
        if self.idle(remote, now).is_some() {
            self.back_off(remote, now);
        }
    }

    /// An attempt failed while nobody at all was heard: it may be our own link that is down.
    /// That says nothing of the peer, and it is asked again soon; `sent`: something left us.
    pub(super) fn failed_in_the_dark(&mut self, remote: SocketAddr, now: Time, sent: bool) {
        let Some(person) = self.idle(remote, now) else { return };
        if !sent {
            return self.rest(remote, now, PROBE_TIME);
        }
        let wait = doubled(person.failures.saturating_add(person.doubts)).min(DARK_REST);
        person.doubts += 1;
        person.dark += 1;
        let wait = if person.dark < DARK_TRIES { wait } else { BACKOFF_MAX };
        self.rest(remote, now, wait);
    }

    /// Somebody is heard again: who failed in the dark may be tried at once.
    pub(super) fn light(&mut self, now: Time) {
        for person in self.people.values_mut().filter(|person| person.doubts > 0) {
            person.doubts = 0;
            if person.dark < DARK_TRIES {
                person.rest_until = now;
            }
        }
    }

    /// Nobody is busy with the address any more. `None`: it is never to be tried, or unknown.
    fn idle(&mut self, remote: SocketAddr, now: Time) -> Option<&mut Person> {
        let person = self.people.get_mut(&remote)?;
        if person.state == Standing::Never {
            return None;
        }
        person.state = Standing::Idle;
        if now.since(person.hour) >= HOUR {
            (person.tries, person.dark, person.hour) = (0, 0, now);
        }
        Some(person)
    }

    /// One failure more: leaves an address in peace for twice as long as the last time.
    fn back_off(&mut self, remote: SocketAddr, now: Time) {
        if let Some(person) = self.people.get_mut(&remote) {
            let wait = doubled(person.failures).min(BACKOFF_MAX);
            person.failures = person.failures.saturating_add(1);
            self.rest(remote, now, wait);
        }
    }

    /// Leaves an address in peace for so long and up to a quarter more, by chance, so that many
    /// do not come back at once.
    fn rest(&mut self, remote: SocketAddr, now: Time, wait: Duration) {
        let jitter = wait.mul_f64(0.25) * (self.rng.below(1000) as u32) / 1000;
        if let Some(person) = self.people.get_mut(&remote) {
            person.rest_until = now.after(wait + jitter);
        }
    }

    /// A link ended that was of use; `rest`: how long to leave the peer in peace.
    pub(super) fn left(&mut self, remote: SocketAddr, now: Time, rest: Duration) {
        let Some(person) = self.people.get_mut(&remote) else { return };
        if person.state != Standing::Never {
            person.state = Standing::Idle;
            person.rest_until = now.after(rest);
        }
    }

    /// A link was of use, or lasted: what failed before counts no more.
    pub(super) fn proved(&mut self, remote: SocketAddr) {
        if let Some(person) = self.people.get_mut(&remote) {
            person.failures = 0;
        }
    }

    /// Both handshakes went through: there is a peer.
    pub(super) fn reached(&mut self, remote: SocketAddr) {
        if let Some(person) = self.people.get_mut(&remote) {
            person.tries = 0;
            self.strangers -= usize::from(core::mem::take(&mut person.stranger));
        }
    }

    /// The torrent turns out to be private (BEP 27): who was not named by its trackers or the user
    /// is forgotten.
    pub(super) fn keep_private(&mut self) {
        self.people.retain(|_, person| person.source.is_private());
        self.strangers = 0;
    }

    /// How many are known from where.
    pub(super) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        for person in self.people.values() {
            *match person.source {
                PeerSource::User => &mut sources.user,
                PeerSource::Tracker => &mut sources.tracker,
                PeerSource::Incoming => &mut sources.incoming,
                PeerSource::Lan => &mut sources.lan,
                PeerSource::Dht => &mut sources.dht,
                PeerSource::Exchange => &mut sources.exchange,
            } += 1;
        }
        sources
    }

    /// Whom it knows, ourselves and liars left out, and who of them is left in peace at `now`.
    pub(super) fn reach(&self, now: Time) -> Reach {
        let mut reach = Reach::default();
        let other = |person: &&Person| !person.ours && person.state != Standing::Never;
        for person in self.people.values().filter(other) {
            reach.known += 1;
            reach.failed += u32::from(person.failures > 0 || person.dark > 0);
            let due = person.due_at();
            if person.state == Standing::Idle && due > now {
                reach.waiting += 1;
                let wait = due.since(now);
                reach.next = Some(reach.next.map_or(wait, |next| next.min(wait)));
            }
        }
        reach
    }

    /// The address is our own, or that of a liar.
    pub(super) fn never(&mut self, remote: SocketAddr) {
        if let Some(person) = self.people.get_mut(&remote) {
            person.state = Standing::Never;
        }
    }

    /// The address is our own.
    pub(super) fn is_ours(&mut self, remote: SocketAddr) {
        if let Some(person) = self.people.get_mut(&remote) {
            person.ours = true;
        }
    }

    pub(super) fn knows(&self, remote: SocketAddr) -> bool {
        self.people.contains_key(&remote)
    }

    /// How we came to know it.
    pub(super) fn source(&self, remote: SocketAddr) -> PeerSource {
        self.people.get(&remote).map_or(PeerSource::Incoming, |person| person.source)
    }

    /// The peer has every piece.
    pub(super) fn is_seed(&mut self, remote: SocketAddr) {
        if let Some(person) = self.people.get_mut(&remote) {
            person.seed = true;
        }
    }

    /// Everybody may be tried again, as after a pause.
    pub(super) fn forget_failures(&mut self) {
        for person in self.people.values_mut() {
            person.failures = 0;
            person.tries = 0;
            person.dark = 0;
            person.doubts = 0;
            person.rest_until = Time::START;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Forgets the idle address of these that failed most, if any failed.
    fn make_room(&mut self, of: impl Fn(&Person) -> bool) -> bool {
        let idle = |person: &Person| person.state == Standing::Idle && of(person);
        let idle = self.people.iter().filter(|(_, person)| idle(person));
        let worst = idle.max_by_key(|(_, person)| (person.failures, person.lot));
        match worst.map(|(&remote, person)| (remote, person.failures)) {
            Some((remote, 1..)) => {
                let gone = self.people.remove(&remote);
                self.strangers -= usize::from(gone.is_some_and(|person| person.stranger));
                true
            }
            _ => false,
        }
    }
}

impl Person {
    fn is_due(&self, now: Time) -> bool {
        self.state == Standing::Idle && self.due_at() <= now
    }

    fn due_at(&self) -> Time {
        // Nobody is tried for ever because a tracker names it (threat: swarms as weapons).
        let spent = self.source != PeerSource::User && self.tries >= TRIES_AN_HOUR;
        if spent { self.rest_until.max(self.hour.after(HOUR)) } else { self.rest_until }
    }
}

/// The back-off after so many failures, without a limit.
fn doubled(failures: u32) -> Duration {
    BACKOFF_MIN * (1 << failures.min(10))
}

/// Whether anybody can listen there at all.
fn is_reachable(remote: SocketAddr) -> bool {
    let ip = remote.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    remote.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Ports on which peers hardly listen, but services do that must not be flooded.
fn is_service(remote: SocketAddr) -> bool {
    remote.port() < 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::string::ToString;
    use std::vec::Vec;

    fn remote(last: u8, port: u16) -> SocketAddr {
        ([10, 0, 0, last], port).into()
    }

    fn roster() -> Roster {
        Roster::new(Rng::from_number(1))
    }

    fn later(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    fn nobody(_: IpAddr) -> bool {
        false
    }

    #[test]
    fn a_liar_that_comes_back_by_itself_is_still_never_dialed() {
        let mut roster = roster();
        let liar = remote(1, 6881);
        roster.hear(liar, PeerSource::Tracker, Time::START);
        roster.never(liar);
        roster.busy(liar);
        roster.left(liar, Time::START, Duration::ZERO);
        assert_eq!(roster.next(later(9999), false, |_| false), None);
    }

    #[test]
    fn nonsense_is_not_remembered() {
        let mut roster = roster();
        for bad in ["10.0.0.1:0", "0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "[ff02::1]:1"] {
            assert!(!roster.hear(bad.parse().unwrap(), PeerSource::Tracker, later(0)), "{bad}");
        }
        assert_eq!(roster.next(later(0), false, nobody), None);
    }

    #[test]
    fn the_users_peers_come_first_and_service_ports_last() {
        let mut roster = roster();
        roster.hear(remote(1, 80), PeerSource::Tracker, later(0));
        roster.hear(remote(2, 6881), PeerSource::Tracker, later(0));
        roster.hear(remote(3, 22), PeerSource::User, later(0));
        let order: Vec<_> = std::iter::from_fn(|| {
            let next = roster.next(later(0), false, nobody)?;
            roster.busy(next);
            Some(next.ip().to_string())
        })
        .collect();
        assert_eq!(order, ["10.0.0.3", "10.0.0.2", "10.0.0.1"]);
    }

    #[test]
    fn an_address_that_fails_is_left_in_peace_longer_and_longer() {
        let mut roster = roster();
        let user = remote(1, 6881);
        roster.hear(user, PeerSource::User, later(0));
        let (mut now, mut waits) = (later(0), Vec::new());
        for _ in 0..14 {
            roster.failed(user, now);
            let due = roster.next_due(false).unwrap();
            waits.push(due.since(now).as_secs());
            now = due;
        }
        assert_eq!(waits[0], 1);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] || pair[1] >= 600), "{waits:?}");
        assert!((600..=750).contains(waits.last().unwrap()));
        roster.proved(user);
        roster.failed(user, now);
        assert_eq!(roster.next_due(false).unwrap().since(now).as_secs(), 1);
    }

    #[test]
    fn a_peer_that_ends_every_link_at_once_is_left_in_peace_longer_and_longer() {
        let mut roster = roster();
        let peer = remote(1, 6881);
        roster.hear(peer, PeerSource::Tracker, later(0));
        let mut links = 0;
        for second in 0..3600 {
            if roster.next(later(second), false, nobody).is_some() {
                links += 1;
                roster.busy(peer);
                roster.reached(peer);
                roster.failed(peer, later(second));
            }
        }
        assert!((10..=16).contains(&links), "{links} links in an hour");
    }

    #[test]
    fn a_trackers_address_is_tried_three_times_an_hour_at_most() {
        let mut roster = roster();
        let victim = remote(1, 6881);
        roster.hear(victim, PeerSource::Tracker, later(0));
        let mut tries = 0;
        for second in 0..7200 {
            roster.hear(victim, PeerSource::Tracker, later(second));
            if roster.next(later(second), false, nobody).is_some() {
                tries += 1;
                roster.busy(victim);
                roster.failed(victim, later(second));
            }
        }
        assert_eq!(tries, 6);
    }

    /// How often an address is tried in the first hour, of which `failed` tells the roster.
    fn tries(mut failed: impl FnMut(&mut Roster, SocketAddr, Time)) -> usize {
        let (mut roster, peer) = (roster(), remote(1, 6881));
        roster.hear(peer, PeerSource::Tracker, later(0));
        let tried = (0..3600).filter(|&second| {
            let due = roster.next(later(second), false, nobody).is_some();
            if due {
                roster.busy(peer);
                failed(&mut roster, peer, later(second));
            }
            due
        });
        tried.count()
    }

    #[test]
    fn without_a_way_an_address_is_tried_every_few_seconds_and_nothing_counts() {
        let count = tries(|roster, peer, now| roster.failed_in_the_dark(peer, now, false));
        assert!((700..=1000).contains(&count), "{count}");
    }

    #[test]
    fn in_the_dark_an_address_is_tried_more_often_but_not_for_ever() {
        let dark = tries(|roster, peer, now| roster.failed_in_the_dark(peer, now, true));
        assert!((DARK_TRIES as usize..=18).contains(&dark), "{dark}");
        // Not even when somebody is heard after every attempt: a tracker that names a victim.
        let lit = tries(|roster, peer, now| {
            roster.failed_in_the_dark(peer, now, true);
            roster.light(now);
        });
        assert!((DARK_TRIES as usize..=18).contains(&lit), "{lit}");
    }

    #[test]
    fn the_first_that_is_heard_after_the_dark_makes_all_due_and_costs_no_try() {
        let mut roster = roster();
        for number in 1..=20 {
            roster.hear(remote(number, 6881), PeerSource::Tracker, later(0));
            for second in 0..5 {
                roster.failed_in_the_dark(remote(number, 6881), later(second), true);
            }
        }
        assert_eq!(roster.next(later(5), false, nobody), None);
        roster.light(later(6));
        let mut order = std::iter::from_fn(|| {
            let next = roster.next(later(6), false, nobody)?;
            roster.busy(next);
            roster.failed(next, later(6));
            Some(next)
        });
        assert_eq!(order.by_ref().take(20).collect::<BTreeSet<_>>().len(), 20);
        assert!(order.next().is_none());
        assert_eq!(roster.next(later(9), false, nobody).map(|_| ()), Some(()));
    }

    #[test]
    fn we_are_not_tried_twice_and_the_banned_not_at_all() {
        let mut roster = roster();
        roster.hear(remote(1, 1000), PeerSource::User, later(0));
        roster.never(remote(1, 1000));
        roster.left(remote(1, 1000), later(0), Duration::ZERO);
        roster.failed(remote(1, 1000), later(0));
        assert_eq!(roster.next(later(99_999), false, nobody), None);
        roster.hear(remote(2, 2000), PeerSource::User, later(0));
        let banned = remote(2, 0).ip();
        assert_eq!(roster.next(later(1), false, |ip| ip == banned), None);
    }

    #[test]
    fn a_full_roster_forgets_the_worst_first() {
        let mut roster = roster();
        let all: BTreeSet<SocketAddr> =
            (0..KNOWN_MAX as u16).map(|port| remote(1, port + 1)).collect();
        for &address in &all {
            assert!(roster.hear(address, PeerSource::Tracker, later(0)));
        }
        assert!(!roster.hear(remote(2, 1), PeerSource::Tracker, later(0)));
        let worst = remote(1, 5);
        roster.failed(worst, later(0));
        assert!(roster.hear(remote(2, 1), PeerSource::Tracker, later(0)));
        assert!(!roster.people.contains_key(&worst));
        assert_eq!(roster.len(), KNOWN_MAX);
    }

    #[test]
    fn what_peers_tell_must_prove_real_before_more_is_believed() {
        let mut roster = roster();
        let told = |n: u32| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 6881));
        let hear = |roster: &mut Roster, n| roster.hear(told(n), PeerSource::Exchange, later(0));
        assert_eq!((0..300).filter(|&n| hear(&mut roster, n)).count(), STRANGERS_MAX);
        // Others are not in the way, and whoever is reached makes room.
        assert!(roster.hear(remote(1, 1), PeerSource::Tracker, later(0)));
        assert!(!hear(&mut roster, 300));
        roster.reached(told(0));
        assert!(hear(&mut roster, 300) && !hear(&mut roster, 301));
        // So does who fails, and who is named by somebody better.
        roster.failed(told(1), later(0));
        assert!(hear(&mut roster, 301) && !hear(&mut roster, 302));
        assert!(!roster.hear(told(2), PeerSource::Dht, later(0)), "it is known");
        assert!(hear(&mut roster, 302) && !hear(&mut roster, 303));
        let sources = roster.sources();
        assert_eq!((sources.exchange, sources.dht, sources.tracker), (201, 1, 1));
    }

    #[test]
    fn among_equals_the_canonical_order_decides() {
        let mut roster = roster();
        let mut outside = crate::engine::outside::Outside::new(6881);
        (2..9).for_each(|last| _ = roster.hear(remote(last, 6881), PeerSource::Tracker, later(0)));
        outside.hear([10, 0, 0, 9].into(), [10, 0, 0, 1].into());
        roster.we_are(outside.ours());
        (9..14).for_each(|last| _ = roster.hear(remote(last, 6881), PeerSource::Tracker, later(0)));
        let ranks: Vec<u32> = std::iter::from_fn(|| {
            let next = roster.next(later(0), false, nobody)?;
            roster.busy(next);
            Some(outside.ours().rank(next))
        })
        .collect();
        assert!(ranks.len() == 12 && ranks.is_sorted_by(|a, b| a > b), "{ranks:?}");
    }

    #[test]
    fn a_private_torrent_forgets_whom_its_trackers_do_not_know() {
        let mut roster = roster();
        let sources = [PeerSource::User, PeerSource::Tracker, PeerSource::Incoming]
            .into_iter()
            .chain([PeerSource::Lan, PeerSource::Dht, PeerSource::Exchange]);
        for (last, source) in (1..).zip(sources) {
            roster.hear(remote(last, 1), source, later(0));
        }
        roster.keep_private();
        let left = Sources { user: 1, tracker: 1, incoming: 1, ..Sources::default() };
        assert_eq!(roster.sources(), left);
    }
}
