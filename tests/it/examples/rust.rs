//! What each example answers, and what it imports.

use std::path::Path;
use std::time::{Duration, Instant};

use artifacts::Guest;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::support::wire::HELLO_RESPONSE;
use crate::support::{RoutesDir, TestServer, guest, websocket};

const TEXT: &str = ok_chunked!("d\r\nHello, World!\r\n0\r\n\r\n");

/// Sends requests to one example, on one connection, and compares each response.
#[track_caller]
fn check(example: Guest, cases: &[(&str, &str)]) {
    let server = TestServer::serving(example);
    let mut client = server.connect();
    for (request, response) in cases {
        client.send(format!("{request} HTTP/1.1\r\nHost: it\r\n\r\n"));
        client.expect(response);
    }
}

#[test]
fn hello_yields_two_chunks() {
    check(guest::HELLO, &[("GET /hello", HELLO_RESPONSE)]);
}

#[test]
fn hello_write_writes_two_chunks_and_the_connection_lives() {
    check(guest::HELLO_WRITE, &[("GET /hello-write", HELLO_RESPONSE), ("GET /hello-write", HELLO_RESPONSE)]);
}

#[test]
fn text_answers_any_method() {
    check(guest::TEXT, &[("GET /text", TEXT), ("POST /text", TEXT), ("DELETE /text", TEXT), ("PATCH /text", TEXT)]);
}

#[test]
fn nothing_closes_the_connection_without_a_byte() {
    assert_eq!(TestServer::serving(guest::NOTHING).exchange(get!("/nothing")), "");
}

#[test]
fn manual_writes_and_stays_open() {
    let server = TestServer::serving(guest::MANUAL);
    let mut client = server.connect();
    client.send(get!("/manual"));
    client.expect(ok_chunked!("4\r\none\n\r\n"));
    client.expect_silence(Duration::from_millis(100));
}

#[test]
fn options_prints_its_options_by_name() {
    let lines = "a=1\nbuffer_size=32768\nconcurrency=0\ncontent_type=text/plain; charset=utf-8\ncpu=10000\n\
        greeting=Hello, World!\nhistory_seconds=300\nlog_rate=131072\nmax_body=67108864\nmax_message=65536\n\
        max_subscribers=0\nmax_topics=10000\nmemory=134217728\non_gap=keep\nprimes=[2, 3, 5, 7]\npublish_rate=16777216\n\
        push_overflow=disconnect\npush_queue=65536\nquarantine=0\nrate=2097152\nrate_scope=client\nreuse=1\nstatus=200\nstream=true\n\
        timeout=30\nupload_rate=0\nwebsocket=false\n";
    let response = typed!("Content-Type: text/plain; charset=utf-8", "");
    let response = format!("{response}{:x}\r\n{lines}\r\n0\r\n\r\n", lines.len());
    check(guest::OPTIONS, &[("GET /options", &response)]);
}

#[test]
fn download_sends_the_requested_number_of_bytes() {
    let two_pieces = format!(
        "{}4000\r\n{}\r\n1\r\nx\r\n0\r\n\r\n",
        typed!("Content-Type: application/octet-stream", ""),
        "x".repeat(16_384)
    );
    let cases = [
        ("GET /download?bytes=3", typed!("Content-Type: application/octet-stream", "3\r\nxxx\r\n0\r\n\r\n")),
        ("GET /download?bytes=0", typed!("Content-Type: application/octet-stream", "0\r\n\r\n")),
        ("GET /download?bytes=16385", &two_pieces),
        (
            "GET /download",
            "HTTP/1.1 400 Bad Request\r\nDate: <date>\r\ncontent-type: text/plain\r\n\
             Transfer-Encoding: chunked\r\n\r\n19\r\nusage: /download?bytes=N\n\r\n0\r\n\r\n",
        ),
    ];
    check(guest::DOWNLOAD, &cases);
}

#[test]
fn download_is_paced() {
    let server = TestServer::serving(guest::DOWNLOAD);
    let start = Instant::now();
    let response = server.exchange(get_and_close!("/download?bytes=524288"));
    assert_eq!(response.matches('x').count(), 524_288);
    // A quarter of a second at 2 MiB/s, but for the first 20 KiB that pass as the burst.
    assert!(start.elapsed() >= Duration::from_millis(239), "{:?}", start.elapsed());
}

