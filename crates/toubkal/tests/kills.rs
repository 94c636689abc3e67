//! The program killed at any moment: nothing that was recorded is wrong, and nothing that was
//! right is fetched or read twice.
//!
//! The long run is `cargo xtask kills`.
#![cfg(unix)]

mod common;
#[path = "kills/held.rs"]
mod held;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{HANG, Running, run};
use held::Held;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use toubkal_session::{Add, Notice, Options, Priority, Session, SessionEvent, Torrent};
use toubkal_wire::metainfo::Metainfo;

/// Between the first piece that is verified and its record, in seconds, and a little more.
const SYNC: f64 = 5.3;

/// Numbers that look like chance and follow from a seed (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 up to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// When to kill, in seconds: some runs are long enough for a record.
    fn moment(&mut self) -> f64 {
        match self.part() {
            long if long < 0.3 => SYNC + 3.0 * self.part(),
            _ => 2.0 * self.part(),
        }
    }
}

/// Files, their torrent, and a seed of them in this process.
struct Stage {
    dir: tempfile::TempDir,
    torrent: String,
    metainfo: Arc<Metainfo>,
    session: Session,
    seeded: Torrent,
}

impl Stage {
    /// About so many bytes: a few large files that share pieces, some small ones, an empty one.
    fn new(size: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data/things");
        fs::create_dir_all(data.join("small")).unwrap();
        let large = [size / 2, size / 4, size / 8 + 12_345];
        let small = (0..20).map(|number| (format!("small/{number}"), size / 200 + number * 777));
        let mut files: BTreeMap<String, u64> = small.collect();
        files.extend(large.into_iter().enumerate().map(|(at, size)| (format!("{at}.bin"), size)));
        files.insert("empty".into(), 0);
        let mut draw = Draw(size);
        for (path, &length) in &files {
            let mut bytes = vec![0; length as usize];
            bytes
                .chunks_mut(8)
                .for_each(|it| it.copy_from_slice(&draw.next().to_le_bytes()[..it.len()]));
            fs::write(data.join(path), bytes).unwrap();
        }
        let torrent = dir.path().join("things.torrent").display().to_string();
        let path = data.display().to_string();
        let ran = run(["create", &path, "-o", &torrent, "--piece-length", "256KiB"]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let metainfo = Arc::new(Metainfo::parse(&fs::read(&torrent).unwrap()).unwrap());
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let session = Session::start(Options { listen, ..Options::default() }).unwrap();
        let mut add = Add::to(dir.path().join("data"));
        add.priorities = Some(vec![Priority::Skip; metainfo.file_count()]);
        let seeded = session.add(Arc::clone(&metainfo), add).unwrap();
        let end = Instant::now() + HANG;
        loop {
            let event = session.next_event(Duration::from_secs(1));
            match event {
                Some(SessionEvent::Notice(Notice::Checked { .. })) => break,
                _ => assert!(Instant::now() < end, "the seed is not ready"),
            }
        }
        assert!(seeded.have().is_full());
        Self { dir, torrent, metainfo, session, seeded }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn state(&self) -> PathBuf {
        self.out().join(".toubkal/state.db")
    }

    /// `get`, at this many bytes a second.
    fn get(&self, rate: Option<u64>) -> Running {
        let peer = self.session.listening_on()[0].to_string();
        let out = self.out().display().to_string();
        let rate = rate.map(|rate| rate.to_string());
        let mut args = vec!["get", &self.torrent, "-o", &out, "--no-listen", "--json"];
        args.extend(["--peer", &peer]);
        args.extend(rate.iter().flat_map(|rate| ["--down-limit", rate]));
        Running::start(args)
    }

    fn held(&self) -> Held {
        Held::look(&self.metainfo, &self.out(), &self.state())
    }

    /// Bytes that the seed gave.
    fn given(&self) -> u64 {
        self.seeded.status().uploaded
    }

    /// Everything is there, and nothing else but what is remembered.
    fn is_same(&self) {
        for file in self.metainfo.files() {
            let read =
                |base: &str| fs::read(self.dir.path().join(base).join("things").join(file.path));
            assert!(read("out").unwrap() == read("data").unwrap(), "{} differs", file.path);
        }
        let mut names: Vec<_> =
            fs::read_dir(self.out()).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".toubkal", "things"]);
    }
}

/// What a run with kills came to.
#[derive(Debug, Default)]
struct Sum {
    kills: u32,
    /// Times that everything was there, and was begun anew.
    rounds: u64,
    /// Kills after which something was recorded that had to be believed.
    believed: u32,
    /// Pieces that were believed, and that were read.
    remembered: u64,
    checked: u64,
}

