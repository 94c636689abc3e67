//! Where torrents come from: a path, an http(s) address, or standard input.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toubkal_wire::magnet::Magnet;
use toubkal_wire::metainfo::{self, METAINFO_BYTES_MAX, Metainfo};

use crate::exit::{Exit, Failure, io_cause};
use crate::{text, units};

/// Bytes of a file that `toubkal bencode` reads.
pub(crate) const BENCODE_BYTES_MAX: usize = 1 << 30;

/// What the user gave for a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-`
    Stdin,
    /// A file.
    File(PathBuf),
    /// An http or https address.
    Url(String),
    /// A magnet link.
    Magnet(String),
    /// An address of another kind.
    Unknown(String),
}

impl From<OsString> for Source {
    fn from(given: OsString) -> Self {
        let Some(text) = given.to_str() else { return Self::File(given.into()) };
        let lower = text.trim_start().to_ascii_lowercase();
        match text {
            "-" => Self::Stdin,
            _ if lower.starts_with("magnet:") => Self::Magnet(text.to_owned()),
            _ if lower.starts_with("http://") || lower.starts_with("https://") => {
                Self::Url(text.trim().to_owned())
            }
            _ if is_address(text) && !Path::new(text).exists() => Self::Unknown(text.to_owned()),
            _ => Self::File(text.into()),
        }
    }
}

/// Whether the text looks like `scheme://...`.
fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&redacted(url)),
            Self::Magnet(text) | Self::Unknown(text) => f.write_str(&text::cut(text, 60)),
        }
    }
}

/// An address without what may be secret in it: user, password and query.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    let hidden = if url.contains('?') { "?…" } else { "" };
    format!("{scheme}://{host}/{path}{hidden}")
}

/// Reads and checks a torrent.
///
/// # Errors
/// One message for each way in which this can go wrong.
pub(crate) fn metainfo(source: &Source) -> Result<Metainfo, Failure> {
    torrent(source).map(|(metainfo, _)| metainfo)
}

/// The same, and the torrent file itself.
///
/// # Errors
/// As [`metainfo()`].
pub(crate) fn torrent(source: &Source) -> Result<(Metainfo, Vec<u8>), Failure> {
    let bytes = read(source)?;
    match Metainfo::parse(&bytes) {
        Ok(metainfo) => Ok((metainfo, bytes)),
        Err(error) => Err(no_torrent(source, &bytes, &error)),
    }
}

/// What peers may be given of a torrent, and the session keeps. Nobody is given anything of a
/// private one, whose file may hold a key of its owner's.
pub(crate) fn shared(metainfo: &Metainfo, bytes: Vec<u8>) -> Option<Arc<[u8]>> {
    (!metainfo.private).then(|| bytes.into())
}

/// The bytes of a torrent, wherever it is.
fn read(source: &Source) -> Result<Vec<u8>, Failure> {
    match source {
        Source::Url(url) => crate::fetch::torrent(url, &source.to_string()),
        Source::Magnet(link) => Err(magnet(link)),
        _ => read_file(source, METAINFO_BYTES_MAX),
    }
}

/// The bytes of a file or of standard input, at most `limit` of them.
///
/// # Errors
/// When it cannot be read, or is longer.
pub(crate) fn read_file(source: &Source, limit: usize) -> Result<Vec<u8>, Failure> {
    let too_long = |length: Option<u64>| {
        let length = length.map(|length| format!(" ({})", units::size(length)));
        Failure::new(Exit::BadTorrent, format!("{source} is no torrent"))
            .cause(format!("it is too large{}", length.unwrap_or_default()))
            .tip(format!("at most {} are read", units::size(limit as u64)))
    };
    let bytes = match source {
        Source::File(path) => {
            let meta = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
            if meta.is_dir() {
                return Err(folder(path));
            }
            if meta.len() > limit as u64 {
                return Err(too_long(Some(meta.len())));
            }
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            read_at_most(file, limit).map_err(|error| unreadable(path, &error))?
        }
        Source::Stdin => read_at_most(io::stdin().lock(), limit).map_err(|error| {
            Failure::new(Exit::Failed, "cannot read standard input").cause(io_cause(&error))
        })?,
        Source::Magnet(link) => return Err(magnet(link)),
        Source::Url(_) | Source::Unknown(_) => {
            return Err(Failure::new(Exit::Usage, format!("cannot read {source}"))
                .cause("this kind of address is not known here")
                .tip("give a file, an address that starts with http:// or https://, or -"));
        }
    };
    if bytes.len() > limit { Err(too_long(None)) } else { Ok(bytes) }
}

/// Reads one byte more than allowed, so that the caller notices.
fn read_at_most(input: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotWritable,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Exit::Usage,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, format!("cannot read {}", path.display()));
    let failure = failure.cause(io_cause(error));
    let name = path.to_string_lossy();
    match exit {
        Exit::Usage if name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()) => {
            failure.tip(format!("for an info-hash alone, give magnet:?xt=urn:btih:{name}"))
        }
        Exit::Usage => failure.tip("check the path"),
        _ => failure,
    }
}

