//! What the engine and the user rely on, on real files.

mod durable;
#[cfg(target_os = "linux")]
mod faults;
mod keep;
mod random;
mod together;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use sha1::{Digest, Sha1};
use toubkal_core::base::Bitset;
use toubkal_core::engine::{
    Done, Found, JobId, LinkId, Opened, StoreError, StoreErrorKind, TorrentId,
};
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
        Self::with_past(files, content, None, None)
    }

    fn with_past(
        files: Arc<TorrentFiles>,
        content: Vec<u8>,
        left: Option<Left>,
        ledger: Option<Arc<dyn Ledger>>,
    ) -> Self {
        let (sender, replies) = channel();
        let store = Store::start(2, move |reply| {
            // The test may be over.
            _ = sender.send(reply);
        });
        store.add(TORRENT, Arc::clone(&files), left, ledger);
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
            Reply::Reads(_) => panic!("nothing was read"),
        }
    }

    fn try_open(&mut self, wanted: &[bool]) -> Result<(Vec<Found>, Bitset), StoreError> {
        self.look(wanted).map(|opened| (opened.files, opened.worth))
    }

    fn look(&mut self, wanted: &[bool]) -> Result<Box<Opened>, StoreError> {
        let job = self.job();
        self.store.submit(Task::Open { job, torrent: TORRENT, wanted: wanted.into() });
        match self.answer()? {
            Done::Opened(opened) => Ok(opened),
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
        let [result] = self.read_many(&[block]).try_into().unwrap();
        result
    }

    /// What comes for blocks that are asked for at once, in their order.
    fn read_many(&self, blocks: &[Block]) -> Vec<Result<Vec<u8>, StoreError>> {
        for &block in blocks {
            let link = LinkId::new(1, 1);
            self.store.submit(Task::Read { link, torrent: TORRENT, block });
        }
        let mut results = HashMap::new();
        while results.len() < blocks.len() {
            let Reply::Reads(read) = self.replies.recv().unwrap() else { panic!("only reads") };
            for ReadBlock { block, result, .. } in read {
                let result = result.map(|buffer| buffer.to_vec());
                assert!(results.insert((block.piece, block.begin), result).is_none(), "twice");
            }
        }
        let mut take = |block: &Block| results.remove(&(block.piece, block.begin)).unwrap();
        blocks.iter().map(&mut take).collect()
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

/// Every file below a folder with its bytes, sorted; none when there is no folder.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = dir.exists().then(|| dir.to_path_buf()).into_iter().collect();
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

#[test]
fn an_unwanted_file_is_not_made_and_its_edges_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    // Piece 0 holds file 0 and the head of file 1, piece 2 its tail and file 2.
    let sizes = [20_000, 60_000, 20_000];
    let mut bench = Bench::new(dir.path(), 32_768, &sizes);
    let wanted = [true, false, true];
    bench.try_open(&wanted).unwrap();
    for piece in [0, 2, 3] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
        assert_eq!(bench.verify(piece, 0), Ok(Done::Good), "as it lies on the disk");
    }
    for file in [0, 2] {
        assert_eq!(bench.finish(file), Ok(Done::Ready));
    }
    let edges = bench.files.edges().to_str().unwrap().to_owned();
    let names: Vec<_> = tree(dir.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [edges.as_str(), "t/0", "t/deep/er/2"]);

    let (found, worth) = bench.try_open(&wanted).unwrap();
    assert_eq!(found, [Found::Whole, Found::Absent, Found::Whole]);
    assert_eq!(worth.iter().collect::<Vec<_>>(), [0, 2, 3]);
    let block = Block { piece: 0, begin: 10_000, length: 20_000 };
    assert_eq!(bench.read(block), Ok(bench.bytes(block)), "edges are served");

    // Now it is wanted: its edges are in it, and what is left of it completes it.
    let (found, worth) = bench.open();
    assert_eq!(found[1], Found::Absent, "as it was found");
    assert_eq!(worth.iter().collect::<Vec<_>>(), [0, 2, 3]);
    assert_eq!(bench.write_piece(1), Ok(Done::Good));
    for piece in 0..4 {
        assert_eq!(bench.verify(piece, 0), Ok(Done::Good));
    }
    assert_eq!(bench.finish(1), Ok(Done::Ready));
    let names: Vec<_> = tree(dir.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["t/0", "t/1", "t/deep/er/2"], "no edges are left");
}

