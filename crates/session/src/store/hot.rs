//! The hashes of pieces on their way: a block is hashed while it is still in the cache.

use std::collections::HashMap;

use toubkal_core::engine::TorrentId;
use toubkal_wire::layout::Block;

use super::verifier::{Sum, Verifier};

/// Pieces of one lane with a running hash, of about 120 bytes each. When there are more, the one
/// that got nothing for the longest time is forgotten, and its piece is read again.
const PIECES_MAX: usize = 1024;

/// The running hashes of one lane.
#[derive(Debug, Default)]
pub(super) struct Hot {
    running: HashMap<(TorrentId, u32), Running>,
    clock: u64,
}

#[derive(Debug)]
struct Running {
    sum: Sum,
    /// Bytes of the piece that went in.
    hashed: u32,
    used: u64,
}

impl Hot {
    /// Hashes a block if it goes on where its piece stands. A piece starts anew with its first
    /// block; a gap ends it, and it will be read.
    pub(super) fn feed(
        &mut self,
        torrent: TorrentId,
        verifier: &Verifier,
        block: Block,
        bytes: &[u8],
    ) {
        let key = (torrent, block.piece);
        if block.begin == 0 {
            self.make_room();
            self.running.insert(key, Running { sum: verifier.start(), hashed: 0, used: 0 });
        }
        let Some(running) = self.running.get_mut(&key) else { return };
        if running.hashed != block.begin {
            self.running.remove(&key);
            return;
        }
        self.clock += 1;
        running.used = self.clock;
        running.sum.update(bytes);
        running.hashed += block.length;
    }

    /// Takes the sum of exactly the first `hashed` bytes of a piece out, if there is one.
    pub(super) fn take(&mut self, torrent: TorrentId, piece: u32, hashed: u32) -> Option<Sum> {
        let running = self.running.remove(&(torrent, piece))?;
        (running.hashed == hashed && hashed > 0).then_some(running.sum)
    }

    pub(super) fn forget(&mut self, torrent: TorrentId, piece: u32) {
        self.running.remove(&(torrent, piece));
    }

    pub(super) fn forget_all(&mut self, torrent: TorrentId) {
        self.running.retain(|&(of, _), _| of != torrent);
    }

    fn make_room(&mut self) {
        if self.running.len() < PIECES_MAX {
            return;
        }
        let oldest = self.running.iter().min_by_key(|(_, running)| running.used);
        if let Some((&key, _)) = oldest {
            self.running.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    fn block(piece: u32, begin: u32) -> Block {
        Block { piece, begin, length: 4 }
    }

    #[test]
    fn only_what_follows_is_hashed() {
        let torrent = TorrentId::new(0, 0);
        let verifier = Verifier::Sha1([Sha1::digest(b"abcdefgh").into()].into());
        let mut hot = Hot::default();
        hot.feed(torrent, &verifier, block(0, 0), b"abcd");
        hot.feed(torrent, &verifier, block(0, 4), b"efgh");
        assert!(hot.take(torrent, 0, 8).is_some_and(|sum| verifier.accepts(0, sum)));
        assert!(hot.take(torrent, 0, 8).is_none());

        hot.feed(torrent, &verifier, block(0, 0), b"abcd");
        hot.feed(torrent, &verifier, block(0, 8), b"ijkl");
        assert!(hot.take(torrent, 0, 4).is_none(), "a gap ends it");
        hot.feed(torrent, &verifier, block(0, 4), b"efgh");
        assert!(hot.take(torrent, 0, 8).is_none());

        hot.feed(torrent, &verifier, block(0, 0), b"abcd");
        assert!(hot.take(torrent, 0, 8).is_none(), "not of that many bytes");
    }

    #[test]
    fn the_number_of_running_hashes_is_bounded() {
        let torrent = TorrentId::new(0, 0);
        let verifier = Verifier::Sha1([].into());
        let mut hot = Hot::default();
        for piece in 0..PIECES_MAX as u32 + 10 {
            hot.feed(torrent, &verifier, block(piece, 0), b"abcd");
        }
        assert_eq!(hot.running.len(), PIECES_MAX);
        assert!(hot.take(torrent, 0, 4).is_none() && hot.take(torrent, 10, 4).is_some());
    }
}
