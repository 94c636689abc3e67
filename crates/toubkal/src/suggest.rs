//! Guessing what was meant: only when it is very close. No guess is better than a wrong one.

/// The one candidate that is close enough to what was typed; `None` when there is none, or two.
pub(crate) fn nearest<'c>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let mut best: Option<(usize, &str)> = None;
    let mut tie = false;
    for candidate in candidates {
        let distance = distance(typed, candidate);
        if !is_close(typed, candidate, distance) {
            continue;
        }
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, _)) if distance == least => tie = true,
            _ => (best, tie) = (Some((distance, candidate)), false),
        }
    }
    best.filter(|_| !tie).map(|(_, candidate)| candidate)
}

/// Two slips at most; in a short word two make another word.
fn is_close(typed: &str, candidate: &str, distance: usize) -> bool {
    let shorter = typed.chars().count().min(candidate.chars().count());
    distance == 0 || (distance == 1 && shorter >= 2) || (distance == 2 && shorter >= 6)
}

/// Insertions, deletions, replacements and swaps of neighbours from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Three rows of the usual table: two lines back are needed for swaps.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: [&str; 11] = [
        "get",
        "seed",
        "create",
        "info",
        "bencode",
        "verify",
        "tracker",
        "demo",
        "completions",
        "paths",
        "help",
    ];
    const FLAGS: [&str; 8] =
        ["listen", "select", "sequential", "down-limit", "up-limit", "json", "patience", "seed"];

    #[test]
    fn slips_of_the_finger_are_understood() {
        let table = [
            ("gte", "get"),
            ("gett", "get"),
            ("sead", "seed"),
            ("sede", "seed"),
            ("creat", "create"),
            ("craete", "create"),
            ("inof", "info"),
            ("bencod", "bencode"),
            ("verfy", "verify"),
            ("verfiy", "verify"),
            ("traker", "tracker"),
            ("dmeo", "demo"),
            ("completion", "completions"),
            ("path", "paths"),
            ("hlep", "help"),
        ];
        for (typed, meant) in table {
            assert_eq!(nearest(typed, COMMANDS), Some(meant), "{typed}");
        }
        let table = [
            ("lisen", "listen"),
            ("selct", "select"),
            ("sequental", "sequential"),
            ("downlimit", "down-limit"),
            ("jsn", "json"),
            ("patince", "patience"),
        ];
        for (typed, meant) in table {
            assert_eq!(nearest(typed, FLAGS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn nonsense_is_not_explained() {
        for typed in ["frobnicate", "foo", "bar", "xyzzy", "head", "a", "", "install", "limit"] {
            assert_eq!(nearest(typed, COMMANDS), None, "{typed}");
            assert_eq!(nearest(typed, FLAGS), None, "{typed}");
        }
    }

    #[test]
    fn distances_count_swaps_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
