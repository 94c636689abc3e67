//! A full disk and a read-only one under the database.

use std::process::Command;

use super::*;

/// See [`crate::stage::staged`].
fn staged(test: &str, script: &str) -> Option<PathBuf> {
    crate::stage::staged(&format!("state::tests::faults::{test}"), true, script)
}

#[test]
fn a_full_disk_is_told_of_and_nothing_that_was_recorded_is_lost() {
    let test = "a_full_disk_is_told_of_and_nothing_that_was_recorded_is_lost";
    let Some(stage) = staged(test, "mount -t tmpfs -o size=1m tmpfs \"$STAGE\"") else { return };
    let path = stage.join("state.db");
    let bench = Bench::new(&path);
    let key = bench.keep(0);
    assert_eq!(bench.record(&key, &[1, 2], false), Ok(true));
    let _ = fs::write(stage.join("other"), vec![1; 1 << 20]);
    let many = (0..20_000).map(|file| (file, Some(mark(true, 1)))).collect();
    let marks = Marks { all: false, changes: many };
    let refused = bench.record_with(&key, record(&[1, 2, 3], false), marks.clone());
    assert_eq!(refused, Err(StoreErrorKind::Full));
    assert_eq!(bench.verified(&key), [1, 2], "as it was");
    fs::remove_file(stage.join("other")).unwrap();
    let marks = Marks { changes: marks.changes[..100].to_vec(), ..marks };
    assert_eq!(bench.record_with(&key, record(&[1, 2, 3], false), marks), Ok(true));
    assert_eq!(bench.verified(&key), [1, 2, 3]);
    assert_eq!(bench.told(), [""; 0]);
    drop(bench);
    assert_eq!(Bench::new(&path).verified(&key_of(&path)), [1, 2, 3]);
}

fn key_of(path: &Path) -> Arc<Key> {
    Bench::new(path).key(0)
}

#[test]
fn on_a_full_disk_none_is_begun_and_none_is_half_made() {
    let test = "on_a_full_disk_none_is_begun_and_none_is_half_made";
    let Some(stage) = staged(test, "mount -t tmpfs -o size=64k tmpfs \"$STAGE\"") else { return };
    let _ = fs::write(stage.join("other"), vec![1; 1 << 16]);
    let bench = Bench::new(&stage.join("state.db"));
    let key = bench.keep(0);
    let recorded = bench.record(&key, &[1, 2], false);
    assert_eq!(recorded, Err(StoreErrorKind::Full));
    assert_eq!(files(&stage), ["other"]);
}

#[test]
fn a_read_only_database_is_read() {
    let Some(stage) = staged("a_read_only_database_is_read", "mount -t tmpfs tmpfs \"$STAGE\"")
    else {
        return;
    };
    let path = made(&stage);
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&stage).status();
    assert!(status.unwrap().success());
    let bench = Bench::new(&path);
    assert_eq!(bench.verified(&bench.key(0)), [1, 2, 29]);
    assert_eq!(bench.all().unwrap().len(), 2);
    let key = bench.keep(0);
    assert_eq!(bench.record(&key, &[1, 2], false), Err(StoreErrorKind::Denied));
    assert_eq!(bench.verified(&key), [1, 2, 29]);
    assert_eq!(bench.told(), [""; 0]);
}
