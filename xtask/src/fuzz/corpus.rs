//! The corpus in the repository: as few inputs as reach what all have reached.

use std::fs;
use std::path::{Path, PathBuf};

use super::{hunt, place};
use crate::shell::{Log, logged, root};

/// What was found is kept up to this length, in bytes: the rest of it is cut off.
const KEPT_BYTES_MAX: u32 = 600;

/// The inputs of a target that the repository keeps.
pub(super) fn kept(target: &str) -> PathBuf {
    root().join("fuzz/corpus").join(target)
}

/// Replaces the inputs that were found before by the least that reach the same code as everything
/// that is known now. Inputs made by hand, which have names, stay.
pub(super) fn merge(fuzzer: &Path, target: &str) -> Result<String, String> {
    let fault = |e: std::io::Error| format!("{target}: {e}");
    let (kept, found, new) = (kept(target), place("corpus").join(target), place("merged"));
    let new = new.join(target);
    // What an earlier merge left may not be there.
    let _ = fs::remove_dir_all(&new);
    for folder in [&kept, &found, &new] {
        fs::create_dir_all(folder).map_err(fault)?;
    }
    for path in inputs(&kept)?.iter().filter(|path| !is_found(path)) {
        fs::copy(path, new.join(path.file_name().unwrap_or_default())).map_err(fault)?;
    }
    let mut merge = hunt::fuzz(fuzzer, target);
    // How often an edge is passed matters while one searches, not for what is kept.
    merge.args(["-merge=1", "-use_counters=0", &format!("-max_len={KEPT_BYTES_MAX}")]);
    merge.args([&new, &kept, &found]);
    logged(&mut merge, &Log::create("fuzz-merge", false)?)?;
    for path in inputs(&kept)?.iter().filter(|path| is_found(path)) {
        fs::remove_file(path).map_err(fault)?;
    }
    let mut bytes = 0;
    for path in inputs(&new)? {
        bytes += fs::copy(&path, kept.join(path.file_name().unwrap_or_default())).map_err(fault)?;
    }
    Ok(format!("{} inputs, {bytes} bytes", inputs(&kept)?.len()))
}

fn inputs(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fault = |e| format!("{}: {e}", folder.display());
    let files = fs::read_dir(folder).map_err(fault)?;
    files.map(|file| file.map(|file| file.path()).map_err(fault)).collect()
}

/// Whether the fuzzer named it: by its SHA-1.
fn is_found(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
