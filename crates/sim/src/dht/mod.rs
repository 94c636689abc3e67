//! The DHT in virtual time: thousands of real nodes that come and go, lines that lose packets,
//! and some who lie.

mod liars;
mod study;
mod world;

pub use study::{Outcome, Plan, Trial};
pub use world::{Net, World};
