//! What a program can do on this machine that decides nothing: the measure of `cargo xtask bench`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    toubkal_interop::limit()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("limit: this is measured on Linux only");
    ExitCode::FAILURE
}
