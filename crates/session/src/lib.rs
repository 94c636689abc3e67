//! The real world around the engine: sockets, files, clocks, trackers.

mod paths;
mod store;
pub mod tracker;

pub use store::{TorrentFiles, Verifier};
