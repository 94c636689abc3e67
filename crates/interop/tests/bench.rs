//! The benchmark itself, small, so that it does not rot. Its figures mean nothing here.
#![cfg(target_os = "linux")]

#[test]
fn the_benchmark_measures_toubkal_libtorrent_and_the_limit() {
    let tables = toubkal_interop::small_bench().expect("it measures");
    for who in ["limit", "toubkal", "libtorrent"] {
        let rows: Vec<&str> = tables.lines().filter(|line| line.starts_with(who)).collect();
        // One of downloading, one of checking; a run that failed stands in neither.
        assert_eq!(rows.len(), 2, "{tables}");
        for row in rows {
            assert_eq!(
                row.split_whitespace().nth(1),
                Some("1"),
                "{who} was not measured:\n{tables}"
            );
        }
    }
}
