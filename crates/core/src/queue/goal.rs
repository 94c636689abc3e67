//! When a torrent has given enough: by ratio, by time, or because nobody asks for it.

use core::time::Duration;

use crate::base::Time;

/// What one level says of one limit. A torrent stands above its category, and that above what
/// holds for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Term<T> {
    /// What the next level says; there is no limit when nobody says anything.
    #[default]
    Inherit,
    /// No limit, whatever the next level says.
    Never,
    /// This limit.
    At(T),
}

impl<T: Copy> Term<T> {
    /// What holds, when `next` is what the next level says.
    #[must_use]
    pub fn over(self, next: Self) -> Self {
        match self {
            Self::Inherit => next,
            Self::Never | Self::At(_) => self,
        }
    }

    fn limit(self) -> Option<T> {
        match self {
            Self::Inherit | Self::Never => None,
            Self::At(limit) => Some(limit),
        }
    }
}

/// What one level says: a torrent, a category, or the settings for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goals {
    /// Given for got, in thousandths: 1,500 is one and a half times.
    pub ratio: Term<u64>,
    /// Time it has been a seed, not paused and not waiting.
    pub seeding: Term<Duration>,
    /// Time it has been a seed without giving a byte.
    pub idle: Term<Duration>,
    /// What happens then; `None` is what the next level says, and to pause in the end.
    pub then: Option<Then>,
}

impl Goals {
    /// What holds for a torrent that says this, in such a category, under the settings for all.
    #[must_use]
    pub fn ends(&self, category: &Self, all: &Self) -> Ends {
        Ends {
            ratio: self.ratio.over(category.ratio).over(all.ratio).limit(),
            seeding: self.seeding.over(category.seeding).over(all.seeding).limit(),
            idle: self.idle.over(category.idle).over(all.idle).limit(),
            then: self.then.or(category.then).or(all.then).unwrap_or_default(),
        }
    }
}

/// What holds for a torrent. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Given for got, in thousandths.
    pub ratio: Option<u64>,
    /// Time as a seed.
    pub seeding: Option<Duration>,
    /// Time as a seed without giving a byte.
    pub idle: Option<Duration>,
    /// What happens then.
    pub then: Then,
}

/// What the owner does with a torrent that has given enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Pause it.
    #[default]
    Pause,
    /// Remove it from the list, and leave its files.
    Remove,
    /// Remove it with its files.
    RemoveFiles,
    /// Let it run and take no place ([`Stage::Done`](super::Stage::Done)).
    Uncount,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has given so many times what it got.
    Ratio,
    /// It has been a seed for so long.
    Seeding,
    /// For so long nobody has asked for a byte.
    Idle,
}

/// What a torrent has given and got, in all its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Bytes given.
    pub uploaded: u64,
    /// Bytes got.
    pub downloaded: u64,
    /// Bytes of the files that are wanted: the ratio counts by them when nothing was got, as of
    /// files that were there from the start.
    pub wanted: u64,
}

impl Given {
    /// Given for got, in thousandths, rounded down. `None` when there is nothing to compare with.
    #[must_use]
    pub fn ratio(&self) -> Option<u64> {
        let got = if self.downloaded == 0 { self.wanted } else { self.downloaded };
        let ratio = (u128::from(self.uploaded) * 1000).checked_div(u128::from(got))?;
        Some(u64::try_from(ratio).unwrap_or(u64::MAX))
    }
}

/// What the next life has to know of a [`Goal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Time as a seed, in all lives.
    pub seeded: Duration,
    /// The ratio was reached, and that was told.
    pub ratio: bool,
    /// The time as a seed was reached, and that was told.
    pub seeding: bool,
}

