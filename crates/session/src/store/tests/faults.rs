//! Disks that are full, read-only or too small, and limits of the process: each test runs itself
//! again in a process that has such a thing. Nothing outside that process changes.

use std::process::Command;

use super::*;
use crate::stage::STAGE;

/// See [`crate::stage::staged`].
fn staged(test: &str, namespace: bool, script: &str) -> Option<std::path::PathBuf> {
    crate::stage::staged(&format!("store::tests::faults::{test}"), namespace, script)
}

/// The first fault that writing everything meets, after which nothing more is written.
fn first_fault(bench: &mut Bench) -> StoreError {
    let pieces = 0..bench.files.layout().pieces();
    pieces.map(|piece| bench.write_piece(piece)).find_map(Result::err).expect("it cannot fit")
}

#[test]
fn a_full_disk_is_told_of_and_nothing_is_lost() {
    let test = "a_full_disk_is_told_of_and_nothing_is_lost";
    let Some(stage) = staged(test, true, "mount -t tmpfs -o size=1m tmpfs \"$STAGE\"") else {
        return;
    };
    std::fs::write(stage.join("other"), vec![1; 100_000]).unwrap();
    let mut bench = Bench::new(&stage, 65_536, &[700_000, 900_000]);
    bench.open();
    let fault = first_fault(&mut bench);
    assert_eq!(fault.kind, StoreErrorKind::Full);
    assert!(fault.file.is_some());
    // What was good before is good still; with room it goes on.
    let (_, worth) = bench.open();
    let good: Vec<u32> = worth.iter().filter(|&piece| bench_good(&mut bench, piece)).collect();
    assert!(good.len() >= 9, "{good:?}");
    std::fs::remove_file(stage.join("other")).unwrap();
    let next = (0..bench.files.layout().pieces()).find(|piece| !good.contains(piece)).unwrap();
    assert_eq!(bench.write_piece(next), Ok(Done::Good));
}

fn bench_good(bench: &mut Bench, piece: u32) -> bool {
    bench.verify(piece, 0) == Ok(Done::Good)
}

#[test]
fn a_failed_write_is_not_believed_though_it_was_hashed() {
    let test = "a_failed_write_is_not_believed_though_it_was_hashed";
    let Some(stage) = staged(test, true, "mount -t tmpfs -o size=128k tmpfs \"$STAGE\"") else {
        return;
    };
    let mut bench = Bench::new(&stage, 1 << 20, &[1 << 20]);
    bench.open();
    let layout = Arc::clone(bench.files.layout());
    let mut failed = 0;
    for index in 0..layout.blocks(0) {
        failed += u32::from(bench.write(layout.block(0, index)).is_err());
    }
    assert!(failed > 0);
    assert!(matches!(bench.verify(0, 1 << 20), Ok(Done::Bad(_))));
}

#[test]
fn a_read_only_disk_is_told_of() {
    let test = "a_read_only_disk_is_told_of";
    let script = "mount -t tmpfs tmpfs \"$STAGE\"; mkdir \"$STAGE/t\"
        head -c 700000 /dev/zero >\"$STAGE/t/0\"; mount -o remount,ro \"$STAGE\"";
    let Some(stage) = staged(test, true, script) else { return };
    let mut bench = Bench::new(&stage, 65_536, &[700_000, 900_000]);
    let (found, _) = bench.open();
    assert_eq!(found, [Found::Whole, Found::Absent]);
    let denied = |file| Err(StoreError { kind: StoreErrorKind::Denied, file: Some(file) });
    assert_eq!(bench.write_piece(20), denied(1));
    assert_eq!(bench.reclaim(0), denied(0));
    // What is there can still be looked at.
    assert!(matches!(bench.verify(0, 0), Ok(Done::Bad(_))));
}

#[test]
fn a_file_too_long_for_the_file_system_is_told_of_before_it_is_begun() {
    let test = "a_file_too_long_for_the_file_system_is_told_of_before_it_is_begun";
    // The limit of a process stands for that of a file system: the system's answer is the same.
    let Some(stage) = staged(test, false, "trap '' XFSZ; ulimit -f 1024") else { return };
    let mut bench = Bench::new(&stage.join("d"), 1 << 20, &[400_000, 4 << 20]);
    bench.open();
    let refused = Err(StoreError { kind: StoreErrorKind::TooLarge, file: Some(1) });
    assert_eq!(bench.write_piece(1), refused);
    assert!(tree(&stage).is_empty(), "nothing half-made is left");
}

