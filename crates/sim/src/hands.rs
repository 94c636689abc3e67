//! What a host does for its engine.

use std::time::Duration;

use toubkal_core::engine::{Action, Event, LinkEvent, LinkId, Served};
use toubkal_wire::layout::Block;
use toubkal_wire::message::{self, Message};

use crate::manners::Manners;
use crate::network::Item;
use crate::queue::Delivery;
use crate::world::{Work, World};

impl World {
    pub(crate) fn act(&mut self, host: usize, action: Action) {
        match action {
            Action::Admit { torrent, terms } => self.hosts[host].terms = Some((torrent, terms)),
            Action::Retire { .. } => self.hosts[host].terms = None,
            Action::Dial { dial, remote, .. } => {
                let wait = 2 * (self.hosts[host].setup.latency + Duration::from_millis(1));
                self.after(wait, Delivery::Connect { from: host, dial, to: remote });
            }
            Action::Send { link, message } => self.send(host, link, &message),
            Action::Serve { link, block, .. } => self.serve(host, link, block),
            Action::Unserve { link, block } => {
                let link_of = self.hosts[host].links.get_mut(link);
                if link_of.is_some_and(|sim| sim.outgoing.withdraw(block)) {
                    self.served_later(host, link, block, Served::Withdrawn);
                }
            }
            Action::Close { link, reason } => self.close(host, link, reason),
            Action::Open { job, .. } => self.start(host, job, Work::Open, 0),
            Action::Store { job, block, payload, .. } => {
                let tag = self.hosts[host].payloads.release(&payload);
                self.start(host, job, Work::Write(block, tag), block.length);
            }
            Action::Discard { payload } => _ = self.hosts[host].payloads.release(&payload),
            Action::Verify { job, piece, hashed, .. } => {
                let rest = self.layout.piece_size(piece) - hashed;
                self.start(host, job, Work::Verify(piece), rest);
            }
            Action::Digest { job, piece, .. } => {
                let size = self.layout.piece_size(piece);
                self.start(host, job, Work::Digest(piece), size);
            }
            Action::Reclaim { job, .. }
            | Action::Finish { job, .. }
            | Action::Sync { job, .. }
            | Action::Record { job, .. } => {
                self.start(host, job, Work::Nothing, 0);
            }
            Action::Release { .. } => {}
            Action::Notify(notice) => self.note(host, notice),
        }
    }

    fn send(&mut self, host: usize, link: LinkId, message: &Message) {
        match self.hosts[host].setup.manners {
            Manners::Boasts if matches!(message, Message::HaveNone | Message::Bitfield(_)) => {
                self.say(host, link, &Message::HaveAll);
            }
            Manners::Floods => {
                self.say(host, link, message);
                for _ in 0..3 {
                    let (chance, layout) = (&mut self.hosts[host].chance, &self.layout);
                    let piece = chance.below(u64::from(layout.pieces())) as u32;
                    let index = chance.below(u64::from(layout.blocks(piece))) as u32;
                    let message = Message::Request(layout.block(piece, index));
                    self.say(host, link, &message);
                }
            }
            _ => self.say(host, link, message),
        }
    }

    fn say(&mut self, host: usize, link: LinkId, message: &Message) {
        self.write(host, link, |bytes| message::encode(message, bytes));
    }

    fn serve(&mut self, host: usize, link: LinkId, block: Block) {
        let machine = &mut self.hosts[host];
        let tag = machine.disk.read(block).expect("only what is there is served");
        let tag = match machine.setup.manners {
            Manners::Corrupts(times) if machine.chance.one_in(times) => {
                1 + machine.chance.below(1 << 30) as u32
            }
            Manners::Silent => return,
            Manners::Rejects => {
                machine.refused += 1;
                return self.served_later(host, link, block, Served::Withdrawn);
            }
            _ => tag,
        };
        if self.hosts[host].setup.manners == Manners::Flaps {
            self.say(host, link, &Message::Choke);
            self.say(host, link, &Message::Unchoke);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend(message::piece_head(block));
        self.transmit(host, link, Item { bytes, body: Some((block, tag)) });
    }

    pub(crate) fn served_later(&mut self, host: usize, link: LinkId, block: Block, how: Served) {
        let event = LinkEvent::Served { block, outcome: how };
        self.tell_later(host, Event::Link(link, event));
    }
}
