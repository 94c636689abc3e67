//! One line of progress as a function of what is known and of the width. Nothing else happens
//! here: no clock, no terminal.

use crate::{text, units};

/// Narrower than this, gaps and words are short.
const NARROW: usize = 59;
/// From here on there is room for peers.
const WITH_PEERS: usize = 79;
/// From here on there is room for pieces.
const WITH_PIECES: usize = 109;
/// A longer bar says nothing more.
const BAR_MAX: usize = 40;

/// What is shown of one torrent, or of one long task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Its name as it came, not escaped.
    pub(crate) name: String,
    /// Bytes that are done.
    pub(crate) done: u64,
    /// Bytes in all.
    pub(crate) of: u64,
    /// What is happening.
    pub(crate) activity: Activity,
}

/// What is happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Bytes come from peers.
    Moving {
        /// Bytes a second.
        rate: u64,
        /// Connected peers.
        peers: u32,
        /// Verified pieces.
        have: u32,
        /// Pieces in all.
        pieces: u32,
    },
    /// Bytes are read and hashed.
    Working {
        /// Bytes a second.
        rate: u64,
    },
    /// Something that is best said in words.
    Saying(String),
}

/// How the terminal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns that a line may take.
    pub(crate) width: usize,
    /// Columns of the longest name of all lines, so that bars stand below each other.
    pub(crate) names: usize,
    /// It shows more than ASCII.
    pub(crate) unicode: bool,
    /// It shows colours, and the user does not mind.
    pub(crate) colour: bool,
}

impl Bar {
    /// The line for a terminal: at most `look.width` columns.
    pub(crate) fn line(&self, look: &Look) -> String {
        let gap = if look.width < NARROW { 1 } else { 2 };
        let right = self.figures(look.width, gap);
        let room = look.width.saturating_sub(text::width(&right) + 2 * gap);
        let bar_least = (room / 3).min(BAR_MAX);
        let names = look.names.min(room.saturating_sub(bar_least));
        let name = text::pad(&text::cut(&self.name, names), names);
        let columns = (room - names).min(BAR_MAX);
        let gap = " ".repeat(gap);
        let line = format!("{name}{gap}{}{gap}{right}", self.bar(columns, look));
        let line = line.trim_end();
        // On a terminal too narrow for the figures themselves the colours go, too.
        if look.width < text::width(&right) + 2 {
            text::cut(&right, look.width)
        } else {
            line.into()
        }
    }

    /// The line for a file or a pipe: a sentence.
    pub(crate) fn plain(&self) -> String {
        let name = text::escape(&self.name);
        let percent = self.percent();
        let ends = match &self.activity {
            Activity::Saying(words) => text::escape(words).into_owned(),
            Activity::Working { rate } => units::rate(*rate),
            Activity::Moving { rate, peers, have, pieces } => {
                let peers = text::count(u64::from(*peers), "peer", "peers");
                let have = text::grouped(u64::from(*have));
                let pieces = text::count(u64::from(*pieces), "piece", "pieces");
                format!("{}, {peers}, {have} of {pieces}", units::rate(*rate))
            }
        };
        match self.eta() {
            Some(eta) => format!("{name}: {percent} %, {ends}, about {eta} left"),
            None => format!("{name}: {percent} %, {ends}"),
        }
    }

    /// Whole percents; 100 only when nothing is missing.
    pub(crate) fn percent(&self) -> u64 {
        percent(self.done, self.of)
    }

    fn eta(&self) -> Option<String> {
        match self.activity {
            Activity::Saying(_) => None,
            Activity::Moving { rate, .. } | Activity::Working { rate } => {
                let left = self.of.saturating_sub(self.done);
                if left == 0 { None } else { units::eta(left, rate) }
            }
        }
    }

    /// Everything right of the bar, in columns of fixed width.
    fn figures(&self, width: usize, gap: usize) -> String {
        let percent = text::pad_left(&format!("{} %", self.percent()), 5);
        let gap = " ".repeat(gap);
        let (rate, others) = match &self.activity {
            Activity::Saying(words) => {
                // As many columns as figures take, so that the bar does not jump.
                let columns = words_columns(width);
                let words = text::pad(&text::cut(words, columns), columns);
                return format!("{percent}{gap}{words}");
            }
            Activity::Working { rate } => (rate, None),
            Activity::Moving { rate, peers, have, pieces } => (rate, Some((peers, have, pieces))),
        };
        let rate = match rate {
            0 => String::new(),
            rate => units::steady_rate(*rate),
        };
        let eta = self.eta().unwrap_or_default();
        let eta = match (eta.is_empty(), width < NARROW) {
            (true, true) => " ".repeat(7),
            (true, false) => " ".repeat(13),
            (false, true) => text::pad(&eta, 7),
            (false, false) => text::pad(&format!("about {eta}"), 13),
        };
        let mut line = format!("{percent}{gap}{}{gap}{eta}", text::pad_left(&rate, 9));
        let Some((peers, have, pieces)) = others else { return line };
        if width >= WITH_PEERS {
            let peers = text::count(u64::from(*peers), "peer", "peers");
            line.push_str(&format!("{gap}{}", text::pad(&peers, 9)));
        }
        if width >= WITH_PIECES {
            let all = text::count(u64::from(*pieces), "piece", "pieces");
            let digits = text::grouped(u64::from(*pieces)).len();
            let have = text::pad_left(&text::grouped(u64::from(*have)), digits);
            line.push_str(&format!("{gap}{have} of {all}"));
        }
        line
    }

