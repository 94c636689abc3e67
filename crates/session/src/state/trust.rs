//! Whether the system has run without a break since a record was made.

use std::sync::OnceLock;

/// Bytes of the longest name that a run of the system may have.
const BOOT_BYTES_MAX: usize = 64;

/// A name of this run of the system, from its start until it goes down; `None` when it does not
/// say. Asked once.
pub(super) fn boot() -> Option<&'static [u8]> {
    static BOOT: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    BOOT.get_or_init(|| ask().map(|name| name.trim_ascii().to_vec()).filter(|name| fits(name)))
        .as_deref()
}

/// Whether a record was made in this run of the system. When nobody knows, it was not.
pub(super) fn same_boot(then: Option<&[u8]>) -> bool {
    then.is_some() && then == boot()
}

fn fits(name: &[u8]) -> bool {
    (8..=BOOT_BYTES_MAX).contains(&name.len()) && name.is_ascii()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask() -> Option<Vec<u8>> {
    std::fs::read("/proc/sys/kernel/random/boot_id").ok()
}

/// The value has no system call that the standard library or a safe crate knows.
#[cfg(target_os = "macos")]
fn ask() -> Option<Vec<u8>> {
    let mut ask = std::process::Command::new("/usr/sbin/sysctl");
    let output = ask.args(["-n", "kern.bootsessionuuid"]).output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn ask() -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_another_run() {
        assert!(!same_boot(None));
        assert!(!same_boot(Some(b"11111111-2222-3333-4444-555555555555")));
        assert_eq!(same_boot(boot()), boot().is_some());
    }
}
