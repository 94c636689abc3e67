//! Torrents of which only a link is known: what they wait for, in words and objects.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use toubkal_session::{Choose, Magnet, Metainfo, Seeking, Sources, State, TorrentId};

use super::{Job, Rules, Watch};
use crate::exit::{Exit, Failure};
use crate::report::{Event, Found, attempts};
use crate::select::{self, Select};
use crate::text;

/// Peers whose answers are told of.
const ANSWERS_MAX: usize = 200;

/// What is known of a torrent while only a link is.
#[derive(Debug)]
pub(crate) struct Sought {
    /// The link.
    pub(crate) magnet: Magnet,
    /// Its metadata is all that is wanted.
    pub(crate) only_metadata: bool,
    /// What `--select` said.
    selects: Arc<[Select]>,
    /// Why nothing of it is wanted.
    refusal: Arc<Mutex<Option<Failure>>>,
    /// Where peers are looked for.
    ways: Vec<String>,
    began: Instant,
    /// What was told last.
    told: Option<(Seeking, Sources)>,
    answered: BTreeSet<SocketAddr>,
}

impl Sought {
    /// A link, of whose files these are wanted. `lan`: peers are looked for on the local network.
    pub(crate) fn new(magnet: Magnet, selects: &[Select], lan: bool) -> Self {
        let mut ways = Vec::new();
        if !magnet.trackers.is_empty() {
            ways.push(text::count(magnet.trackers.len() as u64, "tracker", "trackers"));
        }
        if lan {
            ways.push("local network".to_owned());
        }
        Self {
            magnet,
            only_metadata: false,
            selects: selects.into(),
            refusal: Arc::default(),
            ways,
            began: Instant::now(),
            told: None,
            answered: BTreeSet::new(),
        }
    }

    /// Says which files are wanted when they are known; the link says so where the user does not.
    pub(crate) fn choose(&self) -> Option<Choose> {
        if self.selects.is_empty() {
            return None;
        }
        let (selects, refusal) = (Arc::clone(&self.selects), Arc::clone(&self.refusal));
        Some(Choose::new(move |metainfo| match select::wanted(metainfo, &selects) {
            Ok(wanted) => Ok(wanted.as_deref().map(select::priorities)),
            Err(failure) => {
                let what = failure.what.clone();
                *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                Err(what)
            }
        }))
    }

    /// Why nothing is wanted, in place of what the session says.
    pub(crate) fn refusal(&self, message: &str) -> Failure {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        refusal.unwrap_or_else(|| {
            let hash = text::hex(&self.magnet.v1.unwrap_or_default());
            Failure::new(Exit::BadTorrent, format!("the torrent {hash} cannot be taken"))
                .cause(message)
                .tip("look for another torrent of the same content")
        })
    }

    /// Bytes of the files that are wanted.
    pub(super) fn selected(&self, metainfo: &Metainfo) -> u64 {
        let chosen = select::wanted(metainfo, &self.selects).ok().flatten();
        let by_link = || {
            let only = self.magnet.select_only.as_ref()?;
            let files = 0..metainfo.file_count() as u32;
            let wanted: Vec<bool> = files.map(|file| only.contains(file)).collect();
            wanted.contains(&true).then_some(wanted)
        };
        select::size(metainfo, chosen.or_else(by_link).as_deref())
    }
}

