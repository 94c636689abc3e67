//! The ways that need nothing but plain system calls, and what they share.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::fs::FileExt;

use mio::net::TcpStream;
use rustix::net::{SendFlags, send};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 16 * 1024;
/// Bytes of the head of a block.
const HEAD: usize = 13;
/// Blocks that a peer is given in one round.
pub(crate) const BATCH: usize = 32;

/// A way to send blocks.
pub(crate) trait Way {
    fn name(&self) -> &'static str;
    /// Gives each of these peers what its socket takes of one batch.
    fn round(&mut self, file: &File, peers: &mut [&mut Peer]) -> io::Result<()>;
}

/// One receiver, and the batch that is on its way to it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// The socket takes bytes, as far as we know.
    pub(crate) ready: bool,
    /// Blocks in the file, blocks that are left, and what chooses among them.
    blocks: u64,
    left: u64,
    chance: u64,
    /// Where the blocks of the batch lie in the file,
    pub(crate) places: Vec<u64>,
    heads: Vec<[u8; HEAD]>,
    /// and their bytes, when they were read.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// Bytes of the batch that were sent.
    pub(crate) sent: usize,
}

impl Peer {
    pub(crate) fn new(number: usize, stream: TcpStream, blocks: u64, left: u64) -> Self {
        Self {
            stream,
            ready: true,
            blocks,
            left,
            chance: number as u64 + 1,
            places: Vec::new(),
            heads: Vec::new(),
            bodies: vec![vec![0; BLOCK]; BATCH],
            sent: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 && self.places.is_empty()
    }

    /// Chooses the next batch when the last one is through; whether it did.
    pub(crate) fn choose(&mut self) -> bool {
        if !self.places.is_empty() {
            return false;
        }
        self.heads.clear();
        while self.left > 0 && self.places.len() < BATCH {
            self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let block = (self.chance >> 33) % self.blocks;
            self.places.push(block * BLOCK as u64);
            let mut head = [0, 0, 0x40, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0];
            head[5..9].copy_from_slice(&(block as u32).to_be_bytes());
            self.heads.push(head);
            self.left -= 1;
        }
        true
    }

    /// What is left of the batch, as slices; how many.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; 2 * BATCH]) -> usize {
        let (mut skip, mut count) = (self.sent, 0);
        let parts = self.heads.iter().zip(&self.bodies).take(self.places.len());
        for part in parts.flat_map(|(head, body)| [&head[..], &body[..]]) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            if skipped < part.len() {
                slices[count] = IoSlice::new(&part[skipped..]);
                count += 1;
            }
        }
        count
    }

    /// So many bytes more were sent; `None`: the socket is full.
    pub(crate) fn took(&mut self, bytes: Option<usize>) {
        self.ready = bytes.is_some();
        self.sent += bytes.unwrap_or(0);
        if self.sent == self.places.len() * (HEAD + BLOCK) {
            self.places.clear();
            self.sent = 0;
        }
    }
}

/// `None`: not now.
pub(crate) fn unless_full(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// One call a block on either side.
pub(crate) struct ReadWrite;

impl Way for ReadWrite {
    fn name(&self) -> &'static str {
        "pread, writev of one block"
    }

    fn round(&mut self, file: &File, peers: &mut [&mut Peer]) -> io::Result<()> {
        for peer in peers {
            peer.choose();
            while peer.ready && !peer.places.is_empty() {
                let at = peer.sent / (HEAD + BLOCK);
                if peer.sent.is_multiple_of(HEAD + BLOCK) {
                    file.read_exact_at(&mut peer.bodies[at], peer.places[at])?;
                }
                let mut slices = [IoSlice::new(&[]); 2 * BATCH];
                peer.slices(&mut slices);
                // What is left of one block: its head, if that was not sent, and its body.
                let whole = peer.sent - at * (HEAD + BLOCK) < HEAD;
                let slices = &slices[..1 + usize::from(whole)];
                let taken = unless_full((&peer.stream).write_vectored(slices))?;
                peer.took(taken);
            }
        }
        Ok(())
    }
}

/// One read a block, and one write a batch.
pub(crate) struct ReadWritev;

impl Way for ReadWritev {
    fn name(&self) -> &'static str {
        "pread, writev of 32 blocks"
    }

    fn round(&mut self, file: &File, peers: &mut [&mut Peer]) -> io::Result<()> {
        for peer in peers {
            if peer.choose() {
                for (body, &place) in peer.bodies.iter_mut().zip(&peer.places) {
                    file.read_exact_at(body, place)?;
                }
            }
            let mut slices = [IoSlice::new(&[]); 2 * BATCH];
            let count = peer.slices(&mut slices);
            let taken = unless_full((&peer.stream).write_vectored(&slices[..count]))?;
            peer.took(taken);
        }
        Ok(())
    }
}

/// Heads are sent, bodies never come to us.
pub(crate) struct Sendfile;

impl Way for Sendfile {
    fn name(&self) -> &'static str {
        "sendfile"
    }

    fn round(&mut self, file: &File, peers: &mut [&mut Peer]) -> io::Result<()> {
        for peer in peers {
            peer.choose();
            while peer.ready && !peer.places.is_empty() {
                let (at, sent) = (peer.sent / (HEAD + BLOCK), peer.sent % (HEAD + BLOCK));
                let result = if sent < HEAD {
                    send(&peer.stream, &peer.heads[at][sent..], SendFlags::MORE)
                } else {
                    let body = sent - HEAD;
                    let mut place = peer.places[at] + body as u64;
                    rustix::fs::sendfile(&peer.stream, file, Some(&mut place), BLOCK - body)
                };
                let taken = unless_full(result.map_err(Into::into))?;
                peer.took(taken);
            }
        }
        Ok(())
    }
}
