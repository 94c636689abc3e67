//! What has happened: a hash of everything, and lines for people who want to see it.

use std::fmt;
use std::time::Duration;

use toubkal_core::base::Time;

use crate::world::World;

/// A change of state, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// Whose; `None`: of the network.
    pub host: Option<usize>,
    /// What kind of change.
    pub what: &'static str,
    /// The rest.
    pub more: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, host, what, more } = self;
        let host = host.map_or("  -".to_owned(), |host| format!("{host:3}"));
        write!(f, "{:12.6} {host} {what:<10} {more}", at.as_secs_f64())
    }
}

/// Who is told each line.
type Listener = Box<dyn FnMut(&Entry)>;

/// The trace of a run.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    listener: Option<Listener>,
}

impl Trace {
    /// Takes in a number. Not for adversaries: one multiplication a number.
    pub(crate) fn mix(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({:016x})", self.hash)
    }
}

impl World {
    /// Has each change of state told from now on.
    pub fn listen(&mut self, listener: impl FnMut(&Entry) + 'static) {
        self.trace.listener = Some(Box::new(listener));
    }

    /// A hash of everything that has happened, to compare two runs.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// Notes a change of state. `host` is past all hosts when it is of the network.
    pub(crate) fn log(&mut self, host: usize, what: &'static str, more: impl FnOnce() -> String) {
        self.trace.mix(self.now.as_nanos());
        self.trace.mix(host as u64 ^ u64::from_le_bytes(word(what)));
        if let Some(mut listener) = self.trace.listener.take() {
            let host = (host < self.hosts.len()).then_some(host);
            listener(&Entry { at: self.now.since(Time::START), host, what, more: more() });
            self.trace.listener = Some(listener);
        }
    }
}

/// The first eight letters.
fn word(text: &str) -> [u8; 8] {
    let mut word = [0; 8];
    word.iter_mut().zip(text.bytes()).for_each(|(to, letter)| *to = letter);
    word
}
