//! When a torrent has given enough: the client's side of [`toubkal_core::queue::Goal`].

use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::queue::{self, Ends, Given, Kept, Term};
use toubkal_session::State;

use crate::entry::Entry;
use crate::note::{Goal, Goals, Note};
use crate::settings::Settings;

/// The goal of a torrent that does nothing yet. What holds is said with the first [`watch`].
pub(crate) fn begin(note: &Note) -> queue::Goal {
    let kept = Kept {
        seeded: Duration::from_secs(note.seeding),
        ratio: note.had_ratio,
        seeding: note.had_seeding,
    };
    queue::Goal::new(Ends::default(), Given::default(), kept)
}

/// Looks at a torrent; says whether it has reached something that it had not.
pub(crate) fn watch(entry: &mut Entry, all: &queue::Goals, now: Time) -> bool {
    let status = &entry.status;
    let given = Given {
        uploaded: status.totals.uploaded,
        downloaded: status.totals.downloaded,
        wanted: entry.note.size,
    };
    let ends = own(entry.note.goals).ends(&queue::Goals::default(), all);
    if entry.goal.ends() != ends {
        entry.goal.limit(ends);
    }
    entry.goal.given(now, given);
    entry.goal.seeds(now, status.state == State::Seeding);
    let mut reached = false;
    while entry.goal.reached(now).is_some() {
        reached = true;
    }
    let Kept { ratio, seeding, .. } = entry.goal.kept(now);
    (entry.note.had_ratio, entry.note.had_seeding) = (ratio, seeding);
    reached
}

/// What holds for all torrents.
pub(crate) fn of_all(settings: &Settings) -> queue::Goals {
    queue::Goals {
        ratio: settings.ratio.map_or(Term::Never, Term::At),
        seeding: settings.seeding.map_or(Term::Never, |it| Term::At(Duration::from_secs(it))),
        idle: settings.idle.map_or(Term::Never, |it| Term::At(Duration::from_secs(it))),
        then: None,
    }
}

fn own(goals: Goals) -> queue::Goals {
    let time = |goal: Goal| match term(goal) {
        Term::At(seconds) => Term::At(Duration::from_secs(seconds)),
        Term::Never => Term::Never,
        Term::Inherit => Term::Inherit,
    };
    queue::Goals {
        ratio: term(goals.ratio),
        seeding: time(goals.seeding),
        idle: time(goals.idle),
        then: None,
    }
}

fn term(goal: Goal) -> Term<u64> {
    match goal {
        Goal::Global => Term::Inherit,
        Goal::None => Term::Never,
        Goal::Own(value) => Term::At(value),
    }
}
