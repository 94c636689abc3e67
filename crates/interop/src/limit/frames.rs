//! Piece messages (BEP 3), one a block, in the order of the file.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

use super::files::Files;
use super::{BLOCK, Outcome, Task};

/// Length, kind, index and begin.
pub(super) const HEAD: usize = 13;
/// Blocks that are sent or received by one call.
pub(super) const BLOCKS: usize = 64;

/// The head of the block at an offset of the whole.
pub(super) fn head(at: u64, length: usize, piece: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&(length as u32 + 9).to_be_bytes());
    head[4] = 7;
    head[5..9].copy_from_slice(&((at / piece as u64) as u32).to_be_bytes());
    head[9..].copy_from_slice(&((at % piece as u64) as u32).to_be_bytes());
    head
}

/// The heads of all blocks in a range.
pub(super) fn heads(at: u64, length: usize, piece: usize) -> Vec<[u8; HEAD]> {
    let lengths = (0..length).step_by(BLOCK).map(|begin| (begin, BLOCK.min(length - begin)));
    lengths.map(|(begin, length)| head(at + begin as u64, length, piece)).collect()
}

/// Sends everything: 64 blocks are read by one call, and sent by one more.
pub(super) fn send(task: &Task, stream: &TcpStream) -> io::Result<()> {
    let mut files = Files::to_read(task);
    let mut bytes = vec![0; BLOCKS * BLOCK];
    let mut at = 0;
    while at < task.bytes {
        let length = (task.bytes - at).min(bytes.len() as u64) as usize;
        files.read(at, &mut bytes[..length])?;
        let heads = heads(at, length, task.piece);
        let blocks = bytes[..length].chunks(BLOCK);
        let mut slices: Vec<IoSlice<'_>> = heads
            .iter()
            .zip(blocks)
            .flat_map(|(head, block)| [IoSlice::new(head), IoSlice::new(block)])
            .collect();
        write_all(stream, &mut slices)?;
        at += length as u64;
    }
    Ok(())
}

fn write_all(mut stream: &TcpStream, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match stream.write_vectored(slices)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut slices, written),
        }
    }
    Ok(())
}

/// Receives everything and throws it away.
pub(super) fn drain(mut stream: &TcpStream, bytes: u64) -> Outcome {
    let mut buffer = vec![0; 1 << 20];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 if received > bytes => return Ok(()),
            0 => return Err(format!("only {received} bytes came").into()),
            read => received += read as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_piece_begin_and_length_of_each_block() {
        let heads = heads(3 * 65_536, 65_536 + 100, 65_536);
        assert_eq!(heads.len(), 5);
        assert_eq!(heads[1], [0, 0, 0x40, 9, 7, 0, 0, 0, 3, 0, 0, 0x40, 0]);
        assert_eq!(heads[4], [0, 0, 0, 109, 7, 0, 0, 0, 4, 0, 0, 0, 0]);
    }
}
