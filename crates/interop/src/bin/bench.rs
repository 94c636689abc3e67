//! Toubkal and other clients side by side; `cargo xtask bench` runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    toubkal_interop::bench()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: this needs the network namespaces of Linux");
    ExitCode::FAILURE
}
