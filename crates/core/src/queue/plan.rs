//! Which limits hold at which hour of the week, and what was chosen by hand instead.

use alloc::vec;
use alloc::vec::Vec;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Minutes of a week.
const WEEK: u16 = 7 * DAY;
/// How far a clock goes back when summer time ends (an hour; half of one on Lord Howe Island, two
/// at Troll), and by which nothing happens twice. One that goes back further was set.
const BACK: u64 = 120;

/// The most rules of a plan.
pub const MAX_RULES: usize = 100;

/// Which limits hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    /// The usual ones.
    #[default]
    Usual,
    /// The alternative ones.
    Alternative,
    /// Nothing runs.
    Off,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);
    /// Monday to Friday.
    pub const WORKING: Self = Self(0b001_1111);
    /// Saturday and Sunday.
    pub const WEEKEND: Self = Self(0b110_0000);

    /// These days and `day`.
    #[must_use]
    pub const fn and(self, day: Day) -> Self {
        Self(self.0 | 1 << day as u8)
    }

    /// Whether `day` is one of them.
    #[must_use]
    pub const fn has(self, day: Day) -> bool {
        self.0 & 1 << day as u8 != 0
    }

    /// As bits: 1 is Monday, 64 Sunday.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits; those above 64 mean nothing.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

/// What holds on some days, from one minute to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    days: Days,
    from: u16,
    to: u16,
    holds: Holds,
}

/// A rule says no time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It is on no day.
    NoDay,
    /// It begins at this minute, which is after 23:59.
    From(u16),
    /// It ends at this minute, which is after 24:00.
    To(u16),
}

impl core::fmt::Display for RuleError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoDay => out.write_str("the rule is on no day of the week"),
            Self::From(minute) => write!(out, "minute {minute}: a rule begins at 0 to 1439"),
            Self::To(minute) => write!(out, "minute {minute}: a rule ends at 0 to 1440"),
        }
    }
}

impl core::error::Error for RuleError {}

impl Rule {
    /// On `days`, from minute `from` of the day (0 to 1439) up to, and without, minute `to` (0 to
    /// 1440). When `to` is not after `from`, that is on the next day: the days are those on which
    /// it begins, and a rule from an hour to the same is a whole day.
    ///
    /// # Errors
    /// When there is no such minute, or no day.
    pub fn new(days: Days, from: u16, to: u16, holds: Holds) -> Result<Self, RuleError> {
        if days == Days::default() {
            return Err(RuleError::NoDay);
        }
        if from >= DAY {
            return Err(RuleError::From(from));
        }
        if to > DAY {
            return Err(RuleError::To(to));
        }
        Ok(Self { days, from, to, holds })
    }

    /// On which days it begins.
    #[must_use]
    pub fn days(&self) -> Days {
        self.days
    }

    /// From which minute of the day it holds, and up to which.
    #[must_use]
    pub fn minutes(&self) -> (u16, u16) {
        (self.from, self.to)
    }

    /// What holds then.
    #[must_use]
    pub fn holds(&self) -> Holds {
        self.holds
    }
}

/// How long what was chosen by hand holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Until the plan next changes what holds; for ever when it never does.
    Change,
    /// Until it is taken back.
    Ever,
}

/// What was chosen by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manual {
    /// What holds,
    pub holds: Holds,
    /// for how long,
    pub span: Span,
    /// and up to which local minute that is; `None`: no end is known.
    pub until: Option<u64>,
}

/// What holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Which limits.
    pub holds: Holds,
    /// Whether that was chosen by hand.
    pub manual: bool,
    /// The local minute at which it changes. The next question is due when the local time is this
    /// or later, since a minute may be left out when summer time begins. `None`: never.
    pub until: Option<u64>,
}