/// Kills `get` at a drawn moment, looks at what is left, and starts it again.
fn kill_and_look(stage: &Stage, draw: &mut Draw, rate: u64, sum: &mut Sum, held: &mut Held) {
    let before = std::mem::take(held);
    let began = Instant::now();
    let running = stage.get(Some(rate));
    let moment = Duration::from_secs_f64(draw.moment());
    // A moment is a moment: there is nothing to wait for.
    thread::sleep(moment.saturating_sub(began.elapsed()));
    let killed = kill_process(Pid::from_child(running.child()), Signal::KILL);
    let (_, objects) = running.finish();
    assert!(killed.is_ok());
    sum.kills += 1;
    if let Some(start) = objects.iter().find(|object| object["event"] == "checked") {
        let count = |field: &str| start[field].as_u64().unwrap();
        // What was recorded is believed, to the piece, and the rest of what was there is read.
        assert_eq!(count("remembered"), before.believable, "{start} {before:#?}");
        sum.remembered += count("remembered");
        sum.checked += count("checked");
        sum.believed += u32::from(before.believable > 0);
    }
    *held = stage.held();
    assert_eq!(held.wrong, [0; 0], "recorded, and wrong: {held:#?}");
    assert_eq!(held.broken_files, [""; 0], "under their final names, and wrong");
}

#[test]
fn killed_again_and_again_a_download_is_never_wrong_and_never_fetches_twice() {
    let stage = Stage::new(48 << 20);
    let mut draw = Draw(fs::metadata(&stage.torrent).unwrap().len());
    let (mut sum, mut held) = (Sum::default(), Held::default());
    for _ in 0..12 {
        kill_and_look(&stage, &mut draw, 1_500_000, &mut sum, &mut held);
    }
    let (ran, objects) = stage.get(None).finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
    stage.is_same();
    assert!(sum.believed > 0, "no run was long enough for a record: {sum:?}");
    // What a kill costs are pieces that were begun, and what was on its way.
    let (given, total) = (stage.given(), stage.metainfo.total());
    let most = total * 105 / 100 + u64::from(sum.kills) * (2 << 20);
    assert!(given <= most, "{given} bytes given of {total}: {sum:?}");
    let checked = objects.iter().find(|object| object["event"] == "checked").unwrap();
    assert!(checked["have"].as_u64() > Some(0), "{checked}");
}

#[test]
fn after_an_orderly_end_nothing_is_read_again() {
    let stage = Stage::new(8 << 20);
    let first = stage.get(Some(1_000_000));
    first.until_true(|object| object["have"].as_u64() > Some(3));
    kill_process(Pid::from_child(first.child()), Signal::INT).unwrap();
    let (ran, _) = first.finish();
    assert_eq!(ran.code, 130, "{ran:#?}");
    let held = stage.held();
    assert!(held.believable > 3 && held.wrong.is_empty(), "{held:#?}");
    let (ran, objects) = stage.get(None).finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let checked = event(&objects, "checked");
    assert_eq!(checked["remembered"], held.believable, "{checked}");
    // What is read are pieces that were begun, and no other.
    assert_eq!(checked["have"], checked["remembered"], "{checked}");
    stage.is_same();
    // And when everything is there: at once, and not one byte is read.
    let (ran, objects) = stage.get(None).finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let checked = event(&objects, "checked");
    let pieces = u64::from(stage.metainfo.pieces());
    assert_eq!((&checked["remembered"], &checked["checked"]), (&pieces.into(), &0.into()));
    assert_eq!(event(&objects, "done")["at_once"], true);
}

fn event<'o>(objects: &'o [Value], name: &str) -> &'o Value {
    objects.iter().find(|object| object["event"] == name).expect("it was printed")
}

/// `cargo xtask kills`: the numbers come from the environment.
#[test]
#[ignore = "takes long: cargo xtask kills"]
fn long_run() {
    let number = |name: &str| -> u64 {
        let value = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        value.parse().unwrap_or_else(|_| panic!("{name} is no number"))
    };
    let (count, size, seed) = (number("KILLS"), number("SIZE"), number("SEED"));
    let stage = Stage::new(size);
    let (mut draw, mut sum, mut held) = (Draw(seed), Sum::default(), Held::default());
    let began = Instant::now();
    for _ in 0..count {
        // From slow lines to fast ones: 1 to 250 MB a second.
        let rate = 1e6 * 250f64.powf(draw.part());
        kill_and_look(&stage, &mut draw, rate as u64, &mut sum, &mut held);
        // At first there is nothing at all.
        if held.missing == 0 {
            stage.is_same();
            fs::remove_dir_all(stage.out()).unwrap();
            held = Held::default();
            sum.rounds += 1;
        }
    }
    let (ran, _) = stage.get(None).finish();
    assert_eq!(ran.code, 0, "{ran:#?}");
    stage.is_same();
    let sizes = stage.given() as f64 / stage.metainfo.total() as f64;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "kills: {} kills, seed {seed}, {sizes:.3} sizes received for {} downloads, \
         {} restarts believed a record ({} pieces believed, {} read), \
         {:.0} sync intervals, {seconds:.0} s, no difference",
        sum.kills,
        sum.rounds + 1,
        sum.believed,
        sum.remembered,
        sum.checked,
        seconds / 5.0,
    );
}
