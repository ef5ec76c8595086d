//! What Prometheus and Grafana make of the metrics: its own tools read them, and what is shipped for it names only what there is.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use host::admin::AdminSettings;
use host::metrics::{FAMILIES, MetricKind};
use serde_json::Value;

use crate::support::{Admin, RoutesDir, TestServer, guest, run, skip, text};

const ALERTS: &str = "contrib/prometheus/alerts.yml";
const DASHBOARD: &str = "contrib/grafana/vibrato.json";

/// Reads what Prometheus' own library takes for OpenMetrics, and says how many samples there were.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))
";

/// A rule for each alert that a figure fires, and a figure that does not.
const RULES_TEST: &str = r#"
rule_files: [ALERTS]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'up{job="vibrato",instance="a"}', values: '0x20' }
      - { series: 'vibrato_ready{instance="a"}', values: '0x20' }
      - { series: 'vibrato_requests_total{instance="a",route="r",method="GET",code="200"}', values: '0+90x20' }
      - { series: 'vibrato_requests_total{instance="a",route="r",method="GET",code="5xx"}', values: '0+10x20' }
      - { series: 'vibrato_requests_total{instance="a",route="good",method="GET",code="200"}', values: '0+90x20' }
      - { series: 'vibrato_quarantined{instance="a",route="r"}', values: '1x20' }
      - { series: 'vibrato_certificate_expiry_seconds{instance="a",name="soon"}', values: '86400x20' }
      - { series: 'vibrato_certificate_expiry_seconds{instance="a",name="late"}', values: '8640000x20' }
      - { series: 'vibrato_engine_up{instance="a"}', values: '0x20' }
      - { series: 'vibrato_engine_up{instance="b"}', values: '1x20' }
      - { series: 'vibrato_engine_messages_total{instance="a",outcome="dropped"}', values: '0+9x20' }
      - { series: 'vibrato_engine_messages_total{instance="b",outcome="dropped"}', values: '0+9x20' }
      - { series: 'vibrato_engine_messages_total{instance="b",outcome="published"}', values: '0+9x20' }
    alert_rule_test:
      - { eval_time: 15m, alertname: VibratoEngineAway, exp_alerts: [{ exp_labels: { severity: critical, instance: a }, exp_annotations: { summary: "a does not reach its engine: what is published stays on that host" } }] }
      - { eval_time: 15m, alertname: VibratoEngineDrops, exp_alerts: [{ exp_labels: { severity: warning, instance: b }, exp_annotations: { summary: "chunks are lost between b and its engine, although that can be reached" } }] }
      - { eval_time: 15m, alertname: VibratoDown, exp_alerts: [{ exp_labels: { severity: critical, job: vibrato, instance: a }, exp_annotations: { summary: "a does not answer on its admin listener" } }] }
      - { eval_time: 15m, alertname: VibratoErrors, exp_alerts: [{ exp_labels: { severity: critical, instance: a, route: r }, exp_annotations: { summary: "10% of the requests to r fail" } }] }
      - { eval_time: 15m, alertname: VibratoQuarantine, exp_alerts: [{ exp_labels: { severity: critical, instance: a, route: r }, exp_annotations: { summary: "r is in quarantine: its requests get 503" } }] }
      - { eval_time: 15m, alertname: VibratoCertificateExpires, exp_alerts: [{ exp_labels: { severity: critical, instance: a, name: soon }, exp_annotations: { summary: "the certificate of soon expires in 23h 45m 0s" } }] }
      - { eval_time: 15m, alertname: VibratoRefusing, exp_alerts: [] }
      - { eval_time: 15m, alertname: VibratoMemory, exp_alerts: [] }
"#;

fn file(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place)
}

/// The names that queries may have.
fn sample_names() -> BTreeSet<String> {
    let names = FAMILIES.iter().flat_map(|family| match family.kind {
        MetricKind::Counter | MetricKind::Gauge => vec![family.sample_name()],
        MetricKind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name)).into(),
    });
    names.collect()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("vibrato_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// Runs a program that reads `input`, and returns what it prints. `None` if it is not installed.
fn filter(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    // It may end before it has read all.
    let _ = child.stdin.take().expect("stdin is a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it can be waited for");
    Some((output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr))))
}

