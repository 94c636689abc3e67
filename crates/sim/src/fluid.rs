//! The fluid bound: sooner than this no swarm can be done, whatever its scheduler does.
//!
//! Kumar and Ross, "Peer-Assisted File Distribution: The Minimum Distribution Time" (2006): bytes
//! are a liquid that can be cut at will. Then three things hold a swarm up and nothing else. The
//! seeds must give every byte once; the slowest line in must take all of them; and all lines
//! out together must carry everything to everybody.

use std::time::Duration;

/// A line: bytes a second out and in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Bytes a second out.
    pub up: u64,
    /// Bytes a second in.
    pub down: u64,
}

/// The shortest time in which `bytes` reach every leecher, when all begin together and nobody
/// leaves: `max(F / u_seeds, F / d_min, N F / (u_seeds + sum u_i))`. `seeds_up` is what all
/// seeds together give, bytes a second. Zero without leechers; [`Duration::MAX`] when no byte
/// can ever come.
#[must_use]
pub fn bound(bytes: u64, seeds_up: u64, leechers: &[Line]) -> Duration {
    let Some(slowest) = leechers.iter().map(|line| line.down).min() else {
        return Duration::ZERO;
    };
    let all_up = leechers.iter().fold(seeds_up, |sum, line| sum.saturating_add(line.up));
    let all = bytes.saturating_mul(leechers.len() as u64);
    time(bytes, seeds_up).max(time(bytes, slowest)).max(time(all, all_up))
}

fn time(bytes: u64, rate: u64) -> Duration {
    let seconds = bytes as f64 / rate as f64;
    if bytes == 0 {
        Duration::ZERO
    } else {
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn the_narrowest_of_three_ways_is_the_bound() {
        let line = Line { up: MB, down: 10 * MB };
        let secs = Duration::from_secs;
        // One seed of the same line: it must give each byte once.
        assert_eq!(bound(60 * MB, MB, &[line; 100]), secs(60));
        // A slow line in.
        let slow = Line { up: MB, down: MB / 2 };
        assert_eq!(bound(60 * MB, 10 * MB, &[line, slow]), secs(120));
        // All lines out together: 3 times 60 MB over 2 + 3 * 1 MB/s.
        assert_eq!(bound(60 * MB, 2 * MB, &[line; 3]), secs(36));
    }

    #[test]
    fn nothing_and_never_are_answers_too() {
        let line = Line { up: MB, down: MB };
        assert_eq!(bound(60 * MB, MB, &[]), Duration::ZERO);
        assert_eq!(bound(0, 0, &[line]), Duration::ZERO);
        assert_eq!(bound(1, 0, &[line]), Duration::MAX);
    }
}
