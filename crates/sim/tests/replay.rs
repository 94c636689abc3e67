//! The life of an engine, written down and played again.

use std::time::Duration;

use toubkal_core::base::{Machine as _, Outbox, Rng};
use toubkal_core::engine::log::{Fact, Log, LogError, Step, Writer};
use toubkal_core::engine::{Event, State};
use toubkal_sim::{Line, Manners, Replay, Setup, World};
use toubkal_wire::layout::Layout;

/// The log of a leecher among a seed, a liar and another leecher, that has seen it through.
fn log() -> Vec<u8> {
    let layout = Layout::new(64 * 1024, [(3_000_000, false)]).unwrap();
    let mut world = World::new(5, layout);
    world.host(Setup { seed: true, ..Setup::default() });
    world.host(Setup { seed: true, manners: Manners::Corrupts(9), ..Setup::default() });
    world.host(Setup::default());
    let host = world.host(Setup { joins: Duration::from_secs(1), ..Setup::default() });
    world.record(host);
    assert!(world.run(Duration::from_secs(300)));
    world.recorded(host)
}

fn lines(bytes: &[u8]) -> Vec<Line> {
    Replay::new(bytes).unwrap().map(|line| line.unwrap()).collect()
}

#[test]
fn an_engine_that_is_told_the_same_does_the_same() {
    let bytes = log();
    let mut replay = Replay::new(&bytes).unwrap();
    let mut steps = 0;
    for line in replay.by_ref() {
        let line = line.unwrap();
        steps += 1;
        assert_eq!(line.number, steps);
        assert!(!line.differs && !line.text.contains('\n'), "{line}");
    }
    assert!(steps > 300 && !replay.is_cut());
    let [(torrent, status, _)] = replay.torrents()[..] else { panic!("there is one torrent") };
    assert_eq!((status.state, status.left), (State::Seeding, 0));
    assert!(replay.engine().have(torrent).unwrap().is_full());
}

#[test]
fn a_line_tells_when_what_happened_and_what_came_of_it() {
    let lines = lines(&log());
    let first = lines[0].to_string();
    assert!(first.starts_with("     1     1.000000000 Command(Add("), "{first}");
    assert!(first.contains(" => Notify(Added { ticket: 1, torrent: #0.0 }); Open {"), "{first}");
    let wanted = |line: &&Line| line.text.contains("Received {") && line.text.contains("Store {");
    assert!(lines.iter().any(|line| wanted(&line)));
    assert!(lines.iter().all(|line| line.text.len() < 40_000));
}

/// The log without one of its steps, as if the engine had done all the same without it.
fn without(bytes: &[u8], left_out: usize) -> Vec<u8> {
    let log = Log::open(bytes).unwrap();
    let (mut engine, mut out) = (log.engine(), Outbox::new());
    let mut writer = Writer::new(&log.config, &Rng::new(log.seed));
    for (index, step) in log.enumerate() {
        let Step { at, fact, .. } = step.unwrap();
        match fact {
            Fact::Event(event) => {
                if index != left_out {
                    writer.event(at, &event);
                }
                engine.handle(at, event, &mut out);
            }
            Fact::Advance => {
                writer.due(at);
                engine.advance(at, &mut out);
            }
            Fact::End => {}
        }
        writer.actions(out.as_slice());
        out.drain().for_each(drop);
    }
    writer.take()
}

#[test]
fn the_first_step_that_differs_is_told() {
    let bytes = log();
    let heard = Log::open(&bytes)
        .unwrap()
        .position(|step| matches!(step.unwrap().fact, Fact::Event(Event::Peers(..))));
    let heard = heard.expect("it heard of peers");
    let lines = lines(&without(&bytes, heard));
    // The step before did not bring what followed from the peers: dials.
    let first = lines.iter().position(|line| line.differs).expect("it differs");
    assert_eq!(first + 1, heard);
    assert!(lines[first..].iter().all(|line| line.differs), "once it differs it stays so");
}

#[test]
fn a_log_that_is_cut_is_played_as_far_as_it_goes() {
    let bytes = log();
    let whole = lines(&bytes);
    let mut cut = 0;
    for end in bytes.len() / 2..bytes.len() / 2 + 40 {
        let mut replay = Replay::new(&bytes[..end]).unwrap();
        let half: Vec<Line> = replay.by_ref().map(|line| line.unwrap()).collect();
        assert!(half.len() > whole.len() / 4, "{} of {} steps", half.len(), whole.len());
        assert_eq!(half, whole[..half.len()]);
        // Between two steps it is not cut.
        cut += usize::from(replay.is_cut());
    }
    assert!((20..40).contains(&cut), "{cut}");
    assert_eq!(Replay::new(b"d8:announce0:e").unwrap_err(), LogError::NotLog);
}
