//! All torrents of the client, by number, hash and place in the queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use toubkal_core::base::Time;
use toubkal_core::queue::{Line, Places, Shift, Slow};

use toubkal_session::{InfoHash, TorrentId};

use crate::changes::{Changes, Cursor, Removed};
use crate::edit::Move;
use crate::entry::Entry;
use crate::settings::{Queue, Settings};
use crate::view::{Id, View};

/// What lies between two places in the queue, so that there is room for another.
const GAP: i64 = 1 << 20;

/// A torrent that moves little for so long takes no place, where that is wanted.
const SLOW_TIME: Duration = Duration::from_secs(60);

/// The torrents, and what holds for all of them.
#[derive(Debug)]
pub(crate) struct Library {
    entries: BTreeMap<Id, Entry>,
    hashes: HashMap<InfoHash, Id>,
    torrents: HashMap<TorrentId, Id>,
    /// By rank, as it is written down.
    queue: BTreeSet<(i64, Id)>,
    /// The same order, and who of them runs.
    pub(crate) line: Line,
    removed: Removed,
    pub(crate) settings: Settings,
    /// Which life this is, and its moment: it counts changes.
    life: u64,
    turn: u64,
    /// Numbers below this were given.
    pub(crate) next_id: Id,
    pub(crate) clock: Uptime,
}

/// A clock that runs only while the client does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uptime {
    started: Instant,
    /// Seconds of the lives before.
    pub(crate) before: u64,
}

impl Uptime {
    pub(crate) fn after(before: u64) -> Self {
        Self { started: Instant::now(), before }
    }

    /// Seconds of all lives.
    pub(crate) fn now(&self) -> u64 {
        self.before + self.life()
    }

    /// The same for machines, from the start of this life.
    pub(crate) fn time(&self) -> Time {
        Time::START.after(self.started.elapsed())
    }

