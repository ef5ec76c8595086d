//! Routes that the host runs by a timer, without a client.

use host::routes::TIMER_METHOD;

use crate::support::wire::{get, get_and_close};
use crate::support::{Client, Process, RoutesDir, TestServer, guest, host, log, run, text};

const OPEN: &str = ok_chunked!("4\r\nopen\r\n");

/// The guest `ticks` as the route `name`, which runs each tenth of a second.
fn ticks(name: &str, options: &str) -> RoutesDir {
    let file = format!("path = '/{name}'\n{options}\n[timer]\nevery = 0.1\n");
    RoutesDir::new().with_as(&format!("{name}.wasm"), guest::TICKS).with_file(&format!("{name}.toml"), &file)
}

/// A client that hears the ticks of a route.
fn listen(server: &TestServer, name: &str) -> Client {
    let mut client = server.connect();
    client.send(get(&format!("/{name}")));
    client.expect(OPEN);
    client
}

/// The chunk that a run of a route publishes.
fn tick(name: &str) -> String {
    let text = format!("TIMER /{name} timer");
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[test]
fn a_timer_runs_its_route_again_and_again_with_a_request_that_no_client_can_send() {
    let server = TestServer::start(ticks("clock_a", ""));
    assert_eq!(server.diagnostics(), []);
    let mut client = listen(&server, "clock_a");
    for _ in 0..3 {
        client.expect(&tick("clock_a"));
    }
    let refused = server.exchange("TIMER /clock_a HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 501 Not Implemented\r\n"), "{refused}");
}

#[test]
fn what_a_run_writes_is_dropped_and_never_holds_it_up() {
    let server = TestServer::start(ticks("clock_b", "does = 'write'\nbuffer_size = 1000"));
    let mut client = listen(&server, "clock_b");
    for _ in 0..2 {
        client.expect(&tick("clock_b"));
        client.expect("7\r\nwritten\r\n");
    }
}

#[test]
fn a_run_that_leaves_its_response_open_leaves_nothing() {
    let server = TestServer::start(ticks("clock_c", "does = 'manual'"));
    let mut client = listen(&server, "clock_c");
    for _ in 0..3 {
        client.expect(&tick("clock_c"));
    }
    assert_eq!(server.parked(), 1, "only that of the client");
}

#[test]
fn a_run_that_fails_is_logged_and_the_next_one_comes() {
    let server = TestServer::start(ticks("clock_d", "does = 'trap'"));
    let mut client = listen(&server, "clock_d");
    for _ in 0..2 {
        client.expect(&tick("clock_d"));
    }
    log().wait_for(&["ERROR", "handler clock_d "]);
}

#[test]
fn a_run_ends_at_the_timeout_of_its_route_and_meanwhile_no_other_begins() {
    let server = TestServer::start(ticks("clock_e", "does = 'sleep'\ntimeout = 0.35"));
    let mut client = listen(&server, "clock_e");
    client.expect(&tick("clock_e"));
    log().wait_for(&["ERROR", "handler clock_e passed its timeout", "publish", "`[timer]`"]);
    log().wait_for(&["WARN", "the timer of clock_e has skipped 1 runs", "raise `every`"]);
    client.expect(&tick("clock_e"));
}

#[test]
fn a_run_has_a_permit_like_any_other() {
    let routes = ticks("clock_f", "does = 'sleep'\ntimeout = 60\nconcurrency = 1");
    let server = TestServer::start(routes);
    let mut client = listen(&server, "clock_f");
    client.expect(&tick("clock_f"));
    // While the run sleeps, there is no place for another client.
    let refused = server.get("/clock_f");
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
}

#[test]
fn middleware_is_for_clients_and_not_for_a_timer() {
    let routes = ticks("clock_g", "middleware = ['gate']").with_as("_gate.wasm", guest::LAYER);
    let server = TestServer::start(routes.with_file("_gate.toml", "name = 'a'"));
    let mut client = server.connect();
    client.send(get("/clock_g"));
    client.read_until("open\r\n");
    client.expect(&tick("clock_g"));
}

#[test]
fn a_route_for_websockets_is_run_by_its_timer_too() {
    let server = TestServer::start(
        ticks("clock_h", "")
            .with_as("socket.wasm", guest::WS_ECHO)
            .with_file("socket.toml", "path = '/socket'\n[timer]\nevery = 0.1"),
    );
    assert_eq!(server.diagnostics(), []);
    log().wait_for(&["handler socket has exited with the connection possibly left open"]);
}

#[test]
fn components_of_wasi_http_see_the_method_of_a_timer() {
    let names = ["timed2", "timed3"];
    let routes =
        RoutesDir::new().with_as("timed2.wasm", guest::WASI_SCRIPT).with_as("timed3.wasm", guest::WASI_SCRIPT_P3);
    let routes =
        names.iter().fold(routes, |routes, name| routes.with_file(&format!("{name}.toml"), "[timer]\nevery = 0.1\n"));
    let _server = TestServer::start(routes);
    // Without steps the guest gives no response, which its log says.
    for name in names {
        log().wait_for(&[&format!("handler {name} ")]);
    }
}

