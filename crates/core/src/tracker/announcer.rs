//! When which tracker of a torrent is asked, and what its answers mean.

mod one;
#[cfg(test)]
mod tests;
mod values;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use toubkal_wire::announce::{Answer, Query, Reply, ScrapeReply, scrape_url};
use toubkal_wire::announce::{Event as Why, Failure};

pub use self::values::*;

use self::one::{Asked, One};
use super::udp::Question;
use super::{pace, redact, said};
use crate::base::{Machine, Outbox, Rng, Time};

/// Trackers of one torrent that are used; more are left out.
pub const TRACKERS_MAX: usize = 200;

/// An announce URL that is longer is left out.
pub const URL_BYTES_MAX: usize = 4096;

/// Peers that are asked for at most.
const NUMWANT_MAX: u32 = 200;
/// Characters of a tracker's text that are shown.
const TEXT_CHARS_MAX: usize = 300;
/// A question that is not answered by then has failed. The driver gives up before.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for `stopped`: a person may be waiting.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// At the end, how long an announce that is under way may keep `stopped` waiting.
const GRACE: Duration = Duration::from_secs(3);
/// Where tiers are asked at once: an answer that takes longer is not waited for.
const SLOW: Duration = Duration::from_secs(5);
/// No tracker is scraped more often.
const SCRAPE_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    /// Since when.
    Stopping(Time),
}

/// The trackers of one torrent.
///
/// Trackers of one tier are asked in a random order that is drawn once, later the one that
/// answered last comes first. One that fails is left alone for longer and longer while the next
/// one is asked at once; as soon as an earlier one answers again, the later ones rest.
#[derive(Debug)]
pub struct Announcer {
    config: Config,
    /// In the order in which they are asked, tier by tier.
    trackers: Vec<One>,
    phase: Phase,
    progress: Progress,
    want: u32,
    urgent: bool,
    /// Whether the download became complete in this run.
    completed: bool,
    /// Our addresses as trackers see them, IPv4 and IPv6.
    seen: [Option<IpAddr>; 2],
    asked: u64,
    rng: Rng,
}

impl Announcer {
    /// An announcer for the trackers of a torrent, tier by tier; nothing is announced before
    /// [`Event::Start`]. The same URL twice counts once.
    #[must_use]
    pub fn new(config: Config, tiers: &[Vec<String>], mut rng: Rng) -> Self {
        Self {
            config,
            trackers: line_up(Vec::new(), tiers, &mut rng),
            phase: Phase::Idle,
            progress: Progress::default(),
            want: 80,
            urgent: true,
            completed: false,
            seen: [None; 2],
            asked: 0,
            rng,
        }
    }

