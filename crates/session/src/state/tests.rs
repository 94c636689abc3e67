//! What a session relies on when it looks for what it has remembered: nothing false, nothing lost
//! silently, never a panic.

#[cfg(target_os = "linux")]
mod faults;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use toubkal_core::engine::{Priority, Rates};

use super::*;
use crate::paths::Stamp;
use crate::store::{Left, Mark};

/// A database, and what it tells.
struct Bench {
    state: State,
    told: Receiver<String>,
}

impl Bench {
    fn new(path: &Path) -> Self {
        let (tell, told) = channel();
        let state = State::start(path, move |message| _ = tell.send(message)).unwrap();
        Self { state, told }
    }

    fn key(&self, number: u8) -> Arc<Key> {
        self.state.key([number; 20], &Path::new("/downloads").join(number.to_string()))
    }

    fn keep(&self, number: u8) -> Arc<Key> {
        let key = self.key(number);
        self.state.keep(&key, row(), Totals::default(), whole(), false);
        key
    }

    /// Records some pieces; waits for the answer.
    fn record(&self, key: &Arc<Key>, pieces: &[u32], rest: bool) -> Result<bool, StoreErrorKind> {
        self.record_with(key, record(pieces, rest), all_marks(rest))
    }

    fn record_with(
        &self,
        key: &Arc<Key>,
        record: Record,
        marks: Marks,
    ) -> Result<bool, StoreErrorKind> {
        let (reply, answer) = channel();
        let then: Then = Box::new(move |result| reply.send(result).unwrap());
        self.state.ledger(key).record(Arc::new(record), marks, then);
        answer.recv().unwrap()
    }

    fn verified(&self, key: &Arc<Key>) -> Vec<u32> {
        let past = self.state.past(key, PIECES, 3);
        past.map(|past| past.record.verified.iter().collect()).unwrap_or_default()
    }

    /// Those that are not at rest.
    fn all(&self) -> Result<Vec<Arc<Key>>, StoreErrorKind> {
        self.state.all().map(|all| all.into_iter().map(|(_, key)| key).collect())
    }

    /// Those that are, with their trackers.
    fn resting(&self) -> Vec<(Arc<Key>, Vec<Vec<String>>)> {
        let resting = self.state.resting().unwrap();
        let trackers = |key: &Arc<Key>| {
            let (reply, answer) = channel();
            self.state.trackers(key, Box::new(move |tiers| reply.send(tiers).unwrap()));
            answer.recv().unwrap().unwrap()
        };
        resting.iter().map(|rest| (Arc::clone(&rest.key), trackers(&rest.key))).collect()
    }

    fn label(&self, key: &Arc<Key>, note: &[u8]) -> Result<bool, StoreErrorKind> {
        let (reply, answer) = channel();
        let then: Then = Box::new(move |result| reply.send(result).unwrap());
        self.state.label(key, Arc::from(note), then);
        answer.recv().unwrap()
    }

    /// The first byte of each hash, and what is kept of it.
    fn labels(&self) -> Vec<(u8, Vec<u8>)> {
        let labels = self.state.labels().unwrap();
        labels.into_iter().map(|(key, note)| (key.hash[0], note.to_vec())).collect()
    }

