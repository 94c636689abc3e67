use super::*;
use std::collections::VecDeque;
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::message::{self, MessageError, REQUEST_BYTES_MAX};

/// A socket that gives its bytes in the chunks that it was filled with, then has no more.
#[derive(Default)]
struct Chunks(VecDeque<Vec<u8>>);

impl Read for Chunks {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(chunk) = self.0.front_mut() else { return Err(io::ErrorKind::WouldBlock.into()) };
        let count = chunk.len().min(space.len());
        space[..count].copy_from_slice(&chunk[..count]);
        chunk.drain(..count);
        if chunk.is_empty() {
            self.0.pop_front();
        }
        Ok(count)
    }
}

fn chunked(stream: &[u8], size: usize) -> Chunks {
    Chunks(stream.chunks(size).map(<[u8]>::to_vec).collect())
}

fn block(piece: u32, length: u32) -> (Block, Vec<u8>) {
    let bytes = (0..length).map(|at| (at.wrapping_mul(31) + piece) as u8).collect();
    (Block { piece, begin: 16_384 * piece, length }, bytes)
}

fn put_block(stream: &mut Vec<u8>, piece: u32, length: u32) {
    let (block, bytes) = block(piece, length);
    stream.extend(message::piece_head(block));
    stream.extend(bytes);
}

fn handshake() -> Vec<u8> {
    Greeting { reserved: Reserved::OURS, info_hash: [1; 20] }.encode(&[2; 20]).to_vec()
}

/// A handshake, a long bitfield, three blocks with messages between.
fn stream() -> Vec<u8> {
    let mut stream = handshake();
    message::encode(&Message::Bitfield(vec![0x55; 300_000].into()), &mut stream);
    put_block(&mut stream, 0, 16_384);
    message::encode(&Message::Have(7), &mut stream);
    put_block(&mut stream, 1, 16_384);
    put_block(&mut stream, 2, 5);
    message::encode(&Message::KeepAlive, &mut stream);
    stream
}

/// What came, as text: long ones by length.
fn read_all(input: &mut Input, source: &mut Chunks, means: &mut Means) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let pause = input.read(source, means, &mut |got| {
            all.push(match got {
                Got::Greeting(greeting) => format!("greeting {:?}", greeting.info_hash),
                Got::PeerId(peer_id) => format!("peer id {peer_id:?}"),
                Got::Message(Message::Bitfield(bits)) => format!("bitfield {}", bits.len()),
                Got::Message(message) => format!("{message:?}"),
                Got::Block(got, buffer) => {
                    let (asked, bytes) = block(got.piece, got.length);
                    assert_eq!(got, asked);
                    assert!(*buffer == *bytes, "the bytes of {got:?} are wrong");
                    format!("block {} {}", got.piece, got.length)
                }
            });
            Ok(())
        });
        match pause.unwrap() {
            Pause::Turn | Pause::Short => {}
            Pause::Dry => return all,
            Pause::Starved => panic!("the pool is large enough"),
        }
    }
}

#[test]
fn where_segments_end_does_not_matter() {
    let stream = stream();
    let mut expected = None;
    for size in [usize::MAX, 1, 13, 1448, 16_397, 70_000] {
        let mut means = Means::new(64 * 1024, Pool::new(1 << 20));
        let mut input = Input::new();
        let all = read_all(&mut input, &mut chunked(&stream, size.min(stream.len())), &mut means);
        assert_eq!(all.len(), 8, "{all:?}");
        assert_eq!(expected.get_or_insert_with(|| all.clone()), &all);
        assert_eq!(input.kept(), 0);
        assert_eq!(means.pool.out(), 0);
    }
}

#[test]
fn an_idle_link_holds_no_buffer() {
    let mut means = Means::new(64 * 1024, Pool::new(1 << 20));
    let mut input = Input::new();
    read_all(&mut input, &mut chunked(&stream(), 1448), &mut means);
    assert!(input.rest.capacity() <= COLLECT_BYTES);
}

#[test]
fn a_link_without_a_buffer_pauses_and_loses_nothing() {
    let mut bytes = handshake();
    for piece in 0..8 {
        put_block(&mut bytes, piece, 16_384);
        message::encode(&Message::Have(piece), &mut bytes);
    }
    let mut source = chunked(&bytes, bytes.len());
    let mut means = Means::new(256 * 1024, Pool::new(3 * 16_384));
    let (mut input, mut held, mut haves) = (Input::new(), Vec::new(), 0);
    for _ in 0..100 {
        let pause = input.read(&mut source, &mut means, &mut |got| {
            match got {
                Got::Block(block, buffer) => held.push((block.piece, buffer)),
                Got::Message(_) => haves += 1,
                _ => {}
            }
            Ok(())
        });
        assert!(input.kept() <= 3 * 16_384 + 100, "{} bytes are kept", input.kept());
        assert!(means.pool.out() <= 3 * 16_384);
        match pause.unwrap() {
            Pause::Starved => assert_eq!(haves, held.last().unwrap().0 + 1),
            Pause::Turn | Pause::Short => {}
            Pause::Dry => break,
        }
        // The store is done with what it has: the buffers go back.
        let pieces: Vec<u32> = held.drain(..).map(|(piece, _)| piece).collect();
        assert!(pieces.is_sorted());
    }
    assert_eq!(haves, 8);
}

fn error_of(bytes: &[u8]) -> CloseReason {
    let mut stream = handshake();
    stream.extend_from_slice(bytes);
    let mut means = Means::new(64 * 1024, Pool::new(1 << 20));
    let mut source = chunked(&stream, stream.len());
    let error = Input::new().read(&mut source, &mut means, &mut |_| Ok(())).unwrap_err();
    assert_eq!(means.pool.out(), 0);
    error
}

#[test]
fn blocks_that_nobody_asks_for_take_no_memory() {
    let head = message::piece_head(Block { piece: 0, begin: 0, length: REQUEST_BYTES_MAX });
    assert_eq!(error_of(&head), CloseReason::Misbehaved(Misbehaved::Unrequested));
    let head = message::piece_head(Block { piece: 0, begin: 0, length: BLOCK_BYTES + 1 });
    assert_eq!(error_of(&head), CloseReason::Misbehaved(Misbehaved::Unrequested));
}

#[test]
fn huge_lengths_end_the_link_before_anything_is_kept() {
    let error = MessageError::TooLong { id: 20, length: u32::MAX };
    let malformed = CloseReason::Misbehaved(Misbehaved::Malformed(error));
    assert_eq!(error_of(&[255, 255, 255, 255, 20]), malformed);
}

#[test]
fn the_end_of_the_stream_and_other_protocols_are_told_apart() {
    struct End;
    impl Read for End {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }
    let mut means = Means::new(64 * 1024, Pool::new(1 << 20));
    let ended = Input::new().read(&mut End, &mut means, &mut |_| Ok(()));
    assert_eq!(ended.unwrap_err(), CloseReason::ByPeer);
    let mut http = chunked(b"GET / HTTP/1.1\r\n", 16);
    let other = Input::new().read(&mut http, &mut means, &mut |_| Ok(()));
    assert_eq!(other.unwrap_err(), CloseReason::Handshake);
}
