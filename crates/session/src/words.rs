//! Sentences in English: why a torrent is no faster, what shows it, and what would help. The
//! command line, the page and every interface say it in these words.
//!
//! What trackers say is given as it came: whoever shows it escapes it.

mod figures;
mod units;

use std::time::Duration;

use toubkal_core::engine::{Evidence, Limit, NAMED_MAX, Scope, StoreErrorKind, Why};

pub use figures::figures;
pub use units::{count, grouped, list, rate, size, steady_rate, steady_size, took};

use crate::session::{Explanation, Port, TrackerState, TrackerStatus};

/// What a person can do about a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Raise the limit, or lift it.
    RaiseLimit,
    /// Make room on the disk.
    FreeSpace,
    /// Choose another folder.
    ChooseFolder,
    /// Start it again, when what is wrong has been put right.
    RetryNow,
    /// Name peers, or trackers that know some.
    AddPeers,
}

impl Remedy {
    /// Its name for programs: these do not change.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RaiseLimit => "raise_limit",
            Self::FreeSpace => "free_space",
            Self::ChooseFolder => "choose_folder",
            Self::RetryNow => "retry_now",
            Self::AddPeers => "add_peers",
        }
    }

    /// What to do, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RaiseLimit => "Raise the limit, or lift it.",
            Self::FreeSpace => "Make room on the disk.",
            Self::ChooseFolder => "Choose another folder.",
            Self::RetryNow => "Put it right, and start it again.",
            Self::AddPeers => "Name a peer, or a tracker that knows some.",
        }
    }
}

/// What would help against a reason, if a person can do anything.
#[must_use]
pub fn remedy(why: &Why) -> Option<Remedy> {
    match why {
        Why::Failed { error, .. } => Some(match error.kind {
            StoreErrorKind::Full => Remedy::FreeSpace,
            StoreErrorKind::Denied
            | StoreErrorKind::Exists
            | StoreErrorKind::Unsafe
            | StoreErrorKind::TooLarge => Remedy::ChooseFolder,
            StoreErrorKind::Missing
            | StoreErrorKind::Changed
            | StoreErrorKind::Busy
            | StoreErrorKind::Crowded
            | StoreErrorKind::Other(_) => Remedy::RetryNow,
        }),
        Why::NoPeers | Why::Absent { .. } | Why::Metadata { asked: 0, .. } => {
            Some(Remedy::AddPeers)
        }
        Why::Unreachable { .. } => Some(Remedy::RetryNow),
        Why::DownLimit { .. } | Why::UpLimit { .. } | Why::Crowded { .. } => {
            Some(Remedy::RaiseLimit)
        }
        _ => None,
    }
}

/// The reason, in a sentence or two.
#[must_use]
pub fn sentence(explanation: &Explanation) -> String {
    let file = explanation.file.as_deref();
    match explanation.why {
        Why::Stopped => "Stopped.".into(),
        Why::Failed { error, retry } => {
            let place = file.map(|file| format!(" with {file}")).unwrap_or_default();
            let retry = retry.map(|time| format!(" It is tried again in {}.", soon(time)));
            format!("Cannot go on{place}: {}.{}", error.kind, retry.unwrap_or_default())
        }
        Why::Opening => "Looking at what is in its folder.".into(),
        Why::Checking { done, of } => {
            format!("Checking what is in its folder: {} of {}.", large(done), pieces(of))
        }
        Why::Finishing => "Everything is there; files get their names.".into(),
        Why::Seeding { .. }
        | Why::Unwanted { .. }
        | Why::UpLimit { .. }
        | Why::Slots { .. }
        | Why::Dormant => seeding(explanation.why),
        why => lacking(why),
    }
}

