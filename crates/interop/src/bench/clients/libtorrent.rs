//! libtorrent of PyPI: `high_performance_seed` for seeds, its defaults for leechers; request queue
//! of 2,000, send watermark of 8 MiB, 4 disk threads (`libtorrent_peer.py`).

use std::process::Command;

use super::{End, Job};
use crate::libtorrent;

pub(super) fn version() -> Command {
    let mut command = libtorrent();
    command.arg("version");
    command
}

pub(super) fn leech(job: &Job<'_>) -> (Command, End) {
    (peer("get", job), End::Marker)
}

pub(super) fn seed(job: &Job<'_>) -> Command {
    peer("seed", job)
}

pub(super) fn verify(job: &Job<'_>) -> (Command, End) {
    let mut command = libtorrent();
    command.arg("verify").arg(job.torrent).arg(job.data);
    (command, End::Exit)
}

pub(super) fn create(job: &Job<'_>) -> (Command, End) {
    let mut command = libtorrent();
    command.arg("create").arg(job.path()).arg(job.created());
    command.arg(job.content.piece_length().to_string());
    (command, End::Exit)
}

fn peer(role: &str, job: &Job<'_>) -> Command {
    let mut command = libtorrent();
    command.arg(role).arg(job.torrent).arg(job.data).arg(job.listen.to_string());
    command.arg(job.complete()).arg("0");
    command
}
