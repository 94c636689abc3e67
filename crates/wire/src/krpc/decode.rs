//! From bytes to messages: what real nodes send is taken, what is wrong is named.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::{
    Ask, Filter, Id, Kind, Message, NODES_MAX, Node, PACKET_BYTES_MAX, Problem, Query, Response,
    SALT_BYTES_MAX, SAMPLES_MAX, Samples, Scrape, Signed, TEXT_BYTES_MAX, TOKEN_BYTES_MAX,
    TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX, VALUES_MAX, Want, code,
};
use crate::bencode::{self, Mode, Value};
use crate::compact;

/// What a query is refused with.
type Fault = (i64, &'static str);

impl<'a> Message<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`Problem::Fault`] for a query that its sender has to be told about, [`Problem::Garbage`]
    /// for anything else that is no message.
    pub fn decode(packet: &'a [u8]) -> Result<Self, Problem<'a>> {
        if packet.len() > PACKET_BYTES_MAX {
            return Err(Problem::Garbage);
        }
        let tape = bencode::decode(packet, Mode::Tolerant).map_err(|_| Problem::Garbage)?;
        let mut parts = Parts::default();
        for (key, value) in tape.root().entries() {
            parts.put(key, value);
        }
        let transaction = parts.transaction.ok_or(Problem::Garbage)?;
        if transaction.len() > TRANSACTION_BYTES_MAX {
            return Err(Problem::Garbage);
        }
        let read_only = parts.read_only;
        let kind = match parts.kind {
            Some(b"q") => {
                let fault = |(code, text)| Problem::Fault { transaction, code, text, read_only };
                query(&parts).map(Kind::Query).map_err(fault)?
            }
            Some(b"r") => {
                let response = parts.response.and_then(response);
                Kind::Response(response.ok_or(Problem::Garbage)?)
            }
            Some(b"e") => refusal(parts.error),
            _ => return Err(Problem::Garbage),
        };
        Ok(Self { transaction, kind, read_only, ip: parts.ip, version: parts.version })
    }
}

/// The entries of a packet's dictionary; of equal keys the first counts.
#[derive(Default)]
struct Parts<'t, 'a> {
    transaction: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    arguments: Option<Value<'t, 'a>>,
    response: Option<Value<'t, 'a>>,
    error: Option<Value<'t, 'a>>,
    read_only: bool,
    ip: Option<SocketAddr>,
    version: Option<&'a [u8]>,
}

impl<'t, 'a> Parts<'t, 'a> {
    fn put(&mut self, key: &[u8], value: Value<'t, 'a>) {
        match key {
            b"t" => self.transaction = self.transaction.or(value.as_bytes()),
            b"y" => self.kind = self.kind.or(value.as_bytes()),
            b"q" => self.method = self.method.or(value.as_bytes()),
            b"a" => self.arguments = self.arguments.or(Some(value)),
            b"r" => self.response = self.response.or(Some(value)),
            b"e" => self.error = self.error.or(Some(value)),
            b"ro" => self.read_only |= value.as_int() == Some(1),
            b"ip" => self.ip = self.ip.or(value.as_bytes().and_then(address)),
            b"v" => self.version = self.version.or(value.as_bytes()),
            _ => {}
        }
    }
}

fn query<'a>(parts: &Parts<'_, 'a>) -> Result<Query<'a>, Fault> {
    const ID: Fault = (code::PROTOCOL, "no id of 20 bytes");
    let method = parts.method.ok_or((code::PROTOCOL, "no name of a query"))?;
    let arguments = parts.arguments.ok_or((code::PROTOCOL, "no arguments"))?;
    let id = id(arguments, b"id").ok_or(ID)?;
    let target = || self::id(arguments, b"target").ok_or((code::PROTOCOL, "no target of 20 bytes"));
    let info_hash =
        || self::id(arguments, b"info_hash").ok_or((code::PROTOCOL, "no info-hash of 20 bytes"));
    let flag = |key: &[u8]| int(arguments, key).is_some_and(|value| value != 0);
    let ask = match method {
        b"ping" => Ask::Ping,
        b"find_node" => Ask::FindNode { target: target()? },
        b"get_peers" => Ask::GetPeers {
            info_hash: info_hash()?,
            no_seed: flag(b"noseed"),
            scrape: flag(b"scrape"),
        },
        b"announce_peer" => {
            let implied_port = flag(b"implied_port");
            let port = int(arguments, b"port").and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|&port| port != 0 || implied_port);
            Ask::AnnouncePeer {
                info_hash: info_hash()?,
                port: port
                    .or(implied_port.then_some(0))
                    .ok_or((code::PROTOCOL, "no port from 1 to 65535"))?,
                implied_port,
                seed: flag(b"seed"),
                token: token(arguments)?,
            }
        }
        b"get" => Ask::Get { target: target()?, seq: int(arguments, b"seq") },
        b"put" => put(arguments)?,
        b"sample_infohashes" => Ask::SampleInfohashes { target: target()? },
        _ => return Err((code::METHOD, "no such query")),
    };
    Ok(Query { id, want: arguments.get(b"want").map(want), ask })
}

