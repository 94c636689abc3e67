//! `toubkal sim`: a whole swarm in virtual time, and how it fares.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use toubkal_sim::{Moment, Outcome, Policy, Setup, Swarm};

use crate::chart;
use crate::exit::{Exit, Failure};
use crate::progress::{Activity, Bar, Screen};
use crate::signals::Interrupt;
use crate::{json, text, units};

/// More hosts do not fit the simulated network.
const HOSTS_MAX: u32 = 1000;
/// Blocks that all peers together may fetch: some minutes of work, and 2 GB of memory.
const TRANSFERS_MAX: u64 = 20_000_000;
/// Bytes of a block.
const BLOCK: u64 = 16 * 1024;
/// A piece length that suits the size: about so many pieces.
const PIECES: u64 = 1000;

/// Play a swarm in virtual time, and see how it fares
#[derive(Args, Debug)]
#[command(
    long_about = "Play a swarm in virtual time, and see how it fares. Every peer is the real \
        engine of this program; only lines, disks and clocks are simulated. The same numbers \
        give the same run.\n\n\
        All peers come at once when the seeds are ready. Times are compared with the fluid bound \
        (Kumar and Ross 2006), which no swarm can beat: the seeds must give every byte once, each \
        peer must take every byte, and all lines out together must carry them.",
    after_help = "Examples:\n  \
        toubkal sim --peers 100 --size 64MiB\n  \
        toubkal sim --peers 30 --policy sequential --svg swarm.svg\n  \
        toubkal sim --seeds 2 --up 500k --down 4M --json"
)]
pub(crate) struct SimArgs {
    /// Peers that have nothing yet
    #[arg(long, value_name = "N", default_value_t = 50)]
    peers: u32,
    /// Peers that have everything
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u32,
    /// Bytes of the torrent: 64MiB, 500M
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = units::parse_size)]
    size: u64,
    /// Line out of each host, in bytes a second: 500k, 2M
    #[arg(long, value_name = "RATE", default_value = "1M", value_parser = parse_line)]
    up: u64,
    /// Line in of each host, in bytes a second
    #[arg(long, value_name = "RATE", default_value = "10M", value_parser = parse_line)]
    down: u64,
    /// Line out of each seed [default: as --up]
    #[arg(long, value_name = "RATE", value_parser = parse_line)]
    seed_up: Option<u64>,
    /// Milliseconds from a host to the middle of the network
    #[arg(
        long, value_name = "MS", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(..=10_000)
    )]
    latency: u64,
    /// Bytes in a piece, a power of two: 256KiB, 4MiB [default: by size]
    #[arg(long, value_name = "N", value_parser = super::create::parse_piece_length)]
    piece_length: Option<u32>,
    /// Upload slots of each host
    #[arg(
        long, value_name = "N", default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    slots: u32,
    /// Which piece a peer begins next
    #[arg(long, value_name = "POLICY", default_value = "rarest")]
    policy: PolicyArg,
    /// Seeds go as soon as the peers have every piece between them
    #[arg(long)]
    seeds_leave: bool,
    /// Where all chance comes from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Draw completion over time into this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Say only results and errors
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// [`Policy`] as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyArg {
    Rarest,
    Sequential,
    Random,
}

impl PolicyArg {
    fn policy(self) -> Policy {
        match self {
            Self::Rarest => Policy::RarestFirst,
            Self::Sequential => Policy::Sequential,
            Self::Random => Policy::Random,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Rarest => "rarest",
            Self::Sequential => "sequential",
            Self::Random => "random",
        }
    }
}

/// Reads the rate of a line: what can be simulated, from a slow modem to a data centre.
fn parse_line(text: &str) -> Result<u64, String> {
    match units::parse_size(text.trim().trim_end_matches("/s"))? {
        rate @ 1_000..=10_000_000_000 => Ok(rate),
        _ => Err("a line has from 1 kB/s to 10 GB/s".into()),
    }
}

