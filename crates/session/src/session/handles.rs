//! What the handles of torrents hold, and the list of all torrents.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;
use toubkal_core::engine::{Status, TorrentId};

use super::{InfoHash, Place, Session, Torrent};
use crate::net::{Order, Orders};
use crate::state::{Key, State as Database};

/// What is answered of each torrent.
type Each<T> = Vec<(TorrentId, T)>;

impl Session {
    /// The handle of a torrent that was just taken in.
    pub(super) fn handle(&self, id: TorrentId, kept: Kept) -> Torrent {
        let torrent = Torrent { torrent: Arc::new(Handle::new(id, kept, self.control.orders())) };
        let mut torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        torrents.insert(id, torrent.clone());
        torrent
    }

    /// How those torrents stand that are awake, and these. Of all others nothing has changed since
    /// they were awake, or were told of by news; so a program that looks at many torrents often
    /// asks about few.
    #[must_use]
    pub fn awake(&self, also: Vec<TorrentId>) -> Vec<(TorrentId, Status)> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.control.order(Order::Awake(also, reply));
        answer.recv().unwrap_or_default()
    }

    /// All torrents, and how they stand at one moment.
    #[must_use]
    pub fn torrents(&self) -> Vec<(Torrent, Status)> {
        self.all(Order::All)
    }

    /// All torrents, and what is answered of each at one moment.
    pub(super) fn all<T>(&self, order: fn(Sender<Each<T>>) -> Order) -> Vec<(Torrent, T)> {
        // Who is added meanwhile comes into the list afterwards.
        let mut torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.control.order(order(reply));
        let all = answer.recv().unwrap_or_default();
        let known = |(id, said)| Some((torrents.get(&id)?.clone(), said));
        let there: Vec<(Torrent, T)> = all.into_iter().filter_map(known).collect();
        // Without those that were removed.
        *torrents = there.iter().map(|(torrent, _)| (torrent.id(), torrent.clone())).collect();
        drop(torrents);
        there
    }
}

/// What a handle knows of its torrent.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) id: TorrentId,
    pub(super) kept: Kept,
    pub(super) orders: Orders,
    /// How it stood when somebody asked.
    pub(super) last: Mutex<Option<Box<Status>>>,
}

/// Where its metainfo is.
#[derive(Debug)]
pub(super) enum Kept {
    Here(Place, Here),
    /// In the database.
    There(Arc<Database>, Arc<Key>),
}

/// Which torrent, where.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) hash: InfoHash,
    pub(super) dir: Box<Path>,
}

impl Here {
    pub(super) fn of(hash: InfoHash, dir: &Path) -> Self {
        Self { hash, dir: dir.into() }
    }
}

impl Handle {
    fn new(id: TorrentId, kept: Kept, orders: Orders) -> Self {
        Self { id, kept, orders, last: Mutex::new(None) }
    }
}
