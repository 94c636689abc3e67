//! The real world around the engine: sockets, files, clocks, trackers. The library to embed.
//!
//! ```no_run
//! use std::time::Duration;
//! use toubkal_session::{Add, Notice, Options, Session, SessionEvent};
//! # fn metainfo() -> std::sync::Arc<toubkal_session::Metainfo> { unreachable!() }
//!
//! let session = Session::start(Options::default())?;
//! let torrent = session.add(metainfo(), Add::to("downloads"))?;
//! loop {
//!     match session.next_event(Duration::from_secs(1)) {
//!         Some(SessionEvent::Notice(Notice::Completed { .. })) => break,
//!         Some(SessionEvent::Crashed { message }) => return Err(message.into()),
//!         _ => println!("{} bytes left", torrent.status().left),
//!     }
//! }
//! session.shutdown(Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod dht;
pub mod hashing;
mod net;
mod paths;
mod session;
#[cfg(all(test, target_os = "linux"))]
mod stage;
mod state;
mod store;
pub mod tracker;
pub mod words;

pub use paths::free_space;
pub use session::{
    Add, AddError, Choose, Explanation, InfoHash, Magnet, Metainfo, NOTE_MAX, Noted, Options, Port,
    Private, ReadError, Reader, RestoreError, Session, SessionEvent, StartError, Torrent,
    TrackerState, TrackerStatus,
};
pub use store::{TorrentFiles, Verifier};
pub use toubkal_core::base::Bitset;
pub use toubkal_core::engine::{
    Evidence, Limit, Notice, PeerSource, PeerStatus, Priority, Rates, Scope, Seeking, Sources,
    State, Status, StoreError, StoreErrorKind, TorrentId, Totals, Why,
};
