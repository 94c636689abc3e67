//! Handles of folders, as Unix has them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path};

use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use toubkal_core::engine::StoreErrorKind;

use super::{Entry, Result, Stamp, kind_of};

/// A handle that names a folder without the right to list it, where the system has such.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NAMED: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NAMED: OFlags = OFlags::RDONLY;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// No link at the end, and no wait for the other end of a pipe.
const LEAF: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

/// Tells one folder from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FolderId(u64, u64);

impl Folder {
    /// The download folder, by the path that the user gave.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::open(path, NAMED | FOLDER, Mode::empty()).map(Self).map_err(kind)
    }

    /// As [`Folder::open`]; makes it, and the folders above it, when they are not there.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| kind_of(&error))?;
        Self::open(path)
    }

    /// Which folder this is.
    pub(crate) fn id(&self) -> Result<FolderId> {
        let stat = fs::fstat(&self.0).map_err(kind)?;
        Ok(FolderId(stat.st_dev as u64, stat.st_ino))
    }

    /// A folder below this one.
    pub(crate) fn below(&self, path: &Path) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return fs::openat(&self.0, ".", NAMED | FOLDER, Mode::empty()).map(Self).map_err(kind);
        }
        match beneath(&self.0, path) {
            Some(found) => found.map(Self).map_err(|errno| self.why(path, errno)),
            None => self.step_by_step(path),
        }
    }

    /// As [`Folder::below`]; makes the folders that are not there, and tells of each.
    pub(crate) fn make_below(&self, path: &Path, mut made: impl FnMut(&Path)) -> Result<Self> {
        match self.below(path) {
            Err(StoreErrorKind::Missing) => {}
            found => return found,
        }
        let mut at = std::path::PathBuf::new();
        self.walk(path, |folder, name| {
            at.push(name);
            match fs::mkdirat(&folder.0, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => made(&at),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(kind(errno)),
            }
            folder.step(name)
        })
    }

    /// As [`Folder::below`], where the kernel does not check the whole way at once.
    pub(super) fn step_by_step(&self, path: &Path) -> Result<Self> {
        self.walk(path, Self::step)
    }

    fn walk(
        &self,
        path: &Path,
        mut step: impl FnMut(&Self, &OsStr) -> Result<Self>,
    ) -> Result<Self> {
        let mut at: Option<Self> = None;
        for component in path.components() {
            let Component::Normal(name) = component else { return Err(StoreErrorKind::Unsafe) };
            at = Some(step(at.as_ref().unwrap_or(self), name)?);
        }
        at.ok_or(StoreErrorKind::Unsafe)
    }

    /// One folder down, never through a link.
    fn step(&self, name: &OsStr) -> Result<Self> {
        let flags = NAMED | FOLDER | OFlags::NOFOLLOW;
        fs::openat(&self.0, name, flags, Mode::empty()).map(Self).map_err(|errno| {
            // What a link gives here differs between systems.
            match self.look(name) {
                Ok(Entry::Link) => StoreErrorKind::Unsafe,
                _ => kind(errno),
            }
        })
    }

    fn why(&self, path: &Path, errno: Errno) -> StoreErrorKind {
        if errno == Errno::NOTDIR {
            return self.step_by_step(path).err().unwrap_or(kind(errno));
        }
        kind(errno)
    }

    /// What has this name; links are not followed.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Entry> {
        let stat = match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Entry::Absent),
            Err(errno) => return Err(kind(errno)),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Entry::File(stamp(&stat)),
            FileType::Directory => Entry::Folder,
            FileType::Symlink => Entry::Link,
            _ => Entry::Other,
        })
    }

    /// Opens a regular file to read, or to read and write.
    pub(crate) fn open_file(&self, name: &OsStr, write: bool) -> Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let file = fs::openat(&self.0, name, access | LEAF, Mode::empty());
        let file = File::from(file.map_err(|errno| self.why_not(name, errno))?);
        let metadata = file.metadata().map_err(|error| kind_of(&error))?;
        if metadata.is_file() { Ok(file) } else { Err(StoreErrorKind::Exists) }
    }

    /// Makes a file that is not there, to read and write.
    pub(crate) fn create_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | LEAF;
        let file = fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666));
        file.map(File::from).map_err(|errno| self.why_not(name, errno))
    }

    fn why_not(&self, name: &OsStr, errno: Errno) -> StoreErrorKind {
        match self.look(name) {
            Ok(Entry::Link) => StoreErrorKind::Unsafe,
            _ => kind(errno),
        }
    }

    /// Gives a file another name in this folder; never replaces what has that name.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        if let Some(done) = rename_exclusive(&self.0, from, to) {
            return done.map_err(kind);
        }
        match fs::linkat(&self.0, from, &self.0, to, AtFlags::empty()) {
            Ok(()) => return self.remove(from),
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {}
            Err(errno) => return Err(kind(errno)),
        }
        // A file system without hard links: what is left is to look first.
        if self.look(to)? != Entry::Absent {
            return Err(StoreErrorKind::Exists);
        }
        fs::renameat(&self.0, from, &self.0, to).map_err(kind)
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<()> {
        fs::unlinkat(&self.0, name, AtFlags::empty()).map_err(kind)
    }

    /// Brings the names in this folder to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        match self.listed()?.sync_all() {
            // Some file systems cannot sync a folder, and need not.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done.map_err(|error| kind_of(&error)),
        }
    }

    /// The folder as a file that can be locked.
    pub(crate) fn listed(&self) -> Result<File> {
        let file = fs::openat(&self.0, ".", OFlags::RDONLY | FOLDER, Mode::empty());
        file.map(File::from).map_err(kind)
    }
}

