//! Draws the charts as one SVG that is readable in light and dark mode.

use std::fmt::Write as _;

use crate::report::Chart;

const WIDTH: f64 = 820.0;
/// The x position where bars begin; names are to the left.
const BARS_AT: f64 = 330.0;
/// The length of the longest bar; its number is to the right.
const LONGEST: f64 = 350.0;
const BAR: f64 = 18.0;
const BAR_STEP: f64 = 26.0;
const TITLE: f64 = 40.0;
const MARGIN: f64 = 12.0;

const STYLE: &str = "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
    .title{font-weight:600;font-size:15px}.name{text-anchor:end}.ours{fill:#d9480f}.theirs{fill:#8c959f}\
    text.ours{font-weight:600}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#ff8c42}.theirs{fill:#6e7681}}";

/// Draws the charts one below the other. In each, the first bar is Vibrato's.
pub fn draw(charts: &[Chart]) -> String {
    let (mut shapes, mut y) = (String::new(), 0.0);
    for chart in charts {
        y += TITLE;
        element(&mut shapes, &format!("text class=\"title\" x=\"{MARGIN}\" y=\"{:.1}\"", y - 12.0), &chart.title);
        let longest = chart.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (at, (name, value)) in chart.bars.iter().enumerate() {
            let (class, text) = if at == 0 { ("ours", "ours name") } else { ("theirs", "name") };
            let (length, base) = (LONGEST * value / longest, y + 13.5);
            element(&mut shapes, &format!("text class=\"{text}\" x=\"{:.1}\" y=\"{base:.1}\"", BARS_AT - 8.0), name);
            let bar = format!("rect class=\"{class}\" x=\"{BARS_AT}\" y=\"{y:.1}\" width=\"{length:.1}\"");
            element(&mut shapes, &format!("{bar} height=\"{BAR}\" rx=\"3\""), "");
            let shown = chart.unit.show(*value);
            element(&mut shapes, &format!("text x=\"{:.1}\" y=\"{base:.1}\"", BARS_AT + length + 8.0), &shown);
            y += BAR_STEP;
        }
    }
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
        height=\"{height:.0}\" role=\"img\" aria-label=\"Vibrato beside its peers\">\n<style>{STYLE}</style>\n\
        {shapes}</svg>\n"
    )
}

/// An element with a text. Backticks are removed, because a chart shows no code.
fn element(shapes: &mut String, start: &str, text: &str) {
    let name = start.split(' ').next().unwrap_or_default();
    // Writing to a `String` cannot fail.
    let _ = writeln!(shapes, "<{start}>{}</{name}>", escaped(&text.replace('`', "")));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Unit;

    #[test]
    fn text_is_escaped() {
        let bars = vec![("a < `b` & c".to_owned(), 2.0), ("d".to_owned(), 1.0)];
        let svg = draw(&[Chart { title: "1 > 0".to_owned(), unit: Unit::RequestsASecond, bars }]);
        assert!(svg.contains(">a &lt; b &amp; c</text>"), "{svg}");
        assert!(svg.contains(">1 &gt; 0</text>"), "{svg}");
    }

    #[test]
    fn the_longest_bar_is_as_long_as_may_be_and_the_others_in_proportion() {
        let bars = vec![("ours".to_owned(), 50.0), ("theirs".to_owned(), 100.0)];
        let svg = draw(&[Chart { title: "hello".to_owned(), unit: Unit::RequestsASecond, bars }]);
        assert!(svg.contains(&format!("width=\"{:.1}\" height", LONGEST)), "{svg}");
        assert!(svg.contains(&format!("width=\"{:.1}\" height", LONGEST / 2.0)), "{svg}");
    }

    #[test]
    fn a_chart_without_bars_is_still_an_image() {
        let svg = draw(&[Chart { title: "hello".to_owned(), unit: Unit::RequestsASecond, bars: Vec::new() }]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
    }
}
