//! How others find us, and we them, without being told: on the local network ([`Lan`]).

mod lan;

pub use lan::{Action, Config, Event, Group, Lan};
