//! Bytes to typed values and back, nothing remembered.
//!
//! Every format that BitTorrent speaks, as plain functions and values: no state, no clock, no
//! socket. Decoding never panics and never allocates more than the input justifies.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod announce;
pub mod bencode;
pub mod build;
pub mod compact;
pub mod exchange;
pub mod extension;
pub mod fast;
pub mod handshake;
pub mod krpc;
pub mod layout;
pub mod lsd;
pub mod magnet;
pub mod merkle;
pub mod message;
pub mod metadata;
pub mod metainfo;
pub mod path;
mod percent;
pub mod rank;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod udp_tracker;