#[test]
fn an_unwanted_complete_file_is_read_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[20_000, 20_000]);
    std::fs::create_dir(dir.path().join("t")).unwrap();
    // Of the right length, with wrong bytes.
    std::fs::write(dir.path().join("t/1"), vec![9; 20_000]).unwrap();
    bench.try_open(&[true, false]).unwrap();
    assert!(matches!(bench.write_piece(0), Ok(Done::Good)));
    assert_eq!(bench.verify(0, 0), Ok(Done::Good));
    assert_eq!(std::fs::read(dir.path().join("t/1")).unwrap(), vec![9; 20_000]);
    // Also after a restart.
    let (_, worth) = bench.try_open(&[true, false]).unwrap();
    assert!(worth.has(0));
    assert_eq!(bench.verify(0, 0), Ok(Done::Good));
}

#[test]
fn a_complete_file_is_written_only_after_it_was_reclaimed() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000]);
    let mut wrong = bench.content.clone();
    wrong[100] ^= 1;
    std::fs::write(dir.path().join("lone"), &wrong).unwrap();
    let (found, worth) = bench.open();
    assert_eq!((found, worth.ones()), (vec![Found::Whole], 2));
    let sums = |content: &[u8]| content.chunks(16_384).map(|b| Sha1::digest(b).into()).collect();
    assert_eq!(bench.verify(0, 0), Ok(Done::Bad(sums(&wrong[..32_768]))));
    assert_eq!(bench.verify(1, 0), Ok(Done::Good));
    let refused = StoreError { kind: StoreErrorKind::Exists, file: Some(0) };
    assert_eq!(bench.write_piece(0), Err(refused));
    assert_eq!(std::fs::read(dir.path().join("lone")).unwrap(), wrong);
    assert_eq!(bench.reclaim(0), Ok(Done::Ready));
    assert_eq!(tree(dir.path()), [("lone.part".to_owned(), wrong)]);
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(bench.finish(0), Ok(Done::Ready));
    assert_eq!(tree(dir.path()), [("lone".to_owned(), bench.content.clone())]);
}

#[test]
fn a_file_of_another_length_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000, 10]);
    std::fs::create_dir(dir.path().join("t")).unwrap();
    std::fs::write(dir.path().join("t/0"), b"precious").unwrap();
    let (found, worth) = bench.open();
    assert_eq!(found, [Found::Other, Found::Absent]);
    assert!(worth.is_empty());
    let refused = Err(StoreError { kind: StoreErrorKind::Exists, file: Some(0) });
    assert_eq!(bench.write_piece(0), refused);
    assert_eq!(bench.reclaim(0), refused);
    assert_eq!(bench.finish(0), refused);
    assert_eq!(tree(dir.path()), [("t/0".to_owned(), b"precious".to_vec())]);
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000]);
    bench.open();
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(bench.write_piece(1), Ok(Done::Good));
    std::fs::write(dir.path().join("lone"), b"precious").unwrap();
    let refused = StoreError { kind: StoreErrorKind::Exists, file: Some(0) };
    assert_eq!(bench.finish(0), Err(refused));
    assert_eq!(std::fs::read(dir.path().join("lone")).unwrap(), b"precious");
    assert_eq!(std::fs::read(dir.path().join("lone.part")).unwrap(), bench.content);
}

#[test]
fn holes_are_not_worth_a_check() {
    let dir = tempfile::tempdir().unwrap();
    // 4 MiB: space is set aside for all of it when the first block is written.
    let mut bench = Bench::new(dir.path(), 65_536, &[4 << 20, 100_000]);
    bench.open();
    for piece in [3, 40, 41] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    assert_eq!(bench.sync(), Ok(Done::Ready));
    let (found, worth) = bench.open();
    assert_eq!(found, [Found::Part, Found::Absent]);
    assert_eq!(worth.iter().collect::<Vec<_>>(), [3, 40, 41]);
    // A hole reads as zeros, which is not to say that zeros were written.
    assert!(matches!(bench.verify(5, 0), Ok(Done::Bad(_))));
    assert_eq!(bench.verify(40, 0), Ok(Done::Good));
}

