//! Trackers over UDP: what is asked and answered (BEP 15), with the path of the URL (BEP 41).
//!
//! An announce is the same [`Query`] as over HTTP, its answer the same [`Answer`]; what a packet
//! has no place for is left out. Whether peers are of 6 or of 18 bytes is not in a packet: it
//! follows from the family of the address that it came from.

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::announce::{Answer, Counts, Event, PEERS_MAX, Peer, Query, TEXT_BYTES_MAX};
use crate::compact;

/// The most torrents of one scrape.
pub const SCRAPE_MAX: usize = 74;
/// Bytes of a URL's path and query that an announce takes along (BEP 41); a longer one is left
/// out.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Peers in an answer that is still one packet on every network: 1,220 bytes, as IPv6 has room
/// for in its smallest.
pub const fn peers_max(v6: bool) -> usize {
    (1_220 - ANSWER_BYTES) / if v6 { compact::V6_BYTES } else { compact::V4_BYTES }
}

/// What a packet to connect begins with.
const PROTOCOL: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;
/// Bytes of an announce without options.
const ANNOUNCE_BYTES: usize = 98;
/// Bytes of the answer to an announce without its peers.
const ANSWER_BYTES: usize = 20;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer.
    pub transaction: u32,
    /// What for.
    pub question: Question,
}

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// For a connection id: what comes after is not from a false address.
    Connect,
    /// To be told of peers, and to others.
    Announce {
        /// What the tracker gave.
        connection: u64,
        /// What is told. `tracker_id`, an IPv6 `ip`, `compact` and `no_peer_id` have no place.
        query: Query,
        /// Path and query of the tracker's URL (BEP 41), such as `/announce?key=1`.
        path: String,
    },
    /// For the counts of torrents.
    Scrape {
        /// What the tracker gave.
        connection: u64,
        /// Which; at most [`SCRAPE_MAX`].
        hashes: Vec<[u8; 20]>,
    },
}

/// What a tracker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// That of the question.
    pub transaction: u32,
    /// What it says.
    pub reply: Reply,
}

/// What a tracker can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Question::Connect`]: the connection id.
    Connected(u64),
    /// To [`Question::Announce`].
    Announced(Answer),
    /// To [`Question::Scrape`], in its order.
    Scraped(Vec<Counts>),
    /// No, and why.
    Refused(String),
}

/// Bytes that are no packet of a tracker, or none of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Too few for what they claim to be.
    Short,
    /// They do not begin as a packet does.
    Unknown,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the packet ends too soon",
            Self::Unknown => "the packet is of no known kind",
        })
    }
}

impl core::error::Error for DecodeError {}

impl Request {
    /// The packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut head = |connection: u64, action: u32| {
            out.extend(connection.to_be_bytes());
            out.extend(action.to_be_bytes());
            out.extend(self.transaction.to_be_bytes());
        };
        match &self.question {
            Question::Connect => head(PROTOCOL, CONNECT),
            Question::Announce { connection, query, path } => {
                head(*connection, ANNOUNCE);
                encode_query(query, &mut out);
                encode_path(path, &mut out);
            }
            Question::Scrape { connection, hashes } => {
                head(*connection, SCRAPE);
                out.extend(hashes.iter().take(SCRAPE_MAX).flatten());
            }
        }
        out
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// When it is no question; to such a packet there is no answer.
    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let (connection, rest) = packet.split_first_chunk().ok_or(DecodeError::Short)?;
        let connection = u64::from_be_bytes(*connection);
        let (action, transaction, body) = head(rest)?;
        let question = match action {
            CONNECT if connection == PROTOCOL => Question::Connect,
            ANNOUNCE => {
                let fixed = packet.get(..ANNOUNCE_BYTES).ok_or(DecodeError::Short)?;
                let query = decode_query(&fixed[16..]);
                let path = decode_path(&packet[ANNOUNCE_BYTES..]);
                Question::Announce { connection, query, path }
            }
            SCRAPE => {
                let (hashes, _) = body.as_chunks();
                let hashes: Vec<_> = hashes.iter().take(SCRAPE_MAX).copied().collect();
                if hashes.is_empty() {
                    return Err(DecodeError::Short);
                }
                Question::Scrape { connection, hashes }
            }
            _ => return Err(DecodeError::Unknown),
        };
        Ok(Self { transaction, question })
    }
}