/// The plan of a week, and what was chosen by hand.
///
/// Of rules that hold at once the first in the list goes; where none does, the usual limits hold.
///
/// The caller gives the local time with each question: the minutes since a Monday at midnight
/// (which one does not matter, as long as it stays the same), as the clock on the wall counts
/// them. With `unix` seconds and an `offset` of the place at that moment that is `(unix + offset)
/// / 60 + 3 * 1440`, for 1970 began on a Thursday. So the rules of summer time are the caller's.
///
/// When summer time begins, local time leaves out an hour. What would have changed in it changes
/// at its end; a rule that lies in it whole holds on no minute of that day. When it ends, local
/// time has an hour twice; the plan then stands still until local time has come to where it was.
/// So what has begun does not end and begin again. A clock that goes back by more than two hours
/// was set, and is followed.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
    /// From which minute of the week what holds: sorted, the first from 0, neighbours differ.
    week: Vec<(u16, Holds)>,
    manual: Option<Manual>,
    /// The latest local minute of which was asked.
    seen: u64,
}

impl Plan {
    /// A plan of these rules; those past [`MAX_RULES`] are left out.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut plan = Self::default();
        plan.write(rules);
        plan
    }

    /// The rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Makes another plan at the local minute `local`. What was chosen by hand until the plan
    /// changes holds until the new one does.
    pub fn set_rules(&mut self, local: u64, rules: Vec<Rule>) {
        self.now(local);
        self.write(rules);
        if let Some(Manual { holds, span, .. }) = self.manual {
            self.choose(local, holds, span);
        }
    }

    /// Chooses by hand what holds from the local minute `local` on.
    pub fn choose(&mut self, local: u64, holds: Holds, span: Span) {
        self.see(local);
        let until = match span {
            Span::Change => self.planned().1,
            Span::Ever => None,
        };
        self.manual = Some(Manual { holds, span, until });
    }

    /// Takes back what was chosen by hand, or, in another life, brings it back.
    pub fn set_manual(&mut self, manual: Option<Manual>) {
        self.manual = manual;
    }

    /// What was chosen by hand, as of the last question.
    #[must_use]
    pub fn manual(&self) -> Option<Manual> {
        self.manual
    }

    /// What holds at the local minute `local`, and until when.
    pub fn now(&mut self, local: u64) -> Now {
        self.see(local);
        if let Some(manual) = self.manual {
            if manual.until.is_none_or(|until| self.seen < until) {
                return Now { holds: manual.holds, manual: true, until: manual.until };
            }
            self.manual = None;
        }
        let (holds, until) = self.planned();
        Now { holds, manual: false, until }
    }

    fn see(&mut self, local: u64) {
        if local > self.seen || self.seen - local > BACK {
            self.seen = local;
        }
    }

    /// What the plan says, and up to which local minute.
    fn planned(&self) -> (Holds, Option<u64>) {
        let minute = (self.seen % u64::from(WEEK)) as u16;
        let monday = self.seen - u64::from(minute);
        let at = self.week.partition_point(|&(from, _)| from <= minute);
        let Some(&(_, holds)) = at.checked_sub(1).and_then(|at| self.week.get(at)) else {
            return (Holds::default(), None);
        };
        let later = self.week[at..].iter().map(|&(from, other)| (from, other));
        let next_week = self.week.iter().map(|&(from, other)| (from + WEEK, other));
        // What a week ends with may be what the next begins with.
        let next = later.chain(next_week).find(|&(_, other)| other != holds);
        (holds, next.map(|(from, _)| monday + u64::from(from)))
    }

    fn write(&mut self, mut rules: Vec<Rule>) {
        rules.truncate(MAX_RULES);
        let mut minutes = vec![Holds::default(); usize::from(WEEK)];
        // The first rule is written last, over all others.
        for rule in rules.iter().rev() {
            let next_day = if rule.to <= rule.from { DAY } else { 0 };
            for day in (0..7).filter(|day| rule.days.0 & 1 << day != 0) {
                for minute in rule.from..rule.to + next_day {
                    minutes[usize::from((day * DAY + minute) % WEEK)] = rule.holds;
                }
            }
        }
        self.week = (0..).zip(minutes).collect();
        self.week.dedup_by_key(|&mut (_, holds)| holds);
        self.week.shrink_to_fit();
        self.rules = rules;
    }
}

#[cfg(test)]
mod tests;
