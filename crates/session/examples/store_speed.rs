//! How fast the store takes a download: 16 KiB blocks in order, hashed and written.
//!
//! `cargo run --release -p toubkal-session --example store_speed -- DIR [MiB] [ROUNDS] [CASE]`
//!
//! Beside it stands the limit: one thread that hashes and writes the same blocks and nothing
//! else. Figures are MB/s and seconds of processor time a GiB (which is read from /proc). What is
//! told apart is syncing and naming; for `create` it is writing the file.

#![allow(dead_code, unreachable_pub, unused_imports)]

// The store is private: the example is built from its sources.
#[path = "../src/paths.rs"]
mod paths;
#[path = "../src/store/mod.rs"]
mod store;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use sha1::{Digest, Sha1};
use store::files::Parts;
use store::{Pool, Reply, Store, Task, TorrentFiles, Verifier};
use toubkal_core::engine::{Done, JobId, TorrentId};
use toubkal_wire::layout::{BLOCK_BYTES, Layout};
use toubkal_wire::metainfo::Metainfo;

const PIECE: u32 = 1 << 20;
const TORRENT: TorrentId = TorrentId::new(0, 0);
/// Bytes that may wait in the store at once.
const IN_FLIGHT: usize = 16 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let dir = Path::new(arguments.get(1).expect("a folder to work in"));
    let number = |at: usize, default| arguments.get(at).map_or(default, |n| n.parse().unwrap());
    let (size, rounds) = (number(2, 1024) << 20, number(3, 3));
    let block: Vec<u8> = (0..BLOCK_BYTES).map(|byte| (byte * 7 + byte / 251) as u8).collect();
    let case = arguments.get(4).map_or("", |case| case);
    // The memory of the machine is warm after this: the first run of any program is slower.
    _ = limit(dir, size, &block, true);
    for round in 0..rounds {
        println!("round {}", round + 1);
        for files in [1, 1000] {
            for workers in [1, 2] {
                let name = format!("store, {workers} workers, {files} files");
                measure(case, &name, size, || download(dir, size, files, workers, &block));
            }
        }
        for threads in [1, 2] {
            measure(case, &format!("create and verify, {threads} threads"), 2 * size, || {
                check(dir, size, threads, &block)
            });
        }
        measure(case, "SHA-1 and pwrite in one thread", size, || limit(dir, size, &block, true));
        measure(case, "pwrite alone", size, || limit(dir, size, &block, false));
    }
}

fn measure(case: &str, name: &str, size: u64, run: impl FnOnce() -> f64) {
    if !name.contains(case) {
        return;
    }
    let (cpu, start) = (cpu(), Instant::now());
    let synced = run();
    let (wall, cpu) = (start.elapsed().as_secs_f64() - synced, self::cpu() - cpu);
    let (rate, cost) = (size as f64 / wall / 1e6, cpu / (size as f64 / f64::from(1 << 30)));
    println!("  {name:36} {rate:6.0} MB/s  {cost:.2} s/GiB  and {synced:.2} s apart");
}

/// Returns the seconds that it took to sync and name the files.
fn download(dir: &Path, size: u64, files: u64, workers: usize, block: &[u8]) -> f64 {
    let dir = dir.join("store_speed");
    _ = std::fs::remove_dir_all(&dir);
    let sizes = (0..files).map(|file| ((file + 1) * size / files - file * size / files, false));
    let layout = Arc::new(Layout::new(PIECE, sizes).unwrap());
    let mut piece = Sha1::new();
    (0..PIECE / BLOCK_BYTES).for_each(|_| piece.update(block));
    let sums = vec![piece.finalize().into(); layout.pieces() as usize];
    let parts = Parts {
        info_hash: [1; 20],
        root: Some("t".into()),
        paths: (0..files).map(|file| format!("t/{}/{file}", file / 100).into()).collect(),
        links: Vec::new(),
        verifier: Verifier::Sha1(sums.into()),
        layout: Arc::clone(&layout),
    };
    let (sender, replies) = channel();
    let store = Store::start(workers, move |reply| _ = sender.send(reply));
    store.add(TORRENT, Arc::new(TorrentFiles::new(parts, dir.clone())), None, None);
    store.submit(Task::Open {
        job: JobId(0),
        torrent: TORRENT,
        wanted: vec![true; files as usize].into(),
    });
    assert!(matches!(replies.recv(), Ok(Reply::Job { result: Ok(Done::Opened(_)), .. })));
    send(&store, &replies, &layout, block);
    let start = Instant::now();
    for file in 0..files {
        let job = JobId(file);
        store.submit(Task::Finish { job, torrent: TORRENT, file: file as u32 });
    }
    for _ in 0..files {
        assert!(matches!(replies.recv(), Ok(Reply::Job { result: Ok(Done::Ready), .. })));
    }
    store.stop();
    let synced = start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&dir).unwrap();
    synced
}

