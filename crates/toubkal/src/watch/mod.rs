//! Following torrents from their start to their end, for `get`, `seed` and `demo`.

mod job;
mod nodes;
mod seeking;
mod slow;
mod words;

use std::time::{Duration, Instant};

use toubkal_session::words::host_of;
use toubkal_session::{Notice, Session, SessionEvent, State, Status, StoreError, TorrentId};

use crate::exit::{Exit, Failure};
use crate::report::{self, Event, Report};
use crate::signals::Interrupt;
use crate::{folder, progress};

pub(crate) use job::Job;
pub(crate) use seeking::Sought;
pub(crate) use slow::Slow;

/// How often torrents are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Without peers for so long, a sentence says what was tried.
const LONELY: Duration = Duration::from_secs(10);
/// Between two such sentences of a torrent.
const LONELY_AGAIN: Duration = Duration::from_secs(120);
/// What trackers get to hear of an end; a person waits no longer.
const FAREWELL: Duration = Duration::from_millis(800);

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// So long without peers is too long; `None` waits for ever.
    pub(crate) patience: Option<Duration>,
    /// The same while only a link is known: of many a torrent it is not known whether there is
    /// anybody.
    pub(crate) seek_patience: Option<Duration>,
    /// What is not complete after so long has failed.
    pub(crate) timeout: Option<Duration>,
    /// Go on sharing what is complete.
    pub(crate) seed: bool,
    /// Share until this many times the size was uploaded.
    pub(crate) ratio: Option<f64>,
    /// Peers that the user named.
    pub(crate) named_peers: usize,
    /// Peers are looked for on the local network.
    pub(crate) lan: bool,
}

impl Default for Rules {
    /// Wait for ever, end when it is there.
    fn default() -> Self {
        Self {
            patience: None,
            seek_patience: None,
            timeout: None,
            seed: false,
            ratio: None,
            named_peers: 0,
            lan: false,
        }
    }
}

/// Follows the torrents of a session until all have ended, or the user wants an end.
#[derive(Debug)]
pub(crate) struct Watch<'w> {
    pub(crate) session: Session,
    pub(crate) jobs: Vec<Job>,
    pub(crate) rules: Rules,
    pub(crate) report: &'w mut Report,
    pub(crate) interrupt: &'w Interrupt,
}

