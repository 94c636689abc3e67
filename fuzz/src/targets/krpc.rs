//! Packets of the DHT: whatever comes, what is read can be said again and reads the same.

use toubkal_wire::bencode::{self, Mode};
use toubkal_wire::krpc::{
    Kind, Message, NODES_MAX, PACKET_BYTES_MAX, Problem, SAMPLES_MAX, TRANSACTION_BYTES_MAX,
    VALUES_MAX, code,
};

use crate::memory;

pub(crate) fn krpc(input: &[u8]) {
    let (read, bytes) = memory::peak(|| Message::decode(input));
    assert!(bytes <= 64 * input.len() + 16 * 1024, "{bytes} bytes for {}", input.len());
    match &read {
        Ok(message) => said_again(message, input),
        Err(Problem::Fault { transaction, code, text, .. }) => {
            assert!(transaction.len() <= TRANSACTION_BYTES_MAX && !text.is_empty());
            assert!((code::GENERIC..=code::SALT).contains(code), "{code}");
        }
        Err(Problem::Garbage) => {}
    }
}

fn said_again(message: &Message<'_>, input: &[u8]) {
    assert!(input.len() <= PACKET_BYTES_MAX && message.transaction.len() <= TRANSACTION_BYTES_MAX);
    let mut canonical = true;
    if let Kind::Response(response) = &message.kind {
        let nodes = [&response.nodes, &response.nodes6];
        assert!(nodes.into_iter().flatten().all(|nodes| nodes.len() <= NODES_MAX));
        assert!(response.values.len() <= VALUES_MAX);
        assert!(response.samples.as_ref().is_none_or(|all| all.hashes.len() <= SAMPLES_MAX));
        // A value is passed on as it came, and only who wants to store it must have it right.
        let strict = |value: &[u8]| bencode::decode(value, Mode::Strict).is_ok();
        canonical = response.value.is_none_or(strict);
    }
    let bytes = message.to_bytes();
    // What is left out of a list that is too long may make room for what was cut off before.
    if bytes.len() <= PACKET_BYTES_MAX {
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(message), "{message:?}");
    }
    assert!(!canonical || bencode::decode(&bytes, Mode::Strict).is_ok(), "{message:?}");
}
