//! Measures how fast a large torrent file is parsed: `cargo run --release --example parse_speed`.
//!
//! Prints the median of many runs for a torrent of 200,000 files in about 8 MB, first for the
//! tape alone, then for the whole metainfo. With a path as argument, measures that file instead.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement needs a clock"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use toubkal_wire::bencode::{self, Encoder, Mode};
use toubkal_wire::metainfo::Metainfo;

const FILES: u32 = 200_000;
const RUNS: usize = 31;

fn main() {
    let bytes = std::env::args().nth(1).map_or_else(many_files, |path| {
        std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
    });
    println!("{:.1} MB", bytes.len() as f64 / 1e6);
    let tape = median(|| {
        black_box(bencode::decode(&bytes, Mode::Tolerant).expect("it is bencode").len());
    });
    let metainfo = median(|| {
        black_box(Metainfo::parse(&bytes).expect("it is a torrent").file_count());
    });
    println!("tape      {:.2} ms", tape.as_secs_f64() * 1e3);
    println!("metainfo  {:.2} ms", metainfo.as_secs_f64() * 1e3);
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn many_files() -> Vec<u8> {
    let length = 1000;
    let piece = 256 * 1024;
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    out.dict().key("announce").bytes("http://tracker.example/announce");
    out.key("info").dict().key("files").list();
    for file in 0..FILES {
        out.dict().key("length").int(length);
        let name = format!("{file:06}.dat");
        out.key("path").list().bytes(format!("{:03}", file / 1000)).bytes(name).end().end();
    }
    let pieces = (u64::from(FILES) * length as u64).div_ceil(piece);
    out.end().key("name").bytes("many").key("piece length").int(piece as i64);
    out.key("pieces").bytes(vec![7; 20 * pieces as usize]).end().end();
    bytes
}
