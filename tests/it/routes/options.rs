//! Options: where a value can come from, which value applies, and what each of the host's options does.
//!
//! The tests of rates are in another file, because they take long.

use host::options::{BUILTINS, Value};

use crate::support::{Client, RoutesDir, TestServer, guest};

/// What the guest `declares` declares. It is given that in its file.
const DECLARED: &str = "\
    buffer_size: Value::Integer(8192)\n\
    burst: Value::Integer(4096)\n\
    chunked: Value::Boolean(false)\n\
    concurrency: Value::Integer(8)\n\
    content_type: Value::Text(\"text/plain\")\n\
    cpu: Value::Integer(10000)\n\
    history_seconds: Value::Integer(300)\n\
    log_rate: Value::Integer(131072)\n\
    max_body: Value::Integer(1000000)\n\
    max_message: Value::Integer(65536)\n\
    max_subscribers: Value::Integer(0)\n\
    max_topics: Value::Integer(10000)\n\
    memory: Value::Integer(33554432)\n\
    my_boolean: Value::Boolean(true)\n\
    my_booleans: Value::Booleans([true, false])\n\
    my_float: Value::Float(2.0)\n\
    my_floats: Value::Floats([0.5, 1.5])\n\
    my_integer: Value::Integer(1)\n\
    my_integers: Value::Integers([1, 2])\n\
    my_text: Value::Text(\"1\")\n\
    my_texts: Value::Texts([\"one\", \"two\"])\n\
    on_gap: Value::Text(\"keep\")\n\
    publish_rate: Value::Integer(16777216)\n\
    push_overflow: Value::Text(\"disconnect\")\n\
    push_queue: Value::Integer(65536)\n\
    quarantine: Value::Integer(0)\n\
    rate: Value::Integer(1000000)\n\
    rate_scope: Value::Text(\"connection\")\n\
    reuse: Value::Integer(1)\n\
    status: Value::Integer(201)\n\
    stream: Value::Boolean(false)\n\
    timeout: Value::Float(5.5)\n\
    upload_rate: Value::Integer(500000)\n\
    websocket: Value::Boolean(false)\n";

/// Flags with higher limits than `declares` declares.
const ABOVE: [(&str, Value); 6] = [
    ("concurrency", Value::Integer(16)),
    ("max_body", Value::Integer(2_000_000)),
    ("memory", Value::Integer(67_108_864)),
    ("rate", Value::Integer(2_000_000)),
    ("timeout", Value::Integer(6)),
    ("upload_rate", Value::Integer(2_000_000)),
];

/// Flags with lower limits.
const BELOW: [(&str, Value); 6] = [
    ("concurrency", Value::Integer(4)),
    ("max_body", Value::Integer(1_000)),
    ("memory", Value::Integer(16_777_216)),
    ("rate", Value::Integer(100_000)),
    ("timeout", Value::Float(1.5)),
    ("upload_rate", Value::Integer(200_000)),
];

/// `declares`, with a route file if `file` is not empty.
fn declares(file: &str, flags: &[(&str, Value)]) -> TestServer {
    let routes = RoutesDir::new().with(guest::DECLARES);
    let routes = if file.is_empty() { routes } else { routes.with_file("declares.toml", file) };
    flags.iter().fold(TestServer::builder(routes), |builder, (name, value)| builder.option(name, value.clone())).start()
}

