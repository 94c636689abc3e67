//! How hosts behave that do not behave as the engine does: their hands twist what it says.

use std::time::Duration;

use toubkal_core::engine::LinkId;
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Message};
use toubkal_wire::metadata::{self, METADATA_BLOCK_BYTES, Metadata};

use crate::world::World;

/// How a host behaves towards others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manners {
    /// As the engine does.
    #[default]
    Honest,
    /// One block in so many that it sends is wrong.
    Corrupts(u64),
    /// It takes requests and never sends a block.
    Silent,
    /// It unchokes, and rejects every request.
    Rejects,
    /// It does not speak the Fast extension.
    Plain,
    /// It uploads to nobody.
    Takes,
    /// It chokes and unchokes with every block that it sends.
    Flaps,
    /// It asks for three blocks more, any at all, with every message.
    Floods,
    /// It says that it has everything, and has not.
    Boasts,
    /// It says now and then that it has a piece, any at all.
    Lies,
    /// A block that it sends takes a second a byte.
    Drips,
    /// Now and then it sends bytes that mean nothing.
    Babbles,
    /// It begins messages that are longer than any may be.
    Bloats,
    /// Its handshake is for another torrent.
    Strays,
    /// It sends back whatever it gets.
    Echoes,
    /// It says that it is whom it speaks to, or whom it last spoke to.
    Poses,
    /// Its handshake never ends.
    Loiters,
    /// It cancels whatever it asks for.
    Cancels,
    /// The metadata that it gives is false.
    Forges,
    /// It has the metadata, as it says, and gives nothing of it.
    Withholds,
}

impl Manners {
    /// All that are not the engine's, with a usual rate.
    pub const ODD: [Self; 19] = [
        Self::Corrupts(10),
        Self::Silent,
        Self::Rejects,
        Self::Plain,
        Self::Takes,
        Self::Flaps,
        Self::Floods,
        Self::Boasts,
        Self::Lies,
        Self::Drips,
        Self::Babbles,
        Self::Bloats,
        Self::Strays,
        Self::Echoes,
        Self::Poses,
        Self::Loiters,
        Self::Cancels,
        Self::Forges,
        Self::Withholds,
    ];

    /// Whether it keeps to all rules, so that others can build on it.
    #[must_use]
    pub fn is_fair(self) -> bool {
        matches!(self, Self::Honest | Self::Plain)
    }

    /// Whether it sends what is wrong.
    #[must_use]
    pub fn corrupts(self) -> bool {
        matches!(self, Self::Corrupts(_) | Self::Forges)
    }

    /// How much longer a block is on its way.
    pub(crate) fn drip(self, block: Block) -> Duration {
        match self {
            Self::Drips => Duration::from_secs(block.length.into()),
            _ => Duration::ZERO,
        }
    }
}

impl World {
    /// Sends what the engine says, or what its manners make of it.
    pub(crate) fn send(&mut self, host: usize, link: LinkId, message: &Message) {
        let manners = self.hosts[host].setup.manners;
        match manners {
            Manners::Honest | Manners::Plain => {}
            Manners::Boasts if matches!(message, Message::HaveNone | Message::Bitfield(_)) => {
                return self.say(host, link, &Message::HaveAll);
            }
            Manners::Floods => {
                self.say(host, link, message);
                for _ in 0..3 {
                    let block = self.any_block(host);
                    self.say(host, link, &Message::Request(block));
                }
                return;
            }
            Manners::Lies if self.hosts[host].chance.one_in(4) => {
                self.say(host, link, message);
                let block = self.any_block(host);
                return self.say(host, link, &Message::Have(block.piece));
            }
            Manners::Babbles if self.hosts[host].chance.one_in(20) => {
                let length = 1 + self.hosts[host].chance.index(64);
                let noise = self.hosts[host].chance.bytes(length);
                return self.write(host, link, |bytes| bytes.extend(noise));
            }
            Manners::Bloats if self.hosts[host].chance.one_in(20) => {
                let id = self.hosts[host].chance.below(24) as u8;
                let head = [0xff, 0xff, 0xff, 0xf0, id];
                return self.write(host, link, |bytes| bytes.extend(head));
            }
            Manners::Cancels => {
                self.say(host, link, message);
                if let Message::Request(block) = *message {
                    self.say(host, link, &Message::Cancel(block));
                }
                return;
            }
            Manners::Echoes | Manners::Loiters => return,
            _ => {}
        }
        self.say(host, link, message);
    }

    pub(crate) fn say(&mut self, host: usize, link: LinkId, message: &Message) {
        self.write(host, link, |bytes| message::encode(message, bytes));
    }

    /// Sends a block of the metadata.
    pub(crate) fn give_metadata(&mut self, host: usize, link: LinkId, number: u8, block: u32) {
        let at = (block * METADATA_BLOCK_BYTES) as usize;
        let total = self.metadata.len() as u32;
        let end = at + metadata::block_size(total, block) as usize;
        let mut bytes = self.metadata[at..end].to_vec();
        match self.hosts[host].setup.manners {
            Manners::Forges => bytes[host % 100] ^= 1,
            Manners::Withholds => return,
            _ => {}
        }
        let data = Metadata::Data { block, total: Some(total), bytes: &bytes };
        self.send(host, link, &Message::Extended(number, data.encode().into()));
    }

    fn any_block(&mut self, host: usize) -> Block {
        let (chance, layout) = (&mut self.hosts[host].chance, &self.layout);
        let piece = chance.below(u64::from(layout.pieces())) as u32;
        let index = chance.below(u64::from(layout.blocks(piece))) as u32;
        layout.block(piece, index)
    }
}
