//! What is remembered of files from one look at them to the next.

use std::sync::Mutex;
use std::time::Duration;

use toubkal_core::engine::{Record, Totals};

use super::*;

/// Three files in pieces of 32 KiB: piece 0 and 1 are of the first alone, 2 is shared, 3 and 4
/// are of the second, 5 is shared, 6 is of the third.
const SIZES: [u64; 3] = [80_000, 90_000, 50_000];
const ALL: [bool; 3] = [true; 3];

/// Notes what it is told.
#[derive(Debug, Default)]
struct Notes {
    stirred: Mutex<Vec<Option<Vec<u32>>>>,
    marks: Mutex<Vec<Marks>>,
    answer: Mutex<Option<Result<bool, StoreErrorKind>>>,
}

impl Ledger for Notes {
    fn stir(&self, suspect: Option<Bitset>) {
        let suspect = suspect.map(|suspect| suspect.iter().collect());
        self.stirred.lock().unwrap().push(suspect);
    }

    fn named(&self, marks: Marks, then: Then) {
        self.note(marks, then);
    }

    fn record(&self, _: Arc<Record>, marks: Marks, then: Then) {
        self.note(marks, then);
    }
}

impl Notes {
    fn note(&self, marks: Marks, then: Then) {
        self.marks.lock().unwrap().push(marks);
        then(self.answer.lock().unwrap().unwrap_or(Ok(true)));
    }

    /// The files that were told of last, and whether in place of all others.
    fn last(&self) -> (bool, Vec<(u32, Option<bool>)>) {
        let marks = self.marks.lock().unwrap().pop().expect("it was told");
        let files = marks.changes.iter().map(|(file, mark)| (*file, mark.map(|it| it.whole)));
        (marks.all, files.collect())
    }
}

fn bench(dir: &Path, left: Option<Left>) -> (Bench, Arc<Notes>) {
    let sizes: Vec<_> = SIZES.iter().map(|&size| (size, false)).collect();
    let (files, content) = torrent(dir, 32_768, &sizes);
    let notes = Arc::new(Notes::default());
    let ledger: Arc<dyn Ledger> = Arc::clone(&notes) as _;
    (Bench::with_past(files, content, left, Some(ledger)), notes)
}

impl Bench {
    fn record(&mut self, rest: bool) -> Result<Done, StoreError> {
        let job = self.job();
        let pieces = Bitset::new(self.files.layout().pieces());
        let (verified, synced) = (pieces.clone(), pieces);
        let record = Record { verified, synced, rest, doubt: false, totals: Totals::default() };
        let record = Arc::new(record);
        self.store.submit(Task::Record { job, torrent: TORRENT, record });
        self.answer()
    }

    /// Pieces that are there and are not as they were left.
    fn changed(&mut self, wanted: &[bool]) -> Vec<u32> {
        let opened = self.look(wanted).unwrap();
        opened.changed.both(&opened.worth).collect()
    }

    fn release(&self) {
        self.store.submit(Task::Release { torrent: TORRENT });
    }
}

/// As another program would: other bytes, another time.
fn touch(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before + Duration::from_millis(1)).unwrap();
}

fn mark(path: &Path, whole: bool) -> Mark {
    let metadata = path.metadata().unwrap();
    Mark { whole, stamp: crate::paths::Stamp::of(&metadata) }
}

#[test]
fn in_one_life_a_rest_is_compared_with_what_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, notes) = bench(dir.path(), None);
    assert!(bench.look(&ALL).unwrap().changed.is_full(), "nobody knows");
    for piece in 0..4 {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    assert_eq!(bench.finish(0), Ok(Done::Ready));
    assert_eq!(notes.last(), (false, vec![(0, Some(true))]), "told at once");
    assert_eq!(bench.record(true), Ok(Done::Ready));
    assert_eq!(notes.last(), (true, vec![(0, Some(true)), (1, Some(false))]));
    bench.release();
    assert_eq!(bench.changed(&ALL), [0; 0], "all is as it was");
    bench.release();
    touch(&dir.path().join("t/0"));
    assert_eq!(bench.changed(&ALL), [0, 1, 2]);
    // Looked at and not recorded: it is still not what was recorded.
    bench.release();
    assert_eq!(bench.changed(&ALL), [0, 1, 2]);
    assert_eq!(bench.record(false), Ok(Done::Ready));
    assert_eq!(notes.last(), (false, vec![(0, Some(true))]), "only what is new");
    bench.release();
    assert_eq!(bench.changed(&ALL), [0; 0]);
}

#[test]
fn after_a_rest_a_part_that_is_not_as_it_was_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, _) = bench(dir.path(), None);
    bench.look(&ALL).unwrap();
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(bench.record(true), Ok(Done::Ready));
    bench.release();
    touch(&dir.path().join("t/0.part"));
    // One that was not there at all.
    std::fs::write(dir.path().join("t/1.part"), vec![1; 90_000]).unwrap();
    assert_eq!(bench.changed(&ALL), [0, 3, 4]);
}

