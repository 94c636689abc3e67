//! `toubkal config`: what can be set of the daemon.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, EXAMPLE};
use crate::exit::{Exit, Failure};
use crate::{places, progress};

/// Show, or check, the configuration of the daemon
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
        toubkal config --example > ~/.config/toubkal/config.toml\n  \
        toubkal config --check\n  \
        toubkal config --check --config toubkal.toml")]
pub(crate) struct ConfigArgs {
    /// Print a file with everything that can be set, explained
    #[arg(long)]
    example: bool,
    /// Check the file
    #[arg(long, conflicts_with = "example")]
    check: bool,
    /// Which file [default: ~/.config/toubkal/config.toml]
    #[arg(long, value_name = "FILE", env = "TOUBKAL_CONFIG")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &ConfigArgs) -> Result<Exit, Failure> {
    if args.example {
        progress::print(EXAMPLE)?;
        return Ok(Exit::Done);
    }
    let path = places::config_file(args.config.as_deref())?;
    Config::read(&path, args.check)?;
    let there = if path.exists() { "is understood" } else { "is not there: all is as usual" };
    progress::print(&format!("{} {there}\n", path.display()))?;
    Ok(Exit::Done)
}
