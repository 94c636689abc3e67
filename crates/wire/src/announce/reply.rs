//! The answer to an announce, as a tracker writes it and a client reads it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::bencode::{self, Encoder, Kind, Mode, Tape, Value};
use crate::compact;

/// The most peers of one reply that count, IPv4 and IPv6 together.
pub const PEERS_MAX: usize = 2_000;

/// The most host names of one reply that count: each costs a look-up.
pub const NAMES_MAX: usize = 8;

/// A longer text of a tracker is cut here.
pub const TEXT_BYTES_MAX: usize = 512;

/// The longest tracker id that is kept; a longer one is forgotten.
const TRACKER_ID_BYTES_MAX: usize = 512;

/// The answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Peers.
    Answer(Answer),
    /// The tracker refused.
    Failure(Failure),
}

/// What a tracker that took an announce says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// A text for the person.
    pub warning: Option<String>,
    /// Seconds to the next announce. As sent: below 0 and absurdly large ones are possible.
    pub interval: Option<i64>,
    /// Seconds before which no announce is welcome. As sent.
    pub min_interval: Option<i64>,
    /// To be sent in the next announces.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers that have everything.
    pub complete: Option<u32>,
    /// Peers that do not.
    pub incomplete: Option<u32>,
    /// Downloads that were ever completed.
    pub downloaded: Option<u32>,
    /// Where peers are; only addresses that a peer can have.
    pub peers: Vec<Peer>,
    /// Peers that are given by a host name and port; at most [`NAMES_MAX`].
    pub names: Vec<(String, u16)>,
    /// The address that the tracker saw (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Entries of the lists that were left out as unusable.
    pub skipped: usize,
}

/// A peer as a tracker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Only dictionaries have it, and not all.
    pub id: Option<[u8; 20]>,
}

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A text for the person; may be empty.
    pub reason: String,
    /// When to ask again, if the tracker says so (BEP 31).
    pub retry: Option<Retry>,
}

/// When to ask a tracker again that refused (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After this time.
    After(Duration),
    /// Not at all.
    Never,
}

/// A body that is not the reply of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// Not bencode.
    Bencode(bencode::Error),
    /// Bencode, but no dictionary.
    NotDictionary,
    /// A dictionary with nothing in it that a tracker says.
    Empty,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bencode(error) => write!(f, "not the answer of a tracker: {error}"),
            Self::NotDictionary => f.write_str("not the answer of a tracker: no dictionary"),
            Self::Empty => f.write_str("not the answer of a tracker: neither peers nor a reason"),
        }
    }
}

impl core::error::Error for ReplyError {}

impl Reply {
    /// Reads the body that a tracker sent. What is wrong in part is used in part.
    ///
    /// # Errors
    /// When it is not the answer to an announce.
    pub fn decode(body: &[u8]) -> Result<Self, ReplyError> {
        let tape = decode_root(body)?;
        let root = tape.root();
        if let Some(failure) = Failure::read(root) {
            return Ok(Self::Failure(failure));
        }
        let known = [&b"peers"[..], b"peers6", b"interval"];
        if known.iter().all(|key| root.get(key).is_none()) {
            return Err(ReplyError::Empty);
        }
        Ok(Self::Answer(Answer::read(root)))
    }

    /// The body that a tracker sends, with peers as bytes (BEP 23) or as dictionaries.
    #[must_use]
    pub fn encode(&self, compact: bool) -> Vec<u8> {
        match self {
            Self::Answer(answer) => answer.encode(compact),
            Self::Failure(failure) => failure.encode(),
        }
    }
}

impl Answer {
    fn read(root: Value<'_, '_>) -> Self {
        let int = |key| root.get(key).and_then(Value::as_int);
        let tracker_id = root.get(b"tracker id").and_then(Value::as_bytes);
        let mut answer = Self {
            warning: root.get(b"warning message").and_then(text),
            interval: int(b"interval"),
            min_interval: int(b"min interval"),
            tracker_id: tracker_id
                .filter(|id| id.len() <= TRACKER_ID_BYTES_MAX)
                .map(<[u8]>::to_vec),
            complete: count(root, b"complete"),
            incomplete: count(root, b"incomplete"),
            downloaded: count(root, b"downloaded"),
            external_ip: root.get(b"external ip").and_then(Value::as_bytes).and_then(ip),
            ..Self::default()
        };
        if let Some(peers) = root.get(b"peers") {
            answer.read_peers(peers, compact::decode_v4);
        }
        if let Some(peers) = root.get(b"peers6") {
            answer.read_peers(peers, compact::decode_v6);
        }
        answer
    }

    fn read_peers(&mut self, value: Value<'_, '_>, read: fn(&[u8], usize) -> compact::Compact) {
        if let Some(bytes) = value.as_bytes() {
            let list = read(bytes, PEERS_MAX.saturating_sub(self.peers.len()));
            self.peers.extend(list.peers.iter().map(|&address| Peer { address, id: None }));
            self.skipped += list.skipped + usize::from(list.odd);
        }
        for entry in value.items() {
            if self.peers.len() >= PEERS_MAX {
                break;
            }
            if self.read_dictionary(entry).is_none() {
                self.skipped += 1;
            }
        }
    }

