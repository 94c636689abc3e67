//! The thread that keeps the client up to date: news of the session as it comes, and once a
//! second a look at all torrents.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use toubkal_session::{Notice, SessionEvent, State, Status, Torrent, TorrentId, words};

use crate::add::describe;
use crate::client::Inner;
use crate::decide::{decide, judge};
use crate::entry::{Entry, Heard};
use crate::library::{Library, now as date};
use crate::view::Id;

/// From one look to the next.
const BEAT: Duration = Duration::from_secs(1);
/// Every so many looks, all torrents are looked at.
const ALL: u64 = 30;
/// How often it is written down how long the client has run.
const MINUTE: Duration = Duration::from_secs(60);
/// Torrents that are asked about their trackers, and why they are no faster, at one look.
const HEARD_AT_ONCE: usize = 20;

/// Starts it. It ends when the client does.
pub(crate) fn start(inner: &Arc<Inner>) -> JoinHandle<()> {
    let inner = Arc::downgrade(inner);
    let thread = thread::Builder::new().name("toubkal-client".into());
    thread.spawn(move || run(&inner)).expect("the system has room for one more thread")
}

fn run(inner: &Weak<Inner>) {
    let (mut next, mut minute) = (Instant::now(), Instant::now() + MINUTE);
    let mut looked = Looked::default();
    loop {
        let Some(client) = inner.upgrade() else { return };
        if client.ending.load(Ordering::Relaxed) {
            return leave(&client);
        }
        let wait = next.saturating_duration_since(Instant::now());
        if let Some(event) = client.session.next_event(wait.min(BEAT / 4)) {
            take(&client, event);
        }
        if Instant::now() >= next {
            next = Instant::now() + BEAT;
            look(&client, &mut looked);
        }
        if Instant::now() >= minute {
            minute = Instant::now() + MINUTE;
            client.keep_uptime();
        }
    }
}

/// Writes down how long each torrent was at work.
fn leave(client: &Inner) {
    let mut library = client.library();
    let uptime = library.clock.now();
    // A seed goes on counting where it left off: its clock stands still meanwhile.
    let downloads = |entry: &Entry| entry.note.downloads_since.is_some();
    let busy: Vec<Id> = library.iter().filter(|(_, it)| downloads(it)).map(|(id, _)| id).collect();
    for id in busy {
        let Some(entry) = library.change(id) else { continue };
        count_times(entry, State::Stopped(None), uptime);
        entry.keep();
    }
}

/// Something happened.
fn take(client: &Inner, event: SessionEvent) {
    let mut library = client.library();
    match event {
        SessionEvent::Notice(Notice::Completed { torrent, .. }) => {
            let Some(entry) = changed(&mut library, torrent) else { return };
            if entry.note.done.is_none() {
                entry.note.done = Some(date());
                entry.keep();
            }
        }
        SessionEvent::Resolved { torrent } => {
            let Some(entry) = changed(&mut library, torrent) else { return };
            if let Some(metainfo) = entry.torrent.as_ref().and_then(Torrent::metainfo) {
                let named = entry.note.size > 0;
                let name = entry.note.name.clone();
                describe(&metainfo, &mut entry.note);
                if named {
                    entry.note.name = name;
                }
                entry.keep();
            }
        }
        SessionEvent::Refused { torrent, message } => {
            let Some(entry) = changed(&mut library, torrent) else { return };
            entry.trouble = Some(message);
            entry.torrent = None;
        }
        SessionEvent::Tracker { torrent, message, failed, .. } => {
            let Some(entry) = changed(&mut library, torrent) else { return };
            entry.heard.failure = failed.then_some(message);
        }
        _ => return,
    }
    client.tell(&library);
}

fn changed(library: &mut Library, torrent: TorrentId) -> Option<&mut Entry> {
    let id = library.by_torrent(torrent)?;
    library.change(id)
}

/// What one look leaves for the next.
#[derive(Default)]
struct Looked {
    /// How many there were.
    count: u64,
    /// Those that were awake: they may have fallen asleep since.
    awake: Vec<TorrentId>,
    /// Whose turn it is to be asked about its trackers.
    turn: usize,
}

