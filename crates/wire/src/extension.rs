//! The extension protocol (BEP 10): its handshake, by which peers name their extensions and say
//! more of themselves, and the two extensions that are a few bytes.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bencode::{self, Encoder, Mode, Value};
use crate::metadata::METADATA_BYTES_MAX;

/// The number of the handshake among extension messages.
pub const HANDSHAKE: u8 = 0;
/// The longest handshake that is read; they are a few hundred bytes.
pub const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// The most characters that are kept of a client's name.
const NAME_CHARS_MAX: usize = 64;

/// The numbers under which a peer wants to be sent extension messages (`m`). `None`: it does not
/// say; 0: it does not want them, or no longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// A piece is gone (`lt_donthave`, BEP 54).
    pub dont_have: Option<u8>,
    /// Whether anything is wanted still (`upload_only`, which goes with BEP 21).
    pub upload_only: Option<u8>,
    /// Metadata (`ut_metadata`, BEP 9).
    pub metadata: Option<u8>,
    /// Peer exchange (`ut_pex`, BEP 11).
    pub exchange: Option<u8>,
}

impl Numbers {
    /// The numbers that Toubkal gives: every extension that it reads.
    pub const OURS: Self =
        Self { exchange: Some(1), metadata: Some(2), dont_have: Some(3), upload_only: Some(4) };

    /// What holds once the peer has said this too (BEP 10: a later handshake adds and disables).
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            dont_have: later.dont_have.or(self.dont_have),
            upload_only: later.upload_only.or(self.upload_only),
            metadata: later.metadata.or(self.metadata),
            exchange: later.exchange.or(self.exchange),
        }
    }

    /// All of them with their names, in the order of the names.
    fn named(&mut self) -> [(&'static str, &mut Option<u8>); 4] {
        [
            ("lt_donthave", &mut self.dont_have),
            ("upload_only", &mut self.upload_only),
            ("ut_metadata", &mut self.metadata),
            ("ut_pex", &mut self.exchange),
        ]
    }
}

/// What an extension handshake says. What is absent or absurd is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// How the sender's extensions are called (`m`).
    pub numbers: Numbers,
    /// The port on which the sender listens (`p`).
    pub port: Option<u16>,
    /// Requests that the sender keeps (`reqq`), as it stands there.
    pub requests: Option<i64>,
    /// The sender's name and version (`v`), cut, without control characters.
    pub client: Option<String>,
    /// The receiver's address as the sender sees it (`yourip`).
    pub your_ip: Option<IpAddr>,
    /// Where the sender is reached over IPv4 too, at the same port (`ipv4`).
    pub ipv4: Option<Ipv4Addr>,
    /// Where the sender is reached over IPv6 too, at the same port (`ipv6`).
    pub ipv6: Option<Ipv6Addr>,
    /// Bytes of the metadata (`metadata_size`, BEP 9), 1 to [`METADATA_BYTES_MAX`].
    pub metadata_size: Option<u32>,
    /// Whether the sender wants nothing any more (BEP 21).
    pub upload_only: Option<bool>,
}

impl Extensions {
    /// Reads the payload of a handshake message. `None`: it is not a dictionary.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        if payload.len() > HANDSHAKE_BYTES_MAX {
            return None;
        }
        let tape = bencode::decode(payload, Mode::Tolerant).ok()?;
        let root = tape.root();
        if root.kind() != bencode::Kind::Dict {
            return None;
        }
        let int = |key: &[u8]| root.get(key).and_then(Value::as_int);
        let bytes = |key: &[u8]| root.get(key).and_then(Value::as_bytes);
        let size = int(b"metadata_size").and_then(|size| u32::try_from(size).ok());
        let ipv4 = bytes(b"ipv4").and_then(|ip| <[u8; 4]>::try_from(ip).ok());
        let ipv6 = bytes(b"ipv6").and_then(|ip| <[u8; 16]>::try_from(ip).ok());
        Some(Self {
            numbers: root.get(b"m").map(numbers).unwrap_or_default(),
            port: int(b"p").and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0),
            requests: int(b"reqq"),
            client: bytes(b"v").map(printable),
            your_ip: bytes(b"yourip").and_then(address),
            ipv4: ipv4.map(Ipv4Addr::from),
            ipv6: ipv6.map(Ipv6Addr::from),
            metadata_size: size.filter(|size| (1..=METADATA_BYTES_MAX).contains(size)),
            upload_only: int(b"upload_only").map(|flag| flag != 0),
        })
    }

    /// The payload of a handshake message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut dict = Encoder::new(&mut out);
        dict.dict();
        if let Some(ip) = self.ipv4 {
            dict.key("ipv4").bytes(ip.octets());
        }
        if let Some(ip) = self.ipv6 {
            dict.key("ipv6").bytes(ip.octets());
        }
        dict.key("m").dict();
        let mut numbers = self.numbers;
        for (name, number) in numbers.named() {
            if let Some(number) = *number {
                dict.key(name).int(i64::from(number));
            }
        }
        dict.end();
        if let Some(size) = self.metadata_size {
            dict.key("metadata_size").int(i64::from(size));
        }
        if let Some(port) = self.port {
            dict.key("p").int(i64::from(port));
        }
        if let Some(requests) = self.requests {
            dict.key("reqq").int(requests);
        }
        if let Some(upload_only) = self.upload_only {
            dict.key("upload_only").int(i64::from(upload_only));
        }
        if let Some(client) = &self.client {
            dict.key("v").bytes(client);
        }
        match self.your_ip {
            Some(IpAddr::V4(ip)) => _ = dict.key("yourip").bytes(ip.octets()),
            Some(IpAddr::V6(ip)) => _ = dict.key("yourip").bytes(ip.octets()),
            None => {}
        }
        dict.end();
        out
    }
}

