//! Trackers over HTTP: what is asked (BEP 3) and answered, scrapes (BEP 48) among it.
//!
//! [`Query`] is what a client says to a tracker, [`Reply`] what it hears; both go both ways, so
//! that a tracker can be written with them as well. Nothing here knows HTTP: a query becomes an
//! address to get, a reply is the body that comes back.

mod query;
mod reply;
mod scrape;
#[cfg(test)]
mod tests;

pub(crate) use reply::is_host_name;

pub use query::{Event, Query, QueryError};
pub use reply::{
    Answer, Failure, NAMES_MAX, PEERS_MAX, Peer, Reply, ReplyError, Retry, TEXT_BYTES_MAX,
};
pub use scrape::{Counts, SCRAPE_MAX, ScrapeReply, scrape_hashes, scrape_url};
