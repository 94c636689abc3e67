//! What `get` and `seed` tell: sentences and a line of progress for people, or an object a line
//! for programs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use toubkal_session::{Session, Sources, State, Status, TrackerStatus, words};

use crate::exit::{Exit, Failure};
use crate::json;
use crate::progress::{self, Bar, Screen};
use crate::watch::Job;

/// Between two `progress` objects of a torrent.
const PROGRESS: Duration = Duration::from_secs(1);

/// Where everything that is told goes.
#[derive(Debug)]
pub(crate) struct Report {
    screen: Screen,
    json: bool,
    /// Details are for this person.
    verbose: bool,
    last: Option<Instant>,
}

/// One line of `--json`: see `docs/json.md`, where each field is described. The shape is stable:
/// fields and events may be added, none is changed.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'e> {
    /// Where peers reach us.
    Listen { addresses: &'e [String] },
    /// A torrent is taken in.
    Start {
        torrent: &'e str,
        name: &'e str,
        dir: String,
        total_size: u64,
        selected_size: u64,
        files: usize,
        pieces: u32,
    },
    /// A torrent of which only a link is known is looked for.
    Magnet { torrent: &'e str, name: &'e str, trackers: usize, peers: usize },
    /// How the search for its metadata stands, when that has changed.
    Seeking {
        torrent: &'e str,
        peers: u32,
        dialing: u32,
        asked: u32,
        blocks: u32,
        of: u32,
        liars: u32,
        found: Found,
    },
    /// How far the look-up in the DHT is.
    Dht {
        torrent: &'e str,
        rounds: u32,
        asked: u32,
        answered: u32,
        silent: u32,
        hops: u8,
        peers: u32,
    },
    /// A peer answers while the metadata is looked for.
    Answered { torrent: &'e str, peer: &'e str },
    /// The metadata is known.
    Metadata { torrent: &'e str, name: &'e str, seconds: f64, private: bool },
    /// What lay in the folder is known.
    Checked { torrent: &'e str, remembered: u32, checked: u32, have: u32, pieces: u32 },
    /// How a torrent stands, once a second.
    Progress {
        torrent: &'e str,
        state: &'static str,
        percent: u64,
        done: u64,
        wanted: u64,
        downloaded: u64,
        uploaded: u64,
        wasted: u64,
        down_rate: u64,
        up_rate: u64,
        peers: u32,
        seeds: u32,
        have: u32,
        pieces: u32,
    },
    /// A tracker has said something, or has not.
    Tracker { torrent: &'e str, url: &'e str, ok: bool, message: &'e str },
    /// Why a download is slow, or that it is not any more.
    Why {
        torrent: &'e str,
        reason: &'static str,
        message: &'e str,
        details: &'e [String],
        figures: BTreeMap<&'static str, u64>,
        remedy: Option<&'static str>,
    },
    /// A file is complete.
    File { torrent: &'e str, path: &'e str, length: u64 },
    /// The database of what is remembered is broken or out of reach.
    State { message: &'e str },
    /// A sentence for the person.
    Notice { torrent: &'e str, message: &'e str },
    /// A torrent is complete and verified.
    Done {
        torrent: &'e str,
        name: &'e str,
        size: u64,
        downloaded: u64,
        seconds: f64,
        at_once: bool,
    },
    /// Something failed.
    Error {
        torrent: Option<&'e str>,
        code: u8,
        what: &'e str,
        cause: Option<&'e str>,
        tip: Option<&'e str>,
    },
    /// The last line.
    End { code: u8 },
}

/// Addresses of peers, by where they came from.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Found {
    user: u32,
    tracker: u32,
    incoming: u32,
    lan: u32,
    dht: u32,
    exchange: u32,
}

impl Found {
    /// What a session says of a torrent.
    pub(crate) fn of(sources: Sources) -> Self {
        let Sources { user, tracker, incoming, lan, dht, exchange } = sources;
        Self { user, tracker, incoming, lan, dht, exchange }
    }
}

impl Report {
    /// For people, or for programs.
    pub(crate) fn new(quiet: bool, json: bool) -> Self {
        Self { screen: Screen::new(quiet || json), json, verbose: false, last: None }
    }

    /// For people who want details, too.
    pub(crate) fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// A detail, for people who want them.
    pub(crate) fn detail(&mut self, sentence: &str) {
        if self.verbose {
            self.screen.say(sentence);
        }
    }

    /// Tells a program something.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn event(&self, event: &Event<'_>) -> Result<(), Failure> {
        if self.json { json::print(event) } else { Ok(()) }
    }

    /// Tells a program where peers reach us.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn listening(&self, session: &Session) -> Result<(), Failure> {
        let addresses: Vec<_> = session.listening_on().iter().map(ToString::to_string).collect();
        self.event(&Event::Listen { addresses: &addresses })
    }

    /// Tells a program that a torrent is taken in.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn start(&self, job: &Job) -> Result<(), Failure> {
        let Some(metainfo) = &job.metainfo else {
            let magnet = job.sought.as_ref().map(|sought| &sought.magnet);
            return self.event(&Event::Magnet {
                torrent: &job.hash,
                name: &job.name,
                trackers: magnet.map_or(0, |magnet| magnet.trackers.len()),
                peers: magnet.map_or(0, |magnet| magnet.peers.len()),
            });
        };
        self.event(&Event::Start {
            torrent: &job.hash,
            name: &metainfo.name,
            dir: job.dir.display().to_string(),
            total_size: metainfo.total(),
            selected_size: job.selected,
            files: metainfo.files().filter(|file| !file.pad).count(),
            pieces: metainfo.pieces(),
        })
    }

    /// A sentence for people, an object for programs.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn notice(&mut self, torrent: &str, sentence: &str) -> Result<(), Failure> {
        self.screen.say(sentence);
        self.event(&Event::Notice { torrent, message: sentence })
    }

    /// A sentence for people alone.
    pub(crate) fn say(&mut self, sentence: &str) {
        self.screen.say(sentence);
    }

    /// A result: a sentence on standard output, or an object.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn result(&mut self, sentence: &str, event: &Event<'_>) -> Result<(), Failure> {
        if self.json {
            return json::print(event);
        }
        self.screen.print(&format!("{}\n", crate::text::escape(sentence)))
    }

    /// Something failed; others may go on.
    ///
    /// # Errors
    /// When standard output takes nothing more.
    pub(crate) fn failure(&mut self, torrent: &str, failure: &Failure) -> Result<(), Failure> {
        self.screen.clear();
        crate::report(failure);
        self.event(&error_event(Some(torrent), failure))
    }

    /// Draws the lines, if it is time to.
    pub(crate) fn draw(&mut self, bars: &[Bar]) {
        self.screen.draw(bars);
    }

    /// Takes the lines away.
    pub(crate) fn clear(&mut self) {
        self.screen.clear();
    }

    /// Whether it is time for `progress` objects.
    pub(crate) fn wants_progress(&mut self) -> bool {
        let due = self.json && self.last.is_none_or(|last| last.elapsed() >= PROGRESS);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

/// A failure as an object.
pub(crate) fn error_event<'e>(torrent: Option<&'e str>, failure: &'e Failure) -> Event<'e> {
    Event::Error {
        torrent,
        code: failure.exit.code(),
        what: &failure.what,
        cause: failure.cause.as_deref(),
        tip: failure.tip.as_deref(),
    }
}

/// Prints what ends every `--json`: the failure, if it was one, and the exit code.
pub(crate) fn end(outcome: Result<Exit, Failure>) -> Result<Exit, Failure> {
    let exit = match &outcome {
        Ok(exit) => *exit,
        // Nobody reads any more.
        Err(failure) if failure.what.is_empty() => return outcome,
        Err(failure) => {
            json::print(&error_event(None, failure))?;
            failure.exit
        }
    };
    json::print(&Event::End { code: exit.code() })?;
    outcome
}

/// The `progress` object of a torrent.
pub(crate) fn progress_event<'e>(torrent: &'e str, status: &Status) -> Event<'e> {
    let done = status.wanted.saturating_sub(status.left);
    let percent = match status.state {
        State::Opening | State::Seeking(_) => 0,
        State::Checking { done, of } => progress::percent(done.into(), of.into()),
        _ => progress::percent(done, status.wanted),
    };
    Event::Progress {
        torrent,
        state: state_name(status.state),
        percent,
        done,
        wanted: status.wanted,
        downloaded: status.downloaded,
        uploaded: status.uploaded,
        wasted: status.wasted,
        down_rate: status.down_rate,
        up_rate: status.up_rate,
        peers: status.peers,
        seeds: status.seeds,
        have: status.have,
        pieces: status.pieces,
    }
}