/// Something of it is missing.
fn lacking(why: Why) -> String {
    match why {
        Why::Metadata { .. } => metadata(why),
        Why::NoPeers => "No peer is known.".into(),
        Why::Connecting { dialing: 0, .. } => "Connecting to peers.".into(),
        Why::Connecting { dialing, known } => {
            format!(
                "Connecting to peers: {} of {} known are being tried.",
                large(dialing),
                large(known)
            )
        }
        Why::Crowded { links } => {
            format!("Other torrents use all of the {}.", number(links, "connection", "connections"))
        }
        Why::Unreachable { failed, waiting, next } => unreachable(failed, waiting, next),
        Why::Absent { pieces, first, peers } => absent(pieces, &first, peers),
        Why::Choked { by: 1, peers: 1 } => "Choked by the only peer.".into(),
        Why::Choked { by, peers } if by == peers => format!("Choked by all {}.", self::peers(by)),
        Why::Choked { by: 1, peers } => {
            format!("Choked by the one of {} that has what is missing.", self::peers(peers))
        }
        Why::Choked { by, peers } => {
            let (by, peers) = (large(by), self::peers(peers));
            format!("Choked by all {by} of {peers} that have what is missing.")
        }
        Why::Silent { unchoked, of } => {
            let (verb, send) = if unchoked == 1 { ("lets", "sends") } else { ("let", "send") };
            format!("{} of {} {verb} us download, and {send} nothing.", large(unchoked), peers(of))
        }
        Why::Peers { unchoked, of, rate } => {
            let verb = if unchoked == 1 { "lets" } else { "let" };
            let (unchoked, rate) = (large(unchoked), self::rate(rate));
            format!("Slow: {unchoked} of {} {verb} us download, which makes {rate}.", peers(of))
        }
        Why::DownLimit { scope, rate } => binds("rate limit", scope, rate),
        Why::Disk { waiting } => {
            format!("The disk is slower than the peers: {} wait to be written.", size(waiting))
        }
        Why::Memory { bytes } => {
            format!("All memory for received blocks is in use: {}.", size(bytes))
        }
        Why::FullSpeed { rate, peers } => {
            let verb = if peers == 1 { "gives" } else { "give" };
            format!("At full speed: {} {verb} {}.", self::peers(peers), self::rate(rate))
        }
        // What a later version may add.
        why => format!("{}.", why.name().replace('_', " ")),
    }
}

fn metadata(why: Why) -> String {
    let Why::Metadata { peers, asked, blocks, of, liars } = why else { return String::new() };
    let mut words = match asked {
        0 if peers == 1 => "The only peer has not got the file list".into(),
        0 => format!("None of {} has the file list", self::peers(peers)),
        _ => format!("Asking {} of {} for the file list", large(asked), self::peers(peers)),
    };
    if of > 0 {
        words.push_str(&format!(
            ": {} of {} are there",
            large(blocks),
            number(of, "block", "blocks")
        ));
    }
    if liars > 0 {
        words.push_str(&format!("; {} sent a false one", self::peers(liars)));
    }
    words.push('.');
    words
}

fn unreachable(failed: u32, waiting: u32, next: Option<Duration>) -> String {
    let mut words = match (failed, failed.max(waiting)) {
        (0, _) => "No peer is connected".to_owned(),
        (1, 1) => "The only known peer cannot be reached".into(),
        (failed, known) if failed == known => {
            format!("None of {} can be reached", number(known, "known peer", "known peers"))
        }
        (failed, known) => {
            let known = number(known, "known peer", "known peers");
            format!("{} of {known} cannot be reached, and the others left", large(failed))
        }
    };
    if let Some(next) = next {
        words.push_str(&format!("; the next is tried in {}", soon(next)));
    }
    words.push('.');
    words
}

fn absent(pieces: u32, first: &[u32; NAMED_MAX], peers: u32) -> String {
    let who = match peers {
        1 => "The only peer has none".to_owned(),
        _ => format!("None of {} has any", self::peers(peers)),
    };
    let named: Vec<String> =
        first.iter().take(pieces as usize).map(|&piece| grouped(piece.into())).collect();
    match pieces as usize {
        1 => format!("No peer has piece {}, the last that is missing.", named[0]),
        2..=NAMED_MAX => {
            let pieces = large(pieces);
            format!("{who} of the {pieces} missing pieces ({}).", list(&named))
        }
        _ => format!("{who} of the {} missing pieces.", large(pieces)),
    }
}

fn seeding(why: Why) -> String {
    match why {
        Why::Seeding { to: 0, .. } => "Seeding; nobody asks for anything just now.".into(),
        Why::Seeding { to, rate } => {
            format!("Seeding to {} at {}.", peers(to), self::rate(rate))
        }
        Why::Unwanted { peers: 0 } => "Seeding; nobody wants anything.".into(),
        Why::Unwanted { peers } => {
            format!("Seeding; of {} none wants anything.", self::peers(peers))
        }
        Why::UpLimit { scope, rate } => binds("upload limit", scope, rate),
        Why::Slots { slots, waiting } => {
            let wait = if waiting == 1 { "waits" } else { "wait" };
            let slots = number(slots, "upload slot", "upload slots");
            format!("Seeding; {slots} taken, {} {wait}.", peers(waiting))
        }
        _ => "Seeding; at rest until somebody wants something.".into(),
    }
}

