//! Why a download stands still or is slow, told once it has been so for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use toubkal_session::{State, Why, words};

use super::Watch;
use super::words::sentence;
use crate::exit::Failure;
use crate::report::Event;

/// How often it is asked.
const ASK: Duration = Duration::from_secs(1);
/// What has lasted so long is told.
const LONG: Duration = Duration::from_secs(10);

/// What a download has waited for.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    asked: Option<Instant>,
    /// It has been slow since,
    since: Option<Instant>,
    /// and for this reason since.
    reason: Option<(&'static str, Instant)>,
    told: Option<&'static str>,
}

impl Slow {
    /// Whether it is time to ask.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// Takes a reason in; whether it is to be told.
    fn is_news(&mut self, now: Instant, why: &Why) -> bool {
        let (name, slow) = (why.name(), why.hinders());
        let reason = self.reason.filter(|&(reason, _)| reason == name).unwrap_or((name, now));
        self.reason = Some(reason);
        self.since = slow.then(|| self.since.unwrap_or(now));
        let lasts = |since: Instant| now.duration_since(since) >= LONG;
        let news = match (self.told, self.since) {
            (None, Some(since)) => lasts(since),
            (Some(told), _) => told != name && lasts(reason.1),
            (None, None) => false,
        };
        if news {
            self.told = slow.then_some(name);
        }
        news
    }
}

impl Watch<'_> {
    /// Tells why it is slow, and that it is not any more.
    pub(super) fn slowness(&mut self, index: usize) -> Result<(), Failure> {
        let (job, now) = (&mut self.jobs[index], Instant::now());
        if !matches!(job.status.state, State::Downloading | State::Seeking(_)) {
            job.slow = Slow::default();
            return Ok(());
        }
        if !job.slow.is_due(now) {
            return Ok(());
        }
        let explanation = job.torrent.why();
        if !job.slow.is_news(now, &explanation.why) {
            return Ok(());
        }
        let (message, details) = (words::sentence(&explanation), words::details(&explanation));
        let figures = explanation.evidence.iter().flat_map(words::figures);
        self.report.event(&Event::Why {
            torrent: &job.hash,
            reason: explanation.why.name(),
            message: &message,
            details: &details,
            figures: figures.collect::<BTreeMap<_, _>>(),
            remedy: explanation.remedy().map(words::Remedy::name),
        })?;
        // Who has nobody hears what was tried anyhow.
        if job.lonely.is_none() {
            let details = sentence(&details.join("; "));
            self.report.detail(&format!("{}: {message} {details}", job.called(40)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOKED: Why = Why::Choked { by: 1, peers: 1 };
    const FAST: Why = Why::FullSpeed { rate: 1, peers: 1 };

    /// At which seconds something is told.
    fn told(whys: impl IntoIterator<Item = Why>) -> Vec<u64> {
        let (mut slow, start) = (Slow::default(), Instant::now());
        let news = (0..)
            .zip(whys)
            .filter(|&(second, ref why)| slow.is_news(start + Duration::from_secs(second), why));
        news.map(|(second, _)| second).collect()
    }

    #[test]
    fn a_reason_is_told_when_it_has_lasted_for_ten_seconds_and_once() {
        assert_eq!(told([CHOKED; 60]), [10]);
        assert_eq!(told([FAST; 60]), [0; 0]);
        assert_eq!(told([CHOKED; 10].into_iter().chain([FAST; 20]).chain([CHOKED; 10])), [0; 0]);
    }

    #[test]
    fn another_reason_and_the_end_of_it_are_told_when_they_last() {
        let others = [CHOKED; 20].into_iter().chain([Why::NoPeers; 20]).chain([FAST; 20]);
        assert_eq!(told(others), [10, 30, 50]);
        // One that comes and goes is not another.
        let odd = [CHOKED; 20].into_iter().chain([Why::NoPeers; 5]).chain([CHOKED; 20]);
        assert_eq!(told(odd), [10]);
    }
}
