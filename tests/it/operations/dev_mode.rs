//! `--dev`: what those who write handlers are shown, and nobody else.

use host::config::ErrorDetail;

use crate::support::{Process, RoutesDir, TestServer, guest, host, run, text};

const TIMING: &str = "\r\nServer-Timing: queue;dur=";

fn server(routes: RoutesDir) -> TestServer {
    TestServer::builder(routes).error_detail(ErrorDetail::Development).start()
}

#[test]
fn a_path_without_a_route_suggests_similar_ones() {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_as("users/[id].wasm", guest::HELLO)
        .with_as("help.wasm", guest::HELLO);
    let routes = routes.with_file("users/[id].toml", "path = '/users/{id}'\nmethods = ['PUT']");
    let routes = routes.with_file("help.toml", "path = '/help'");
    let place = routes.path().display().to_string();
    let server = server(routes);
    let body = |target: &str| {
        let answer = server.get(target);
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
    };
    assert_eq!(
        body("/halp"),
        format!(
            "there is no route at /halp\n\nRoutes that are near:\n  /help ({place}/help.wasm): one letter is different\n\
             \nrequest 1\n"
        )
    );
    assert_eq!(
        body("/users"),
        format!(
            "there is no route at /users\n\nRoutes that are near:\n  PUT /users/{{id}} ({place}/users/[id].wasm): \
             it begins in the same way\n\nrequest 2\n"
        )
    );
    assert!(body("/zzzzzzzz").contains("Of the 4 paths that have a route none is like it"), "{}", body("/zzzzzzzz"));
    assert!(body("/users/7").contains(&format!("The routes there:\n  PUT /users/{{id}} ({place}/users/[id].wasm)\n")));
}

#[test]
fn a_failure_shows_why_and_where_in_readable_names() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::TRAP);
    let server = server(routes);
    let answer = server.get("/script?fail=tea");
    assert!(answer.contains("\r\n\r\nInternal Server Error\n\nhandler script failed: tea\n"), "{answer}");
    assert!(answer.contains(TIMING), "{answer}");
    let answer = server.get("/trap");
    assert!(answer.contains("\r\n\r\nInternal Server Error\n\nhandler trap wasm trap: "), "{answer}");
    assert!(answer.contains(" - trap") && answer.contains("!handle\n"), "{answer}");
    assert!(!answer.contains("_ZN"), "names are readable: {answer}");
    let page = "GET /trap HTTP/1.1\r\nHost: it\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let page = server.exchange(page);
    assert!(page.contains("<pre class=\"error\"><b>handler trap wasm trap: "), "{page}");
}

#[test]
fn a_panic_leads_with_its_message_and_its_place_in_the_source() {
    let server = server(RoutesDir::new().with(guest::PANICS).with(guest::TRAP));
    let answer = server.get("/panics");
    let place = "tests/guests/examples/panics.rs:7:5";
    let lead =
        format!("\r\n\r\nInternal Server Error\n\npanic: this handler always panics\n  at {place}\n\nhandler panics ");
    assert!(answer.contains(&lead), "{answer}");
    assert!(answer.contains(" frames of the runtime)\n") && !answer.contains("panic_with_hook"), "{answer}");
    let page = "GET /panics HTTP/1.1\r\nHost: it\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let page = server.exchange(page);
    let lead = format!("<pre class=\"error\"><b>panic: this handler always panics</b>\n  at {place}</pre>");
    assert!(page.contains(&lead), "{page}");
    assert!(page.contains("panic_with_hook") && page.contains(" frames of the runtime</summary><pre>"), "{page}");
}

#[test]
fn a_failure_shows_what_was_printed_before_it() {
    let server = server(RoutesDir::new().with(guest::SCRIPT).with(guest::TRAP));
    let answer = server.get("/script?stderr=one&stdout=two&trap");
    let shown = "Internal Server Error\n\nIt had printed:\n  one\n  two\n\nhandler script wasm trap: ";
    assert!(answer.contains(shown), "{answer}");
    // What another request has printed is not its.
    assert!(!server.get("/trap").contains("It had printed"));
}

const HELLO: &str = "HTTP/1.1 200 OK\r\n";
const MISDIRECTED: &str = "HTTP/1.1 421 Misdirected Request\r\n";

/// What a request with these lines gets.
fn send_lines(process: &Process, lines: &str) -> String {
    process.connect().exchange(format!("{lines}Connection: close\r\n\r\n"))
}