/// The goal of one torrent.
///
/// The caller tells when it seeds ([`Goal::seeds`]), what it has given ([`Goal::given`]) and what
/// holds ([`Goal::limit`]), and asks [`Goal::reached`] after each of them and when the
/// [`Goal::deadline`] has come. A limit is told once: it is told again after the numbers were
/// below it, or when it is another one. So a user may start again what has given enough.
///
/// Only a seed reaches anything. Being idle is counted from the moment it begins to seed, or from
/// the last byte, so that one that was paused begins anew.
#[derive(Clone, Debug)]
pub struct Goal {
    ends: Ends,
    given: Given,
    /// Time as a seed, up to when it began to be one now.
    seeded: Duration,
    /// Since when it seeds,
    since: Option<Time>,
    /// and since when it has given nothing.
    quiet: Time,
    /// What was told.
    ratio: bool,
    seeding: bool,
    idle: bool,
}

impl Goal {
    /// The goal of a torrent that does not seed yet.
    #[must_use]
    pub fn new(ends: Ends, given: Given, kept: Kept) -> Self {
        let Kept { seeded, ratio, seeding } = kept;
        let (since, quiet, idle) = (None, Time::START, false);
        Self { ends, given, seeded, since, quiet, ratio, seeding, idle }
    }

    /// What the next life has to know.
    #[must_use]
    pub fn kept(&self, now: Time) -> Kept {
        Kept { seeded: self.seeded(now), ratio: self.ratio, seeding: self.seeding }
    }

    /// It seeds from now on, or no longer does: it is paused, waits, is checked, lacks something.
    pub fn seeds(&mut self, now: Time, seeds: bool) {
        if seeds == self.since.is_some() {
            return;
        }
        self.seeded = self.seeded(now);
        self.since = seeds.then_some(now);
        (self.quiet, self.idle) = (now, false);
    }

    /// What it has given and got by now.
    pub fn given(&mut self, now: Time, given: Given) {
        if given.uploaded > self.given.uploaded {
            (self.quiet, self.idle) = (now, false);
        }
        self.given = given;
        self.ratio &= self.at_ratio();
    }

    /// Other limits hold.
    pub fn limit(&mut self, ends: Ends) {
        self.ratio &= ends.ratio == self.ends.ratio;
        self.seeding &= ends.seeding == self.ends.seeding;
        self.idle &= ends.idle == self.ends.idle;
        self.ends = ends;
    }

    /// A limit that is reached and was not told yet; to be asked until there is none. What to do
    /// then is [`Ends::then`].
    pub fn reached(&mut self, now: Time) -> Option<Why> {
        self.since?;
        let at_time = self.ends.seeding.is_some_and(|limit| self.seeded(now) >= limit);
        let at_rest = self.ends.idle.is_some_and(|limit| self.idle(now) >= Some(limit));
        let ends = [
            (self.at_ratio(), &mut self.ratio, Why::Ratio),
            (at_time, &mut self.seeding, Why::Seeding),
            (at_rest, &mut self.idle, Why::Idle),
        ];
        for (reached, told, why) in ends {
            if reached && !core::mem::replace(told, true) {
                return Some(why);
            }
        }
        None
    }

