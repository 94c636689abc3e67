use super::*;
use Change::{Hold, Start};
use Stage::{Check, Done, Download, Seed};
use Wish::{Forced, Paused, Queued};
use proptest::prelude::*;
use std::vec;

const END: usize = usize::MAX;
const SLOW: Slow = Slow { rate: 1000, after: Duration::from_secs(60) };

fn places(downloads: u32, seeds: u32, all: u32) -> Places {
    let some = Some;
    let (downloads, seeds, all) = (some(downloads), some(seeds), some(all));
    Places { downloads, seeds, all, ..Places::default() }
}

fn at(seconds: u64) -> Time {
    Time::START.after(Duration::from_secs(seconds))
}

fn advance(line: &mut Line, seconds: u64) -> Vec<Change> {
    let mut out = Outbox::new();
    line.advance(at(seconds), &mut out);
    out.drain().collect()
}

/// Torrents 0 to n - 1 that wait, in this order.
fn line(places: Places, stages: &[Stage]) -> Line {
    let mut line = Line::new(places);
    for (id, &stage) in (0..).zip(stages) {
        assert!(line.insert(id, Queued, stage, END));
    }
    line
}

fn order(line: &Line) -> Vec<u64> {
    line.iter().collect()
}

#[test]
fn places_go_to_the_first_of_each_kind_and_downloads_go_first() {
    let mut line = line(places(2, 2, 3), &[Seed, Seed, Download, Download, Download]);
    assert_eq!(advance(&mut line, 0), [Start(2), Start(3), Start(0)]);
    assert_eq!(advance(&mut line, 1), []);
    line.wish(2, Paused);
    assert_eq!(advance(&mut line, 2), [Hold(2), Start(4)]);
    line.remove(4);
    assert_eq!(advance(&mut line, 3), [Start(1)]);
}

#[test]
fn a_download_that_completes_is_a_seed_in_the_same_step() {
    let mut line = line(places(1, 1, 9), &[Download, Download, Seed]);
    assert_eq!(advance(&mut line, 0), [Start(0), Start(2)]);
    // It stands before the other seed, and goes on without a pause.
    line.stage(0, Seed);
    assert_eq!(advance(&mut line, 1), [Hold(2), Start(1)]);
    line.stage(1, Seed);
    assert_eq!(advance(&mut line, 2), [Hold(1)]);
}

#[test]
fn a_forced_torrent_runs_beside_the_others() {
    let mut line = line(places(1, 0, 1), &[Download, Download, Seed]);
    line.wish(1, Forced);
    line.wish(2, Forced);
    assert_eq!(advance(&mut line, 0), [Start(1), Start(2), Start(0)]);
    assert_eq!(line.standing(1), Some(Standing::Free));
    // No longer forced, it goes before who stands behind it, and waits for who does not.
    line.wish(1, Queued);
    assert_eq!(advance(&mut line, 1), [Hold(1)]);
    line.shift(&[1], Shift::Top);
    assert_eq!(advance(&mut line, 2), [Hold(0), Start(1)]);
}

#[test]
fn one_that_has_given_enough_takes_no_place() {
    let mut line = line(places(0, 1, 1), &[Seed, Seed]);
    advance(&mut line, 0);
    line.stage(0, Done);
    assert_eq!(advance(&mut line, 1), [Start(1)]);
    line.wish(0, Paused);
    assert_eq!(advance(&mut line, 2), [Hold(0)]);
    line.wish(0, Queued);
    assert_eq!(advance(&mut line, 3), [Start(0)]);
}

#[test]
fn a_check_that_has_begun_is_finished_first() {
    let mut line = line(places(1, 1, 1), &[Check, Check, Download]);
    assert_eq!(advance(&mut line, 0), [Start(0), Start(2)]);
    line.shift(&[1], Shift::Top);
    assert_eq!(advance(&mut line, 1), []);
    // It is found to be a download that stands before the other: it runs on.
    line.stage(0, Download);
    assert_eq!(advance(&mut line, 2), [Hold(2), Start(1)]);
}

#[test]
fn who_joins_or_is_moved_goes_before_those_behind_it() {
    let mut line = line(places(2, 0, 9), &[Download, Download, Download]);
    assert_eq!(advance(&mut line, 0), [Start(0), Start(1)]);
    line.insert(3, Queued, Download, 0);
    assert_eq!(advance(&mut line, 1), [Hold(1), Start(3)]);
    line.wish(3, Paused);
    assert_eq!(advance(&mut line, 2), [Hold(3), Start(1)]);
    line.wish(3, Queued);
    assert_eq!(advance(&mut line, 3), [Hold(1), Start(3)]);
    line.shift(&[0], Shift::Bottom);
    assert_eq!(advance(&mut line, 4), [Hold(0), Start(1)]);
}

