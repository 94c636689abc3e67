//! Folders by their paths, each step looked at: for Windows, and wherever there are no handles
//! of folders in the standard library.
//!
//! Between a look and the opening there is a moment in which another program of the same user
//! could put a link there. Torrents cannot: nothing here ever makes a link.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use toubkal_core::engine::StoreErrorKind;

use super::{Entry, Result, Stamp, kind_of};

/// A folder that was there.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Would tell one folder from another; Windows does not say without calls that are not safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FolderId;

impl Folder {
    /// The download folder, by the path that the user gave.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let metadata = fs::metadata(path).map_err(kind)?;
        if metadata.is_dir() { Ok(Self(path.to_path_buf())) } else { Err(StoreErrorKind::Exists) }
    }

    /// As [`Folder::open`]; makes it, and the folders above it, when they are not there.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(kind)?;
        Self::open(path)
    }

    /// Which folder this is.
    pub(crate) fn id(&self) -> Result<FolderId> {
        fs::metadata(&self.0).map(|_| FolderId).map_err(kind)
    }

    /// A folder below this one.
    pub(crate) fn below(&self, path: &Path) -> Result<Self> {
        self.walk(path, |_, _| Ok(()))
    }

    /// As [`Folder::below`]; makes the folders that are not there, and tells of each.
    pub(crate) fn make_below(&self, path: &Path, mut made: impl FnMut(&Path)) -> Result<Self> {
        self.walk(path, |at, relative| match fs::create_dir(at) {
            Ok(()) => {
                made(relative);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(kind(error)),
        })
    }

    fn walk(
        &self,
        path: &Path,
        mut before: impl FnMut(&Path, &Path) -> Result<()>,
    ) -> Result<Self> {
        let mut at = self.0.clone();
        let mut relative = PathBuf::new();
        for component in path.components() {
            let Component::Normal(name) = component else { return Err(StoreErrorKind::Unsafe) };
            at.push(name);
            relative.push(name);
            before(&at, &relative)?;
            match entry(&at)? {
                Entry::Folder => {}
                Entry::Absent => return Err(StoreErrorKind::Missing),
                Entry::Link => return Err(StoreErrorKind::Unsafe),
                Entry::File(_) | Entry::Other => return Err(StoreErrorKind::Exists),
            }
        }
        Ok(Self(at))
    }

    /// What has this name; links are not followed.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Entry> {
        entry(&self.0.join(name))
    }

    /// Opens a regular file to read, or to read and write.
    pub(crate) fn open_file(&self, name: &OsStr, write: bool) -> Result<File> {
        match self.look(name)? {
            Entry::File(_) => {}
            Entry::Absent => return Err(StoreErrorKind::Missing),
            Entry::Link => return Err(StoreErrorKind::Unsafe),
            Entry::Folder | Entry::Other => return Err(StoreErrorKind::Exists),
        }
        let mut options = options();
        options.read(true).write(write).open(self.0.join(name)).map_err(kind)
    }

    /// Makes a file that is not there, to read and write.
    pub(crate) fn create_file(&self, name: &OsStr) -> Result<File> {
        let mut options = options();
        options.read(true).write(true).create_new(true);
        options.open(self.0.join(name)).map_err(|error| match self.look(name) {
            Ok(Entry::Link) => StoreErrorKind::Unsafe,
            _ => kind(error),
        })
    }

    /// Gives a file another name in this folder; never replaces what has that name.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        let (from, to) = (self.0.join(from), self.0.join(to));
        if entry(&to)? != Entry::Absent {
            return Err(StoreErrorKind::Exists);
        }
        fs::rename(from, to).map_err(kind)
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<()> {
        fs::remove_file(self.0.join(name)).map_err(kind)
    }

    /// NTFS keeps names in its journal; there is nothing to do.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// A file that goes away when it is closed, and that nobody else can open until then.
    pub(crate) fn guard(&self, name: &OsStr) -> Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(windows)]
        {
            use std::os::windows::fs::OpenOptionsExt;
            const FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
            const ATTRIBUTE_HIDDEN: u32 = 2;
            options.share_mode(0).custom_flags(FLAG_DELETE_ON_CLOSE).attributes(ATTRIBUTE_HIDDEN);
        }
        options.open(self.0.join(name)).map_err(|error| match error.raw_os_error() {
            // ERROR_SHARING_VIOLATION, and a file that is about to go.
            Some(32 | 5) => StoreErrorKind::Busy,
            _ => kind(error),
        })
    }
}

/// Opens what is there, a link as a link.
fn options() -> OpenOptions {
    #[allow(unused_mut)]
    let mut options = OpenOptions::new();
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        const FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        options.custom_flags(FLAG_OPEN_REPARSE_POINT);
    }
    options
}

fn entry(path: &Path) -> Result<Entry> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entry::Absent),
        Err(error) => return Err(kind(error)),
    };
    // Junctions count as links here.
    let is = metadata.file_type();
    Ok(match () {
        () if is.is_symlink() => Entry::Link,
        () if is.is_dir() => Entry::Folder,
        () if is.is_file() => Entry::File(Stamp::of(&metadata)),
        () => Entry::Other,
    })
}

#[allow(clippy::needless_pass_by_value)] // so that it fits map_err
fn kind(error: io::Error) -> StoreErrorKind {
    kind_of(&error)
}

/// Nothing in the standard library tells it.
pub(super) fn free_space(_: &Path) -> Option<u64> {
    None
}

/// What the standard library has no stable word for.
pub(super) fn special(error: &io::Error) -> StoreErrorKind {
    match error.raw_os_error() {
        // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
        Some(32 | 33) => StoreErrorKind::Busy,
        // ERROR_TOO_MANY_OPEN_FILES
        Some(4) => StoreErrorKind::Crowded,
        // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
        Some(39 | 112) => StoreErrorKind::Full,
        // ERROR_NOT_READY, ERROR_BAD_NETPATH: the drive is gone
        Some(21 | 53) => StoreErrorKind::Missing,
        Some(number) => StoreErrorKind::Other(number),
        None => StoreErrorKind::Other(0),
    }
}
