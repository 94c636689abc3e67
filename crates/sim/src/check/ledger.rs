//! Payload is neither lost nor made: what one end says it sent, the other got, or it is on its way.

use toubkal_core::engine::{LinkId, Status};
use toubkal_wire::layout::Block;

use super::Watch;
use crate::world::World;

/// What the hands have told one engine in its life.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: u64,
    received: u64,
}

impl Ledger {
    pub(super) fn served(&mut self, counts: bool, block: Block) {
        self.sent += u64::from(if counts { block.length } else { 0 });
    }

    pub(super) fn received(&mut self, counts: bool, block: Block) {
        self.received += u64::from(if counts { block.length } else { 0 });
    }

    /// Whether the engine counts as its hands do.
    pub(super) fn check(&self, host: usize, status: &Status) {
        let Status { uploaded, downloaded, wasted, .. } = *status;
        assert_eq!(uploaded, self.sent, "host {host}: what was sent");
        let received = self.received;
        assert!(downloaded <= received, "host {host} counts {downloaded} of {received}");
        assert!(received <= downloaded + wasted, "host {host} forgets some of {received}");
    }
}

impl Watch {
    /// Nothing is kept here of a block that was sent: its link counts.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }
}

impl World {
    /// A block was sent.
    pub(crate) fn count_sent(&mut self, host: usize, link: LinkId, block: Block) {
        if let Some(sim) = self.link(host, link) {
            sim.sent += u64::from(block.length);
        }
    }

    /// A block was received: the other end has sent as much, and what is missing is on its way.
    pub(crate) fn count_got(&mut self, host: usize, link: LinkId, block: Block) {
        let Some(sim) = self.link(host, link) else { return };
        sim.got += u64::from(block.length);
        let (peer, got) = (sim.peer, sim.got);
        if !self.watch.is_on() {
            return;
        }
        if let Some(far) = self.link(peer.host, peer.link) {
            let (sent, flying) = (far.sent, far.flying);
            assert!(got <= sent, "host {host} got {got} bytes of {sent}");
            assert!(sent - got <= flying, "{sent} bytes sent, {got} got, {flying} on their way");
        }
    }
}
