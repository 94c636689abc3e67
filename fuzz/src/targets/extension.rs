//! Extension handshakes (BEP 10), and the extensions of a few bytes.

use toubkal_wire::bencode::{Mode, decode};
use toubkal_wire::extension::{self, Extensions};
use toubkal_wire::metadata::METADATA_BYTES_MAX;

use crate::memory;

pub(crate) fn extension(input: &[u8]) {
    assert_eq!(extension::dont_have(input).is_some(), input.len() == 4);
    assert_eq!(extension::upload_only(input).is_some(), !input.is_empty());
    let (read, bytes) = memory::peak(|| Extensions::decode(input));
    assert!(bytes <= 16 * input.len() + 8192, "{bytes} bytes for {}", input.len());
    let Some(read) = read else { return };
    assert!(read.port != Some(0));
    assert!(read.metadata_size.is_none_or(|size| (1..=METADATA_BYTES_MAX).contains(&size)));
    if let Some(client) = &read.client {
        assert!(client.chars().count() <= 64 && !client.chars().any(char::is_control));
    }
    let written = read.encode();
    decode(&written, Mode::Strict).expect("what is written is canonical");
    assert_eq!(Extensions::decode(&written), Some(read));
}