/// A piece of evidence, in words without a full stop.
#[must_use]
pub fn evidence(evidence: &Evidence) -> String {
    match *evidence {
        Evidence::Peers { connected, seeds, useful } => format!(
            "{} connected, {} with everything, {} with something that is missing",
            peers(connected),
            large(seeds),
            large(useful)
        ),
        Evidence::Unchoked { by, silent: 0 } => format!("{} let us download", peers(by)),
        Evidence::Unchoked { by, silent } => {
            format!("{} let us download, {} of them send nothing", peers(by), large(silent))
        }
        Evidence::Down { rate, session, best } => format!(
            "{} come, {} with all torrents, {} at the best of times",
            self::rate(rate),
            self::rate(session),
            self::rate(best)
        ),
        Evidence::Missing { pieces, bytes, absent } => format!(
            "{} missing, {}, {} of them with no peer",
            self::pieces(pieces),
            size(bytes),
            large(absent)
        ),
        Evidence::DownLimit(limit) => format!("a limit of {}", self::limit(limit)),
        Evidence::UpLimit(limit) => format!("an upload limit of {}", self::limit(limit)),
        Evidence::Disk { waiting, most, seconds } => format!(
            "{} of {} wait to be written, in {seconds} of the last 10 seconds too many",
            size(waiting),
            size(most)
        ),
        Evidence::Addresses { known, dialing, failed, waiting } => format!(
            "{} known, {} being tried, {} failed, {} left alone for now",
            number(known, "address", "addresses"),
            large(dialing),
            large(failed),
            large(waiting)
        ),
        Evidence::Wanting { peers, unchoked, slots } => format!(
            "{} want something, {} of them may download, with {}",
            self::peers(peers),
            large(unchoked),
            number(slots, "slot", "slots")
        ),
        Evidence::Up { rate } => format!("{} are given", self::rate(rate)),
        _ => String::new(),
    }
}

/// What shows the reason, each in words without a full stop: its evidence, and where the session
/// looks for peers, when more of them would help.
#[must_use]
pub fn details(explanation: &Explanation) -> Vec<String> {
    let Explanation { why, evidence, trackers, port, nodes, .. } = explanation;
    let mut words: Vec<String> =
        evidence.iter().map(self::evidence).filter(|words| !words.is_empty()).collect();
    if why.lacks_peers() {
        words.extend(trackers.iter().map(tracker));
    }
    if why.lacks_peers() || matches!(why, Why::Choked { .. } | Why::Peers { .. }) {
        words.extend(self::port(*port));
        words.extend(
            nodes.map(|nodes| format!("{} of the DHT known", number(nodes, "node", "nodes"))),
        );
    }
    words
}

/// What is to be said of the port.
fn port(port: Port) -> Option<String> {
    let Port { listening, near, far } = port;
    match (listening, near, far) {
        (false, ..) => Some("nobody can connect to us: we listen nowhere".into()),
        (true, 0, 0) => Some("nobody has connected to us yet: the port may be closed".into()),
        (true, _, 0) => Some(
            "nobody outside this network has connected to us yet: the port may be closed".into(),
        ),
        (true, _, 1..) => None,
    }
}

/// What a tracker said last, without a full stop: `tracker t.example: answered, knows no peers`.
#[must_use]
pub fn tracker(tracker: &TrackerStatus) -> String {
    let answer = match &tracker.state {
        TrackerState::Unused => "not asked yet".to_owned(),
        TrackerState::Asking => "no answer yet".to_owned(),
        TrackerState::Working { peers: 0 } => "answered, knows no peers".to_owned(),
        TrackerState::Working { peers } => format!("answered, {}", self::peers(*peers)),
        TrackerState::Failed { reason } => reason.clone(),
    };
    format!("tracker {}: {answer}", host_of(&tracker.url))
}

/// The host of an address, which holds no secret.
#[must_use]
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    host.rsplit('@').next().unwrap_or(host)
}

fn limit(limit: Limit) -> String {
    let Limit { scope, rate, seconds } = limit;
    let whose = match scope {
        Scope::Torrent => "for this torrent",
        Scope::Session => "for all torrents",
    };
    format!("{} {whose}, reached in {seconds} of the last 10 seconds", self::rate(rate))
}

fn binds(what: &str, scope: Scope, rate: u64) -> String {
    let rate = self::rate(rate);
    match scope {
        Scope::Torrent => format!("The torrent's own {what} of {rate} binds."),
        Scope::Session => format!("The {what} of {rate} for all torrents binds."),
    }
}

fn peers(count: u32) -> String {
    number(count, "peer", "peers")
}

fn pieces(count: u32) -> String {
    number(count, "piece", "pieces")
}

fn number(number: u32, one: &str, many: &str) -> String {
    count(u64::from(number), one, many)
}

fn large(number: u32) -> String {
    grouped(u64::from(number))
}

/// A time that is to come, in whole seconds.
fn soon(time: Duration) -> String {
    took(Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests;
