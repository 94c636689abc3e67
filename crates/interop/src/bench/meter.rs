//! What the kernel tells of a process and of a network device, and the rate that follows from it.

use std::fs;
use std::time::Duration;

/// Memory of a process in MiB.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Memory {
    /// The highest resident set (VmHWM).
    pub(super) peak: f64,
    /// The highest that was seen of its anonymous part: no pages of files in it.
    pub(super) anonymous: f64,
}

impl Memory {
    /// Reads `/proc/PID/status`. One that has ended has none.
    pub(super) fn parse(status: &str) -> Memory {
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kibibytes.unwrap_or(0.0) / 1024.0
        };
        Memory { peak: mebibytes("VmHWM:"), anonymous: mebibytes("RssAnon:") }
    }

    pub(super) fn take_in(&mut self, other: Memory) {
        self.peak = self.peak.max(other.peak);
        self.anonymous = self.anonymous.max(other.anonymous);
    }
}

/// Seconds of processor time of a process with all its threads; 0 when there is none such.
pub(super) fn cpu(id: u32) -> f64 {
    fs::read_to_string(format!("/proc/{id}/stat")).map_or(0.0, |stat| cpu_of(&stat))
}

/// Reads `/proc/PID/stat`.
fn cpu_of(stat: &str) -> f64 {
    // The second field is a name in brackets, in which there may be anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // Fields 14 and 15 are user and system time, in ticks of 10 ms.
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The bytes that a device has received, by `/proc/net/dev`.
pub(super) fn received(table: &str, device: &str) -> Option<u64> {
    let mut rows = table.lines().filter_map(|line| line.trim_start().split_once(':'));
    let (_, counts) = rows.find(|(name, _)| *name == device)?;
    counts.split_whitespace().next()?.parse().ok()
}

/// A transfer as it was seen: when, and how many bytes had come by then.
#[derive(Default)]
pub(super) struct Course(Vec<(Duration, u64)>);

impl Course {
    pub(super) fn note(&mut self, at: Duration, bytes: u64) {
        self.0.push((at, bytes));
    }

    /// MB/s (1e6 bytes) between the first and the last hundredth of the bytes, so that neither
    /// the start is in it nor a long end. The time of a share lies between two looks, in
    /// proportion. None when nothing came.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.0.first()?.1, self.0.last()?.1);
        let all = (last - first) as f64;
        let (from, to) =
            (self.when(first as f64 + all / 100.0)?, self.when(last as f64 - all / 100.0)?);
        (to > from).then(|| all * 0.98 / 1e6 / (to - from))
    }

    /// The seconds after which so many bytes had come.
    fn when(&self, bytes: f64) -> Option<f64> {
        let reached = self.0.iter().position(|&(_, seen)| seen as f64 >= bytes)?;
        let (at, seen) = self.0[reached];
        let (before, seen_before) = self.0[reached.checked_sub(1)?];
        let share = (bytes - seen_before as f64) / (seen - seen_before).max(1) as f64;
        Some(before.as_secs_f64() + share * (at - before).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_behind_any_name() {
        let stat = "77 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 99 0";
        assert!((cpu_of(stat) - 3.0).abs() < 1e-9);
        assert!(cpu_of("").abs() < 1e-9);
    }

    #[test]
    fn memory_is_read_in_mebibytes() {
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nRssAnon:\t 512 kB\nRssFile:\t 9 kB\n";
        assert_eq!(Memory::parse(status), Memory { peak: 2.0, anonymous: 0.5 });
        assert_eq!(Memory::parse("Name:\tx\nState:\tZ (zombie)\n"), Memory::default());
    }

    #[test]
    fn the_bytes_of_the_right_device_are_read() {
        let table = "Inter-| Receive\n face |bytes packets\n  lo2: 5 1\n    lo: 1234 7 0 0\n";
        assert_eq!(received(table, "lo"), Some(1234));
        assert_eq!(received(table, "eth0"), None);
    }

    #[test]
    fn start_and_end_are_not_in_the_rate() {
        let mut course = Course::default();
        // Nothing for 5 s, then 1 MB in each 10 ms for a second, then nothing for 3 s.
        course.note(Duration::ZERO, 1000);
        for step in 0..=100 {
            let at = Duration::from_millis(5000 + step * 10);
            course.note(at, 1000 + step * 1_000_000);
        }
        course.note(Duration::from_secs(9), 1000 + 100_000_000);
        let rate = course.rate().expect("there was a transfer");
        assert!((rate - 100.0).abs() < 0.1, "{rate}");
    }

    #[test]
    fn nothing_has_no_rate() {
        let mut course = Course::default();
        assert_eq!(course.rate(), None);
        course.note(Duration::ZERO, 7);
        course.note(Duration::from_secs(1), 7);
        assert_eq!(course.rate(), None);
    }
}
