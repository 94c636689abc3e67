//! The network threads: the engine, every socket, and what drives them.

mod brain;
mod clerk;
mod clock;
mod hand;
mod hands;
mod news;
mod udp;
mod wake;

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use mio::net::TcpListener;
use mio::{Poll, Waker};
use toubkal_core::base::{Bitset, Rng};
use toubkal_core::dht::SearchStatus;
use toubkal_core::engine::{
    Command, Config, Memory, PeerStatus, Priority, Sources, Status, StoreErrorKind, TorrentId,
    Totals,
};

use crate::session::{
    Add, AddError, Explanation, Metainfo, Options, SessionEvent, StartError, TrackerStatus,
};
pub(crate) use crate::state::Rest;
use crate::state::{Key, Refusal, Row, State, Whole};
use crate::store::{Left, Reply, Store};
use brain::{Brain, Identity, Mind};
pub(crate) use brain::{Lease, Link, ReaderOrder, bytes};
use clerk::Found;
use clock::Clock;
use hand::{DATAGRAMS, WAKE};
use hands::{Hands, Inboxes, Panicked};
pub(crate) use news::News;
use udp::Udp;
use wake::{Inlet, Wake};

/// Orders that wait for the network thread; whoever gives more waits.
const ORDERS_MAX: usize = 256;
/// More threads than this never help.
const WORKERS_MAX: usize = 64;
/// What the network thread may take to leave when it is told to do so at once.
const LEAVING: Duration = Duration::from_secs(2);

/// What the handles ask of the network thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// Take a torrent in.
    Add {
        metainfo: Arc<Metainfo>,
        add: Box<Add>,
        known: Option<Box<Known>>,
        /// A link was given, and the database knew what it means.
        found: bool,
        reply: Sender<Result<TorrentId, AddError>>,
    },
    /// Take in torrents that rest; says which are here now.
    Rest(Vec<Rest>, Sender<Vec<Option<TorrentId>>>),
    /// How those stand that are awake, and these.
    Awake(Vec<TorrentId>, Sender<Vec<(TorrentId, Status)>>),
    /// How all torrents stand.
    All(Sender<Vec<(TorrentId, Status)>>),
    /// Why all torrents are no faster.
    Whys(Sender<Vec<(TorrentId, Explanation)>>),
    /// Look for what a link means.
    Seek { link: Box<Link>, known: Option<Box<Known>>, reply: Sender<Result<TorrentId, AddError>> },
    /// What it means; or why it is not taken.
    Resolve(TorrentId, Result<Box<Found>, String>),
    /// The torrent file out of the database, if it is there.
    Loaded(TorrentId, Option<Arc<[u8]>>),
    /// To be kept with a torrent in the database.
    Note(TorrentId, Arc<[u8]>, Option<Sender<Result<(), StoreErrorKind>>>),
    /// For the engine.
    Command(Command),
    /// Ask its trackers now.
    Announce(TorrentId),
    /// These trackers from now on.
    Trackers(TorrentId, Vec<Vec<String>>),
    /// Peers that the user named.
    Peers(TorrentId, Vec<SocketAddr>),
    /// Of those who read files while they come.
    Reader(ReaderOrder),
    /// For the DHT.
    Dht(crate::dht::Order),
    /// Something about a torrent.
    Question(TorrentId, Question),
    /// End in order, within this time.
    Shutdown(Duration),
}

/// What the database knows of a torrent that is added, and what it is to know.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) key: Arc<Key>,
    pub(crate) row: Row,
    pub(crate) memory: Option<Memory>,
    pub(crate) left: Option<Left>,
    /// What the database has counted.
    pub(crate) counted: Totals,
    pub(crate) whole: Whole,
    /// The row is there as it is here.
    pub(crate) stored: bool,
}

/// What is asked about a torrent, with the way for the answer.
#[derive(Debug)]
pub(crate) enum Question {
    Status(Sender<Option<Status>>),
    Why(Sender<Option<Explanation>>),
    Trackers(Sender<Vec<TrackerStatus>>),
    Peers(Sender<Vec<PeerStatus>>),
    Search(Sender<Option<SearchStatus>>),
    Sources(Sender<Option<Sources>>),
    Have(Sender<Option<Bitset>>),
    Priorities(Sender<Option<Vec<Priority>>>),
    Tiers(Sender<Vec<Vec<String>>>),
}

/// A way for orders to the network thread.
pub(crate) type Orders = Inlet<Order>;

