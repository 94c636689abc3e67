//! What arrives on a link: bytes through the real codec, bodies beside them.

use std::sync::Arc;

use toubkal_core::engine::{CloseReason, LinkEvent, LinkId, Misbehaved, Terms};
use toubkal_core::link::{LinkError, Step};

use crate::host::Manners;
use crate::network::Item;
use crate::world::World;

impl World {
    pub(crate) fn arrive(&mut self, host: usize, link: LinkId, item: &Item) {
        // Where a stream is cut must not matter: cut it somewhere.
        let machine = &mut self.hosts[host];
        let cut = machine.rng.below(item.bytes.len() as u64 + 1) as usize;
        let (head, tail) = item.bytes.split_at(cut);
        for part in [head, tail] {
            let Some(sim) = self.link(host, link) else { return };
            sim.inbox.extend_from_slice(part);
            self.decode(host, link, item);
        }
    }

    fn decode(&mut self, host: usize, link: LinkId, item: &Item) {
        while let Some(sim) = self.link(host, link) {
            match sim.codec.decode(&sim.inbox) {
                Ok(Step::Need(_)) => return,
                Ok(step) => self.understand(host, link, step, item),
                Err(LinkError::NotBitTorrent) => {
                    return self.close(host, link, CloseReason::Handshake);
                }
                Err(LinkError::Message(error)) => {
                    let reason = CloseReason::Misbehaved(Misbehaved::Malformed(error));
                    return self.close(host, link, reason);
                }
            }
        }
    }

    fn understand(&mut self, host: usize, link: LinkId, step: Step, item: &Item) {
        let terms = self.hosts[host].terms.clone();
        let Some(sim) = self.link(host, link) else { return };
        match step {
            Step::Need(_) => {}
            Step::Greeting { used, greeting } => {
                sim.inbox.drain(..used);
                let fits = |(_, terms): &(_, Arc<Terms>)| terms.info_hash == greeting.info_hash;
                let Some((torrent, _)) = terms.filter(fits) else {
                    return self.close(host, link, CloseReason::Handshake);
                };
                sim.torrent = Some(torrent);
                sim.greeting = Some(greeting);
                if !sim.outgoing {
                    self.shake(host, link);
                }
            }
            Step::PeerId { used, peer_id } => {
                sim.inbox.drain(..used);
                let torrent = sim.torrent.expect("the greeting came before");
                let mut reserved = sim.greeting.expect("the greeting came before").reserved;
                if self.hosts[host].setup.manners == Manners::Plain {
                    reserved.0[7] &= !4;
                }
                self.tell_link(host, link, LinkEvent::Handshaken { torrent, peer_id, reserved });
            }
            Step::Message { used, message } => {
                sim.inbox.drain(..used);
                self.tell_link(host, link, LinkEvent::Message(message));
            }
            Step::Block { used, block } => {
                sim.inbox.drain(..used);
                let (sent, body) = item.body.clone().expect("a body follows its head");
                assert_eq!(sent, block);
                let payload = self.hosts[host].hold(body);
                self.tell_link(host, link, LinkEvent::Received { block, payload });
            }
        }
    }
}