#[test]
fn dev_mode_serves_names_of_loopback_alone() {
    let process = Process::start(&RoutesDir::new().with(guest::HELLO), &["--dev", "--dev-host", "Dev.Example"]);
    let port = process.addresses()[0].port();
    for host in ["localhost", "LOCALHOST:1", "a.localhost:80", "127.0.0.1", "127.1.2.3:80", "[::1]", "dev.example:99"] {
        let answer = send_lines(&process, &format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n"));
        assert!(answer.starts_with(HELLO), "{host}: {answer}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "sub.dev.example"] {
        for target in ["/hello", "/helo", "/"] {
            let answer = send_lines(&process, &format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
            assert!(answer.starts_with(MISDIRECTED), "{host}: {answer}");
            let told =
                format!("--dev serves names of loopback alone, and not {host}; for that, say --dev-host {host}\n");
            assert!(answer.contains(&told), "{answer}");
            assert!(!answer.contains("/hello ("), "no route is named: {answer}");
        }
    }
    // It is the name of the target that counts (RFC 9112 section 3.2.2).
    let absolute = send_lines(&process, "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n");
    assert!(absolute.starts_with(MISDIRECTED), "{absolute}");
    let mut client = process.connect();
    client.send(format!("GET /hello HTTP/1.1\r\nHost: evil.example\r\n{}\r\n", crate::support::websocket::HANDSHAKE));
    client.read_until(MISDIRECTED);
    // No browser asks without a name.
    assert!(send_lines(&process, "GET /hello HTTP/1.0\r\n").starts_with(HELLO));
}

#[test]
fn without_dev_any_host_name_is_served() {
    let process = Process::start(&RoutesDir::new().with(guest::HELLO), &[]);
    assert!(send_lines(&process, "GET /hello HTTP/1.1\r\nHost: evil.example\r\n").starts_with(HELLO));
    for arguments in
        [&["--dev-host", "a.example"][..], &["--dev", "--dev-host", "a.example:80"], &["--dev", "--dev-host", ""]]
    {
        let mut command = host(&["run"]);
        assert_eq!(run(command.args(arguments)).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn without_dev_no_reason_route_or_time_is_shown() {
    let server = TestServer::start(RoutesDir::new().with(guest::SCRIPT).with(guest::TRAP).with(guest::HELLO));
    for target in ["/trap", "/script?fail=tea", "/helo", "/script?body=a", "/script?write=a"] {
        let answer = server.get(target);
        for shown in ["backtrace", "tea", "/hello", "Server-Timing"] {
            assert!(!answer.contains(shown), "{target}: {answer}");
        }
    }
}

#[test]
fn every_answer_of_a_handler_says_what_it_cost_until_its_head() {
    let server = server(RoutesDir::new().with(guest::SCRIPT));
    for target in ["/script?body=a", "/script?write=a", "/script?write=a&trap", "/script?end", "/script?status=204"] {
        let answer = server.get(target);
        assert_eq!(answer.matches(TIMING).count(), 1, "{target}: {answer}");
        let timing = answer.split(TIMING).nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default();
        let figures: Vec<f64> = format!("queue;dur={timing}")
            .split(", ")
            .zip(["queue;dur=", "instantiate;dur=", "run;dur="])
            .map(|(part, name)| {
                part.strip_prefix(name).and_then(|figure| figure.parse().ok()).expect("it has all three")
            })
            .collect();
        assert!(figures.len() == 3 && figures[1] > 0.0, "{target}: {figures:?}");
    }
    assert!(!server.get("/none").contains(TIMING));
}

#[test]
fn dev_mode_warns_at_its_start_and_logs_requests() {
    let process = Process::start(&RoutesDir::new().with(guest::SCRIPT), &["--dev", "--dev-host", "it"]);
    process.stderr().wait_for(&[" WARN ", "--dev: error pages show", "to everybody who can connect"]);
    process.get("/script");
    process.signal("TERM");
    let (_, printed) = process.wait();
    assert!(printed.contains(" 127.0.0.1 GET /script HTTP/1.1 200 "), "{printed}");
}

#[test]
fn dev_mode_is_refused_on_public_addresses() {
    let routes = RoutesDir::new();
    let mut command = host(&["run", "--dev", "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0", "--no-cache"]);
    let output = run(command.arg("--routes").arg(routes.path()));
    let told = text(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(told.contains("--dev shows backtraces and routes to everybody who can connect, and 0.0.0.0:"), "{told}");
    assert!(told.contains("is not a loopback address; listen on 127.0.0.1 or [::1], or leave out --dev"), "{told}");
}