    /// How the trackers stand, in the order in which they are asked.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        let planned = |tracker: &One| {
            let waits = self.phase == Phase::Running && tracker.askable();
            (waits && tracker.announce.is_none() && (tracker.known || tracker.fails > 0))
                .then(|| self.due(tracker))
        };
        self.trackers.iter().map(|tracker| tracker.status(planned(tracker))).collect()
    }

    /// When this tracker may be asked next, if it is its turn.
    fn due(&self, tracker: &One) -> Time {
        if tracker.fails > 0 || !tracker.known {
            tracker.next
        } else if self.owes_completed(tracker) {
            Time::START
        } else if self.urgent && self.want > 0 {
            tracker.next.min(tracker.early_at)
        } else {
            tracker.next
        }
    }

    fn owes_completed(&self, tracker: &One) -> bool {
        self.completed && tracker.known && !tracker.told_completed
    }

    /// The trackers whose turn it is, with the times from which they may be asked: in each group
    /// the failing ones up to the first that is not, and all that have to hear `completed`. Where
    /// tiers are asked at once, one that is slow does not hold up the others of its tier.
    fn turns(&self) -> impl Iterator<Item = (usize, Time)> + '_ {
        let mut settled = None;
        let mut slow = None;
        self.trackers.iter().enumerate().filter_map(move |(index, tracker)| {
            let group = match self.config.tiers {
                Tiers::InOrder => 0,
                Tiers::AtOnce => tracker.tier,
            };
            let turn = settled != Some(group) || self.owes_completed(tracker);
            if !turn || !tracker.askable() {
                return None;
            }
            match (&tracker.announce, self.config.tiers) {
                (Some(asked), Tiers::AtOnce) => {
                    slow = Some((group, asked.at.after(SLOW)));
                    return None;
                }
                (Some(_), Tiers::InOrder) => {
                    settled = Some(group);
                    return None;
                }
                (None, _) if tracker.fails == 0 => settled = Some(group),
                (None, _) => {}
            }
            let from = slow.filter(|(of, _)| *of == group && !self.owes_completed(tracker));
            let from = from.map_or(Time::START, |(_, from)| from);
            Some((index, self.due(tracker).max(from)))
        })
    }

    fn run(&mut self, now: Time, out: &mut Outbox<Action>) {
        // A failing tracker that may be tried again is tried before the ones behind it.
        while let Some((index, _)) = { self.turns().find(|(_, at)| *at <= now) } {
            let tracker = &self.trackers[index];
            let why = if !tracker.known {
                Some(Why::Started)
            } else if self.owes_completed(tracker) {
                Some(Why::Completed)
            } else {
                None
            };
            self.announce(index, now, why, out);
        }
    }

    fn finish(&mut self, now: Time, since: Time, out: &mut Outbox<Action>) {
        let patient = now.since(since) < GRACE;
        for index in 0..self.trackers.len() {
            let tracker = &self.trackers[index];
            let why = match &tracker.announce {
                Some(asked) if asked.why == Some(Why::Stopped) => continue,
                Some(_) if tracker.fails > 0 && !tracker.known => {
                    // It has never answered: nobody waits for it.
                    self.trackers[index].announce = None;
                    continue;
                }
                Some(_) if patient => continue,
                // It may have been heard: take it back.
                Some(_) => Why::Stopped,
                None if !tracker.known => continue,
                None if patient && self.owes_completed(tracker) => Why::Completed,
                None => Why::Stopped,
            };
            self.announce(index, now, Some(why), out);
        }
        let idle = |tracker: &One| tracker.announce.is_none() && !tracker.known;
        if self.trackers.iter().all(idle) {
            self.phase = Phase::Idle;
            self.completed = false;
            out.push(Action::Stopped);
        }
    }

    fn announce(&mut self, index: usize, now: Time, why: Option<Why>, out: &mut Outbox<Action>) {
        let id = self.ask_id();
        let tracker = &mut self.trackers[index];
        let early = tracker.known && tracker.fails == 0 && why.is_none() && now < tracker.next;
        tracker.announce = Some(Asked { id, at: now, why, early });
        let numwant = if why == Some(Why::Stopped) { 0 } else { self.want.min(NUMWANT_MAX) };
        let query = Query {
            uploaded: self.progress.uploaded,
            downloaded: self.progress.downloaded,
            left: self.progress.left,
            event: why,
            numwant: Some(numwant),
            key: Some(self.config.key),
            tracker_id: tracker.tracker_id.clone(),
            ip: self.config.ip,
            ..Query::new(self.config.info_hash, self.config.peer_id, self.config.port)
        };
        out.push(if tracker.is_udp() {
            let question = Question::Announce(Box::new(query));
            Action::AskUdp { id, url: tracker.url.clone(), question }
        } else {
            Action::Ask { id, kind: AskKind::Announce, url: query.url(&tracker.url) }
        });
    }

    fn scrape(&mut self, now: Time, out: &mut Outbox<Action>) {
        for index in 0..self.trackers.len() {
            let tracker = &self.trackers[index];
            if !tracker.askable() || tracker.scrape.is_some() || tracker.scrape_from > now {
                continue;
            }
            let hash = self.config.info_hash;
            let id = AskId(self.asked + 1);
            let action = if tracker.is_udp() {
                let question = Question::Scrape(hash);
                Action::AskUdp { id, url: tracker.url.clone(), question }
            } else if let Some(url) = scrape_url(&tracker.url, &[hash]) {
                Action::Ask { id, kind: AskKind::Scrape, url }
            } else {
                continue;
            };
            self.asked = id.0;
            let tracker = &mut self.trackers[index];
            tracker.scrape = Some((id, now));
            tracker.scrape_from = now.after(SCRAPE_PAUSE);
            out.push(action);
        }
    }

    fn ask_id(&mut self) -> AskId {
        self.asked += 1;
        AskId(self.asked)
    }

    fn start(&mut self) {
        self.phase = Phase::Running;
        self.completed = false;
        for tracker in &mut self.trackers {
            tracker.restart();
        }
    }

    fn announced(
        &mut self,
        now: Time,
        id: AskId,
        result: Result<Reply, Problem>,
        out: &mut Outbox<Action>,
    ) {
        let is = |asked: &Option<Asked>| asked.as_ref().is_some_and(|asked| asked.id == id);
        if let Some(index) = self.trackers.iter().position(|tracker| is(&tracker.announce)) {
            match result {
                Ok(Reply::Answer(answer)) => self.answered(now, index, answer, out),
                Ok(Reply::Failure(failure)) => {
                    self.failed(now, index, &refusal(failure), true, out);
                }
                Err(problem) => self.failed(now, index, &problem, false, out),
            }
        } else if let Some(tracker) = self.trackers.iter_mut().find(|t| t.answered == Some(id))
            && let Ok(Reply::Answer(answer)) = result
        {
            tracker.count(&answer, true);
            let shown = redact(&tracker.url);
            self.deliver(&shown, answer, out);
        }
    }

    fn answered(&mut self, now: Time, index: usize, answer: Answer, out: &mut Outbox<Action>) {
        let tracker = &mut self.trackers[index];
        let Some(asked) = tracker.announce.take() else { return };
        let shown = redact(&tracker.url);
        if tracker.fails > 0 {
            out.push(Action::Notify { tracker: shown.clone(), news: News::Recovered });
        }
        tracker.fails = 0;
        tracker.answered_at = Some(now);
        if asked.why == Some(Why::Stopped) {
            tracker.leave(now);
            return;
        }
        tracker.known = true;
        tracker.told_completed |= asked.why == Some(Why::Completed);
        tracker.answered = Some(asked.id);
        tracker.early = if asked.early { tracker.early + 1 } else { 0 };
        let rhythm = pace::after_answer(&answer, tracker.early, &mut self.rng);
        tracker.next = now.after(rhythm.regular);
        tracker.early_at = now.after(rhythm.early);
        if answer.tracker_id.is_some() {
            tracker.tracker_id.clone_from(&answer.tracker_id);
        }
        tracker.count(&answer, false);
        let warning = answer.warning.as_ref().map(|text| said(&tracker.url, text, TEXT_CHARS_MAX));
        if let Some(text) = warning.clone().filter(|_| warning != tracker.message) {
            out.push(Action::Notify { tracker: shown.clone(), news: News::Warning(text) });
        }
        tracker.message = warning;
        self.deliver(&shown, answer, out);
        self.move_to_front(index);
    }

    fn deliver(&mut self, shown: &str, answer: Answer, out: &mut Outbox<Action>) {
        if let Some(ip) = answer.external_ip
            && self.seen[usize::from(ip.is_ipv6())].replace(ip) != Some(ip)
        {
            out.push(Action::Notify { tracker: shown.into(), news: News::ExternalIp(ip) });
        }
        if self.phase != Phase::Running {
            return;
        }
        if !answer.peers.is_empty() {
            out.push(Action::Peers(answer.peers.iter().map(|peer| peer.address).collect()));
        }
        if !answer.names.is_empty() {
            out.push(Action::Resolve(answer.names));
        }
    }

    fn failed(
        &mut self,
        now: Time,
        index: usize,
        problem: &Problem,
        refused: bool,
        out: &mut Outbox<Action>,
    ) {
        let tracker = &mut self.trackers[index];
        let Some(asked) = tracker.announce.take() else { return };
        tracker.fails = tracker.fails.saturating_add(1);
        let wait = match problem.retry {
            Some(retry) => pace::after_retry(retry, &mut self.rng),
            None => Some(pace::after_failure(tracker.fails, refused, &mut self.rng)),
        };
        tracker.gone = wait.is_none();
        tracker.next = now.after(wait.unwrap_or_default());
        // What could not be told at the end is not told twice.
        match asked.why {
            Some(Why::Stopped) => tracker.known = false,
            Some(Why::Completed) if self.phase != Phase::Running => tracker.told_completed = true,
            _ => {}
        }
        let text = said(&tracker.url, &problem.text, TEXT_CHARS_MAX);
        if tracker.message.as_ref() != Some(&text) {
            tracker.message = Some(text.clone());
            let news = News::Failure { text, again: wait.map(|_| tracker.next) };
            out.push(Action::Notify { tracker: redact(&tracker.url), news });
        }
    }

    /// BEP 12: the tracker that answered comes first in its tier.
    fn move_to_front(&mut self, index: usize) {
        let tier = self.trackers[index].tier;
        let first = self.trackers.partition_point(|tracker| tracker.tier < tier);
        self.trackers[first..=index].rotate_right(1);
    }

    fn scraped(&mut self, id: AskId, result: Result<ScrapeReply, Problem>) {
        let is = |tracker: &&mut One| tracker.scrape.is_some_and(|(asked, _)| asked == id);
        let Some(tracker) = self.trackers.iter_mut().find(is) else { return };
        tracker.scrape = None;
        if let Ok(ScrapeReply::Counts(counts)) = result
            && let Some(counts) = counts.get(&self.config.info_hash)
        {
            tracker.seeds = Some(counts.complete);
            tracker.leechers = Some(counts.incomplete);
            tracker.downloads = Some(counts.downloaded);
        }
    }

    fn time_out(&mut self, now: Time, out: &mut Outbox<Action>) {
        for index in 0..self.trackers.len() {
            let tracker = &mut self.trackers[index];
            tracker.scrape.take_if(|(_, at)| at.after(PATIENCE) <= now);
            if tracker.announce.as_ref().is_some_and(|asked| asked.until() <= now) {
                let problem = Problem { text: "it did not answer in time".into(), retry: None };
                self.failed(now, index, &problem, false, out);
            }
        }
    }

    fn tell_unsupported(&self, out: &mut Outbox<Action>) {
        for tracker in self.trackers.iter().filter(|tracker| !tracker.supported) {
            let news = News::Unsupported;
            out.push(Action::Notify { tracker: redact(&tracker.url), news });
        }
    }
}