#[test]
fn stream_writes_the_requested_number_of_chunks() {
    let cases = [
        (
            "GET /stream?chunks=3&size=2",
            typed!("Content-Type: application/octet-stream", "2\r\nxx\r\n2\r\nxx\r\n2\r\nxx\r\n0\r\n\r\n"),
        ),
        ("GET /stream?chunks=0&size=2", typed!("Content-Type: application/octet-stream", "0\r\n\r\n")),
        (
            "GET /stream?chunks=1&size=0",
            "HTTP/1.1 400 Bad Request\r\nDate: <date>\r\ncontent-type: text/plain\r\n\
             Transfer-Encoding: chunked\r\n\r\n\
             39\r\nusage: /stream?chunks=N&size=M, with M from 1 to 1048576\n\r\n0\r\n\r\n",
        ),
    ];
    check(guest::STREAM, &cases);
}

#[test]
fn echo_sends_each_piece_back_as_it_arrives() {
    let server = TestServer::serving(guest::ECHO);
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: it\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nHello\r\n");
    client.expect(typed!("content-type: a/b", "5\r\nHello\r\n"));
    client.send("6\r\nWorld!\r\n");
    client.expect("6\r\nWorld!\r\n");
    client.send("0\r\n\r\n");
    client.expect("0\r\n\r\n");
    check(guest::ECHO, &[("GET /echo", typed!("content-type: application/octet-stream", "0\r\n\r\n"))]);
}

#[test]
fn upload_counts_the_bytes_it_receives() {
    let server = TestServer::serving(guest::UPLOAD);
    let mut client = server.connect();
    client.send("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 1000000\r\n\r\n");
    client.send("x".repeat(1_000_000));
    client.expect(typed!("Content-Type: text/plain; charset=utf-8", "7\r\n1000000\r\n0\r\n\r\n"));
    check(guest::UPLOAD, &[("GET /upload", typed!("Content-Type: text/plain; charset=utf-8", "1\r\n0\r\n0\r\n\r\n"))]);
}

#[test]
fn page_answers_the_segment_of_its_path() {
    let cases = [
        ("GET /page/7", ok_chunked!("6\r\npage 7\r\n0\r\n\r\n")),
        ("GET /page/%3Cb%3E%20%26", ok_chunked!("14\r\npage &lt;b&gt; &amp;\r\n0\r\n\r\n")),
    ];
    check(guest::PAGE, &cases);
}

/// The examples that are middleware.
const MIDDLEWARE: [Guest; 3] = [guest::ACCESS_HEADER, guest::AUTH, guest::CORS];

/// The guest of `account` behind all of them, as `make run` serves it.
fn account() -> TestServer {
    let options = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join("route.toml");
        std::fs::read_to_string(file).unwrap_or_default()
    };
    let add = |routes: RoutesDir, layer: &Guest| {
        let file = options(layer.name());
        routes.with_as(&format!("_{layer}.wasm"), *layer).with_file(&format!("_{layer}.toml"), &file)
    };
    let routes = MIDDLEWARE.iter().fold(RoutesDir::new().with(guest::ACCOUNT), add);
    let server = TestServer::start(routes.with_file("account.toml", &options("account")));
    assert_eq!(server.diagnostics(), []);
    server
}

#[test]
fn auth_admits_a_valid_token_and_passes_the_user_to_the_handler() {
    let server = account();
    let mut client = server.connect();
    let ask = |authorization: &str| format!("GET /account HTTP/1.1\r\nHost: it\r\n{authorization}\r\n");
    let refused = "HTTP/1.1 401 Unauthorized\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
        www-authenticate: Bearer realm=\"vibrato\"\r\nvary: origin\r\nx-access: nobody\r\n\
        Transfer-Encoding: chunked\r\n\r\nd\r\nwho are you?\n\r\n0\r\n\r\n";
    let greeted = "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\n\
        vary: origin\r\nx-access: Ada\r\nTransfer-Encoding: chunked\r\n\r\n13\r\nthe account of Ada\n\r\n0\r\n\r\n";
    for (authorization, response) in [
        ("", refused),
        ("Authorization: Basic lovelace\r\n", refused),
        ("Authorization: Bearer lovelacy\r\n", refused),
        ("Authorization: Bearer \r\n", refused),
        ("Authorization: Bearer lovelace\r\n", greeted),
        ("authorization: bearer lovelace\r\n", greeted),
    ] {
        client.send(ask(authorization));
        client.expect(response);
    }
}

