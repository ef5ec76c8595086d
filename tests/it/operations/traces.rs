//! Traces: the spans of requests, as a strict collector gets them, and what goes on if the collector does not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use host::trace::{TraceParents, TraceSettings};
use serde_json::Value;

use crate::support::{Http2Client, Process, RoutesDir, TIMEOUT, TestServer, guest, host, log, run, text};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A server that keeps the requests that it gets, and gives each the same answer. Without an answer it never says anything.
#[derive(Clone)]
struct Collector {
    port: u16,
    got: Arc<(Mutex<Requests>, Condvar)>,
}

/// The heads and the bodies of requests.
type Requests = Vec<(String, String)>;

/// A span as a strict reader of OTLP takes it.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: Option<String>,
    state: Option<String>,
    kind: u64,
    attributes: BTreeMap<String, String>,
    error: Option<String>,
}

impl Collector {
    fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let collector = Self { port, got: Arc::default() };
        let own = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream, answer));
            }
        });
        collector
    }

    fn serve(&self, mut stream: TcpStream, answer: &str) {
        while let Some((head, body)) = read_request(&mut stream) {
            self.got.0.lock().unwrap_or_else(PoisonError::into_inner).push((head, body));
            self.got.1.notify_all();
            if answer.is_empty() {
                let _ = stream.read(&mut [0]);
                return;
            }
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Requests {
        self.got.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All spans so far, by their names.
    #[track_caller]
    fn spans(&self) -> Vec<(String, Span)> {
        self.requests().iter().flat_map(|(_, body)| spans(body)).collect()
    }

    /// Waits for a span of this name, and returns the last of all spans of its trace, by name.
    #[track_caller]
    fn wait_for(&self, name: &str) -> BTreeMap<String, Span> {
        let start = Instant::now();
        loop {
            let spans = self.spans();
            if let Some((_, found)) = spans.iter().rfind(|(it, _)| it == name) {
                let trace = found.trace.clone();
                return spans.into_iter().filter(|(_, span)| span.trace == trace).collect();
            }
            assert!(start.elapsed() < TIMEOUT, "there is no span {name}: {spans:?}");
            let got = self.got.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.got.1.wait_timeout(got, Duration::from_millis(20)));
        }
    }
}

/// Reads the head and the body of a request.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length is a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

/// Decodes OTLP: ids are hexadecimal, integers are strings, enumerations are numbers, and nothing else is there.
#[track_caller]
fn spans(body: &str) -> Vec<(String, Span)> {
    let body: Value = serde_json::from_str(body).expect("it is JSON");
    let [resource] = &list(&body, "resourceSpans")[..] else { panic!("one resource: {body}") };
    let of_resource = attributes(&resource["resource"]);
    assert_eq!(of_resource["service.name"], "shop");
    let [scope] = &list(resource, "scopeSpans")[..] else { panic!("one scope: {body}") };
    assert_eq!(scope["scope"]["name"], "vibrato");
    list(scope, "spans").iter().map(span).collect()
}

fn list(value: &Value, name: &str) -> Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is a list: {value}")).clone()
}

fn span(value: &Value) -> (String, Span) {
    const KNOWN: [&str; 10] = [
        "traceId",
        "spanId",
        "parentSpanId",
        "traceState",
        "name",
        "kind",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "attributes",
        "status",
    ];
    let object = value.as_object().expect("a span is an object");
    assert!(object.keys().all(|key| KNOWN.contains(&&**key)), "{value}");
    let id = |name: &str, digits: usize| {
        let id = value[name].as_str().unwrap_or_else(|| panic!("{name} is text: {value}"));
        let is_hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(id.len() == digits && is_hex && id.bytes().any(|byte| byte != b'0'), "{name}: {value}");
        id.to_owned()
    };
    let nanoseconds =
        |name: &str| value[name].as_str().and_then(|text| text.parse::<u64>().ok()).expect("a string of digits");
    let (start, end) = (nanoseconds("startTimeUnixNano"), nanoseconds("endTimeUnixNano"));
    assert!(start <= end && start > 1_700_000_000_000_000_000, "{value}");
    let status = &value["status"];
    assert!(status.is_null() || status["code"] == 2, "{value}");
    let span = Span {
        trace: id("traceId", 32),
        id: id("spanId", 16),
        parent: object.contains_key("parentSpanId").then(|| id("parentSpanId", 16)),
        state: value["traceState"].as_str().map(str::to_owned),
        kind: value["kind"].as_u64().expect("a number"),
        attributes: attributes(value),
        error: status["message"].as_str().map(str::to_owned),
    };
    (value["name"].as_str().expect("a span has a name").to_owned(), span)
}

