//! Messages between peers: what is read is what was written.

use toubkal_wire::message::{Head, Message, PIECE_HEAD_BYTES, decode, encode, head, piece_head};

pub(crate) fn message(input: &[u8]) {
    let mut rest = input;
    loop {
        match head(rest) {
            Err(error) => return assert!(!error.to_string().is_empty()),
            Ok(Head::Short) => return assert!(rest.len() < PIECE_HEAD_BYTES),
            Ok(Head::Piece(block)) => {
                assert_eq!(piece_head(block), rest[..PIECE_HEAD_BYTES]);
                let body = block.length as usize;
                rest = rest[PIECE_HEAD_BYTES..].get(body..).unwrap_or_default();
            }
            Ok(Head::Control(length)) => {
                let Some(bytes) = rest.get(..length) else { return };
                // Its head says the same however much of it is there.
                (4.min(length)..length).for_each(|end| match head(&bytes[..end]) {
                    Ok(Head::Short) => assert!(end < 5),
                    found => assert_eq!(found, Ok(Head::Control(length))),
                });
                if let Ok(message) = decode(bytes) {
                    assert_comes_back(&message, bytes);
                }
                rest = &rest[length..];
            }
        }
    }
}

fn assert_comes_back(message: &Message, bytes: &[u8]) {
    let mut written = Vec::new();
    encode(message, &mut written);
    match message {
        Message::Unknown(_) => assert!(written.is_empty()),
        _ => assert_eq!(written, bytes, "{message:?}"),
    }
}
