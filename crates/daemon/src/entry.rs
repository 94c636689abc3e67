//! A torrent of the client: its note, its handle, how it stood when it was last looked at.

use std::path::PathBuf;

use toubkal_core::queue::{self, Goal, Stage};
use toubkal_session::{InfoHash, State, Status, StoreError, Torrent, TrackerState, TrackerStatus};

use crate::goals;
use crate::note::{Note, Wish};
use crate::view::{Phase, View};

/// What the trackers of a torrent say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Peers with everything, and without.
    pub(crate) seeds: Option<u32>,
    pub(crate) peers: Option<u32>,
    /// Why none of them answers.
    pub(crate) failure: Option<String>,
}

impl Heard {
    pub(crate) fn of(trackers: &[TrackerStatus]) -> Self {
        let failed = |it: &TrackerStatus| match &it.state {
            TrackerState::Failed { reason } => Some(reason.clone()),
            _ => None,
        };
        let works = trackers.iter().any(|it| matches!(it.state, TrackerState::Working { .. }));
        Self {
            seeds: trackers.iter().filter_map(|it| it.seeds).max(),
            peers: trackers.iter().filter_map(|it| it.leeches).max(),
            failure: trackers.iter().find_map(failed).filter(|_| !works),
        }
    }
}

/// One torrent.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) note: Note,
    pub(crate) hash: InfoHash,
    pub(crate) dir: PathBuf,
    /// `None` of one that could not be brought back.
    pub(crate) torrent: Option<Torrent>,
    pub(crate) status: Status,
    /// Why it cannot be worked on.
    pub(crate) trouble: Option<String>,
    /// Why it does no more than it does.
    pub(crate) why: String,
    pub(crate) heard: Heard,
    /// When it has given enough.
    pub(crate) goal: Goal,
    /// The session was told to run it.
    pub(crate) runs: bool,
    /// At which turn something changed that is shown.
    pub(crate) revision: u64,
}

impl Entry {
    pub(crate) fn new(note: Note, torrent: Torrent) -> Self {
        let (hash, dir) = (torrent.info_hash(), torrent.dir());
        Self { torrent: Some(torrent), ..Self::lost(note, hash, dir, None) }
    }

    /// One that could not be brought back.
    pub(crate) fn lost(note: Note, hash: InfoHash, dir: PathBuf, trouble: Option<String>) -> Self {
        let runs = note.wish != Wish::Paused && !note.reached;
        let goal = goals::begin(&note);
        Self {
            goal,
            note,
            hash,
            dir,
            torrent: None,
            status: Status::default(),
            trouble,
            why: String::new(),
            heard: Heard::default(),
            runs,
            revision: 0,
        }
    }

    /// What is wrong, when something is.
    pub(crate) fn error(&self) -> Option<String> {
        if let State::Stopped(Some(error)) = self.status.state {
            return Some(self.name_error(error));
        }
        self.trouble.clone()
    }

    fn name_error(&self, StoreError { kind, file }: StoreError) -> String {
        let metainfo = self.torrent.as_ref().and_then(Torrent::metainfo);
        let file = file.map(|file| file as usize);
        let named = metainfo.zip(file).filter(|(it, file)| *file < it.file_count());
        match named {
            Some((metainfo, file)) => format!("{}: {kind}", metainfo.file(file).path),
            None => kind.to_string(),
        }
    }

    /// Writes its note down. What cannot be written is told by the session.
    pub(crate) fn keep(&self) {
        if let Some(torrent) = &self.torrent {
            torrent.send_note(self.note.to_bytes().into());
        }
    }

    /// What it wants in the queue.
    pub(crate) fn wish(&self) -> queue::Wish {
        match self.note.wish {
            _ if self.note.reached => queue::Wish::Paused,
            Wish::Paused => queue::Wish::Paused,
            Wish::Queued => queue::Wish::Queued,
            Wish::Forced => queue::Wish::Forced,
        }
    }

