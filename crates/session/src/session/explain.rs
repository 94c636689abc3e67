//! Why a torrent is no faster: what the engine says, and what only the session knows.

use crate::net::{Order, Question};
use crate::words;

use super::{Session, Torrent, TrackerStatus};
use toubkal_core::engine::{Evidence, Reason, Why};

/// The reason that binds, and what shows it. [`words`] makes sentences of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What binds.
    pub why: Why,
    /// Its figures, the most telling first; at most five.
    pub evidence: Vec<Evidence>,
    /// The file of [`Why::Failed`], as a path inside the torrent, when it is known.
    pub file: Option<String>,
    /// What its trackers said last, in the order of the tiers. In [`Session::whys`] only of
    /// torrents that lack peers.
    pub trackers: Vec<TrackerStatus>,
    /// Whether others have reached us.
    pub port: Port,
    /// Nodes of the DHT that are known; `None` without a DHT.
    pub nodes: Option<u32>,
}

/// Who has connected to us in this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Whether we listen at all.
    pub listening: bool,
    /// Connections from this machine and its network.
    pub near: u32,
    /// Connections from elsewhere. None of them, after a while: the port may be closed.
    pub far: u32,
}

impl Explanation {
    pub(crate) fn new(reason: Reason, port: Port, nodes: Option<u32>) -> Self {
        let Reason { why, evidence } = reason;
        Self { why, evidence, file: None, trackers: Vec::new(), port, nodes }
    }

    /// What would help, if a person can do anything about it.
    #[must_use]
    pub fn remedy(&self) -> Option<words::Remedy> {
        words::remedy(&self.why)
    }
}

impl Session {
    /// Why each torrent is no faster, at one moment.
    #[must_use]
    pub fn whys(&self) -> Vec<(Torrent, Explanation)> {
        let mut all = self.all(Order::Whys);
        all.iter_mut().for_each(|(torrent, why)| torrent.name_file(why));
        all
    }
}

impl Torrent {
    /// Why it is no faster now; [`Why::Stopped`] when it was removed or the session has ended.
    #[must_use]
    pub fn why(&self) -> Explanation {
        let gone = || Explanation::new(Why::Stopped.into(), Port::default(), None);
        let mut why = self.ask(Question::Why).flatten().unwrap_or_else(gone);
        self.name_file(&mut why);
        why
    }

    fn name_file(&self, explanation: &mut Explanation) {
        if let Why::Failed { error, .. } = explanation.why
            && let Some((file, metainfo)) = error.file.zip(self.metainfo())
            && (file as usize) < metainfo.file_count()
        {
            explanation.file = Some(metainfo.file(file as usize).path.to_owned());
        }
    }
}
