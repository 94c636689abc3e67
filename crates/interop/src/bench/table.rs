//! Tables of what was measured: one a cell, a row a client.

use super::figures::{Figure, Record, Spread};

/// One cell.
pub(super) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// What did not work, and why.
    pub(super) notes: Vec<String>,
}

impl Table {
    /// All runs of a cell. The clients stand in the order in which they come up first.
    pub(super) fn of(records: &[&Record]) -> Table {
        let figures: Vec<Figure> = Figure::ALL
            .into_iter()
            .filter(|figure| records.iter().any(|record| value(record, *figure).is_some()))
            .collect();
        let limit = spread(records, "limit", Figure::Rate);
        let mut heads = vec![String::new(), "runs".to_owned()];
        heads.extend(figures.iter().map(|figure| figure.names().0.to_owned()));
        heads.extend(limit.map(|_| "of the limit".to_owned()));
        let (mut rows, mut notes) = (Vec::new(), Vec::new());
        for who in names(records) {
            let good = records.iter().filter(|record| record.who == who && record.outcome.is_ok());
            let mut row = vec![who.to_owned(), good.count().to_string()];
            row.extend(figures.iter().map(|&figure| {
                spread(records, who, figure).map_or("-".to_owned(), |spread| spread.show(figure))
            }));
            if let Some(limit) = limit {
                let rate = spread(records, who, Figure::Rate);
                let share = rate.map(|rate| 100.0 * rate.median / limit.median);
                row.push(share.map_or("-".to_owned(), |share| format!("{share:.0} %")));
            }
            rows.push(row);
            notes.extend(failures(records, who));
        }
        Table { heads, rows, notes }
    }

    /// As it stands on a terminal.
    pub(super) fn text(&self) -> String {
        let all = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.heads.len()).filter_map(width).collect();
        let mut out = String::new();
        for row in all() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            out += cells.collect::<Vec<_>>().join("  ").trim_end();
            out.push('\n');
        }
        self.notes.iter().for_each(|note| out += &format!("{note}\n"));
        out
    }

    /// As it stands in a document.
    pub(super) fn markdown(&self) -> String {
        let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
        let mut out = line(&self.heads);
        out += &line(&vec!["---".to_owned(); self.heads.len()]);
        self.rows.iter().for_each(|row| out += &line(row));
        if !self.notes.is_empty() {
            out.push('\n');
            self.notes.iter().for_each(|note| out += &format!("- {note}\n"));
        }
        out
    }
}

/// Of one client in a cell.
pub(super) fn spread(records: &[&Record], who: &str, figure: Figure) -> Option<Spread> {
    let own = records.iter().filter(|record| record.who == who);
    Spread::of(own.filter_map(|record| value(record, figure)).collect())
}

/// Everybody, in the order in which they come up first.
pub(super) fn names(records: &[&Record]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for record in records {
        if !names.contains(&record.who) {
            names.push(record.who);
        }
    }
    names
}

fn value(record: &Record, figure: Figure) -> Option<f64> {
    record.outcome.as_ref().ok()?.get(&figure).copied()
}

/// What a client could not do, each reason once.
fn failures(records: &[&Record], who: &str) -> Vec<String> {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for record in records.iter().filter(|record| record.who == who) {
        if let Err(reason) = &record.outcome {
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, times)) => *times += 1,
                None => reasons.push((reason.clone(), 1)),
            }
        }
    }
    let note = |(reason, times)| format!("{who}: not measured, {times} times: {reason}");
    reasons.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(who: &'static str, rate: Result<f64, &str>) -> Record {
        let outcome = rate.map(|rate| [(Figure::Rate, rate)].into()).map_err(str::to_owned);
        Record { cell: "get", who, round: 1, outcome }
    }

    #[test]
    fn a_table_has_medians_shares_of_the_limit_and_reasons() {
        let records = [
            record("limit", Ok(1000.0)),
            record("one", Ok(400.0)),
            record("two", Err("it sleeps")),
            record("one", Ok(600.0)),
            record("two", Err("it sleeps")),
        ];
        let table = Table::of(&records.iter().collect::<Vec<_>>());
        assert_eq!(
            table.markdown(),
            "|  | runs | MB/s | of the limit |\n\
             | --- | --- | --- | --- |\n\
             | limit | 1 | 1000 (1000..1000) | 100 % |\n\
             | one | 2 | 500 (400..600) | 50 % |\n\
             | two | 0 | - | - |\n\
             \n\
             - two: not measured, 2 times: it sleeps\n"
        );
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "one    2     500 (400..600)     50 %");
    }

    #[test]
    fn without_a_limit_there_is_no_share() {
        let records = [record("one", Ok(400.0))];
        assert!(!Table::of(&records.iter().collect::<Vec<_>>()).text().contains("limit"));
    }
}