/// A server that has done a little of everything, and names that have to be escaped.
fn served() -> (TestServer, Admin) {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_as("a \"b\"\\.wasm", guest::HELLO);
    let routes = routes.with_file("a \"b\"\\.toml", "path = '/quoted'");
    let server = TestServer::builder(routes).config(|config| config.metrics = true).tls().start();
    let admin = server.admin(AdminSettings::default());
    for target in ["/script?body=a", "/script?trap", "/script?close", "/none", "/quoted"] {
        let mut client = server.connect();
        client.send(crate::support::wire::get_and_close(target));
        client.read_until_end();
    }
    admin.scrape_after(5);
    (server, admin)
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").expect("it has a head").1
}

#[test]
fn promtool_finds_nothing_wrong() {
    let (_server, admin) = served();
    let text = admin.get("/metrics");
    let Some(checked) = filter("promtool", &["check", "metrics"], body(&text)) else {
        return skip("what promtool finds: it is not installed; `make test-metrics` does it");
    };
    assert_eq!(checked, (true, String::new()), "{text}");
}

#[test]
fn the_library_of_prometheus_reads_open_metrics() {
    let (_server, admin) = served();
    let text = admin.ask("GET", "/metrics", "Host: localhost\r\nAccept: application/openmetrics-text\r\n");
    let has_library = |python: &&str| filter(python, &["-c", "import prometheus_client"], "").is_some_and(|it| it.0);
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_library) else {
        return skip("what prometheus_client reads: python3 has no such package; `make test-metrics` installs it");
    };
    let (succeeded, printed) = filter(python, &["-c", PARSER], body(&text)).expect("it is there");
    let samples = body(&text).lines().filter(|line| !line.starts_with('#')).count();
    assert!(succeeded && printed == format!("{samples}\n"), "{printed}{text}");
}

#[test]
fn the_alerts_and_the_dashboard_name_only_metrics_that_exist() {
    let names = sample_names();
    for place in [ALERTS, DASHBOARD] {
        let text = fs::read_to_string(file(place)).expect("it is there");
        let named = named(&text);
        let unknown: Vec<_> = named.difference(&names).collect();
        assert!(unknown.is_empty() && named.len() > 10, "{place} names {unknown:?}");
    }
    let dashboard = fs::read_to_string(file(DASHBOARD)).expect("it is there");
    let shown = named(&dashboard);
    let hidden: Vec<&str> = names.iter().filter(|name| !shown.contains(*name)).map(String::as_str).collect();
    let expected = ["process_virtual_memory_bytes", "vibrato_request_seconds_count", "vibrato_request_seconds_sum"];
    assert_eq!(hidden, expected, "the dashboard shows all others");
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = fs::read_to_string(file(DASHBOARD)).expect("it is there");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("it has a number")).collect();
    assert_eq!(ids.len(), panels.len(), "numbers are unique");
    let labels: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.labels).copied().collect();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = target["legendFormat"].as_str().expect("it has a legend");
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
                assert!(labels.contains(label.0) || label.0 == "instance", "{legend}");
            }
        }
    }
}

#[test]
fn the_alerts_fire_when_they_should_and_no_other() {
    let alerts = file(ALERTS).canonicalize().expect("it is there");
    let directory = tempfile::tempdir().expect("it can be made");
    let test = directory.path().join("test.yml");
    fs::write(&test, RULES_TEST.replace("ALERTS", &alerts.display().to_string())).expect("it can be written");
    if filter("promtool", &["--version"], "").is_none() {
        return skip("the alerts: promtool is not installed; `make test-metrics` does it");
    }
    let checked = run(Command::new("promtool").args(["check", "rules"]).arg(&alerts));
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    let tested = run(Command::new("promtool").args(["test", "rules"]).arg(&test));
    assert!(tested.status.success(), "{}{}", text(&tested.stdout), text(&tested.stderr));
}

#[test]
fn each_alert_is_in_the_book() {
    let alerts = fs::read_to_string(file(ALERTS)).expect("it is there");
    let book = fs::read_to_string(file("docs/src/observe.md")).expect("it is there");
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(book.contains(&format!("| `{name}` |")), "{name}");
    }
}
