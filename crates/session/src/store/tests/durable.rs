//! What is brought to the disk, and when.

use super::*;

/// Files that wait for a sync, and how many folders do.
fn unsynced(bench: &Bench) -> (Vec<u32>, usize) {
    let torrents = bench.store.torrents.lock();
    let dirty = torrents[&TORRENT].dirty();
    (dirty.files.iter().copied().collect(), dirty.folders.len())
}

#[test]
fn a_file_gets_its_name_when_its_neighbours_are_synced_too() {
    let dir = tempfile::tempdir().unwrap();
    // Piece 1 is of files 0 and 1, piece 3 of files 1 and 2.
    let mut bench = Bench::new(dir.path(), 16_384, &[20_000, 40_000, 20_000]);
    bench.open();
    for piece in 0..5 {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    assert_eq!(unsynced(&bench).0, [0, 1, 2]);
    assert_eq!(bench.finish(0), Ok(Done::Ready));
    assert_eq!(unsynced(&bench).0, [2], "the power may go: piece 1 must not");
    assert_eq!(bench.finish(1), Ok(Done::Ready));
    assert_eq!(unsynced(&bench), (vec![], 0));
}

#[test]
fn what_an_earlier_life_wrote_is_synced_with_the_next_sync() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [20_000, 40_000, 20_000];
    let mut bench = Bench::new(dir.path(), 16_384, &sizes);
    bench.open();
    for piece in [0, 4] {
        assert_eq!(bench.write_piece(piece), Ok(Done::Good));
    }
    // It dies: nobody has synced, and nobody knows any more what was written.
    let mut next = Bench::new(dir.path(), 16_384, &sizes);
    drop(bench);
    next.open();
    // The folders of "t/0" and "t/deep/er/2", and those above them.
    assert_eq!(unsynced(&next), (vec![0, 2], 4));
    assert_eq!(next.sync(), Ok(Done::Ready));
    assert_eq!(unsynced(&next), (vec![], 0));
}
