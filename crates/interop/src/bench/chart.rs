//! A chart of transfer rates as SVG: a group of bars for each cell. No script, no font, no file
//! besides; it follows the light or the dark of its reader.

use super::figures::Spread;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 52.0;
const BAR: f64 = 14.0;
/// From one bar to the next, and from one group to the next.
const STEP: f64 = 19.0;
const GAP: f64 = 40.0;

const STYLE: &str = "\
  svg { background: #ffffff; color: #1f2328; font: 13px system-ui, sans-serif }\n\
  text { fill: currentColor } .grid { stroke: currentColor; opacity: .15 }\n\
  rect { fill: #8c959f } .toubkal { fill: #0969da } .limit { fill: #d0d7de }\n\
  .range { stroke: currentColor; stroke-width: 1.5; opacity: .6 }\n\
  @media (prefers-color-scheme: dark) {\n\
    svg { background: #0d1117; color: #e6edf3 }\n\
    rect { fill: #6e7681 } .toubkal { fill: #58a6ff } .limit { fill: #30363d } }\n";

/// Bars under one heading.
pub(super) struct Group {
    pub(super) title: String,
    pub(super) bars: Vec<(&'static str, Spread)>,
}

/// Draws the medians as bars, and from the lowest to the highest as a line.
pub(super) fn svg(title: &str, groups: &[Group]) -> String {
    let highs = groups.iter().flat_map(|group| &group.bars).map(|(_, spread)| spread.high);
    let top = highs.fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / top;
    let bars: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = TOP + groups.len() as f64 * GAP + bars as f64 * STEP + 20.0;
    let title = escape(title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>\n{STYLE}</style>\n\
         <text x=\"16\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    let step = step(top);
    for tick in (0..).map(|at| f64::from(at) * step).take_while(|tick| *tick <= top) {
        let (x, floor) = (tenth(LEFT + tick * scale), height - 20.0);
        out += &format!("<path class=\"grid\" d=\"M{x} {TOP}V{floor}\"/>\n");
        let y = height - 5.0;
        out += &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{tick}</text>\n");
    }
    let mut y = TOP;
    for group in groups {
        let words = escape(&group.title);
        out += &format!("<text x=\"16\" y=\"{}\" font-weight=\"600\">{words}</text>\n", y + 22.0);
        y += GAP - 8.0;
        for (who, spread) in &group.bars {
            out += &bar(who, *spread, y, scale);
            y += STEP;
        }
        y += 8.0;
    }
    out + "</svg>\n"
}

fn bar(who: &str, spread: Spread, y: f64, scale: f64) -> String {
    let (width, middle) = (tenth(spread.median * scale), y + BAR / 2.0);
    let x = |rate: f64| tenth(LEFT + rate * scale);
    let (name, words, base) = (LEFT - 8.0, x(spread.high) + 6.0, y + BAR - 2.0);
    format!(
        "<text x=\"{name}\" y=\"{base}\" text-anchor=\"end\">{who}</text>\n\
         <rect class=\"{who}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\"/>\n\
         <path class=\"range\" d=\"M{} {middle}H{}\"/>\n\
         <text x=\"{words}\" y=\"{base}\">{:.0}</text>\n",
        x(spread.low),
        x(spread.high),
        spread.median,
    )
}

/// From one tick to the next: 1, 2 or 5 times a power of ten, at most eight ticks.
fn step(top: f64) -> f64 {
    let power = 10_f64.powf((top / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps.into_iter().find(|step| top / step <= 8.0).unwrap_or(top)
}

/// Rounded, so that the file is short.
fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_fills_the_chart_and_half_of_it_half() {
        let full = Spread { low: 1000.0, median: 1000.0, high: 1000.0 };
        let half = Spread { low: 400.0, median: 500.0, high: 600.0 };
        let bars = vec![("limit", full), ("toubkal", half)];
        let drawing = svg("a & b", &[Group { title: "one <file>".to_owned(), bars }]);
        assert!(drawing.starts_with("<svg xmlns=") && drawing.ends_with("</svg>\n"));
        let parts = ["a &amp; b", "one &lt;file&gt;", "class=\"limit\" x=\"130\"", "width=\"540\""];
        for part in parts.into_iter().chain(["width=\"270\"", "M346 ", ">500</text>"]) {
            assert!(drawing.contains(part), "{part} in {drawing}");
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (top, expected) in [(719.0, 100.0), (8000.0, 1000.0), (9000.0, 2000.0), (4.0, 0.5)] {
            assert!((step(top) - expected).abs() < 1e-9, "{top}: {}", step(top));
        }
    }

    #[test]
    fn nothing_at_all_can_be_drawn_too() {
        assert!(!svg("", &[]).contains("NaN"));
    }
}