/// The options that the handler gets.
fn given(server: &TestServer) -> String {
    let response = server.get("/declares");
    let (head, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    body.to_owned()
}

/// `listing`, with other lines for some options.
fn with(listing: &str, changes: &[(&str, &str)]) -> String {
    let line = |line: &str| {
        let (name, _) = line.split_once(": ").expect("a line is NAME: VALUE");
        let change = changes.iter().find(|(changed, _)| *changed == name);
        change.map_or_else(|| format!("{line}\n"), |(name, value)| format!("{name}: {value}\n"))
    };
    listing.lines().map(line).collect()
}

#[test]
fn what_a_component_declares_holds_and_reaches_it_typed() {
    let server = declares("", &[]);
    assert_eq!(server.diagnostics(), []);
    // The status, the content type and the framing are those that it declares.
    let head = format!(
        "HTTP/1.1 201 Created\r\nDate: <date>\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        DECLARED.len()
    );
    assert_eq!(server.get("/declares"), head + DECLARED);
}

#[test]
fn a_component_lowers_the_limits_that_flags_set() {
    let server = declares("", &ABOVE);
    // Where the operator sets a rate, a component cannot make it each connection's own.
    assert_eq!(given(&server), with(DECLARED, &[("rate_scope", "Value::Text(\"client\")")]));
    assert_eq!(
        reasons(&server),
        ["option `rate_scope` is connection in the component and is held to the operator's client"]
    );
}

#[test]
fn a_component_does_not_raise_the_limits_that_flags_set() {
    let server = declares("", &BELOW);
    let held = [
        ("concurrency", "Value::Integer(4)"),
        ("max_body", "Value::Integer(1000)"),
        ("memory", "Value::Integer(16777216)"),
        ("rate", "Value::Integer(100000)"),
        ("rate_scope", "Value::Text(\"client\")"),
        ("timeout", "Value::Float(1.5)"),
        ("upload_rate", "Value::Integer(200000)"),
    ];
    assert_eq!(given(&server), with(DECLARED, &held));
    assert_eq!(
        reasons(&server),
        [
            "option `concurrency` is 8 in the component and is held to the operator's 4",
            "option `max_body` is 1000000 in the component and is held to the operator's 1000",
            "option `memory` is 33554432 in the component and is held to the operator's 16777216",
            "option `rate` is 1000000 in the component and is held to the operator's 100000",
            "option `rate_scope` is connection in the component and is held to the operator's client",
            "option `timeout` is 5.5 in the component and is held to the operator's 1.5",
            "option `upload_rate` is 500000 in the component and is held to the operator's 200000",
        ]
    );
}

#[test]
fn a_component_overrides_flags_that_are_no_limits() {
    let flags = [
        ("burst", Value::Integer(100)),
        ("chunked", Value::Boolean(true)),
        ("content_type", Value::Text("text/css".to_owned())),
        ("status", Value::Integer(404)),
        ("stream", Value::Boolean(true)),
    ];
    let server = declares("", &flags);
    assert_eq!(server.diagnostics(), []);
    assert_eq!(given(&server), DECLARED);
}

#[test]
fn the_route_file_has_the_last_word_and_may_raise_a_limit() {
    let file = "buffer_size = 1_000\nburst = 1\nchunked = true\nconcurrency = 100\ncontent_type = 'text/css'\n\
                max_body = 9_000_000\nmemory = 268_435_456\nrate = 0\nrate_scope = 'client'\nstatus = 202\n\
                stream = true\ntimeout = 86_400\nupload_rate = 0\nmy_integer = 1.0\nmy_text = ['a', 'b']\nyours = []\n";
    let server = declares(file, &BELOW);
    assert_eq!(server.diagnostics(), []);
    let changed = [
        ("buffer_size", "Value::Integer(1000)"),
        ("burst", "Value::Integer(1)"),
        ("chunked", "Value::Boolean(true)"),
        ("concurrency", "Value::Integer(100)"),
        ("content_type", "Value::Text(\"text/css\")"),
        ("max_body", "Value::Integer(9000000)"),
        ("memory", "Value::Integer(268435456)"),
        ("my_integer", "Value::Float(1.0)"),
        ("my_text", "Value::Texts([\"a\", \"b\"])"),
        ("rate", "Value::Integer(0)"),
        ("rate_scope", "Value::Text(\"client\")"),
        ("status", "Value::Integer(202)"),
        ("stream", "Value::Boolean(true)"),
        ("timeout", "Value::Integer(86400)"),
        ("upload_rate", "Value::Integer(0)"),
    ];
    let listing = with(DECLARED, &changed) + "yours: Value::Texts([])\n";
    let framed = |piece: &[u8]| format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    let body: String = listing.as_bytes().chunks(1_000).map(framed).collect();
    let head = "HTTP/1.1 202 Accepted\r\nDate: <date>\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\
                Connection: close\r\n\r\n";
    assert_eq!(server.get("/declares"), format!("{head}{body}0\r\n\r\n"));
}

#[test]
fn flags_hold_unless_something_overrides_them() {
    let flags = [
        ("buffer_size", Value::Integer(1_000)),
        ("burst", Value::Integer(2_000)),
        ("chunked", Value::Boolean(true)),
        ("concurrency", Value::Integer(3)),
        ("content_type", Value::Text("text/css".to_owned())),
        ("cpu", Value::Integer(6_000)),
        ("heartbeat", Value::Integer(15)),
        ("history", Value::Integer(100)),
        ("history_seconds", Value::Float(0.5)),
        ("log_rate", Value::Integer(1_000)),
        ("max_body", Value::Integer(4)),
        ("max_message", Value::Integer(5)),
        ("max_subscribers", Value::Integer(6)),
        ("max_topics", Value::Integer(7)),
        ("memory", Value::Integer(8_388_608)),
        ("on_gap", Value::Text("reset".to_owned())),
        ("park_timeout", Value::Float(0.5)),
        ("publish_rate", Value::Integer(8_000_000)),
        ("push_overflow", Value::Text("drop-oldest".to_owned())),
        ("push_queue", Value::Integer(1_024)),
        ("quarantine", Value::Integer(30)),
        ("rate", Value::Integer(50_000_000)),
        ("rate_scope", Value::Text("connection".to_owned())),
        ("reuse", Value::Integer(3)),
        ("share", Value::Integer(40)),
        ("status", Value::Integer(202)),
        ("stream", Value::Boolean(false)),
        ("timeout", Value::Float(2.5)),
        ("upload_rate", Value::Integer(60_000_000)),
        // A handler has to answer messages where it is true.
        ("websocket", Value::Boolean(false)),
    ];
    assert!(flags.iter().map(|(name, _)| *name).eq(BUILTINS.iter().map(|builtin| builtin.name)), "all of them");
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let builder = flags.iter().fold(TestServer::builder(routes), |b, (name, value)| b.option(name, value.clone()));
    let asked: String = flags.iter().map(|(name, _)| format!("ask=option:{name}&")).collect();
    let answered: String = flags.iter().map(|(name, value)| format!("option:{name}: {value}\n")).collect();
    assert_eq!(
        builder.start().get(&format!("/script?{asked}report")),
        format!(
            "HTTP/1.1 202 Accepted\r\nDate: <date>\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n{:x}\r\n{answered}\r\n0\r\n\r\n",
            answered.len()
        )
    );
}

fn reasons(server: &TestServer) -> Vec<&str> {
    server.diagnostics().iter().map(|diagnostic| diagnostic.reason.as_str()).collect()
}

/// A route with one option, a request, and its response.
struct Effect {
    options: &'static str,
    /// The method and, after the path, the query; then the fields and the body.
    request: (&'static str, &'static str, &'static str),
    /// The first line, and what follows the head.
    response: (&'static str, &'static str),
}

const OK: &str = "HTTP/1.1 200 OK";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large";
const TIMED_OUT: &str = "HTTP/1.1 504 Gateway Timeout";

#[rustfmt::skip]
const EFFECTS: &[Effect] = &[
    Effect { options: "status = 404", request: ("GET", "write=a", ""), response: ("HTTP/1.1 404 Not Found", "1\r\na\r\n0\r\n\r\n") },
    Effect { options: "status = 404", request: ("GET", "status=202&write=a", ""), response: ("HTTP/1.1 202 Accepted", "1\r\na\r\n0\r\n\r\n") },
    Effect { options: "chunked = false", request: ("GET", "body=a", ""), response: (OK, "a") },
    Effect { options: "chunked = false", request: ("GET", "write=a&body=b", ""), response: (OK, "ab") },
    // Gathered until half of the buffer is full.
    Effect { options: "stream = false\nbuffer_size = 8", request: ("GET", "write=a&write=b&write=c&write=d&write=e", ""), response: (OK, "4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n") },
    Effect { options: "stream = true\nbuffer_size = 8", request: ("GET", "write=a&write=b", ""), response: (OK, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n") },
    // A piece in either direction is no larger than the buffer.
    Effect { options: "buffer_size = 4", request: ("GET", "write=HelloWorld", ""), response: (OK, "4\r\nHell\r\n4\r\noWor\r\n2\r\nld\r\n0\r\n\r\n") },
    Effect { options: "buffer_size = 4", request: ("GET", "body=HelloWorld", ""), response: (OK, "4\r\nHell\r\n4\r\noWor\r\n2\r\nld\r\n0\r\n\r\n") },
    Effect { options: "buffer_size = 4\nchunked = false", request: ("POST", "read-one=1000&read-one=3&read-one=1000&read-one=1000&report", "Content-Length: 10\r\n\r\nHelloWorld"), response: (OK, "read-one: 4\nread-one: 3\nread-one: 3\nread-one: end\n") },
    // The limits.
    Effect { options: "max_body = 4", request: ("POST", "count", "Content-Length: 4\r\n\r\nbody"), response: (OK, "1\r\n4\r\n0\r\n\r\n") },
    Effect { options: "max_body = 4", request: ("POST", "count", "Content-Length: 5\r\n\r\nabody"), response: (TOO_LARGE, "the body is larger than 4 bytes\n") },
    Effect { options: "max_body = 4", request: ("POST", "count", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"), response: (OK, "1\r\n4\r\n0\r\n\r\n") },
    Effect { options: "max_body = 4", request: ("POST", "count", "Transfer-Encoding: chunked\r\n\r\n3\r\nabo\r\n2\r\ndy\r\n0\r\n\r\n"), response: (TOO_LARGE, "Content Too Large\n") },
    Effect { options: "max_body = 0", request: ("POST", "count", "Content-Length: 1\r\n\r\na"), response: (TOO_LARGE, "the body is larger than 0 bytes\n") },
    Effect { options: "memory = 8_388_608", request: ("GET", "allocate=1048576&report", ""), response: (OK, "d\r\nallocate: ok\n\r\n0\r\n\r\n") },
    Effect { options: "memory = 8_388_608", request: ("GET", "allocate=16777216&report", ""), response: (OK, "12\r\nallocate: refused\n\r\n0\r\n\r\n") },
    Effect { options: "timeout = 0.2", request: ("GET", "sleep=10000", ""), response: (TIMED_OUT, "Gateway Timeout\n") },
    Effect { options: "timeout = 0.2", request: ("GET", "spin", ""), response: (TIMED_OUT, "Gateway Timeout\n") },
    // Those of the handler's own.
    Effect { options: "mine = [1, 2.5]", request: ("GET", "ask=option:mine&ask=option:yours&report", ""), response: (OK, "2b\r\noption:mine: [1.0, 2.5]\noption:yours: none\n\r\n0\r\n\r\n") },
];

#[test]
fn each_option_does_what_it_says() {
    let routes = EFFECTS.iter().enumerate().fold(RoutesDir::new(), |routes, (number, effect)| {
        routes
            .with_as(&format!("{number}.wasm"), guest::SCRIPT)
            .with_file(&format!("{number}.toml"), &format!("path = '/{number}'\n{}", effect.options))
    });
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    for (number, Effect { options, request, response }) in EFFECTS.iter().enumerate() {
        let (method, query, rest) = request;
        let end = if rest.is_empty() { "\r\n" } else { rest };
        let message = format!("{method} /{number}?{query} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{end}");
        let received = server.exchange(message);
        let (head, body) = received.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{received:?} of {options}"));
        assert_eq!((head.split("\r\n").next(), body), (Some(response.0), response.1), "{options}: {query}");
    }
}

#[test]
fn a_content_length_that_is_too_large_is_refused_before_the_body_comes() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "max_body = 4");
    let server = TestServer::start(routes);
    let mut client = server.connect();
    client.send("POST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\n");
    refused(&mut client, "");
    // So small a body is dropped, and the connection kept.
    client.send("aaaaaPOST /script?read HTTP/1.1\r\nHost: it\r\nContent-Length: 1000000\r\n\r\n");
    refused(&mut client, "Connection: close\r\n");
    assert_eq!(client.read_to_end(), "");
}

fn refused(client: &mut Client, connection: &str) {
    client.expect(&format!(
        "HTTP/1.1 413 Content Too Large\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 32\r\n{connection}\r\nthe body is larger than 4 bytes\n"
    ));
}
