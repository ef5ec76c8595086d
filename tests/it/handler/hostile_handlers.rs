//! Handlers that loop, eat, fail and flood: the client gets what the outcome table says, the log says why, everybody
//! else is served, and nothing is left behind.
//!
//! Every server here has room for a single invocation unless a test needs more, so that one that leaked would show in
//! the next answer.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use artifacts::Guest;
use host::options::Value;
use socket2::SockRef;

use crate::support::wire::{
    GATEWAY_TIMEOUT_CLOSE, HELLO_RESPONSE_CLOSE, INTERNAL_SERVER_ERROR_CLOSE, TOO_MANY_REQUESTS_CLOSE, get,
    get_and_close,
};
use crate::support::{Client, RoutesDir, TIMEOUT, TestServer, guest, log};

const BEGUN: &str = ok_chunked_close!("4\r\none\n\r\n");

/// The first line of a Wasm backtrace.
const BACKTRACE: &str = "error while executing at wasm backtrace:\n    0: ";

/// A guest that fails at once, and what becomes of it.
struct Failure {
    guest: Guest,
    response: &'static str,
    /// What the log says after the handler's name.
    logged: &'static [&'static str],
}

const FAILURES: [Failure; 8] = [
    Failure {
        guest: guest::TRAP,
        response: INTERNAL_SERVER_ERROR_CLOSE,
        logged: &[" wasm trap: wasm `unreachable` instruction executed\n", BACKTRACE],
    },
    Failure {
        guest: guest::PANICS,
        response: INTERNAL_SERVER_ERROR_CLOSE,
        logged: &[" wasm trap: wasm `unreachable` instruction executed\n", BACKTRACE],
    },
    Failure {
        guest: guest::RECURSE,
        response: INTERNAL_SERVER_ERROR_CLOSE,
        logged: &[" wasm trap: out of bounds memory access\n", BACKTRACE],
    },
    Failure {
        guest: guest::EAT_MEMORY,
        response: INTERNAL_SERVER_ERROR_CLOSE,
        logged: &[" reached its memory limit of 33554432 bytes; wasm trap: ", BACKTRACE],
    },
    Failure { guest: guest::SPIN, response: GATEWAY_TIMEOUT_CLOSE, logged: &[" passed its timeout\n", BACKTRACE] },
    Failure {
        guest: guest::SLEEPS,
        response: GATEWAY_TIMEOUT_CLOSE,
        logged: &[" passed its timeout; it was waiting in a call to the host"],
    },
    Failure {
        guest: guest::TRAP_AFTER_HEAD,
        response: BEGUN,
        logged: &[" wasm trap: wasm `unreachable` instruction executed\n", BACKTRACE],
    },
    Failure { guest: guest::SPIN_AFTER_HEAD, response: BEGUN, logged: &[" passed its timeout\n", BACKTRACE] },
];

#[test]
fn a_handler_that_fails_is_answered_and_logged_and_frees_its_permit() {
    let place = |guest: Guest| format!("failures-{guest}.wasm");
    let routes = FAILURES.iter().fold(RoutesDir::new().with(guest::HELLO), |routes, failure| {
        routes
            .with_as(&place(failure.guest), failure.guest)
            .with_file(&format!("failures-{}.toml", failure.guest), &format!("path = '/{}'", failure.guest))
    });
    let server = TestServer::builder(routes)
        .option("timeout", Value::Float(0.3))
        .option("memory", Value::Integer(33_554_432))
        .limits(|limits| limits.max_invocations = 1)
        .start();
    assert_eq!(server.diagnostics(), []);
    let mut request = 0;
    for Failure { guest, response, logged } in FAILURES {
        for _ in 0..3 {
            request += 1;
            assert_eq!(server.get(&format!("/{guest}")), response, "{guest}");
            let name = format!("failures-{guest}");
            let said = format!("handler {name}{}", logged[0]);
            let numbered = format!(" route=\"{name}\" request={request}\n");
            let line = log().wait_for(&[&said, &numbered]);
            assert!(logged.iter().all(|part| line.contains(part)), "{line}");
            request += 1;
            assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE, "after {guest}");
        }
    }
}

