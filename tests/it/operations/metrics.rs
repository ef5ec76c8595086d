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
    let metrics = admin.scrape();
    assert_eq!(metrics.value("vibrato_parked{route=\"script\"}"), 1.0);
    assert_eq!((metrics.value("vibrato_connections"), metrics.value("vibrato_workers")), (1.0, 1.0));
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
fn every_metric_is_scraped_in_both_formats() {
    let (server, admin) = counted(RoutesDir::new().with(guest::SCRIPT), 1);
    server.get("/script?body=a");
    admin.scrape_after(1);
    let open = admin.ask("GET", "/metrics", "Host: localhost\r\nAccept: application/openmetrics-text\r\n");
    let plain = admin.get("/metrics");
    for family in FAMILIES {
        assert!(plain.contains(&format!("\n# TYPE {} ", family.sample_name())), "{}", family.name);
        assert!(open.contains(&format!("\n# TYPE {} ", family.name)), "{}", family.name);
        assert!(plain.contains(&format!("\n{}", family.sample_name())), "{} has a sample", family.name);
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
