//! Real BitTorrent programs on hosts of their own, driven by tests.
//!
//! A test makes a [`Network`], which is a switch and nothing else, and a [`Content`], which is a
//! folder of files with a torrent. It then starts peers: each runs one program, Toubkal or
//! another, as a child process on a host that is a network namespace with its own addresses.
//! Nothing there can reach the outside, nor be reached, and tests may run side by side.
//!
//! ```no_run
//! use toubkal_interop::{Client, Content, Network};
//!
//! let net = Network::new();
//! let content = Content::single("a film.bin", 5_000_000);
//! let seed = net.start(Client::Aria2, &content).seed();
//! let mut get = net.start(Client::Toubkal, &content).peer(&seed).get();
//! get.complete();
//! content.assert_same(get);
//! ```
//!
//! Namespaces need Linux and the right to make them: `cargo xtask test --only interop` sees to
//! both, and installs the programs. A program that is missing fails the test.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod bench;
mod content;
mod liar;
mod limit;
mod link;
mod net;
mod nodes;
mod peer;
mod process;
mod programs;
mod tracker;

pub use bench::{bench, small_bench};
pub use content::Content;
pub use liar::Liar;
pub use limit::limit;
pub use link::{Road, Tally};
pub use net::{Host, Network};
pub use nodes::{Nodes, node};
pub use peer::{Peer, Start};
pub use process::Process;
pub use programs::{Client, libtorrent, libtorrent_dht, toubkal, transmission_rpc};
pub use tracker::Tracker;