#[test]
fn other_routes_answer_while_handlers_never_end() {
    let never_ending = [guest::SPIN, guest::SLEEPS, guest::SPIN_AFTER_HEAD];
    let routes = never_ending.iter().fold(RoutesDir::new().with(guest::HELLO), |routes, guest| routes.with(*guest));
    let server = TestServer::builder(routes).option("timeout", Value::Integer(2)).start();
    let mut clients = never_ending.map(|guest| {
        let mut client = server.connect();
        client.send(get_and_close(&format!("/{guest}")));
        client
    });
    clients[2].expect(BEGUN);
    for _ in 0..10 {
        assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    }
    clients.iter_mut().for_each(|client| client.expect_silence(Duration::from_millis(1)));
    assert_eq!(
        clients.each_mut().map(|client| client.read_to_end()),
        [GATEWAY_TIMEOUT_CLOSE, GATEWAY_TIMEOUT_CLOSE, ""]
    );
}

#[test]
fn connections_from_just_before_a_stop_are_served_while_a_handler_spins() {
    let routes = RoutesDir::new().with(guest::HELLO).with(guest::SPIN);
    let server = TestServer::builder(routes).option("timeout", Value::Float(0.5)).start();
    let mut spinning = server.connect();
    spinning.send(get!("/spin"));
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    let request = get_and_close!("/hello");
    clients.iter_mut().for_each(|client| client.send(request));
    server.stop();
    clients.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), HELLO_RESPONSE_CLOSE));
    server.join();
}

#[test]
fn requests_from_just_before_a_stop_are_served_on_connections_that_rested_while_a_handler_spins() {
    let routes = RoutesDir::new().with(guest::HELLO).with(guest::SPIN);
    let server = TestServer::builder(routes).option("timeout", Value::Float(0.5)).start();
    let mut spinning = server.connect();
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    let rested = Instant::now() + Duration::from_millis(100);
    // A stop waits for the first request of a connection that has just come: these have rested since.
    while Instant::now() < rested {
        for client in &mut clients {
            client.send(get!("/hello"));
            client.read_response();
        }
    }
    spinning.send(get!("/spin"));
    let request = get_and_close!("/hello");
    clients.iter_mut().for_each(|client| client.send(request));
    server.stop();
    clients.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), HELLO_RESPONSE_CLOSE));
    server.join();
}

/// The component `plain` with `code` in place of its core function.
fn handler(code: &str) -> Vec<u8> {
    let text = guest::PLAIN_WAT;
    let body = "(func (export \"handle\") (result i32) (i32.const 0))";
    assert!(text.contains(body), "the handler is where it is looked for");
    wat::parse_str(text.replace(body, code)).expect("the text is a component")
}

#[test]
fn a_handler_that_fills_the_stack_of_its_calls_is_answered_and_logged() {
    let recursing = handler("(func $handle (export \"handle\") (result i32) (i32.add (call $handle) (i32.const 1)))");
    let server = TestServer::start(RoutesDir::new().with_bytes("deeper.wasm", &recursing));
    assert_eq!(server.get("/deeper"), INTERNAL_SERVER_ERROR_CLOSE);
    log().wait_for(&["handler deeper wasm trap: call stack exhausted\n", BACKTRACE, " route=\"deeper\" request=1\n"]);
}

