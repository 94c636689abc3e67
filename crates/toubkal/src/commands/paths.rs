//! `toubkal paths`: which files and ports the program uses.

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::progress;

/// Say which files and ports are used
#[derive(Args, Debug)]
pub(crate) struct PathsArgs {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &PathsArgs) -> Result<Exit, Failure> {
    if args.json {
        progress::print(
            "{\"settings\":null,\"state\":\".toubkal/state.db\",\"peer_port\":6881}\n",
        )?;
        return Ok(Exit::Done);
    }
    progress::print(
        "\
downloads  the folder given with -o, or the current one; incomplete files end in .part,
           what they share with files that are not selected is in .toubkal-*.part
settings   none
state      what is verified is remembered in .toubkal/state.db in the folder of the downloads;
           --state chooses another file, --no-state remembers nothing
peer port  6881, or any that is free; --listen chooses another, --no-listen opens none
",
    )?;
    Ok(Exit::Done)
}
