//! Swarms of engines in virtual time, all chance from one seed.
//!
//! A [`World`] holds hosts; a host is the real engine and the real link codec with a simulated
//! network and disk around them. Control messages travel as the bytes they are, cut where chance
//! cuts them; the bodies of blocks travel as [`Tag`]s, which remember whether they are right.
//! Nothing here knows a clock, a socket or a file: a seed and a scenario always give the same
//! run.
#![forbid(unsafe_code)]

mod disk;
pub mod fluid;
mod host;
mod network;
mod streams;
mod study;
mod world;

pub use disk::Tag;
pub use host::{Manners, Setup};
pub use study::{Moment, Outcome, Share, Swarm};
pub use toubkal_core::engine::Policy;
pub use world::{Report, World};
