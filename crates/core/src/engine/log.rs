//! The event log: everything that goes into an engine, so that its life can be played again.
//!
//! An engine is a function of its [`Config`], its seed, and a row of events and times. A [`Writer`]
//! puts them into bytes, a [`Log`] reads them back, and an engine that is told the same does the
//! same. So a report of a torrent that got stuck is a file. Beside each step goes a sum over all
//! actions so far: where a program no longer does the same, the first step that differs shows.
//!
//! In a log are the addresses and ids of peers, info-hashes, the sizes of files, and what peers
//! said. There are no names of files, no trackers, no passkeys, and no byte of payload. The seed
//! foretells what the engine draws by chance, so a log is best handed on once the session is over.
//!
//! # Use
//!
//! ```
//! use toubkal_core::base::{Outbox, Rng, Time};
//! use toubkal_core::engine::log::{Fact, Log, Writer};
//! use toubkal_core::engine::{Command, Config, Engine};
//!
//! let (config, rng) = (Config::default(), Rng::from_number(7));
//! let mut log = Writer::new(&config, &rng);
//! let mut engine = Engine::new(config, &rng);
//! let mut out = Outbox::new();
//! // In place of `engine.handle(...)` and `engine.advance(...)`:
//! log.handle(&mut engine, Time::START, Command::Shutdown.into(), &mut out);
//! let mut file: Vec<u8> = log.take();
//! // ... and now and then, and at the end:
//! log.end();
//! file.extend(log.take());
//!
//! let mut log = Log::open(&file)?;
//! let step = log.next().expect("there is one")?;
//! assert!(matches!(step.fact, Fact::Event(_)));
//! # Ok::<(), toubkal_core::engine::log::LogError>(())
//! ```
//!
//! # Format, version 4
//!
//! The magic bytes, the version, the seed, the [`Config`]. Then frames, each a length and so many
//! bytes: the kind, the sum of all actions before (2 bytes), nanoseconds since the frame before,
//! and the event. Numbers are variable: seven bits a byte, the lowest first. A log may end
//! anywhere, as that of a program that was killed: a frame that is not whole is the end.

mod code;
#[cfg(test)]
mod tests;
mod types;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{Action, Config, Engine, Event};
use crate::base::{Machine as _, Outbox, Rng, Time};
use code::{Code, Input};

/// What a log begins with.
pub const MAGIC: [u8; 8] = *b"TKEVENTS";
/// The version that is written. Those before are read too: 3 knows no readers, 2 no dormant
/// torrents.
pub const VERSION: u8 = 4;
/// The oldest version that is read.
const OLDEST: u8 = 2;
/// The longest frame that is read, in bytes: a torrent of 500,000 files is below it.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Puts what goes into one engine into bytes.
///
/// The bytes gather until they are taken: [`Writer::len`] says how many there are. What is to be
/// handled is written first, so that it is there should the engine not survive it.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    frame: Vec<u8>,
    last: Time,
    sum: Sum,
}

impl Writer {
    /// The log of an engine that is made from the same.
    #[must_use]
    pub fn new(config: &Config, rng: &Rng) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        rng.seed().put(&mut bytes);
        config.put(&mut bytes);
        Self { bytes, frame: Vec::new(), last: Time::START, sum: Sum::default() }
    }

    /// Tells the engine a fact, and writes it down before. Only what this call adds to `out` counts
    /// as its actions.
    pub fn handle(
        &mut self,
        engine: &mut Engine,
        now: Time,
        event: Event,
        out: &mut Outbox<Action>,
    ) {
        self.event(now, &event);
        let before = out.as_slice().len();
        engine.handle(now, event, out);
        self.actions(&out.as_slice()[before..]);
    }

    /// As [`Writer::handle`], for what is due.
    pub fn advance(&mut self, engine: &mut Engine, now: Time, out: &mut Outbox<Action>) {
        self.due(now);
        let before = out.as_slice().len();
        engine.advance(now, out);
        self.actions(&out.as_slice()[before..]);
    }

    /// Writes down a fact, before the engine is told it; for drivers that cannot use
    /// [`Writer::handle`]. What comes of it goes to [`Writer::actions`].
    pub fn event(&mut self, now: Time, event: &Event) {
        self.write(KIND_EVENT, now, |frame| event.put(frame));
    }

    /// As [`Writer::event`], before the engine is to do what is due.
    pub fn due(&mut self, now: Time) {
        self.write(KIND_ADVANCE, now, |_| {});
    }

    /// What came of the step before.
    pub fn actions(&mut self, actions: &[Action]) {
        for action in actions {
            self.sum.add(action);
        }
    }

    /// Writes down that nothing more comes, with the sum of everything.
    pub fn end(&mut self) {
        self.write(KIND_END, self.last, |_| {});
    }

    /// Bytes that were not taken yet.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what was written since the last time, to be put behind it.
    pub fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    fn write(&mut self, kind: u8, now: Time, rest: impl FnOnce(&mut Vec<u8>)) {
        self.frame.clear();
        self.frame.push(kind);
        self.frame.extend_from_slice(&self.sum.get().to_le_bytes());
        let since = u64::try_from(now.since(self.last).as_nanos()).unwrap_or(u64::MAX);
        since.put(&mut self.frame);
        self.last = self.last.max(now);
        rest(&mut self.frame);
        self.frame.len().put(&mut self.bytes);
        self.bytes.extend_from_slice(&self.frame);
    }
}

