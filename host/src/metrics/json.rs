//! Writes a snapshot as JSON. Fields may be added; those that there are keep their meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::histogram::LATENCY_BOUNDS;
use super::labels::{FailureKind, HandshakeOutcome, OutboundOutcome, StoreOutcome};
use super::snapshot::{MetricsSnapshot, RouteFigures};
use super::waits::WaitStats;
use super::write::since_epoch;
use crate::close_reason::CloseReason;
use crate::exchange::ExchangeEnd;
use crate::meter::Stage;

/// The whole object.
pub(super) fn object(snapshot: &MetricsSnapshot) -> Value {
    let server = &snapshot.server;
    let closed: Map<String, Value> =
        CloseReason::ALL.iter().map(|reason| (reason.name().to_owned(), server.closed(*reason).into())).collect();
    let [errors, warnings] = snapshot.problems;
    let [loaded, failed] = snapshot.loads;
    let quarantined: Vec<&str> = snapshot.quarantined.iter().filter(|(_, is)| **is).map(|(name, _)| &**name).collect();
    let process = &snapshot.process;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": since_epoch(snapshot.time),
        "started": since_epoch(snapshot.started),
        "ready": snapshot.is_ready,
        "draining": snapshot.is_draining,
        "alive": snapshot.is_alive,
        "workers": snapshot.workers,
        "requests": snapshot.requests(),
        "connections": {
            "open": server.connections,
            "http2": server.http2_connections,
            "websockets": server.websockets,
            "closed": closed,
        },
        "tls_handshakes": words(HandshakeOutcome::ALL.map(|outcome| (outcome.name(), server.handshakes(outcome)))),
        "certificates": snapshot.certificates,
        "quarantined": quarantined,
        "loads": { "loaded": loaded, "failed": failed },
        "route_changes": snapshot.route_changes,
        "compiling": {
            "cached": snapshot.compiling.hits,
            "compiled": snapshot.compiling.misses,
            "seconds": snapshot.compiling.time.as_secs_f64(),
        },
        "invocations": server.invocations,
        "parked": server.parked,
        "memory": { "used": server.memory, "limit": snapshot.memory_limit },
        "pushed": { "queued": server.published.reached, "dropped": server.published.dropped },
        "spans": { "sent": snapshot.spans.sent, "dropped": snapshot.spans.dropped, "failed": snapshot.spans.failed },
        "engine": snapshot.fleet.map(|fleet| json!({
            "up": fleet.is_up,
            "silence_seconds": fleet.silence.as_secs_f64(),
            "published": fleet.published,
            "received": fleet.received,
            "dropped": fleet.dropped,
            "gaps": fleet.gaps,
            "waiting_bytes": fleet.waiting_bytes,
        })),
        "loading": snapshot.loading,
        "problems": { "error": errors, "warning": warnings },
        "logged_failures": snapshot.logged_failures,
        "process": {
            "cpu_seconds": process.cpu.as_secs_f64(),
            "resident_bytes": process.resident_bytes,
            "virtual_bytes": process.virtual_bytes,
            "open_fds": process.open_fds,
            "max_fds": process.max_fds,
            "threads": process.threads,
        },
        "latency_bounds": bounds(),
        "routes": snapshot.routes.iter().map(|(name, route)| of_route(name, route)).collect::<Vec<_>>(),
    })
}

/// The upper bounds of the buckets of latencies but the last, in seconds.
fn bounds() -> Vec<f64> {
    // Each is a number.
    LATENCY_BOUNDS.iter().map(|bound| bound.parse().unwrap_or(f64::INFINITY)).collect()
}

fn words<const N: usize>(counts: [(&'static str, u64); N]) -> Map<String, Value> {
    counts.into_iter().map(|(word, count)| (word.to_owned(), count.into())).collect()
}

fn waits(stats: &WaitStats) -> Value {
    json!({ "waits": stats.waits, "seconds": stats.nanoseconds as f64 / 1e9 })
}

/// By the name of each grant, the outcomes that there were.
fn grants<const N: usize>(counted: &BTreeMap<Arc<str>, [u64; N]>, outcomes: [&'static str; N]) -> Map<String, Value> {
    let of_grant = |counts: &[u64; N]| {
        let counts = outcomes.iter().zip(counts).filter(|(_, count)| **count > 0);
        Value::from(counts.map(|(outcome, count)| ((*outcome).to_owned(), (*count).into())).collect::<Map<_, _>>())
    };
    counted.iter().map(|(grant, counts)| (grant.to_string(), of_grant(counts))).collect()
}

fn of_route(name: &Arc<str>, route: &RouteFigures) -> Value {
    let counted = &route.counted;
    let requests =
        counted.requests.iter().map(|((method, status), count)| json!([method.name(), status.name(), count]));
    let ends = ExchangeEnd::ALL.iter().zip(counted.ends).map(|(end, count)| (end.name().to_owned(), count.into()));
    let stages = Stage::ALL.iter().zip(counted.stages);
    let stages = stages.map(|(stage, nanoseconds)| (stage.name().to_owned(), (nanoseconds as f64 / 1e9).into()));
    let mounted = route.mounted.as_ref().map(|mounted| {
        json!({
            "patterns": mounted.patterns,
            "methods": mounted.methods,
            "file": mounted.file,
            "invocations": mounted.invocations,
            "parked": mounted.parked,
            "memory": mounted.memory,
            "quarantine": mounted.quarantine,
        })
    });
    json!({
        "route": &**name,
        "mounted": mounted,
        "requests": requests.collect::<Vec<_>>(),
        "latency": { "buckets": counted.latency.buckets, "seconds": counted.latency.seconds() },
        "ends": ends.collect::<Map<_, _>>(),
        "failures": words(std::array::from_fn::<_, { FailureKind::ALL.len() }, _>(|index| {
            (FailureKind::ALL[index].name(), counted.failures[index])
        })),
        "messages": counted.messages,
        "received_bytes": counted.received_bytes,
        "sent_bytes": counted.sent_bytes,
        "rate_waits": {
            "download": waits(&counted.waits[0]),
            "upload": waits(&counted.waits[1]),
        },
        "outbound": grants(&counted.outbound, OutboundOutcome::ALL.map(OutboundOutcome::name)),
        "stores": grants(&counted.stores, StoreOutcome::ALL.map(StoreOutcome::name)),
        "stages": stages.collect::<Map<_, _>>(),
        "instance_memory": counted.instance_memory,
    })
}

#[cfg(test)]
mod tests {
    use super::super::write::tests::snapshot;
    use super::*;

    #[test]
    fn a_snapshot_is_an_object_with_each_route() {
        let object: Value = serde_json::from_str(&snapshot().to_json()).expect("it is JSON");
        assert_eq!((&object["ready"], &object["requests"], &object["started"]), (&true.into(), &8.into(), &1.5.into()));
        assert_eq!(object["latency_bounds"].as_array().map(Vec::len), Some(19));
        let routes = object["routes"].as_array().expect("it is a list");
        let names: Vec<&Value> = routes.iter().map(|route| &route["route"]).collect();
        assert_eq!(names, ["-", "a", "quiet"]);
        assert_eq!(routes[1]["requests"], json!([["GET", "200", 7], ["other", "-", 1]]));
        assert_eq!(routes[1]["mounted"]["parked"], 3);
        assert_eq!(routes[1]["latency"]["buckets"].as_array().map(Vec::len), Some(20));
        assert_eq!((&routes[0]["mounted"], &routes[1]["stages"]["run"]), (&Value::Null, &0.0015.into()));
    }
}
