//! Components that others have written, as they are published: see `tests/third-party/Cargo.toml`.

use artifacts::Guest;

use crate::support::wire::{INTERNAL_SERVER_ERROR_CLOSE, get_and_close};
use crate::support::{RoutesDir, TestServer, guest, log};

const NOT_FOUND: &str =
    "HTTP/1.1 404 Not Found\r\nDate: <date>\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";

/// A component that looks at the path by itself, at all paths.
fn serve(name: &str, component: Guest) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), component);
    let server = TestServer::start(routes.with_file(&format!("{name}.toml"), "paths = ['/', '/{*rest}']"));
    assert_eq!(server.diagnostics(), []);
    server
}

/// The lines of a body that was sent in chunks, for what is not the same in each run.
fn chunks(response: &str) -> Vec<&str> {
    let body = response.strip_prefix(untyped_chunked_close!("")).unwrap_or_else(|| panic!("{response:?}"));
    let body = body.strip_suffix("0\r\n\r\n").unwrap_or_else(|| panic!("{response:?}"));
    body.split("\r\n").skip(1).step_by(2).collect()
}

/// The number in `BEFORE NUMBER AFTER`.
fn number(text: &str, before: &str, after: &str) -> u64 {
    let number = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text:?}"))
}

#[test]
fn wstd_answers_and_prints() {
    let server = serve("wstd_home", guest::WSTD_HTTP_SERVER);
    let home = untyped_chunked_close!("1e\r\nHello, wasi:http/proxy world!\n\r\n0\r\n\r\n");
    assert_eq!(server.get("/"), home);
    log().wait_for(&["guest", "wstd_home", "stdout", "serving /"]);
    assert_eq!(server.get("/nothing"), NOT_FOUND);
    assert_eq!(server.get("/?query"), NOT_FOUND);
}

#[test]
fn wstd_waits_before_its_response_or_before_its_body() {
    let server = serve("wstd_waits", guest::WSTD_HTTP_SERVER);
    for path in ["/wait-response", "/wait-body"] {
        let response = server.get(path);
        let [chunk] = chunks(&response)[..] else { panic!("{response}") };
        assert!(number(chunk, "slept for ", " millis\n") >= 1_000, "{path}: {chunk}");
    }
}

#[test]
fn wstd_streams_a_body_piece_by_piece() {
    let server = serve("wstd_streams", guest::WSTD_HTTP_SERVER);
    let response = server.get("/stream-body");
    let waited: Vec<u64> =
        chunks(&response).iter().map(|chunk| number(chunk, "stream started ", " millis ago\n")).collect();
    assert_eq!(waited.len(), 5, "{response}");
    assert!(waited.iter().zip([100, 200, 300, 400, 500]).all(|(waited, least)| *waited >= least), "{waited:?}");
}

#[test]
fn wstd_echoes_a_body_and_its_trailers() {
    let server = serve("wstd_echo", guest::WSTD_HTTP_SERVER);
    let post = |body: &str| {
        server.exchange(format!("POST /echo HTTP/1.1\r\nHost: it\r\nConnection: close, te\r\nTE: trailers\r\n{body}"))
    };
    assert_eq!(post("Content-Length: 5\r\n\r\nHello"), untyped_chunked_close!("5\r\nHello\r\n0\r\n\r\n"));
    assert_eq!(server.get("/echo"), untyped_chunked_close!("0\r\n\r\n"));
    assert_eq!(
        post("Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\nx-check: 1\r\n\r\n"),
        untyped_chunked_close!("5\r\nHello\r\n0\r\nx-check: 1\r\n\r\n")
    );
    let large = "x".repeat(3_000_000);
    let response = post(&format!("Content-Length: {}\r\n\r\n{large}", large.len()));
    assert_eq!(chunks(&response).concat(), large);
}

#[test]
fn wstd_echoes_fields_but_those_of_the_connection() {
    let server = serve("wstd_fields", guest::WSTD_HTTP_SERVER);
    let response = server.exchange(
        "GET /echo-headers HTTP/1.1\r\nHost: it\r\nConnection: close, x-dropped\r\nX-Dropped: 1\r\nX-One: 1\r\nX-One: 2\r\n\
         Accept: a/b\r\n\r\n",
    );
    let expected = untyped!(
        "x-one: 1\r\nx-one: 2\r\naccept: a/b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
        "0\r\n\r\n"
    );
    assert_eq!(response, expected);
}

