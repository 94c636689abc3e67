//! The fields of a torrent: a name, and what is told of a view. What the client does not have gets
//! what the real server says in such a case.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use serde_json::{Value, json};
use toubkal_daemon::{About, Client, FileView, Goal, Phase, Settings, TrackerView, View};
use toubkal_session::{Magnet, Metainfo};

use super::names::Dialect;
use super::{Rpc, nested, session};

/// A field.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) of: fn(&Look<'_>) -> Value,
    /// There are names in its value.
    pub(super) deep: bool,
}

/// A torrent that is looked at. What is beside its view is asked for once, if at all.
pub(super) struct Look<'a> {
    pub(super) client: &'a Client,
    pub(super) view: &'a View,
    settings: &'a Settings,
    rpc: &'a Rpc,
    dialect: Dialect,
    files: OnceCell<Vec<FileView>>,
    trackers: OnceCell<Vec<TrackerView>>,
    about: OnceCell<About>,
    metainfo: OnceCell<Option<Arc<Metainfo>>>,
}

/// Seconds without anything, after which a torrent counts as stalled.
pub(super) const STALLED: u64 = 30 * 60;

pub(super) const FIELDS: [Field; 81] = [
    plain("activity_date", |it| it.view.active.unwrap_or(0).into()),
    plain("added_date", |it| it.view.added.into()),
    plain("availability", nested::availability),
    plain("bandwidth_priority", |_| 0.into()),
    plain("bytes_completed", |it| it.files().iter().map(|file| file.have).collect()),
    plain("comment", |it| it.about().comment.clone().into()),
    plain("corrupt_ever", |it| it.view.wasted.into()),
    plain("creator", |it| it.about().creator.clone().into()),
    plain("date_created", |it| it.about().created.unwrap_or(0).into()),
    // Somebody who has everything is connected, or we do not know.
    plain("desired_available", |it| if it.view.seeds > 0 { it.view.left } else { 0 }.into()),
    plain("done_date", |it| it.view.done.unwrap_or(0).into()),
    plain("download_dir", |it| it.view.dir.to_string_lossy().into()),
    plain("download_limit", |it| it.limit("download_limit", it.view.down).into()),
    plain("download_limited", |it| it.view.down.is_some().into()),
    plain("downloaded_ever", |it| it.view.downloaded.into()),
    plain("edit_date", |_| 0.into()),
    plain("error", |it| it.error().0.into()),
    plain("error_string", |it| it.error().1.into()),
    plain("eta", |it| it.eta().into()),
    plain("eta_idle", |it| it.eta_idle().into()),
    plain("file_count", |it| it.view.files.into()),
    deep("file_stats", nested::file_stats),
    deep("files", nested::files),
    plain("group", |_| "".into()),
    plain("hash_string", |it| it.view.hash.clone().into()),
    plain("have_unchecked", |_| 0.into()),
    plain("have_valid", |it| it.have().into()),
    plain("honors_session_limits", |_| true.into()),
    plain("id", |it| it.view.id.into()),
    // Not when everything is there, but when it has given enough.
    plain("is_finished", |it| it.view.reached.into()),
    plain("is_private", |it| it.view.private.into()),
    plain("is_stalled", |it| it.is_stalled().into()),
    plain("labels", |it| it.view.tags.clone().into()),
    plain("left_until_done", |it| it.view.left.into()),
    plain("magnet_link", |it| it.magnet().into()),
    plain("manual_announce_time", |_| (-1).into()),
    plain("max_connected_peers", |it| it.client.facts().links_max.into()),
    plain("metadata_percent_complete", |it| it.metadata().into()),
    plain("name", |it| it.view.name.clone().into()),
    plain("peer_limit", |it| it.client.facts().links_max.into()),
    deep("peers", nested::peers),
    plain("peers_connected", |it| it.view.peers.into()),
    deep("peers_from", nested::peers_from),
    plain("peers_getting_from_us", |it| it.view.receiving.into()),
    plain("peers_sending_to_us", |it| it.view.sending.into()),
    plain("percent_complete", |it| part(it.have(), it.view.size).into()),
    plain("percent_done", |it| it.done().into()),
    plain("piece_count", |it| it.view.pieces.into()),
    plain("piece_size", |it| it.view.piece_length.into()),
    plain("pieces", |it| it.pieces().into()),
    plain("primary_mime_type", |_| "application/octet-stream".into()),
    plain("priorities", |it| it.files().iter().map(nested::priority).collect()),
    plain("queue_position", |it| it.view.place.into()),
    plain("rate_download", |it| it.view.down_rate.into()),
    plain("rate_upload", |it| it.view.up_rate.into()),
    plain("recheck_progress", |it| it.checked().into()),
    plain("seconds_downloading", |it| it.view.downloading_time.into()),
    plain("seconds_seeding", |it| it.view.seeding_time.into()),
    plain("seed_idle_limit", |it| it.idle_limit().into()),
    plain("seed_idle_mode", |it| mode(it.view.goals.idle).into()),
    plain("seed_ratio_limit", |it| it.ratio_limit().into()),
    plain("seed_ratio_mode", |it| mode(it.view.goals.ratio).into()),
    plain("sequential_download", |it| it.view.sequential.into()),
    plain("sequential_download_from_piece", |_| 0.into()),
    plain("size_when_done", |it| it.view.wanted.into()),
    plain("source", |it| it.source().into()),
    plain("start_date", |it| if it.has_run() { it.view.added } else { 0 }.into()),
    plain("status", |it| it.status().into()),
    // It is in the database.
    plain("torrent_file", |_| "".into()),
    plain("total_size", |it| it.view.size.into()),
    plain("tracker_list", |it| nested::tracker_list(it.trackers()).into()),
    deep("tracker_stats", nested::tracker_stats),
    deep("trackers", nested::trackers),
    plain("upload_limit", |it| it.limit("upload_limit", it.view.up).into()),
    plain("upload_limited", |it| it.view.up.is_some().into()),
    plain("upload_ratio", |it| it.ratio().into()),
    plain("uploaded_ever", |it| it.view.uploaded.into()),
    plain("wanted", |it| it.files().iter().map(|file| it.truth(file.priority > 0)).collect()),
    plain("webseeds", |it| it.web_seeds().into()),
    plain("webseeds_ex", |_| json!([])),
    plain("webseeds_sending_to_us", |_| 0.into()),
];