fn put<'a>(arguments: Value<'_, 'a>) -> Result<Ask<'a>, Fault> {
    let token = token(arguments)?;
    let value = arguments.get(b"v").ok_or((code::PROTOCOL, "no value"))?.raw();
    if value.len() > VALUE_BYTES_MAX {
        return Err((code::VALUE, "a value of more than 1000 bytes"));
    }
    // It is passed on as it came: what is not canonical would not hash the same elsewhere.
    if bencode::decode(value, Mode::Strict).is_err() {
        return Err((code::PROTOCOL, "the value is not in its canonical form"));
    }
    let salt = bytes(arguments, b"salt").unwrap_or_default();
    if salt.len() > SALT_BYTES_MAX {
        return Err((code::SALT, "a salt of more than 64 bytes"));
    }
    let signed = match (bytes(arguments, b"k"), bytes(arguments, b"sig"), int(arguments, b"seq")) {
        (None, None, _) => None,
        (Some(key), Some(signature), Some(seq)) => Some(Signed {
            key: key.try_into().map_err(|_| (code::PROTOCOL, "no key of 32 bytes"))?,
            signature: signature
                .try_into()
                .map_err(|_| (code::SIGNATURE, "no signature of 64 bytes"))?,
            seq,
            salt,
        }),
        _ => return Err((code::PROTOCOL, "a key, a signature or a number is missing")),
    };
    Ok(Ask::Put { token, value, signed, cas: int(arguments, b"cas") })
}

fn token<'a>(arguments: Value<'_, 'a>) -> Result<&'a [u8], Fault> {
    let token = bytes(arguments, b"token").ok_or((code::PROTOCOL, "no token"))?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err((code::PROTOCOL, "no token of ours"));
    }
    Ok(token)
}

fn want(value: Value<'_, '_>) -> Want {
    let has = |name: &[u8]| value.items().any(|item| item.as_bytes() == Some(name));
    Want { v4: has(b"n4"), v6: has(b"n6") }
}

