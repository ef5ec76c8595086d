//! Collects results, as rows with their demands and as charts, and writes the table in Markdown.

use std::fmt::Write as _;

use crate::compare::Series;

/// The rows in the README: what was measured, and the peer (empty for an amount).
const SUMMARY: [(&str, &str); 6] = [
    ("hello, fresh instance, 64 connections", "`wasmtime serve`"),
    ("hello, fresh instance, 64 connections", "nginx `return 200`"),
    ("hello, fresh instance, 64 connections", "Tremolo on uvloop"),
    ("256 MiB in writes of 64 KiB", "`wasmtime serve`"),
    ("hello beside a handler that spins: p99", ""),
    ("memory: an idle connection", ""),
];

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// The unit of a number.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Responses per second.
    RequestsASecond,
    /// Writes of a handler per second.
    WritesASecond,
    /// Calls of a handler to the host per second.
    CallsASecond,
    /// Bytes per second.
    BytesASecond,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A fraction of 1.
    Share,
}

/// A demand on a ratio or an amount.
#[derive(Clone, Copy)]
pub enum Demand {
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// No demand.
    Nothing,
}

/// All results.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    charts: Vec<Chart>,
}

/// The results of several contenders, to draw side by side.
pub struct Chart {
    /// What was measured.
    pub title: String,
    /// The unit of the numbers.
    pub unit: Unit,
    /// The contenders that could be measured. The first is Vibrato.
    pub bars: Vec<(String, f64)>,
}

struct Row {
    what: String,
    ours: String,
    beside: String,
    theirs: String,
    ratio: String,
    demand: String,
    holds: &'static str,
}

impl Unit {
    /// Formats a number with its unit, in about three digits.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::RequestsASecond => format!("{} req/s", grouped(value)),
            Self::WritesASecond => format!("{} writes/s", grouped(value)),
            Self::CallsASecond => format!("{} calls/s", grouped(value)),
            Self::BytesASecond => format!("{} MiB/s", grouped(value / MIB)),
            Self::Bytes if value >= MIB => format!("{:.1} MiB", value / MIB),
            Self::Bytes => format!("{:.1} KiB", value / KIB),
            Self::Seconds if value < 0.1 => format!("{:.2} ms", value * 1000.0),
            Self::Seconds => format!("{value:.2} s"),
            Self::Share => format!("{:.0} %", value * 100.0),
        }
    }
}

impl Demand {
    fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::Nothing => None,
        }
    }

    fn show(self, bound: impl Fn(f64) -> String) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", bound(least)),
            Self::AtMost(most) => format!("at most {}", bound(most)),
            Self::Nothing => String::new(),
        }
    }
}

impl Report {
    /// Adds a row for each peer: its ratio to the first contender, and the demand on it. A contender that could not be
    /// measured says why.
    pub fn compare(&mut self, what: &str, unit: Unit, series: &[Series], demands: &[Demand]) {
        let Some((ours, others)) = series.split_first() else { return };
        for (theirs, demand) in others.iter().zip(demands) {
            self.ratio(what, unit, (ours, theirs), *demand);
        }
    }

    /// Adds an amount and the demand on it.
    pub fn amount(&mut self, what: &str, unit: Unit, value: f64, demand: Demand) {
        let ratio = match demand {
            Demand::AtLeast(bound) | Demand::AtMost(bound) => show_ratio(value / bound),
            Demand::Nothing => String::new(),
        };
        self.rows.push(Row {
            what: what.to_owned(),
            ours: unit.show(value),
            beside: String::new(),
            theirs: String::new(),
            ratio,
            demand: demand.show(|bound| unit.show(bound)),
            holds: verdict(demand.holds(value)),
        });
    }

    /// Adds what could not be measured, and why.
    pub fn failed(&mut self, what: &str, reason: &anyhow::Error) {
        self.rows.push(Row {
            what: what.to_owned(),
            ours: cell(&format!("{reason:#}")),
            beside: String::new(),
            theirs: String::new(),
            ratio: String::new(),
            demand: String::new(),
            holds: verdict(Some(false)),
        });
    }

    /// Adds a chart of the contenders that could be measured.
    pub fn chart(&mut self, title: &str, unit: Unit, series: &[Series]) {
        let bars = series.iter().filter_map(|one| Some((one.name.clone(), *one.result.as_ref().ok()?)));
        self.charts.push(Chart { title: title.to_owned(), unit, bars: bars.collect() });
    }

    /// The charts, in the order in which they were added.
    pub fn charts(&self) -> &[Chart] {
        &self.charts
    }

    /// The rows of [`SUMMARY`] that were measured, as a Markdown table.
    pub fn summary(&self) -> String {
        let is_in_summary = |row: &&Row| SUMMARY.contains(&(row.what.as_str(), row.beside.as_str()));
        table(self.rows.iter().filter(is_in_summary))
    }

    /// All rows, as a Markdown table.
    pub fn table(&self) -> String {
        table(&self.rows)
    }