const fn plain(name: &'static str, of: fn(&Look<'_>) -> Value) -> Field {
    Field { name, of, deep: false }
}

const fn deep(name: &'static str, of: fn(&Look<'_>) -> Value) -> Field {
    Field { name, of, deep: true }
}

impl<'a> Look<'a> {
    pub(super) fn new(
        rpc: &'a Rpc,
        view: &'a View,
        settings: &'a Settings,
        dialect: Dialect,
    ) -> Self {
        let client = &rpc.client;
        let (files, trackers) = (OnceCell::new(), OnceCell::new());
        let (about, metainfo) = (OnceCell::new(), OnceCell::new());
        Self { client, view, settings, rpc, dialect, files, trackers, about, metainfo }
    }

    pub(super) fn files(&self) -> &[FileView] {
        self.files.get_or_init(|| self.client.files(self.view.id).unwrap_or_default())
    }

    pub(super) fn trackers(&self) -> &[TrackerView] {
        self.trackers.get_or_init(|| self.client.trackers(self.view.id).unwrap_or_default())
    }

    fn about(&self) -> &About {
        self.about.get_or_init(|| self.client.about(self.view.id).unwrap_or_default())
    }

    pub(super) fn metainfo(&self) -> Option<&Metainfo> {
        self.metainfo.get_or_init(|| self.client.metainfo(self.view.id)).as_deref()
    }

    /// In the list of wanted files, and nowhere else, the older dialect has numbers.
    fn truth(&self, is: bool) -> Value {
        if self.dialect == Dialect::Old { u8::from(is).into() } else { is.into() }
    }

    /// Everything that is wanted is there.
    pub(super) fn is_complete(&self) -> bool {
        self.view.left == 0 && self.view.pieces > 0
    }

    fn status(&self) -> u8 {
        match (self.view.phase, self.is_complete()) {
            (Phase::Error | Phase::Paused | Phase::Done, _) => 0,
            (Phase::Checking, _) => 2,
            (Phase::Queued, false) => 3,
            (Phase::Queued, true) => 5,
            (Phase::Seeding, _) | (Phase::Moving, true) => 6,
            _ => 4,
        }
    }

    /// 0: nothing; 2: no tracker answers; 3: something here.
    fn error(&self) -> (u8, String) {
        if let Some(error) = &self.view.error {
            return (3, error.clone());
        }
        let failure = self.about().failure.clone();
        failure.map_or_else(|| (0, String::new()), |failure| (2, failure))
    }

