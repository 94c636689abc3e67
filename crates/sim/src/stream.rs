//! Connections: how they come about, what goes over them, how they end.

use std::net::SocketAddr;
use std::time::Duration;

use toubkal_core::base::Time;
use toubkal_core::engine::{
    CloseReason, DialError, DialId, Event, LinkEvent, LinkId, Misbehaved, Served,
};
use toubkal_core::link::{LinkError, Step};
use toubkal_wire::handshake::Greeting;
use toubkal_wire::layout::Block;

use crate::disk::Body;
use crate::faults::Faults;
use crate::host::{Coming, End, SimLink};
use crate::manners::Manners;
use crate::network::{Item, SEGMENT_BYTES, time_for};
use crate::queue::Delivery;
use crate::world::World;

/// How long hands try to connect, as those of a session do.
const DIAL_TIME: Duration = Duration::from_secs(10);

impl World {
    pub(crate) fn connect(&mut self, from: usize, dial: DialId, to: SocketAddr) {
        let there = |&to: &usize| self.hosts[to].terms.is_some() && !self.hosts[to].gone;
        let Some(to) = self.host_at(to).filter(there) else {
            return self.tell(from, Event::DialFailed(dial, DialError::Refused));
        };
        let now = self.now;
        let lost = self.detour(from, to, now).is_some() || self.detour(to, from, now).is_some();
        if lost || self.hosts[to].setup.hidden || self.chance.millionths(self.faults.unanswered) {
            let life = self.hosts[from].life;
            return self.after(DIAL_TIME, Delivery::Unanswered { host: from, life, dial });
        }
        let (near, far) = (self.hosts[from].address, self.hosts[to].address);
        // The caller's port is of no use for calling back.
        let caller = SocketAddr::new(near.ip(), 40_000 + (dial.0 % 20_000) as u16);
        let nobody = End { host: from, link: LinkId::new(u32::MAX, 0) };
        let ours = self.hosts[from].links.insert(SimLink::new(nobody, true));
        let back = SimLink::new(End { host: from, link: ours }, false);
        let theirs = self.hosts[to].links.insert(back);
        self.link(from, ours).expect("just made").peer = End { host: to, link: theirs };
        self.log(from, "connect", || format!("to {to}: {ours:?} {theirs:?}"));
        for (host, link) in [(from, ours), (to, theirs)] {
            self.foredoom(host, link);
        }
        self.tell_link(to, theirs, LinkEvent::Opened { dial: None, remote: caller });
        self.tell_link(from, ours, LinkEvent::Opened { dial: Some(dial), remote: far });
        self.shake(from, ours);
    }

    /// Draws whether, and when, a link breaks.
    fn foredoom(&mut self, host: usize, link: LinkId) {
        let Faults { resets, half_open, lifetime, .. } = self.faults;
        for (rate, silent) in [(resets, false), (half_open, true)] {
            if self.chance.millionths(rate) {
                let wait = self.chance.wait(lifetime);
                self.after(wait, Delivery::Break { host, link, silent });
            }
        }
    }

    /// The network breaks a link: one end hears of it, and the other too unless it is `silent`.
    pub(crate) fn break_link(&mut self, host: usize, link: LinkId, silent: bool) {
        self.log(host, "breaks", || format!("{link:?}, silent {silent}"));
        if silent {
            self.vanish(host, link);
        } else if let Some(sim) = self.take_down(host, link, CloseReason::Lost) {
            self.come(sim.peer, self.now, Coming::Hangup(CloseReason::Lost));
        }
    }

    /// Sends our handshake.
    fn shake(&mut self, host: usize, link: LinkId) {
        let machine = &self.hosts[host];
        let Some((_, terms)) = &machine.terms else { return };
        let (mut reserved, mut info_hash) = (terms.reserved, terms.info_hash);
        let mut peer_id = terms.peer_id;
        let mut most = usize::MAX;
        match machine.setup.manners {
            Manners::Plain => reserved.0[7] &= !4,
            Manners::Strays => info_hash = [8; 20],
            Manners::Poses => peer_id = machine.mask.unwrap_or(peer_id),
            Manners::Loiters => most = 7 + host % 60,
            Manners::Echoes => most = 0,
            _ => {}
        }
        let handshake = Greeting { reserved, info_hash }.encode(&peer_id);
        self.write(host, link, |bytes| bytes.extend(handshake.iter().take(most)));
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
        let words = sim.outgoing.next_size().is_some_and(|size| size <= SEGMENT_BYTES as u64);
        machine.uplink.begin(link, words);
        if !std::mem::replace(&mut machine.uplink.busy, true) {
            self.at(self.now, Delivery::Line { host, sent: None });
        }
    }

