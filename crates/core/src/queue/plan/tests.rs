use super::*;
use Holds::{Alternative, Off, Usual};
use proptest::prelude::*;

const MONDAY: u64 = 0;
const SATURDAY: u64 = 5;
const SUNDAY: u64 = 6;
/// Some week; a plan does not know the first.
const SOME_MONDAY: u64 = 2900 * WEEK as u64;

fn at(day: u64, hour: u64, minute: u64) -> u64 {
    SOME_MONDAY + day * u64::from(DAY) + hour * 60 + minute
}

fn rule(days: Days, from: (u16, u16), to: (u16, u16), holds: Holds) -> Rule {
    Rule::new(days, from.0 * 60 + from.1, to.0 * 60 + to.1, holds).unwrap()
}

fn on(day: Day) -> Days {
    Days::default().and(day)
}

/// Asks at each of the moments, in order.
fn says(rules: &[Rule], table: &[(u64, Holds, Option<u64>)]) {
    let mut plan = Plan::new(rules.to_vec());
    for &(local, holds, until) in table {
        let now = Now { holds, manual: false, until };
        assert_eq!(plan.now(local), now, "at minute {} of the week", local - SOME_MONDAY);
    }
}

#[test]
fn a_rule_holds_from_its_first_minute_up_to_its_last_on_its_days() {
    let office = rule(Days::WORKING, (9, 0), (17, 30), Alternative);
    let next_monday = at(MONDAY, 9, 0) + u64::from(WEEK);
    says(
        &[office],
        &[
            (at(MONDAY, 0, 0), Usual, Some(at(MONDAY, 9, 0))),
            (at(MONDAY, 8, 59), Usual, Some(at(MONDAY, 9, 0))),
            (at(MONDAY, 9, 0), Alternative, Some(at(MONDAY, 17, 30))),
            (at(MONDAY, 17, 29), Alternative, Some(at(MONDAY, 17, 30))),
            (at(MONDAY, 17, 30), Usual, Some(at(1, 9, 0))),
            (at(4, 17, 30), Usual, Some(next_monday)),
            (at(SATURDAY, 12, 0), Usual, Some(next_monday)),
            (next_monday, Alternative, Some(next_monday + 510)),
        ],
    );
}

#[test]
fn a_rule_may_pass_midnight_and_the_end_of_the_week() {
    let night = rule(on(Day::Sunday), (23, 0), (7, 0), Off);
    let week = u64::from(WEEK);
    says(
        &[night],
        &[
            (at(MONDAY, 6, 59), Off, Some(at(MONDAY, 7, 0))),
            (at(MONDAY, 7, 0), Usual, Some(at(SUNDAY, 23, 0))),
            (at(SUNDAY, 6, 0), Usual, Some(at(SUNDAY, 23, 0))),
            (at(SUNDAY, 23, 0), Off, Some(at(MONDAY, 7, 0) + week)),
            (at(SUNDAY, 23, 59), Off, Some(at(MONDAY, 7, 0) + week)),
            (at(MONDAY, 0, 0) + week, Off, Some(at(MONDAY, 7, 0) + week)),
        ],
    );
}

#[test]
fn a_day_ends_at_24_00_and_a_rule_from_an_hour_to_the_same_is_a_day() {
    let days = [rule(on(Day::Saturday), (0, 0), (24, 0), Off)];
    let (saturday, sunday) = (at(SATURDAY, 0, 0), at(SUNDAY, 0, 0));
    says(&days, &[(saturday, Off, Some(sunday)), (sunday - 1, Off, Some(sunday))]);
    let days = [rule(on(Day::Saturday), (6, 0), (6, 0), Off)];
    let (from, to) = (at(SATURDAY, 6, 0), at(SUNDAY, 6, 0));
    says(&days, &[(from - 1, Usual, Some(from)), (from, Off, Some(to)), (to - 1, Off, Some(to))]);
}

#[test]
fn the_first_of_two_rules_goes_and_equal_neighbours_are_one() {
    let rules = [
        rule(Days::ALL, (12, 0), (13, 0), Usual),
        rule(Days::ALL, (8, 0), (12, 30), Alternative),
        rule(Days::ALL, (13, 0), (14, 0), Off),
        rule(Days::ALL, (14, 0), (15, 0), Off),
    ];
    says(
        &rules,
        &[
            (at(2, 8, 0), Alternative, Some(at(2, 12, 0))),
            (at(2, 12, 0), Usual, Some(at(2, 13, 0))),
            (at(2, 13, 0), Off, Some(at(2, 15, 0))),
            (at(2, 15, 0), Usual, Some(at(3, 8, 0))),
        ],
    );
}

