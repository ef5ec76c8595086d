//! Metrics: they count exactly what the access log has, in few series, whatever clients and guests do.

use std::collections::BTreeMap;

use host::admin::AdminSettings;
use host::metrics::FAMILIES;
use serde_json::Value;

use crate::support::websocket::{HANDSHAKE, accepted};
use crate::support::wire::{get_and_close, get_script};
use crate::support::{Admin, Http2Client, Metrics, Process, RoutesDir, TestServer, guest, wait_until};

/// A server whose requests are counted, with this many workers.
fn counted(routes: RoutesDir, workers: usize) -> (TestServer, Admin) {
    let server = TestServer::builder(routes).config(|config| config.metrics = true);
    let server = server.workers(workers.try_into().expect("it is not 0")).start();
    let admin = server.admin(AdminSettings::default());
    (server, admin)
}

/// The requests of a scrape by their labels.
fn requests(metrics: &Metrics) -> BTreeMap<String, u64> {
    let samples = metrics.samples().filter(|(name, _)| name.starts_with("vibrato_requests_total{"));
    samples.map(|(name, value)| (name.to_owned(), value as u64)).collect()
}

/// The same of the lines of an access log as text.
fn logged(lines: &str) -> BTreeMap<String, u64> {
    const METHODS: [&str; 10] = ["-", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
    let mut requests = BTreeMap::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let method = if METHODS.contains(&words[2]) { words[2] } else { "other" };
        let code = words[5];
        let route = words.iter().find_map(|word| word.strip_prefix("route=")).expect("it names a route");
        let name = format!("vibrato_requests_total{{route=\"{route}\",method=\"{method}\",code=\"{code}\"}}");
        *requests.entry(name).or_default() += 1;
    }
    requests
}

/// What the figures say of the route `script`.
fn script(admin: &Admin) -> Value {
    let stats = admin.stats();
    let routes = stats["routes"].as_array().expect("it is a list");
    routes.iter().find(|route| route["route"] == "script").expect("it is there").clone()
}

#[test]
fn each_line_of_the_access_log_is_a_request_that_is_counted_whatever_becomes_of_it() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::MESSAGES).with_file("script.toml", "timeout = 1.0");
    let log = routes.path().join("_access.log");
    let log_argument = log.display().to_string();
    let arguments = ["--workers", "2", "--access-log", "text", "--access-log-file", &log_argument];
    let (process, admin) = Process::start_with_admin(&routes, &arguments);
    let exchanges: &[&str] = &[
        get_and_close!("/script?body=Hello"),
        get_and_close!("/script?write=Hello&trap"),
        get_and_close!("/script?trap"),
        get_and_close!("/script?close"),
        get_and_close!("/script?write=Hello&close"),
        get_and_close!("/script?sleep=600000"),
        get_and_close!("/none"),
        get_and_close!("/messages"),
        "no request\r\n\r\n",
        "GET /script HTTP/1.1\r\n\r\n",
        "GET /script HTTP/9.9\r\n\r\n",
        "HEAD /script?body=Hello HTTP/1.0\r\n\r\n",
        "BREW /script HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        "CONNECT it:80 HTTP/1.1\r\nHost: it:80\r\nConnection: close\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        "POST /script?body=Hello HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        "POST /script HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 99999999999999999999\r\n\r\n",
        // Pipelined.
        concat!(get!("/script?body=a"), get!("/none"), get_and_close!("/script?body=b")),
    ];
    let number = exchanges.len() as u64 + 2;
    for request in exchanges {
        let mut client = process.connect();
        client.send(request);
        client.read_until_end();
    }
    // Parked, until the client goes.
    let mut parked = process.connect();
    parked.send(get_script("write=Hello&manual"));
    parked.read_until("Hello\r\n");
    parked.half_close();
    parked.read_until_end();
    let mut websocket = process.connect();
    websocket.send(format!("GET /messages HTTP/1.1\r\nHost: it\r\n{HANDSHAKE}\r\n"));
    websocket.expect(&accepted(""));
    let mut http2 = Http2Client::open(crate::support::Client::connect(process.addresses()[0]));
    for (stream, target) in [(1, "/script?body=a"), (3, "/none"), (5, "/script?close")] {
        http2.get(stream, target);
        http2.until_end_of(stream);
    }
    let mut gone = process.connect();
    gone.send(get_and_close!("/script?write-bytes=10000000"));
    gone.read_exactly(1000);
    drop(gone);
    let number = number + 2 + 3 + 1;
    let metrics = admin.scrape_after(number);
    wait_until("all lines are written", || {
        std::fs::read_to_string(&log).expect("it is there").lines().count() as u64 >= number
    });
    let lines = std::fs::read_to_string(&log).expect("it is there");
    assert_eq!(requests(&metrics), logged(&lines), "{lines}");
    assert_eq!(metrics.sum("vibrato_request_seconds_count") as u64, number);
    assert_eq!(metrics.sum("vibrato_request_ends_total") as u64, number);
    let sent: u64 = lines.split(' ').filter_map(|word| word.strip_prefix("wire=")?.parse::<u64>().ok()).sum();
    assert_eq!(metrics.sum("vibrato_sent_bytes_total") as u64, sent);
    let failures = [("trap", 2.0), ("timeout", 1.0)];
    for (kind, number) in failures {
        assert_eq!(metrics.value(&format!("vibrato_failures_total{{route=\"script\",kind=\"{kind}\"}}")), number);
    }
    assert_eq!(metrics.sum("vibrato_failures_total"), 3.0, "a client that goes is no failure: {metrics:?}");
    for (protocol, number) in [("http2", 1.0), ("websocket", 1.0)] {
        assert_eq!(metrics.value(&format!("vibrato_connections{{protocol=\"{protocol}\"}}")), number);
    }
    for end in ["complete", "truncated", "closed", "left-open", "upgraded", "client-gone"] {
        let logged = lines
            .lines()
            .filter(|line| line.contains(&format!(" end={end} ")) || line.ends_with(&format!(" end={end}")));
        let counted: f64 = ["-", "script", "messages"]
            .map(|route| metrics.value(&format!("vibrato_request_ends_total{{route=\"{route}\",end=\"{end}\"}}")))
            .iter()
            .sum();
        assert_eq!(counted as usize, logged.count(), "{end}: {lines}");
    }
}