fn response<'a>(value: Value<'_, 'a>) -> Option<Response<'a>> {
    let mut out = Response::new(id(value, b"id")?);
    let (mut seeds, mut peers) = (None, None);
    let (mut interval, mut known, mut hashes) = (0, 0, None);
    let number = |value: Value<'_, '_>| {
        let number = value.as_int().unwrap_or(0).clamp(0, u32::MAX.into());
        u32::try_from(number).unwrap_or(0)
    };
    for (key, value) in value.entries() {
        match key {
            b"nodes" => out.nodes = value.as_bytes().map(|bytes| nodes(bytes, compact::V4_BYTES)),
            b"nodes6" => out.nodes6 = value.as_bytes().map(|bytes| nodes(bytes, compact::V6_BYTES)),
            b"token" => {
                out.token = value.as_bytes().filter(|token| token.len() <= TOKEN_BYTES_MAX);
            }
            b"values" => out.values = values(value),
            b"v" => out.value = Some(value.raw()).filter(|raw| raw.len() <= VALUE_BYTES_MAX),
            b"k" => out.key = value.as_bytes().and_then(|key| key.try_into().ok()),
            b"sig" => out.signature = value.as_bytes().and_then(|sig| sig.try_into().ok()),
            b"seq" => out.seq = value.as_int(),
            b"BFsd" => seeds = value.as_bytes().and_then(Filter::from_slice),
            b"BFpe" => peers = value.as_bytes().and_then(Filter::from_slice),
            b"interval" => interval = number(value),
            b"num" => known = number(value),
            b"samples" => hashes = value.as_bytes(),
            _ => {}
        }
    }
    if seeds.is_some() || peers.is_some() {
        let (seeds, peers) = (seeds.unwrap_or_default(), peers.unwrap_or_default());
        out.scrape = Some(Scrape { seeds, peers });
    }
    out.samples = hashes.map(|hashes| {
        let hashes = hashes.as_chunks::<20>().0.iter().take(SAMPLES_MAX).map(|&hash| Id(hash));
        Samples { interval, known, hashes: hashes.collect() }
    });
    Some(out)
}

/// A refusal; some nodes leave out the text, or the code.
fn refusal<'a>(error: Option<Value<'_, 'a>>) -> Kind<'a> {
    let items = || error.into_iter().flat_map(Value::items);
    let text = items().find_map(Value::as_bytes).unwrap_or_default();
    let text = &text[..text.len().min(TEXT_BYTES_MAX)];
    Kind::Error { code: items().find_map(Value::as_int).unwrap_or(code::GENERIC), text }
}

fn nodes(bytes: &[u8], address_bytes: usize) -> Vec<Node> {
    read_nodes(bytes, address_bytes, NODES_MAX)
}

/// Nodes in their compact form, whose addresses take 6 bytes (BEP 5) or 18 (BEP 32): at most so
/// many, those whose addresses can be. A rest that is no whole entry is left out.
#[must_use]
pub fn read_nodes(bytes: &[u8], address_bytes: usize, max: usize) -> Vec<Node> {
    let entries = bytes.chunks_exact(20 + address_bytes).take(max);
    let node = |entry: &[u8]| {
        let (id, address) = entry.split_at(20);
        let address = address_of(address).filter(|&address| compact::usable(address))?;
        // An IPv4 address in the clothes of an IPv6 one is no address of that network.
        let right = address.is_ipv4() == (address_bytes == compact::V4_BYTES);
        right.then_some(Node { id: Id::from_slice(id)?, address })
    };
    entries.filter_map(node).collect()
}

/// Peers: a list of strings, one each; some nodes send one string with all of them.
fn values(value: Value<'_, '_>) -> Vec<SocketAddr> {
    if let Some(bytes) = value.as_bytes() {
        return compact::decode_v4(bytes, VALUES_MAX).peers;
    }
    let peers = value.items().take(VALUES_MAX).filter_map(Value::as_bytes).filter_map(address_of);
    peers.filter(|&peer| compact::usable(peer)).collect()
}

/// An address and a port in 6 or 18 bytes.
fn address_of(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    Some(SocketAddr::new(ip_of(ip)?, u16::from_be_bytes(*port)))
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|six| IpAddr::from(six).to_canonical())
}

/// Some nodes leave out the port.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    address_of(bytes).or_else(|| ip_of(bytes).map(|ip| SocketAddr::new(ip, 0)))
}

fn id(dict: Value<'_, '_>, key: &[u8]) -> Option<Id> {
    bytes(dict, key).and_then(Id::from_slice)
}

fn bytes<'a>(dict: Value<'_, 'a>, key: &[u8]) -> Option<&'a [u8]> {
    dict.get(key)?.as_bytes()
}

fn int(dict: Value<'_, '_>, key: &[u8]) -> Option<i64> {
    dict.get(key)?.as_int()
}
