//! The real world around the engine: sockets, files, clocks, trackers.

mod paths;
mod store;

pub use store::{TorrentFiles, Verifier};
