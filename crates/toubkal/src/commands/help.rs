//! `toubkal help`: the whole help of a command, or the exit codes.

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::{progress, suggest, usage};

const EXIT_CODES: &str = "exit-codes";

/// Explain a command, or the exit codes
#[derive(Args, Debug)]
pub(crate) struct HelpArgs {
    /// A command, or `exit-codes`
    topic: Option<String>,
}

pub(crate) fn run(args: &HelpArgs) -> Result<Exit, Failure> {
    let program = Cli::command();
    match args.topic.as_deref() {
        None => long_help(&["toubkal", "--help"]),
        Some(EXIT_CODES) => progress::print(&exit_codes()).map(|()| Exit::Done),
        Some(topic) if program.find_subcommand(topic).is_some() => {
            long_help(&["toubkal", topic, "--help"])
        }
        Some(topic) => Err(unknown_topic(topic, &program)),
    }
}

/// What the parser prints for these words.
fn long_help(words: &[&str]) -> Result<Exit, Failure> {
    match Cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(Exit::Done),
        Err(help) => usage::outcome(&help),
    }
}

/// The table of exit codes.
pub(crate) fn exit_codes() -> String {
    let mut text = String::from("Exit codes of toubkal. They do not change between versions.\n\n");
    for exit in Exit::ALL {
        let meaning = exit.meaning().replace('\n', "\n       ");
        text.push_str(&format!("  {:>3}  {meaning}\n", exit.code()));
    }
    text
}

fn unknown_topic(topic: &str, program: &clap::Command) -> Failure {
    let commands = program.get_subcommands().map(clap::Command::get_name);
    let failure = Failure::new(Exit::Usage, format!("there is no help on {topic:?}"));
    match suggest::nearest(topic, commands.chain([EXIT_CODES])) {
        Some(near) => failure.tip(format!("did you mean `toubkal help {near}`?")),
        None => failure.tip("`toubkal -h` lists the commands"),
    }
}
