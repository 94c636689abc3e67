//! Trackers: when which one is asked ([`Announcer`]), what a tracker remembers ([`Registry`]),
//! and what of their names and texts may be shown ([`redact`], [`said`]).

mod announcer;
mod pace;
mod registry;
mod shown;
pub mod udp;

pub use announcer::{
    Action, Announcer, AskId, AskKind, Config, Event, News, Private, Problem, Progress, State,
    Status, TRACKERS_MAX, Tiers, URL_BYTES_MAX,
};
pub use registry::{Limits, Registry};
pub use shown::{printable, redact, said};