#[test]
fn fewer_places_hold_the_last_at_once_and_more_start_the_first() {
    let mut line = line(places(9, 9, 9), &[Download, Seed, Download, Seed]);
    assert_eq!(advance(&mut line, 0).len(), 4);
    line.set_places(places(1, 9, 2));
    assert_eq!(advance(&mut line, 1), [Hold(2), Hold(3)]);
    line.set_places(Places::default());
    assert_eq!(advance(&mut line, 2), [Start(2), Start(3)]);
}

#[test]
fn a_slow_torrent_gives_its_place_back_and_runs_on() {
    let mut line = line(Places { slow: Some(SLOW), ..places(1, 0, 1) }, &[Download; 3]);
    assert_eq!(advance(&mut line, 0), [Start(0)]);
    assert_eq!(line.deadline(), Some((at(60), "slow")));
    line.rates(at(10), 0, 5000, 0);
    assert_eq!(line.deadline(), None);
    line.rates(at(20), 0, 999, 0);
    line.rates(at(70), 0, 0, 999);
    assert_eq!((advance(&mut line, 79), line.deadline()), (vec![], Some((at(80), "slow"))));
    assert_eq!(advance(&mut line, 80), [Start(1)]);
    assert_eq!(line.standing(0), Some(Standing::Slow));
    // Moving one way is enough.
    line.rates(at(90), 1, 0, 1000);
    assert_eq!((advance(&mut line, 200), line.deadline()), (vec![], None));
}

#[test]
fn a_slow_torrent_that_comes_to_life_costs_the_last_start_after_a_while() {
    let mut line = line(Places { slow: Some(SLOW), ..places(1, 0, 1) }, &[Download; 3]);
    advance(&mut line, 0);
    assert_eq!(advance(&mut line, 60), [Start(1)]);
    line.rates(at(61), 1, 5000, 0);
    // For a moment: nothing happens.
    line.rates(at(70), 0, 5000, 0);
    assert_eq!((advance(&mut line, 70), line.deadline()), (vec![], Some((at(100), "grace"))));
    line.rates(at(71), 0, 0, 0);
    assert_eq!((advance(&mut line, 99), line.deadline()), (vec![], Some((at(100), "grace"))));
    line.rates(at(99), 0, 5000, 0);
    assert_eq!(advance(&mut line, 99), []);
    assert_eq!(advance(&mut line, 100), [Hold(1)]);
    assert_eq!(advance(&mut line, 300), []);
}

#[test]
fn the_grace_is_over_when_there_are_no_longer_too_many() {
    let mut line = line(Places { slow: Some(SLOW), ..places(1, 0, 1) }, &[Download; 2]);
    advance(&mut line, 0);
    advance(&mut line, 60);
    line.rates(at(61), 1, 5000, 0);
    line.rates(at(62), 0, 5000, 0);
    advance(&mut line, 62);
    line.wish(0, Paused);
    assert_eq!(advance(&mut line, 63), [Hold(0)]);
    assert_eq!((advance(&mut line, 500), line.deadline()), (vec![], None));
}

#[test]
fn another_measure_of_slow_counts_from_when_it_was_quiet() {
    let mut line = line(Places { slow: Some(SLOW), ..places(1, 0, 1) }, &[Download; 2]);
    advance(&mut line, 0);
    let sooner = Slow { rate: 10, after: Duration::from_secs(5) };
    line.set_places(Places { slow: Some(sooner), ..line.places() });
    assert_eq!(advance(&mut line, 6), [Start(1)]);
    line.set_places(Places { slow: None, ..line.places() });
    assert_eq!(advance(&mut line, 7), [Hold(1)]);
}

