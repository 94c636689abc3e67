//! The ideal leecher: one thread receives blocks straight to where they are hashed and written
//! from, another hashes and writes.

use std::io::{self, IoSliceMut, Read};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use super::files::Files;
use super::frames::{BLOCKS, HEAD, heads};
use super::hash::{TOGETHER, check};
use super::{BLOCK, Outcome, Task};

/// Buffers in all: one is received into, one is worked on, one waits.
const BUFFERS: usize = 3;
/// Bytes of a buffer, at least.
const LEAST: usize = 1 << 20;

pub(super) fn take(task: &Task, stream: &TcpStream) -> Outcome {
    let together = TOGETHER.max(LEAST / task.piece);
    let (free_in, free) = mpsc::channel();
    let (full_in, full) = mpsc::channel::<(u64, usize, Vec<u8>)>();
    for _ in 0..BUFFERS {
        free_in.send(vec![0; task.piece * together])?;
    }
    thread::scope(|scope| {
        let worker = scope.spawn(move || -> Outcome {
            let mut files = Files::to_write(task);
            for (at, length, bytes) in full {
                check(task, at, &bytes[..length])?;
                files.write(at, &bytes[..length])?;
                // Nobody wants it any more when everything has come.
                let _ = free_in.send(bytes);
            }
            Ok(())
        });
        let mut at = 0;
        while at < task.bytes {
            // The worker has ended early only when something was wrong: it tells below.
            let Ok(mut bytes) = free.recv() else { break };
            let length = (task.bytes - at).min(bytes.len() as u64) as usize;
            receive(stream, at, &mut bytes[..length], task.piece)?;
            if full_in.send((at, length, bytes)).is_err() {
                break;
            }
            at += length as u64;
        }
        drop(full_in);
        worker.join().expect("it does not panic")
    })
}

/// Receives blocks that lie in a row, many by one call.
fn receive(stream: &TcpStream, at: u64, bytes: &mut [u8], piece: usize) -> io::Result<()> {
    let mut at = at;
    for part in bytes.chunks_mut(BLOCKS * BLOCK) {
        let expected = heads(at, part.len(), piece);
        let mut heads = vec![[0; HEAD]; expected.len()];
        at += part.len() as u64;
        let blocks = part.chunks_mut(BLOCK);
        let mut slices: Vec<IoSliceMut<'_>> = heads
            .iter_mut()
            .zip(blocks)
            .flat_map(|(head, block)| [IoSliceMut::new(head), IoSliceMut::new(block)])
            .collect();
        read_all(stream, &mut slices)?;
        if heads != expected {
            return Err(io::Error::other("another block came than was expected"));
        }
    }
    Ok(())
}

fn read_all(mut stream: &TcpStream, mut slices: &mut [IoSliceMut<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match stream.read_vectored(slices)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => IoSliceMut::advance_slices(&mut slices, read),
        }
    }
    Ok(())
}
