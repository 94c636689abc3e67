//! A thread that reads: metadata that was found, and torrent files out of the database. The
//! network thread has no time for either.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use toubkal_core::engine::TorrentId;
use toubkal_wire::magnet::Magnet;
use toubkal_wire::metadata::info_hash;

use super::{Known, News, Order, Orders, spawn};
use crate::session::{self, Add, Content};
use crate::state::{Key, State};

/// What it is asked for. Bounded by the torrents: one of each kind for each.
pub(super) enum Ask {
    /// What this metadata holds.
    Read {
        torrent: TorrentId,
        magnet: Box<Magnet>,
        /// How the torrent is to be worked on; `None`: not at all.
        add: Option<Box<Add>>,
        metadata: Arc<[u8]>,
    },
    /// The torrent file that the database has, with the info dictionary where it was.
    Load { torrent: TorrentId, key: Arc<Key>, span: Range<usize> },
}

/// What became of the metadata of a link.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) content: Content,
    /// How it is to be worked on, and what the database knows of it.
    pub(super) add: Option<(Box<Add>, Option<Box<Known>>)>,
}

/// The way to the thread, which is started when there is something to read.
pub(super) struct Clerk {
    orders: Orders,
    news: Arc<News>,
    state: Option<Arc<State>>,
    asks: Option<Sender<Ask>>,
}

impl Clerk {
    /// Answers come as [`Order::Resolve`] and [`Order::Loaded`].
    pub(super) fn new(orders: Orders, news: Arc<News>, state: Option<Arc<State>>) -> Self {
        Self { orders, news, state, asks: None }
    }

    /// Has something read. Without a thread, nothing is, and that is an error.
    pub(super) fn ask(&mut self, ask: Ask) -> io::Result<()> {
        let asks = match self.asks.take() {
            Some(asks) => asks,
            None => self.start()?,
        };
        // When the thread has panicked, that was told there.
        let _ = asks.send(ask);
        self.asks = Some(asks);
        Ok(())
    }

    fn start(&self) -> io::Result<Sender<Ask>> {
        let (asks, inbox) = unbounded();
        let (orders, state) = (self.orders.clone(), self.state.clone());
        let run = move || work(&inbox, &orders, state.as_ref());
        // Nobody waits for its end: it ends when nobody can ask any more.
        let (end, _) = bounded(0);
        spawn("toubkal-clerk", Arc::clone(&self.news), end, run)?;
        Ok(asks)
    }
}

fn work(inbox: &Receiver<Ask>, orders: &Orders, state: Option<&Arc<State>>) {
    for ask in inbox {
        match ask {
            Ask::Read { torrent, magnet, add, metadata } => {
                let found = read(&magnet, add, &metadata, state);
                orders.send(Order::Resolve(torrent, found.map(Box::new)));
            }
            Ask::Load { torrent, key, span } => {
                let row = state.and_then(|state| state.row(&key).ok().flatten());
                let is_it = |file: &Arc<[u8]>| {
                    file.get(span).is_some_and(|info| info_hash(info) == key.hash())
                };
                let file = row.and_then(|row| row.metainfo).filter(is_it);
                orders.send(Order::Loaded(torrent, file));
            }
        }
    }
}

fn read(
    magnet: &Magnet,
    mut add: Option<Box<Add>>,
    metadata: &[u8],
    state: Option<&Arc<State>>,
) -> Result<Found, String> {
    let content = session::read(magnet, metadata, add.as_deref_mut())?;
    let known = |add: &Add| session::know(state, &content.metainfo, add).map(Box::new);
    let add = add.map(|add| {
        let known = known(&add);
        (add, known)
    });
    Ok(Found { content, add })
}
