use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use toubkal_wire::build::BuildError;
use toubkal_wire::metainfo::Metainfo;

use super::*;

fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 255) as u8 ^ seed).collect()
}

/// A folder of several files, hidden, empty and nested ones among them.
fn sample(dir: &Path) -> PathBuf {
    let root = dir.join("Sample");
    fs::create_dir_all(root.join("b/.hidden")).unwrap();
    fs::write(root.join("a b"), content(100_000, 1)).unwrap();
    fs::write(root.join("a"), content(70_000, 2)).unwrap();
    fs::write(root.join("b/empty"), b"").unwrap();
    fs::write(root.join("b/.hidden/x"), content(5, 3)).unwrap();
    fs::write(root.join("z"), content(300_000, 4)).unwrap();
    root
}

fn options() -> CreateOptions {
    CreateOptions { piece_length: Some(32_768), ..CreateOptions::default() }
}

fn made(root: &Path) -> (Created, Metainfo) {
    let created = create(root, &options(), 3, &|_, _| ()).unwrap();
    let metainfo = Metainfo::parse(&created.torrent).unwrap();
    (created, metainfo)
}

fn checked(metainfo: &Metainfo, dir: &Path) -> Report {
    verify(metainfo, dir, 3, &|_, _| ()).unwrap()
}

fn conditions(report: &Report) -> Vec<(&str, Condition)> {
    report.files.iter().map(|file| (file.path.to_str().unwrap(), file.condition)).collect()
}

#[test]
fn what_is_created_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (created, metainfo) = made(&sample(dir.path()));
    let paths: Vec<_> = metainfo.files().map(|file| file.path).collect();
    assert_eq!(paths, ["a", "a b", "b/.hidden/x", "b/empty", "z"]);
    assert_eq!((created.files, created.total), (5, 470_005));
    let done = AtomicU64::new(0);
    let report = verify(&metainfo, dir.path(), 2, &|now, total| {
        assert!(now <= total);
        done.fetch_max(now, Ordering::Relaxed);
    });
    let report = report.unwrap();
    assert!(report.is_good() && report.good.is_full());
    assert!(report.files.iter().all(|file| file.condition == Condition::Good && !file.part));
    assert_eq!(done.into_inner(), 470_005);
}

#[test]
fn a_lone_file_is_a_torrent_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lone.bin");
    fs::write(&path, content(100_000, 9)).unwrap();
    let (_, metainfo) = made(&path);
    assert_eq!((metainfo.name.as_str(), metainfo.folder()), ("lone.bin", None));
    assert!(checked(&metainfo, dir.path()).is_good());
}

#[test]
fn every_fault_of_a_file_has_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    let (_, metainfo) = made(&root);
    let mut bytes = content(70_000, 2);
    bytes[40_000] ^= 1;
    fs::write(root.join("a"), bytes).unwrap();
    fs::remove_file(root.join("b/.hidden/x")).unwrap();
    fs::remove_file(root.join("b/empty")).unwrap();
    fs::create_dir(root.join("b/empty")).unwrap();
    fs::write(root.join("a b"), b"short").unwrap();
    fs::rename(root.join("z"), root.join("z.part")).unwrap();
    let report = checked(&metainfo, dir.path());
    assert!(!report.is_good());
    let expected = [
        ("Sample/a", Condition::Bad),
        ("Sample/a b", Condition::Length { found: 5 }),
        ("Sample/b/.hidden/x", Condition::Missing),
        ("Sample/b/empty", Condition::NoFile),
        // Its first piece holds bytes of others that are not there.
        ("Sample/z", Condition::Bad),
    ];
    assert_eq!(conditions(&report), expected);
    let (a, z) = (&report.files[0], &report.files[4]);
    assert_eq!((a.pieces, a.good, a.part), (3, 1, false));
    assert_eq!((z.pieces, z.good, z.part), (10, 9, true));
    assert_eq!(report.good.iter().collect::<Vec<_>>(), [0, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (_, metainfo) = made(&sample(dir.path()));
    let nowhere = dir.path().join("nowhere");
    let missing = toubkal_core::engine::StoreErrorKind::Missing;
    let error = verify(&metainfo, &nowhere, 1, &|_, _| ()).unwrap_err();
    assert_eq!(error, VerifyError::Folder(missing));
    assert!(!nowhere.exists());
    // An empty one is fine: nothing of it is there.
    fs::create_dir(&nowhere).unwrap();
    let report = checked(&metainfo, &nowhere);
    assert!(report.files.iter().all(|file| file.condition == Condition::Missing));
    assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0);
}

