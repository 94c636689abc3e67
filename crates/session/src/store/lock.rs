//! One process at a time works on a torrent in a folder.
//!
//! On Unix nothing is left behind for it: the torrent's own folder is locked, or for a lone
//! file the file itself. Those who write lock alone; those who only read lock together. On
//! Windows, where such locks would stop our own writes, a hidden file stands for it, which the
//! system removes when the process ends, however it ends.

#[cfg(unix)]
use toubkal_core::engine::StoreErrorKind;

use super::files::TorrentFiles;
#[cfg(unix)]
use super::files::part_name;
#[cfg(unix)]
use crate::paths::split;
use crate::paths::{Folder, Result};

/// A lock, let go when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    #[cfg(unix)]
    on: std::fs::File,
    #[cfg(not(unix))]
    guard: Option<std::fs::File>,
    alone: bool,
}

#[cfg(unix)]
impl Lock {
    /// Locks what is there of a torrent; `None` when nothing is, or it cannot be locked.
    pub(super) fn take(home: &Folder, files: &TorrentFiles, alone: bool) -> Result<Option<Self>> {
        let on = match Self::place(home, files) {
            Ok(on) => on,
            Err(StoreErrorKind::Missing | StoreErrorKind::Denied) => return Ok(None),
            Err(kind) => return Err(kind),
        };
        let mut lock = Self { on, alone: !alone };
        lock.set(home, files, alone)?;
        Ok(Some(lock))
    }

    fn place(home: &Folder, files: &TorrentFiles) -> Result<std::fs::File> {
        if let Some(root) = files.root() {
            return home.below(root)?.listed();
        }
        let (folder, name) = split(files.path(0));
        let folder = home.below(folder)?;
        match folder.open_file(&part_name(name), true) {
            Err(StoreErrorKind::Missing) => folder.open_file(name, false),
            part => part,
        }
    }

    /// Keeps others out, or lets others read too.
    pub(super) fn set(&mut self, _: &Folder, _: &TorrentFiles, alone: bool) -> Result<()> {
        if self.alone == alone {
            return Ok(());
        }
        let locked = if alone { self.on.try_lock() } else { self.on.try_lock_shared() };
        match locked {
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreErrorKind::Busy),
            // Network file systems may not lock folders: then there is no lock.
            Err(std::fs::TryLockError::Error(_)) | Ok(()) => {}
        }
        self.alone = alone;
        Ok(())
    }
}

#[cfg(not(unix))]
impl Lock {
    /// Locks a torrent in its folder; to read, nothing is locked.
    pub(super) fn take(home: &Folder, files: &TorrentFiles, alone: bool) -> Result<Option<Self>> {
        let mut lock = Self { guard: None, alone: false };
        lock.set(home, files, alone)?;
        Ok(Some(lock))
    }

    /// Keeps others out, or lets others read too.
    pub(super) fn set(&mut self, home: &Folder, files: &TorrentFiles, alone: bool) -> Result<()> {
        if self.alone != alone {
            let mut name = files.edges().clone();
            name.push(".lock");
            self.guard = if alone { Some(home.guard(&name)?) } else { None };
            self.alone = alone;
        }
        Ok(())
    }
}
