//! The HTTP face of a client: one server for its own API, its page, and the APIs of other clients,
//! and one guard before all of them.
//!
//! It runs in a thread of its own. On TCP whoever comes has to show who he is as
//! [`Access`] says; on the local socket, that only its owner can open, nobody has to.

mod access;
mod api;
mod guard;
mod metrics;
mod page;
mod problem;
mod server;
mod throttle;
mod transmission;

pub use access::{Access, Credentials};
pub use page::HAS_PAGE;
pub use server::{Options, StartError, Web};

/// The description of the API in the form of OpenAPI 3.1, as JSON.
#[must_use]
pub fn openapi() -> serde_json::Value {
    api::openapi()
}