/// Looks at the torrents of which something may have changed, and now and then at all.
fn look(client: &Inner, looked: &mut Looked) {
    let all = if looked.count.is_multiple_of(ALL) {
        let all = client.session.torrents();
        all.into_iter().map(|(torrent, status)| (torrent.id(), status)).collect()
    } else {
        client.session.awake(std::mem::take(&mut looked.awake))
    };
    looked.count += 1;
    hear(client, &all, &mut looked.turn);
    let mut library = client.library();
    let (before, uptime, now) = (library.cursor(), library.clock.now(), library.clock.time());
    let mut judged = Vec::new();
    for (torrent, status) in &all {
        let Some(id) = library.by_torrent(*torrent) else { continue };
        let Some(entry) = library.get(id) else { continue };
        let due = entry.goal.deadline().is_some_and(|at| at <= now);
        let same = entry.status == *status;
        if due || !same {
            judged.push(id);
        }
        if !same {
            looked.awake.push(*torrent);
            if let Some(entry) = library.change(id) {
                update(entry, *status, uptime);
            }
        }
    }
    judge(&mut library, &judged);
    decide(&mut library);
    if library.cursor() != before {
        client.tell(&library);
    }
}

/// Takes over how a torrent stands.
fn update(entry: &mut Entry, status: Status, uptime: u64) {
    let moved = status.totals != entry.status.totals;
    let was = std::mem::replace(&mut entry.status, status).state;
    if moved && status.down_rate + status.up_rate > 0 {
        entry.note.active = Some(date());
    }
    let kind = |state: State| std::mem::discriminant(&state);
    if kind(was) != kind(status.state) && count_times(entry, status.state, uptime) {
        entry.keep();
    }
}

/// Begins and ends the times of downloading and seeding; says whether there is something to be
/// written down.
fn count_times(entry: &mut Entry, state: State, uptime: u64) -> bool {
    let note = &mut entry.note;
    let before = (note.downloads_since, note.seeds_since);
    let set = |since: &mut Option<u64>, total: &mut u64, is: bool| match (*since, is) {
        (None, true) => *since = Some(uptime),
        (Some(at), false) => {
            *total += uptime.saturating_sub(at);
            *since = None;
        }
        _ => {}
    };
    let downloads = matches!(state, State::Downloading | State::Seeking(_));
    set(&mut note.downloads_since, &mut note.downloading, downloads);
    // While it is looked at after a start, it still counts as what it was.
    let settled = !matches!(state, State::Opening | State::Checking { .. });
    if settled {
        set(&mut note.seeds_since, &mut note.seeding, state == State::Seeding);
    }
    before != (note.downloads_since, note.seeds_since)
}

/// Takes over what the trackers of some torrents say, and why these are no faster, in turn.
fn hear(client: &Inner, all: &[(TorrentId, Status)], turn: &mut usize) {
    let acts = |status: &Status| {
        status.peers > 0 || matches!(status.state, State::Downloading | State::Seeking(_))
    };
    let busy: Vec<TorrentId> =
        all.iter().filter(|(_, status)| acts(status)).map(|(torrent, _)| *torrent).collect();
    let first = turn.checked_rem(busy.len()).unwrap_or(0);
    for torrent in busy.iter().cycle().skip(first).take(HEARD_AT_ONCE.min(busy.len())) {
        let known = |library: &Library| {
            let id = library.by_torrent(*torrent)?;
            Some((id, library.get(id)?.torrent.clone()?))
        };
        let Some((id, torrent)) = known(&client.library()) else { continue };
        let explanation = torrent.why();
        let (heard, why) = (Heard::of(&explanation.trackers), words::sentence(&explanation));
        let mut library = client.library();
        if library.get(id).is_some_and(|entry| entry.heard != heard || entry.why != why)
            && let Some(entry) = library.change(id)
        {
            (entry.heard, entry.why) = (heard, why);
        }
    }
    *turn = turn.wrapping_add(HEARD_AT_ONCE);
}