    fn told(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}

const PIECES: u32 = 30;

fn whole() -> Whole {
    Whole { bytes: 77, trackers: vec![vec!["http://127.0.0.1/announce".to_owned()]] }
}

/// A torrent that runs, of which everything is wanted.
fn running() -> Row {
    Row { paused: false, priorities: None, ..row() }
}

/// The record of a torrent that is whole and at rest.
fn at_rest() -> Record {
    let all = Bitset::full(PIECES);
    Record { verified: all.clone(), synced: all, ..record(&[0, 1], true) }
}

fn row() -> Row {
    Row {
        metainfo: Some(Arc::from(&b"a torrent file"[..])),
        priorities: Some(vec![Priority::High, Priority::Skip, Priority::Normal]),
        trackers: Some(vec![vec!["http://127.0.0.1/announce".to_owned()]]),
        sequential: true,
        adopt: false,
        rates: Rates { down: Some(7), up: None },
        paused: true,
        added: 1_000_000,
        note: None,
    }
}

fn set(pieces: &[u32]) -> Bitset {
    let mut set = Bitset::new(PIECES);
    pieces.iter().for_each(|&piece| _ = set.set(piece));
    set
}

fn record(pieces: &[u32], rest: bool) -> Record {
    let totals = Totals { downloaded: 100, uploaded: 10, wasted: 1 };
    Record { verified: set(pieces), synced: set(&pieces[1..]), rest, doubt: false, totals }
}

fn mark(whole: bool, length: u64) -> Mark {
    Mark { whole, stamp: Stamp { length, modified: Some(SystemTime::UNIX_EPOCH) } }
}

/// One whole file, and at rest a part.
fn all_marks(rest: bool) -> Marks {
    let part = rest.then_some((1, Some(mark(false, 5))));
    Marks { all: true, changes: [(0, Some(mark(true, 4)))].into_iter().chain(part).collect() }
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A database with two torrents, its copy, and nothing open.
fn made(dir: &Path) -> PathBuf {
    let path = dir.join("state.db");
    let bench = Bench::new(&path);
    for number in 0..2 {
        let key = bench.keep(number);
        assert_eq!(bench.record(&key, &[1, 2, 29], true), Ok(true));
    }
    bench.state.set("name", Some("value")).unwrap();
    bench.state.stop();
    assert_eq!(bench.told(), [""; 0]);
    path
}

#[test]
fn what_is_remembered_is_there_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let bench = Bench::new(&path);
    let all = bench.all().unwrap();
    assert_eq!(all, [bench.key(0), bench.key(1)]);
    assert_eq!(bench.state.dir(&all[1]), Path::new("/downloads/1"));
    assert_eq!(bench.state.row(&all[1]), Ok(Some(row())));
    let past = bench.state.past(&all[0], PIECES, 3).unwrap();
    assert_eq!(past.record, record(&[1, 2, 29], true));
    assert_eq!(past.same_boot, trust::boot().is_some());
    let marks = [(0, mark(true, 4)), (1, mark(false, 5))].into();
    assert_eq!(past.left, Left { rest: true, marks });
    assert_eq!(bench.state.setting("name"), Ok(Some("value".to_owned())));
    assert_eq!(bench.state.totals(), Totals { downloaded: 200, uploaded: 20, wasted: 2 });
}

#[test]
fn of_another_torrent_or_folder_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(&made(dir.path()));
    assert_eq!(bench.state.past(&bench.key(7), PIECES, 3), None);
    let elsewhere = bench.state.key([0; 20], Path::new("/elsewhere"));
    assert_eq!(bench.state.past(&elsewhere, PIECES, 3), None);
    let other = bench.state.past(&bench.key(0), PIECES + 1, 3).unwrap();
    assert!(other.record.verified.is_empty(), "another number of pieces");
}

#[test]
fn a_torrent_that_was_removed_stays_away_and_its_counts_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let bench = Bench::new(&path);
    let key = bench.keep(0);
    bench.state.forget(&key);
    // A record that was under way comes too late.
    assert_eq!(bench.record(&key, &[1, 2], false), Ok(true));
    assert_eq!(bench.all(), Ok(vec![bench.key(1)]));
    assert_eq!(bench.state.totals().downloaded, 200);
    // And it may come back.
    let key = bench.keep(0);
    assert_eq!(bench.record(&key, &[3, 4], false), Ok(true));
    assert_eq!(bench.verified(&key), [3, 4]);
}

#[test]
fn changes_are_kept_and_the_first_day_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let bench = Bench::new(&path);
    let key = bench.key(0);
    bench.state.keep(
        &key,
        Row { metainfo: None, added: 5, ..row() },
        Totals::default(),
        whole(),
        false,
    );
    bench.state.change(&key, Box::new(|row| row.paused = false));
    bench.state.change(&key, Box::new(|row| row.priorities = None));
    let expected = Row { paused: false, priorities: None, ..row() };
    assert_eq!(bench.state.row(&key), Ok(Some(expected)));
}

#[test]
fn before_anything_is_written_what_is_recorded_is_cut_down() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(&made(dir.path()));
    let key = bench.keep(0);
    bench.state.ledger(&key).stir(Some(set(&[2, 5])));
    let past = bench.state.past(&key, PIECES, 3).unwrap();
    assert_eq!((past.record.verified, past.record.synced), (set(&[1, 29]), set(&[29])));
    assert!(!past.record.rest && !past.left.rest);
    assert_eq!(past.left.marks, [(0, mark(true, 4))].into(), "parts are being written to");
    // A record says it all anew; a rest brings the marks of parts, the next record drops them.
    let marks = Marks { all: false, changes: vec![(1, Some(mark(false, 9)))] };
    assert_eq!(bench.record_with(&key, record(&[5, 6], true), marks), Ok(true));
    let past = bench.state.past(&key, PIECES, 3).unwrap();
    assert_eq!(past.left.marks, [(0, mark(true, 4)), (1, mark(false, 9))].into());
    let marks = Marks { all: false, changes: vec![(0, None), (2, Some(mark(true, 1)))] };
    assert_eq!(bench.record_with(&key, record(&[5, 6], false), marks), Ok(true));
    let past = bench.state.past(&key, PIECES, 3).unwrap();
    assert_eq!(past.left.marks, [(2, mark(true, 1))].into());
}

