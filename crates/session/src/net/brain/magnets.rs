//! Torrents of which only the info-hash is known, and the metadata that is given to peers.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::Sender;
use toubkal_core::base::Time;
use toubkal_core::engine::{Command, LinkId, Seek, TorrentId};
use toubkal_wire::magnet::Magnet;
use toubkal_wire::metadata;
use toubkal_wire::metainfo::Metainfo;

use super::Brain;
use super::torrents::Held;
use crate::net::Known;
use crate::net::clerk::{Ask, Clerk, Found};
use crate::net::hand::{Given, refusal};
use crate::session::{Add, AddError, Place, SessionEvent};
use crate::tracker;

/// Bytes of torrent files out of the database that are kept to be given to peers.
const CACHE_BYTES_MAX: usize = 64 << 20;
/// How many such files.
const CACHE_MAX: usize = 1000;
/// Blocks that wait for one torrent file.
const WAITING_MAX: usize = 256;
/// Names of peers in a link that are looked up.
const NAMES_MAX: usize = 8;

/// A torrent that is known by a link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) info_hash: [u8; 20],
    pub(crate) magnet: Box<Magnet>,
    pub(crate) trackers: Vec<Vec<String>>,
    /// Peers by address, and by name.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) names: Vec<(String, u16)>,
    /// How it is to be worked on once it is known; `None`: not at all.
    pub(crate) add: Option<Box<Add>>,
    pub(crate) place: Place,
}

/// What is sought, and what can be given.
pub(super) struct Magnets {
    clerk: Clerk,
    sought: HashMap<TorrentId, Link>,
    /// Given to the engine, and not named yet.
    pending: HashMap<u64, Pending>,
    files: HashMap<TorrentId, File>,
    /// Files out of the database, the oldest first, and their bytes.
    cache: VecDeque<(TorrentId, usize)>,
    cached: usize,
}

struct Pending {
    link: Link,
    known: Option<Box<Known>>,
    reply: Sender<Result<TorrentId, AddError>>,
}

/// A torrent file, in which the metadata lies.
enum File {
    Here(Arc<[u8]>, Range<usize>),
    /// In the database.
    Stored(Range<usize>),
    /// It is being read; who is given what then.
    Coming(Range<usize>, Vec<Give>),
}

/// A block of metadata for a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Give {
    pub(super) link: LinkId,
    pub(super) torrent: TorrentId,
    /// How the peer calls such messages.
    pub(super) number: u8,
    pub(super) block: u32,
}

impl Magnets {
    pub(super) fn new(clerk: Clerk) -> Self {
        Self {
            clerk,
            sought: HashMap::new(),
            pending: HashMap::new(),
            files: HashMap::new(),
            cache: VecDeque::new(),
            cached: 0,
        }
    }

    /// Keeps what peers may be given of a torrent. `stored`: the database has it.
    pub(super) fn keep(
        &mut self,
        torrent: TorrentId,
        file: Option<Arc<[u8]>>,
        span: Range<usize>,
        stored: bool,
    ) {
        if let Some(file) = file.filter(|file| file.get(span.clone()).is_some()) {
            let file = if stored { File::Stored(span) } else { File::Here(file, span) };
            self.files.insert(torrent, file);
        }
    }

    /// The torrent is gone.
    pub(super) fn forget(&mut self, torrent: TorrentId) {
        self.sought.remove(&torrent);
        self.files.remove(&torrent);
        if let Some(at) = self.cache.iter().position(|&(held, _)| held == torrent) {
            self.cached -= self.cache.remove(at).map_or(0, |(_, bytes)| bytes);
        }
    }

    /// Whether its metadata is not known yet.
    pub(super) fn is_sought(&self, torrent: TorrentId) -> bool {
        self.sought.contains_key(&torrent)
    }

