//! Writes a snapshot as text for Prometheus. Each family of [`FAMILIES`](super::FAMILIES) is written once, in that order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::{Exposition, FamilyWriter, SampleValue, TextFormat};
use super::family::*;
use super::fleet::FleetStats;
use super::labels::{FailureKind, HandshakeOutcome, OutboundOutcome, StoreOutcome};
use super::route::RouteStats;
use super::snapshot::{CompileStats, MetricsSnapshot, MountedRouteFigures};
use crate::close_reason::CloseReason;
use crate::exchange::ExchangeEnd;
use crate::meter::Stage;
use crate::trace::SpanCounts;

/// About how many bytes the text of one route takes, and the rest.
const BYTES_OF_ROUTE: usize = 3 * 1024;
const BYTES_OF_REST: usize = 16 * 1024;

/// The whole text.
pub(super) fn text(snapshot: &MetricsSnapshot, format: TextFormat) -> String {
    let mut exposition = Exposition::new(format, BYTES_OF_REST + BYTES_OF_ROUTE * snapshot.routes.len());
    host(&mut exposition, snapshot);
    counted(&mut exposition, snapshot);
    usage(&mut exposition, snapshot);
    connections(&mut exposition, snapshot);
    if let Some(stats) = &snapshot.fleet {
        fleet(&mut exposition, stats);
    }
    process(&mut exposition, snapshot);
    exposition.finish()
}

fn host(exposition: &mut Exposition, snapshot: &MetricsSnapshot) {
    exposition.family(&BUILD).sample(&[env!("CARGO_PKG_VERSION")], 1_u64);
    exposition.family(&READY).sample(&[], snapshot.is_ready);
    exposition.family(&WORKERS).sample(&[], snapshot.workers);
    exposition.family(&ROUTES).sample(&[], snapshot.routes.values().filter(|route| route.mounted.is_some()).count());
    exposition.family(&COMPONENTS_LOADING).sample(&[], snapshot.loading);
    let [loaded, failed] = snapshot.loads;
    exposition.family(&COMPONENT_LOADS).sample(&["loaded"], loaded).sample(&["failed"], failed);
    exposition.family(&ROUTE_CHANGES).sample(&[], snapshot.route_changes);
    let CompileStats { hits, misses, time } = snapshot.compiling;
    exposition.family(&COMPILE_LOOKUPS).sample(&["cached"], hits).sample(&["compiled"], misses);
    exposition.family(&COMPILE_SECONDS).sample(&[], time.as_secs_f64());
    let [errors, warnings] = snapshot.problems;
    exposition.family(&ROUTE_PROBLEMS).sample(&["error"], errors).sample(&["warning"], warnings);
}

/// What is counted of requests, by route.
fn counted(exposition: &mut Exposition, snapshot: &MetricsSnapshot) {
    let routes = || {
        let counted = snapshot.routes.iter().map(|(name, route)| (name, &route.counted));
        counted.filter(|(_, route)| !route.requests.is_empty())
    };
    let mut requests = exposition.family(&REQUESTS);
    for (name, route) in routes() {
        for ((method, status), count) in &route.requests {
            requests.sample(&[name, method.name(), &status.name()], *count);
        }
    }
    let mut seconds = exposition.family(&REQUEST_SECONDS);
    routes().for_each(|(name, route)| seconds.histogram(&[name], &route.latency));
    let mut ends = exposition.family(&REQUEST_ENDS);
    for (name, route) in routes() {
        for (end, count) in ExchangeEnd::ALL.iter().zip(route.ends).filter(|(_, count)| *count > 0) {
            ends.sample(&[name, end.name()], count);
        }
    }
    let mut failures = exposition.family(&FAILURES);
    for (name, route) in routes() {
        for (kind, count) in FailureKind::ALL.iter().zip(route.failures).filter(|(_, count)| *count > 0) {
            failures.sample(&[name, kind.name()], count);
        }
    }
    let mut quarantined = exposition.family(&QUARANTINED);
    snapshot.quarantined.iter().for_each(|(name, is_quarantined)| _ = quarantined.sample(&[name], *is_quarantined));
    let with_messages = routes().filter(|(_, route)| route.messages > 0);
    by_route(exposition, &MESSAGES, with_messages, |route| route.messages.into());
    by_route(exposition, &RECEIVED_BYTES, routes(), |route| route.received_bytes.into());
    by_route(exposition, &SENT_BYTES, routes(), |route| route.sent_bytes.into());
    let mut stages = exposition.family(&STAGE_SECONDS);
    for (name, route) in routes() {
        for (stage, nanoseconds) in Stage::ALL.iter().zip(route.stages).filter(|(_, nanoseconds)| *nanoseconds > 0) {
            stages.sample(&[name, stage.name()], nanoseconds as f64 / 1e9);
        }
    }
    waits(exposition, routes());
    let mut outbound = exposition.family(&OUTBOUND);
    by_grant(
        &mut outbound,
        routes().map(|(name, route)| (name, &route.outbound)),
        OutboundOutcome::ALL.map(OutboundOutcome::name),
    );
    let mut stores = exposition.family(&STORE_OPERATIONS);
    by_grant(
        &mut stores,
        routes().map(|(name, route)| (name, &route.stores)),
        StoreOutcome::ALL.map(StoreOutcome::name),
    );
    let measured = routes().filter(|(_, route)| route.instance_memory > 0);
    by_route(exposition, &INSTANCE_MEMORY, measured, |route| route.instance_memory.into());
}