#[test]
fn nothing_is_made_before_there_is_a_piece_to_be_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(".toubkal");
    let bench = Bench::new(&folder.join("state.db"));
    let key = bench.keep(0);
    bench.state.ledger(&key).stir(None);
    let nothing = Record { verified: set(&[]), synced: set(&[]), ..record(&[1], true) };
    assert_eq!(bench.record_with(&key, nothing, all_marks(true)), Ok(false));
    assert_eq!(files(dir.path()), [""; 0]);
    // Marks that were told of a database that was not there are wanted again.
    let marks = Marks::default();
    assert_eq!(bench.record_with(&key, record(&[4, 5], false), marks), Ok(false));
    assert!(files(&folder).contains(&"state.db".to_owned()));
    assert_eq!(bench.verified(&key), [4, 5]);
    assert_eq!(bench.state.row(&key), Ok(Some(row())));
    assert_eq!(bench.record(&key, &[4, 5], false), Ok(true));
    bench.state.stop();
    assert_eq!(files(&folder), ["state.db", "state.db.copy"], "no log is left");
}

#[test]
fn a_folder_that_is_not_there_is_not_made_for_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(&dir.path().join("gone/.toubkal/state.db"));
    let key = bench.keep(0);
    assert_eq!(bench.record(&key, &[4, 5], false), Err(StoreErrorKind::Missing));
    assert_eq!(files(dir.path()), [""; 0]);
    // As soon as it is there, everything is written.
    fs::create_dir(dir.path().join("gone")).unwrap();
    assert_eq!(bench.record(&key, &[4, 5], false), Ok(true));
    assert_eq!(bench.verified(&key), [4, 5]);
}

/// Each length, and each byte of a page here and there.
#[test]
fn a_database_that_was_cut_anywhere_is_put_aside_and_the_copy_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(made(dir.path())).unwrap();
    let copy = fs::read(dir.path().join("state.db.copy")).unwrap();
    let ends = [0, 1, 15, 16, 17, 99, 100, 101, 4095, whole.len() - 1];
    let lengths = (0..whole.len()).step_by(1777).chain(ends).chain([4096, 8192, 12_288]);
    for (number, length) in lengths.enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        fs::write(&path, &whole[..length]).unwrap();
        let with_copy = number % 2 == 0;
        if with_copy {
            fs::write(dir.path().join("state.db.copy"), &copy).unwrap();
        }
        let bench = Bench::new(&path);
        let told = bench.told();
        assert_eq!(told.len(), 1, "cut to {length} bytes: {told:?}");
        assert!(told[0].contains("was broken and is now") && told[0].contains(".broken-1"));
        assert_eq!(fs::read(dir.path().join("state.db.broken-1")).unwrap(), &whole[..length]);
        assert_eq!(bench.all().unwrap().len(), if with_copy { 2 } else { 0 });
        let key = bench.key(0);
        if with_copy {
            let past = bench.state.past(&key, PIECES, 3).unwrap();
            assert!(past.left.rest && !past.same_boot, "no part counts unless it is as it was");
        }
        // And it goes on.
        let key = bench.keep(0);
        assert_eq!(bench.record(&key, &[8, 9], false), Ok(true));
        assert_eq!(bench.verified(&key), [8, 9]);
    }
}

#[test]
fn a_database_with_wrong_bytes_claims_nothing_that_was_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(made(dir.path())).unwrap();
    let mut broken = 0;
    for at in (0..whole.len()).step_by(331) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let (tell, told) = channel();
        // A higher version may come of it: then it is left alone.
        let Ok(state) = State::start(&path, move |message| _ = tell.send(message)) else {
            continue;
        };
        let bench = Bench { state, told };
        for number in 0..2 {
            let pieces = bench.verified(&bench.key(number));
            assert!(pieces.is_empty() || pieces == [1, 2, 29], "byte {at}: {pieces:?}");
        }
        let key = bench.keep(0);
        let recorded = bench.record(&key, &[8, 9], false);
        broken += usize::from(!bench.told().is_empty());
        assert!(recorded.is_ok(), "byte {at}: {recorded:?}");
    }
    assert!(broken > 3, "only {broken} were noticed");
}

