//! From messages to bytes, in the one canonical form.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{Ask, Kind, Message, Node, Query, Response};
use crate::bencode::Encoder;
use crate::compact;

impl Message<'_> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut dict = Encoder::new(out);
        dict.dict();
        match &self.kind {
            Kind::Query(query) => query.encode(&mut dict),
            Kind::Error { code, text } => {
                dict.key("e").list().int(*code).bytes(text).end();
            }
            Kind::Response(_) => {}
        }
        if let Some(ip) = self.ip {
            dict.key("ip").bytes(compacted(ip));
        }
        match &self.kind {
            Kind::Query(query) => _ = dict.key("q").bytes(query.ask.method()),
            Kind::Response(response) => response.encode(&mut dict),
            Kind::Error { .. } => {}
        }
        if self.read_only {
            dict.key("ro").int(1);
        }
        dict.key("t").bytes(self.transaction);
        if let Some(version) = self.version {
            dict.key("v").bytes(version);
        }
        let kind = match self.kind {
            Kind::Query(_) => "q",
            Kind::Response(_) => "r",
            Kind::Error { .. } => "e",
        };
        dict.key("y").bytes(kind).end();
    }

    /// The packet.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

impl Ask<'_> {
    /// What the question is called.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::FindNode { .. } => "find_node",
            Self::GetPeers { .. } => "get_peers",
            Self::AnnouncePeer { .. } => "announce_peer",
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::SampleInfohashes { .. } => "sample_infohashes",
        }
    }

    fn encode(&self, dict: &mut Encoder<'_>) {
        match self {
            Self::Ping => {}
            Self::FindNode { target } | Self::SampleInfohashes { target } => {
                dict.key("target").bytes(target.0);
            }
            Self::GetPeers { info_hash, no_seed, scrape } => {
                dict.key("info_hash").bytes(info_hash.0);
                flag(dict, "noseed", *no_seed);
                flag(dict, "scrape", *scrape);
            }
            Self::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                flag(dict, "implied_port", *implied_port);
                dict.key("info_hash").bytes(info_hash.0);
                dict.key("port").int((*port).into());
                flag(dict, "seed", *seed);
                dict.key("token").bytes(token);
            }
            Self::Get { target, seq } => {
                optional(dict, "seq", *seq);
                dict.key("target").bytes(target.0);
            }
            Self::Put { token, value, signed, .. } => {
                if let Some(signed) = signed {
                    dict.key("k").bytes(signed.key);
                    if !signed.salt.is_empty() {
                        dict.key("salt").bytes(signed.salt);
                    }
                    dict.key("seq").int(signed.seq).key("sig").bytes(signed.signature);
                }
                dict.key("token").bytes(token).key("v").raw(value);
            }
        }
    }
}

impl Query<'_> {
    fn encode(&self, dict: &mut Encoder<'_>) {
        dict.key("a").dict();
        if let Ask::Put { cas, .. } = self.ask {
            optional(dict, "cas", cas);
        }
        dict.key("id").bytes(self.id.0);
        self.ask.encode(dict);
        if let Some(want) = self.want {
            dict.key("want").list();
            for (wanted, name) in [(want.v4, "n4"), (want.v6, "n6")] {
                if wanted {
                    dict.bytes(name);
                }
            }
            dict.end();
        }
        dict.end();
    }
}

impl Response<'_> {
    fn encode(&self, dict: &mut Encoder<'_>) {
        dict.key("r").dict();
        if let Some(scrape) = &self.scrape {
            dict.key("BFpe").bytes(scrape.peers.as_bytes());
            dict.key("BFsd").bytes(scrape.seeds.as_bytes());
        }
        dict.key("id").bytes(self.id.0);
        if let Some(samples) = &self.samples {
            dict.key("interval").int(samples.interval.into());
        }
        if let Some(key) = self.key {
            dict.key("k").bytes(key);
        }
        for (name, nodes) in [("nodes", &self.nodes), ("nodes6", &self.nodes6)] {
            if let Some(nodes) = nodes {
                dict.key(name).bytes(compact_nodes(nodes));
            }
        }
        if let Some(samples) = &self.samples {
            let hashes: Vec<u8> = samples.hashes.iter().flat_map(|hash| hash.0).collect();
            dict.key("num").int(samples.known.into()).key("samples").bytes(hashes);
        }
        optional(dict, "seq", self.seq);
        if let Some(signature) = self.signature {
            dict.key("sig").bytes(signature);
        }
        if let Some(token) = self.token {
            dict.key("token").bytes(token);
        }
        if let Some(value) = self.value {
            dict.key("v").raw(value);
        }
        // No peers, no list: some clients take an empty one for an answer.
        if !self.values.is_empty() {
            dict.key("values").list();
            self.values.iter().for_each(|&peer| _ = dict.bytes(compacted(peer)));
            dict.end();
        }
        dict.end();
    }
}

/// Nodes in their compact form: 26 bytes each (BEP 5), 38 with IPv6 addresses (BEP 32).
#[must_use]
pub fn compact_nodes(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        out.extend(node.id.0);
        compact::encode(node.address, &mut out);
    }
    out
}

fn compacted(address: SocketAddr) -> Vec<u8> {
    let mut out = Vec::new();
    compact::encode(address, &mut out);
    out
}

fn flag(dict: &mut Encoder<'_>, key: &str, set: bool) {
    if set {
        dict.key(key).int(1);
    }
}

fn optional(dict: &mut Encoder<'_>, key: &str, value: Option<i64>) {
    if let Some(value) = value {
        dict.key(key).int(value);
    }
}
