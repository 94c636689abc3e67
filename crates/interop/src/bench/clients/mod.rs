//! The clients that are measured, each with the settings that let it be fast. What would look
//! for peers elsewhere is off, and so are uTP, encryption and rate limits.

mod aria2;
mod libtorrent;
mod limit;
mod qbittorrent;
mod rqbit;
mod toubkal;
mod transmission;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use rqbit::at as rqbit_at;
pub(super) use transmission::settings as transmission_settings;

use crate::Content;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rival {
    /// No client: what a program could do that is told everything and decides nothing.
    Limit,
    Toubkal,
    /// libtorrent (Arvid Norberg's) of PyPI, by a driver.
    Libtorrent,
    Qbittorrent,
    Aria2,
    Rqbit,
    Transmission,
}

/// What a client is to do.
pub(super) struct Job<'a> {
    /// Where its settings and its log go: a folder of this run.
    pub(super) home: &'a Path,
    /// The folder of the files.
    pub(super) data: &'a Path,
    pub(super) torrent: &'a Path,
    pub(super) content: &'a Content,
    pub(super) listen: SocketAddr,
    /// Where the seed is; only the limit is told by this, all others by a tracker.
    pub(super) seed: Option<SocketAddr>,
}

/// How one knows that a client is through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It ends by itself.
    Exit,
    /// It makes the file of [`Job::complete`] and goes on.
    Marker,
    /// It writes this into its log and goes on.
    Says(&'static str),
}

/// What is run, and how it ends; or why it cannot be.
pub(super) type Plan = Result<(Command, End), String>;

impl Rival {
    pub(super) const ALL: [Rival; 7] = [
        Rival::Limit,
        Rival::Toubkal,
        Rival::Libtorrent,
        Rival::Qbittorrent,
        Rival::Aria2,
        Rival::Rqbit,
        Rival::Transmission,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Rival::Limit => "limit",
            Rival::Toubkal => "toubkal",
            Rival::Libtorrent => "libtorrent",
            Rival::Qbittorrent => "qbittorrent",
            Rival::Aria2 => "aria2",
            Rival::Rqbit => "rqbit",
            Rival::Transmission => "transmission",
        }
    }

    /// Half seconds without work after which it is ready as a seed.
    pub(super) fn quiet(self) -> u32 {
        match self {
            // It takes up its torrents a while after it listens.
            Rival::Qbittorrent => 8,
            // It lets nobody in for its first ten seconds.
            Rival::Transmission => 22,
            _ => 1,
        }
    }

    /// What it says of itself; an error when it is not here.
    pub(super) fn version(self) -> Result<String, String> {
        let mut ask = match self {
            Rival::Limit => return Ok("this repository".to_owned()),
            Rival::Toubkal => toubkal::version(),
            Rival::Libtorrent => libtorrent::version(),
            Rival::Qbittorrent => qbittorrent::version(),
            Rival::Aria2 => aria2::version(),
            Rival::Rqbit => rqbit::version(),
            Rival::Transmission => transmission::version(),
        };
        let said = ask.output().map_err(|error| format!("not installed ({error})"))?;
        // transmission-cli tells it on standard error.
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()));
        line.map(|line| line.trim().to_owned()).ok_or_else(|| "it tells no version".to_owned())
    }

    /// Downloads.
    pub(super) fn leech(self, job: &Job<'_>) -> Plan {
        let plan = match self {
            Rival::Limit => limit::leech(job),
            Rival::Toubkal => toubkal::leech(job),
            Rival::Libtorrent => libtorrent::leech(job),
            Rival::Qbittorrent => qbittorrent::run(job),
            Rival::Aria2 => aria2::leech(job),
            Rival::Rqbit => rqbit::leech(job),
            Rival::Transmission => transmission::run(job),
        };
        Ok(at_home(plan, job))
    }

    /// Seeds what is there, until it is told to end.
    pub(super) fn seed(self, job: &Job<'_>) -> Command {
        let command = match self {
            Rival::Limit => limit::seed(job),
            Rival::Toubkal => toubkal::seed(job),
            Rival::Libtorrent => libtorrent::seed(job),
            Rival::Qbittorrent => qbittorrent::run(job).0,
            Rival::Aria2 => aria2::seed(job),
            Rival::Rqbit => rqbit::seed(job),
            Rival::Transmission => transmission::run(job).0,
        };
        at_home((command, End::Exit), job).0
    }

    /// Checks what is there.
    pub(super) fn verify(self, job: &Job<'_>) -> Plan {
        let plan = match self {
            Rival::Limit => limit::hash(job),
            Rival::Toubkal => toubkal::verify(job),
            Rival::Libtorrent => libtorrent::verify(job),
            Rival::Qbittorrent => return Err("it has no command for it".to_owned()),
            Rival::Aria2 => aria2::verify(job),
            Rival::Rqbit => rqbit::leech(job),
            Rival::Transmission => transmission::verify(job),
        };
        Ok(at_home(plan, job))
    }

    /// Makes a torrent of what is there, in its home.
    pub(super) fn create(self, job: &Job<'_>) -> Plan {
        let plan = match self {
            Rival::Limit => limit::hash(job),
            Rival::Toubkal => toubkal::create(job),
            Rival::Libtorrent => libtorrent::create(job),
            Rival::Transmission => transmission::create(job),
            Rival::Rqbit => return Err("`rqbit share` makes one, but goes on".to_owned()),
            _ => return Err("it has no command for it".to_owned()),
        };
        Ok(at_home(plan, job))
    }
}

/// What only the limit program does.
impl Rival {
    /// Asks any seed for everything, and throws it away.
    pub(super) fn ask(self, job: &Job<'_>) -> Plan {
        Ok(at_home(limit::ask(job), job))
    }

    /// Receives what another limit program gives, and throws it away.
    pub(super) fn drain(self, job: &Job<'_>) -> Plan {
        Ok(at_home(limit::drain(job), job))
    }

    /// Writes as much as there is.
    pub(super) fn write(self, job: &Job<'_>) -> Plan {
        Ok(at_home(limit::write(job), job))
    }
}

impl Job<'_> {
    /// A file that comes to be when everything is there.
    pub(super) fn complete(&self) -> PathBuf {
        self.home.join("complete")
    }

    /// The torrent that [`Rival::create`] makes.
    fn created(&self) -> PathBuf {
        self.home.join("created.torrent")
    }

    /// The file or folder of the content.
    fn path(&self) -> PathBuf {
        self.data.join(self.content.name())
    }

    /// A script that makes the file which says that everything is there.
    fn hook(&self) -> PathBuf {
        let path = self.home.join("hook");
        write(&path, &format!("#!/bin/sh\n: > '{}'\n", self.complete().display()));
        let done = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
        done.expect("the file is ours");
        path
    }
}

/// Whatever a client keeps beside its job, it keeps in the folder of this run.
fn at_home((mut command, end): (Command, End), job: &Job<'_>) -> (Command, End) {
    command.current_dir(job.home).env("LC_ALL", "C.UTF-8");
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(name, job.home);
    }
    (command, end)
}

/// A program that is built together with this one. A test lies one folder deeper.
pub(super) fn beside(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a program knows its own path");
    let mut folders = here.ancestors().skip(1);
    let there = folders.find(|folder| !folder.ends_with("deps"));
    there.expect("a program lies in a folder").join(name)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
