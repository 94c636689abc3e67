//! Swarms of engines in virtual time, all chance from one seed.
//!
//! A [`World`] holds hosts; a host is the real engine and the real link codec with a simulated
//! network and disk around them. Control messages travel as the bytes they are, cut where chance
//! cuts them; the bodies of blocks travel beside them as [`Body`], which may be a symbol.
//! Nothing here knows a clock, a socket or a file: a seed and a scenario always give the same
//! run.
#![forbid(unsafe_code)]

mod chance;
mod check;
pub mod dht;
mod disk;
mod faults;
mod fifo;
pub mod fluid;
mod hands;
mod host;
mod lives;
mod manners;
mod mishaps;
mod network;
mod queue;
mod reader;
mod replay;
mod scenario;
mod store;
mod stream;
mod study;
mod trace;
mod tracker;
mod world;

pub use chance::Chance;
pub use disk::{Body, Choose, Crash, DiskFaults, Every, Fidelity, Moody, Tag};
pub use faults::{Faults, Mishap, TrackerFaults};
pub use host::Setup;
pub use manners::Manners;
pub use reader::{Pace, Reading};
pub use replay::{Line, Replay};
pub use scenario::{BOUND, Reads, Run, Scenario};
pub use study::{Moment, Outcome, Share, Swarm};
pub use toubkal_core::engine::Policy;
pub use toubkal_core::engine::log::LogError;
pub use trace::Entry;
pub use world::{Report, World};
