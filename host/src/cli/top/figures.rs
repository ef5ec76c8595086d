//! Figures for each second, out of totals since the start of the host: of the difference of two samples.
//!
//! `admin/dashboard/figures.js` has the same for the page, and both are tested by the examples in `examples.json` beside it.

use std::collections::{BTreeMap, VecDeque};

use super::stats::Stats;

/// Over how many seconds figures are taken, as on the page.
const WINDOW: f64 = 10.0;

/// The most samples that are kept, whatever their times say.
const MAX_SAMPLES: usize = 32;

/// The totals of a route since the start of the host, or what has happened between two moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Requests by how long they took.
    pub(super) buckets: Vec<u64>,
    /// Bytes of responses.
    pub(super) sent: u64,
    /// Seconds for which rates have held pieces back.
    pub(super) waited: f64,
    /// Seconds of requests, by stage.
    pub(super) stages: BTreeMap<String, f64>,
}

/// What has happened of a route between two samples, or of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) happened: Counters,
    /// Requests and errors a second.
    pub(super) rate: f64,
    pub(super) error_rate: f64,
    /// Bytes of responses a second.
    pub(super) sent_rate: f64,
    /// Seconds a second for which rates have held pieces back.
    pub(super) waited: f64,
    /// Seconds of a processor a second.
    pub(super) cpu: f64,
    /// The latency in seconds that as many requests of a hundred have at most. `None` if there was none.
    pub(super) p50: Option<f64>,
    pub(super) p90: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// The figures between two samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct HostFigures {
    /// The time from one to the other.
    pub(super) seconds: f64,
    /// Seconds of a processor a second, of the whole process.
    pub(super) cpu: f64,
    pub(super) all: Figures,
    pub(super) routes: BTreeMap<String, Figures>,
}

/// What is needed of one moment to subtract it from a later one.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    time: f64,
    started: f64,
    cpu_seconds: f64,
    bounds: Vec<f64>,
    routes: BTreeMap<String, Counters>,
}

/// The samples of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Sample>);

impl Counters {
    /// What has happened since `before`. No counter falls, so less is nothing.
    fn since(&self, before: &Self) -> Self {
        let buckets = self.buckets.iter().enumerate();
        let stages = self.stages.iter();
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            buckets: buckets
                .map(|(index, count)| count.saturating_sub(before.buckets.get(index).copied().unwrap_or(0)))
                .collect(),
            sent: self.sent.saturating_sub(before.sent),
            waited: (self.waited - before.waited).max(0.0),
            stages: stages
                .map(|(name, seconds)| {
                    (name.clone(), (seconds - before.stages.get(name).copied().unwrap_or(0.0)).max(0.0))
                })
                .collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.sent = self.sent.saturating_add(other.sent);
        self.waited += other.waited;
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, own)| *sum = sum.saturating_add(*own));
        for (name, seconds) in &other.stages {
            *self.stages.entry(name.clone()).or_default() += seconds;
        }
    }
}

impl Figures {
    fn of(happened: Counters, bounds: &[f64], seconds: f64) -> Self {
        let stage = |name: &str| happened.stages.get(name).copied().unwrap_or(0.0);
        Self {
            rate: happened.requests as f64 / seconds,
            error_rate: happened.errors as f64 / seconds,
            sent_rate: happened.sent as f64 / seconds,
            waited: happened.waited / seconds,
            cpu: (stage("instantiate") + stage("run")) / seconds,
            p50: percentile(bounds, &happened.buckets, 0.5),
            p90: percentile(bounds, &happened.buckets, 0.9),
            p99: percentile(bounds, &happened.buckets, 0.99),
            happened,
        }
    }
}

impl Sample {
    pub(super) fn of(stats: &Stats) -> Self {
        Self {
            time: stats.time,
            started: stats.started,
            cpu_seconds: stats.cpu_seconds,
            bounds: stats.bounds.clone(),
            routes: stats.routes.iter().map(|route| (route.name.clone(), route.counters.clone())).collect(),
        }
    }

    /// The figures from `before` to this later sample of the same run. `None` if that cannot be said.
    pub(super) fn figures_since(&self, before: &Self) -> Option<HostFigures> {
        let seconds = self.time - before.time;
        if before.started != self.started || seconds <= 0.0 {
            return None;
        }
        let mut all = Counters::default();
        let mut routes = BTreeMap::new();
        for (name, counters) in &self.routes {
            let happened = counters.since(before.routes.get(name).unwrap_or(&Counters::default()));
            all.add(&happened);
            routes.insert(name.clone(), Figures::of(happened, &self.bounds, seconds));
        }
        let cpu = (self.cpu_seconds - before.cpu_seconds).max(0.0) / seconds;
        Some(HostFigures { seconds, cpu, all: Figures::of(all, &self.bounds, seconds), routes })
    }
}

impl Window {
    /// Takes a sample: the figures from the oldest one that is not too old. `None` if there is none yet.
    pub(super) fn take(&mut self, sample: Sample) -> Option<HostFigures> {
        // Another run counts anew. A clock that was set back says nothing of how long it took.
        if self.0.back().is_some_and(|last| last.started != sample.started || sample.time < last.time) {
            self.0.clear();
        }
        if self.0.back().is_none_or(|last| sample.time > last.time) {
            self.0.push_back(sample);
        }
        let last = self.0.back()?.time;
        while self.0.len() > MAX_SAMPLES || (self.0.len() > 2 && self.0[1].time <= last - WINDOW) {
            self.0.pop_front();
        }
        self.0.back()?.figures_since(self.0.front()?)
    }
}

