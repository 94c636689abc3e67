//! What a session remembers when the program is not there: one SQLite database.
//!
//! A thread of its own has the database. Whatever waits for it is written in one transaction and
//! answered after its commit, so that the records of all torrents, which come at the same time,
//! cost one commit. With a log (WAL) and `synchronous = NORMAL` a commit survives the end of the
//! program without a sync. When the power goes, the last commits may be missing, from some point
//! on, and the run of the system is another: then only what was synced counts.
//!
//! Several sessions may share a database. Each torrent is locked in its folder by the session
//! that works on it (`store/lock.rs`); a row is written by whoever has that lock. Rows are found
//! by info-hash and folder, never by a number that was remembered.

mod database;
mod place;
mod record;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod thread;
mod trust;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded, unbounded};
use toubkal_core::base::Bitset;
use toubkal_core::engine::{Record, StoreErrorKind, Totals};

use crate::store::{Ledger, Marks, Then};
use place::Base;
pub(crate) use rows::{Past, Rest, Row, Whole};
use thread::{Keeper, Labelled, Numbered, Order};
use toubkal_wire::metainfo::Metainfo;

/// Which torrent, where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    hash: [u8; 20],
    /// As the database names it: see [`Base`].
    folder: Arc<[u8]>,
}

/// Who is told what was found in the database.
pub(crate) type Find<T> = Box<dyn FnOnce(Result<T, StoreErrorKind>) + Send>;

/// What belongs to a torrent at rest.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) metainfo: Metainfo,
    pub(crate) row: Row,
    pub(crate) past: Past,
}

/// How a row becomes another.
pub(crate) type Change = Box<dyn FnOnce(&mut Row) + Send>;

/// Why a session cannot start with its database.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A newer program made it.
    Newer,
    /// There is no thread for it.
    Thread(io::Error),
}