/// The name of a state in JSON.
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Seeking(_) => "seeking",
        State::Opening => "opening",
        State::Checking { .. } => "checking",
        State::Downloading => "downloading",
        State::Finishing => "finishing",
        State::Seeding => "seeding",
        State::Stopped(_) => "stopped",
    }
}

/// What was tried to find peers, in one sentence without its beginning.
pub(crate) fn attempts(
    trackers: &[TrackerStatus],
    web_seeds: usize,
    known: u32,
    named: usize,
) -> String {
    const SHOWN: usize = 3;
    let mut parts = Vec::new();
    parts.extend(trackers.iter().take(SHOWN).map(words::tracker));
    if trackers.len() > SHOWN {
        parts.push(format!("and {} more trackers", trackers.len() - SHOWN));
    }
    if trackers.is_empty() {
        parts.push("it names no tracker".to_owned());
    }
    // A torrent that has nothing else comes from nowhere yet: its owner should know why.
    match web_seeds {
        0 => {}
        1 => parts.push("its web seed is not used by this version".to_owned()),
        _ => parts.push("its web seeds are not used by this version".to_owned()),
    }
    if named > 0 {
        let peers = crate::text::count(named as u64, "peer given", "peers given");
        parts.push(format!("{peers} with --peer: not reached, or without this torrent"));
    } else if known > 0 {
        let peers = crate::text::count(u64::from(known), "address", "addresses");
        parts.push(format!("{peers} tried: nobody answers"));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use toubkal_session::{Private, TrackerState};

    fn tracker(state: TrackerState) -> TrackerStatus {
        TrackerStatus {
            announce: Private(String::new()),
            url: "http://tracker.example.org:6969/announce".into(),
            tier: 0,
            state,
            warning: None,
            seeds: None,
            leeches: None,
            next: None,
        }
    }

    #[test]
    fn attempts_name_each_tracker_with_its_answer() {
        let quota = TrackerState::Failed { reason: "You have exceeded your quota.".into() };
        let trackers = [tracker(TrackerState::Working { peers: 0 }), tracker(quota)];
        assert_eq!(
            attempts(&trackers, 0, 0, 2),
            "tracker tracker.example.org:6969: answered, knows no peers; \
             tracker tracker.example.org:6969: You have exceeded your quota.; \
             2 peers given with --peer: not reached, or without this torrent"
        );
        assert_eq!(attempts(&[], 0, 0, 0), "it names no tracker");
        assert_eq!(
            attempts(&[], 1, 0, 0),
            "it names no tracker; its web seed is not used by this version"
        );
        let many: Vec<_> = (0..5).map(|_| tracker(TrackerState::Asking)).collect();
        assert!(
            attempts(&many, 0, 7, 0)
                .ends_with("and 2 more trackers; 7 addresses tried: nobody answers")
        );
    }
}
