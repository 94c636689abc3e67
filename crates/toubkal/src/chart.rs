//! A chart of a swarm as SVG: what is there and who is complete, over time. No script, no font, no
//! file besides; it follows the light or the dark of its reader.

use std::fmt::Write as _;
use std::time::Duration;

use toubkal_sim::Moment;

/// The drawing, and the plot in it, in pixels.
const SIZE: (f64, f64) = (760.0, 420.0);
const LEFT: f64 = 64.0;
const TOP: f64 = 56.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 60.0;
/// More points than pixels show nothing more.
const POINTS_MAX: usize = 700;

const STYLE: &str = "\
  svg { background: #ffffff; color: #1f2328; font: 13px system-ui, sans-serif }\n\
  text { fill: currentColor } .grid { stroke: currentColor; opacity: .15 }\n\
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }\n\
  .bytes { stroke: #0969da } .peers { stroke: #bc4c00 } .key { stroke-width: 3 }\n\
  .bound { stroke: currentColor; stroke-width: 1.5; stroke-dasharray: 6 4 }\n\
  @media (prefers-color-scheme: dark) {\n\
    svg { background: #0d1117; color: #e6edf3 }\n\
    .bytes { stroke: #58a6ff } .peers { stroke: #f0883e } }\n";

/// Draws a swarm of so many peers. `bound`: the fluid bound of its times.
pub(crate) fn svg(title: &str, moments: &[Moment], peers: u32, bound: Duration) -> String {
    let end = moments.last().map_or(Duration::ZERO, |moment| moment.at).max(bound);
    // Room behind the end, so that nothing stands on the edge.
    let plot = Plot { seconds: (end.as_secs_f64() * 1.04).max(0.1) };
    let (width, height) = SIZE;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"Completion over time\">\n<style>\n{STYLE}</style>\n"
    );
    let title = escape(title);
    put(&mut out, &format!("<text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>"));
    plot.axes(&mut out);
    plot.bound(&mut out, bound);
    let there = |moment: &Moment| moment.there;
    let complete = |moment: &Moment| f64::from(moment.complete) / f64::from(peers.max(1));
    plot.line(&mut out, "bytes", moments, there);
    plot.line(&mut out, "peers", moments, complete);
    for (at, class, words) in [(0.0, "bytes", "bytes there"), (130.0, "peers", "peers complete")] {
        let (x, y) = (LEFT + at, 42.0);
        put(
            &mut out,
            &format!(
                "<path class=\"{class} key\" d=\"M{x} {y}h22\"/>\
                 <text x=\"{}\" y=\"{}\">{words}</text>",
                x + 28.0,
                y + 4.0
            ),
        );
    }
    out + "</svg>\n"
}

/// Where things stand: virtual seconds to the right, a share from 0 to 1 upwards.
struct Plot {
    seconds: f64,
}

impl Plot {
    fn x(&self, seconds: f64) -> f64 {
        tenth(LEFT + (SIZE.0 - LEFT - RIGHT) * seconds / self.seconds)
    }

    fn y(share: f64) -> f64 {
        tenth(TOP + (SIZE.1 - TOP - BOTTOM) * (1.0 - share))
    }

    fn axes(&self, out: &mut String) {
        let (left, right, floor, top) = (LEFT, SIZE.0 - RIGHT, Self::y(0.0), Self::y(1.0));
        for quarter in 0..=4 {
            let y = Self::y(f64::from(quarter) / 4.0);
            let words = format!("{} %", quarter * 25);
            put(out, &format!("<path class=\"grid\" d=\"M{left} {y}H{right}\"/>"));
            let (x, y) = (left - 8.0, y + 4.0);
            put(out, &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{words}</text>"));
        }
        let step = step(self.seconds);
        for tick in (0..).map(|at| f64::from(at) * step).take_while(|&tick| tick <= self.seconds) {
            let (x, y) = (self.x(tick), floor + 20.0);
            let words = tenth(tick);
            put(out, &format!("<path class=\"grid\" d=\"M{x} {floor}V{top}\"/>"));
            put(out, &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{words}</text>"));
        }
        let (x, y) = (f64::midpoint(left, right), SIZE.1 - 16.0);
        let words = "virtual time in seconds";
        put(out, &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{words}</text>"));
    }

    fn bound(&self, out: &mut String, bound: Duration) {
        let (x, floor, top) = (self.x(bound.as_secs_f64()), Self::y(0.0), Self::y(1.0));
        put(out, &format!("<path class=\"bound\" d=\"M{x} {floor}V{top}\"/>"));
        // Above the plot, where no line goes.
        let (x, y) = (x + 4.0, top - 6.0);
        let words = format!("fluid bound {:.1} s", bound.as_secs_f64());
        put(out, &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{words}</text>"));
    }

    fn line(&self, out: &mut String, class: &str, moments: &[Moment], of: impl Fn(&Moment) -> f64) {
        let every = moments.len().div_ceil(POINTS_MAX).max(1);
        let mut path = format!("M{} {}", self.x(0.0), Self::y(0.0));
        // From the end backwards, so that the last is always among them.
        let mut points: Vec<&Moment> = moments.iter().rev().step_by(every).collect();
        points.reverse();
        for moment in points {
            let (x, y) = (self.x(moment.at.as_secs_f64()), Self::y(of(moment)));
            // Writing to a string does not fail.
            let _ = write!(path, "L{x} {y}");
        }
        put(out, &format!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// From one tick to the next: 1, 2 or 5 times a power of ten, at most ten ticks.
fn step(seconds: f64) -> f64 {
    let power = 10_f64.powf((seconds / 10.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps.into_iter().find(|step| seconds / step <= 10.0).unwrap_or(seconds)
}

/// Rounded, so that the file is short.
fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64, there: f64) -> Moment {
        Moment {
            at: Duration::from_secs(seconds),
            complete: u32::from(there >= 1.0),
            there,
            spread: 0,
            everywhere: 0,
            leechers_gave: 0,
            seeds_gave: 0,
            wasted: 0,
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (seconds, expected) in
            [(1.0, 0.1), (9.0, 1.0), (11.0, 2.0), (78.0, 10.0), (3600.0, 500.0)]
        {
            assert!((step(seconds) - expected).abs() < 1e-9, "{seconds}: {}", step(seconds));
        }
    }

    #[test]
    fn a_chart_has_both_lines_the_bound_and_the_last_moment() {
        let moments: Vec<Moment> =
            (1..=3000).map(|second| moment(second, second as f64 / 3000.0)).collect();
        let drawing = svg("1 seed & 1 peer", &moments, 1, Duration::from_secs(2000));
        assert!(drawing.starts_with("<svg xmlns=") && drawing.ends_with("</svg>\n"));
        for part in ["1 seed &amp; 1 peer", "fluid bound 2000.0 s", "virtual time in seconds"] {
            assert!(drawing.contains(part), "{part}");
        }
        for class in ["line bytes", "line peers"] {
            let line = drawing.lines().find(|line| line.contains(class)).expect("it is drawn");
            assert!(line.ends_with(&format!(" {}\"/>", Plot::y(1.0))), "it goes up to the end");
            assert!(line.matches('L').count() <= POINTS_MAX);
        }
    }

    #[test]
    fn nothing_at_all_can_be_drawn_too() {
        assert!(!svg("", &[], 0, Duration::ZERO).contains("NaN"));
    }
}
