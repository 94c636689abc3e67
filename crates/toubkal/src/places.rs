//! Where the program keeps what is its own: as the XDG Base Directory Specification says.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

const NAME: &str = "toubkal";

/// The home of the user.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// The folder of the daemon's database and socket.
///
/// # Errors
/// When nobody says where it is.
pub(crate) fn state_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    folder(given, "XDG_STATE_HOME", ".local/state", "--state-dir")
}

/// The daemon's configuration.
///
/// # Errors
/// When nobody says where it is.
pub(crate) fn config_file(given: Option<&Path>) -> Result<PathBuf, Failure> {
    match given {
        Some(given) => Ok(given.to_path_buf()),
        None => Ok(folder(None, "XDG_CONFIG_HOME", ".config", "--config")?.join("config.toml")),
    }
}

/// Where a daemon with this folder is spoken to.
pub(crate) fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("socket")
}

fn folder(
    given: Option<&Path>,
    variable: &str,
    usual: &str,
    flag: &str,
) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(std::path::absolute(given).unwrap_or_else(|_| given.to_path_buf()));
    }
    // XDG: a path that is not absolute is to be ignored.
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| Some(home()?.join(usual)));
    base.map(|base| base.join(NAME)).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no home folder")
            .cause(format!("neither HOME nor {variable} is set"))
            .tip(format!("say where with {flag}"))
    })
}
