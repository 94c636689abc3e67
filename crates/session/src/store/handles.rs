//! Open files, a bounded number of them.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use toubkal_core::engine::TorrentId;

/// The least and the most files that are kept open at once. Between them it is a quarter of the
/// files that the system lets this process open (`ulimit -n`).
const LIMITS: (u64, u64) = (12, 512);

/// In the place of a file's index: the torrent's file of edges.
pub(super) const EDGES: u32 = u32::MAX;

/// The files that were used last, of all torrents. A file that is let go while a thread works
/// with it stays open until that is done, so there may be a few more, one a thread.
#[derive(Debug)]
pub(super) struct Handles {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<(TorrentId, u32), Handle>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    /// When it was used last.
    used: u64,
}

impl Handles {
    pub(super) fn new() -> Self {
        Self::with_limit(limit())
    }

    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit: limit.max(1), table: Mutex::default() }
    }

    /// A file that is open.
    pub(super) fn find(&self, torrent: TorrentId, file: u32) -> Option<Arc<File>> {
        let table = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = table.open.get_mut(&(torrent, file))?;
        table.clock += 1;
        handle.used = table.clock;
        Some(Arc::clone(&handle.file))
    }

    /// Keeps a file open, in the place of the one that was not used for the longest time.
    pub(super) fn keep(&self, torrent: TorrentId, file: u32, handle: &Arc<File>) {
        let table = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.clock += 1;
        let handle = Handle { file: Arc::clone(handle), used: table.clock };
        table.open.insert((torrent, file), handle);
        table.shrink(self.limit);
    }

    /// Closes the half that was not used for the longest time: the process has too many.
    pub(super) fn relieve(&self) {
        let table = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.shrink(table.open.len() / 2);
    }

    /// Closes one file.
    pub(super) fn close(&self, torrent: TorrentId, file: u32) {
        let table = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.open.remove(&(torrent, file));
    }

    /// Closes all files of a torrent.
    pub(super) fn close_all(&self, torrent: TorrentId) {
        let table = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.open.retain(|&(of, _), _| of != torrent);
    }

    #[cfg(test)]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).open.len()
    }
}

impl Table {
    fn shrink(&mut self, to: usize) {
        while self.open.len() > to {
            let oldest = self.open.iter().min_by_key(|(_, handle)| handle.used);
            let Some((&key, _)) = oldest else { return };
            self.open.remove(&key);
        }
    }
}

#[cfg(unix)]
fn limit() -> usize {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.unwrap_or(LIMITS.1 * 4);
    (files / 4).clamp(LIMITS.0, LIMITS.1) as usize
}

#[cfg(not(unix))]
fn limit() -> usize {
    LIMITS.1 as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_unused_for_longest_is_closed() {
        let handles = Handles::with_limit(2);
        let torrent = TorrentId::new(0, 0);
        let file = Arc::new(tempfile::tempfile().unwrap());
        handles.keep(torrent, 0, &file);
        handles.keep(torrent, 1, &file);
        assert!(handles.find(torrent, 0).is_some());
        handles.keep(torrent, 2, &file);
        assert!(handles.find(torrent, 1).is_none());
        assert!(handles.find(torrent, 0).is_some() && handles.find(torrent, 2).is_some());
        handles.close_all(torrent);
        assert_eq!(handles.open(), 0);
    }
}