/// Reads the payload of `lt_donthave` (BEP 54): the index of a piece that the sender has no more.
#[must_use]
pub fn dont_have(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

/// Reads the payload of `upload_only`: whether the sender wants nothing any more. Clients send one
/// byte.
#[must_use]
pub fn upload_only(payload: &[u8]) -> Option<bool> {
    payload.first().map(|&flag| flag != 0)
}

fn numbers(dict: Value<'_, '_>) -> Numbers {
    let mut numbers = Numbers::default();
    for (name, number) in numbers.named() {
        let told = dict.get(name.as_bytes()).and_then(Value::as_int);
        *number = told.and_then(|told| u8::try_from(told).ok());
    }
    numbers
}

fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_reads_back() {
        let all = Extensions {
            numbers: Numbers { exchange: Some(0), ..Numbers::OURS },
            port: Some(6881),
            requests: Some(500),
            client: Some("Toubkal 0.1.0".into()),
            your_ip: Some([10, 0, 0, 1].into()),
            ipv4: Some([192, 0, 2, 1].into()),
            ipv6: Some([9; 16].into()),
            metadata_size: Some(31_235),
            upload_only: Some(true),
        };
        assert_eq!(Extensions::decode(&all.encode()), Some(all.clone()));
        let none = Extensions::default();
        assert_eq!(none.encode(), b"d1:mdee");
        assert_eq!(Extensions::decode(&none.encode()), Some(none));
        assert!(bencode::decode(&all.encode(), Mode::Strict).is_ok());
    }

    #[test]
    fn absurd_values_are_left_out() {
        let odd = b"d1:pi99999e4:reqqi-5e1:v5:a\x1b[2J6:yourip3:abc4:ipv43:abc4:ipv64:abcde";
        let read = Extensions::decode(odd).unwrap();
        assert_eq!((read.port, read.requests, read.your_ip), (None, Some(-5), None));
        assert_eq!((read.ipv4, read.ipv6, read.upload_only), (None, None, None));
        assert_eq!(read.client.as_deref(), Some("a[2J"));
        assert_eq!(Extensions::decode(b"i1e"), None);
        assert_eq!(Extensions::decode(b"garbage"), None);
        assert_eq!(Extensions::decode(&[b'd'; 20_000]), None);
    }

    #[test]
    fn only_sizes_that_metadata_can_have_are_taken() {
        let told = |text: &str| {
            let bytes = std::format!("d13:metadata_sizei{text}ee");
            Extensions::decode(bytes.as_bytes()).unwrap().metadata_size
        };
        assert_eq!(told("1"), Some(1));
        assert_eq!(told("31457280"), Some(METADATA_BYTES_MAX));
        for bad in ["0", "-1", "31457281", "2147483648", "4611686018427387904"] {
            assert_eq!(told(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_no_number() {
        let read = Extensions::decode(b"d1:md6:ut_pexi256e11:ut_metadatai-1eee").unwrap();
        assert_eq!(read.numbers, Numbers::default());
        let list = Extensions::decode(b"d1:ml6:ut_pexi1eee").unwrap();
        assert_eq!(list.numbers, Numbers::default());
    }

    #[test]
    fn a_later_handshake_adds_and_disables() {
        let first = Numbers { metadata: Some(2), exchange: Some(1), ..Numbers::default() };
        let later = Numbers { exchange: Some(0), dont_have: Some(7), ..Numbers::default() };
        let both = Numbers {
            metadata: Some(2),
            exchange: Some(0),
            dont_have: Some(7),
            ..Numbers::default()
        };
        assert_eq!(first.then(later), both);
    }

    #[test]
    fn small_messages_are_read_whole() {
        assert_eq!(dont_have(&[0, 0, 1, 2]), Some(258));
        assert_eq!((dont_have(&[1, 2, 3]), dont_have(&[0; 5])), (None, None));
        assert_eq!((upload_only(&[1]), upload_only(&[0])), (Some(true), Some(false)));
        assert_eq!(upload_only(&[]), None);
    }
}
