//! The limit program, in the place of a client: it is told where the seed is, another of its kind.

use std::process::Command;

use super::{End, Job, beside};

/// Takes what another limit program gives.
pub(super) fn leech(job: &Job<'_>) -> (Command, End) {
    let mut command = limit("take", job);
    command.arg(job.seed.expect("the limit is told of its seed").to_string());
    (command, End::Exit)
}

pub(super) fn seed(job: &Job<'_>) -> Command {
    let mut command = limit("give", job);
    command.arg(job.listen.to_string());
    command
}

/// Asks any seed for everything, and throws it away.
pub(super) fn ask(job: &Job<'_>) -> (Command, End) {
    let mut command = limit("ask", job);
    command.arg(job.seed.expect("the limit is told of its seed").to_string());
    command.arg(job.content.info_hash());
    (command, End::Exit)
}

/// Receives what another limit program gives, and throws it away.
pub(super) fn drain(job: &Job<'_>) -> (Command, End) {
    let mut command = limit("drain", job);
    command.arg(job.seed.expect("the limit is told of its seed").to_string());
    (command, End::Exit)
}

pub(super) fn write(job: &Job<'_>) -> (Command, End) {
    (limit("write", job), End::Exit)
}

pub(super) fn hash(job: &Job<'_>) -> (Command, End) {
    (limit("hash", job), End::Exit)
}

fn limit(role: &str, job: &Job<'_>) -> Command {
    let mut command = Command::new(beside("limit"));
    command.arg(role).arg(job.path()).arg(job.content.size().to_string());
    command.arg(job.content.file_count().to_string());
    command.arg(job.content.piece_length().to_string()).arg(job.torrent);
    command
}
