//! The disk alone: what survives, and what may not.

use std::collections::BTreeSet;

use toubkal_core::engine::{Found, Totals};
use toubkal_wire::layout::Layout;

use super::*;

const BLOCK: u64 = 16 * 1024;

/// Four pieces of two blocks; the second file begins in the middle of the first sector of a block
/// and holds the rest; the third is empty.
fn content(fidelity: Fidelity) -> Arc<Content> {
    let files = [(3 * BLOCK + 1000, false), (5 * BLOCK - 1000, false), (0, false)];
    Arc::new(Content::new(Layout::new(2 * BLOCK as u32, files).unwrap().into(), fidelity))
}

fn disk(seed: u64, faults: DiskFaults) -> Disk {
    let mut disk =
        Disk::new(content(Fidelity::Symbols), false, faults, Rng::from_number(seed).fork("disk"));
    open(&mut disk);
    disk
}

fn open(disk: &mut Disk) -> Box<toubkal_core::engine::Opened> {
    let wanted = vec![true; disk.content.layout.files().len()].into();
    match act(disk, Op::Open { wanted }) {
        Ok(Outcome::Job(Done::Opened(opened))) => opened,
        other => panic!("{other:?}"),
    }
}

fn act(disk: &mut Disk, op: Op) -> Result<Outcome, StoreError> {
    disk.begin(&op).expect("there is power");
    disk.end(Time::START, op).expect("there is power")
}

fn right(disk: &Disk, block: Block) -> Body {
    match disk.content.lie(block, 1) {
        Body::Symbol(_) => Body::Symbol(0),
        Body::Bytes(_) => {
            let whole =
                Disk::new(disk.content.clone(), true, DiskFaults::default(), Rng::from_number(0));
            whole.body(block).0
        }
    }
}

fn write(disk: &mut Disk, piece: u32, index: u32) {
    let block = disk.content.layout.block(piece, index);
    let body = right(disk, block);
    let done = act(disk, Op::Write { block, body, digest: true });
    assert_eq!(done, Ok(Outcome::Job(Done::Stored)));
}

fn write_piece(disk: &mut Disk, piece: u32) {
    (0..disk.content.layout.blocks(piece)).for_each(|index| write(disk, piece, index));
}

fn verify(disk: &mut Disk, piece: u32) -> bool {
    matches!(act(disk, Op::Verify { piece, hashed: 0 }), Ok(Outcome::Job(Done::Good)))
}

fn record(disk: &Disk, synced: &[u32]) -> Op {
    let mut pieces = Bitset::new(disk.content.layout.pieces());
    synced.iter().for_each(|&piece| _ = pieces.set(piece));
    let (verified, totals) = (pieces.clone(), Totals::default());
    Op::Record(Record { verified, synced: pieces, rest: false, doubt: false, totals }.into())
}

fn cut(disk: &mut Disk, seed: u64) {
    disk.crash(Crash::Power, Vec::new(), &mut Rng::from_number(seed).fork("cut"));
}

#[test]
fn what_is_synced_survives_every_crash() {
    for seed in 0..200 {
        let mut disk = disk(seed, DiskFaults::default());
        write_piece(&mut disk, 1);
        write_piece(&mut disk, 2);
        assert!(!disk.is_durable(1));
        act(&mut disk, Op::Sync).unwrap();
        write_piece(&mut disk, 3);
        assert!(disk.is_durable(1) && disk.is_durable(2) && !disk.is_durable(3));
        cut(&mut disk, seed);
        let worth = open(&mut disk).worth;
        for piece in [1, 2] {
            assert!(disk.is_durable(piece) && worth.has(piece) && verify(&mut disk, piece));
        }
    }
}

#[test]
fn of_what_is_not_synced_anything_may_be_left() {
    let mut left = BTreeSet::new();
    for seed in 0..300 {
        let mut disk = disk(seed, DiskFaults::default());
        // Its name is on the disk, its bytes are not.
        write_piece(&mut disk, 0);
        act(&mut disk, Op::Sync).unwrap();
        write_piece(&mut disk, 1);
        cut(&mut disk, seed);
        open(&mut disk);
        assert_eq!(verify(&mut disk, 1), disk.is_right(1));
        let kind = |value| match value {
            0 => "kept",
            HOLE => "lost",
            ZEROS => "zeros",
            _ => "torn",
        };
        left.extend(disk.content.of_piece(1).map(|cell| kind(disk.main.read(cell))));
    }
    assert_eq!(left, BTreeSet::from(["kept", "lost", "torn", "zeros"]));
}