#[test]
fn what_a_killed_program_left_is_believed_but_no_whole_file_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("t/deep/er")).unwrap();
    std::fs::write(dir.path().join("t/0.part"), vec![1; 80_000]).unwrap();
    std::fs::write(dir.path().join("t/1"), vec![1; 90_000]).unwrap();
    std::fs::write(dir.path().join("t/deep/er/2"), vec![1; 50_000]).unwrap();
    let marks = [(2, mark(&dir.path().join("t/deep/er/2"), true))].into();
    let (mut bench, _) = bench(dir.path(), Some(Left { rest: false, marks }));
    assert_eq!(bench.changed(&ALL), [2, 3, 4, 5], "those of the whole file that nobody named");
}

#[test]
fn a_whole_file_that_lost_its_name_is_no_part_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("t")).unwrap();
    let part = dir.path().join("t/0.part");
    std::fs::write(&part, vec![1; 80_000]).unwrap();
    let left = Left { rest: false, marks: [(0, mark(&part, true))].into() };
    let (mut bench, _) = bench(dir.path(), Some(left));
    assert_eq!(bench.changed(&ALL), [0, 1]);
}

#[test]
fn before_the_first_byte_is_written_the_ledger_is_cut_down() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("t")).unwrap();
    std::fs::write(dir.path().join("t/0.part"), vec![1; 80_000]).unwrap();
    std::fs::write(dir.path().join("t/1.part"), vec![1; 90_000]).unwrap();
    let marks = [(0, mark(&dir.path().join("t/0.part"), false))].into();
    let (mut bench, notes) = bench(dir.path(), Some(Left { rest: true, marks }));
    assert_eq!(bench.changed(&ALL), [2, 3, 4]);
    assert!(notes.stirred.lock().unwrap().is_empty(), "a look changes nothing");
    for piece in [3, 4] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    // What has changed, and what is not there.
    assert_eq!(*notes.stirred.lock().unwrap(), [Some(vec![2, 3, 4, 5, 6])], "once");
    // Looked at again before there was a record, it counts as little.
    bench.release();
    assert_eq!(bench.changed(&ALL), [2, 3, 4]);
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(notes.stirred.lock().unwrap().len(), 2, "once a life");
}

#[test]
fn where_nothing_is_believed_nothing_stays_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, notes) = bench(dir.path(), None);
    bench.look(&ALL).unwrap();
    assert_eq!(bench.write_piece(0), Ok(Done::Good));
    assert_eq!(*notes.stirred.lock().unwrap(), [Some((0..7).collect())]);
}

#[test]
fn a_record_that_failed_is_followed_by_one_that_says_it_all() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, notes) = bench(dir.path(), Some(Left::default()));
    bench.look(&ALL).unwrap();
    for piece in 0..3 {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    *notes.answer.lock().unwrap() = Some(Err(StoreErrorKind::Full));
    assert_eq!(bench.finish(0), Ok(Done::Ready), "the file has its name all the same");
    let full = Err(StoreError { kind: StoreErrorKind::Full, file: None });
    assert_eq!(bench.record(false), full);
    *notes.answer.lock().unwrap() = None;
    assert_eq!(bench.record(false), Ok(Done::Ready));
    assert_eq!(notes.last(), (true, vec![(0, Some(true))]));
    assert_eq!(bench.record(false), Ok(Done::Ready));
    assert_eq!(notes.last(), (false, vec![]));
}

#[test]
fn the_file_of_edges_is_compared_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, notes) = bench(dir.path(), None);
    let wanted = [true, false, true];
    bench.look(&wanted).unwrap();
    for piece in [2, 5] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    assert_eq!(bench.record(true), Ok(Done::Ready));
    let edges = u32::MAX;
    assert_eq!(notes.last().1, [(0, Some(false)), (2, Some(false)), (edges, Some(false))]);
    bench.release();
    assert_eq!(bench.changed(&wanted), [0; 0]);
    bench.release();
    touch(&dir.path().join(bench.files.edges()));
    assert_eq!(bench.changed(&wanted), [2, 5]);
}

#[test]
fn what_moves_out_of_the_file_of_edges_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bench, _) = bench(dir.path(), None);
    let some = [true, false, true];
    bench.look(&some).unwrap();
    for piece in [2, 5] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    assert_eq!(bench.record(true), Ok(Done::Ready));
    bench.release();
    // The other file is wanted now: what is copied into it is not on the disk, whatever the
    // record says of the pieces, and it stays so when the power goes in the middle.
    for _ in 0..2 {
        assert_eq!(bench.changed(&ALL), [2, 5]);
        bench.release();
    }
}

#[test]
fn a_time_that_cannot_be_is_another_time() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("t")).unwrap();
    let path = dir.path().join("t/0");
    std::fs::write(&path, vec![1; 80_000]).unwrap();
    let mut mark = mark(&path, true);
    mark.stamp.modified = None;
    let marks = [(0, mark)].into();
    let (mut bench, _) = bench(dir.path(), Some(Left { rest: true, marks }));
    assert_eq!(bench.changed(&ALL), [0, 1]);
}
