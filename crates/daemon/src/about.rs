//! What is asked of the client beside its torrents: what a torrent says of itself, what holds from
//! start to end, whether we are reached, when to end.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use toubkal_session::InfoHash;

use crate::client::Client;
use crate::view::Id;

/// What is known of a torrent beside its view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What its maker wrote into it.
    pub comment: String,
    /// The program that made it.
    pub creator: String,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// Why none of its trackers answers, when none does.
    pub failure: Option<String>,
}

/// What holds from the start to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Peers are looked for in the DHT.
    pub dht: bool,
    /// Peers are looked for on the local network.
    pub lan: bool,
    /// The most connections to peers at once.
    pub links_max: u32,
    /// The folder of the database.
    pub state: PathBuf,
}

impl Facts {
    pub(crate) fn of(options: &toubkal_session::Options) -> Self {
        let state = options.state.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let (dht, lan, links_max) = (options.dht, options.lan, options.links_max);
        Self { dht, lan, links_max, state: state.to_path_buf() }
    }
}

impl Client {
    /// What a torrent says of itself. `None`: there is no such torrent.
    #[must_use]
    pub fn about(&self, id: Id) -> Option<About> {
        let library = self.0.library();
        let entry = library.get(id)?;
        let note = &entry.note;
        Some(About {
            comment: note.comment.clone(),
            creator: note.creator.clone(),
            created: note.created,
            failure: entry.heard.failure.clone(),
        })
    }

    /// What holds from the start to the end.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// The info-hash of a torrent.
    #[must_use]
    pub fn hash(&self, id: Id) -> Option<InfoHash> {
        Some(self.0.library().get(id)?.hash)
    }

    /// The torrent with this info-hash, in 40 hexadecimal digits of any case.
    #[must_use]
    pub fn find_text(&self, text: &str) -> Option<Id> {
        let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let bytes: Vec<u8> = text.as_bytes().chunks(2).map_while(digit).collect();
        self.find(&bytes.try_into().ok()?)
    }

    /// Bytes that may still be written in a folder, or where it would be: of one in which torrents
    /// may lie, or of one above those. `None` of any other, and where the system does not say.
    #[must_use]
    pub fn space(&self, dir: &Path) -> Option<u64> {
        let downloads = self.settings().downloads;
        let mut folders = self.0.folders.iter().chain([&downloads]);
        let above = folders.any(|folder| folder.starts_with(dir));
        (above || self.check_dir(dir).is_ok()).then(|| toubkal_session::free_space(dir))?
    }

    /// Whether a peer has connected to us by itself since the start: that we can be reached is
    /// known then. Nobody outside is asked.
    #[must_use]
    pub fn was_reached(&self) -> bool {
        let reached = || {
            let all = self.0.session.torrents();
            let mut awake = all.iter().filter(|(_, status)| status.peers > 0);
            awake.any(|(torrent, _)| torrent.sources().incoming > 0)
        };
        self.0.reached.load(Ordering::Relaxed) || {
            let reached = reached();
            self.0.reached.fetch_or(reached, Ordering::Relaxed);
            reached
        }
    }

    /// Somebody wants the whole program to end. Whoever started the client sees to it.
    pub fn ask_to_end(&self) {
        self.0.asked_to_end.store(true, Ordering::Relaxed);
    }

    /// Whether somebody does.
    #[must_use]
    pub fn is_asked_to_end(&self) -> bool {
        self.0.asked_to_end.load(Ordering::Relaxed)
    }
}