    fn bar(&self, columns: usize, look: &Look) -> String {
        let full = match self.of {
            0 => columns,
            of => (columns as u128 * u128::from(self.done.min(of)) / u128::from(of)) as usize,
        };
        let (done, left) = if look.unicode { ("━", "─") } else { ("#", ".") };
        let (done, left) = (done.repeat(full), left.repeat(columns - full));
        if look.colour { format!("\x1b[36m{done}\x1b[0;2m{left}\x1b[0m") } else { done + &left }
    }
}

/// Columns of rate, time, peers and pieces, with the gaps between them.
fn words_columns(width: usize) -> usize {
    match width {
        WITH_PIECES.. => 35 + 22,
        WITH_PEERS.. => 35,
        NARROW.. => 24,
        _ => 17.min(width.saturating_sub(8)),
    }
}

/// Whole percents; 100 only when nothing is missing.
pub(crate) fn percent(done: u64, of: u64) -> u64 {
    match of {
        0 => 100,
        of => (u128::from(done.min(of)) * 100 / u128::from(of)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "debian-12.7.0-amd64-netinst.iso";

    fn moving(rate: u64) -> Bar {
        let activity = Activity::Moving { rate, peers: 12, have: 812, pieces: 2048 };
        Bar { name: NAME.into(), done: 410_000_000, of: 1_000_000_000, activity }
    }

    fn look(width: usize) -> Look {
        Look { width, names: text::width(NAME), unicode: true, colour: false }
    }

    /// The line without colours.
    fn bare(line: &str) -> String {
        let mut out = String::new();
        let mut parts = line.split("\x1b[");
        out.push_str(parts.next().unwrap());
        for part in parts {
            out.push_str(part.split_once('m').unwrap().1);
        }
        out
    }

    #[test]
    fn a_line_shows_more_where_there_is_more_room() {
        let wide = "debian-12.7.0…4-netinst.iso  ━━━━━────────   41 %  2.50 MB/s  about 4 min    \
                    12 peers     812 of 2,048 pieces";
        let table = [
            (39, "debia….iso ━───  41 % 2.50 MB/s 4 min"),
            (59, "debian-1…nst.iso  ━━━─────   41 %  2.50 MB/s  about 4 min"),
            (79, "debian-12.7…etinst.iso  ━━━━───────   41 %  2.50 MB/s  about 4 min    12 peers"),
            (109, wide),
        ];
        for (width, expected) in table {
            assert_eq!(moving(2_500_000).line(&look(width)), expected);
        }
    }

    #[test]
    fn words_leave_the_bar_where_it_was() {
        for width in [39, 59, 79] {
            let bar = |bar: &Bar| bar.line(&look(width)).matches(['━', '─']).count();
            let words = Activity::Saying("finishing files".into());
            assert_eq!(bar(&moving(1)), bar(&Bar { activity: words, ..moving(1) }), "{width}");
        }
    }

    #[test]
    fn every_line_fits_from_1_to_250_columns() {
        let mut bars = vec![moving(0), moving(1), moving(999_999_999_999)];
        for words in ["checking what is there", "日本語の言葉が長い長い長い長い長い", "\x1b[2J"]
        {
            bars.push(Bar { activity: Activity::Saying(words.into()), ..moving(0) });
        }
        bars.push(Bar {
            name: "日本語の名前🎵🎵🎵🎵🎵🎵🎵.mkv".into(), ..moving(5_000_000)
        });
        bars.push(Bar { name: String::new(), of: 0, done: 0, ..moving(0) });
        bars.push(Bar { activity: Activity::Working { rate: 1 << 40 }, ..moving(0) });
        for bar in &bars {
            for width in 1..250 {
                for (names, colour) in [(3, false), (31, true), (200, true)] {
                    let line = bar.line(&Look { width, names, unicode: true, colour });
                    let bare = bare(&line);
                    assert!(text::width(&bare) <= width, "{width}: {bare}");
                    assert!(!bare.contains(['\x1b', '\n']));
                }
            }
        }
    }

    #[test]
    fn no_line_holds_a_nonsense_figure() {
        for rate in [0, 1, u64::MAX] {
            for (done, of) in [(0, 0), (0, 1), (0, u64::MAX), (u64::MAX, u64::MAX), (5, 1)] {
                let bar = Bar { done, of, ..moving(rate) };
                for text in [bar.plain(), bar.line(&look(80)), bar.line(&look(200))] {
                    for nonsense in ["inf", "NaN", "year", "∞"] {
                        assert!(!text.contains(nonsense), "{text}");
                    }
                    assert!(bar.percent() <= 100);
                }
            }
        }
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!(percent(999_999_999, 1_000_000_000), 99);
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn the_plain_line_is_a_sentence() {
        let expected = "debian-12.7.0-amd64-netinst.iso: 41 %, 2.5 MB/s, 12 peers, \
                        812 of 2,048 pieces, about 4 min left";
        assert_eq!(moving(2_500_000).plain(), expected);
        assert!(!moving(0).plain().contains("left"));
    }
}
