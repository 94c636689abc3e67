//! What changed lately: a minute, as the real server counts it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use toubkal_daemon::{Changes, Client, Cursor};

/// How long a change counts as recent.
const RECENT: Duration = Duration::from_secs(60);
/// From one moment that is remembered to the next, at least.
const STEP: Duration = Duration::from_secs(1);

/// Moments of the client's life, oldest first; the oldest is a minute ago or the last before.
#[derive(Debug)]
pub(super) struct Recent(VecDeque<(Instant, Cursor)>);

impl Recent {
    pub(super) fn new(client: &Client) -> Self {
        let cursor = Cursor::parse(&client.changes(None).cursor);
        Self(cursor.map(|cursor| (Instant::now(), cursor)).into_iter().collect())
    }

    /// What changed within the last minute, and perhaps a little before.
    pub(super) fn changes(&mut self, client: &Client) -> Changes {
        let now = Instant::now();
        let changes = client.changes(self.since(now));
        if let Some(cursor) = Cursor::parse(&changes.cursor) {
            self.note(now, cursor);
        }
        changes
    }

    fn since(&mut self, now: Instant) -> Option<Cursor> {
        let old = |at: Instant| now.saturating_duration_since(at) >= RECENT;
        while self.0.get(1).is_some_and(|(at, _)| old(*at)) {
            self.0.pop_front();
        }
        self.0.front().map(|(_, cursor)| *cursor)
    }

    fn note(&mut self, now: Instant, cursor: Cursor) {
        let last = self.0.back().map(|(at, _)| *at);
        if last.is_none_or(|at| now.saturating_duration_since(at) >= STEP) {
            self.0.push_back((now, cursor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_of_a_minute_and_not_of_much_more() {
        let start = Instant::now();
        let cursor = |turn| Cursor { life: 1, turn };
        let mut recent = Recent(VecDeque::from([(start, cursor(0))]));
        for second in 1..=200 {
            let now = start + Duration::from_secs(second);
            let since = recent.since(now).unwrap().turn;
            assert_eq!(since, second.saturating_sub(60), "at {second}");
            recent.note(now, cursor(second));
            recent.note(now, cursor(second + 1000));
        }
        assert!(recent.0.len() <= 62, "{}", recent.0.len());
        let later = recent.since(start + Duration::from_secs(10_000)).unwrap();
        assert_eq!(later.turn, 200, "nobody asked for long");
    }
}