fn waits<'s>(exposition: &mut Exposition, routes: impl Iterator<Item = (&'s Arc<str>, &'s RouteStats)> + Clone) {
    const DIRECTIONS: [&str; 2] = ["download", "upload"];
    let all = routes.flat_map(|(name, route)| DIRECTIONS.into_iter().zip(route.waits).map(move |it| (name, it)));
    let all = all.filter(|(_, (_, waits))| waits.waits > 0);
    let mut number = exposition.family(&RATE_WAITS);
    all.clone().for_each(|(name, (direction, waits))| _ = number.sample(&[name, direction], waits.waits));
    let mut seconds = exposition.family(&RATE_WAIT_SECONDS);
    all.for_each(|(name, (direction, waits))| {
        seconds.sample(&[name, direction], waits.nanoseconds as f64 / 1e9);
    });
}

fn by_grant<'s, const N: usize>(
    writer: &mut FamilyWriter<'_>,
    routes: impl Iterator<Item = (&'s Arc<str>, &'s BTreeMap<Arc<str>, [u64; N]>)>,
    outcomes: [&'static str; N],
) {
    for (route, grants) in routes {
        for (grant, counts) in grants {
            for (outcome, count) in outcomes.iter().zip(counts).filter(|(_, count)| **count > 0) {
                writer.sample(&[route, grant, outcome], *count);
            }
        }
    }
}

fn by_route<'s>(
    exposition: &mut Exposition,
    family: &'static Family,
    routes: impl Iterator<Item = (&'s Arc<str>, &'s RouteStats)>,
    value: impl Fn(&RouteStats) -> SampleValue,
) {
    let mut writer = exposition.family(family);
    routes.for_each(|(name, route)| _ = writer.sample(&[name], value(route)));
}

/// What routes use now.
fn usage(exposition: &mut Exposition, snapshot: &MetricsSnapshot) {
    let mut write = |family: &'static Family, figure: fn(&MountedRouteFigures) -> usize| {
        let mut writer = exposition.family(family);
        for (name, route) in &snapshot.routes {
            if let Some(mounted) = &route.mounted {
                writer.sample(&[name], figure(mounted));
            }
        }
    };
    write(&INVOCATIONS, |route| route.invocations);
    write(&PARKED, |route| route.parked);
    write(&ROUTE_MEMORY, |route| route.memory);
    exposition.family(&MEMORY).sample(&[], snapshot.server.memory);
    exposition.family(&MEMORY_LIMIT).sample(&[], snapshot.memory_limit);
}

fn connections(exposition: &mut Exposition, snapshot: &MetricsSnapshot) {
    let server = &snapshot.server;
    let http1 = server.connections.saturating_sub(server.http2_connections + server.websockets);
    let mut connections = exposition.family(&CONNECTIONS);
    connections.sample(&["http1"], http1).sample(&["http2"], server.http2_connections);
    connections.sample(&["websocket"], server.websockets);
    let mut closed = exposition.family(&CONNECTIONS_CLOSED);
    for reason in CloseReason::ALL {
        closed.sample(&[reason.name()], snapshot.server.closed(reason));
    }
    let mut handshakes = exposition.family(&TLS_HANDSHAKES);
    for outcome in HandshakeOutcome::ALL {
        handshakes.sample(&outcome.labels(), server.handshakes(outcome));
    }
    let mut expiry = exposition.family(&CERTIFICATE_EXPIRY);
    snapshot.certificates.iter().for_each(|(name, at)| _ = expiry.sample(&[name], *at));
    let published = snapshot.server.published;
    exposition.family(&PUSHED_CHUNKS).sample(&["queued"], published.reached).sample(&["dropped"], published.dropped);
    let SpanCounts { sent, dropped, failed } = snapshot.spans;
    let mut spans = exposition.family(&TRACE_SPANS);
    spans.sample(&["sent"], sent).sample(&["dropped"], dropped).sample(&["failed"], failed);
}

fn fleet(exposition: &mut Exposition, stats: &FleetStats) {
    let FleetStats { is_up, published, received, dropped, gaps, silence, waiting_bytes } = *stats;
    exposition.family(&ENGINE_UP).sample(&[], is_up);
    exposition.family(&ENGINE_SILENCE).sample(&[], silence.as_secs_f64());
    let mut messages = exposition.family(&ENGINE_MESSAGES);
    messages.sample(&["published"], published).sample(&["received"], received).sample(&["dropped"], dropped);
    exposition.family(&ENGINE_GAPS).sample(&[], gaps);
    exposition.family(&ENGINE_WAITING).sample(&[], waiting_bytes);
}

fn process(exposition: &mut Exposition, snapshot: &MetricsSnapshot) {
    let figures = &snapshot.process;
    exposition.family(&CPU_SECONDS).sample(&[], figures.cpu.as_secs_f64());
    exposition.family(&RESIDENT_MEMORY).sample(&[], figures.resident_bytes);
    exposition.family(&VIRTUAL_MEMORY).sample(&[], figures.virtual_bytes);
    exposition.family(&OPEN_FDS).sample(&[], figures.open_fds);
    exposition.family(&MAX_FDS).sample(&[], figures.max_fds);
    exposition.family(&THREADS).sample(&[], figures.threads);
    exposition.family(&START_TIME).sample(&[], since_epoch(snapshot.started));
}

/// Seconds since 1970, to the millisecond.
pub(crate) fn since_epoch(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
pub(super) mod tests;
