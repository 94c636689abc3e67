//! The handle of the client: start, add, change, remove, end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use toubkal_session::{
    self as session, InfoHash, Priority, Rates, RestoreError, Session, State, StoreErrorKind,
    Torrent,
};

use crate::about::Facts;
use crate::add::describe;
use crate::changes::{Changes, Cursor};
use crate::decide;
use crate::edit::Edit;
use crate::entry::{Entry, hex};
use crate::goals;
use crate::heart;
use crate::labels::{label, optional_label};
use crate::library::{Library, Uptime, now, places};
use crate::note::{Goals, Note, Wish};
use crate::settings::{self, Settings, SettingsEdit};
use crate::view::{Id, Phase, View};

/// Where the database keeps how long the client ran, how often it was started, and which numbers
/// are given.
const UPTIME: &str = "client uptime";
const LIVES: &str = "client lives";
pub(crate) const NUMBERS: &str = "client numbers";

/// Torrents that are looked at again when they were changed.
const LOOKED_AT_ONCE: usize = 50;

/// How a client is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The session under it, with its database.
    pub session: session::Options,
    /// What holds until somebody changes it.
    pub settings: Settings,
    /// Folders in which, and below which, torrents may lie; [`Settings::downloads`] is one of them
    /// in any case. With a path from the root among them (`/`), everywhere.
    pub folders: Vec<PathBuf>,
    /// Torrents may be fetched from addresses of this computer and network, too.
    pub fetch_local: bool,
}

impl Options {
    /// With a database and a download folder, and all else as usual. It listens nowhere.
    #[must_use]
    pub fn at(database: impl Into<PathBuf>, downloads: impl Into<PathBuf>) -> Self {
        let session =
            session::Options { state: Some(database.into()), ..session::Options::default() };
        let settings = Settings { downloads: downloads.into(), ..Settings::default() };
        Self { session, settings, folders: Vec::new(), fetch_local: false }
    }
}

/// Why a client does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The session does not.
    #[error(transparent)]
    Session(#[from] session::StartError),
    /// The database cannot be read.
    #[error(transparent)]
    State(#[from] RestoreError),
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such torrent.
    #[error("there is no torrent {0}")]
    Unknown(Id),
    /// A value makes no sense.
    #[error("{0}")]
    Value(String),
    /// The database does not take it.
    #[error("it cannot be written down: {0}")]
    State(StoreErrorKind),
}

/// A running client. Clones are the same client; it ends with [`Client::shutdown`], or with the
/// last of them.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) session: Session,
    library: Mutex<Library>,
    /// One at a time adds or removes.
    pub(crate) adding: Mutex<()>,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) fetch_local: bool,
    pub(crate) facts: Facts,
    /// A peer has come by itself.
    pub(crate) reached: AtomicBool,
    pub(crate) asked_to_end: AtomicBool,
    /// What holds where nobody has changed it.
    usual: Settings,
    /// Numbers up to this are set aside in the database.
    pub(crate) reserved: Mutex<Id>,
    pub(crate) lives: u64,
    /// Sees each turn.
    pub(crate) turns: watch::Sender<u64>,
    pub(crate) ending: AtomicBool,
    heart: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    pub(crate) fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that is shown has changed.
    pub(crate) fn tell(&self, library: &Library) {
        self.turns.send_replace(library.cursor().turn);
    }

    /// Keeps how long the client has run.
    pub(crate) fn keep_uptime(&self) {
        let uptime = self.library().clock.now();
        // The next minute comes again.
        let _ = self.session.set_setting(UPTIME, Some(&uptime.to_string()));
    }
}

