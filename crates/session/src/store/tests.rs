//! What the engine and the user rely on, on real files.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use sha1::{Digest, Sha1};
use toubkal_core::base::Bitset;
use toubkal_core::engine::{Done, Found, JobId, LinkId, StoreError, StoreErrorKind, TorrentId};
use toubkal_wire::layout::{Block, Layout};

use super::files::Parts;
use super::*;

/// The torrent of most tests.
const TORRENT: TorrentId = TorrentId::new(3, 1);

/// A torrent with content that is known, and a store that works on it.
struct Bench {
    store: Store,
    replies: Receiver<Reply>,
    pool: Pool,
    files: Arc<TorrentFiles>,
    content: Vec<u8>,
    jobs: u64,
}

/// Bytes that look like chance and are always the same.
fn noise(length: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length as usize).collect()
}

fn torrent(dir: &Path, piece_length: u32, sizes: &[(u64, bool)]) -> (Arc<TorrentFiles>, Vec<u8>) {
    let layout = Arc::new(Layout::new(piece_length, sizes.iter().copied()).unwrap());
    let mut content = noise(layout.total(), 7);
    for file in layout.files().iter().filter(|file| file.pad) {
        content[file.offset as usize..(file.offset + file.length) as usize].fill(0);
    }
    let sums = content.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into());
    let single = sizes.len() == 1;
    let path = |index| match index {
        _ if single => "lone".into(),
        index if index % 3 == 2 => format!("t/deep/er/{index}").into(),
        index => format!("t/{index}").into(),
    };
    let files = TorrentFiles::new(
        Parts {
            info_hash: [0x5a; 20],
            layout: Arc::clone(&layout),
            root: (!single).then(|| "t".into()),
            paths: (0..sizes.len()).map(path).collect(),
            links: Vec::new(),
            verifier: Verifier::Sha1(sums.collect()),
        },
        dir.to_path_buf(),
    );
    (Arc::new(files), content)
}

impl Bench {
    fn new(dir: &Path, piece_length: u32, sizes: &[u64]) -> Self {
        let sizes: Vec<_> = sizes.iter().map(|&size| (size, false)).collect();
        let (files, content) = torrent(dir, piece_length, &sizes);
        Self::with(files, content)
    }

    fn with(files: Arc<TorrentFiles>, content: Vec<u8>) -> Self {
        let (sender, replies) = channel();
        let store = Store::start(2, move |reply| {
            // The test may be over.
            _ = sender.send(reply);
        });
        store.add(TORRENT, Arc::clone(&files));
        Self { store, replies, pool: Pool::new(1 << 24), files, content, jobs: 0 }
    }

    fn job(&mut self) -> JobId {
        self.jobs += 1;
        JobId(self.jobs)
    }

    fn answer(&self) -> Result<Done, StoreError> {
        match self.replies.recv().unwrap() {
            Reply::Job { job, result, .. } => {
                assert_eq!(job, JobId(self.jobs));
                result
            }
            Reply::Read { .. } => panic!("nothing was read"),
        }
    }

    fn try_open(&mut self, wanted: &[bool]) -> Result<(Vec<Found>, Bitset), StoreError> {
        let job = self.job();
        self.store.submit(Task::Open { job, torrent: TORRENT, wanted: wanted.into() });
        match self.answer()? {
            Done::Opened { files, worth } => Ok((files, worth)),
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) -> (Vec<Found>, Bitset) {
        self.try_open(&vec![true; self.files.layout().files().len()]).unwrap()
    }

    fn bytes(&self, block: Block) -> Vec<u8> {
        let start = block.piece as usize * self.files.layout().piece_length() as usize;
        let start = start + block.begin as usize;
        self.content[start..start + block.length as usize].to_vec()
    }

    fn write_bytes(
        &mut self,
        block: Block,
        bytes: &[u8],
        digest: bool,
    ) -> Result<Done, StoreError> {
        let job = self.job();
        let mut buffer = self.pool.take(bytes.len()).unwrap();
        buffer.copy_from_slice(bytes);
        self.store.submit(Task::Write { job, torrent: TORRENT, block, buffer, digest });
        self.answer()
    }

    fn write(&mut self, block: Block) -> Result<Done, StoreError> {
        let bytes = self.bytes(block);
        self.write_bytes(block, &bytes, true)
    }

    fn write_piece(&mut self, piece: u32) -> Result<Done, StoreError> {
        let layout = Arc::clone(self.files.layout());
        for index in 0..layout.blocks(piece) {
            self.write(layout.block(piece, index))?;
        }
        self.verify(piece, layout.piece_size(piece))
    }

    fn verify(&mut self, piece: u32, hashed: u32) -> Result<Done, StoreError> {
        let job = self.job();
        self.store.submit(Task::Verify { job, torrent: TORRENT, piece, hashed });
        self.answer()
    }

    fn finish(&mut self, file: u32) -> Result<Done, StoreError> {
        let job = self.job();
        self.store.submit(Task::Finish { job, torrent: TORRENT, file });
        self.answer()
    }

    fn reclaim(&mut self, file: u32) -> Result<Done, StoreError> {
        let job = self.job();
        self.store.submit(Task::Reclaim { job, torrent: TORRENT, file });
        self.answer()
    }

    fn sync(&mut self) -> Result<Done, StoreError> {
        let job = self.job();
        self.store.submit(Task::Sync { job, torrent: TORRENT });
        self.answer()
    }

    fn read(&self, block: Block) -> Result<Vec<u8>, StoreError> {
        let link = LinkId::new(1, 1);
        self.store.submit(Task::Read { link, torrent: TORRENT, block });
        match self.replies.recv().unwrap() {
            Reply::Read { result, block: of, .. } => {
                assert_eq!(of, block);
                result.map(|buffer| buffer.to_vec())
            }
            Reply::Job { .. } => panic!("a read was asked for"),
        }
    }

    /// Everything, as a download would do it.
    fn complete(&mut self) {
        for piece in 0..self.files.layout().pieces() {
            assert_eq!(self.write_piece(piece), Ok(Done::Good));
        }
        for file in 0..self.files.layout().files().len() as u32 {
            assert_eq!(self.finish(file), Ok(Done::Ready));
        }
    }
}

/// Every file below a folder with its bytes, sorted.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_torrent_is_downloaded_named_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new").join("folder");
    let mut bench = Bench::new(&dir, 32_768, &[40_000, 0, 5, 100_000]);
    let (found, worth) = bench.open();
    assert_eq!(found, [Found::Absent; 4]);
    assert!(worth.is_empty());
    assert!(!dir.exists(), "looking makes nothing");
    bench.complete();
    let names: Vec<_> = tree(&dir).into_iter().map(|(name, bytes)| (name, bytes.len())).collect();
    let expected = [("t/0", 40_000), ("t/1", 0), ("t/3", 100_000), ("t/deep/er/2", 5)];
    assert_eq!(names, expected.map(|(name, length)| (name.to_owned(), length)));
    let block = Block { piece: 1, begin: 100, length: 30_000 };
    assert_eq!(bench.read(block), Ok(bench.bytes(block)));
    let (found, worth) = bench.open();
    assert_eq!(found, [Found::Whole; 4]);
    assert!(worth.is_full());
    for piece in 0..worth.len() {
        assert_eq!(bench.verify(piece, 0), Ok(Done::Good));
    }
}
