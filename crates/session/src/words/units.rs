//! Sizes, rates, times and counts as people read them.
//!
//! Sizes are decimal, as on the label of a disk: 1 MB is 1,000,000 bytes. Three significant
//! digits are enough for anybody who watches.

use std::time::Duration;

const STEPS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size for a sentence: `400 MB`, `1.5 kB`, `0 B`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes);
    let trimmed = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{trimmed} {unit}")
}

/// A size for a column: always three digits from 1 kB on, so that figures do not dance.
#[must_use]
pub fn steady_size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes);
    format!("{number} {unit}")
}

/// A rate for a sentence: `33 MB/s`.
#[must_use]
pub fn rate(bytes_a_second: u64) -> String {
    format!("{}/s", size(bytes_a_second))
}

/// A rate for a column.
#[must_use]
pub fn steady_rate(bytes_a_second: u64) -> String {
    format!("{}/s", steady_size(bytes_a_second))
}

/// Three significant digits, and their unit.
fn scaled(bytes: u64) -> (String, &'static str) {
    if bytes < 1000 {
        return (bytes.to_string(), STEPS[0]);
    }
    // Whole numbers throughout: `scale` is the unit, `tenth` of it a step of the last digit.
    let mut scale = 1000u64;
    let mut step = 1;
    loop {
        for (decimals, part) in [(2, 100u64), (1, 10), (0, 1)] {
            let digit = scale / part;
            let rounded = u128::from(bytes) + u128::from(digit / 2);
            let number = (rounded / u128::from(digit)) as u64;
            if number < 1000 {
                let text = match decimals {
                    0 => number.to_string(),
                    _ => format!("{}.{:0decimals$}", number / part, number % part),
                };
                return (text, STEPS[step]);
            }
        }
        scale *= 1000;
        step += 1;
    }
}

/// How long something took: `0.3 s`, `12 s`, `4 min 5 s`, `2 h 3 min`.
#[must_use]
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => {
            let tenths = (time.as_millis() + 50) / 100;
            match tenths % 10 {
                0 => format!("{} s", tenths / 10),
                part => format!("{}.{part} s", tenths / 10),
            }
        }
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A count with its noun: "1 peer", "12,000 peers".
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Words as a list: "a, b and c".
#[must_use]
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Digits in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_significant_digits() {
        let table = [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1000, "1 kB", "1.00 kB"),
            (1500, "1.5 kB", "1.50 kB"),
            (9_994, "9.99 kB", "9.99 kB"),
            (9_996, "10 kB", "10.0 kB"),
            (99_960, "100 kB", "100 kB"),
            (999_499, "999 kB", "999 kB"),
            (999_500, "1 MB", "1.00 MB"),
            (400_000_000, "400 MB", "400 MB"),
            (33_120_000, "33.1 MB", "33.1 MB"),
            (u64::MAX, "18.4 EB", "18.4 EB"),
        ];
        for (bytes, sentence, column) in table {
            assert_eq!((size(bytes).as_str(), steady_size(bytes).as_str()), (sentence, column));
        }
        assert_eq!(rate(33_000_000), "33 MB/s");
        assert_eq!(steady_rate(33_000_000), "33.0 MB/s");
    }

    #[test]
    fn times_are_short() {
        let table =
            [(0, "0 s"), (340, "0.3 s"), (1000, "1 s"), (12_000, "12 s"), (245_000, "4 min 5 s")];
        for (millis, expected) in table {
            assert_eq!(took(Duration::from_millis(millis)), expected);
        }
        assert_eq!(took(Duration::from_secs(7380)), "2 h 3 min");
    }

    #[test]
    fn counts_read_like_prose() {
        assert_eq!(count(1, "peer", "peers"), "1 peer");
        assert_eq!(count(0, "peer", "peers"), "0 peers");
        assert_eq!(count(1_234_567, "piece", "pieces"), "1,234,567 pieces");
    }
}
