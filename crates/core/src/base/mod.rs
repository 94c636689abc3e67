//! What every machine stands on: time, chance, the outbox, and small containers.

mod bitset;
mod bucket;
mod rng;
mod slab;
mod time;

pub use bitset::Bitset;
pub use bucket::Bucket;
pub use rng::Rng;
pub use slab::{Key, Slab};
pub use time::Time;

use alloc::vec::Vec;

/// The shape of every machine: values in, values out.
///
/// The driver calls [`Machine::handle`] for each fact, [`Machine::advance`] when the
/// [`Machine::deadline`] has come, and carries out what was put in the outbox, in order. Time
/// never goes back. A machine does bounded work a call, and never fails on remote input.
pub trait Machine {
    /// A fact that the world tells.
    type Event;
    /// A thing that the world is asked to do.
    type Action;

    /// Takes in one fact.
    fn handle(&mut self, now: Time, event: Self::Event, out: &mut Outbox<Self::Action>);

    /// Does what is due at `now`; harmless when nothing is.
    fn advance(&mut self, now: Time, out: &mut Outbox<Self::Action>);

    /// When `advance` next has something to do, and who asked, for the log.
    fn deadline(&self) -> Option<(Time, &'static str)>;
}

/// What a machine wants done, in order. The driver owns it and uses it again.
#[derive(Debug)]
pub struct Outbox<A> {
    actions: Vec<A>,
}

impl<A> Default for Outbox<A> {
    fn default() -> Self {
        Self { actions: Vec::new() }
    }
}

impl<A> Outbox<A> {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action behind the others.
    pub fn push(&mut self, action: A) {
        self.actions.push(action);
    }

    /// Adds an action behind the others, made where it will lie: what is pushed is made elsewhere
    /// and copied, for which the CPU has to wait.
    #[inline]
    pub fn push_with(&mut self, action: impl FnOnce() -> A) {
        self.actions.extend(core::iter::once_with(action));
    }

    /// Takes out all actions, first in, first out.
    pub fn drain(&mut self) -> impl Iterator<Item = A> + '_ {
        self.actions.drain(..)
    }

    /// All actions, in order; they stay.
    #[must_use]
    pub fn as_slice(&self) -> &[A] {
        &self.actions
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}
