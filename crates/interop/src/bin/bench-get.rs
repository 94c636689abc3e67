//! Toubkal and libtorrent as leechers of the same seed; `cargo xtask bench-get` runs it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    toubkal_interop::bench_get()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: this needs the network namespaces of Linux");
    ExitCode::FAILURE
}