impl Watch<'_> {
    /// Works until the end, tells the trackers, and says how it ended: the first failure counts.
    ///
    /// # Errors
    /// When nothing can go on at all.
    pub(crate) fn run(mut self) -> Result<Exit, Failure> {
        let outcome = self.follow();
        self.report.clear();
        self.session.shutdown(FAREWELL);
        match outcome {
            // Nobody reads our output any more: as good as an interruption.
            Err(failure) if failure.what.is_empty() => Err(Failure::quiet(Exit::Interrupted)),
            outcome => outcome,
        }
    }

    fn follow(&mut self) -> Result<Exit, Failure> {
        let (mut looked, began): (Option<Instant>, _) = (None, Instant::now());
        loop {
            if let Some(event) = self.session.next_event(LOOK / 2) {
                self.handle(event)?;
            }
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.look()?;
                if self.rules.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
                    self.time_out()?;
                }
            }
            if self.interrupt.is_raised() {
                return self.interrupted();
            }
            if self.jobs.iter().all(|job| job.exit.is_some()) {
                let first = self.jobs.iter().filter_map(|job| job.exit);
                return Ok(first.reduce(worse).unwrap_or(Exit::Done));
            }
        }
    }

    /// Takes in one piece of news, and what has queued up behind it.
    fn handle(&mut self, event: SessionEvent) -> Result<(), Failure> {
        let mut next = Some(event);
        while let Some(event) = next {
            match event {
                SessionEvent::Notice(notice) => self.notice(&notice)?,
                SessionEvent::Tracker { torrent, url, message, failed } => {
                    self.tracker(torrent, &url, &message, failed)?;
                }
                SessionEvent::Resolved { torrent } => self.resolved(torrent)?,
                SessionEvent::Refused { torrent, message } => self.refused(torrent, &message)?,
                SessionEvent::State { message } => {
                    self.report.say(&message);
                    self.report.event(&Event::State { message: &message })?;
                }
                SessionEvent::Crashed { message } => {
                    return Err(Failure::new(Exit::Failed, "the transfer stopped by itself")
                        .cause(message)
                        .tip("run the same command to go on"));
                }
                _ => {}
            }
            next = self.session.next_event(Duration::ZERO);
        }
        Ok(())
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), Failure> {
        match notice {
            Notice::Checked { torrent } => self.checked(*torrent),
            Notice::FileDone { torrent, file } => {
                let Some(job) = self.jobs.iter().find(|job| job.is(*torrent)) else {
                    return Ok(());
                };
                let Some(metainfo) = &job.metainfo else { return Ok(()) };
                let file = metainfo.file(*file as usize);
                let event =
                    Event::File { torrent: &job.hash, path: file.path, length: file.length };
                self.report.event(&event)
            }
            Notice::FileLost { torrent, file, error } => {
                let Some(index) = self.index(*torrent) else { return Ok(()) };
                let job = &self.jobs[index];
                let Some(metainfo) = &job.metainfo else { return Ok(()) };
                let path = metainfo.file(*file as usize).path;
                let sentence = format!(
                    "{}: {path} is not shared any more: {}; the other files are",
                    job.called(40),
                    error.kind
                );
                self.report.notice(&job.hash, &sentence)
            }
            Notice::Unrecorded { torrent, error } => self.unrecorded(*torrent, error),
            Notice::Completed { torrent, at_once } => self.completed(*torrent, *at_once),
            Notice::Failed { torrent, error } => {
                let Some(index) = self.index(*torrent) else { return Ok(()) };
                let failure = words::store_failure(&self.jobs[index], error);
                self.give_up(index, &failure)
            }
            Notice::Banned { torrent, remote } => {
                let Some(job) = self.jobs.iter_mut().find(|job| job.is(*torrent)) else {
                    return Ok(());
                };
                // Each of its pieces brings this news; to a person it is the same.
                if !job.heard(&remote.to_string(), "left out") {
                    return Ok(());
                }
                let what = if job.metainfo.is_some() { "data" } else { "metadata" };
                let name = job.called(40);
                let sentence =
                    format!("{name}: the peer {remote} sent wrong {what} and is left out");
                self.report.notice(&job.hash, &sentence)
            }
            _ => Ok(()),
        }
    }

    /// Time counts from now on. If something is to be fetched, there must be a place for it:
    /// that is said now, and not when the first peer has been found.
    fn checked(&mut self, torrent: TorrentId) -> Result<(), Failure> {
        let Some(index) = self.index(torrent) else { return Ok(()) };
        let job = &mut self.jobs[index];
        job.begun = Instant::now();
        job.look();
        let Status { remembered, checked, have, pieces, .. } = job.status;
        let torrent = &job.hash;
        self.report.event(&Event::Checked { torrent, remembered, checked, have, pieces })?;
        if let Some(sentence) = words::goes_on(job) {
            self.report.say(&sentence);
        }
        let job = &mut self.jobs[index];
        if job.sharing || job.status.left == 0 {
            return Ok(());
        }
        match folder::trial(&job.dir) {
            Ok(()) => Ok(()),
            Err(failure) => self.give_up(index, &failure),
        }
    }

    /// The download goes on; what it costs if the program were killed is for a person to know,
    /// once.
    fn unrecorded(&mut self, torrent: TorrentId, error: &StoreError) -> Result<(), Failure> {
        let Some(index) = self.index(torrent) else { return Ok(()) };
        let job = &mut self.jobs[index];
        if job.exit.is_some() || !job.heard("state", "") {
            return Ok(());
        }
        let sentence = words::unrecorded(job, error.kind);
        self.report.notice(&job.hash, &sentence)
    }

    fn completed(&mut self, torrent: TorrentId, at_once: bool) -> Result<(), Failure> {
        let Some(index) = self.index(torrent) else { return Ok(()) };
        let job = &mut self.jobs[index];
        if job.complete {
            return Ok(());
        }
        job.look();
        if job.sharing {
            return self.shares(index);
        }
        job.complete = true;
        let (sentence, event) = job.result(at_once);
        self.report.result(&sentence, &event)?;
        if !self.rules.seed {
            job.exit = Some(Exit::Done);
        }
        Ok(())
    }

    /// What is to be shared was checked: is it all there?
    fn shares(&mut self, index: usize) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        if job.status.have < job.status.pieces {
            let failure = words::not_complete(job);
            return self.give_up(index, &failure);
        }
        job.complete = true;
        let (_, event) = job.result(true);
        self.report.event(&event)?;
        self.report.say(&words::sharing_begins(job));
        Ok(())
    }

    /// What a tracker says: once each, and failures only while they matter.
    fn tracker(
        &mut self,
        torrent: TorrentId,
        url: &str,
        message: &str,
        failed: bool,
    ) -> Result<(), Failure> {
        let Some(job) = self.jobs.iter_mut().find(|job| job.is(torrent)) else { return Ok(()) };
        let event = Event::Tracker { torrent: &job.hash, url, ok: !failed, message };
        self.report.event(&event)?;
        if job.heard(url, message) && (!failed || job.status.peers == 0) {
            let host = host_of(url);
            self.report.say(&format!("tracker {host}: {message}"));
        }
        Ok(())
    }

    /// Looks at every torrent, applies the rules, and draws.
    fn look(&mut self) -> Result<(), Failure> {
        let tell = self.report.wants_progress();
        for index in 0..self.jobs.len() {
            let job = &mut self.jobs[index];
            if job.exit.is_some() {
                continue;
            }
            job.look();
            if tell {
                self.report.event(&report::progress_event(&job.hash, &job.status))?;
            }
            self.seeking(index)?;
            self.loneliness(index)?;
            self.slowness(index)?;
            self.ratio(index);
        }
        let running = self.jobs.iter().filter(|job| job.exit.is_none());
        let bars: Vec<_> = running.map(words::bar).collect();
        self.report.draw(&bars);
        Ok(())
    }

    /// Says what was tried when nobody is there, and gives up when patience is over.
    fn loneliness(&mut self, index: usize) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        let (lonely, patience) = match job.status.state {
            State::Downloading => (job.status.peers == 0, self.rules.patience),
            State::Seeking(seeking) => (seeking.asked == 0, self.rules.seek_patience),
            _ => (false, None),
        };
        if !lonely {
            job.lonely = None;
            return Ok(());
        }
        let since = job.lonely.get_or_insert_with(Instant::now).elapsed();
        if patience.is_some_and(|patience| since >= patience) {
            let failure = words::no_peers(job, &seeking::tried(job, &self.rules));
            return self.give_up(index, &failure);
        }
        if since < LONELY || job.told.is_some_and(|told| told.elapsed() < LONELY_AGAIN) {
            return Ok(());
        }
        job.told = Some(Instant::now());
        let name = job.called(40);
        let lack = if job.metainfo.is_some() { "no peers" } else { "nobody has the file list" };
        let tried = words::sentence(&seeking::tried(job, &self.rules));
        let sentence = format!("{name}: {lack} yet. {tried}");
        self.report.notice(&job.hash, &sentence)
    }

    /// Ends the sharing of what has been shared enough.
    fn ratio(&mut self, index: usize) {
        let job = &mut self.jobs[index];
        let Some(ratio) = self.rules.ratio else { return };
        let uploaded = job.status.uploaded as f64;
        if job.complete && uploaded >= ratio * job.selected as f64 {
            job.exit = Some(Exit::Done);
            let sentence = words::shared(job);
            self.report.say(&sentence);
        }
    }

    fn give_up(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        if job.exit.is_some() {
            return Ok(());
        }
        job.exit = Some(failure.exit);
        job.torrent.pause();
        self.report.failure(&job.hash, failure)
    }

    /// Says what is kept.
    fn interrupted(&mut self) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        let alone = self.jobs.len() == 1;
        for job in &mut self.jobs {
            if let Some(ended) = job.exit {
                exit = worse(exit, ended);
                continue;
            }
            job.look();
            let (sentence, ended) = match job.complete {
                true => (words::shared(job), Exit::Done),
                false => (words::kept(job, alone), Exit::Interrupted),
            };
            exit = worse(exit, ended);
            self.report.notice(&job.hash, &sentence)?;
        }
        Ok(exit)
    }

    fn index(&self, torrent: TorrentId) -> Option<usize> {
        self.jobs.iter().position(|job| job.is(torrent))
    }
}

/// Of two ends the one that is told: the first that is not well, but an interruption above all.
fn worse(first: Exit, second: Exit) -> Exit {
    match (first, second) {
        (_, Exit::Interrupted) => second,
        (Exit::Done, _) => second,
        _ => first,
    }
}

/// Whole percents of what is wanted.
fn percent_kept(job: &Job) -> u64 {
    progress::percent(job.status.wanted.saturating_sub(job.status.left), job.status.wanted)
}