pub(crate) fn run(args: &SimArgs) -> Result<Exit, Failure> {
    let swarm = swarm(args)?;
    args.svg.as_deref().map_or(Ok(()), check_file)?;
    let interrupt = Interrupt::new();
    let mut screen = Screen::new(args.quiet || args.json);
    let mut moments = Vec::new();
    let wanted = swarm.bytes * u64::from(args.peers);
    let played = swarm.play(args.seed, |moment| {
        moments.push(*moment);
        screen.draw(&[bar(moment, wanted)]);
        match interrupt.is_raised() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    screen.clear();
    let outcome = played.map_err(|_| Failure::new(Exit::Usage, "there is no torrent like that"))?;
    if interrupt.is_raised() {
        screen.say("stopped; nothing was written");
        return Ok(Exit::Interrupted);
    }
    if let Some(path) = &args.svg {
        let drawing = chart::svg(&title(args), &moments, args.peers, outcome.bound);
        fs::write(path, drawing).map_err(|error| Failure::io("write", path, &error))?;
    }
    match args.json {
        true => json::print(&object(args, &swarm, &outcome))?,
        false => screen.print(&table(args, &outcome))?,
    }
    let all = outcome.times().len() == outcome.leechers.len();
    Ok(if all { Exit::Done } else { Exit::Failed })
}

/// What can be seen to go wrong with the drawing, before minutes of work.
fn check_file(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = fs::metadata(parent.unwrap_or(Path::new(".")));
    let error = match folder {
        Err(error) => error,
        Ok(folder) if !folder.is_dir() => ErrorKind::NotADirectory.into(),
        Ok(_) if path.is_dir() => ErrorKind::IsADirectory.into(),
        Ok(_) => return Ok(()),
    };
    Err(Failure { exit: Exit::NotWritable, ..Failure::io("write", path, &error) })
}

/// The swarm that was asked for.
fn swarm(args: &SimArgs) -> Result<Swarm, Failure> {
    let refuse = |what: String| Err(Failure::new(Exit::Usage, what));
    if args.peers == 0 || args.size == 0 {
        return refuse("a swarm has at least one peer, and a torrent at least one byte".into());
    }
    if args.seeds == 0 {
        return refuse("without a seed nobody has anything to give".into());
    }
    let hosts = args.peers.saturating_add(args.seeds);
    if hosts > HOSTS_MAX {
        let (hosts, most) = (text::grouped(hosts.into()), text::grouped(HOSTS_MAX.into()));
        return refuse(format!("{hosts} hosts are too many; {most} can be simulated"));
    }
    let transfers = args.size.div_ceil(BLOCK).saturating_mul(args.peers.into());
    if transfers > TRANSFERS_MAX {
        let (blocks, most) = (text::grouped(transfers), text::grouped(TRANSFERS_MAX));
        let failure = Failure::new(Exit::Usage, "that is too much to simulate");
        let cause = format!("{blocks} blocks of 16 KiB would be fetched, {most} at the most");
        return Err(failure.cause(cause).tip("take fewer peers, or a smaller size"));
    }
    let host = |seed: bool| Setup {
        seed,
        up: args.seed_up.filter(|_| seed).unwrap_or(args.up),
        down: args.down,
        latency: Duration::from_millis(args.latency),
        slots: args.slots,
        policy: args.policy.policy(),
        ..Setup::default()
    };
    let hosts = (0..hosts).map(|at| host(at < args.seeds)).collect();
    let mut swarm = Swarm::new(hosts, args.size, piece_length(args));
    swarm.seeds_leave = args.seeds_leave;
    // Several looks at what is over soon; not too many at what takes long.
    let step = swarm.bound() / 100;
    swarm.step = step.clamp(Duration::from_millis(50), Duration::from_secs(10));
    // Then something is wrong with the swarm, or with us.
    swarm.limit = (swarm.bound() * 100).max(Duration::from_secs(3600));
    Ok(swarm)
}

fn piece_length(args: &SimArgs) -> u32 {
    let fitting = (args.size / PIECES).next_power_of_two().clamp(BLOCK, 16 << 20);
    args.piece_length.unwrap_or(fitting as u32)
}

fn bar(moment: &Moment, wanted: u64) -> Bar {
    let (time, complete) = (units::took(moment.at), text::grouped(moment.complete.into()));
    let activity = Activity::Saying(format!("{time} of virtual time, {complete} complete"));
    let done = (moment.there * wanted as f64) as u64;
    Bar { name: "swarm".into(), done, of: wanted, activity }
}

fn title(args: &SimArgs) -> String {
    format!(
        "{}, {}, {}",
        text::count(args.seeds.into(), "seed", "seeds"),
        text::count(args.peers.into(), "peer", "peers"),
        units::size(args.size)
    )
}

/// What `toubkal sim` prints for people: a name and a value a line.
fn table(args: &SimArgs, outcome: &Outcome) -> String {
    let time = |part: f64| match outcome.time_of(part) {
        Some(time) => seconds(time) + &format!("  {:.2} x the bound", outcome.ratio(time)),
        None => format!("{:>11}", "never"),
    };
    let wanted = args.size as f64 * f64::from(args.peers);
    let wasted = outcome.wasted();
    let percent = 100.0 * wasted as f64 / wanted;
    let mut rows = vec![
        ("fluid bound", seconds(outcome.bound)),
        ("median", time(0.5)),
        ("95 %", time(0.95)),
        ("last", time(1.0)),
        ("wasted", format!("{:>11}  {percent:.2} % of what was wanted", units::size(wasted))),
    ];
    if let Some(fairness) = outcome.fairness() {
        rows.push((
            "fairness",
            format!("{fairness:>11.3}  Jain's index of given for got, 1 is equal"),
        ));
    }
    for share in &outcome.seeds {
        let copies = share.gave as f64 / args.size as f64;
        let gave = units::size(share.gave);
        rows.push(("a seed gave", format!("{gave:>11}  {copies:.2} x the torrent")));
    }
    let policy = match args.policy {
        PolicyArg::Rarest => "rarest first",
        PolicyArg::Sequential => "in order",
        PolicyArg::Random => "at random",
    };
    let mut out = format!("{}, {policy}, chance from {}\n", title(args), args.seed);
    for (name, value) in rows {
        out.push_str(&format!("  {name:<12}{value}\n"));
    }
    out
}

/// Seconds in a column, or longer words where they say more.
fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..600 => format!("{:>9.1} s", time.as_secs_f64()),
        _ => format!("{:>11}", units::took(time)),
    }
}

