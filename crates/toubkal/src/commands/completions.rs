//! `toubkal completions`: what a shell needs to complete our commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::progress;

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    toubkal completions bash > ~/.local/share/bash-completion/completions/toubkal\n  \
    toubkal completions zsh > ~/.zfunc/_toubkal\n  \
    toubkal completions fish > ~/.config/fish/completions/toubkal.fish")]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "toubkal", &mut out);
    progress::print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Done)
}
