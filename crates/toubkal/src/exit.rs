//! How the program ends: one table of exit codes, and the message of a failure.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::text;

/// Why the program ended. The numbers are stable: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// It could not be done.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// What was given is no torrent that can be downloaded.
    BadTorrent = 3,
    /// Nobody to download from.
    NoPeers = 4,
    /// The disk is full.
    DiskFull = 5,
    /// A file or folder may not be written.
    NotWritable = 6,
    /// The port to listen on is taken.
    PortInUse = 7,
    /// Stopped by the user.
    Interrupted = 130,
}

impl Exit {
    /// Every code there is.
    pub(crate) const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::BadTorrent,
        Self::NoPeers,
        Self::DiskFull,
        Self::NotWritable,
        Self::PortInUse,
        Self::Interrupted,
    ];

    /// The number that the system sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// One line for `toubkal help exit-codes`.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done: everything asked for is there and verified.",
            Self::Failed => {
                "Failed: the transfer broke off or took longer than --timeout, `verify` found\n\
                 something missing or wrong, or `info` or `bencode` were given a file of another\n\
                 kind."
            }
            Self::Usage => {
                "Usage: an unknown flag, a value out of range, a file that is not there."
            }
            Self::BadTorrent => {
                "Bad torrent: broken, cut short, or of a kind that cannot be downloaded yet."
            }
            Self::NoPeers => "No peers: nobody to download from for as long as --patience says.",
            Self::DiskFull => "Disk full: make room and run the same command to go on.",
            Self::NotWritable => "Not writable: a file or folder may not be written or read.",
            Self::PortInUse => "Port in use: another program has the port given with --listen.",
            Self::Interrupted => {
                "Interrupted: Ctrl-C or a termination signal; run the same command to go on."
            }
        }
    }

    /// The code for an error of the file system.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable
            }
            io::ErrorKind::AddrInUse => Self::PortInUse,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What is said when something failed: at most three lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What failed, with its path. Empty: say nothing.
    pub(crate) what: String,
    /// Why.
    pub(crate) cause: Option<String>,
    /// What to do next.
    pub(crate) tip: Option<String>,
}

impl Failure {
    /// A failure of which only the first line is known.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), cause: None, tip: None }
    }

    /// An error of the file system with one path.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(Exit::of_io(error), format!("cannot {doing} {}", path.display()))
            .cause(io_cause(error));
        match failure.exit {
            Exit::DiskFull => failure.tip("make room, then run the same command again"),
            Exit::NotWritable => failure.tip("choose another place, or change its permissions"),
            _ => failure,
        }
    }

    /// A quiet end: whoever read our output has gone.
    pub(crate) fn quiet(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Adds the cause.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds one piece of advice.
    pub(crate) fn tip(mut self, tip: impl Into<String>) -> Self {
        self.tip = Some(tip.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever came from outside stays inside its line.
        write!(f, "error: {}", text::escape(&self.what))?;
        if let Some(cause) = &self.cause {
            write!(f, "\ncause: {}", text::escape(cause))?;
        }
        if let Some(tip) = &self.tip {
            write!(f, "\ntip: {}", text::escape(tip))?;
        }
        Ok(())
    }
}

/// What the system says, in a person's words and without its error number.
pub(crate) fn io_cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::StorageFull => "no space is left on the disk".into(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".into(),
        io::ErrorKind::AddrInUse => "another program is listening there".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::NotADirectory => "it is a file, not a folder".into(),
        io::ErrorKind::AlreadyExists => "it exists already".into(),
        _ => {
            let full = error.to_string();
            let end = full.find(" (os error").unwrap_or(full.len());
            full[..end].to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    }

    #[test]
    fn a_message_has_at_most_three_lines_whatever_is_in_it() {
        let failure = Failure::new(Exit::Failed, "cannot read a\nb").cause("c\r\nd").tip("e\n\n");
        assert_eq!(failure.to_string().lines().count(), 3);
        assert!(failure.to_string().starts_with("error: cannot read a\\nb\ncause: c"));
    }

    #[test]
    fn causes_are_words_without_numbers() {
        assert_eq!(io_cause(&io::Error::from_raw_os_error(2)), "no such file or folder");
        assert!(!io_cause(&io::Error::from_raw_os_error(5)).contains("os error"));
    }
}
