//! Hashing, behind one function.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use toubkal_hash::Sha1;

use super::files::Files;
use super::{Outcome, Task};

/// Pieces that are given to [`digests`] together.
pub(super) const TOGETHER: usize = 16;

/// The SHA-1 of several pieces.
fn digests(pieces: &[&[u8]]) -> Vec<[u8; 20]> {
    let mut sums = vec![[0; 20]; pieces.len()];
    Sha1::digest_all(pieces, &mut sums);
    sums
}

/// Compares the pieces that begin at an offset of the whole with what they are to be.
pub(super) fn check(task: &Task, at: u64, bytes: &[u8]) -> Result<(), String> {
    let pieces: Vec<&[u8]> = bytes.chunks(task.piece).collect();
    let first = (at / task.piece as u64) as usize;
    let expected = task.hashes.get(first..first + pieces.len()).unwrap_or_default();
    match digests(&pieces) == expected {
        true => Ok(()),
        false => Err(format!("a piece from number {first} on is wrong")),
    }
}

/// Reads everything and hashes it, on all cores.
pub(super) fn all(task: &Task) -> Outcome {
    let next = AtomicU64::new(0);
    let work = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (mut files, mut bytes) = (Files::to_read(task), vec![0; task.piece * TOGETHER]);
        loop {
            let at = next.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if at >= task.bytes {
                return Ok(());
            }
            let length = (task.bytes - at).min(bytes.len() as u64) as usize;
            files.read(at, &mut bytes[..length])?;
            check(task, at, &bytes[..length])?;
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })
}

/// The hashes in a torrent that this crate has made (BEP 3: `pieces`).
pub(super) fn expected(torrent: &[u8]) -> Result<Vec<[u8; 20]>, String> {
    const KEY: &[u8] = b"6:pieces";
    let found = torrent.windows(KEY.len()).position(|window| window == KEY);
    let rest = found.map(|at| &torrent[at + KEY.len()..]);
    let parts = rest.and_then(|rest| rest.split_at_checked(rest.iter().position(|b| *b == b':')?));
    let hashes = parts.and_then(|(length, rest)| {
        let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        rest.get(1..=length)
    });
    let (hashes, rest) = hashes.ok_or("the torrent has no pieces")?.as_chunks::<20>();
    rest.is_empty().then(|| hashes.to_vec()).ok_or_else(|| "half a hash".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_of_a_torrent_are_found() {
        let torrent = [b"d4:infod4:name1:x6:pieces40:", &[1; 20][..], &[2; 20], b"ee"].concat();
        assert_eq!(expected(&torrent), Ok(vec![[1; 20], [2; 20]]));
        assert!(expected(&torrent[..40]).is_err());
        assert!(expected(b"de").is_err());
    }
}