#[test]
fn the_same_content_makes_the_same_torrent_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    let torrents: BTreeSet<_> = (1..=5)
        .map(|threads| create(&root, &options(), threads, &|_, _| ()).unwrap().torrent)
        .collect();
    assert_eq!(torrents.len(), 1);
    let (path, name) = (root.join("b/../../Sample/."), "Sample");
    assert_eq!(made(&path).1.name, name);
    assert_eq!(torrents.first(), Some(&made(&path).0.torrent));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    // Once it grows, once it is cut, once it is written to, as soon as the first piece is read.
    let changes: [&(dyn Fn(&Path) + Sync); 3] = [
        &|path| fs::write(path, content(300_001, 4)).unwrap(),
        &|path| fs::write(path, b"").unwrap(),
        &|path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
    ];
    for change in changes {
        fs::write(root.join("z"), content(300_000, 4)).unwrap();
        let once = Mutex::new(Some(()));
        let progress = |_, _| {
            if once.lock().unwrap().take().is_some() {
                change(&root.join("z"));
            }
        };
        let error = create(&root, &options(), 1, &progress).unwrap_err();
        assert!(matches!(&error, CreateError::Changed(path) if path.ends_with("z")), "{error}");
    }
}

#[test]
fn a_file_that_goes_away_while_others_are_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    let path = root.join("z");
    let gone = |_, _| _ = fs::remove_file(&path);
    let error = create(&root, &options(), 1, &gone).unwrap_err();
    assert!(matches!(&error, CreateError::Read { path, .. } if path.ends_with("z")), "{error}");
    assert!(error.to_string().contains("Sample/z"), "{error}");
}

#[test]
fn nothing_makes_no_torrent() {
    let dir = tempfile::tempdir().unwrap();
    let error = create(&dir.path().join("none"), &options(), 1, &|_, _| ()).unwrap_err();
    assert!(matches!(&error, CreateError::Read { path, .. } if path.ends_with("none")), "{error}");
    let error = create(dir.path(), &options(), 1, &|_, _| ()).unwrap_err();
    assert!(matches!(error, CreateError::Build(BuildError::NoFiles)), "{error}");
    let options = CreateOptions { piece_length: Some(0), ..options() };
    let error = create(&sample(dir.path()), &options, 1, &|_, _| ()).unwrap_err();
    assert!(matches!(error, CreateError::Build(BuildError::Sizes(_))), "{error}");
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_left_out_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    let (before, _) = made(&root);
    std::os::unix::fs::symlink("/etc", root.join("etc")).unwrap();
    std::os::unix::fs::symlink("a", root.join("link")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap();
    assert!(pipe.success());
    let (after, _) = made(&root);
    let skipped = [
        Skipped::Link(root.join("etc")),
        Skipped::Link(root.join("link")),
        Skipped::Special(root.join("pipe")),
    ];
    assert_eq!(after.skipped, skipped);
    assert_eq!(after.torrent, before.torrent);
    // The path itself may be a link: the user named it.
    std::os::unix::fs::symlink("Sample", dir.path().join("Other")).unwrap();
    assert_eq!(made(&dir.path().join("Other")).1.name, "Other");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let root = sample(dir.path());
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), b"").unwrap();
    let error = create(&root, &options(), 1, &|_, _| ()).unwrap_err();
    assert!(matches!(error, CreateError::Name(_)), "{error}");
}
