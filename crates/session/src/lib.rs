//! The real world around the engine: sockets, files, clocks, trackers.

pub mod tracker;