impl Client {
    /// Starts, with all torrents of the life before.
    ///
    /// # Errors
    /// When the session cannot start, or its database cannot be read.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let facts = Facts::of(&options.session);
        let session = Session::start(options.session)?;
        let number = |key| {
            let text = session.setting(key).ok().flatten();
            text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        };
        let kept = session.setting(settings::SETTING).ok().flatten();
        let settings = settings::merge(&options.settings, kept.as_deref());
        let (lives, uptime, numbers) = (number(LIVES) + 1, number(UPTIME), number(NUMBERS));
        // Without a database that can be written, it is another life all the same.
        let _ = session.set_setting(LIVES, Some(&lives.to_string()));
        let life = lives << 32 | u64::from(std::process::id());
        session.limit(settings.rates());
        let mut library = Library::new(settings, life, Uptime::after(uptime));
        library.next_id = numbers.max(1);
        bring_back(&session, &mut library)?;
        let (turns, _) = watch::channel(0);
        let inner = Arc::new(Inner {
            session,
            library: Mutex::new(library),
            adding: Mutex::default(),
            folders: options.folders,
            fetch_local: options.fetch_local,
            facts,
            reached: AtomicBool::new(false),
            asked_to_end: AtomicBool::new(false),
            usual: options.settings,
            reserved: Mutex::new(numbers),
            lives,
            turns,
            ending: AtomicBool::new(false),
            heart: Mutex::default(),
        });
        let heart = heart::start(&inner);
        *inner.heart.lock().unwrap_or_else(PoisonError::into_inner) = Some(heart);
        Ok(Self(inner))
    }

    /// Where peers reach us.
    #[must_use]
    pub fn listening_on(&self) -> Vec<std::net::SocketAddr> {
        self.0.session.listening_on().to_vec()
    }

    /// The session under it.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Ends in order: peers are left, what was written is synced, trackers are told.
    pub fn shutdown(self, patience: Duration) {
        self.0.ending.store(true, Ordering::Relaxed);
        let heart = self.0.heart.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(heart) = heart {
            // A panic there was told of there.
            let _ = heart.join();
        }
        self.0.keep_uptime();
        self.0.session.clone().shutdown(patience);
    }

    /// What holds for all torrents.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.library().settings.clone()
    }

    /// Changes that.
    ///
    /// # Errors
    /// When a value makes no sense, or cannot be written down.
    pub fn set_settings(&self, edit: SettingsEdit) -> Result<(), Refusal> {
        if let Some(dir) = &edit.downloads {
            self.check_dir(dir).map_err(Refusal::Value)?;
        }
        self.change_settings(|settings| settings.apply(edit))
    }

    pub(crate) fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), Refusal> {
        let mut library = self.0.library();
        let mut settings = library.settings.clone();
        change(&mut settings);
        if settings == library.settings {
            return Ok(());
        }
        let text = settings::difference(&self.0.usual, &settings);
        let kept = self.0.session.set_setting(settings::SETTING, Some(&text));
        kept.map_err(Refusal::State)?;
        self.0.session.limit(settings.rates());
        if settings.queue != library.settings.queue {
            library.line.set_places(places(&settings.queue));
        }
        let others = goals::of_all(&settings) != goals::of_all(&library.settings);
        library.settings = settings;
        if others {
            let all = library.ids();
            decide::judge(&mut library, &all);
        }
        decide::decide(&mut library);
        library.next_turn();
        self.0.tell(&library);
        Ok(())
    }

    /// A torrent as it stands.
    #[must_use]
    pub fn view(&self, id: Id) -> Option<View> {
        self.0.library().view(id)
    }

    /// All torrents as they stand, in the order of the queue.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        self.0.library().views()
    }

    /// The numbers of all torrents, in the order of the queue.
    #[must_use]
    pub fn ids(&self) -> Vec<Id> {
        self.0.library().ids()
    }

    /// How many torrents do what.
    #[must_use]
    pub fn phases(&self) -> BTreeMap<Phase, u64> {
        let mut phases = BTreeMap::new();
        self.0.library().iter().for_each(|(_, it)| *phases.entry(it.phase()).or_default() += 1);
        phases
    }

    /// What changed since a moment; everything when there was none, or it is too long ago.
    #[must_use]
    pub fn changes(&self, since: Option<Cursor>) -> Changes {
        self.0.library().changes(since)
    }

    /// Counts the moments: who waits for a change, waits for this.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.0.turns.subscribe()
    }

    /// The torrent with this info-hash.
    #[must_use]
    pub fn find(&self, hash: &InfoHash) -> Option<Id> {
        self.0.library().by_hash(hash)
    }

    /// Whether there is such a torrent.
    #[must_use]
    pub fn has(&self, id: Id) -> bool {
        self.0.library().get(id).is_some()
    }

    pub(crate) fn torrent(&self, id: Id) -> Option<Torrent> {
        self.0.library().get(id)?.torrent.clone()
    }

    /// Takes torrents out of the list; their files stay.
    ///
    /// # Errors
    /// When one of them is not there; then nothing is done.
    pub fn remove(&self, ids: &[Id]) -> Result<(), Refusal> {
        let _alone = self.0.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut library = self.0.library();
        known(&library, ids)?;
        for &id in ids {
            if let Some(torrent) = library.remove(id).and_then(|entry| entry.torrent) {
                torrent.remove();
            }
        }
        self.0.tell(&library);
        Ok(())
    }

    /// Changes torrents.
    ///
    /// # Errors
    /// When one of them is not there or a value makes no sense; then nothing is done.
    pub fn edit(&self, ids: &[Id], edit: &Edit) -> Result<(), Refusal> {
        let category = edit.category.as_deref().map(optional_label).transpose();
        let category = category.map_err(Refusal::Value)?;
        let labels =
            |tags: &[String]| tags.iter().map(|tag| label(tag)).collect::<Result<Vec<_>, _>>();
        let tags = edit.tags.as_deref().map(labels).transpose().map_err(Refusal::Value)?;
        let more = labels(&edit.add_tags).map_err(Refusal::Value)?;
        let name = edit.name.as_deref().map(label).transpose().map_err(Refusal::Value)?;
        known(&self.0.library(), ids)?;
        let news: Vec<String> = tags.iter().flatten().chain(&more).cloned().collect();
        self.know_labels(category.as_deref().unwrap_or_default(), &news)?;
        let files = self.new_priorities(ids, &edit.files)?;
        let mut library = self.0.library();
        known(&library, ids)?;
        for &id in ids {
            let Some(entry) = library.change(id) else { continue };
            let note = &mut entry.note;
            if let Some(category) = &category {
                note.category.clone_from(category);
            }
            if let Some(name) = &name {
                note.name.clone_from(name);
            }
            let all = tags.as_ref().unwrap_or(&note.tags).iter().chain(&more);
            let all = all.filter(|tag| !edit.remove_tags.contains(tag)).cloned();
            note.tags = all.collect::<BTreeSet<_>>().into_iter().collect();
            let Goals { ratio, seeding, idle } = &mut note.goals;
            for (goal, new) in [(ratio, edit.ratio), (seeding, edit.seeding), (idle, edit.idle)] {
                *goal = new.unwrap_or(*goal);
            }
            (note.down, note.up) = (edit.down.unwrap_or(note.down), edit.up.unwrap_or(note.up));
            note.sequential = edit.sequential.unwrap_or(note.sequential);
            if let Some(wish) = edit.wish {
                (note.wish, note.reached) = (wish, false);
            }
            carry_out(entry, edit, files.get(&id));
        }
        let step = edit.queue.map(|step| library.step(ids, step)).unwrap_or_default();
        self.write(&library, ids);
        self.write(&library, &step);
        decide::judge(&mut library, ids);
        decide::decide(&mut library);
        drop(library);
        self.look_again(ids);
        Ok(())
    }

    /// Takes over how torrents stand now, as far as that takes no time: who has changed something
    /// wants to see it. Of many, the next beat tells.
    fn look_again(&self, ids: &[Id]) {
        let some = ids.iter().take(LOOKED_AT_ONCE);
        let torrents = some.filter_map(|id| Some((*id, self.torrent(*id)?)));
        let stand: Vec<_> = torrents.map(|(id, torrent)| (id, torrent.status())).collect();
        let mut library = self.0.library();
        for (id, status) in stand {
            if let Some(entry) = library.change(id) {
                entry.status = status;
            }
        }
        self.0.tell(&library);
    }

    /// Checks everything that lies in the folders of torrents.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn check(&self, ids: &[Id]) -> Result<(), Refusal> {
        self.each(ids, Torrent::check)?;
        self.look_again(ids);
        Ok(())
    }

    /// Asks their trackers for peers now.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn announce(&self, ids: &[Id]) -> Result<(), Refusal> {
        self.each(ids, Torrent::announce)
    }

    fn each(&self, ids: &[Id], act: impl Fn(&Torrent)) -> Result<(), Refusal> {
        let library = self.0.library();
        known(&library, ids)?;
        ids.iter().filter_map(|id| library.get(*id)?.torrent.as_ref()).for_each(act);
        Ok(())
    }

    /// Peers of a torrent that the user knows of.
    pub fn add_peers(&self, id: Id, peers: Vec<std::net::SocketAddr>) {
        if let Some(torrent) = self.torrent(id) {
            torrent.add_peers(peers);
        }
    }

    /// Writes notes down.
    pub(crate) fn write(&self, library: &Library, ids: &[Id]) {
        ids.iter().filter_map(|id| library.get(*id)).for_each(Entry::keep);
    }

    /// One priority a file of each torrent, when some are to be changed.
    fn new_priorities(
        &self,
        ids: &[Id],
        changes: &BTreeMap<u32, u8>,
    ) -> Result<HashMap<Id, Vec<Priority>>, Refusal> {
        let mut all = HashMap::new();
        if changes.is_empty() {
            return Ok(all);
        }
        for &id in ids {
            let files = self
                .priorities(id)
                .ok_or_else(|| Refusal::Value("its files are not known yet".to_owned()))?;
            let mut files = files;
            for (&index, &value) in changes {
                let place = files.get_mut(index as usize);
                let place =
                    place.ok_or_else(|| Refusal::Value(format!("there is no file {index}")))?;
                *place = priority(value).map_err(Refusal::Value)?;
            }
            all.insert(id, files);
        }
        Ok(all)
    }

    /// Whether torrents may lie there.
    pub(crate) fn check_dir(&self, dir: &Path) -> Result<(), String> {
        let clean = |part: Component<'_>| !matches!(part, Component::ParentDir | Component::CurDir);
        if !dir.is_absolute() || !dir.components().all(clean) {
            return Err(format!("{} is no path from the root", dir.display()));
        }
        let downloads = self.settings().downloads;
        let mut folders = self.0.folders.iter().chain([&downloads]);
        match folders.any(|folder| dir.starts_with(folder)) {
            true => Ok(()),
            false => Err(format!(
                "{} is in none of the folders that are allowed in the configuration",
                dir.display()
            )),
        }
    }
}