impl Response {
    /// The packet; `v6` when it goes out over IPv6. Only peers of that family are in it, no more
    /// than fit into one packet.
    #[must_use]
    pub fn encode(&self, v6: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let action = match self.reply {
            Reply::Connected(_) => CONNECT,
            Reply::Announced(_) => ANNOUNCE,
            Reply::Scraped(_) => SCRAPE,
            Reply::Refused(_) => ERROR,
        };
        out.extend(action.to_be_bytes());
        out.extend(self.transaction.to_be_bytes());
        match &self.reply {
            Reply::Connected(id) => out.extend(id.to_be_bytes()),
            Reply::Announced(answer) => encode_answer(answer, v6, &mut out),
            Reply::Scraped(counts) => {
                for Counts { complete, incomplete, downloaded } in counts.iter().take(SCRAPE_MAX) {
                    for count in [complete, downloaded, incomplete] {
                        out.extend(count.to_be_bytes());
                    }
                }
            }
            Reply::Refused(text) => {
                let end = text.floor_char_boundary(TEXT_BYTES_MAX);
                out.extend_from_slice(&text.as_bytes()[..end]);
            }
        }
        out
    }

    /// Reads what a tracker sent; `v6` when it came over IPv6. Peers that there cannot be are
    /// left out.
    ///
    /// # Errors
    /// When it is no answer.
    pub fn decode(packet: &[u8], v6: bool) -> Result<Self, DecodeError> {
        let (action, transaction, body) = head(packet)?;
        let reply = match action {
            CONNECT => {
                let id = body.first_chunk().ok_or(DecodeError::Short)?;
                Reply::Connected(u64::from_be_bytes(*id))
            }
            ANNOUNCE => Reply::Announced(decode_answer(body, v6)?),
            SCRAPE => {
                let (entries, _) = body.as_chunks::<12>();
                let number = |bytes: &[u8]| word(bytes).map_or(0, |(number, _)| number);
                let counts = entries.iter().take(SCRAPE_MAX).map(|entry| Counts {
                    complete: number(entry),
                    downloaded: number(&entry[4..]),
                    incomplete: number(&entry[8..]),
                });
                Reply::Scraped(counts.collect())
            }
            ERROR => {
                let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_BYTES_MAX)]);
                Reply::Refused(text.trim_end_matches('\0').into())
            }
            _ => return Err(DecodeError::Unknown),
        };
        Ok(Self { transaction, reply })
    }
}

/// The four bytes of a packet by which it is known for one of a tracker: no other protocol on
/// the same socket begins so.
#[must_use]
pub fn is_response(packet: &[u8]) -> bool {
    matches!(packet, [0, 0, 0, 0..=3, ..])
}

fn encode_query(query: &Query, out: &mut Vec<u8>) {
    out.extend(query.info_hash);
    out.extend(query.peer_id);
    for number in [query.downloaded, query.left, query.uploaded] {
        out.extend(number.to_be_bytes());
    }
    let event: u32 = match query.event {
        None => 0,
        Some(Event::Completed) => 1,
        Some(Event::Started) => 2,
        Some(Event::Stopped) => 3,
    };
    out.extend(event.to_be_bytes());
    // BEP 15: 0 is the address that the packet comes from.
    let ip = match query.ip {
        Some(IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    out.extend(ip.octets());
    out.extend(query.key.unwrap_or(0).to_be_bytes());
    // BEP 15: -1 leaves the number of peers to the tracker.
    let numwant = query.numwant.map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX));
    out.extend(numwant.to_be_bytes());
    out.extend(query.port.to_be_bytes());
}

