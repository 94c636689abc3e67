//! Why torrents are no faster: beside what the engine says, who has reached us, and what trackers
//! and the DHT are good for.

use toubkal_core::base::Time;
use toubkal_core::engine::{Event, LinkEvent, TorrentId, Why};

use super::Brain;
use super::dht::Node;
use crate::session::{Explanation, Port};
use crate::tracker::is_local;

impl Brain {
    /// Notes who connects to us.
    pub(super) fn note_reached(&mut self, fact: &Event) {
        if let Event::Link(_, LinkEvent::Opened { dial: None, remote }) = fact {
            let Port { near, far, .. } = &mut self.port;
            let count = if is_local(remote.ip()) { near } else { far };
            *count = count.saturating_add(1);
        }
    }

    /// Why a torrent is no faster.
    pub(super) fn why(&self, now: Time, torrent: TorrentId) -> Option<Explanation> {
        let mut explanation = self.reason(now, torrent, self.known_nodes())?;
        explanation.trackers = self.trackers.status(torrent, now);
        Some(explanation)
    }

    /// Why each torrent is no faster; of its trackers only when it lacks peers.
    pub(super) fn whys(&self, now: Time) -> Vec<(TorrentId, Explanation)> {
        let nodes = self.known_nodes();
        self.all(|torrent| {
            let mut explanation = self.reason(now, torrent, nodes)?;
            if explanation.why.lacks_peers() {
                explanation.trackers = self.trackers.status(torrent, now);
            }
            Some(explanation)
        })
    }

    fn reason(&self, now: Time, torrent: TorrentId, nodes: Option<u32>) -> Option<Explanation> {
        let mut reason = self.engine.why(now, torrent)?;
        // The engine knows blocks from when they are there, and not the room for them.
        if let Why::Silent { .. } | Why::Peers { .. } | Why::FullSpeed { .. } = reason.why
            && let Some(bytes) = self.hands.memory_full()
        {
            reason.why = Why::Memory { bytes };
        }
        Some(Explanation::new(reason, self.port, nodes))
    }

    fn known_nodes(&self) -> Option<u32> {
        self.node.as_ref().map(Node::nodes)
    }
}