/// Sends every block in order, and a check after the last of each piece is written.
fn send(store: &Store, replies: &Receiver<Reply>, layout: &Layout, bytes: &[u8]) {
    let pool = Pool::new(IN_FLIGHT);
    // Of each job the piece, and of each piece the blocks to come.
    let mut jobs = HashMap::new();
    let mut left: Vec<u32> = (0..layout.pieces()).map(|piece| layout.blocks(piece)).collect();
    let mut blocks =
        (0..layout.pieces()).flat_map(|p| (0..layout.blocks(p)).map(move |i| (p, i))).peekable();
    let (mut next, mut good) = (0, 0);
    while good < layout.pieces() {
        while blocks.peek().is_some()
            && let Some(mut buffer) = pool.take(bytes.len())
        {
            let (piece, index) = blocks.next().unwrap();
            // As the network would: one hot copy.
            buffer.copy_from_slice(bytes);
            let (job, block) = (JobId(next), layout.block(piece, index));
            jobs.insert(job, piece);
            next += 1;
            store.submit(Task::Write { job, torrent: TORRENT, block, buffer, digest: true });
        }
        let Ok(Reply::Job { job, result, buffer }) = replies.recv() else { panic!("no answer") };
        drop(buffer);
        let piece = jobs.remove(&job).unwrap();
        match result {
            Ok(Done::Good) => good += 1,
            Ok(Done::Stored) => left[piece as usize] -= 1,
            other => panic!("{other:?}"),
        }
        if left[piece as usize] == 0 {
            left[piece as usize] = u32::MAX;
            let (job, hashed) = (JobId(next), layout.piece_size(piece));
            jobs.insert(job, piece);
            next += 1;
            store.submit(Task::Verify { job, torrent: TORRENT, piece, hashed });
        }
    }
}

/// Makes a torrent of a file and checks the file with it. Returns the seconds that writing took.
fn check(dir: &Path, size: u64, threads: usize, block: &[u8]) -> f64 {
    use toubkal_session::hashing::{CreateOptions, create, verify};
    let (path, start) = (dir.join("store_speed_check"), Instant::now());
    let mut file = std::io::BufWriter::with_capacity(PIECE as usize, File::create(&path).unwrap());
    (0..size / block.len() as u64).for_each(|_| file.write_all(block).unwrap());
    file.into_inner().unwrap();
    let written = start.elapsed().as_secs_f64();
    let created = create(&path, &CreateOptions::default(), threads, &|_, _| ()).unwrap();
    let metainfo = Metainfo::parse(&created.torrent).unwrap();
    assert!(verify(&metainfo, dir, threads, &|_, _| ()).unwrap().is_good());
    std::fs::remove_file(path).unwrap();
    written
}

fn limit(dir: &Path, size: u64, block: &[u8], hash: bool) -> f64 {
    let path = dir.join("store_speed_limit");
    let mut file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    let mut buffer = block.to_vec();
    for _ in (0..size).step_by(PIECE as usize) {
        let mut sum = Sha1::new();
        for _ in (0..PIECE).step_by(BLOCK_BYTES as usize) {
            buffer.copy_from_slice(block);
            if hash {
                sum.update(&buffer);
            }
            file.write_all(&buffer).unwrap();
        }
        std::hint::black_box(sum.finalize());
    }
    let start = Instant::now();
    file.sync_data().unwrap();
    std::fs::remove_file(path).unwrap();
    start.elapsed().as_secs_f64()
}

/// Seconds of processor time of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
