//! The admin listener: what it tells of a host, and that nobody else reaches it.

use std::process::Command;
use std::time::Duration;

use host::admin::{AdminSettings, MAX_VIEWERS};
use serde_json::Value;

use crate::support::wire::HELLO_RESPONSE_CLOSE;
use crate::support::{
    Admin, Client, Http2Client, Process, RoutesDir, TestServer, compile_cache, guest, host, text, wait_until,
};

fn served() -> (TestServer, Admin) {
    let server = TestServer::start(RoutesDir::new().with(guest::HELLO));
    let admin = server.admin(AdminSettings::default());
    (server, admin)
}

/// `host run` over the guest hello, not started.
fn command(routes: &RoutesDir, arguments: &[&str]) -> Command {
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--no-watch"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(compile_cache()).args(arguments);
    command
}

#[test]
fn it_tells_health_readiness_and_figures() {
    let (_server, admin) = served();
    assert_eq!(admin.told("/healthz"), (200, "ok".to_owned()));
    assert_eq!(admin.told("/readyz"), (200, "ready".to_owned()));
    assert!(admin.get("/").contains("\r\ncontent-type: text/html; charset=utf-8\r\n"));
    assert!(admin.get("/metrics").contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    let open = admin.ask("GET", "/metrics", "Host: [::1]\r\nAccept: application/openmetrics-text\r\n");
    assert!(
        open.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{open}"
    );
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    let stats = admin.stats();
    assert_eq!((&stats["ready"], &stats["workers"]), (&true.into(), &1.into()));
    for response in [admin.get("/"), admin.get("/healthz"), admin.get("/none")] {
        assert!(
            response.contains("\r\ncache-control: no-store\r\n")
                && response.contains("\r\nx-content-type-options: nosniff\r\n")
        );
        assert!(response.contains("\r\ncontent-security-policy: default-src 'none';"), "{response}");
    }
}

#[test]
fn it_only_reads() {
    let (_server, admin) = served();
    let heads = ["/healthz", "/readyz", "/metrics", "/stats.json", "/", "/stats/events"];
    for path in heads {
        let head = admin.ask("HEAD", path, "Host: localhost\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{path}: {head}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let response = admin.ask(method, "/metrics", "Host: localhost\r\n");
        assert!(response.starts_with("HTTP/1.1 405 ") && response.contains("\r\nallow: GET, HEAD\r\n"), "{response}");
    }
    assert!(admin.get("/Metrics").starts_with("HTTP/1.1 404 "));
    assert!(admin.get("/metrics/").starts_with("HTTP/1.1 404 "));
    assert!(admin.get("/metrics?name=x").starts_with("HTTP/1.1 200 "));
}

#[test]
fn no_route_answers_there() {
    let (server, admin) = served();
    let response = admin.get("/hello");
    assert!(response.starts_with("HTTP/1.1 404 ") && !response.contains("Hello"), "{response}");
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
}

#[test]
fn no_public_listener_leads_there() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let mut process = Process::spawn(
        command(
            &routes,
            &["--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0,proxy=required", "--trusted-proxy", "127.0.0.1"],
        ),
        2,
    );
    let admin = process.admin().address();
    let [public, proxied] = process.addresses() else { panic!("it has two") };
    let mut number = 0;
    for path in ["/metrics", "/healthz", "/readyz", "/stats.json", "/stats/events"] {
        for target in
            [path.to_owned(), format!("http://{admin}{path}"), format!("/{path}"), format!("http://localhost{path}")]
        {
            for host in [admin.to_string(), "localhost".to_owned(), public.to_string()] {
                let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
                let response = Client::connect(*public).exchange(&request);
                assert!(
                    response.starts_with("HTTP/1.1 404 ") && !response.contains("vibrato_"),
                    "{request}: {response}"
                );
                number += 1;
            }
        }
        let header = format!("PROXY TCP4 192.0.2.1 127.0.0.1 4000 {}\r\n", admin.port());
        let response = Client::connect(*proxied).exchange(header + &format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
        number += 1;
    }
    // All of them were requests of the public listeners.
    let admin = Admin::to(admin);
    assert_eq!(admin.scrape_after(number).sum("vibrato_requests_total") as u64, number);
}

#[test]
fn no_authority_of_http2_leads_there() {
    let (server, admin) = served();
    let authority = admin.address().to_string();
    let mut client = Http2Client::open(server.connect());
    for (stream, authority) in [(1, authority.as_str()), (3, "localhost")] {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", "/metrics")];
        client.head(stream, &fields, true);
        let lines = client.until_end_of(stream);
        assert!(lines[0].contains(" :status=404"), "{lines:?}");
    }
}

#[test]
fn a_page_of_another_site_reads_nothing() {
    let server = TestServer::start(RoutesDir::new().with(guest::HELLO));
    let admin = server.admin(AdminSettings { hosts: vec!["metrics.example".to_owned()], ..AdminSettings::default() });
    for host in ["evil.example", "127.0.0.1.evil.example", "metrics.example.evil"] {
        let refused = admin.ask("GET", "/metrics", &format!("Host: {host}\r\n"));
        assert!(
            refused.starts_with("HTTP/1.1 421 ") && refused.contains(&format!("--admin-host {host}\n")),
            "{refused}"
        );
        let refused = admin.ask("GET", &format!("http://{host}/metrics"), "Host: localhost\r\n");
        assert!(refused.starts_with("HTTP/1.1 421 "), "{refused}");
    }
    for host in ["metrics.example:9000", "10.0.0.1", "[::1]:1", "localhost", "it.localhost"] {
        let answered = admin.ask("GET", "/metrics", &format!("Host: {host}\r\n"));
        assert!(answered.starts_with("HTTP/1.1 200 "), "{host}: {answered}");
    }
    assert!(
        admin.connect().exchange("GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "),
        "a probe without Host"
    );
    let fetched =
        admin.ask("GET", "/stats/events", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n");
    assert!(fetched.starts_with("HTTP/1.1 403 "), "{fetched}");
    let linked = admin.ask("GET", "/", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n");
    assert!(linked.starts_with("HTTP/1.1 200 ") && !linked.to_ascii_lowercase().contains("access-control"), "{linked}");
}

#[test]
fn it_listens_for_this_machine_alone_unless_the_operator_consents() {
    let routes = RoutesDir::new().with(guest::HELLO);
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = command(&routes, &["--admin", address]).output().expect("it can be run");
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains("is not a loopback address; listen on 127.0.0.1"), "{told}");
        let mut process = Process::spawn(command(&routes, &["--admin", address, "--admin-public"]), 1);
        assert_ne!(process.admin().address().port(), 0);
    }
}

#[test]
fn a_unix_socket_is_for_the_operator_too() {
    let (routes, directory) = (RoutesDir::new().with(guest::HELLO), tempfile::tempdir().expect("it can be made"));
    let socket = directory.path().join("admin.sock");
    let process = Process::spawn(command(&routes, &["--admin", &format!("unix:{},mode=0660", socket.display())]), 1);
    let response =
        Client::connect_unix(&socket).exchange("GET /healthz HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    process.signal("TERM");
    assert!(process.wait().0.success());
    assert!(!socket.exists(), "its file is removed");
}

#[test]
fn a_worker_that_takes_no_turn_is_no_longer_healthy() {
    // Without a heartbeat, a worker takes no turn.
    let server = TestServer::start(RoutesDir::new().with(guest::HELLO));
    let admin = server.admin(AdminSettings { max_stall: Duration::from_millis(1), ..AdminSettings::default() });
    wait_until("it takes no turn", || admin.told("/healthz") == (503, "took no turn for 1ms: worker-0".to_owned()));
    assert_eq!(admin.told("/readyz").0, 200, "only its health is lost");
}

#[test]
fn a_host_that_is_to_stop_serves_on_while_it_says_so() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let (process, admin) = Process::start_with_admin(&routes, &["--drain-delay", "600"]);
    assert_eq!(admin.told("/readyz"), (200, "ready".to_owned()));
    let mut kept = process.connect();
    process.signal("TERM");
    wait_until("it says that it stops", || admin.told("/readyz") == (503, "the host stops".to_owned()));
    assert_eq!(process.get("/hello"), HELLO_RESPONSE_CLOSE);
    assert_eq!(kept.exchange(get_and_close!("/hello")), HELLO_RESPONSE_CLOSE);
    assert_eq!(admin.told("/healthz").0, 200);
    assert_eq!((admin.scrape().value("vibrato_ready"), &admin.stats()["draining"]), (0.0, &true.into()));
    process.stderr().wait_for(&["stopping in 600 s"]);
    process.signal("TERM");
    assert!(process.wait().0.success());
}

#[test]
fn after_the_delay_it_drains_and_still_tells() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let (process, admin) = Process::start_with_admin(&routes, &["--drain-delay", "0.01"]);
    let mut waiting = process.connect();
    waiting.send(get_and_close!("/script?write=Hello&sleep=600000"));
    waiting.read_until("Hello\r\n");
    process.signal("TERM");
    process.stderr().wait_for(&["stopping: waiting for requests in flight"]);
    assert_eq!(admin.told("/readyz"), (503, "the host stops".to_owned()));
    process.signal("TERM");
    assert!(process.wait().0.success());
}

#[test]
fn it_is_not_ready_before_its_routes_are_loaded() {
    let routes = RoutesDir::new().with(guest::HELLO);
    // Nothing is in this cache, so that compiling takes longer than the start.
    let cache = tempfile::tempdir().expect("it can be made");
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--no-watch"]);
    command.arg("--routes").arg(routes.path()).arg("--cache-dir").arg(cache.path());
    let mut process = Process::spawn(command, 1);
    let admin = process.admin();
    let first = admin.told("/readyz");
    assert!(first == (503, "routes are being loaded".to_owned()) || first.0 == 200, "{first:?}");
    assert_eq!(admin.told("/healthz").0, 200);
    process.stderr().wait_for(&["routes loaded"]);
    wait_until("it is ready", || admin.told("/readyz").0 == 200);
}

#[test]
fn hostile_requests_are_bounded() {
    let (_server, admin) = served();
    let long = admin.ask("GET", "/metrics", &format!("Host: localhost\r\nA: {}\r\n", "x".repeat(20_000)));
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    let many = admin.ask("GET", "/metrics", &format!("Host: localhost\r\n{}", "A: b\r\n".repeat(100)));
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    for request in ["\r\n\r\nnonsense\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n"] {
        let mut client = admin.connect();
        client.send(request);
        let (response, _) = client.read_until_end();
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 400 "), "{response}");
    }
    assert!(admin.ask("GET", "/metrics", "Host: a\r\nHost: a\r\n").starts_with("HTTP/1.1 400 "));
    // As many connections as it has, none of which sends anything, hold up the next until one of them goes.
    let mut silent: Vec<Client> = (0..64).map(|_| admin.connect()).collect();
    let mut next = admin.connect();
    next.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    silent.clear();
    assert!(next.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn each_viewer_is_told_again_and_again_and_there_are_not_too_many() {
    let (server, admin) = served();
    let mut viewers: Vec<Client> = (0..MAX_VIEWERS).map(|_| admin.connect()).collect();
    for viewer in &mut viewers {
        viewer.send("GET /stats/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(viewer.read_until("\r\n\r\n").contains("\r\ncontent-type: text/event-stream\r\n"));
    }
    let refused = admin.get("/stats/events");
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nretry-after: 5\r\n"), "{refused}");
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    for viewer in &mut viewers[..3] {
        let events = [(); 2].map(|()| {
            viewer.read_until("event: stats\ndata: ");
            viewer.read_until("\n\n")
        });
        let [first, second] = events.map(|event| serde_json::from_str::<Value>(&event).expect("it is JSON"));
        assert!(second["time"].as_f64() > first["time"].as_f64(), "{first} {second}");
    }
    drop(viewers);
    wait_until("another is served", || {
        let mut viewer = admin.connect();
        viewer.send("GET /stats/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        viewer.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 ")
    });
}

#[test]
fn mistakes_are_told_before_it_listens() {
    let routes = RoutesDir::new().with(guest::HELLO);
    let rows: [(&[&str], &str); 6] = [
        (&["--admin", "https://127.0.0.1:0"], "expected an address without https:// and without proxy=required"),
        (&["--admin", "127.0.0.1:0,proxy=required"], "expected an address without https://"),
        (&["--admin", "9000"], "expected host:port"),
        (&["--admin", "fd:admin"], "`--admin fd:admin`: there is no such socket"),
        (&["--admin-public"], "--admin <ADDR>"),
        (&["--admin-host", "a"], "--admin <ADDR>"),
    ];
    for (arguments, expected) in rows {
        let output = command(&routes, arguments).output().expect("it can be run");
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains(expected), "{arguments:?}: {told}");
    }
}
