//! What the store knows of a torrent: where its files go, and how its pieces are checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toubkal_wire::layout::Layout;

/// The files of one torrent in one download folder.
#[derive(Debug)]
pub struct TorrentFiles {
    layout: Arc<Layout>,
    dir: PathBuf,
    paths: Vec<PathBuf>,
    verifier: Verifier,
}

/// How the bytes of a piece are known to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// BEP 3: the SHA-1 of each piece.
    Sha1(Arc<[[u8; 20]]>),
}

impl TorrentFiles {
    /// The pieces and files.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The download folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file lies below the folder once it is complete.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn path(&self, file: u32) -> &Path {
        &self.paths[file as usize]
    }

    /// How pieces are checked.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}