#[test]
fn the_names_of_functions_cannot_forge_a_line_of_the_log_nor_drive_a_terminal() {
    let long = "x".repeat(10_000);
    let code = format!(
        r#"(func $trap (@name "a\0a2000-01-01 ERROR host: forged\1b[2J") unreachable)
           (func $long (@name "{long}") call $trap)
           (func (export "handle") (result i32) (call $long) (i32.const 0))"#
    );
    let server = TestServer::start(RoutesDir::new().with_bytes("forging.wasm", &handler(&code)));
    assert_eq!(server.get("/forging"), INTERNAL_SERVER_ERROR_CLOSE);
    let line = log().wait_for(&["handler forging wasm trap: ", BACKTRACE, " route=\"forging\" request=1\n"]);
    let names: Vec<&str> = line.lines().filter_map(|line| Some(line.split_once('!')?.1)).collect();
    assert_eq!(names[0], r"a\n2000-01-01 ERROR host: forged\u{1b}[2J");
    assert_eq!(names[1], format!("{}...", "x".repeat(256)));
    assert_eq!(names.len(), 3, "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
}

#[test]
fn a_component_may_have_four_memories_and_one_with_five_is_no_route() {
    let with = |more: usize| {
        let modules: String =
            (0..more).map(|n| format!("(core module $m{n} (memory 1)) (core instance (instantiate $m{n}))")).collect();
        handler(&format!("(func (export \"handle\") (result i32) (i32.const 0))) {modules} (core module $last"))
    };
    let routes = RoutesDir::new().with_bytes("four.wasm", &with(3)).with_bytes("five.wasm", &with(4));
    let server = TestServer::start(routes);
    assert!(server.get("/four").ends_with("\r\n\r\n5\r\nplain\r\n0\r\n\r\n"));
    let [diagnostic] = server.diagnostics() else { panic!("one component has too many") };
    assert_eq!(diagnostic.reason, "it has 5 memories; this host allows at most 4");
}

#[test]
fn the_memories_of_an_invocation_are_limited_together() {
    // One memory of 64 KiB that grows by 2 MiB, or it traps, and another of 3 MiB: 5,308,416 bytes.
    let growing = "(func (export \"handle\") (result i32)
        (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))
        (i32.const 0)))
        (core module $other (memory 48))
        (core instance (instantiate $other)";
    let routes = RoutesDir::new()
        .with_bytes("roomy.wasm", &handler(growing))
        .with_file("roomy.toml", "memory = 5_308_416")
        .with_bytes("tight.wasm", &handler(growing))
        .with_file("tight.toml", "memory = 5_308_415")
        .with_bytes("narrow.wasm", &handler(growing))
        .with_file("narrow.toml", "memory = 3_145_728");
    let server = TestServer::start(routes);
    assert!(server.get("/roomy").ends_with("\r\n\r\n5\r\nplain\r\n0\r\n\r\n"));
    assert_eq!(server.get("/tight"), INTERNAL_SERVER_ERROR_CLOSE);
    log().wait_for(&[
        "handler tight reached its memory limit of 5308415 bytes; wasm trap: wasm `unreachable`",
        BACKTRACE,
    ]);
    assert!(server.get("/narrow").starts_with("HTTP/1.1 404 "), "it was found out when it was loaded");
    let [diagnostic] = server.diagnostics() else { panic!("one component cannot start") };
    // In other words where the cache knows by now what it takes.
    assert!(diagnostic.reason.contains("memory") && diagnostic.reason.contains("3145728"), "{diagnostic:?}");
}

#[test]
fn a_panic_says_its_message_in_the_log() {
    let routes =
        RoutesDir::new().with_as("says-why.wasm", guest::PANICS).with_file("says-why.toml", "path = '/panics'");
    let server = TestServer::start(routes);
    assert_eq!(server.get("/panics"), INTERNAL_SERVER_ERROR_CLOSE);
    let fields = " route=\"says-why\" request=1 stream=\"stderr\"\n";
    log().wait_for(&["INFO guest: this handler always panics", fields]);
}

