//! The thread that has the database: what waits is written together.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use rusqlite::TransactionBehavior;
use toubkal_core::base::Bitset;
use toubkal_core::engine::{Record, StoreErrorKind, Totals};

use super::database::{self, Database, Trouble};
use super::rows::{self, Past, Rest, Row, Whole};
use super::{Change, Find, Key, Loaded, Refusal};
use crate::store::{Marks, Then};
use toubkal_wire::metainfo::Metainfo;

/// Orders that are written with one commit.
const GROUP_MAX: usize = 4096;

/// Names of torrents, with the numbers of their rows.
pub(super) type Numbered = Vec<(i64, Arc<Key>)>;

/// Names of torrents, with what programs keep of them.
pub(super) type Labelled = Vec<(Key, Arc<[u8]>)>;

/// What the thread is asked for.
pub(super) enum Order {
    Past {
        key: Arc<Key>,
        pieces: u32,
        files: u32,
        reply: Sender<Option<Past>>,
    },
    Keep {
        key: Arc<Key>,
        row: Box<Row>,
        totals: Totals,
        whole: Whole,
        stored: bool,
    },
    Rest(Arc<Key>),
    Change {
        key: Arc<Key>,
        change: Change,
    },
    Forget(Arc<Key>),
    Stir {
        key: Arc<Key>,
        suspect: Option<Bitset>,
        then: Then,
    },
    Named {
        key: Arc<Key>,
        marks: Marks,
        then: Then,
    },
    Record {
        key: Arc<Key>,
        record: Arc<Record>,
        marks: Marks,
        then: Then,
    },
    All(Sender<Result<Numbered, StoreErrorKind>>),
    Resting(Sender<Result<Vec<Rest>, StoreErrorKind>>),
    Load(Arc<Key>, Find<Loaded>),
    Trackers(Arc<Key>, Find<Vec<Vec<String>>>),
    Row(Arc<Key>, Sender<Result<Option<Row>, StoreErrorKind>>),
    Totals(Sender<Totals>),
    Setting(String, Sender<Result<Option<String>, StoreErrorKind>>),
    Set {
        key: String,
        value: Option<String>,
        then: Then,
    },
    /// The same, which alone is no reason to make a database.
    Note {
        key: String,
        value: String,
    },
    /// What a program keeps of a torrent.
    Label {
        key: Arc<Key>,
        note: Arc<[u8]>,
        then: Then,
    },
    Labels(Sender<Result<Labelled, StoreErrorKind>>),
    Stop,
}

/// What is to be written, and is answered after the commit.
enum Write {
    Stir(Arc<Key>, Option<Bitset>),
    Named(Arc<Key>, Marks),
    Record(Arc<Key>, Arc<Record>, Marks),
    Set(String, Option<String>),
    Note(String, String),
    Label(Arc<Key>, Arc<[u8]>),
}

/// A torrent that is worked on: enough to write its row anew.
struct Held {
    /// In which order they came: that of their rows.
    number: u64,
    row: Row,
    whole: Whole,
    /// What the database has counted of it.
    counted: Totals,
}

/// The thread's own.
pub(super) struct Keeper {
    path: PathBuf,
    tell: Box<dyn Fn(String) + Send>,
    database: Option<Database>,
    /// There was one: whoever takes it away does not want a session without.
    made: bool,
    held: HashMap<Arc<Key>, Held>,
    /// How many there were.
    count: u64,
    /// Rows that are to be written, and to be removed.
    unwritten: HashSet<Arc<Key>>,
    forgotten: HashSet<Arc<Key>>,
    /// The database does not know how all their files were left.
    partial: HashSet<Arc<Key>>,
    waiting: Vec<(Write, Then)>,
}

impl Keeper {
    pub(super) fn new(path: PathBuf, tell: Box<dyn Fn(String) + Send>) -> Self {
        Self {
            path,
            tell,
            database: None,
            made: false,
            held: HashMap::new(),
            count: 0,
            unwritten: HashSet::new(),
            forgotten: HashSet::new(),
            partial: HashSet::new(),
            waiting: Vec::new(),
        }
    }

