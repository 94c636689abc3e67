//! The extension protocol's handshake (BEP 10): what a peer calls its extensions, and more.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::bencode::{self, Encoder, Mode};

/// The number of the handshake among extension messages.
pub const HANDSHAKE: u8 = 0;
/// The longest handshake that is read; they are a few hundred bytes.
pub const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// The most characters that are kept of a client's name.
const NAME_CHARS_MAX: usize = 64;

/// What an extension handshake says. What is absent or absurd is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The port on which the sender listens (`p`).
    pub port: Option<u16>,
    /// Requests that the sender keeps (`reqq`), as it stands there.
    pub requests: Option<i64>,
    /// The sender's name and version (`v`), cut, without control characters.
    pub client: Option<String>,
    /// The receiver's address as the sender sees it (`yourip`).
    pub your_ip: Option<IpAddr>,
    /// The sender wants nothing any more (BEP 21).
    pub upload_only: bool,
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
        let int = |key: &[u8]| root.get(key).and_then(bencode::Value::as_int);
        let bytes = |key: &[u8]| root.get(key).and_then(bencode::Value::as_bytes);
        Some(Self {
            port: int(b"p").and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0),
            requests: int(b"reqq"),
            client: bytes(b"v").map(printable),
            your_ip: bytes(b"yourip").and_then(address),
            upload_only: int(b"upload_only").is_some_and(|flag| flag != 0),
        })
    }

    /// The payload of a handshake message, without any extension of our own.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut dict = Encoder::new(&mut out);
        dict.dict().key("m").dict().end();
        if let Some(port) = self.port {
            dict.key("p").int(i64::from(port));
        }
        if let Some(requests) = self.requests {
            dict.key("reqq").int(requests);
        }
        if self.upload_only {
            dict.key("upload_only").int(1);
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
            port: Some(6881),
            requests: Some(500),
            client: Some("Toubkal 0.1.0".into()),
            your_ip: Some([10, 0, 0, 1].into()),
            upload_only: true,
        };
        assert_eq!(Extensions::decode(&all.encode()), Some(all.clone()));
        let none = Extensions::default();
        assert_eq!(none.encode(), b"d1:mdee");
        assert_eq!(Extensions::decode(&none.encode()), Some(none));
        assert!(bencode::decode(&all.encode(), Mode::Strict).is_ok());
    }

    #[test]
    fn absurd_values_are_left_out() {
        let odd = b"d1:pi99999e4:reqqi-5e1:v5:a\x1b[2J6:yourip3:abce";
        let read = Extensions::decode(odd).unwrap();
        assert_eq!((read.port, read.requests, read.your_ip), (None, Some(-5), None));
        assert_eq!(read.client.as_deref(), Some("a[2J"));
        assert_eq!(Extensions::decode(b"i1e"), None);
        assert_eq!(Extensions::decode(b"garbage"), None);
        assert_eq!(Extensions::decode(&[b'd'; 20_000]), None);
    }
}
