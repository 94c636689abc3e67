//! A child process with a log, which does not outlive its handle.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Host;

/// How long a program may take for anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(50);

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    started: Instant,
    log: PathBuf,
}

impl Process {
    /// Starts a program on a host, with its output in a log file.
    ///
    /// # Panics
    ///
    /// When the program does not start.
    #[must_use]
    pub fn start(host: &Host, mut command: Command, log: &Path) -> Process {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let out = File::create(log).expect("the folder of a process is writable");
        let twin = out.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(out).stderr(twin);
        let started = Instant::now();
        Process { name, child: host.spawn(command), started, log: log.to_path_buf() }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The time since it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What it has printed until now, as it would stand on a terminal.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // A progress line returns to its start to be written again.
        let lines = text.lines().map(|line| line.rsplit('\r').next().unwrap_or(line));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// How it ended, or none while it runs.
    ///
    /// # Panics
    ///
    /// When the system does not know the process.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is our child")
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// When it has not ended in time.
    pub fn wait(&mut self) -> ExitStatus {
        let ended = poll(|| self.ended());
        ended.unwrap_or_else(|| panic!("{} has not ended within {PATIENCE:?}", self.name))
    }

    /// Waits until something is true of it, which is looked at again and again.
    ///
    /// # Panics
    ///
    /// When the program ends, or too much time passes, before it is true.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let outcome = poll(|| match (holds(), self.ended()) {
            (true, _) => Some(None),
            (false, ended) => ended.map(Some),
        });
        match outcome {
            Some(None) => {}
            Some(Some(status)) => panic!("{} ended ({status}) before {what}", self.name),
            None => panic!("{}: not {what} within {PATIENCE:?}", self.name),
        }
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Stops it where it is: it answers nothing any more, and nobody is told that it does not.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Asks it to end, and waits until it has written what it held back and ended.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        if poll(|| self.ended()).is_none() {
            self.kill();
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        // The id is still ours: a child that ended keeps it until it is waited for.
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(id.expect("a process id is a positive number"), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let output = self.output();
            let hidden = output.lines().count().saturating_sub(60);
            eprintln!("--- {} said (after {hidden} lines): ---", self.name);
            output.lines().skip(hidden).for_each(|line| eprintln!("{line}"));
            eprintln!("--- end of {} ---", self.name);
        }
    }
}

/// Asks until there is an answer, or none in time.
pub(crate) fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > PATIENCE {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