    fn ratio(&mut self, what: &str, unit: Unit, (ours, theirs): (&Series, &Series), demand: Demand) {
        let show = |series: &Series| match &series.result {
            Ok(value) => unit.show(*value),
            Err(reason) => cell(reason),
        };
        let ratio = ours.result.as_ref().ok().zip(theirs.result.as_ref().ok()).map(|(ours, theirs)| ours / theirs);
        self.rows.push(Row {
            what: what.to_owned(),
            ours: show(ours),
            beside: theirs.name.clone(),
            theirs: show(theirs),
            ratio: ratio.map(show_ratio).unwrap_or_default(),
            demand: demand.show(|bound| format!("{bound}x")),
            holds: ratio.map_or("not measured", |ratio| verdict(demand.holds(ratio))),
        });
    }
}

fn table<'r>(rows: impl IntoIterator<Item = &'r Row>) -> String {
    let mut table = "| | Vibrato | beside | | ratio | demanded | held |\n|---|--:|---|--:|--:|---|---|\n".to_owned();
    let mut last = "";
    for row in rows {
        let what = if row.what == last { "" } else { row.what.as_str() };
        last = &row.what;
        let Row { ours, beside, theirs, ratio, demand, holds, .. } = row;
        // Writing to a `String` cannot fail.
        let _ = writeln!(table, "| {what} | {ours} | {beside} | {theirs} | {ratio} | {demand} | {holds} |");
    }
    table
}

fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    }
}

fn show_ratio(ratio: f64) -> String {
    format!("{ratio:.2}x")
}

/// A reason in one line that does not end a table cell.
fn cell(reason: &str) -> String {
    reason.replace(['\n', '\r'], " ").replace('|', "\\|")
}

/// A whole number with thousands separators.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, result: Result<f64, &str>) -> Series {
        Series { name: name.to_owned(), result: result.map_err(str::to_owned) }
    }

    #[test]
    fn numbers_are_shown_with_their_unit() {
        assert_eq!(Unit::RequestsASecond.show(48_123.4), "48,123 req/s");
        assert_eq!(Unit::WritesASecond.show(1_234_567.0), "1,234,567 writes/s");
        assert_eq!(Unit::BytesASecond.show(3000.0 * MIB), "3,000 MiB/s");
        assert_eq!(Unit::Bytes.show(2.5 * MIB), "2.5 MiB");
        assert_eq!(Unit::Bytes.show(1536.0), "1.5 KiB");
        assert_eq!(Unit::Seconds.show(0.0123), "12.30 ms");
        assert_eq!(Unit::Seconds.show(0.3), "0.30 s");
        assert_eq!(Unit::Share.show(0.97), "97 %");
    }

    #[test]
    fn a_ratio_is_held_against_its_demand() {
        let mut report = Report::default();
        let all = [series("Vibrato", Ok(900.0)), series("slow", Ok(100.0)), series("fast", Ok(2000.0))];
        report.compare("hello", Unit::RequestsASecond, &all, &[Demand::AtLeast(4.5), Demand::AtLeast(0.5)]);
        let table = report.table();
        assert!(table.contains("| hello | 900 req/s | slow | 100 req/s | 9.00x | at least 4.5x | yes |"), "{table}");
        assert!(table.contains("|  | 900 req/s | fast | 2,000 req/s | 0.45x | at least 0.5x | **no** |"), "{table}");
    }

    #[test]
    fn a_contender_that_is_absent_has_a_row_that_says_why() {
        let mut report = Report::default();
        let all = [series("Vibrato", Ok(900.0)), series("nginx", Err("not installed:\na | b"))];
        report.compare("hello", Unit::RequestsASecond, &all, &[Demand::AtLeast(0.5)]);
        report.chart("hello", Unit::RequestsASecond, &all);
        let row = "| nginx | not installed: a \\| b |  | at least 0.5x | not measured |";
        assert!(report.table().contains(row), "{}", report.table());
        assert_eq!(report.charts()[0].bars, [("Vibrato".to_owned(), 900.0)]);
    }

    #[test]
    fn the_summary_has_the_rows_of_the_readme_alone() {
        let mut report = Report::default();
        let all = [series("Vibrato", Ok(900.0)), series("`wasmtime serve`", Ok(100.0)), series("other", Ok(100.0))];
        report.compare(SUMMARY[0].0, Unit::RequestsASecond, &all, &[Demand::Nothing, Demand::Nothing]);
        report.amount("start", Unit::Seconds, 1.0, Demand::Nothing);
        let summary = report.summary();
        assert_eq!(summary.lines().count(), 3, "{summary}");
        assert!(summary.contains("| 900 req/s | `wasmtime serve` | 100 req/s | 9.00x |"), "{summary}");
    }

    #[test]
    fn an_amount_is_held_against_its_bound() {
        let mut report = Report::default();
        report.amount("idle", Unit::Bytes, 50.0 * MIB, Demand::AtMost(40.0 * MIB));
        assert!(report.table().contains("| idle | 50.0 MiB |  |  | 1.25x | at most 40.0 MiB | **no** |"));
        report.failed("start", &anyhow::anyhow!("no core"));
        assert!(report.table().contains("| start | no core |"));
    }
}
