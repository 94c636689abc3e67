//! Toubkal and libtorrent as leechers of the same seed, in turn, on one machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::{Client, Content, Network, Peer};

const HELP: &str = "\
Toubkal and libtorrent as leechers of the same libtorrent seed, in turn.

Usage: cargo xtask bench-get [--rounds N] [--size MiB] [--to FOLDER]

  --rounds N     How often each downloads (default 5)
  --size MiB     How much (default 1024)
  --to FOLDER    Where to (default: the folder for temporary files)

The seed reads from memory (/dev/shm). The network is a loopback device in a
namespace of its own, with reno. Rates are in MB/s (1e6 bytes) from the start of
the transfer by libtorrent's own clock, and of the whole process for Toubkal.
CPU is in seconds a GiB, of the whole process. Memory is in MiB: VmHWM, and the
highest RssAnon seen. Each figure is a median (lowest..highest).
";

/// One download.
struct Sample {
    rate: f64,
    cpu: f64,
    resident: f64,
    anonymous: f64,
}

/// Runs it with the arguments of this process.
///
/// # Panics
///
/// When a program fails, or what arrived is not what was sent.
#[must_use]
pub fn bench_get() -> ExitCode {
    let (mut rounds, mut size, mut to) = (5, 1024, std::env::temp_dir());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match (arg.as_str(), value.parse::<u64>()) {
            ("--rounds", Ok(number)) if number > 0 => rounds = number,
            ("--size", Ok(number)) if number > 0 => size = number,
            ("--to", _) if !value.is_empty() => to = PathBuf::from(value),
            ("--help", _) => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("error: {arg} {value}: see cargo xtask bench-get --help");
                return ExitCode::from(2);
            }
        }
    }
    bench(rounds, size << 20, &to);
    ExitCode::SUCCESS
}

fn bench(rounds: u64, size: u64, to: &Path) {
    let memory = PathBuf::from("/dev/shm");
    let net = Network::loopback();
    let content = Content::single_in(&memory, "bench.bin", size);
    let seed = net.start(Client::Libtorrent, &content).under(&memory).seed();
    let mut samples = [(Client::Libtorrent, Vec::new()), (Client::Toubkal, Vec::new())];
    // One that does not count: the seed reads its file for the first time.
    measure(&net, &content, &seed, Client::Libtorrent, to);
    for round in 0..rounds {
        for (client, list) in &mut samples {
            list.push(measure(&net, &content, &seed, *client, to));
        }
        // Who goes first finds the machine in another state.
        samples.reverse();
        eprintln!("round {} of {rounds}", round + 1);
    }
    samples.sort_by_key(|(client, _)| *client == Client::Toubkal);
    println!("{}", row("", &["MB/s", "CPU s/GiB", "VmHWM MiB", "RssAnon MiB"].map(String::from)));
    for (client, list) in &samples {
        let columns = [
            spread(list, |sample| sample.rate, 0),
            spread(list, |sample| sample.cpu, 2),
            spread(list, |sample| sample.resident, 0),
            spread(list, |sample| sample.anonymous, 0),
        ];
        println!("{}", row(&format!("{client:?}").to_lowercase(), &columns));
    }
}

fn row(name: &str, columns: &[String; 4]) -> String {
    let [rate, cpu, resident, anonymous] = columns;
    format!("{name:<12}{rate:<24}{cpu:<20}{resident:<18}{anonymous}")
}

/// One download, compared with what was sent.
fn measure(net: &Network, content: &Content, seed: &Peer, client: Client, to: &Path) -> Sample {
    let mut get = net.start(client, content).peer(seed).under(to).get();
    let id = get.process().id();
    let mut sample = Sample { rate: 0.0, cpu: 0.0, resident: 0.0, anonymous: 0.0 };
    loop {
        sample.look(id);
        if get.is_complete() {
            break;
        }
        assert!(get.process().age() < Duration::from_secs(300), "{client:?} does not finish");
        thread::sleep(Duration::from_millis(4));
    }
    let age = get.process().age();
    let seconds = get.seconds().unwrap_or(age.as_secs_f64());
    get.complete();
    content.assert_same(get);
    let gibibytes = content.size() as f64 / (1u64 << 30) as f64;
    sample.rate = content.size() as f64 / 1e6 / seconds;
    sample.cpu /= gibibytes;
    sample
}

impl Sample {
    /// Takes in what the kernel tells of a process, unless it has just ended.
    fn look(&mut self, id: u32) {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let mebibytes = |name| field(name).map_or(0.0, |kibibytes| kibibytes / 1024.0);
        self.resident = self.resident.max(mebibytes("VmHWM:"));
        self.anonymous = self.anonymous.max(mebibytes("RssAnon:"));
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The second field is a name in brackets; fields 14 and 15 are ticks of 10 ms.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok());
        self.cpu = self.cpu.max(ticks.sum::<f64>() / 100.0);
    }
}

/// Median, lowest and highest.
fn spread(samples: &[Sample], figure: fn(&Sample) -> f64, digits: usize) -> String {
    let mut all: Vec<f64> = samples.iter().map(figure).collect();
    all.sort_by(f64::total_cmp);
    let (low, middle, high) = (all[0], all[all.len() / 2], all[all.len() - 1]);
    format!("{middle:.digits$} ({low:.digits$}..{high:.digits$})")
}
