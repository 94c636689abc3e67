//! Many scripted peers on one thread: each gets one torrent, checks every byte, and stays.
#![allow(unreachable_pub, reason = "it belongs to a test file")]

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use toubkal_core::link::{Link, Step};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::{BLOCK_BYTES, Block};
use toubkal_wire::message::{self, Message};

use super::PATIENCE;

/// What the peers want.
#[derive(Debug)]
pub struct Goods {
    pub info_hash: [u8; 20],
    pub piece: usize,
    pub bytes: Vec<u8>,
}

/// All peers.
pub struct Swarm {
    poll: Poll,
    events: Events,
    peers: Vec<Option<Peer>>,
    scratch: Vec<u8>,
    /// Peers that have everything,
    complete: usize,
    /// and what those wanted that were closed before.
    refused: Vec<Arc<Goods>>,
}

struct Peer {
    stream: TcpStream,
    goods: Arc<Goods>,
    link: Link,
    /// Bytes that came and are no whole message yet; after a head, of the block.
    rest: Vec<u8>,
    body: Option<Block>,
    out: Vec<u8>,
    met: bool,
    unchoked: bool,
    /// Which blocks have come.
    got: Vec<bool>,
    complete: bool,
}

impl Swarm {
    pub fn new() -> Self {
        let (poll, events) = (Poll::new().unwrap(), Events::with_capacity(1024));
        let scratch = vec![0; 256 * 1024];
        Self { poll, events, peers: Vec::new(), scratch, complete: 0, refused: Vec::new() }
    }

    /// One more peer connects.
    pub fn join(&mut self, addr: SocketAddr, goods: &Arc<Goods>) {
        let number = self.peers.len();
        let mut stream = TcpStream::connect(addr).unwrap();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest).unwrap();
        let mut peer = Peer::new(number, stream, Arc::clone(goods));
        // On loopback it is connected by now, as a rule; who is slow to speak may be refused.
        let open = peer.work(&mut self.scratch);
        if !open {
            self.refused.push(Arc::clone(goods));
        }
        self.peers.push(Some(peer).filter(|_| open));
    }

    /// The first peer that is still there goes.
    pub fn leave(&mut self) {
        *self.peers.iter_mut().find(|peer| peer.is_some()).unwrap() = None;
    }

    /// Peers that were answered, as far as they are there.
    pub fn met(&self) -> usize {
        self.peers.iter().flatten().filter(|peer| peer.met).count()
    }

    /// Peers that have everything.
    pub fn complete(&self) -> usize {
        self.complete
    }

    /// Peers that have everything, or were closed before they had.
    pub fn ended(&self) -> usize {
        self.complete + self.refused.len()
    }

    /// What those wanted that were closed before they had it; they are forgotten.
    pub fn take_refused(&mut self) -> Vec<Arc<Goods>> {
        std::mem::take(&mut self.refused)
    }

    /// Peers that are connected, or try to.
    pub fn open(&self) -> usize {
        self.peers.iter().flatten().count()
    }

    /// Lets them do what they do until it is enough.
    pub fn until(&mut self, what: &str, mut enough: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !enough(self) {
            let (complete, refused) = (self.complete, self.refused.len());
            assert!(
                Instant::now() < end,
                "waited in vain for: {what}; of {} peers {complete} have everything, {refused} \
                 were closed",
                self.peers.len()
            );
            self.poll.poll(&mut self.events, Some(Duration::from_millis(100))).unwrap();
            for event in &self.events {
                let place = &mut self.peers[event.token().0];
                let Some(peer) = place else { continue };
                let was_complete = peer.complete;
                let open = peer.work(&mut self.scratch);
                self.complete += usize::from(peer.complete && !was_complete);
                if !open {
                    if !peer.complete {
                        self.refused.push(Arc::clone(&peer.goods));
                    }
                    *place = None;
                }
            }
        }
    }
}

impl Peer {
    fn new(number: usize, stream: TcpStream, goods: Arc<Goods>) -> Self {
        let mut id = *b"-XX0000-000000000000";
        id[12..].copy_from_slice(&(number as u64).to_be_bytes());
        let greeting = Greeting { reserved: Reserved::OURS, info_hash: goods.info_hash };
        let mut out = greeting.encode(&id).to_vec();
        message::encode(&Message::HaveNone, &mut out);
        message::encode(&Message::Interested, &mut out);
        let got = vec![false; goods.blocks().count()];
        Self {
            stream,
            goods,
            link: Link::new(),
            rest: Vec::new(),
            body: None,
            out,
            met: false,
            unchoked: false,
            got,
            complete: false,
        }
    }

    /// Reads and writes what it can. Whether it is still connected.
    fn work(&mut self, scratch: &mut [u8]) -> bool {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return false,
                Ok(count) => {
                    self.rest.extend_from_slice(&scratch[..count]);
                    self.take();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::NotConnected => return true,
                Err(_) => return false,
            }
        }
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::NotConnected => return true,
                Err(_) => return false,
            }
        }
        true
    }

    fn take(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        loop {
            let input = &rest[at..];
            if let Some(block) = self.body {
                let Some(body) = input.get(..block.length as usize) else { break };
                at += body.len();
                self.body = None;
                self.received(block, body);
                continue;
            }
            at += match self.link.decode(input).unwrap() {
                Step::Need(_) => break,
                Step::Greeting { used, greeting } => {
                    assert_eq!(greeting.info_hash, self.goods.info_hash);
                    used
                }
                Step::PeerId { used, .. } => {
                    self.met = true;
                    used
                }
                Step::Block { used, block } => {
                    self.body = Some(block);
                    used
                }
                Step::Message { used, message } => {
                    self.heard(&message);
                    used
                }
            };
        }
        self.rest = rest[at..].to_vec();
    }

    fn heard(&mut self, message: &Message) {
        match message {
            Message::Choke => self.unchoked = false,
            Message::Unchoke if !self.unchoked => {
                self.unchoked = true;
                let blocks = self.goods.blocks().zip(&self.got);
                for (block, _) in blocks.filter(|(_, got)| !**got) {
                    message::encode(&Message::Request(block), &mut self.out);
                }
            }
            _ => {}
        }
    }

    fn received(&mut self, block: Block, body: &[u8]) {
        let offset = block.piece as usize * self.goods.piece + block.begin as usize;
        assert!(body == &self.goods.bytes[offset..][..body.len()], "{block:?} is not right");
        let at = self.goods.blocks().position(|wanted| wanted == block).unwrap();
        self.got[at] = true;
        let mut piece =
            self.goods.blocks().zip(&self.got).filter(|(of, _)| of.piece == block.piece);
        let all = self.got.iter().all(|got| *got);
        // A seed would close on a peer that has everything, too: it does not say so.
        if piece.all(|(_, got)| *got) && !all {
            message::encode(&Message::Have(block.piece), &mut self.out);
        }
        if all && !self.complete {
            self.complete = true;
            message::encode(&Message::NotInterested, &mut self.out);
        }
    }
}

impl Goods {
    fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let block_bytes = BLOCK_BYTES as usize;
        self.bytes.chunks(self.piece).enumerate().flat_map(move |(piece, bytes)| {
            bytes.chunks(block_bytes).enumerate().map(move |(index, block)| Block {
                piece: piece as u32,
                begin: (index * block_bytes) as u32,
                length: block.len() as u32,
            })
        })
    }
}
