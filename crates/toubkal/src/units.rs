//! Sizes, rates and times: read from the command line, written for people.
//!
//! Sizes are decimal, as on the label of a disk: 1 MB is 1,000,000 bytes. Three significant
//! digits are enough for anybody who watches.

use std::time::Duration;

pub(crate) use toubkal_session::words::{rate, size, steady_rate, steady_size, took};

/// A size with all its digits where it was rounded: `659 MB (658,505,728 bytes)`.
pub(crate) fn exact_size(bytes: u64) -> String {
    match bytes {
        0..1000 => crate::text::count(bytes, "byte", "bytes"),
        _ => format!("{} ({} bytes)", size(bytes), crate::text::grouped(bytes)),
    }
}

/// A size that is a round number in powers of 1024: `256 KiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    const BINARY: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let round = |shift: u32| bytes > 0 && bytes.trailing_zeros() >= shift;
    match BINARY.into_iter().find(|&(shift, _)| round(shift)) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => crate::text::count(bytes, "byte", "bytes"),
    }
}

/// Seconds since 1970 as a date and time: `2024-08-31 09:12:44 UTC`.
pub(crate) fn date(seconds: i64) -> String {
    // Dates that nobody means stay numbers.
    if !(0..=253_402_300_799).contains(&seconds) {
        return format!("{seconds} s after 1970");
    }
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{:02}-{:02} {hour:02}:{minute:02}:{:02} UTC", month + 1, day + 1, second % 60)
}

/// How long it will take yet, rounded: `30 s`, `4 min`, `2 h`, `3 days`.
///
/// `None` when nobody can know: nothing comes, or so little that it is no answer.
pub(crate) fn eta(left: u64, bytes_a_second: u64) -> Option<String> {
    const DAY: u64 = 24 * 3600;
    let seconds = left.checked_div(bytes_a_second)?;
    match seconds {
        0..55 => Some(format!("{} s", (seconds / 5 + 1) * 5)),
        55..3570 => Some(format!("{} min", (seconds + 30) / 60)),
        3570..170_000 => Some(format!("{} h", (seconds + 1800) / 3600)),
        170_000..8_640_000 => Some(format!("{} days", (seconds + DAY / 2) / DAY)),
        _ => None,
    }
}

/// What to divide bytes by when `time` has passed.
pub(crate) fn mean_rate(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

/// Reads a rate: bytes a second, as in `500k`, `2M`, `1.5MiB`, `800kB/s`.
///
/// # Errors
/// A sentence for the person who typed it.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let number = text.trim();
    let bytes = parse_size(number.strip_suffix("/s").unwrap_or(number))?;
    if bytes == 0 {
        return Err("a rate of 0 would never end; leave the flag out for no limit".into());
    }
    Ok(bytes)
}

/// Reads a time in seconds: `90`, `90s`, `45m`, `36h`, `14d`.
///
/// # Errors
/// A sentence for the person who typed it.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "s" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = scale.and_then(|scale| number.parse::<u64>().ok()?.checked_mul(scale));
    seconds.ok_or_else(|| format!("a time is written like 90s, 45m, 36h or 14d, not {text:?}"))
}

/// Reads a size in bytes: `4096`, `256M` (decimal), `16KiB` (binary).
///
/// # Errors
/// A sentence for the person who typed it.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) if !letter.is_empty() => (letter, 1024u64),
        _ => (unit, 1000),
    };
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(format!("{SIZES}, not {text:?}")),
    };
    decimal(number, base.pow(power)).ok_or_else(|| format!("{SIZES}, not {text:?}"))
}

const SIZES: &str = "a number of bytes is written like 800, 500k, 2M or 1.5MiB";

/// `number` × `scale` for a number with at most nine digits behind its point.
fn decimal(number: &str, scale: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 || (number.contains('.') && part.is_empty()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part_scale = 10u128.pow(part.len() as u32);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let small = part * u128::from(scale) / part_scale;
    whole.checked_mul(scale)?.checked_add(u64::try_from(small).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        let times = ["90", "90s", "2m", "2min", "36h", "14d"].map(parse_time);
        assert_eq!(times, [90, 90, 120, 120, 129_600, 1_209_600].map(Ok));
        for text in ["", "h", "-1", "1.5h", "1w", "99999999999999999999", "999999999999999999d"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_725_095_564, "2024-08-31 09:12:44 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (-1, "-1 s after 1970"),
            (i64::MAX, "9223372036854775807 s after 1970"),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn round_binary_sizes_stay_round() {
        let table =
            [(262_144, "256 KiB"), (1 << 24, "16 MiB"), (1, "1 byte"), (1000, "1,000 bytes")];
        for (bytes, expected) in table {
            assert_eq!(binary_size(bytes), expected);
        }
    }

    #[test]
    fn an_estimate_is_rounded_and_never_nonsense() {
        let table = [
            (0, 1, Some("5 s")),
            (30, 1, Some("35 s")),
            (250, 1, Some("4 min")),
            (3599, 1, Some("1 h")),
            (200_000, 1, Some("2 days")),
            (u64::MAX, 1, None),
            (1, 0, None),
        ];
        for (left, rate, expected) in table {
            assert_eq!(eta(left, rate).as_deref(), expected);
        }
    }

    #[test]
    fn rates_and_sizes_are_read_as_people_write_them() {
        let table = [
            ("800", 800),
            ("500k", 500_000),
            ("500K", 500_000),
            ("2M", 2_000_000),
            ("2MB", 2_000_000),
            ("1.5MiB", 1_572_864),
            ("1.5 MiB/s", 1_572_864),
            ("800kB/s", 800_000),
            ("1Ki", 1024),
            ("0.5k", 500),
            ("3G", 3_000_000_000),
            ("10b", 10),
        ];
        for (text, expected) in table {
            assert_eq!(parse_rate(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        let bad = [
            "",
            "k",
            "fast",
            "-1",
            "1..5",
            "1.",
            ".5",
            "5x",
            "1e6",
            "1,5M",
            "0",
            "0k",
            "i",
            "1i",
            "99999999999999999999",
            "99999999T",
            "1.0000000001k",
        ];
        for text in bad {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_size("0"), Ok(0));
    }
}