/// Reads the 82 bytes of an announce behind its head.
fn decode_query(bytes: &[u8]) -> Query {
    let hash = |at| bytes[at..].first_chunk().copied().unwrap_or_default();
    let long = |at| u64::from_be_bytes(bytes[at..].first_chunk().copied().unwrap_or_default());
    let number = |at| u32::from_be_bytes(bytes[at..].first_chunk().copied().unwrap_or_default());
    let port = u16::from_be_bytes(bytes[80..].first_chunk().copied().unwrap_or_default());
    let ip = Ipv4Addr::from_bits(number(68));
    Query {
        downloaded: long(40),
        left: long(48),
        uploaded: long(56),
        event: match number(64) {
            1 => Some(Event::Completed),
            2 => Some(Event::Started),
            3 => Some(Event::Stopped),
            _ => None,
        },
        ip: (!ip.is_unspecified()).then_some(ip.into()),
        key: Some(number(72)),
        // Below 0 it is for the tracker to say.
        numwant: i32::try_from(number(76)).ok().map(i32::cast_unsigned),
        ..Query::new(hash(0), hash(20), port)
    }
}

/// BEP 41: option 2 with a length and as many bytes, as often as needed.
fn encode_path(path: &str, out: &mut Vec<u8>) {
    if path.len() > PATH_BYTES_MAX {
        return;
    }
    for part in path.as_bytes().chunks(255) {
        out.extend([2, part.len() as u8]);
        out.extend_from_slice(part);
    }
}

/// The path of all options 2; what is broken or of another kind ends or adds nothing.
fn decode_path(mut options: &[u8]) -> String {
    let mut path = Vec::new();
    while let [kind, rest @ ..] = options {
        options = match (kind, rest) {
            // The end, and nothing at all.
            (0, _) => break,
            (1, _) => rest,
            (_, [length, rest @ ..]) => {
                let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
                if *kind == 2 && path.len() + data.len() <= PATH_BYTES_MAX {
                    path.extend_from_slice(data);
                }
                rest
            }
            (_, []) => break,
        };
    }
    String::from_utf8_lossy(&path).into_owned()
}

fn encode_answer(answer: &Answer, v6: bool, out: &mut Vec<u8>) {
    let interval = answer.interval.unwrap_or(0).clamp(0, i32::MAX.into()) as u32;
    for number in [interval, answer.incomplete.unwrap_or(0), answer.complete.unwrap_or(0)] {
        out.extend(number.to_be_bytes());
    }
    let fitting = answer.peers.iter().filter(|peer| peer.address.is_ipv6() == v6);
    for peer in fitting.take(peers_max(v6)) {
        compact::encode(peer.address, out);
    }
}

fn decode_answer(body: &[u8], v6: bool) -> Result<Answer, DecodeError> {
    let (interval, body) = word(body)?;
    let (incomplete, body) = word(body)?;
    let (complete, body) = word(body)?;
    let read = if v6 { compact::decode_v6 } else { compact::decode_v4 };
    let list = read(body, PEERS_MAX);
    Ok(Answer {
        // Signed, as everything in BEP 15 is.
        interval: Some(interval.cast_signed().into()),
        complete: Some(complete),
        incomplete: Some(incomplete),
        skipped: list.skipped + usize::from(list.odd),
        peers: list.peers.into_iter().map(|address| Peer { address, id: None }).collect(),
        ..Answer::default()
    })
}

/// Action and transaction, which come first in every answer.
fn head(bytes: &[u8]) -> Result<(u32, u32, &[u8]), DecodeError> {
    let (action, rest) = word(bytes)?;
    let (transaction, rest) = word(rest)?;
    Ok((action, transaction, rest))
}

fn word(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    let (word, rest) = bytes.split_first_chunk().ok_or(DecodeError::Short)?;
    Ok((u32::from_be_bytes(*word), rest))
}
