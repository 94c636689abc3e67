//! Work that needs no peer: to check files, to make a torrent, to write.

use std::thread;
use std::time::{Duration, Instant};

use super::child::Child;
use super::clients::{Job, Plan, Rival};
use super::figures::{Figure, Sample};
use super::stage::{Stage, Which};
use super::transfer::is_through;

const PATIENCE: Duration = Duration::from_secs(90);

/// Lets a program work on the content where it lies, or in an empty folder on the disk.
pub(super) fn run(
    stage: &Stage,
    which: Which,
    rival: Rival,
    plan: fn(Rival, &Job<'_>) -> Plan,
    on_disk: bool,
) -> Result<Sample, String> {
    let (home, empty, content) = (stage.folder()?, stage.folder()?, stage.content(which));
    let torrent = stage.torrent(which, false);
    let job = Job {
        home: home.path(),
        data: if on_disk { empty.path() } else { content.folder() },
        torrent: &torrent,
        content,
        listen: stage.address(1),
        seed: None,
    };
    let (command, end) = plan(rival, &job)?;
    if on_disk {
        drop(stage.warm(content.size())?);
    }
    let start = Instant::now();
    let mut child = Child::start(stage.host(1), command, &home.path().join("log"))?;
    let mut looks = 0_u32;
    while !is_through(&mut child, end, home.path())? {
        if start.elapsed() > PATIENCE {
            return Err(format!("did not finish in time: {}", child.last_words()));
        }
        thread::sleep(Duration::from_millis(2));
        if looks.is_multiple_of(8) {
            child.look();
        }
        looks += 1;
    }
    let wall = start.elapsed().as_secs_f64();
    child.stop();
    let size = content.size() as f64;
    Ok(Sample::from([
        (Figure::Rate, size / 1e6 / wall),
        (Figure::Wall, wall),
        (Figure::Cpu, child.cpu() / (size / f64::from(1 << 30))),
        (Figure::Peak, child.memory().peak),
        (Figure::Anonymous, child.memory().anonymous),
    ]))
}
