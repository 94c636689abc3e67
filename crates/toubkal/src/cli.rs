//! The command line: one definition, from which help, completions and the man page come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use toubkal_session::dht::ROUTERS;

use crate::commands::{
    add, bencode, completions, config, create, daemon, demo, dht, get, help, info, limits, list,
    magnet, man, paths, publish, replay, seed, sim, steer, subscribe, tracker, verify,
};
use crate::exit::{Exit, Failure};
use crate::units;

/// The program.
#[derive(Debug, Parser)]
#[command(
    name = "toubkal",
    version,
    about = "Downloads and shares files with BitTorrent.",
    long_about = "Downloads and shares files with BitTorrent.\n\n\
        Toubkal downloads what a .torrent file describes, checks every piece, and goes on where \
        it was when it is run again. Results go to standard output, everything else to standard \
        error.",
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND",
    override_usage = "toubkal COMMAND [OPTIONS]",
    after_help = "Examples:\n  \
        toubkal demo                               see it work, without a network\n  \
        toubkal get debian.torrent -o ~/Downloads  download, or go on with a download\n  \
        toubkal info debian.torrent                what is in a torrent\n\n\
        `toubkal --help` lists every command, `toubkal COMMAND --help` tells all of one, and\n\
        `toubkal help exit-codes` the exit codes."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Commands that are needed now and then: the short help leaves them out, to fit a screen.
const SELDOM: [&str; 9] =
    ["bencode", "completions", "config", "man", "paths", "replay", "sim", "stats", "watch"];

/// Reads the command line of this process.
///
/// # Errors
/// What clap has to say: help, or what is wrong.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let short = std::env::args_os().nth(1).is_none_or(|first| first == "-h");
    let mut command = Cli::command();
    for name in SELDOM.iter().filter(|_| short) {
        command = command.mut_subcommand(name, |command| command.hide(true));
    }
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(get::GetArgs),
    Seed(seed::SeedArgs),
    Daemon(daemon::DaemonArgs),
    Add(add::AddArgs),
    List(list::ListArgs),
    Show(list::ShowArgs),
    Explain(list::ExplainArgs),
    Pause(steer::PauseArgs),
    Resume(steer::ResumeArgs),
    Remove(steer::RemoveArgs),
    Set(steer::SetArgs),
    Limits(limits::LimitsArgs),
    Stats(limits::StatsArgs),
    Watch(limits::WatchArgs),
    Config(config::ConfigArgs),
    Create(create::CreateArgs),
    Info(info::InfoArgs),
    Magnet(magnet::MagnetArgs),
    Verify(verify::VerifyArgs),
    Bencode(bencode::BencodeArgs),
    Replay(replay::ReplayArgs),
    Publish(publish::PublishArgs),
    Subscribe(subscribe::SubscribeArgs),
    Dht(dht::DhtCommand),
    Tracker(tracker::TrackerArgs),
    Demo(demo::DemoArgs),
    Sim(sim::SimArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Paths(paths::PathsArgs),
    Help(help::HelpArgs),
}

/// How peers are reached, and reach us.
#[derive(Args, Clone, Debug)]
pub(crate) struct PeerArgs {
    /// Where peers can reach you: a port, or ADDRESS:PORT [default: 6881, or any that is free]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub(crate) listen: Option<Listen>,
    /// Do not let peers connect; only connect to them
    #[arg(long, conflicts_with = "listen")]
    pub(crate) no_listen: bool,
    /// Do not look for peers on the local network, nor tell anybody there
    #[arg(long)]
    pub(crate) no_lan: bool,
    #[command(flatten)]
    pub(crate) dht: DhtArgs,
    /// A peer to connect to besides those that are found; may be repeated
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer)]
    pub(crate) peer: Vec<String>,
}

/// Whether there is a DHT, and how it begins.
#[derive(Args, Clone, Debug)]
pub(crate) struct DhtArgs {
    /// A node that the DHT begins with, not the usual ones; may be repeated
    ///
    /// The variable TOUBKAL_BOOTSTRAP does the same, with commas; empty, it leaves the usual ones
    /// out.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer, conflicts_with = "no_dht")]
    pub(crate) bootstrap: Vec<String>,
    /// Take no part in the DHT, by which peers are found without a tracker
    #[arg(long)]
    pub(crate) no_dht: bool,
}