#[test]
fn without_an_access_log_the_same_is_counted() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT), 2);
    for _ in 0..3 {
        server.get("/script?body=Hello");
        server.get("/none");
    }
    server.connect().exchange(get!("/script?body=a").repeat(99) + get_and_close!("/script?trap"));
    let metrics = admin.scrape_after(106);
    let expected = [
        ("vibrato_requests_total{route=\"-\",method=\"GET\",code=\"404\"}", 3),
        ("vibrato_requests_total{route=\"script\",method=\"GET\",code=\"200\"}", 102),
        ("vibrato_requests_total{route=\"script\",method=\"GET\",code=\"500\"}", 1),
    ];
    assert_eq!(requests(&metrics), expected.map(|(name, count)| (name.to_owned(), count)).into());
    for stage in ["instantiate", "run"] {
        let seconds = metrics.value(&format!("vibrato_stage_seconds_total{{route=\"script\",stage=\"{stage}\"}}"));
        assert!(seconds > 0.0, "{metrics:?}");
    }
    assert!(metrics.value("vibrato_instance_memory_bytes{route=\"script\"}") >= 65536.0, "{metrics:?}");
}

#[test]
fn distinct_paths_methods_and_hosts_add_no_series() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT), 2);
    let ask = |number: usize| {
        format!(
            "GET /script?{number} HTTP/1.1\r\nHost: h{number}\r\n\r\nGET /none/{number} HTTP/1.1\r\nHost: h{number}\r\n\r\n\
             M{number} /script HTTP/1.1\r\nHost: h{number}\r\nUser-Agent: {number}\r\n\r\n"
        )
    };
    server.connect().exchange(ask(0) + get_and_close!("/none"));
    let series = |metrics: &Metrics| metrics.samples().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let before = series(&admin.scrape_after(4));
    for part in 0..10 {
        let requests: String = (0..300).map(|number| ask(part * 1000 + number)).collect();
        server.connect().exchange(requests + get_and_close!("/none"));
    }
    assert_eq!(series(&admin.scrape_after(4 + 10 * 901)), before);
}

#[test]
fn statuses_that_a_guest_chooses_add_few_series() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT), 2);
    for status in 200..500 {
        server.get(&format!("/script?status={status}&body=a"));
    }
    let metrics = admin.scrape_after(300);
    assert!(requests(&metrics).len() <= 16 + 9, "{metrics:?}");
    assert!(requests(&metrics).keys().any(|name| name.contains("code=\"4xx\"")), "{metrics:?}");
}

#[test]
fn counters_never_fall_when_routes_change_go_and_come_back() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::HELLO);
    let server = TestServer::builder(routes).config(|config| config.metrics = true).watched().start();
    let admin = server.admin(AdminSettings::default());
    server.get("/script?body=a");
    let name = "vibrato_requests_total{route=\"script\",method=\"GET\",code=\"200\"}";
    assert_eq!(admin.scrape_after(1).value(name), 1.0);
    let mut number = 1;
    let mut next = |target: &str| {
        number += 1;
        server.get(target);
        admin.scrape_after(number)
    };
    let served =
        |routes: f64| wait_until("the routes have changed", || admin.scrape().value("vibrato_routes") == routes);
    server.routes().write("script.toml", "methods = ['GET', 'POST']");
    server.reload();
    wait_until("the new version serves", || script(&admin)["mounted"]["methods"] == serde_json::json!(["GET", "POST"]));
    assert_eq!(next("/script?body=a").value(name), 2.0);
    let component = std::fs::read(server.routes().path().join("script.wasm")).expect("it is there");
    server.routes().remove("script.wasm");
    server.reload();
    served(1.0);
    assert_eq!(next("/hello").value(name), 2.0, "a route that is gone keeps what it has counted");
    server.routes().write("script.wasm", component);
    server.reload();
    served(2.0);
    assert_eq!(next("/script?body=a").value(name), 3.0);
}

