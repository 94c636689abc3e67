//! What is measured, and the medians of it.

use std::collections::BTreeMap;

/// One kind of figure. Their order is that of the columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Figure {
    /// MB/s (1e6 bytes) between the first and the last hundredth of the bytes.
    Rate,
    /// Seconds from the start of the program until it has everything.
    Wall,
    /// Processor seconds a GiB (2^30 bytes) of whoever downloads, or does the only work.
    Cpu,
    /// Processor seconds a GiB of whoever seeds, while the others download.
    SeedCpu,
    /// MiB: the highest resident set.
    Peak,
    /// MiB: the highest that was seen of its anonymous part.
    Anonymous,
    /// Seconds until torrents that are new are checked and seeding.
    Added,
    /// Seconds until they are seeding again in the next life.
    Back,
    /// Percent of one core while nothing happens.
    Idle,
}

impl Figure {
    pub(super) const ALL: [Figure; 9] = [
        Figure::Rate,
        Figure::Wall,
        Figure::Cpu,
        Figure::SeedCpu,
        Figure::Peak,
        Figure::Anonymous,
        Figure::Added,
        Figure::Back,
        Figure::Idle,
    ];

    /// The name of its column, and of its field in JSON.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Figure::Rate => ("MB/s", "rate"),
            Figure::Wall => ("wall s", "wall"),
            Figure::Cpu => ("CPU s/GiB", "cpu"),
            Figure::SeedCpu => ("seed's CPU s/GiB", "seed_cpu"),
            Figure::Peak => ("peak MiB", "peak"),
            Figure::Anonymous => ("anonymous MiB", "anonymous"),
            Figure::Added => ("new, s", "added"),
            Figure::Back => ("back, s", "back"),
            Figure::Idle => ("idle CPU %", "idle"),
        }
    }

    /// A value with as many digits as mean something.
    pub(super) fn show(self, value: f64) -> String {
        format!("{value:.0$}", self.digits())
    }

    /// Digits behind the point.
    fn digits(self) -> usize {
        match self {
            Figure::Rate | Figure::Peak | Figure::Anonymous => 0,
            Figure::Idle => 1,
            Figure::Wall | Figure::Cpu | Figure::SeedCpu | Figure::Added | Figure::Back => 2,
        }
    }
}

/// The figures of one run.
pub(super) type Sample = BTreeMap<Figure, f64>;

/// One run, and how it went.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Record {
    pub(super) cell: &'static str,
    pub(super) who: &'static str,
    pub(super) round: u32,
    pub(super) outcome: Result<Sample, String>,
}

/// Median, lowest and highest of a figure in several runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    /// None of nothing. Of an even number the median lies between the two in the middle.
    pub(super) fn of(mut numbers: Vec<f64>) -> Option<Spread> {
        numbers.sort_by(f64::total_cmp);
        let (&low, &high) = (numbers.first()?, numbers.last()?);
        let half = numbers.len() / 2;
        let median = f64::midpoint(numbers[half], numbers[(numbers.len() - 1) / 2]);
        Some(Spread { low, median, high })
    }

    /// As it stands in a table: `719 (656..796)`.
    pub(super) fn show(self, figure: Figure) -> String {
        let digits = figure.digits();
        let Spread { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$}..{high:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        let spread = |numbers: &[f64]| Spread::of(numbers.to_vec());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 9.0, 1.0]), Some(Spread { low: 1.0, median: 3.0, high: 9.0 }));
        let even = Some(Spread { low: 1.0, median: 3.0, high: 5.0 });
        assert_eq!(spread(&[4.0, 1.0, 5.0, 2.0]), even);
    }

    #[test]
    fn a_spread_is_shown_with_the_digits_of_its_figure() {
        let spread = Spread { low: 1.0, median: 1.236, high: 2.0 };
        assert_eq!(spread.show(Figure::Cpu), "1.24 (1.00..2.00)");
        assert_eq!(spread.show(Figure::Rate), "1 (1..2)");
    }
}
