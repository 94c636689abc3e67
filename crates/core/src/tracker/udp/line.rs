//! What is known of each address that is asked: its connection id, and for how long it is silent.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use toubkal_wire::udp_tracker::{Question, Request};

use crate::base::{Rng, Time};

/// Addresses that are known at once.
const LINES_MAX: usize = 1_024;
/// BEP 15: "a client can use a connection ID until one minute after it has received it".
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// BEP 15: "15 * 2 ^ n seconds, where n starts at 0 and is increased up to 8".
const SILENCE: Duration = Duration::from_secs(15);
const SILENCES_MAX: u32 = 8;
/// Questions whose answer an address owes at once.
const WINDOW: usize = 64;
/// A question that cannot be sent within this time is told so at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(50);

/// How long to wait for an answer after so many packets in a row had none.
pub(super) fn silence(tries: u32) -> Duration {
    SILENCE * (1 << tries.min(SILENCES_MAX))
}

/// One address.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The connection id, and until when it is good.
    connection: Option<(u64, Time)>,
    /// The transaction of the packet that asks for one.
    connecting: Option<u32>,
    /// Packets in a row that had no answer.
    silent: u32,
    /// Before this time it is sent no packet to connect.
    from: Time,
    /// Questions that are not sent.
    waiting: VecDeque<u32>,
    /// Questions that are sent and not answered.
    in_air: usize,
    used: Time,
    due: Option<Time>,
}

impl Line {
    /// How long nothing may be sent, if no question can wait that long.
    pub(super) fn closed(&self, now: Time) -> Option<Duration> {
        let wait = self.from.since(now);
        (self.connection(now).is_none() && wait >= PATIENCE).then_some(wait)
    }

    /// When a packet may be sent, from now.
    pub(super) fn again(&self, now: Time) -> Duration {
        self.from.since(now)
    }

    pub(super) fn wait(&mut self, transaction: u32) {
        self.waiting.push_back(transaction);
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().copied()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = u32> + use<> {
        core::mem::take(&mut self.waiting).into_iter()
    }

    /// Takes a question out that is not to wait any more.
    pub(super) fn leave(&mut self, transaction: u32) {
        self.waiting.retain(|other| *other != transaction);
    }

    /// The connection id, while it is good.
    pub(super) fn connection(&self, now: Time) -> Option<u64> {
        self.connection.filter(|(_, until)| now < *until).map(|(id, _)| id)
    }

    pub(super) fn forget_connection(&mut self) {
        self.connection = None;
    }

    /// The next question that may be sent.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.in_air >= WINDOW {
            return None;
        }
        let transaction = self.waiting.pop_front()?;
        self.in_air += 1;
        Some(transaction)
    }

    /// A question that was sent needs no answer any more.
    pub(super) fn landed(&mut self) {
        self.in_air = self.in_air.saturating_sub(1);
    }

    /// The packet that asks for a connection id, if one is needed and it is time.
    pub(super) fn connect(&mut self, now: Time, rng: &mut Rng) -> Option<Vec<u8>> {
        let needed = !self.waiting.is_empty() && self.connection(now).is_none();
        if !needed || now < self.from {
            return None;
        }
        // A late answer to an earlier packet is as good.
        let transaction = *self.connecting.get_or_insert_with(|| rng.bits() as u32);
        self.from = now.after(silence(self.silent));
        self.used = now;
        Some(Request { transaction, question: Question::Connect }.encode())
    }

    /// The time for the answer to a packet that asks for a connection id is over.
    pub(super) fn time_out(&mut self, now: Time) {
        if self.connecting.is_some() && self.from <= now && self.connection(now).is_none() {
            self.silent = (self.silent + 1).min(SILENCES_MAX);
        }
        if self.waiting.is_empty() {
            self.connecting = None;
        }
    }

    pub(super) fn is_connecting(&self, transaction: u32) -> bool {
        self.connecting == Some(transaction)
    }

    pub(super) fn connected(&mut self, now: Time, id: u64) {
        self.connection = Some((id, now.after(CONNECTION_LIFE)));
        self.connecting = None;
        self.heard();
        self.from = now;
    }

    pub(super) fn refused(&mut self, now: Time) {
        self.connecting = None;
        self.heard();
        self.from = now;
    }

    /// It answers.
    pub(super) fn heard(&mut self) {
        self.silent = 0;
    }

    /// A question had no answer, for the n-th time in a row.
    pub(super) fn silent(&mut self, now: Time, tries: Option<u32>) {
        let Some(tries) = tries else { return };
        self.landed();
        self.silent = self.silent.max(tries.min(SILENCES_MAX));
        if self.connection(now).is_none() {
            self.connection = None;
        }
    }

    /// There is no way there: what is asked next tries anew.
    pub(super) fn cut(&mut self, now: Time) {
        *self =
            Self { used: now, due: self.due, waiting: self.drain().collect(), ..Self::default() };
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_air == 0
    }

    /// When it is to be looked at: when a packet may be sent that somebody waits for, or one had
    /// no answer.
    fn deadline(&self) -> Option<Time> {
        let waits = !self.waiting.is_empty() && self.connection.is_none_or(|_| self.in_air == 0);
        (self.connecting.is_some() || waits).then_some(self.from)
    }
}

/// All addresses.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<SocketAddr, Line>,
    due: BTreeSet<(Time, SocketAddr)>,
}

impl Lines {
    /// Makes sure that an address is known; `false` when there is no room for one more.
    pub(super) fn make(&mut self, now: Time, to: SocketAddr) -> bool {
        if self.lines.len() >= LINES_MAX && !self.lines.contains_key(&to) {
            // The one that nobody has asked for longest.
            let idle = self.lines.iter().filter(|(_, line)| line.is_idle());
            let Some(&oldest) = idle.min_by_key(|(_, line)| line.used).map(|(to, _)| to) else {
                return false;
            };
            let due = self.lines.remove(&oldest).and_then(|line| line.due);
            due.inspect(|at| _ = self.due.remove(&(*at, oldest)));
        }
        self.lines.entry(to).or_insert_with(|| Line { used: now, ..Line::default() });
        true
    }

    pub(super) fn get_mut(&mut self, to: SocketAddr) -> Option<&mut Line> {
        self.lines.get_mut(&to)
    }

    /// Notes when an address is to be looked at.
    pub(super) fn plan(&mut self, to: SocketAddr) {
        let Some(line) = self.lines.get_mut(&to) else { return };
        let next = line.deadline();
        if let Some(at) = core::mem::replace(&mut line.due, next) {
            self.due.remove(&(at, to));
        }
        self.due.extend(next.map(|at| (at, to)));
    }

    /// An address that is to be looked at by now; it is not given twice.
    pub(super) fn due(&mut self, now: Time) -> Option<SocketAddr> {
        let &(at, to) = self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        if let Some(line) = self.lines.get_mut(&to) {
            line.due = None;
        }
        Some(to)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }
}