fn attributes(value: &Value) -> BTreeMap<String, String> {
    let attribute = |attribute: &Value| {
        let value = &attribute["value"];
        let text = value["stringValue"].as_str().or_else(|| value["intValue"].as_str());
        let key = attribute["key"].as_str().expect("a key is text").to_owned();
        (key, text.unwrap_or_else(|| panic!("a value is text or a number: {value}")).to_owned())
    };
    list(value, "attributes").iter().map(attribute).collect()
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// Settings for a collector, which sends at once.
fn settings(url: &str) -> TraceSettings {
    let settings = TraceSettings::new(url.parse().expect("it is a URL"));
    TraceSettings { service: "shop".to_owned(), interval: Duration::from_millis(20), ..settings }
}

fn serve(routes: RoutesDir, settings: TraceSettings) -> TestServer {
    let server = TestServer::builder(routes).config(|config| config.traces = Some(settings)).start();
    assert_eq!(server.diagnostics(), []);
    server
}

/// The request with more fields.
fn with_fields(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: it\r\n{fields}Connection: close\r\n\r\n")
}

#[test]
fn a_request_has_a_span_with_its_middleware_its_handler_and_what_they_call() {
    let collector = Collector::answering(TAKEN);
    // What the handler calls is the collector too: it keeps what it gets.
    let upstream = Collector::answering("HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nok");
    let state = RoutesDir::new();
    let grant = format!("path = '/calls'\n[grant]\nhttp = ['{}']", upstream.url());
    let routes = RoutesDir::new()
        .with_as("_middleware.wasm", guest::STORES_MIDDLEWARE)
        .with_file("_middleware.toml", "[grant.kv]\n'' = 'shop'")
        .with_as("traced_calls.wasm", guest::CALLS)
        .with_file("traced_calls.toml", &grant);
    let directory = state.path().to_owned();
    let server = TestServer::builder(routes).config(|config| {
        config.traces = Some(TraceSettings { parents: TraceParents::Any, ..settings(&collector.url()) });
        config.state = Some(directory);
    });
    let server = server.start();
    let fields = format!("traceparent: {PARENT}\r\ntracestate: a=1\r\ntracestate: b=2\r\n");
    let response = server.exchange(with_fields(&format!("/calls?get={}/path?secret", upstream.url()), &fields));
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let spans = collector.wait_for("GET /calls");
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    let expected = ["GET", "GET /calls", "handler traced_calls", "increment", "middleware _middleware on-request"];
    assert_eq!(names, expected);
    let request = &spans["GET /calls"];
    assert_eq!((&*request.trace, request.parent.as_deref(), request.kind), (TRACE, Some("b7ad6b7169203331"), 2));
    for (part, whole, kind) in [
        ("middleware _middleware on-request", "GET /calls", 1),
        ("increment", "middleware _middleware on-request", 3),
        ("handler traced_calls", "GET /calls", 1),
        ("GET", "handler traced_calls", 3),
    ] {
        assert_eq!((spans[part].parent.as_ref(), spans[part].kind), (Some(&spans[whole].id), kind), "{part}");
        assert_eq!(spans[part].state.as_deref(), Some("a=1,b=2"), "{part}");
    }
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/calls"),
        ("vibrato.route", "traced_calls"),
        ("url.path", "/calls"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("vibrato.end", "complete"),
    ] {
        assert_eq!(request.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    let store = &spans["increment"].attributes;
    assert_eq!((&*store["db.operation.name"], &*store["db.system.name"]), ("increment", "vibrato"));
    let call = &spans["GET"];
    assert_eq!(call.attributes["http.response.status_code"], "404");
    assert_eq!(call.attributes["url.full"], format!("{}/path", upstream.url()), "without its query");
    assert_eq!((call.error.as_deref(), &request.error), (Some("404"), &None));
    let sent = collector_saw(&upstream);
    assert_eq!(sent, [format!("traceparent: 00-{TRACE}-{}-01", call.id), "tracestate: a=1,b=2".to_owned()]);
}

/// The fields of Trace Context in the only request that a server got, sorted.
#[track_caller]
fn collector_saw(upstream: &Collector) -> Vec<String> {
    let start = Instant::now();
    loop {
        if let [(head, _)] = &upstream.requests()[..] {
            let mut fields: Vec<String> =
                head.lines().filter(|line| line.starts_with("trace")).map(str::to_owned).collect();
            fields.sort();
            return fields;
        }
        assert!(start.elapsed() < TIMEOUT, "it got no request");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_client_that_is_not_trusted_begins_a_new_trace_whatever_it_sends() {
    let collector = Collector::answering(TAKEN);
    let server = serve(RoutesDir::new().with(guest::SCRIPT), settings(&collector.url()));
    server.exchange(with_fields("/script?body=Hi", &format!("traceparent: {PARENT}\r\n")));
    let spans = collector.wait_for("GET script");
    let request = &spans["GET script"];
    assert!(request.trace != TRACE && request.parent.is_none(), "{request:?}");
}

#[test]
fn requests_of_http_2_and_those_that_the_host_answers_are_traced_too() {
    let collector = Collector::answering(TAKEN);
    let server = serve(RoutesDir::new().with(guest::SCRIPT), settings(&collector.url()));
    let mut client = Http2Client::open(server.connect());
    client.get(1, "/script?body=Hi");
    client.until_end_of(1);
    let spans = collector.wait_for("GET script");
    assert_eq!(spans["GET script"].attributes["network.protocol.version"], "2");
    server.get("/absent");
    let spans = collector.wait_for("GET");
    assert_eq!(spans["GET"].attributes["http.response.status_code"], "404");
    assert!(!spans["GET"].attributes.contains_key("http.route"));
}

#[test]
fn a_failure_is_in_the_span_and_its_id_in_the_log() {
    let collector = Collector::answering(TAKEN);
    let file = "path = '/traced_trap'";
    let routes = RoutesDir::new().with_as("traced_trap.wasm", guest::SCRIPT).with_file("traced_trap.toml", file);
    let server = serve(routes, settings(&collector.url()));
    server.get("/traced_trap?stdout=hello&trap");
    let spans = collector.wait_for("GET /traced_trap");
    let handler = spans["handler traced_trap"].error.clone().expect("it has trapped");
    assert!(handler.starts_with("wasm trap: "), "{handler}");
    let request = &spans["GET /traced_trap"];
    assert_eq!(request.error.as_deref(), Some("500"));
    let id = format!("trace={}", request.trace);
    log().wait_for(&["ERROR", "handler traced_trap wasm trap", &id]);
    log().wait_for(&["INFO", "guest", "hello", &id]);
}

#[test]
fn a_parked_response_is_one_span_which_ends_with_it() {
    let collector = Collector::answering(TAKEN);
    let server = serve(RoutesDir::new().with(guest::SCRIPT), settings(&collector.url()));
    let client = server.park("write=open", ok_chunked!("4\r\nopen\r\n"));
    assert_eq!(collector.spans().len(), 0);
    drop(client);
    let spans = collector.wait_for("GET script");
    assert_eq!(spans["GET script"].attributes["vibrato.end"], "left-open");
    assert_eq!(spans["handler script"].parent, Some(spans["GET script"].id.clone()));
}

#[test]
fn what_is_not_sampled_is_not_sent_and_its_id_is_passed_on() {
    let collector = Collector::answering(TAKEN);
    let upstream = Collector::answering("HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok");
    let routes = RoutesDir::new().with_as("calls.wasm", guest::CALLS);
    let routes = routes.with_file("calls.toml", &format!("path = '/calls'\n[grant]\nhttp = ['{}']", upstream.url()));
    let server = serve(routes, TraceSettings { ratio: 0.0, ..settings(&collector.url()) });
    server.get(&format!("/calls?get={}/path", upstream.url()));
    let sent = collector_saw(&upstream);
    assert!(sent.len() == 1 && sent[0].ends_with("-00"), "{sent:?}");
    server.stop();
    server.join();
    assert_eq!(collector.requests().len(), 0);
}

#[test]
fn a_collector_that_stalls_is_away_or_lies_holds_up_no_request_and_no_stop() {
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        format!("http://{}", listener.local_addr().expect("it has an address"))
    };
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{";
    for url in [
        Collector::answering("").url(),
        away,
        Collector::answering("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n").url(),
        Collector::answering("no HTTP\r\n\r\n").url(),
        Collector::answering(endless).url(),
    ] {
        let server = serve(RoutesDir::new().with(guest::SCRIPT), settings(&url));
        for _ in 0..100 {
            assert!(server.get("/script?body=Hi").starts_with("HTTP/1.1 200 "), "{url}");
        }
        server.stop();
        server.join();
    }
}

#[test]
fn what_waits_is_sent_when_the_server_stops() {
    let collector = Collector::answering(TAKEN);
    let hour = Duration::from_secs(3600);
    let settings = TraceSettings { interval: hour, ..settings(&collector.url()) };
    let server = serve(RoutesDir::new().with(guest::SCRIPT), settings);
    // The first look into the queue finds nothing.
    (0..3).for_each(|_| drop(server.get("/script?body=Hi")));
    server.stop();
    server.join();
    let requests = collector.spans().iter().filter(|(name, _)| name == "GET script").count();
    assert_eq!(requests, 3);
    assert!(collector.requests()[0].0.starts_with("POST /v1/traces HTTP/1.1\r\n"));
}

#[test]
fn the_flags_say_where_traces_go_and_the_access_log_and_error_pages_have_their_ids() {
    let collector = Collector::answering(TAKEN);
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let place = routes.path().display().to_string();
    let mut command = host(&["run", "--routes", &place, "--listen", "127.0.0.1:0", "--access-log", "json"]);
    command.args([
        "--otlp",
        &collector.url(),
        "--trace-service",
        "shop",
        "--trace-parent",
        "any",
        "--dev",
        "--dev-host",
        "it",
    ]);
    let process = Process::spawn(command, 1);
    let mut client = crate::support::Client::connect(process.addresses()[0]);
    let page = client.exchange(with_fields("/script?trap", &format!("traceparent: {PARENT}\r\n")));
    assert!(page.contains(&format!("\ntrace {TRACE}\n")), "{page}");
    drop(process);
    for (flags, part) in [
        (&["--otlp", "ftp://a"][..], "has a scheme other than http and https"),
        (&["--otlp", "http://a", "--trace-ratio", "1.5"], "expected a number from 0 to 1"),
        (&["--trace-ratio", "0.5"], "--otlp <URL>"),
    ] {
        let output = run(host(&["run", "--routes", &place]).args(flags));
        assert!(text(&output.stderr).contains(part), "{flags:?}: {}", text(&output.stderr));
    }
}