#[test]
fn several_are_moved_and_keep_their_order() {
    let table: [(&[u64], Shift, [u64; 6]); 13] = [
        (&[4, 1], Shift::Top, [1, 4, 0, 2, 3, 5]),
        (&[4, 1], Shift::Bottom, [0, 2, 3, 5, 1, 4]),
        (&[4, 1, 4, 77], Shift::To(2), [0, 2, 1, 4, 3, 5]),
        (&[0, 1], Shift::To(99), [2, 3, 4, 5, 0, 1]),
        (&[0], Shift::To(1), [1, 0, 2, 3, 4, 5]),
        (&[1, 2], Shift::Up, [1, 2, 0, 3, 4, 5]),
        (&[0, 1, 3], Shift::Up, [0, 1, 3, 2, 4, 5]),
        (&[0, 2], Shift::Up, [0, 2, 1, 3, 4, 5]),
        (&[0, 1, 2, 3, 4, 5], Shift::Up, [0, 1, 2, 3, 4, 5]),
        (&[3, 4], Shift::Down, [0, 1, 2, 5, 3, 4]),
        (&[5, 3], Shift::Down, [0, 1, 2, 4, 3, 5]),
        (&[4, 5, 1], Shift::Down, [0, 2, 1, 3, 4, 5]),
        (&[], Shift::Top, [0, 1, 2, 3, 4, 5]),
    ];
    for (ids, shift, expected) in table {
        let mut line = line(Places::default(), &[Seed; 6]);
        line.shift(ids, shift);
        assert_eq!(order(&line), expected, "{ids:?} {shift:?}");
        assert_eq!(line.position(expected[5]), Some(5));
        assert_eq!(line.at(0), Some(expected[0]));
    }
}

#[test]
fn what_is_gone_is_forgotten_and_late_news_find_nothing() {
    let mut line = line(places(1, 1, 1), &[Download]);
    advance(&mut line, 0);
    assert!(line.remove(0) && !line.remove(0));
    line.wish(0, Forced);
    line.stage(0, Seed);
    line.rates(at(1), 0, 1, 1);
    line.shift(&[0], Shift::Top);
    assert_eq!((advance(&mut line, 1), line.len()), (vec![], 0));
    assert_eq!((line.standing(0), line.position(0), line.told(0)), (None, None, None));
    // The same id anew is another torrent.
    assert!(line.insert(0, Queued, Download, 0) && !line.insert(0, Paused, Seed, 0));
    assert_eq!(advance(&mut line, 2), [Start(0)]);
    assert_eq!(line.told(0), Some((Queued, Download)));
}

#[derive(Clone, Debug)]
enum Act {
    Insert(Wish, Stage, usize),
    Remove(u64),
    Wish(u64, Wish),
    Stage(u64, Stage),
    Shift(Vec<u64>, Shift),
    Places(Places),
    Rates(u64, u64),
    Wait(u64),
}

fn some_places(slow: bool) -> impl Strategy<Value = Places> {
    let limit = || prop_oneof![Just(None), (0..5_u32).prop_map(Some)];
    (limit(), limit(), limit(), limit()).prop_map(move |(downloads, seeds, all, checks)| {
        let slow = slow.then_some(SLOW);
        Places { downloads, seeds, all, checks, slow, ..Places::default() }
    })
}

fn act(slow: bool) -> impl Strategy<Value = Act> {
    let id = || 0..16_u64;
    let wish = || prop::sample::select(vec![Queued, Queued, Queued, Paused, Forced]);
    let stage = || prop::sample::select(vec![Download, Download, Seed, Seed, Check, Done]);
    let shift = prop_oneof![
        Just(Shift::Top),
        Just(Shift::Up),
        Just(Shift::Down),
        Just(Shift::Bottom),
        (0..20_usize).prop_map(Shift::To),
    ];
    prop_oneof![
        6 => (wish(), stage(), 0..20_usize).prop_map(|(w, s, at)| Act::Insert(w, s, at)),
        2 => id().prop_map(Act::Remove),
        4 => (id(), wish()).prop_map(|(id, wish)| Act::Wish(id, wish)),
        4 => (id(), stage()).prop_map(|(id, stage)| Act::Stage(id, stage)),
        2 => (prop::collection::vec(id(), 0..4), shift).prop_map(|(ids, to)| Act::Shift(ids, to)),
        1 => some_places(slow).prop_map(Act::Places),
        4 => (id(), 0..2000_u64).prop_map(|(id, rate)| Act::Rates(id, rate)),
        4 => (0..50_u64).prop_map(Act::Wait),
    ]
}

fn carry_out(line: &mut Line, act: Act, next: &mut u64, now: &mut u64) {
    match act {
        Act::Insert(wish, stage, position) => {
            line.insert(*next % 16, wish, stage, position);
            *next += 1;
        }
        Act::Remove(id) => {
            line.remove(id);
        }
        Act::Wish(id, wish) => line.wish(id, wish),
        Act::Stage(id, stage) => line.stage(id, stage),
        Act::Shift(ids, shift) => line.shift(&ids, shift),
        Act::Places(places) => line.set_places(places),
        Act::Rates(id, rate) => line.rates(at(*now), id, rate, 0),
        Act::Wait(seconds) => *now += seconds,
    }
}