#[test]
fn what_is_there_now_is_told() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT).with_file("broken.wasm", "no component"), 1);
    let mut parked = server.park("write=Hello", "");
    wait_until("it is parked", || server.parked() == 1);
    let metrics = admin.scrape();
    assert_eq!(metrics.value("vibrato_parked{route=\"script\"}"), 1.0);
    assert_eq!(
        (metrics.value("vibrato_connections{protocol=\"http1\"}"), metrics.value("vibrato_workers")),
        (1.0, 1.0)
    );
    assert_eq!((metrics.value("vibrato_routes"), metrics.value("vibrato_ready")), (1.0, 1.0));
    assert_eq!(metrics.value("vibrato_route_problems{severity=\"error\"}"), 1.0);
    assert!(metrics.value("process_resident_memory_bytes") > 1e6 && metrics.value("process_cpu_seconds_total") > 0.0);
    let script = script(&admin);
    assert_eq!(
        (&script["mounted"]["parked"], &script["mounted"]["patterns"]),
        (&1.into(), &serde_json::json!(["/script", "/script/{*rest}"]))
    );
    parked.half_close();
    parked.read_until_end();
    wait_until("it is parked no longer", || admin.scrape().value("vibrato_parked{route=\"script\"}") == 0.0);
}

#[test]
fn bytes_messages_and_waits_are_counted() {
    let rate = "path = '/slow'\nrate = 1000\nburst = 1\nrate_scope = 'connection'";
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::MESSAGES);
    let (server, admin) = counted(routes.with_as("slow.wasm", guest::SCRIPT).with_file("slow.toml", rate), 1);
    let post = "POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\nConnection: close\r\n\r\nHello";
    let response = server.exchange(post);
    assert!(response.ends_with("Hello\r\n0\r\n\r\n"), "{response}");
    server.get("/slow?body-bytes=50");
    let mut websocket = server.connect();
    websocket.open_websocket("/messages");
    for _ in 0..3 {
        websocket.send_frame(0x81, "echo=a");
        websocket.read_frame();
    }
    let metrics = admin.scrape_after(3);
    assert_eq!(metrics.value("vibrato_received_bytes_total{route=\"script\"}"), 5.0);
    assert_eq!(metrics.value("vibrato_sent_bytes_total{route=\"script\"}"), undated_length(&response) as f64);
    assert_eq!(metrics.value("vibrato_websocket_messages_total{route=\"messages\"}"), 3.0);
    assert!(metrics.value("vibrato_rate_waits_total{route=\"slow\",direction=\"download\"}") > 1.0, "{metrics:?}");
    let waited = metrics.value("vibrato_rate_wait_seconds_total{route=\"slow\",direction=\"download\"}");
    assert!(waited > 0.0, "{metrics:?}");
    assert_eq!(metrics.sum("vibrato_rate_waits_total{route=\"script\"}"), 0.0);
}

/// How long a response was before its date was replaced.
fn undated_length(response: &str) -> usize {
    response.len() - "<date>".len() + "Sun, 06 Nov 1994 08:49:37 GMT".len()
}

