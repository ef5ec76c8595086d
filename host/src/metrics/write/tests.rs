use std::collections::BTreeSet;
use std::time::Duration;

use super::super::{FAMILIES, MethodLabel, ProcessFigures, RouteFigures, ServerStats, StatusLabel, WaitStats};
use super::*;

pub(in super::super) fn snapshot() -> MetricsSnapshot {
    let mut counted = RouteStats { sent_bytes: 1234, instance_memory: 65536, ..RouteStats::default() };
    counted.requests.insert((MethodLabel::Get, StatusLabel::Code(200)), 7);
    counted.requests.insert((MethodLabel::Other, StatusLabel::None), 1);
    counted.latency.buckets[3] = 8;
    counted.ends[ExchangeEnd::Complete as usize] = 8;
    counted.failures[FailureKind::Trap as usize] = 2;
    counted.waits[1] = WaitStats { waits: 3, nanoseconds: 2_000_000_000 };
    counted.outbound.insert("https://a.example".into(), std::array::from_fn(|index| u64::from(index == 0)));
    counted.stages[Stage::Run as usize] = 1_500_000;
    let mounted = MountedRouteFigures { patterns: vec!["/a".to_owned()], parked: 3, ..MountedRouteFigures::default() };
    let routes = [
        ("-".into(), RouteFigures::default()),
        ("a".into(), RouteFigures { counted, mounted: Some(mounted.clone()) }),
        ("quiet".into(), RouteFigures { mounted: Some(mounted), ..RouteFigures::default() }),
    ];
    MetricsSnapshot {
        time: UNIX_EPOCH + Duration::from_secs(20),
        started: UNIX_EPOCH + Duration::from_millis(1500),
        is_ready: true,
        is_draining: false,
        is_alive: true,
        workers: 2,
        server: ServerStats::default(),
        memory_limit: 1 << 30,
        routes: routes.into(),
        loading: 0,
        problems: [1, 2],
        logged_failures: 0,
        loads: [3, 1],
        route_changes: 4,
        compiling: CompileStats { hits: 2, misses: 1, time: Duration::from_millis(250) },
        quarantined: [("a".into(), true)].into(),
        certificates: [("example.org".to_owned(), 2_000_000_000)].into(),
        spans: SpanCounts::default(),
        fleet: Some(FleetStats {
            is_up: true,
            published: 3,
            received: 2,
            dropped: 1,
            gaps: 4,
            silence: Duration::from_millis(500),
            waiting_bytes: 0,
        }),
        process: ProcessFigures::default(),
    }
}

#[test]
fn each_family_is_written_once_in_their_order() {
    let text = snapshot().to_text(TextFormat::Prometheus);
    let written: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let expected: Vec<String> = FAMILIES.iter().map(Family::sample_name).collect();
    assert_eq!(written, expected);
}

#[test]
fn a_host_without_an_engine_writes_nothing_of_one() {
    let snapshot = MetricsSnapshot { fleet: None, ..snapshot() };
    assert!(!snapshot.to_text(TextFormat::Prometheus).contains("engine"));
    let object: serde_json::Value = serde_json::from_str(&snapshot.to_json()).expect("it is JSON");
    assert_eq!(object["engine"], serde_json::Value::Null);
}

#[test]
fn no_series_is_written_twice() {
    let text = snapshot().to_text(TextFormat::Prometheus);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("it has a value");
        assert!(seen.insert(series), "{line}");
    }
}

#[test]
fn a_route_without_requests_has_no_counters_and_says_what_it_uses() {
    let text = snapshot().to_text(TextFormat::Prometheus);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("\"quiet\"")).collect();
    let names = ["vibrato_invocations", "vibrato_parked", "vibrato_route_memory_bytes"];
    assert_eq!(lines.len(), names.len(), "{lines:?}");
    for name in names {
        assert!(lines.iter().any(|line| line.starts_with(name)), "{name}");
    }
    for line in [
        "vibrato_requests_total{route=\"a\",method=\"GET\",code=\"200\"} 7",
        "vibrato_requests_total{route=\"a\",method=\"other\",code=\"-\"} 1",
        "vibrato_stage_seconds_total{route=\"a\",stage=\"run\"} 0.0015",
        "vibrato_failures_total{route=\"a\",kind=\"trap\"} 2",
        "vibrato_rate_wait_seconds_total{route=\"a\",direction=\"upload\"} 2.0",
        "vibrato_outbound_requests_total{route=\"a\",grant=\"https://a.example\",outcome=\"2xx\"} 1",
        "vibrato_quarantined{route=\"a\"} 1",
        "vibrato_compile_seconds_total 0.25",
        "vibrato_certificate_expiry_seconds{name=\"example.org\"} 2000000000",
        "vibrato_tls_handshakes_total{outcome=\"complete\",version=\"1.3\",resumed=\"true\"} 0",
        "vibrato_route_problems{severity=\"warning\"} 2",
        "process_start_time_seconds 1.5",
        "vibrato_routes 2",
        "vibrato_engine_up 1",
        "vibrato_engine_silence_seconds 0.5",
        "vibrato_engine_messages_total{outcome=\"dropped\"} 1",
    ] {
        assert!(text.lines().any(|written| written == line), "{line} in {text}");
    }
}