    /// When a limit is reached by time alone, at the earliest. A ratio is reached by bytes, of
    /// which the caller knows.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let since = self.since?;
        let seeding = self.ends.seeding.filter(|_| !self.seeding);
        let seeding = seeding.map(|limit| since.after(limit.saturating_sub(self.seeded)));
        let idle = self.ends.idle.filter(|_| !self.idle).map(|limit| self.quiet.after(limit));
        seeding.into_iter().chain(idle).min()
    }

    /// What holds.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// For how long it has been a seed, in all lives.
    #[must_use]
    pub fn seeded(&self, now: Time) -> Duration {
        self.seeded.saturating_add(self.since.map_or(Duration::ZERO, |since| now.since(since)))
    }

    /// For how long it has been a seed without giving a byte; `None` when it does not seed.
    #[must_use]
    pub fn idle(&self, now: Time) -> Option<Duration> {
        self.since.map(|_| now.since(self.quiet))
    }

    fn at_ratio(&self) -> bool {
        self.ends.ratio.is_some_and(|limit| self.given.ratio() >= Some(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Goals = Goals {
        ratio: Term::At(2000),
        seeding: Term::At(Duration::from_secs(3600)),
        idle: Term::Never,
        then: None,
    };

    fn at(seconds: u64) -> Time {
        Time::START.after(Duration::from_secs(seconds))
    }

    fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn given(uploaded: u64, downloaded: u64, wanted: u64) -> Given {
        Given { uploaded, downloaded, wanted }
    }

    /// A goal that seeds from the start.
    fn goal(ends: Ends) -> Goal {
        let mut goal = Goal::new(ends, given(0, 1000, 1000), Kept::default());
        goal.seeds(at(0), true);
        goal
    }

    fn all_reached(goal: &mut Goal, now: Time) -> std::vec::Vec<Why> {
        core::iter::from_fn(|| goal.reached(now)).collect()
    }

    #[test]
    fn a_torrent_stands_above_its_category_and_that_above_all() {
        let (inherit, never) = (Term::Inherit, Term::Never);
        let table = [
            (inherit, inherit, Some(2000)),
            (inherit, never, None),
            (inherit, Term::At(500), Some(500)),
            (never, Term::At(500), None),
            (Term::At(7), never, Some(7)),
            (Term::At(0), inherit, Some(0)),
        ];
        for (own, category, expected) in table {
            let own = Goals { ratio: own, ..Goals::default() };
            let category = Goals { ratio: category, ..Goals::default() };
            assert_eq!(own.ends(&category, &ALL).ratio, expected, "{own:?} {category:?}");
        }
        let none = Goals::default();
        assert_eq!(none.ends(&none, &none), Ends::default());
        let removes = Goals { then: Some(Then::Remove), ..none };
        assert_eq!(none.ends(&removes, &ALL).then, Then::Remove);
        assert_eq!(none.ends(&none, &ALL).then, Then::Pause);
    }

    #[test]
    fn a_ratio_is_of_what_was_got_or_of_what_was_there() {
        let table = [
            (given(0, 0, 0), None),
            (given(5, 0, 0), None),
            (given(0, 10, 0), Some(0)),
            (given(15, 10, 1000), Some(1500)),
            (given(1000, 0, 2000), Some(500)),
            (given(1999, 1000, 1), Some(1999)),
            (given(2, 3, 3), Some(666)),
            (given(u64::MAX, 1, 1), Some(u64::MAX)),
            (given(u64::MAX, u64::MAX, 1), Some(1000)),
        ];
        for (given, ratio) in table {
            assert_eq!(given.ratio(), ratio, "{given:?}");
        }
    }

    #[test]
    fn a_ratio_is_told_once_until_it_has_fallen_or_the_limit_is_another() {
        let ends = Ends { ratio: Some(1000), ..Ends::default() };
        let mut goal = goal(ends);
        goal.given(at(1), given(999, 1000, 1000));
        assert_eq!(goal.reached(at(1)), None);
        goal.given(at(2), given(1000, 1000, 1000));
        assert_eq!(all_reached(&mut goal, at(2)), [Why::Ratio]);
        // Paused and resumed by the user: that it is over the limit is known.
        goal.seeds(at(3), false);
        goal.seeds(at(4), true);
        goal.given(at(5), given(5000, 1000, 1000));
        assert_eq!(goal.reached(at(5)), None);
        // More is wanted, was got, and given again.
        goal.given(at(6), given(5000, 9000, 9000));
        goal.given(at(7), given(9000, 9000, 9000));
        assert_eq!(all_reached(&mut goal, at(7)), [Why::Ratio]);
        goal.limit(ends);
        assert_eq!(goal.reached(at(8)), None);
        goal.limit(Ends { ratio: Some(900), ..ends });
        assert_eq!(all_reached(&mut goal, at(8)), [Why::Ratio]);
    }

    #[test]
    fn time_as_a_seed_counts_only_while_it_seeds() {
        let mut goal = goal(Ends { seeding: secs(100), ..Ends::default() });
        assert_eq!(goal.deadline(), Some(at(100)));
        goal.seeds(at(60), false);
        assert_eq!((goal.deadline(), goal.reached(at(500))), (None, None));
        assert_eq!(goal.kept(at(500)).seeded, Duration::from_secs(60));
        goal.seeds(at(500), true);
        assert_eq!(goal.deadline(), Some(at(540)));
        assert_eq!(goal.reached(at(539)), None);
        assert_eq!(all_reached(&mut goal, at(540)), [Why::Seeding]);
        assert_eq!(goal.deadline(), None);
    }

    #[test]
    fn another_limit_of_time_is_told_and_the_same_is_not() {
        let ends = Ends { seeding: secs(10), idle: secs(10), ..Ends::default() };
        let mut goal = goal(ends);
        assert_eq!(all_reached(&mut goal, at(10)), [Why::Seeding, Why::Idle]);
        goal.limit(Ends { then: Then::Remove, ..ends });
        assert_eq!((goal.reached(at(11)), goal.deadline()), (None, None));
        goal.limit(Ends { seeding: secs(20), idle: secs(9), ..ends });
        assert_eq!(all_reached(&mut goal, at(11)), [Why::Idle]);
        assert_eq!(goal.deadline(), Some(at(20)));
        assert_eq!(all_reached(&mut goal, at(20)), [Why::Seeding]);
    }

    #[test]
    fn the_next_life_goes_on_and_tells_nothing_twice() {
        let ends = Ends { seeding: secs(100), ratio: Some(0), ..Ends::default() };
        let mut first = goal(ends);
        assert_eq!(all_reached(&mut first, at(70)), [Why::Ratio]);
        let mut second = Goal::new(ends, given(0, 1000, 1000), first.kept(at(70)));
        second.seeds(at(10), true);
        assert_eq!((second.reached(at(11)), second.deadline()), (None, Some(at(40))));
        assert_eq!(all_reached(&mut second, at(40)), [Why::Seeding]);
        let mut third = Goal::new(ends, given(0, 1000, 1000), second.kept(at(40)));
        third.seeds(at(0), true);
        assert_eq!((third.reached(at(1)), third.deadline()), (None, None));
    }

    #[test]
    fn a_byte_or_a_pause_begins_the_time_without_one_anew() {
        let mut goal = goal(Ends { idle: secs(30), ..Ends::default() });
        assert_eq!(goal.deadline(), Some(at(30)));
        goal.given(at(20), given(1, 1000, 1000));
        assert_eq!(goal.deadline(), Some(at(50)));
        // What it got is no byte that it gave.
        goal.given(at(25), given(1, 1001, 1001));
        assert_eq!(goal.reached(at(49)), None);
        assert_eq!(all_reached(&mut goal, at(50)), [Why::Idle]);
        assert_eq!((goal.reached(at(90)), goal.deadline()), (None, None));
        goal.given(at(91), given(2, 1001, 1001));
        assert_eq!(goal.deadline(), Some(at(121)));
        goal.seeds(at(100), false);
        assert_eq!(goal.idle(at(130)), None);
        goal.seeds(at(200), true);
        assert_eq!(goal.deadline(), Some(at(230)));
        assert_eq!(all_reached(&mut goal, at(230)), [Why::Idle]);
    }

    #[test]
    fn all_that_is_reached_at_once_is_told() {
        let ends = Ends { ratio: Some(0), seeding: secs(5), idle: secs(5), then: Then::Uncount };
        let mut goal = goal(ends);
        assert_eq!(all_reached(&mut goal, at(5)), [Why::Ratio, Why::Seeding, Why::Idle]);
        assert_eq!(goal.ends().then, Then::Uncount);
    }

    #[test]
    fn a_torrent_that_does_not_seed_reaches_nothing() {
        let ends = Ends { ratio: Some(0), seeding: secs(0), idle: secs(0), then: Then::Pause };
        let mut goal = Goal::new(ends, given(9, 1, 1), Kept::default());
        assert_eq!((goal.reached(at(9)), goal.deadline()), (None, None));
    }
}
