//! What checking a torrent could reach at best: reading alone, and hashing alone.
//!
//! `cargo run --release -p toubkal-session --example check_limit -- [THREADS] [PIECE KiB] FILE...`
//!
//! Reading takes parts of sixteen pieces in turn, as checking does, and forgets them. Hashing
//! takes the same parts again and again. Medians of 7 in turn, GB/s of all threads together.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use toubkal_hash::{Job, Sha1};

const ROUNDS: usize = 7;
/// Parts of pieces, in KiB.
const PARTS: [usize; 5] = [16, 32, 64, 128, 256];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |n| n.parse().expect("a number"));
    let (threads, piece) = (number(2), number(256) * 1024);
    let files: Vec<(File, u64)> = arguments
        .map(|path| {
            let file = File::open(&path).expect("a file to read");
            let length = file.metadata().expect("a length").len();
            (file, length)
        })
        .collect();
    let mut rates = vec![(Vec::new(), Vec::new()); PARTS.len()];
    for _ in 0..ROUNDS {
        for (part, (reading, hashing)) in PARTS.iter().zip(&mut rates) {
            let part = (part * 1024).min(piece);
            reading.push(rate(threads, || read(&files, piece as u64, part)));
            hashing.push(rate(threads, || hash(part)));
        }
    }
    println!("{} lanes, {}", Sha1::lanes(), Sha1::kernel().name());
    for (part, (reading, hashing)) in PARTS.iter().zip(&mut rates) {
        let (reading, hashing) = (median(reading), median(hashing));
        let both = 1.0 / (1.0 / reading + 1.0 / hashing);
        println!("{part:>4} KiB: read {reading:.2}, hash {hashing:.2}, both {both:.2} GB/s");
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

fn rate(threads: usize, run: impl Fn() -> u64 + Sync) -> f64 {
    NEXT.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let bytes: u64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(&run)).collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).sum()
    });
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Reads all files, which the threads share out in groups of sixteen pieces.
fn read(files: &[(File, u64)], piece: u64, part: usize) -> u64 {
    let mut buffer = vec![0; 16 * part];
    let (mut bytes, mut turn) = (0, 0);
    let mut mine = NEXT.fetch_add(1, Ordering::Relaxed);
    for (file, length) in files {
        for group in (0..*length).step_by(16 * piece as usize) {
            turn += 1;
            if turn - 1 != mine {
                continue;
            }
            mine = NEXT.fetch_add(1, Ordering::Relaxed);
            for begin in (0..piece).step_by(part) {
                for (lane, part) in buffer.chunks_exact_mut(part).enumerate() {
                    let at = group + lane as u64 * piece + begin;
                    bytes += file.read_at(part, at).expect("it can be read") as u64;
                }
            }
        }
    }
    bytes
}

/// Hashes sixteen parts until it is 1 GiB.
fn hash(part: usize) -> u64 {
    let buffer = vec![7; 16 * part];
    let mut hashers = vec![Sha1::new(); 16];
    let rounds = (1 << 30) / buffer.len();
    for _ in 0..rounds {
        let parts: Vec<&[u8]> = buffer.chunks(part).collect();
        let jobs = hashers.iter_mut().zip(parts.chunks(1));
        let mut jobs: Vec<_> = jobs.map(|(hasher, parts)| Job { hasher, parts }).collect();
        Sha1::update_all(&mut jobs);
    }
    (rounds * buffer.len()) as u64
}