const KIND_EVENT: u8 = 0;
const KIND_ADVANCE: u8 = 1;
const KIND_END: u8 = 2;

/// A sum over actions, in their order.
///
/// It is checked at every step, and once it differs it stays so: 16 bits are plenty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    hash: u64,
    bytes: Vec<u8>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, bytes: Vec::new() }
    }
}

impl Sum {
    /// Adds an action to those before.
    pub fn add(&mut self, action: &Action) {
        self.bytes.clear();
        action.put(&mut self.bytes);
        // FNV-1a.
        for &byte in &self.bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// The sum of all actions so far.
    #[must_use]
    pub fn get(&self) -> u16 {
        let halves = self.hash ^ self.hash >> 32;
        (halves ^ halves >> 16) as u16
    }
}

/// A log that is read: an iterator over its steps.
///
/// It ends where the log does, also in the middle of a frame: see [`Log::is_cut`]. After an error
/// nothing more comes.
#[derive(Debug)]
pub struct Log<'b> {
    /// What the engine was made with.
    pub config: Config,
    /// What its chance was made from.
    pub seed: [u8; 32],
    rest: Input<'b>,
    last: Time,
    cut: bool,
}

/// One step in the life of an engine.
#[derive(Debug)]
pub struct Step {
    /// When.
    pub at: Time,
    /// The [`Sum`] of all actions of the steps before this one.
    pub before: u16,
    /// What happened.
    pub fact: Fact,
}

/// What an engine is called for.
#[derive(Debug)]
pub enum Fact {
    /// It was told this.
    Event(Event),
    /// It was to do what was due.
    Advance,
    /// The log ends here, in order.
    End,
}

/// Why bytes are no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogError {
    /// They do not begin as a log does.
    NotLog,
    /// A version that is not known.
    Version(u8),
    /// The head of the log is cut short, or is none.
    Head,
    /// A frame that no writer made, at this byte.
    Frame(usize),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLog => f.write_str("this is no event log"),
            Self::Version(version) => {
                write!(f, "the event log is of version {version}; {OLDEST} to {VERSION} are known")
            }
            Self::Head => f.write_str("the event log is damaged at its head"),
            Self::Frame(offset) => write!(f, "the event log is damaged at byte {offset}"),
        }
    }
}

impl core::error::Error for LogError {}

impl<'b> Log<'b> {
    /// Begins to read a log.
    ///
    /// # Errors
    /// When it is none, or one of another version.
    pub fn open(bytes: &'b [u8]) -> Result<Self, LogError> {
        let body = bytes.strip_prefix(&MAGIC).ok_or(LogError::NotLog)?;
        let (&version, body) = body.split_first().ok_or(LogError::Head)?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(LogError::Version(version));
        }
        let mut rest = Input::new(body, bytes.len() - body.len()).of(version);
        let seed = Code::take(&mut rest).ok_or(LogError::Head)?;
        let config = Code::take(&mut rest).ok_or(LogError::Head)?;
        Ok(Self { config, seed, rest, last: Time::START, cut: false })
    }

    /// An engine as it was at the beginning of the log.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.config.clone(), &Rng::new(self.seed))
    }

    /// Whether the log ended in the middle of a frame. Known once the last step was read.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    fn step(&mut self, frame: &mut Input<'_>) -> Option<Step> {
        let kind = frame.byte()?;
        let before = u16::from_le_bytes([frame.byte()?, frame.byte()?]);
        let at = self.last.after(Duration::from_nanos(u64::take(frame)?));
        let fact = match kind {
            KIND_EVENT => Fact::Event(Event::take(frame)?),
            KIND_ADVANCE => Fact::Advance,
            KIND_END => Fact::End,
            _ => return None,
        };
        self.last = at;
        frame.is_empty().then_some(Step { at, before, fact })
    }
}

impl Iterator for Log<'_> {
    type Item = Result<Step, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.rest.offset();
        let length = usize::take(&mut self.rest);
        if length.is_some_and(|length| length > FRAME_BYTES_MAX) {
            self.rest = Input::new(&[], offset);
            return Some(Err(LogError::Frame(offset)));
        }
        let Some(mut frame) = length.and_then(|length| self.rest.split(length)) else {
            self.cut = true;
            self.rest = Input::new(&[], offset);
            return None;
        };
        let step = self.step(&mut frame).ok_or(LogError::Frame(offset));
        if step.is_err() {
            self.rest = Input::new(&[], offset);
        }
        Some(step)
    }
}
