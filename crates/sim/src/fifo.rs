//! A queue between two who run at different moments: first in, first out, each in its time.

use std::collections::VecDeque;

use toubkal_core::base::Time;

/// Things on their way, in order: none overtakes another.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    waiting: VecDeque<(Time, T)>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Fifo<T> {
    /// Sends a thing that is to be there at `at`; returns when it will be, which is not before
    /// what was sent earlier.
    pub(crate) fn push(&mut self, at: Time, thing: T) -> Time {
        let at = self.waiting.back().map_or(at, |(last, _)| at.max(*last));
        self.waiting.push_back((at, thing));
        at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next thing, if it is there by now.
    pub(crate) fn pop(&mut self, now: Time) -> Option<T> {
        if self.waiting.front()?.0 > now {
            return None;
        }
        self.waiting.pop_front().map(|(_, thing)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes() {
        let mut fifo = Fifo::default();
        let at = Time::from_nanos;
        assert_eq!(fifo.push(at(5), 'a'), at(5));
        assert_eq!(fifo.push(at(3), 'b'), at(5));
        assert_eq!(fifo.pop(at(4)), None);
        assert_eq!(
            [fifo.pop(at(5)), fifo.pop(at(5)), fifo.pop(at(9))],
            [Some('a'), Some('b'), None]
        );
    }
}
