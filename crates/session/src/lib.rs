//! The real world around the engine: sockets, files, clocks, trackers.

pub mod hashing;
mod paths;
mod store;
pub mod tracker;

pub use store::{TorrentFiles, Verifier};
