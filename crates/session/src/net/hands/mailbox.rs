//! A queue from thread to thread that is handed over as a whole: one lock and one wake-up for all
//! that a round brought, and no allocation once both sides have room.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::super::wake::Wake;

/// What waits at most before whoever brings more has to wait; one batch may go past it.
const LETTERS_MAX: usize = 16 * 1024;

/// The queue, and how its reader is woken.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    taken: Condvar,
    wake: Arc<Wake>,
}

#[derive(Debug)]
struct Queue<T> {
    letters: Vec<T>,
    /// Nobody reads it any more.
    closed: bool,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(wake: Arc<Wake>) -> Self {
        let queue = Mutex::new(Queue { letters: Vec::new(), closed: false });
        Self { queue, taken: Condvar::new(), wake }
    }

    /// Hands a batch over, and waits for room before; the batch is empty afterwards.
    pub(crate) fn put(&self, batch: &mut Vec<T>) {
        if batch.is_empty() {
            return;
        }
        let mut queue = self.lock();
        while queue.letters.len() >= LETTERS_MAX && !queue.closed {
            queue = self.taken.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.add(batch);
        drop(queue);
        self.wake.up();
    }

    /// As [`Mailbox::put`], but when there is no room the batch stays as it is.
    pub(crate) fn try_put(&self, batch: &mut Vec<T>) {
        if batch.is_empty() {
            return;
        }
        let mut queue = self.lock();
        if queue.letters.len() >= LETTERS_MAX && !queue.closed {
            return;
        }
        queue.add(batch);
        drop(queue);
        self.wake.up();
    }

    /// Adds letters whose number is bounded elsewhere; never waits.
    pub(crate) fn post(&self, letters: impl Iterator<Item = T>) {
        let mut queue = self.lock();
        let before = queue.letters.len();
        queue.letters.extend(letters);
        let came = queue.letters.len() > before;
        if queue.closed {
            queue.letters.clear();
        }
        drop(queue);
        if came {
            self.wake.up();
        }
    }

    /// Takes everything into an empty list; says whether somebody may have found no room.
    pub(crate) fn take(&self, into: &mut Vec<T>) -> bool {
        let mut queue = self.lock();
        let full = queue.letters.len() >= LETTERS_MAX;
        std::mem::swap(&mut queue.letters, into);
        drop(queue);
        if full {
            self.taken.notify_all();
        }
        full
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().letters.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.lock().letters.len() < LETTERS_MAX
    }

    /// Nobody will read it any more: what comes is dropped.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.letters.clear();
        drop(queue);
        self.taken.notify_all();
    }

    /// Wakes the reader, though nothing came.
    pub(crate) fn wake(&self) {
        self.wake.up();
    }

    /// How the reader is woken.
    pub(crate) fn waker(&self) -> &Wake {
        &self.wake
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Nothing panics while it holds this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Queue<T> {
    fn add(&mut self, batch: &mut Vec<T>) {
        match self.letters.is_empty() {
            _ if self.closed => batch.clear(),
            true => std::mem::swap(&mut self.letters, batch),
            false => self.letters.append(batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Poll, Token, Waker};

    fn mailbox() -> (Poll, Mailbox<usize>) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (poll, Mailbox::new(Arc::new(Wake::new(waker))))
    }

    #[test]
    fn letters_come_in_order_whoever_takes_them_how_often() {
        let (_poll, mailbox) = mailbox();
        let mut got = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..50_000).for_each(|n| mailbox.put(&mut vec![2 * n, 2 * n + 1])));
            let mut batch = Vec::new();
            while got.len() < 100_000 {
                mailbox.take(&mut batch);
                assert!(batch.len() <= LETTERS_MAX + 1);
                got.append(&mut batch);
            }
        });
        assert!(got.iter().copied().eq(0..100_000));
    }

    #[test]
    fn who_may_not_wait_keeps_what_finds_no_room_and_hears_when_there_is_some() {
        let (_poll, mailbox) = mailbox();
        mailbox.try_put(&mut (0..LETTERS_MAX).collect());
        let mut batch = vec![1, 2];
        mailbox.try_put(&mut batch);
        assert_eq!((batch.len(), mailbox.has_room()), (2, false));
        assert!(mailbox.take(&mut Vec::new()), "somebody may wait");
        mailbox.try_put(&mut batch);
        assert_eq!((batch.len(), mailbox.has_room()), (0, true));
        let mut rest = Vec::new();
        assert!(!mailbox.take(&mut rest));
        assert_eq!(rest, [1, 2]);
    }

    #[test]
    fn nobody_waits_for_a_reader_that_is_gone() {
        let (_poll, mailbox) = mailbox();
        mailbox.put(&mut (0..LETTERS_MAX).collect());
        std::thread::scope(|scope| {
            scope.spawn(|| mailbox.put(&mut vec![1]));
            mailbox.close();
        });
        mailbox.post([2].into_iter());
        assert!(mailbox.is_empty());
    }
}
