//! Extension handshakes (BEP 10).

use toubkal_wire::bencode::{Mode, decode};
use toubkal_wire::extension::Extensions;

use crate::memory;

pub(crate) fn extension(input: &[u8]) {
    let (read, bytes) = memory::peak(|| Extensions::decode(input));
    assert!(bytes <= 16 * input.len() + 8192, "{bytes} bytes for {}", input.len());
    let Some(read) = read else { return };
    assert!(read.port != Some(0));
    if let Some(client) = &read.client {
        assert!(client.chars().count() <= 64 && !client.chars().any(char::is_control));
    }
    let written = read.encode();
    decode(&written, Mode::Strict).expect("what is written is canonical");
    assert_eq!(Extensions::decode(&written), Some(read));
}