#[test]
fn garbage_is_put_aside_each_time_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    for number in 1..4 {
        fs::write(&path, vec![number as u8 * 31; 20_000]).unwrap();
        // The log of a database that is gone must not become that of the next.
        fs::write(dir.path().join("state.db-wal"), b"a log").unwrap();
        let bench = Bench::new(&path);
        assert!(bench.told()[0].contains(&format!("broken-{number}")));
        let key = bench.keep(0);
        assert_eq!(bench.record(&key, &[8, 9], false), Ok(true));
    }
    for number in 1..4 {
        let broken = fs::read(dir.path().join(format!("state.db.broken-{number}"))).unwrap();
        assert_eq!(broken, vec![number as u8 * 31; 20_000]);
    }
}

#[test]
fn a_database_of_a_newer_version_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE meta SET value = 4 WHERE key = 'version'", []).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let refused = State::start(&path, |message| panic!("{message}"));
    assert!(matches!(refused, Err(Refusal::Newer)));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(files(dir.path()), ["state.db", "state.db.copy"]);
}

#[test]
fn a_database_that_vanishes_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(&dir.path().join("."));
    let bench = Bench::new(&path);
    let (first, second) = (bench.keep(0), bench.keep(1));
    assert_eq!(bench.record(&first, &[1, 2], false), Ok(true));
    for name in files(dir.path()) {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    // The new one does not know how all files were left: the store is to say it again.
    let marks = Marks::default();
    assert_eq!(bench.record_with(&first, record(&[1, 2, 3], false), marks), Ok(false));
    assert_eq!(bench.verified(&first), [1, 2, 3]);
    assert_eq!(bench.record(&first, &[1, 2, 3], false), Ok(true));
    bench.state.stop();
    let bench = Bench::new(&path);
    assert_eq!(bench.all(), Ok(vec![first.clone(), second]), "those of no news too");
    assert_eq!(bench.state.past(&first, PIECES, 3).unwrap().left.marks.len(), 1);
}

#[test]
fn what_a_killed_program_was_making_goes_when_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let old = SystemTime::now() - std::time::Duration::from_secs(7200);
    for name in ["state.db.new-1-2", "state.db.copy.new-3", "state.db.broken-1", "other.new-1"] {
        let file = fs::File::create(dir.path().join(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    fs::write(dir.path().join("state.db.new-4-5"), "just now").unwrap();
    Bench::new(&path).state.stop();
    let left =
        ["other.new-1", "state.db", "state.db.broken-1", "state.db.copy", "state.db.new-4-5"];
    assert_eq!(files(dir.path()), left);
}

#[test]
fn two_share_a_database_and_begin_it_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".toubkal/state.db");
    std::thread::scope(|scope| {
        for number in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let bench = Bench::new(path);
                let key = bench.keep(number);
                for piece in 1..PIECES {
                    let pieces: Vec<u32> = (0..=piece).collect();
                    assert!(bench.record(&key, &pieces, false).is_ok());
                }
                assert_eq!(bench.told(), [""; 0]);
            });
        }
    });
    let bench = Bench::new(&path);
    assert_eq!(bench.all().unwrap().len(), 4);
    for number in 0..4 {
        assert_eq!(bench.verified(&bench.key(number)).len(), PIECES as usize);
    }
    assert_eq!(bench.state.totals().downloaded, 400);
}

#[test]
fn a_whole_torrent_is_at_rest_until_anything_else_is_written_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(&dir.path().join("state.db"));
    let key = bench.key(1);
    let rest = || {
        bench.state.keep(&key, running(), Totals::default(), whole(), false);
        bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
    };
    rest();
    let resting = bench.state.resting().unwrap();
    let [found] = &resting[..] else { panic!("{resting:?}") };
    assert_eq!((&found.key, found.pieces, found.bytes, found.tracked), (&key, PIECES, 77, true));
    assert_eq!(found.totals, at_rest().totals);
    assert_eq!(bench.resting(), [(Arc::clone(&key), whole().trackers)]);
    assert_eq!(bench.all(), Ok(Vec::new()), "it is brought back once");
    let awake = |what: &str| {
        assert!(bench.resting().is_empty(), "{what}");
        assert_eq!(bench.all(), Ok(vec![Arc::clone(&key)]), "{what}");
    };
    bench.record(&key, &[0, 1], false).unwrap();
    awake("it works");
    rest();
    bench.state.ledger(&key).stir(None);
    awake("something is about to be written");
    rest();
    bench.state.change(&key, Box::new(|row| row.paused = true));
    awake("it is to pause");
    bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
    awake("a paused torrent is no seed");
    bench.state.change(&key, Box::new(|row| row.paused = false));
    bench.record_with(&key, Record { doubt: true, ..at_rest() }, all_marks(true)).unwrap();
    awake("it is doubted");
    bench.record(&key, &[0, 1, 2], true).unwrap();
    awake("it is not whole");
    rest();
    assert_eq!(bench.resting().len(), 1);
    bench.state.forget(&key);
    assert!(bench.resting().is_empty() && bench.all() == Ok(Vec::new()), "it was removed");
}