#[test]
fn sixty_four_files_open_are_enough() {
    let Some(stage) = staged("sixty_four_files_open_are_enough", false, "ulimit -n 64") else {
        return;
    };
    let mut bench = Bench::new(&stage, 32_768, &[5_000; 300]);
    assert!(bench.store.handles.limit() <= 16);
    // Others in the process have taken nearly all.
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - 8);
    bench.open();
    bench.complete();
    drop(taken);
    assert_eq!(tree(&stage).len(), 300);
}

#[test]
fn a_second_process_is_told_that_the_folder_is_taken() {
    let test = "a_second_process_is_told_that_the_folder_is_taken";
    for sizes in [&[100_000][..], &[100_000, 100_000]] {
        if let Some(stage) = std::env::var_os(STAGE) {
            // The second process: everything is there as the first one left it.
            let stage = std::path::PathBuf::from(stage);
            let mut bench = Bench::new(&stage.join(sizes.len().to_string()), 32_768, sizes);
            let busy = StoreError { kind: StoreErrorKind::Busy, file: None };
            let wanted = vec![true; sizes.len()];
            match stage.join("complete").exists() {
                true => assert!(bench.try_open(&wanted).is_ok(), "readers share"),
                false => assert_eq!(bench.try_open(&wanted).map(|_| ()), Err(busy)),
            }
        }
    }
    if std::env::var_os(STAGE).is_some() {
        return;
    }
    let stage = tempfile::tempdir().unwrap();
    let mut benches = [&[100_000][..], &[100_000, 100_000]].map(|sizes| {
        let mut bench = Bench::new(&stage.path().join(sizes.len().to_string()), 32_768, sizes);
        bench.open();
        assert_eq!(bench.write_piece(0), Ok(Done::Good));
        bench
    });
    let second = || {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("store::tests::faults::{test}")])
            .env(STAGE, stage.path())
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    };
    second();
    benches.iter_mut().for_each(Bench::complete);
    let before = tree(stage.path());
    assert_eq!(before.len(), 3, "no lock is left behind");
    std::fs::write(stage.path().join("complete"), b"").unwrap();
    second();
}

#[test]
fn a_link_in_the_way_is_refused() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
    std::fs::create_dir_all(home.join("t")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let mut bench = Bench::new(&home, 32_768, &[40_000, 40_000, 40_000]);
    bench.open();
    // While it runs: a folder, and temporary names, become links.
    symlink(&outside, home.join("t/deep")).unwrap();
    symlink(outside.join("0"), home.join("t/0.part")).unwrap();
    let unsafe_ = |file| Err(StoreError { kind: StoreErrorKind::Unsafe, file });
    assert_eq!(bench.write_piece(0), unsafe_(Some(0)));
    assert_eq!(bench.write_piece(3), unsafe_(Some(2)));
    // Before it runs.
    assert_eq!(bench.try_open(&[true; 3]).map(|_| Done::Ready), unsafe_(Some(0)));
    std::fs::remove_file(home.join("t/0.part")).unwrap();
    assert_eq!(bench.try_open(&[true; 3]).map(|_| Done::Ready), unsafe_(Some(2)));
    let (found, _) = bench.try_open(&[true, true, false]).unwrap();
    assert_eq!(found, [Found::Absent, Found::Absent, Found::Other]);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_failed_sync_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000]);
    bench.open();
    for piece in 0..2 {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    // The file is gone under us: what cannot be opened cannot be synced.
    std::fs::rename(dir.path().join("lone.part"), dir.path().join("away")).unwrap();
    bench.store.handles.relieve();
    let missing = Err(StoreError { kind: StoreErrorKind::Missing, file: Some(0) });
    assert_eq!(bench.sync(), missing);
    std::fs::rename(dir.path().join("away"), dir.path().join("lone.part")).unwrap();
    assert_eq!(bench.sync(), missing, "not believed until it is looked at anew");
    assert_eq!(bench.finish(0), missing);
    bench.open();
    assert_eq!(bench.sync(), Ok(Done::Ready));
    assert_eq!(bench.finish(0), Ok(Done::Ready));
}
