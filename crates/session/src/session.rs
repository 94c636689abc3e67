//! The handles that a program holds: [`Session`] and [`Torrent`].
//!
//! A handle owns nothing but a way to the network thread. Questions are asked over a bounded
//! channel and answered between two rounds of that thread, so an answer is never older than the
//! question; when the thread is gone, the last answer stands.

mod explain;
mod handles;
mod magnet;
mod notes;
mod reader;
mod restore;
mod trackers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use toubkal_core::base::Bitset;
use toubkal_core::engine::{
    Command, Notice, PeerStatus, Priority, Rates, Sources, State, Status, StoreErrorKind,
    TorrentId, Totals,
};
pub use toubkal_wire::magnet::Magnet;
pub use toubkal_wire::metainfo::Metainfo;

use crate::dht::{Dht, ROUTERS, SearchStatus};
use crate::net::{Control, Known, Order, Question};
pub use explain::{Explanation, Port};
use handles::{Handle, Here, Kept};
pub use magnet::Choose;
pub(crate) use magnet::{Content, Place, read};
pub use notes::{NOTE_MAX, Noted};
pub use reader::{ReadError, Reader};
pub(crate) use restore::know;
pub use trackers::{Private, TrackerState, TrackerStatus};

/// What is set once, when a session starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where peers reach us. Empty: nowhere. Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Rates of all torrents together.
    pub rates: Rates,
    /// What we call ourselves to trackers.
    pub user_agent: String,
    /// Threads that read, write and hash; at least 1. 0: as many as suit this machine.
    pub workers: usize,
    /// Threads that move the bytes of peers, 8 at the most. 1: the thread that decides does that,
    /// too. 0: as many as suit this machine.
    pub hands: usize,
    /// The most connections to peers at once.
    pub links_max: u32,
    /// The most connections to peers that are being tried at once.
    pub dials_max: u32,
    /// Peers of one torrent that we upload to at once.
    pub slots: u32,
    /// Whether torrents are spoken of on the local network, and peers looked for there (BEP 14):
    /// on interfaces where peers reach us, never on loopback, and never of private torrents.
    pub lan: bool,
    /// Whether peers are looked for in the DHT, and other nodes served there (BEP 5): on the port
    /// where peers reach us, from the first torrent on that is not private. A session that listens
    /// nowhere asks, and answers nothing (BEP 43).
    pub dht: bool,
    /// Nodes that the DHT begins with, as `HOST:PORT`; [`crate::dht::ROUTERS`] unless others are
    /// given. A session that listens on loopback alone asks only those that are there, too.
    pub bootstrap: Vec<String>,
    /// The database in which the session remembers its torrents: what is held of them, how their
    /// files were left, what was transferred. `None`: nothing is remembered.
    ///
    /// It is made when it is not there, and so is its folder, but none above it. As long as the
    /// folder is not there, nothing is made before there is a piece to be remembered. A database
    /// in the download folder (or in a folder of it, as in `downloads/.toubkal/state.db`) may be
    /// moved together with it. Several sessions may share one as long as each works on other
    /// torrents; of the same torrent in the same folder, only one can write.
    pub state: Option<PathBuf>,
    /// A file, made new, for everything that the engine is told: `toubkal replay` plays it again.
    /// In it are the addresses of peers, info-hashes, and the sizes of files, no payload, and no
    /// names unless they came from peers as the metadata of a link; some 30 bytes a block.
    /// `None`: nothing is written down.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            rates: Rates::default(),
            user_agent: concat!("Toubkal/", env!("CARGO_PKG_VERSION")).into(),
            workers: 0,
            hands: 0,
            links_max: 200,
            dials_max: 16,
            slots: 8,
            lan: true,
            dht: true,
            bootstrap: ROUTERS.map(str::to_owned).into(),
            state: None,
            record: None,
        }
    }
}

/// Why a session does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("another program listens on {addr} already; choose another port, or 0 for any")]
    PortInUse {
        /// Where we wanted to listen.
        addr: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {addr}: {error}")]
    Listen {
        /// Where we wanted to listen.
        addr: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// A newer version of Toubkal has made the database; it was left as it is.
    #[error(
        "{} was made by a newer version of Toubkal; update, or use another database",
        path.display()
    )]
    NewerState {
        /// The database.
        path: PathBuf,
    },
    /// There is no file for what is to be recorded.
    #[error("cannot record into {}: {error}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system does not give what every session needs.
    #[error("cannot start: {what}: {error}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
}