impl Machine for Announcer {
    type Event = Event;
    type Action = Action;

    fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        match event {
            Event::Start if self.phase != Phase::Running => {
                self.start();
                self.tell_unsupported(out);
            }
            Event::Completed if self.phase == Phase::Running => self.completed = true,
            Event::Stop if self.phase == Phase::Running => self.phase = Phase::Stopping(now),
            Event::Stop if self.phase == Phase::Idle => out.push(Action::Stopped),
            Event::Resume(at) if self.phase != Phase::Running => {
                self.start();
                self.trackers.iter_mut().for_each(|tracker| tracker.resume(at));
            }
            Event::Start | Event::Resume(_) | Event::Completed | Event::Stop => {}
            Event::Progress(progress) => self.progress = progress,
            Event::Want { peers, urgent } => {
                (self.want, self.urgent) = (peers, urgent);
                if !urgent {
                    self.trackers.iter_mut().for_each(|tracker| tracker.early = 0);
                }
            }
            Event::Refresh => self.trackers.iter_mut().for_each(|tracker| tracker.refresh(now)),
            Event::Trackers(tiers) => {
                self.trackers = line_up(core::mem::take(&mut self.trackers), &tiers, &mut self.rng);
                if self.phase == Phase::Running {
                    self.tell_unsupported(out);
                }
            }
            Event::Scrape => self.scrape(now, out),
            Event::Announced(id, result) => self.announced(now, id, result, out),
            Event::Scraped(id, result) => self.scraped(id, result),
        }
        self.advance(now, out);
    }

    fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        self.time_out(now, out);
        match self.phase {
            Phase::Idle => {}
            Phase::Running => self.run(now, out),
            Phase::Stopping(since) => self.finish(now, since, out),
        }
    }

    fn deadline(&self) -> Option<(Time, &'static str)> {
        let asked = self.trackers.iter().filter_map(|tracker| tracker.announce.as_ref());
        let scraped = self.trackers.iter().filter_map(|tracker| tracker.scrape);
        let silence = asked.map(Asked::until).chain(scraped.map(|(_, at)| at.after(PATIENCE)));
        let silence = silence.map(|at| (at, "tracker silence"));
        let next = match self.phase {
            Phase::Idle => None,
            Phase::Running => self.turns().map(|(_, at)| at).min(),
            Phase::Stopping(since) => {
                let waits = |tracker: &One| {
                    tracker.announce.as_ref().is_some_and(|a| a.why != Some(Why::Stopped))
                };
                self.trackers.iter().any(waits).then(|| since.after(GRACE))
            }
        };
        silence.chain(next.map(|at| (at, "tracker announce"))).min()
    }
}

/// The trackers of these tiers in the order in which they are asked, each once. In a tier those
/// that were there come first, as they were.
fn line_up(mut before: Vec<One>, tiers: &[Vec<String>], rng: &mut Rng) -> Vec<One> {
    let mut trackers: Vec<One> = Vec::new();
    for (tier, urls) in (0..).zip(tiers) {
        for mut one in before.extract_if(.., |one| urls.contains(&one.url)) {
            one.tier = tier;
            trackers.push(one);
        }
        // BEP 12: "URLs within each tier will be processed in a randomly chosen order".
        let mut order: Vec<&String> = urls.iter().collect();
        rng.shuffle(&mut order);
        for url in order {
            let new = trackers.iter().all(|tracker| tracker.url != *url);
            if new && url.len() <= URL_BYTES_MAX && trackers.len() < TRACKERS_MAX {
                trackers.push(One::new(url, tier));
            }
        }
    }
    trackers.truncate(TRACKERS_MAX);
    trackers
}

fn refusal(failure: Failure) -> Problem {
    let text = if failure.reason.trim().is_empty() {
        "it refused without a reason".into()
    } else {
        failure.reason
    };
    Problem { text, retry: failure.retry }
}