// The CORS protocol of the Fetch standard, "HTTP responses".
#[test]
fn cors_answers_a_preflight_request_before_auth_refuses_it() {
    let server = account();
    let mut client = server.connect();
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /account HTTP/1.1\r\nHost: it\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        )
    };
    client.send(preflight("http://127.0.0.1:8080"));
    client.expect(
        "HTTP/1.1 204 No Content\r\nDate: <date>\r\naccess-control-allow-methods: GET, POST\r\n\
         access-control-allow-headers: authorization\r\nvary: origin\r\n\
         access-control-allow-origin: http://127.0.0.1:8080\r\nx-access: nobody\r\n\r\n",
    );
    client.send(preflight("http://evil.example"));
    assert!(client.read_until("who are you?\n\r\n0\r\n\r\n").starts_with("HTTP/1.1 401 "));
}

#[test]
fn chat_ws_sends_a_message_to_everybody_in_its_room() {
    let server = TestServer::start(RoutesDir::new().with(guest::CHAT_WS).with(guest::CHAT_WS_PAGE));
    let page = server.get("/chat-ws/kitchen");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("new WebSocket("), "{page}");
    let mut in_the_kitchen = [server.connect(), server.connect()];
    for client in &mut in_the_kitchen {
        client.open_websocket("/chat-ws/kitchen/socket");
    }
    let mut in_the_garden = server.connect();
    in_the_garden.open_websocket("/chat-ws/garden/socket");
    in_the_kitchen[0].send_frame(websocket::TEXT, "Hello");
    in_the_garden.send_frame(websocket::TEXT, "Birds");
    for client in &mut in_the_kitchen {
        client.expect_frame(websocket::TEXT, "Hello");
    }
    in_the_garden.expect_frame(websocket::TEXT, "Birds");
    in_the_garden.send_frame(websocket::BINARY, "Birds");
    in_the_garden.expect_close(1003, "text only");
}

#[test]
fn chat_ws_refuses_the_pages_of_other_sites() {
    let server = TestServer::serving(guest::CHAT_WS);
    let ask = |origin: &str, room: &str| {
        let mut client = server.connect();
        let fields = format!("{}Origin: {origin}\r\n", websocket::HANDSHAKE);
        client.send(format!("GET /chat-ws/{room}/socket HTTP/1.1\r\nHost: chat.example\r\n{fields}\r\n"));
        client.read_until(" ");
        client.read_until(" ")
    };
    assert_eq!(ask("https://chat.example", "a"), "101 ");
    assert_eq!(ask("https://other.example", "a"), "403 ");
    assert_eq!(ask("null", "a"), "403 ");
    assert_eq!(ask("https://chat.example", &"a".repeat(200)), "400 ");
}

// Each import costs every request. What can panic, print or fail to allocate imports all of WASI's streams.
#[test]
fn a_guest_that_cannot_fail_imports_nothing_but_what_it_calls() {
    let cases: &[(Guest, &[&str])] = &[
        (guest::NOTHING, &[]),
        (guest::TEXT, &[]),
        (guest::HELLO, &["write", "fail"]),
        (guest::STATIC_CHUNKS, &["write", "fail"]),
        (guest::MANUAL, &["write", "fail"]),
        (guest::HELLO_WRITE, &["write", "close", "fail"]),
    ];
    for (guest, functions) in cases {
        let mut expected =
            functions.iter().map(|name| format!("vibrato:handler/response@0.1.0 {name}")).collect::<Vec<_>>();
        expected.sort();
        assert_eq!(imports(*guest), expected, "{guest}");
    }
    let called = ["response@0.1.0 fail", "response@0.1.0 set-field", "seal@0.1.0 sealed"];
    assert_eq!(imports(guest::ACCESS_HEADER), called.map(|function| format!("vibrato:handler/{function}")));
}

/// The functions that a component imports, each after its interface, sorted.
fn imports(guest: Guest) -> Vec<String> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, guest.path()).expect("it is a component");
    let mut functions = Vec::new();
    for (interface, item) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { panic!("{interface} is no interface") };
        let exports = instance.exports(&engine);
        let called = exports.filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
        functions.extend(called.map(|(name, _)| format!("{interface} {name}")));
    }
    functions.sort();
    functions
}

#[test]
fn all_examples_can_be_served_together() {
    let add = |routes: RoutesDir, example: &Guest| match MIDDLEWARE.contains(example) {
        true => routes.with_as(&format!("_{example}.wasm"), *example),
        false => routes.with(*example),
    };
    let server = TestServer::start(artifacts::EXAMPLES.iter().fold(RoutesDir::new(), add));
    assert_eq!(server.diagnostics(), []);
}