#[test]
fn what_is_granted_is_counted_by_grant_and_outcome() {
    let upstream = TestServer::start(RoutesDir::new().with(guest::SCRIPT));
    let origin = format!("http://{}", upstream.address());
    let closed = "http://127.0.0.1:1";
    let http = format!("[grant]\nhttp = [\"{origin}\", \"{closed}\"]\n");
    let kv = "[grant.kv]\n'' = 'shop'\nprices = { store = 'shop', write = false }\n";
    let state = RoutesDir::new();
    let routes = RoutesDir::new().with(guest::CALLS).with_file("calls.toml", &http);
    let routes = routes.with_as("kv.wasm", guest::STORES).with_file("kv.toml", kv);
    let server = TestServer::builder(routes).config(|config| {
        config.metrics = true;
        config.state = Some(state.path().to_owned());
    });
    let server = server.start();
    let admin = server.admin(AdminSettings::default());
    server.get(&format!("/calls?get={origin}/script&get={origin}/none&get={closed}/&get=http://other.example/"));
    server.get("/kv?set=:a:1&get=:a&get=prices:a&set=prices:a:1&get=none:a");
    let metrics = admin.scrape_after(2);
    let counted = |name: &str| {
        let samples = metrics.samples().filter(|(sample, _)| sample.starts_with(name));
        samples.map(|(sample, value)| format!("{} {value}", &sample[name.len()..])).collect::<Vec<_>>()
    };
    let outbound = [
        format!("{{route=\"calls\",grant=\"{closed}\",outcome=\"connect\"}} 1"),
        format!("{{route=\"calls\",grant=\"{origin}\",outcome=\"2xx\"}} 1"),
        format!("{{route=\"calls\",grant=\"{origin}\",outcome=\"4xx\"}} 1"),
    ];
    assert_eq!(counted("vibrato_outbound_requests_total"), outbound);
    let operations = [
        "{route=\"kv\",store=\"default\",outcome=\"ok\"} 2",
        "{route=\"kv\",store=\"prices\",outcome=\"ok\"} 1",
        "{route=\"kv\",store=\"prices\",outcome=\"read-only\"} 1",
    ];
    assert_eq!(counted("vibrato_store_operations_total"), operations);
}

#[test]
fn handshakes_and_certificates_are_told() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let server = TestServer::builder(routes).config(|config| config.metrics = true).tls().start();
    let admin = server.admin(AdminSettings::default());
    server.get("/hello");
    let mut plain = crate::support::Client::connect(server.address());
    plain.send(get!("/hello"));
    plain.read_until_end();
    let handshakes =
        |metrics: &Metrics, labels: &str| metrics.value(&format!("vibrato_tls_handshakes_total{{{labels}}}"));
    wait_until("both have ended", || admin.scrape().sum("vibrato_tls_handshakes_total") == 2.0);
    let metrics = admin.scrape();
    assert_eq!(handshakes(&metrics, "outcome=\"complete\",version=\"1.3\",resumed=\"false\""), 1.0, "{metrics:?}");
    assert_eq!(handshakes(&metrics, "outcome=\"failed\",version=\"-\",resumed=\"-\""), 1.0, "{metrics:?}");
    assert!(metrics.value("vibrato_certificate_expiry_seconds{name=\"localhost\"}") > 1.7e9, "{metrics:?}");
}

#[test]
fn loads_and_compiling_are_counted() {
    let routes = RoutesDir::new().with(guest::HELLO).with_file("broken.wasm", "no component");
    let server = TestServer::builder(routes).config(|config| config.metrics = true);
    let server = server.compiling(|_| {}).start();
    let metrics = server.admin(AdminSettings::default()).scrape();
    let load = |outcome: &str| metrics.value(&format!("vibrato_component_loads_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((load("loaded"), load("failed")), (1.0, 1.0));
    assert_eq!(metrics.value("vibrato_compile_lookups_total{outcome=\"compiled\"}"), 1.0);
    assert!(metrics.value("vibrato_compile_seconds_total") > 0.0, "{metrics:?}");
    assert!(metrics.value("vibrato_route_changes_total") >= 1.0, "{metrics:?}");
}

#[test]
fn a_quarantine_is_told() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::HELLO).with_file("script.toml", "quarantine = 2");
    let (server, admin) = counted(routes, 1);
    let quarantined = |route: &str| admin.scrape().value(&format!("vibrato_quarantined{{route=\"{route}\"}}"));
    assert_eq!((quarantined("script"), quarantined("hello")), (0.0, 0.0));
    wait_until("it is in quarantine", || {
        server.get("/script?trap");
        quarantined("script") == 1.0
    });
    assert_eq!((quarantined("hello"), &admin.stats()["quarantined"]), (0.0, &serde_json::json!(["script"])));
}

#[test]
fn every_metric_is_scraped_in_both_formats() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT), 1);
    server.get("/script?body=a");
    admin.scrape_after(1);
    let open = admin.ask("GET", "/metrics", "Host: localhost\r\nAccept: application/openmetrics-text\r\n");
    let plain = admin.get("/metrics");
    // Those of an engine are there if the host has one.
    for family in FAMILIES.iter().filter(|family| !family.name.starts_with("vibrato_engine_")) {
        assert!(plain.contains(&format!("\n# TYPE {} ", family.sample_name())), "{}", family.name);
        assert!(open.contains(&format!("\n# TYPE {} ", family.name)), "{}", family.name);
    }
}

#[test]
fn without_an_admin_listener_nothing_is_counted() {
    let server = TestServer::start(RoutesDir::new().with(guest::SCRIPT));
    let admin = server.admin(AdminSettings::default());
    server.get("/script?body=a");
    let response = server.exchange(get_and_close("/script?body=a"));
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_eq!(admin.scrape().sum("vibrato_requests_total"), 0.0);
}