    /// A peer as a dictionary (BEP 3); `None` when it is none.
    fn read_dictionary(&mut self, entry: Value<'_, '_>) -> Option<()> {
        let port = u16::try_from(entry.get(b"port")?.as_int()?).ok().filter(|&port| port > 0)?;
        let host = entry.get(b"ip")?.as_str()?;
        let Ok(ip) = host.parse::<IpAddr>() else {
            // BEP 3: "or DNS name".
            let room = self.names.len() < NAMES_MAX && is_host_name(host);
            return room.then(|| self.names.push((host.to_string(), port)));
        };
        let address = SocketAddr::new(ip.to_canonical(), port);
        let id = entry.get(b"peer id").and_then(Value::as_bytes);
        let id = id.and_then(|id| <[u8; 20]>::try_from(id).ok());
        compact::usable(address).then(|| self.peers.push(Peer { address, id }))
    }

    fn encode(&self, compact: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out);
        encoder.dict();
        let optional = |encoder: &mut Encoder<'_>, key: &str, value: Option<i64>| {
            if let Some(value) = value {
                encoder.key(key).int(value);
            }
        };
        optional(&mut encoder, "complete", self.complete.map(i64::from));
        optional(&mut encoder, "downloaded", self.downloaded.map(i64::from));
        match self.external_ip {
            Some(IpAddr::V4(ip)) => _ = encoder.key("external ip").bytes(ip.octets()),
            Some(IpAddr::V6(ip)) => _ = encoder.key("external ip").bytes(ip.octets()),
            None => {}
        }
        optional(&mut encoder, "incomplete", self.incomplete.map(i64::from));
        optional(&mut encoder, "interval", self.interval);
        optional(&mut encoder, "min interval", self.min_interval);
        if compact {
            self.encode_compact(&mut encoder);
        } else {
            self.encode_list(&mut encoder);
        }
        if let Some(id) = &self.tracker_id {
            encoder.key("tracker id").bytes(id);
        }
        if let Some(warning) = &self.warning {
            encoder.key("warning message").bytes(warning);
        }
        encoder.end();
        out
    }

    fn encode_compact(&self, encoder: &mut Encoder<'_>) {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for peer in &self.peers {
            compact::encode(
                peer.address,
                if peer.address.is_ipv4() { &mut four } else { &mut six },
            );
        }
        encoder.key("peers").bytes(four);
        if !six.is_empty() {
            // BEP 7: IPv6 peers have a key of their own.
            encoder.key("peers6").bytes(six);
        }
    }

    fn encode_list(&self, encoder: &mut Encoder<'_>) {
        encoder.key("peers").list();
        let addresses = self.peers.iter();
        let addresses =
            addresses.map(|peer| (peer.address.ip().to_string(), peer.address.port(), peer.id));
        let names = self.names.iter().map(|(name, port)| (name.clone(), *port, None));
        for (host, port, id) in addresses.chain(names) {
            encoder.dict().key("ip").bytes(host);
            if let Some(id) = id {
                encoder.key("peer id").bytes(id);
            }
            encoder.key("port").int(port.into()).end();
        }
        encoder.end();
    }
}

impl Failure {
    /// A refusal without a word on when to ask again.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry: None }
    }

    pub(super) fn read(root: Value<'_, '_>) -> Option<Self> {
        let reason = root.get(b"failure reason")?;
        let retry = root.get(b"retry in").and_then(|value| match value.as_bytes() {
            Some(b"never") => Some(Retry::Never),
            Some(_) => None,
            // BEP 31: minutes.
            None => u64::try_from(value.as_int()?)
                .ok()
                .map(|minutes| Retry::After(Duration::from_secs(minutes.saturating_mul(60)))),
        });
        Some(Self { reason: text(reason).unwrap_or_default(), retry })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out);
        encoder.dict().key("failure reason").bytes(&self.reason);
        match self.retry {
            Some(Retry::Never) => _ = encoder.key("retry in").bytes("never"),
            Some(Retry::After(wait)) => {
                let minutes = i64::try_from(wait.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
                encoder.key("retry in").int(minutes);
            }
            None => {}
        }
        encoder.end();
        out
    }
}

pub(super) fn decode_root(body: &[u8]) -> Result<Tape<'_>, ReplyError> {
    let tape = bencode::decode(body, Mode::Tolerant).map_err(ReplyError::Bencode)?;
    if tape.root().kind() == Kind::Dict { Ok(tape) } else { Err(ReplyError::NotDictionary) }
}

/// A number of peers; `None` when it is absent or negative.
pub(super) fn count(root: Value<'_, '_>, key: &[u8]) -> Option<u32> {
    let value = u64::try_from(root.get(key)?.as_int()?).ok()?;
    Some(u32::try_from(value).unwrap_or(u32::MAX))
}

/// A text of the tracker, cut to [`TEXT_BYTES_MAX`]; what is not UTF-8 shows as U+FFFD.
fn text(value: Value<'_, '_>) -> Option<String> {
    let bytes = value.as_bytes()?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]);
    Some(text.into_owned())
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|six| IpAddr::from(six).to_canonical())
}

/// Whether a text can be the name of a host.
pub(crate) fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(good)
    };
    host.len() <= 253
        && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
        // Numbers alone are an address in a form that only some look-ups know.
        && !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