    /// Opens the database, if there is one.
    pub(super) fn begin(&mut self) -> Result<(), Refusal> {
        match self.open() {
            Err(Trouble::Newer(_)) => return Err(Refusal::Newer),
            Err(Trouble::System(kind)) => {
                let path = self.path.display();
                (self.tell)(format!("cannot open {path} ({kind}): nothing is remembered"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        let mut stop = false;
        while !stop {
            let Ok(first) = inbox.recv() else { break };
            let more = inbox.try_iter().take(GROUP_MAX - 1);
            for order in std::iter::once(first).chain(more) {
                stop |= matches!(order, Order::Stop);
                self.obey(order);
            }
            self.flush();
        }
        if let Some(database) = &self.database {
            database.copy();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Keep { key, mut row, totals, whole, stored } => {
                self.forgotten.remove(&key);
                let note = self.held.get(&key).and_then(|held| held.row.note.clone());
                row.note = row.note.or(note);
                if !stored {
                    self.unwritten.insert(Arc::clone(&key));
                }
                self.count += 1;
                let number = self.held.get(&key).map_or(self.count, |held| held.number);
                self.held.insert(key, Held { number, row: *row, whole, counted: totals });
            }
            Order::Change { key, change } => self.change(key, change),
            Order::Rest(key) => {
                // What is written of it comes first.
                self.flush();
                if self.database.is_some() {
                    self.held.remove(&key);
                    self.unwritten.remove(&key);
                    self.partial.remove(&key);
                }
            }
            Order::Forget(key) => {
                // What came before it must not come back after it.
                self.flush();
                self.held.remove(&key);
                self.unwritten.remove(&key);
                self.forgotten.insert(key);
            }
            Order::Stir { key, suspect, then } => self.write(Write::Stir(key, suspect), then),
            Order::Named { key, marks, then } => self.write(Write::Named(key, marks), then),
            Order::Record { key, record, marks, then } => {
                self.write(Write::Record(key, record, marks), then);
            }
            Order::Set { key, value, then } => self.write(Write::Set(key, value), then),
            Order::Note { key, value } => self.write(Write::Note(key, value), Box::new(|_| ())),
            Order::Label { key, note, then } => {
                if let Some(held) = self.held.get_mut(&key) {
                    held.row.note = Some(Arc::clone(&note));
                }
                self.write(Write::Label(key, note), then);
            }
            Order::Stop => {}
            question => {
                self.flush();
                self.answer(question);
            }
        }
    }

    fn change(&mut self, key: Arc<Key>, change: Change) {
        if let Some(held) = self.held.get_mut(&key) {
            change(&mut held.row);
            if let Some(trackers) = &held.row.trackers {
                held.whole.trackers.clone_from(trackers);
            }
            self.unwritten.insert(key);
            return;
        }
        // It is dormant. Then the change is made to what is kept.
        self.flush();
        if let Ok(Some(mut row)) = self.read(None, |db| rows::get(db, &key))
            && let Some(database) = &self.database
        {
            change(&mut row);
            let put = rows::put(&database.connection, &key, &row);
            if let Err(error) = put {
                let kind = database::kind(&error);
                (self.tell)(format!("what was changed of a torrent is not remembered ({kind})"));
            }
        }
    }

    /// What belongs to a torrent at rest.
    fn load(&mut self, key: &Arc<Key>) -> Result<Loaded, StoreErrorKind> {
        let missing = StoreErrorKind::Missing;
        let row = self.read(None, |db| rows::get(db, key))?.ok_or(missing)?;
        let bytes = row.metainfo.as_ref().ok_or(missing)?;
        let metainfo = Metainfo::parse(bytes).map_err(|_| StoreErrorKind::Changed)?;
        if metainfo.info_hash_v1 != Some(key.hash) {
            return Err(StoreErrorKind::Changed);
        }
        let (pieces, files) = (metainfo.pieces(), metainfo.file_count() as u32);
        let past = self.read(None, |db| rows::past(db, key, pieces, files))?.ok_or(missing)?;
        Ok(Loaded { metainfo, row, past })
    }

    fn write(&mut self, write: Write, then: Then) {
        self.waiting.push((write, then));
    }

    /// Whoever asked may be gone: then nobody hears the answer.
    fn answer(&mut self, question: Order) {
        match question {
            Order::Past { key, pieces, files, reply } => {
                let past = self.read(None, |db| rows::past(db, &key, pieces, files));
                drop(reply.send(past.unwrap_or_default()));
            }
            Order::All(reply) => {
                let all = self.read(Vec::new(), rows::all);
                let keys = |all: Vec<_>| all.into_iter().map(|(id, key)| (id, Arc::new(key)));
                drop(reply.send(all.map(|all| keys(all).collect())));
            }
            Order::Resting(reply) => drop(reply.send(self.read(Vec::new(), rows::resting))),
            Order::Load(key, then) => then(self.load(&key)),
            Order::Trackers(key, then) => {
                then(self.read(Vec::new(), |db| rows::rest_trackers(db, &key)));
            }
            Order::Row(key, reply) => {
                drop(reply.send(self.read(None, |db| rows::get(db, &key))));
            }
            Order::Totals(reply) => {
                let totals = self.read(Totals::default(), |db| rows::get_totals(db, 0));
                _ = reply.send(totals.unwrap_or_default());
            }
            Order::Labels(reply) => drop(reply.send(self.read(Vec::new(), rows::notes))),
            Order::Setting(key, reply) => {
                drop(reply.send(self.read(None, |db| rows::setting(db, &key))));
            }
            _ => unreachable!("all others are no questions"),
        }
    }

    /// Reads something; `none` when there is no database. A broken one is put aside.
    fn read<T>(
        &mut self,
        none: T,
        read: impl Fn(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreErrorKind> {
        for again in [false, true] {
            let Some(database) = &self.database else { return Ok(none) };
            match read(&database.connection) {
                Err(error) if database::is_broken(&error) => self.heal(again),
                Err(error) => return Err(database::kind(&error)),
                Ok(found) => return Ok(found),
            }
        }
        self.database.as_ref().map_or(Ok(none), |database| {
            read(&database.connection).map_err(|error| database::kind(&error))
        })
    }

    /// Writes everything that waits with one commit, then answers.
    fn flush(&mut self) {
        let idle = self.unwritten.is_empty() && self.forgotten.is_empty();
        if self.waiting.is_empty() && idle {
            return;
        }
        let mut result = Err(StoreErrorKind::Changed);
        for again in [None, Some(false), Some(true)] {
            if let Some(again) = again {
                self.heal(again);
            }
            result = self.ready().and_then(|there| if there { self.commit() } else { Ok(false) });
            if result != Err(StoreErrorKind::Changed) {
                break;
            }
        }
        for (write, then) in std::mem::take(&mut self.waiting) {
            let whole = match &write {
                Write::Record(key, _, marks) if marks.all && result == Ok(true) => {
                    self.partial.remove(key);
                    true
                }
                Write::Record(key, ..) | Write::Named(key, _) => !self.partial.contains(key),
                Write::Stir(..) | Write::Set(..) | Write::Note(..) | Write::Label(..) => true,
            };
            then(result.map(|written| written && whole));
        }
    }

    /// Sees to it that there is a database to write to; `false` when there need not be one yet.
    fn ready(&mut self) -> Result<bool, StoreErrorKind> {
        if self.database.as_ref().is_some_and(|database| !database.is_there()) {
            self.database = None;
        }
        if self.database.is_none() {
            match self.open() {
                Ok(()) if self.database.is_some() => {}
                Ok(()) => self.create()?,
                Err(Trouble::Absent) if self.is_wanted() => self.create()?,
                Err(Trouble::Absent) => return Ok(false),
                Err(trouble) => return Err(kind_of(&trouble)),
            }
        }
        match &self.database {
            Some(database) if database.writable => Ok(true),
            _ => Err(StoreErrorKind::Denied),
        }
    }

    /// Whether there is something for which a database, and its folder, are to be made.
    fn is_wanted(&self) -> bool {
        let holds = |(write, _): &(Write, Then)| match write {
            Write::Record(_, record, _) => !record.verified.is_empty(),
            Write::Set(..) | Write::Label(..) => true,
            Write::Stir(..) | Write::Named(..) | Write::Note(..) => false,
        };
        let folder = database::folder_of(&self.path).is_dir() && !self.held.is_empty();
        self.made || folder || self.waiting.iter().any(holds)
    }

    fn open(&mut self) -> Result<(), Trouble> {
        match Database::open(&self.path) {
            Ok(database) => self.take(database),
            Err(Trouble::Broken) => self.heal(false),
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    fn create(&mut self) -> Result<(), StoreErrorKind> {
        let database = Database::create(&self.path).map_err(|trouble| kind_of(&trouble))?;
        self.take(database);
        Ok(())
    }

    /// Works with another database from now on: it may know nothing of what is held.
    fn take(&mut self, database: Database) {
        for (key, held) in &mut self.held {
            let find = rows::find(&database.connection, key).ok().flatten();
            let counted = find.map(|id| rows::get_totals(&database.connection, id));
            held.counted = counted.and_then(Result::ok).unwrap_or_default();
            self.unwritten.insert(Arc::clone(key));
            self.partial.insert(Arc::clone(key));
        }
        self.made = true;
        self.database = Some(database);
    }

    /// Puts a broken database aside, takes the last good copy, and says so. The first time it is
    /// opened anew: another session may have been faster.
    fn heal(&mut self, again: bool) {
        self.database = None;
        if !again && let Ok(database) = Database::open(&self.path) {
            return self.take(database);
        }
        let path = self.path.display();
        match database::put_aside(&self.path) {
            Ok(Some(place)) => {
                let place = place.display();
                let brought = database::bring_back(&self.path);
                let now = match brought {
                    Some(_) => "its last copy is used; what is newer is checked again",
                    None => "what was downloaded is checked again",
                };
                (self.tell)(format!("{path} was broken and is now {place}: {now}"));
                self.made = true;
                if let Some(database) = brought {
                    self.take(database);
                }
            }
            Ok(None) => {}
            Err(error) => {
                let kind = crate::paths::kind_of(&error);
                (self.tell)(format!("{path} is broken and cannot be put aside ({kind})"));
            }
        }
    }

    fn commit(&mut self) -> Result<bool, StoreErrorKind> {
        let Some(database) = &mut self.database else { return Err(StoreErrorKind::Missing) };
        let work = Work { held: &self.held, waiting: &self.waiting };
        let rows = self.unwritten.iter().filter_map(|key| Some((key, self.held.get(key)?)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|(_, held)| held.number);
        let counted = (|| {
            let behavior = TransactionBehavior::Immediate;
            let db = database.connection.transaction_with_behavior(behavior)?;
            for key in &self.forgotten {
                rows::forget(&db, key)?;
            }
            for (key, held) in rows {
                rows::put(&db, key, &held.row)?;
            }
            let counted = work.write(&db)?;
            db.commit()?;
            Ok(counted)
        })();
        let counted: HashMap<Arc<Key>, Totals> =
            counted.map_err(|error: rusqlite::Error| match database::is_broken(&error) {
                true => StoreErrorKind::Changed,
                false => database::kind(&error),
            })?;
        self.unwritten.clear();
        self.forgotten.clear();
        for (key, totals) in counted {
            if let Some(held) = self.held.get_mut(&key) {
                held.counted = totals;
            }
        }
        Ok(true)
    }
}

/// What one commit brings.
struct Work<'w> {
    held: &'w HashMap<Arc<Key>, Held>,
    waiting: &'w [(Write, Then)],
}

impl Work<'_> {
    /// Writes it; gives what is counted then.
    fn write(&self, db: &rusqlite::Connection) -> rusqlite::Result<HashMap<Arc<Key>, Totals>> {
        let mut counted = HashMap::new();
        for (write, _) in self.waiting {
            match write {
                Write::Note(key, value) => rows::put_setting(db, key, Some(value))?,
                Write::Set(key, value) => rows::put_setting(db, key, value.as_deref())?,
                Write::Label(key, note) => {
                    let id = match self.id(db, key)? {
                        // It is dormant, or was removed.
                        None => rows::find(db, key)?,
                        id => id,
                    };
                    id.map_or(Ok(()), |id| rows::put_note(db, id, note))?;
                }
                Write::Stir(key, suspect) => {
                    if let Some(id) = rows::find(db, key)? {
                        rows::stir(db, id, suspect.as_ref())?;
                        rows::put_rest(db, id, key, None)?;
                    }
                }
                Write::Named(key, marks) => {
                    if let Some(id) = self.id(db, key)? {
                        rows::put_marks(db, id, marks)?;
                    }
                }
                Write::Record(key, record, marks) => {
                    let Some(id) = self.id(db, key)? else { continue };
                    let before =
                        counted.get(key).copied().or(self.held.get(key).map(|it| it.counted));
                    rows::add_totals(db, id, before.unwrap_or_default(), record.totals)?;
                    rows::put_record(db, id, record, marks)?;
                    rows::put_rest(db, id, key, self.rest(key, record))?;
                    counted.insert(Arc::clone(key), record.totals);
                }
            }
        }
        Ok(counted)
    }

    /// What is kept of a torrent that has come to rest, if the next start may take it for dormant.
    fn rest<'r>(&'r self, key: &Arc<Key>, record: &'r Record) -> Option<(&'r Whole, &'r Record)> {
        let held = self.held.get(key)?;
        let whole = record.rest && !record.doubt && record.synced.is_full();
        (whole && record.synced.ones() > 0 && held.row.may_rest()).then_some((&held.whole, record))
    }

    /// The row of a torrent, made if it is not there; `None` of one that was removed.
    fn id(&self, db: &rusqlite::Connection, key: &Key) -> rusqlite::Result<Option<i64>> {
        let Some(held) = self.held.get(key) else { return Ok(None) };
        match rows::find(db, key)? {
            Some(id) => Ok(Some(id)),
            None => rows::put(db, key, &held.row).map(Some),
        }
    }
}

fn kind_of(trouble: &Trouble) -> StoreErrorKind {
    match trouble {
        Trouble::Absent => StoreErrorKind::Missing,
        Trouble::Newer(_) => StoreErrorKind::Exists,
        Trouble::Broken => StoreErrorKind::Changed,
        Trouble::System(kind) => *kind,
    }
}
