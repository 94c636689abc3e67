//! Running other programs, and finding the repository.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The top folder of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the repository").to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A cargo command of the toolchain that runs this program, in the top folder.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command(cargo, args)
}

/// A command in the top folder, without standard input.
pub(crate) fn command<const N: usize>(
    program: impl AsRef<std::ffi::OsStr>,
    args: [&str; N],
) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// True when a program of this name is found on the search path.
pub(crate) fn installed(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    // Debian keeps `ip` where only root looks.
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).any(|folder| folder.join(program).is_file())
}

/// Runs a command whose output goes to the log file. An error holds the end of the log.
pub(crate) fn logged(command: &mut Command, log: &Log) -> Result<(), String> {
    let shown = show(command);
    if !log.verbose {
        let file = File::options().append(true).open(&log.path).map_err(|e| log.fault(&e))?;
        let twin = file.try_clone().map_err(|e| log.fault(&e))?;
        command.stdout(file).stderr(twin);
    }
    let status = command.status().map_err(|e| format!("{shown} did not start: {e}"))?;
    if status.success() {
        return Ok(());
    }
    let end = if log.verbose { String::new() } else { format!("\n{}", log.end()) };
    Err(format!("{shown} failed ({status}){end}"))
}

/// Runs a command and returns what it printed, or none when it failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    format!("`{}`", words.join(" "))
}

/// Where the output of one step goes.
pub(crate) struct Log {
    path: PathBuf,
    verbose: bool,
}

impl Log {
    /// An empty log for a step. When verbose, output goes to the terminal instead.
    pub(crate) fn create(step: &str, verbose: bool) -> Result<Log, String> {
        let folder = target_dir().join("xtask");
        let log = Log { path: folder.join(format!("{step}.log")), verbose };
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&log.path, ""))
            .map_err(|e| log.fault(&e))?;
        Ok(log)
    }

    fn fault(&self, error: &std::io::Error) -> String {
        format!("cannot write the log {}: {error}", self.path.display())
    }

    /// How many tests ran, as their runner says at its end.
    pub(crate) fn tests(&self) -> String {
        let Ok(text) = fs::read_to_string(&self.path) else { return String::new() };
        let count = |line: &str| {
            let line = line.trim_start();
            // Node: "# pass 7", or "ℹ pass 7" for people.
            if let Some(count) = line.strip_prefix("# pass ").or(line.strip_prefix("ℹ pass ")) {
                return count.parse().ok();
            }
            // "test result: ok. 7 passed; 0 failed" or "Summary [0.1s] 7 tests run: 7 passed"
            let counted = line.starts_with("test result:") || line.starts_with("Summary [");
            let before = line.split_once(" passed").filter(|_| counted)?.0;
            before.rsplit(' ').next()?.parse::<u32>().ok()
        };
        let sum: u32 = text.lines().filter_map(count).sum();
        if sum == 0 { String::new() } else { format!("{sum} tests") }
    }

    /// The last part of the log, and where the rest is.
    fn end(&self) -> String {
        const END: u64 = 8 * 1024;
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => {
                format!("{}\n(all of it: {})", String::from_utf8_lossy(&text), self.path.display())
            }
            Err(error) => self.fault(&error),
        }
    }
}
