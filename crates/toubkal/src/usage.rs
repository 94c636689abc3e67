//! What is said about a command line that makes no sense: three lines, not a page.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::{progress, suggest};

/// Turns what the parser says into help on standard output, or into a failure.
pub(crate) fn outcome(error: &clap::Error) -> Result<Exit, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let colour = std::io::IsTerminal::is_terminal(&std::io::stdout());
            match colour && progress::wants_colour() {
                true => progress::print(&text.ansi().to_string())?,
                false => progress::print(&text.to_string())?,
            }
            Ok(Exit::Done)
        }
        _ => Err(failure(error, &typed_command())),
    }
}

/// What is said when no command is given.
pub(crate) fn no_command() -> Failure {
    Failure::new(Exit::Usage, "no command was given")
        .tip("`toubkal get FILE.torrent` downloads, `toubkal -h` shows all commands")
}

/// The definition of the command that was typed, or of the program.
fn typed_command() -> Command {
    let mut program = Cli::command();
    program.build();
    let typed = std::env::args_os().nth(1).unwrap_or_default();
    match typed.to_str().and_then(|name| program.find_subcommand(name)) {
        Some(command) => command.clone(),
        None => program,
    }
}

fn failure(error: &clap::Error, command: &Command) -> Failure {
    let name = command.get_bin_name().unwrap_or("toubkal").to_owned();
    let arg = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    let help = format!("`{name} -h` shows how it is used");
    match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(&arg, command, &name),
        ErrorKind::InvalidSubcommand => {
            unknown_command(&context(error, ContextKind::InvalidSubcommand), command)
        }
        ErrorKind::MissingRequiredArgument => {
            let usage = command.clone().render_usage().to_string();
            let usage = usage.trim_start_matches("Usage: ");
            Failure::new(Exit::Usage, format!("{arg} is missing")).tip(format!("usage: {usage}"))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            Failure::new(Exit::Usage, format!("{arg} needs a value")).tip(help)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let failure = Failure::new(Exit::Usage, format!("{value:?} is no value for {arg}"));
            let source = std::error::Error::source(error).map(ToString::to_string);
            let choices = context(error, ContextKind::ValidValue);
            match source {
                Some(source) => failure.cause(source),
                None if choices.is_empty() => failure.tip(help),
                None => failure.tip(format!("it is one of: {choices}")),
            }
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg);
            let what = match arg == other {
                true => format!("{arg} was given twice"),
                false => format!("{arg} does not go with {other}"),
            };
            Failure::new(Exit::Usage, what).tip(help)
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Failure::new(Exit::Usage, first.trim_start_matches("error: ")).tip(help)
        }
    }
}

fn unknown_argument(arg: &str, command: &Command, name: &str) -> Failure {
    let Some(flag) = arg.strip_prefix("--") else {
        let kind = if arg.starts_with('-') { "flag" } else { "argument" };
        return Failure::new(Exit::Usage, format!("unknown {kind} {arg:?}"))
            .tip(format!("`{name} -h` shows how it is used"));
    };
    let flags = command.get_arguments().filter_map(clap::Arg::get_long);
    let failure = Failure::new(Exit::Usage, format!("unknown flag --{flag}"));
    match suggest::nearest(flag, flags) {
        Some(near) => failure.tip(format!("did you mean --{near}?")),
        None => failure.tip(format!("`{name} -h` lists the flags")),
    }
}

fn unknown_command(typed: &str, command: &Command) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("unknown command {typed:?}"));
    let commands = command.get_subcommands().map(Command::get_name);
    if let Some(near) = suggest::nearest(typed, commands) {
        return failure.tip(format!("did you mean `toubkal {near}`?"));
    }
    let source = typed.ends_with(".torrent") || typed.contains("://") || typed.contains("magnet:");
    match source {
        true => failure.tip(format!("to download it: toubkal get {typed}")),
        false => failure.tip("`toubkal -h` lists the commands"),
    }
}

/// A piece of what the parser knows of the error, as text.
fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
