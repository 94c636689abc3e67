//! Toubkal, as users get it.

use std::process::Command;

use super::{End, Job};
use crate::toubkal;

pub(super) fn version() -> Command {
    let mut command = toubkal();
    command.arg("--version");
    command
}

pub(super) fn leech(job: &Job<'_>) -> (Command, End) {
    let mut command = toubkal();
    command.arg("get").arg(job.torrent).arg("-o").arg(job.data).arg("--quiet");
    command.arg("--no-lan").arg("--listen").arg(job.listen.to_string());
    (command, End::Exit)
}

pub(super) fn seed(job: &Job<'_>) -> Command {
    let mut command = toubkal();
    command.arg("seed").arg(job.torrent).arg("--data").arg(job.data).args([
        "--quiet",
        "--no-state",
        "--no-lan",
    ]);
    command.arg("--listen").arg(job.listen.to_string());
    command
}

pub(super) fn verify(job: &Job<'_>) -> (Command, End) {
    let mut command = toubkal();
    command.arg("verify").arg(job.torrent).arg("--data").arg(job.data).arg("--quiet");
    (command, End::Exit)
}

pub(super) fn create(job: &Job<'_>) -> (Command, End) {
    let mut command = toubkal();
    command.arg("create").arg(job.path()).arg("-o").arg(job.created()).arg("--quiet");
    command.arg("--piece-length").arg(format!("{}KiB", job.content.piece_length() >> 10));
    (command, End::Exit)
}