#[test]
fn wstd_echoes_trailers_as_trailers() {
    let server = serve("wstd_trailers", guest::WSTD_HTTP_SERVER);
    let post = |end: &str| {
        server.exchange(format!(
            "POST /echo-trailers HTTP/1.1\r\nHost: it\r\nConnection: close, te\r\nTE: trailers\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{end}\r\n"
        ))
    };
    assert_eq!(post("x-sum: 1\r\n"), untyped_chunked_close!("0\r\nx-sum: 1\r\n\r\n"));
    assert_eq!(post(""), untyped_chunked_close!("0\r\nx-no-trailers: 1\r\n\r\n"));
}

#[test]
fn wstd_sets_a_status() {
    let server = serve("wstd_status", guest::WSTD_HTTP_SERVER);
    let get = |status: &str| {
        let field = format!("Connection: close\r\nx-response-status: {status}");
        server.exchange(get_and_close("/response-status").replace("Connection: close", &field))
    };
    assert_eq!(get("404"), NOT_FOUND);
    assert_eq!(
        get("302"),
        "HTTP/1.1 302 Found\r\nDate: <date>\r\nlocation: http://localhost/response-status\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
    );
    assert_eq!(get("204"), "HTTP/1.1 204 No Content\r\nDate: <date>\r\nConnection: close\r\n\r\n");
    assert!(server.get("/response-status").starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    // wstd takes it for a status, the host for none of a response.
    assert_eq!(get("199"), INTERNAL_SERVER_ERROR_CLOSE);
}

#[test]
fn wstd_fails_with_a_500_whose_cause_is_in_the_log() {
    let server = serve("wstd_fails", guest::WSTD_HTTP_SERVER);
    assert_eq!(server.get("/response-fail"), INTERNAL_SERVER_ERROR_CLOSE);
    log().wait_for(&["ERROR", "handler wstd_fails", "error creating response"]);
    assert_eq!(server.get("/response-body-fail"), INTERNAL_SERVER_ERROR_CLOSE);
    log().wait_for(&["guest", "wstd_fails", "stderr", "error creating body"]);
    log().wait_for(&["ERROR", "handler wstd_fails", "unreachable"]);
}

#[test]
fn axum_has_its_routes_methods_and_lengths() {
    let server = serve("axum", guest::WSTD_AXUM_HELLO_WORLD);
    let head = "HTTP/1.1 200 OK\r\nDate: <date>\r\ncontent-type: text/html; charset=utf-8\r\nContent-Length: 22\r\n\
        Connection: close\r\n\r\n";
    assert_eq!(server.get("/"), format!("{head}<h1>Hello, World!</h1>"));
    assert_eq!(server.exchange(get_and_close("/").replace("GET", "HEAD")), head);
    assert_eq!(server.get("/nothing"), NOT_FOUND);
    assert_eq!(
        server.exchange(get_and_close("/").replace("GET", "POST")),
        "HTTP/1.1 405 Method Not Allowed\r\nDate: <date>\r\nallow: GET,HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn wasip2_greets() {
    for (name, component) in [("wasip2", guest::WASIP2_HTTP_PROXY), ("wasip2_no_std", guest::WASIP2_HTTP_PROXY_NO_STD)]
    {
        let server = serve(name, component);
        let mut client = server.connect();
        for _ in 0..3 {
            client.send(get!("/any/path"));
            client.expect(untyped_chunked!("c\r\nHello, WASI!\r\n0\r\n\r\n"));
        }
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(client.read_to_end(), untyped!("Connection: close\r\n", "Hello, WASI!"));
    }
}

#[test]
fn wasip3_greets() {
    for (name, component) in [("wasip3", guest::WASIP3_HTTP_PROXY), ("wasip3_compat", guest::WASIP3_HTTP_PROXY_COMPAT)]
    {
        let server = serve(name, component);
        let mut client = server.connect();
        for _ in 0..3 {
            client.send(get!("/any/path"));
            client.expect(untyped_chunked!("c\r\nHello, WASI!\r\n0\r\n\r\n"));
        }
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(client.read_to_end(), untyped!("Connection: close\r\n", "Hello, WASI!"), "{name}");
    }
}
