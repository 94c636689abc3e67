//! Tests that need a disk, or limits, of their own: each runs itself again in a process that has
//! such a thing. Nothing outside that process changes.

use std::path::PathBuf;
use std::process::Command;

/// Where the second process finds what was made ready for it.
pub(crate) const STAGE: &str = "TOUBKAL_TEST_STAGE";

/// Runs this test, named with its modules, again through a shell script, which ends in
/// `exec "$@"`; `$STAGE` is an empty folder. In the second process: that folder.
pub(crate) fn staged(test: &str, namespace: bool, script: &str) -> Option<PathBuf> {
    if let Some(stage) = std::env::var_os(STAGE) {
        return Some(stage.into());
    }
    let stage = tempfile::tempdir().unwrap();
    let mut command = if namespace {
        // A mount namespace of its own: as a user, in a user namespace where we are root.
        let mut unshare = Command::new("unshare");
        let root = rustix::process::geteuid().is_root();
        unshare.args(if root { &["-m"][..] } else { &["-r", "-m"] }).arg("sh");
        unshare
    } else {
        Command::new("sh")
    };
    let output = command
        .args(["-ec", &format!("STAGE=\"${STAGE}\"; {script}\nexec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(STAGE, stage.path())
        .output()
        .expect("`sh` and `unshare` (util-linux) are there");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "in the second process:\n{text}\n{errors}");
    assert!(text.contains("1 passed"), "the second process ran no test:\n{text}\n{errors}");
    None
}
