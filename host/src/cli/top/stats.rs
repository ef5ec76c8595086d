//! What the admin listener says in `/stats.json`, as values. What is missing there is nothing: a host of another version may say less.

use std::collections::BTreeMap;

use serde_json::Value;

use super::figures::Counters;

/// The figures of a host at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stats {
    pub(super) version: String,
    /// When they were taken, and when the host was started: in seconds since 1970, by its clock.
    pub(super) time: f64,
    pub(super) started: f64,
    pub(super) condition: Condition,
    pub(super) workers: u64,
    pub(super) requests: u64,
    pub(super) connections: u64,
    pub(super) invocations: u64,
    pub(super) parked: u64,
    /// Bytes of `--max-memory`: those in use, and all.
    pub(super) memory: [u64; 2],
    pub(super) resident: u64,
    pub(super) cpu_seconds: f64,
    pub(super) loading: u64,
    /// How many files have errors.
    pub(super) errors: u64,
    /// These change when there is more to ask for.
    pub(super) logged_failures: u64,
    pub(super) route_changes: u64,
    pub(super) quarantined: Vec<String>,
    /// The upper bounds of the buckets of latencies but the last, in seconds.
    pub(super) bounds: Vec<f64>,
    pub(super) routes: Vec<RouteTotals>,
}

/// What a host is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Condition {
    #[default]
    Serving,
    Loading,
    Stopping,
    Stalled,
}

/// The figures of the routes of one name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RouteTotals {
    pub(super) name: String,
    pub(super) counters: Counters,
    /// What it uses now. `None` if no route of this name is mounted.
    pub(super) mounted: Option<MountedStats>,
    /// Requests by method and code.
    pub(super) requests: Vec<(String, String, u64)>,
    /// Requests by how they ended.
    pub(super) ends: Vec<(String, u64)>,
    pub(super) instance_memory: u64,
}

/// What a mounted route uses now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MountedStats {
    pub(super) invocations: u64,
    pub(super) parked: u64,
    pub(super) memory: u64,
}

impl Stats {
    /// `None` if these are no figures of a host.
    pub(super) fn of(json: &Value) -> Option<Self> {
        let bounds: Option<Vec<f64>> = json["latency_bounds"].as_array()?.iter().map(Value::as_f64).collect();
        let condition = match (&json["alive"], &json["draining"], &json["ready"]) {
            (Value::Bool(false), _, _) => Condition::Stalled,
            (_, Value::Bool(true), _) => Condition::Stopping,
            (_, _, Value::Bool(false)) => Condition::Loading,
            _ => Condition::Serving,
        };
        Some(Self {
            version: text(&json["version"]),
            time: json["time"].as_f64()?,
            started: json["started"].as_f64()?,
            condition,
            workers: number(&json["workers"]),
            requests: number(&json["requests"]),
            connections: number(&json["connections"]["open"]),
            invocations: number(&json["invocations"]),
            parked: number(&json["parked"]),
            memory: [number(&json["memory"]["used"]), number(&json["memory"]["limit"])],
            resident: number(&json["process"]["resident_bytes"]),
            cpu_seconds: seconds(&json["process"]["cpu_seconds"]),
            loading: number(&json["loading"]),
            errors: number(&json["problems"]["error"]),
            logged_failures: number(&json["logged_failures"]),
            route_changes: number(&json["route_changes"]),
            quarantined: list(&json["quarantined"]).map(text).collect(),
            bounds: bounds?,
            routes: json["routes"].as_array()?.iter().map(RouteTotals::of).collect(),
        })
    }
}

impl RouteTotals {
    fn of(json: &Value) -> Self {
        let requests: Vec<_> = list(&json["requests"]).map(|it| (text(&it[0]), text(&it[1]), number(&it[2]))).collect();
        let ends: Vec<_> = entries(&json["ends"]).map(|(end, count)| (end.clone(), number(count))).collect();
        let total = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
        let all = total(&mut requests.iter().map(|(_, _, count)| *count));
        // As the page has it: statuses from 500 on, and what was cut off.
        let failed =
            total(&mut requests.iter().filter(|(_, code, _)| code.as_str() >= "5").map(|(_, _, count)| *count));
        let truncated = total(&mut ends.iter().filter(|(end, _)| end == "truncated").map(|(_, count)| *count));
        let counters = Counters {
            requests: all,
            errors: failed.saturating_add(truncated).min(all),
            buckets: list(&json["latency"]["buckets"]).map(number).collect(),
            sent: number(&json["sent_bytes"]),
            waited: entries(&json["rate_waits"]).map(|(_, waits)| seconds(&waits["seconds"])).sum(),
            stages: entries(&json["stages"])
                .map(|(stage, spent)| (stage.clone(), seconds(spent)))
                .collect::<BTreeMap<_, _>>(),
        };
        let mounted = json["mounted"].as_object().map(|_| {
            let figure = |name: &str| number(&json["mounted"][name]);
            MountedStats { invocations: figure("invocations"), parked: figure("parked"), memory: figure("memory") }
        });
        let instance_memory = number(&json["instance_memory"]);
        Self { name: text(&json["route"]), counters, mounted, requests, ends, instance_memory }
    }
}

/// The items of a list. None if it is something else.
pub(super) fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

/// The entries of an object. None if it is something else.
pub(super) fn entries(json: &Value) -> impl Iterator<Item = (&String, &Value)> {
    json.as_object().into_iter().flatten()
}

/// A text, or what JSON has in its place.
pub(super) fn text(json: &Value) -> String {
    match json {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn number(json: &Value) -> u64 {
    json.as_u64().unwrap_or(0)
}

fn seconds(json: &Value) -> f64 {
    json.as_f64().unwrap_or(0.0)
}
