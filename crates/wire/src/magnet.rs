//! Magnet links: a torrent named by its hash (BEP 9), files of it selected (BEP 53), or a
//! publisher who names one torrent after the other (BEP 46).
//!
//! What makes it unclear which torrent is meant is an [`Error`]; what is merely not as it should
//! be is an [`Oddity`]. Parameters that nobody here knows are kept as they stood.

mod error;
mod read;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

use crate::announce::is_host_name;
use crate::merkle::Hash;
use crate::metainfo::{Metainfo, Sha1Hash};
use crate::percent;

pub use error::{Error, Fault, Oddity};

/// Bytes in a link: 64 KiB.
pub const LINK_BYTES_MAX: usize = 64 * 1024;
/// Trackers of a link that are kept.
pub const TRACKERS_MAX: usize = 200;
/// Web seeds of a link that are kept.
pub const WEB_SEEDS_MAX: usize = 200;
/// Peers of a link that are kept.
pub const PEERS_MAX: usize = 100;
/// Ranges of selected files that are kept.
pub const RANGES_MAX: usize = 1_000;
/// Bytes of a name that are kept.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Bytes of a salt (BEP 44).
pub const SALT_BYTES_MAX: usize = 64;

/// A magnet link. At least one of `v1`, `v2` and `publisher` is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Magnet {
    /// `xt=urn:btih:`, the info-hash of version 1.
    pub v1: Option<Sha1Hash>,
    /// `xt=urn:btmh:`, the info-hash of version 2 (BEP 52).
    pub v2: Option<Hash>,
    /// `xs=urn:btpk:`, who names the torrent (BEP 46).
    pub publisher: Option<Publisher>,
    /// `dn`, what to call it until more is known.
    pub name: Option<String>,
    /// `tr`, each once.
    pub trackers: Vec<String>,
    /// `ws`, servers that hold the content (BEP 19), each once.
    pub web_seeds: Vec<String>,
    /// `x.pe`, each once.
    pub peers: Vec<Peer>,
    /// `so`, the files that are wanted (BEP 53); `None`: all.
    pub select_only: Option<Selection>,
    /// What nobody here knows, names and values as they stood, in order.
    pub others: Vec<(String, String)>,
    /// What is not as it should be.
    pub oddities: Vec<Oddity>,
}

/// Who names a torrent by a signed item in the DHT (BEP 46).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The public key.
    pub key: [u8; 32],
    /// Which of the publisher's items; at most [`SALT_BYTES_MAX`].
    pub salt: Vec<u8>,
}

/// A peer by its name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A host name, or an address without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// Files by their index in the torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ascending, with a gap between each and the next.
    ranges: Vec<RangeInclusive<u32>>,
}

impl Magnet {
    /// Reads a link.
    ///
    /// # Errors
    /// When it does not say which torrent is meant: what is wrong, and where.
    pub fn parse(link: &str) -> Result<Self, Error> {
        read::parse(link)
    }

    /// The link of a torrent, with its trackers and web seeds.
    #[must_use]
    pub fn of(metainfo: &Metainfo) -> Self {
        let urls = metainfo.trackers.iter().flatten();
        Self {
            v1: metainfo.info_hash_v1,
            v2: metainfo.info_hash_v2,
            name: Some(metainfo.name.clone()),
            trackers: urls.take(TRACKERS_MAX).cloned().collect(),
            web_seeds: metainfo.web_seeds.iter().take(WEB_SEEDS_MAX).cloned().collect(),
            ..Self::default()
        }
    }
}

/// The link in one way of writing: hashes in hexadecimal digits, what is unknown at the end.
impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:?")?;
        let mut link = Link { f, first: true };
        if let Some(hash) = &self.v1 {
            link.parameter("xt", &hex("urn:btih:", hash))?;
        }
        if let Some(hash) = &self.v2 {
            // BEP 9: a multihash, 0x12 for SHA-256 and 0x20 for its length.
            link.parameter("xt", &hex("urn:btmh:1220", hash))?;
        }
        if let Some(Publisher { key, salt }) = &self.publisher {
            link.parameter("xs", &hex("urn:btpk:", key))?;
            if !salt.is_empty() {
                link.parameter("s", &hex("", salt))?;
            }
        }
        if let Some(name) = &self.name {
            link.text("dn", name)?;
        }
        self.trackers.iter().try_for_each(|url| link.text("tr", url))?;
        self.web_seeds.iter().try_for_each(|url| link.text("ws", url))?;
        for peer in &self.peers {
            link.parameter("x.pe", &alloc::format!("{peer}"))?;
        }
        if let Some(selection) = &self.select_only {
            link.parameter("so", &alloc::format!("{selection}"))?;
        }
        self.others.iter().try_for_each(|(name, value)| link.parameter(name, value))
    }
}

struct Link<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl Link<'_, '_> {
    /// A parameter that needs no encoding.
    fn parameter(&mut self, name: &str, value: &str) -> fmt::Result {
        if !core::mem::take(&mut self.first) {
            self.f.write_str("&")?;
        }
        write!(self.f, "{name}={value}")
    }

    fn text(&mut self, name: &str, text: &str) -> fmt::Result {
        let mut value = String::new();
        percent::encode(text.as_bytes(), &mut value);
        self.parameter(name, &value)
    }
}

fn hex(start: &str, bytes: &[u8]) -> String {
    let mut text = String::from(start);
    for byte in bytes {
        text.push_str(&alloc::format!("{byte:02x}"));
    }
    text
}

impl Peer {
    /// Reads `HOST:PORT`, `192.0.2.1:PORT` or `[2001:db8::1]:PORT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port > 0)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok().then_some(inner)?,
            None => (host.parse::<Ipv4Addr>().is_ok() || is_host_name(host)).then_some(host)?,
        };
        Some(Self { host: host.into(), port })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Selection {
    /// These ranges, in any order; overlapping and neighbouring ones become one.
    #[must_use]
    pub fn new(mut ranges: Vec<RangeInclusive<u32>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// Whether this file is wanted.
    #[must_use]
    pub fn contains(&self, file: u32) -> bool {
        let after = self.ranges.partition_point(|range| *range.start() <= file);
        after > 0 && self.ranges[after - 1].contains(&file)
    }

    /// All files, ascending.
    pub fn files(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(Clone::clone)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}
