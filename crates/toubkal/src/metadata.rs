//! The torrent file of a magnet link, fetched from peers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toubkal_session::Metainfo;

use crate::cli::{PeerArgs, RateArgs};
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::signals::Interrupt;
use crate::state::Keep;
use crate::watch::{Job, Rules, Sought, Watch};
use crate::{network, source};

/// How a torrent file is looked for.
pub(crate) struct Search<'s> {
    /// How peers are reached.
    pub(crate) peers: &'s PeerArgs,
    /// So long is too long.
    pub(crate) timeout: Option<Duration>,
    /// Say nothing but errors.
    pub(crate) quiet: bool,
    /// Say all.
    pub(crate) verbose: bool,
}

/// Looks for it.
///
/// # Errors
/// When the link is broken, nothing can be looked for, or it was not found.
pub(crate) fn fetch(link: &str, search: &Search<'_>) -> Result<(Arc<Metainfo>, Arc<[u8]>), End> {
    let magnet = source::sought(link)?;
    let peers = network::peers(&search.peers.peer)?;
    let interrupt = Interrupt::new();
    let rates = RateArgs { down_limit: None, up_limit: None };
    // Nothing is written, so nothing is remembered.
    let session = network::start(search.peers, &rates, &Keep::default())?;
    let lan = !search.peers.no_lan;
    let (timeout, named_peers) = (search.timeout, peers.len());
    let rules = Rules { timeout, named_peers, lan, ..Rules::default() };
    let mut report = Report::new(search.quiet, false).verbose(search.verbose);
    let mut sought = Sought::new(magnet, &[], lan);
    sought.only_metadata = true;
    let torrent = session.fetch(&sought.magnet, peers).map_err(|error| {
        Failure::new(Exit::Failed, "cannot look for the torrent").cause(error.to_string())
    })?;
    let jobs = vec![Job::seek(torrent.clone(), PathBuf::new(), sought)];
    let exit = Watch { session, jobs, rules, report: &mut report, interrupt: &interrupt }.run()?;
    torrent.metainfo().zip(torrent.file()).ok_or(End::Said(exit))
}

/// How a search ended that found nothing.
pub(crate) enum End {
    /// With a failure that is still to be said.
    Failed(Failure),
    /// Why was said.
    Said(Exit),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