/// How a torrent is to be worked on.
#[derive(Clone, Debug)]
pub struct Add {
    /// The download folder; made when it is not there.
    pub dir: PathBuf,
    /// One a file, in the order of the metainfo. `None`: everything, as usual.
    pub priorities: Option<Vec<Priority>>,
    /// Pieces in order instead of rarest first.
    pub sequential: bool,
    /// Peers that the user named.
    pub peers: Vec<SocketAddr>,
    /// Rates of this torrent.
    pub rates: Rates,
    /// Go on with a file of the right length under the final name even when not one piece of it
    /// is right.
    pub adopt: bool,
    /// Trackers instead of those of the metainfo, in tiers (BEP 12). `Some` of nothing: none.
    pub trackers: Option<Vec<Vec<String>>>,
    /// It is to stay stopped until [`Torrent::resume`].
    pub paused: bool,
    /// Believe nothing that is remembered: check everything that lies there.
    pub check: bool,
    /// The torrent file, to be kept in the database. Without it the torrent is remembered, but
    /// [`Session::restore`] cannot bring it back by itself.
    ///
    /// It is also what peers are given of the metadata (BEP 9), which is kept in memory when it is
    /// not in the database.
    pub torrent: Option<Arc<[u8]>>,
    /// Whatever the program wants to find again with the torrent: it is in the database as soon as
    /// the torrent is, and goes with it. See [`Torrent::set_note`].
    pub note: Option<Arc<[u8]>>,
    /// What is wanted, said once the files are known: for [`Session::add_magnet`], where it comes
    /// before `priorities` and before what the link selects.
    pub choose: Option<Choose>,
}

impl Add {
    /// Everything, into this folder, as usual.
    #[must_use]
    pub fn to(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            priorities: None,
            sequential: false,
            peers: Vec::new(),
            rates: Rates::default(),
            adopt: false,
            trackers: None,
            paused: false,
            check: false,
            torrent: None,
            note: None,
            choose: None,
        }
    }
}

/// Why a torrent is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The session has it already.
    #[error("this torrent is in the session already")]
    Duplicate,
    /// BEP 52 alone: there are no v1 pieces to fetch.
    #[error("this is a version 2 torrent, which cannot be downloaded yet")]
    V2Only,
    /// A link that names a publisher instead of a torrent (BEP 46).
    #[error("this link names a publisher and no torrent, which cannot be followed yet")]
    Publisher,
    /// What [`Add::choose`] said of it.
    #[error("{0}")]
    Refused(String),
    /// The number of priorities is not the number of files.
    #[error("{given} priorities were given for {files} files")]
    Priorities {
        /// How many were given.
        given: usize,
        /// How many files there are.
        files: usize,
    },
    /// Its name is that of the folder in which we keep what is remembered.
    #[error("it is called {RESERVED:?}, which is where Toubkal keeps its own files")]
    Reserved,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

/// Why the torrents of the database do not come back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The session was started without [`Options::state`].
    #[error("the session has no database")]
    NoState,
    /// The database cannot be read.
    #[error("the database cannot be read: {0}")]
    State(StoreErrorKind),
}

/// Torrents at rest that are taken in with one order.
const RESTED_AT_ONCE: usize = 4096;

/// SHA-1 of an info dictionary (BEP 3).
pub type InfoHash = [u8; 20];

/// The folder, in a download folder, of what is remembered of the downloads.
pub(crate) const RESERVED: &str = ".toubkal";

/// News from a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The engine's news.
    Notice(Notice),
    /// A tracker has something to say, or cannot be reached.
    Tracker {
        /// Whose tracker.
        torrent: TorrentId,
        /// Which, without its secrets.
        url: String,
        /// What it said, or why it did not.
        message: String,
        /// Whether the announce failed; otherwise it is a warning.
        failed: bool,
    },
    /// The metadata of a torrent that was added by a link is known, and so is
    /// [`Torrent::metainfo`]. It comes once, also when the database knew it.
    Resolved {
        /// Whose.
        torrent: TorrentId,
    },
    /// The metadata of a torrent that was added by a link is known, and it cannot be taken: it is
    /// not in the session any more.
    Refused {
        /// Whose.
        torrent: TorrentId,
        /// Why.
        message: String,
    },
    /// The database of what is remembered is broken or out of reach, or a torrent in it is; or
    /// what happens cannot be recorded any more.
    State {
        /// What happened, and what became of it, in a sentence.
        message: String,
    },
    /// The session died of its own fault. Nothing more will come.
    Crashed {
        /// What the thread said last.
        message: String,
    },
}