/// The kernel's own check of every step; `None` where there is none.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn beneath(folder: &OwnedFd, path: &Path) -> Option<rustix::io::Result<OwnedFd>> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // EAGAIN: something above was renamed meanwhile.
    for _ in 0..8 {
        match fs::openat2(folder, path, NAMED | FOLDER, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return None,
            found => return Some(found),
        }
    }
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn beneath(_: &OwnedFd, _: &Path) -> Option<rustix::io::Result<OwnedFd>> {
    None
}

/// Renames unless the new name is taken; `None` where system or file system cannot do that.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exclusive(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> Option<rustix::io::Result<()>> {
    match fs::renameat_with(folder, from, folder, to, fs::RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => None,
        done => Some(done),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exclusive(_: &OwnedFd, _: &OsStr, _: &OsStr) -> Option<rustix::io::Result<()>> {
    None
}

/// The same as [`Stamp::of`] says of the file when it is open.
fn stamp(stat: &Stat) -> Stamp {
    use std::time::{Duration, UNIX_EPOCH};
    // The types differ between systems.
    let seconds = i64::try_from(i128::from(stat.st_mtime)).unwrap_or(0);
    let nanos = u64::try_from(i128::from(stat.st_mtime_nsec)).unwrap_or(0);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = match seconds < 0 {
        true => UNIX_EPOCH.checked_sub(whole),
        false => UNIX_EPOCH.checked_add(whole),
    };
    let modified = second.and_then(|second| second.checked_add(Duration::from_nanos(nanos)));
    Stamp { length: stat.st_size as u64, modified }
}

fn kind(errno: Errno) -> StoreErrorKind {
    kind_of(&errno.into())
}

/// Bytes that a program without special rights may still write.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let stat = fs::statvfs(path).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// What the standard library has no stable word for.
pub(super) fn special(error: &io::Error) -> StoreErrorKind {
    let Some(number) = error.raw_os_error() else { return StoreErrorKind::Other(0) };
    match Errno::from_raw_os_error(number) {
        Errno::LOOP | Errno::XDEV => StoreErrorKind::Unsafe,
        Errno::DQUOT | Errno::NOSPC => StoreErrorKind::Full,
        Errno::ROFS => StoreErrorKind::Denied,
        Errno::FBIG => StoreErrorKind::TooLarge,
        Errno::MFILE | Errno::NFILE => StoreErrorKind::Crowded,
        Errno::NOTDIR | Errno::ISDIR => StoreErrorKind::Exists,
        // The folder was removed while we held it.
        Errno::STALE => StoreErrorKind::Missing,
        _ => StoreErrorKind::Other(number),
    }
}
