//! The queue of news from the network thread to the program: bounded, and never in the way of
//! the thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toubkal_core::engine::Notice;

use crate::session::SessionEvent;

/// News that wait to be fetched. One piece of news is at most a few hundred bytes.
const NEWS_MAX: usize = 4096;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct News {
    queue: Mutex<VecDeque<SessionEvent>>,
    came: Condvar,
}

impl News {
    /// Adds a piece of news. Of a full queue, single pieces go first: they are told by the
    /// status, too.
    pub(crate) fn push(&self, event: SessionEvent) {
        let mut queue = self.lock();
        if queue.len() >= NEWS_MAX {
            if is_small(&event) {
                return;
            }
            let victim = queue.iter().position(is_small).unwrap_or(0);
            queue.remove(victim);
        }
        queue.push_back(event);
        drop(queue);
        self.came.notify_one();
    }

    /// Takes the oldest piece of news; waits at most `timeout` for one.
    pub(crate) fn next(&self, timeout: Duration) -> Option<SessionEvent> {
        let end = Instant::now().checked_add(timeout);
        let mut queue = self.lock();
        loop {
            if let Some(event) = queue.pop_front() {
                return Some(event);
            }
            let left = match end {
                Some(end) => end.checked_duration_since(Instant::now())?,
                // Further off than the clock reaches.
                None => timeout,
            };
            if left.is_zero() {
                return None;
            }
            queue = match self.came.wait_timeout(queue, left) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SessionEvent>> {
        // Nothing panics while it holds this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_small(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Notice(Notice::PieceDone { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use toubkal_core::base::Key;

    fn piece(piece: u32) -> SessionEvent {
        SessionEvent::Notice(Notice::PieceDone { torrent: Key::new(0, 0), piece })
    }

    fn checked() -> SessionEvent {
        SessionEvent::Notice(Notice::Checked { torrent: Key::new(0, 0) })
    }

    #[test]
    fn a_full_queue_drops_single_pieces_first() {
        let news = News::default();
        news.push(checked());
        for number in 0..2 * NEWS_MAX as u32 {
            news.push(piece(number));
        }
        news.push(SessionEvent::Notice(Notice::Ended));
        let all: Vec<_> = std::iter::from_fn(|| news.next(Duration::ZERO)).collect();
        assert_eq!(all.len(), NEWS_MAX);
        assert_eq!(all[0], checked());
        assert_eq!(all[1], piece(1));
        assert_eq!(all[NEWS_MAX - 1], SessionEvent::Notice(Notice::Ended));
    }

    #[test]
    fn of_news_that_all_matter_the_oldest_goes() {
        let news = News::default();
        news.push(SessionEvent::Notice(Notice::Ended));
        for _ in 0..NEWS_MAX {
            news.push(checked());
        }
        assert_eq!(news.next(Duration::ZERO), Some(checked()));
    }

    #[test]
    fn whoever_waits_is_woken() {
        let news = News::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| news.next(Duration::MAX));
            news.push(checked());
            assert_eq!(waiting.join().unwrap(), Some(checked()));
        });
    }
}
