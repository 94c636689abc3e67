//! How many requests wait at one peer: as many as keep it busy, and no more.
//!
//! The window begins small and grows by one with every block that comes, so it doubles each
//! round trip, until the rate grows no longer. From then on it holds what the peer sends in its
//! delay and one second more: enough that its queue never runs dry, little enough that a choke or
//! an end game wastes at most a second.

use core::time::Duration;

use super::bounds::{REQQ_MAX, REQQ_UNTOLD, REQUEST_TIME_MAX, REQUEST_TIME_MIN};
use toubkal_wire::layout::BLOCK_BYTES;

const FIRST: u32 = 8;
const LEAST: u32 = 2;
/// How much of the peer's sending is asked for ahead, beside its delay.
const AHEAD: Duration = Duration::from_secs(1);

/// What is thought of the delay of a peer that has not answered yet.
const DELAY_UNTOLD: Duration = Duration::from_millis(250);

/// The request window of one peer.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    window: u32,
    /// What the peer keeps (BEP 10 `reqq`).
    ceiling: u32,
    growing: bool,
    best: u64,
    /// The shortest time from a request to its block.
    delay: Option<Duration>,
}

impl Pipeline {
    pub(super) fn new() -> Self {
        Self { window: FIRST, ceiling: REQQ_UNTOLD, growing: true, best: 0, delay: None }
    }

    /// Requests that may wait at the peer.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// The peer says how many requests it keeps; absurd values are bent into range.
    pub(super) fn told(&mut self, reqq: i64) {
        self.ceiling = u32::try_from(reqq.clamp(i64::from(LEAST), i64::from(REQQ_MAX)))
            .expect("clamped into the range of u32");
        self.window = self.window.min(self.ceiling);
    }

    /// A block came, this long after it was asked for.
    pub(super) fn block(&mut self, delay: Duration) {
        self.delay = Some(self.delay.map_or(delay, |least| least.min(delay)));
        if self.growing {
            self.window = self.ceiling.min(self.window + 1);
        }
    }

    /// A second has gone by, in which so many bytes came.
    pub(super) fn tick(&mut self, bytes: u64) {
        if self.growing {
            // Less than a tenth more than ever before: the peer, or the way, is full.
            self.growing = bytes > self.best + self.best / 10;
            self.best = self.best.max(bytes);
            return;
        }
        let ahead = (self.delay.unwrap_or_default() + AHEAD).as_millis() as u64;
        let blocks = bytes.saturating_mul(ahead) / 1000 / u64::from(BLOCK_BYTES);
        let wanted = u32::try_from(blocks).unwrap_or(u32::MAX).clamp(LEAST, self.ceiling);
        // Halve at the most: one quiet second says little.
        self.window = wanted.max(self.window / 2).max(LEAST);
    }

    /// The peer did not answer in time: begin anew.
    pub(super) fn stalled(&mut self) {
        self.window = LEAST;
        self.growing = true;
        self.best = 0;
    }

    /// The shortest time from a request to its block, or a guess.
    pub(super) fn delay(&self) -> Duration {
        self.delay.unwrap_or(DELAY_UNTOLD)
    }

    /// Bytes a second that the window stands for.
    pub(super) fn pace(&self) -> u64 {
        let time = (self.delay() + AHEAD).as_millis() as u64;
        u64::from(self.window) * u64::from(BLOCK_BYTES) * 1000 / time
    }

    /// Requests that the peer keeps.
    pub(super) fn ceiling(&self) -> u32 {
        self.ceiling
    }

    /// How long a request may wait before others are asked too, when so many wait ahead of it
    /// and the peer sends `rate` bytes a second.
    pub(super) fn patience(&self) -> Duration {
        let delay = self.delay.unwrap_or(REQUEST_TIME_MAX / 2);
        (delay * 2 + AHEAD).clamp(REQUEST_TIME_MIN, REQUEST_TIME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(100);

    #[test]
    fn the_window_doubles_until_the_rate_stands() {
        let mut pipeline = Pipeline::new();
        (0..100).for_each(|_| pipeline.block(DELAY));
        assert_eq!(pipeline.window(), FIRST + 100);
        pipeline.tick(1_000_000);
        pipeline.tick(1_050_000);
        let before = pipeline.window();
        pipeline.block(DELAY);
        assert_eq!(pipeline.window(), before);
        // 1 MB/s for 1.1 s is 67 blocks.
        pipeline.tick(1_000_000);
        assert_eq!(pipeline.window(), 67);
    }

    #[test]
    fn the_window_stays_within_what_the_peer_keeps() {
        let mut pipeline = Pipeline::new();
        pipeline.told(20);
        (0..100).for_each(|_| pipeline.block(DELAY));
        assert_eq!(pipeline.window(), 20);
        for absurd in [i64::MIN, -1, 0, i64::MAX] {
            pipeline.told(absurd);
            (0..2000).for_each(|_| pipeline.block(DELAY));
            assert!((LEAST..=REQQ_MAX).contains(&pipeline.window()));
        }
    }

    #[test]
    fn a_slow_peer_keeps_a_small_window() {
        let mut pipeline = Pipeline::new();
        (0..5).for_each(|_| pipeline.tick(3000));
        assert_eq!(pipeline.window(), LEAST);
        assert!(pipeline.patience() >= REQUEST_TIME_MIN);
    }
}
