//! How long to wait: pure answers to what trackers say and how they fail.

use core::time::Duration;

use toubkal_wire::announce::{Answer, Retry};

use crate::base::Rng;

/// Where a tracker names no interval.
const INTERVAL: Duration = Duration::from_secs(30 * 60);
/// A shorter interval counts as this one.
const INTERVAL_MIN: Duration = Duration::from_secs(60);
/// A longer interval counts as this one: the swarm is to hear of us.
const INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);
/// No tracker that answered is asked again sooner, unless peers are needed.
const REST: Duration = Duration::from_secs(5 * 60);
/// The first wait after a tracker could not be reached.
const UNREACHABLE: Duration = Duration::from_secs(15);
/// The first wait after a tracker said no.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest wait after failures.
const BACK_OFF_MAX: Duration = Duration::from_secs(60 * 60);
/// The longest wait that a tracker can order.
const RETRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The two times after a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// To the next announce.
    pub(super) regular: Duration,
    /// To the next announce when peers are needed, at most `regular`.
    pub(super) early: Duration,
}

/// What a good answer asks for; `early` times in a row it was asked for lack of peers.
pub(super) fn after_answer(answer: &Answer, early: u32, rng: &mut Rng) -> Rhythm {
    let interval = answer.interval.map_or(INTERVAL, seconds).clamp(INTERVAL_MIN, INTERVAL_MAX);
    let least = answer.min_interval.map_or(Duration::ZERO, seconds).min(INTERVAL_MAX);
    let regular = interval.max(least).max(REST);
    // Announces that brought too few peers come at longer and longer intervals.
    let wait = interval.min(REST).saturating_mul(1 << early.min(6));
    Rhythm {
        regular: regular + jitter(regular, 20, rng),
        early: wait.max(least).max(INTERVAL_MIN).min(regular),
    }
}

/// How long to leave a tracker alone that failed `fails` times in a row.
pub(super) fn after_failure(fails: u32, refused: bool, rng: &mut Rng) -> Duration {
    let first = if refused { REFUSED } else { UNREACHABLE };
    let wait = first.saturating_mul(1 << fails.saturating_sub(1).min(16)).min(BACK_OFF_MAX);
    wait + jitter(wait, 4, rng)
}

/// How long to leave a tracker alone that said when it wants to be asked again; `None`: for good.
pub(super) fn after_retry(retry: Retry, rng: &mut Rng) -> Option<Duration> {
    match retry {
        Retry::Never => None,
        Retry::After(wait) => {
            let wait = wait.clamp(INTERVAL_MIN, RETRY_MAX);
            Some(wait + jitter(wait, 20, rng))
        }
    }
}

/// Up to a part of the wait more, so that clients that started together do not stay together.
fn jitter(wait: Duration, part: u32, rng: &mut Rng) -> Duration {
    let most = u64::try_from((wait / part).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(most))
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(interval: Option<i64>, min_interval: Option<i64>, early: u32) -> Rhythm {
        let answer = Answer { interval, min_interval, ..Answer::default() };
        after_answer(&answer, early, &mut Rng::from_number(1))
    }

    fn within(wait: Duration, least: u64, most: u64) {
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        assert!(least <= wait && wait <= most, "{wait:?} is not in {least:?}..{most:?}");
    }

    #[test]
    fn intervals_are_clamped_and_never_shortened_by_chance() {
        within(rhythm(Some(1800), None, 0).regular, 1800, 1890);
        within(rhythm(None, None, 0).regular, 1800, 1890);
        for absurd in [0, -1, i64::MIN, 1, 299] {
            within(rhythm(Some(absurd), None, 0).regular, 300, 315);
        }
        within(rhythm(Some(i64::MAX), None, 0).regular, 3600, 3780);
        within(rhythm(Some(60), Some(900), 0).regular, 900, 945);
        within(rhythm(Some(60), Some(i64::MAX), 0).regular, 3600, 3780);
    }

    #[test]
    fn early_announces_keep_the_min_interval_and_get_rarer() {
        within(rhythm(Some(1800), None, 0).early, 300, 300);
        within(rhythm(Some(1800), None, 1).early, 600, 600);
        within(rhythm(Some(1800), None, 9).early, 1800, 1800);
        within(rhythm(Some(1800), Some(1200), 0).early, 1200, 1200);
        within(rhythm(Some(120), None, 0).early, 120, 120);
        within(rhythm(Some(0), Some(0), 0).early, 60, 60);
    }

    #[test]
    fn failures_back_off_from_15_s_to_1_h() {
        let mut rng = Rng::from_number(2);
        for (fails, least) in [(1, 15), (2, 30), (3, 60), (8, 1920), (9, 3600), (u32::MAX, 3600)] {
            within(after_failure(fails, false, &mut rng), least, least * 5 / 4 + 1);
        }
        within(after_failure(1, true, &mut rng), 60, 75);
        let after = |secs| after_retry(Retry::After(Duration::from_secs(secs)), &mut rng.clone());
        within(after(600).unwrap(), 600, 630);
        within(after(0).unwrap(), 60, 63);
        within(after(u64::MAX).unwrap(), 86_400, 90_720);
        assert_eq!(after_retry(Retry::Never, &mut rng), None);
    }
}
