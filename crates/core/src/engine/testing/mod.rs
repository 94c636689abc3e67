//! The engine as a whole: what no row of events may make it do.
//!
//! Only there in tests and with the feature `testing`, for fuzzing and measuring.

mod chaos;
mod judge;
#[cfg(test)]
mod keeping;
mod picking;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod resting;
#[cfg(test)]
mod rules;
mod seeking;
mod world;

pub use picking::Picking;

use super::Engine;
use super::torrent::Torrent;
use crate::base::{Machine as _, Rng};

/// Plays an engine in a model of the world that keeps every promise of the hands and no promise
/// of the peers. What happens is what `rng` says; made from bytes, it happens until they are
/// spent. Then comes peace, in which every torrent has to become whole, and the end.
///
/// # Panics
/// When the engine does what it must not, or stalls.
pub fn play(rng: Rng) {
    chaos::play(rng);
}

impl Engine {
    /// Panics when something that is kept differs from what it is kept of.
    fn check(&self) {
        assert!(self.shared.closing.is_empty(), "a link was to be closed, and was not");
        let links = self.links.iter().flatten().count();
        assert_eq!(self.shared.links as usize, links, "links");
        let outstanding: usize = self.torrents.iter().map(|(_, torrent)| torrent.jobs()).sum();
        assert_eq!(self.shared.jobs(), outstanding, "jobs");
        self.torrents.iter().for_each(|(_, torrent)| torrent.check());
        self.torrents.check();
        let waits = |link: &super::Link| matches!(link.stage, super::Stage::Lobby { .. });
        let lobby = self.links.iter().flatten().filter(|link| waits(link)).count();
        assert_eq!(self.lobby.links().len(), lobby, "who waits");
        let waits = |torrent: &Torrent| torrent.sleep().is_none() && torrent.wants_tick();
        let busy = self.torrents.iter().any(|(_, torrent)| waits(torrent));
        assert!(!busy || self.deadline().is_some(), "nobody wakes the engine");
    }
}
