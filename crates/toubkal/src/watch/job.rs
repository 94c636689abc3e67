//! One torrent that is followed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use toubkal_session::{Status, Torrent, TorrentId};
use toubkal_wire::metainfo::Metainfo;

use super::{Slow, Sought, words};
use crate::exit::Exit;
use crate::report::Event;
use crate::text;

/// Words of trackers that are remembered, so that none is said twice.
const HEARD_MAX: usize = 100;

/// A torrent, and what was seen of it.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is downloaded; `None` while only a link is known.
    pub(crate) metainfo: Option<Arc<Metainfo>>,
    /// What it is called.
    pub(crate) name: String,
    /// Its handle.
    pub(crate) torrent: Torrent,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Its info-hash, in hexadecimal.
    pub(crate) hash: String,
    /// Bytes of the selected files.
    pub(crate) selected: u64,
    /// How it stood when it was looked at last.
    pub(crate) status: Status,
    /// When transfers began.
    pub(crate) begun: Instant,
    /// Since when it has had no peers.
    pub(crate) lonely: Option<Instant>,
    /// What it waits for.
    pub(crate) slow: Slow,
    /// When it was last said that nobody is there.
    pub(crate) told: Option<Instant>,
    /// Nothing is fetched: what is there is shared.
    pub(crate) sharing: bool,
    /// Everything selected is there.
    pub(crate) complete: bool,
    /// How it ended.
    pub(crate) exit: Option<Exit>,
    /// What is known of it while only a link is.
    pub(crate) sought: Option<Sought>,
    heard: Vec<String>,
}

impl Job {
    /// Begins to follow a torrent of which so many bytes are selected.
    pub(crate) fn new(torrent: Torrent, dir: PathBuf, selected: u64) -> Self {
        let metainfo = torrent.metainfo();
        let hash = metainfo.as_ref().and_then(|metainfo| metainfo.info_hash_v1);
        let name = metainfo.as_ref().map(|metainfo| metainfo.name.clone());
        Self::of(torrent, dir, hash.unwrap_or_default(), name.unwrap_or_default(), selected)
    }

    /// Begins to follow a torrent of which perhaps only a link is known.
    pub(crate) fn seek(torrent: Torrent, dir: PathBuf, sought: Sought) -> Self {
        let hash = sought.magnet.v1.unwrap_or_default();
        let name = sought.magnet.name.clone().unwrap_or_else(|| text::hex(&hash));
        let mut job = Self::of(torrent, dir, hash, name, 0);
        // What it holds is told by news, also when it is known at once.
        job.metainfo = None;
        job.sought = Some(sought);
        job
    }

    fn of(torrent: Torrent, dir: PathBuf, hash: [u8; 20], name: String, selected: u64) -> Self {
        Self {
            status: torrent.status(),
            metainfo: torrent.metainfo(),
            name,
            hash: text::hex(&hash),
            torrent,
            dir,
            selected,
            begun: Instant::now(),
            lonely: None,
            slow: Slow::default(),
            told: None,
            sharing: false,
            complete: false,
            exit: None,
            sought: None,
            heard: Vec::new(),
        }
    }

    /// Takes in what the torrent holds, once that is known.
    pub(crate) fn learn(&mut self) {
        let (Some(metainfo), Some(sought)) = (self.torrent.metainfo(), &self.sought) else {
            return;
        };
        self.selected = sought.selected(&metainfo);
        self.name.clone_from(&metainfo.name);
        self.metainfo = Some(metainfo);
    }

    /// Its name in a sentence, of so many columns.
    pub(crate) fn called(&self, columns: usize) -> String {
        text::cut(&self.name, columns)
    }

    /// Whether news of this torrent are news of this job.
    pub(crate) fn is(&self, torrent: TorrentId) -> bool {
        self.torrent.id() == torrent
    }

    /// Looks at how it stands.
    pub(crate) fn look(&mut self) {
        self.status = self.torrent.status();
    }

    /// Notes what a tracker said; whether it is new.
    pub(crate) fn heard(&mut self, url: &str, message: &str) -> bool {
        let words = format!("{url} {message}");
        let new = !self.heard.contains(&words) && self.heard.len() < HEARD_MAX;
        if new {
            self.heard.push(words);
        }
        new
    }

    /// The result: a sentence, and an object.
    pub(crate) fn result(&self, at_once: bool) -> (String, Event<'_>) {
        let name = &self.name;
        let fetched = self.status.downloaded.saturating_sub(self.status.wasted);
        let took = self.begun.elapsed();
        let sentence = match at_once {
            true => words::already(name, self.selected),
            false => words::finished(name, self.selected, fetched, took),
        };
        let seconds = if at_once { Duration::ZERO } else { took }.as_secs_f64();
        let event = Event::Done {
            torrent: &self.hash,
            name,
            size: self.selected,
            downloaded: fetched,
            seconds: (seconds * 1000.0).round() / 1000.0,
            at_once,
        };
        (sentence, event)
    }
}