impl Watch<'_> {
    /// The metadata is known.
    pub(super) fn resolved(&mut self, torrent: TorrentId) -> Result<(), Failure> {
        let Some(index) = self.index(torrent) else { return Ok(()) };
        let job = &mut self.jobs[index];
        job.learn();
        let Some((metainfo, sought)) = job.metainfo.as_ref().zip(job.sought.as_ref()) else {
            return Ok(());
        };
        let seconds = (sought.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let (torrent, name, private) = (&*job.hash, &*job.name, metainfo.private);
        self.report.event(&Event::Metadata { torrent, name, seconds, private })?;
        if sought.only_metadata {
            job.exit = Some(Exit::Done);
            return Ok(());
        }
        let files = metainfo.files().filter(|file| !file.pad).count() as u64;
        let files = text::count(files, "file", "files");
        let sentence = format!("{}: the file list is there, {files}", job.called(40));
        self.report.detail(&sentence);
        self.report.start(job)
    }

    /// The metadata is known, and of no use.
    pub(super) fn refused(&mut self, torrent: TorrentId, message: &str) -> Result<(), Failure> {
        let Some(index) = self.index(torrent) else { return Ok(()) };
        let Some(sought) = &self.jobs[index].sought else { return Ok(()) };
        let failure = sought.refusal(message);
        self.give_up(index, &failure)
    }

    /// Tells what has changed of a search.
    pub(super) fn seeking(&mut self, index: usize) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        let State::Seeking(now) = job.status.state else { return Ok(()) };
        let sources = job.torrent.sources();
        let answers = job.torrent.peers();
        let called = job.called(40);
        let Some(sought) = &mut job.sought else { return Ok(()) };
        for peer in answers {
            let room = sought.answered.len() < ANSWERS_MAX;
            if room && sought.answered.insert(peer.remote) {
                let peer = peer.remote.to_string();
                self.report.event(&Event::Answered { torrent: &job.hash, peer: &peer })?;
                self.report.detail(&format!("{called}: {peer} answers"));
            }
        }
        if sought.told == Some((now, sources)) {
            return Ok(());
        }
        let (before, from) = sought.told.replace((now, sources)).unwrap_or_default();
        self.report.event(&Event::Seeking {
            torrent: &job.hash,
            peers: job.status.peers,
            dialing: job.status.dialing,
            asked: now.asked,
            blocks: now.blocks,
            of: now.of,
            liars: now.liars,
            found: Found::of(sources),
        })?;
        for words in changes(&before, &now, &from, &sources) {
            self.report.detail(&format!("{called}: {words}"));
        }
        Ok(())
    }

    /// Time is over: what is not complete has failed.
    pub(super) fn time_out(&mut self) -> Result<(), Failure> {
        for index in 0..self.jobs.len() {
            let job = &self.jobs[index];
            if job.complete || job.exit.is_some() {
                continue;
            }
            let lack = match job.metainfo {
                Some(_) => "it is not complete",
                None => "nobody gave its file list",
            };
            let seconds = self.rules.timeout.unwrap_or_default().as_secs();
            let time = text::count(seconds, "second", "seconds");
            let what = format!("{}: {lack} after {time}", job.called(60));
            let failure = Failure::new(Exit::Failed, what).cause(tried(job, &self.rules));
            let failure = failure.tip("try again later, or wait longer with --timeout");
            self.give_up(index, &failure)?;
        }
        Ok(())
    }
}

/// What became more, in words.
fn changes(before: &Seeking, now: &Seeking, from: &Sources, sources: &Sources) -> Vec<String> {
    let peers = |count: u32| text::count(u64::from(count), "peer", "peers");
    let mut words = Vec::new();
    let found = [
        (from.user, sources.user, "named by you or the link"),
        (from.tracker, sources.tracker, "from trackers"),
        (from.lan, sources.lan, "on the local network"),
        (from.dht, sources.dht, "from the DHT"),
        (from.exchange, sources.exchange, "told of by other peers"),
        (from.incoming, sources.incoming, "that called us"),
    ];
    for (before, now, place) in found {
        if now > before {
            words.push(format!("{} {place}", peers(now)));
        }
    }
    if now.blocks > before.blocks {
        words.push(format!("{} of {} blocks of the file list", now.blocks, now.of));
    }
    if now.liars > before.liars {
        words.push(format!("{} sent a false file list", peers(now.liars)));
    }
    words
}

/// What a torrent waits for of which only a link is known.
pub(super) fn words(job: &Job, seeking: &Seeking) -> String {
    let peers = |count: u32| text::count(u64::from(count), "peer", "peers");
    let status = &job.status;
    let mut words = match (seeking.found, seeking.asked) {
        (true, _) => "reading the file list".to_owned(),
        (_, 0) if status.peers > 0 => format!("{} without the file list", peers(status.peers)),
        (_, 0) if status.dialing > 0 => format!("connecting to {}", peers(status.dialing)),
        (_, 0) => match job.sought.as_ref().map(|sought| &*sought.ways) {
            None | Some([]) => "looking for peers".to_owned(),
            Some(ways) => format!("looking for peers: {}", ways.join(", ")),
        },
        (_, asked) => format!("asking {} for the file list", peers(asked)),
    };
    if seeking.liars > 0 {
        words.push_str(&format!(", {} lied", peers(seeking.liars)));
    }
    words
}

/// What was tried to find peers.
pub(super) fn tried(job: &Job, rules: &Rules) -> String {
    let trackers = job.torrent.trackers();
    let web_seeds = job.metainfo.as_ref().map_or(0, |metainfo| metainfo.web_seeds.len());
    let status = &job.status;
    if job.metainfo.is_some() {
        return attempts(&trackers, web_seeds, status.known, rules.named_peers);
    }
    let (named, known) = match status.peers {
        0 => (rules.named_peers, status.known),
        _ => (0, 0),
    };
    let mut tried = attempts(&trackers, web_seeds, known, named);
    if rules.lan && job.torrent.sources().lan == 0 {
        tried.push_str("; nobody on the local network");
    }
    if status.peers > 0 {
        let peers = text::count(u64::from(status.peers), "peer", "peers");
        tried.push_str(&format!("; {peers} connected, without the file list"));
    }
    tried
}
