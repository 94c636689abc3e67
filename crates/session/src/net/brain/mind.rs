//! The engine, and the log of what it is told when one is wanted.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use toubkal_core::base::{Bitset, Machine, Outbox, Rng, Time};
use toubkal_core::engine::log::Writer;
use toubkal_core::engine::{
    Action, Config, Engine, Event, LinkId, PeerStatus, Priority, Reason, Sources, Status, TorrentId,
};

/// The engine of a session. With a log, each fact is in it before the engine hears of it, and in
/// its file at the end of each round: a program that is killed leaves all but its last round.
#[derive(Debug)]
pub(crate) struct Mind {
    engine: Engine,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    writer: Writer,
    file: File,
}

impl Mind {
    /// An engine, and the file for its log, which is made new.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn new(config: Config, rng: &Rng, record: Option<&Path>) -> io::Result<Self> {
        // A seed of its own: that of the session would also tell keys that are not the engine's.
        let rng = rng.fork("mind");
        let file = record.map(File::create).transpose()?;
        let log = file.map(|file| Log { writer: Writer::new(&config, &rng), file });
        Ok(Self { engine: Engine::new(config, &rng), log })
    }

    pub(super) fn handle(&mut self, now: Time, event: Event, out: &mut Outbox<Action>) {
        match &mut self.log {
            Some(log) => log.writer.handle(&mut self.engine, now, event, out),
            None => self.engine.handle(now, event, out),
        }
    }

    /// Does what is due, if something is.
    pub(super) fn advance(&mut self, now: Time, out: &mut Outbox<Action>) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        match &mut self.log {
            Some(log) => log.writer.advance(&mut self.engine, now, out),
            None => self.engine.advance(now, out),
        }
    }

    /// Puts into the file what the log has got.
    ///
    /// # Errors
    /// When that fails; then there is no log from here on.
    pub(super) fn keep_log(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let written = log.file.write_all(&log.writer.take());
        if written.is_err() {
            self.log = None;
        }
        written
    }

    /// Nothing more comes.
    pub(super) fn end_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.writer.end();
        }
        // What is missing then is what a killed program would not have written either.
        let _ = self.keep_log();
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.engine.deadline().map(|(due, _)| due)
    }

    pub(super) fn status(&self, torrent: TorrentId) -> Option<Status> {
        self.engine.status(torrent)
    }

    pub(super) fn awake(&self) -> Vec<TorrentId> {
        self.engine.awake()
    }

    pub(super) fn why(&self, now: Time, torrent: TorrentId) -> Option<Reason> {
        self.engine.why(now, torrent)
    }

    pub(super) fn peers(&self, torrent: TorrentId) -> Vec<PeerStatus> {
        self.engine.peers(torrent)
    }

    pub(super) fn joined(&self, link: LinkId) -> Option<(TorrentId, SocketAddr)> {
        self.engine.joined(link)
    }

    pub(super) fn sources(&self, torrent: TorrentId) -> Option<Sources> {
        self.engine.sources(torrent)
    }

    pub(super) fn priorities(&self, torrent: TorrentId) -> Option<Vec<Priority>> {
        self.engine.priorities(torrent)
    }

    pub(super) fn have(&self, torrent: TorrentId) -> Option<&Bitset> {
        self.engine.have(torrent)
    }
}