#[test]
fn what_never_changes_has_no_end() {
    says(&[], &[(at(2, 8, 0), Usual, None)]);
    says(&[rule(Days::ALL, (0, 0), (24, 0), Off)], &[(at(2, 8, 0), Off, None)]);
    assert_eq!(Plan::default().now(5), Now { holds: Usual, manual: false, until: None });
}

#[test]
fn a_choice_by_hand_holds_until_the_plan_changes() {
    let mut plan = Plan::new(vec![rule(Days::ALL, (8, 0), (20, 0), Alternative)]);
    plan.choose(at(0, 10, 0), Usual, Span::Change);
    let until = Some(at(0, 20, 0));
    let by_hand = Now { holds: Usual, manual: true, until };
    assert_eq!(plan.now(at(0, 19, 59)), by_hand);
    assert_eq!(plan.manual(), Some(Manual { holds: Usual, span: Span::Change, until }));
    let next = Now { holds: Usual, manual: false, until: Some(at(1, 8, 0)) };
    assert_eq!(plan.now(at(0, 20, 0)), next);
    assert_eq!(plan.manual(), None);
    // Even what the plan says already holds until it says something else.
    plan.choose(at(0, 21, 0), Usual, Span::Change);
    assert!(plan.now(at(1, 7, 59)).manual);
    assert!(!plan.now(at(1, 8, 0)).manual);
}

#[test]
fn a_choice_by_hand_may_hold_for_ever() {
    let mut plan = Plan::new(vec![rule(Days::ALL, (8, 0), (20, 0), Alternative)]);
    plan.choose(at(0, 10, 0), Off, Span::Ever);
    let ever = Now { holds: Off, manual: true, until: None };
    assert_eq!(plan.now(at(4, 10, 0) + 5 * u64::from(WEEK)), ever);
    plan.set_manual(None);
    assert!(!plan.now(at(4, 10, 1) + 5 * u64::from(WEEK)).manual);
    // A plan without a change has none to wait for.
    let mut plan = Plan::default();
    plan.choose(at(0, 10, 0), Off, Span::Change);
    assert_eq!(plan.now(at(3, 10, 0)), ever);
}

#[test]
fn a_choice_by_hand_outlives_the_program_and_a_new_plan() {
    let rules = vec![rule(Days::ALL, (8, 0), (20, 0), Alternative)];
    let mut first = Plan::new(rules.clone());
    first.choose(at(0, 10, 0), Usual, Span::Change);
    let mut second = Plan::new(first.rules().to_vec());
    second.set_manual(first.manual());
    assert!(second.now(at(0, 19, 59)).manual);
    second.set_rules(at(0, 19, 59), vec![rule(Days::ALL, (8, 0), (22, 0), Alternative)]);
    assert_eq!(second.now(at(0, 20, 0)).until, Some(at(0, 22, 0)));
    // The program was not running when it ended.
    let mut third = Plan::new(rules);
    third.set_manual(second.manual());
    assert!(!third.now(at(0, 22, 0)).manual);
}

// 2026-03-29 and 2026-10-25 are Sundays, on which Berlin's clocks go from 02:00 to 03:00 and from
// 03:00 to 02:00.

#[test]
fn when_summer_time_begins_what_lies_in_the_hour_left_out_happens_at_its_end() {
    let before = at(SUNDAY, 1, 59);
    let after = at(SUNDAY, 3, 0);
    let starts = rule(Days::ALL, (2, 30), (8, 0), Off);
    says(
        &[starts],
        &[(before, Usual, Some(at(SUNDAY, 2, 30))), (after, Off, Some(at(SUNDAY, 8, 0)))],
    );
    let ends = rule(Days::ALL, (0, 0), (2, 30), Off);
    let next = at(SUNDAY, 0, 0) + u64::from(DAY);
    says(&[ends], &[(before, Off, Some(at(SUNDAY, 2, 30))), (after, Usual, Some(next))]);
    // A change and one back, while a choice by hand waits for a change.
    let mut plan = Plan::new(vec![rule(Days::ALL, (2, 15), (2, 45), Off)]);
    plan.choose(before, Alternative, Span::Change);
    let next = Some(at(SUNDAY, 2, 15) + u64::from(DAY));
    assert_eq!(plan.now(after), Now { holds: Usual, manual: false, until: next });
}

