//! What a killed program has left: what its database says, and what lies in the folder.
#![allow(unreachable_pub, reason = "as in the module beside it")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use sha1::{Digest, Sha1};
use toubkal_wire::layout::Block;
use toubkal_wire::metainfo::Metainfo;

/// What is left.
#[derive(Debug, Default)]
pub struct Held {
    /// Pieces that are recorded as verified and are wrong in the files.
    pub wrong: Vec<u32>,
    /// Files under their final names that are not what they should be.
    pub broken_files: Vec<String>,
    /// Pieces that the next start has to believe.
    pub believable: u64,
    /// Files that do not have their final names.
    pub missing: usize,
}

/// A record, as it lies in the database.
struct Record {
    verified: Vec<u8>,
    /// Files that are remembered under their final names.
    marked: HashSet<u32>,
}

impl Held {
    /// Looks at a folder, and at a copy of the database with its log, as after a power cut of
    /// the program alone.
    pub fn look(metainfo: &Metainfo, out: &Path, state: &Path) -> Self {
        let mut held = Self::default();
        let layout = metainfo.layout().expect("it is of version 1");
        let root = out.join("things");
        let mut content: Vec<Option<Vec<u8>>> = Vec::new();
        let mut whole = Vec::new();
        for file in metainfo.files() {
            let path = root.join(file.path);
            let part = root.join(format!("{}.part", file.path));
            whole.push(path.exists());
            content.push(fs::read(&path).or_else(|_| fs::read(part)).ok());
        }
        held.missing = whole.iter().filter(|whole| !**whole).count();
        let is_right = |piece: u32| {
            let block = Block { piece, begin: 0, length: layout.piece_size(piece) };
            let mut sum = Sha1::new();
            for span in layout.spans(block) {
                let at = span.offset as usize..span.offset as usize + span.length as usize;
                let bytes = content[span.file as usize].as_ref();
                let Some(bytes) = bytes.and_then(|bytes| bytes.get(at)) else { return false };
                sum.update(bytes);
            }
            <[u8; 20]>::from(sum.finalize()) == metainfo.piece_hashes[piece as usize]
        };
        for (index, file) in metainfo.files().enumerate().filter(|(index, _)| whole[*index]) {
            // A piece that it shares may lack the other file's bytes, not its own.
            let inner = layout.pieces_of(index as u32);
            let inner = (inner.start + 1)..inner.end.saturating_sub(1);
            let length = content[index].as_ref().map(|bytes| bytes.len() as u64);
            if length != Some(file.length) || !inner.clone().all(is_right) {
                held.broken_files.push(file.path.to_owned());
            }
        }
        let Some(record) = Record::read(state) else { return held };
        for piece in 0..layout.pieces() {
            if record.verified[piece as usize / 8] & (0x80 >> (piece % 8)) == 0 {
                continue;
            }
            if !is_right(piece) {
                held.wrong.push(piece);
            }
            let block = Block { piece, begin: 0, length: layout.piece_size(piece) };
            // A file that got its name and was killed before that was written down is read.
            let known = |file: u32| !whole[file as usize] || record.marked.contains(&file);
            held.believable += u64::from(layout.spans(block).all(|span| known(span.file)));
        }
        held
    }
}

impl Record {
    fn read(state: &Path) -> Option<Self> {
        let copy = tempfile::tempdir().expect("there is a folder for temporary files");
        for end in ["", "-wal"] {
            let from = format!("{}{end}", state.display());
            let copied = fs::copy(from, copy.path().join(format!("state.db{end}")));
            if end.is_empty() && copied.is_err() {
                return None;
            }
        }
        let db = Connection::open(copy.path().join("state.db")).expect("it opens");
        let ask = "SELECT verified, synced FROM pieces";
        let row = db.query_row(ask, [], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        let (verified, synced): (Vec<u8>, Vec<u8>) = row.expect("it is whole")?;
        let within = synced.iter().zip(&verified).all(|(synced, verified)| synced & !verified == 0);
        assert!(within, "synced and not verified");
        let mut marked = db.prepare("SELECT file FROM files WHERE whole = 1").expect("it is whole");
        let marked = marked.query_map([], |row| row.get(0)).expect("it is whole");
        Some(Self { verified, marked: marked.map(|file| file.expect("a number")).collect() })
    }
}
