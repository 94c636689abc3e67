//! The line of progress on a real terminal: it fits, it survives a change of width, it leaves
//! nothing behind.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::toubkal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use toubkal_wire::bencode::Node;
use unicode_width::UnicodeWidthChar;

/// Longer than any of these programs takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of 24 lines that keeps what it shows.
struct Terminal {
    master: File,
    screen: Screen,
    child: Child,
}

impl Terminal {
    /// Runs the program with its standard error on a terminal of this width.
    fn run(columns: usize, args: &[&str], env: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        set_width(&master, columns);
        let path = ptsname(&master, Vec::new()).unwrap();
        let open = || -> Stdio {
            let path = Path::new(path.to_str().unwrap());
            File::options().read(true).write(true).open(path).unwrap().into()
        };
        let mut command = toubkal(args);
        command.stdin(Stdio::null()).stdout(open()).stderr(open()).env("TERM", "xterm");
        command.envs(env.iter().copied());
        let child = command.spawn().unwrap();
        Self { master: master.into(), screen: Screen::new(columns), child }
    }

    /// Shows what comes until `wanted` is true of the screen, or the program ends.
    fn until(&mut self, wanted: impl Fn(&Screen) -> bool) {
        let began = Instant::now();
        let mut bytes = [0; 4096];
        while !wanted(&self.screen) {
            assert!(began.elapsed() < PATIENCE, "{:#?}", self.screen);
            match self.master.read(&mut bytes) {
                Ok(count) => self.screen.show(&bytes[..count]),
                // Linux says so when the other side is closed.
                Err(error) if error.raw_os_error() == Some(5) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn resize(&mut self, columns: usize) {
        set_width(&self.master, columns);
        self.screen.resize(columns);
    }

    /// Shows everything to the end.
    fn end(mut self) -> (i32, Screen) {
        self.until(|_| false);
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.screen)
    }

    fn interrupt(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    }
}

fn set_width(terminal: impl std::os::fd::AsFd, columns: usize) {
    let size = Winsize { ws_row: 24, ws_col: columns as u16, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// The second column of a wide character.
const BEHIND: char = '\0';

/// What a terminal shows: enough of one for what the program writes, and strict about the rest.
#[derive(Debug)]
struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// A character was written into a column that is not there: the line was too long.
    wrapped: bool,
    /// Escape sequences that were read.
    escapes: usize,
    /// Those of them that change colours.
    colours: usize,
    /// Drawings: returns to the first column.
    drawings: usize,
    rest: Vec<u8>,
}

impl Screen {
    fn new(columns: usize) -> Self {
        let lines = vec![Vec::new()];
        let rest = Vec::new();
        let (row, column, wrapped) = (0, 0, false);
        let (escapes, colours, drawings) = (0, 0, 0);
        Self { columns, lines, row, column, wrapped, escapes, colours, drawings, rest }
    }

    /// Lines that are not empty.
    fn text(&self) -> Vec<String> {
        let visible = |line: &Vec<char>| line.iter().filter(|c| **c != BEHIND).collect::<String>();
        let line = |line: &Vec<char>| visible(line).trim_end().to_owned();
        self.lines.iter().map(line).filter(|line| !line.is_empty()).collect()
    }

    fn shows(&self, words: &str) -> bool {
        self.text().iter().any(|line| line.contains(words))
    }

    fn show(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text: Vec<char> = String::from_utf8_lossy(&self.rest[..whole]).chars().collect();
        let mut at = 0;
        while at < text.len() {
            let Some(used) = self.one(&text[at..]) else { break };
            at += used;
        }
        let left: String = text[at..].iter().collect();
        let tail = self.rest.split_off(whole);
        self.rest = [left.into_bytes(), tail].concat();
    }

    /// Takes one character or sequence; `None` when it is not all there yet.
    fn one(&mut self, text: &[char]) -> Option<usize> {
        match text[0] {
            '\r' => {
                self.column = 0;
                self.drawings += 1;
            }
            '\n' => {
                self.row += 1;
                if self.row == self.lines.len() {
                    self.lines.push(Vec::new());
                }
            }
            '\x1b' => return self.sequence(text),
            c => self.put(c),
        }
        Some(1)
    }

    fn sequence(&mut self, text: &[char]) -> Option<usize> {
        assert_eq!(*text.get(1)?, '[', "only CSI sequences are written");
        let end = text.iter().skip(2).position(char::is_ascii_alphabetic)? + 2;
        let number: String = text[2..end].iter().collect();
        self.escapes += 1;
        match text[end] {
            'm' => self.colours += 1,
            'A' => self.row -= number.parse::<usize>().unwrap(),
            'K' => self.lines[self.row].truncate(self.column),
            'J' => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            other => panic!("the sequence {other:?} is not expected"),
        }
        Some(end + 1)
    }

    fn put(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        let end = self.column + width;
        self.wrapped |= end > self.columns;
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(end), ' ');
        line[self.column..end].fill(BEHIND);
        line[self.column] = c;
        self.column = end;
    }

    /// Wraps every line anew, as terminals do, and keeps the cursor at its character.
    fn resize(&mut self, columns: usize) {
        let mut lines = Vec::new();
        for (row, line) in std::mem::take(&mut self.lines).into_iter().enumerate() {
            if row == self.row {
                self.row = lines.len() + self.column / columns;
                self.column %= columns;
            }
            let parts: Vec<Vec<char>> = line.chunks(columns).map(Vec::from).collect();
            if parts.is_empty() {
                lines.push(Vec::new());
            }
            lines.extend(parts);
        }
        (self.lines, self.columns) = (lines, columns);
    }
}

/// A torrent that nobody has and no tracker knows, and a folder for it.
fn lonely_torrent(dir: &Path) -> Vec<String> {
    let torrent = dir.join("a torrent with a long name.torrent");
    let name = "日本語の名前 and a long name of a file.iso";
    let mut info = common::info();
    info.insert(b"name".to_vec(), name.into());
    let bytes = toubkal_wire::bencode::encode(&common::dict([("info", Node::Dict(info))]));
    fs::write(&torrent, bytes).unwrap();
    let out = dir.join("out");
    let words = ["get", torrent.to_str().unwrap(), "-o", out.to_str().unwrap(), "--no-listen"];
    words.map(String::from).to_vec()
}

#[test]
fn the_line_fits_terminals_of_40_to_200_columns() {
    for columns in [40, 80, 200] {
        let dir = tempfile::tempdir().unwrap();
        let args = lonely_torrent(dir.path());
        let args: Vec<&str> = args.iter().map(String::as_str).chain(["--patience", "2"]).collect();
        let mut terminal = Terminal::run(columns, &args, &[]);
        terminal.until(|screen| screen.shows("0 %") && screen.drawings > 5);
        assert_eq!(terminal.screen.text().len(), 1, "{:#?}", terminal.screen);
        assert!(!terminal.screen.wrapped, "{:#?}", terminal.screen);
        let (code, screen) = terminal.end();
        assert_eq!(code, 4, "{screen:#?}");
        // The line is gone; the message stands.
        assert!(screen.text()[0].starts_with("error: "), "{screen:#?}");
        assert!(!screen.shows("0 %"), "{screen:#?}");
        // Ten a second at most, two returns a drawing.
        assert!(screen.drawings < 2 * 10 * 5, "{screen:#?}");
    }
}

#[test]
fn a_change_of_width_leaves_no_garbage() {
    let dir = tempfile::tempdir().unwrap();
    let args = lonely_torrent(dir.path());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut terminal = Terminal::run(120, &args, &[]);
    terminal.until(|screen| screen.shows("0 %"));
    for columns in [50, 90, 40, 200] {
        terminal.resize(columns);
        let drawings = terminal.screen.drawings;
        terminal.until(|screen| screen.drawings > drawings + 3);
        assert_eq!(terminal.screen.text().len(), 1, "{columns}: {:#?}", terminal.screen);
        assert!(terminal.screen.lines.iter().all(|line| line.len() < columns));
        assert!(!terminal.screen.wrapped, "{:#?}", terminal.screen);
    }
    terminal.interrupt();
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen:#?}");
    assert_eq!(screen.text(), ["0 % kept; run the same command to go on"]);
}

#[test]
fn no_color_and_dumb_terminals_are_honoured() {
    let dir = tempfile::tempdir().unwrap();
    let args = lonely_torrent(dir.path());
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--patience", "1"]).collect();
    let (_, screen) = Terminal::run(80, &args, &[("TERM", "dumb")]).end();
    assert_eq!((screen.escapes, screen.colours), (0, 0), "{screen:#?}");
    let (_, screen) = Terminal::run(80, &args, &[("NO_COLOR", "1")]).end();
    assert_eq!(screen.colours, 0, "{screen:#?}");
    let (_, screen) = Terminal::run(80, &args, &[]).end();
    assert!(screen.colours > 0, "{screen:#?}");
}

/// The screen of the tests is a program, too.
#[test]
fn the_screen_wraps_and_erases_like_a_terminal() {
    let mut screen = Screen::new(10);
    screen.show("\rabcdefghi\x1b[J\r".as_bytes());
    screen.resize(4);
    assert_eq!(screen.text(), ["abcd", "efgh", "i"]);
    screen.show(b"\rxyz\x1b[K\x1b[J\r");
    assert_eq!((screen.text(), screen.wrapped), (vec!["xyz".to_owned()], false));
    screen.show(b"12345");
    assert!(screen.wrapped);
}