/// The value below which the part `q` of all is, in seconds: as if values were spread evenly within a bucket. `None` if there is
/// none.
fn percentile(bounds: &[f64], buckets: &[u64], q: f64) -> Option<f64> {
    let count = buckets.iter().map(|count| *count as f64).sum::<f64>();
    if count == 0.0 {
        return None;
    }
    let rank = q * count;
    let (mut below, mut lower) = (0.0, 0.0);
    for (bound, bucket) in bounds.iter().zip(buckets) {
        let bucket = *bucket as f64;
        if bucket > 0.0 && below + bucket >= rank {
            return Some(lower + (bound - lower) * (rank - below).max(0.0) / bucket);
        }
        (below, lower) = (below + bucket, *bound);
    }
    // The last bucket has no upper bound.
    bounds.last().copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::format;
    use super::*;

    /// What the page is tested with too.
    const EXAMPLES: &str = include_str!("../../admin/dashboard/examples.json");

    fn examples() -> Value {
        serde_json::from_str(EXAMPLES).expect("it is JSON")
    }

    /// The same with all numbers of one kind, so that 2 is 2.0.
    fn with_floats(value: Value) -> Value {
        match value {
            Value::Number(number) => json!(number.as_f64()),
            Value::Object(entries) => entries.into_iter().map(|(name, value)| (name, with_floats(value))).collect(),
            other => other,
        }
    }

    fn rounded(seconds: Option<f64>) -> Value {
        seconds.map_or(Value::Null, |seconds| json!((seconds * 1e6).round() / 1e6))
    }

    fn told(figures: &Figures) -> Value {
        let Figures { happened, rate, error_rate, p50, p90, p99, .. } = figures;
        json!({
            "requests": happened.requests, "errors": happened.errors, "sent": happened.sent,
            "waited": rounded(Some(happened.waited)), "rate": rounded(Some(*rate)), "errorRate": rounded(Some(*error_rate)),
            "p50": rounded(*p50), "p90": rounded(*p90), "p99": rounded(*p99),
        })
    }

    #[test]
    fn two_samples_make_the_figures_that_the_page_makes_of_them() {
        let examples = examples();
        let samples = examples["samples"].as_array().expect("there are some");
        let samples: Vec<Sample> =
            samples.iter().map(|stats| Sample::of(&Stats::of(stats).expect("it has figures"))).collect();
        let pairs = examples["figures"].as_array().expect("there are some");
        assert!(pairs.len() >= 4);
        for pair in pairs {
            let index = |name: &str| pair[name].as_u64().expect("it is an index") as usize;
            let figures = samples[index("to")].figures_since(&samples[index("from")]);
            let figures = figures.map(|figures| {
                json!({
                    "seconds": rounded(Some(figures.seconds)), "cpu": rounded(Some(figures.cpu)),
                    "all": told(&figures.all),
                    "routes": figures.routes.iter().map(|(name, route)| (name.clone(), told(route))).collect::<serde_json::Map<_, _>>(),
                })
            });
            assert_eq!(with_floats(figures.unwrap_or(Value::Null)), with_floats(pair["expected"].clone()), "{pair}");
        }
    }

    #[test]
    fn figures_are_written_as_on_the_page() {
        let examples = examples();
        for (name, write) in [
            ("count", format::count as fn(f64) -> String),
            ("duration", format::duration),
            ("bytes", format::bytes),
            ("age", format::age),
        ] {
            let pairs = examples[name].as_array().expect("there are some");
            assert!(pairs.len() > 3, "{name}");
            for pair in pairs {
                assert_eq!(pair[1], write(pair[0].as_f64().expect("it is a number")), "{name} {}", pair[0]);
            }
        }
    }

    fn sample(time: f64, started: f64, requests: u64) -> Sample {
        let counters = Counters { requests, ..Counters::default() };
        let routes = [("a".to_owned(), counters)].into();
        Sample { time, started, cpu_seconds: time, bounds: vec![1.0], routes }
    }

    #[test]
    fn figures_are_of_the_last_ten_seconds() {
        let mut window = Window::default();
        assert_eq!(window.take(sample(0.0, 0.0, 0)), None);
        for second in 1..=30 {
            // One each second, and ten each second from the 20th on.
            let requests = if second <= 20 { second } else { 20 + (second - 20) * 10 };
            let figures = window.take(sample(second as f64, 0.0, requests)).expect("there are two samples");
            let expected = match second {
                ..=20 => 1.0,
                _ => (10 * (second - 20) + 30 - second) as f64 / 10.0,
            };
            assert_eq!(figures.all.rate, expected, "{second}");
            assert_eq!(figures.seconds, second.min(10) as f64);
        }
        assert!(window.0.len() <= 12);
    }

    #[test]
    fn a_clock_that_hardly_moves_keeps_few_samples() {
        let mut window = Window::default();
        for number in 0..1000 {
            window.take(sample(f64::from(number) / 1e6, 0.0, 0));
        }
        assert_eq!(window.0.len(), MAX_SAMPLES);
    }

    #[test]
    fn another_run_and_a_clock_that_was_set_back_begin_anew() {
        let mut window = Window::default();
        window.take(sample(10.0, 0.0, 1000));
        assert_eq!(window.take(sample(11.0, 10.5, 3)), None);
        assert_eq!(window.take(sample(12.0, 10.5, 5)).map(|figures| figures.all.rate), Some(2.0));
        assert_eq!(window.take(sample(5.0, 10.5, 6)), None);
        assert_eq!(window.take(sample(6.0, 10.5, 9)).map(|figures| figures.all.rate), Some(3.0));
        // The same moment once more says nothing new.
        assert_eq!(window.take(sample(6.0, 10.5, 9)).map(|figures| figures.all.rate), Some(3.0));
    }
}
