//! How the database names download folders: when it lies in one, or in a folder of one, by the
//! way from there, so that both can be moved together; else by the whole path.

use std::path::{Component, Path, PathBuf};

/// Folders between the download folder and the database in it: `DIR/.toubkal/state.db`.
const UP_MAX: usize = 1;

/// Where the database is.
#[derive(Clone, Debug)]
pub(super) struct Base {
    path: PathBuf,
    folder: PathBuf,
}

impl Base {
    /// Of the database with this path.
    pub(super) fn of(path: &Path) -> Self {
        let folder = whole(super::database::folder_of(path));
        let path = match path.file_name() {
            Some(name) => folder.join(name),
            None => path.to_path_buf(),
        };
        Self { path, folder }
    }

    /// The whole path of the database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a download folder.
    pub(super) fn name(&self, dir: &Path) -> Vec<u8> {
        let dir = whole(dir);
        match self.folder.strip_prefix(&dir).map(|way| way.components().count()) {
            Ok(0) => b".".to_vec(),
            Ok(up) if up <= UP_MAX => b"..".to_vec(),
            _ => bytes_of(&dir),
        }
    }

    /// The download folder of a name.
    pub(super) fn dir(&self, name: &[u8]) -> PathBuf {
        match name {
            b"." => self.folder.clone(),
            b".." => self.folder.parent().unwrap_or(&self.folder).to_path_buf(),
            _ => path_of(name),
        }
    }
}

/// The path from the root, without links as far as it is there.
fn whole(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for there in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), absolute.strip_prefix(there)) {
            // Nothing is joined when nothing is left: that would add a separator.
            let clean = rest.components().filter(|part| matches!(part, Component::Normal(_)));
            return clean.fold(real, |path, part| path.join(part));
        }
    }
    absolute
}

#[cfg(unix)]
fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

/// A path that is not Unicode is found again only by its look-alike; it is checked anew.
#[cfg(not(unix))]
fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_from_the_database_in_it_or_by_its_whole_path() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let inside = Base::of(&root.join("data/.toubkal/state.db"));
        assert_eq!(inside.name(&root.join("data")), b"..");
        assert_eq!(inside.dir(b".."), root.join("data"));
        assert_eq!(Base::of(&root.join("data/x.db")).name(&root.join("data")), b".");
        let far = inside.name(&root.join("other/folder"));
        assert_eq!(inside.dir(&far), root.join("other/folder"));
        assert_eq!(inside.name(&root), bytes_of(&root), "not as far up as this");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_that_folder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("data")).unwrap();
        std::os::unix::fs::symlink(root.join("data"), root.join("link")).unwrap();
        let base = Base::of(&root.join("link/.toubkal/state.db"));
        assert_eq!(base.name(&root.join("data")), base.name(&root.join("link")));
        assert_eq!(base.name(&root.join("link/not there/yet")).last(), Some(&b't'));
    }
}
