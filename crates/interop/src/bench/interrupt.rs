//! Ctrl-C: nothing that was started goes on, and no folder in memory is left behind.

use std::fs;
use std::path::PathBuf;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// From now on, a signal ends the children of this process, removes these folders and ends it.
pub(super) fn cleans_up(folders: Vec<PathBuf>) -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| error.to_string())?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            for child in children() {
                // It may have ended by itself, which is as good.
                let _ = kill_process(child, Signal::KILL);
            }
            for folder in folders {
                // What is left now, the next start of the system takes away.
                let _ = fs::remove_dir_all(folder);
            }
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// The children of all threads of this process.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = lists.flat_map(|list| {
        let ids = list.split_whitespace().filter_map(|id| id.parse().ok());
        ids.filter_map(Pid::from_raw).collect::<Vec<_>>()
    });
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn children_are_found() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("there is a sleep");
        let id = Pid::from_child(&child);
        assert!(children().contains(&id));
        child.kill().expect("it runs");
        child.wait().expect("it is ours");
        assert!(!children().contains(&id));
    }
}
