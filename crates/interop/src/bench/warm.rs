//! Memory that was touched just now. A virtual machine may have given free memory back to its
//! host; then the first touch of each part costs far more than all that is measured here, and who
//! pays is chance. A file is written before a run and removed when the payload begins to come, so
//! that the system has as much memory at hand as will be written.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes that are written by one call.
const STEP: u64 = 4 << 20;

/// A file of the page cache, until it is dropped.
pub(super) struct Warm(PathBuf);

impl Warm {
    /// Writes so many bytes into a folder.
    pub(super) fn file(folder: &Path, bytes: u64) -> Result<Warm, String> {
        let warm = Warm(folder.join("warm"));
        let write = || -> std::io::Result<()> {
            let (mut file, part) = (File::create(&warm.0)?, vec![0x5a; STEP as usize]);
            for at in (0..bytes).step_by(STEP as usize) {
                file.write_all(&part[..STEP.min(bytes - at) as usize])?;
            }
            Ok(())
        };
        write().map_err(|error| format!("{}: {error}", warm.0.display()))?;
        Ok(warm)
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        // The folder goes with the benchmark in any case.
        let _ = fs::remove_file(&self.0);
    }
}