    /// Notes what the user wants of a torrent before there is one.
    pub(super) fn note(&mut self, command: &Command) {
        let (torrent, change): (_, &dyn Fn(&mut Add)) = match command {
            Command::Start(torrent) => (torrent, &|add| add.paused = false),
            Command::Stop(torrent) => (torrent, &|add| add.paused = true),
            Command::Limit { torrent: Some(torrent), rates } => {
                (torrent, &|add| add.rates = *rates)
            }
            Command::Sequential(torrent, sequential) => {
                (torrent, &|add| add.sequential = *sequential)
            }
            _ => return,
        };
        if let Some(add) = self.sought.get_mut(torrent).and_then(|link| link.add.as_mut()) {
            change(add);
        }
    }

    /// Puts a file that was read into the cache, and takes the oldest ones out.
    fn hold(&mut self, torrent: TorrentId, file: Arc<[u8]>, span: Range<usize>) {
        self.cached += file.len();
        self.cache.push_back((torrent, file.len()));
        self.files.insert(torrent, File::Here(file, span));
        while self.cached > CACHE_BYTES_MAX || self.cache.len() > CACHE_MAX {
            let Some((oldest, bytes)) = self.cache.pop_front() else { break };
            self.cached -= bytes;
            if let Some(file) = self.files.get_mut(&oldest)
                && let File::Here(_, span) = file
            {
                *file = File::Stored(span.clone());
            }
        }
    }
}

/// How long the metadata is that peers can be given.
pub(super) fn given_size(file: Option<&Arc<[u8]>>, metainfo: &Metainfo) -> Option<u32> {
    let span = metainfo.info_span.clone();
    let size = file?.get(span)?.len();
    u32::try_from(size).ok().filter(|&size| size <= metadata::METADATA_BYTES_MAX)
}

impl Brain {
    /// Looks for the metadata of a link.
    pub(super) fn seek(
        &mut self,
        now: Time,
        link: Link,
        known: Option<Box<Known>>,
        reply: Sender<Result<TorrentId, AddError>>,
    ) {
        let info_hash = link.info_hash;
        let Some(ticket) = self.torrents.reserve(info_hash) else {
            let _ = reply.send(Err(AddError::Duplicate));
            return;
        };
        let paused = link.add.as_ref().is_some_and(|add| add.paused);
        self.magnets.pending.insert(ticket, Pending { link, known, reply });
        self.command(now, Command::Seek(Seek { ticket, info_hash, paused }));
    }

    /// The engine has named a torrent that is sought. Says whether it was one.
    pub(super) fn sought(&mut self, now: Time, ticket: u64, torrent: TorrentId) -> bool {
        let Some(Pending { mut link, known, reply }) = self.magnets.pending.remove(&ticket) else {
            return false;
        };
        let mut key = None;
        if let (Some(state), Some(known)) = (&self.state, known) {
            state.keep(&known.key, known.row, known.counted, known.whole, known.stored);
            key = Some(known.key);
        }
        let info_hash = link.info_hash;
        self.torrents.hold(torrent, Held { info_hash, private: false, files: Some(0), key });
        self.trackers.add(torrent, info_hash, &link.trackers);
        let _ = reply.send(Ok(torrent));
        let peers = std::mem::take(&mut link.addresses);
        let mut names = std::mem::take(&mut link.names);
        names.truncate(NAMES_MAX);
        self.magnets.sought.insert(torrent, link);
        self.peers(now, torrent, peers);
        if !names.is_empty() {
            // Without a client there would be no names.
            let _ = self.trackers.ask(tracker::Ask::Names { torrent, names });
        }
        true
    }

    /// Peers are welcome: those of a torrent that is sought are looked for at once, those of
    /// others when it is known what is there.
    pub(super) fn admitted(&mut self, now: Time, torrent: TorrentId) {
        if self.magnets.is_sought(torrent) {
            self.start_announcing(now, torrent);
            self.join_lan(now, torrent);
            self.join_dht(now, torrent);
        }
    }

