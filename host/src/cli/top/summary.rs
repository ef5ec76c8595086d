//! What stands above the table: the state of the host, and its figures in all.

use host::text::printable;

use super::figures::HostFigures;
use super::format::{age, bytes, count, duration, share};
use super::stats::{Condition, Stats};

/// What the host does, as on its page.
pub(super) fn condition(stats: &Stats) -> &'static str {
    match stats.condition {
        Condition::Serving => "Serving",
        Condition::Loading => "Loading routes",
        Condition::Stopping => "Stopping",
        Condition::Stalled => "A worker takes no turn",
    }
}

/// How long it runs, and what it is.
pub(super) fn identity(stats: &Stats) -> String {
    let Stats { workers, version, .. } = stats;
    let workers = format!("{workers} {}", if *workers == 1 { "worker" } else { "workers" });
    format!("up {}, {workers}, version {}", age(stats.time - stats.started), printable(version))
}

/// The figures in all: each with its name.
pub(super) fn figures(stats: &Stats, figures: Option<&HostFigures>) -> Vec<(&'static str, String)> {
    let none = || "-".to_owned();
    let all = figures.map(|figures| &figures.all);
    let latency = |value: Option<Option<f64>>| value.flatten().map_or_else(none, duration);
    let [used, limit] = stats.memory.map(|value| bytes(value as f64));
    vec![
        ("requests/s", all.map_or_else(none, |all| count(all.rate))),
        ("errors/s", all.map_or_else(none, |all| count(all.error_rate))),
        ("p50", latency(all.map(|all| all.p50))),
        ("p90", latency(all.map(|all| all.p90))),
        ("p99", latency(all.map(|all| all.p99))),
        ("in flight", count(stats.invocations as f64)),
        ("memory", format!("{used} of {limit}")),
        ("parked", count(stats.parked as f64)),
        ("connections", count(stats.connections as f64)),
        ("waits for rates", all.map_or_else(none, |all| share(all.waited))),
        ("processor", figures.map_or_else(none, |figures| share(figures.cpu))),
        ("resident", bytes(stats.resident as f64)),
        ("requests", count(stats.requests as f64)),
    ]
}

/// What an operator should know beside figures.
pub(super) fn notes(stats: &Stats) -> Vec<String> {
    let many = |number: u64, one: &str, more: &str| {
        (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { more }))
    };
    let quarantined: Vec<String> = stats.quarantined.iter().map(|name| printable(name)).collect();
    let quarantined = (!quarantined.is_empty()).then(|| format!("in quarantine: {}", quarantined.join(", ")));
    let errors = many(stats.errors, "file has errors, see the log", "files have errors, see the log");
    let loading = many(stats.loading, "component is being loaded", "components are being loaded");
    [quarantined, errors, loading].into_iter().flatten().collect()
}