fn how_many(line: &Line, stage: Stage, standing: Standing) -> u32 {
    let stands = |id: &u64| {
        line.told(*id).is_some_and(|told| told.1 == stage) && line.standing(*id) == Some(standing)
    };
    line.iter().filter(stands).count() as u32
}

/// What a stage may have, when others have what they have.
fn room(line: &Line, stage: Stage) -> u32 {
    let places = line.places();
    let all = places.all.unwrap_or(u32::MAX);
    match stage {
        Check => places.checks.unwrap_or(u32::MAX),
        Download => places.downloads.unwrap_or(u32::MAX).min(all),
        _ => {
            let left = all.saturating_sub(how_many(line, Download, Standing::Counts));
            places.seeds.unwrap_or(u32::MAX).min(left)
        }
    }
}

/// Who runs when the first of each stage do, and nobody is slow.
fn slowly(line: &Line) -> BTreeSet<u64> {
    let mut running = BTreeSet::new();
    let mut all = line.places().all.unwrap_or(u32::MAX);
    for stage in [Download, Seed, Done] {
        let own = match stage {
            Download => line.places().downloads,
            _ => line.places().seeds,
        };
        let mut room = own.unwrap_or(u32::MAX).min(all);
        for id in line.iter().filter(|&id| line.told(id).unwrap().1 == stage) {
            match line.told(id).unwrap() {
                (Paused, _) => continue,
                (Queued, Download | Seed) if room == 0 => continue,
                (Queued, Download | Seed) => (room, all) = (room - 1, all - 1),
                (Forced, _) | (Queued, Done | Check) => {}
            }
            running.insert(id);
        }
    }
    running
}

proptest! {
    // Whatever only frees places never leads away from it, as long as nobody is slow.
    #[test]
    fn without_slow_ones_the_first_in_the_line_run(
        places in some_places(false),
        acts in prop::collection::vec(act(false), 0..150),
    ) {
        let (mut line, mut next, mut now) = (Line::new(places), 0, 0);
        let mut running = BTreeSet::new();
        for act in acts {
            if let Act::Remove(id) = act {
                running.remove(&id);
            }
            carry_out(&mut line, act, &mut next, &mut now);
            for change in advance(&mut line, now) {
                // Each change is one, and the difference is the truth.
                match change {
                    Start(id) => prop_assert!(running.insert(id)),
                    Hold(id) => prop_assert!(running.remove(&id)),
                }
            }
            let is_check = |id: &u64| line.told(*id).unwrap().1 == Check;
            let others = running.iter().copied().filter(|id| !is_check(id));
            prop_assert_eq!(others.collect::<BTreeSet<_>>(), slowly(&line));
            prop_assert!(how_many(&line, Check, Standing::Counts) <= room(&line, Check));
            prop_assert_eq!(line.deadline(), None);
        }
    }

    #[test]
    fn never_too_many_run_and_nobody_waits_for_a_free_place(
        places in some_places(true),
        acts in prop::collection::vec(act(true), 0..150),
    ) {
        let (mut line, mut next, mut now) = (Line::new(places), 0, 0);
        for act in acts {
            // Rates and time alone hold nobody before the grace is over.
            let quiet = matches!(act, Act::Rates(..));
            carry_out(&mut line, act, &mut next, &mut now);
            let grace = line.deadline().is_some_and(|due| due.1 == "grace" && due.0 <= at(now));
            let changes = advance(&mut line, now);
            if quiet && !grace {
                prop_assert!(changes.iter().all(|change| matches!(change, Start(_))));
            }
            for stage in [Check, Download, Seed] {
                let (counts, room) = (how_many(&line, stage, Standing::Counts), room(&line, stage));
                let waits = how_many(&line, stage, Standing::Waits);
                prop_assert!(waits == 0 || counts >= room, "{:?}: {} {}", stage, counts, room);
                prop_assert!(counts <= room || line.deadline().is_some());
                prop_assert_eq!(counts, line.taken[stage as usize]);
            }
            prop_assert!(line.deadline().is_none_or(|(due, _)| due > at(now)));
            // A position each, without a gap.
            for (position, id) in line.iter().enumerate() {
                prop_assert_eq!(line.position(id), Some(position));
            }
            prop_assert_eq!(line.iter().collect::<BTreeSet<_>>().len(), line.len());
        }
        // In the end all is within limits, once those that are too many have had their grace.
        now += 1000;
        advance(&mut line, now);
        now += 1000;
        advance(&mut line, now);
        for stage in [Check, Download, Seed] {
            prop_assert!(how_many(&line, stage, Standing::Counts) <= room(&line, stage));
        }
    }
}