/// A running session: one engine, its sockets, its files. Clones are the same session; when the
/// last is dropped, it stops at once.
#[derive(Clone, Debug)]
pub struct Session {
    control: Arc<Control>,
    torrents: Arc<Mutex<BTreeMap<TorrentId, Torrent>>>,
}

impl Session {
    /// Starts the threads and listens.
    ///
    /// # Errors
    /// When an address to listen on is not to be had, or threads are not.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one session")]
    pub fn start(options: Options) -> Result<Self, StartError> {
        let control = Arc::new(Control::start(&options)?);
        Ok(Self { control, torrents: Arc::default() })
    }

    /// Where peers reach us, with the real ports.
    #[must_use]
    pub fn listening_on(&self) -> &[SocketAddr] {
        self.control.listening_on()
    }

    /// The DHT, unless [`Options::dht`] is off.
    #[must_use]
    pub fn dht(&self) -> Option<Dht> {
        self.control.has_dht().then(|| Dht::new(self.control.orders()))
    }

    /// Takes a torrent in and returns at once: its files are looked at, then it is downloaded or
    /// seeded. What the database knows of it in this folder is believed, as far as the files are
    /// as they were left.
    ///
    /// # Errors
    /// When the torrent cannot be worked on at all. What goes wrong with files later is news.
    pub fn add(&self, metainfo: Arc<Metainfo>, add: Add) -> Result<Torrent, AddError> {
        let known = restore::know(self.control.state(), &metainfo, &add);
        self.add_known(metainfo, add, known, false)
    }

    fn add_known(
        &self,
        metainfo: Arc<Metainfo>,
        add: Add,
        known: Option<Known>,
        found: bool,
    ) -> Result<Torrent, AddError> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let here = Here::of(metainfo.info_hash_v1.unwrap_or_default(), &add.dir);
        let (add, known) = (Box::new(add), known.map(Box::new));
        let order = Order::Add { metainfo: Arc::clone(&metainfo), add, known, found, reply };
        self.control.order(order);
        let id = answer.recv().unwrap_or(Err(AddError::Ended))?;
        let place = Place::from(OnceLock::from(Content { metainfo, file: None }));
        Ok(self.handle(id, Kept::Here(place, here)))
    }

    /// Brings back all torrents of the database that were not removed, with their folders,
    /// selections and limits, paused or not. Those that cannot be brought back are told of
    /// ([`SessionEvent::State`]) and stay in the database; those that the session has already are
    /// passed over.
    ///
    /// # Errors
    /// When there is no database, or it cannot be read.
    pub fn restore(&self) -> Result<Vec<Torrent>, RestoreError> {
        restore::all(self, &self.control)
    }

    /// What was transferred in all lives, with all torrents, also those that were removed; as of
    /// their last records. Nothing without a database.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.control.state().map(|state| state.totals()).unwrap_or_default()
    }

    /// A setting that a program keeps in the database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreErrorKind> {
        self.control.state().map_or(Ok(None), |state| state.setting(key))
    }

    /// Keeps a setting; `None` removes it.
    ///
    /// # Errors
    /// When there is no database, or it cannot be written.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreErrorKind> {
        self.control.state().map_or(Err(StoreErrorKind::Missing), |state| state.set(key, value))
    }

    /// The next piece of news; `None` when there is none in time. News that nobody fetches is
    /// kept up to a limit: that of single pieces is dropped first, then the oldest.
    #[must_use]
    pub fn next_event(&self, timeout: Duration) -> Option<SessionEvent> {
        self.control.news().next(timeout)
    }

    /// Changes the rates of all torrents together.
    pub fn limit(&self, rates: Rates) {
        self.control.command(Command::Limit { torrent: None, rates });
    }

    /// Stops in order: peers are left, what was written is synced, trackers are told. Returns
    /// when that is done, or when `patience` is over. A second call stops at once.
    pub fn shutdown(self, patience: Duration) {
        self.control.shutdown(patience);
    }
}

/// A torrent of a session. Clones are the same torrent. It does not keep the session alive.
#[derive(Clone, Debug)]
pub struct Torrent {
    torrent: Arc<Handle>,
}

impl Torrent {
    /// Its name in events.
    #[must_use]
    pub fn id(&self) -> TorrentId {
        self.torrent.id
    }

