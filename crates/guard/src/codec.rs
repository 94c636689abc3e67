//! Bytes to values and back: the messages of a link, and a large torrent file.

use std::hint::black_box;

use toubkal_core::link::{Link, Step};
use toubkal_wire::bencode::{self, Encoder, Mode};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::{self, Message};

use crate::{Run, Workload, run};

const MESSAGES: u32 = 20_000;
const FILES: u32 = 10_000;
/// Bytes of the string that holds the hashes: of 100,000 pieces.
const PIECES_BYTES: usize = 100_000 * 20;

pub(crate) const LINK_DECODE: Workload = Workload {
    name: "link-decode",
    per: "a message, heads of blocks and haves in turn",
    units: MESSAGES,
    prepare: link_decode,
};
pub(crate) const LINK_ENCODE: Workload =
    Workload { name: "link-encode", per: "a request", units: MESSAGES, prepare: link_encode };
pub(crate) const BENCODE_DECODE: Workload = Workload {
    name: "bencode-decode",
    per: "a file in a torrent file of 10,000",
    units: FILES,
    prepare: bencode_decode,
};
pub(crate) const BENCODE_ENCODE: Workload =
    Workload { name: "bencode-encode", prepare: bencode_encode, ..BENCODE_DECODE };

fn link_decode() -> Option<Run> {
    const BODY: u32 = 16;
    let greeting = Greeting { reserved: Reserved::OURS, info_hash: [1; 20] };
    let greeting = greeting.encode(&[2; 20]);
    let mut link = Link::new();
    let mut at = 0;
    while at < greeting.len() {
        at += match link.decode(&greeting[at..]).expect("it is a handshake") {
            Step::Greeting { used, .. } | Step::PeerId { used, .. } => used,
            step => unreachable!("{step:?} in a handshake"),
        };
    }
    let mut stream = Vec::new();
    for number in 0..MESSAGES / 2 {
        let block = Block { piece: number, begin: BLOCK_BYTES, length: BODY };
        stream.extend(message::piece_head(block));
        stream.extend([0; BODY as usize]);
        message::encode(&Message::Have(number), &mut stream);
    }
    run(move || {
        let (mut at, mut sum) = (0, 0_u64);
        while at < stream.len() {
            at += match link.decode(&stream[at..]).expect("we wrote it") {
                Step::Block { used, block } => {
                    sum += u64::from(block.piece);
                    used + block.length as usize
                }
                Step::Message { used, message: Message::Have(piece) } => {
                    sum += u64::from(piece);
                    used
                }
                step => unreachable!("{step:?} in a stream without it"),
            };
        }
        black_box(sum);
    })
}

fn link_encode() -> Option<Run> {
    let block = |number| Block { piece: number / 16, begin: number % 16, length: BLOCK_BYTES };
    let requests: Vec<_> = (0..MESSAGES).map(|number| Message::Request(block(number))).collect();
    let mut out = Vec::with_capacity(requests.len() * 17);
    run(move || {
        requests.iter().for_each(|request| message::encode(request, &mut out));
        black_box(&out);
    })
}

fn bencode_decode() -> Option<Run> {
    let bytes = torrent_file();
    run(move || {
        let tape = bencode::decode(&bytes, Mode::Tolerant).expect("we wrote it");
        black_box(tape.len());
    })
}

fn bencode_encode() -> Option<Run> {
    let bytes = torrent_file();
    let tape = bencode::decode(&bytes, Mode::Strict).expect("we wrote it");
    let node = tape.root().to_node().expect("it is not deep");
    run(move || _ = black_box(bencode::encode(&node)))
}

/// A torrent file of many files and pieces.
fn torrent_file() -> Vec<u8> {
    let mut out = Vec::new();
    let mut dict = Encoder::new(&mut out);
    dict.dict().key("announce").bytes("http://tracker.example/announce");
    dict.key("info").dict().key("files").list();
    for number in 0..FILES {
        dict.dict().key("length").int(i64::from(number) * 4099);
        dict.key("path").list();
        dict.bytes(format!("folder {}", number / 100)).bytes(format!("file {number}.bin"));
        dict.end().end();
    }
    dict.end().key("name").bytes("many files").key("piece length").int(1 << 20);
    dict.key("pieces").bytes(vec![7; PIECES_BYTES]);
    dict.end().end();
    out
}
