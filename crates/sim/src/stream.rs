//! Connections: how they come about, what goes over them, how they end.

use std::net::SocketAddr;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialError, DialId, Event, LinkEvent, LinkId, Misbehaved, Served,
};
use toubkal_core::link::{LinkError, Step};
use toubkal_wire::handshake::{Greeting, Reserved};
use toubkal_wire::layout::Block;

use crate::disk::Tag;
use crate::host::{Coming, End, SimLink};
use crate::manners::Manners;
use crate::network::{Item, SEGMENT_BYTES, time_for};
use crate::queue::Delivery;
use crate::world::World;

impl World {
    pub(crate) fn connect(&mut self, from: usize, dial: DialId, to: SocketAddr) {
        let there = |&to: &usize| self.hosts[to].terms.is_some() && !self.hosts[to].gone;
        let Some(to) = self.host_at(to).filter(there) else {
            return self.tell(from, Event::DialFailed(dial, DialError::Refused));
        };
        let (near, far) = (self.hosts[from].address, self.hosts[to].address);
        // The caller's port is of no use for calling back.
        let caller = SocketAddr::new(near.ip(), 40_000 + (dial.0 % 20_000) as u16);
        let nobody = End { host: from, link: LinkId::new(u32::MAX, 0) };
        let ours = self.hosts[from].links.insert(SimLink::new(nobody, true));
        let back = SimLink::new(End { host: from, link: ours }, false);
        let theirs = self.hosts[to].links.insert(back);
        self.link(from, ours).expect("just made").peer = End { host: to, link: theirs };
        self.tell_link(to, theirs, LinkEvent::Opened { dial: None, remote: caller });
        self.tell_link(from, ours, LinkEvent::Opened { dial: Some(dial), remote: far });
        self.shake(from, ours);
    }

    /// Sends our handshake.
    fn shake(&mut self, host: usize, link: LinkId) {
        let machine = &self.hosts[host];
        let Some((_, terms)) = &machine.terms else { return };
        let mut reserved = Reserved::OURS;
        if machine.setup.manners == Manners::Plain {
            reserved.0[7] &= !4;
        }
        let greeting = Greeting { reserved, info_hash: terms.info_hash };
        let handshake = greeting.encode(&terms.peer_id);
        self.write(host, link, |bytes| bytes.extend(handshake));
    }

    /// Puts words in the queue of a link.
    pub(crate) fn write(&mut self, host: usize, link: LinkId, words: impl FnOnce(&mut Vec<u8>)) {
        let Some(sim) = self.hosts[host].links.get_mut(link) else { return };
        words(sim.outgoing.words(SEGMENT_BYTES, &mut self.spare));
        self.queue_up(host, link);
    }

    pub(crate) fn transmit(&mut self, host: usize, link: LinkId, item: Item) {
        let Some(sim) = self.hosts[host].links.get_mut(link) else { return };
        sim.outgoing.push(item);
        self.queue_up(host, link);
    }

    /// A link has something to send: it gets a turn at the line.
    fn queue_up(&mut self, host: usize, link: LinkId) {
        let machine = &mut self.hosts[host];
        let Some(sim) = machine.links.get_mut(link) else { return };
        if std::mem::replace(&mut sim.queued, true) {
            return;
        }
        machine.uplink.turns.push_back(link);
        if !std::mem::replace(&mut machine.uplink.busy, true) {
            self.at(self.now, Delivery::Line { host, sent: None });
        }
    }

    /// The line is free: what it carried is through, the next items go. Small ones go together, as
    /// many as fill a segment, also when they are of several links.
    pub(crate) fn line(&mut self, host: usize, sent: Option<(LinkId, Block)>) {
        if let Some((link, block)) = sent {
            let outcome = Served::Sent;
            self.tell_link(host, link, LinkEvent::Served { block, outcome });
        }
        let mut bytes = 0;
        let mut sent = None;
        while let Some((link, end, item)) = self.next_item(host, SEGMENT_BYTES as u64 - bytes) {
            bytes += item.size();
            sent = item.body.map(|(block, _)| (link, block));
            let through = self.now.after(time_for(bytes, self.hosts[host].setup.up));
            self.travel(host, end, item, through);
            if sent.is_some() || bytes >= SEGMENT_BYTES as u64 {
                break;
            }
        }
        let machine = &mut self.hosts[host];
        machine.uplink.busy = bytes > 0;
        if bytes > 0 {
            let through = self.now.after(time_for(bytes, machine.setup.up));
            self.at(through, Delivery::Line { host, sent });
        }
    }

    /// The next item of the next link in turn. When something went already, only one that is small
    /// enough to go with it.
    fn next_item(&mut self, host: usize, room: u64) -> Option<(LinkId, End, Item)> {
        let machine = &mut self.hosts[host];
        while let Some(&link) = machine.uplink.turns.front() {
            let Some(sim) = machine.links.get_mut(link) else {
                machine.uplink.turns.pop_front();
                continue;
            };
            let first = room == SEGMENT_BYTES as u64;
            if !first && sim.outgoing.next_size().is_some_and(|size| size > room) {
                return None;
            }
            machine.uplink.turns.pop_front();
            let Some(item) = sim.outgoing.pop() else {
                sim.queued = false;
                continue;
            };
            sim.queued = sim.outgoing.next_size().is_some();
            if sim.queued {
                machine.uplink.turns.push_back(link);
            }
            return Some((link, sim.peer, item));
        }
        None
    }

    /// An item has left its host: through the network, and through the other's line in.
    fn travel(&mut self, host: usize, end: End, item: Item, through: Time) {
        let latency = self.hosts[host].setup.latency;
        let other = &mut self.hosts[end.host];
        let door = through.after(latency + other.setup.latency).max(other.downlink_free);
        other.downlink_free = door.after(time_for(item.size(), other.setup.down));
        let at = other.downlink_free;
        self.come(end, at, Coming::Item(item));
    }

