//! Notes: what a program keeps of torrents in the database, beside what the session does.

use std::path::PathBuf;
use std::sync::Arc;

use toubkal_core::engine::StoreErrorKind;

use super::{InfoHash, RestoreError, Session, Torrent};
use crate::net::Order;
use crate::state::Key;

/// What a program keeps of a torrent in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Which torrent.
    pub hash: InfoHash,
    /// Its download folder.
    pub dir: PathBuf,
    /// What [`Add::note`](super::Add::note) or [`Torrent::set_note`] said last.
    pub note: Arc<[u8]>,
}

/// The longest note of a program on a torrent, in bytes.
pub const NOTE_MAX: usize = 1 << 20;

impl Session {
    /// What programs keep of the torrents of the database ([`Torrent::set_note`]), in the order in
    /// which these were added.
    ///
    /// # Errors
    /// When there is no database, or it cannot be read.
    pub fn notes(&self) -> Result<Vec<Noted>, RestoreError> {
        let state = self.control.state().ok_or(RestoreError::NoState)?;
        let labels = state.labels().map_err(RestoreError::State)?;
        let noted = |(key, note): (Key, _)| Noted { hash: key.hash(), dir: state.dir(&key), note };
        Ok(labels.into_iter().map(noted).collect())
    }
}

impl Torrent {
    /// Keeps a note of the program's with the torrent, in the place of the one before; returns
    /// when it is in the database. Up to [`NOTE_MAX`] bytes.
    ///
    /// # Errors
    /// When there is no database, it cannot be written, or the note is too long.
    pub fn set_note(&self, note: Arc<[u8]>) -> Result<(), StoreErrorKind> {
        if note.len() > NOTE_MAX {
            return Err(StoreErrorKind::TooLarge);
        }
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.torrent.orders.send(Order::Note(self.id(), note, Some(reply)));
        answer.recv().unwrap_or(Err(StoreErrorKind::Missing))
    }

    /// The same, without waiting for the database. A note that is too long is not kept.
    pub fn send_note(&self, note: Arc<[u8]>) {
        if note.len() <= NOTE_MAX {
            self.torrent.orders.send(Order::Note(self.id(), note, None));
        }
    }
}