    /// The line is free: what it carried is through, the next items go. Small ones go together, as
    /// many as fill a segment, also when they are of several links.
    pub(crate) fn line(&mut self, host: usize, sent: Option<(LinkId, Block)>) {
        // A link that was closed meanwhile has said already what became of the block.
        if let Some((link, block)) = sent
            && let Some(sim) = self.link(host, link)
        {
            sim.on_line = None;
            let outcome = Served::Sent;
            self.count_sent(host, link, block);
            self.tell_link(host, link, LinkEvent::Served { block, outcome });
        }
        let mut bytes = 0;
        let mut sent = None;
        while let Some((link, end, item)) = self.next_item(host, SEGMENT_BYTES as u64 - bytes) {
            bytes += item.size();
            sent = item.block().map(|block| (link, block));
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
        let window = self.faults.window;
        let machine = &mut self.hosts[host];
        while let Some(link) = machine.uplink.next() {
            let Some(sim) = machine.links.get_mut(link) else {
                machine.uplink.pass();
                continue;
            };
            if window > 0 && sim.flying >= window {
                machine.uplink.pass();
                sim.full = true;
                continue;
            }
            let first = room == SEGMENT_BYTES as u64;
            if !first && sim.outgoing.next_size().is_some_and(|size| size > room) {
                return None;
            }
            machine.uplink.pass();
            let Some(item) = sim.outgoing.pop() else {
                sim.queued = false;
                continue;
            };
            sim.flying += item.size();
            sim.on_line = item.block();
            sim.queued = sim.outgoing.next_size().is_some();
            if sim.queued {
                machine.uplink.go_on(link);
            }
            return Some((link, sim.peer, item));
        }
        None
    }

    /// An item has left its host: through the network, and through the other's line in.
    fn travel(&mut self, host: usize, end: End, item: Item, through: Time) {
        let Faults { jitter, loss, .. } = self.faults;
        let sender = &self.hosts[host].setup;
        let latency = sender.latency + self.hosts[end.host].setup.latency;
        let drip = item.block().map_or(Duration::ZERO, |block| sender.manners.drip(block));
        let mut at = through.after(latency + drip);
        if !jitter.is_zero() {
            at = at.after(self.chance.wait(jitter));
        }
        if loss > 0 {
            at = at.after(self.repeat(item.size(), loss, latency * 2));
        }
        if !self.cuts.is_empty()
            && let Some(later) = self.detour(host, end.host, through)
        {
            at = at.max(later);
        }
        let other = &mut self.hosts[end.host];
        // The line in is shared by what comes in time; what is late by its own fault holds up
        // nobody.
        if at == through.after(latency) {
            let door = at.max(other.downlink_free);
            other.downlink_free = door.after(time_for(item.size(), other.setup.down));
            at = other.downlink_free;
        } else {
            at = at.after(time_for(item.size(), other.setup.down));
        }
        self.come(end, at, Coming::Item(item));
    }

    /// How long it takes to send again what is lost of so many bytes. The first loss of a packet is
    /// noticed a round trip later by what follows (RFC 5681), the next ones by the timer, which is
    /// 200 ms at the least in the systems that are in use, and doubled each time (RFC 6298).
    fn repeat(&mut self, bytes: u64, loss: u32, round_trip: Duration) -> Duration {
        let packets = bytes.div_ceil(1460);
        let any = u64::from(loss).saturating_mul(packets).min(900_000) as u32;
        let mut wait = Duration::ZERO;
        let mut timer = (round_trip * 2).max(Duration::from_millis(200));
        let mut rate = any;
        while self.chance.millionths(rate) && wait < Duration::from_secs(30) {
            wait += if wait.is_zero() { round_trip } else { timer };
            timer *= 2;
            rate = loss;
        }
        wait
    }

    /// Something is on its way to a link.
    pub(crate) fn come(&mut self, end: End, at: Time, what: Coming) {
        let Some(sim) = self.link(end.host, end.link) else { return };
        // What was sent before arrives before.
        let at = sim.coming.push(at, what);
        self.at(at, Delivery::Arrive { host: end.host, link: end.link });
    }

    pub(crate) fn arrive(&mut self, host: usize, link: LinkId) {
        let now = self.now;
        let Some(sim) = self.link(host, link) else { return };
        match sim.coming.pop(now) {
            None => {}
            Some(Coming::Hangup(reason)) => _ = self.take_down(host, link, reason),
            Some(Coming::Item(item)) => {
                let End { host: other, link: far } = sim.peer;
                let size = item.size();
                self.read(host, link, item);
                // The sender's window opens.
                if let Some(sim) = self.link(other, far) {
                    sim.flying -= size;
                    if std::mem::take(&mut sim.full) {
                        sim.queued = false;
                        self.queue_up(other, far);
                    }
                }
            }
        }
    }

    fn read(&mut self, host: usize, link: LinkId, item: Item) {
        let Item { mut bytes, body } = item;
        let machine = &mut self.hosts[host];
        if machine.setup.manners == Manners::Echoes {
            return self.write(host, link, |out| out.extend(bytes));
        }
        if self.faults.segment > 0 {
            bytes.chunks(self.faults.segment).for_each(|part| self.feed(host, link, part, &body));
        } else {
            // Where a stream is cut must not matter: cut it somewhere.
            let cut = machine.chance.below(bytes.len() as u64 + 1) as usize;
            let (head, tail) = bytes.split_at(cut);
            self.feed(host, link, head, &body);
            self.feed(host, link, tail, &body);
        }
        bytes.clear();
        self.spare.push(bytes);
    }

    /// Bytes came: as many messages as they make.
    fn feed(&mut self, host: usize, link: LinkId, bytes: &[u8], body: &Option<(Block, Body)>) {
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
        body: &Option<(Block, Body)>,
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
                let (torrent, dialed) = (sim.torrent, sim.dialed);
                let torrent = torrent.expect("the greeting came before");
                let mut reserved = sim.greeting.expect("the greeting came before").reserved;
                if manners == Manners::Plain {
                    reserved.0[7] &= !4;
                }
                if manners == Manners::Poses {
                    self.hosts[host].mask = Some(peer_id);
                    if !dialed {
                        self.shake(host, link);
                    }
                }
                self.tell_link(host, link, LinkEvent::Handshaken { torrent, peer_id, reserved });
                used
            }
            Step::Message { used, message } => {
                self.tell_link(host, link, LinkEvent::Message(message));
                used
            }
            Step::Block { used, block } => {
                let (sent, body) = body.clone().expect("a body follows its head");
                assert_eq!(sent, block);
                let payload = self.hosts[host].payloads.hold(body);
                self.count_got(host, link, block);
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
        if !sim.dialed && machine.setup.manners != Manners::Poses {
            self.shake(host, link);
        }
    }

    /// We close a link: the other end hears of it later, we at once.
    pub(crate) fn close(&mut self, host: usize, link: LinkId, reason: CloseReason) {
        if let Some(sim) = self.take_down(host, link, reason) {
            let latency = self.hosts[host].setup.latency + self.hosts[sim.peer.host].setup.latency;
            let mut at = self.now.after(latency);
            if let Some(later) = self.detour(host, sim.peer.host, self.now) {
                at = at.max(later);
            }
            self.come(sim.peer, at, Coming::Hangup(CloseReason::ByPeer));
        }
    }

    /// A link of a process that ends: the system closes it.
    pub(crate) fn drop_link(&mut self, host: usize, link: LinkId) {
        self.close(host, link, CloseReason::Stopped);
    }

    /// One end is gone, and the other hears nothing: nobody sends again what is lost.
    pub(crate) fn vanish(&mut self, host: usize, link: LinkId) -> Option<End> {
        let peer = self.take_down(host, link, CloseReason::Lost)?.peer;
        let last = self.now.after(Duration::from_secs(1));
        if let Some(far) = self.link(peer.host, peer.link) {
            far.coming.lose_after(last);
        }
        Some(peer)
    }

    /// One end of a link is over: what waited on it will not travel.
    fn take_down(&mut self, host: usize, link: LinkId, reason: CloseReason) -> Option<SimLink> {
        let sim = self.hosts[host].links.remove(link)?;
        self.log(host, "closed", || format!("{link:?} to {}: {reason:?}", sim.peer.host));
        let reading = self.hosts[host].lanes.forget(link, None);
        for block in sim.on_line.into_iter().chain(sim.outgoing.blocks()).chain(reading) {
            self.served_later(host, link, block, Served::Withdrawn);
        }
        self.tell_later(host, Event::Link(link, LinkEvent::Closed(reason)));
        Some(sim)
    }

    pub(crate) fn tell_link(&mut self, host: usize, link: LinkId, event: LinkEvent) {
        self.tell(host, Event::Link(link, event));
    }

    pub(crate) fn link(&mut self, host: usize, link: LinkId) -> Option<&mut SimLink> {
        self.hosts[host].links.get_mut(link)
    }
}
