//! What the store knows of a torrent: where its files go, and how its pieces are checked.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toubkal_wire::layout::{Block, Layout, Span};
use toubkal_wire::metainfo::{File, Metainfo};

use super::Verifier;

/// What a file's name ends in until the file is complete.
const PART: &str = ".part";

/// The files of one torrent in one download folder.
#[derive(Debug)]
pub struct TorrentFiles {
    layout: Arc<Layout>,
    dir: PathBuf,
    /// The torrent's own folder, when it has one.
    root: Option<PathBuf>,
    paths: Vec<PathBuf>,
    /// Files that are never on the disk, in order.
    stand_ins: Vec<u32>,
    /// Hidden, in the download folder.
    edges: OsString,
    /// Pieces that hold bytes of two files or more, in order: the slots of the file of edges.
    shared: Vec<u32>,
    verifier: Verifier,
}

/// What a torrent's files are made from.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) info_hash: [u8; 20],
    pub(crate) layout: Arc<Layout>,
    /// The torrent's own folder below `dir`.
    pub(crate) root: Option<PathBuf>,
    /// One a file, below `dir`, the root included. Clean: see `toubkal_wire::path`.
    pub(crate) paths: Vec<PathBuf>,
    /// Symbolic links (BEP 47): nothing is stored for them.
    pub(crate) links: Vec<u32>,
    pub(crate) verifier: Verifier,
}

impl TorrentFiles {
    /// Lays a torrent into the download folder `dir`; touches nothing on the disk. `None` when
    /// it is of version 2 alone, whose pieces cannot be checked yet.
    #[must_use]
    pub fn of(metainfo: &Metainfo, dir: impl Into<PathBuf>) -> Option<Self> {
        let root = metainfo.folder().map(PathBuf::from);
        let below = |file: File<'_>| -> PathBuf {
            root.iter()
                .map(|root| root.as_os_str())
                .chain(file.components().map(OsStr::new))
                .collect()
        };
        let links = metainfo.files().enumerate().filter(|(_, file)| file.symlink);
        let parts = Parts {
            info_hash: metainfo.info_hash_v1?,
            layout: Arc::new(metainfo.layout()?),
            paths: metainfo.files().map(below).collect(),
            links: links.map(|(index, _)| index as u32).collect(),
            verifier: Verifier::Sha1((&*metainfo.piece_hashes).into()),
            root,
        };
        Some(Self::new(parts, dir.into()))
    }

    /// Lays files into the download folder; touches nothing on the disk.
    pub(crate) fn new(parts: Parts, dir: PathBuf) -> Self {
        let Parts { info_hash, layout, root, paths, mut links, verifier } = parts;
        assert_eq!(paths.len(), layout.files().len(), "one path a file");
        let pads = layout.files().iter().enumerate().filter(|(_, file)| file.pad);
        links.extend(pads.map(|(index, _)| index as u32));
        links.sort_unstable();
        links.dedup();
        let hash: String = info_hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            edges: format!(".toubkal-{hash}.edges{PART}").into(),
            shared: shared(&layout),
            stand_ins: links,
            layout,
            dir,
            root,
            paths,
            verifier,
        }
    }

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

    /// The torrent's own folder below the download folder; `None` for a lone file.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Where a file lies below the download folder once it is complete.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn path(&self, file: u32) -> &Path {
        &self.paths[file as usize]
    }

    /// Whether nothing is ever stored for a file: padding, or a symbolic link (BEP 47).
    #[must_use]
    pub fn is_virtual(&self, file: u32) -> bool {
        self.stand_ins.binary_search(&file).is_ok()
    }

    /// How pieces are checked.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The name of the file that keeps the bytes of unwanted files which wanted pieces hold.
    pub(crate) fn edges(&self) -> &OsString {
        &self.edges
    }

    /// Where the file of edges keeps a part of a block: in the slot of its piece. `None` when
    /// the piece is of one file alone.
    pub(crate) fn edge(&self, block: Block, span: Span) -> Option<u64> {
        let slot = self.shared.binary_search(&block.piece).ok()? as u64;
        let size = u64::from(self.layout.piece_length());
        let file = self.layout.files()[span.file as usize];
        let in_piece = file.offset + span.offset - u64::from(block.piece) * size;
        Some(slot * size + in_piece)
    }

    /// The pieces of a file that hold bytes of other files too: its first, its last, or none.
    pub(crate) fn shared_of(&self, file: u32) -> impl Iterator<Item = u32> + '_ {
        let pieces = self.layout.pieces_of(file);
        let last = pieces.end.saturating_sub(1);
        let ends = [pieces.start, last];
        let count = pieces.len().min(2);
        ends.into_iter().take(count).filter(|piece| self.shared.binary_search(piece).is_ok())
    }

    /// Pieces that hold bytes of two files or more, in order.
    pub(crate) fn shared(&self) -> &[u32] {
        &self.shared
    }

    /// The whole piece as one block, for [`Layout::spans`].
    pub(crate) fn whole(&self, piece: u32) -> Block {
        Block { piece, begin: 0, length: self.layout.piece_size(piece) }
    }
}

/// The name of a file until it is complete.
pub(crate) fn part_name(name: &OsStr) -> OsString {
    let mut part = name.to_os_string();
    part.push(PART);
    part
}

/// The pieces that hold bytes of two files or more. Padding counts: who wants it wants the piece.
fn shared(layout: &Layout) -> Vec<u32> {
    let mut shared = Vec::new();
    let mut before = None;
    for (index, file) in layout.files().iter().enumerate() {
        if file.length == 0 {
            continue;
        }
        let pieces = layout.pieces_of(index as u32);
        if before == Some(pieces.start) && shared.last() != Some(&pieces.start) {
            shared.push(pieces.start);
        }
        before = Some(pieces.end - 1);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pieces_of_several_files_have_slots() {
        // Ten bytes a piece: a | a b d e | e | e and padding | f, and c is empty.
        let sizes =
            [(15, false), (2, false), (0, false), (1, false), (13, false), (9, true), (5, false)];
        let layout = Arc::new(Layout::new(10, sizes).unwrap());
        let parts = Parts {
            info_hash: [0xab; 20],
            layout,
            root: Some("t".into()),
            paths: (0..7).map(|index| format!("t/{index}").into()).collect(),
            links: Vec::new(),
            verifier: Verifier::Sha1(Arc::new([])),
        };
        let files = TorrentFiles::new(parts, PathBuf::from("x"));
        assert_eq!(files.shared, [1, 3]);
        assert_eq!(files.edges(), ".toubkal-abababababababab.edges.part");
        assert!(files.is_virtual(5) && !files.is_virtual(4));
        assert_eq!(files.shared_of(0).collect::<Vec<_>>(), [1]);
        assert_eq!(files.shared_of(1).collect::<Vec<_>>(), [1]);
        assert_eq!(files.shared_of(2).count() + files.shared_of(6).count(), 0);
        let spans: Vec<_> = files.layout().spans(files.whole(1)).collect();
        let places: Vec<_> =
            spans.iter().map(|&span| files.edge(files.whole(1), span).unwrap()).collect();
        assert_eq!(places, [0, 5, 7, 8]);
    }
}
