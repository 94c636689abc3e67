//! One transfer from a seed to one or more leechers.

use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::child::Child;
use super::clients::{End, Job, Plan, Rival};
use super::figures::{Figure, Sample};
use super::meter::Course;
use super::stage::{Seed, Stage, Which};

/// From one look at the wire to the next; at the memory it is sixteen times as long.
const LOOK: Duration = Duration::from_millis(3);
/// Slower than this, in bytes a second, does not finish in time.
const SLOWEST: u64 = 20_000_000;

/// Bytes on the wire after which the payload comes.
const BEGUN: u64 = 256 << 10;

/// Who takes, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takers {
    pub(super) rival: Rival,
    pub(super) count: usize,
    /// How one of them is run.
    pub(super) plan: fn(Rival, &Job<'_>) -> Plan,
    /// What they have is to be compared with what was sent.
    pub(super) compare: bool,
}

/// A leecher at work.
struct Taker {
    child: Child,
    end: End,
    home: TempDir,
    data: TempDir,
}

/// Lets them take, and measures both sides.
pub(super) fn run(
    stage: &Stage,
    which: Which,
    seed: &mut Seed,
    takers: Takers,
) -> Result<Sample, String> {
    let content = stage.content(which);
    stage.announce.tell(vec![seed.address]);
    let mut warm = Some(stage.warm(content.size() * takers.count as u64)?);
    let given = seed.child.cpu();
    let payload = content.size() * takers.count as u64;
    let patience = Duration::from_secs(30 + payload / SLOWEST);
    let (mut course, start) = (Course::default(), Instant::now());
    let before = stage.wire.bytes();
    course.note(Duration::ZERO, before);
    let mut all = Vec::new();
    for number in 1..=takers.count {
        all.push(begin(stage, which, seed, takers, number)?);
    }
    let mut looks = 0_u32;
    while !all_through(&mut all)? {
        if start.elapsed() > patience {
            let words = all[0].child.last_words();
            return Err(format!("did not finish within {} s: {words}", patience.as_secs()));
        }
        thread::sleep(LOOK);
        let bytes = stage.wire.bytes();
        course.note(start.elapsed(), bytes);
        if bytes - before > BEGUN {
            warm = None;
        }
        if looks.is_multiple_of(16) {
            all.iter_mut().for_each(|taker| taker.child.look());
            seed.child.look();
        }
        looks += 1;
    }
    let wall = start.elapsed();
    drop(warm);
    course.note(wall, stage.wire.bytes());
    all.iter_mut().for_each(|taker| taker.child.stop());
    if takers.compare {
        let empty = true;
        all.iter().try_for_each(|taker| content.same(taker.data.path(), empty))?;
    }
    let gibibytes = payload as f64 / f64::from(1 << 30);
    let peak = all.iter().map(|taker| taker.child.memory().peak).fold(0.0, f64::max);
    let anonymous = all.iter().map(|taker| taker.child.memory().anonymous).fold(0.0, f64::max);
    let taken: f64 = all.iter_mut().map(|taker| taker.child.cpu()).sum();
    Ok(Sample::from([
        (Figure::Rate, course.rate().ok_or("nothing came over the wire")?),
        (Figure::Wall, wall.as_secs_f64()),
        (Figure::Cpu, taken / gibibytes),
        (Figure::SeedCpu, (seed.child.cpu() - given) / gibibytes),
        (Figure::Peak, peak),
        (Figure::Anonymous, anonymous),
    ]))
}

fn begin(
    stage: &Stage,
    which: Which,
    seed: &Seed,
    takers: Takers,
    number: usize,
) -> Result<Taker, String> {
    let (home, data) = (stage.folder()?, stage.folder()?);
    let torrent = stage.torrent(which, true);
    let job = Job {
        home: home.path(),
        data: data.path(),
        torrent: &torrent,
        content: stage.content(which),
        listen: stage.address(number),
        seed: Some(seed.address),
    };
    let (command, end) = (takers.plan)(takers.rival, &job)?;
    let child = Child::start(stage.host(number), command, &home.path().join("log"))?;
    Ok(Taker { child, end, home, data })
}

/// True when everybody has everything; an error when somebody has failed.
fn all_through(all: &mut [Taker]) -> Result<bool, String> {
    let mut through = true;
    for taker in all {
        through &= is_through(&mut taker.child, taker.end, taker.home.path())?;
    }
    Ok(through)
}

/// True when a program has done what it was to do; an error when it has failed.
pub(super) fn is_through(
    child: &mut Child,
    end: End,
    home: &std::path::Path,
) -> Result<bool, String> {
    let marked = match end {
        End::Exit => false,
        End::Marker => home.join("complete").exists(),
        End::Says(words) => {
            let log = std::fs::read(home.join("log")).unwrap_or_default();
            String::from_utf8_lossy(&log).contains(words)
        }
    };
    match child.ended() {
        _ if marked => Ok(true),
        None => Ok(false),
        Some(status) if status.success() && end == End::Exit => Ok(true),
        Some(status) => Err(format!("it ended ({status}): {}", child.last_words())),
    }
}
