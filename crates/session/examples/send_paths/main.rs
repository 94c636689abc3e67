//! Ways to bring blocks from the page cache to sockets, side by side.
//!
//! `cargo run --release -p toubkal-session --example send_paths -- [MIB] [ROUNDS] [FOLDER]`
//! sends MIB mebibytes (1024) in blocks of 16 KiB in random order, each behind a head as in BEP 3,
//! over loopback TCP to 1, 8 and 64 receivers, which are another process. For each way it prints
//! the median of ROUNDS (7) with the lowest and the highest: MB/s, and CPU seconds a GiB of either
//! end. One thread sends. The ways take turns, every other round the other way round. The file
//! lies in FOLDER (the system's temporary one). Linux only.

#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod ways;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("sendfile and io_uring are of Linux");
}