impl DhtArgs {
    /// The nodes to begin with.
    ///
    /// # Errors
    /// When the environment names none that could be.
    pub(crate) fn nodes(&self) -> Result<Vec<String>, Failure> {
        if !self.bootstrap.is_empty() || self.no_dht {
            return Ok(self.bootstrap.clone());
        }
        let Some(named) = std::env::var_os("TOUBKAL_BOOTSTRAP") else {
            return Ok(ROUTERS.map(str::to_owned).into());
        };
        let named = named.to_string_lossy();
        let nodes = named.split(',').map(str::trim).filter(|node| !node.is_empty());
        nodes.map(parse_peer).collect::<Result<_, _>>().map_err(|_| {
            Failure::new(Exit::Usage, format!("TOUBKAL_BOOTSTRAP is no list of nodes: {named}"))
                .cause("a node is written like 192.0.2.7:6881 or router.example.org:6881")
                .tip("put commas between them, or leave it empty for none")
        })
    }
}

/// How fast.
#[derive(Args, Clone, Debug)]
pub(crate) struct RateArgs {
    /// Download at most this fast, in bytes a second: 500k, 2M, 1.5MiB
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    pub(crate) down_limit: Option<u64>,
    /// Upload at most this fast, in bytes a second: 500k, 2M, 1.5MiB
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    pub(crate) up_limit: Option<u64>,
}

/// Addresses to listen on, as one flag gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) Vec<SocketAddr>);

impl Listen {
    /// A port on every address of this machine.
    pub(crate) fn everywhere(port: u16) -> Self {
        let addresses = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
        Self(addresses.map(|ip| SocketAddr::new(ip, port)).into())
    }
}

/// Reads `6881`, `127.0.0.1:6881`, `[::1]:6881` or `localhost:6881`.
pub(crate) fn parse_listen(text: &str) -> Result<Listen, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(Listen::everywhere(port));
    }
    parse_address(text).map(|address| Listen(vec![address]))
}

/// Reads one address with its port.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let number = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    number.parse().map_err(|_| "an address is written like 127.0.0.1:6881 or [::1]:6881".to_owned())
}

/// Reads a time of at least a second and at most a year.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "a time is a number of seconds".to_owned())
}

/// Checks the form of `HOST:PORT`; the name is looked up later.
pub(crate) fn parse_peer(text: &str) -> Result<String, String> {
    let fault = || Err("a peer is written like 192.0.2.7:6881 or seed.example.org:6881".to_owned());
    let Some((host, port)) = text.rsplit_once(':') else { return fault() };
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    match port.parse::<u16>() {
        Ok(port) if port > 0 && !host.is_empty() && !bare_ipv6 => Ok(text.to_owned()),
        _ => fault(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn listen_takes_a_port_or_an_address() {
        assert_eq!(parse_listen("6881"), Ok(Listen::everywhere(6881)));
        assert_eq!(parse_listen(":0"), Ok(Listen::everywhere(0)));
        for (text, expected) in
            [("127.0.0.1:1", "127.0.0.1:1"), ("[::1]:2", "[::1]:2"), ("localhost:3", "127.0.0.1:3")]
        {
            assert_eq!(parse_listen(text), Ok(Listen(vec![expected.parse().unwrap()])));
        }
        for text in ["", "x", "127.0.0.1", "70000", "::1:2:z", "host:1"] {
            assert!(parse_listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_has_a_host_and_a_port() {
        for text in ["192.0.2.7:6881", "[2001:db8::1]:1", "seed.example.org:65535"] {
            assert!(parse_peer(text).is_ok(), "{text}");
        }
        for text in ["192.0.2.7", "host:", ":1", "host:0", "host:65536", "2001:db8::1:5"] {
            assert!(parse_peer(text).is_err(), "{text}");
        }
    }
}