#[test]
fn an_error_of_a_handler_is_a_500_and_a_line_of_the_log() {
    let routes = RoutesDir::new().with_as("failing.wasm", guest::FAILS).with_file("failing.toml", "path = '/fails'");
    let server = TestServer::builder(routes).limits(|limits| limits.max_invocations = 1).start();
    assert_eq!(server.get("/fails"), INTERNAL_SERVER_ERROR_CLOSE);
    assert_eq!(
        server.get("/fails?write=abc"),
        "HTTP/1.1 201 Created\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 1000\r\n\
         Connection: close\r\n\r\nabc"
    );
    for request in [1, 2] {
        let fields = format!(" route=\"failing\" request={request}\n");
        log().wait_for(&["ERROR ", "handler failing failed: this handler always fails", &fields]);
    }
}

#[test]
fn a_body_past_the_limit_of_the_handler_itself_is_answered_413() {
    assert_eq!(
        TestServer::serving(guest::FAILS).exchange(
            "POST /fails?limit=4 HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\nConnection: close\r\n\r\nHello"
        ),
        "HTTP/1.1 413 Content Too Large\r\nDate: <date>\r\ncontent-type: text/plain; charset=utf-8\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n12\r\nContent Too Large\n\r\n0\r\n\r\n"
    );
}

#[test]
fn a_gibibyte_arrives_whole() {
    let server = TestServer::serving(guest::GIGABYTE);
    let mut client = server.connect();
    let start = Instant::now();
    client.send(get_and_close!("/gigabyte"));
    client.read_until("\r\n\r\n");
    let mut chunk = b"4000\r\n".to_vec();
    chunk.extend_from_slice(&[b'x'; 16_384]);
    chunk.extend_from_slice(b"\r\n");
    for number in 0..65_536 {
        assert!(client.read_exactly(chunk.len()) == chunk, "chunk {number}");
    }
    assert_eq!(client.read_to_end(), "0\r\n\r\n");
    // Paced by nothing it takes a second or so: far from its time-out.
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
}

#[test]
fn a_handler_gets_an_error_when_its_client_disconnects() {
    let routes = RoutesDir::new()
        .with_as("told-endless.wasm", guest::ENDLESS)
        .with_as("told-gigabyte.wasm", guest::GIGABYTE)
        .with(guest::HELLO);
    let server = TestServer::builder(routes).limits(|limits| limits.max_invocations = 1).start();
    for path in ["/told-endless", "/told-gigabyte", "/told-endless"] {
        let mut client = server.connect();
        client.send(get(path));
        client.read_exactly(1_000_000);
        drop(client);
        wait_until_served(&server, "/hello");
    }
    // It came to its end by itself, before its grace was over.
    assert_eq!(log().with(&["handler told-"]), [""; 0]);
}

#[test]
fn a_handler_that_spins_after_its_client_disconnected_ends_after_its_grace() {
    let routes = RoutesDir::new().with_as("graceless.wasm", guest::SCRIPT).with(guest::HELLO);
    let server = TestServer::builder(routes)
        .option("timeout", Value::Integer(3600))
        .timeouts(|timeouts| timeouts.grace = Duration::from_millis(200))
        .limits(|limits| limits.max_invocations = 1)
        .start();
    let socket = TcpStream::connect(server.address()).expect("the server accepts");
    // Without a reset it might still read.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket can be reset");
    let mut client = server.over(socket);
    client.send(get!("/script?write=abc&spin"));
    client.read_until("abc\r\n");
    drop(client);
    wait_until_served(&server, "/hello");
    log().wait_for(&["handler graceless was ended: its client has gone\n", BACKTRACE]);
}

#[test]
fn what_one_request_logs_is_bounded() {
    let routes =
        RoutesDir::new().with_as("flooding.wasm", guest::LOG_FLOOD).with_file("flooding.toml", "path = '/flood'");
    let server = TestServer::start(routes);
    let response = server.get("/flood");
    assert!(response.ends_with("\r\n\r\n7\r\nflooded\r\n0\r\n\r\n"), "{response}");
    let fields = " route=\"flooding\" request=1 stream=\"stderr\"\n";
    log().wait_for(&["INFO guest: printed more than 65536 bytes, 128 a line at least; the rest is dropped", fields]);
    let lines = log().with(&["INFO guest: ", fields]);
    let texts: Vec<usize> = lines.iter().map(|line| line.matches('x').count()).collect();
    assert_eq!(texts, [[4096; 16].as_slice(), &[0]].concat(), "one line, cut to pieces of 4 KiB, and the end of it");
}

