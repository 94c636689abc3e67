//! Random torrents, written in random order: what is read is what was written.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;
use toubkal_wire::layout::BLOCK_BYTES;

use super::*;

/// A file of a random torrent.
#[derive(Clone, Debug)]
struct Shape {
    length: u64,
    pad: bool,
    wanted: bool,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let length = prop_oneof![
        2 => Just(0u64),
        4 => 1u64..200,
        3 => 200u64..40_000,
        1 => 40_000u64..200_000,
        1 => Just(1 << 20),
    ];
    let shape = (length, prop::bool::weighted(0.15), prop::bool::weighted(0.7));
    let shape = shape.prop_map(|(length, pad, wanted)| {
        // Padding is short in life.
        let length = if pad { length % 5_000 } else { length };
        Shape { length, pad, wanted }
    });
    prop::collection::vec(shape, 2..14)
}

impl Bench {
    /// Pieces that hold bytes of wanted files.
    fn wanted_pieces(&self, wanted: &[bool]) -> Vec<u32> {
        let layout = self.files.layout();
        let holds = |piece: &u32| {
            layout.spans(self.files.whole(*piece)).any(|span| wanted[span.file as usize])
        };
        (0..layout.pieces()).filter(holds).collect()
    }

    /// Writes blocks in the order given, many under way at once, and checks each piece as soon
    /// as its blocks are written; then everything once more from the disk.
    fn write_shuffled(&mut self, mut blocks: Vec<Block>, order: &[Index]) {
        let layout = Arc::clone(self.files.layout());
        for (at, index) in order.iter().enumerate().take(blocks.len()) {
            let other = index.index(blocks.len());
            blocks.swap(at, other);
        }
        let mut left: HashMap<u32, u32> = HashMap::new();
        let mut prefix: HashMap<u32, u32> = HashMap::new();
        let mut jobs = HashMap::new();
        blocks.iter().for_each(|block| *left.entry(block.piece).or_default() += 1);
        let mut waiting = left.len();
        for &block in &blocks {
            let job = self.job();
            let hashed = prefix.entry(block.piece).or_default();
            let digest = *hashed == block.begin;
            *hashed += if digest { block.length } else { 0 };
            let mut buffer = self.pool.lend(block.length as usize);
            buffer.copy_from_slice(&self.bytes(block));
            jobs.insert(job, block.piece);
            self.store.submit(Task::Write { job, torrent: TORRENT, block, buffer, digest });
        }
        while waiting > 0 {
            let Reply::Job { job, result, .. } = self.replies.recv().unwrap() else { panic!() };
            let piece = jobs[&job];
            match result.unwrap() {
                Done::Stored => *left.get_mut(&piece).unwrap() -= 1,
                Done::Good => {
                    waiting -= 1;
                    continue;
                }
                other => panic!("{other:?}"),
            }
            if left[&piece] == 0 {
                let (job, hashed) = (self.job(), prefix[&piece]);
                jobs.insert(job, piece);
                self.store.submit(Task::Verify { job, torrent: TORRENT, piece, hashed });
            }
        }
        for &piece in left.keys() {
            assert_eq!(self.verify(piece, 0), Ok(Done::Good));
            let block = Block { piece, begin: 0, length: layout.piece_size(piece).min(100_000) };
            assert_eq!(self.read(block), Ok(self.bytes(block)));
        }
    }

    fn blocks_of(&self, pieces: &[u32]) -> Vec<Block> {
        let layout = self.files.layout();
        let of = |&piece: &u32| (0..layout.blocks(piece)).map(move |at| layout.block(piece, at));
        pieces.iter().flat_map(of).collect()
    }

    /// The files as they must be at the end.
    fn expected(&self, wanted: &[bool]) -> Vec<(String, Vec<u8>)> {
        let files = self.files.layout().files().iter().enumerate();
        let mut expected: Vec<_> = files
            .filter(|(index, file)| wanted[*index] && !file.pad)
            .map(|(index, file)| {
                let bytes = file.offset as usize..(file.offset + file.length) as usize;
                let name = self.files.path(index as u32).to_str().unwrap().to_owned();
                (name, self.content[bytes].to_vec())
            })
            .collect();
        expected.sort();
        expected
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_touched(
        shapes in shapes(),
        piece_length in prop_oneof![Just(BLOCK_BYTES), Just(4 * BLOCK_BYTES), 100u32..70_000],
        order in prop::collection::vec(any::<Index>(), 64),
        stop in any::<Index>(),
    ) {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("mine"), b"mine").unwrap();
        let dir = outer.path().join("downloads");
        let sizes: Vec<_> = shapes.iter().map(|shape| (shape.length, shape.pad)).collect();
        let (files, content) = torrent(&dir, piece_length, &sizes);
        let wanted: Vec<bool> = shapes.iter().map(|shape| shape.wanted).collect();
        let mut bench = Bench::with(files, content);
        bench.try_open(&wanted).unwrap();

        // A part of it; then everything is closed and looked at anew.
        let pieces = bench.wanted_pieces(&wanted);
        let stop = if pieces.is_empty() { 0 } else { stop.index(pieces.len()) };
        let (early, late) = pieces.split_at(stop);
        bench.write_shuffled(bench.blocks_of(early), &order);
        bench.store.submit(Task::Release { torrent: TORRENT });
        let (_, worth) = bench.try_open(&wanted).unwrap();
        for &piece in early {
            prop_assert!(worth.has(piece), "piece {} was written", piece);
            prop_assert_eq!(bench.verify(piece, 0), Ok(Done::Good));
        }
        let (_, again) = bench.try_open(&wanted).unwrap();
        prop_assert_eq!(&again, &worth);

        // The rest, and the names.
        bench.write_shuffled(bench.blocks_of(late), &order);
        for (file, shape) in shapes.iter().enumerate() {
            if shape.wanted && !shape.pad {
                prop_assert_eq!(bench.finish(file as u32), Ok(Done::Ready));
            }
        }
        let hidden = bench.files.edges().to_str().unwrap().to_owned();
        let mut found = tree(&dir);
        found.retain(|(name, _)| *name != hidden);
        let expected = bench.expected(&wanted);
        prop_assert_eq!(names(&found), names(&expected));
        prop_assert!(found == expected);

        // Then all of it is wanted.
        let (_, worth) = bench.open();
        // Holes are known page for page: what is worth a check need not be good.
        let missing: Vec<u32> = (0..worth.len())
            .filter(|&piece| !worth.has(piece) || bench.verify(piece, 0) != Ok(Done::Good))
            .collect();
        for &piece in &pieces {
            prop_assert!(!missing.contains(&piece));
        }
        bench.write_shuffled(bench.blocks_of(&missing), &order);
        for (file, shape) in shapes.iter().enumerate() {
            if !shape.pad {
                prop_assert_eq!(bench.finish(file as u32), Ok(Done::Ready));
            }
        }
        let all = vec![true; shapes.len()];
        let (found, expected) = (tree(&dir), bench.expected(&all));
        prop_assert_eq!(names(&found), names(&expected));
        prop_assert!(found == expected);
        prop_assert_eq!(std::fs::read(outer.path().join("mine")).unwrap(), b"mine");
        // A torrent of padding alone makes no folder.
        let made = usize::from(dir.exists());
        prop_assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1 + made);
    }
}

fn names(tree: &[(String, Vec<u8>)]) -> Vec<(&str, usize)> {
    tree.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect()
}