#[test]
fn when_summer_time_ends_nothing_happens_twice() {
    let night = rule(Days::ALL, (2, 30), (8, 0), Off);
    let until = Some(at(SUNDAY, 8, 0));
    let mut plan = Plan::new(vec![night]);
    assert_eq!(plan.now(at(SUNDAY, 2, 29)).holds, Usual);
    for minute in 30..60 {
        assert_eq!(plan.now(at(SUNDAY, 2, minute)).holds, Off);
    }
    // What is chosen by hand now is not undone by a beginning that comes again.
    plan.choose(at(SUNDAY, 2, 59), Usual, Span::Change);
    for minute in 0..60 {
        let by_hand = Now { holds: Usual, manual: true, until };
        assert_eq!(plan.now(at(SUNDAY, 2, minute)), by_hand, "the second 02:{minute}");
    }
    assert!(plan.now(at(SUNDAY, 7, 59)).manual);
    assert_eq!(plan.now(at(SUNDAY, 8, 0)).holds, Usual);

    let hour = rule(Days::ALL, (2, 15), (2, 45), Off);
    let mut plan = Plan::new(vec![hour]);
    let twice = (0..60).chain(0..60).chain(60..120);
    let held = twice.filter(|&minute| plan.now(at(SUNDAY, 2, minute)).holds == Off);
    assert_eq!(held.count(), 30);
}

#[test]
fn who_slept_when_summer_time_ended_goes_by_the_clock() {
    let mut plan = Plan::new(vec![rule(Days::ALL, (9, 30), (10, 0), Off)]);
    plan.now(at(SATURDAY, 22, 0));
    let next = at(SUNDAY, 9, 30);
    assert_eq!(plan.now(at(SUNDAY, 9, 0)), Now { holds: Usual, manual: false, until: Some(next) });
    assert_eq!(plan.now(next).holds, Off);
}

#[test]
fn a_clock_that_is_set_back_is_followed() {
    let mut plan = Plan::new(vec![rule(Days::ALL, (9, 0), (10, 0), Off)]);
    plan.now(at(SUNDAY, 12, 0));
    assert_eq!(plan.now(at(SUNDAY, 9, 30)).holds, Off);
    assert_eq!(plan.now(at(MONDAY, 8, 0)).holds, Usual);
}

#[test]
fn a_rule_of_no_time_is_refused() {
    let rule = |days, from, to| Rule::new(days, from, to, Off);
    assert_eq!(rule(Days::default(), 0, 5), Err(RuleError::NoDay));
    assert_eq!(rule(Days::ALL, 1440, 5), Err(RuleError::From(1440)));
    assert_eq!(rule(Days::ALL, 0, 1441), Err(RuleError::To(1441)));
    assert!(rule(Days::ALL, 1439, 1440).is_ok());
    assert_eq!(Days::from_bits(0xFF), Days::ALL);
    assert!(Days::WEEKEND.has(Day::Sunday) && !Days::WORKING.has(Day::Sunday));
    assert_eq!(Days::from_bits(on(Day::Sunday).bits()), on(Day::Sunday));
}

#[test]
fn rules_past_the_most_are_left_out() {
    let rule = rule(Days::ALL, (8, 0), (9, 0), Off);
    assert_eq!(Plan::new(vec![rule; MAX_RULES + 1]).rules().len(), MAX_RULES);
}

/// What the rules say of a minute, read from their text.
fn slowly(rules: &[Rule], local: u64) -> Holds {
    let (day, minute) = (local / 1440 % 7, (local % 1440) as u16);
    let holds = |rule: &&Rule| {
        let on = |day: u64| rule.days.bits() >> day & 1 == 1;
        match rule.from < rule.to {
            true => on(day) && (rule.from..rule.to).contains(&minute),
            false => on(day) && minute >= rule.from || on((day + 6) % 7) && minute < rule.to,
        }
    };
    rules.iter().find(holds).map_or(Usual, |rule| rule.holds)
}

proptest! {
    #[test]
    fn a_plan_says_what_its_rules_say_and_when_they_say_something_else(
        rules in prop::collection::vec((1..128_u8, 0..1440_u16, 0..=1440_u16, 0..3_usize), 0..6),
        asked in prop::collection::vec(0..2 * u64::from(WEEK), 1..20),
    ) {
        let made = |&(days, from, to, holds): &(u8, u16, u16, usize)| {
            Rule::new(Days::from_bits(days), from, to, [Usual, Alternative, Off][holds]).unwrap()
        };
        let rules: Vec<Rule> = rules.iter().map(made).collect();
        for local in asked {
            let now = Plan::new(rules.clone()).now(local);
            prop_assert_eq!(now.holds, slowly(&rules, local));
            let week = local + 1..=local + u64::from(WEEK);
            let next = week.into_iter().find(|&later| slowly(&rules, later) != now.holds);
            prop_assert_eq!(now.until, next);
        }
    }
}
