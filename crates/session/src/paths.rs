//! Folders and files below a download folder, reached without ever following a link.
//!
//! The user's own path to the download folder may go through links: that is the user's will.
//! Below it every name comes from a stranger. So every file is reached from a handle of its
//! folder, that one from a handle of the download folder, and a symbolic link at any step is
//! [`StoreErrorKind::Unsafe`]. What is checked is what is opened: there is no moment between.

#[cfg(unix)]
#[path = "paths/unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "paths/windows.rs"]
mod system;
// Tested on Unix too, where links are easily made.
#[cfg(all(test, unix))]
#[allow(dead_code)]
#[path = "paths/windows.rs"]
mod by_path;
#[cfg(test)]
#[path = "paths/tests.rs"]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use toubkal_core::engine::StoreErrorKind;

pub(crate) use system::{Folder, FolderId};

/// The environment's answer; [`StoreErrorKind::Missing`] when there is no such name.
pub(crate) type Result<T> = std::result::Result<T, StoreErrorKind>;

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    /// A regular file.
    File(Stamp),
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// By which a change of a file that lies there complete is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes in the file.
    pub(crate) length: u64,
    /// When it was last written; `None` where the system does not say.
    pub(crate) modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// The environment's fault in the engine's words.
pub(crate) fn kind_of(error: &io::Error) -> StoreErrorKind {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => StoreErrorKind::Full,
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StoreErrorKind::Denied,
        Kind::NotFound => StoreErrorKind::Missing,
        Kind::AlreadyExists | Kind::NotADirectory | Kind::IsADirectory => StoreErrorKind::Exists,
        Kind::FileTooLarge => StoreErrorKind::TooLarge,
        Kind::UnexpectedEof => StoreErrorKind::Changed,
        _ => system::special(error),
    }
}

/// Bytes that may still be written where `path` is, or would be: of the nearest folder above that
/// is there. `None` where the system does not say.
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let mut there = path.ancestors().filter(|path| !path.as_os_str().is_empty());
    let there = there.find(|path| path.exists()).unwrap_or(Path::new("."));
    system::free_space(there)
}

/// The folder part and the name of a path below the download folder.
///
/// # Panics
/// When the path is empty or ends in `..`: such a path is never made of a torrent.
pub(crate) fn split(path: &Path) -> (&Path, &OsStr) {
    let name = path.file_name().expect("paths of torrents are clean");
    (path.parent().unwrap_or(Path::new("")), name)
}
