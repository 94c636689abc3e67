//! Every decision of a BitTorrent client, as state machines that know no operating system.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod base;
pub mod dht;
pub mod engine;
pub mod link;
pub mod queue;
pub mod reach;
pub mod tracker;
