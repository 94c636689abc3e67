//! A torrent from an http(s) address.

use std::time::Duration;

use toubkal_session::tracker::{HttpError, HttpOptions, fetch};
use toubkal_wire::metainfo::METAINFO_BYTES_MAX;

use crate::exit::{Exit, Failure};

/// For a whole torrent file over a slow line.
const TOTAL: Duration = Duration::from_secs(120);

/// Fetches a torrent file; `shown` is the address without its secrets.
///
/// # Errors
/// When it does not come, with the reason in words.
pub(crate) fn torrent(url: &str, shown: &str) -> Result<Vec<u8>, Failure> {
    let options =
        HttpOptions { total: TOTAL, body_max: METAINFO_BYTES_MAX, ..HttpOptions::default() };
    fetch(url, &options).map_err(|error| failure(shown, &error))
}

fn failure(shown: &str, error: &HttpError) -> Failure {
    let failure = |exit| Failure::new(exit, format!("cannot fetch {shown}")).cause(cause(error));
    match error {
        HttpError::Url => failure(Exit::Usage).tip("check the address"),
        HttpError::TooLong => {
            failure(Exit::BadTorrent).tip("a torrent file is at most 64 MiB; is it the right one?")
        }
        HttpError::Tls(_) | HttpError::NoRoots => {
            failure(Exit::Failed).tip("certificates are always checked; fetch the file another way")
        }
        HttpError::Status { .. } => failure(Exit::Failed).tip("check the address in a browser"),
        _ => failure(Exit::Failed).tip("check the address, or try again later"),
    }
}

/// The error speaks of `it`: the server.
fn cause(error: &HttpError) -> String {
    let words = error.to_string();
    match words.strip_prefix("it ") {
        Some(rest) => format!("the server {rest}"),
        None => words,
    }
}
