//! What goes wrong in a world: how often, and how badly.

use std::fmt;
use std::time::Duration;

/// Faults that come by chance. Nothing goes wrong by default. Rates are in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Longest wait of a fact on its way from the hands to the engine.
    pub fact_delay: Duration,
    /// Longest wait of an action on its way from the engine to the hands.
    pub wish_delay: Duration,
    /// Longest wait of a job on its way to the store, and of its answer.
    pub job_delay: Duration,
    /// Longest detour of an item in the network.
    pub jitter: Duration,
    /// Packets that are lost; each costs its link a retransmission.
    pub loss: u32,
    /// Bytes that a link holds which its other end has not read; 0: any number.
    pub window: u64,
    /// Received words are cut into parts of at most so many bytes; 0: cut once, somewhere.
    pub segment: usize,
    /// Links that are reset some time.
    pub resets: u32,
    /// Links of which one end vanishes without a word.
    pub half_open: u32,
    /// When links break that do: within this time.
    pub lifetime: Duration,
    /// Attempts to connect that nobody answers.
    pub unanswered: u32,
    /// What the tracker does.
    pub tracker: TrackerFaults,
}

/// How a tracker answers. Rates are in millionths of all questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackerFaults {
    /// Longest time to an answer.
    pub delay: Duration,
    /// Questions that are never answered.
    pub silent: u32,
    /// Questions that are refused.
    pub refuses: u32,
    /// Answers that are no answers.
    pub garbage: u32,
    /// Answers without a peer.
    pub empty: u32,
    /// Addresses in an answer where nobody lives: up to so many.
    pub dead: u32,
}

impl Faults {
    /// The names that [`Faults::without`] knows.
    pub const NAMES: [&'static str; 9] = [
        "queues",
        "jitter",
        "loss",
        "window",
        "segments",
        "resets",
        "half-open",
        "unanswered",
        "tracker",
    ];

    /// The same without one kind of fault; false: there is none of this name.
    pub fn without(&mut self, name: &str) -> bool {
        match name {
            "queues" => {
                (self.fact_delay, self.wish_delay) = (Duration::ZERO, Duration::ZERO);
                self.job_delay = Duration::ZERO;
            }
            "jitter" => self.jitter = Duration::ZERO,
            "loss" => self.loss = 0,
            "window" => self.window = 0,
            "segments" => self.segment = 0,
            "resets" => self.resets = 0,
            "half-open" => self.half_open = 0,
            "unanswered" => self.unanswered = 0,
            "tracker" => self.tracker = TrackerFaults::default(),
            _ => return false,
        }
        true
    }

    /// What is left when the network heals: the queues inside of hosts, which are no faults.
    #[must_use]
    pub fn healed(self) -> Self {
        let Self { fact_delay, wish_delay, job_delay, window, segment, .. } = self;
        Self { fact_delay, wish_delay, job_delay, window, segment, ..Self::default() }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact_delay, wish_delay, job_delay, jitter, loss, window, .. } = self;
        write!(f, "queues {fact_delay:?} {wish_delay:?} {job_delay:?}, jitter {jitter:?}, ")?;
        write!(f, "loss {loss}, window {window}, segments {}, ", self.segment)?;
        let Self { resets, half_open, lifetime, unanswered, tracker, .. } = self;
        write!(f, "resets {resets}, half-open {half_open} in {lifetime:?}, ")?;
        write!(f, "unanswered {unanswered}; tracker: delay {:?}, ", tracker.delay)?;
        let TrackerFaults { silent, refuses, garbage, empty, dead, .. } = tracker;
        write!(f, "silent {silent}, refuses {refuses}, garbage {garbage}, empty {empty}, ")?;
        write!(f, "dead {dead}")
    }
}

/// Something that happens to a host, or to the network, at a moment that was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The process does nothing for a while; then everything that waited comes at once.
    Pause {
        /// Who.
        host: usize,
        /// How long.
        lasts: Duration,
        /// Its monotonic clock stands still meanwhile, as Linux's does while it sleeps.
        asleep: bool,
    },
    /// The monotonic clock leaps forward, as macOS's and Windows' do after a sleep.
    Leap {
        /// Whose.
        host: usize,
        /// How far.
        by: Duration,
    },
    /// Nothing passes from some hosts to others; what was sent comes through afterwards.
    Cut {
        /// From these.
        from: Vec<usize>,
        /// To these.
        to: Vec<usize>,
        /// How long.
        lasts: Duration,
    },
    /// The process, or the machine, dies; and comes back with its disk.
    Crash {
        /// Who.
        host: usize,
        /// With the machine: nothing says a word to the peers, and the disk loses what it may.
        power: bool,
        /// After how long it is there again; `None`: never.
        back: Option<Duration>,
    },
    /// The user stops the torrent, and starts it again later.
    Stop {
        /// Whose.
        host: usize,
        /// For how long.
        lasts: Duration,
    },
    /// The user has everything checked.
    Check {
        /// Whose.
        host: usize,
    },
}

impl Mishap {
    /// The word for its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pause { .. } => "pauses",
            Self::Leap { .. } => "leaps",
            Self::Cut { .. } => "cuts",
            Self::Crash { .. } => "crashes",
            Self::Stop { .. } => "stops",
            Self::Check { .. } => "checks",
        }
    }
}
