//! Swarms of engines in virtual time, all chance from one seed.
//!
//! A [`World`] holds hosts; a host is the real engine and the real link codec with a simulated
//! network and disk around them. Control messages travel as the bytes they are, cut where chance
//! cuts them; the bodies of blocks travel beside them as [`Body`], which may be a symbol.
//! Nothing here knows a clock, a socket or a file: a seed and a scenario always give the same
//! run.
#![forbid(unsafe_code)]

mod check;
mod disk;
pub mod fluid;
mod host;
mod lives;
mod network;
mod replay;
mod store;
mod streams;
mod study;
mod world;

pub use disk::{Body, Choose, Crash, DiskFaults, Every, Fidelity, Moody, Tag};
pub use host::{Manners, Setup};
pub use replay::{Line, Replay};
pub use study::{Moment, Outcome, Share, Swarm};
pub use world::{Report, World};