    /// Seconds of this life.
    pub(crate) fn life(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Library {
    pub(crate) fn new(settings: Settings, life: u64, clock: Uptime) -> Self {
        Self {
            entries: BTreeMap::new(),
            hashes: HashMap::new(),
            torrents: HashMap::new(),
            queue: BTreeSet::new(),
            line: Line::new(places(&settings.queue)),
            removed: Removed::default(),
            settings,
            life,
            turn: 1,
            next_id: 1,
            clock,
        }
    }

    /// Takes a torrent in, behind all others.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        let id = entry.note.id;
        self.line.insert(id, entry.wish(), entry.stage(), self.line.len());
        self.next_id = self.next_id.max(id + 1);
        self.hashes.insert(entry.hash, id);
        if let Some(torrent) = &entry.torrent {
            self.torrents.insert(torrent.id(), id);
        }
        self.queue.insert((entry.note.rank, id));
        entry.revision = self.next_turn();
        self.entries.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.line.remove(id);
        self.hashes.remove(&entry.hash);
        if let Some(torrent) = &entry.torrent {
            self.torrents.remove(&torrent.id());
        }
        self.queue.remove(&(entry.note.rank, id));
        let turn = self.next_turn();
        self.removed.note(turn, id);
        Some(entry)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The torrent, of which nothing that is shown changes.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// The torrent, which is told to be changed.
    pub(crate) fn change(&mut self, id: Id) -> Option<&mut Entry> {
        if !self.entries.contains_key(&id) {
            return None;
        }
        let turn = self.next_turn();
        let entry = self.entries.get_mut(&id)?;
        entry.revision = turn;
        Some(entry)
    }

    pub(crate) fn by_hash(&self, hash: &InfoHash) -> Option<Id> {
        self.hashes.get(hash).copied()
    }

    pub(crate) fn by_torrent(&self, torrent: TorrentId) -> Option<Id> {
        self.torrents.get(&torrent).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The numbers of all, in the order of the queue.
    pub(crate) fn ids(&self) -> Vec<Id> {
        self.in_line().collect()
    }

    /// Numbers in the order of the queue.
    pub(crate) fn in_line(&self) -> impl DoubleEndedIterator<Item = Id> + '_ {
        self.queue.iter().map(|(_, id)| *id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A rank behind all others.
    pub(crate) fn last_rank(&self) -> i64 {
        self.queue.last().map_or(0, |(rank, _)| rank.saturating_add(GAP))
    }

    fn first_rank(&self) -> i64 {
        self.queue.first().map_or(0, |(rank, _)| rank.saturating_sub(GAP))
    }

    /// Moves torrents in the queue, several in their order; tells which have another rank.
    pub(crate) fn step(&mut self, ids: &[Id], step: Move) -> Vec<Id> {
        self.line.shift(ids, shift(step));
        let chosen: BTreeSet<Id> = ids.iter().copied().collect();
        let mut line: Vec<Id> = self.in_line().filter(|id| chosen.contains(id)).collect();
        let mut moved = Vec::new();
        match step {
            Move::Top => {
                for id in line.into_iter().rev() {
                    let rank = self.first_rank();
                    self.rank(id, rank, &mut moved);
                }
            }
            Move::Bottom => {
                for id in line {
                    let rank = self.last_rank();
                    self.rank(id, rank, &mut moved);
                }
            }
            Move::Up | Move::Down => {
                if step == Move::Down {
                    line.reverse();
                }
                for id in line {
                    self.swap(id, step, &chosen, &mut moved);
                }
            }
        }
        moved
    }

    /// Changes places with the neighbour, unless that moves too.
    fn swap(&mut self, id: Id, step: Move, chosen: &BTreeSet<Id>, moved: &mut Vec<Id>) {
        let Some((rank, (there, neighbour))) = self.beside(id, step) else { return };
        if chosen.contains(&neighbour) {
            return;
        }
        if there != rank {
            self.rank(id, there, moved);
            self.rank(neighbour, rank, moved);
            return;
        }
        // Equal ranks are told apart by number: a swap would change nothing.
        for (place, id) in self.in_line().collect::<Vec<_>>().into_iter().enumerate() {
            self.rank(id, place as i64 * GAP, moved);
        }
        self.swap(id, step, chosen, moved);
    }

    /// The rank of a torrent, and its neighbour in the queue.
    fn beside(&self, id: Id, step: Move) -> Option<(i64, (i64, Id))> {
        let rank = self.get(id)?.note.rank;
        let here = (rank, id);
        let other = match step {
            Move::Up => self.queue.range(..here).next_back(),
            _ => self.queue.range(here..).nth(1),
        };
        other.map(|other| (rank, *other))
    }

    fn rank(&mut self, id: Id, rank: i64, moved: &mut Vec<Id>) {
        let Some(entry) = self.change(id) else { return };
        let before = std::mem::replace(&mut entry.note.rank, rank);
        self.queue.remove(&(before, id));
        self.queue.insert((rank, id));
        moved.push(id);
    }

    pub(crate) fn view(&self, id: Id) -> Option<View> {
        let place = self.line.position(id)?;
        Some(self.get(id)?.view(place as u32, self.clock.now()))
    }

    /// Those of which something changed after a turn, in the order of the queue.
    fn views_since(&self, turn: u64) -> Vec<View> {
        let uptime = self.clock.now();
        let changed = self.in_line().enumerate().filter_map(|(place, id)| {
            let entry = self.get(id).filter(|entry| entry.revision > turn)?;
            Some(entry.view(place as u32, uptime))
        });
        changed.collect()
    }

    pub(crate) fn views(&self) -> Vec<View> {
        self.views_since(0)
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { life: self.life, turn: self.turn }
    }

    /// The next moment: what changes now was not so before.
    pub(crate) fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// What changed since a moment; everything when nobody knows.
    pub(crate) fn changes(&self, since: Option<Cursor>) -> Changes {
        let known = since.filter(|it| it.life == self.life && it.turn <= self.turn);
        let removed = known.and_then(|it| Some((it.turn, self.removed.since(it.turn)?)));
        let cursor = self.cursor().to_string();
        match removed {
            Some((turn, removed)) => {
                Changes { cursor, full: false, torrents: self.views_since(turn), removed }
            }
            None => Changes { cursor, full: true, torrents: self.views(), removed: Vec::new() },
        }
    }
}

fn shift(step: Move) -> Shift {
    match step {
        Move::Top => Shift::Top,
        Move::Up => Shift::Up,
        Move::Down => Shift::Down,
        Move::Bottom => Shift::Bottom,
    }
}

/// How many may run, as the settings say.
pub(crate) fn places(queue: &Queue) -> Places {
    let slow = queue.slow.map(|rate| Slow { rate, after: SLOW_TIME });
    let (downloads, seeds, all) = (queue.downloads, queue.seeds, queue.active);
    // The store has an order of its own for what is to be checked.
    Places { downloads, seeds, all, checks: None, slow, ..Places::default() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::note::Note;

    fn library(ids: u64) -> Library {
        let mut library = Library::new(Settings::default(), 7, Uptime::after(0));
        for id in 1..=ids {
            let rank = library.last_rank();
            let note = Note { rank, ..Note::new(id, 0) };
            let mut hash = [0; 20];
            hash[0] = id as u8;
            library.insert(Entry::lost(note, hash, PathBuf::new(), None));
        }
        library
    }

    fn line(library: &Library) -> Vec<Id> {
        library.in_line().collect()
    }

    #[test]
    fn several_move_in_the_queue_and_keep_their_order() {
        let mut library = library(6);
        library.step(&[5, 3], Move::Top);
        assert_eq!(line(&library), [3, 5, 1, 2, 4, 6]);
        library.step(&[1, 3], Move::Bottom);
        assert_eq!(line(&library), [5, 2, 4, 6, 3, 1]);
        library.step(&[4, 6], Move::Up);
        assert_eq!(line(&library), [5, 4, 6, 2, 3, 1]);
        library.step(&[5, 4], Move::Up);
        assert_eq!(line(&library), [5, 4, 6, 2, 3, 1], "they are first already");
        library.step(&[5, 4], Move::Down);
        assert_eq!(line(&library), [6, 5, 4, 2, 3, 1]);
        library.step(&[1, 99], Move::Down);
        assert_eq!(line(&library), [6, 5, 4, 2, 3, 1]);
        assert_eq!(library.view(4).unwrap().place, 2);
    }

    #[test]
    fn torrents_of_equal_rank_change_places_too() {
        let mut library = library(0);
        for id in 1..=3 {
            library.insert(Entry::lost(Note::new(id, 0), [id as u8; 20], PathBuf::new(), None));
        }
        library.step(&[3], Move::Up);
        assert_eq!(line(&library), [1, 3, 2]);
        library.step(&[1], Move::Down);
        assert_eq!(line(&library), [3, 1, 2]);
    }

    #[test]
    fn who_asks_what_changed_is_told_that_and_nothing_else() {
        let mut library = library(3);
        let all = library.changes(None);
        assert!(all.full && all.torrents.len() == 3);
        let since = Cursor::parse(&all.cursor);
        assert_eq!(library.changes(since).torrents, []);
        library.change(2).unwrap().note.name = "new".to_owned();
        library.remove(1);
        let some = library.changes(since);
        assert_eq!((some.full, &some.removed[..]), (false, &[1][..]));
        assert_eq!(some.torrents.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["new"]);
        assert_eq!(library.changes(since), some, "asked again, told again");
        let other = Cursor { life: 8, turn: 2 };
        assert!(library.changes(Some(other)).full, "of another life");
        let future = Cursor { life: 7, turn: 1 << 40 };
        assert!(library.changes(Some(future)).full);
    }
}
