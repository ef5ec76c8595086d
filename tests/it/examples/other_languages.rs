//! Handlers in other languages than Rust: the same three in each of them. `make guests-LANG` builds them.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use crate::support::wire::{HELLO_RESPONSE, get};
use crate::support::{Client, End, RoutesDir, TestServer, log, skip};

const EXAMPLES: [&str; 3] = ["hello", "stream", "echo"];

#[test]
fn handlers_in_c_answer_like_those_in_rust() {
    check("c");
}

#[test]
fn handlers_in_go_answer_like_those_in_rust() {
    check("go");
}

#[test]
fn handlers_in_javascript_answer_like_those_in_rust() {
    check("javascript");
}

#[test]
fn handlers_in_python_answer_like_those_in_rust() {
    check("python");
}

/// Serves the examples in `language` at `/LANGUAGE/EXAMPLE`, and `hello` at `/LANGUAGE/again` in one instance too.
#[track_caller]
fn check(language: &str) {
    let mut routes = RoutesDir::new().with_file(&format!("{language}/again.toml"), "reuse = 1000");
    for example in EXAMPLES {
        let Some(bytes) = built(language, example) else { return };
        routes = routes.with_bytes(&format!("{language}/{example}.wasm"), &bytes);
        if example == "hello" {
            routes = routes.with_bytes(&format!("{language}/again.wasm"), &bytes);
        }
    }
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    hello_writes_two_chunks(&server, language);
    stream_writes_the_requested_number_of_chunks(&server, language);
    echo_sends_each_piece_back_as_it_arrives(&server, language);
    echo_collects_its_garbage(&server, language);
    echo_fails_where_the_body_is_incomplete(&server, language);
}

fn hello_writes_two_chunks(server: &TestServer, language: &str) {
    let mut client = server.connect();
    for path in ["hello", "hello", "again", "again", "again"] {
        client.send(get(&format!("/{language}/{path}")));
        client.expect(HELLO_RESPONSE);
    }
}

fn stream_writes_the_requested_number_of_chunks(server: &TestServer, language: &str) {
    let chunks = typed!("content-type: application/octet-stream", "2\r\nxx\r\n2\r\nxx\r\n2\r\nxx\r\n0\r\n\r\n");
    let usage = "HTTP/1.1 400 Bad Request\r\nDate: <date>\r\ncontent-type: text/plain\r\n\
        Transfer-Encoding: chunked\r\n\r\n\
        39\r\nusage: /stream?chunks=N&size=M, with M from 1 to 1048576\n\r\n0\r\n\r\n";
    let cases = [
        ("?chunks=3&size=2", chunks),
        ("?size=2&chunks=0", typed!("content-type: application/octet-stream", "0\r\n\r\n")),
        ("?chunks=1&size=0", usage),
        ("?chunks=1&size=1048577", usage),
        ("?chunks=-1&size=1", usage),
        ("?chunks=1", usage),
        ("?chunks=&size=2", usage),
        ("?chunks&size", usage),
        ("", usage),
    ];
    let mut client = server.connect();
    for (query, response) in cases {
        client.send(get(&format!("/{language}/stream{query}")));
        client.expect(response);
    }
    client.send(format!("GET /{language}/stream?chunks=16&size=1048576 HTTP/1.0\r\n\r\n"));
    let body = client.read_to_end();
    assert_eq!(body.matches('x').count(), 16 * 1_048_576);
}

fn echo_sends_each_piece_back_as_it_arrives(server: &TestServer, language: &str) {
    let mut client = server.connect();
    client.send(format!("POST /{language}/echo HTTP/1.1\r\nHost: it\r\nContent-Type: a/b\r\n"));
    client.send("Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n");
    client.expect(typed!("content-type: a/b", "5\r\nHello\r\n"));
    client.send("6\r\n\0\u{ff}\u{80}!\r\n");
    client.expect("6\r\n\0\u{ff}\u{80}!\r\n");
    client.send("0\r\n\r\n");
    client.expect("0\r\n\r\n");
    client.send(get(&format!("/{language}/echo")));
    client.expect(typed!("content-type: application/octet-stream", "0\r\n\r\n"));
}

/// Enough for Go's collector to run several times, also while the host hands a piece over.
fn echo_collects_its_garbage(server: &TestServer, language: &str) {
    const LENGTH: usize = 32 * 1024 * 1024;
    let mut upload = TcpStream::connect(server.address()).expect("the server accepts");
    let mut client = Client::over(upload.try_clone().expect("a socket can be shared"));
    let head = format!("POST /{language}/echo HTTP/1.0\r\nContent-Length: {LENGTH}\r\n\r\n");
    let response = std::thread::scope(|scope| {
        // Neither side goes on while the other does not read.
        scope.spawn(move || upload.write_all(head.as_bytes()).and_then(|()| upload.write_all(&vec![b'~'; LENGTH])));
        client.read_to_end()
    });
    assert_eq!(response.matches('~').count(), LENGTH);
}

fn echo_fails_where_the_body_is_incomplete(server: &TestServer, language: &str) {
    let mut client = server.connect();
    client.send(format!("POST /{language}/echo HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\n\r\n"));
    client.half_close();
    let (response, end) = client.read_until_end();
    assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
    assert_eq!(end, End::Closed);
    log().wait_for(&[&format!(
        "handler {language}/echo did not get its whole request: the client ended the connection"
    )]);
}

/// The component of an example in `language`. If it is not built the test says so and tests nothing, unless
/// `VIBRATO_LANGUAGES` asks for all of them.
#[track_caller]
pub fn built(language: &str, example: &str) -> Option<Vec<u8>> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../languages").join(language);
    if let Ok(component) = fs::read(directory.join(format!("{example}.wasm"))) {
        return Some(component);
    }
    let missing = format!("handlers in {language} are not tested: `make guests-{language}` builds them");
    assert!(std::env::var_os("VIBRATO_LANGUAGES").is_none_or(|wanted| wanted != "all"), "{missing}");
    skip(&missing);
    None
}