fn folder(path: &Path) -> Failure {
    let path = path.display();
    Failure::new(Exit::Usage, format!("{path} is no torrent"))
        .cause("it is a folder")
        .tip(format!("to make a torrent of it: toubkal create {path} -o FILE.torrent"))
}

/// Reads a magnet link.
///
/// # Errors
/// When it names no torrent.
pub(crate) fn link(link: &str) -> Result<Magnet, Failure> {
    Magnet::parse(link).map_err(|error| {
        let what = format!("{} is no magnet link", text::cut(link.trim(), 60));
        let failure = Failure::new(Exit::BadTorrent, what).cause(error.to_string());
        failure.tip("copy the whole link, and put it in quotes: '...'")
    })
}

/// Reads a magnet link whose torrent can be looked for.
///
/// # Errors
/// As [`link`], and when it names no torrent of version 1.
pub(crate) fn sought(text: &str) -> Result<Magnet, Failure> {
    let magnet = link(text)?;
    if magnet.v1.is_some() {
        return Ok(magnet);
    }
    let what = format!("{} cannot be looked for yet", crate::text::cut(text.trim(), 60));
    let failure = Failure::new(Exit::BadTorrent, what);
    Err(match magnet.v2 {
        Some(_) => failure
            .cause("it names a torrent of version 2 alone, and this toubkal transfers version 1")
            .tip("look for a link with an info-hash of version 1 (xt=urn:btih:...)"),
        None => failure
            .cause("it names a publisher, and no torrent")
            .tip("look for a link with an info-hash (xt=urn:btih:...)"),
    })
}

/// Where the content itself is at stake, a link does not say enough; a broken one is called broken
/// all the same.
fn magnet(link: &str) -> Failure {
    match self::link(link) {
        Ok(_) => {
            Failure::new(Exit::BadTorrent, "a magnet link does not say what is in the torrent")
                .cause("its .torrent file is needed here")
                .tip("`toubkal info MAGNET --save FILE` fetches it from peers")
        }
        Err(failure) => failure,
    }
}

/// Why bytes are no torrent, and what they may be instead.
fn no_torrent(source: &Source, bytes: &[u8], error: &metainfo::Error) -> Failure {
    let failure = Failure::new(Exit::BadTorrent, format!("{source} is no torrent"));
    let start = bytes.trim_ascii_start();
    if bytes.is_empty() {
        return failure.cause("it is empty").tip("download it again");
    }
    if start.starts_with(b"<") {
        return failure.cause("it is a web page").tip("look on that page for the .torrent file");
    }
    if start.starts_with(b"magnet:") {
        return failure
            .cause("it holds a magnet link")
            .tip("give the link itself, in quotes: '...'");
    }
    if start.starts_with(b"\x1f\x8b") {
        return failure.cause("it is compressed").tip("unpack it with gunzip first");
    }
    if start.starts_with(b"PK\x03\x04") {
        return failure.cause("it is a zip archive").tip("unpack it first");
    }
    let cause = error.to_string();
    let failure = failure.cause(cause.trim_start_matches("this is not a torrent file: "));
    match error {
        metainfo::Error::Bencode(_) if bytes.starts_with(b"d") => {
            failure.tip("it may be damaged or cut short: download it again")
        }
        metainfo::Error::Bencode(_) => failure.tip("give a .torrent file"),
        _ => failure.tip("get the torrent from another place, or have it made anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        OsString::from(text).into()
    }

    #[test]
    fn a_source_is_known_by_its_form() {
        assert_eq!(source("-"), Source::Stdin);
        assert_eq!(source("a.torrent"), Source::File("a.torrent".into()));
        assert_eq!(source("HTTP://x/y"), Source::Url("HTTP://x/y".into()));
        assert!(matches!(source("magnet:?xt=urn:btih:x"), Source::Magnet(_)));
        assert!(matches!(source("ftp://x/y"), Source::Unknown(_)));
        assert!(matches!(source("./a://b"), Source::File(_)));
    }

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        let shown = source("https://me:pass@host.example/a/b.torrent?passkey=secret").to_string();
        assert_eq!(shown, "https://host.example/a/b.torrent?…");
    }

    #[test]
    fn a_good_magnet_link_and_a_broken_one_are_told_apart() {
        let good = format!("magnet:?dn=x&xt=urn:btih:{}&tr=y", "a".repeat(40));
        assert!(magnet(&good).what.contains("does not say what is in"));
        for bad in ["magnet:", "magnet:?xt=urn:btih:zz", "magnet:?dn=x", "magnet:?xt=urn:btmh:12"] {
            assert!(magnet(bad).what.contains("is no magnet link"), "{bad}");
        }
    }
}
