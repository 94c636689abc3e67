//! `toubkal man`: the manual page, from the same definition as the help.

use std::io;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::progress;

/// Print the manual page, of the program or of a command
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    toubkal man | man -l -                 read it\n  \
    toubkal man get | man -l -             read that of a command\n  \
    toubkal man > /usr/local/share/man/man1/toubkal.1")]
pub(crate) struct ManArgs {
    /// A command [default: the program]
    command: Option<String>,
}

pub(crate) fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let page = page(args.command.as_deref()).ok_or_else(|| {
        let command = args.command.as_deref().unwrap_or_default();
        Failure::new(Exit::Usage, format!("unknown command {command:?}"))
            .tip("`toubkal -h` lists the commands")
    })?;
    progress::print(&page)?;
    Ok(Exit::Done)
}

/// The page of a command, or of the program; `None` when there is no such command.
fn page(command: Option<&str>) -> Option<String> {
    let mut program = Cli::command();
    program.build();
    let subject = match command {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name)?.clone();
            // A page is named like `git-log`.
            let page = format!("toubkal-{name}");
            let usage = format!("toubkal {name}");
            found.name(page).bin_name(usage)
        }
    };
    let mut out = Vec::new();
    // Writing to memory does not fail.
    write(&Man::new(subject).date("").manual("Toubkal"), command.is_none(), &mut out).ok()?;
    String::from_utf8(out).ok()
}

fn write(man: &Man, is_program: bool, out: &mut Vec<u8>) -> io::Result<()> {
    man.render(out)?;
    if !is_program {
        return Ok(());
    }
    let mut codes = Roff::new();
    codes.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        codes.control("TP", []);
        codes.text([roman(exit.code().to_string())]);
        codes.text([roman(exit.meaning().replace('\n', " "))]);
    }
    codes.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_commands_flags_and_codes() {
        let program = page(None).unwrap();
        for words in ["toubkal", "SUBCOMMANDS", "EXIT STATUS", "130"] {
            assert!(program.contains(words), "{words}");
        }
        assert!(page(Some("get")).unwrap().contains("sequential"));
        assert_eq!(page(Some("frobnicate")), None);
    }
}
