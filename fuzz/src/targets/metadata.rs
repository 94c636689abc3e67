//! Messages about metadata (BEP 9).

use toubkal_wire::metadata::{METADATA_BLOCK_BYTES, Metadata};

use crate::memory;

pub(crate) fn metadata(input: &[u8]) {
    let (read, bytes) = memory::peak(|| Metadata::decode(input));
    assert!(bytes <= 16 * 1024, "{bytes} bytes for {}", input.len());
    let Some(read) = read else { return };
    if let Metadata::Data { bytes, .. } = read {
        assert!(!bytes.is_empty() && bytes.len() <= METADATA_BLOCK_BYTES as usize);
        assert!(input.ends_with(bytes));
    }
    if read != Metadata::Unknown {
        assert_eq!(Metadata::decode(&read.encode()), Some(read));
    }
}
