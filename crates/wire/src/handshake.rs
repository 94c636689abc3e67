//! The first 68 bytes of a connection between peers (BEP 3).

/// Bytes of a handshake.
pub const HANDSHAKE_BYTES: usize = 68;
/// Bytes up to and with the info-hash, all that an answer needs: a tracker that probes whether
/// a peer is reachable may send no more until it has seen the answer.
pub const GREETING_BYTES: usize = 48;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The eight bytes by which a peer says what it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// What Toubkal can do: the extension protocol and the Fast extension.
    pub const OURS: Self = Self([0, 0, 0, 0, 0, 0x10, 0, 0x04]);

    /// Speaks the extension protocol (BEP 10).
    #[must_use]
    pub fn extended(self) -> bool {
        self.0[5] & 0x10 != 0
    }

    /// Speaks the Fast extension (BEP 6).
    #[must_use]
    pub fn fast(self) -> bool {
        self.0[7] & 0x04 != 0
    }

    /// Has a DHT node (BEP 5).
    #[must_use]
    pub fn dht(self) -> bool {
        self.0[7] & 0x01 != 0
    }

    /// The same, of a peer that has a DHT node.
    #[must_use]
    pub fn with_dht(mut self) -> Self {
        self.0[7] |= 0x01;
        self
    }
}

/// What a handshake says before the peer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// What the peer can do.
    pub reserved: Reserved,
    /// Which torrent it speaks of; a v2 info-hash is cut to 20 bytes (BEP 52).
    pub info_hash: [u8; 20],
}

impl Greeting {
    /// Reads the first [`GREETING_BYTES`] bytes of a handshake. `None`: not BitTorrent.
    #[must_use]
    pub fn decode(bytes: &[u8; GREETING_BYTES]) -> Option<Self> {
        if bytes[..20] != PROTOCOL[..] {
            return None;
        }
        let mut reserved = [0; 8];
        reserved.copy_from_slice(&bytes[20..28]);
        let mut info_hash = [0; 20];
        info_hash.copy_from_slice(&bytes[28..48]);
        Some(Self { reserved: Reserved(reserved), info_hash })
    }

    /// A whole handshake: this greeting, then the peer id.
    #[must_use]
    pub fn encode(&self, peer_id: &[u8; 20]) -> [u8; HANDSHAKE_BYTES] {
        let mut bytes = [0; HANDSHAKE_BYTES];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.info_hash);
        bytes[48..].copy_from_slice(peer_id);
        bytes
    }
}

/// Whether `bytes`, the head of a stream, can still become a handshake.
#[must_use]
pub fn may_be_handshake(bytes: &[u8]) -> bool {
    let known = bytes.len().min(PROTOCOL.len());
    bytes[..known] == PROTOCOL[..known]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_reads_back() {
        let greeting = Greeting { reserved: Reserved::OURS, info_hash: [7; 20] };
        let bytes = greeting.encode(b"-TK0100-abcdefghijkl");
        assert_eq!(&bytes[..20], b"\x13BitTorrent protocol");
        assert_eq!(&bytes[48..], b"-TK0100-abcdefghijkl");
        let head: [u8; GREETING_BYTES] = bytes[..48].try_into().unwrap();
        assert_eq!(Greeting::decode(&head), Some(greeting));
        assert!(greeting.reserved.fast() && greeting.reserved.extended());
        assert!(!greeting.reserved.dht());
        assert!(greeting.reserved.with_dht().dht() && greeting.reserved.with_dht().fast());
    }

    #[test]
    fn another_protocol_is_told_apart_early() {
        assert!(!may_be_handshake(b"GET / HTTP/1.1"));
        assert!(may_be_handshake(b"\x13Bit"));
        let mut bytes = [0; GREETING_BYTES];
        bytes[0] = 19;
        assert_eq!(Greeting::decode(&bytes), None);
    }
}