    /// Seconds; -1: that cannot be said, -2: nobody sends.
    fn eta(&self) -> i64 {
        match (self.view.eta, self.view.phase) {
            (Some(eta), _) => i64::try_from(eta).unwrap_or(i64::MAX),
            (None, Phase::Downloading) if self.view.seeds > 0 => -2,
            _ => -1,
        }
    }

    fn eta_idle(&self) -> i64 {
        let limit = self.view.goals.idle.over(self.settings.idle);
        match limit {
            Some(limit) if self.view.phase == Phase::Seeding => {
                limit.saturating_sub(self.idle_for()).try_into().unwrap_or(i64::MAX)
            }
            _ => -1,
        }
    }

    /// Seconds without anything.
    fn idle_for(&self) -> u64 {
        now().saturating_sub(self.view.active.unwrap_or(0).max(self.view.added))
    }

    fn is_stalled(&self) -> bool {
        let runs = matches!(self.view.phase, Phase::Downloading | Phase::Seeding);
        runs && self.view.down_rate + self.view.up_rate == 0 && self.idle_for() >= STALLED
    }

    fn has_run(&self) -> bool {
        let times = self.view.downloading_time + self.view.seeding_time;
        times > 0 || !matches!(self.status(), 0 | 3 | 5)
    }

    /// Bytes of verified pieces.
    fn have(&self) -> u64 {
        let View { have, pieces, size, piece_length, .. } = *self.view;
        match have == pieces {
            true => size,
            false => size.min(u64::from(have) * u64::from(piece_length)),
        }
    }

    fn done(&self) -> f64 {
        match self.view.wanted {
            0 => f64::from(u8::from(self.is_complete())),
            wanted => part(wanted.saturating_sub(self.view.left), wanted),
        }
    }

    fn metadata(&self) -> f64 {
        match self.view.phase {
            _ if self.view.pieces > 0 => 1.0,
            Phase::Finding => self.view.progress,
            _ => 0.0,
        }
    }

    fn checked(&self) -> f64 {
        if self.view.phase == Phase::Checking { self.view.progress } else { 0.0 }
    }

    /// -1: nothing was taken and nothing given; -2: something was given, and nothing taken.
    fn ratio(&self) -> f64 {
        let taken = match self.view.downloaded {
            0 => self.have(),
            downloaded => downloaded,
        };
        match (self.view.uploaded, taken) {
            (0, 0) => -1.0,
            (_, 0) => -2.0,
            (given, taken) => given as f64 / taken as f64,
        }
    }

    /// Thousands of bytes a second.
    fn limit(&self, name: &'static str, limit: Option<u64>) -> u64 {
        let limit = limit.map(|bytes| bytes.div_ceil(session::KILO));
        self.rpc.shelf().shown(self.view.id, name, limit, session::RATE)
    }

    fn idle_limit(&self) -> u64 {
        let limit = own(self.view.goals.idle).map(|seconds| seconds.div_ceil(60));
        let usual = self.settings.idle.map_or(session::IDLE, |seconds| seconds.div_ceil(60));
        self.rpc.shelf().shown(self.view.id, "seed_idle_limit", limit, usual)
    }

    fn ratio_limit(&self) -> f64 {
        let usual = self.settings.ratio.unwrap_or(session::RATIO);
        let limit = own(self.view.goals.ratio);
        let shown = self.rpc.shelf().shown(self.view.id, "seed_ratio_limit", limit, usual);
        shown as f64 / 1000.0
    }

    fn magnet(&self) -> String {
        let trackers = self.trackers().iter().map(|tracker| tracker.url.clone()).collect();
        let name = Some(self.view.name.clone());
        let v1 = self.client.hash(self.view.id);
        Magnet { v1, name, trackers, ..Magnet::default() }.to_string()
    }

    fn pieces(&self) -> String {
        let have = self.client.pieces(self.view.id).unwrap_or_default();
        base64::engine::general_purpose::STANDARD.encode(have)
    }

    fn source(&self) -> String {
        self.metainfo().and_then(|it| it.source.clone()).unwrap_or_default()
    }

    fn web_seeds(&self) -> Vec<String> {
        self.metainfo().map(|it| it.web_seeds.clone()).unwrap_or_default()
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn part(done: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { done as f64 / of as f64 }
}

/// Whose limit holds: 0 that of all, 1 its own, 2 none.
fn mode(goal: Goal) -> u8 {
    match goal {
        Goal::Global => 0,
        Goal::Own(_) => 1,
        Goal::None => 2,
    }
}

pub(super) fn own(goal: Goal) -> Option<u64> {
    match goal {
        Goal::Own(limit) => Some(limit),
        _ => None,
    }
}
