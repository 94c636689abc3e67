//! Where `get` and `seed` keep what they remember of downloads.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::{Exit, Failure};

/// The database, inside the folder that it tells of.
const STATE: &str = ".toubkal/state.db";

/// What is remembered.
#[derive(Args, Clone, Debug)]
pub(crate) struct StateArgs {
    /// Where to remember what is there [default: .toubkal/state.db in the folder]
    #[arg(long, value_name = "FILE", conflicts_with = "no_state")]
    pub(crate) state: Option<PathBuf>,
    /// Remember nothing: what is there is checked at every start
    #[arg(long)]
    pub(crate) no_state: bool,
    /// Write down what happens in this file, for a report of something that went wrong
    ///
    /// `toubkal replay FILE` shows it. It tells the addresses of peers.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Where a session keeps what is to outlive it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keep {
    /// The database.
    pub(crate) state: Option<PathBuf>,
    /// The log of what the engine is told.
    pub(crate) record: Option<PathBuf>,
}

impl StateArgs {
    /// What downloads into this folder leave.
    ///
    /// # Errors
    /// When there is no folder for the database that was named.
    pub(crate) fn of(&self, dir: &Path) -> Result<Keep, Failure> {
        Ok(Keep { state: self.database(dir)?, record: self.record.clone() })
    }

    /// As [`StateArgs::of`], without a database that would have to be made without being asked
    /// for.
    ///
    /// # Errors
    /// As [`StateArgs::of`].
    pub(crate) fn found(&self, dir: &Path) -> Result<Keep, Failure> {
        let mut keep = self.of(dir)?;
        keep.state = keep.state.filter(|path| self.state.is_some() || path.is_file());
        Ok(keep)
    }

    fn database(&self, dir: &Path) -> Result<Option<PathBuf>, Failure> {
        if self.no_state {
            return Ok(None);
        }
        let Some(named) = &self.state else { return Ok(Some(dir.join(STATE))) };
        let refuse = |cause: String| {
            let what = format!("cannot remember anything in {}", named.display());
            Err(Failure::new(Exit::Usage, what).cause(cause).tip("check --state"))
        };
        if named.is_dir() {
            return refuse("it is a folder".into());
        }
        match named.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) if !fs::metadata(folder).is_ok_and(|meta| meta.is_dir()) => {
                refuse(format!("there is no folder {}", folder.display()))
            }
            _ => Ok(Some(named.clone())),
        }
    }
}
