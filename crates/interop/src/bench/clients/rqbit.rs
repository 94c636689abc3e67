//! rqbit with its defaults.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{End, Job};

pub(super) fn version() -> Command {
    let mut command = rqbit();
    command.arg("--version");
    command
}

pub(super) fn leech(job: &Job<'_>) -> (Command, End) {
    let mut command = download(job);
    command.arg("--exit-on-finish").arg(job.torrent);
    (command, End::Exit)
}

pub(super) fn seed(job: &Job<'_>) -> Command {
    let mut command = download(job);
    command.arg(job.torrent);
    command
}

fn download(job: &Job<'_>) -> Command {
    let mut command = at(job.listen);
    command.arg("download").arg("--overwrite").arg("--output-folder").arg(job.data);
    command
}

/// The program with all that stands before its subcommand.
pub(crate) fn at(listen: SocketAddr) -> Command {
    let mut command = rqbit();
    command.args(["--disable-dht", "--disable-lsd", "--disable-upnp-port-forward"]);
    command.arg("--ipv4-only").arg(format!("--listen-ip={}", listen.ip()));
    command.arg(format!("--listen-port={}", listen.port()));
    command
}

/// The program, where `cargo xtask bench` puts it.
fn rqbit() -> Command {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let top = top.expect("this crate lies two folders deep");
    Command::new(top.join(".tools/rqbit/bin/rqbit"))
}
