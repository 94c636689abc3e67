//! A client that is lived with: which torrents its user has, what is wanted of them, and what
//! became of them. It stands over one session, knows no HTTP, and is what every face of the
//! daemon speaks to: command line, page, and the APIs of other clients.
//!
//! A [`Client`] is a handle; clones are the same client. Whatever it is asked is answered from
//! memory, and what changes is written down before the call returns.
//!
//! ```no_run
//! use toubkal_daemon::{Client, How, Options, What};
//!
//! let client = Client::start(Options::at("state.db", "downloads"))?;
//! let id = client.add(What::Link("magnet:?xt=urn:btih:...".into()), &How::default())?;
//! println!("{}", client.view(id).unwrap().name);
//! client.shutdown(std::time::Duration::from_secs(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod about;
mod add;
mod changes;
mod client;
mod decide;
mod edit;
mod entry;
mod fetch;
mod goals;
mod heart;
mod labels;
mod library;
mod look;
mod note;
mod settings;
mod view;

pub use about::{About, Facts};
pub use add::{AddError, How, What};
pub use changes::{Changes, Cursor};
pub use client::{Client, Options, Refusal, StartError};
pub use edit::{Edit, Move};
pub use note::{Goal, Goals, Wish};
pub use settings::{Alternative, Queue, Settings, SettingsEdit};
pub use view::{FileView, Id, PeerView, Phase, Stats, TrackerView, View, WhyView};
