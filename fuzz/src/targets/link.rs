//! The stream of a peer: the same messages wherever it is cut.

use toubkal_core::link::{Link, LinkError, Step};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::message::BITFIELD_BYTES_MAX;

/// The first byte: whether a handshake of ours goes before the rest, and how many of the bytes
/// behind it say where the stream is cut.
pub(crate) fn link(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let (cuts, rest) = rest.split_at(usize::from(first & 0x3f).min(rest.len()));
    let mut stream = Vec::new();
    if first & 0x80 != 0 {
        let greeting = Greeting { reserved: Reserved::OURS, info_hash: [1; 20] };
        stream.extend(greeting.encode(&[2; 20]));
    }
    stream.extend_from_slice(rest);
    let whole = feed(&stream, &[]);
    assert_eq!(whole, feed(&stream, cuts));
    assert_eq!(whole, feed(&stream, &[1; 4096]));
}

/// What came of a stream.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    steps: Vec<Step>,
    bodies: Vec<u8>,
    error: Option<LinkError>,
}

/// Feeds a stream in pieces of these lengths, then the rest.
fn feed(stream: &[u8], cuts: &[u8]) -> Heard {
    let (mut link, mut heard) = (Link::new(), Heard::default());
    // The hand's buffer: what is there of the stream and not used yet.
    let (mut used, mut there, mut body) = (0, 0, 0);
    let cuts = cuts.iter().map(|&cut| usize::from(cut)).chain([stream.len()]);
    for cut in cuts {
        there = stream.len().min(there + cut);
        loop {
            let taken = body.min(there - used);
            heard.bodies.extend_from_slice(&stream[used..used + taken]);
            (used, body) = (used + taken, body - taken);
            if body > 0 {
                break;
            }
            let input = &stream[used..there];
            match link.decode(input) {
                Ok(Step::Need(least)) => {
                    assert!(least > input.len(), "it has what it needs");
                    assert!(least <= 5 + BITFIELD_BYTES_MAX as usize, "it needs {least} bytes");
                    break;
                }
                Ok(step) => {
                    let taken = match &step {
                        Step::Block { used, block } => {
                            body = block.length as usize;
                            *used
                        }
                        Step::Greeting { used, .. }
                        | Step::PeerId { used, .. }
                        | Step::Message { used, .. } => *used,
                        Step::Need(_) => unreachable!("it was matched before"),
                    };
                    assert!((1..=input.len()).contains(&taken), "it takes {taken} bytes");
                    used += taken;
                    heard.steps.push(step);
                }
                Err(error) => return Heard { error: Some(error), ..heard },
            }
        }
    }
    heard
}
