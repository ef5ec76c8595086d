//! Handlers that call what they should not: each call is refused by itself, and the response stays what it was.

use crate::support::{RoutesDir, TestServer, guest, log};

#[test]
fn calls_that_no_response_can_have_are_refused_one_by_one() {
    let routes = RoutesDir::new().with(guest::BAD_FIELDS).with_file("bad_fields.toml", "chunked = false");
    let response = TestServer::start(routes).get("/bad_fields");
    let (head, calls) = response.split_once("\r\n\r\n").expect("a response has a head");
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 299 \r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\nX-Good: \r\nX-Good: \r\n\
             x-tab: a\tb\r\nx-tab: a\tb\r\nx-obs-text: \u{fffd}\u{fffd}\r\nx-obs-text: \u{fffd}\u{fffd}\r\n\
             Content-Length: {}\r\nConnection: close",
            calls.len()
        )
    );
    let accepted = ["set-status 299", "X-Good: ", "x-tab: a\\tb", "x-obs-text: \\x80\\xff"];
    let forbidden = ["onnection: ", "keep-alive: ", "te: ", "trailer: ", "Transfer-Encoding: ", "upgrade: "];
    for line in calls.lines() {
        let (call, said) = line.rsplit_once(" -> ").expect("a line is CALL -> RESULT");
        let expected = if accepted.iter().any(|accepted| call.ends_with(accepted)) {
            "ok"
        } else if forbidden.iter().any(|name| call.contains(name)) {
            "forbidden"
        } else {
            "invalid"
        };
        assert_eq!(said, expected, "{call}");
    }
    assert_eq!(calls.lines().count(), 9 + 2 * 33);
}

#[test]
fn calls_after_the_end_are_refused() {
    let routes = RoutesDir::new()
        .with_as("too-late.wasm", guest::AFTER_THE_END)
        .with_file("too-late.toml", "path = '/after_the_end'")
        .with(guest::HELLO);
    let server = TestServer::start(routes);
    let response = ok_chunked!("4\r\nall\n\r\n0\r\n\r\n");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(get!("/after_the_end"));
        client.expect(response);
    }
    let calls = [
        "set-status: closed",
        "set-field: closed",
        "append-field: closed",
        "remove-field: closed",
        "write: closed",
        "write empty: closed",
        "close: ok",
        "close again: ok",
        "method: GET",
    ];
    for call in calls {
        log().wait_for(&[&format!("INFO guest: {call} route=\"too-late\" request=2 stream=\"stderr\"\n")]);
    }
}

#[test]
fn what_is_past_a_bound_is_refused() {
    let routes = RoutesDir::new().with(guest::BOUNDS).with_file("bounds.toml", "chunked = false");
    let response = TestServer::start(routes).get("/bounds");
    let many: String = (0..128).map(|n| format!("x-many: {n}\r\n")).collect();
    assert_eq!(
        response,
        format!(
            "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n{many}\
             Content-Length: 182\r\nConnection: close\r\n\r\n\
             a value of 1 MiB: too-large\n\
             a name of 1 MiB: too-large\n\
             removing a name of 1 MiB: ok\n\
             10,000 fields: 128 ok, then too-large\n\
             a field named by 1 MiB: none\n\
             an option named by 1 MiB: none\n"
        )
    );
}

#[test]
fn a_handler_finds_no_files_no_network_and_no_environment() {
    let response = TestServer::serving(guest::ENV).get("/env");
    let (_, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    let found = "arguments: 0\nvariables: 0\nfiles: refused\nnetwork: PermissionDenied\n";
    assert_eq!(body, format!("{:x}\r\n{found}\r\n0\r\n\r\n", found.len()));
}

#[test]
fn more_than_64_mib_in_one_call_is_refused_before_anything_is_copied() {
    let routes = RoutesDir::new().with_as("hands_over.wasm", guest::SCRIPT);
    let options = "path = '/hands_over'\nmemory = 268_435_456\nchunked = false";
    let server = TestServer::start(routes.with_file("hands_over.toml", options));
    for target in ["/hands_over?body-bytes=67108865", "/hands_over?field-of=67108865"] {
        let response = server.get(target);
        assert!(response.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{target}: {response}");
        log().wait_for(&["handler hands_over passed more than 67108864 bytes in one call"]);
    }
    // As much as that is taken, and the SDK writes more in several calls.
    for (target, length) in [("body-bytes=67108864", 67_108_864), ("write-bytes=67108865", 67_108_865)] {
        let response = server.get(&format!("/hands_over?{target}"));
        let (head, body) = response.split_once("\r\n\r\n").expect("a response has a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {head}");
        assert_eq!(body.len(), length, "{target}");
    }
}
