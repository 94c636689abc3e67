use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::*;

fn name(name: &str) -> &OsStr {
    OsStr::new(name)
}

/// What holds however folders are reached.
macro_rules! behaviour {
    ($name:ident, $folder:path) => {
        mod $name {
            use super::*;
            use $folder as Folder;

            #[test]
            fn folders_are_made_and_told_of_once() {
                let dir = tempfile::tempdir().unwrap();
                let folder = Folder::open(dir.path()).unwrap();
                let mut made = Vec::new();
                let path = Path::new("a/b/c");
                assert_eq!(folder.below(path).err(), Some(StoreErrorKind::Missing));
                folder.make_below(path, |path| made.push(path.to_path_buf())).unwrap();
                folder.make_below(path, |_| panic!("it is there")).unwrap();
                assert_eq!(made, [Path::new("a"), Path::new("a/b"), path]);
                assert!(dir.path().join(path).is_dir());
            }

            #[test]
            fn nothing_leads_out_of_a_folder() {
                let dir = tempfile::tempdir().unwrap();
                fs::create_dir_all(dir.path().join("inner")).unwrap();
                let folder = Folder::open(&dir.path().join("inner")).unwrap();
                for path in ["..", "../inner", "a/../..", "/", "/etc"] {
                    let path = Path::new(path);
                    assert!(folder.below(path).is_err(), "{path:?}");
                    assert!(folder.make_below(path, |_| ()).is_err(), "{path:?}");
                }
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            }

            #[test]
            fn a_file_where_a_folder_should_be_is_in_the_way() {
                let dir = tempfile::tempdir().unwrap();
                fs::write(dir.path().join("file"), b"").unwrap();
                let folder = Folder::open(dir.path()).unwrap();
                for path in ["file", "file/sub"] {
                    let path = Path::new(path);
                    assert_eq!(folder.below(path).err(), Some(StoreErrorKind::Exists), "{path:?}");
                    assert_eq!(folder.make_below(path, |_| ()).err(), Some(StoreErrorKind::Exists));
                }
                fs::create_dir(dir.path().join("folder")).unwrap();
                assert!(folder.open_file(name("folder"), false).is_err());
                assert_eq!(folder.create_file(name("folder")).err(), Some(StoreErrorKind::Exists));
            }

            #[test]
            fn a_rename_never_replaces() {
                let dir = tempfile::tempdir().unwrap();
                fs::write(dir.path().join("a"), b"a").unwrap();
                fs::write(dir.path().join("b"), b"b").unwrap();
                let folder = Folder::open(dir.path()).unwrap();
                assert_eq!(folder.rename(name("a"), name("b")), Err(StoreErrorKind::Exists));
                assert_eq!(folder.rename(name("none"), name("c")), Err(StoreErrorKind::Missing));
                assert_eq!(folder.rename(name("a"), name("c")), Ok(()));
                assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"b");
                assert_eq!(fs::read(dir.path().join("c")).unwrap(), b"a");
                assert_eq!(folder.look(name("a")), Ok(Entry::Absent));
            }

            #[cfg(unix)]
            #[test]
            fn no_link_is_followed_below_the_download_folder() {
                let dir = tempfile::tempdir().unwrap();
                let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
                fs::create_dir_all(home.join("real")).unwrap();
                fs::create_dir(&outside).unwrap();
                fs::write(outside.join("secret"), b"secret").unwrap();
                symlink(&outside, home.join("folder")).unwrap();
                symlink("real", home.join("inside")).unwrap();
                symlink(outside.join("secret"), home.join("file")).unwrap();
                symlink(outside.join("new"), home.join("dangling")).unwrap();
                symlink("loop", home.join("loop")).unwrap();
                let folder = Folder::open(&home).unwrap();
                let refused = Some(StoreErrorKind::Unsafe);
                for path in ["folder", "inside", "folder/sub", "inside/sub", "loop", "loop/sub"] {
                    assert_eq!(folder.below(Path::new(path)).err(), refused, "{path}");
                    assert_eq!(folder.make_below(Path::new(path), |_| ()).err(), refused, "{path}");
                }
                for file in ["file", "dangling", "folder", "loop"] {
                    assert_eq!(folder.look(name(file)), Ok(Entry::Link));
                    assert_eq!(folder.open_file(name(file), false).err(), refused, "{file}");
                    assert_eq!(folder.open_file(name(file), true).err(), refused, "{file}");
                    assert_eq!(folder.create_file(name(file)).err(), refused, "{file}");
                    assert_eq!(
                        folder.rename(name("real"), name(file)),
                        Err(StoreErrorKind::Exists)
                    );
                }
                assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
                assert_eq!(fs::read_dir(home.join("real")).unwrap().count(), 0);
            }
        }
    };
}

behaviour!(by_system, crate::paths::system::Folder);
#[cfg(unix)]
behaviour!(by_path, crate::paths::by_path::Folder);

#[cfg(unix)]
mod links {
    use super::*;

    #[test]
    fn each_step_is_checked_where_the_kernel_does_not_check_the_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        symlink("b", dir.path().join("a/link")).unwrap();
        fs::write(dir.path().join("a/file"), b"").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let walk = |path: &str| folder.step_by_step(Path::new(path)).map(|folder| folder.id());
        assert_eq!(walk("a/b"), Ok(folder.below(Path::new("a/b")).unwrap().id()));
        assert_eq!(walk("a/link"), Err(StoreErrorKind::Unsafe));
        assert_eq!(walk("a/link/c"), Err(StoreErrorKind::Unsafe));
        assert_eq!(walk("a/file/c"), Err(StoreErrorKind::Exists));
        assert_eq!(walk("a/../a"), Err(StoreErrorKind::Unsafe));
        assert_eq!(walk("c"), Err(StoreErrorKind::Missing));
    }

    #[test]
    fn a_file_looks_the_same_open_and_closed() {
        use std::time::{Duration, UNIX_EPOCH};
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let file = folder.create_file(name("file")).unwrap();
        let time = Duration::new(1_700_000_000, 123_456_789);
        for modified in [UNIX_EPOCH + time, UNIX_EPOCH, UNIX_EPOCH - Duration::new(5, 500)] {
            file.set_modified(modified).unwrap();
            let stamp = Stamp::of(&file.metadata().unwrap());
            assert_eq!(folder.look(name("file")), Ok(Entry::File(stamp)));
        }
    }

    #[test]
    fn the_users_own_path_may_be_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        let folder = Folder::open(&dir.path().join("link")).unwrap();
        folder.create_file(name("file")).unwrap();
        assert!(dir.path().join("real/file").exists());
    }

    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(status.success());
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.look(name("pipe")), Ok(Entry::Other));
        assert!(folder.open_file(name("pipe"), false).is_err());
        assert!(folder.open_file(name("pipe"), true).is_err());
    }
}