    /// What peers know it by: the SHA-1 of its info dictionary.
    #[must_use]
    pub fn info_hash(&self) -> InfoHash {
        match &self.torrent.kept {
            Kept::Here(_, here) => here.hash,
            Kept::There(_, key) => key.hash(),
        }
    }

    /// The download folder. It need not be there yet.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        match &self.torrent.kept {
            Kept::Here(_, here) => here.dir.to_path_buf(),
            Kept::There(state, key) => state.dir(key),
        }
    }

    /// What it holds; `None` while only a link is known. Of a torrent that was brought back at rest
    /// it is read from the database, each time: `None` when it is not there any more, or cannot be
    /// read.
    #[must_use]
    pub fn metainfo(&self) -> Option<Arc<Metainfo>> {
        match &self.torrent.kept {
            Kept::Here(place, _) => place.get().map(|content| Arc::clone(&content.metainfo)),
            Kept::There(state, key) => {
                let bytes = state.row(key).ok()??.metainfo?;
                Metainfo::parse(&bytes).ok().map(Arc::new)
            }
        }
    }

    /// The torrent file that was made of its metadata, with the trackers and web seeds of the
    /// link; `None` of a torrent that was not found by a link.
    #[must_use]
    pub fn file(&self) -> Option<Arc<[u8]>> {
        match &self.torrent.kept {
            Kept::Here(place, _) => place.get()?.file.clone(),
            Kept::There(..) => None,
        }
    }

    /// How it stands; as it stood last when it was removed or the session has ended.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.ask(Question::Status).flatten();
        let mut last = self.torrent.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get_or_insert_default();
        match status {
            Some(status) => **last = status,
            None => last.state = State::Stopped(None),
        }
        **last
    }

    /// Its connected peers.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.ask(Question::Peers).unwrap_or_default()
    }

    /// How the DHT is searched for its peers; `None` when it is not.
    #[must_use]
    pub fn search(&self) -> Option<SearchStatus> {
        self.ask(Question::Search).flatten()
    }

    /// How many addresses of peers are known from where.
    #[must_use]
    pub fn sources(&self) -> Sources {
        self.ask(Question::Sources).flatten().unwrap_or_default()
    }

    /// What is wanted of it, one a file. `None` when that is everything, as usual, or its files are
    /// not known.
    #[must_use]
    pub fn priorities(&self) -> Option<Vec<Priority>> {
        self.ask(Question::Priorities).flatten().filter(|all| !all.is_empty())
    }

    /// Its verified pieces; empty when it was removed or the session has ended.
    #[must_use]
    pub fn have(&self) -> Bitset {
        self.ask(Question::Have).flatten().unwrap_or_else(|| Bitset::new(0))
    }

    /// Peers that the user knows of.
    pub fn add_peers(&self, peers: Vec<SocketAddr>) {
        self.torrent.orders.send(Order::Peers(self.id(), peers));
    }

    /// Stops it, and keeps it in the session.
    pub fn pause(&self) {
        self.command(Command::Stop(self.id()));
    }

    /// Goes on after a pause or an error of the disk; its files are looked at anew.
    pub fn resume(&self) {
        self.command(Command::Start(self.id()));
    }

    /// Takes it out of the session and out of the database; its files stay.
    pub fn remove(&self) {
        self.command(Command::Remove(self.id()));
    }

    /// Checks everything that lies in its folder, whatever is remembered of it, and goes on.
    pub fn check(&self) {
        self.command(Command::Check(self.id()));
    }

    /// Changes its rates.
    pub fn limit(&self, rates: Rates) {
        self.command(Command::Limit { torrent: Some(self.id()), rates });
    }

    /// Changes what is wanted: one priority a file. Ignored when the count is wrong.
    pub fn prioritise(&self, priorities: Vec<Priority>) {
        self.command(Command::Prioritise(self.id(), priorities));
    }

    /// Pieces in order, or rarest first.
    pub fn sequential(&self, sequential: bool) {
        self.command(Command::Sequential(self.id(), sequential));
    }

    fn command(&self, command: Command) {
        self.torrent.orders.send(Order::Command(command));
    }

    /// `None` when the session has ended.
    fn ask<T>(&self, question: impl FnOnce(crossbeam_channel::Sender<T>) -> Question) -> Option<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.torrent.orders.send(Order::Question(self.id(), question(reply)));
        answer.recv().ok()
    }
}
