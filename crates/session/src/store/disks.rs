//! The torrents of the store, and the way to their bytes for those who read them on their own
//! threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toubkal_core::engine::{StoreError, TorrentId};
use toubkal_wire::layout::Block;

use super::disk::{Disk, fault};
use super::{lane, reads};

/// The torrents by their names. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disks(Arc<Mutex<HashMap<TorrentId, Arc<Disk>>>>);

impl Disks {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<TorrentId, Arc<Disk>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, torrent: TorrentId) -> Option<Arc<Disk>> {
        self.lock().get(&torrent).cloned()
    }

    /// Reads bytes of a file, all of verified pieces, from `offset` on; at most so many as lie in
    /// one piece. Says how many it were.
    ///
    /// # Errors
    /// When they are not there any more, or others have written to the file and they are not right.
    pub(crate) fn read(
        &self,
        torrent: TorrentId,
        file: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StoreError> {
        let disk = self.get(torrent).ok_or_else(lane::unknown)?;
        let layout = disk.files.layout();
        let extent = layout.files().get(file as usize).ok_or_else(lane::unknown)?;
        let length = u64::from(layout.piece_length());
        let at = extent.offset + offset;
        let (piece, begin) = ((at / length) as u32, at % length);
        let left = (length - begin).min(extent.length.saturating_sub(offset));
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..count];
        if count > 0 {
            let block = Block { piece, begin: begin as u32, length: count as u32 };
            let got = disk.read(block, buffer)?;
            reads::is_sound(&disk, block, got, &mut Vec::new())
                .map_err(|error| error.file.map_or_else(|| fault(file)(error.kind), |_| error))?;
        }
        Ok(count)
    }
}