/// The object that `--json` prints, described in `docs/json.md`.
fn object(args: &SimArgs, swarm: &Swarm, outcome: &Outcome) -> serde_json::Value {
    let round = |number: f64| (number * 1e6).round() / 1e6;
    let time = |part| outcome.time_of(part).map(|time| round(time.as_secs_f64()));
    let ratio = |part| outcome.time_of(part).map(|time| round(outcome.ratio(time)));
    let seeds: Vec<u64> = outcome.seeds.iter().map(|share| share.gave).collect();
    let took = |share: &toubkal_sim::Share| share.took.map(|time| round(time.as_secs_f64()));
    let took: Vec<Option<f64>> = outcome.leechers.iter().map(took).collect();
    serde_json::json!({
        "peers": args.peers,
        "seeds": args.seeds,
        "size": args.size,
        "piece_length": swarm.piece_length,
        "policy": args.policy.word(),
        "seed": args.seed,
        "complete": outcome.times().len(),
        "bound": round(outcome.bound.as_secs_f64()),
        "median": time(0.5),
        "p95": time(0.95),
        "last": time(1.0),
        "median_ratio": ratio(0.5),
        "p95_ratio": ratio(0.95),
        "last_ratio": ratio(1.0),
        "wasted": outcome.wasted(),
        "fairness": outcome.fairness().map(round),
        "seeds_gave": seeds,
        "took": took,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rates_that_can_be_simulated() {
        assert_eq!(parse_line("500k"), Ok(500_000));
        assert_eq!(parse_line("1.5MiB/s"), Ok(1_572_864));
        for text in ["0", "1", "20G", "fast", ""] {
            assert!(parse_line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_stand_below_each_other() {
        for millis in [0, 340, 99_960, 599_900, 600_000, 100_000_000] {
            let column = seconds(Duration::from_millis(millis));
            assert!(column.len() == 11, "{column:?}");
        }
    }
}