#[test]
fn a_process_that_dies_loses_only_what_was_under_way() {
    let mut halves = BTreeSet::new();
    for seed in 0..100 {
        let mut disk = disk(seed, DiskFaults::default());
        write_piece(&mut disk, 0);
        let block = disk.content.layout.block(1, 0);
        let running = Op::Write { block, body: Body::Symbol(0), digest: false };
        disk.crash(Crash::Process, vec![running], &mut Rng::from_number(seed));
        assert!(disk.is_right(0) && !disk.is_durable(0));
        let cells = disk.content.of_block(1, 0);
        halves.insert(cells.filter(|&cell| disk.main.read(cell) == 0).count());
    }
    assert!(halves.contains(&0) && halves.contains(&4) && halves.len() > 3, "{halves:?}");
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let mut disk = disk(1, DiskFaults::default());
    write_piece(&mut disk, 0);
    disk.begin(&Op::Sync).unwrap();
    write_piece(&mut disk, 1);
    assert_eq!(disk.end(Time::START, Op::Sync), Some(Ok(Outcome::Job(Done::Ready))));
    assert!(disk.is_durable(0) && disk.is_right(1) && !disk.is_durable(1));
    act(&mut disk, Op::Sync).unwrap();
    assert!(disk.is_durable(1));
}

#[test]
fn bytes_written_again_as_they_were_are_right_whatever_becomes_of_them() {
    for seed in 0..100 {
        let mut disk = disk(seed, DiskFaults::default());
        write_piece(&mut disk, 0);
        act(&mut disk, Op::Sync).unwrap();
        write(&mut disk, 0, 1);
        assert!(disk.is_durable(0));
        cut(&mut disk, seed);
        assert!(disk.is_right(0));
    }
}

#[test]
fn a_sync_that_fails_loses_and_shows_what_it_lost() {
    let mut kept = BTreeSet::new();
    for seed in 0..50 {
        let mut disk = disk(seed, DiskFaults { sync_errors: 1, ..DiskFaults::default() });
        write_piece(&mut disk, 0);
        assert!(act(&mut disk, Op::Sync).is_err());
        kept.extend(disk.content.of_piece(0).map(|cell| disk.look(cell) == Some(0)));
        // The system would say nothing the second time; the store does.
        disk.set_faults(DiskFaults::default());
        assert!(act(&mut disk, Op::Sync).is_err());
        assert!(act(&mut disk, Op::Finish { file: 0 }).is_err());
        open(&mut disk);
        assert!(act(&mut disk, Op::Sync).is_ok());
    }
    assert_eq!(kept, BTreeSet::from([false, true]));
}

#[test]
fn a_name_is_final_only_over_bytes_that_are_synced() {
    let mut names = BTreeSet::new();
    for seed in 0..100 {
        let mut disk = disk(seed, DiskFaults::default());
        (0..4).for_each(|piece| write_piece(&mut disk, piece));
        act(&mut disk, Op::Finish { file: 0 }).unwrap();
        act(&mut disk, Op::Finish { file: 2 }).unwrap();
        // Its bytes are synced with those of its neighbour. The power goes before the folder is.
        let step = disk.steps() + 2;
        disk.crash_at(Some(step));
        let finish = Op::Finish { file: 1 };
        disk.begin(&finish).unwrap();
        assert_eq!(disk.end(Time::START, finish), None);
        assert!(disk.is_out());
        cut(&mut disk, seed);
        let found = open(&mut disk).files;
        assert!(disk.is_finished(0) && disk.is_finished(2));
        assert_eq!(disk.has_final_name(1), disk.is_finished(1));
        names.insert(found[1] == Found::Whole);
        assert!((1..4).all(|piece| disk.is_durable(piece)));
    }
    assert_eq!(names, BTreeSet::from([false, true]));
}

#[test]
fn a_new_file_may_be_lost_with_all_its_bytes_or_come_back_empty() {
    let mut found = BTreeSet::new();
    for seed in 0..200 {
        let mut disk = disk(seed, DiskFaults::default());
        write_piece(&mut disk, 0);
        cut(&mut disk, seed);
        let opened = open(&mut disk);
        found.insert((opened.files[0] == Found::Part, disk.entries[0].size.now()));
    }
    let length = 3 * BLOCK + 1000;
    assert_eq!(found, BTreeSet::from([(false, 0), (true, 0), (true, length)]));
}