    /// Something is on its way to a link.
    fn come(&mut self, end: End, at: Time, what: Coming) {
        let Some(sim) = self.link(end.host, end.link) else { return };
        let at = sim.coming.push(at, what);
        self.at(at, Delivery::Arrive { host: end.host, link: end.link });
    }

    pub(crate) fn arrive(&mut self, host: usize, link: LinkId) {
        let now = self.now;
        let Some(sim) = self.link(host, link) else { return };
        match sim.coming.pop(now) {
            None => {}
            Some(Coming::Hangup) => self.hangup(host, link, CloseReason::ByPeer),
            Some(Coming::Item(Item { mut bytes, body })) => {
                // Where a stream is cut must not matter: cut it somewhere.
                let cut = self.hosts[host].chance.below(bytes.len() as u64 + 1) as usize;
                let (head, tail) = bytes.split_at(cut);
                self.feed(host, link, head, body);
                self.feed(host, link, tail, body);
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Bytes came: as many messages as they make.
    fn feed(&mut self, host: usize, link: LinkId, bytes: &[u8], body: Option<(Block, Tag)>) {
        let Some(sim) = self.link(host, link) else { return };
        let mut kept = std::mem::take(&mut sim.inbox);
        let input = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &kept
        };
        let mut used = 0;
        while let Some(sim) = self.link(host, link) {
            match sim.codec.decode(&input[used..]) {
                Ok(Step::Need(_)) => break,
                Ok(step) => used += self.understand(host, link, step, body),
                Err(LinkError::NotBitTorrent) => {
                    return self.close(host, link, CloseReason::Handshake);
                }
                Err(LinkError::Message(error)) => {
                    let reason = CloseReason::Misbehaved(Misbehaved::Malformed(error));
                    return self.close(host, link, reason);
                }
            }
        }
        let Some(sim) = self.hosts[host].links.get_mut(link) else { return };
        if kept.is_empty() {
            kept.extend_from_slice(&bytes[used..]);
        } else {
            kept.drain(..used);
        }
        sim.inbox = kept;
    }

    /// Acts on what the codec read; says how many bytes that took.
    fn understand(
        &mut self,
        host: usize,
        link: LinkId,
        step: Step,
        body: Option<(Block, Tag)>,
    ) -> usize {
        match step {
            Step::Need(_) => 0,
            Step::Greeting { used, greeting } => {
                self.greeted(host, link, greeting);
                used
            }
            Step::PeerId { used, peer_id } => {
                let manners = self.hosts[host].setup.manners;
                let Some(sim) = self.link(host, link) else { return used };
                let torrent = sim.torrent.expect("the greeting came before");
                let mut reserved = sim.greeting.expect("the greeting came before").reserved;
                if manners == Manners::Plain {
                    reserved.0[7] &= !4;
                }
                self.tell_link(host, link, LinkEvent::Handshaken { torrent, peer_id, reserved });
                used
            }
            Step::Message { used, message } => {
                self.tell_link(host, link, LinkEvent::Message(message));
                used
            }
            Step::Block { used, block } => {
                let (sent, tag) = body.expect("a body follows its head");
                assert_eq!(sent, block);
                let payload = self.hosts[host].payloads.hold(tag);
                self.tell_link(host, link, LinkEvent::Received { block, payload });
                used
            }
        }
    }

    /// The first part of the other's handshake came.
    fn greeted(&mut self, host: usize, link: LinkId, greeting: Greeting) {
        let machine = &mut self.hosts[host];
        let terms = machine.terms.as_ref();
        let fits = terms.filter(|(_, terms)| terms.info_hash == greeting.info_hash);
        let Some(&(torrent, _)) = fits else {
            return self.close(host, link, CloseReason::Handshake);
        };
        let Some(sim) = machine.links.get_mut(link) else { return };
        sim.torrent = Some(torrent);
        sim.greeting = Some(greeting);
        if !sim.dialed {
            self.shake(host, link);
        }
    }

    /// We close a link: the other end hears of it later, we at once.
    pub(crate) fn close(&mut self, host: usize, link: LinkId, reason: CloseReason) {
        if self.drop_link(host, link) {
            self.tell_later(host, Event::Link(link, LinkEvent::Closed(reason)));
        }
    }

    /// A link breaks off; the other end notices after a while.
    pub(crate) fn drop_link(&mut self, host: usize, link: LinkId) -> bool {
        let Some(sim) = self.hosts[host].links.remove(link) else { return false };
        for block in sim.outgoing.blocks() {
            self.served_later(host, link, block, Served::Withdrawn);
        }
        let End { host: other, .. } = sim.peer;
        let latency = self.hosts[host].setup.latency + self.hosts[other].setup.latency;
        self.come(sim.peer, self.now.after(latency), Coming::Hangup);
        true
    }

    fn hangup(&mut self, host: usize, link: LinkId, reason: CloseReason) {
        let Some(sim) = self.hosts[host].links.remove(link) else { return };
        for block in sim.outgoing.blocks() {
            let outcome = Served::Withdrawn;
            self.tell_link(host, link, LinkEvent::Served { block, outcome });
        }
        self.tell_link(host, link, LinkEvent::Closed(reason));
    }

    pub(crate) fn tell_link(&mut self, host: usize, link: LinkId, event: LinkEvent) {
        self.tell(host, Event::Link(link, event));
    }

    pub(crate) fn link(&mut self, host: usize, link: LinkId) -> Option<&mut SimLink> {
        self.hosts[host].links.get_mut(link)
    }
}
