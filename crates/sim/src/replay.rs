//! Playing an event log again: the same engine, told the same, step by step.
//!
//! `cargo run -p toubkal-sim --example replay FILE` prints a line for each step.

use std::fmt::{self, Write as _};
use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Time};
use toubkal_core::engine::log::{Fact, Log, LogError, Step, Sum};
use toubkal_core::engine::{Action, Engine, Notice, PeerStatus, Status, TorrentId};

/// The longest text of an event or an action, in bytes: a bitfield may be half a megabyte.
const TEXT_BYTES_MAX: usize = 300;

/// The life of an engine, played from its log: an iterator over what happened.
///
/// Between two steps the engine can be asked how it stands: [`Replay::engine`]. After an error
/// nothing more comes.
#[derive(Debug)]
pub struct Replay<'b> {
    log: Log<'b>,
    engine: Engine,
    out: Outbox<Action>,
    sum: Sum,
    /// What was read of the log and not played yet.
    next: Option<Result<Step, LogError>>,
    torrents: Vec<TorrentId>,
    number: u64,
    differs: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Since the start of the log's clock.
    pub at: Duration,
    /// Event and actions, on one line; long ones are cut.
    pub text: String,
    /// The engine does not do what it did then: since this step, if the line before says no.
    pub differs: bool,
}

impl<'b> Replay<'b> {
    /// Begins to play a log.
    ///
    /// # Errors
    /// When it is none, or one of another version.
    pub fn new(bytes: &'b [u8]) -> Result<Self, LogError> {
        let mut log = Log::open(bytes)?;
        let engine = log.engine();
        let next = log.next();
        let (out, sum) = (Outbox::new(), Sum::default());
        let torrents = Vec::new();
        Ok(Self { log, engine, out, sum, next, torrents, number: 0, differs: false })
    }

    /// The engine as it is after the last step that was played.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How every torrent that was not removed stands after the last step, and its peers.
    #[must_use]
    pub fn torrents(&self) -> Vec<(TorrentId, Status, Vec<PeerStatus>)> {
        let there = |&id: &TorrentId| Some((id, self.engine.status(id)?, self.engine.peers(id)));
        self.torrents.iter().filter_map(there).collect()
    }

    /// Whether the log was cut off, as that of a program that was killed. Known at its end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.log.is_cut()
    }

    fn play(&mut self, at: Time, fact: Fact) -> String {
        let mut text = String::new();
        match fact {
            Fact::Event(event) => {
                say(&mut text, format_args!("{event:?}"));
                self.engine.handle(at, event, &mut self.out);
            }
            Fact::Advance => {
                let why = self.engine.deadline().filter(|&(due, _)| due <= at);
                say(&mut text, format_args!("Due({})", why.map_or("nothing", |(_, why)| why)));
                self.engine.advance(at, &mut self.out);
            }
            Fact::End => text.push_str("End"),
        }
        for (index, action) in self.out.drain().enumerate() {
            text.push_str(if index == 0 { " => " } else { "; " });
            say(&mut text, format_args!("{action:?}"));
            self.sum.add(&action);
            if let Action::Notify(Notice::Added { torrent, .. }) = action {
                self.torrents.push(torrent);
            }
        }
        text
    }
}

impl Iterator for Replay<'_> {
    type Item = Result<Line, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Step { at, fact, .. } = match self.next.take()? {
            Ok(step) => step,
            Err(error) => return Some(Err(error)),
        };
        let text = self.play(at, fact);
        self.number += 1;
        // What came of a step then stands at the head of the next one.
        self.next = self.log.next();
        if let Some(Ok(next)) = &self.next {
            self.differs |= next.before != self.sum.get();
        }
        let at = at.since(Time::START);
        Some(Ok(Line { number: self.number, at, text, differs: self.differs }))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.at.as_secs(), self.at.subsec_nanos());
        let mark = if self.differs { " [differs]" } else { "" };
        write!(f, "{:>6} {seconds:>5}.{nanos:09}{mark} {}", self.number, self.text)
    }
}

/// Appends a text, cut if it is long.
fn say(out: &mut String, text: fmt::Arguments<'_>) {
    let room = TEXT_BYTES_MAX;
    let mut short = Short { out, room };
    if short.write_fmt(text).is_err() {
        out.push('…');
    }
}

/// Takes so many bytes of a text and then no more.
struct Short<'o> {
    out: &'o mut String,
    room: usize,
}

impl fmt::Write for Short<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let taken = &text[..text.floor_char_boundary(self.room)];
        self.out.push_str(taken);
        self.room -= taken.len();
        if taken.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
