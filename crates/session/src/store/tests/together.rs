//! Many orders that wait at once: what is checked together, and what must not be.

use std::collections::HashMap;
use std::time::Instant;

use super::*;

const PIECE: u32 = 300_000;

/// A complete file of so many pieces, as it lies there.
fn complete(dir: &Path, pieces: u64, change: impl Fn(&mut Vec<u8>)) -> Bench {
    let mut bench = Bench::new(dir, PIECE, &[pieces * u64::from(PIECE) - 77]);
    let mut bytes = bench.content.clone();
    change(&mut bytes);
    std::fs::write(dir.join("lone.part"), &bytes).unwrap();
    bench.open();
    bench
}

fn answers(bench: &Bench, count: usize) -> HashMap<JobId, Result<Done, StoreError>> {
    let answer = |_| match bench.replies.recv().unwrap() {
        Reply::Job { job, result, .. } => (job, result),
        Reply::Reads(_) => panic!("nothing was read"),
    };
    (0..count).map(answer).collect()
}

#[test]
fn each_of_many_checks_gets_its_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |piece: u32| piece % 7 == 3;
    let bench = &mut complete(dir.path(), 80, |bytes| {
        for piece in (0..80).filter(|&piece| wrong(piece)) {
            bytes[(piece * PIECE + 299_000) as usize] ^= 1;
        }
    });
    let jobs: Vec<(u32, JobId)> = (0..80).map(|piece| (piece, bench.job())).collect();
    for &(piece, job) in &jobs {
        bench.store.submit(Task::Verify { job, torrent: TORRENT, piece, hashed: 0 });
    }
    let answers = answers(bench, 80);
    for (piece, job) in jobs {
        let good = matches!(answers[&job], Ok(Done::Good));
        let bad = matches!(answers[&job], Ok(Done::Bad(_)));
        assert_eq!((good, bad), (!wrong(piece), wrong(piece)), "{piece}: {:?}", answers[&job]);
    }
}

#[test]
fn a_check_sees_what_was_written_before_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let bench = &mut complete(dir.path(), 40, |_| ());
    // The lane is busy, so that what follows waits together.
    for piece in (2..40).step_by(2) {
        let job = bench.job();
        bench.store.submit(Task::Verify { job, torrent: TORRENT, piece, hashed: 0 });
    }
    let block = bench.files.layout().block(0, 0);
    let (before, write, after) = (bench.job(), bench.job(), bench.job());
    bench.store.submit(Task::Verify { job: before, torrent: TORRENT, piece: 0, hashed: 0 });
    let mut buffer = bench.pool.take(block.length as usize).unwrap();
    buffer.fill(1);
    let write = Task::Write { job: write, torrent: TORRENT, block, buffer, digest: false };
    bench.store.submit(write);
    bench.store.submit(Task::Verify { job: after, torrent: TORRENT, piece: 0, hashed: 0 });
    let answers = answers(bench, 19 + 3);
    assert_eq!(answers[&before], Ok(Done::Good));
    assert!(matches!(answers[&after], Ok(Done::Bad(_))), "{:?}", answers[&after]);
}

#[test]
fn a_queue_that_never_ends_does_not_hide_that_time_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = torrent(dir.path(), PIECE, &[(1, false)]);
    let kept = Kept::new(None, None);
    let disk = Arc::new(Disk::new(TORRENT, files, Arc::new(Handles::new()), kept));
    let (sender, inbox) = unbounded();
    let (left, _everybody) = unbounded();
    for _ in 0..1_000 {
        sender.send(Order::Leave(Arc::clone(&disk), left.clone())).unwrap();
    }
    let mut lane = Lane::new(inbox.clone(), Arc::new(|_| ()));
    // In a turn a lane looks at the clock once: what waits, and how much came, goes by it.
    lane.turn(Instant::now(), None, false);
    assert!((900..1_000).contains(&inbox.len()), "{} of 1,000 are left", inbox.len());
}