#[test]
fn a_route_that_floods_the_log_is_limited_and_the_dropped_lines_are_counted() {
    let routes =
        RoutesDir::new().with_as("drowning.wasm", guest::LOG_FLOOD).with_file("drowning.toml", "path = '/flood'");
    let server = TestServer::builder(routes).option("log_rate", Value::Integer(1)).start();
    for _ in 0..6 {
        assert!(server.get("/flood").ends_with("\r\n7\r\nflooded\r\n0\r\n\r\n"));
    }
    // What is to be told in ten seconds is told at the end.
    server.stop();
    server.join();
    let lines = log().with(&["INFO guest: ", " route=\"drowning\" "]);
    let bytes: usize = lines.iter().map(|line| line.matches('x').count()).sum();
    assert!((100_000..=131_072).contains(&bytes), "what may come at once is 128 KiB: {bytes}");
    let told = log().with(&["WARN ", "handler drowning exceeds its `log_rate`; lines were dropped"]);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn repeated_failures_are_logged_in_full_a_few_times_and_then_counted() {
    let routes = ["crashing", "looping", "refusing"];
    let server = TestServer::builder(
        RoutesDir::new()
            .with_as("crashing.wasm", guest::TRAP)
            .with_file("crashing.toml", "path = '/crashing'")
            .with_as("looping.wasm", guest::SPIN)
            .with_file("looping.toml", "path = '/looping'\ntimeout = 0.01")
            .with_as("refusing.wasm", guest::FAILS)
            .with_file("refusing.toml", "path = '/refusing'"),
    )
    .start();
    for route in routes {
        for _ in 0..25 {
            assert!(server.get(&format!("/{route}")).starts_with("HTTP/1.1 50"), "{route}");
        }
    }
    server.stop();
    server.join();
    for route in routes {
        let field = format!(" route=\"{route}\"");
        let last = log().with(&["ERROR ", &format!("handler {route} keeps failing; the last time it "), &field]);
        let [last] = &last[..] else { panic!("{last:?}") };
        assert!(last.contains(" failures=20 "), "{last}");
        let told = log().with(&["ERROR ", &format!("handler {route} "), &field]);
        assert_eq!(told.len(), 6, "{told:?}");
    }
}

#[test]
fn a_route_with_one_permit_answers_503_until_it_is_free() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "concurrency = 1").with(guest::HELLO);
    let server = TestServer::start(routes);
    let mut running = hold(&server);
    assert_eq!(server.get("/script?body=x"), TOO_MANY_REQUESTS_CLOSE);
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
    release(&mut running);
    assert!(server.get("/script?body=x").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_server_with_one_permit_answers_503_until_it_is_free() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::HELLO);
    let server = TestServer::builder(routes).limits(|limits| limits.max_invocations = 1).start();
    let mut running = hold(&server);
    assert_eq!(server.get("/hello"), TOO_MANY_REQUESTS_CLOSE);
    release(&mut running);
    assert_eq!(server.get("/hello"), HELLO_RESPONSE_CLOSE);
}

/// A request whose handler runs and waits for its body.
fn hold(server: &TestServer) -> Client {
    let mut client = server.connect();
    client.send("POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    client
}

fn release(running: &mut Client) {
    running.send("abc");
    assert!(running.read_response().ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
}

/// Requests `path` until it is answered in place of a 503: what ran before is gone.
#[track_caller]
fn wait_until_served(server: &TestServer, path: &str) {
    let start = Instant::now();
    while server.get(path).starts_with("HTTP/1.1 503 ") {
        assert!(start.elapsed() < TIMEOUT, "there is still no place");
    }
}
