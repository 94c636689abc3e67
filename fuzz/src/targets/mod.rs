//! A file for each target.

mod announcer;
mod bencode;
mod build;
mod dht;
mod engine;
mod extension;
mod krpc;
mod link;
mod log;
mod message;
mod metainfo;
mod path;
mod query;
mod recovery;
mod registry;
mod reply;
mod swarm;

pub(crate) use announcer::announcer;
pub(crate) use bencode::bencode;
pub(crate) use build::build;
pub(crate) use dht::dht;
pub(crate) use engine::engine;
pub(crate) use extension::extension;
pub(crate) use krpc::krpc;
pub(crate) use link::link;
pub(crate) use log::log;
pub(crate) use message::message;
pub(crate) use metainfo::metainfo;
pub(crate) use path::path;
pub(crate) use query::query;
pub(crate) use recovery::recovery;
pub(crate) use registry::registry;
pub(crate) use reply::reply;
pub(crate) use swarm::swarm;
