//! What an owner of many torrents decides: which run, when one has given enough, which limits
//! hold at this hour, and how a group shares one limit.
//!
//! Four machines without a word between them. Whoever holds the torrents asks them, once a
//! second or when something has changed, and carries out what they answer; the engine knows
//! nothing of them.
//!
//! | question | machine |
//! | --- | --- |
//! | Which torrents run, which wait? | [`Line`] |
//! | Has this one given enough? | [`Goal`] |
//! | Which limits hold now? | [`Plan`] |
//! | How do torrents share the limit of their group? | [`share()`] |
//!
//! None of them keeps anything: positions, wishes, what a torrent has given and a choice made by
//! hand are read by accessors and given back in the next life.

mod goal;
mod line;
mod order;
mod plan;
mod share;

pub use goal::{Ends, Given, Goal, Goals, Kept, Term, Then, Why};
pub use line::{Change, Line, Places, Shift, Slow, Stage, Standing, Wish};
pub use plan::{Day, Days, Holds, MAX_RULES, Manual, Now, Plan, Rule, RuleError, Span};
pub use share::{Use, fair, share};
