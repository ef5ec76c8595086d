//! Text that Prometheus reads: its own format 0.0.4, and OpenMetrics 1.0.
//!
//! Written here, because `prometheus-client` writes OpenMetrics only, and `promtool check metrics` reads only the other one. They
//! differ in the name of a counter, and in the last line.

use std::fmt::Write as _;

use super::family::{Family, MetricKind};
use super::histogram::{HistogramStats, LATENCY_BOUNDS};

/// A format for scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// The format that a scraper prefers, by its `Accept`: OpenMetrics if it is named there, and not with less weight than the
    /// other one.
    #[must_use]
    pub fn preferred<'v>(accept: impl Iterator<Item = &'v str>) -> Self {
        let (mut open_metrics, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight: f32 = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
            if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
                open_metrics = weight.max(open_metrics);
            } else if media_type.eq_ignore_ascii_case("text/plain") {
                plain = weight.max(plain);
            }
        }
        if open_metrics > 0.0 && open_metrics >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text that is being written.
#[derive(Debug)]
pub(super) struct Exposition {
    text: String,
    format: TextFormat,
}

/// Writes the samples of one family.
#[derive(Debug)]
pub(super) struct FamilyWriter<'e> {
    text: &'e mut String,
    family: &'static Family,
}

impl Exposition {
    /// An empty text that is expected to have about `capacity` bytes.
    pub(super) fn new(format: TextFormat, capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), format }
    }

    /// Begins a family. Each is begun once.
    pub(super) fn family(&mut self, family: &'static Family) -> FamilyWriter<'_> {
        let Self { text, format } = self;
        let Family { name, kind, help, .. } = family;
        let suffix = match (format, kind) {
            (TextFormat::Prometheus, MetricKind::Counter) => "_total",
            _ => "",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {}\n", kind.name());
        FamilyWriter { text, family }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl FamilyWriter<'_> {
    /// A sample with the values of the family's labels, in their order.
    pub(super) fn sample(&mut self, values: &[&str], value: impl Into<SampleValue>) -> &mut Self {
        let suffix = if self.family.kind == MetricKind::Counter { "_total" } else { "" };
        self.line(suffix, values, None, value.into());
        self
    }

    /// The samples of a histogram.
    pub(super) fn histogram(&mut self, values: &[&str], histogram: &HistogramStats) {
        let mut sum = 0;
        for (bound, count) in LATENCY_BOUNDS.into_iter().chain(["+Inf"]).zip(histogram.buckets) {
            sum += count;
            self.line("_bucket", values, Some(bound), SampleValue::Integer(sum));
        }
        self.line("_sum", values, None, SampleValue::Float(histogram.seconds()));
        self.line("_count", values, None, SampleValue::Integer(sum));
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, value: SampleValue) {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{}", self.family.name);
        let text = &mut *self.text;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let labels = self.family.labels.iter().copied().zip(values.iter().copied());
        let mut separator = '{';
        for (label, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            text.push(separator);
            text.push_str(label);
            text.push_str("=\"");
            escape_into(text, value);
            text.push('"');
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        // Writing to a string cannot fail.
        let _ = match value {
            SampleValue::Integer(value) => writeln!(text, " {value}"),
            SampleValue::Float(value) => writeln!(text, " {value:?}"),
        };
    }
}

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) enum SampleValue {
    Integer(u64),
    Float(f64),
}

impl From<u64> for SampleValue {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<usize> for SampleValue {
    fn from(value: usize) -> Self {
        Self::Integer(value as u64)
    }
}

impl From<bool> for SampleValue {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for SampleValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

fn escape_into(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::{CPU_SECONDS, PARKED, REQUEST_SECONDS};
    use super::*;

    #[test]
    fn both_formats_have_the_same_samples() {
        let write = |format| {
            let mut exposition = Exposition::new(format, 0);
            exposition.family(&CPU_SECONDS).sample(&[], 1.5);
            exposition.family(&PARKED).sample(&["a\"\\\nb"], 2_u64).sample(&["é"], 3_u64);
            exposition.finish()
        };
        let plain = write(TextFormat::Prometheus);
        let expected = "# HELP process_cpu_seconds_total Processor time of the process in seconds.\n\
            # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n\
            # HELP vibrato_parked Parked responses and WebSockets.\n# TYPE vibrato_parked gauge\n\
            vibrato_parked{route=\"a\\\"\\\\\\nb\"} 2\nvibrato_parked{route=\"é\"} 3\n";
        assert_eq!(plain, expected);
        let other = expected.replace("HELP process_cpu_seconds_total", "HELP process_cpu_seconds");
        let other = other.replace("TYPE process_cpu_seconds_total", "TYPE process_cpu_seconds");
        assert_eq!(write(TextFormat::OpenMetrics), format!("{other}# EOF\n"));
    }

    #[test]
    fn the_buckets_of_a_histogram_are_cumulative() {
        let mut histogram = HistogramStats { nanoseconds: 2_500_000_000, ..HistogramStats::default() };
        histogram.buckets[0] = 1;
        histogram.buckets[19] = 2;
        let mut exposition = Exposition::new(TextFormat::Prometheus, 0);
        exposition.family(&REQUEST_SECONDS).histogram(&["r"], &histogram);
        let text = exposition.finish();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[0], "vibrato_request_seconds_bucket{route=\"r\",le=\"0.00005\"} 1");
        assert_eq!(lines[18], "vibrato_request_seconds_bucket{route=\"r\",le=\"60.0\"} 1");
        let last = [
            "vibrato_request_seconds_bucket{route=\"r\",le=\"+Inf\"} 3",
            "vibrato_request_seconds_sum{route=\"r\"} 2.5",
            "vibrato_request_seconds_count{route=\"r\"} 3",
        ];
        assert_eq!(lines[19..], last);
    }

    #[test]
    fn a_scraper_gets_the_format_that_it_prefers() {
        use TextFormat::{OpenMetrics, Prometheus};
        let rows = [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/html,*/*;q=0.8", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;q=0", Prometheus),
            ("Application/OpenMetrics-Text; version=1.0.0; q=0.5 , text/plain;version=0.0.4;q=0.4", OpenMetrics),
            ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.4", Prometheus),
            // What Prometheus sends.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("application/openmetrics-text;q=nonsense", Prometheus),
        ];
        for (accept, format) in rows {
            assert_eq!(TextFormat::preferred([accept].into_iter()), format, "{accept}");
        }
    }
}
