//! One file a command: its flags, and what it does.

pub(crate) mod add;
pub(crate) mod bencode;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod create;
pub(crate) mod daemon;
pub(crate) mod demo;
pub(crate) mod dht;
pub(crate) mod get;
pub(crate) mod help;
pub(crate) mod info;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod magnet;
pub(crate) mod man;
pub(crate) mod paths;
pub(crate) mod publish;
pub(crate) mod replay;
pub(crate) mod seed;
pub(crate) mod sim;
pub(crate) mod steer;
pub(crate) mod subscribe;
pub(crate) mod tracker;
pub(crate) mod verify;

use crate::cli::Command;
use crate::exit::{Exit, Failure};
use crate::usage;

/// Does what was asked for.
pub(crate) fn run(command: Option<Command>) -> Result<Exit, Failure> {
    match command.ok_or_else(usage::no_command)? {
        Command::Get(args) => get::run(&args),
        Command::Seed(args) => seed::run(&args),
        Command::Daemon(args) => daemon::run(&args),
        Command::Add(args) => add::run(&args),
        Command::List(args) => list::run(&args),
        Command::Show(args) => list::show(&args),
        Command::Explain(args) => list::explain(&args),
        Command::Pause(args) => steer::pause(&args),
        Command::Resume(args) => steer::resume(&args),
        Command::Remove(args) => steer::remove(&args),
        Command::Set(args) => steer::set(&args),
        Command::Limits(args) => limits::run(&args),
        Command::Stats(args) => limits::stats(&args),
        Command::Watch(args) => limits::watch(&args),
        Command::Config(args) => config::run(&args),
        Command::Create(args) => create::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Magnet(args) => magnet::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Bencode(args) => bencode::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Subscribe(args) => subscribe::run(&args),
        Command::Dht(args) => dht::run(&args),
        Command::Tracker(args) => tracker::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Paths(args) => paths::run(&args),
        Command::Help(args) => help::run(&args),
    }
}
