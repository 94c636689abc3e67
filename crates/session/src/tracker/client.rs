//! The HTTP client for trackers: one thread that asks, and tells what it heard.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio::time::timeout;
use toubkal_core::engine::TorrentId;
use toubkal_core::tracker::udp::Question;
use toubkal_core::tracker::{AskId, AskKind, Event};
use toubkal_wire::announce::{self, ScrapeReply};
use toubkal_wire::compact;

use super::http::{Family, Http, HttpError, HttpOptions, World};

/// Questions that are on their way at once; the others wait.
const AT_ONCE: usize = 64;
/// Questions that wait at most; more are answered with [`HttpError::Busy`].
const QUEUE: usize = 4096;
/// Look-ups of names at once; they block a thread each.
const LOOK_UPS: usize = 16;
/// What a look-up may take.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);
/// Addresses of one host name that count.
const ADDRESSES_MAX: usize = 4;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Carries out [`toubkal_core::tracker::Action::Ask`].
    Tracker {
        /// Comes back with the answer.
        torrent: TorrentId,
        /// Comes back with the answer.
        id: AskId,
        /// What for.
        kind: AskKind,
        /// Complete. Secret.
        url: String,
    },
    /// Looks up where a tracker is that is asked over UDP.
    Host {
        /// Comes back with the answer.
        torrent: TorrentId,
        /// Comes back with the answer.
        id: AskId,
        /// The tracker's.
        host: String,
        /// The tracker's.
        port: u16,
        /// Comes back with the answer.
        question: Question,
        /// Comes back with the answer.
        path: String,
    },
    /// Carries out [`toubkal_core::tracker::Action::Resolve`].
    Names {
        /// Comes back with the answer.
        torrent: TorrentId,
        /// Host names and ports of peers.
        names: Vec<(String, u16)>,
    },
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one to each [`Ask::Tracker`]. A tracker that is asked over IPv4 and IPv6 can
    /// give two good answers, and then gives them under the same id.
    Tracker {
        /// From the question.
        torrent: TorrentId,
        /// From the question.
        id: AskId,
        /// What became of it.
        outcome: Outcome,
    },
    /// One to each [`Ask::Host`].
    Host {
        /// From the question.
        torrent: TorrentId,
        /// From the question.
        id: AskId,
        /// From the question.
        question: Question,
        /// From the question.
        path: String,
        /// Where the tracker is.
        addresses: Result<Vec<SocketAddr>, HttpError>,
    },
    /// Addresses of peers; none came where this does not.
    Peers {
        /// From the question.
        torrent: TorrentId,
        /// As they were looked up.
        peers: Vec<SocketAddr>,
    },
}

/// What became of a question to a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to an announce.
    Announced(announce::Reply),
    /// The answer to a scrape.
    Scraped(ScrapeReply),
    /// There was none. For which kind of question, and why.
    Failed(AskKind, HttpError),
}

impl Outcome {
    /// The same for the announcer of the torrent.
    #[must_use]
    pub fn event(self, id: AskId) -> Event {
        match self {
            Self::Announced(reply) => Event::Announced(id, Ok(reply)),
            Self::Scraped(reply) => Event::Scraped(id, Ok(reply)),
            Self::Failed(AskKind::Announce, error) => Event::Announced(id, Err(error.problem())),
            Self::Failed(AskKind::Scrape, error) => Event::Scraped(id, Err(error.problem())),
        }
    }

    /// How much this is worth beside what the other family brought.
    fn weight(&self) -> u8 {
        match self {
            Self::Failed(_, error) => error.weight(),
            Self::Announced(announce::Reply::Failure(_))
            | Self::Scraped(ScrapeReply::Failure(_)) => 5,
            _ => u8::MAX,
        }
    }

    fn is_good(&self) -> bool {
        self.weight() == u8::MAX
    }
}

type Tell = dyn Fn(Reply) + Send + Sync;

/// Asks trackers over HTTP and HTTPS, on a thread of its own.
///
/// Each announce goes out over IPv4 and over IPv6 where the tracker has both, as BEP 7 wants it:
/// a tracker learns an address only by being asked from it. The first good answer is told at
/// once; if the other family brings a good one too, that is told as well.
pub struct Client {
    asks: Option<mpsc::Sender<Ask>>,
    tell: Arc<Tell>,
    patience: Option<std::sync::mpsc::Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrackerClient")
    }
}

impl Client {
    /// Starts the thread. `tell` is called from it, and must not block.
    ///
    /// # Errors
    /// When the system has no thread or no poller left.
    pub fn start(
        options: HttpOptions,
        tell: impl Fn(Reply) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_in(World::REAL, options, tell)
    }

    fn start_in(
        world: World,
        options: HttpOptions,
        tell: impl Fn(Reply) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(LOOK_UPS).build()?;
        let (asks, queue) = mpsc::channel(QUEUE);
        let (patience, stopping) = std::sync::mpsc::channel();
        let tell: Arc<Tell> = Arc::new(tell);
        let told = tell.clone();
        let thread = thread::Builder::new().name("trackers".into()).spawn(move || {
            let end = || stopping.recv().unwrap_or_default();
            work(runtime, queue, &told, || Http::new(options, world), end);
        })?;
        Ok(Self { asks: Some(asks), tell, patience: Some(patience), thread: Some(thread) })
    }