#[test]
fn zeros_that_are_nowhere_are_not_good() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Arc::new(Layout::new(32_768, [(40_000, false)]).unwrap());
    let sum = |length| Sha1::digest(vec![0; length]).into();
    let parts = Parts {
        info_hash: [1; 20],
        layout,
        root: None,
        paths: vec!["zeros".into()],
        links: Vec::new(),
        verifier: Verifier::Sha1([sum(32_768), sum(40_000 - 32_768)].into()),
    };
    let files = Arc::new(TorrentFiles::new(parts, dir.path().to_path_buf()));
    let mut bench = Bench::with(files, vec![0; 40_000]);
    bench.open();
    assert!(matches!(bench.verify(0, 0), Ok(Done::Bad(_))));
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(bench.verify(0, 0), Ok(Done::Good));
}

#[test]
fn a_bad_block_is_told_by_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 65_536, &[65_536 + 20_000]);
    bench.open();
    let layout = Arc::clone(bench.files.layout());
    let mut expected = Vec::new();
    for index in 0..4 {
        let block = layout.block(0, index);
        let mut bytes = bench.bytes(block);
        bytes[7] ^= u8::from(index == 2);
        expected.push(Sha1::digest(&bytes).into());
        assert_eq!(bench.write_bytes(block, &bytes, true), Ok(Done::Stored));
    }
    assert_eq!(bench.verify(0, 65_536), Ok(Done::Bad(expected.clone())));
    let job = bench.job();
    bench.store.submit(Task::Digest { job, torrent: TORRENT, piece: 0 });
    assert_eq!(bench.answer(), Ok(Done::Digests(expected)));
    // The right block over the bad one; the piece is read again, the running hash is gone.
    assert_eq!(bench.write(layout.block(0, 2)), Ok(Done::Stored));
    assert_eq!(bench.verify(0, 0), Ok(Done::Good));
}

#[test]
fn blocks_out_of_order_are_hashed_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 65_536, &[65_536]);
    bench.open();
    let layout = Arc::clone(bench.files.layout());
    for index in [0, 3, 1, 2] {
        let (block, digest) = (layout.block(0, index), index < 2);
        let bytes = bench.bytes(block);
        assert_eq!(bench.write_bytes(block, &bytes, digest), Ok(Done::Stored));
    }
    assert_eq!(bench.verify(0, 32_768), Ok(Done::Good));
    // Nothing is remembered as hashed any more: all is read, whatever is said to be hashed.
    assert_eq!(bench.verify(0, 16_384), Ok(Done::Good));
}

#[test]
fn padding_is_never_stored() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [(20_000, false), (12_768, true), (0, false), (10, false)];
    let (files, content) = torrent(dir.path(), 32_768, &sizes);
    let mut bench = Bench::with(files, content);
    let (found, _) = bench.open();
    assert_eq!(found, [Found::Absent, Found::Virtual, Found::Absent, Found::Absent]);
    bench.complete();
    let names: Vec<_> = tree(dir.path()).into_iter().map(|(name, b)| (name, b.len())).collect();
    let expected = [("t/0", 20_000), ("t/3", 10), ("t/deep/er/2", 0)];
    assert_eq!(names, expected.map(|(name, length)| (name.to_owned(), length)));
    let block = Block { piece: 0, begin: 16_384, length: 16_384 };
    assert_eq!(bench.read(block), Ok(bench.bytes(block)));
    let (_, worth) = bench.open();
    assert!(worth.is_full());
}