/// Brings back the torrents of the life before, those that cannot be worked on too.
fn bring_back(session: &Session, library: &mut Library) -> Result<(), StartError> {
    let torrents = match session.restore() {
        Err(RestoreError::NoState) => return Ok(()),
        found => found?,
    };
    let notes = session.notes()?;
    let mut notes: HashMap<(InfoHash, PathBuf), Note> = notes
        .into_iter()
        .filter_map(|it| Some(((it.hash, it.dir), Note::parse(&it.note)?)))
        .collect();
    let stand: HashMap<_, _> =
        session.torrents().into_iter().map(|(torrent, status)| (torrent.id(), status)).collect();
    let mut entries = Vec::new();
    for torrent in torrents {
        let key = (torrent.info_hash(), torrent.dir());
        let note = notes.remove(&key).unwrap_or_else(|| {
            let mut note = Note::new(library.next_id, now());
            library.next_id += 1;
            note.rank = i64::MAX;
            match torrent.metainfo() {
                Some(metainfo) => describe(&metainfo, &mut note),
                None => note.name = hex(&key.0),
            }
            torrent.send_note(note.to_bytes().into());
            note
        });
        let status = stand.get(&torrent.id()).copied().unwrap_or_default();
        let runs = status.state != State::Stopped(None);
        entries.push(Entry { status, runs, ..Entry::new(note, torrent) });
    }
    for ((hash, dir), note) in notes {
        let trouble = "it could not be brought back from the database".to_owned();
        if !entries.iter().any(|entry| entry.hash == hash) {
            entries.push(Entry::lost(note, hash, dir, Some(trouble)));
        }
    }
    entries.sort_by_key(|entry| (entry.note.rank, entry.note.id));
    entries.into_iter().for_each(|entry| library.insert(entry));
    decide::settle(library);
    Ok(())
}