    /// Asks; never blocks. The answer comes through `tell`, perhaps before this returns.
    pub fn ask(&self, ask: Ask) {
        let Some(asks) = &self.asks else { return };
        let Err(error) = asks.try_send(ask) else { return };
        match error.into_inner() {
            Ask::Tracker { torrent, id, kind, .. } => {
                let outcome = Outcome::Failed(kind, HttpError::Busy);
                (self.tell)(Reply::Tracker { torrent, id, outcome });
            }
            Ask::Host { torrent, id, question, path, .. } => {
                let addresses = Err(HttpError::Busy);
                (self.tell)(Reply::Host { torrent, id, question, path, addresses });
            }
            Ask::Names { .. } => {}
        }
    }

    /// Waits at most this long for the answers that are still to come, and ends the thread.
    pub fn stop(mut self, patience: Duration) {
        self.end(patience);
    }

    fn end(&mut self, patience: Duration) {
        if let Some(sender) = self.patience.take() {
            // The thread may have ended; then nobody needs it.
            let _ = sender.send(patience);
        }
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            // A panic over there has been shown already.
            let _ = thread.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn work(
    runtime: Runtime,
    mut queue: mpsc::Receiver<Ask>,
    tell: &Arc<Tell>,
    http: impl FnOnce() -> Http,
    patience: impl FnOnce() -> Duration,
) {
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let http = Rc::new(http());
        let places = Rc::new(Semaphore::new(AT_ONCE));
        // Each question holds a sender: when all are gone, the last answer has come.
        let (open, mut all_told) = mpsc::channel::<()>(1);
        while let Some(ask) = queue.recv().await {
            let (http, places, tell) = (http.clone(), places.clone(), tell.clone());
            let open = open.clone();
            tokio::task::spawn_local(async move {
                let _place = places.acquire().await;
                answer(http, ask, &tell).await;
                drop(open);
            });
        }
        drop(open);
        let _ = timeout(patience(), all_told.recv()).await;
    });
    drop(local);
    // A look-up that hangs must not keep the program.
    runtime.shutdown_background();
}

async fn answer(http: Rc<Http>, ask: Ask, tell: &Arc<Tell>) {
    match ask {
        Ask::Names { torrent, names } => {
            let peers = look_up(names).await;
            if !peers.is_empty() {
                tell(Reply::Peers { torrent, peers });
            }
        }
        Ask::Host { torrent, id, host, port, question, path } => {
            let addresses = find(&host, port).await;
            tell(Reply::Host { torrent, id, question, path, addresses });
        }
        Ask::Tracker { torrent, id, kind, url } => {
            let tell = |outcome| tell(Reply::Tracker { torrent, id, outcome });
            match kind {
                AskKind::Announce => announce(http, url.into(), tell).await,
                AskKind::Scrape => tell(once(&http, &url, Family::Any, kind).await),
            }
        }
    }
}

/// Announces over both families; tells every good answer, or the failure that says most.
async fn announce(http: Rc<Http>, url: Rc<str>, tell: impl Fn(Outcome)) {
    let (done, mut outcomes) = mpsc::channel(2);
    for family in [Family::V4, Family::V6] {
        let (http, url, done) = (http.clone(), url.clone(), done.clone());
        tokio::task::spawn_local(async move {
            let outcome = once(&http, &url, family, AskKind::Announce).await;
            let _ = done.send(outcome).await;
        });
    }
    drop(done);
    let mut good = false;
    let mut worst: Option<Outcome> = None;
    while let Some(outcome) = outcomes.recv().await {
        if outcome.is_good() {
            good = true;
            tell(outcome);
        } else if worst.as_ref().is_none_or(|worst| outcome.weight() > worst.weight()) {
            worst = Some(outcome);
        }
    }
    if !good {
        tell(worst.unwrap_or(Outcome::Failed(AskKind::Announce, HttpError::Broken)));
    }
}

async fn once(http: &Http, url: &str, family: Family, kind: AskKind) -> Outcome {
    let page = match http.get(url, family, true).await {
        Ok(page) => page,
        Err(error) => return Outcome::Failed(kind, error),
    };
    let outcome = match kind {
        AskKind::Announce => announce::Reply::decode(&page.body).map(Outcome::Announced),
        AskKind::Scrape => ScrapeReply::decode(&page.body).map(Outcome::Scraped),
    };
    match outcome {
        // Some trackers put their refusals under another status: the words say more.
        Ok(outcome) if page.status == 200 || !outcome.is_good() => outcome,
        _ if page.status != 200 => Outcome::Failed(kind, page.as_error()),
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(kind, HttpError::NotTracker(error)),
    }
}

/// All addresses of a host.
async fn find(host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
    match timeout(LOOK_UP_TIME, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(_)) => Err(HttpError::Name),
        Err(_) => Err(HttpError::TimedOut),
    }
}

async fn look_up(names: Vec<(String, u16)>) -> Vec<SocketAddr> {
    let mut peers = Vec::new();
    for (name, port) in names.into_iter().take(announce::NAMES_MAX) {
        if let Ok(found) = find(&name, port).await {
            let found = found.into_iter();
            peers.extend(found.filter(|peer| compact::usable(*peer)).take(ADDRESSES_MAX));
        }
    }
    peers
}
