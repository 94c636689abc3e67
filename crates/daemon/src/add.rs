//! Adding a torrent: what it is, and how it is to be worked on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use toubkal_session::{
    self as session, Add, InfoHash, Magnet, Metainfo, Priority, Rates, Session, State, Torrent,
};

use crate::client::{Client, NUMBERS, Refusal, priority};
use crate::decide;
use crate::edit::Move;
use crate::entry::{Entry, hex};
use crate::labels::{label, optional_label};
use crate::library::now;
use crate::note::{Goals, Note, Wish};
use crate::settings::Queue;
use crate::view::Id;

/// Numbers that are set aside at once, so that none is given twice after a kill.
const NUMBERS_AT_ONCE: u64 = 1000;

/// What is added.
#[derive(Clone, Debug)]
pub enum What {
    /// A torrent file.
    File(Arc<[u8]>),
    /// A magnet link, or an info-hash of 40 hexadecimal digits.
    Link(String),
}

/// How a torrent is added. What is `None` or empty is as usual.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// The download folder: a path from the root.
    pub dir: Option<PathBuf>,
    /// Its category, made when there is none of that name.
    pub category: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it is to do.
    pub wish: Option<Wish>,
    /// What it is called in the list.
    pub name: Option<String>,
    /// One a file: 0 is not wanted, 1 low, 2 usual, 3 high.
    pub files: Option<Vec<u8>>,
    /// Pieces in order instead of rarest first.
    pub sequential: bool,
    /// Its own limits.
    pub rates: Rates,
    /// When it has given enough.
    pub goals: Goals,
    /// Before all others in the queue.
    pub first: bool,
    /// Peers that the user knows of.
    pub peers: Vec<SocketAddr>,
}

/// Why a torrent is not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// It is there already.
    #[error("it is there already")]
    Duplicate(Id),
    /// What was given is no torrent.
    #[error("{0}")]
    NoTorrent(String),
    /// It cannot be added so.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// Adds a torrent; when this returns, it is in the list and in the database.
    ///
    /// # Errors
    /// When it is there already, is no torrent, or cannot be worked on so.
    pub fn add(&self, what: What, how: &How) -> Result<Id, AddError> {
        let refused = |text: String| AddError::Refused(text);
        let _alone = self.0.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let what = Parsed::of(what)?;
        if let Some(id) = self.find(&what.hash()) {
            return Err(AddError::Duplicate(id));
        }
        let category = optional_label(&how.category).map_err(refused)?;
        let tags: Result<Vec<_>, _> = how.tags.iter().map(|tag| label(tag)).collect();
        let tags = tags.map_err(refused)?;
        let dir = self.dir_for(how.dir.as_deref(), &category).map_err(refused)?;
        let write = |refusal: Refusal| AddError::Refused(refusal.to_string());
        let id = self.next_id().map_err(write)?;
        self.know_labels(&category, &tags).map_err(write)?;
        let mut note = Note::new(id, now());
        let rank = self.0.library().last_rank();
        let wish = how.wish.unwrap_or_else(|| self.usual_wish());
        (note.category, note.tags, note.wish, note.rank) = (category, tags, wish, rank);
        (note.goals, note.sequential) = (how.goals, how.sequential);
        (note.down, note.up) = (how.rates.down, how.rates.up);
        what.describe(&mut note);
        if let Some(name) = &how.name {
            note.name = label(name).map_err(refused)?;
        }
        let priorities = how.files.as_deref().map(priorities).transpose().map_err(refused)?;
        let add = Add {
            priorities,
            sequential: how.sequential,
            rates: how.rates,
            peers: how.peers.clone(),
            // Where there is a line, it may have to wait.
            paused: wish == Wish::Paused || self.settings().queue != Queue::default(),
            note: Some(note.to_bytes().into()),
            ..Add::to(dir)
        };
        let torrent = what.add_to(&self.0.session, add)?;
        let mut library = self.0.library();
        let status = torrent.status();
        let runs = status.state != State::Stopped(None);
        library.insert(Entry { status, runs, ..Entry::new(note, torrent) });
        if how.first {
            let moved = library.step(&[id], Move::Top);
            self.write(&library, &moved);
        }
        decide::decide(&mut library);
        self.0.tell(&library);
        Ok(id)
    }

    fn usual_wish(&self) -> Wish {
        if self.0.library().settings.add_paused { Wish::Paused } else { Wish::Queued }
    }

    /// The folder of a torrent that is added.
    fn dir_for(&self, dir: Option<&Path>, category: &str) -> Result<PathBuf, String> {
        let settings = self.settings();
        let own = settings.categories.get(category).cloned().flatten();
        let dir = dir.map(Path::to_path_buf).or(own).unwrap_or(settings.downloads);
        self.check_dir(&dir)?;
        Ok(dir)
    }

    fn next_id(&self) -> Result<Id, Refusal> {
        let id = self.0.library().next_id;
        let reserved = &mut *self.0.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if id >= *reserved {
            let more = id + NUMBERS_AT_ONCE;
            let kept = self.0.session.set_setting(NUMBERS, Some(&more.to_string()));
            kept.map_err(Refusal::State)?;
            *reserved = more;
        }
        self.0.library().next_id = id + 1;
        Ok(id)
    }
}

