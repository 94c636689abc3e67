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
pub const HANG: Duration = Duration::from_secs(60);

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
    // No test asks a node outside.
    command.env("TOUBKAL_BOOTSTRAP", "");
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

/// A folder with files of every shape that matters, and a torrent of it.
pub struct Content {
    pub dir: tempfile::TempDir,
    pub torrent: String,
    /// Bytes of all files.
    pub size: u64,
}

/// Files that share pieces, an empty one, one in a folder of its own; in pieces of 16 KiB.
const FILES: [(&str, usize); 5] = [
    ("a.bin", 700_001),
    ("empty", 0),
    ("sub/b.bin", 5),
    ("sub/deep/c.bin", 300_000),
    ("z.txt", 40_000),
];

impl Content {
    /// Makes the files in `DIR/data/things`, and the torrent with the program itself.
    pub fn new(announce: Option<&str>) -> Self {
        Self::of("things", announce)
    }

    /// The same files in `DIR/data/NAME`.
    pub fn named(name: &str) -> Self {
        Self::of(name, None)
    }

    fn of(name: &str, announce: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let data = dir.path().join("data").join(name);
        for (index, (path, length)) in FILES.iter().enumerate() {
            let path = data.join(path);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            let bytes: Vec<u8> =
                (0..*length).map(|at| (at * 31 / 7 + at / 256 + index) as u8).collect();
            std::fs::write(path, bytes).expect("it can be written");
        }
        let torrent = dir.path().join("things.torrent").display().to_string();
        let path = data.display().to_string();
        let mut args = vec!["create", &path, "-o", &torrent, "--piece-length", "16KiB"];
        args.extend(announce.iter().flat_map(|url| ["--announce", *url]));
        let ran = run(args);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let size = FILES.iter().map(|(_, length)| *length as u64).sum();
        Self { dir, torrent, size }
    }

    /// A path inside the folder of this content.
    pub fn path(&self, inside: &str) -> String {
        self.dir.path().join(inside).display().to_string()
    }

    /// Checks that the files below `DIR/inside/things` are these, and no others.
    #[track_caller]
    pub fn is_same(&self, inside: &str) {
        let mut paths = self.files(inside);
        paths.sort();
        assert_eq!(paths, FILES.map(|(path, _)| path));
        for (path, _) in FILES {
            let read = |base: &str| std::fs::read(self.path(&format!("{base}/things/{path}")));
            assert!(read("data").unwrap() == read(inside).unwrap(), "{path} differs");
        }
    }

    /// Every file below `DIR/inside/things`.
    pub fn files(&self, inside: &str) -> Vec<String> {
        let root = self.dir.path().join(inside).join("things");
        let (mut paths, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("the folder can be read").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let inside = path.strip_prefix(&root).expect("it is below");
                        paths.push(inside.to_str().expect("it is UTF-8").replace('\\', "/"));
                    }
                }
            }
        }
        paths
    }
}

/// A program that runs until it is dropped, and prints JSON.
pub struct Running {
    child: Option<Child>,
    lines: mpsc::Receiver<serde_json::Value>,
}

impl Running {
    /// Starts the program; `--json` must be among the words.
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut child = toubkal(args).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("it is piped");
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)) {
                let line = line.expect("the program's output can be read");
                let object = serde_json::from_str(&line).expect("each line is an object");
                if tell.send(object).is_err() {
                    return;
                }
            }
        });
        Self { child: Some(child), lines }
    }

    /// A seed of this content, and where it listens.
    pub fn seed(content: &Content) -> (Self, String) {
        let data = content.path("data");
        let words = ["--listen", "127.0.0.1:0", "--json"];
        let seed =
            Self::start(["seed", &content.torrent, "--data", &data].into_iter().chain(words));
        let address = seed.until("listen")["addresses"][0].as_str().expect("it listens").to_owned();
        (seed, address)
    }

    /// Waits for an event, and skips the others.
    #[track_caller]
    pub fn until(&self, event: &str) -> serde_json::Value {
        self.until_true(|object| object["event"] == event)
    }

    /// Waits for an object of which this is true.
    #[track_caller]
    pub fn until_true(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let object = self.lines.recv_timeout(HANG).expect("the program goes on printing");
            if wanted(&object) {
                return object;
            }
        }
    }

    /// Everything that is left, once it has ended.
    pub fn rest(&self) -> Vec<serde_json::Value> {
        self.lines.iter().collect()
    }

    /// The process.
    pub fn child(&self) -> &Child {
        self.child.as_ref().expect("it runs")
    }

    /// Waits for the end: what was printed on standard error, and the code.
    pub fn finish(mut self) -> (Ran, Vec<serde_json::Value>) {
        let ran = finish(self.child.take().expect("it runs"));
        let rest = self.rest();
        (ran, rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