    /// What it does, or would do, when it runs.
    pub(crate) fn stage(&self) -> Stage {
        match self.status.state {
            State::Checking { .. } => Stage::Check,
            State::Seeding => Stage::Seed,
            State::Seeking(_) | State::Downloading | State::Finishing => Stage::Download,
            State::Opening | State::Stopped(_) if self.is_complete() => Stage::Seed,
            State::Opening | State::Stopped(_) => Stage::Download,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.status.left == 0 && (self.status.pieces > 0 || self.note.done.is_some())
    }

    pub(crate) fn phase(&self) -> Phase {
        let stopped = match (self.is_complete(), self.note.wish) {
            _ if self.trouble.is_some() => Phase::Error,
            (_, Wish::Queued | Wish::Forced) if !self.runs && !self.note.reached => Phase::Queued,
            (true, _) => Phase::Done,
            (false, _) => Phase::Paused,
        };
        match self.status.state {
            State::Stopped(Some(_)) => Phase::Error,
            State::Stopped(None) => stopped,
            _ if self.torrent.is_none() => Phase::Error,
            State::Seeking(_) => Phase::Finding,
            State::Opening | State::Checking { .. } => Phase::Checking,
            State::Downloading | State::Finishing => Phase::Downloading,
            State::Seeding => Phase::Seeding,
        }
    }

    /// Why it does what it does, and no more.
    fn why(&self, place: u32, phase: Phase) -> String {
        match phase {
            Phase::Queued => format!("Waits for its turn, at place {} in the queue.", place + 1),
            Phase::Done if self.note.reached => "It has given what it was to give.".to_owned(),
            Phase::Done | Phase::Paused => "You paused it.".to_owned(),
            Phase::Seeding if self.status.peers == 0 => "Nobody wants anything of it.".to_owned(),
            Phase::Checking => "What lies on the disk is checked.".to_owned(),
            Phase::Downloading | Phase::Finding | Phase::Seeding => self.why.clone(),
            Phase::Error | Phase::Moving => String::new(),
        }
    }

    fn progress(&self) -> f64 {
        let part = |done: u64, of: u64| if of == 0 { 0.0 } else { done as f64 / of as f64 };
        let Status { wanted, left, .. } = self.status;
        match self.status.state {
            State::Checking { done, of } => part(done.into(), of.into()),
            State::Seeking(seeking) => part(seeking.blocks.into(), seeking.of.into()),
            _ if wanted == 0 && self.is_complete() => 1.0,
            _ => part(wanted.saturating_sub(left), wanted),
        }
    }

    /// What was uploaded, in thousandths of what was downloaded, or of the size when nothing was.
    pub(crate) fn ratio(&self) -> u64 {
        let base = match self.status.totals.downloaded {
            0 => self.note.size,
            downloaded => downloaded,
        };
        let thousand = u128::from(self.status.totals.uploaded) * 1000;
        thousand.checked_div(base.into()).map_or(0, |ratio| ratio.min(u64::MAX.into()) as u64)
    }

    /// Seconds of downloading and of seeding, at this time of the client's own clock.
    pub(crate) fn times(&self, uptime: u64) -> (u64, u64) {
        let since = |at: Option<u64>| at.map_or(0, |at| uptime.saturating_sub(at));
        let Note { downloading, seeding, downloads_since, seeds_since, .. } = self.note;
        (downloading + since(downloads_since), seeding + since(seeds_since))
    }

    /// As it is shown; `place` is that in the queue.
    pub(crate) fn view(&self, place: u32, uptime: u64) -> View {
        let (note, status) = (&self.note, &self.status);
        let (downloading_time, seeding_time) = self.times(uptime);
        let phase = self.phase();
        let goes = phase == Phase::Downloading && status.down_rate > 0;
        View {
            id: note.id,
            hash: hex(&self.hash),
            name: note.name.clone(),
            phase,
            wish: note.wish,
            why: self.why(place, phase),
            error: self.error(),
            size: note.size,
            wanted: status.wanted,
            left: status.left,
            progress: self.progress(),
            down_rate: status.down_rate,
            up_rate: status.up_rate,
            downloaded: status.totals.downloaded,
            uploaded: status.totals.uploaded,
            wasted: status.totals.wasted,
            ratio: self.ratio() as f64 / 1000.0,
            eta: goes.then(|| status.left.div_ceil(status.down_rate)),
            peers: status.peers,
            seeds: status.seeds,
            sending: status.unchoked_by,
            receiving: status.unchoked,
            swarm_seeds: self.heard.seeds,
            swarm_peers: self.heard.peers,
            added: note.added,
            done: note.done,
            active: note.active,
            downloading_time,
            seeding_time,
            dir: self.dir.clone(),
            path: self.dir.join(&note.name),
            category: note.category.clone(),
            tags: note.tags.clone(),
            place,
            goals: note.goals,
            reached: note.reached,
            down: note.down,
            up: note.up,
            sequential: note.sequential,
            private: note.private,
            files: note.files,
            pieces: note.pieces,
            have: status.have,
            piece_length: note.piece_length,
        }
    }
}

/// The digits of a hash.
pub(crate) fn hex(hash: &InfoHash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(40), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
