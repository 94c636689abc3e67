//! The query of an announce, as a client writes it and a tracker reads it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::net::IpAddr;

use crate::percent;

/// The longest tracker id that is given back to its tracker, in bytes.
const TRACKER_ID_BYTES_MAX: usize = 512;

/// Why an announce is made at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first one of a torrent that starts.
    Started,
    /// The download has just become complete.
    Completed,
    /// The last one: the torrent stops.
    Stopped,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }
}

/// What a client tells a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The torrent.
    pub info_hash: [u8; 20],
    /// Who asks.
    pub peer_id: [u8; 20],
    /// Where the client listens; 0 when it does not.
    pub port: u16,
    /// Bytes sent to peers since `started`.
    pub uploaded: u64,
    /// Bytes received from peers since `started`.
    pub downloaded: u64,
    /// Bytes that are missing.
    pub left: u64,
    /// `None`: just the next one of many.
    pub event: Option<Event>,
    /// How many peers are wanted; `None` leaves it to the tracker.
    pub numwant: Option<u32>,
    /// The same in all announces of a session, over IPv4 and IPv6 (BEP 7).
    pub key: Option<u32>,
    /// What the tracker gave as its `tracker id`.
    pub tracker_id: Option<Vec<u8>>,
    /// The address to give to others, where the tracker cannot see it.
    pub ip: Option<IpAddr>,
    /// Peers as bytes rather than dictionaries (BEP 23).
    pub compact: bool,
    /// Dictionaries without peer ids would do.
    pub no_peer_id: bool,
}

impl Query {
    /// A query that asks for compact peers and has nothing else in it.
    #[must_use]
    pub fn new(info_hash: [u8; 20], peer_id: [u8; 20], port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: 0,
            event: None,
            numwant: None,
            key: None,
            tracker_id: None,
            ip: None,
            compact: true,
            no_peer_id: true,
        }
    }

    /// The address to get: the announce URL byte for byte, then this query. The URL may have a
    /// query of its own; what stands behind a `#` is left out.
    #[must_use]
    pub fn url(&self, announce: &str) -> String {
        let mut url = start(announce);
        self.write(&mut url).expect("a string takes everything");
        url
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        out.push_str("info_hash=");
        percent::encode(&self.info_hash, out);
        out.push_str("&peer_id=");
        percent::encode(&self.peer_id, out);
        write!(out, "&port={}&uploaded={}", self.port, self.uploaded)?;
        write!(out, "&downloaded={}&left={}", self.downloaded, self.left)?;
        write!(out, "&compact={}", u8::from(self.compact))?;
        if self.no_peer_id {
            out.push_str("&no_peer_id=1");
        }
        if let Some(event) = self.event {
            write!(out, "&event={}", event.name())?;
        }
        if let Some(numwant) = self.numwant {
            write!(out, "&numwant={numwant}")?;
        }
        if let Some(key) = self.key {
            write!(out, "&key={key:08X}")?;
        }
        if let Some(ip) = self.ip {
            out.push_str("&ip=");
            let mut text = String::new();
            write!(text, "{ip}")?;
            percent::encode(text.as_bytes(), out);
        }
        if let Some(id) = &self.tracker_id {
            out.push_str("&trackerid=");
            percent::encode(id, out);
        }
        Ok(())
    }

    /// Reads the part of an announce behind its `?`. Unknown parameters are left out; of equal
    /// ones the first counts.
    ///
    /// # Errors
    /// What a tracker cannot do without, or what is no number.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let value = |name| parameter(query, name);
        let hash = value("info_hash").ok_or(QueryError::InfoHash)?;
        let hash = hash.try_into().map_err(|_| QueryError::InfoHash)?;
        let id = value("peer_id").ok_or(QueryError::PeerId)?;
        let id = id.try_into().map_err(|_| QueryError::PeerId)?;
        let port = number(query, "port")?.and_then(|port| u16::try_from(port).ok());
        let mut parsed = Self::new(hash, id, port.ok_or(QueryError::Port)?);
        parsed.uploaded = number(query, "uploaded")?.unwrap_or(0);
        parsed.downloaded = number(query, "downloaded")?.unwrap_or(0);
        // A client that does not know yet (a magnet) leaves it out: it wants something.
        parsed.left = number(query, "left")?.unwrap_or(u64::MAX);
        parsed.event = event(query)?;
        let numwant = number(query, "numwant").ok().flatten();
        parsed.numwant = numwant.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        parsed.key = value("key")
            .and_then(|key| u32::from_str_radix(core::str::from_utf8(&key).ok()?, 16).ok());
        parsed.tracker_id = value("trackerid").filter(|id| id.len() <= TRACKER_ID_BYTES_MAX);
        parsed.ip = value("ip").and_then(|ip| core::str::from_utf8(&ip).ok()?.parse().ok());
        parsed.compact = value("compact").as_deref() == Some(b"1");
        parsed.no_peer_id = value("no_peer_id").as_deref() == Some(b"1");
        Ok(parsed)
    }
}

/// What is wrong with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// No `info_hash`, or not one of 20 bytes.
    InfoHash,
    /// No `peer_id`, or not one of 20 bytes.
    PeerId,
    /// No `port`, or none between 0 and 65535.
    Port,
    /// An `event` that there is not.
    Event,
    /// This parameter is not a number.
    Number(&'static str),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InfoHash => f.write_str("info_hash has to be 20 bytes"),
            Self::PeerId => f.write_str("peer_id has to be 20 bytes"),
            Self::Port => f.write_str("port has to be a number from 0 to 65535"),
            Self::Event => f.write_str("event has to be started, completed or stopped"),
            Self::Number(name) => write!(f, "{name} has to be a number"),
        }
    }
}

impl core::error::Error for QueryError {}

fn event(query: &str) -> Result<Option<Event>, QueryError> {
    let Some(name) = parameter(query, "event") else { return Ok(None) };
    match &name[..] {
        b"started" => Ok(Some(Event::Started)),
        b"completed" => Ok(Some(Event::Completed)),
        b"stopped" => Ok(Some(Event::Stopped)),
        // BEP 3 knows it as "empty"; BEP 21's "paused" is a client that uploads no less.
        b"" | b"empty" | b"paused" => Ok(None),
        _ => Err(QueryError::Event),
    }
}

fn number(query: &str, name: &'static str) -> Result<Option<u64>, QueryError> {
    let Some(value) = parameter(query, name) else { return Ok(None) };
    let number = core::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or(QueryError::Number(name))
}

/// The announce URL without its fragment, ready for the next parameter.
pub(super) fn start(announce: &str) -> String {
    let mut url = String::from(announce.split('#').next().unwrap_or_default());
    url.push(match url.split_once('?') {
        None => '?',
        Some(_) => '&',
    });
    url
}

/// The first value of this name, percent-decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    parameters(query)
        .find(|(found, _)| *found == name)
        .map(|(_, value)| percent::decode_form(value))
}

/// Names and values as they stand in the query.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}
