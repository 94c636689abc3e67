use super::*;
use crate::store::Pool;
use toubkal_core::base::Key;
use toubkal_core::engine::StoreErrorKind;
use toubkal_core::link::{Link, Step};
use toubkal_wire::handshake::{Greeting, HANDSHAKE_BYTES, Reserved};

/// A socket that takes so many bytes, then none.
struct Pipe {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.room);
        self.taken.extend_from_slice(&bytes[..count]);
        self.room -= count;
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut all = 0;
        for slice in slices {
            match self.write(slice) {
                Ok(count) => all += count,
                Err(_) if all > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn block(piece: u32) -> Block {
    Block { piece, begin: 0, length: 1000 }
}

fn body(piece: u32) -> Buffer {
    let mut buffer = Pool::new(1 << 20).lend(1000);
    buffer.fill(piece as u8);
    buffer
}

/// Asks for a block and lets the store read it.
fn serve(output: &mut Output, piece: u32) {
    output.serve(Key::new(0, 0), block(piece));
    assert_eq!(output.next_read(1 << 20), Some((Key::new(0, 0), block(piece))));
    output.was_read(block(piece), Ok(body(piece)), &mut Outcomes::new());
}

/// What a peer would make of the bytes.
fn decode(bytes: &[u8]) -> Vec<String> {
    let mut link = Link::new();
    let mut all = Vec::new();
    let mut at = 0;
    loop {
        match link.decode(&bytes[at..]).unwrap() {
            Step::Need(_) => {
                assert_eq!(at, bytes.len(), "a message was cut");
                return all;
            }
            Step::Greeting { used, .. } | Step::PeerId { used, .. } => at += used,
            Step::Message { used, message } => {
                all.push(format!("{message:?}"));
                at += used;
            }
            Step::Block { used, block } => {
                at += used;
                let body = &bytes[at..at + block.length as usize];
                assert!(body.iter().all(|byte| *byte == block.piece as u8), "a block was cut");
                all.push(format!("block {}", block.piece));
                at += body.len();
            }
        }
    }
}

fn greeted() -> (Output, Pipe) {
    let mut output = Output::default();
    let greeting = Greeting { reserved: Reserved::OURS, info_hash: [1; 20] };
    output.greet(&greeting.encode(&[2; 20]));
    (output, Pipe { taken: Vec::new(), room: 0 })
}

#[test]
fn everything_goes_out_in_one_write_control_first() {
    let (mut output, mut pipe) = greeted();
    pipe.room = usize::MAX;
    let mut outcomes = Outcomes::new();
    for piece in 0..3 {
        serve(&mut output, piece);
    }
    output.say(&Message::Have(9));
    let taken = output.write(&mut pipe, &mut outcomes).unwrap();
    assert_eq!(taken, Some(HANDSHAKE_BYTES + 9 + 3 * 1013));
    assert_eq!(decode(&pipe.taken), ["Have(9)", "block 0", "block 1", "block 2"]);
    assert_eq!(outcomes, [0, 1, 2].map(|piece| (block(piece), Served::Sent)));
    assert!(!output.has_bytes());
    assert_eq!(output.ahead(), 0);
}

#[test]
fn nothing_to_send_is_no_fault() {
    let (mut output, mut pipe) = (Output::default(), Pipe { taken: Vec::new(), room: 1000 });
    let mut outcomes = Outcomes::new();
    serve(&mut output, 0);
    output.withdraw(block(0), &mut outcomes);
    assert_eq!(output.write(&mut pipe, &mut outcomes).unwrap(), Some(0));
}

#[test]
fn a_control_message_never_cuts_into_a_block() {
    // Whatever the system takes at once, what the peer sees is whole.
    for step in [1, 5, 13, 14, 100, 1012, 1013, 1014, 2000] {
        let (mut output, mut pipe) = greeted();
        let mut outcomes = Outcomes::new();
        for piece in 0..3 {
            serve(&mut output, piece);
        }
        let mut haves = 0;
        while output.has_bytes() {
            pipe.room = step;
            while pipe.room > 0 && output.has_bytes() {
                output.write(&mut pipe, &mut outcomes).unwrap();
            }
            if haves < 50 && haves * 60 < pipe.taken.len() {
                output.say(&Message::Have(haves as u32));
                haves += 1;
            }
        }
        let seen = decode(&pipe.taken);
        assert_eq!(seen.len(), 3 + haves, "{step}: {seen:?}");
        assert_eq!(outcomes.len(), 3);
    }
}

#[test]
fn a_block_is_called_back_only_before_its_first_byte() {
    let (mut output, mut pipe) = greeted();
    let mut outcomes = Outcomes::new();
    serve(&mut output, 0);
    serve(&mut output, 1);
    pipe.room = HANDSHAKE_BYTES + 1;
    output.write(&mut pipe, &mut outcomes).unwrap();
    output.withdraw(block(0), &mut outcomes);
    assert!(outcomes.is_empty());
    output.withdraw(block(1), &mut outcomes);
    assert_eq!(outcomes, [(block(1), Served::Withdrawn)]);
    pipe.room = usize::MAX;
    output.write(&mut pipe, &mut outcomes).unwrap();
    assert_eq!(decode(&pipe.taken), ["block 0"]);
    assert_eq!(outcomes[1..], [(block(0), Served::Sent)]);
}

#[test]
fn a_block_that_is_being_read_is_called_back_at_once_and_dropped_when_it_comes() {
    let (mut output, _) = greeted();
    let mut outcomes = Outcomes::new();
    output.serve(Key::new(0, 0), block(0));
    output.next_read(1 << 20).unwrap();
    output.withdraw(block(0), &mut outcomes);
    output.withdraw(block(0), &mut outcomes);
    assert_eq!(outcomes, [(block(0), Served::Withdrawn)]);
    // It takes memory until it has come.
    assert_eq!(output.ahead(), 1000);
    output.was_read(block(0), Ok(body(0)), &mut outcomes);
    assert_eq!((output.ahead(), outcomes.len()), (0, 1));
    assert!(output.ready.is_empty());
}

#[test]
fn a_block_that_cannot_be_read_is_told_so() {
    let (mut output, _) = greeted();
    let mut outcomes = Outcomes::new();
    let error = StoreError { kind: StoreErrorKind::Missing, file: Some(0) };
    output.serve(Key::new(0, 0), block(0));
    output.next_read(1 << 20).unwrap();
    output.was_read(block(0), Err(error), &mut outcomes);
    assert_eq!(outcomes, [(block(0), Served::Failed(error))]);
    assert_eq!(output.ahead(), 0);
}

#[test]
fn what_is_read_ahead_is_bounded() {
    let (mut output, _) = greeted();
    let long = |piece| Block { piece, begin: 0, length: 128 * 1024 };
    for piece in 0..9 {
        output.serve(Key::new(0, 0), long(piece));
    }
    assert_eq!(output.next_read(128 * 1024 - 1), None, "all links together have no room");
    assert!(output.wants_room());
    let reads = std::iter::from_fn(|| output.next_read(1 << 30)).count();
    assert_eq!(reads * 128 * 1024, AHEAD_BYTES);
    assert!(!output.wants_room(), "its own share is used up");
}

#[test]
fn each_serve_is_answered_once_when_the_link_closes() {
    let (mut output, mut pipe) = greeted();
    let mut outcomes = Outcomes::new();
    serve(&mut output, 0);
    serve(&mut output, 1);
    output.serve(Key::new(0, 0), block(2));
    output.next_read(1 << 20).unwrap();
    output.serve(Key::new(0, 0), block(3));
    pipe.room = HANDSHAKE_BYTES + 20;
    output.write(&mut pipe, &mut outcomes).unwrap();
    assert!(outcomes.is_empty());
    output.withdraw_all(&mut outcomes);
    assert_eq!(outcomes, [0, 1, 2, 3].map(|piece| (block(piece), Served::Withdrawn)));
    assert_eq!(output.ahead(), 1000, "what is being read still counts");
}
