//! What a line of many torrents costs: news of one, and what concerns all.
//!
//! `cargo run --release -p toubkal-core --example line -- [TORRENTS]`. News of one are told and
//! answered, by a torrent that is drawn; half of all are downloads.
#![allow(clippy::disallowed_types, reason = "it measures time, and no decision depends on it")]

use std::time::{Duration, Instant};

use toubkal_core::base::{Outbox, Rng, Time};
use toubkal_core::queue::{Change, Line, Places, Shift, Slow, Stage, Wish};

const NEWS: usize = 10_000;

fn main() {
    let torrents = std::env::args().nth(1).map_or(100_000, |word| word.parse().expect("a number"));
    let slow = Some(Slow { rate: 2048, after: Duration::from_secs(60) });
    let few = Places { downloads: Some(5), seeds: Some(20), all: Some(22), ..Places::default() };
    let limits = [
        ("no limit", Places::default()),
        ("no limit, slow", Places { slow, ..Places::default() }),
        ("few places, slow", Places { slow, ..few }),
    ];
    for (name, places) in limits {
        println!("{torrents} torrents, {name}");
        measure(torrents, places);
    }
}

struct Bench {
    line: Line,
    out: Outbox<Change>,
    rng: Rng,
    torrents: u64,
    now: Time,
}

fn measure(torrents: u64, places: Places) {
    let line = Line::new(places);
    let (out, rng) = (Outbox::new(), Rng::from_number(7));
    let mut bench = Bench { line, out, rng, torrents, now: Time::START };
    let stage = |id: u64| if id.is_multiple_of(2) { Stage::Download } else { Stage::Seed };
    let start = Instant::now();
    for id in 0..torrents {
        bench.line.insert(id, Wish::Queued, stage(id), usize::MAX);
    }
    println!("  {:>14} {:>10.2} ms", "insert all", start.elapsed().as_secs_f64() * 1e3);
    bench.once("first answer", |_| {});
    bench.once("nothing new", |_| {});
    bench.once("rates of all", |bench| {
        for id in 0..torrents {
            bench.line.rates(bench.now, id, id % 4096, 0);
        }
    });
    bench.once("a minute later", |bench| bench.now = bench.now.after(Duration::from_secs(61)));
    let other = Places { seeds: Some(7), downloads: Some(3), ..places };
    bench.once("few places", |bench| bench.line.set_places(other));
    bench.once("as before", |bench| bench.line.set_places(places));
    bench.each("a rate", |bench, id| {
        let rate = bench.rng.below(4096);
        bench.line.rates(bench.now, id, rate, 0);
    });
    bench.each("complete", |bench, id| bench.line.stage(id, Stage::Seed));
    bench.each("more wanted", |bench, id| bench.line.stage(id, Stage::Download));
    bench.each("paused", |bench, id| bench.line.wish(id, Wish::Paused));
    bench.each("resumed", |bench, id| bench.line.wish(id, Wish::Queued));
    bench.each("moved", |bench, id| {
        let position = bench.rng.below(bench.torrents) as usize;
        bench.line.shift(&[id], Shift::To(position));
    });
    bench.each("added", |bench, id| {
        bench.line.insert(bench.torrents + id, Wish::Queued, stage(id), 0);
    });
    bench.each("removed", |bench, id| {
        bench.line.remove(id);
    });
    bench.each("position", |bench, id| {
        std::hint::black_box(bench.line.position(id));
    });
}

impl Bench {
    /// Changes something, and takes the answer.
    fn timed(&mut self, change: impl FnOnce(&mut Self)) -> Duration {
        let start = Instant::now();
        change(self);
        self.line.advance(self.now, &mut self.out);
        let spent = start.elapsed();
        self.out.drain().for_each(drop);
        spent
    }

    fn once(&mut self, what: &str, change: impl FnOnce(&mut Self)) {
        println!("  {what:>14} {:>10.2} ms", self.timed(change).as_secs_f64() * 1e3);
    }

    fn each(&mut self, what: &str, mut change: impl FnMut(&mut Self, u64)) {
        let mut spent: Vec<Duration> = (0..NEWS)
            .map(|_| {
                let id = self.rng.below(self.torrents);
                self.timed(|bench| change(bench, id))
            })
            .collect();
        spent.sort_unstable();
        let micros = |at: usize| spent[at].as_secs_f64() * 1e6;
        let (median, most) = (micros(NEWS / 2), micros(NEWS * 99 / 100));
        println!("  {what:>14} {median:>10.2} us, 99 of 100 under {most:.2} us");
    }
}
