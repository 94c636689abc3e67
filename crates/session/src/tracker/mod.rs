//! Trackers on a real network: the client that asks them, and a small one to run.
//!
//! [`TrackerClient`] carries out what [`toubkal_core::tracker::Announcer`] wants asked;
//! [`TrackerServer`] puts [`toubkal_core::tracker::Registry`] on a port.

mod client;
mod http;
mod server;

pub use client::{Ask, Client as TrackerClient, Outcome, Reply as TrackerReply};
pub(crate) use http::is_local;
pub use http::{HttpError, HttpOptions, fetch};
pub use server::{Options as ServerOptions, Server as TrackerServer};
