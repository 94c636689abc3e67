//! Scrapes: how many have a torrent, without joining its swarm (BEP 48).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::query::{parameters, start};
use super::reply::{Failure, ReplyError, count, decode_root};
use crate::bencode::{Encoder, Value};
use crate::percent;

/// The most torrents of one scrape that count.
pub const SCRAPE_MAX: usize = 100;

/// What a tracker knows of one torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub complete: u32,
    /// Peers that do not.
    pub incomplete: u32,
    /// Downloads that were ever completed.
    pub downloaded: u32,
}

/// The answer to a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScrapeReply {
    /// One entry a torrent; those that the tracker does not know are missing.
    Counts(BTreeMap<[u8; 20], Counts>),
    /// The tracker refused.
    Failure(Failure),
}

/// The address to get for the counts of these torrents, `None` when the tracker cannot tell.
///
/// BEP 48: a tracker can be scraped if the last part of its path begins with `announce`, which
/// becomes `scrape`.
#[must_use]
pub fn scrape_url(announce: &str, hashes: &[[u8; 20]]) -> Option<String> {
    let announce = announce.split('#').next()?;
    let path_end = announce.find('?').unwrap_or(announce.len());
    let path_start = announce.find("://")? + 3;
    let path = announce.get(path_start..path_end)?;
    let last = path_start + path.rfind('/')? + 1;
    let rest = announce[last..].strip_prefix("announce")?;
    let mut url = String::from(&announce[..last]);
    url.push_str("scrape");
    url.push_str(rest);
    let mut url = start(&url);
    for (index, hash) in hashes.iter().enumerate() {
        url.push_str(if index > 0 { "&info_hash=" } else { "info_hash=" });
        percent::encode(hash, &mut url);
    }
    Some(url)
}

/// The torrents that the query of a scrape names, at most [`SCRAPE_MAX`].
#[must_use]
pub fn scrape_hashes(query: &str) -> Vec<[u8; 20]> {
    parameters(query)
        .filter(|(name, _)| *name == "info_hash")
        .filter_map(|(_, value)| percent::decode_form(value).try_into().ok())
        .take(SCRAPE_MAX)
        .collect()
}

impl ScrapeReply {
    /// Reads the body that a tracker sent.
    ///
    /// # Errors
    /// When it is not the answer to a scrape.
    pub fn decode(body: &[u8]) -> Result<Self, ReplyError> {
        let tape = decode_root(body)?;
        let root = tape.root();
        if let Some(failure) = Failure::read(root) {
            return Ok(Self::Failure(failure));
        }
        let files = root.get(b"files").ok_or(ReplyError::Empty)?;
        let entries = files.entries().filter_map(|(hash, value)| {
            Some((<[u8; 20]>::try_from(hash).ok()?, Counts::read(value)))
        });
        Ok(Self::Counts(entries.take(SCRAPE_MAX).collect()))
    }

    /// The body that a tracker sends.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entries = match self {
            Self::Failure(failure) => return failure.encode(),
            Self::Counts(entries) => entries,
        };
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out);
        encoder.dict().key("files").dict();
        for (hash, counts) in entries {
            encoder.key(hash).dict();
            encoder.key("complete").int(counts.complete.into());
            encoder.key("downloaded").int(counts.downloaded.into());
            encoder.key("incomplete").int(counts.incomplete.into()).end();
        }
        encoder.end().end();
        out
    }
}

impl Counts {
    fn read(value: Value<'_, '_>) -> Self {
        let read = |key| count(value, key).unwrap_or(0);
        Self {
            complete: read(b"complete"),
            incomplete: read(b"incomplete"),
            downloaded: read(b"downloaded"),
        }
    }
}