    /// The metadata is there. What it holds is another's to say.
    pub(super) fn metadata_found(&mut self, now: Time, torrent: TorrentId, metadata: Arc<[u8]>) {
        let Some(link) = self.magnets.sought.get_mut(&torrent) else { return };
        let (magnet, add) = (link.magnet.clone(), link.add.clone());
        if let Err(error) = self.magnets.clerk.ask(Ask::Read { torrent, magnet, add, metadata }) {
            self.refuse(now, torrent, format!("there is no thread to read it ({error})"));
        }
    }

    /// It was read: the torrent goes on as any other, or ends.
    pub(super) fn resolve(
        &mut self,
        now: Time,
        torrent: TorrentId,
        found: Result<Box<Found>, String>,
    ) {
        let Some(link) = self.magnets.sought.get_mut(&torrent) else { return };
        let (place, noted) = (Arc::clone(&link.place), link.add.take());
        let Found { content, add } = match found {
            Ok(found) => *found,
            Err(message) => return self.refuse(now, torrent, message),
        };
        let metainfo = Arc::clone(&content.metainfo);
        // Nobody else puts anything there.
        let _ = place.set(content);
        let Some(((mut add, known), noted)) = add.zip(noted) else {
            self.news.push(SessionEvent::Resolved { torrent });
            self.command(now, Command::Remove(torrent));
            return self.forget_if_gone(torrent);
        };
        // What was wanted since it was read.
        (add.paused, add.sequential, add.rates) = (noted.paused, noted.sequential, noted.rates);
        if metainfo.private {
            // BEP 27: from here on its peers come from its trackers alone.
            self.leave_lan(now, torrent);
            self.leave_dht(now, torrent);
        }
        self.magnets.sought.remove(&torrent);
        if let Err(error) = self.resolved(now, torrent, &metainfo, *add, known) {
            return self.refuse(now, torrent, error.to_string());
        }
        self.news.push(SessionEvent::Resolved { torrent });
    }

    fn refuse(&mut self, now: Time, torrent: TorrentId, message: String) {
        self.news.push(SessionEvent::Refused { torrent, message });
        self.remove(now, torrent);
    }

    /// Gives a peer a block of metadata.
    pub(super) fn give_metadata(&mut self, give: Give) {
        match self.magnets.files.get_mut(&give.torrent) {
            Some(File::Here(file, span)) => {
                let Give { link, number, block, .. } = give;
                let (file, span) = (Arc::clone(file), span.clone());
                self.hands.give(link, Given { number, block, file, span });
            }
            Some(File::Coming(_, waiting)) if waiting.len() < WAITING_MAX => waiting.push(give),
            Some(File::Stored(_)) => self.load(give),
            _ => self.give_nothing(give),
        }
    }

    /// Has the torrent file read out of the database.
    fn load(&mut self, give: Give) {
        let torrent = give.torrent;
        let file = self.magnets.files.get_mut(&torrent);
        if let (Some(key), Some(file)) = (self.torrents.key(torrent), file)
            && let File::Stored(span) = file
        {
            let span = span.clone();
            if self.magnets.clerk.ask(Ask::Load { torrent, key, span: span.clone() }).is_ok() {
                *file = File::Coming(span, vec![give]);
                return;
            }
        }
        self.give_nothing(give);
    }

    /// A torrent file was read.
    pub(super) fn loaded(&mut self, torrent: TorrentId, bytes: Option<Arc<[u8]>>) {
        let Some(File::Coming(..)) = self.magnets.files.get(&torrent) else { return };
        let Some(File::Coming(span, waiting)) = self.magnets.files.remove(&torrent) else { return };
        if let Some(bytes) = bytes {
            self.magnets.hold(torrent, bytes, span);
        }
        waiting.into_iter().for_each(|give| self.give_metadata(give));
    }

    fn give_nothing(&mut self, give: Give) {
        self.hands.send(give.link, refusal(give.number, give.block));
    }
}