/// The caller's side of the network thread. When it is dropped, the thread ends at once.
#[derive(Debug)]
pub(crate) struct Control {
    orders: Orders,
    wake: Arc<Wake>,
    news: Arc<News>,
    state: Option<Arc<State>>,
    listening_on: Vec<SocketAddr>,
    dht: bool,
    /// Raised when the thread is to leave everything and end.
    leave: Arc<AtomicBool>,
    stopping: AtomicBool,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Control {
    pub(crate) fn start(options: &Options) -> Result<Self, StartError> {
        let system = |what| move |error| StartError::System { what, error };
        let news = Arc::new(News::default());
        let (listeners, listening_on) = listen(&options.listen)?;
        let state = remember(options, &news)?;
        let poll = Poll::new().map_err(system("no event queue"))?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(system("no event queue"))?;
        let wake = Arc::new(Wake::new(waker));
        let udp = Udp::new(&listening_on, options.lan, poll.registry(), DATAGRAMS)
            .map_err(system("no event queue"))?;
        let inboxes =
            Inboxes::new(hands::count(options.hands)).map_err(system("no event queue"))?;
        let port = listening_on.first().map_or(0, SocketAddr::port);
        let identity = identity(options, port)?;
        let engine = engine(options, &identity)?;
        let (sender, orders) = bounded(ORDERS_MAX);
        let inlet = Inlet::new(sender, Arc::clone(&wake));
        // Bounded by the engine, which has only so many jobs under way.
        let (replier, replies) = unbounded();
        let (replier, courier) = (Inlet::new(replier, Arc::clone(&wake)), inboxes.courier());
        let answer = move |reply| match (reply, &courier) {
            (Reply::Reads(row), Some(courier)) => courier(row),
            (reply, _) => replier.send(reply),
        };
        let store = Arc::new(Store::start(workers(options.workers), answer));
        let leave = Arc::new(AtomicBool::new(false));
        let clock = Clock::start();
        let hands = if inboxes.is_empty() {
            Hands::one(poll, listeners)
        } else {
            let panicked = panicked(&news, &leave, &wake);
            Hands::many(poll, &wake, listeners, inboxes, &store, clock, &panicked)
        };
        let parts = brain::Parts {
            clock,
            engine,
            hands: hands.map_err(system("no event queue"))?,
            udp,
            lan: options.lan.then(|| listening_on.clone()),
            listening: !listening_on.is_empty(),
            dht: options.dht.then(|| node(options, &listening_on, state.as_deref())),
            store,
            orders,
            inlet: inlet.clone(),
            replies,
            wake: Arc::clone(&wake),
            news: Arc::clone(&news),
            leave: Arc::clone(&leave),
            state: state.clone(),
            identity,
        };
        let (end, ended) = bounded(0);
        let run = move || Brain::new(parts).run();
        let thread =
            spawn("toubkal-net", Arc::clone(&news), end, run).map_err(system("no thread"))?;
        Ok(Self {
            orders: inlet,
            wake,
            news,
            state,
            listening_on,
            dht: options.dht,
            leave,
            stopping: AtomicBool::new(false),
            ended,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn listening_on(&self) -> &[SocketAddr] {
        &self.listening_on
    }

    pub(crate) fn has_dht(&self) -> bool {
        self.dht
    }

    pub(crate) fn news(&self) -> &News {
        &self.news
    }

    pub(crate) fn state(&self) -> Option<&Arc<State>> {
        self.state.as_ref()
    }

    pub(crate) fn orders(&self) -> Orders {
        self.orders.clone()
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.send(order);
    }

    pub(crate) fn command(&self, command: Command) {
        self.order(Order::Command(command));
    }

    /// Ends the thread in order; the second time, or when patience is over, at once.
    pub(crate) fn shutdown(&self, patience: Duration) {
        if !self.stopping.swap(true, Ordering::Relaxed) {
            self.order(Order::Shutdown(patience));
            let _ = self.ended.recv_timeout(patience.saturating_add(LEAVING));
        }
        self.leave();
    }

    fn leave(&self) {
        self.leave.store(true, Ordering::Relaxed);
        self.wake.up();
        let ended = self.ended.recv_timeout(LEAVING);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that a dead disk holds up is left behind.
        if let (Err(RecvTimeoutError::Disconnected), Some(thread)) = (ended, thread) {
            // Its panic was caught and told.
            let _ = thread.join();
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Opens the database, when there is to be one.
fn remember(options: &Options, news: &Arc<News>) -> Result<Option<Arc<State>>, StartError> {
    let Some(path) = &options.state else { return Ok(None) };
    let news = Arc::clone(news);
    let tell = move |message| news.push(SessionEvent::State { message });
    let state = State::start(path, tell).map_err(|refusal| match refusal {
        Refusal::Newer => StartError::NewerState { path: path.clone() },
        Refusal::Thread(error) => StartError::System { what: "no thread", error },
    })?;
    Ok(Some(Arc::new(state)))
}

/// What our node of the DHT begins with.
fn node(options: &Options, listening_on: &[SocketAddr], state: Option<&State>) -> brain::Setup {
    // Without what was kept it begins anew.
    let saved = state.and_then(|state| state.setting(brain::SETTING).ok().flatten());
    brain::Setup {
        bootstrap: options.bootstrap.clone(),
        listening_on: listening_on.to_vec(),
        saved: saved.map(|text| brain::read(&text)).unwrap_or_default(),
    }
}

/// Listens everywhere that is wanted; says where it is, with the real ports.
fn listen(wanted: &[SocketAddr]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), StartError> {
    let (mut listeners, mut addrs) = (Vec::new(), Vec::<SocketAddr>::new());
    for &addr in wanted {
        // Trackers are told one port: any port is to be the same for IPv4 and IPv6 if it can.
        let same = addrs.first().filter(|_| addr.port() == 0).map(SocketAddr::port);
        let listener = match same.map(|port| hand::listen(SocketAddr::new(addr.ip(), port))) {
            Some(Ok(listener)) => listener,
            _ => hand::listen(addr)?,
        };
        let local = listener.local_addr();
        addrs.push(local.map_err(|error| StartError::Listen { addr, error })?);
        listeners.push(listener);
    }
    Ok((listeners, addrs))
}

/// What makes this session itself: chance, and names drawn from it.
fn identity(options: &Options, port: u16) -> Result<Identity, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        let error = io::Error::other(error.to_string());
        StartError::System { what: "no randomness", error }
    })?;
    let rng = Rng::new(seed);
    let peer_id = peer_id(&mut rng.fork("peer id"));
    Ok(Identity { peer_id, port, user_agent: options.user_agent.clone(), rng })
}

fn engine(options: &Options, identity: &Identity) -> Result<Mind, StartError> {
    let config = Config {
        peer_id: identity.peer_id,
        port: identity.port,
        rates: options.rates,
        links_max: options.links_max,
        dials_max: options.dials_max,
        slots: options.slots,
        ..Config::default()
    };
    Mind::new(config, &identity.rng, options.record.as_deref()).map_err(|error| {
        let path = options.record.clone().unwrap_or_default();
        StartError::Record { path, error }
    })
}

/// BEP 20: two letters for the program, four digits for its version, then chance.
fn peer_id(rng: &mut Rng) -> [u8; 20] {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = *b"-TK0100-000000000000";
    for byte in &mut id[8..] {
        *byte = LETTERS[rng.index(LETTERS.len())];
    }
    id
}

/// Hashing is what keeps a machine busy: one thread a core, beside the network thread.
fn workers(wanted: usize) -> usize {
    if wanted > 0 {
        return wanted.min(WORKERS_MAX);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).clamp(1, 8)
}

/// Starts a thread whose panic becomes news instead of silence.
fn spawn(
    name: &str,
    news: Arc<News>,
    end: Sender<()>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            news.push(crashed(&*panic));
        }
        drop(end);
    })
}

/// A hand that panics is news, and ends the session: its links are lost.
fn panicked(news: &Arc<News>, leave: &Arc<AtomicBool>, wake: &Arc<Wake>) -> Panicked {
    let (news, leave, wake) = (Arc::clone(news), Arc::clone(leave), Arc::clone(wake));
    Arc::new(move |panic| {
        news.push(crashed(panic));
        leave.store(true, Ordering::Relaxed);
        wake.up();
    })
}

fn crashed(panic: &(dyn Any + Send)) -> SessionEvent {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned());
    SessionEvent::Crashed { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_news_and_lets_nobody_wait() {
        let news = Arc::new(News::default());
        let (end, ended) = bounded::<()>(0);
        let run = || panic!("one and {}", "one");
        let thread = spawn("test", Arc::clone(&news), end, run).unwrap();
        assert!(ended.recv_timeout(Duration::from_secs(30)).is_err_and(|end| !end.is_timeout()));
        thread.join().unwrap();
        let message = "one and one".to_owned();
        assert_eq!(news.next(Duration::ZERO), Some(SessionEvent::Crashed { message }));
    }

    #[test]
    fn a_free_port_is_the_same_for_both_families() {
        let any = ["127.0.0.1:0", "[::1]:0"].map(|addr| addr.parse().unwrap());
        let (_listeners, addrs) = listen(&any).unwrap();
        assert_ne!(addrs[0].port(), 0);
        assert_eq!(addrs[0].port(), addrs[1].port());
    }
}