#[test]
fn each_run_is_a_line_of_the_access_log_whose_client_is_the_timer() {
    let process = Process::start(&ticks("clock_i", ""), &["--access-log", "text"]);
    let mut client = process.connect();
    client.send(get_and_close("/clock_i"));
    client.read_until(&tick("clock_i"));
    client.read_until(&tick("clock_i"));
    drop(client);
    process.signal("TERM");
    let (status, printed) = process.wait();
    assert!(status.success());
    let line = " timer TIMER /clock_i HTTP/1.1 200 body=7 ";
    assert!(printed.lines().any(|logged| logged.contains(line) && logged.contains(" route=clock_i ")), "{printed}");
}

#[test]
fn a_timer_ends_with_the_server_and_a_run_is_waited_for() {
    let server = TestServer::start(ticks("clock_j", "does = 'sleep'\ntimeout = 0.3"));
    let mut client = listen(&server, "clock_j");
    client.expect(&tick("clock_j"));
    server.stop();
    client.expect("0\r\n\r\n");
    server.join();
    log().wait_for(&["handler clock_j passed its timeout"]);
}

#[test]
fn a_reload_changes_what_a_timer_runs() {
    let server = TestServer::start(ticks("clock_k", ""));
    let mut client = listen(&server, "clock_k");
    client.expect(&tick("clock_k"));
    server.routes().write("clock_k.toml", "path = '/other_k'\n[timer]\nevery = 0.1\n");
    server.reload();
    client.read_until(&tick("other_k"));
}

#[test]
fn what_is_wrong_with_a_timer_is_told_with_its_line() {
    let write = "write it as `[timer]` and below it `every = 5`";
    let table = [
        ("timer = 5", "line 1: the timer is no table; expected `[timer]` with the key `every`", write),
        (
            "[timer]",
            "line 1: the timer has no `every`; expected the seconds from one run to the next, as in every = 5",
            write,
        ),
        (
            "[timer]\nevery = 0",
            "line 2: the timer has `every` = 0; expected a number of seconds from 0.1 to 31536000",
            write,
        ),
        (
            "[timer]\nevery = -1.5",
            "line 2: the timer has `every` = -1.5; expected a number of seconds from 0.1 to 31536000",
            write,
        ),
        (
            "[timer]\nevery = nan",
            "line 2: the timer has `every` = NaN; expected a number of seconds from 0.1 to 31536000",
            write,
        ),
        (
            "[timer]\nevery = 'often'",
            "line 2: the timer has `every` = often; expected a number of seconds from 0.1 to 31536000",
            write,
        ),
        ("[timer]\nevery = 1\n\nafter = 2", "line 4: the timer has the key `after`; expected `every` alone", write),
        (
            "paths = ['/a/{b}', '/c/{*d}']\n[timer]\nevery = 1",
            "line 2: the timer has no path: each path of the route captures something",
            "add a path without captures to `paths`, as in paths = [\"/clock\", \"/clock/{city}\"]",
        ),
        (
            "method = 'TIMER'",
            "line 1: method `TIMER` is that of the host's timer, and no client's; expected another",
            "write what is expected in its place",
        ),
    ];
    for (file, reason, remedy) in table {
        let routes = RoutesDir::new().with_as("wrong.wasm", guest::TICKS).with_file("wrong.toml", file);
        let server = TestServer::start(routes);
        let told: Vec<_> = server.diagnostics().iter().map(|it| (it.reason.as_str(), it.remedy.as_str())).collect();
        assert_eq!(told, [(reason, remedy)], "{file}");
    }
    let routes = RoutesDir::new().with(guest::TICKS).with_as("_middleware.wasm", guest::LAYER);
    let routes = routes.with_file("_middleware.toml", "[timer]\nevery = 1");
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics()[0].reason, "line 1: a middleware has no `timer`");
    assert_eq!(TIMER_METHOD, "TIMER");
}

#[test]
fn routes_shows_the_timer_of_a_route() {
    let routes = ticks("clock_l", "");
    let shown = |arguments: &[&str]| {
        let output = run(host(&["routes", "--no-cache"]).args(arguments).arg("--routes").arg(routes.path()));
        text(&output.stdout).to_owned()
    };
    assert!(shown(&[]).contains("    timer every 0.1 s at /clock_l (file)\n"));
    let table: serde_json::Value = serde_json::from_str(&shown(&["--json"])).expect("it is JSON");
    assert_eq!(table["routes"][0]["timer"], serde_json::json!({ "every": 0.1, "target": "/clock_l" }));
}