#[test]
fn a_folder_that_went_away_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("drive");
    std::fs::create_dir(&home).unwrap();
    let mut bench = Bench::new(&home, 32_768, &[40_000, 40_000, 70_000]);
    bench.open();
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    bench.store.submit(Task::Release { torrent: TORRENT });
    bench.open();
    // The drive is pulled, and its mount point, empty, is left.
    std::fs::rename(&home, dir.path().join("pulled")).unwrap();
    let gone = |file| Err(StoreError { kind: StoreErrorKind::Missing, file });
    assert_eq!(bench.write_piece(4), gone(Some(2)));
    std::fs::create_dir(&home).unwrap();
    assert_eq!(bench.write_piece(4), gone(Some(2)));
    assert_eq!(bench.finish(0), gone(Some(0)));
    assert_eq!(bench.try_open(&[true; 3]).map(|_| Done::Ready), gone(None));
    assert!(tree(&home).is_empty());
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
    // It is back.
    std::fs::remove_dir(&home).unwrap();
    std::fs::rename(dir.path().join("pulled"), &home).unwrap();
    let (_, worth) = bench.open();
    assert!(worth.has(0));
    bench.complete();
}

#[test]
fn a_lone_file_is_not_begun_on_another_drive() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("drive");
    std::fs::create_dir(&home).unwrap();
    let mut bench = Bench::new(&home, 32_768, &[40_000]);
    bench.open();
    std::fs::rename(&home, dir.path().join("pulled")).unwrap();
    std::fs::create_dir(&home).unwrap();
    let gone = Err(StoreError { kind: StoreErrorKind::Missing, file: Some(0) });
    assert_eq!(bench.write_piece(0), gone);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn the_torrents_own_folder_is_not_made_again_either() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000, 40_000, 70_000]);
    bench.open();
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    std::fs::remove_dir_all(dir.path().join("t")).unwrap();
    let gone = Err(StoreError { kind: StoreErrorKind::Missing, file: Some(2) });
    assert_eq!(bench.write_piece(4), gone);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn a_file_that_was_cut_or_changed_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[100_000]);
    bench.open();
    bench.complete();
    let path = dir.path().join("lone");
    let block = Block { piece: 1, begin: 0, length: 16_384 };
    let other = Block { piece: 2, begin: 0, length: 16_384 };
    assert_eq!(bench.read(block), Ok(bench.bytes(block)));
    let changed = StoreError { kind: StoreErrorKind::Changed, file: Some(0) };
    // A changed byte: that piece is not served, the others are.
    let mut bytes = bench.content.clone();
    bytes[40_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    touch(&path);
    assert_eq!(bench.read(block), Err(changed));
    assert_eq!(bench.read(other), Ok(bench.bytes(other)));
    // Cut.
    std::fs::File::options().write(true).open(&path).unwrap().set_len(40_000).unwrap();
    assert_eq!(bench.read(other), Err(changed));
    // The same bytes again, written later: served.
    std::fs::write(&path, &bench.content).unwrap();
    touch(&path);
    assert_eq!(bench.read(block), Ok(bench.bytes(block)));
}

#[test]
fn blocks_that_are_asked_for_together_are_each_as_if_alone() {
    let dir = tempfile::tempdir().unwrap();
    // Pieces of eight blocks; borders of files in the middle of blocks, and at their ends.
    let mut bench = Bench::new(dir.path(), 131_072, &[140_000, 16_384 * 7, 5, 400_000]);
    bench.open();
    bench.complete();
    let layout = Arc::clone(bench.files.layout());
    let blocks = |piece| (0..layout.blocks(piece)).map(move |index| (piece, index));
    let all: Vec<Block> = (0..layout.pieces())
        .flat_map(blocks)
        .map(|(piece, index)| layout.block(piece, index))
        .collect();
    for (block, result) in all.iter().zip(bench.read_many(&all)) {
        assert_eq!(result, Ok(bench.bytes(*block)), "{block:?}");
    }
    // The last file is cut in the middle of a run: what is there of it still comes.
    let path = dir.path().join("t/3");
    let cut = std::fs::File::options().write(true).open(&path).unwrap();
    cut.set_len(300_000).unwrap();
    let changed = StoreError { kind: StoreErrorKind::Changed, file: Some(3) };
    let last = layout.pieces() - 1;
    for (block, result) in all.iter().zip(bench.read_many(&all)) {
        let start = layout.files()[3].offset;
        let end = u64::from(block.piece) * 131_072 + u64::from(layout.piece_size(block.piece));
        let whole = end <= start + 300_000;
        let touched = layout.files_of(block.piece).contains(&3);
        match (touched, whole) {
            (false, _) | (true, true) => assert_eq!(result, Ok(bench.bytes(*block)), "{block:?}"),
            (true, false) if block.piece == last => assert_eq!(result, Err(changed)),
            // A piece that is not whole is not given, save blocks that lie in other files alone.
            _ => assert!(result == Err(changed) || result == Ok(bench.bytes(*block))),
        }
    }
}

