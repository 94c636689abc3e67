//! The program `toubkal`: a command line over the libraries, one file a command.
#![forbid(unsafe_code)]

mod chart;
mod cli;
mod commands;
mod config;
mod control;
mod exit;
mod fetch;
mod folder;
mod json;
mod metadata;
mod network;
mod places;
mod progress;
mod record;
mod report;
mod select;
mod signals;
mod source;
mod state;
mod suggest;
mod text;
mod units;
mod usage;
mod watch;
mod work;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::exit::Failure;

fn main() -> ExitCode {
    let outcome = match cli::parse() {
        Ok(cli) => commands::run(cli.command),
        Err(error) => usage::outcome(&error),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report(&failure);
            failure.exit.into()
        }
    }
}

/// Says what failed, on standard error.
pub(crate) fn report(failure: &Failure) {
    if failure.what.is_empty() {
        return;
    }
    let mut message = format!("{failure}\n");
    if io::stderr().is_terminal() && progress::wants_colour() {
        message = message.replacen("error:", "\x1b[1;31merror:\x1b[0m", 1);
    }
    // Nobody can be told when standard error is gone.
    let _ = io::stderr().lock().write_all(message.as_bytes());
}