/// Has the session do what a change of a torrent says.
fn carry_out(entry: &mut Entry, edit: &Edit, files: Option<&Vec<Priority>>) {
    let Some(torrent) = &entry.torrent else { return };
    if edit.down.is_some() || edit.up.is_some() {
        torrent.limit(Rates { down: entry.note.down, up: entry.note.up });
    }
    if let Some(sequential) = edit.sequential {
        torrent.sequential(sequential);
    }
    if let Some(files) = files {
        torrent.prioritise(files.clone());
    }
    if let Some(tiers) = &edit.trackers {
        torrent.set_trackers(tiers.clone());
    }
    // After an error of the disk somebody has mended, starting is what helps.
    if edit.wish.is_some_and(|wish| wish != Wish::Paused) && entry.error().is_some() {
        torrent.resume();
    }
}

fn known(library: &Library, ids: &[Id]) -> Result<(), Refusal> {
    let missing = ids.iter().find(|id| library.get(**id).is_none());
    missing.map_or(Ok(()), |id| Err(Refusal::Unknown(*id)))
}

pub(crate) fn priority(value: u8) -> Result<Priority, String> {
    match value {
        0 => Ok(Priority::Skip),
        1 => Ok(Priority::Low),
        2 => Ok(Priority::Normal),
        3 => Ok(Priority::High),
        _ => Err("a priority is 0 (not wanted), 1 (low), 2 (usual) or 3 (high)".to_owned()),
    }
}