/// What was given, read.
enum Parsed {
    File(Arc<[u8]>, Arc<Metainfo>),
    Link(Box<Magnet>, InfoHash),
}

impl Parsed {
    fn of(what: What) -> Result<Self, AddError> {
        let no_torrent = |text: String| AddError::NoTorrent(text);
        match what {
            What::File(bytes) => {
                let metainfo = Metainfo::parse(&bytes).map_err(|it| no_torrent(it.to_string()))?;
                if metainfo.info_hash_v1.is_none() {
                    return Err(no_torrent(session::AddError::V2Only.to_string()));
                }
                Ok(Self::File(bytes, Arc::new(metainfo)))
            }
            What::Link(text) => {
                let text = text.trim();
                let bare = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let text =
                    if bare { format!("magnet:?xt=urn:btih:{text}") } else { text.to_owned() };
                let link = Magnet::parse(&text).map_err(|it| no_torrent(it.to_string()))?;
                let hash = match (link.v1, link.v2) {
                    (Some(hash), _) => hash,
                    (None, Some(_)) => {
                        return Err(no_torrent(session::AddError::V2Only.to_string()));
                    }
                    _ => return Err(no_torrent(session::AddError::Publisher.to_string())),
                };
                Ok(Self::Link(Box::new(link), hash))
            }
        }
    }

    fn hash(&self) -> InfoHash {
        match self {
            Self::File(_, metainfo) => metainfo.info_hash_v1.unwrap_or_default(),
            Self::Link(_, hash) => *hash,
        }
    }

    fn describe(&self, note: &mut Note) {
        match self {
            Self::File(_, metainfo) => describe(metainfo, note),
            Self::Link(link, hash) => {
                note.name = link.name.clone().unwrap_or_else(|| hex(hash));
            }
        }
    }

    fn add_to(self, session: &Session, add: Add) -> Result<Torrent, AddError> {
        let added = match self {
            Self::File(bytes, metainfo) => {
                session.add(metainfo, Add { torrent: Some(bytes), ..add })
            }
            Self::Link(link, _) => session.add_magnet(&link, add),
        };
        added.map_err(|error| AddError::Refused(error.to_string()))
    }
}

/// Writes into a note what a torrent is.
pub(crate) fn describe(metainfo: &Metainfo, note: &mut Note) {
    let stored = metainfo.files().filter(|file| !file.pad);
    note.name.clone_from(&metainfo.name);
    (note.size, note.files) = (metainfo.total(), stored.count() as u32);
    (note.pieces, note.piece_length) = (metainfo.pieces(), metainfo.piece_length);
    note.comment = metainfo.comment.clone().unwrap_or_default();
    note.creator = metainfo.created_by.clone().unwrap_or_default();
    note.created = metainfo.created;
    (note.private, note.single) = (metainfo.private, metainfo.folder().is_none());
}

fn priorities(values: &[u8]) -> Result<Vec<Priority>, String> {
    values.iter().map(|value| priority(*value)).collect()
}
