//! What the tests of the program share: running it with a limit of time, and making torrents.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use toubkal_wire::bencode::Node;

/// A program that hangs fails the test, and does not hang it.
const HANG: Duration = Duration::from_secs(60);

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// -1 when a signal ended it.
    pub code: i32,
    pub took: Duration,
}

impl Ran {
    /// Checks what holds for every failure: the code, one message of at most three lines on
    /// standard error, nothing on standard output, no panic.
    #[track_caller]
    pub fn fails_well(&self, code: i32, about: &str) {
        assert_eq!(self.code, code, "{about}: {self:#?}");
        assert!(self.stdout.is_empty(), "{about}: {self:#?}");
        self.says_well(about);
    }

    /// Checks the message of a failure.
    #[track_caller]
    pub fn says_well(&self, about: &str) {
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert!((1..=3).contains(&lines.len()), "{about}: {self:#?}");
        assert!(lines[0].starts_with("error: "), "{about}: {self:#?}");
        for line in &lines[1..] {
            assert!(line.starts_with("cause: ") || line.starts_with("tip: "), "{about}: {self:#?}");
        }
        for word in ["panicked", "os error", "RUST_BACKTRACE", "report this", "Error {", "\x1b"] {
            assert!(!self.stderr.contains(word), "{about}: {self:#?}");
        }
    }
}

/// The program, without what the environment of the tests would add.
pub fn toubkal<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toubkal"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").env_remove("LC_ALL").env_remove("NO_COLOR");
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    finish(toubkal(args).spawn().expect("the program starts"))
}

/// Runs the program with this on its standard input.
pub fn run_with_input<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, input: &[u8]) -> Ran {
    let mut child = toubkal(args).stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // It may end without having read everything.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let ran = finish(child);
    writer.join().expect("the writer does not panic");
    ran
}

/// Waits for the end of a program.
pub fn finish(mut child: Child) -> Ran {
    let began = Instant::now();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let out = thread::spawn(move || read_all(stdout));
    let err = thread::spawn(move || read_all(stderr));
    let (tell, told) = mpsc::channel();
    let id = child.id();
    thread::spawn(move || tell.send(child.wait()));
    let status = match told.recv_timeout(HANG) {
        Ok(status) => status.expect("the program can be waited for"),
        Err(_) => panic!("the program (process {id}) hangs"),
    };
    let took = began.elapsed();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ran {
        stdout: text(out.join().expect("reading does not panic")),
        stderr: text(err.join().expect("reading does not panic")),
        code: status.code().unwrap_or(-1),
        took,
    }
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).expect("the program's output can be read");
    }
    bytes
}

/// The output of another program that must work.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// A dictionary, its entries in any order.
pub fn dict<const N: usize>(entries: [(&str, Node); N]) -> Node {
    Node::from(entries)
}

/// The `info` of one file of 40,000 bytes in pieces of 16 KiB.
pub fn info() -> std::collections::BTreeMap<Vec<u8>, Node> {
    let Node::Dict(info) = dict([
        ("length", Node::from(40_000)),
        ("name", Node::from("file.bin")),
        ("piece length", Node::from(16_384)),
        ("pieces", Node::from(vec![7u8; 60])),
    ]) else {
        unreachable!("it is a dictionary")
    };
    info
}

/// A torrent with this `info`, and a tracker on a port where nobody listens.
pub fn torrent(info: Node) -> Vec<u8> {
    toubkal_wire::bencode::encode(&dict([
        ("announce", Node::from("http://127.0.0.1:9/announce")),
        ("info", info),
    ]))
}

/// A torrent whose `info` was changed.
pub fn torrent_with<const N: usize>(changes: [(&str, Option<Node>); N]) -> Vec<u8> {
    let mut info = info();
    for (key, value) in changes {
        match value {
            Some(value) => info.insert(key.as_bytes().to_vec(), value),
            None => info.remove(key.as_bytes()),
        };
    }
    torrent(Node::Dict(info))
}
