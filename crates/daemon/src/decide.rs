//! Which torrents run: carries out what the queue and the goals say.

use toubkal_core::base::Outbox;
use toubkal_core::queue::{Change, Standing};

use crate::entry::Entry;
use crate::goals;
use crate::library::Library;
use crate::view::Id;

/// Has each torrent run or rest, as its user, the queue and what it has given say.
pub(crate) fn decide(library: &mut Library) {
    let now = library.clock.time();
    let mut changes = Outbox::new();
    library.line.advance(now, &mut changes);
    for change in changes.drain() {
        let (Change::Hold(id) | Change::Start(id)) = change;
        let runs = matches!(change, Change::Start(_));
        if library.get(id).is_some_and(|entry| entry.runs != runs)
            && let Some(entry) = library.change(id)
        {
            run(entry, runs);
        }
    }
}

/// Has those rest that ran in the life before and do not now.
pub(crate) fn settle(library: &mut Library) {
    decide(library);
    let wrong = |(id, entry): (Id, &Entry)| {
        let runs = library.line.standing(id).is_some_and(Standing::runs);
        (entry.runs != runs).then_some((id, runs))
    };
    let wrong: Vec<(Id, bool)> = library.iter().filter_map(wrong).collect();
    for (id, runs) in wrong {
        if let Some(entry) = library.change(id) {
            run(entry, runs);
        }
    }
}

fn run(entry: &mut Entry, runs: bool) {
    entry.runs = runs;
    if let Some(torrent) = &entry.torrent {
        if runs { torrent.resume() } else { torrent.pause() }
    }
}

/// Tells the queue what torrents do, and stops those that have given enough.
pub(crate) fn judge(library: &mut Library, ids: &[Id]) {
    let now = library.clock.time();
    let all = goals::of_all(&library.settings);
    for &id in ids {
        let Some(entry) = library.get_mut(id) else { continue };
        if goals::watch(entry, &all, now) {
            entry.note.reached = true;
            entry.keep();
        }
        let (wish, stage, status) = (entry.wish(), entry.stage(), entry.status);
        library.line.wish(id, wish);
        library.line.stage(id, stage);
        library.line.rates(now, id, status.down_rate, status.up_rate);
    }
}