/// The way to the thread that has the database.
#[derive(Debug)]
pub(crate) struct State {
    orders: Sender<Order>,
    base: Base,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl State {
    /// Starts the thread and opens the database, if it is there. It is made when there is
    /// something to be remembered; until its folder is there too, when a piece is.
    ///
    /// `tell` hears, in a sentence for a person, of a database that is broken or out of reach.
    pub(crate) fn start(
        path: &Path,
        tell: impl Fn(String) + Send + 'static,
    ) -> Result<Self, Refusal> {
        // Bounded by the engine, which has one record of each torrent under way.
        let (orders, inbox) = unbounded();
        let (ready, opened) = bounded(1);
        let base = Base::of(path);
        let file = base.path().to_path_buf();
        let run = move || {
            let mut keeper = Keeper::new(file, Box::new(tell));
            let begun = keeper.begin();
            let good = begun.is_ok();
            // Whoever started us waits.
            let _ = ready.send(begun);
            if good {
                keeper.run(&inbox);
            }
        };
        let thread = std::thread::Builder::new().name("toubkal-state".into()).spawn(run);
        let thread = thread.map_err(Refusal::Thread)?;
        match opened.recv() {
            Ok(Ok(())) => Ok(Self { orders, base, thread: Mutex::new(Some(thread)) }),
            _ => Err(Refusal::Newer),
        }
    }

    /// The name of a torrent in this download folder.
    pub(crate) fn key(&self, hash: [u8; 20], dir: &Path) -> Arc<Key> {
        Arc::new(Key { hash, folder: self.base.name(dir).into() })
    }

    /// The download folder of a torrent.
    pub(crate) fn dir(&self, key: &Key) -> PathBuf {
        self.base.dir(&key.folder)
    }

    /// What is known of a torrent with so many pieces and files.
    pub(crate) fn past(&self, key: &Arc<Key>, pieces: u32, files: u32) -> Option<Past> {
        let key = Arc::clone(key);
        self.ask(|reply| Order::Past { key, pieces, files, reply }).flatten()
    }

    /// A torrent is worked on from now on; `stored`: its row is there already.
    pub(crate) fn keep(
        &self,
        key: &Arc<Key>,
        row: Row,
        totals: Totals,
        whole: Whole,
        stored: bool,
    ) {
        let (key, row) = (Arc::clone(key), Box::new(row));
        self.send(Order::Keep { key, row, totals, whole, stored });
    }

    /// A torrent is dormant from now on.
    pub(crate) fn rest(&self, key: &Arc<Key>) {
        self.send(Order::Rest(Arc::clone(key)));
    }

    /// All torrents at rest, in the order in which they were added.
    pub(crate) fn resting(&self) -> Result<Vec<Rest>, StoreErrorKind> {
        self.ask(Order::Resting).unwrap_or(Ok(Vec::new()))
    }

    /// Looks up what belongs to a torrent at rest; `then` is called on the thread of the database.
    pub(crate) fn load(&self, key: &Arc<Key>, then: Find<Loaded>) {
        self.send(Order::Load(Arc::clone(key), then));
    }

    /// Looks up the trackers of a torrent at rest, likewise.
    pub(crate) fn trackers(&self, key: &Arc<Key>, then: Find<Vec<Vec<String>>>) {
        self.send(Order::Trackers(Arc::clone(key), then));
    }

    /// It is to be worked on otherwise.
    pub(crate) fn change(&self, key: &Arc<Key>, change: Change) {
        self.send(Order::Change { key: Arc::clone(key), change });
    }

    /// Keeps something of a torrent for the program; `then` is called when it is in the database.
    pub(crate) fn label(&self, key: &Arc<Key>, note: Arc<[u8]>, then: Then) {
        self.send(Order::Label { key: Arc::clone(key), note, then });
    }

    /// What programs keep of torrents, in the order in which these were added.
    pub(crate) fn labels(&self) -> Result<Labelled, StoreErrorKind> {
        self.ask(Order::Labels).unwrap_or(Ok(Vec::new()))
    }

    /// It was removed.
    pub(crate) fn forget(&self, key: &Arc<Key>) {
        self.send(Order::Forget(Arc::clone(key)));
    }

    /// Who remembers its files and pieces.
    pub(crate) fn ledger(&self, key: &Arc<Key>) -> Arc<dyn Ledger> {
        Arc::new(Page { key: Arc::clone(key), orders: self.orders.clone() })
    }

    /// All torrents that are not at rest, in the order in which they were added.
    pub(crate) fn all(&self) -> Result<Numbered, StoreErrorKind> {
        self.ask(Order::All).unwrap_or(Ok(Vec::new()))
    }

    /// How a torrent is to be worked on.
    pub(crate) fn row(&self, key: &Arc<Key>) -> Result<Option<Row>, StoreErrorKind> {
        self.ask(|reply| Order::Row(Arc::clone(key), reply)).unwrap_or(Ok(None))
    }

    /// What all torrents together have transferred, those that were removed included.
    pub(crate) fn totals(&self) -> Totals {
        self.ask(Order::Totals).unwrap_or_default()
    }

    pub(crate) fn setting(&self, key: &str) -> Result<Option<String>, StoreErrorKind> {
        self.ask(|reply| Order::Setting(key.to_owned(), reply)).unwrap_or(Ok(None))
    }

    pub(crate) fn set(&self, key: &str, value: Option<&str>) -> Result<(), StoreErrorKind> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let (reply, answer) = bounded(1);
        let then: Then = Box::new(move |result| _ = reply.send(result));
        self.send(Order::Set { key, value, then });
        answer.recv().unwrap_or(Err(StoreErrorKind::Missing)).map(drop)
    }

    /// Keeps a setting of our own when there is a database, and waits for nothing.
    pub(crate) fn note(&self, key: &str, value: String) {
        self.send(Order::Note { key: key.to_owned(), value });
    }

    /// Writes what waits, and ends the thread.
    pub(crate) fn stop(&self) {
        self.send(Order::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was told of there.
            let _ = thread.join();
        }
    }

    /// When the thread has ended there is nothing to be remembered any more.
    fn send(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = bounded(1);
        self.send(question(reply));
        answer.recv().ok()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Key {
    /// The info-hash.
    pub(crate) fn hash(&self) -> [u8; 20] {
        self.hash
    }
}

/// The part of the database that is of one torrent.
#[derive(Debug)]
struct Page {
    key: Arc<Key>,
    orders: Sender<Order>,
}

impl Ledger for Page {
    fn stir(&self, suspect: Option<Bitset>) {
        let (reply, answer) = bounded(1);
        let then: Then = Box::new(move |result| _ = reply.send(result));
        let order = Order::Stir { key: Arc::clone(&self.key), suspect, then };
        // Whatever the answer is: see `Kept::stir`.
        let _ = self.orders.send(order).is_ok_and(|()| answer.recv().is_ok());
    }

    fn named(&self, marks: Marks, then: Then) {
        self.send(Order::Named { key: Arc::clone(&self.key), marks, then });
    }

    fn record(&self, record: Arc<Record>, marks: Marks, then: Then) {
        self.send(Order::Record { key: Arc::clone(&self.key), record, marks, then });
    }
}

impl Page {
    /// When the thread has ended, so has the session: nobody waits for an answer.
    fn send(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}
