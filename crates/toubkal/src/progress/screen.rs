//! Where progress is drawn: a block of lines at the bottom of a terminal, or plain lines.
//!
//! After each drawing the cursor goes back to the first column of the first line. A terminal that
//! is made narrower wraps what stands there and takes the cursor along, so the next drawing
//! starts at the right place and erases whatever is below: no garbage, no signal to catch.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::line::{Bar, Look};
use crate::exit::{Exit, Failure};
use crate::text;

/// Between two drawings on a terminal: at most ten a second.
const REDRAW: Duration = Duration::from_millis(100);
/// Between two plain lines.
const REPORT: Duration = Duration::from_secs(10);

/// Where progress goes.
#[derive(Debug)]
pub(crate) struct Screen {
    kind: Kind,
    /// Lines that stand on the terminal, below and at the cursor.
    drawn: bool,
    /// When the last drawing, or the start, was.
    last: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines that are drawn again and again.
    Terminal { colour: bool, unicode: bool },
    /// A line every ten seconds.
    Plain,
    /// Only what matters.
    Quiet,
}

impl Screen {
    /// Looks at standard error and the environment.
    pub(crate) fn new(quiet: bool) -> Self {
        let kind = match (quiet, io::stderr().is_terminal() && !is_dumb()) {
            (true, _) => Kind::Quiet,
            (false, true) => Kind::Terminal { colour: wants_colour(), unicode: shows_unicode() },
            (false, false) => Kind::Plain,
        };
        let last = Instant::now();
        // On a terminal the first drawing comes at once.
        let last = match kind {
            Kind::Terminal { .. } => last.checked_sub(REDRAW).unwrap_or(last),
            _ => last,
        };
        Self { kind, drawn: false, last }
    }

    /// Draws, if it is time to.
    pub(crate) fn draw(&mut self, bars: &[Bar]) {
        let (pause, kind) = match self.kind {
            Kind::Terminal { .. } => (REDRAW, self.kind),
            Kind::Plain => (REPORT, self.kind),
            Kind::Quiet => return,
        };
        if self.last.elapsed() < pause || bars.is_empty() {
            return;
        }
        self.last = Instant::now();
        let Kind::Terminal { colour, unicode } = kind else {
            let lines: String = bars.iter().map(|bar| bar.plain() + "\n").collect();
            return write_stderr(&lines);
        };
        let (width, height) = terminal_size::terminal_size_of(io::stderr())
            .map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)));
        let names = bars.iter().map(|bar| text::width(&text::escape(&bar.name))).max().unwrap_or(0);
        // A character in the last column makes some terminals wrap.
        let look = Look { width: width.saturating_sub(1).max(1), names, unicode, colour };
        write_stderr(&frame(bars, &look, height.saturating_sub(1).max(1)));
        self.drawn = true;
    }

    /// A sentence for the person, above the progress. Not said when quiet.
    pub(crate) fn say(&mut self, sentence: &str) {
        if self.kind != Kind::Quiet {
            self.warn(sentence);
        }
    }

    /// A sentence that matters also to those who want quiet.
    pub(crate) fn warn(&mut self, sentence: &str) {
        self.clear();
        write_stderr(&format!("{}\n", text::escape(sentence)));
    }

    /// A result, on standard output.
    ///
    /// # Errors
    /// When standard output takes nothing more; quietly so when its reader has gone.
    pub(crate) fn print(&mut self, result: &str) -> Result<(), Failure> {
        self.clear();
        print(result)
    }

    /// Takes the progress away.
    pub(crate) fn clear(&mut self) {
        if self.drawn {
            self.drawn = false;
            write_stderr("\r\x1b[J");
            // What comes next is drawn at once.
            self.last = self.last.checked_sub(REDRAW).unwrap_or(self.last);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Writes text to standard output, and sends it off.
///
/// # Errors
/// When standard output takes nothing more; quietly so when its reader has gone.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::quiet(Exit::Done),
        _ => Failure::new(Exit::of_io(&error), "cannot write to standard output")
            .cause(crate::exit::io_cause(&error)),
    })
}

/// One drawing: the lines, then back to where it began.
fn frame(bars: &[Bar], look: &Look, height: usize) -> String {
    let shown = if bars.len() > height { height - 1 } else { bars.len() };
    let mut lines: Vec<String> = bars[..shown].iter().map(|bar| bar.line(look)).collect();
    if shown < bars.len() {
        lines.push(text::cut(&format!("and {} more", bars.len() - shown), look.width));
    }
    let up = lines.len() - 1;
    let mut out = format!("\r{}", lines.join("\x1b[K\r\n"));
    out.push_str("\x1b[J\r");
    if up > 0 {
        out.push_str(&format!("\x1b[{up}A"));
    }
    out
}

/// Nobody can be told when standard error is gone.
fn write_stderr(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Whether colours are welcome: <https://no-color.org>.
pub(crate) fn wants_colour() -> bool {
    !is_dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal says that it knows no escape sequences.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the locale says UTF-8; there is nothing else on Windows and macOS.
fn shows_unicode() -> bool {
    if cfg!(any(windows, target_os = "macos")) {
        return true;
    }
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::super::line::Activity;
    use super::*;

    fn bars(count: usize) -> Vec<Bar> {
        let bar = |index| Bar {
            name: format!("file {index}"),
            done: 1,
            of: 2,
            activity: Activity::Saying("seeding".into()),
        };
        (0..count).map(bar).collect()
    }

    fn look() -> Look {
        Look { width: 60, names: 6, unicode: true, colour: false }
    }

    #[test]
    fn a_drawing_ends_where_it_began() {
        let drawing = frame(&bars(3), &look(), 10);
        assert_eq!(drawing.matches('\n').count(), 2);
        assert!(drawing.ends_with("\x1b[J\r\x1b[2A"));
        assert!(frame(&bars(1), &look(), 10).ends_with("\x1b[J\r"));
    }

    #[test]
    fn more_torrents_than_lines_are_counted() {
        let drawing = frame(&bars(30), &look(), 5);
        assert_eq!(drawing.matches('\n').count(), 4);
        assert!(drawing.contains("and 26 more"));
        assert!(frame(&bars(2), &look(), 1).contains("and 2 more"));
    }
}
