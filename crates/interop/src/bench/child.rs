//! A child process whose processor time and memory are watched until it has ended.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Inner, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::meter::{self, Memory};
use crate::Host;

/// How long a program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program. It ends with its handle.
pub(super) struct Child {
    name: String,
    inner: Inner,
    log: PathBuf,
    memory: Memory,
    /// Kept open, so that a look is one system call.
    status: Option<File>,
    ended: Option<(ExitStatus, f64)>,
}

impl Child {
    /// Starts a program on a host, with its output in a log file.
    pub(super) fn start(host: &Host, mut command: Command, log: &Path) -> Result<Child, String> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let fault = |error| format!("{name} does not start: {error}");
        let out = File::create(log).map_err(fault)?;
        command.stdin(Stdio::null()).stderr(out.try_clone().map_err(fault)?).stdout(out);
        let inner = host.run(move || command.spawn()).map_err(fault)?;
        let status = File::open(format!("/proc/{}/status", inner.id())).ok();
        let (log, memory) = (log.to_path_buf(), Memory::default());
        Ok(Child { name, inner, log, memory, status, ended: None })
    }

    /// How it ended, or none while it runs.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // First without taking it away: as long as it is a zombie, its time can be read.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let gone = waitid(WaitId::Pid(self.pid()), options).ok().flatten().is_some();
            if gone {
                let cpu = meter::cpu(self.inner.id());
                self.ended = self.inner.wait().ok().map(|status| (status, cpu));
            }
        }
        self.ended.map(|(status, _)| status)
    }

    /// Seconds of processor time of all its threads, until now or its end.
    pub(super) fn cpu(&mut self) -> f64 {
        self.ended();
        self.ended.map_or_else(|| meter::cpu(self.inner.id()), |(_, cpu)| cpu)
    }

    /// Looks at its memory, to find the highest there is.
    pub(super) fn look(&mut self) {
        let mut text = [0; 4096];
        let read = self.status.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let text = String::from_utf8_lossy(&text[..read.unwrap_or(0)]);
        self.memory.take_in(Memory::parse(&text));
    }

    /// The highest that was seen.
    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    /// Asks it to end, waits until it has, and ends it when it does not.
    pub(super) fn stop(&mut self) {
        self.stop_within(PATIENCE);
    }

    /// The same with another patience.
    pub(super) fn stop_within(&mut self, patience: Duration) {
        self.look();
        if self.ended().is_none() {
            // It may end by itself in this moment, which is as good.
            let _ = kill_process(self.pid(), Signal::TERM);
        }
        let asked = Instant::now();
        while self.ended().is_none() {
            if asked.elapsed() > patience {
                let _ = self.inner.kill();
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The last it printed, on one line: why it failed, most likely.
    pub(super) fn last_words(&self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| log.read_to_end(&mut text));
        let text = if read.is_ok() { String::from_utf8_lossy(&text) } else { "".into() };
        let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
        let last: String = lines.next().unwrap_or("it said nothing").chars().take(200).collect();
        format!("{}: {last}", self.name)
    }

    fn pid(&self) -> Pid {
        let id = i32::try_from(self.inner.id()).ok().and_then(Pid::from_raw);
        id.expect("a process id is a positive number")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It may have ended by itself, which is as good.
            let _ = self.inner.kill();
            let _ = self.inner.wait();
        }
    }
}

/// The bytes that the loopback device of a host has carried.
pub(super) struct Wire(File);

impl Wire {
    pub(super) fn of(host: &Host) -> Wire {
        // Which namespace the file tells of is settled when it is opened.
        let file = host.run(|| File::open("/proc/thread-self/net/dev"));
        Wire(file.expect("the kernel counts bytes"))
    }

    pub(super) fn bytes(&self) -> u64 {
        let mut text = [0; 4096];
        let read = self.0.read_at(&mut text, 0).unwrap_or(0);
        meter::received(&String::from_utf8_lossy(&text[..read]), "lo").unwrap_or(0)
    }
}
