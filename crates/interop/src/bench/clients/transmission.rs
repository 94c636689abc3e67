//! Transmission, with its command-line face: a cache of 64 MiB, files allocated at the start, 500
//! peers.

use std::net::SocketAddr;
use std::process::Command;

use super::{End, Job, write};

pub(super) fn version() -> Command {
    let mut command = Command::new("transmission-cli");
    command.arg("--version");
    command
}

/// It downloads what is not there, and seeds what is.
pub(super) fn run(job: &Job<'_>) -> (Command, End) {
    write(&job.home.join("settings.json"), &settings(job.listen));
    let mut command = Command::new("transmission-cli");
    command.arg("--config-dir").arg(job.home).arg("--download-dir").arg(job.data);
    command.arg("--port").arg(job.listen.port().to_string()).arg("--no-portmap");
    command.args(["--no-downlimit", "--no-uplimit", "--encryption-tolerated"]);
    command.arg("--finish").arg(job.hook()).arg(job.torrent);
    (command, End::Marker)
}

pub(super) fn verify(job: &Job<'_>) -> (Command, End) {
    (run(job).0, End::Says("Seeding"))
}

pub(super) fn create(job: &Job<'_>) -> (Command, End) {
    let mut command = Command::new("transmission-create");
    command.arg("-o").arg(job.created()).arg("-s");
    command.arg((job.content.piece_length() >> 10).to_string()).arg(job.path());
    (command, End::Exit)
}

/// Its settings as it reads them.
pub(crate) fn settings(listen: SocketAddr) -> String {
    let ip = listen.ip();
    format!(
        r#"{{
            "bind-address-ipv4": "{ip}", "bind-address-ipv6": "::1",
            "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false,
            "utp-enabled": false, "port-forwarding-enabled": false, "encryption": 0,
            "cache-size-mb": 64, "preallocation": 1, "rename-partial-files": false,
            "peer-limit-global": 500, "peer-limit-per-torrent": 500,
            "upload-slots-per-torrent": 50
        }}"#
    )
}