#[test]
fn a_file_whose_time_was_set_is_checked_once_and_not_for_every_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[40_000, 60_000]);
    bench.open();
    bench.complete();
    touch(&dir.path().join("t/0"));
    let block = Block { piece: 1, begin: 0, length: 16_384 };
    assert_eq!(bench.read(block), Ok(bench.bytes(block)));
    let disk = Arc::clone(&bench.store.torrents.lock()[&TORRENT]);
    let again = |piece| {
        let mut asked = false;
        let right = disk.is_still_right(piece, || {
            asked = true;
            Ok(true)
        });
        assert_eq!(right, Ok(true));
        asked
    };
    assert!(!again(1), "it was checked when the block was read");
    assert!(again(0) && !again(0), "each piece by itself");
    // The other file of the piece: it is asked again, and a piece that is wrong is never kept.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(20);
    let other = std::fs::File::options().write(true).open(dir.path().join("t/1")).unwrap();
    other.set_modified(later).unwrap();
    assert_eq!(disk.is_still_right(1, || Ok(false)), Ok(false));
    assert!(again(1) && !again(0));
}

/// Sees to it that the time of the last change differs, however coarse the clock.
fn touch(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    file.set_modified(later).unwrap();
}

#[test]
fn many_files_are_worked_on_through_few_handles() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[5_000; 200]);
    bench.store.handles = Arc::new(Handles::with_limit(3));
    bench.store.add(TORRENT, Arc::clone(&bench.files), None, None);
    bench.open();
    for piece in 0..bench.files.layout().pieces() {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
        assert_eq!(bench.store.handles.open(), 3);
    }
    for file in 0..200 {
        assert_eq!(bench.finish(file), Ok(Done::Ready));
    }
    for piece in 0..bench.files.layout().pieces() {
        assert_eq!(bench.verify(piece, 0), Ok(Done::Good));
        assert_eq!(bench.store.handles.open(), 3);
    }
    bench.store.submit(Task::Release { torrent: TORRENT });
    bench.open();
    assert_eq!(bench.store.handles.open(), 0, "a release closes everything");
}

#[test]
fn a_torrent_nobody_told_of_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 32_768, &[5_000]);
    let missing = Err(StoreError { kind: StoreErrorKind::Missing, file: None });
    assert_eq!(bench.verify(0, 0).map_err(|error| error.kind), Err(StoreErrorKind::Missing));
    bench.store.remove(TORRENT);
    assert_eq!(bench.verify(0, 0), missing);
    assert_eq!(bench.write(bench.files.layout().block(0, 0)), missing);
}

#[test]
fn blocks_are_answered_with_their_buffers_when_the_store_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path(), 1 << 20, &[8 << 20]);
    bench.open();
    let layout = Arc::clone(bench.files.layout());
    for piece in 0..8 {
        for index in 0..layout.blocks(piece) {
            let (job, block) = (bench.job(), layout.block(piece, index));
            let mut buffer = bench.pool.take(block.length as usize).unwrap();
            buffer.copy_from_slice(&bench.bytes(block));
            bench.store.submit(Task::Write { job, torrent: TORRENT, block, buffer, digest: true });
        }
    }
    let Bench { store, replies, content, .. } = bench;
    store.stop();
    let mut answers = 0;
    for reply in replies.try_iter() {
        let Reply::Job { result, buffer, .. } = reply else { panic!("nothing was read") };
        assert!(result == Ok(Done::Stored) && buffer.is_some());
        answers += 1;
    }
    assert_eq!(answers, 512);
    assert_eq!(tree(dir.path()), [("lone.part".to_owned(), content)]);
}
