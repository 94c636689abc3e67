//! The download folder: whether it can be one, and whether it can be written into.

use std::path::Path;
use std::{fs, io, process};

use crate::exit::{Exit, Failure, io_cause};

/// Whether the path is a folder, or can become one.
///
/// # Errors
/// When something else is in the way.
pub(crate) fn check(dir: &Path) -> Result<(), Failure> {
    for path in dir.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => return Ok(()),
            Ok(_) => {
                let cause = format!("{} is a file, not a folder", path.display());
                return Err(refusal(dir, Exit::NotWritable, cause));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(refusal(dir, Exit::NotWritable, io_cause(&error)));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether something can be made in the folder, or where it is going to be: tries, and leaves
/// nothing behind.
///
/// # Errors
/// When nothing can.
pub(crate) fn trial(dir: &Path) -> Result<(), Failure> {
    let here = Path::new(".");
    let there = dir.ancestors().find(|path| path.is_dir()).unwrap_or(here);
    let trial = there.join(format!(".toubkal-{}", process::id()));
    match fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let exit = match Exit::of_io(&error) {
                Exit::DiskFull => Exit::DiskFull,
                // Some file systems have other words for it.
                _ => Exit::NotWritable,
            };
            Err(refusal(dir, exit, io_cause(&error)))
        }
    }
}

/// Bytes that are free for us where this folder is, if the system says so.
#[cfg(unix)]
pub(crate) fn free(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Not asked here: a full disk is noticed when it is full.
#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}

fn refusal(dir: &Path, exit: Exit, cause: String) -> Failure {
    let failure = Failure::new(exit, format!("cannot write into {}", dir.display())).cause(cause);
    match exit {
        Exit::DiskFull => failure.tip("make room, then run the same command to go on"),
        _ => failure.tip("choose another folder with -o, or change its permissions"),
    }
}
