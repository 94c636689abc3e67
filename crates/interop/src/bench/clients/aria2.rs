//! aria2: files allocated at the start, a disk cache of 64 MiB, and the limit from which it looks
//! for no more peers out of reach.

use std::process::Command;

use super::{End, Job};
use crate::programs;

pub(super) fn version() -> Command {
    let mut command = Command::new("aria2c");
    command.arg("--version");
    command
}

pub(super) fn leech(job: &Job<'_>) -> (Command, End) {
    let mut command = aria2(job);
    command.args(["--file-allocation=falloc", "--seed-time=0"]);
    (command, End::Exit)
}

pub(super) fn seed(job: &Job<'_>) -> Command {
    let mut command = aria2(job);
    command.args(["--check-integrity=true", "--seed-ratio=0.0"]);
    command
}

pub(super) fn verify(job: &Job<'_>) -> (Command, End) {
    let mut command = aria2(job);
    command.args(["--check-integrity=true", "--hash-check-only=true", "--seed-time=0"]);
    (command, End::Exit)
}

fn aria2(job: &Job<'_>) -> Command {
    let mut command = programs::aria2();
    command.args([
        "--disable-ipv6=true",
        "--disk-cache=64M",
        "--bt-request-peer-speed-limit=1000M",
    ]);
    command.arg(format!("--interface={}", job.listen.ip()));
    command.arg(format!("--listen-port={}", job.listen.port()));
    command.arg(format!("--dir={}", job.data.display())).arg(job.torrent);
    command
}