#[test]
fn what_is_changed_of_a_dormant_torrent_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(&dir.path().join("state.db"));
    let key = bench.key(1);
    bench.state.keep(&key, running(), Totals::default(), whole(), false);
    bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
    bench.state.rest(&key);
    assert_eq!(bench.resting().len(), 1, "it stays at rest");
    bench.state.change(&key, Box::new(|row| row.paused = true));
    assert_eq!(bench.state.row(&key), Ok(Some(Row { paused: true, ..running() })));
    assert!(bench.resting().is_empty());
    assert_eq!(bench.verified(&key).len(), PIECES as usize, "what is held is known still");
}

/// A database as an earlier version made it.
fn earlier(path: &Path, change: &str) {
    let bench = Bench::new(path);
    let key = bench.key(1);
    bench.state.keep(&key, running(), Totals::default(), whole(), false);
    bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
    drop(bench);
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(change).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;").unwrap();
}

#[test]
fn a_database_of_version_1_keeps_what_it_knows_and_learns_what_rests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let change = "DROP TABLE resting; DROP TABLE notes;
        UPDATE meta SET value = 1 WHERE key = 'version';";
    earlier(&path, change);
    for again in [false, true] {
        let bench = Bench::new(&path);
        let key = bench.key(1);
        assert_eq!(bench.verified(&key).len(), PIECES as usize);
        let at_rest_now = bench.resting().len();
        assert_eq!((at_rest_now, bench.all().unwrap().len()), if again { (1, 0) } else { (0, 1) });
        bench.state.keep(&key, running(), at_rest().totals, whole(), true);
        bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
        assert!(bench.told().is_empty());
    }
    let db = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(schema::version(&db).unwrap(), Some(schema::VERSION));
    assert!(schema::is_whole(&db, schema::VERSION).unwrap());
}

#[test]
fn a_database_of_version_2_keeps_what_rests_and_gets_notes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    earlier(&path, "DROP TABLE notes; UPDATE meta SET value = 2 WHERE key = 'version';");
    let bench = Bench::new(&path);
    assert_eq!(bench.resting().len(), 1);
    assert_eq!(bench.label(&bench.key(1), b"mine"), Ok(true));
    assert_eq!(bench.labels(), [(1, b"mine".to_vec())]);
    assert!(bench.told().is_empty());
}

#[test]
fn what_a_program_keeps_of_a_torrent_comes_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let bench = Bench::new(&path);
    let key = bench.key(1);
    let row = Row { note: Some(Arc::from(&b"first"[..])), ..running() };
    bench.state.keep(&key, row, Totals::default(), whole(), false);
    bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
    assert_eq!(bench.labels(), [(1, b"first".to_vec())], "with its row");
    assert_eq!(bench.label(&key, b"second"), Ok(true));
    bench.state.rest(&key);
    assert_eq!(bench.label(&key, b"third"), Ok(true), "it is dormant");
    assert_eq!(bench.resting().len(), 1, "and stays so");
    drop(bench);
    let bench = Bench::new(&path);
    assert_eq!(bench.labels(), [(1, b"third".to_vec())]);
    assert_eq!(bench.label(&bench.key(0), b"of nobody"), Ok(true));
    bench.state.forget(&key);
    assert_eq!(bench.labels(), []);
}

#[test]
fn a_row_at_rest_that_makes_no_sense_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    for wrong in ["pieces = 0", "pieces = -1", "hash = x'00'", "bytes = -5", "uploaded = -1"] {
        let bench = Bench::new(&path);
        let key = bench.key(1);
        bench.state.keep(&key, running(), Totals::default(), whole(), false);
        bench.record_with(&key, at_rest(), all_marks(true)).unwrap();
        drop(bench);
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute(&format!("UPDATE resting SET {wrong}"), []).unwrap();
        drop(db);
        let bench = Bench::new(&path);
        assert!(bench.resting().is_empty(), "{wrong}");
    }
}