#[test]
fn the_book_keeps_its_first_pages() {
    let mut kept = BTreeSet::new();
    for seed in 0..200 {
        let mut disk = disk(seed, DiskFaults { checkpoints: 0, ..DiskFaults::default() });
        for synced in [&[][..], &[0], &[0, 1], &[0, 1, 2]] {
            let op = record(&disk, synced);
            act(&mut disk, op).unwrap();
        }
        let mut other = disk.clone();
        other.crash(Crash::Process, Vec::new(), &mut Rng::from_number(seed));
        let memory = other.recall().unwrap();
        assert!(memory.have.ones() == 3 && !memory.doubt, "a process loses no record");
        // Made in an earlier boot, even when only the process dies later.
        cut(&mut disk, seed);
        disk.crash(Crash::Process, Vec::new(), &mut Rng::from_number(seed));
        let memory = disk.recall();
        assert!(memory.as_ref().is_none_or(|memory| memory.doubt));
        kept.insert(memory.map(|memory| memory.have.iter().collect::<Vec<_>>()));
    }
    let pages = [None, Some(vec![]), Some(vec![0]), Some(vec![0, 1]), Some(vec![0, 1, 2])];
    assert_eq!(kept, BTreeSet::from(pages));
}

#[test]
fn what_wanted_pieces_hold_of_an_unwanted_file_is_kept_apart() {
    let mut disk = disk(1, DiskFaults::default());
    act(&mut disk, Op::Open { wanted: [true, false, true].into() }).unwrap();
    write_piece(&mut disk, 0);
    write_piece(&mut disk, 1);
    act(&mut disk, Op::Sync).unwrap();
    assert!(disk.is_durable(1) && disk.entries[1].name.now() == Name::None);
    cut(&mut disk, 1);
    // Wanted now: its bytes move to where they belong.
    let opened = open(&mut disk);
    assert!(opened.worth.has(1) && !opened.worth.has(2));
    assert_eq!(disk.entries[1].name.now(), Name::Part);
    assert!(verify(&mut disk, 1));
}

#[test]
fn real_bytes_are_hashed_and_torn_like_symbols() {
    let mut good = BTreeSet::new();
    for seed in 0..60 {
        let content = content(Fidelity::Bytes(7));
        let rng = Rng::from_number(seed);
        let mut disk = Disk::new(content, false, DiskFaults::default(), rng);
        open(&mut disk);
        (0..3).for_each(|piece| write_piece(&mut disk, piece));
        let hashed = disk.content.layout.piece_size(0);
        let hot = act(&mut disk, Op::Verify { piece: 0, hashed });
        assert_eq!(hot, Ok(Outcome::Job(Done::Good)));
        assert!(verify(&mut disk, 1) && !verify(&mut disk, 3));
        let block = disk.content.layout.block(2, 1);
        let body = disk.content.lie(block, 12345);
        act(&mut disk, Op::Write { block, body, digest: false }).unwrap();
        assert!(!verify(&mut disk, 2) && !disk.is_right(2));
        act(&mut disk, Op::Sync).unwrap();
        write(&mut disk, 2, 1);
        assert!(verify(&mut disk, 2));
        cut(&mut disk, seed);
        open(&mut disk);
        assert_eq!(verify(&mut disk, 2), disk.is_right(2));
        good.insert(disk.is_right(2));
    }
    assert_eq!(good, BTreeSet::from([false, true]));
}

#[test]
fn a_disk_that_is_full_or_broken_says_so() {
    let mut full = disk(1, DiskFaults { full: 1, full_time: Duration::MAX, ..Default::default() });
    let block = full.content.layout.block(0, 0);
    let store = Op::Write { block, body: Body::Symbol(0), digest: true };
    let kind = |result: Result<Outcome, StoreError>| result.map_err(|error| error.kind);
    assert_eq!(kind(act(&mut full, store.clone())), Err(StoreErrorKind::Full));
    full.set_faults(DiskFaults { write_errors: 1, ..DiskFaults::default() });
    assert_eq!(kind(act(&mut full, store.clone())), Err(StoreErrorKind::Other(5)));
    full.set_faults(DiskFaults::default());
    assert_eq!(act(&mut full, store), Ok(Outcome::Job(Done::Stored)));
    full.set_faults(DiskFaults { read_errors: 1, ..DiskFaults::default() });
    assert_eq!(kind(act(&mut full, Op::Read { block })), Err(StoreErrorKind::Other(5)));
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let run = |seed| {
        let faults = DiskFaults { stalls: 3, stall: Duration::from_secs(1), ..Default::default() };
        let mut disk = disk(seed, faults);
        let op = Op::Sync;
        let times: Vec<_> = (0..20).map(|_| disk.begin(&op)).collect();
        write_piece(&mut disk, 0);
        cut(&mut disk, seed);
        (times, format!("{:?}", (&disk.main, &disk.entries)))
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}
